"""``.docx``: a document a section."""

import itertools
from collections.abc import Iterator
from typing import Any

import docx
from docx.oxml.ns import qn

from src.knowledge.limits import Limits
from src.knowledge.readers.header import Across, Below
from src.knowledge.readers.numbering import Numbering
from src.knowledge.readers.packages import open_package
from src.knowledge.readers.sections import Sections
from src.knowledge.readers.tables import CellCount, table_lines
from src.knowledge.types import Document

_BREAKS = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
_MATHS = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_TEXTS = (qn("w:t"), f"{_MATHS}t")
_PARAGRAPH, _TABLE = qn("w:p"), qn("w:tbl")
# A wrapper whose paragraphs are the document's own: content controls, tracked insertions, custom markup.
_WRAPPERS = {qn(tag) for tag in ("w:sdt", "w:sdtContent", "w:ins", "w:moveTo", "w:customXml", "w:smartTag")}
# Properties, text that was struck out with changes tracked, and what stands in a drawing's place for old readers.
_SKIPPED = {qn(tag) for tag in ("w:pPr", "w:rPr", "w:del", "w:moveFrom")}
_SKIPPED.add("{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback")
_CONTENTS = ("toc ", "目录")
MAX_COLUMNS = 500


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Paragraphs and tables in order; styles and outline levels make headings. ``doc_id`` = file and block number."""
    word = docx.Document(open_package(data, name, limits))
    styles = {style.style_id: style for style in word.styles if style.style_id}
    levels = {style_id: _style_level(style) for style_id, style in styles.items()}
    contents = {id_ for id_, style in styles.items() if (style.name or "").lower().startswith(_CONTENTS)}
    numbering = Numbering(word, styles)
    sections = Sections(name)
    count = CellCount(name, limits)
    for number, block in enumerate(_blocks(word.element.body), 1):
        if block.tag == _TABLE:
            for line in table_lines(_rows(block, count)):
                sections.add(line.text)
            continue
        style_id = _value(block, "w:pPr/w:pStyle") or ""
        text = _text(block)
        text = numbering.label(block, style_id) + text if text.strip() else text
        level = _outline_level(block) or levels.get(style_id, 0)
        if level and text.strip():
            yield from sections.heading(level, " ".join(text.split()), str(number))
        elif style_id not in contents:
            sections.add(text)
    yield from sections.end()


def _blocks(parent: Any) -> Iterator[Any]:
    """Paragraphs and tables, those in content controls too."""
    for child in parent:
        if child.tag in (_PARAGRAPH, _TABLE):
            yield child
        elif child.tag in _WRAPPERS:
            yield from _blocks(child)


def _text(element: Any) -> str:
    """What is shown: insertions and text boxes, not deletions. A paragraph within begins a line."""
    parts: list[str] = []
    stack = [element]
    while stack:
        current = stack.pop()
        if current.tag in _SKIPPED:
            continue
        if current.tag in _TEXTS:
            parts.append(current.text or "")
        elif current.tag in _BREAKS:
            parts.append(_BREAKS[current.tag])
        elif current.tag == _PARAGRAPH and parts:
            parts.append("\n")
        stack.extend(reversed(current))
    return "".join(parts)


def _rows(table: Any, count: CellCount) -> Iterator[list[str]]:
    """A merged cell fills every row and column that it covers."""
    above: dict[int, str] = {}
    for row in table.iter(qn("w:tr")):
        if next(row.iterancestors(_TABLE)) is not table:
            continue  # a table in a cell is that cell's text
        cells: list[str] = []
        for cell in _cells(row):
            column = len(cells)
            merged = cell.find(qn("w:tcPr") + "/" + qn("w:vMerge"))
            goes_on = merged is not None and merged.get(qn("w:val")) != "restart"
            text = Below(above.get(column, "")) if goes_on else _text(cell)
            span = _number(_value(cell, "w:tcPr/w:gridSpan"), 1)
            above[column] = text
            cells += [text, *itertools.repeat(Across(text), min(span, MAX_COLUMNS) - 1)]
        count.add(len(cells))
        yield cells


def _cells(row: Any) -> Iterator[Any]:
    for child in row:
        if child.tag == qn("w:tc"):
            yield child
        elif child.tag in _WRAPPERS:
            yield from _cells(child)


def _style_level(style: Any) -> int:
    """1 for the document's title, 2 to 10 for headings, 0 for text; styles inherit."""
    for _ in range(10):
        name = (style.name or "").lower()
        if name == "title":
            return 1
        if name.startswith(("heading ", "标题 ")):
            level = _number(name.split()[-1], 0)
            return level + 1 if level else 0
        if level := _outline_level(style.element):
            return level
        style = getattr(style, "base_style", None)
        if style is None:
            break
    return 0


def _outline_level(element: Any) -> int:
    level = _number(_value(element, "w:pPr/w:outlineLvl"), 9)
    return level + 2 if level < 9 else 0


def _value(element: Any, path: str) -> str | None:
    found = element.find("/".join(qn(tag) for tag in path.split("/")))
    return None if found is None else found.get(qn("w:val"))


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else default
