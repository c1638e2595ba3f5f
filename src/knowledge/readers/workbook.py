"""``.xlsx``: every visible sheet is a table."""

import datetime
import math
from collections.abc import Iterator
from typing import Any, cast

from openpyxl import load_workbook
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from src.errors import KnowledgeError
from src.knowledge.limits import Limits
from src.knowledge.readers.packages import open_package
from src.knowledge.readers.tables import CellCount, table_documents
from src.knowledge.types import Cell, Document, Row


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Source: file and sheet, title: sheet; a formula counts as the value that was saved with it."""
    count = CellCount(name, limits)
    for number, sheet in _visible(data, name, limits):
        rows = _rows(sheet, count)
        yield from table_documents(rows, name, f"{name} 工作表 {sheet.title}", f"s{number}:r", sheet.title)


def first_rows(data: bytes, name: str, limits: Limits) -> Iterator[Row]:
    """The rows of the first visible sheet that holds anything: numbers, dates and texts as they are."""
    count = CellCount(name, limits)
    for _, sheet in _visible(data, name, limits):
        found = False
        sheet.reset_dimensions()
        for row in sheet.iter_rows():
            count.add(len(row))
            found = found or any(cell.value is not None for cell in row)
            yield [_plain(cell.value) for cell in row]
        if found:
            return


def _visible(data: bytes, name: str, limits: Limits) -> Iterator[tuple[int, ReadOnlyWorksheet]]:
    """The sheets that are not hidden, each with its number among all."""
    workbook = load_workbook(open_package(data, name, limits), read_only=True, data_only=True, keep_links=False)
    if len(workbook.worksheets) > limits.max_pages:
        raise KnowledgeError(f"{name} 的工作表超过 {limits.max_pages} 个；请拆成几个文件")
    for number, sheet in enumerate(workbook.worksheets, 1):
        if sheet.sheet_state == "visible":
            yield number, sheet


def _rows(sheet: ReadOnlyWorksheet, count: CellCount) -> Iterator[list[str]]:
    """Rows and columns that are empty up to the first filled one are padding."""
    sheet.reset_dimensions()  # what the file says of its own size may be anything
    for row in sheet.iter_rows():
        count.add(len(row))
        cells = [_text(cell) for cell in row]
        filled = [index for index, cell in enumerate(cells) if cell]
        yield cells[: filled[-1] + 1] if filled else []


def _text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, float):
        percent = "%" in (cell.number_format or "")
        return f"{value * 100:.10g}%" if percent else f"{value:.12g}"
    if isinstance(value, datetime.datetime):
        return str(value.date() if value.time() == datetime.time() else value)
    return str(value)


def _plain(value: Any) -> Cell:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    known = value is None or isinstance(value, str | int | float | datetime.datetime)
    return cast(Cell, value if known else str(value))
