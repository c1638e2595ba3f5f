"""BM25 over characters, character pairs and words, with scores that several indexes can share."""

import bisect
import math
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from src.retrieval.terms import query_terms, text_terms
from src.retrieval.types import Counted, Counts

K1 = 1.5
B = 0.75
# Scores that differ by less differ only by the order of additions: they are ties.
DECIMALS = 6
# The bar is set with this many times the wanted texts, and again when REPROBE times more have been found.
PROBE = 2
REPROBE = 8
# An occurrence count takes one byte; from here on a repetition adds less than 0.006 of a term's weight.
_MAX_COUNT = 255
# Texts turned into postings at a time while building: some 10 million occurrences of short texts.
_BLOCK_TEXTS = 50_000
_ARRAYS = {
    "rows": np.int32,  # (postings,): for each term, in code point order, the texts that contain it, ascending
    "counts": np.uint8,  # (postings,): how often
    "starts": np.int64,  # (terms + 1,): where each term's postings begin
    "bounds": np.float32,  # (terms,): the greatest share of its weight that the term gives any text
    "lengths": np.int32,  # (texts,): how many terms a text has, repeated ones counted again
    "names": np.uint8,  # the terms in UTF-8, one after the other
    "name_starts": np.int64,  # (terms + 1,)
}


class LexicalIndex:
    """Postings in flat arrays, which stay on disk where they were loaded from. Immutable.

    BM25 is Lucene's, without the constant factor k1 + 1, so that a term gives at most its weight. No idf is
    stored: it comes with the query, as does the average length if it is not this index's own, so that several
    indexes score exactly as one index of all their texts would.
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        """Takes the arrays that ``_ARRAYS`` describes."""
        self._arrays = arrays
        self._rows, self._counts, self._lengths = arrays["rows"], arrays["counts"], arrays["lengths"]
        # As memoryviews, since these are read element by element.
        self._starts, self._bounds = _view(arrays["starts"]), _view(arrays["bounds"])
        self._names, self._name_starts = _view(arrays["names"]), _view(arrays["name_starts"])
        self.size = len(self._lengths)
        self.length = int(self._lengths.sum(dtype=np.int64))  # of all texts together
        self._position = lru_cache(maxsize=10_000)(self._position_of)

    @classmethod
    def build(cls, texts: Iterable[str]) -> "LexicalIndex":
        """Index one text a row; rows keep their order. The texts are read once and not kept."""
        vocabulary: dict[str, int] = {}
        blocks: list[_Block] = []
        lengths = array("q")
        remaining = iter(texts)
        while batch := list(islice(remaining, _BLOCK_TEXTS)):
            blocks.append(_Block(batch, len(lengths), vocabulary))
            lengths.extend(blocks[-1].lengths)
        return cls(_merged(blocks, vocabulary, np.array(lengths, dtype=np.int64)))

    def save(self, directory: Path) -> None:
        """One .npy file an array, no pickle."""
        directory.mkdir(parents=True, exist_ok=True)
        for name, values in self._arrays.items():
            np.save(directory / f"{name}.npy", values, allow_pickle=False)

    @classmethod
    def load(cls, directory: Path, size: int) -> "LexicalIndex":
        """Map what ``save`` wrote; ``size`` is the number of texts it must hold.

        Raises:
            ValueError: the index holds another number of texts, or arrays that do not fit together.
            OSError: a file is missing.
        """
        arrays = {}
        for name, kind in _ARRAYS.items():
            values = np.load(directory / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            if values.dtype != kind or values.ndim != 1:
                raise ValueError(f"{name}: {values.dtype} {values.shape}")
            arrays[name] = np.asarray(values)
        if len(arrays["lengths"]) != size:
            raise ValueError(f"{len(arrays['lengths'])} texts instead of {size}")
        terms = len(arrays["bounds"])
        _check_offsets(arrays["starts"], terms, len(arrays["rows"]))
        _check_offsets(arrays["name_starts"], terms, len(arrays["names"]))
        if len(arrays["counts"]) != len(arrays["rows"]):
            raise ValueError("counts do not fit the rows")
        return cls(arrays)

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        return sum(values.nbytes for values in self._arrays.values())

    def document_frequency(self, term: str) -> int:
        """Number of texts that contain ``term``."""
        position = self._position(term)
        return 0 if position is None else self._starts[position + 1] - self._starts[position]

    def count(self, terms: Iterable[str]) -> Counts:
        """How many texts there are, how many terms they have, and how many of them contain each of ``terms``."""
        return Counts(self.size, self.length, {term: self.document_frequency(term) for term in terms})

    def top(
        self,
        weights: dict[str, float],
        count: int,
        keep: np.ndarray | None = None,
        average: float | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The texts that share most with the weighted terms, exactly as if all had been scored.

        Args:
            weights: term -> weight, as ``term_weights`` gives them.
            keep: bool (size,); only these rows are found.
            average: terms a text in all indexes that are searched together; in this one if not given.

        Returns:
            rows, int64, and their ``scores_at``, float32: at most ``count``, best first, the earlier row first
            among equals, none with a score of 0.
        """
        terms, attainable = self._strongest_first(weights, average), sum(weights.values())
        if not terms or count <= 0:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        candidates = self._candidates(terms, count, keep, 4 * 10**-DECIMALS * attainable)
        scores = self._shares(terms, attainable, candidates)
        found = np.flatnonzero(scores > 0)
        best = found[np.lexsort((candidates[found], -scores[found]))[:count]]
        return candidates[best].astype(np.int64), scores[best]

    def scores_at(self, weights: dict[str, float], rows: np.ndarray, average: float | None = None) -> np.ndarray:
        """Rows (n,) in any order -> float32 (n,) in [0, 1]: the share of what the terms could give at most.

        Rounded to six places.
        """
        terms = self._strongest_first(weights, average)
        return self._shares(terms, sum(weights.values()), rows.astype(np.int32))

    def _shares(self, terms: "list[_Term]", attainable: float, rows: np.ndarray) -> np.ndarray:
        totals = self._totals(terms, rows)
        shares = np.clip(totals / attainable, 0, 1) if terms else totals
        return np.asarray(shares.round(DECIMALS), dtype=np.float32)

    def _candidates(self, terms: "list[_Term]", count: int, keep: np.ndarray | None, margin: float) -> np.ndarray:
        """Every row that can be among the first ``count`` (MaxScore): int32, ascending, usually hardly more.

        The terms that can give most (rare ones) are added up for all their texts, until the rest together
        could not lift a new text over the bar. The rest is only looked up, and only for texts found by then
        that can still pass. The bar is the ``count``-th best of the texts that look best after some terms.
        """
        # What the terms from i on can give at most: (terms + 1,)
        rest = np.cumsum([0.0, *(term.bound for term in reversed(terms))])[::-1]
        totals = np.zeros(self.size, dtype=np.float32)  # pages that are never touched cost nothing
        found: list[np.ndarray] = [np.zeros(0, dtype=np.int32)]
        bar, probe_at, used = 0.0, PROBE * count, 0
        while used < len(terms) and rest[used] >= bar:
            term = terms[used]
            rows = self._rows[term.start : term.end]
            before = totals[rows]
            totals[rows] = before + self._gains(term, rows)
            new = rows[before == 0]
            found.append(new if keep is None else new[keep[new]])
            used += 1
            if (number := sum(map(len, found))) >= probe_at:
                bar = self._bar(terms[used:], np.concatenate(found), totals, count) - margin
                probe_at = REPROBE * number
        candidates: np.ndarray = np.concatenate(found)
        candidates = candidates[totals[candidates] + rest[used] >= bar]
        if len(candidates) > REPROBE * count:
            bar = max(bar, self._bar(terms[used:], candidates, totals, count) - margin)
            candidates = candidates[totals[candidates] + rest[used] >= bar]
        candidates.sort()
        partial = totals[candidates].astype(np.float64)
        for i in range(used, len(terms)):
            if len(candidates) <= PROBE * count:
                break
            partial += self._looked_up(terms[i], candidates)
            alive = np.flatnonzero(partial + rest[i + 1] >= bar)
            candidates, partial = candidates[alive], partial[alive]
        return np.asarray(candidates)

    def _bar(self, others: "list[_Term]", rows: np.ndarray, totals: np.ndarray, count: int) -> float:
        """A score that at least ``count`` rows reach: the full scores of those ahead before ``others``."""
        ahead = np.argpartition(-totals[rows], PROBE * count - 1)[: PROBE * count]
        rows = np.sort(rows[ahead])
        return float(np.sort(totals[rows] + self._totals(others, rows))[-count])

    def _strongest_first(self, weights: dict[str, float], average: float | None) -> "list[_Term]":
        """The terms that occur here, by the most that they can give."""
        own = _average(self.length, self.size)
        average = own if average is None else average
        # A share s grows most where length counts for everything: then its denominator's rest shrinks like this.
        shrunk = min(1.0, own / average)
        slope = K1 * B / average
        terms = []
        for term, weight in weights.items():
            position = self._position(term)
            if position is not None and weight > 0:
                share = 1 / (1 + (1 / self._bounds[position] - 1) * shrunk)
                start, end = self._starts[position], self._starts[position + 1]
                terms.append(_Term(start, end, weight, weight * share, slope))
        return sorted(terms, key=lambda term: -term.bound)

    def _totals(self, terms: "list[_Term]", rows: np.ndarray) -> np.ndarray:
        """float64 (n,): always added up in the same order, so that equal texts get equal scores."""
        totals = np.zeros(len(rows))
        for term in terms:
            totals += self._looked_up(term, rows)
        return totals

    def _gains(self, term: "_Term", rows: np.ndarray) -> np.ndarray:
        """What a term gives each of its texts, float32."""
        counts = self._counts[term.start : term.end].astype(np.float32)
        return np.asarray(np.float32(term.weight) * counts / self._denominators(term, counts, rows))

    def _looked_up(self, term: "_Term", rows: np.ndarray) -> np.ndarray:
        """What a term gives to int32 ``rows`` (n,), 0 where it does not occur: float64 (n,)."""
        listed = self._rows[term.start : term.end]
        places = np.minimum(np.searchsorted(listed, rows), len(listed) - 1)
        has = np.flatnonzero(listed[places] == rows)
        counts = self._counts[term.start : term.end][places[has]].astype(np.float64)
        gains = np.zeros(len(rows))
        gains[has] = term.weight * counts / self._denominators(term, counts, rows[has])
        return gains

    def _denominators(self, term: "_Term", counts: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """BM25's, in the precision of ``counts``."""
        kind = counts.dtype.type
        return np.asarray(counts + (kind(K1 * (1 - B)) + kind(term.slope) * self._lengths[rows].astype(kind)))

    def _position_of(self, term: str) -> int | None:
        """Where the term stands among all terms, if it is there."""
        name, starts = term.encode("utf-8", "surrogatepass"), self._name_starts

        def name_at(position: int) -> bytes:
            return bytes(self._names[starts[position] : starts[position + 1]])

        position = bisect.bisect_left(range(len(self._bounds)), name, key=name_at)
        return position if position < len(self._bounds) and name_at(position) == name else None


class _Term(NamedTuple):
    start: int
    end: int
    weight: float
    bound: float  # the most that the term gives any text
    slope: float  # what one more term in a text adds to the denominator


class _Block:
    """The postings of some neighbouring texts, by vocabulary number, then by row."""

    def __init__(self, texts: Sequence[str], first_row: int, vocabulary: dict[str, int]) -> None:
        """New terms are added to ``vocabulary``."""
        occurrences, self.lengths = array("q"), array("q")
        for text in texts:
            terms = text_terms(text)
            occurrences.extend([vocabulary.setdefault(term, len(vocabulary)) for term in terms])
            self.lengths.append(len(terms))
        owners = np.repeat(np.arange(len(texts)), np.array(self.lengths, dtype=np.int64))
        keys = np.array(occurrences, dtype=np.int64) << 32 | owners
        keys, counts = np.unique(keys, return_counts=True)
        self.rows = ((keys & 0xFFFFFFFF) + first_row).astype(np.int32)
        self.counts = np.minimum(counts, _MAX_COUNT).astype(np.uint8)
        self.terms, self.sizes = np.unique(keys >> 32, return_counts=True)  # (distinct terms,) each


def _merged(blocks: list[_Block], vocabulary: dict[str, int], lengths: np.ndarray) -> dict[str, np.ndarray]:
    """One set of arrays; empties ``blocks`` on the way, so that no more than one copy is held for long."""
    order = sorted(vocabulary)
    places = np.empty(len(order), dtype=np.int64)  # vocabulary number -> place in ``order``
    places[[vocabulary[term] for term in order]] = np.arange(len(order))
    frequencies = np.zeros(len(order), dtype=np.int64)
    for block in blocks:
        frequencies[places[block.terms]] += block.sizes
    starts = np.concatenate([[0], np.cumsum(frequencies)])
    norms = K1 * (1 - B + B * lengths / _average(int(lengths.sum()), len(lengths)))  # (texts,)
    rows = np.empty(starts[-1], dtype=np.int32)
    counts = np.empty(starts[-1], dtype=np.uint8)
    free = starts[:-1].copy()
    bounds = np.zeros(len(order), dtype=np.float32)
    for block in blocks:
        here = places[block.terms]
        offsets = np.cumsum(block.sizes) - block.sizes
        targets = np.repeat(free[here] - offsets, block.sizes) + np.arange(len(block.rows))
        rows[targets], counts[targets] = block.rows, block.counts
        free[here] += block.sizes
        if len(block.rows):
            shares = block.counts / (block.counts + norms[block.rows])
            bounds[here] = np.maximum(bounds[here], np.maximum.reduceat(shares, offsets))
        del block.rows, block.counts
    blocks.clear()
    encoded = [term.encode("utf-8", "surrogatepass") for term in order]
    return {
        "rows": rows,
        "counts": counts,
        "starts": starts.astype(np.int64),
        "bounds": np.nextafter(bounds, np.float32(2)),  # never below what float64 gives
        "lengths": lengths.astype(np.int32),
        "names": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        "name_starts": np.cumsum([0, *map(len, encoded)], dtype=np.int64),
    }


def _view(values: Any) -> memoryview:
    return memoryview(values)


def _check_offsets(offsets: np.ndarray, parts: int, total: int) -> None:
    if len(offsets) != parts + 1 or offsets[0] != 0 or offsets[-1] != total or (np.diff(offsets) < 1).any():
        raise ValueError("offsets do not fit what they divide")


def idf(frequency: int, size: int) -> float:
    """Inverse document frequency, always positive; greatest for a term that no text has."""
    return math.log(1 + (size - frequency + 0.5) / (frequency + 0.5))


def term_weights(query: str, collections: Sequence[Counted]) -> tuple[dict[str, float], float]:
    """The question's terms with their idf, and the average length of a text in terms, counted as if ``collections``
    were one."""
    terms = query_terms(query)
    counted = [collection.count(terms) for collection in collections]
    size = sum(counts.texts for counts in counted)
    weights = {term: idf(sum(counts.frequencies[term] for counts in counted), size) for term in terms}
    return weights, _average(sum(counts.length for counts in counted), size)


def _average(length: int, size: int) -> float:
    return max(length, 1) / max(size, 1)
