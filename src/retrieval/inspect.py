"""Looks into a knowledge base: its passages page by page, one passage with its neighbours, how long they are."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from src.errors import InputError
from src.knowledge.types import Chunk
from src.retrieval.knowledge_base import KnowledgeBase, Part
from src.retrieval.passages import Passage
from src.retrieval.segment import document_key

# Reading this many takes half a second; a look at a larger base goes on where the last one ended.
SCAN_PASSAGES = 50_000
PAGE_ROWS = 20


@dataclass(frozen=True)
class Place:
    """Where a passage lies: row ``row`` of a segment."""

    part: Part
    row: int

    @property
    def passage(self) -> Passage:
        return self.part.segment.passages[self.row]

    @property
    def vector(self) -> np.ndarray:
        """Float32 (dimension,), normalised: the mean of the passage's windows."""
        return np.asarray(mean_vectors(self.part, np.array([self.row]))[0])


@dataclass(frozen=True)
class Neighbours:
    """A passage; those before and after it in its document; the nearest others with their cosine, best first."""

    passage: Passage
    previous: Passage | None
    following: Passage | None
    nearest: tuple[tuple[Passage, float], ...]


@dataclass(frozen=True)
class Look:
    """What one look through the passages found.

    Attributes:
        rows: (number from 1, passage) of the first ``PAGE_ROWS`` found; the number is its place among all.
        start, end: passages ``start`` to ``end`` (from 0, exclusive) were read.
        found: how many of those match.
        following: where the next page starts; None where this one holds the last.
        total: passages of the file asked for, or of all.
    """

    rows: tuple[tuple[int, Passage], ...]
    start: int
    end: int
    found: int
    following: int | None
    total: int


@dataclass(frozen=True)
class Lengths:
    """Characters of passages, int64 (n,), of ``total``: all of them, or as many taken at even distances."""

    characters: np.ndarray
    total: int


def rows_of(part: Part, file: str | None = None) -> np.ndarray:
    """The rows that can be found, int64 in order; of one file, if given."""
    segment = part.segment
    kept = np.ones(len(segment.passages), dtype=bool) if part.keep is None else part.keep
    if file is not None:
        numbers = [number for number, name in enumerate(segment.file_names) if name == file]
        kept = kept & np.isin(segment.files, numbers)
    return np.flatnonzero(kept)


def sample(base: KnowledgeBase, limit: int) -> list[tuple[Part, np.ndarray]]:
    """Passages at even distances over all that can be found, at most ``limit``: rows of each part that has any."""
    parts = [(part, rows_of(part)) for part in base.parts()]
    total = sum(len(rows) for _, rows in parts)
    wanted = np.arange(total) if total <= limit else np.arange(limit) * total // limit
    chosen, start = [], 0
    for part, rows in parts:
        here = wanted[(wanted >= start) & (wanted < start + len(rows))] - start
        start += len(rows)
        if len(here):
            chosen.append((part, rows[here]))
    return chosen


def mean_vectors(part: Part, rows: np.ndarray) -> np.ndarray:
    """Passages (n,) -> float32 (n, dimension), normalised: the mean of each passage's windows."""
    segment = part.segment
    lengths = segment.windows[rows + 1] - segment.windows[rows]
    windows = segment.vectors.vectors(segment.window_rows(rows))
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    means = np.add.reduceat(windows, starts, axis=0) / lengths[:, None]  # (n, dimension)
    return np.asarray(means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def find(base: KnowledgeBase, chunk_id: str) -> Place | None:
    """The passage of that id, if it can be found."""
    return next((place for place in _document(base, chunk_id) if place.passage.chunk.chunk_id == chunk_id), None)


def neighbours(base: KnowledgeBase, chunk_id: str, count: int = 5) -> Neighbours:
    """The passage, its document's passages before and after it, and the ``count`` nearest ones of the base.

    A passage is as near as the nearest of its windows to the mean of this one's.

    Raises:
        InputError: there is no such passage (any more).
    """
    place = find(base, chunk_id)
    if place is None:
        raise InputError("这一段已经不在索引里了；请重新筛选")
    of_document = sorted(
        (other.passage for other in _document(base, chunk_id)), key=lambda p: (p.chunk.start, p.chunk.end)
    )
    at = next(i for i, passage in enumerate(of_document) if passage.chunk.chunk_id == chunk_id)
    return Neighbours(
        of_document[at],
        of_document[at - 1] if at else None,
        of_document[at + 1] if at + 1 < len(of_document) else None,
        tuple(_nearest(base, place, count)),
    )


def look(base: KnowledgeBase, text: str = "", file: str | None = None, start: int = 0) -> Look:
    """The passages from number ``start`` that hold ``text`` (in title or text, whatever the case) and are of ``file``.

    Without ``text`` only the page's own passages are read, else at most ``SCAN_PASSAGES``.
    """
    wanted = text.strip().casefold()
    parts = [(part, rows_of(part, file)) for part in base.parts()]
    total = sum(len(rows) for _, rows in parts)
    start = min(max(0, start), total)
    if not wanted:
        end = min(start + PAGE_ROWS, total)
        listed = tuple(enumerate(_from(parts, start, end), start + 1))
        return Look(listed, start, end, end - start, end if end < total else None, total)
    end = min(start + SCAN_PASSAGES, total)
    rows: list[tuple[int, Passage]] = []
    found = 0
    following = end if end < total else None
    for number, passage in enumerate(_from(parts, start, end), start + 1):
        if holds(passage.chunk, wanted):
            found += 1
            if found == PAGE_ROWS + 1:
                following = number - 1
            if found <= PAGE_ROWS:
                rows.append((number, passage))
    return Look(tuple(rows), start, end, found, following, total)


def every(base: KnowledgeBase, text: str = "", file: str | None = None) -> Iterator[Passage]:
    """All passages that ``look`` would show, page after page, read as they are asked for."""
    wanted = text.strip().casefold()
    for part in base.parts():
        for row in rows_of(part, file).tolist():
            passage = part.segment.passages[row]
            if holds(passage.chunk, wanted):
                yield passage


def holds(chunk: Chunk, wanted: str) -> bool:
    """Whether title or text have ``wanted`` (case folded) in them."""
    return not wanted or wanted in chunk.text.casefold() or wanted in chunk.title.casefold()


def lengths(base: KnowledgeBase, limit: int = SCAN_PASSAGES) -> Lengths:
    """How many characters the passages have; above ``limit``, of a sample."""
    chosen = sample(base, limit)
    characters = [len(part.segment.passages[row].chunk.text) for part, rows in chosen for row in rows.tolist()]
    return Lengths(np.array(characters, dtype=np.int64), len(base))


def _from(parts: list[tuple[Part, np.ndarray]], start: int, end: int) -> Iterator[Passage]:
    """Passages ``start`` to ``end`` of all parts' rows, counted through."""
    for part, rows in parts:
        for row in rows[max(0, start) : max(0, end)].tolist():
            yield part.segment.passages[row]
        start, end = start - len(rows), end - len(rows)


def _document(base: KnowledgeBase, chunk_id: str) -> Iterator[Place]:
    """The passages of the document that ``chunk_id`` belongs to."""
    doc_id = chunk_id.rpartition("#")[0]
    key = np.array([document_key(doc_id)], dtype=np.uint64)
    for part in base.parts():
        for row in part.segment.rows_with("documents", key).tolist():
            place = Place(part, row)
            if (part.keep is None or part.keep[row]) and place.passage.chunk.doc_id == doc_id:
                yield place


def _nearest(base: KnowledgeBase, place: Place, count: int) -> list[tuple[Passage, float]]:
    vector = place.vector
    found: list[tuple[float, int, int, Part]] = []
    for number, part in enumerate(base.parts()):
        rows = part.segment.nearest(vector, count + 1, part.keep)
        same = part.name == place.part.name
        scores = part.segment.dense_scores(vector, rows)
        found += [
            (-float(score), number, row, part)
            for row, score in zip(rows.tolist(), scores, strict=True)
            if not (same and row == place.row)
        ]
    return [
        (part.segment.passages[row], -score) for score, _, row, part in sorted(found, key=lambda f: f[:3])[:count]
    ]
