"""The ruled tables of a picture."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from src.ingest.readers.flow import joined
from src.ingest.readers.header import Across, Below
from src.ingest.readers.layout import Piece, lines_of

# The parts of a picture's width and height that a ruled line of a table takes at least.
_RULE_ACROSS = 12
_RULE_DOWN = 20
_RULED_SHARE = 0.5
# The part of a cell's side that its line takes at least, and how far from its place it may be, in pixels.
_WHOLE = 0.7
# A stroke of a character does not reach from line to line.
_CERTAIN = 0.95
_NEAR = 3
MIN_CELLS = 4


class Grid(NamedTuple):
    """The edges of a ruled table's columns and rows, and which cells have lines between them.

    Attributes:
        sides: for each row, whether there is a line between a column and the next.
        floors: for each row but the last, whether there is a line below it, column by column.
    """

    columns: list[float]
    rows: list[float]
    sides: list[list[bool]]
    floors: list[list[bool]]


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
        if grid := _grid(across[part] > 0, down[part] > 0, left, top):
            found.append(grid)
    return sorted(found, key=lambda grid: grid.rows[0])


def _grid(across: np.ndarray, down: np.ndarray, left: int, top: int) -> Grid | None:
    """The grid of one table, whose lines these are."""
    rows = _edges(across.mean(axis=1) >= _RULED_SHARE, 0)
    if len(rows) < 3:
        return None
    bands = [(round(low) + _NEAR, max(round(low) + _NEAR + 1, round(high) - _NEAR)) for low, high in pairwise(rows)]
    # A line down that divides one row is an edge: forms have other columns in each row.
    shares = np.stack([down[low:high].mean(axis=0) for low, high in bands])  # (rows, width)
    columns = _edges(np.any(shares >= _CERTAIN, axis=0), 0)
    if len(columns) < 3:
        return None
    sides = [[bool(_near(band, edge).any()) for edge in columns[1:-1]] for band in shares >= _WHOLE]
    floors = [_floor(across, edge, columns) for edge in rows[1:-1]]
    return Grid([left + edge for edge in columns], [top + edge for edge in rows], sides, floors)


def _floor(across: np.ndarray, edge: float, columns: Sequence[float]) -> list[bool]:
    """Whether there is a line at an edge between rows, column by column."""
    line = np.asarray(_near(across, edge, 0).any(axis=0), dtype=bool)  # (width,)
    return [bool(line[round(low) : round(high)].mean() >= _WHOLE) for low, high in pairwise(columns)]


def _near(lines: np.ndarray, edge: float, axis: int = -1) -> np.ndarray:
    """The part of an array at an edge."""
    return np.take(lines, range(max(0, round(edge) - _NEAR), min(lines.shape[axis], round(edge) + _NEAR + 1)), axis)


def table_of(grid: Grid, pieces: Sequence[Piece]) -> tuple[list[list[str]], list[Piece]]:
    """The rows of a table, a merged cell filling what it covers, and the pieces that are not in it."""
    origins = _origins(grid)
    cells: dict[tuple[int, int], list[Piece]] = {}
    rest: list[Piece] = []
    for piece in pieces:
        x, y = piece.middle
        if grid.columns[0] < x < grid.columns[-1] and grid.rows[0] < y < grid.rows[-1]:
            column = sum(edge <= x for edge in grid.columns) - 1
            row = sum(edge <= y for edge in grid.rows) - 1
            cells.setdefault(origins[row][column], []).append(piece)
        else:
            rest.append(piece)
    texts = {origin: _text(found) for origin, found in cells.items()}
    rows: list[list[str]] = []
    for row, line in enumerate(origins):
        rows.append([])
        for column, origin in enumerate(line):
            text = texts.get(origin, "")
            if origin[1] != column:
                text = Across(text)
            elif origin[0] != row:
                text = Below(text)
            rows[-1].append(text)
    return (rows, rest) if len(cells) >= MIN_CELLS else ([], list(pieces))


def _origins(grid: Grid) -> list[list[tuple[int, int]]]:
    """For each cell the first of those that it is one with."""
    origins: list[list[tuple[int, int]]] = []
    for row in range(len(grid.rows) - 1):
        origins.append([])
        for column in range(len(grid.columns) - 1):
            origin = (row, column)
            if column and not grid.sides[row][column - 1]:
                origin = origins[row][column - 1]
            elif row and not grid.floors[row - 1][column]:
                origin = origins[row - 1][column]
            origins[row].append(origin)
    return origins


def _text(pieces: Sequence[Piece]) -> str:
    """Lines of a cell as one."""
    whole = ""
    for line in lines_of(pieces):
        whole = joined(whole, line.replace("  ", " ")) if whole else line.replace("  ", " ")
    return whole


def _opened(dark: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(cv2.morphologyEx(dark, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_RECT, size)))


def _edges(marked: np.ndarray, start: int) -> list[float]:
    """The middle of each run of marked rows or columns."""
    places = np.flatnonzero(marked)
    runs = np.split(places, np.flatnonzero(np.diff(places) > 3) + 1) if len(places) else []
    return [float(start + run.mean()) for run in runs]
