"""Rows of cells to lines that carry their column names, and ``.csv``."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from typing import NamedTuple

from src.errors import KnowledgeError
from src.knowledge.clean import clean, decode
from src.knowledge.limits import Limits
from src.knowledge.readers.sections import MAX_TITLE_CHARS, TITLE_SEPARATOR
from src.knowledge.split import MAX_CHARS
from src.knowledge.types import Document

# A row that is longer becomes several lines, each of which repeats the row's first field if it is this short.
MAX_KEY_CHARS = 60
# What is longer does not name a column: the table is there for the layout of its text.
MAX_NAME_CHARS = 60
MAX_CAPTIONS = 3
_DELIMITERS = ",\t;|"
_SAMPLE_ROWS = 30
_SAMPLE_CHARS = 100_000


class Line(NamedTuple):
    """One line of a table; ``number`` is its row, from 1; a caption stands alone in a row above the header."""

    number: int
    text: str
    caption: bool = False


def table_lines(rows: Iterable[Sequence[str]]) -> Iterator[Line]:
    """``姓名：张三；部门：研发`` for each row below the first with two short cells or more, which names the columns."""
    header: list[str] | None = None
    alone = True
    number = 0
    for number, row in enumerate(rows, 1):
        cells = [" ".join(clean(cell).split()) for cell in row]
        filled = [cell for cell in cells if cell]
        if not filled or cells == header:
            continue
        if header is not None:
            alone = False
            yield from (Line(number, text) for text in _row(header, cells))
        elif len(filled) == 1 or max(map(len, filled)) > MAX_NAME_CHARS:
            yield Line(number, "；".join(filled), caption=len(filled) == 1)
        else:
            header = cells
    if header is not None and alone:
        yield Line(number, "；".join(cell for cell in header if cell))


def table_documents(
    rows: Iterable[Sequence[str]], name: str, source: str, prefix: str = "", title: str = ""
) -> Iterator[Document]:
    """As many whole rows a document as one chunk holds; ``doc_id = name:prefix`` and the first row's number."""
    captions: list[str] = []
    group: list[Line] = []
    for line in table_lines(rows):
        if line.caption and not group and len(captions) < MAX_CAPTIONS:
            captions.append(line.text)
            title = TITLE_SEPARATOR.join(filter(None, (title, line.text)))[:MAX_TITLE_CHARS]
            continue
        if group and sum(len(one.text) + 1 for one in group) + len(line.text) > MAX_CHARS:
            yield _group(group, name, source, prefix, title)
            group = []
        group.append(line)
    if group or captions:
        yield _group(group or [Line(1, caption) for caption in captions], name, source, prefix, title)


class CellCount:
    """Counts cells and refuses a table that has too many."""

    def __init__(self, name: str, limits: Limits) -> None:
        self._name, self._left, self._most = name, limits.max_cells, limits.max_cells

    def add(self, cells: int) -> None:
        """Raises KnowledgeError beyond the limit."""
        self._left -= max(1, cells)
        if self._left < 0:
            raise KnowledgeError(f"{self._name} 的表格超过 {self._most} 个单元格；请拆成几个文件")


def read_csv(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Encoding and delimiter are detected."""
    text = decode(data, name)
    yield from table_documents(_csv_rows(text, _delimiter(text), name, limits), name, name)


def csv_rows(data: bytes, name: str, limits: Limits) -> Iterator[list[str]]:
    """Every row as it is; a first row that the delimiter does not divide is a table of one column."""
    text = decode(data, name)
    delimiter = _delimiter(text)
    first = next(filter(str.strip, text.split("\n")), "")
    yield from _csv_rows(text, delimiter if delimiter in first else ",", name, limits)


def _csv_rows(text: str, delimiter: str, name: str, limits: Limits) -> Iterator[list[str]]:
    count = CellCount(name, limits)
    csv.field_size_limit(2**31 - 1)  # one for the process; the text itself is limited already
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            count.add(len(row))
            yield row
    except csv.Error as error:
        raise KnowledgeError(f"{name} 不是完整的 CSV（{error}）；请用表格软件重新导出为 CSV") from error


def _row(header: Sequence[str], cells: Sequence[str]) -> Iterator[str]:
    """One line, or several if it would not fit in a chunk."""
    fields = [
        f"{column.rstrip('：:')}：{cell}" if column else cell
        for column, cell in zip_longest(header, cells, fillvalue="")
        if cell
    ]
    key = fields[0] if len(fields[0]) <= MAX_KEY_CHARS else ""
    line = ""
    for field in fields:
        if line and len(line) + 1 + len(field) > MAX_CHARS:
            yield line
            line = key
        line = f"{line}；{field}" if line else field
    yield line


def _group(lines: Sequence[Line], name: str, source: str, prefix: str, title: str) -> Document:
    return Document(f"{name}:{prefix}{lines[0].number}", source, title, "\n".join(line.text for line in lines))


def _delimiter(text: str) -> str:
    """The character that divides most of the first rows into equally many fields."""
    sample = text[:_SAMPLE_CHARS]

    def score(delimiter: str) -> tuple[int, int]:
        rows = islice(csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter), _SAMPLE_ROWS)
        widths = [len(row) for row in rows if row]
        usual = max(set(widths), key=widths.count, default=1)
        return (widths.count(usual), usual) if usual > 1 else (0, 0)

    return max(_DELIMITERS, key=score)
