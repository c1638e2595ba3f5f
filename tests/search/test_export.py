import csv
import io
import json

from src.ingest.types import Chunk
from src.search.export import chunk_row, rows_file
from src.search.rows import StoredChunk

ROWS = [
    {"id": 1, "score": -0.5, "text": '=HYPERLINK("http://x";"y")'},
    {"id": 2, "score": None, "text": '逗号,引号"和\n换行'},
    {"id": 3, "score": 0.25, "text": "孤立代理\ud800\x00"},
]


def test_csv_opens_in_excel_and_runs_nothing() -> None:
    data, written, more = rows_file(ROWS, "csv")
    assert (written, more) == (3, False)
    assert data.startswith(b"\xef\xbb\xbf")
    assert b"\r\n" in data
    read = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert read[0] == ["id", "score", "text"]
    assert read[1] == ["1", "-0.5", "'" + str(ROWS[0]["text"])]
    assert read[2] == ["2", "", ROWS[1]["text"]]


def test_json_lines_are_as_they_were() -> None:
    data, written, more = rows_file(ROWS[:2], "jsonl")
    assert (written, more) == (2, False)
    assert [json.loads(line) for line in data.decode("utf-8").splitlines()] == ROWS[:2]


def test_no_more_rows_are_taken_than_the_limit_needs() -> None:
    taken = []

    def rows():
        for i in range(100):
            taken.append(i)
            yield {"i": i}

    data, written, more = rows_file(rows(), "csv", limit=10)
    assert (written, more, len(taken)) == (10, True, 11)
    assert len(data.decode("utf-8-sig").split()) == 11
    assert rows_file(rows(), "csv", limit=100)[1:] == (100, False)


def test_a_file_grows_no_larger_than_the_browser_takes() -> None:
    data, written, more = rows_file(({"text": "字" * 100} for _ in range(100)), "jsonl", max_bytes=1000)
    assert more
    assert 0 < written < 4
    assert len(data) <= 1000


def test_nothing_to_write() -> None:
    assert rows_file([], "csv") == (b"\xef\xbb\xbf", 0, False)
    assert rows_file([], "jsonl") == (b"", 0, False)


def test_a_passage_as_a_row() -> None:
    row = chunk_row(StoredChunk(Chunk("d#0", "d", "a.txt:1", "", "一段。", 0, 3), "a.txt", "首句"))
    assert list(row) == [
        "file",
        "chunk_id",
        "doc_id",
        "source",
        "title",
        "start",
        "end",
        "page",
        "characters",
        "text",
    ]
    assert (row["file"], row["characters"], row["text"]) == ("a.txt", 3, "一段。")
