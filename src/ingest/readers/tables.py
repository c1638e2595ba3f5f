"""Rows of cells to lines that carry their column names, and ``.csv``."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, islice, zip_longest
from typing import NamedTuple

from src.errors import KnowledgeError
from src.ingest.clean import clean, decode
from src.ingest.limits import Limits
from src.ingest.readers.header import Across, Below, Layout, Row, filled, has_values, is_header_like, layout_of, own
from src.ingest.readers.sections import MAX_TITLE_CHARS, TITLE_SEPARATOR
from src.ingest.report import note
from src.ingest.split import MAX_CHARS, window_spans
from src.ingest.types import Document

# A row that is longer becomes several lines, each of which repeats the row's first field if it is this short.
MAX_KEY_CHARS = 120
# A longer text in a cell that spans columns is said once, not for every column.
MAX_SPREAD_CHARS = 20
MAX_CAPTIONS = 3
MAX_CAPTION_CHARS = 60
# Rows of a header that a blank row sets off from the table.
MAX_SET_OFF = 2
# Rows by which a table is judged; those behind are streamed.
HEAD_ROWS = 50
_DELIMITERS = ",\t;|"
_SAMPLE_ROWS = 30
_SAMPLE_CHARS = 100_000

Numbered = tuple[int, Row]


class Line(NamedTuple):
    """One line of a table; ``number`` is its row, from 1; a caption stands alone in a row above the header.

    ``table`` counts the tables among the rows, captions belonging to the table that follows.
    """

    number: int
    text: str
    caption: bool = False
    table: int = 0


def table_lines(rows: Iterable[Sequence[str]]) -> Iterator[Line]:
    """``姓名：张三；部门：研发`` for each row of each table: below each other (with a blank row between), or beside.

    Names come from a header of one or more rows. ``王家坝；13孔`` where there is none; the pairs of a form are one line.
    """
    table = 0
    waiting: list[Numbered] = []
    before: Layout | None = None
    numbered = ((number, _tidy(row)) for number, row in enumerate(rows, 1))
    blocks = groupby(_parted(numbered), key=lambda one: any(one[1]))
    for is_filled, block in blocks:
        if not is_filled:
            continue
        head = list(islice(block, HEAD_ROWS))
        if waiting and filled(head[0][1]) > 1 and (len(waiting) == 1 or has_values(head[0][1])):
            head, waiting, before = [*waiting, *head], [], None
        elif waiting:
            yield from _whole(waiting, table)
            waiting, table = [], table + 1
        if _is_set_off(head, before):
            waiting = head
            continue
        parts = _beside([cells for _, cells in head])
        if len(parts) > 1:
            whole = [*head, *block]
            for start, end in parts:
                part = [(number, cells[start:end]) for number, cells in whole if any(cells[start:end])]
                layout = layout_of([cells for _, cells in part[:HEAD_ROWS]])
                yield from _lines(part, layout, table)
                table += 1
            before = None
            continue
        layout = layout_of([cells for _, cells in head])
        if before is not None and layout.goes_on(before):
            layout = before.without_header()
        yield from _lines(chain(head, block), layout, table)
        if layout.kind != "text":
            before, table = layout, table + 1
    yield from _whole(waiting, table)


def _parted(rows: Iterable[Numbered]) -> Iterator[Numbered]:
    """With a blank row above each heading that is merged across the table and has other names below it."""
    held: list[Numbered] = []
    first = True
    for row in chain(rows, [(0, [])]):
        if held and not first and _is_heading(held[0][1]) and is_header_like(row[1]):
            yield held[0][0], []
        if held:
            yield held.pop()
            first = False
        held.append(row)


def _is_heading(cells: Row) -> bool:
    return (
        len(cells) > 2 and filled(cells) == 1 and sum(isinstance(cell, Across) for cell in cells) == len(cells) - 1
    )


def table_documents(
    rows: Iterable[Sequence[str]], name: str, source: str, prefix: str = "", title: str = ""
) -> Iterator[Document]:
    """As many whole rows a document as one chunk holds; ``doc_id = name:prefix`` and the first row's number.

    Where that row fills several documents, or stands in two tables, the next are told apart: ``…:r7``, ``…:r7.2``.
    """
    seen: dict[int, int] = {}
    last = -1
    for captions, group in _groups(table_lines(rows)):
        if group and group[0].table != last:
            last = group[0].table
            note("tables")
        number = (group or captions)[0].number
        seen[number] = seen.get(number, 0) + 1
        key = f"{number}" if seen[number] == 1 else f"{number}.{seen[number]}"
        path = [title, *(line.text for line in captions)] if group else [title]
        text = "\n".join(line.text for line in group or captions)
        yield Document(
            f"{name}:{prefix}{key}", source, TITLE_SEPARATOR.join(filter(None, path))[:MAX_TITLE_CHARS], text
        )


def _groups(lines: Iterable[Line]) -> Iterator[tuple[list[Line], list[Line]]]:
    """(captions, lines that fit in a chunk); either may be empty."""
    captions: list[Line] = []
    group: list[Line] = []
    used = False
    for line in lines:
        if (captions or group) and line.table != (group or captions)[-1].table:
            if group or not used:
                yield captions, group
            captions, group, used = [], [], False
        if line.caption and not group and not used and len(captions) < MAX_CAPTIONS:
            captions.append(line)
            continue
        if group and sum(len(one.text) + 1 for one in group) + len(line.text) > MAX_CHARS:
            yield captions, group
            group, used = [], True
        group.append(line)
    if group or (captions and not used):
        yield captions, group


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


def read_tsv(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Divided by tabs, whatever else is in it."""
    yield from table_documents(_csv_rows(decode(data, name), "\t", name, limits), name, name)


def csv_rows(data: bytes, name: str, limits: Limits) -> Iterator[list[str]]:
    """Every row as it is; a first row that the delimiter does not divide is a table of one column."""
    text = decode(data, name)
    delimiter = _delimiter(text)
    first = next(filter(str.strip, text.split("\n")), "")
    yield from _csv_rows(text, delimiter if delimiter in first else ",", name, limits)


def tsv_rows(data: bytes, name: str, limits: Limits) -> Iterator[list[str]]:
    """Every row as it is."""
    yield from _csv_rows(decode(data, name), "\t", name, limits)


def _csv_rows(text: str, delimiter: str, name: str, limits: Limits) -> Iterator[list[str]]:
    count = CellCount(name, limits)
    csv.field_size_limit(2**31 - 1)  # one for the process; the text itself is limited already
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            count.add(len(row))
            yield row
    except csv.Error as error:
        raise KnowledgeError(f"{name} 不是完整的 CSV（{error}）；请用表格软件重新导出为 CSV") from error


def _tidy(row: Sequence[str]) -> Row:
    """One line a cell, none of them empty at the end."""
    cells = []
    for cell in row:
        text = " ".join(clean(cell).split())
        cells.append(type(cell)(text) if isinstance(cell, Across | Below) else text)
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _beside(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """The columns of tables that stand beside each other, a blank column between them and each two columns wide."""
    width = max(map(len, rows))
    used = [any(column < len(row) and row[column] for row in rows) for column in range(width)]
    parts: list[tuple[int, int]] = []
    for is_used, columns in groupby(range(width), key=lambda column: used[column]):
        if is_used:
            numbers = list(columns)
            parts.append((numbers[0], numbers[-1] + 1))
    # Each must begin with a row of its own names: a column that is merely empty divides no table.
    first = rows[0]
    apart = all(end - start > 1 and all(start <= i < end and i < len(first) and first[i] for i in range(start, end))
                for start, end in parts)  # fmt: skip
    return parts if len(parts) > 1 and apart and len(rows) > 1 else [(0, width)]


def _lines(rows: Iterable[Numbered], layout: Layout, table: int) -> Iterator[Line]:
    """The lines of one table, whose first rows ``layout`` was made of."""
    pending = iter(rows)
    for number, cells in islice(pending, layout.captions):
        text = "；".join(own(cells))
        yield Line(number, text, len(text) <= MAX_CAPTION_CHARS, table)
    if layout.kind == "form":
        found = list(pending)
        pairs = [pair for _, cells in found for pair in _pairs(cells)]
        yield from (Line(found[0][0], text, False, table) for text in _fitted(pairs))
        return
    for number, cells in pending:
        if layout.header and any(list(cells) == list(row) for row in layout.header):
            continue  # the header itself, and where it is repeated on every printed page
        if layout.kind == "text":
            yield Line(number, "；".join(own(cells)), len(own(cells)) == 1, table)
            continue
        for text in _row(layout, cells):
            yield Line(number, text, False, table)


def _is_set_off(head: Sequence[Numbered], before: Layout | None) -> bool:
    """Whether these are a header with a blank row below it, or a table of one row; ``before``: the table above."""
    rows = [cells for _, cells in head]
    if before is not None:
        return len(rows) <= MAX_SET_OFF and any(tuple(cells) in before.header for cells in rows)
    widths = [filled(row) for row in rows]
    return widths[0] > 1 and (len(rows) == 1 or (len(rows) <= MAX_SET_OFF and widths[0] < widths[-1]))


def _whole(rows: Sequence[Numbered], table: int) -> Iterator[Line]:
    """The lines of a table of few rows."""
    return _lines(rows, layout_of([cells for _, cells in rows]), table) if rows else iter(())


def _row(layout: Layout, cells: Row) -> Iterator[str]:
    """One line, or several if it would not fit in a chunk."""
    if layout.is_note(cells):
        yield "；".join(own(cells))
        return
    fields: list[tuple[str, str]] = []
    before = ""
    for name, cell in zip_longest(layout.names, cells, fillvalue=""):
        # Said once under one name, and a long text once in all.
        said = isinstance(cell, Across) and (name in ("", before) or len(cell) > MAX_SPREAD_CHARS)
        before = name
        if cell and not said:
            fields.append((name, cell))
    if layout.kind == "pairs" and len(fields) == 2:
        fields = [(fields[0][1], fields[1][1])]
    yield from _fitted(fields)


def _pairs(cells: Row) -> Iterator[tuple[str, str]]:
    """(name, value) of the cells of a form; a name without a value beside it stands for itself."""
    shown = [cell for cell in cells if not isinstance(cell, Across)]
    for label, value in zip_longest(shown[::2], shown[1::2], fillvalue=""):
        name = label.rstrip("：:").strip()
        if value:
            yield name, value
        elif name and len(shown) == 1:
            yield "", name


def _fitted(fields: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The fields in lines that fit in a chunk; each of them begins with the first field, a long text keeps its name."""
    texts = [_field(name, cell) for name, cell in fields]
    if not texts:
        return
    key = texts[0] if len(texts[0]) <= MAX_KEY_CHARS else ""
    line = ""
    for (name, cell), text in zip(fields, texts, strict=True):
        room = MAX_CHARS - (len(key) + 1 if key else 0)
        pieces = [text]
        if len(text) > room:
            size = max(room - len(_field(name, "")), MAX_CHARS // 3)
            pieces = [_field(name, cell[start:end]) for start, end in window_spans(cell, size, overlap=False)]
        for piece in pieces:
            if line and len(line) + 1 + len(piece) > MAX_CHARS:
                yield line
                line = key
            line = f"{line.rstrip('；')}；{piece}" if line else piece
    yield line


def _field(name: str, cell: str) -> str:
    name = name.rstrip("：:")
    return f"{name}：{cell}" if name else cell


def _delimiter(text: str) -> str:
    """The character that divides most of the first rows into equally many fields."""
    sample = text[:_SAMPLE_CHARS]

    def score(delimiter: str) -> tuple[int, int]:
        rows = islice(csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter), _SAMPLE_ROWS)
        widths = [len(row) for row in rows if row]
        usual = max(set(widths), key=widths.count, default=1)
        return (widths.count(usual), usual) if usual > 1 else (0, 0)

    return max(_DELIMITERS, key=score)
