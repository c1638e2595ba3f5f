"""Documents, and the chunks of them that are indexed; rows of tables."""

import datetime
from dataclasses import dataclass

# What a cell of a table holds; a CSV has texts only.
Cell = str | int | float | bool | datetime.datetime | None
Row = list[Cell]


@dataclass(frozen=True)
class Document:
    """One text that knowledge is taken from; ``source`` is what a reader would look up.

    Attributes:
        page: of its file, counted from 1, where the text begins; None where the file has no pages.
    """

    doc_id: str
    source: str
    title: str
    text: str
    page: int | None = None


@dataclass(frozen=True)
class Chunk:
    """A passage: ``text == document.text[start:end]``, offsets in characters; ``page`` is its document's."""

    chunk_id: str
    doc_id: str
    source: str
    title: str
    text: str
    start: int
    end: int
    page: int | None = None
