"""One module a family of files; each is loaded when the first of its files comes.

A reader takes (bytes, name to show, limits) and yields documents, or the rows of a table. It raises ``KnowledgeError`` where it knows what
is wrong with a file; whatever else a library raises means that the file is damaged.
"""

import importlib
from collections.abc import Callable, Iterator
from typing import Any, cast

from src.ingest.kinds import IMAGES
from src.ingest.limits import Limits

Reader = Callable[[bytes, str, Limits], Iterator[Any]]
Place = tuple[str, str]

# One line makes a format readable, in files, folders and uploads alike: suffix -> (module here, function).
READERS: dict[str, Place] = {
    ".txt": ("lines", "read"),
    ".jsonl": ("records", "read_jsonl"),
    ".md": ("markdown", "read"),
    ".json": ("records", "read_json"),
    ".csv": ("tables", "read_csv"),
    ".tsv": ("tables", "read_tsv"),
    ".xml": ("markup", "read"),
    ".ipynb": ("notebook", "read"),
    ".eml": ("mail", "read"),
    ".srt": ("subtitles", "read"),
    ".vtt": ("subtitles", "read"),
    ".html": ("web", "read"),
    ".htm": ("web", "read"),
    ".pdf": ("pdf", "read"),
    ".docx": ("word", "read"),
    ".pptx": ("slides", "read"),
    ".xlsx": ("workbook", "read"),
    ".odt": ("opendocument", "read_text"),
    ".ods": ("opendocument", "read_sheets"),
    ".odp": ("opendocument", "read_slides"),
    ".xls": ("old_workbook", "read"),
    ".msg": ("outlook", "read"),
    ".epub": ("book", "read"),
    ".rtf": ("richtext", "read"),
    **dict.fromkeys(IMAGES, ("picture", "read")),
}
# Of these the rows can be had too, as they are.
TABLE_READERS: dict[str, Place] = {
    ".csv": ("tables", "csv_rows"),
    ".tsv": ("tables", "tsv_rows"),
    ".xlsx": ("workbook", "first_rows"),
}
# Read without a foreign parser: the owner's own need no process apart.
PLAIN = (".txt", ".jsonl", ".md", ".json", ".csv", ".tsv", ".srt", ".vtt")


def function_at(place: Place) -> Reader:
    """The function that a value of ``READERS`` (which gives documents) or ``TABLE_READERS`` (rows) names."""
    module, function = place
    return cast(Reader, getattr(importlib.import_module(f"{__name__}.{module}"), function))
