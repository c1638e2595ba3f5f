"""``.pptx``: a document a slide."""

from collections.abc import Iterator
from typing import Any

import pptx
from pptx.oxml import parse_xml
from pptx.shapes.group import GroupShape

from src.errors import KnowledgeError
from src.ingest.clean import clean
from src.ingest.limits import Limits
from src.ingest.readers.charts import chart_lines, chart_title
from src.ingest.readers.embedded import EmbeddedPictures
from src.ingest.readers.flow import ends_sentence
from src.ingest.readers.header import Across, Below
from src.ingest.readers.packages import open_package
from src.ingest.readers.sections import MAX_TITLE_CHARS
from src.ingest.readers.tables import CellCount, table_lines
from src.ingest.report import note
from src.ingest.types import Document

MAX_SPAN = 100
MAX_HEADING_CHARS = 40
# Shapes whose tops are no further apart stand beside each other: a third of an inch.
SAME_HEIGHT = 914_400 // 3
_DRAWN = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_RELATED = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Text, tables and speaker's notes, titled with the slide's title."""
    slides = pptx.Presentation(open_package(data, name, limits)).slides
    if len(slides) > limits.max_pages:
        raise KnowledgeError(f"{name} 有 {len(slides)} 页，最多 {limits.max_pages} 页；请拆成几个文件")
    count = CellCount(name, limits)
    pictures = EmbeddedPictures(data, name, limits)
    for number, slide in enumerate(slides, 1):
        note("pages")
        heading = slide.shapes.title
        if heading is None or not heading.text_frame.text.strip():
            heading = _unmarked_heading(slide.shapes)
        title = " ".join(clean(heading.text_frame.text).split()) if heading is not None else ""
        body = [text for shape in _shapes(slide.shapes, heading) for text in _texts(shape, count, pictures)]
        if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame):
            body.append(f"备注：{notes.text}" if notes.text.strip() else "")
        text = clean("\n".join(filter(str.strip, body)))
        # A title says so much; a longer one is also text.
        if not text or len(title) > MAX_TITLE_CHARS:
            text, title = clean(f"{title}\n{text}"), title if text else ""
        if text:
            yield Document(f"{name}:p{number}", f"{name} 第 {number} 页", title[:MAX_TITLE_CHARS], text, number)


def _unmarked_heading(shapes: Any) -> Any:
    """The uppermost text of a slide without a title, if it is set larger than the others."""
    texts = [shape for shape in shapes if shape.has_text_frame and shape.text_frame.text.strip()]
    if len(texts) < 2:
        return None
    first, *others = sorted(texts, key=_place)
    short = len(first.text_frame.text) <= MAX_HEADING_CHARS and not ends_sentence(first.text_frame.text)
    return first if short and _size(first) > max(map(_size, others)) else None


def _size(shape: Any) -> int:
    """Of its largest characters, 0 where it does not say so itself."""
    fonts = (one.font for paragraph in shape.text_frame.paragraphs for one in (paragraph, *paragraph.runs))
    return max((int(font.size or 0) for font in fonts), default=0)


def _place(shape: Any) -> tuple[int, int]:
    """From the top, those about as high from the left."""
    return int(shape.top or 0) // SAME_HEIGHT, int(shape.left or 0)


def _shapes(shapes: Any, heading: Any) -> Iterator[Any]:
    for shape in sorted(shapes, key=_place):
        if isinstance(shape, GroupShape):
            yield from _shapes(shape.shapes, heading)
        elif heading is None or shape.shape_id != heading.shape_id:
            yield shape


def _texts(shape: Any, count: CellCount, pictures: EmbeddedPictures) -> Iterator[str]:
    """Text, the rows of a table or a chart, what is in a diagram or a picture."""
    if shape.has_text_frame:
        yield shape.text_frame.text
    if getattr(shape, "has_table", False):
        note("tables")
        for line in table_lines(_rows(shape.table, count)):
            yield line.text
    if getattr(shape, "has_chart", False):
        note("charts")
        chart = parse_xml(shape.chart_part.blob)
        yield chart_title(chart)
        for line in table_lines(chart_lines(chart)):
            yield line.text
    for reference in shape.element.iter(f"{_DRAWN}blip"):
        relation = shape.part.rels.get(reference.get(f"{_RELATED}embed", ""))
        if relation is not None and not relation.is_external:
            yield pictures.text(str(relation.target_part.partname))
    for reference in shape.element.iter(f"{_DIAGRAM}relIds"):
        relation = shape.part.rels.get(reference.get(f"{_RELATED}dm", ""))
        if relation is not None and not relation.is_external:
            yield from _diagram(relation.target_part.blob)


def _diagram(xml: bytes) -> Iterator[str]:
    """The text of each of its points."""
    for point in parse_xml(xml).iter(f"{_DIAGRAM}pt"):
        yield "".join(text.text or "" for text in point.iter(f"{_DRAWN}t"))


def _rows(table: Any, count: CellCount) -> Iterator[list[str]]:
    """A merged cell fills every row and column that it covers."""
    covered: dict[tuple[int, int], str] = {}
    for number, row in enumerate(table.rows):
        cells: list[str] = []
        for column, cell in enumerate(row.cells):
            text = covered.pop((number, column), cell.text_frame.text)
            if cell.is_merge_origin:
                for down in range(min(cell.span_height, MAX_SPAN)):
                    for right in range(min(cell.span_width, MAX_SPAN)):
                        covered[number + down, column + right] = Across(text) if right else Below(text)
            cells.append(text)
        count.add(len(cells))
        yield cells
