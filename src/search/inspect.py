"""Looks into a knowledge base: its chunks page by page, one chunk with its neighbours, how long they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from src.errors import InputError
from src.ingest.types import Chunk
from src.search.knowledge_base import KnowledgeBase
from src.search.rows import StoredChunk
from src.search.store import Shown

# Reading this many takes half a second; a look at a larger base goes on where the last one ended.
SCAN_CHUNKS = 50_000
PAGE_ROWS = 20


@dataclass(frozen=True)
class Neighbours:
    """A chunk; those before and after it in its document; the nearest others with their cosine, best first."""

    chunk: StoredChunk
    previous: StoredChunk | None
    following: StoredChunk | None
    nearest: tuple[tuple[StoredChunk, float], ...]


@dataclass(frozen=True)
class Look:
    """One look through the chunks.

    Attributes:
        rows: (number from 1, chunk) of the first ``PAGE_ROWS`` found; the number is its place among all.
        start, end: chunks ``start`` to ``end`` (from 0, exclusive) were read.
        found: how many of those match.
        following: where the next page starts; None where this one holds the last.
        total: chunks of the file asked for, or of all.
    """

    rows: tuple[tuple[int, StoredChunk], ...]
    start: int
    end: int
    found: int
    following: int | None
    total: int


@dataclass(frozen=True)
class Lengths:
    """Characters of chunks, int64 (n,), of ``total``: all of them, or as many taken at even distances."""

    characters: np.ndarray
    total: int


def mean_vectors(base: KnowledgeBase, chunks: Sequence[StoredChunk]) -> np.ndarray:
    """Chunks (n,) -> float32 (n, dimension), normalised: the mean of each one's windows."""
    windows = base.store.windows([stored.id for stored in chunks])
    means = np.zeros((len(chunks), base.embedder.dimension), dtype=np.float32)
    for row, stored in enumerate(chunks):
        if stored.id in windows:  # it may have gone meanwhile
            means[row] = windows[stored.id].mean(axis=0)
    return np.asarray(means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def neighbours(base: KnowledgeBase, chunk_id: str, count: int = 5) -> Neighbours:
    """The chunk, its document's chunks before and after it, and the ``count`` nearest ones of the base.

    A chunk is as near as the nearest of its windows to the mean of this one's.

    Raises:
        InputError: there is no such chunk (any more).
    """
    of_document = base.store.document(chunk_id.rpartition("#")[0])
    at = next((i for i, stored in enumerate(of_document) if stored.chunk.chunk_id == chunk_id), None)
    if at is None:
        raise InputError("这一段已经不在索引里了；请重新筛选")
    return Neighbours(
        of_document[at],
        of_document[at - 1] if at else None,
        of_document[at + 1] if at + 1 < len(of_document) else None,
        tuple(_nearest(base, of_document[at], count)),
    )


def look(base: KnowledgeBase, text: str = "", file: str | None = None, start: int = 0, shown: Shown = "on") -> Look:
    """The chunks from number ``start`` that hold ``text`` (in title or text, whatever the case) and are of ``file``.

    Without ``text`` only the page's own chunks are read, else at most ``SCAN_CHUNKS``.
    """
    wanted = text.strip().casefold()
    total = base.store.count(file, shown)
    start = min(max(0, start), total)
    read = base.store.page(start, SCAN_CHUNKS if wanted else PAGE_ROWS, file, shown)
    end = start + len(read)
    rows: list[tuple[int, StoredChunk]] = []
    found = 0
    following = end if end < total else None
    for number, stored in enumerate(read, start + 1):
        if holds(stored.chunk, wanted):
            found += 1
            if found == PAGE_ROWS + 1:
                following = number - 1
            if found <= PAGE_ROWS:
                rows.append((number, stored))
    return Look(tuple(rows), start, end, found, following, total)


def every(
    base: KnowledgeBase, text: str = "", file: str | None = None, shown: Shown = "on"
) -> Iterator[StoredChunk]:
    """All chunks that ``look`` would show, page after page, read as they are asked for."""
    wanted = text.strip().casefold()
    return (stored for stored in base.store.chunks(file, shown) if holds(stored.chunk, wanted))


def holds(chunk: Chunk, wanted: str) -> bool:
    """Whether title or text have ``wanted`` (case folded) in them."""
    return not wanted or wanted in chunk.text.casefold() or wanted in chunk.title.casefold()


def lengths(base: KnowledgeBase, limit: int = SCAN_CHUNKS) -> Lengths:
    """How many characters the chunks have; above ``limit``, of a sample."""
    characters = [len(stored.chunk.text) for stored in base.store.sample(limit)]
    return Lengths(np.array(characters, dtype=np.int64), len(base))


def _nearest(base: KnowledgeBase, stored: StoredChunk, count: int) -> list[tuple[StoredChunk, float]]:
    vector = mean_vectors(base, [stored])[0]
    cosines: dict[int, float] = {}
    for index in base.snapshot().parts:
        rows = index.by_meaning(vector, count + 1)
        cosines |= zip(index.ids[rows].tolist(), np.clip(index.cosines(vector, rows), 0, 1).tolist(), strict=True)
    cosines.pop(stored.id, None)
    found = base.store.get(cosines).values()
    best = sorted(((other, cosines[other.id]) for other in found), key=lambda pair: (-pair[1], pair[0].order))
    return best[:count]
