"""Tables to files: CSV that Excel opens as it is meant, and JSON lines."""

import csv
import json
import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from src.errors import InputError
from src.files import defused
from src.knowledge.types import Chunk
from src.retrieval.passages import Passage

Kind = Literal["csv", "jsonl"]
# Some 50 MB of passages.
MAX_ROWS = 50_000


def passage_row(passage: Passage) -> dict[str, Any]:
    """A passage as one row: its file and the fields of its chunk."""
    chunk: Chunk = passage.chunk
    return {
        "file": passage.file,
        "chunk_id": chunk.chunk_id,
        "doc_id": chunk.doc_id,
        "source": chunk.source,
        "title": chunk.title,
        "start": chunk.start,
        "end": chunk.end,
        "characters": len(chunk.text),
        "text": chunk.text,
    }


def write_rows(path: Path, rows: Iterable[dict[str, Any]], kind: Kind, limit: int = MAX_ROWS) -> tuple[int, bool]:
    """(rows written, whether there were more than ``limit``); the file is whole or not there, or as it was.

    Args:
        rows: all with the keys of the first; taken one by one, and none after the limit.

    Raises:
        InputError: there is no room, or no permission.
    """
    source = iter(rows)
    partial = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # With a byte order mark, by which Excel knows UTF-8; JSON must have none. Lone surrogates have no UTF-8.
            encoding = "utf-8-sig" if kind == "csv" else "utf-8"
            with partial.open("w", encoding=encoding, errors="replace", newline="") as stream:
                write = _csv(stream) if kind == "csv" else _jsonl(stream)
                written = 0
                for row in islice(source, limit):
                    write(row)
                    written += 1
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"导出的文件写不下来（{error.strerror or error}）；请联系站长检查磁盘") from error
    return written, next(source, None) is not None


def _csv(stream: Any) -> Any:
    writer = csv.writer(stream)
    first = True

    def write(row: dict[str, Any]) -> None:
        nonlocal first
        if first:
            writer.writerow(row)
            first = False
        writer.writerow([defused(value) for value in row.values()])

    return write


def _jsonl(stream: Any) -> Any:
    return lambda row: stream.write(json.dumps(row, ensure_ascii=False) + "\n")
