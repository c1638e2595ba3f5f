"""JSON lines in, JSON lines out: a bad line is named by its number, an output file is whole or untouched.
And CSV that a spreadsheet shows as text."""

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from src.errors import InputError

# By this Excel knows that a CSV is UTF-8.
BYTE_ORDER_MARK = "\ufeff"
# Excel and its like take such a cell for a formula, full-width marks too in some languages.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")


def defused(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula, with an apostrophe before it; anything else as it is."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as the text of a CSV file, byte order mark included; see ``defused`` for texts of strangers."""
    stream = io.StringIO(newline="")
    stream.write(BYTE_ORDER_MARK)
    csv.writer(stream).writerows(rows)
    return stream.getvalue()


def read_jsonl(path: Path, required: dict[str, type]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) for every non-empty line.

    Raises:
        InputError: the file cannot be read, or a line is not an object with the ``required`` fields.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} 不是 UTF-8 文件（第 {error.start} 字节）") from error
    except OSError as error:
        raise InputError(f"读不了 {path}：{error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} 第 {number} 行不是 JSON：{error}") from error
        if not isinstance(row, dict):
            raise InputError(f"{path} 第 {number} 行应为 JSON 对象，得到 {type(row).__name__}")
        for name, kind in required.items():
            if not isinstance(row.get(name), kind):
                raise InputError(f"{path} 第 {number} 行缺少 {kind.__name__} 类型的字段 {name}")
        yield number, row


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]], *, total: int, description: str) -> None:
    """Write all rows with a progress bar; on any error an existing ``path`` stays as it was.

    Raises:
        InputError: ``path`` cannot be written.
    """
    # A device or pipe, such as /dev/stdout, is written to, never replaced.
    special = path.exists() and not path.is_file()
    partial = path if special else path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # A lone surrogate may come from an id in the input, and UTF-8 has no place for it.
        with partial.open("w", encoding="utf-8", errors="replace") as file:
            for row in tqdm(rows, total=total, desc=description):
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        if not special:
            os.replace(partial, path)
    except OSError as error:
        raise InputError(f"写不了 {path}：{error.strerror}") from error
    finally:
        if not special:
            partial.unlink(missing_ok=True)
