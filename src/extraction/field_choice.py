"""Which of the places that a reader points at hold the values of fields: a conditional logit over the places of each field
and "nowhere" (fitted by ``benchmarks/fit_fields.py``), then the best choice for all fields, which rarely share a place."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from src.extraction.field_kinds import fitted, kinds_of
from src.extraction.schema import Span, has_words
from src.models.base import Reading
from src.search.vocabulary import cut

FEATURES = (
    "score", "level", "first", "marked", "colon", "clauses", "length", "long",
    "kind", "only", "typed", "beside", "clause", "word", "sure",
)  # fmt: skip
_WEIGHTS = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))["weights"]
# A place is taken for a value from these log-odds on: the best F1 needs no more than even chances (benchmarks/fit_fields.py).
LEAST = -1.0
# What it costs in log-odds that two fields share a place, unless one's name holds the other's: 金额 and 合同金额.
_SHARED = 8.0
# Choices that are kept while field after field gets its place, and places that each may get.
_BEAM, _PLACES = 12, 4
_MARKS = ' \t\n\u3000，。；：、！？,;:!?（）()《》“”"【】[]|｜'
_ENDS = " \t\n\u3000，。；：、,.;:"
_CLAUSE = re.compile(r"[，。；！？\n;!?]")
_SEVERAL_CLAUSES = re.compile(r"[，。；！？\n;!?]|,(?!\d)|[:：](?!\d)")
_BESIDE_CHARS, _CLAUSE_CHARS = 10, 40
_LONG_CHARS = 25


@dataclass(frozen=True)
class Candidate:
    """A place that may hold a field's value, and its log-odds against "nowhere"."""

    span: Span
    odds: float

    def moved(self, by: int) -> "Candidate":
        return Candidate(self.span.moved(by), self.odds)


def candidates(text: str, field: str, reading: Reading) -> list[Candidate]:
    """The places of one reading as values of the field's kind; none where no such value is."""
    places = places_of(text, field, reading)
    if not places:
        return []
    weights = np.array([_WEIGHTS[name] for name in FEATURES])
    odds = features(text, field, reading, places) @ weights + _WEIGHTS["constant"]
    return [
        Candidate(Span(field, text[slice(*place)], *place), float(one))
        for place, one in zip(places, odds, strict=True)
    ]


def places_of(text: str, field: str, reading: Reading) -> dict[tuple[int, int], float]:
    """Each place with the best score of the spans that are fitted to it."""
    found: dict[tuple[int, int], float] = {}
    for start, end, score in reading.spans or ((reading.start, reading.end, 0.0),):
        place = fitted(text, field, start, end)
        bare = text[slice(*place)].strip(_ENDS) if place else ""
        if place and has_words(bare) and bare != field:
            first = text.index(bare, place[0])
            found.setdefault((first, first + len(bare)), score)
    return found


def features(text: str, field: str, reading: Reading, places: Mapping[tuple[int, int], float]) -> np.ndarray:
    """float64 (places, ``FEATURES``):

    - score, level, first: how far its score is below the best, that one, and whether it is the best.
    - marked, colon, word: what stands before it, and whether a word ends where it ends.
    - clauses, length, long: whether it has several clauses, the log of its length, how much it is too long.
    - kind, only, typed: whether it looks like a value of the field's kind, the only one, and whether there is such a kind.
    - beside, clause: the share of the name's characters that stand beside it, and in its clause.
    - sure: the reader's log-odds that there is an answer.
    """
    top = reading.spans[0][2] if reading.spans else 0.0
    sure = math.log(max(reading.probability, 1e-6) / max(1 - reading.probability, 1e-6))
    kinds, name = kinds_of(field), set(field)
    ends = _word_ends(text)
    like = {place for place in places if any(kind.shape.fullmatch(text, *place) for kind in kinds)}
    is_only = _apart(like) == 1
    rows = []
    for (start, end), score in places.items():
        value = text[start:end]
        before = _CLAUSE.split(text[max(0, start - _CLAUSE_CHARS) : start])[-1]
        behind = _CLAUSE.split(text[end : end + _CLAUSE_CHARS])[0]
        beside = set(before[-_BESIDE_CHARS:] + behind[: _BESIDE_CHARS // 2])
        previous = text[start - 1] if start else "\n"
        rows.append(
            (
                max(score - top, -12), top / 5, score == top,
                previous in _MARKS, previous in ":：", _SEVERAL_CLAUSES.search(value) is not None,
                math.log(end - start), max(0, end - start - _LONG_CHARS) / 10,
                (start, end) in like, is_only and (start, end) in like, bool(kinds),
                len(name & beside) / len(name), len(name & set(before + value + behind)) / len(name),
                end in ends or not text[end : end + 1].isalnum(), sure,
            )
        )  # fmt: skip
    return np.array(rows, dtype=np.float64)


def chosen(found: Mapping[str, Sequence[Candidate]], taken: Sequence[Span]) -> list[Span]:
    """The best choice of at most one place a field, each with its probability; ``taken``: those of other fields."""
    fields: list[list[tuple[Candidate, float]]] = []
    for several in found.values():
        total = np.logaddexp.reduce([0.0, *(one.odds for one in several)])
        best = sorted((one for one in several if one.odds > LEAST), key=lambda one: -one.odds)[:_PLACES]
        if best:
            fields.append([(one, math.exp(one.odds - total)) for one in best])
    fields.sort(key=lambda likely: -likely[0][0].odds)
    choices: list[tuple[float, list[Span]]] = [(0.0, [])]
    for likely in fields:
        more = list(choices)
        for gain, spans in choices:
            for one, probability in likely:
                shared = sum(_rival(one.span, other) for other in (*taken, *spans))
                odds = one.odds - LEAST - _SHARED * shared
                if odds > 0:
                    span = Span(one.span.label, one.span.text, one.span.start, one.span.end, probability)
                    more.append((gain + odds, [*spans, span]))
        choices = sorted(more, key=lambda choice: -choice[0])[:_BEAM]
    return choices[0][1]


def _rival(one: Span, other: Span) -> bool:
    overlap = one.start < other.end and other.start < one.end
    return overlap and one.label not in other.label and other.label not in one.label


def _apart(places: set[tuple[int, int]]) -> int:
    """How many groups of overlapping places there are."""
    count, last = 0, 0
    for start, end in sorted(places):
        count += start >= last
        last = max(last, end)
    return count


@lru_cache(maxsize=64)
def _word_ends(text: str) -> frozenset[int]:
    ends, at = set(), 0
    for word in cut(text):
        at = text.index(word, at) + len(word)
        ends.add(at)
    return frozenset(ends)
