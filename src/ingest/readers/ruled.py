"""Ruled tables of PDF pages, found by pdfplumber."""

import io
import logging
import unicodedata
from collections.abc import Iterator
from itertools import groupby, pairwise
from time import monotonic
from typing import Any, NamedTuple

import pdfplumber

from src.ingest.readers.flow import joined
from src.ingest.readers.header import Across, Below

# Fewer lines than this make no table; more than the other are a drawing, and finding cells among them takes minutes.
MIN_LINES = 3
MAX_LINES = 5_000
MAX_CHARS = 20_000
# The part of a table's cells that must hold something: a drawing has empty ones.
MIN_FILLED = 0.3
# A line across a table without lines down is at least this part of the page.
MIN_RULE = 0.2
MOST_NUMBERS = 0.7
_NEAR = 2.0
# A character is taken for a radical by the table of some fonts; readers and questions use the character.
_RADICALS = range(0x2E80, 0x2FE0)

Box = tuple[float, float, float, float]


class Table(NamedTuple):
    """Its place (left, top, right, bottom, from the page's top) and its rows."""

    box: Box
    rows: list[list[str]]


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
        """From top to bottom; what is one column, one row, or mostly empty is a frame or a drawing."""
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
            tables = [table for table in tables if _is_table(table.rows)] or list(_open_tables(page))
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


def _open_tables(page: Any) -> Iterator[Table]:
    """Tables with lines across only: above the header, below it, below the last row (as papers set them)."""
    rules: dict[tuple[int, int], list[float]] = {}
    for edge in page.edges:
        if edge["orientation"] == "h" and edge["x1"] - edge["x0"] > MIN_RULE * page.width:
            rules.setdefault((round(edge["x0"] / 4), round(edge["x1"] / 4)), []).append(float(edge["top"]))
    if any(edge["orientation"] == "v" for edge in page.edges):
        return
    for (left, right), places in rules.items():
        tops = _edges(sorted(places))
        if len(tops) < 3:
            continue
        box = (4.0 * left - 4, tops[0], 4.0 * right + 4, tops[-1])
        words = [
            word
            for word in page.extract_words(keep_blank_chars=True, x_tolerance=4)
            if box[0] <= word["x0"]
            and word["x1"] <= box[2]
            and box[1] < (word["top"] + word["bottom"]) / 2 < box[3]
        ]
        names = [word for word in words if (word["top"] + word["bottom"]) / 2 < tops[1]]
        body = [word for word in words if (word["top"] + word["bottom"]) / 2 >= tops[1]]
        if len(names) < 2 or not body or max(w["top"] for w in names) - min(w["top"] for w in names) > _NEAR:
            continue
        names.sort(key=lambda word: float(word["x0"]))
        # A column reaches half-way to the next name.
        ends = [(one["x1"] + after["x0"]) / 2 for one, after in pairwise(names)]
        rows = [[_one_line(word["text"]) for word in names]]
        for _, line in groupby(
            sorted(body, key=lambda w: (round(w["top"] / 4), w["x0"])), key=lambda w: round(w["top"] / 4)
        ):
            cells = [""] * len(names)
            for word in line:
                column = sum(end <= (word["x0"] + word["x1"]) / 2 for end in ends)
                cells[column] = f"{cells[column]} {_one_line(word['text'])}".strip()
            if not cells[0] and len(rows) > 1:  # the cells of the row above go on
                rows[-1] = [joined(a, b) if a and b else a or b for a, b in zip(rows[-1], cells, strict=True)]
            else:
                rows.append(cells)
        if _is_table(rows) and all(any(row[column] for row in rows[1:]) for column in range(len(names))):
            yield Table(box, rows)


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
