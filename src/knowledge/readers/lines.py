"""``.txt``: a document a line."""

from collections.abc import Iterator

from src.knowledge.clean import clean, decode
from src.knowledge.limits import Limits
from src.knowledge.types import Document


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines as editors count them, from 1 (``splitlines`` would also break at form feeds)."""
    yield from enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1)


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:  # noqa: ARG001 (a reader's signature)
    """One document a non-empty line, ``doc_id`` = file name and line number."""
    for number, line in numbered_lines(decode(data, name)):
        if body := clean(line):
            yield Document(f"{name}:{number}", name, "", body)
