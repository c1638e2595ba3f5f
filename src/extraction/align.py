"""From what a model wrote to spans of the source: tolerant reading, then one occurrence for each value."""

import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from src.extraction.schema import LABELS, Span, has_words

_OBJECT_START = re.compile(r'\{\s*(?=")')
_COLON = re.compile(r"\s*:\s*")
_SEPARATORS = re.compile(r"[\s,]*")
_DECODER = json.JSONDecoder(strict=False)
_Place = tuple[str, int, int]  # a value, and where it stands in the output with its quotes


@dataclass(frozen=True)
class Alignment:
    """Spans ordered by start, and how many values had to go.

    Attributes:
        not_verbatim: values that do not stand in the source, or hold no letter, digit or ideograph.
        surplus: values given more often than the source has room for.
    """

    spans: tuple[Span, ...]
    not_verbatim: int = 0
    surplus: int = 0


def align_output(
    output: str, source: str, confidence: Callable[[int, int], float | None] | None = None
) -> Alignment:
    """``align_values`` over ``read_values``; ``confidence(start, end)`` is that of a piece of ``output``."""
    found = _read(output)
    values = {label: [value for value, _, _ in places] for label, places in found.items()}
    if confidence is None:
        return align_values(values, source)
    sure = {label: [confidence(start, end) for _, start, end in places] for label, places in found.items()}
    return align_values(values, source, sure)


def read_values(output: str) -> dict[str, list[str]]:
    """The values of a model's answer by label, in the order they were written.

    Servers without grammar wrap their JSON in prose or code fences, nest it, leave labels out or invent
    some; an answer that hit its token limit ends in the middle. Read is every value that is closed, from
    the first object that has one of the labels; a string in place of a list counts as a list of one.
    """
    return {label: [value for value, _, _ in places] for label, places in _read(output).items()}


def _read(output: str) -> dict[str, list[_Place]]:
    for start in _OBJECT_START.finditer(output):
        found: dict[str, list[_Place]] = {}
        for label, place in _pairs(output, start.end()):
            if label in LABELS:
                found.setdefault(label, []).extend([] if place is None else [place])
        if found:
            return found
    return {}


def _pairs(output: str, at: int) -> Iterator[tuple[str, _Place | None]]:
    """Each key of the object whose inside begins at ``at``, with None, then with each string under it.

    Ends at the closing brace or at the first thing that cannot be read.
    """
    try:
        while output[at : at + 1] == '"':
            key, at = _DECODER.raw_decode(output, at)
            colon = _COLON.match(output, at)
            if not colon:
                return
            yield key, None
            at = colon.end()
            if output[at : at + 1] == "[":
                at = yield from _strings(key, output, at + 1)
            else:
                start = at
                value, at = _DECODER.raw_decode(output, at)
                if isinstance(value, str):
                    yield key, (value, start, at)
            at = _skip(output, at)
    except (ValueError, RecursionError):
        return


def _strings(key: str, output: str, at: int) -> Generator[tuple[str, _Place], None, int]:
    """Like ``_pairs`` for the list whose inside begins at ``at``; returns where the list ends."""
    at = _skip(output, at)
    while output[at : at + 1] != "]":
        start = at
        value, at = _DECODER.raw_decode(output, at)
        if isinstance(value, str):
            yield key, (value, start, at)
        at = _skip(output, at)
    return at + 1


def _skip(output: str, at: int) -> int:
    match = _SEPARATORS.match(output, at)
    return match.end() if match else at


def align_values(
    values: Mapping[str, Sequence[str]],
    source: str,
    confidences: Mapping[str, Sequence[float | None]] | None = None,
) -> Alignment:
    """Give each value an occurrence of its own; within one label no two spans overlap.

    ``confidences``, shaped like ``values``, go into the spans.

    Where a value occurs more than once, long values choose first; then counts, in this order: no span of
    another label is in the way (北京 is not the one in 北京大学), the label's values stay in the order they
    were written, leftmost.
    """
    mentions = []
    not_verbatim = 0
    for label in LABELS:
        for rank, raw in enumerate(values.get(label, ())):
            value = raw.strip()
            if has_words(value) and value in source:
                mentions.append((label, rank, value))
            else:
                not_verbatim += 1
    placer = _Placer(source)
    for label, rank, value in sorted(mentions, key=lambda mention: -len(mention[2])):
        placer.place(label, rank, value, confidences[label][rank] if confidences else None)
    spans = placer.spans()
    return Alignment(spans, not_verbatim, surplus=len(mentions) - len(spans))


class _Placer:
    """Which characters of the source are taken, by label and by any label."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._taken = {label: bytearray(len(source)) for label in LABELS}
        self._taken_by_any = bytearray(len(source))
        self._placed: dict[str, list[tuple[int, Span]]] = {label: [] for label in LABELS}
        self._occurrences: dict[str, list[int]] = {}

    def place(self, label: str, rank: int, value: str, confidence: float | None) -> None:
        """Take the best free occurrence; nothing happens where none is free."""
        length = len(value)
        taken = self._taken[label]
        free = [at for at in self._find(value) if 1 not in taken[at : at + length]]
        if not free:
            return
        low, high = self._neighbours(label, rank)
        start = min(
            free,
            key=lambda at: (1 in self._taken_by_any[at : at + length], not low <= at <= high - length, at),
        )
        ones = b"\x01" * length
        taken[start : start + length] = ones
        self._taken_by_any[start : start + length] = ones
        self._placed[label].append((rank, Span(label, value, start, start + length, confidence)))

    def spans(self) -> tuple[Span, ...]:
        spans = [span for placed in self._placed.values() for _, span in placed]
        return tuple(sorted(spans, key=lambda span: (span.start, span.end)))

    def _find(self, value: str) -> list[int]:
        """Where ``value`` occurs, overlapping occurrences too."""
        if value not in self._occurrences:
            self._occurrences[value] = [
                match.start() for match in re.finditer(f"(?={re.escape(value)})", self._source)
            ]
        return self._occurrences[value]

    def _neighbours(self, label: str, rank: int) -> tuple[int, int]:
        """End of the nearest placed value written before ``rank``, start of the nearest written after."""
        before = [(other, span.end) for other, span in self._placed[label] if other < rank]
        after = [(other, span.start) for other, span in self._placed[label] if other > rank]
        return max(before, default=(0, 0))[1], min(after, default=(0, len(self._source)))[1]
