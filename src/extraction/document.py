"""A resume that comes as a file: its text in reading order."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from src.ingest.readers.sections import TITLE_SEPARATOR
from src.ingest.types import Document
from src.ingest.worker import ParserPool


class ResumeText(NamedTuple):
    """``text`` is at most as long as was asked for, ``characters`` how many there were."""

    text: str
    characters: int


def read_resume(parser: ParserPool, path: Path, max_chars: int) -> ResumeText:
    """The text of one file, read in a process apart, its end cut off beyond ``max_chars`` characters.

    Raises:
        KnowledgeError: not a kind that is read, too large, locked, damaged, or without any text.
    """
    documents = parser.read(path)
    # The file's name, where it stands for a title, is no part of the resume.
    if documents.report.counts["titled_by_file"] == sum(document.title == path.stem for document in documents):
        documents[:] = [replace(one, title="") if one.title == path.stem else one for one in documents]
    # The titles of a PDF are its bookmarks: they name headings that stand on the page as well.
    text = whole_text(documents, titles=path.suffix.lower() != ".pdf")
    return ResumeText(text[:max_chars], len(text))


def whole_text(documents: Iterable[Document], titles: bool = True) -> str:
    """The documents one below the other, each heading where it first holds."""
    lines: list[str] = []
    above: list[str] = []
    for document in documents:
        path = document.title.split(TITLE_SEPARATOR) if document.title else []
        common = next((n for n, (old, new) in enumerate(zip(above, path, strict=False)) if old != new), None)
        kept = min(len(above), len(path)) if common is None else common
        if titles:
            lines += path[kept:]
        above = path
        lines.append(document.text)
    return "\n".join(lines)
