"""BM25 over characters, character pairs and words, with scores that two indexes can share."""

import logging
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import bm25s
import numpy as np

from src.retrieval.terms import matched_terms, query_terms, text_terms
from src.retrieval.types import Counted

__all__ = ["LexicalIndex", "idf", "matched_terms", "term_weights"]

K1 = 1.5
B = 0.75


class LexicalIndex:
    """bm25s builds and stores the index; scoring is here, so that term weights can span several indexes."""

    def __init__(self, bm25: Any, size: int) -> None:
        self._bm25 = bm25
        self.size = size

    @classmethod
    def build(cls, texts: Sequence[str]) -> "LexicalIndex":
        """Index one text a row; rows keep their order."""
        texts = list(texts)
        vocabulary: dict[str, int] = {}
        ids = [[vocabulary.setdefault(term, len(vocabulary)) for term in text_terms(text)] for text in texts]
        if not vocabulary:  # nothing but emoji and punctuation; bm25s wants at least one term
            vocabulary[""] = 0
            ids[0] = [0]
        # bm25s sets its own logger to DEBUG, which shows through any handler of the application.
        logging.getLogger("bm25s").setLevel(logging.WARNING)
        # "lucene" leaves out the constant factor k1 + 1, so a term gives at most its idf.
        bm25 = bm25s.BM25(method="lucene", k1=K1, b=B)
        bm25.index((ids, vocabulary), create_empty_token=False, show_progress=False)
        return cls(bm25, len(texts))

    def save(self, directory: Path) -> None:
        """Arrays and JSON, no pickle."""
        self._bm25.save(str(directory), show_progress=False)

    @classmethod
    def load(cls, directory: Path, size: int) -> "LexicalIndex":
        """Read what ``save`` wrote; ``size`` is the number of texts it must hold.

        Raises:
            ValueError: the index holds another number of texts.
        """
        bm25 = bm25s.BM25.load(str(directory), show_progress=False)
        if bm25.scores["num_docs"] != size:
            raise ValueError(f"{bm25.scores['num_docs']} texts instead of {size}")
        return cls(bm25, size)

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        return int(sum(self._bm25.scores[name].nbytes for name in ("data", "indices", "indptr")))

    def document_frequency(self, term: str) -> int:
        """Number of texts that contain ``term``."""
        start, end = self._column(term)
        return end - start

    def frequencies(self, terms: Iterable[str]) -> tuple[int, dict[str, int]]:
        """Number of texts, and how many of them contain each term."""
        return self.size, {term: self.document_frequency(term) for term in terms}

    def scores(self, weights: dict[str, float]) -> np.ndarray:
        """float32 (size,) in [0, 1]: the share of what the weighted terms could give at most."""
        totals = np.zeros(self.size, dtype=np.float32)
        for term, weight in weights.items():
            start, end = self._column(term)
            if start < end:
                # The stored values carry this index's own idf; a text occurs once in a column.
                ratio = np.float32(weight / idf(end - start, self.size))
                rows = self._bm25.scores["indices"][start:end]
                totals[rows] += self._bm25.scores["data"][start:end] * ratio
        attainable = sum(weights.values())
        return np.clip(totals / np.float32(attainable), 0, 1) if attainable > 0 else totals

    def top(self, weights, count, keep=None):
        scores = self.scores(weights)
        if keep is not None:
            scores[~keep] = 0
        found = np.flatnonzero(scores > 0)
        rows = found[np.argsort(-np.round(scores[found].astype(np.float64), 6), kind="stable")[:count]]
        return rows, scores[rows]

    def scores_at(self, weights, rows):
        return self.scores(weights)[rows]

    def _column(self, term: str) -> tuple[int, int]:
        column = self._bm25.vocab_dict.get(term)
        if column is None:
            return 0, 0
        starts = self._bm25.scores["indptr"]
        return int(starts[column]), int(starts[column + 1])


def idf(frequency: int, size: int) -> float:
    """Inverse document frequency, always positive; greatest for a term that no text has."""
    return math.log(1 + (size - frequency + 0.5) / (frequency + 0.5))


def term_weights(query: str, collections: Sequence[Counted]) -> dict[str, float]:
    """The question's terms and their idf, counted as if ``collections`` were one."""
    terms = query_terms(query)
    counted = [collection.frequencies(terms) for collection in collections]
    size = sum(size for size, _ in counted)
    return {term: idf(sum(frequency[term] for _, frequency in counted), size) for term in terms}
