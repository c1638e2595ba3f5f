"""Tables of resumes, one a row: which column holds the text, and the same table with what was found in it."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from src.errors import InputError
from src.extraction.jsonl import Line, Record, refuse
from src.extraction.schema import DETAILS, LABELS, LOW_CONFIDENCE, value_key
from src.files import csv_text, defused
from src.ingest.types import Cell, Row

KINDS = (".csv", ".xlsx")
# The first of these that a table has, in this order and whatever the case.
TEXT_COLUMNS = ("text", "简历", "内容", "正文")
# Likewise the column that names the resumes; tables of people are rarely made with a column called id.
ID_COLUMNS = ("id", "编号", "工号", "学号", "序号", "姓名", "名字", "name")
ERROR_COLUMN = "错误"
# Beside the eight labels: positions with their organisations, what rules find, and values of low confidence.
POSTS_COLUMN, DOUBTFUL_COLUMN = "经历", "待核对"
# Between the values of one label.
SEPARATOR = "；"
NOT_DONE = "还没有抽取"
# Rows are filled up to the widest one: a single far cell must not make gigabytes.
MAX_COLUMNS = 200
MAX_CELLS = 1_000_000
_SHOWN_COLUMNS = 8
# A title may stand above the names of the columns.
_HEADER_WITHIN = 5
# Shorter on average, a column holds no resumes.
_LONG_CHARS = 30
_SHOWN_CHARS = 20


@dataclass(frozen=True)
class Table:
    """Rows below a header, all as wide as it.

    Attributes:
        kind: ``.csv`` or ``.xlsx``.
        text_column: index of the column that holds the resumes; None: nobody has chosen it yet.
        id_column: index of the column that names them; None: there is none.
    """

    kind: str
    header: Row
    rows: list[Row]
    text_column: int | None
    id_column: int | None

    @cached_property
    def characters(self) -> int:
        """Of all cells."""
        return sum(len(shown(cell)) for row in self.rows for cell in row)

    @property
    def text_name(self) -> str:
        """What the table calls the column of the resumes."""
        return "" if self.text_column is None else shown(self.header[self.text_column]).strip()

    def lines(self) -> list[Line]:
        """The texts in order, known by their place from 1: the names of a table may repeat."""
        return [Line(number, shown(row[self.text_column or 0])) for number, row in enumerate(self.rows, 1)]

    def names(self) -> list[str]:
        """What the table itself calls its rows; empty texts where it does not."""
        return ["" if self.id_column is None else shown(row[self.id_column]) for row in self.rows]


def table_of(rows: Sequence[Row], name: str, may_choose: bool = False) -> Table:
    """The header is the first row that has a column with a known name; where none has, the first row that may be one, and
    the texts are in the column of the longest.

    Args:
        may_choose: take a table with names above columns of short texts too, its column of texts left open.

    Raises:
        InputError: there is no column of texts, no row, too many columns or cells, or rows of a CSV have more
            cells than the header.
    """
    found = _known_header(rows) or _likely_header(rows)
    top, text_column = found or (_top(rows), None)
    may_choose &= bool(rows) and not any(len(shown(cell)) >= _LONG_CHARS for cell in rows[top])
    rows = rows[top if found or may_choose else 0 :]
    header = list(rows[0])
    while header and not shown(header[-1]).strip():
        header.pop()
    columns = [shown(cell).strip().lower() for cell in header]
    if not (found or may_choose):
        listed = "、".join(column[:_SHOWN_CHARS] or "（空）" for column in columns[:_SHOWN_COLUMNS])
        raise InputError(
            f"{name} 没有放简历文字的列：第一行应当是列名，其中一列叫 {'、'.join(TEXT_COLUMNS)}；收到的列有 {listed}"
        )
    if len(rows) == 1:
        raise InputError(f"{name} 只有列名，没有简历；请从第二行起每行放一份")
    kind = "." + name.rpartition(".")[2].lower()
    width = len(header)
    if kind == ".csv":
        longer = [
            f"第 {number} 行（不算空行）有 {len(row)} 格，列名只有 {width} 个"
            for number, row in enumerate(rows[1:], 2)
            if any(shown(cell).strip() for cell in row[width:])
        ]
        refuse(longer, name, "文字里有逗号的格子要用引号括起来，请用表格软件另存为 CSV")
    width = max(width, *(len(row) for row in rows[1:]))
    if width > MAX_COLUMNS or width * len(rows) > MAX_CELLS:
        raise InputError(
            f"{name} 有 {len(rows)} 行、{width} 列，太大了：最多 {MAX_COLUMNS} 列、{MAX_CELLS} 格；请删去多余的列，或拆成几个文件"
        )
    rows_below = [_filled(row, width) for row in rows[1:]]
    return Table(kind, _filled(header, width), rows_below, text_column, _first_of(ID_COLUMNS, columns))


def _top(rows: Sequence[Row]) -> int:
    """The first row with more than one filled cell: above it may stand a title."""
    return next(
        (n for n, row in enumerate(rows[:_HEADER_WITHIN]) if sum(bool(shown(cell).strip()) for cell in row) > 1), 0
    )


def _known_header(rows: Sequence[Row]) -> tuple[int, int] | None:
    """(row, column) of the first known name in the first rows."""
    for number, row in enumerate(rows[:_HEADER_WITHIN]):
        column = _first_of(TEXT_COLUMNS, [shown(cell).strip().lower() for cell in row])
        if column is not None:
            return number, column
    return None


def _likely_header(rows: Sequence[Row]) -> tuple[int, int] | None:
    """(row, column) of the names above a column of long texts; None where no column has them."""
    top = _top(rows)
    if any(len(shown(cell)) >= _LONG_CHARS for cell in rows[top]):
        return None  # no names
    below = rows[top + 1 :]
    means = [
        sum(len(shown(row[column])) for row in below if column < len(row)) / len(below) if below else 0
        for column in range(len(rows[top]))
    ]
    longest = max(range(len(means)), key=means.__getitem__, default=0)
    return (top, longest) if means and means[longest] >= _LONG_CHARS else None


def table_bytes(table: Table, records: Mapping[Any, Record], labels: Sequence[str] = LABELS) -> bytes:
    """The file of ``table.kind``: the columns that were there, unchanged, those of ``columns`` and one for errors.

    One row a person: a row of the table in which several people were found is there once for each.

    Args:
        records: by number of the row from 1; a row that is not there is said to be not done.
        labels: the eight, or fields of one's own.
    """
    header = [*table.header, *_new_columns(table.header, labels)]
    rows: list[tuple[Row, list[str]]] = []
    for number, row in enumerate(table.rows, 1):
        rows += [(row, cells) for cells in _found(records.get(number), labels)]
    if table.kind == ".csv":
        # What was there stays as it was, formulas too: only our own columns would bring new ones.
        lines = [[*row, *map(defused, cells)] for row, cells in rows]
        return csv_text([header, *lines]).encode("utf-8", "replace")
    return workbook([header, *([*row, *cells] for row, cells in rows)])


def shown(cell: Cell) -> str:
    """A cell as text."""
    return "" if cell is None else str(cell)


def columns(labels: Sequence[str] = LABELS) -> list[str]:
    """What is found in a text, by column: the eight labels and what is known of each person besides, or fields of one's
    own."""
    return [*labels] if tuple(labels) != LABELS else [*LABELS, POSTS_COLUMN, *DETAILS, DOUBTFUL_COLUMN]


def person_rows(record: Record, labels: Sequence[str] = LABELS) -> list[list[str]]:
    """The cells of ``columns``, a row a person, each value once; at least one row.

    Args:
        record: as ``record_of`` makes it; one from before there were people has one person.
    """
    spans = record["spans"]
    if tuple(labels) != LABELS:
        return [[_joined(record["entities"].get(label, ())) for label in labels]]
    nobody = {"entities": record["entities"], "spans": range(len(spans)), "posts": [], "details": []}
    rows = []
    for person in record.get("people") or [nobody]:
        details = {label: [one["text"] for one in person["details"] if one["label"] == label] for label in DETAILS}
        rows.append(
            [_joined(person["entities"].get(label, ())) for label in LABELS]
            + [_joined(map(post_text, person["posts"]))]
            + [_joined(values) for values in details.values()]
            + [_joined(_doubtful([spans[number] for number in person["spans"]]))]
        )
    return rows


def post_text(post: Mapping[str, Any]) -> str:
    """总经理 @ 蓝天公司（2019年至今）."""
    held_in = f" @ {post['组织名']}" if post["组织名"] else ""
    return f"{post['职位']}{held_in}" + (f"（{post['时间']}）" if post["时间"] else "")


def _doubtful(spans: Sequence[Mapping[str, Any]]) -> list[str]:
    """Values that no place of is sure."""
    best: dict[tuple[str, str], tuple[float, str]] = {}
    for span in spans:
        sure = 1.0 if span["confidence"] is None else span["confidence"]
        key = value_key(span["label"], span["text"])
        best[key] = max(best.get(key, (0.0, "")), (sure, f"{span['label']}：{span['text']}"))
    return [text for sure, text in best.values() if sure < LOW_CONFIDENCE]


def _joined(values: Iterable[str]) -> str:
    return SEPARATOR.join(dict.fromkeys(values))


def _first_of(wanted: Sequence[str], columns: Sequence[str]) -> int | None:
    """Index of the first name of ``wanted`` that is among ``columns``."""
    return next((columns.index(name) for name in wanted if name in columns), None)


def _found(record: Record | None, labels: Sequence[str]) -> list[list[str]]:
    """The new cells of one row of the table."""
    if record is None:
        return [[""] * len(columns(labels)) + [NOT_DONE]]
    return [[*cells, record.get("error", "")] for cells in person_rows(record, labels)]


def _new_columns(header: Row, labels: Sequence[str]) -> list[str]:
    taken = {shown(cell) for cell in header}
    return [f"{name}（抽取）" if name in taken else name for name in (*columns(labels), ERROR_COLUMN)]


def _filled(row: Row, width: int) -> Row:
    return [*row, *[None] * (width - len(row))]


def workbook(rows: Sequence[Sequence[Cell]]) -> bytes:
    """An xlsx of one sheet."""
    from openpyxl import Workbook  # noqa: PLC0415 (slow import, only for a workbook)
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE  # noqa: PLC0415

    book = Workbook(write_only=True)
    sheet = book.create_sheet("抽取结果")

    def cell(value: Cell) -> Any:
        if not isinstance(value, str):
            return value
        made = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", value))
        # A text stays one, also where it looks like a formula, and where it is edited in Excel.
        made.data_type = "s"
        made.quotePrefix = bool(defused(value) != value)
        return made

    for row in rows:
        sheet.append([cell(value) for value in row])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()
