"""Texts to extract from, and what was found in them, as JSON lines; an output is appended to and resumed from."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from src.errors import InputError
from src.extraction.schema import LABELS, Extraction, replace_surrogates

Record = dict[str, Any]
_SHOWN_PROBLEMS = 5
_LINE_START = b'{"id": '


@dataclass(frozen=True)
class Line:
    """One text, and what to call it in the output."""

    id: str | int
    text: str


def read_lines(path: Path, name: str | None = None, max_line_bytes: int | None = None) -> list[Line]:
    """Lines ``{"id"?, "text"}``; one without ``id`` gets its line number (from 1). ``name`` is shown for the path.

    Raises:
        InputError: the file cannot be read, or some of its lines are not that or too long; they are named.
    """
    try:
        rows = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise InputError(f"读不了输入文件 {name or path}：{error.strerror}") from error
    lines: list[Line] = []
    problems: list[str] = []
    first_seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        if not row.strip():
            continue
        try:
            if max_line_bytes is not None and len(row) > max_line_bytes:
                raise ValueError(f"有 {len(row)} 字节，最多 {max_line_bytes} 字节")
            line = _parse_line(row, number)
        except ValueError as error:
            problems.append(f"第 {number} 行{error}")
            continue
        earlier = first_seen.setdefault(key_of(line.id), number)
        if earlier != number:
            problems.append(f"第 {number} 行的 id {line.id!r} 与第 {earlier} 行重复")
        lines.append(line)
    refuse(problems, str(name or path), '每行应当是 {"id": …, "text": "…"}，id 可省略')
    return lines


def refuse(problems: list[str], name: str, cure: str) -> None:
    """Raises InputError with the first of the problems, if there are any."""
    if problems:
        more = f" 等 {len(problems)} 处" if len(problems) > _SHOWN_PROBLEMS else ""
        raise InputError(f"{name} 有不能用的行：{'；'.join(problems[:_SHOWN_PROBLEMS])}{more}。{cure}")


def record_of(line: Line, result: Extraction | InputError, labels: Sequence[str] = LABELS) -> Record:
    """The line of the output; a text that could not be used has nothing in it, and ``error`` says why."""
    if isinstance(result, InputError):
        nothing = Extraction.of(replace_surrogates(line.text), labels=labels)
        return record_of(line, nothing) | {"error": str(result)}
    found = result.to_json()
    return {"id": line.id, **{name: found[name] for name in ("text", "entities", "spans", "people")}}


def dump(record: Record) -> bytes:
    """One line in UTF-8."""
    line = json.dumps(record, ensure_ascii=False) + "\n"
    try:
        return line.encode()
    except UnicodeEncodeError:  # an id with a lone surrogate: must come back the same when resumed
        return (json.dumps(record) + "\n").encode()


def key_of(line_id: str | int) -> str:
    """1 and "1" are different ids."""
    return json.dumps(line_id)


@contextmanager
def open_output(path: Path) -> Iterator[tuple[BinaryIO, set[str]]]:
    """The file to append to and the keys of the ids that are in it.

    Raises:
        InputError: it cannot be written, or is not an output of ours; then it is left as it is.
    """
    try:
        done = _resume(path)
        output = path.open("ab")
    except OSError as error:
        raise unwritable(path, error) from error
    with output:
        yield output, done


def append(output: BinaryIO, record: Record) -> None:
    """Raises InputError where the disk refuses."""
    try:
        output.write(dump(record))
        output.flush()
    except OSError as error:
        raise unwritable(output.name, error) from error


def unwritable(path: object, error: OSError) -> InputError:
    """What to raise where an output cannot be written."""
    return InputError(f"写不了输出文件 {path}：{error.strerror}")


def _parse_line(row: bytes, number: int) -> Line:
    """Raises ValueError with the end of a sentence that begins with the line's number."""
    try:
        record = json.loads(row)
    except (ValueError, RecursionError) as error:
        raise ValueError("不是 UTF-8 的 JSON") from error
    if not isinstance(record, dict):
        raise ValueError("不是 JSON 对象")
    text, line_id = record.get("text"), record.get("id")
    if not isinstance(text, str):
        raise ValueError("没有 text，或 text 不是字符串")
    if line_id is None:
        line_id = number
    if isinstance(line_id, bool) or not isinstance(line_id, str | int):
        raise ValueError("的 id 应当是字符串或整数")
    return Line(line_id, text)


def read_output(path: Path) -> list[Record]:
    """The whole lines of an output of ours; a last one without line break, left by a kill, is none.

    Raises:
        InputError: some line is not a result.
    """
    return _records(path, path.read_bytes())


def _records(path: Path, content: bytes) -> list[Record]:
    records = []
    for number, row in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            record = json.loads(row)
            complete = "entities" in record and key_of(record["id"]) is not None
        except (ValueError, TypeError, KeyError, RecursionError):
            complete = False
        if not complete:
            raise InputError(f"{path} 第 {number} 行不是抽取的结果，无法接着写；请换一个输出文件或先移走它")
        records.append(record)
    return records


def _resume(path: Path) -> set[str]:
    """The ids that are in the output; what a kill left behind its last whole line is cut off.

    Raises:
        InputError: the file is not an output of ours; it is left as it is.
    """
    if not path.exists():
        return set()
    content = path.read_bytes()
    done = {key_of(record["id"]) for record in _records(path, content)}
    whole = content.rfind(b"\n") + 1
    tail = content[whole:]
    if not done and not tail.startswith(_LINE_START[: len(tail)]):
        raise InputError(f"{path} 不是抽取的结果，无法接着写；请换一个输出文件或先移走它")
    if tail:
        os.truncate(path, whole)
    return done
