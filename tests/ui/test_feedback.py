"""What visitors say, on the owner's disk."""

import json
import logging
import stat
import threading
from pathlib import Path

from src.ui import feedback


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").removesuffix("\n").split("\n")]


def note(path: Path, question: str = "问", **more) -> None:
    feedback.record(path, **({"liked": True, "question": question, "answer": "答", "sources": ["a.txt"]} | more))


def test_one_line_each_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "feedback.jsonl"
    note(path, "第一行\n第二行 \u2028 \ud800")
    note(path, liked=False)
    first, second = rows(path)
    assert first["question"] == "第一行\n第二行 \u2028 ?"
    assert (first["liked"], second["liked"]) == (True, False)
    assert first["sources"] == ["a.txt"]
    assert first["time"][:2] == "20"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "feedback.jsonl"
    path.touch(0o644)
    path.chmod(0o644)
    note(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_many_at_once_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "feedback.jsonl"
    threads = [threading.Thread(target=note, args=(path, str(n) * 3000)) for n in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row["question"][0] for row in rows(path)) == list("012345678")


def test_long_texts_are_cut_and_a_full_file_says_so(tmp_path: Path, caplog) -> None:
    path = tmp_path / "feedback.jsonl"
    note(path, "长" * 1_000_000, max_bytes=60_000)
    assert len(rows(path)[0]["question"]) == 10_000
    caplog.set_level(logging.WARNING)
    note(path, "秘密" * 10_000, max_bytes=60_000)
    assert len(rows(path)) == 1
    assert "已满" in caplog.text
    assert "秘密" not in caplog.text


def test_a_place_that_cannot_be_written_is_logged_and_nothing_else(tmp_path: Path, caplog) -> None:
    note(tmp_path / "missing" / "feedback.jsonl")
    note(tmp_path)
    assert caplog.text.count("写不了") == 2
