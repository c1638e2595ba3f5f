"""What can be known of ZeroGPU without its machines: import order, and a worker that is a forked process."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.test_engine import random_adapter
from tests.models.test_reading import reader
from tests.tiny import tiny_checkpoint
from tests.yuan.tiny import released_checkpoint

ROOT = Path(__file__).resolve().parent.parent

# As the wrapper of ``spaces`` does it: one worker, forked at the first call and kept; arguments and results are pickled.
FORKED = """
import multiprocessing, os, sys
from pathlib import Path
import torch
from src.models.adapters import AdapterManifest
from src.models.base import GenerationOptions, Message
from src.models.engine import load_engine

context = multiprocessing.get_context("fork")
workers = []

def gpu(task):
    arguments, results = context.SimpleQueue(), context.SimpleQueue()

    def work():
        while True:
            for item in task(*arguments.get()):
                results.put((os.getpid(), item))
            results.put(None)

    def remote(*given):
        if not remote.worker:
            remote.worker = context.Process(target=work, daemon=True)
            remote.worker.start()
            workers.append(remote.worker)
        arguments.put(given)
        while (result := results.get()) is not None:
            assert result[0] == remote.worker.pid != os.getpid()
            yield result[1]

    remote.worker = None
    return remote

def everything(model):
    options = GenerationOptions(max_new_tokens=12)
    answers = ["".join(piece for piece in model.stream([Message("user", text)], options)) for text in ("你好", "长江")]
    labels = [{i: rows.tolist() for i, rows in found.items()} for found in model.labels(["王小明任董事"], "marks")] if tags else None
    read = list(model.read([("", "王明是校长。")], ["谁是校长？"], "reads")) if tags else None
    return answers, labels, read

folder, tags = Path(sys.argv[1]), sys.argv[2:]
model = load_engine(folder, dtype="float32", threads=1, context_tokens=600)
if tags:
    model.add_adapter("marks", Path(tags[0]))
    model.describe_adapter("marks", AdapterManifest("tiny", "", "labels", labels=5))
    model.add_adapter("reads", Path(tags[1]))
model.use_graphs()
expected = everything(model)
assert expected[0][0]
model.warm_up()
model.run_on(gpu)
assert everything(model) == expected == everything(model)
assert len(workers) == (3 if tags else 1)
for worker in workers:
    worker.kill()
print("ok")
"""

ORDER = """
import sys
import app
names = list(sys.modules)
assert "spaces" in names
for late in ("torch", "transformers", "gradio", "src.runtime"):
    assert late not in names or names.index("spaces") < names.index(late), late
"""


def run(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("kind", ["yuan", "small"])
def test_a_forked_worker_answers_tags_and_reads_the_same(kind: str, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    if kind == "yuan":
        run(FORKED, str(released_checkpoint(base)))
    else:
        tiny_checkpoint(base)
        run(
            FORKED,
            str(base),
            str(random_adapter(base, tmp_path / "marks", 1)),
            str(reader(base, tmp_path / "reads")),
        )


def test_spaces_is_imported_before_anything_that_touches_cuda() -> None:
    run(ORDER)
