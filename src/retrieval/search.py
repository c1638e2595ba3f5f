"""A question to ranked passages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

import numpy as np

from src.embedding.base import Embedder
from src.errors import InputError, KnowledgeError
from src.knowledge.clean import clean
from src.knowledge.types import Chunk
from src.retrieval.knowledge_index import KnowledgeIndex
from src.retrieval.lexical import term_weights
from src.retrieval.rerank import LinearReranker, Pool, Reranker
from src.retrieval.synonyms import MISREAD, Lexicon, default_lexicon
from src.retrieval.terms import fold
from src.retrieval.types import Hit, Mode, Stages

MAX_QUERY_CHARS = 2_000
MAX_TOP_K = 100
# Share of the dense score in the fused one, chosen with benchmarks/retrieval.py: 0.1 to 0.3 are within
# half a point of each other, more lets a weak dense ranking push good lexical matches down.
DENSE_WEIGHT = 0.2
# Candidates that each side brings, at least; the other side scores them too.
POOL = 50
EXPLAINED = 20

# Terms with their weights, and the factor that their scores get.
_Wording = tuple[dict[str, float], float]


@dataclass(frozen=True)
class _Candidate:
    chunk: Chunk
    order: tuple[int, int]
    stages: Stages


class Retriever:
    """Searches one index, and a session's own small one beside it. Holds no state between calls."""

    def __init__(
        self,
        index: KnowledgeIndex,
        embedder: Embedder,
        dense_weight: float = DENSE_WEIGHT,
        reranker: Reranker | None = None,
        lexicon: Lexicon | None = None,
    ) -> None:
        """``reranker`` orders what hybrid finds, ``lexicon`` knows other wordings; None: those that come with us.

        Raises KnowledgeError: the index was built with another embedder.
        """
        _check_embedder(index, embedder)
        self.index = index
        self.embedder = embedder
        self._dense_weight = dense_weight
        self._reranker: Reranker = LinearReranker() if reranker is None else reranker
        self._lexicon = default_lexicon() if lexicon is None else lexicon

    def search(
        self, query: str, top_k: int = 10, mode: str = "hybrid", extra: KnowledgeIndex | None = None
    ) -> list[Hit]:
        """The best passages, rank from 1, equal scores in document order (``extra`` after the base).

        hybrid is ordered by the reranker: its score is the probability that the passage answers the question.
        hybrid and dense fill in both stages' scores; lexical does not embed, so ``dense`` stays None
        there, and passages that share no term with the question are left out.

        Args:
            extra: an index whose passages compete in this call only.

        Raises:
            InputError: a query, top_k or mode that cannot be used.
            KnowledgeError: ``extra`` was built with another embedder.
        """
        text, kind, top_k = check_query(query), _check_mode(mode), check_top_k(top_k)
        candidates = self._candidates(text, kind, max(POOL, 2 * top_k), extra)
        ranked = _ranked(candidates, "rerank" if kind == "hybrid" else kind)
        return [
            Hit(candidate.chunk, score, rank, candidate.stages)
            for rank, (candidate, score) in enumerate(ranked[:top_k], 1)
        ]

    def explain(self, query: str, extra: KnowledgeIndex | None = None) -> dict[str, Any]:
        """``{"query", "terms", "stages": {"lexical" | "dense" | "fused" | "rerank": [{"chunk_id", "rank", "score"}]}}``.

        The first 20 of each stage's own ranking. Raises as ``search``.
        """
        text = check_query(query)
        candidates = self._candidates(text, "hybrid", POOL, extra)
        indexes = [index.lexical for index in self._indexes(extra)]
        return {
            "query": text,
            "terms": list(term_weights(text, indexes)),
            "wordings": self._lexicon.variants(text),
            "stages": {stage: _stage_list(candidates, stage) for stage in ("lexical", "dense", "fused", "rerank")},
        }

    def _indexes(self, extra: KnowledgeIndex | None) -> list[KnowledgeIndex]:
        if extra is None:
            return [self.index]
        _check_embedder(extra, self.embedder)
        return [self.index, extra]

    def _candidates(self, query: str, mode: Mode, pool: int, extra: KnowledgeIndex | None) -> list[_Candidate]:
        indexes = self._indexes(extra)
        # Counted over both, so that a term's weight does not depend on which index a passage is in.
        lexical = [index.lexical for index in indexes]
        wordings = [(term_weights(text, lexical), factor) for text, factor in self._lexicon.wordings(query)]
        vector = None if mode == "lexical" else self.embedder.encode_queries([query])[0]  # (d,)
        candidates = [
            candidate
            for number, index in enumerate(indexes)
            for candidate in self._from_index(number, index, wordings, vector, mode, pool)
        ]
        return self._reranked(query, wordings, candidates) if mode == "hybrid" else candidates

    def _reranked(self, query: str, wordings: Sequence[_Wording], candidates: list[_Candidate]) -> list[_Candidate]:
        pool = Pool(
            query,
            [weights for weights, _ in wordings],
            self._factors(query, wordings, candidates),
            [(candidate.chunk.title, candidate.chunk.text) for candidate in candidates],
            np.array([candidate.stages.lexical for candidate in candidates], dtype=np.float64),
            np.array([candidate.stages.dense for candidate in candidates], dtype=np.float64),
        )
        scores = _rounded(self._reranker.scores(pool))
        return [
            replace(candidate, stages=replace(candidate.stages, rerank=float(score)))
            for candidate, score in zip(candidates, scores, strict=True)
        ]

    def _factors(self, query: str, wordings: Sequence[_Wording], candidates: Sequence[_Candidate]) -> np.ndarray:
        """float64 (wordings, candidates)."""
        factors = np.repeat([[factor] for _, factor in wordings], len(candidates), axis=1)
        if misread := self._lexicon.misread(query):
            texts = [f"{candidate.chunk.title}\n{candidate.chunk.text}" for candidate in candidates]
            factors[0, [misread.search(fold(text)) is not None for text in texts]] = MISREAD
        return factors

    def _from_index(
        self,
        number: int,
        index: KnowledgeIndex,
        wordings: Sequence[_Wording],
        vector: np.ndarray | None,
        mode: Mode,
        pool: int,
    ) -> list[_Candidate]:
        # An alias counts as the word it stands for: the better of the two, never their sum.
        scores = [np.float32(factor) * index.lexical.scores(weights) for weights, factor in wordings]
        lexical = _rounded(np.max(scores, axis=0))  # (chunks,)
        positions: set[int] = set()
        if mode != "dense":
            positions.update(_top(lexical, pool))
        if vector is not None:
            positions.update(index.nearest(vector, pool).tolist())
        rows = np.array(sorted(positions), dtype=np.int64)
        dense = None if vector is None else _rounded(index.dense_scores(vector, rows))
        return [
            _Candidate(
                index.chunks[row],
                (number, int(row)),
                self._stages(float(lexical[row]), None if dense is None else float(dense[i]), mode),
            )
            for i, row in enumerate(rows)
        ]

    def _stages(self, lexical: float, dense: float | None, mode: Mode) -> Stages:
        fused = None
        if mode == "hybrid" and dense is not None:
            fused = (1 - self._dense_weight) * lexical + self._dense_weight * dense
        return Stages(lexical=lexical, dense=dense, fused=fused)


def check_query(query: object) -> str:
    """The question, cleaned.

    Raises:
        InputError: not text, empty, or too long.
    """
    if not isinstance(query, str):
        raise InputError(f"问题应为文字，收到的是 {type(query).__name__}")
    if len(query) > MAX_QUERY_CHARS:
        raise InputError(f"问题有 {len(query)} 个字，上限是 {MAX_QUERY_CHARS} 个字；请缩短后再试")
    cleaned = clean(query)
    if not cleaned:
        raise InputError("问题是空的；请输入要查找的内容")
    return cleaned


def check_top_k(top_k: object, limit: int = MAX_TOP_K) -> int:
    """``top_k`` as a whole number; JSON clients whose language has one kind of number write 4 as 4.0.

    Raises:
        InputError: not a whole number from 1 to ``limit``.
    """
    whole = int(top_k) if isinstance(top_k, float) and top_k.is_integer() else top_k
    if isinstance(whole, bool) or not isinstance(whole, int) or not 1 <= whole <= limit:
        raise InputError(f"top_k 应为 1 到 {limit} 的整数，收到的是 {str(top_k)[:40]}")
    return whole


def _check_mode(mode: object) -> Mode:
    if mode not in get_args(Mode):
        raise InputError(f"检索方式 {str(mode)[:40]} 不存在；可用的有 {'、'.join(get_args(Mode))}")
    return cast(Mode, mode)


def _check_embedder(index: KnowledgeIndex, embedder: Embedder) -> None:
    if index.info.fingerprint != embedder.fingerprint:
        raise KnowledgeError(
            f"索引是用 {index.info.embedder} 建的，与现在的向量模型 {embedder.name} 不是同一个；"
            "请运行 python -m src index --rebuild 重建"
        )


def _rounded(scores: np.ndarray) -> np.ndarray:
    """float64 at six places: what differs only by the order of additions is a tie."""
    return np.round(scores.astype(np.float64), 6)


def _top(scores: np.ndarray, count: int) -> list[int]:
    """Positions of the highest positive scores, the earlier one first where they are equal."""
    found = np.flatnonzero(scores > 0)
    return [int(i) for i in found[np.argsort(-scores[found], kind="stable")[:count]]]


def _ranked(candidates: Sequence[_Candidate], stage: str) -> list[tuple[_Candidate, float]]:
    """(candidate, score) by that stage, best first; a tie goes to the earlier chunk."""
    scored = [(candidate, float(getattr(candidate.stages, stage))) for candidate in candidates]
    return sorted(scored, key=lambda pair: (-pair[1], pair[0].order))


def _stage_list(candidates: Sequence[_Candidate], stage: str) -> list[dict[str, Any]]:
    found = [(candidate, score) for candidate, score in _ranked(candidates, stage) if score > 0]
    return [
        {"chunk_id": candidate.chunk.chunk_id, "rank": rank, "score": round(score, 4)}
        for rank, (candidate, score) in enumerate(found[:EXPLAINED], 1)
    ]
