"""Output folder of a run: claimed once, by however many processes."""

import json
import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from src.errors import InputError
from src.training.folder import RUN_FILE, claim

RUN = {"recipe": {"epochs": 3}, "base": "f" * 16}


def _claim_all(parent: Path, rounds: int, together: Barrier) -> None:
    for number in range(rounds):
        together.wait(30)
        claim(parent / f"{number}", RUN)


def test_processes_that_start_together_claim_one_folder(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    together = fork.Barrier(4)
    processes = [fork.Process(target=_claim_all, args=(tmp_path, 60, together)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    for folder in tmp_path.iterdir():
        assert [path.name for path in folder.iterdir()] == [RUN_FILE]
        assert json.loads((folder / RUN_FILE).read_text("utf-8")) == RUN


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (RUN_FILE, json.dumps(RUN | {"base": "0"}), "另一次训练"),
        (RUN_FILE, "{", "用不了输出目录"),
        ("notes.txt", "mine", "不是空目录"),
        ("adapter_config.json", "{}", "已经有一个适配器"),
    ],
)
def test_what_belongs_to_somebody_else_is_left_alone(
    tmp_path: Path, name: str, content: str, expected: str
) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(InputError, match=expected):
        claim(tmp_path, RUN)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text("utf-8") == content
