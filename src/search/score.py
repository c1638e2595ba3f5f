"""Scoring: the candidates of all collections, from their text, with one idf.

Recall only proposes, so that no score has to agree between indexes; whatever ranks two candidates is computed here, for
both, from what they say. The lexical score is BM25's (Lucene's, without the factor k1 + 1) as a share of what the
question's terms could give at most; the dense score is the cosine; ``rerank`` is the probability that the chunk answers.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from src.search.features import NAMES as WORD_FEATURES
from src.search.features import term_counts, word_features
from src.search.index import K1, B
from src.search.synonyms import MISREAD, Lexicon
from src.search.terms import fold, is_unspaced
from src.search.types import Background, Candidate, Proposals, Query, Stages

WEIGHTS = Path(__file__).with_name("rerank.json")
# Scores that differ by less differ only by the order of additions: they are ties.
DECIMALS = 6
# Of a chunk's probability that is left where it lacks a code that the question names: it is about another model.
OTHER_CODE = 0.4
# A word or a number is one term, as much Chinese is several: each character and each pair of neighbours.
WORD = 2.0
_CODE = re.compile(r"(?<![a-z0-9])(?=[a-z0-9-]*\d)(?=[a-z0-9-]*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True)
class Pool:
    """Candidates for one question; the chunks' fields are aligned.

    Attributes:
        query: the question as asked.
        factors: what each wording's scores are multiplied by, at most 1, float64 (wordings, chunks).
        chunks: (title, text).
        lexical, dense: float64 (chunks,) in [0, 1]; dense on the scale of the embedder that the weights were fitted on.
        words: ``word_features`` of each wording, float64 (wordings, chunks, 6).
    """

    query: str
    factors: np.ndarray
    chunks: Sequence[tuple[str, str]]
    lexical: np.ndarray
    dense: np.ndarray
    words: np.ndarray


class Reranker(Protocol):
    """Orders a pool."""

    name: str

    def scores(self, pool: Pool) -> np.ndarray:
        """The probability that each chunk answers the question, float64 (chunks,) in [0, 1]."""
        ...


# What each chunk has for itself. The last one is for where the words tell nothing (an English question, another
# vocabulary) and only meaning can decide: dense once more, times the square of "silent".
FEATURES = ("lexical", "dense", *WORD_FEATURES[:-1], "dense_silent")
# What all chunks of a pool share; it moves their probability, not their order.
# silent: the share of the question that no chunk of the pool has. missing: the same of its content words.
# How well the other chunks do is not among them: twenty chunks that all answer would make each other improbable.
SHARED = ("silent", "missing")


class LinearReranker:
    """A logistic function of a handful of features; weights from ``benchmarks/fit_rerank.py``."""

    name = "linear"

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self._weights = dict(default_weights() if weights is None else weights)

    def scores(self, pool: Pool) -> np.ndarray:
        """The best wording counts, each times its factor."""
        if not pool.chunks:
            return np.zeros(0)
        rows = np.stack([self._probabilities(evidence) for evidence in chunk_evidence(pool)])
        return np.asarray((pool.factors * rows).max(axis=0), dtype=np.float64)

    def _probabilities(self, evidence: np.ndarray) -> np.ndarray:
        features, silent, missing = pool_features(evidence)
        order = features @ np.array([self._weights[name] for name in FEATURES])
        shared = zip(SHARED, (silent, missing), strict=True)
        logit = order + self._weights["bias"] + sum(self._weights[name] * value for name, value in shared)
        return np.asarray(1 / (1 + np.exp(-logit)))


def chunk_evidence(pool: Pool) -> np.ndarray:
    """float64 (wordings, chunks, 2 + 6): lexical, dense and the word features."""
    both = np.column_stack([pool.lexical, pool.dense])
    return np.concatenate([np.broadcast_to(both, (len(pool.words), *both.shape)), pool.words], axis=2)


def pool_features(evidence: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Evidence of one wording -> ``FEATURES``, float64 (chunks, len(FEATURES)), then ``silent`` and ``missing``."""
    silent = 1 - float(evidence[:, FEATURES.index("chunk")].max())
    missing = 1 - float(evidence[:, -1].max())
    dense = evidence[:, FEATURES.index("dense")] * silent**2
    return np.column_stack([evidence[:, :-1], dense]), silent, missing


@cache
def default_weights() -> dict[str, float]:
    """Weight of each feature of ``FEATURES`` and ``SHARED``, and the bias."""
    return dict(json.loads(WEIGHTS.read_text("utf-8"))["weights"])


@cache
def reference() -> Background:
    """The background of the cosines that the weights were fitted on."""
    return Background(**json.loads(WEIGHTS.read_text("utf-8"))["background"])


def calibrated(cosines: np.ndarray, background: Background | None) -> np.ndarray:
    """Cosines of any embedder on the scale of the one that the weights were fitted on.

    Unrelated texts have a cosine of 0.1 for one embedder and of 0.4 for another; as many standard deviations above
    their own background they mean the same. Without a background they are taken as they are.
    """
    if background is None:
        return cosines
    wanted = reference()
    return np.asarray(np.clip(wanted.mean + wanted.std * (cosines - background.mean) / background.std, 0, 1))


def idf(frequency: int, size: int) -> float:
    """Inverse document frequency, always positive; greatest for a term that no text has."""
    return math.log(1 + (size - frequency + 0.5) / (frequency + 0.5))


def term_weights(query: Query, proposals: Sequence[Proposals]) -> list[dict[str, float]]:
    """The idf of each wording's terms, counted as if the collections were one."""
    size = sum(one.texts for one in proposals)
    known = {
        term: idf(sum(one.frequencies.get(term, 0) for one in proposals), size) * (1 if is_unspaced(term) else WORD)
        for term in query.terms
    }
    return [{term: known[term] for term in wording.terms} for wording in query.wordings]


def background_of(proposals: Sequence[Proposals]) -> Background | None:
    """That of the largest collection that has one: all are made with one embedder."""
    return max(proposals, key=lambda one: (one.background is not None, one.texts)).background


def score(
    query: Query, proposals: Sequence[Proposals], reranker: Reranker, lexicon: Lexicon
) -> tuple[list[Candidate], dict[str, float]]:
    """Every stage of every candidate, in no order; the weights of the question's own terms.

    Only those are left that one of the sides has among its first ``query.pool``. Their ``order`` begins with the
    number of their collection.
    """
    weights = term_weights(query, proposals)
    found = [(number, candidate) for number, one in enumerate(proposals) for candidate in one.candidates]
    average = max(1, sum(one.terms for one in proposals)) / max(1, sum(one.texts for one in proposals))
    shares = _lexical(query, weights, [candidate for _, candidate in found], average)
    scored = [
        Candidate(one.chunk, (number, *one.order), Stages(share, one.stages.dense), one.lead, one.terms)
        for (number, one), share in zip(found, shares.tolist(), strict=True)
    ]
    kept = _pooled(scored, query)
    if query.mode == "hybrid":
        kept = _reranked(query, weights, kept, reranker, lexicon, background_of(proposals))
    return kept, weights[0]


def ranked(candidates: Sequence[Candidate], stage: str) -> list[tuple[Candidate, float]]:
    """(candidate, score) by that stage, best first; a tie goes to the earlier chunk."""
    scored = [(candidate, float(getattr(candidate.stages, stage))) for candidate in candidates]
    return sorted(scored, key=lambda pair: (-pair[1], pair[0].order))


def _lexical(
    query: Query, weights: Sequence[Mapping[str, float]], candidates: Sequence[Candidate], average: float
) -> np.ndarray:
    """float64 (candidates,) in [0, 1]: by the wording that suits each best, never by their sum."""
    terms = query.terms
    if not candidates or not terms:
        return np.zeros(len(candidates))
    counts = term_counts(terms, [(one.chunk.title, one.lead, one.chunk.text) for one in candidates])  # (n, T)
    lengths = np.array([candidate.terms for candidate in candidates])[:, None]
    saturated = counts / (counts + K1 * (1 - B + B * lengths / average))
    columns = np.array([[one.get(term, 0.0) for one in weights] for term in terms])  # (T, wordings)
    shares = saturated @ (columns / np.maximum(columns.sum(axis=0), 1e-9))  # (n, wordings)
    factors = np.array([wording.factor for wording in query.wordings])
    return np.asarray(np.clip(shares * factors, 0, 1).max(axis=1).round(DECIMALS))


def _pooled(candidates: Sequence[Candidate], query: Query) -> list[Candidate]:
    """Those that are among the first ``pool`` of either side; every index brought that many."""
    sides = ["lexical"] * (query.mode != "dense") + ["dense"] * (query.vector is not None)
    first = {
        c.order for side in sides for c, value in ranked(candidates, side)[: query.pool] if value or side == "dense"
    }
    return [candidate for candidate in candidates if candidate.order in first]


def _reranked(
    query: Query, weights: Sequence[Mapping[str, float]], candidates: Sequence[Candidate], reranker: Reranker,
    lexicon: Lexicon, background: Background | None,
) -> list[Candidate]:  # fmt: skip
    chunks = [(candidate.chunk.title, candidate.chunk.text) for candidate in candidates]
    if not chunks:
        return []
    pool = Pool(
        query.text,
        _factors(query, chunks, lexicon),
        chunks,
        np.array([candidate.stages.lexical for candidate in candidates]),
        calibrated(np.array([candidate.stages.dense for candidate in candidates]), background),
        word_features(weights, chunks),
    )
    codes = codes_of(query.text)
    whole = [not codes or codes <= codes_of(f"{title} {text}") for title, text in chunks]
    scores = (reranker.scores(pool) * np.where(whole, 1.0, OTHER_CODE)).round(DECIMALS)
    return [
        Candidate(
            one.chunk, one.order, Stages(one.stages.lexical, one.stages.dense, rerank=value), one.lead, one.terms
        )
        for one, value in zip(candidates, scores.tolist(), strict=True)
    ]


def _factors(query: Query, chunks: Sequence[tuple[str, str]], lexicon: Lexicon) -> np.ndarray:
    """float64 (wordings, chunks)."""
    factors = np.repeat([[wording.factor] for wording in query.wordings], len(chunks), axis=1)
    if misread := lexicon.misread(query.text):
        factors[0, [misread.search(fold(f"{title}\n{text}")) is not None for title, text in chunks]] = MISREAD
    return factors


def codes_of(text: str) -> set[str]:
    """Model numbers and versions, written in one way: ZK-880B is not ZK-880."""
    return {match.group().replace("-", "") for match in _CODE.finditer(fold(text))}
