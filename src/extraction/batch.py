"""Many resumes from file to file, resumable: what is in the output already is not done again."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from src.errors import InputError
from src.extraction.schema import Extraction, replace_surrogates
from src.extraction.service import ExtractionService

_SHOWN_PROBLEMS = 5
_LINE_START = b'{"id": '


@dataclass(frozen=True)
class BatchCounts:
    """Lines of the input: ``total = skipped + extracted + failed``.

    Attributes:
        skipped: were in the output already.
        failed: hold a text that cannot be used; their output line says why under ``error``.
    """

    total: int
    skipped: int
    extracted: int
    failed: int


@dataclass(frozen=True)
class _Line:
    id: str | int
    text: str


def extract_jsonl(
    service: ExtractionService,
    input_path: str | Path,
    output_path: str | Path,
    use_adapter: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> BatchCounts:
    """Lines ``{"id"?, "text"}`` to lines ``{"id", "text", "entities", "spans"}``, in UTF-8, same order.

    A line without ``id`` gets its line number (from 1). ``progress(done, total)`` is called at the start and
    after each line.

    Raises:
        InputError: a file cannot be read or written, input and output are the same, or lines of the input
            (all are looked at before any work starts) or of the output are not what they should be.
        ModelError: the model cannot answer; what is done stays done.
    """
    source, target = Path(input_path), Path(output_path)
    if _same_file(source, target):
        raise InputError(f"输出文件不能就是输入文件：{source}")
    lines = _read_input(source)
    failed = 0
    with _open_output(target) as (output, done):
        todo = [line for line in lines if _key(line.id) not in done]
        skipped = len(lines) - len(todo)
        if progress:
            progress(skipped, len(lines))
        for number, line in enumerate(todo, start=skipped + 1):
            record = _record(service, line, use_adapter)
            _append(output, record)
            failed += "error" in record
            if progress:
                progress(number, len(lines))
    return BatchCounts(len(lines), skipped, len(todo) - failed, failed)


def _same_file(source: Path, target: Path) -> bool:
    if source.exists() and target.exists():
        return source.samefile(target)
    return source.resolve() == target.resolve()


@contextmanager
def _open_output(path: Path) -> Iterator[tuple[BinaryIO, set[str]]]:
    """The file to append to and the ids that are in it."""
    try:
        done = _resume(path)
        output = path.open("ab")
    except OSError as error:
        raise _unwritable(path, error) from error
    with output:
        yield output, done


def _append(output: BinaryIO, record: dict[str, Any]) -> None:
    try:
        output.write(_dump(record))
        output.flush()
    except OSError as error:
        raise _unwritable(output.name, error) from error


def _unwritable(path: object, error: OSError) -> InputError:
    return InputError(f"写不了输出文件 {path}：{error.strerror}")


def _record(service: ExtractionService, line: _Line, use_adapter: bool) -> dict[str, Any]:
    try:
        result = service.extract(line.text, use_adapter).to_json()
        problem = {}
    except InputError as error:
        result = Extraction.of(replace_surrogates(line.text)).to_json()
        problem = {"error": str(error)}
    return {"id": line.id, **{name: result[name] for name in ("text", "entities", "spans")}} | problem


def _dump(record: dict[str, Any]) -> bytes:
    line = json.dumps(record, ensure_ascii=False) + "\n"
    try:
        return line.encode()
    except UnicodeEncodeError:  # an id with a lone surrogate: must come back the same when resumed
        return (json.dumps(record) + "\n").encode()


def _key(line_id: str | int) -> str:
    """1 and "1" are different ids."""
    return json.dumps(line_id)


def _read_input(path: Path) -> list[_Line]:
    try:
        rows = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise InputError(f"读不了输入文件 {path}：{error.strerror}") from error
    lines: list[_Line] = []
    problems: list[str] = []
    first_seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        if not row.strip():
            continue
        try:
            line = _parse_line(row, number)
        except ValueError as error:
            problems.append(f"第 {number} 行{error}")
            continue
        earlier = first_seen.setdefault(_key(line.id), number)
        if earlier != number:
            problems.append(f"第 {number} 行的 id {line.id!r} 与第 {earlier} 行重复")
        lines.append(line)
    if problems:
        more = f" 等 {len(problems)} 处" if len(problems) > _SHOWN_PROBLEMS else ""
        raise InputError(
            f"{path} 有不能用的行：{'；'.join(problems[:_SHOWN_PROBLEMS])}{more}。"
            '每行应当是 {"id": …, "text": "…"}，id 可省略'
        )
    return lines


def _parse_line(row: bytes, number: int) -> _Line:
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
    return _Line(line_id, text)


def _resume(path: Path) -> set[str]:
    """The ids that are in the output; a last line without line break, left by a kill, is cut off.

    Raises:
        InputError: the file is not an output of ours; it is left as it is.
    """
    if not path.exists():
        return set()
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    done = set()
    for number, row in enumerate(content[:whole].split(b"\n")[:-1], start=1):
        try:
            record = json.loads(row)
            done.add(_key(record["id"]))
            complete = "entities" in record
        except (ValueError, TypeError, KeyError, RecursionError):
            complete = False
        if not complete:
            raise InputError(f"{path} 第 {number} 行不是抽取的结果，无法接着写；请换一个输出文件或先移走它")
    tail = content[whole:]
    if not done and not tail.startswith(_LINE_START[: len(tail)]):
        raise InputError(f"{path} 不是抽取的结果，无法接着写；请换一个输出文件或先移走它")
    if whole < len(content):
        os.truncate(path, whole)
    return done
