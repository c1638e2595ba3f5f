"""What a search asks of a collection, and what it gives back."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np

from src.knowledge.types import Chunk

Mode = Literal["hybrid", "dense", "lexical"]


@dataclass(frozen=True)
class Stages:
    """A passage's score in every stage; None where the stage did not see it (or does not exist).

    ``read`` is the reader's probability that the passage answers; a search alone does not read.
    """

    lexical: float | None = None
    dense: float | None = None
    fused: float | None = None
    rerank: float | None = None
    read: float | None = None


@dataclass(frozen=True)
class Hit:
    """A passage found, ``rank`` counted from 1, ``score`` in [0, 1]; ``own`` where it is from the asker's documents."""

    chunk: Chunk
    score: float
    rank: int
    stages: Stages
    own: bool = False

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


@dataclass(frozen=True)
class Wording:
    """One way to put a question: its terms with their inverse document frequency over every collection that is
    searched, and the factor in [0, 1] that scores by it get."""

    weights: dict[str, float]
    factor: float = 1.0


@dataclass(frozen=True)
class Query:
    """A question, made ready for recall.

    Attributes:
        wordings: as asked, then with other words for the same; a passage counts by the one that suits it best.
        average: terms a text in all collections.
        vector: float32 (dimension,), normalised; None in lexical mode.
        pool: how many passages each side brings at least.
    """

    text: str
    wordings: tuple[Wording, ...]
    average: float
    vector: np.ndarray | None
    mode: Mode
    pool: int


@dataclass(frozen=True)
class Candidate:
    """A passage on its way to becoming a hit; of equal scores the one with the lower ``order`` comes first."""

    chunk: Chunk
    order: tuple[int, ...]
    stages: Stages


@dataclass(frozen=True)
class Counts:
    """What term weights are made of.

    Attributes:
        texts: how many there are.
        length: the terms of all texts together, repeated ones counted again.
        frequencies: how many texts hold each term that was asked for.
    """

    texts: int
    length: int
    frequencies: dict[str, int]


class Counted(Protocol):
    """Texts whose terms have been counted."""

    def count(self, terms: Iterable[str]) -> Counts:
        """Over all texts; deleted ones may still be counted until they are gone for good."""
        ...


class Collection(Counted, Protocol):
    """Passages that can be searched: the knowledge base, a session's own documents, a Milvus collection."""

    def recall(self, query: Query) -> list[Candidate]:
        """Passages that may answer, each with the score of every stage that ``query.mode`` needs."""
        ...
