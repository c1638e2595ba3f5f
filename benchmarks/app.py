"""What a visitor waits for: ``python -m benchmarks.app`` starts the app on the cache as it is and prints a table.

Start to first page, first token, tokens a second, a resume, peak memory (Linux only). Run it alone on the machine;
for a first start give an empty ``--cache-dir``.
"""

import argparse
import tempfile
from pathlib import Path

from gradio_client import Client
from transformers import AutoTokenizer

from benchmarks.start import started

GROUNDED = "广州大学的办学历史可以追溯到哪一年？"
FREE = "请写一篇短文，介绍长江、黄河和珠江。"
RESUME = "王建国，男，汉族，1968年出生，工商管理硕士，高级工程师，现任宏远科技股份有限公司董事长。"


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache-dir", type=Path, default=Path.home() / ".cache" / "yuanzhi")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    arguments = ["--cache-dir", str(options.cache_dir), "--dtype", options.dtype]
    with tempfile.TemporaryDirectory() as folder, started(Path(folder), arguments) as app:
        rows = [("启动到网页可用", f"{app.start_s:.1f} s")]
        rows += measure(Client(app.address, verbose=False), options.cache_dir, options.rounds)
        rows.append(("内存峰值", f"{peak_memory_mb(app.process.pid)} MB"))
    print("| 项目 | 数值 |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


def measure(client: Client, cache_dir: Path, rounds: int) -> list[tuple[str, str]]:
    """The best of ``rounds`` for each figure: noise only ever adds time."""
    tokenizer = AutoTokenizer.from_pretrained(next((cache_dir / "dense").glob("*/tokenizer.json")).parent)
    rows = []
    for name, question, use in (("有知识库", GROUNDED, True), ("无知识库", FREE, False)):
        best_first, best_rate = float("inf"), 0.0
        for _ in range(rounds):
            answer = client.predict(question, [], use, api_name="/chat")
            times = answer["timings_ms"]
            tokens = len(tokenizer(answer["answer"]).input_ids)
            best_first = min(best_first, times["first_token"] / 1000)
            best_rate = max(best_rate, 1000 * tokens / (times["total"] - times["first_token"]))
        rows.append((f"{name}：首个 token", f"{best_first:.2f} s"))
        rows.append((f"{name}：生成速度（{tokens} token）", f"{best_rate:.1f} token/s"))
    seconds = min(client.predict(RESUME, api_name="/extract")["timings_ms"]["total"] for _ in range(rounds))
    rows.append((f"抽取一份 {len(RESUME)} 字的简历", f"{seconds / 1000:.1f} s"))
    return rows


def peak_memory_mb(pid: int) -> int:
    """The most resident memory the process ever had."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kib) // 1024


if __name__ == "__main__":
    main()
