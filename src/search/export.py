"""Tables as the bytes of files: CSV that Excel opens as it is meant, and JSON lines. Nothing touches the disk."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Literal

from src.files import BYTE_ORDER_MARK, defused
from src.search.rows import StoredChunk

Kind = Literal["csv", "jsonl"]
MAX_ROWS = 50_000
MAX_BYTES = 48 << 20


def chunk_row(stored: StoredChunk) -> dict[str, Any]:
    """A chunk as one row: its file and its own fields."""
    chunk = asdict(stored.chunk)
    text = chunk.pop("text")
    return {"file": stored.file, **chunk, "characters": len(text), "text": text}


def rows_file(
    rows: Iterable[dict[str, Any]], kind: Kind, limit: int = MAX_ROWS, max_bytes: int = MAX_BYTES
) -> tuple[bytes, int, bool]:
    """(content, rows in it, whether there were more than ``limit`` or than fit into ``max_bytes``).

    Args:
        rows: all with the keys of the first; taken one by one, and one at most after the last.
    """
    # Excel knows by the mark that a CSV is UTF-8; JSON must have none.
    stream = io.StringIO(BYTE_ORDER_MARK if kind == "csv" else "", newline="")
    stream.seek(0, io.SEEK_END)
    size = written = 0
    for row in rows:
        if written == limit:
            return _encoded(stream), written, True
        line = _line(row, kind, heading=not written)
        size += len(line.encode("utf-8", "replace"))
        if size > max_bytes:
            return _encoded(stream), written, True
        stream.write(line)
        written += 1
    return _encoded(stream), written, False


def _line(row: dict[str, Any], kind: Kind, heading: bool) -> str:
    if kind == "jsonl":
        return json.dumps(row, ensure_ascii=False) + "\n"
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    if heading:
        writer.writerow(row)
    writer.writerow([defused(value) for value in row.values()])
    return text.getvalue()


def _encoded(stream: io.StringIO) -> bytes:
    # Lone surrogates have no UTF-8.
    return stream.getvalue().encode("utf-8", "replace")
