"""One module a family of files; each is loaded when the first of its files comes.

A reader takes (bytes, name to show, limits) and yields documents. It raises ``KnowledgeError`` where it knows what
is wrong with a file; whatever else a library raises means that the file is damaged.
"""

import importlib
from collections.abc import Callable, Iterator
from typing import cast

from src.knowledge.kinds import IMAGES
from src.knowledge.limits import Limits
from src.knowledge.types import Document

Reader = Callable[[bytes, str, Limits], Iterator[Document]]

# One line makes a format readable, in files, folders and uploads alike: suffix -> (module here, function).
READERS = {
    ".txt": ("lines", "read"),
    ".jsonl": ("records", "read_jsonl"),
    ".md": ("markdown", "read"),
    ".json": ("records", "read_json"),
    ".csv": ("tables", "read_csv"),
    ".html": ("web", "read"),
    ".htm": ("web", "read"),
    ".pdf": ("pdf", "read"),
    ".docx": ("word", "read"),
    ".pptx": ("slides", "read"),
    ".xlsx": ("workbook", "read"),
    **dict.fromkeys(IMAGES, ("picture", "read")),
}
# Read without a foreign parser: the owner's own need no process apart.
PLAIN = (".txt", ".jsonl", ".md", ".json", ".csv")


def reader_of(suffix: str) -> Reader:
    """The reader of a suffix in ``READERS``."""
    module, function = READERS[suffix]
    return cast(Reader, getattr(importlib.import_module(f"{__name__}.{module}"), function))
