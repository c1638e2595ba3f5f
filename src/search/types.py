"""What a search asks of a collection, and what it gives back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np

from src.ingest.types import Chunk

Mode = Literal["hybrid", "dense", "lexical"]


@dataclass(frozen=True)
class Stages:
    """A chunk's score in every stage; None where the stage did not see it (or does not exist).

    ``read`` is the reader's probability that the chunk answers; a search alone does not read.
    """

    lexical: float | None = None
    dense: float | None = None
    fused: float | None = None
    rerank: float | None = None
    read: float | None = None


@dataclass(frozen=True)
class Hit:
    """A chunk found, ``rank`` counted from 1, ``score`` in [0, 1]; ``own`` where it is from the asker's documents."""

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
            "page": chunk.page,
            "own": self.own,
            "score": round(self.score, 4),
            "stages": {k: None if v is None else round(v, 4) for k, v in asdict(self.stages).items()},
        }


@dataclass(frozen=True)
class Wording:
    """A query variant: its index terms, and the factor in [0, 1] that scores by it get."""

    terms: tuple[str, ...]
    factor: float = 1.0


@dataclass(frozen=True)
class Query:
    """A question, made ready for recall.

    Attributes:
        wordings: as asked, then with other words for the same; a chunk counts by the one that suits it best.
        vector: float32 (dimension,), normalised; None in lexical mode.
        pool: how many chunks each side proposes at least.
    """

    text: str
    wordings: tuple[Wording, ...]
    vector: np.ndarray | None
    mode: Mode
    pool: int

    @property
    def terms(self) -> list[str]:
        """The terms of all wordings, each once."""
        return list(dict.fromkeys(term for wording in self.wordings for term in wording.terms))


@dataclass(frozen=True)
class Candidate:
    """A chunk on its way to becoming a hit; of equal scores the one with the lower ``order`` comes first.

    Attributes:
        lead, terms: its document's first sentence where that is indexed with it, and the number of its index terms.
    """

    chunk: Chunk
    order: tuple[int, ...]
    stages: Stages
    lead: str = ""
    terms: int = 0


@dataclass(frozen=True)
class Background:
    """Mean and standard deviation of the cosines between questions and chunks that have nothing to do with them."""

    mean: float
    std: float


@dataclass(frozen=True)
class Proposals:
    """What a collection has for a question.

    Attributes:
        candidates: with the cosine as their ``stages.dense``, where there is a vector.
        texts, terms: chunks of the collection, and all their index terms, repeated ones counted again.
        frequencies: how many of the chunks have each term of the question.
        background: of the collection's cosines; None where it has too few chunks to say.
    """

    candidates: list[Candidate]
    texts: int
    terms: int
    frequencies: Mapping[str, int]
    background: Background | None = None


class Collection(Protocol):
    """Chunks that can be searched: the knowledge base, a session's own documents, a Milvus collection."""

    def propose(self, query: Query) -> Proposals:
        """Chunks that may answer; scores are given by ``score.py`` alone."""
        ...
