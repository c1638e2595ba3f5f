"""``.jsonl`` and ``.json``: records with an id and a text."""

import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from src.errors import KnowledgeError
from src.knowledge.clean import clean, decode
from src.knowledge.limits import Limits
from src.knowledge.readers.lines import numbered_lines
from src.knowledge.types import Document

logger = logging.getLogger(__name__)

MAX_NAME_CHARS = 200


def read_jsonl(data: bytes, name: str, limits: Limits) -> Iterator[Document]:  # noqa: ARG001 (a reader's signature)
    """``{"id", "text", "title"?, "source"?}`` a line; a record with a blank text is left out."""
    yield from _documents(_json_lines(decode(data, name), name), name, "行")


def read_json(data: bytes, name: str, limits: Limits) -> Iterator[Document]:  # noqa: ARG001 (a reader's signature)
    """An array of such records, or of strings, which are counted from 1 for their id."""
    expected = '应为数组：[{"id": …, "text": …}, …] 或 ["文字", …]'
    try:
        content = json.loads(decode(data, name))
    except (ValueError, RecursionError) as error:
        raise KnowledgeError(f"{name} 不是合法的 JSON（{error}）；{expected}") from error
    if not isinstance(content, list):
        raise KnowledgeError(f"{name} 是 {type(content).__name__}；{expected}")
    if all(isinstance(item, str) for item in content):
        for number, item in enumerate(content, 1):
            if body := clean(item):
                yield Document(f"{name}:{number}", name, "", body)
        return
    yield from _documents(_json_items(content, name, expected), name, "条")


def _documents(records: Iterable[tuple[int, dict[str, Any]]], name: str, unit: str) -> Iterator[Document]:
    seen: dict[str, int] = {}
    for number, record in records:
        where = f"{name} 第 {number} {unit}"
        doc_id = _name(record, "id", where, numbers=True)
        if not doc_id:
            raise KnowledgeError(f"{where}：id 是空的；请给每一{unit}一个不重复的 id")
        if doc_id in seen:
            raise KnowledgeError(f"{where}：id {doc_id!r} 与第 {seen[doc_id]} {unit}重复；请改成不重复的 id")
        seen[doc_id] = number
        body = clean(_string(record, "text", where))
        source = _name(record, "source", where, default=name) or name
        title = _name(record, "title", where, default="")
        if body:
            yield Document(doc_id, source, title, body)
        else:
            logger.debug("%s：text 是空的，跳过", where)


def _json_lines(text: str, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in numbered_lines(text):
        if not line.strip():
            continue
        where = f"{name} 第 {number} 行"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise KnowledgeError(f'{where} 不是合法的 JSON（{error}）；每行应为 {{"id": …, "text": …}}') from error
        if not isinstance(record, dict):
            raise KnowledgeError(f'{where} 是 {type(record).__name__}；每行应为对象 {{"id": …, "text": …}}')
        yield number, record


def _json_items(items: list[Any], name: str, expected: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict):
            raise KnowledgeError(f"{name} 第 {number} 条是 {type(item).__name__}；{expected}")
        yield number, item


def _string(record: dict[str, Any], key: str, where: str, default: str | None = None, numbers: bool = False) -> str:
    value = record.get(key)
    if value is None and default is not None:
        return default
    if isinstance(value, str):
        return value
    if numbers and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    came = "缺少" if key not in record else f"是 {type(value).__name__}"
    raise KnowledgeError(f"{where}：{key} {came}，应为字符串；请补上或改正")


def _name(record: dict[str, Any], key: str, where: str, default: str | None = None, numbers: bool = False) -> str:
    """A short string: it is repeated with every chunk, shown in lists, and must not be a place to hide a book."""
    value = clean(_string(record, key, where, default, numbers))
    if len(value) > MAX_NAME_CHARS:
        raise KnowledgeError(f"{where}：{key} 有 {len(value)} 个字，最多 {MAX_NAME_CHARS} 个；长文字请放在 text 里")
    return value
