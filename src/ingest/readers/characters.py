"""The characters of a PDF page as pieces of text, by where they stand; and what was filled into its forms."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pypdfium2
from pypdfium2 import raw

from src.ingest.clean import clean
from src.ingest.readers.layout import Piece, columns_of, gutter_of, lines_of
from src.ingest.readers.signs import with_boxes

# How PDFium gives a hyphen or minus sign at a line's end; ``flow`` knows what becomes of it.
HYPHEN = 2
MAX_CHARS = 20_000
MAX_ANNOTATIONS = 2_000
MAX_VALUE_BYTES = 4_000
# White space that is wider, in heights of a line, divides cells or columns; narrower, words.
CELL_GAP = 0.9
WORD_GAP = 0.17
# A file that goes on in the other column behind more than this part of its pieces does not follow the columns.
ZIGZAG = 0.3
_SAID = {raw.FPDF_ANNOT_TEXT, raw.FPDF_ANNOT_FREETEXT, raw.FPDF_ANNOT_HIGHLIGHT}


def pieces_of(textpage: pypdfium2.PdfTextPage, width: float, height: float, rotation: int = 0) -> list[Piece]:
    """Runs of characters of a line without a gap, in the file's order; coordinates from the top of the page as shown.

    ``width`` and ``height`` are those before its rotation.
    """
    pieces: list[Piece] = []
    text, box = "", (0.0, 0.0, 0.0, 0.0)
    rect = raw.FS_RECTF()
    for index in range(min(textpage.count_chars(), MAX_CHARS)):
        code = raw.FPDFText_GetUnicode(textpage, index)
        if (
            (code < 0x21 and code != HYPHEN)
            or chr(code).isspace()
            or not raw.FPDFText_GetLooseCharBox(textpage, index, rect)
        ):
            continue
        left, top, right, bottom = _turned(rect, width, height, rotation)
        tall, gap = box[3] - box[1], left - box[2]
        if text and top < (box[1] + box[3]) / 2 < bottom and -0.5 * tall < gap < CELL_GAP * tall:
            text += (" " if gap > WORD_GAP * tall else "") + chr(code)
            box = (box[0], min(box[1], top), max(box[2], right), max(box[3], bottom))
            continue
        if text:
            pieces.append(Piece(*box, with_boxes(text)))
        text, box = chr(code), (left, top, right, bottom)
    return [*pieces, Piece(*box, with_boxes(text))] if text else pieces


def _turned(rect: raw.FS_RECTF, width: float, height: float, rotation: int) -> tuple[float, float, float, float]:
    if rotation == 90:
        return rect.bottom, rect.left, rect.top, rect.right
    if rotation == 180:
        return width - rect.right, rect.bottom, width - rect.left, rect.top
    if rotation == 270:
        return height - rect.top, width - rect.right, height - rect.bottom, width - rect.left
    return rect.left, height - rect.top, rect.right, height - rect.bottom


def in_columns(pieces: Sequence[Piece]) -> list[tuple[list[str], bool]]:
    """The lines of a page in columns, group by group, where the file itself does not follow them; else nothing."""
    gutter = gutter_of(pieces)
    if gutter is None:
        return []
    sides = [piece.left > gutter for piece in pieces if piece.right <= gutter or piece.left >= gutter]
    if sum(before != after for before, after in pairwise(sides)) < ZIGZAG * len(sides):
        return []
    return [(list(lines_of(group)), in_column) for group, in_column in columns_of(pieces)]


def filled_in(page: pypdfium2.PdfPage, height: float) -> list[Piece]:
    """The values of a form's fields and its boxes, ticked or not, where they stand."""
    pieces: list[Piece] = []
    for annotation, kind in _annotations(page):
        if kind != raw.FPDF_ANNOT_WIDGET:
            continue
        rect = raw.FS_RECTF()
        state, value = _string(annotation, b"AS"), clean(_string(annotation, b"V"))
        shown = ("☐" if state == "Off" else "☑") if state else " ".join(value.split())
        if shown and raw.FPDFAnnot_GetRect(annotation, rect):
            pieces.append(Piece(rect.left, height - rect.top, rect.right, height - rect.bottom, shown))
    return pieces


def remarks(page: pypdfium2.PdfPage) -> list[str]:
    """What readers noted on a page."""
    said = (_string(annotation, b"Contents") for annotation, kind in _annotations(page) if kind in _SAID)
    return [f"批注：{text}" for one in said if (text := " ".join(clean(one).split()))]


def _annotations(page: pypdfium2.PdfPage) -> Iterator[tuple[raw.FPDF_ANNOTATION, int]]:
    for index in range(min(raw.FPDFPage_GetAnnotCount(page), MAX_ANNOTATIONS)):
        annotation = raw.FPDFPage_GetAnnot(page, index)
        if annotation:
            yield annotation, raw.FPDFAnnot_GetSubtype(annotation)
            raw.FPDFPage_CloseAnnot(annotation)


def _string(annotation: raw.FPDF_ANNOTATION, key: bytes) -> str:
    size = raw.FPDFAnnot_GetStringValue(annotation, key, None, 0)
    if not 2 < size <= MAX_VALUE_BYTES:
        return ""
    buffer = (raw.FPDF_WCHAR * (size // 2))()
    raw.FPDFAnnot_GetStringValue(annotation, key, buffer, size)
    return bytes(buffer).decode("utf-16-le", "replace").rstrip("\0")
