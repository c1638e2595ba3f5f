"""``.rtf``: its text, by striprtf."""

from collections.abc import Callable, Iterator

from striprtf import striprtf

from src.ingest.clean import clean
from src.ingest.limits import Limits
from src.ingest.types import Document

_text_of: Callable[..., str] = striprtf.rtf_to_text


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:  # noqa: ARG001 (a reader's signature)
    """One document; the cells of a table are divided by ``|``."""
    # The format is ASCII; characters are written as codes, in the code page that the file names.
    if text := clean(_text_of(data.decode("latin-1"), encoding="gbk", errors="replace")):
        yield Document(f"{name}:1", name, "", text)
