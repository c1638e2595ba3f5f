"""``.pptx``: a document a slide."""

from collections.abc import Iterator
from typing import Any

import pptx
from pptx.enum.shapes import MSO_SHAPE_TYPE

from src.errors import KnowledgeError
from src.knowledge.clean import clean
from src.knowledge.limits import Limits
from src.knowledge.readers.packages import open_package
from src.knowledge.readers.sections import MAX_TITLE_CHARS
from src.knowledge.readers.tables import CellCount, table_lines
from src.knowledge.types import Document


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Text, tables and speaker's notes, titled with the slide's title."""
    slides = pptx.Presentation(open_package(data, name, limits)).slides
    if len(slides) > limits.max_pages:
        raise KnowledgeError(f"{name} 有 {len(slides)} 页，最多 {limits.max_pages} 页；请拆成几个文件")
    count = CellCount(name, limits)
    for number, slide in enumerate(slides, 1):
        heading = slide.shapes.title
        title = " ".join(clean(heading.text_frame.text).split()) if heading is not None else ""
        body = [text for shape in _shapes(slide.shapes, heading) for text in _texts(shape, count)]
        if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame):
            body.append(f"备注：{notes.text}" if notes.text.strip() else "")
        text = clean("\n".join(body))
        if not text:
            text, title = title, ""
        if text:
            yield Document(f"{name}:p{number}", f"{name} 第 {number} 页", title[:MAX_TITLE_CHARS], text)


def _shapes(shapes: Any, heading: Any) -> Iterator[Any]:
    for shape in shapes:
        if shape.shape_type == MSO_SHAPE_TYPE.GROUP:
            yield from _shapes(shape.shapes, heading)
        elif heading is None or shape.shape_id != heading.shape_id:
            yield shape


def _texts(shape: Any, count: CellCount) -> Iterator[str]:
    if shape.has_text_frame:
        yield shape.text_frame.text
    if getattr(shape, "has_table", False):
        rows = ([cell.text_frame.text for cell in row.cells] for row in shape.table.rows)
        for line in table_lines(_counted(rows, count)):
            yield line.text


def _counted(rows: Iterator[list[str]], count: CellCount) -> Iterator[list[str]]:
    for row in rows:
        count.add(len(row))
        yield row
