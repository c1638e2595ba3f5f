"""The Space as it starts on a card: ``python app.py --profile yuan --llm TINY``, a process of its own, all three tabs.

Yuan2 and bge have their real layouts and random weights, the small model beside them and its adapters are the real ones:
so what Yuan2 writes means nothing here, and everything else does. Screenshots in artifacts/.
"""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.cuda import random_bge
from src.runtime import Runtime
from src.settings import ROOT, load_settings
from tests.browser.conftest import PATIENCE_MS, choose_tab
from tests.conftest import ARTIFACTS
from tests.yuan.tiny import released_checkpoint

pytestmark = [pytest.mark.browser, pytest.mark.model]
QUESTION = "广州大学的办学历史可以追溯到哪一年？"
RESUME = "王建国，男，汉族，工商管理硕士，现任宏远科技股份有限公司董事长。"
START_S = 600


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "log.txt"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, log: Path) -> Iterator[str]:
    """The app in a process of its own, its cache filled as after a first start."""
    embedded = Runtime(load_settings(profile="embedded"))
    embedded.llm_path()  # downloaded, once for all tests
    cache, tiny = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("tiny")
    for folder in ("models", "dense"):
        (cache / folder).mkdir()
        for kept in (embedded.settings.cache_dir / folder).iterdir():
            (cache / folder / kept.name).symlink_to(kept)
    bge = cache / "models" / "BAAI--bge-small-zh-v1.5"
    bge.mkdir()
    random_bge(bge, sorted(set((ROOT / "examples" / "knowledge.txt").read_text("utf-8"))), layers=1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--profile", "yuan", "--llm", str(released_checkpoint(tiny)), "--cache-dir", str(cache)]
    with log.open("wb") as file:
        app = subprocess.Popen(
            [sys.executable, "app.py", *options, "--port", str(port), "--max-new-tokens", "40"],
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}/"
    try:
        wait_for(address, app, log)
        yield address
    finally:
        app.terminate()
        app.wait(30)


def wait_for(address: str, app: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(START_S):
        if app.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address + "health", timeout=5):
                return
        except OSError:
            time.sleep(1)
    pytest.fail(f"the app did not start:\n{log.read_text('utf-8')[-3000:]}")


@pytest.fixture(scope="module", autouse=True)
def patience() -> None:
    expect.set_options(timeout=PATIENCE_MS)


def keep(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"yuan-{name}.png", full_page=True)


def test_everything_is_loaded_at_start_and_listed(address: str, log: Path) -> None:
    said = log.read_text("utf-8")
    lines = said[said.index("部件") :].splitlines()
    parts = [line.split("  ")[0] for line in lines]
    wanted = ["语言模型", "小模型", "适配器 resume", "适配器 reader", "向量模型", "知识库", "合计"]
    assert [part for part in parts if part in wanted] == sorted(wanted, key=parts.index)
    assert set(wanted) <= set(parts)
    by_part = dict(zip(parts, lines, strict=True))
    assert "bge-small-zh-v1.5" in by_part["向量模型"]
    assert "cpu" in by_part["语言模型"]


def test_the_chat_finds_reads_and_answers(page: Page) -> None:
    box = page.locator("#chat-input textarea")
    box.fill(QUESTION)
    box.press("Enter")
    first = page.locator("#sources .yz-card").first
    expect(first).to_contain_text("1927")
    expect(first).to_contain_text("有答案")
    expect(page.locator("#sources mark").first).to_be_attached()
    expect(page.locator("#chat-input .submit-button")).to_be_visible()
    expect(page.locator("#chatbot .bot.message").last).not_to_be_empty()
    keep(page, "chat")


def test_resumes_are_extracted_by_the_small_models_adapter(page: Page) -> None:
    choose_tab(page, "抽取")
    page.locator("#resume-input textarea").fill(RESUME)
    page.locator("#extract-run").click()
    expect(page.locator("#extract-status")).to_contain_text("用时")
    for value in ("王建国", "汉族", "董事长", "宏远科技股份有限公司"):
        expect(page.locator("#extract-table")).to_contain_text(value)
    keep(page, "extraction")


def test_the_index_explains_a_question(page: Page) -> None:
    choose_tab(page, "索引")
    page.locator("#probe-input textarea, #probe-input input").first.fill(QUESTION)
    page.locator("#probe-run").click()
    expect(page.locator("#probe-verdict")).to_contain_text("聊天会回答")
    expect(page.locator("#probe-text mark").first).to_be_visible()
    keep(page, "index")


def test_a_phone_in_english(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844}, locale="en-US")
    page.goto(address + "en")
    box = page.locator("#chat-input textarea")
    box.fill("Which is the longest river of China?")
    box.press("Enter")
    expect(page.locator("#chatbot .bot.message").last).not_to_be_empty()
    expect(page.locator("#chat-input .submit-button")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    keep(page, "phone")
    page.close()
