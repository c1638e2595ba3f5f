"""Texts with their entities marked by hand: what training learns from and evaluation compares with."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from src.errors import InputError
from src.extraction.schema import LABELS, Span

_SHOWN_PROBLEMS = 10
Rows = list[tuple[int, Any]]


@dataclass(frozen=True)
class Labelled:
    """``spans`` are ordered by start and do not overlap."""

    text: str
    spans: tuple[Span, ...]


def read_labelled(path: Path) -> list[Labelled]:
    """Span form: ``{"text", "entities": [[label, start, end], ...]}``, end exclusive, as a JSON list or lines.

    Raises:
        InputError: the file cannot be read, or some of it is not that; every bad line or item is named by its
            number, from 1.
    """
    return parse_rows(path, parse_labelled, '{"text": "…", "entities": [["姓名", 0, 2], …]}')


def parse_rows(path: Path, parse: Any, expected: str) -> list[Any]:
    """``parse`` (which raises ValueError with the reason) over every row of a JSON list or JSON lines.

    Raises:
        InputError: as ``read_labelled``; ``expected`` shows what a row looks like.
    """
    unit, rows = _read_rows(path)
    parsed: list[Any] = []
    problems: list[str] = []
    for number, row in rows:
        try:
            parsed.append(parse(row))
        except ValueError as error:
            problems.append(f"第 {number} {unit}{error}")
    if problems:
        more = f"\n……共 {len(problems)} 处" if len(problems) > _SHOWN_PROBLEMS else ""
        listed = "\n".join(f"  {problem}" for problem in problems[:_SHOWN_PROBLEMS])
        raise InputError(f"{path} 里有不能用的数据，每条应当是 {expected}：\n{listed}{more}")
    if not parsed:
        raise InputError(f"{path} 里没有数据；每条应当是 {expected}")
    return parsed


def parse_labelled(row: object) -> Labelled:
    """Raises ValueError with the end of a sentence that begins with the row's number."""
    if not isinstance(row, dict):
        raise ValueError("不是 JSON 对象")
    text, entities = row.get("text"), row.get("entities")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("没有 text，或 text 是空的")
    if not isinstance(entities, list):
        raise ValueError("没有 entities，或它不是列表")
    spans = sorted((_parse_span(entity, text) for entity in entities), key=lambda span: span.start)
    for left, right in pairwise(spans):
        if right.start < left.end:
            raise ValueError(f"的实体 {left.label}“{left.text}”与 {right.label}“{right.text}”重叠")
    return Labelled(text, tuple(spans))


def _parse_span(entity: object, text: str) -> Span:
    if not (isinstance(entity, list) and len(entity) == 3):
        raise ValueError(f"的实体 {entity!r} 不是 [类别, 起, 止]")
    label, start, end = entity
    if label not in LABELS:
        raise ValueError(f"的类别 {label!r} 不是 {'、'.join(LABELS)} 之一")
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(text):
        raise ValueError(f"的实体 {entity!r} 超出正文（0 到 {len(text)}，止不含在内）")
    return Span(label, text[start:end], start, end)


def _read_rows(path: Path) -> tuple[str, Rows]:
    """What a row is called (a line or an item), and the rows with their numbers."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} 不是 UTF-8 文件（第 {error.start} 字节）") from error
    except OSError as error:
        raise InputError(f"读不了 {path}：{error.strerror}") from error
    if content.lstrip().startswith("["):
        try:
            rows = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} 不是 JSON：{error}") from error
        return "条", list(enumerate(rows, 1))
    lines: Rows = []
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            try:
                lines.append((number, json.loads(line)))
            except (ValueError, RecursionError):
                lines.append((number, None))
    return "行", lines
