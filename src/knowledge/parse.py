"""Files and folders to documents."""

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.errors import KnowledgeError
from src.knowledge.clean import clean, decode
from src.knowledge.types import Document

logger = logging.getLogger(__name__)

Reader = Callable[[str, str], Iterator[Document]]


@dataclass(frozen=True)
class Limits:
    """What one file may bring: bytes on disk, documents in it."""

    max_file_bytes: int
    max_documents: int


KNOWLEDGE_LIMITS = Limits(max_file_bytes=2_000_000_000, max_documents=2_000_000)
UPLOAD_LIMITS = Limits(max_file_bytes=20_000_000, max_documents=20_000)

_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")
TITLE_SEPARATOR = " › "
MAX_NAME_CHARS = 200


def read_lines(text: str, name: str) -> Iterator[Document]:
    """``.txt``: one document a non-empty line, ``doc_id`` = file name and line number."""
    for number, line in _lines(text):
        if body := clean(line):
            yield Document(f"{name}:{number}", name, "", body)


def read_jsonl(text: str, name: str) -> Iterator[Document]:
    """``.jsonl``: ``{"id", "text", "title"?, "source"?}`` a line; a record with a blank text is left out."""
    seen: dict[str, int] = {}
    for number, line in _lines(text):
        if not line.strip():
            continue
        record = _json_object(line, f"{name} 第 {number} 行")
        where = f"{name} 第 {number} 行"
        doc_id = _name(record, "id", where, numbers=True)
        if not doc_id:
            raise KnowledgeError(f"{where}：id 是空的；请给每一行一个不重复的 id")
        if doc_id in seen:
            raise KnowledgeError(f"{where}：id {doc_id!r} 与第 {seen[doc_id]} 行重复；请改成不重复的 id")
        seen[doc_id] = number
        body = clean(_string(record, "text", where))
        source = _name(record, "source", where, default=name) or name
        title = _name(record, "title", where, default="")
        if body:
            yield Document(doc_id, source, title, body)
        else:
            logger.debug("%s：text 是空的，跳过", where)


def read_markdown(text: str, name: str) -> Iterator[Document]:
    """``.md``: one document a section, titled with its path of headings; ``#`` in code is not a heading."""
    path: list[tuple[int, str]] = []
    body: list[str] = []
    start, fence = 1, ""
    for number, line in _lines(text):
        heading = None if fence else _HEADING.match(line)
        if heading is None:
            fence = _next_fence(fence, line)
            body.append(line)
            continue
        level = len(heading[1])
        yield from _section(name, start, path, body, leaf=not path or level <= path[-1][0])
        path = [(depth, title) for depth, title in path if depth < level]
        path.append((level, clean(heading[2])))
        body, start = [], number
    yield from _section(name, start, path, body, leaf=True)


# One line makes a format readable, in files, folders and uploads alike.
READERS: dict[str, Reader] = {".txt": read_lines, ".jsonl": read_jsonl, ".md": read_markdown}


def read_file(path: Path, name: str | None = None, limits: Limits = KNOWLEDGE_LIMITS) -> list[Document]:
    """All documents of one file; ``name`` (default: the file's own) is their source.

    Raises:
        KnowledgeError: not a kind that is read, too large, not text, malformed, or nothing in it.
    """
    documents = _parse(path, name or path.name, limits)
    if not documents:
        raise KnowledgeError(f"{name or path.name} 里没有可用的文字；请检查文件内容")
    return documents


def load_documents(paths: Sequence[Path | str], limits: Limits = KNOWLEDGE_LIMITS) -> list[Document]:
    """Documents of files and folders, in the order given, a folder's files sorted by their path.

    In a folder, kinds that are not read and empty files are skipped with a logged line. Files of one
    name are told apart by their parent folders; a path given twice counts once.

    Raises:
        KnowledgeError: as ``read_file``; also a missing path, one document id in two files, or no text at all.
    """
    documents: list[Document] = []
    owner: dict[str, str] = {}
    for path, name in _named(paths):
        found = _parse(path, name, limits)
        if not found:
            logger.warning("%s 里没有可用的文字，跳过", path)
        for document in found:
            if document.doc_id in owner:
                raise KnowledgeError(
                    f"文档 id {document.doc_id!r} 在 {owner[document.doc_id]} 和 {name} 里都有；请改成不重复的 id"
                )
            owner[document.doc_id] = name
        documents += found
    if not documents:
        shown = "、".join(str(path) for path in paths) or "（没有给出文件）"
        raise KnowledgeError(f"知识库 {shown} 里没有可用的文字；请放入 {readable_kinds()} 文件")
    return documents


def readable_kinds() -> str:
    """The suffixes that are read, for messages and for the page's file picker."""
    return " ".join(READERS)


def _parse(path: Path, name: str, limits: Limits) -> list[Document]:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise KnowledgeError(f"{name}：不支持 {path.suffix or '没有后缀的文件'}；能读的格式有 {readable_kinds()}")
    try:
        size = path.stat().st_size
        if size > limits.max_file_bytes:
            raise KnowledgeError(
                f"{name} 有 {size / 1e6:.1f} MB，上限是 {limits.max_file_bytes / 1e6:.0f} MB；请拆成几个文件"
            )
        data = path.read_bytes()
    except OSError as error:
        raise KnowledgeError(f"{name} 打不开：{error.strerror or error}；请检查路径和权限") from error
    documents: list[Document] = []
    for document in reader(decode(data, name), name):
        if len(documents) == limits.max_documents:
            raise KnowledgeError(f"{name} 里的文档超过 {limits.max_documents} 篇；请拆成几个文件")
        documents.append(document)
    return documents


def _named(paths: Sequence[Path | str]) -> Iterator[tuple[Path, str]]:
    """(file, unique name to show) of every file that will be read."""
    used: set[str] = set()
    seen: set[Path] = set()
    for root, path in _files([Path(p) for p in paths]):
        if (real := path.resolve()) in seen:
            continue
        seen.add(real)
        name = _unique_name(path, root, used)
        used.add(name)
        yield path, name


def _unique_name(path: Path, root: Path, used: set[str]) -> str:
    """The path below ``root``, with as many parent folders before it as tell it from those in use."""
    name = path.name if root == path else path.relative_to(root).as_posix()
    parts = path.resolve().parts
    depth = name.count("/") + 1
    while name in used and depth < len(parts):
        depth += 1
        name = "/".join(parts[-depth:])
    return name


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """(path that was given, file) in order; hidden files and unreadable kinds of a folder are left out."""
    for root in paths:
        if not root.exists():
            raise KnowledgeError(f"知识文件 {root} 不存在；请检查 --knowledge 的路径")
        if not root.is_dir():
            yield root, root
            continue
        for path in sorted(root.rglob("*"), key=lambda p: p.relative_to(root).parts):
            if not path.is_file() or any(part.startswith(".") for part in path.relative_to(root).parts):
                continue
            if path.suffix.lower() in READERS:
                yield root, path
            else:
                logger.info("跳过 %s：能读的格式有 %s", path, readable_kinds())


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines as editors count them, from 1 (``splitlines`` would also break at form feeds)."""
    yield from enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1)


def _json_object(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise KnowledgeError(f'{where} 不是合法的 JSON（{error}）；每行应为 {{"id": …, "text": …}}') from error
    if not isinstance(record, dict):
        raise KnowledgeError(f'{where} 是 {type(record).__name__}；每行应为对象 {{"id": …, "text": …}}')
    return record


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


def _next_fence(fence: str, line: str) -> str:
    match = _FENCE.match(line)
    if match is None:
        return fence
    if not fence:
        return match[1]
    return "" if match[1] == fence else fence


def _section(name: str, line: int, path: list[tuple[int, str]], body: list[str], leaf: bool) -> Iterator[Document]:
    """A section without text is only the title of those below it, unless there are none."""
    text = clean("\n".join(body))
    headings = [title[:MAX_NAME_CHARS] for _, title in path if title]
    if not text and leaf and headings:
        text, headings = headings[-1], headings[:-1]
    if text:
        yield Document(f"{name}:{line}", name, TITLE_SEPARATOR.join(headings), text)
