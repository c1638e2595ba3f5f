"""The ruled tables of a picture."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from src.ingest.readers.layout import Piece, lines_of

# The parts of a picture's width and height that a ruled line of a table takes at least.
_RULE_ACROSS = 12
_RULE_DOWN = 20
_RULED_SHARE = 0.5
MIN_CELLS = 4


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


def _opened(dark: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(cv2.morphologyEx(dark, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_RECT, size)))


def _edges(marked: np.ndarray, start: int) -> list[float]:
    """The middle of each run of marked rows or columns."""
    places = np.flatnonzero(marked)
    runs = np.split(places, np.flatnonzero(np.diff(places) > 3) + 1) if len(places) else []
    return [float(start + run.mean()) for run in runs]
