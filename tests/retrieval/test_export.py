import csv
import json

import pytest

from src.errors import InputError
from src.retrieval.export import write_rows

ROWS = [
    {"id": 1, "score": -0.5, "text": '=HYPERLINK("http://x";"y")'},
    {"id": 2, "score": None, "text": '逗号,引号"和\n换行'},
    {"id": 3, "score": 0.25, "text": "孤立代理\ud800\x00"},
]


def test_csv_opens_in_excel_and_runs_nothing(tmp_path) -> None:
    path = tmp_path / "新" / "a.csv"
    assert write_rows(path, ROWS, "csv") == (3, False)
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        read = list(csv.reader(stream))
    assert read[0] == ["id", "score", "text"]
    assert read[1] == ["1", "-0.5", "'" + ROWS[0]["text"]]
    assert read[2] == ["2", "", ROWS[1]["text"]]


def test_json_lines_are_as_they_were(tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    assert write_rows(path, ROWS[:2], "jsonl") == (2, False)
    assert [json.loads(line) for line in path.read_text("utf-8").splitlines()] == ROWS[:2]


def test_no_more_rows_are_taken_than_the_limit_needs(tmp_path) -> None:
    taken = []

    def rows():
        for i in range(100):
            taken.append(i)
            yield {"i": i}

    assert write_rows(tmp_path / "a.csv", rows(), "csv", limit=10) == (10, True)
    assert len(taken) == 11
    assert len((tmp_path / "a.csv").read_text("utf-8-sig").split()) == 11
    assert write_rows(tmp_path / "a.csv", rows(), "csv", limit=100) == (100, False)


def test_nothing_to_write(tmp_path) -> None:
    assert write_rows(tmp_path / "a.csv", [], "csv") == (0, False)
    assert (tmp_path / "a.csv").read_text("utf-8-sig") == ""


def test_what_fails_half_way_leaves_the_old_file(tmp_path) -> None:
    path = tmp_path / "a.csv"
    write_rows(path, ROWS, "csv")
    before = path.read_bytes()

    def broken():
        yield ROWS[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_rows(path, broken(), "csv")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_no_room_is_said_in_chinese(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="写不下来"):
        write_rows(tmp_path / "file" / "a.csv", ROWS, "csv")
