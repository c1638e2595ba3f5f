"""``.rtf``: its text, by striprtf."""

from collections.abc import Callable, Iterator
from itertools import groupby

from striprtf import striprtf

from src.ingest.clean import clean
from src.ingest.limits import Limits
from src.ingest.readers.tables import CellCount, table_lines
from src.ingest.report import note
from src.ingest.types import Document

_text_of: Callable[..., str] = striprtf.rtf_to_text


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """One document; rows of tables carry their column names."""
    # The format is ASCII; characters are written as codes, in the code page that the file names.
    text = clean(_text_of(data.decode("latin-1"), encoding="gbk", errors="replace"))
    count = CellCount(name, limits)
    parts: list[str] = []
    for is_table, lines in groupby(text.split("\n"), key=_is_row):
        if not is_table:
            parts += lines
            continue
        note("tables")
        rows = [line.rstrip().removesuffix("|").split("|") for line in lines]
        count.add(sum(map(len, rows)))
        parts += [line.text for line in table_lines(rows)]
    if body := clean("\n".join(parts)):
        yield Document(f"{name}:1", name, "", body)


def _is_row(line: str) -> bool:
    """striprtf ends each cell with a bar."""
    return line.rstrip().endswith("|") and line.count("|") > 1
