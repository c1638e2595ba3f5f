"""Pieces of text that were recognised in a picture, in the order in which they are read."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

# Columns are this many pieces high, and of pieces so long: shorter ones are the cells of a table.
MIN_COLUMN_LINES = 4
MIN_COLUMN_CHARS = 6
# The part of the pieces that may lie across a gutter: headings.
MAX_ACROSS = 0.2
MAX_PIECES = 1_000
# The parts of a picture's width and height that a ruled line of a table takes at least.
_RULE_ACROSS = 12
_RULE_DOWN = 20
_RULED_SHARE = 0.5
MIN_CELLS = 4


class Piece(NamedTuple):
    """A text and where it stands."""

    left: float
    top: float
    right: float
    bottom: float
    text: str

    @property
    def middle(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


class Grid(NamedTuple):
    """The edges of a ruled table's columns and rows."""

    columns: list[float]
    rows: list[float]


def grids(pixels: np.ndarray) -> list[Grid]:
    """The ruled tables of a picture, from the top: where long lines across meet long lines down."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    dark = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 31, 10)
    height, width = dark.shape
    across = _opened(dark, (max(20, width // _RULE_ACROSS), 1))
    down = _opened(dark, (1, max(20, height // _RULE_DOWN)))
    lines = cv2.dilate(across | down, np.ones((5, 5), np.uint8))
    found: list[Grid] = []
    count, _, boxes, _ = cv2.connectedComponentsWithStats(lines, connectivity=8)
    for left, top, wide, high, _ in boxes[1:count]:
        if wide < width // 8 or high < height // 25:
            continue
        part = (slice(top, top + high), slice(left, left + wide))
        rows = _edges(across[part].sum(axis=1) >= 255 * _RULED_SHARE * wide, top)
        columns = _edges(down[part].sum(axis=0) >= 255 * _RULED_SHARE * high, left)
        if len(rows) > 2 and len(columns) > 2:
            found.append(Grid(columns, rows))
    return sorted(found, key=lambda grid: grid.rows[0])


def table_of(grid: Grid, pieces: Sequence[Piece]) -> tuple[list[list[str]], list[Piece]]:
    """The rows of a table, and the pieces that are not in it."""
    cells: dict[tuple[int, int], list[Piece]] = {}
    rest: list[Piece] = []
    for piece in pieces:
        x, y = piece.middle
        if grid.columns[0] < x < grid.columns[-1] and grid.rows[0] < y < grid.rows[-1]:
            column = sum(edge <= x for edge in grid.columns) - 1
            row = sum(edge <= y for edge in grid.rows) - 1
            cells.setdefault((row, column), []).append(piece)
        else:
            rest.append(piece)
    rows = [
        [
            "".join(line.replace("  ", " ") for line in lines_of(cells.get((row, column), [])))
            for column in range(len(grid.columns) - 1)
        ]
        for row in range(len(grid.rows) - 1)
    ]
    return (rows, rest) if len(cells) >= MIN_CELLS else ([], list(pieces))


def columns_of(pieces: Sequence[Piece], in_column: bool = False) -> Iterator[tuple[list[Piece], bool]]:
    """Groups in reading order, and whether each is a column beside another.

    What lies across a gutter comes first, then the columns below it, each from its top.
    """
    gutter = _gutter(pieces)
    if gutter is None:
        if pieces:
            yield list(pieces), in_column
        return
    across = sorted((piece for piece in pieces if piece.left < gutter < piece.right), key=lambda piece: piece.top)
    above = -np.inf
    for heading in [*across, None]:
        bottom = np.inf if heading is None else heading.top
        band = [piece for piece in pieces if piece not in across and above <= piece.middle[1] < bottom]
        for side in ([p for p in band if p.right <= gutter], [p for p in band if p.left >= gutter]):
            yield from columns_of(side, in_column=True)  # a third column is a gutter in one of two
        if heading is not None:
            yield [heading], False
            above = heading.middle[1]


def lines_of(pieces: Sequence[Piece]) -> Iterator[str]:
    """From the top; pieces beside each other are one line."""
    line: list[Piece] = []
    middle = 0.0
    for piece in sorted(pieces, key=lambda piece: piece.middle[1]):
        if line and not piece.top < middle < piece.bottom:
            yield _joined(line)
            line = []
        if not line:
            middle = piece.middle[1]
        line.append(piece)
    if line:
        yield _joined(line)


def _joined(line: Sequence[Piece]) -> str:
    return "  ".join(piece.text for piece in sorted(line))


def _gutter(pieces: Sequence[Piece]) -> float | None:
    """Where two columns of prose part: the widest gap that few pieces lie across."""
    count = len(pieces)
    if count < 2 * MIN_COLUMN_LINES or count > MAX_PIECES:
        return None
    rights = np.sort([piece.right for piece in pieces])[:, None]  # (n, 1): where the left column ends
    lefts = np.sort([piece.left for piece in pieces])[None, :]  # (1, n): where the right one begins
    on_left = np.arange(1, count + 1)[:, None]
    on_right = count - np.arange(count)[None, :]
    across = count - on_left - on_right
    gap = (lefts - rights) / (rights.max() - lefts.min())
    possible = (gap > 0) & (across >= 0) & (across <= MAX_ACROSS * count)
    possible &= (on_left >= MIN_COLUMN_LINES) & (on_right >= MIN_COLUMN_LINES)
    score = np.where(possible, gap - 2 * across / count, -np.inf)
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    if not possible[row, column]:
        return None
    left, right = float(rights[row, 0]), float(lefts[0, column])
    sides = [p for p in pieces if p.right <= left], [p for p in pieces if p.left >= right]
    long = all(sum(len(p.text) for p in side) >= MIN_COLUMN_CHARS * len(side) for side in sides)
    return (left + right) / 2 if long else None


def _opened(dark: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(cv2.morphologyEx(dark, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_RECT, size)))


def _edges(marked: np.ndarray, start: int) -> list[float]:
    """The middle of each run of marked rows or columns."""
    places = np.flatnonzero(marked)
    runs = np.split(places, np.flatnonzero(np.diff(places) > 3) + 1) if len(places) else []
    return [float(start + run.mean()) for run in runs]
