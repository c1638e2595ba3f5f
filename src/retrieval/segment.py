"""An immutable part of an index: passages with their vectors and their lexical index, in memory or on disk."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from src.embedding.base import Embedder
from src.errors import KnowledgeError
from src.knowledge.copies import copy_keys
from src.knowledge.split import SPLITTER_VERSION, sentence_spans, window_spans
from src.knowledge.types import Chunk, Document
from src.retrieval.lexical import LexicalIndex
from src.retrieval.manifest import damaged, read_manifest, write_directory
from src.retrieval.passages import Passage, Passages
from src.retrieval.types import Candidate, Query, Stages
from src.retrieval.vectors import VectorStore, build_vectors, load_vectors

# Called with (texts embedded so far, texts in all).
Progress = Callable[[int, int], None]

# A chunk has one vector for its title and one for each stretch of this many characters, and is as near
# as the nearest of them: recall@1 of the dense side alone is 12 points higher on DRCD than with one vector.
WINDOW_CHARS = 80
# A later chunk is indexed with its document's first sentence, which often names what the rest is about.
LEAD_CHARS = 80
EMBED_BATCH = 1024
_ARRAYS = ("windows", "files", "exact", "near", "documents")


@dataclass(frozen=True)
class Segment:
    """Any number of threads may search it.

    Attributes:
        passages: row i of every array and of ``lexical`` belongs to passage i.
        file_names: the files that passages came from.
        files: int32 (n,); row i came from ``file_names[files[i]]``.
        exact, near: uint64 (n,); the keys of ``copy_keys``, equal for copies.
        documents: uint64 (n,); one value a document id.
        windows: int64 (n + 1,); rows ``windows[i]:windows[i + 1]`` of ``vectors`` belong to passage i.
    """

    passages: Passages
    file_names: tuple[str, ...]
    files: np.ndarray
    exact: np.ndarray
    near: np.ndarray
    documents: np.ndarray
    windows: np.ndarray
    vectors: VectorStore
    lexical: LexicalIndex
    embedder: str
    fingerprint: str
    _orders: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def build(cls, passages: Sequence[Passage], embedder: Embedder, progress: Progress | None = None) -> "Segment":
        """Embed and index; at least one passage."""
        texts = [dense_texts(passage.chunk) for passage in passages]
        windows = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        vectors = embed([text for group in texts for text in group], embedder, progress)
        file_names = tuple(dict.fromkeys(passage.file for passage in passages))
        numbers = {name: number for number, name in enumerate(file_names)}
        keys = np.array([copy_keys(p.chunk.title, p.chunk.text) for p in passages], dtype=np.uint64)  # (n, 2)
        return cls(
            passages=Passages.of(passages),
            file_names=file_names,
            files=np.array([numbers[passage.file] for passage in passages], dtype=np.int32),
            exact=keys[:, 0],
            near=keys[:, 1],
            documents=np.array([document_key(p.chunk.doc_id) for p in passages], dtype=np.uint64),
            windows=windows,
            vectors=build_vectors(vectors),
            lexical=LexicalIndex.build(map(lexical_text, passages)),
            embedder=embedder.name,
            fingerprint=embedder.fingerprint,
        )

    @classmethod
    def merge(cls, parts: Sequence[tuple["Segment", np.ndarray | None]]) -> "Segment":
        """One segment of what is kept of several, in their order; nothing is embedded again.

        Args:
            parts: each with a mask bool (n,) of the passages to keep, or None for all; at least one is kept.
        """
        rows = [np.arange(len(s.passages)) if keep is None else np.flatnonzero(keep) for s, keep in parts]
        segments = [segment for segment, _ in parts]
        file_names = tuple(dict.fromkeys(name for segment in segments for name in segment.file_names))
        numbers = {name: number for number, name in enumerate(file_names)}
        renumbered = [np.array([numbers[n] for n in s.file_names], dtype=np.int32)[s.files] for s in segments]
        lengths = [np.diff(segment.windows)[kept] for segment, kept in zip(segments, rows, strict=True)]
        windows = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(lengths))])
        passages = Passages.from_lines(
            segment.passages.line(int(row)) for segment, kept in zip(segments, rows, strict=True) for row in kept
        )
        vectors = np.empty((int(windows[-1]), segments[0].vectors.dimension), dtype=np.float32)
        start = 0
        for segment, kept in zip(segments, rows, strict=True):
            for i in range(0, len(kept), EMBED_BATCH):
                wanted = segment.window_rows(kept[i : i + EMBED_BATCH])
                vectors[start : start + len(wanted)] = segment.vectors.vectors(wanted)
                start += len(wanted)
        return cls(
            passages=passages,
            file_names=file_names,
            files=np.concatenate([a[kept] for a, kept in zip(renumbered, rows, strict=True)]),
            exact=np.concatenate([s.exact[kept] for s, kept in zip(segments, rows, strict=True)]),
            near=np.concatenate([s.near[kept] for s, kept in zip(segments, rows, strict=True)]),
            documents=np.concatenate([s.documents[kept] for s, kept in zip(segments, rows, strict=True)]),
            windows=windows,
            vectors=build_vectors(vectors),
            lexical=LexicalIndex.build(map(lexical_text, passages)),
            embedder=segments[0].embedder,
            fingerprint=segments[0].fingerprint,
        )

    def save(self, directory: Path) -> None:
        """Write a new directory that ``load`` reads, whole or not at all.

        Raises:
            OSError, RuntimeError: no room or no permission (FAISS reports it as the second).
        """
        manifest = {
            "embedder": self.embedder,
            "fingerprint": self.fingerprint,
            "dimension": self.vectors.dimension,
            "metric": "inner_product",
            "vector_store": self.vectors.name,
            "splitter": SPLITTER_VERSION,
            "chunks": len(self.passages),
            "vectors": len(self.vectors),
            "file_names": list(self.file_names),
        }
        write_directory(directory, manifest, self._write)

    @classmethod
    def load(cls, directory: Path, *, verify: bool = False) -> "Segment":
        """Map a saved segment; ``verify`` reads every byte and compares checksums, else large files by size only.

        Raises:
            KnowledgeError: anything is missing, altered, inconsistent or of another version.
        """
        manifest = read_manifest(directory, verify=verify)
        try:
            passages = Passages.load(directory)
            arrays = {name: np.load(directory / f"{name}.npy", allow_pickle=False) for name in _ARRAYS}
            segment = cls(
                passages=passages,
                file_names=tuple(manifest["file_names"]),
                vectors=load_vectors(directory / "vectors"),
                lexical=LexicalIndex.load(directory / "lexical", len(passages)),
                embedder=manifest["embedder"],
                fingerprint=manifest["fingerprint"],
                **arrays,
            )
            segment._check(manifest)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise damaged(directory, str(error)) from error
        return segment

    def recall(self, query: Query, keep: np.ndarray | None, number: int) -> list[Candidate]:
        """The passages that the lexical and the dense side bring, each scored by both, in row order.

        Args:
            keep: bool (n,), the passages that may be found; None for all.
            number: this segment's place among those of its collection.
        """
        rows: set[int] = set()
        if query.mode != "dense":
            for wording in query.wordings:
                rows.update(self.lexical.top(wording.weights, query.pool, keep, query.average)[0].tolist())
        if query.vector is not None:
            rows.update(self.nearest(query.vector, query.pool, keep).tolist())
        found = np.array(sorted(rows), dtype=np.int64)
        lexical = _rounded(self.lexical_scores(query, found))
        dense = None if query.vector is None else _rounded(self.dense_scores(query.vector, found))
        return [
            Candidate(
                self.passages[row].chunk,
                (number, row),
                Stages(lexical=float(lexical[i]), dense=None if dense is None else float(dense[i])),
            )
            for i, row in enumerate(found.tolist())
        ]

    def lexical_scores(self, query: Query, rows: np.ndarray) -> np.ndarray:
        """Passages (n,) -> float32 (n,) in [0, 1]: by the wording that suits each best, never by their sum."""
        scores = [
            np.float32(w.factor) * self.lexical.scores_at(w.weights, rows, query.average) for w in query.wordings
        ]
        return np.asarray(np.max(scores, axis=0), dtype=np.float32)

    def nearest(self, vector: np.ndarray, count: int, keep: np.ndarray | None = None) -> np.ndarray:
        """Query (dimension,) -> rows of the nearest passages, int64 (at most count,), best first."""
        allowed = None if keep is None else np.repeat(keep, np.diff(self.windows))  # (vectors,)
        wanted = count * 4
        while True:
            found = self.vectors.search(vector, wanted, allowed)
            owners = np.searchsorted(self.windows, found, side="right") - 1
            rows = np.fromiter(dict.fromkeys(owners.tolist()), dtype=np.int64)
            if len(rows) >= count or wanted >= len(self.vectors):
                return rows[:count]
            wanted *= 2

    def dense_scores(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Query (dimension,), passages (n,) -> float32 (n,) in [0, 1]: the cosine of the nearest window."""
        if len(rows) == 0:
            return np.zeros(0, dtype=np.float32)
        lengths = self.windows[rows + 1] - self.windows[rows]
        cosines = self.vectors.scores(vector, self.window_rows(rows))
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        return np.asarray(np.clip(np.maximum.reduceat(cosines, starts), 0, 1))

    def rows_with(self, column: str, values: np.ndarray) -> np.ndarray:
        """The rows whose ``column`` ("exact", "near" or "documents") is one of ``values`` (uint64)."""
        order = self._orders.get(column)
        if order is None:
            order = self._orders[column] = np.argsort(getattr(self, column), kind="stable")
        ordered = getattr(self, column)[order]  # a copy of 8 bytes a passage, made in milliseconds
        starts, ends = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
        return np.concatenate([order[start:end] for start, end in zip(starts, ends, strict=True)] or [order[:0]])

    @property
    def nbytes(self) -> int:
        """Size of text, vectors and lexical arrays in bytes."""
        return self.passages.nbytes + self.vectors.nbytes + self.lexical.nbytes

    def window_rows(self, rows: np.ndarray) -> np.ndarray:
        """Passages (n,) -> the rows of their vectors, int64, one passage after the other."""
        lengths = self.windows[rows + 1] - self.windows[rows]
        first = np.repeat(self.windows[rows] - np.cumsum(lengths) + lengths, lengths)
        return np.asarray(first + np.arange(len(first)), dtype=np.int64)

    def _write(self, directory: Path) -> None:
        self.passages.save(directory)
        for name in _ARRAYS:
            np.save(directory / f"{name}.npy", getattr(self, name), allow_pickle=False)
        self.vectors.save(directory / "vectors")
        self.lexical.save(directory / "lexical")

    def _check(self, manifest: dict[str, object]) -> None:
        count = len(self.passages)
        came = (count, len(self.vectors), self.vectors.dimension, SPLITTER_VERSION)
        expected = tuple(manifest[name] for name in ("chunks", "vectors", "dimension", "splitter"))
        if came != expected:
            raise ValueError(f"{came} instead of {expected}")
        if any(len(array) != count for array in (self.files, self.exact, self.near, self.documents)):
            raise ValueError("arrays do not fit the passages")
        if self.files.min() < 0 or self.files.max() >= len(self.file_names):
            raise ValueError("files do not fit their names")
        fits = self.windows.shape == (count + 1,) and self.windows[0] == 0 and self.windows[-1] == len(self.vectors)
        if not fits or np.diff(self.windows).min() < 1:
            raise ValueError("windows do not fit the vectors")


def document_key(doc_id: str) -> int:
    """64 bits for a document id."""
    digest = hashlib.blake2b(doc_id.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def lead_of(document: Document) -> str:
    """The first sentence, if it is short enough to be about the whole."""
    start, end = next(iter(sentence_spans(document.text)), (0, 0))
    return document.text[start:end] if end - start <= LEAD_CHARS else ""


def check_embedder(name: str, fingerprint: str, embedder: Embedder) -> None:
    """Raises KnowledgeError: what was indexed with another embedder cannot be searched with this one."""
    if fingerprint != embedder.fingerprint:
        raise KnowledgeError(
            f"索引是用 {name} 建的，与现在的向量模型 {embedder.name} 不是同一个；请运行 python -m src index --rebuild 重建"
        )


def _rounded(scores: np.ndarray) -> np.ndarray:
    """float64 at six places: what differs only by the order of additions is a tie."""
    return np.round(scores.astype(np.float64), 6)


def dense_texts(chunk: Chunk) -> list[str]:
    """What a passage's vectors are made of: its title, if it has one, and stretches of its text."""
    spans = window_spans(chunk.text, WINDOW_CHARS, overlap=False)
    return [*([chunk.title] if chunk.title else []), *(chunk.text[start:end] for start, end in spans)]


def lexical_text(passage: Passage) -> str:
    """What of a passage the lexical side counts."""
    return "\n".join(part for part in (passage.chunk.title, passage.lead, passage.chunk.text) if part)


def embed(texts: Sequence[str], embedder: Embedder, progress: Progress | None) -> np.ndarray:
    """Vectors float32 (len(texts), dimension), embedded in batches."""
    vectors = np.zeros((len(texts), embedder.dimension), dtype=np.float32)
    for start, end in _batches(len(texts)):
        vectors[start:end] = embedder.encode(texts[start:end])
        if progress is not None:
            progress(end, len(texts))
    return vectors


def _batches(total: int) -> Iterator[tuple[int, int]]:
    for start in range(0, total, EMBED_BATCH):
        yield start, min(start + EMBED_BATCH, total)
