"""Ruled tables of PDF pages, found by pdfplumber."""

import io
import logging
import unicodedata
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pdfplumber

from src.ingest.readers.flow import joined
from src.ingest.readers.header import Across, Below
from src.ingest.readers.layout import Table

# Fewer lines than this make no table; more than the other are a drawing, and finding cells among them takes minutes.
MIN_LINES = 3
MAX_LINES = 5_000
MAX_CHARS = 20_000
# The part of a table's cells that must hold something: a drawing has empty ones.
MIN_FILLED = 0.3
MOST_NUMBERS = 0.7
_NEAR = 2.0
# A line across a table without lines down is at least this part of the page.
MIN_RULE = 0.2
# A character is taken for a radical by the table of some fonts; readers and questions use the character.
_RADICALS = range(0x2E80, 0x2FE0)

Box = tuple[float, float, float, float]


class RuledTables:
    """The tables of a document's pages; ``seconds`` for all of them, then pages have none."""

    def __init__(self, data: bytes, seconds: float) -> None:
        logging.getLogger("pdfminer").setLevel(logging.ERROR)  # a line for each font it would rather see otherwise
        self._data = data
        self._left = seconds
        self._document: Any = None

    @property
    def is_late(self) -> bool:
        """Whether the time is up."""
        return self._left <= 0

    def of(self, index: int) -> list[Table]:
        """From top to bottom, those with lines across only without their rows; what is one column, one row, or mostly
        empty is a frame or a drawing."""
        if self.is_late:
            return []
        began = monotonic()
        try:
            if self._document is None:
                self._document = pdfplumber.open(io.BytesIO(self._data))
            page = self._document.pages[index]
            if len(page.rects) + len(page.lines) + len(page.curves) > MAX_LINES or len(page.chars) > MAX_CHARS:
                return []
            tables = [Table(found.bbox, _grid(found)) for found in page.find_tables()]
            tables = [table for table in tables if _is_table(table.rows)] or _within_rules(page)
            page.close()
            return sorted(tables, key=lambda table: table.box[1])
        except Exception:  # PDFium reads more damaged files than pdfminer: the page is then read without tables
            logging.getLogger(__name__).info("表格识别失败", exc_info=True)
            return []
        finally:
            self._left -= monotonic() - began

    def close(self) -> None:
        """Free what the pages took."""
        if self._document is not None:
            self._document.close()


def _grid(found: Any) -> list[list[str]]:
    """Rows and columns by the cells' edges; a cell that crosses edges fills what it covers."""
    cells: list[tuple[Box, str]] = []
    for row, texts in zip(found.rows, found.extract(), strict=True):
        known = [(box, text or "") for box, text in zip(row.cells, texts, strict=True) if box is not None]
        cells += [(box, _one_line(text)) for box, text in _lines_as_rows(known)]
    lefts = _edges(sorted(box[0] for box, _ in cells))
    tops = _edges(sorted(box[1] for box, _ in cells))
    rows = [[""] * len(lefts) for _ in tops]
    begun: set[int] = set()
    for box, text in cells:
        columns = [place for place, left in enumerate(lefts) if box[0] - _NEAR <= left < box[2] - _NEAR]
        for number in (place for place, top in enumerate(tops) if box[1] - _NEAR <= top < box[3] - _NEAR):
            first = tops[number] <= box[1] + _NEAR
            begun |= {number} if first and text else set()
            for column in columns:
                text_here = text if first else Below(text)
                rows[number][column] = text_here if column == columns[0] else Across(text)
    return [
        row for number, row in enumerate(rows) if number in begun or not any(row)
    ]  # nothing begins in the others


def _lines_as_rows(cells: list[tuple[Box, str]]) -> list[tuple[Box, str]]:
    """Rows without lines between them, that one ruled row holds: as many lines in each cell, of numbers."""
    lines = [[line for line in text.split("\n") if line.strip()] for _, text in cells]
    heights = {len(one) for one in lines if len(one) > 1}
    numbers = sum(any(map(str.isdigit, line)) for one in lines[1:] for line in one)
    single = sum(len(one) == 1 for one in lines)
    if len(heights) != 1 or single > 1 or len(cells) < 3 or numbers < MOST_NUMBERS * sum(map(len, lines[1:])):
        return cells
    count = heights.pop()
    parted: list[tuple[Box, str]] = []
    for (box, _), one in zip(cells, lines, strict=True):
        step = (box[3] - box[1]) / count
        if len(one) == 1:
            parted.append((box, one[0]))  # stands for all of them
            continue
        for place, line in enumerate(one or [""] * count):
            parted.append(((box[0], box[1] + place * step, box[2], box[1] + (place + 1) * step), line))
    return parted


def _within_rules(page: Any) -> list[Table]:
    """Places of tables as papers set them: a line above the header, one below it, one below the last row."""
    rules: dict[tuple[int, int], list[float]] = {}
    for edge in page.edges:
        if edge["orientation"] == "v":
            return []
        if edge["x1"] - edge["x0"] > MIN_RULE * page.width:
            rules.setdefault((round(edge["x0"] / 4), round(edge["x1"] / 4)), []).append(float(edge["top"]))
    places = [(left, _edges(sorted(tops)), right) for (left, right), tops in rules.items()]
    return [Table((4 * left, tops[0], 4 * right, tops[-1]), []) for left, tops, right in places if len(tops) > 2]


def _edges(places: list[float]) -> list[float]:
    edges: list[float] = []
    for place in places:
        if not edges or place - edges[-1] > _NEAR:
            edges.append(place)
    return edges


def _one_line(text: str) -> str:
    parts: Iterator[str] = filter(None, map(str.strip, text.split("\n")))
    whole = ""
    for part in parts:
        whole = joined(whole, part) if whole else part
    return "".join(unicodedata.normalize("NFKC", c) if ord(c) in _RADICALS else c for c in whole)


def _is_table(rows: list[list[str]]) -> bool:
    if len(rows) < 2 or len(rows[0]) < 2:
        return False
    cells = [cell for row in rows for cell in row]
    return sum(map(bool, cells)) >= MIN_FILLED * len(cells)
