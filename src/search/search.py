"""A question to ranked chunks: query variants, proposals of every collection, one scoring."""

from collections.abc import Sequence
from typing import cast, get_args

import numpy as np

from src.errors import InputError
from src.ingest.clean import clean
from src.models.embedders.base import Embedder
from src.search.courtesy import without_courtesy
from src.search.explain import Explanation, explanation
from src.search.features import NAMES as WORD_FEATURES
from src.search.features import word_features
from src.search.score import LinearReranker, Reranker, background_of, calibrated, ranked, score, term_weights
from src.search.synonyms import Lexicon, default_lexicon
from src.search.terms import query_terms
from src.search.types import Candidate, Collection, Hit, Mode, Proposals, Query, Wording

MAX_QUERY_CHARS = 2_000
MAX_TOP_K = 100
# Of meaning beside words, where sentences are compared: it decides where words do not (an English question), more
# makes the choice worse (benchmarks/quotes.py).
MEANING = 0.1
# Candidates that each side brings, at least; the other side scores them too.
POOL = 50


class Retriever:
    """Searches one collection, and a session's own small one beside it. Holds no state between calls."""

    def __init__(
        self,
        base: Collection,
        embedder: Embedder,
        reranker: Reranker | None = None,
        lexicon: Lexicon | None = None,
    ) -> None:
        """``reranker`` orders what hybrid finds, ``lexicon`` knows other wordings; None: those that come with us."""
        self.base = base
        self.embedder = embedder
        self._reranker: Reranker = LinearReranker() if reranker is None else reranker
        self.lexicon = default_lexicon() if lexicon is None else lexicon

    def search(
        self, query: str, top_k: int = 10, mode: str = "hybrid", extra: Collection | None = None
    ) -> list[Hit]:
        """The best chunks, rank from 1, equal scores in document order (``extra`` after the base).

        hybrid is ordered by the reranker: its score is the probability that the chunk answers the question.
        hybrid and dense fill in both stages' scores; lexical does not embed, so ``dense`` stays None
        there, and chunks that share no term with the question are left out.

        Args:
            extra: a collection whose chunks compete in this call only; embedded with the same embedder.

        Raises:
            InputError: a query, top_k or mode that cannot be used.
        """
        text, kind, top_k = check_query(query), _check_mode(mode), check_top_k(top_k)
        asked = self._query(text, kind, max(POOL, 2 * top_k))
        candidates, _ = self._scored(asked, extra)
        best = ranked(candidates, "rerank" if kind == "hybrid" else kind)
        return [
            Hit(candidate.chunk, value, rank, candidate.stages, own=candidate.order[0] == 1)
            for rank, (candidate, value) in enumerate(best[:top_k], 1)
        ]

    def explain(
        self, query: str, mode: str = "hybrid", extra: Collection | None = None, pool: int = POOL
    ) -> Explanation:
        """What ``search`` finds, with the rank and score of every candidate in every stage; embeds once.

        Raises as ``search``.
        """
        asked = self._query(check_query(query), _check_mode(mode), pool)
        candidates, terms = self._scored(asked, extra)
        return explanation(asked, self.lexicon.variants(asked.text), terms, candidates)

    def suits(self, query: str, texts: Sequence[tuple[str, str]], extra: Collection | None = None) -> np.ndarray:
        """How well each of a few (subject, sentence) suits a question, float64 (texts,), to compare within one call.

        That is the share of the question's terms that both have, of the wording they suit best, and ``MEANING`` times
        the sentence's similarity. Raises as ``search``.
        """
        asked = self._query(check_query(query), "hybrid", 1)
        proposals = self._proposals(asked, extra)
        words = word_features(term_weights(asked, proposals), texts)
        factors = np.array([wording.factor for wording in asked.wordings])
        shares = (factors[:, None] * words[:, :, WORD_FEATURES.index("chunk")]).max(axis=0)
        cosines = self.embedder.encode([text for _, text in texts]) @ asked.vector
        return np.asarray(shares + MEANING * calibrated(cosines, background_of(proposals)), dtype=np.float64)

    def _query(self, asked: str, mode: Mode, pool: int) -> Query:
        text = without_courtesy(asked)
        wordings = tuple(Wording(tuple(query_terms(said)), factor) for said, factor in self.lexicon.wordings(text))
        vector = None if mode == "lexical" else self.embedder.encode_queries([text])[0]  # (d,)
        return Query(text, wordings, vector, mode, pool)

    def _proposals(self, query: Query, extra: Collection | None) -> list[Proposals]:
        return [collection.propose(query) for collection in (self.base, *([extra] if extra is not None else []))]

    def _scored(self, query: Query, extra: Collection | None) -> tuple[list[Candidate], dict[str, float]]:
        return score(query, self._proposals(query, extra), self._reranker, self.lexicon)


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
