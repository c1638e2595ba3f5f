"""The pool of candidates to a calibrated order: how probable is it that a passage answers the question?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from src.retrieval.features import NAMES as WORD_FEATURES
from src.retrieval.features import word_features

WEIGHTS = Path(__file__).with_name("rerank.json")


@dataclass(frozen=True)
class Pool:
    """What recall brought for one question; the passages' fields are aligned.

    Attributes:
        query: the question as asked.
        wordings: its terms and their weights, then those of its other wordings.
        factors: what each wording's scores are multiplied by, at most 1, float64 (wordings, passages).
        passages: (title, text).
        lexical, dense: scores in [0, 1], float64 (passages,).
    """

    query: str
    wordings: Sequence[Mapping[str, float]]
    factors: np.ndarray
    passages: Sequence[tuple[str, str]]
    lexical: np.ndarray
    dense: np.ndarray


class Reranker(Protocol):
    """Orders a pool."""

    name: str

    def scores(self, pool: Pool) -> np.ndarray:
        """The probability that each passage answers the question, float64 (passages,) in [0, 1]."""
        ...


# What each passage has for itself. The last one is for where the words tell nothing (an English question, another
# vocabulary) and only meaning can decide: dense once more, times the square of "silent".
FEATURES = ("lexical", "dense", *WORD_FEATURES[:-1], "dense_silent")
# What all passages of a pool share; it moves their probability, not their order.
# silent: the share of the question that no passage of the pool has. missing: the same of its content words.
# How well the other passages do is not among them: twenty passages that all answer would make each other improbable.
SHARED = ("silent", "missing")


class LinearReranker:
    """A logistic function of a handful of features; weights from ``benchmarks/fit_rerank.py``."""

    name = "linear"

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self._weights = dict(default_weights() if weights is None else weights)

    def scores(self, pool: Pool) -> np.ndarray:
        """The best wording counts, each times its factor."""
        if not pool.passages:
            return np.zeros(0)
        rows = np.stack([self._probabilities(evidence) for evidence in passage_evidence(pool)])
        return np.asarray((pool.factors * rows).max(axis=0), dtype=np.float64)

    def _probabilities(self, evidence: np.ndarray) -> np.ndarray:
        features, silent, missing = pool_features(evidence)
        order = features @ np.array([self._weights[name] for name in FEATURES])
        shared = zip(SHARED, (silent, missing), strict=True)
        logit = order + self._weights["bias"] + sum(self._weights[name] * value for name, value in shared)
        return np.asarray(1 / (1 + np.exp(-logit)))


def passage_evidence(pool: Pool) -> np.ndarray:
    """float64 (wordings, passages, 2 + 6): lexical, dense and the word features."""
    words = word_features(pool.wordings, pool.passages)
    both = np.column_stack([pool.lexical, pool.dense])
    return np.concatenate([np.broadcast_to(both, (len(words), *both.shape)), words], axis=2)


def pool_features(evidence: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Evidence of one wording -> ``FEATURES``, float64 (passages, len(FEATURES)), then ``silent`` and ``missing``."""
    silent = 1 - float(evidence[:, FEATURES.index("chunk")].max())
    missing = 1 - float(evidence[:, -1].max())
    dense = evidence[:, FEATURES.index("dense")] * silent**2
    return np.column_stack([evidence[:, :-1], dense]), silent, missing


@cache
def default_weights() -> dict[str, float]:
    """Weight of each feature of ``FEATURES`` and ``SHARED``, and the bias."""
    return dict(json.loads(WEIGHTS.read_text("utf-8"))["weights"])
