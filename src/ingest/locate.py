"""The places of a chunk's words on a page: its text is aligned with the characters that stand there.

A reader joins lines, leaves out running headers and writes tables as rows of ``列名：值``, so a chunk's text is not the
page's. Nothing but the text is compared, without white space and as NFKC: whatever the readers do, what they write of a
page stands on it.
"""

import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from src.ingest.split import ROW

Span = tuple[int, int]
# Left, top, right, bottom, in parts of the page's width and height.
Box = tuple[float, float, float, float]

# A page has at most so many characters that are looked at, and a value so many places.
MAX_CHARACTERS = 60_000
MAX_PLACES = 200
# Stretches of text that agree where not all of a line does; shorter ones count beside longer ones.
MIN_BLOCK, MIN_BLOCK_BESIDE = 4, 2
# Of a row's characters, so many must stand in one band of the page, which is so many lines high.
MIN_IN_BAND = 0.5
BAND_LINES = 1.2
# Boxes with a gap below so many heights are one.
MAX_GAP = 1.5
MAX_GAP_INSIDE = 0.25


class Glyph(NamedTuple):
    """A character of a page, and where it stands."""

    text: str
    box: Box


class PageText:
    """The characters of a page as they are compared, in their order there.

    Attributes:
        text: without white space.
        boxes: of each character of ``text``.
    """

    def __init__(self, glyphs: Iterable[Glyph]) -> None:
        texts: list[str] = []
        self.boxes: list[Box] = []
        for glyph in glyphs:
            for character in _compared(glyph.text):
                texts.append(character)
                self.boxes.append(glyph.box)
            if len(texts) >= MAX_CHARACTERS:
                break
        self.text = "".join(texts)

    def aligned(self, text: str, start: int = 0) -> list[int]:
        """The place in ``self.text`` of each character of ``text``; -1 where it has none.

        Args:
            start: where in the page's text it begins, roughly: of equal places the nearest counts.
        """
        found = [-1] * len(text)
        cursor = start
        for first, last in _lines(text):
            line = _Line(text, first, last)
            for offset, place in zip(line.offsets, self._placed(line, cursor), strict=True):
                if place >= 0:
                    found[offset], cursor = place, place + 1
        return found

    def boxes_of(self, places: Iterable[int]) -> list[Box]:
        """The boxes of characters, those of one line merged."""
        merged: list[Box] = []
        for place in sorted({place for place in places if place >= 0}):
            box = self.boxes[place]
            if merged and (_beside(merged[-1], box) or _below(merged[-1], box)):
                merged[-1] = _around(merged[-1], box)
            else:
                merged.append(box)
        return merged

    def _placed(self, line: "_Line", cursor: int) -> list[int]:
        """The place of each character that is compared."""
        at = self._nearest(line.text, cursor)
        if at >= 0:
            return list(range(at, at + len(line.text)))
        if line.fields:
            return self._placed_row(line, cursor)
        return self._placed_in_parts(line.text)

    def _nearest(self, wanted: str, cursor: int) -> int:
        """The occurrence that is nearest to ``cursor``; -1 for none."""
        places = self._places(wanted)
        after = bisect_left(places, cursor)
        near = places[max(0, after - 1) : after + 1]
        return min(near, key=lambda place: abs(place - cursor), default=-1)

    def _places(self, wanted: str) -> list[int]:
        places: list[int] = []
        at = self.text.find(wanted) if wanted else -1
        while at >= 0 and len(places) < MAX_PLACES:
            places.append(at)
            at = self.text.find(wanted, at + 1)
        return places

    def _placed_in_parts(self, wanted: str) -> list[int]:
        """For a line that is not there as a whole: the stretches of it that are, in the same order."""
        found = [-1] * len(wanted)
        blocks = SequenceMatcher(None, self.text, wanted, autojunk=False).get_matching_blocks()
        long = [block for block in blocks if block.size >= MIN_BLOCK]
        for block in blocks:
            beside = any(
                min(abs(block.a - one.a - one.size), abs(one.a - block.a - block.size)) <= MIN_BLOCK for one in long
            )
            if block.size >= MIN_BLOCK or (block.size >= MIN_BLOCK_BESIDE and beside):
                found[block.b : block.b + block.size] = range(block.a, block.a + block.size)
        return found

    def _placed_row(self, line: "_Line", cursor: int) -> list[int]:
        """For a table's row: the band of the page where most of its values stand; and values that stand behind their
        names, or in one place only."""
        found = [-1] * len(line.text)
        values = [(line.text[first:last], first) for _, (first, last) in line.fields]
        places = [self._apart(self._places(value), len(value)) for value, _ in values]
        band = self._band([value for value, _ in values], places, cursor)
        right = -1.0
        for ((label, _), (value, first)), at in zip(zip(line.fields, values, strict=True), places, strict=True):
            here = [place for place in at if band is not None and self._is_in(band, place)]
            # Of several in the band, the first to the right of the value before.
            chosen = min(here, key=lambda place: (self.boxes[place][0] < right, self.boxes[place][0]), default=-1)
            if chosen < 0:
                chosen = at[0] if len(at) == 1 and len(value) > 1 else -1
                for named in (label, f"{label}:"):
                    if label and (place := self._nearest(named + value, cursor)) >= 0:
                        chosen = place + len(named)
            else:
                right = self.boxes[chosen][0]
            if chosen >= 0:
                found[first : first + len(value)] = range(chosen, chosen + len(value))
        return found

    def _band(self, values: Sequence[str], places: Sequence[Sequence[int]], cursor: int) -> Box | None:
        """The character around which, at its height, most of the values stand; None where too few do."""
        best: tuple[float, float] = (0.0, 0.0)
        band: Box | None = None
        whole = sum(map(len, values))
        for value, at in zip(values, places, strict=True):
            if len(value) < 2 and len(values) > 1 and band is not None:
                continue
            for anchor in at:
                box = self.boxes[anchor]
                inside = sum(
                    len(other)
                    for other, there in zip(values, places, strict=True)
                    if any(self._is_in(box, place) for place in there)
                )
                score = (inside, -abs(anchor - cursor))
                if inside >= MIN_IN_BAND * whole and (band is None or score > best):
                    best, band = score, box
        return band

    def _apart(self, places: Sequence[int], size: int) -> Sequence[int]:
        """Those that are no part of a longer number or word, if there are such."""
        whole = [at for at in places if not (self._goes_on(at - 1) or self._goes_on(at + size - 1))]
        return whole or places

    def _goes_on(self, place: int) -> bool:
        """Whether a letter or digit touches the next one: a cell's neighbours stand apart."""
        both = self.text[max(0, place) : place + 2]
        if place < 0 or len(both) < 2 or not (both.isascii() and both.isalnum()):
            return False
        one, other = self.boxes[place : place + 2]
        return _beside(one, other) and other[0] - one[2] <= MAX_GAP_INSIDE * (one[3] - one[1])

    def _is_in(self, band: Box, place: int) -> bool:
        _, top, _, bottom = self.boxes[place]
        return abs(top + bottom - band[1] - band[3]) / 2 <= BAND_LINES * max(band[3] - band[1], bottom - top)


def expected(text: str, spans: Iterable[Span]) -> set[int]:
    """The offsets in ``spans`` of characters that should stand on a page: of a table's row the values, whose names stand
    above; or all, where there are none else."""
    asked = {offset for first, last in spans for offset in range(first, last) if _compared(text[offset])}
    names: set[int] = set()
    for first, last in _lines(text):
        line = _Line(text, first, last)
        if line.fields:
            values = {line.offsets[at] for _, (begin, end) in line.fields for at in range(begin, end)}
            names |= set(range(first, last)) - values
    return asked - names or asked


class _Line:
    """A line of a chunk as it is compared.

    Attributes:
        offsets: where each character of ``text`` stands in the chunk.
        fields: of a table's row, each one's name and the span of its value in ``text``.
    """

    def __init__(self, whole: str, first: int, last: int) -> None:
        self.offsets: list[int] = []
        texts: list[str] = []
        for offset in range(first, last):
            for character in _compared(whole[offset]):
                texts.append(character)
                self.offsets.append(offset)
        self.text = "".join(texts)
        self.fields = list(self._fields(whole, first, last)) if ROW.match(whole[first:last]) else []

    def _fields(self, whole: str, first: int, last: int) -> Iterator[tuple[str, Span]]:
        start = first
        for part in whole[first:last].split("；"):
            label, colon, _ = part.partition("：")
            begin = start + len(label) + len(colon) if colon else start
            span = bisect_left(self.offsets, begin), bisect_left(self.offsets, start + len(part))
            if span[0] < span[1]:
                name = "".join(map(_compared, label)) if colon else ""
                yield name, span
            start += len(part) + 1


def _lines(text: str) -> Iterator[Span]:
    start = 0
    for line in text.split("\n"):
        if line.strip():
            yield start, start + len(line)
        start += len(line) + 1


def _compared(text: str) -> str:
    """What is compared of a text: nothing of white space and of what cannot be seen."""
    whole = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in whole if not c.isspace() and unicodedata.category(c)[0] != "C")


def _beside(line: Box, box: Box) -> bool:
    """Whether a character goes on with a line of text: on its height, with no wide gap."""
    height = min(line[3] - line[1], box[3] - box[1])
    shared = min(line[3], box[3]) - max(line[1], box[1])
    gap = max(box[0] - line[2], line[0] - box[2])
    return shared >= 0.5 * height and gap <= MAX_GAP * max(line[3] - line[1], box[3] - box[1])


def _below(column: Box, box: Box) -> bool:
    """Whether a character goes on with a column of vertical text, which is one character wide."""
    widest = max(column[2] - column[0], box[2] - box[0])
    narrowest = min(column[2] - column[0], box[2] - box[0])
    shared = min(column[2], box[2]) - max(column[0], box[0])
    gap = max(box[1] - column[3], column[1] - box[3])
    return widest <= 1.6 * narrowest and shared >= 0.6 * narrowest and gap <= 0.5 * (box[3] - box[1])


def _around(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
