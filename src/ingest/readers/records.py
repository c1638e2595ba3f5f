"""``.jsonl`` and ``.json``: records with an id and a text, and any other."""

import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from src.errors import KnowledgeError
from src.ingest.clean import clean, decode
from src.ingest.limits import Limits
from src.ingest.readers.lines import numbered_lines
from src.ingest.types import Document

logger = logging.getLogger(__name__)

MAX_NAME_CHARS = 200
# A record whose values are all this short is one line, as a row of a table is.
MAX_FIELD_CHARS = 60
MAX_DEPTH = 20
# Under these names people put the text itself.
_TEXTS = ("text", "content", "body", "passage", "context", "正文", "内容", "文本")
_TITLES = ("title", "标题", "题目")
_NAMES = (*_TITLES, "名", "名称", "name")
# Says nothing that a question could be about.
_NO_TEXT = {"id", "_id", "uuid", "embedding", "vector"}
# Chats: who speaks, what is said.
_SPEAKERS, _SAID = ("role", "from", "speaker"), ("content", "value", "text")

Record = tuple[int, Any]


def read_jsonl(data: bytes, name: str, limits: Limits) -> Iterator[Document]:  # noqa: ARG001 (a reader's signature)
    """``{"id", "text", "title"?, "source"?}`` a line, or any other object; a record with a blank text is left out."""
    yield from _documents(_json_lines(decode(data, name), name), name, "行")


def read_json(data: bytes, name: str, limits: Limits) -> Iterator[Document]:  # noqa: ARG001 (a reader's signature)
    """An array of such records, or of strings, which are counted from 1 for their id; of anything else its fields."""
    try:
        content = json.loads(decode(data, name))
    except (ValueError, RecursionError) as error:
        raise KnowledgeError(f"{name} 不是合法的 JSON（{error}）；请检查文件内容") from error
    yield from _documents(enumerate(_records(content), 1), name, "条")


def _records(content: Any) -> Iterator[Any]:
    """The items of an array; of an object the items of the arrays and objects in it, and what is beside them."""
    if isinstance(content, list):
        yield from content
        return
    if not isinstance(content, dict) or _text_key(content):
        yield content
        return
    groups = {key: value for key, value in content.items() if isinstance(value, list | dict) and value}
    if not any(isinstance(item, dict) for value in groups.values() for item in _items(value)):
        yield content
        return
    if rest := {key: value for key, value in content.items() if key not in groups}:
        yield rest
    names = [value for key, value in rest.items() if isinstance(value, str) and key.lower().endswith(_NAMES)]
    whole = {"title": names[0][:MAX_NAME_CHARS]} if names else {}  # of what the items are parts
    for key, value in groups.items():
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            yield from (whole | item if item.keys().isdisjoint(_TITLES) else item for item in value)
        else:
            yield whole | {key: value}


def _items(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else [value]


def _documents(records: Iterable[Record], name: str, unit: str) -> Iterator[Document]:
    seen: dict[str, int] = {}
    for number, record in records:
        where = f"{name} 第 {number} {unit}"
        if not isinstance(record, dict):
            if body := clean(_shown(record)):
                yield Document(f"{name}:{number}", name, "", body)
            continue
        doc_id = _id(record, where) or f"{name}:{number}"
        if doc_id in seen:
            raise KnowledgeError(f"{where}：id {doc_id!r} 与第 {seen[doc_id]} {unit}重复；请改成不重复的 id")
        seen[doc_id] = number
        source = _name(record, "source", where) or name
        title = next(filter(None, (_name(record, key, where) for key in _TITLES)), "")
        body = clean(_body(record))
        if body:
            yield Document(doc_id, source, title, body)
        else:
            logger.debug("%s：没有文字，跳过", where)


def _id(record: dict[str, Any], where: str) -> str:
    value = record.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _name(record, "id", where)


def _name(record: dict[str, Any], key: str, where: str) -> str:
    """A short string: it is repeated with every chunk, shown in lists, and must not be a place to hide a book."""
    value = clean(record[key]) if isinstance(record.get(key), str) else ""
    if len(value) > MAX_NAME_CHARS:
        raise KnowledgeError(f"{where}：{key} 有 {len(value)} 个字，最多 {MAX_NAME_CHARS} 个；长文字请放在 text 里")
    return value


def _text_key(record: dict[str, Any]) -> str:
    return next((key for key in _TEXTS if isinstance(record.get(key), str)), "")


def _body(record: dict[str, Any]) -> str:
    """The text; of a record that has none under a usual name all fields, each with its name."""
    key = _text_key(record)
    rest = {name: value for name, value in record.items() if name not in (key, "source", *_TITLES, *_NO_TEXT)}
    if key == "text" and "id" in record:
        return str(record[key])  # as documented: other fields are the owner's own
    fields = [(name, text) for name, value in rest.items() for name, text in _fields(name, value, 0) if text]
    short = all(len(text) <= MAX_FIELD_CHARS and "\n" not in text for _, text in fields)
    shown = ("；" if short else "\n").join(f"{name}：{text}" for name, text in fields)
    return "\n".join(filter(None, (str(record[key]) if key else "", shown)))


def _fields(name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    """(path of names, text) of everything in a value."""
    if isinstance(value, dict) and depth < MAX_DEPTH:
        for key, inner in value.items():
            if key not in _NO_TEXT:
                yield from _fields(f"{name}.{key}", inner, depth + 1)
    elif isinstance(value, list) and depth < MAX_DEPTH and any(isinstance(item, dict | list) for item in value):
        for item in value:
            speaker, said = _turn(item)
            if said:
                yield speaker, said
            else:
                yield from _fields(name, item, depth + 1)
    else:
        yield name, clean(_shown(value))


def _turn(item: Any) -> tuple[str, str]:
    """Who says what in a list of a chat's turns; empty for what is none."""
    if not isinstance(item, dict):
        return "", ""
    speaker = next((item[key] for key in _SPEAKERS if isinstance(item.get(key), str)), "")
    said = next((item[key] for key in _SAID if isinstance(item.get(key), str)), "")
    return (speaker, clean(said)) if speaker and said else ("", "")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        # Long rows of numbers are vectors.
        return (
            ""
            if len(value) > 32 and not any(isinstance(item, str) for item in value)
            else "、".join(map(_shown, value))
        )
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


def _json_lines(text: str, name: str) -> Iterator[Record]:
    for number, line in numbered_lines(text):
        if not line.strip():
            continue
        where = f"{name} 第 {number} 行"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise KnowledgeError(f'{where} 不是合法的 JSON（{error}）；每行应为 {{"id": …, "text": …}}') from error
        if not isinstance(record, dict | str):
            raise KnowledgeError(f'{where} 是 {type(record).__name__}；每行应为对象 {{"id": …, "text": …}}')
        yield number, record
