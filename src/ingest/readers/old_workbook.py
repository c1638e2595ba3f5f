"""``.xls``: the workbooks of Excel before 2007, by xlrd."""

import datetime
from collections.abc import Iterator
from typing import Any

import xlrd

from src.errors import KnowledgeError
from src.ingest.limits import Limits
from src.ingest.readers.header import Across, Below
from src.ingest.readers.tables import CellCount, table_documents
from src.ingest.readers.workbook import text_of
from src.ingest.types import Document

MAX_MERGED = 200_000


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """As ``.xlsx`` is read: the visible sheets, each a table or several."""
    try:
        book = xlrd.open_workbook(file_contents=data, formatting_info=True, on_demand=True)
    except xlrd.XLRDError as error:
        if "encrypted" in str(error).lower():
            raise KnowledgeError(f"{name} 加了密码；请去掉密码后重新保存") from error
        raise
    if book.nsheets > limits.max_pages:
        raise KnowledgeError(f"{name} 的工作表超过 {limits.max_pages} 个；请拆成几个文件")
    count = CellCount(name, limits)
    for number in range(book.nsheets):
        sheet = book.sheet_by_index(number)
        if sheet.visibility == 0:
            yield from table_documents(
                _rows(book, sheet, count), name, f"{name} 工作表 {sheet.name}", f"s{number + 1}:r", sheet.name
            )
        book.unload_sheet(number)


def _rows(book: Any, sheet: Any, count: CellCount) -> Iterator[list[str]]:
    """A merged cell fills every row and column that it covers."""
    covered: dict[tuple[int, int], tuple[int, int]] = {}
    for top, bottom, left, right in sheet.merged_cells:
        if (bottom - top) * (right - left) + len(covered) <= MAX_MERGED:
            covered |= {(r, c): (top, left) for r in range(top, bottom) for c in range(left, right)}
    for row in range(sheet.nrows):
        cells: list[str] = []
        count.add(sheet.row_len(row))
        for column in range(sheet.row_len(row)):
            origin = covered.get((row, column), (row, column))
            text = _text(book, sheet, *origin)
            if origin != (row, column):
                text = Below(text) if origin[1] == column else Across(text)
            cells.append(text)
        yield cells


def _text(book: Any, sheet: Any, row: int, column: int) -> str:
    if column >= sheet.row_len(row):
        return ""
    cell = sheet.cell(row, column)
    value: Any = cell.value
    if cell.ctype == xlrd.XL_CELL_DATE:
        try:
            value = xlrd.xldate_as_datetime(value, book.datemode)
        except (xlrd.XLDateError, OverflowError, ValueError):
            return str(value)
        if cell.value < 1:
            value = value.time()
    elif cell.ctype == xlrd.XL_CELL_BOOLEAN:
        value = bool(value)
    elif cell.ctype == xlrd.XL_CELL_ERROR:
        return ""
    elif cell.ctype == xlrd.XL_CELL_NUMBER and value.is_integer():
        value = int(value)
    return text_of(value, "" if isinstance(value, datetime.time) else _format(book, cell))


def _format(book: Any, cell: Any) -> str:
    if cell.xf_index is None or cell.xf_index >= len(book.xf_list):
        return ""
    known = book.format_map.get(book.xf_list[cell.xf_index].format_key)
    return known.format_str if known is not None else ""
