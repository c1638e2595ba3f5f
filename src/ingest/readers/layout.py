"""Pieces of text and where they stand, on a page or in a picture: reading order, and tables without lines."""

from collections.abc import Iterator, Sequence
from statistics import mean, median
from typing import NamedTuple

import numpy as np

from src.ingest.readers.flow import joined
from src.ingest.readers.header import Across, layout_of

# Columns are this many pieces high, and of pieces so long: shorter ones are the cells of a table.
MIN_COLUMN_LINES = 4
MIN_COLUMN_CHARS = 6
# The part of the pieces that may lie across a gutter: headings.
MAX_ACROSS = 0.2
MAX_PIECES = 1_000
# A table without lines: so many rows, of cells that are so long at most on average, most of them filled.
MIN_OPEN_ROWS = 3
MAX_CELL_CHARS = 16
MIN_OPEN_FILLED = 0.6
MAX_OPEN_COLUMNS = 60
# Rows that are further apart, in heights of a line, are not of one table.
MAX_ROW_GAP = 3.0
MAX_WRAPPED_GAP = 1.0
# Of two columns the second holds numbers, else they are names beside values, or prose.
MOST_NUMBERS = 0.6


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


class Table(NamedTuple):
    """Its place (left, top, right, bottom, from the top) and its rows."""

    box: tuple[float, float, float, float]
    rows: list[list[str]]


def open_tables(
    pieces: Sequence[Piece], continues: int = 0, bands: Sequence[tuple[float, float]] = ()
) -> list[Table]:
    """Tables without ruled lines, from the top: rows whose pieces stand in columns below names.

    ``continues``: the columns of a table on the page before, which may go on at the top without its names; ``bands``:
    tops and bottoms of what has lines above and below it, and so is a table, whatever is in it.
    """
    lines = [sorted(line) for line in _visual_lines(pieces)]
    found: list[Table] = []
    run: list[list[Piece]] = []
    for line in [*lines, []]:
        goes_on = bool(run and line) and (len(line) > 1 or _is_wrapped(run, line[0]))
        if run and (not goes_on or _is_apart(run[-1], line)):
            at_top = not found and run[0] in lines[:2]
            middles = run[0][0].middle[1], run[-1][0].middle[1]
            certain = any(top < middles[0] and middles[1] < bottom for top, bottom in bands)
            found += filter(None, [_open_table(run, continues if at_top else 0, certain)])
            run = []
        if len(line) > 1 or goes_on:
            run.append(line)
    return found


def _is_wrapped(above: Sequence[Sequence[Piece]], piece: Piece) -> bool:
    """Whether a piece alone goes on with a cell of the row above, behind its first column."""
    row = next(line for line in reversed(above) if len(line) > 1)
    close = piece.top - max(one.bottom for one in above[-1]) < MAX_WRAPPED_GAP * (piece.bottom - piece.top)
    return close and piece.left > row[0].right and piece.right - piece.left < row[-1].right - row[0].left


def _open_table(lines: Sequence[Sequence[Piece]], continues: int, certain: bool) -> Table | None:
    """The table of some lines, less those before and behind it that have too few cells."""
    count = max(map(len, lines))
    if count > MAX_OPEN_COLUMNS:
        return None  # characters that stand apart
    while count > 1:
        full = [number for number, line in enumerate(lines) if len(line) == count]
        if 2 * len(full) > sum(len(line) > 1 for line in lines) or len(full) >= MIN_OPEN_ROWS:
            break
        count -= 1
    full = [number for number, line in enumerate(lines) if len(line) == count]
    if count < 2 or len(full) < MIN_OPEN_ROWS:
        return None
    columns = _rivers([piece for number in full for piece in lines[number]])
    if len(columns) != count:
        return None
    begin, end = full[0], full[-1] + 1
    if begin and _is_header_of(lines[begin - 1], lines[begin], columns):
        begin -= 1
    while end < len(lines) and all(len(_column(piece, columns)) == 1 for piece in lines[end]):
        end += 1
    part = lines[begin:end]
    rows: list[list[str]] = []
    for line in part:
        cells = _cells(line, columns)
        if rows and _goes_on(cells):
            rows[-1] = [joined(a, b) if a and b else a or b for a, b in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
    cells = [cell for row in rows for cell in row if cell]
    if sum(map(bool, cells)) < MIN_OPEN_FILLED * len(rows) * count or mean(map(len, cells)) > MAX_CELL_CHARS:
        return None
    layout = layout_of(rows)
    numbers = sum(any(character.isdigit() for character in cell) for row in rows[1:] for cell in row[1:])
    certain = certain or layout.sure or any(map(str.isdigit, "".join(rows[-1][1:])))
    follows = layout.kind != "text" and count == continues
    few = count == 2 and numbers < MOST_NUMBERS * (len(rows) - 1)
    if not follows and (layout.kind != "named" or not certain or few):
        return None
    inside = [piece for line in part for piece in line]
    box = (
        min(p.left for p in inside), min(p.top for p in inside),
        max(p.right for p in inside), max(p.bottom for p in inside),
    )  # fmt: skip
    return Table(box, rows)


def _goes_on(cells: Sequence[str]) -> bool:
    """Whether a line without a first cell is what did not fit in the row above: few cells, and no numbers."""
    filled = [cell for cell in cells if cell]
    return not cells[0] and 2 * len(filled) <= len(cells) and not any(map(str.isdigit, "".join(filled)))


def _is_header_of(line: Sequence[Piece], below: Sequence[Piece], columns: Sequence[tuple[float, float]]) -> bool:
    """Whether a line of fewer pieces names the columns, or several of them at once; pairs of 名：值 do not."""
    places = [_column(piece, columns) for piece in line]
    values = any(character.isdigit() for piece in below[1:] for character in piece.text)
    pairs = any(mark in piece.text for piece in line for mark in "：:")
    return all(places) and not pairs and (values or any(len(place) > 1 for place in places))


def _rivers(pieces: Sequence[Piece]) -> list[tuple[float, float]]:
    """The columns that white space divides, all the way down."""
    columns: list[tuple[float, float]] = []
    for piece in sorted(pieces):
        if columns and piece.left < columns[-1][1]:
            columns[-1] = (columns[-1][0], max(columns[-1][1], piece.right))
        else:
            columns.append((piece.left, piece.right))
    return columns


def _column(piece: Piece, columns: Sequence[tuple[float, float]]) -> list[int]:
    """The columns that a piece stands in."""
    return [n for n, (left, right) in enumerate(columns) if min(right, piece.right) - max(left, piece.left) > 0]


def _cells(line: Sequence[Piece], columns: Sequence[tuple[float, float]]) -> list[str]:
    """The texts of a line, column by column; one that stands in several fills them."""
    cells = [""] * len(columns)
    for piece in line:
        places = _column(piece, columns) or [
            min(range(len(columns)), key=lambda n: abs(sum(columns[n]) / 2 - piece.middle[0]))
        ]
        for place in places:
            said = piece.text.replace("\x02", "-")  # (PDFium's sign for a hyphen at a line's end)
            text = said if place == places[0] else Across(said)
            cells[place] = f"{cells[place]} {text}" if cells[place] else text
    return cells


def _is_apart(above: Sequence[Piece], below: Sequence[Piece]) -> bool:
    height = median(piece.bottom - piece.top for piece in above)
    return min(piece.top for piece in below) - max(piece.bottom for piece in above) > MAX_ROW_GAP * height


def columns_of(pieces: Sequence[Piece], in_column: bool = False) -> Iterator[tuple[list[Piece], bool]]:
    """Groups in reading order, and whether each is a column beside another.

    What lies across a gutter comes first, then the columns below it, each from its top.
    """
    gutter = gutter_of(pieces)
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
    yield from map(_joined, _visual_lines(pieces))


def _visual_lines(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    line: list[Piece] = []
    middle = 0.0
    for piece in sorted(pieces, key=lambda piece: piece.middle[1]):
        if line and not piece.top < middle < piece.bottom:
            yield line
            line = []
        if not line:
            middle = piece.middle[1]
        line.append(piece)
    if line:
        yield line


def _joined(line: Sequence[Piece]) -> str:
    return "  ".join(piece.text for piece in sorted(line))


def gutter_of(pieces: Sequence[Piece]) -> float | None:
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
