"""Documents, and the chunks of them that are indexed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """One text that knowledge is taken from; ``source`` is what a reader would look up."""

    doc_id: str
    source: str
    title: str
    text: str


@dataclass(frozen=True)
class Chunk:
    """A passage: ``text == document.text[start:end]``, offsets in characters."""

    chunk_id: str
    doc_id: str
    source: str
    title: str
    text: str
    start: int
    end: int
