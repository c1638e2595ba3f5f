"""``.xlsx``: every visible sheet is a table."""

import datetime
from collections.abc import Iterator
from typing import Any

from openpyxl import load_workbook
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from src.errors import KnowledgeError
from src.knowledge.limits import Limits
from src.knowledge.readers.packages import open_package
from src.knowledge.readers.tables import CellCount, table_documents
from src.knowledge.types import Document


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Source: file and sheet, title: sheet; a formula counts as the value that was saved with it."""
    workbook = load_workbook(open_package(data, name, limits), read_only=True, data_only=True, keep_links=False)
    if len(workbook.worksheets) > limits.max_pages:
        raise KnowledgeError(f"{name} 的工作表超过 {limits.max_pages} 个；请拆成几个文件")
    count = CellCount(name, limits)
    for number, sheet in enumerate(workbook.worksheets, 1):
        if sheet.sheet_state == "visible":
            rows = _rows(sheet, count)
            yield from table_documents(rows, name, f"{name} 工作表 {sheet.title}", f"s{number}:r", sheet.title)


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
