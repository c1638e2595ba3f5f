"""Many resumes from file to file, resumable: what is done already is not done again."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.caller import ANYONE, Caller
from src.errors import InputError
from src.extraction.jsonl import (
    Line,
    Record,
    append,
    key_of,
    open_output,
    read_lines,
    read_output,
    record_of,
    unwritable,
)
from src.extraction.schema import LABELS, Extraction, replace_surrogates
from src.extraction.service import ExtractionService
from src.extraction.tables import KINDS, Table, table_bytes, table_of
from src.ingest.parse import read_table

# Texts handed over at once: the model may work on several of them together.
CHUNK = 32
Progress = Callable[[int, int], None]


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


def extract_file(
    service: ExtractionService,
    input_path: str | Path,
    output_path: str | Path,
    use_adapter: bool = True,
    progress: Progress | None = None,
    fields: Sequence[str] = (),
) -> BatchCounts:
    """``.csv`` to ``.csv``, ``.xlsx`` to ``.xlsx``; other files are lines ``{"id"?, "text"}`` to lines
    ``{"id", "text", "entities", "spans", "people"}``, in UTF-8, same order.

    A line without ``id`` gets its line number (from 1). Results of a table go to ``working_file`` as they come; the
    table is written whole at the end, and that file removed. ``progress(done, total)`` is called at the start and
    after each line.

    Raises:
        InputError: a file cannot be read or written, input and output are the same or of different kinds, or lines
            of the input (all are looked at before any work starts) or of the output are not what they should be.
        KnowledgeError: the table cannot be read.
        ModelError: the model cannot answer; what is done stays done.
    """
    source, target = Path(input_path), Path(output_path)
    if source.resolve() == target.resolve() or (source.exists() and target.exists() and source.samefile(target)):
        raise InputError(f"输出文件不能就是输入文件：{source}")
    kinds = source.suffix.lower(), target.suffix.lower()
    if not set(kinds) & set(KINDS):
        return _extract_lines(service, read_lines(source), target, use_adapter, progress, fields)
    if kinds[0] != kinds[1]:
        raise InputError(f"输入和输出要用同一种格式，收到的是 {source.name} 和 {target.name}")
    if target.exists():
        raise InputError(f"输出文件 {target} 已经有了；请换一个名字，或先移走它")
    table = table_of(read_table(source), source.name)
    working = working_file(target)
    if working.exists():
        _check_same(table, working)
    counts = _extract_lines(service, table.lines(), working, use_adapter, progress, fields)
    _write_table(table, read_output(working), target, fields or LABELS)
    working.unlink()
    return counts


def in_chunks(
    service: ExtractionService,
    texts: Sequence[str],
    use_adapter: bool = True,
    caller: Caller = ANYONE,
    chunk: int = CHUNK,
    fields: Sequence[str] = (),
) -> Iterator[Extraction | InputError]:
    """``service.extract_many`` over ``chunk`` texts at a time."""
    for start in range(0, len(texts), chunk):
        yield from service.extract_many(texts[start : start + chunk], use_adapter, caller, fields)


def working_file(target: Path) -> Path:
    """Where the results of a table are gathered, as JSON lines, until all of them are there."""
    return target.with_name(f"{target.name}.partial.jsonl")


def _extract_lines(
    service: ExtractionService,
    lines: Sequence[Line],
    target: Path,
    use_adapter: bool,
    progress: Progress | None,
    fields: Sequence[str],
) -> BatchCounts:
    failed = 0
    with open_output(target) as (output, done):
        todo = [line for line in lines if key_of(line.id) not in done]
        skipped = len(lines) - len(todo)
        if progress:
            progress(skipped, len(lines))
        results = in_chunks(service, [line.text for line in todo], use_adapter, fields=fields)
        for number, (line, result) in enumerate(zip(todo, results, strict=True), start=skipped + 1):
            append(output, record_of(line, result, fields or LABELS))
            failed += isinstance(result, InputError)
            if progress:
                progress(number, len(lines))
    return BatchCounts(len(lines), skipped, len(todo) - failed, failed)


def _check_same(table: Table, working: Path) -> None:
    """Rows that were put in or changed since would get the results of others."""
    texts = {key_of(line.id): replace_surrogates(line.text) for line in table.lines()}
    if any(texts.get(json.dumps(record.get("id"))) != record.get("text") for record in read_output(working)):
        raise InputError(f"{working} 是另一份输入做到一半的结果；请换一个输出文件，或先移走它")


def _write_table(table: Table, records: Sequence[Record], target: Path, labels: Sequence[str]) -> None:
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(table_bytes(table, {record["id"]: record for record in records}, labels))
        os.replace(partial, target)
    except OSError as error:
        raise unwritable(target, error) from error
    finally:
        partial.unlink(missing_ok=True)
