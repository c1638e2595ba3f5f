"""What a search gives back."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from src.knowledge.types import Chunk

Mode = Literal["hybrid", "dense", "lexical"]


@dataclass(frozen=True)
class Stages:
    """A passage's score in every stage; None where the stage did not see it (or does not exist)."""

    lexical: float | None = None
    dense: float | None = None
    fused: float | None = None
    rerank: float | None = None


@dataclass(frozen=True)
class Hit:
    """A passage found, ``rank`` counted from 1, ``score`` in [0, 1]."""

    chunk: Chunk
    score: float
    rank: int
    stages: Stages

    def to_json(self) -> dict[str, Any]:
        """The ``Hit`` of DESIGN.md's endpoints."""
        chunk = self.chunk
        return {
            "rank": self.rank,
            "doc_id": chunk.doc_id,
            "chunk_id": chunk.chunk_id,
            "source": chunk.source,
            "title": chunk.title,
            "text": chunk.text,
            "start": chunk.start,
            "end": chunk.end,
            "score": round(self.score, 4),
            "stages": {k: None if v is None else round(v, 4) for k, v in asdict(self.stages).items()},
        }
