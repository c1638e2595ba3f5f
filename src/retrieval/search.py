"""A question to ranked passages."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import cast, get_args

import numpy as np

from src.embedding.base import Embedder
from src.errors import InputError
from src.knowledge.clean import clean
from src.retrieval.courtesy import without_courtesy
from src.retrieval.explain import Explanation, explanation
from src.retrieval.features import NAMES as WORD_FEATURES
from src.retrieval.features import word_features
from src.retrieval.lexical import term_weights
from src.retrieval.rerank import LinearReranker, Pool, Reranker
from src.retrieval.synonyms import MISREAD, Lexicon, default_lexicon
from src.retrieval.terms import fold
from src.retrieval.types import Candidate, Collection, Hit, Mode, Query, Wording

MAX_QUERY_CHARS = 2_000
MAX_TOP_K = 100
# Share of the dense score in the fused one, chosen with benchmarks/retrieval.py: 0.1 to 0.3 are within
# half a point of each other, more lets a weak dense ranking push good lexical matches down.
DENSE_WEIGHT = 0.2
# Of meaning beside words, where sentences are compared: it decides where words do not (an English question), more
# makes the choice worse (benchmarks/quotes.py).
MEANING = 0.1
# Of a passage's probability that is left where it lacks a code that the question names: it is about another model.
OTHER_CODE = 0.4
_CODE = re.compile(r"(?<![a-z0-9])(?=[a-z0-9-]*\d)(?=[a-z0-9-]*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*")
# Candidates that each side brings, at least; the other side scores them too.
POOL = 50


class Retriever:
    """Searches one collection, and a session's own small one beside it. Holds no state between calls."""

    def __init__(
        self,
        base: Collection,
        embedder: Embedder,
        dense_weight: float = DENSE_WEIGHT,
        reranker: Reranker | None = None,
        lexicon: Lexicon | None = None,
    ) -> None:
        """``reranker`` orders what hybrid finds, ``lexicon`` knows other wordings; None: those that come with us."""
        self.base = base
        self.embedder = embedder
        self._dense_weight = dense_weight
        self._reranker: Reranker = LinearReranker() if reranker is None else reranker
        self.lexicon = default_lexicon() if lexicon is None else lexicon

    def search(
        self, query: str, top_k: int = 10, mode: str = "hybrid", extra: Collection | None = None
    ) -> list[Hit]:
        """The best passages, rank from 1, equal scores in document order (``extra`` after the base).

        hybrid is ordered by the reranker: its score is the probability that the passage answers the question.
        hybrid and dense fill in both stages' scores; lexical does not embed, so ``dense`` stays None
        there, and passages that share no term with the question are left out.

        Args:
            extra: a collection whose passages compete in this call only; embedded with the same embedder.

        Raises:
            InputError: a query, top_k or mode that cannot be used.
        """
        text, kind, top_k = check_query(query), _check_mode(mode), check_top_k(top_k)
        collections = _both(self.base, extra)
        asked = self._query(text, kind, max(POOL, 2 * top_k), collections)
        candidates = self._candidates(asked, collections)
        ranked = _ranked(candidates, "rerank" if kind == "hybrid" else kind)
        return [
            Hit(candidate.chunk, score, rank, candidate.stages, own=candidate.order[0] == 1)
            for rank, (candidate, score) in enumerate(ranked[:top_k], 1)
        ]

    def explain(
        self, query: str, mode: str = "hybrid", extra: Collection | None = None, pool: int = POOL
    ) -> Explanation:
        """What ``search`` finds, with the rank and score of every candidate in every stage; embeds once.

        Raises as ``search``.
        """
        collections = _both(self.base, extra)
        asked = self._query(check_query(query), _check_mode(mode), pool, collections)
        return explanation(asked, self.lexicon.variants(asked.text), self._candidates(asked, collections))

    def suits(self, query: str, texts: Sequence[tuple[str, str]], extra: Collection | None = None) -> np.ndarray:
        """How well each of a few (subject, sentence) suits a question, float64 (texts,), to compare within one call.

        That is the share of the question's terms that both have, of the wording they suit best, and ``MEANING`` times
        the sentence's similarity. Raises as ``search``.
        """
        asked = self._query(check_query(query), "hybrid", 1, _both(self.base, extra))
        words = word_features([wording.weights for wording in asked.wordings], texts)
        factors = np.array([wording.factor for wording in asked.wordings])
        shares = (factors[:, None] * words[:, :, WORD_FEATURES.index("chunk")]).max(axis=0)
        return np.asarray(
            shares + MEANING * (self.embedder.encode([text for _, text in texts]) @ asked.vector), dtype=np.float64
        )

    def _query(self, asked: str, mode: Mode, pool: int, collections: Sequence[Collection]) -> Query:
        text = without_courtesy(asked)
        # Counted over all, so that a term's weight does not depend on which collection a passage is in.
        worded = [(term_weights(other, collections), factor) for other, factor in self.lexicon.wordings(text)]
        wordings = tuple(Wording(weights, factor) for (weights, _), factor in worded)
        average = worded[0][0][1]
        vector = None if mode == "lexical" else self.embedder.encode_queries([text])[0]  # (d,)
        return Query(text, wordings, average, vector, mode, pool)

    def _candidates(self, query: Query, collections: Sequence[Collection]) -> list[Candidate]:
        found = [
            replace(candidate, order=(number, *candidate.order))
            for number, collection in enumerate(collections)
            for candidate in collection.recall(query)
        ]
        candidates = [self._fused(candidate) for candidate in _pooled(found, query)]
        return self._reranked(query, candidates) if query.mode == "hybrid" else candidates

    def _fused(self, candidate: Candidate) -> Candidate:
        stages = candidate.stages
        # A collection that fuses by itself has done so.
        if stages.fused is not None or stages.lexical is None or stages.dense is None:
            return candidate
        fused = (1 - self._dense_weight) * stages.lexical + self._dense_weight * stages.dense
        return replace(candidate, stages=replace(stages, fused=fused))

    def _reranked(self, query: Query, candidates: list[Candidate]) -> list[Candidate]:
        pool = Pool(
            query.text,
            [wording.weights for wording in query.wordings],
            self._factors(query, candidates),
            [(candidate.chunk.title, candidate.chunk.text) for candidate in candidates],
            np.array([candidate.stages.lexical for candidate in candidates], dtype=np.float64),
            np.array([candidate.stages.dense for candidate in candidates], dtype=np.float64),
        )
        codes = _codes(query.text)
        whole = [codes <= _codes(f"{candidate.chunk.title} {candidate.chunk.text}") for candidate in candidates]
        # At six places: what differs only by the order of additions is a tie.
        scores = (self._reranker.scores(pool) * np.where(whole, 1.0, OTHER_CODE)).round(6)
        return [
            replace(candidate, stages=replace(candidate.stages, rerank=float(score)))
            for candidate, score in zip(candidates, scores, strict=True)
        ]

    def _factors(self, query: Query, candidates: Sequence[Candidate]) -> np.ndarray:
        """float64 (wordings, candidates)."""
        factors = np.repeat([[wording.factor] for wording in query.wordings], len(candidates), axis=1)
        if misread := self.lexicon.misread(query.text):
            texts = [f"{candidate.chunk.title}\n{candidate.chunk.text}" for candidate in candidates]
            factors[0, [misread.search(fold(text)) is not None for text in texts]] = MISREAD
        return factors


def _codes(text: str) -> set[str]:
    """Model numbers and versions, written in one way: ZK-880B is not ZK-880."""
    return {match.group().replace("-", "") for match in _CODE.finditer(fold(text))}


def _both(base: Collection, extra: Collection | None) -> list[Collection]:
    return [base] if extra is None else [base, extra]


def _pooled(candidates: Sequence[Candidate], query: Query) -> list[Candidate]:
    """What belongs to the first ``pool`` of either side; every segment brought that many."""
    sides = ["lexical"] * (query.mode != "dense") + ["dense"] * (query.vector is not None)
    kept = {candidate.order for side in sides for candidate, _ in _ranked(candidates, side)[: query.pool]}
    return [candidate for candidate in candidates if candidate.order in kept]


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


def _ranked(candidates: Sequence[Candidate], stage: str) -> list[tuple[Candidate, float]]:
    """(candidate, score) by that stage, best first; a tie goes to the earlier chunk."""
    scored = [(candidate, float(getattr(candidate.stages, stage))) for candidate in candidates]
    return sorted(scored, key=lambda pair: (-pair[1], pair[0].order))
