"""Why a search found what it found: every candidate's rank and score in every stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from src.ingest.types import Chunk
from src.search.types import Candidate, Query, Stages

STAGES = ("lexical", "dense", "fused", "rerank")
# The stages that go through the whole index; the later ones see only what these bring.
_RECALL = ("lexical", "dense")


@dataclass(frozen=True)
class Explained:
    """One candidate.

    Attributes:
        rank, score: in the end, as in ``Hit``.
        ranks: its rank in each stage; None where the stage did not see it or was not asked, and in a stage of recall
            for score 0 and beyond the first ``pool``, since what lies between is not known.
        extra: it comes from the session's own documents.
    """

    chunk: Chunk
    rank: int
    score: float
    stages: Stages
    ranks: dict[str, int | None]
    extra: bool

    def to_json(self) -> dict[str, Any]:
        """One flat row, for a table or an export."""
        chunk = self.chunk
        row: dict[str, Any] = {"rank": self.rank, "score": round(self.score, 4)}
        for stage in STAGES:
            score = getattr(self.stages, stage)
            row |= {stage: None if score is None else round(score, 4), f"{stage}_rank": self.ranks[stage]}
        row["read"] = None if self.stages.read is None else round(self.stages.read, 4)
        row |= {name: getattr(chunk, name) for name in ("chunk_id", "doc_id", "source", "title", "start", "end")}
        return row | {"own_document": self.extra, "text": chunk.text}


@dataclass(frozen=True)
class Explanation:
    """A search and all its candidates, best first.

    Attributes:
        query: as it was searched for: terms, vector, mode, pool.
        variants: other words for the same that were searched for too.
        terms: of the question as asked, with their weights (inverse document frequency, doubled for words).
    """

    query: Query
    variants: tuple[str, ...]
    terms: Mapping[str, float]
    candidates: tuple[Explained, ...]

    def with_readings(self, read: Mapping[int, float]) -> "Explanation":
        """With the reader's probability of candidates, by rank."""
        candidates = (
            replace(one, stages=replace(one.stages, read=read[one.rank])) if one.rank in read else one
            for one in self.candidates
        )
        return replace(self, candidates=tuple(candidates))


def explanation(
    query: Query, variants: Sequence[str], terms: Mapping[str, float], candidates: Sequence[Candidate]
) -> Explanation:
    """Rank ``candidates`` in every stage; the last stage that scored them decides."""
    last = "rerank" if query.mode == "hybrid" else query.mode
    asked = STAGES if query.mode == "hybrid" else (query.mode,)
    ranks = {stage: _ranks(candidates, stage, query.pool) if stage in asked else {} for stage in STAGES}
    ordered = sorted(candidates, key=lambda c: (-_score(c, last), c.order))
    explained = tuple(
        Explained(
            one.chunk, rank, _score(one, last), one.stages,
            {stage: ranks[stage].get(one.order) for stage in STAGES}, one.order[0] == 1,
        )
        for rank, one in enumerate(ordered, 1)
    )  # fmt: skip
    return Explanation(query, tuple(variants), terms, explained)


def _score(candidate: Candidate, stage: str) -> float:
    return float(getattr(candidate.stages, stage) or 0.0)


def _ranks(candidates: Sequence[Candidate], stage: str, pool: int) -> dict[tuple[int, ...], int]:
    """By ``order``, which tells a session's passage from the base's of the same id."""
    recalled = stage in _RECALL
    scored = [c for c in candidates if (_score(c, stage) > 0 if recalled else getattr(c.stages, stage) is not None)]
    ordered = sorted(scored, key=lambda c: (-_score(c, stage), c.order))[: pool if recalled else None]
    return {candidate.order: rank for rank, candidate in enumerate(ordered, 1)}
