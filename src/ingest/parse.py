"""Files and folders to documents."""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from src.errors import KnowledgeError
from src.ingest.kinds import CURES, check_kind
from src.ingest.libreoffice import convertible_kinds
from src.ingest.limits import KNOWLEDGE_LIMITS, Limits, read_within
from src.ingest.readers import READERS, TABLE_READERS, Place, function_at
from src.ingest.readers.sections import MAX_TITLE_CHARS
from src.ingest.report import Documents, reporting
from src.ingest.types import Document, Row

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Their documents are sentences, records and letters of their own, whatever the file is called.
_UNTITLED = (".txt", ".json", ".jsonl", ".eml", ".md", ".ipynb")
_SAYS_SOMETHING = re.compile(r"[\u4e00-\u9fff]{2}|[A-Za-z]{3,}[^A-Za-z]+[A-Za-z]{3,}")
_SAYS_NOTHING = re.compile(
    r"(?:(?:新建|未命名|无标题|扫描件?|微信|图片|mmexport|屏幕|截图|screen ?shot|img|dsc|scan|new|document|文档|工作簿|工作表"
    r"|演示文稿|副本|untitled|download|下载|文件|表格|附件|课件|幻灯片|sheet|copy|of|final|test)[\W\d_]*)+",
    re.I,
)
_SHEET = re.compile(r"(sheet|工作表)\s*\d*", re.I)


def read_file(path: Path, name: str | None = None, limits: Limits = KNOWLEDGE_LIMITS) -> Documents:
    """All documents of one file, with a report on what was left out; ``name`` (default: the file's own) is their source.

    Runs in this process, without a limit of time or memory: what strangers send goes through ``ParserPool``.

    Raises:
        KnowledgeError: not a kind that is read, too large, not what its suffix says, malformed, or nothing in it.
    """
    name = name or path.name
    with reporting() as report:
        documents: list[Document] = _parse(path, name, limits, READERS, lambda found: _within(found, name, limits))
    for warning in report.warnings:
        logger.warning("%s", warning)
    if not documents:
        raise KnowledgeError(f"{name} 里没有可用的文字；请检查文件内容")
    titled = _titled(documents, path.suffix.lower(), name)
    report.counts["titled_by_file"] = sum(new is not old for new, old in zip(titled, documents, strict=True))
    return Documents(titled, report)


def read_table(path: Path, name: str | None = None, limits: Limits = KNOWLEDGE_LIMITS) -> list[Row]:
    """The rows of a table that hold anything, the header among them, each cell as it is in the file.

    Of a workbook the first visible sheet that holds anything. ``max_documents`` limits the rows. Runs in this process,
    as ``read_file`` does.

    Raises:
        KnowledgeError: as ``read_file``.
    """
    name = name or path.name
    rows: list[Row] = _parse(path, name, limits, TABLE_READERS, lambda found: _rows_within(found, name, limits))
    if not rows:
        raise KnowledgeError(f"{name} 里没有内容；请检查文件")
    return rows


def knowledge_files(paths: Sequence[Path | str]) -> list[tuple[Path, str]]:
    """(file, unique name to show) of files and folders, in the order given, a folder's files sorted by their path.

    In a folder, kinds that are not read are skipped with a logged line. Files of one name are told apart by their
    parent folders; a path given twice counts once.

    Raises:
        KnowledgeError: a path does not exist.
    """
    used: set[str] = set()
    seen: set[Path] = set()
    files: list[tuple[Path, str]] = []
    for root, path in _files([Path(p) for p in paths]):
        if (real := path.resolve()) in seen:
            continue
        seen.add(real)
        name = _unique_name(path, root, used)
        used.add(name)
        files.append((path, name))
    return files


def readable_kinds() -> str:
    """The suffixes that are read, for messages and for the page's file picker."""
    return " ".join([*READERS, *convertible_kinds()])


def _titled(documents: list[Document], suffix: str, name: str) -> list[Document]:
    """Documents without a title get the file's name for one, if it says something: it is then searched too."""
    stem = Path(name).stem.strip()
    if suffix in _UNTITLED or not _SAYS_SOMETHING.search(stem) or _SAYS_NOTHING.fullmatch(stem):
        return documents
    return [
        replace(document, title=stem[:MAX_TITLE_CHARS])
        if not document.title or _SHEET.fullmatch(document.title)
        else document
        for document in documents
    ]


def _parse(
    path: Path,
    name: str,
    limits: Limits,
    readers: Mapping[str, Place],
    checked: Callable[[Iterator[Any]], Iterator[T]],
) -> list[T]:
    suffix = path.suffix.lower()
    if suffix not in readers:
        cure = CURES.get(suffix) or f"能读的格式有 {' '.join(readers)}"
        raise KnowledgeError(f"{name}：不支持 {path.suffix or '没有后缀的文件'}；{cure}")
    data = read_within(path, name, limits)
    if not data:
        raise KnowledgeError(f"{name} 是空的（0 字节）；请换一个文件，或重新导出")
    check_kind(data, suffix, name)
    try:
        return list(checked(function_at(readers[suffix])(data, name, limits)))
    except KnowledgeError:
        raise
    except MemoryError as error:
        raise KnowledgeError(f"{name} 太大，解析时内存不够；请拆成几个文件") from error
    except Exception as error:  # whatever a foreign parser says of a damaged file
        logger.info("%s 解析失败", name, exc_info=True)
        raise KnowledgeError(f"{name} 已损坏或不是完整的 {suffix} 文件；请用原来的软件打开后重新保存") from error


def _within(documents: Iterator[Document], name: str, limits: Limits) -> Iterator[Document]:
    characters = 0
    for count, document in enumerate(documents):
        if count == limits.max_documents:
            raise KnowledgeError(f"{name} 里的文档超过 {limits.max_documents} 篇；请拆成几个文件")
        characters += len(document.title) + len(document.text)
        if characters > limits.max_characters:
            raise KnowledgeError(f"{name} 超过 {limits.max_characters} 个字；请拆成几个文件")
        yield document


def _rows_within(rows: Iterator[Row], name: str, limits: Limits) -> Iterator[Row]:
    count = characters = 0
    for row in rows:
        if not any(str(cell).strip() for cell in row if cell is not None):
            continue
        count += 1
        if count > limits.max_documents:
            raise KnowledgeError(f"{name} 超过 {limits.max_documents} 行；请拆成几个文件")
        characters += sum(len(cell) for cell in row if isinstance(cell, str))
        if characters > limits.max_characters:
            raise KnowledgeError(f"{name} 超过 {limits.max_characters} 个字；请拆成几个文件")
        yield row


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
    kinds = (*READERS, *convertible_kinds())
    for root in paths:
        if not root.exists():
            raise KnowledgeError(f"知识文件 {root} 不存在；请检查 --knowledge 的路径")
        if not root.is_dir():
            yield root, root
            continue
        for path in sorted(root.rglob("*"), key=lambda p: p.relative_to(root).parts):
            if not path.is_file() or any(part.startswith(".") for part in path.relative_to(root).parts):
                continue
            # What Office and WPS leave beside a file that is open.
            if path.suffix.lower() in kinds and not path.name.startswith("~$"):
                yield root, path
            else:
                logger.info("跳过 %s：能读的格式有 %s", path, readable_kinds())
