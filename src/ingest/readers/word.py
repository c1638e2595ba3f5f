"""``.docx``: a document a section."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import docx
from docx.oxml import parse_xml
from docx.oxml.ns import qn

from src.ingest.limits import Limits
from src.ingest.readers.charts import chart_lines, chart_title
from src.ingest.readers.embedded import EmbeddedPictures
from src.ingest.readers.flow import ends_sentence, is_item
from src.ingest.readers.header import Across, Below
from src.ingest.readers.maths import MATHS, formula
from src.ingest.readers.numbering import Numbering
from src.ingest.readers.packages import open_package
from src.ingest.readers.sections import Sections
from src.ingest.readers.signs import raised, symbol
from src.ingest.readers.tables import CellCount, table_lines
from src.ingest.report import note
from src.ingest.types import Document

_BREAKS = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
_NOTES = {
    qn("w:footnoteReference"): "footnotes",
    qn("w:endnoteReference"): "endnotes",
    qn("w:commentReference"): "comments",
}
_PARAGRAPH, _TABLE = qn("w:p"), qn("w:tbl")
# A wrapper whose paragraphs are the document's own: content controls, tracked insertions, custom markup.
_WRAPPERS = {qn(tag) for tag in ("w:sdt", "w:sdtContent", "w:ins", "w:moveTo", "w:customXml", "w:smartTag")}
# Properties, text that was struck out with changes tracked, and what stands in a drawing's place for old readers.
_SKIPPED = {qn(tag) for tag in ("w:pPr", "w:rPr", "w:del", "w:moveFrom", "w:sdtPr")}
_SKIPPED.add("{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback")
_CHECKED = "{http://schemas.microsoft.com/office/word/2010/wordml}checked"
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}chart"
_BLIP = "{http://schemas.openxmlformats.org/drawingml/2006/main}blip"
_IMAGE_DATA = "{urn:schemas-microsoft-com:vml}imagedata"
_CONTENTS = ("toc ", "目录")
MAX_COLUMNS = 500
# Of a document without styles: a paragraph in a larger or bold font that is no longer than this is a heading.
MAX_HEADING_CHARS = 40
HEADING_SCALE = 1.15
TITLE_LEVEL, FIRST_LEVEL, LAST_LEVEL = 1, 2, 9


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Paragraphs and tables in order; styles and outline levels make headings. ``doc_id`` = file and block number.

    Notes stand behind the paragraph that refers to them, the text of headers and footers at the end.
    """
    word = docx.Document(open_package(data, name, limits))
    styles = {style.style_id: style for style in word.styles if style.style_id}
    levels = {style_id: _style_level(style) for style_id, style in styles.items()}
    contents = {id_ for id_, style in styles.items() if (style.name or "").lower().startswith(_CONTENTS)}
    numbering = Numbering(word, styles)
    sections = Sections(name)
    count = CellCount(name, limits)
    reader = _Reader(word, EmbeddedPictures(data, name, limits))
    blocks = list(_blocks(word.element.body))
    own = {
        id(block): _outline_level(block) or levels.get(_value(block, "w:pPr/w:pStyle") or "", 0) for block in blocks
    }
    if not any(own.values()):
        own |= _unstyled_levels(blocks, styles)
    for number, block in enumerate(blocks, 1):
        if block.tag == _TABLE:
            note("tables")
            for row in table_lines(_rows(block, count, reader)):
                sections.add(row.text)
            continue
        style_id = _value(block, "w:pPr/w:pStyle") or ""
        text = reader.text(block)
        text = numbering.label(block, style_id) + text if text.strip() else text
        level = own[id(block)]
        if level and text.strip():
            yield from sections.heading(level, " ".join(text.split()), str(number))
        elif style_id not in contents:
            sections.add(text)
        for line in filter(None, reader.drawn(block)):
            sections.add(line)
    for line in reader.around():
        sections.add(line)
    yield from sections.end()


class _Reader:
    """Texts of a document's elements, with the notes, charts and pictures that they refer to."""

    def __init__(self, word: Any, pictures: EmbeddedPictures) -> None:
        self._part = word.part
        self._pictures = pictures
        self._notes: dict[str, dict[str, Any]] = {}
        for relation in word.part.rels.values():
            kind = relation.reltype.rpartition("/")[2]
            if kind in _NOTES.values() and not relation.is_external:
                root = parse_xml(relation.target_part.blob)
                self._notes[kind] = {one.get(qn("w:id"), ""): one for one in root if not one.get(qn("w:type"))}

    def text(self, element: Any) -> str:
        """What is shown: insertions and text boxes, not deletions. A paragraph within begins a line."""
        parts: list[str] = []
        notes: list[str] = []
        stack = [element]
        while stack:
            current = stack.pop()
            tag = current.tag
            if tag in _SKIPPED:
                continue
            if tag == qn("w:t"):
                parts.append(raised(current.text or "") if _is_raised(current) else current.text or "")
            elif tag == f"{MATHS}oMath":
                parts.append(formula(current))
                continue
            elif tag in _BREAKS:
                parts.append(_BREAKS[tag])
            elif tag == qn("w:sym"):
                parts.append(symbol(current.get(qn("w:font"), ""), current.get(qn("w:char"), "")))
            elif tag == qn("w:sdt") and (box := _box(current)):
                parts.append(box)
                continue
            elif tag == qn("w:checkBox"):
                parts.append(_old_box(current))
                continue
            elif tag in _NOTES:
                found = self._notes.get(_NOTES[tag], {}).pop(current.get(qn("w:id"), ""), None)
                if found is not None and (said := " ".join(self.text(found).split())):
                    note("notes")
                    notes.append(f"（{'批注' if _NOTES[tag] == 'comments' else '注'}：{said}）")
            elif tag == _PARAGRAPH and parts:
                parts.append("\n")
            stack.extend(reversed(current))
        return "".join([*parts, *notes])

    def drawn(self, element: Any) -> Iterator[str]:
        """The charts and pictures in an element."""
        for chart in element.iter(_CHART):
            relation = self._part.rels.get(chart.get(qn("r:id"), ""))
            if relation is not None and not relation.is_external:
                note("charts")
                root = parse_xml(relation.target_part.blob)
                yield chart_title(root)
                yield from (line.text for line in table_lines(chart_lines(root)))
        for picture in element.iter(_BLIP, _IMAGE_DATA):
            relation = self._part.rels.get(picture.get(qn("r:embed")) or picture.get(qn("r:id")) or "")
            if relation is not None and not relation.is_external:
                yield self._pictures.text(str(relation.target_part.partname))

    def around(self) -> Iterator[str]:
        """What headers and footers say, page numbers aside."""
        seen: set[str] = set()
        for relation in self._part.rels.values():
            kind = relation.reltype.rpartition("/")[2]
            if kind in ("header", "footer") and not relation.is_external:
                text = " ".join(self.text(relation.target_part.element).split())
                if text not in seen and sum(map(str.isalpha, text)) > 3:
                    seen.add(text)
                    yield f"{'页眉' if kind == 'header' else '页脚'}：{text}"


def _is_raised(text: Any) -> bool:
    run = text.getparent()
    return run is not None and _value(run, "w:rPr/w:vertAlign") == "superscript"


def _box(control: Any) -> str:
    """A content control that is a tick box, ticked or not."""
    checked = next(control.iter(_CHECKED), None)
    if checked is None or control.find(qn("w:sdtPr")) is None:
        return ""
    value = next(iter(checked.attrib.values()), "0")
    return "☑" if value in ("1", "true", "on") else "☐"


def _old_box(box: Any) -> str:
    """A tick box of a form field; without a value it is ticked."""
    checked = box.find(qn("w:checked"))
    checked = box.find(qn("w:default")) if checked is None else checked
    return "☑" if checked is not None and checked.get(qn("w:val"), "1") in ("1", "true", "on") else "☐"


def _unstyled_levels(blocks: Sequence[Any], styles: dict[str, Any]) -> dict[int, int]:
    """The level of each paragraph that is set as a heading, in a document none of whose styles says so."""
    shown = {id(block): _look(block, styles) for block in blocks if block.tag == _PARAGRAPH}
    weights: Counter[float] = Counter()
    for size, _, _, length in shown.values():
        weights[size] += length
    if not weights or sum(weights.values()) == 0:
        return {}
    usual = weights.most_common(1)[0][0]
    found: dict[int, tuple[float, bool, bool]] = {}
    for block in blocks:
        if block.tag != _PARAGRAPH:
            continue
        size, bold, centred, length = shown[id(block)]
        text = "".join(part.text or "" for part in block.iter(qn("w:t"))).strip()
        if not 0 < length <= MAX_HEADING_CHARS or ends_sentence(text):
            continue
        larger = size >= HEADING_SCALE * usual
        if (larger and (bold or centred or size >= 1.3 * usual)) or (bold and (centred or is_item(text))):
            found[id(block)] = (size if larger else usual, bold, centred)
    if 2 * len(found) > sum(length > 0 for *_, length in shown.values()) + 1:
        return {}  # a poster, or a form in bold: where everything is a heading, nothing is
    sizes = sorted({size for size, _, _ in found.values()}, reverse=True)
    levels: dict[int, int] = {}
    for place, (block, (size, _, centred)) in enumerate(found.items()):
        title = place == 0 and centred and size == sizes[0]
        levels[block] = TITLE_LEVEL if title else min(FIRST_LEVEL + sizes.index(size), LAST_LEVEL)
    return levels


def _look(paragraph: Any, styles: dict[str, Any]) -> tuple[float, bool, bool, int]:
    """(size in half points, whether bold, whether centred, characters); 21 is a document's size that says none."""
    style = styles.get(_value(paragraph, "w:pPr/w:pStyle") or "") or next(
        (one for one in styles.values() if (one.name or "") == "Normal"), None
    )
    given = None if style is None else _value(style.element, "w:rPr/w:sz")
    default = float(_number(given, 21))
    sizes: Counter[float] = Counter()
    bold = length = 0
    for run in paragraph.iter(qn("w:r")):
        characters = sum(len((part.text or "").strip()) for part in run.iterchildren(qn("w:t")))
        size = _value(run, "w:rPr/w:sz")
        sizes[float(_number(size, int(default)))] += characters
        mark = run.find(f"{qn('w:rPr')}/{qn('w:b')}")
        bold += characters if mark is not None and mark.get(qn("w:val"), "1") not in ("0", "false") else 0
        length += characters
    centred = _value(paragraph, "w:pPr/w:jc") == "center"
    return (sizes.most_common(1)[0][0] if sizes else default), length > 0 and bold == length, centred, length


def _blocks(parent: Any) -> Iterator[Any]:
    """Paragraphs and tables, those in content controls too."""
    for child in parent:
        if child.tag in (_PARAGRAPH, _TABLE):
            yield child
        elif child.tag in _WRAPPERS:
            yield from _blocks(child)


def _rows(table: Any, count: CellCount, reader: _Reader) -> Iterator[list[str]]:
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
            text = Below(above.get(column, "")) if goes_on else "\n".join([reader.text(cell), *reader.drawn(cell)])
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
