"""``.odt``, ``.ods`` and ``.odp``: the office formats of LibreOffice, as those of Microsoft are read."""

from collections.abc import Iterator
from typing import Any

from lxml import etree

from src.ingest.clean import clean
from src.ingest.limits import Limits
from src.ingest.readers.header import Across
from src.ingest.readers.packages import texts_in
from src.ingest.readers.sections import MAX_TITLE_CHARS, Sections
from src.ingest.readers.tables import CellCount, table_documents, table_lines
from src.ingest.report import note
from src.ingest.types import Document

_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_SKIPPED = {f"{_TEXT}tracked-changes", f"{_TEXT}table-of-content", f"{_OFFICE}annotation", f"{_TEXT}note-citation"}
_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_BREAKS = {f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}
_ROWS = {f"{_TABLE}table-row", f"{_TABLE}table-rows", f"{_TABLE}table-header-rows", f"{_TABLE}table-row-group"}
MAX_SPAN = 100
# What is repeated more often than this, with nothing in it, is the rest of the sheet.
MAX_REPEATED = 1_000


def read_text(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Headings make sections, rows of tables carry their column names."""
    sections = Sections(name)
    count = CellCount(name, limits)
    for number, block in enumerate(_blocks(_body(data, name, limits, "text")), 1):
        if block.tag == f"{_TABLE}table":
            note("tables")
            for row in table_lines(_rows(block, count)):
                sections.add(row.text)
        elif block.tag == f"{_TEXT}h":
            yield from sections.heading(
                _number(block, f"{_TEXT}outline-level"), " ".join(_shown(block).split()), str(number)
            )
        else:
            sections.add(_shown(block))
    yield from sections.end()


def read_sheets(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Source: file and sheet, title: sheet."""
    count = CellCount(name, limits)
    for number, sheet in enumerate(_body(data, name, limits, "spreadsheet").iterchildren(f"{_TABLE}table"), 1):
        title = sheet.get(f"{_TABLE}name", "")
        yield from table_documents(_rows(sheet, count), name, f"{name} 工作表 {title}", f"s{number}:r", title)


def read_slides(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Text, tables and notes of each slide, titled with its first line."""
    count = CellCount(name, limits)
    for number, page in enumerate(_body(data, name, limits, "presentation").iterchildren(f"{_DRAW}page"), 1):
        note("pages")
        lines: list[str] = []
        for block in _blocks(page):
            if block.tag == f"{_TABLE}table":
                note("tables")
                lines += [line.text for line in table_lines(_rows(block, count))]
            elif text := " ".join(clean(_shown(block)).split()):
                lines.append(text)
        title = lines[0] if len(lines) > 1 and len(lines[0]) <= MAX_TITLE_CHARS else ""
        if text := "\n".join(lines[1:] if title else lines):
            yield Document(f"{name}:p{number}", f"{name} 第 {number} 页", title, text, number)


def _body(data: bytes, name: str, limits: Limits, kind: str) -> Any:
    content = texts_in(data, name, limits, ("content.xml",))["content.xml"]
    root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    return next(root.iter(f"{_OFFICE}{kind}"))


def _blocks(parent: Any) -> Iterator[Any]:
    """Headings, paragraphs and tables, those in sections and lists too."""
    for child in parent:
        if child.tag in _SKIPPED or not isinstance(child.tag, str):
            continue
        if child.tag in (f"{_TEXT}h", f"{_TEXT}p", f"{_TABLE}table"):
            yield child
        else:
            yield from _blocks(child)


def _shown(element: Any) -> str:
    """Its text; notes stand where they are referred to."""
    parts: list[str] = []
    stack: list[Any] = [element]
    while stack:
        current = stack.pop()
        if isinstance(current, str):
            parts.append(current)
            continue
        if current.tail and current is not element:
            stack.append(current.tail)
        if not isinstance(current.tag, str) or current.tag in _SKIPPED:
            continue
        if current.tag == f"{_TEXT}note":
            stack.append("）")
            parts.append("（注：")
        elif current.tag == f"{_TEXT}s":
            parts.append(" " * min(MAX_SPAN, _number(current, f"{_TEXT}c")))
        elif current.tag == f"{_TEXT}p" and parts and current is not element and parts[-1] != "（注：":
            parts.append("\n")
        if current.tag in _BREAKS:
            parts.append(_BREAKS[current.tag])
        stack.extend(reversed(current))
        if current.text:
            stack.append(current.text)
    return "".join(parts)


def _rows(table: Any, count: CellCount) -> Iterator[list[str]]:
    """A merged cell fills the columns that it covers; a cell or row that is repeated is given so often."""
    blank = 0
    for row in _table_rows(table):
        cells: list[str] = []
        for cell in row.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
            text = _shown(cell)
            repeated = _number(cell, f"{_TABLE}number-columns-repeated")
            if not text and repeated > MAX_SPAN:
                break
            if cell.tag.endswith("covered-table-cell") and cells:
                cells += [Across(cells[-1])] * min(MAX_SPAN, repeated)
            else:
                cells += [text] * min(MAX_SPAN, repeated)
        while cells and not cells[-1]:
            cells.pop()
        times = _number(row, f"{_TABLE}number-rows-repeated")
        if not cells:
            blank += min(times, MAX_REPEATED)
            continue
        yield from ([] for _ in range(blank))
        blank = 0
        for _ in range(min(times, MAX_REPEATED)):
            count.add(len(cells))
            yield cells


def _table_rows(parent: Any) -> Iterator[Any]:
    for child in parent:
        if child.tag == f"{_TABLE}table-row":
            yield child
        elif child.tag in _ROWS:
            yield from _table_rows(child)


def _number(element: Any, name: str) -> int:
    value = element.get(name) or ""
    return max(1, int(value)) if value.isascii() and value.isdigit() and len(value) < 8 else 1
