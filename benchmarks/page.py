"""What a visitor of the page waits for, before and after: ``python -m benchmarks.page --before ../old-checkout``.

Starts the app of each checkout in a process of its own, drives Chromium, and prints a table: milliseconds from the Enter
key to the first visible token of the answer and to its end, before and after in turn; the page's components by type; the
lines of src/ui and of the path that a question takes. ``--fake`` runs without weights.
"""

import argparse
import ast
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.start import ROOT, started

QUESTIONS = ["广州大学的办学历史可以追溯到哪一年？", "LoRA 为什么省显存？", "端午节是哪一天？"]
PATIENCE_MS = 300_000
# CSS of the box for a question, of the text of each answer, and of what is there only while one is written (empty: an
# answer has ended when its text has stayed the same for SETTLED_MS).
COMPOSER = "#chat-input textarea"
ANSWERS = {
    "before": "#chatbot .message.bot .yz-body",
    "after": "#chatbot .bot .message-content:not(.thought-group *) > .prose > :not(blockquote)",
}
SETTLED_MS = 1500
# Entry points of a question's path; every module of src/ that they import, and those import in turn, counts.
ENTRIES = {
    "before": ["src/ui/chat/dialogue_tab.py", "src/chat/service.py"],
    "after": ["src/ui/chat_tab.py", "src/chat/service.py"],
}
# Rooms that are not the request's path but what it asks: the index, the model, the readers of files.
ASKED = ("ingest", "models", "yuan", "search", "training", "evaluation", "extraction")
# Watches the page from inside: a change is stamped when it is drawn, not when we come to ask.
WATCH_JS = """([answers, before]) => {
  const seen = {first: null, last: null, text: ""};
  window.yzSeen = seen;
  window.yzSent = null;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && window.yzSent === null) window.yzSent = performance.now();
  }, {capture: true, once: true});
  const look = () => {
    const all = document.querySelectorAll(answers);
    // The old page shows an ellipsis before the first word.
    const text = all.length > before ? [...all].slice(before).map((e) => e.innerText).join("\\n").trim().replace(/^…$/, "") : "";
    if (text && text !== seen.text) {
      const now = performance.now();
      seen.first ??= now;
      seen.last = now;
      seen.text = text;
    }
    if (window.yzSeen === seen) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


@dataclass
class Side:
    """One of the checkouts that are compared."""

    name: str
    checkout: Path
    address: str
    first_ms: list[float] = field(default_factory=list)
    end_ms: list[float] = field(default_factory=list)


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="a checkout of an older commit")
    parser.add_argument("--rounds", type=int, default=10, help="questions to each")
    parser.add_argument("--fake", action="store_true", help="without weights: see benchmarks/fake_app.py")
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("没有 chromium")
    checkouts = {"before": options.before.resolve()} if options.before else {}
    checkouts["after"] = ROOT
    with ExitStack() as stack:
        sides = []
        for name, checkout in checkouts.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            app = stack.enter_context(started(folder, checkout=checkout, fake=options.fake))
            sides.append(Side(name, checkout, app.address))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for number in range(options.rounds + 1):
            for side in sides if number % 2 else reversed(sides):
                first, end = ask(browser, side, QUESTIONS[number % len(QUESTIONS)])
                if number:  # the first warms up
                    side.first_ms.append(first)
                    side.end_ms.append(end)
        browser.close()
        print_table(sides)


def ask(browser: Browser, side: Side, question: str) -> tuple[float, float]:
    """Milliseconds from Enter to the first token and to the end of one question on a fresh page."""
    with opened(browser, side.address) as page:
        answers = ANSWERS[side.name]
        box = page.locator(COMPOSER)
        box.fill(question)
        page.evaluate(WATCH_JS, [answers, page.locator(answers).count()])
        box.press("Enter")
        page.wait_for_function("window.yzSeen.first !== null", timeout=PATIENCE_MS)
        page.wait_for_function(
            f"performance.now() - window.yzSeen.last > {SETTLED_MS}", timeout=PATIENCE_MS, polling=100
        )
        sent, first, last = page.evaluate("[window.yzSent, window.yzSeen.first, window.yzSeen.last]")
        return first - sent, last - sent


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1360, "height": 900}, locale="zh-CN")
    page.set_default_timeout(PATIENCE_MS)
    try:
        page.goto(address)
        page.locator(COMPOSER).wait_for()
        time.sleep(1)  # events of the page's load
        yield page
    finally:
        page.close()


def print_table(sides: list[Side]) -> None:
    names = " | ".join(side.name for side in sides)
    print(f"| | {names} |\n|---|{'---|' * len(sides)}")
    commits = [_commit(side.checkout) for side in sides]
    rows: list[tuple[str, list[str]]] = [("提交", commits)]
    for name, values in (
        ("回车到首个可见的 token", [side.first_ms for side in sides]),
        ("回车到回答结束", [side.end_ms for side in sides]),
    ):
        for q in (0.5, 0.95):
            cells = [f"{np.quantile(some, q):.0f} ms" if some else "—" for some in values]
            rows.append((f"{name} p{q * 100:.0f}（{len(values[0])} 次）", cells))
    counts = [components(side.address) for side in sides]
    rows.append(("组件", [str(some.total()) for some in counts]))
    for kind in sorted(set().union(*counts), key=lambda kind: -max(some[kind] for some in counts)):
        rows.append((f"　{kind}", [str(some[kind]) for some in counts]))
    rows.append(("事件", [str(len(_config(side.address)["dependencies"])) for side in sides]))
    ui = [list((side.checkout / "src" / "ui").rglob("*")) for side in sides]
    for ending in ("py", "html", "css", "js", "json"):
        found = [[path for path in some if path.suffix == f".{ending}"] for some in ui]
        if any(found):
            rows.append((f"src/ui，*.{ending}", [f"{lines(some)} 行，{len(some)} 个文件" for some in found]))
    paths = [request_path(side.checkout, ENTRIES[side.name]) for side in sides]
    rows.append(("一个问题经过的代码", [f"{lines(some)} 行，{len(some)} 个文件" for some in paths]))
    for name, cells in rows:
        print(f"| {name} | {' | '.join(cells)} |")


def components(address: str) -> Counter[str]:
    """How many of each type both language pages have together."""
    return Counter(component["type"] for component in _config(address)["components"])


def request_path(checkout: Path, entries: list[str]) -> list[Path]:
    """Modules that the entries import, and those in turn, but not the rooms in ``ASKED``."""
    found: dict[Path, None] = {}
    todo = [checkout / entry for entry in entries]
    while todo:
        path = todo.pop()
        if path in found or not path.is_file():
            continue
        found[path] = None
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                parts = name.split(".")
                if parts[0] == "src" and len(parts) > 1 and parts[1] not in ASKED:
                    todo += [checkout.joinpath(*parts).with_suffix(".py"), checkout.joinpath(*parts, "__init__.py")]
    return list(found)


def lines(paths: list[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def _config(address: str) -> dict[str, list[dict[str, str]]]:
    config: dict[str, list[dict[str, str]]] = httpx.get(f"{address}/config", timeout=60).json()
    return config


def _commit(checkout: Path) -> str:
    found = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "—"


if __name__ == "__main__":
    main()
