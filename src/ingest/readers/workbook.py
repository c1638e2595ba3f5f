"""``.xlsx``: every visible sheet holds tables."""

import datetime
import math
import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from lxml import etree
from openpyxl import load_workbook
from openpyxl.utils.cell import column_index_from_string, range_boundaries
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from src.errors import KnowledgeError
from src.ingest.limits import Limits
from src.ingest.readers.formulas import Formulas, Place
from src.ingest.readers.header import Across, Below
from src.ingest.readers.packages import open_package
from src.ingest.readers.tables import CellCount, table_documents
from src.ingest.report import note
from src.ingest.types import Cell, Document, Row

# Cells that merged ones cover, on a sheet; more are a pattern of a form, not data.
MAX_MERGED = 200_000
# Beyond so many cells a sheet's formulas are not worked out.
MAX_FORMULA_CELLS = 200_000
MAX_FORMULA_CHARS = 60
MAX_COMMENTS = 5_000
_CELL = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")
_NOTICE = re.compile(r"^\[[^\]]{1,40}\].{0,400}?(?:Comment|注释|批注)[:：]", re.DOTALL)
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\b[^>]*?\bref="([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})"')
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")
# What a number format writes around the digits: "¥"0.00, [$€-407]0, 0"人".
_AROUND = re.compile(r'"([^"]*)"|\[\$([^\]-]*)[^\]]*\]|\\(.)|([$€£¥￥])')
_BRACKETS = re.compile(r"\[(?!\$)[^\]]*\]")
_DIGITS = re.compile(r"[0#?](?:[0#?,.]*[0#?])?")


class _Sheet(NamedTuple):
    """A visible sheet; ``formulas`` is the same with formulas for values, where it has any."""

    number: int
    cells: ReadOnlyWorksheet
    formulas: ReadOnlyWorksheet | None
    merged: list[str]
    comments: dict[Place, str]


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Source: file and sheet, title: sheet. A formula counts as the value that was saved with it, else it is worked out."""
    count = CellCount(name, limits)
    for sheet in _visible(data, name, limits):
        title = sheet.cells.title
        yield from table_documents(
            _rows(sheet, count, name), name, f"{name} 工作表 {title}", f"s{sheet.number}:r", title
        )


def first_rows(data: bytes, name: str, limits: Limits) -> Iterator[Row]:
    """The rows of the first visible sheet that holds anything: numbers, dates and texts as they are."""
    count = CellCount(name, limits)
    for sheet in _visible(data, name, limits):
        found = False
        sheet.cells.reset_dimensions()
        for row in _counted(sheet.cells, count):
            found = found or any(cell.value is not None for cell in row)
            yield [_plain(cell.value) for cell in row]
        if found:
            return


def _visible(data: bytes, name: str, limits: Limits) -> Iterator[_Sheet]:
    """The sheets that are not hidden, each with its number among all."""
    package = open_package(data, name, limits)
    workbook = load_workbook(package, read_only=True, data_only=True, keep_links=False)
    if len(workbook.worksheets) > limits.max_pages:
        raise KnowledgeError(f"{name} 的工作表超过 {limits.max_pages} 个；请拆成几个文件")
    formulas = None
    if any(entry.startswith(("xl/media/", "xl/charts/")) for entry in workbook._archive.namelist()):
        note("pictures_unread", f"{name} 里的图片和图表没有读；图表的数据若不在表里，请另存为 png 后单独加入")
    for number, sheet in enumerate(workbook.worksheets, 1):
        if sheet.sheet_state != "visible":
            continue
        xml = workbook._archive.read(sheet._worksheet_path)  # (read-only sheets have no merged cells otherwise)
        if _FORMULA.search(xml) and formulas is None:
            formulas = load_workbook(package, read_only=True, keep_links=False)
        merged = [found.decode("ascii") for found in _MERGED.findall(xml)]
        with_formulas = formulas.worksheets[number - 1] if formulas is not None and _FORMULA.search(xml) else None
        yield _Sheet(number, sheet, with_formulas, merged, _comments(workbook._archive, sheet._worksheet_path))


def _comments(archive: zipfile.ZipFile, path: str) -> dict[Place, str]:
    """The remarks at a sheet's cells."""
    folder, _, file = path.lstrip("/").rpartition("/")
    relations = f"{folder}/_rels/{file}.rels"
    if relations not in archive.namelist():
        return {}
    found: dict[Place, str] = {}
    for relation in _parsed(archive.read(relations)):
        target = relation.get("Target", "")
        if relation.get("Type", "").endswith("/comments") and relation.get("TargetMode") != "External":
            part = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"{folder}/{target}")
            for comment in _parsed(archive.read(part)).iter("{*}comment") if part in archive.namelist() else ():
                # Excel writes a notice for its old versions above what was said.
                text = _NOTICE.sub("", "".join(one.text or "" for one in comment.iter("{*}t")))
                if (
                    (place := _CELL.fullmatch(comment.get("ref", "")))
                    and text.strip()
                    and len(found) < MAX_COMMENTS
                ):
                    note("notes")
                    found[int(place[2]), column_index_from_string(place[1])] = " ".join(text.split())
    return found


def _parsed(xml: bytes) -> Any:
    return etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))


def _rows(sheet: _Sheet, count: CellCount, name: str) -> Iterator[list[str]]:
    """Rows with the text of every cell; those of merged cells in each row and column that they cover."""
    merged = _covered(sheet.merged)
    covered_to: dict[int, int] = {}
    for row_number, column in merged:
        covered_to[row_number] = max(column, covered_to.get(row_number, 0))
    formulas = _Values(sheet.formulas) if sheet.formulas is not None else None
    origins: dict[Place, str] = {}
    sheet.cells.reset_dimensions()  # what the file says of its own size may be anything
    for number, row in enumerate(_counted(sheet.cells, count, formulas), 1):
        cells = []
        for column, cell in enumerate(row, 1):
            text = text_of(cell.value, getattr(cell, "number_format", "") or "")
            if not text and formulas is not None:
                text = formulas.text(number, column, cell, name)
            if said := sheet.comments.get((number, column)):
                text = f"{text}（批注：{said}）"
            if (origin := merged.get((number, column))) is not None:
                if origin == (number, column):
                    origins[origin] = text
                else:
                    text = origins.get(origin, "")
                    text = Below(text) if origin[1] == column else Across(text)
            cells.append(text)
        # The file may leave out what a merged cell covers.
        for column in range(len(cells) + 1, covered_to.get(number, 0) + 1):
            top, left = merged.get((number, column), (0, 0))
            text = origins.get((top, left), "")
            cells.append(Below(text) if left == column else Across(text) if left else "")
        yield cells


def _counted(
    sheet: ReadOnlyWorksheet, count: CellCount, formulas: "_Values | None" = None
) -> Iterator[tuple[Any, ...]]:
    """Its rows to the last one with a value; Office leaves formatted ones far below, which count for nothing."""
    blank = 0
    for number, row in enumerate(sheet.iter_rows(), 1):
        last = max((place for place, cell in enumerate(row, 1) if cell.value is not None), default=0)
        if not last and not (formulas is not None and formulas.has_row(number)):
            blank += 1
            continue
        if blank:
            count.add(blank)
            yield from ((),) * blank
            blank = 0
        count.add(last)
        yield row


def _covered(merged: list[str]) -> dict[Place, Place]:
    """For each cell of a merged one the first of these."""
    places: dict[Place, Place] = {}
    for reference in merged:
        left, top, right, bottom = (int(number or 0) for number in range_boundaries(reference))
        if (right - left + 1) * (bottom - top + 1) + len(places) > MAX_MERGED:
            continue
        for row in range(top, bottom + 1):
            places.update({(row, column): (top, left) for column in range(left, right + 1)})
    return places


class _Values:
    """The values of formulas that were saved without one."""

    def __init__(self, sheet: ReadOnlyWorksheet) -> None:
        self._cells: dict[Place, Any] = {}
        sheet.reset_dimensions()
        for number, row in enumerate(sheet.iter_rows(), 1):
            for column, cell in enumerate(row, 1):
                if cell.value is not None and len(self._cells) < MAX_FORMULA_CELLS:
                    self._cells[number, column] = cell.value
        self._rows = {row for row, _ in self._cells}
        self._formulas = Formulas(self._cells)

    def has_row(self, row: int) -> bool:
        """Whether anything is in it."""
        return row in self._rows

    def text(self, row: int, column: int, cell: Any, name: str) -> str:
        """What the formula gives, or the formula itself, said to be one; empty where there is none."""
        formula = self._cells.get((row, column))
        if not isinstance(formula, str) or not formula.startswith("="):
            return ""
        value = self._formulas.value((row, column))
        if value is not None:
            return text_of(value, getattr(cell, "number_format", "") or "")
        note("formulas_unread", f"{name} 有公式没有保存结果，也算不出来；请用 Excel 或 WPS 打开后重新保存")
        return f"（公式没有保存结果：{formula[:MAX_FORMULA_CHARS]}）"


def text_of(value: Any, number_format: str) -> str:
    """A cell's value as its format shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, int | float):
        return _number(value, number_format)
    if isinstance(value, datetime.datetime):
        return str(value.date() if value.time() == datetime.time() else value)
    if isinstance(value, datetime.timedelta):  # [h]:mm
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
    return str(value)


def _number(value: float, number_format: str) -> str:
    """With its percent sign, currency, unit and leading zeros; without the commas between thousands, which no question has."""
    plain = f"{value:.12g}" if isinstance(value, float) else str(value)
    shown = _BRACKETS.sub("", number_format.split(";")[0])
    if not shown or shown == "General" or not math.isfinite(value):
        return plain
    if "%" in shown:
        return f"{value * 100:.10g}%"
    digits = _DIGITS.search(shown)
    if digits is None:
        return plain
    before, after = ("".join("".join(parts) for parts in _AROUND.findall(side)).strip()
                     for side in (shown[: digits.start()], shown[digits.end() :]))  # fmt: skip
    if any(character.isdigit() for character in before + after):
        return plain
    if isinstance(value, int) and digits[0].strip("0") == "":
        plain = f"{value:0{len(digits[0])}}"  # a number that is a code: 000532
    if before in ("¥", "￥", "$", "€", "£") and "." in digits[0]:
        places = len(digits[0].rsplit(".", 1)[1])
        plain = f"{abs(value):.{places}f}"
        return f"{'-' if value < 0 else ''}{before}{plain}"
    return f"{before}{plain}{after}"


def _plain(value: Any) -> Cell:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    known = value is None or isinstance(value, str | int | float | datetime.datetime)
    return cast(Cell, value if known else str(value))
