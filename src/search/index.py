"""The index: bm25s and FAISS over the chunks of one generation of a store. It only proposes; nothing is scored here."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bm25s
import numpy as np

from src.ingest.split import sentence_spans, window_spans
from src.ingest.types import Chunk, Document
from src.models.embedders.base import Embedder
from src.search.database import damaged
from src.search.rows import Indexable, NewChunk, StoredChunk
from src.search.terms import text_terms
from src.search.types import Background
from src.search.vectors import FaissFlat, build_vectors, load_vectors

# Called with (texts embedded so far, texts in all).
Progress = Callable[[int, int], None]

# A chunk has one vector for its title and one for each stretch of this many characters, and is as near
# as the nearest of them: recall@1 of the dense side alone is 12 points higher on DRCD than with one vector.
WINDOW_CHARS = 80
# A later chunk is indexed with its document's first sentence, which often names what the rest is about.
LEAD_CHARS = 80
EMBED_BATCH = 1024
K1, B = 1.5, 0.75
# A background is measured of so many chunks at most and at least: of fewer, too many pairs have to do with each other.
BACKGROUND_CHUNKS, MIN_BACKGROUND, QUESTION_CHARS = 128, 64, 16
# Of a question's terms, so many are asked at least, and more while all together stand in so many chunks: below some
# 50,000 chunks that is all of them.
MIN_TERMS, MAX_POSTINGS = 4, 1_000_000
MANIFEST = "manifest.json"
_ARRAYS = ("ids", "windows", "vocabulary")
_BLOCK = 256


@dataclass(frozen=True)
class Index:
    """Immutable; any number of threads may search it.

    Attributes:
        ids: int64 (n,), ascending; row i of every array belongs to the chunk ``ids[i]`` of the store.
        last_id: the greatest id that was given when it was built; chunks with higher ones are newer.
        windows: int64 (n + 1,); rows ``windows[i]:windows[i + 1]`` of ``vectors`` belong to chunk i.
        vocabulary: int32 (v,), ascending; the number that the store gives term i of ``lexical``.
        tokens: index terms of all chunks together, repeated ones counted again.
        keep, keep_windows: bool (n,) and (windows,), what may be proposed; None for all.
    """

    ids: np.ndarray
    last_id: int
    windows: np.ndarray
    vectors: FaissFlat
    vocabulary: np.ndarray
    lexical: bm25s.BM25
    tokens: int
    keep: np.ndarray | None = None
    keep_windows: np.ndarray | None = None

    @classmethod
    def build(cls, rows: Iterable[Indexable], dimension: int, last_id: int) -> "Index":
        """From rows with ascending ids; they are read once."""
        ids: list[int] = []
        tokens: list[np.ndarray] = [np.zeros(0, np.int32)]
        vectors: list[np.ndarray] = [np.zeros((0, dimension), np.float16)]
        for row in rows:
            ids.append(row.id)
            tokens.append(row.tokens)
            vectors.append(row.windows)
        windows = np.cumsum([0, *map(len, vectors[1:])], dtype=np.int64)
        flat = np.concatenate(tokens)
        vocabulary = np.flatnonzero(np.bincount(flat)).astype(np.int32)
        lexical = bm25s.BM25(k1=K1, b=B, method="lucene")
        lexical.nonoccurrence_array = None  # which this method has none of
        lexical.scores = _matrix(flat, [len(part) for part in tokens[1:]], vocabulary)
        del tokens
        store = build_vectors(np.concatenate(vectors))
        return cls(np.array(ids, np.int64), last_id, windows, store, vocabulary, lexical, len(flat))

    def __len__(self) -> int:
        """Chunks that may be proposed."""
        return len(self.ids) if self.keep is None else int(np.count_nonzero(self.keep))

    def without(self, gone: np.ndarray) -> "Index":
        """The same index, which proposes none of the ids ``gone``."""
        keep = ~np.isin(self.ids, gone)
        if keep.all():
            return replace(self, keep=None, keep_windows=None)
        return replace(self, keep=keep, keep_windows=np.repeat(keep, np.diff(self.windows)))

    def by_words(self, numbers: Sequence[int], count: int) -> np.ndarray:
        """The rows that BM25 ranks first, int64 (at most count,), best first; none without a term in common."""
        places, known = self._places(numbers)
        if not known.any() or count <= 0:
            return np.zeros(0, np.int64)
        # The rarest first: common ones hardly change what is proposed, and scoring counts them all.
        frequencies = self.frequencies(numbers)[known]
        rarest = np.argsort(frequencies, kind="stable")
        asked = rarest[: max(MIN_TERMS, np.searchsorted(np.cumsum(frequencies[rarest]), MAX_POSTINGS))]
        scores = self.lexical.get_scores_from_ids(places[known][asked])  # (n,)
        if self.keep is not None:
            scores[~self.keep] = 0
        return _best(scores, count)

    def by_meaning(self, vector: np.ndarray, count: int) -> np.ndarray:
        """Query (dimension,) -> the rows with the nearest windows, int64 (at most count,), best first."""
        wanted = count * 4
        while True:
            found = self.vectors.search(vector, wanted, self.keep_windows)
            owners = np.searchsorted(self.windows, found, side="right") - 1
            rows = np.fromiter(dict.fromkeys(owners.tolist()), dtype=np.int64)
            if len(rows) >= count or wanted >= len(self.vectors):
                return rows[:count]
            wanted *= 2

    def cosines(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Query (dimension,), rows (n,) -> the cosine of each chunk's nearest window, float32 (n,)."""
        if not len(rows):
            return np.zeros(0, np.float32)
        lengths = self.windows[rows + 1] - self.windows[rows]
        cosines = self.vectors.scores(vector, self.window_rows(rows))
        return np.asarray(np.maximum.reduceat(cosines, np.cumsum(lengths) - lengths))

    def frequencies(self, numbers: Sequence[int]) -> np.ndarray:
        """Of each term, the number of chunks that have it (removed ones too, until the index is rebuilt)."""
        indptr = self.lexical.scores["indptr"]
        places, known = self._places(numbers)
        return np.where(known, indptr[places + 1] - indptr[places], 0)

    def window_rows(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n,) -> the rows of their vectors, int64, one chunk after the other."""
        lengths = self.windows[rows + 1] - self.windows[rows]
        first = np.repeat(self.windows[rows] - np.cumsum(lengths) + lengths, lengths)
        return np.asarray(first + np.arange(len(first)), dtype=np.int64)

    @property
    def nbytes(self) -> int:
        """Size of vectors and postings in bytes."""
        scores = self.lexical.scores
        return self.vectors.nbytes + sum(int(scores[name].nbytes) for name in ("data", "indices", "indptr"))

    def _places(self, numbers: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Where terms stand in the vocabulary, and whether they do."""
        wanted = np.asarray(numbers, dtype=np.int32)
        if not len(self.vocabulary):
            return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
        places = np.minimum(np.searchsorted(self.vocabulary, wanted), len(self.vocabulary) - 1)
        return places, self.vocabulary[places] == wanted

    # On disk

    def save(self, directory: Path) -> None:
        """Write a new directory that ``load`` reads, whole or not at all.

        Raises:
            OSError, RuntimeError: no room or no permission (FAISS reports it as the second).
        """
        work = Path(tempfile.mkdtemp(prefix=f"{directory.name}.tmp-", dir=directory.parent))
        try:
            for name in _ARRAYS:
                np.save(work / f"{name}.npy", getattr(self, name), allow_pickle=False)
            self.vectors.save(work / "vectors")
            self.lexical.vocab_dict = {}
            self.lexical.save(work / "lexical", show_progress=False)
            files = {path.relative_to(work).as_posix(): path.stat().st_size for path in _files(work)}
            digests = {name: _digest(work / name) for name in files}
            body = {"last_id": self.last_id, "tokens": self.tokens, "bytes": files, "sha256": digests}
            (work / MANIFEST).write_text(json.dumps(body, indent=1), "utf-8")
            for path in [*_files(work), work / MANIFEST]:
                with path.open("rb+") as stream:
                    os.fsync(stream.fileno())
            os.rename(work, directory)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    @classmethod
    def load(cls, directory: Path, *, verify: bool = False) -> "Index":
        """Map what ``save`` wrote; ``verify`` reads every byte and compares checksums, else files by size only.

        Raises:
            KnowledgeError: something is missing, altered or cut short.
        """
        try:
            manifest = json.loads((directory / MANIFEST).read_text("utf-8"))
            for name, size in manifest["bytes"].items():
                if (directory / name).stat().st_size != size:
                    raise damaged(directory, f"{name} 的大小不符")
                if verify and _digest(directory / name) != manifest["sha256"][name]:
                    raise damaged(directory, f"{name} 的校验和不符")
            arrays: dict[str, Any] = {name: np.load(directory / f"{name}.npy") for name in _ARRAYS}
            return cls(
                **arrays,
                last_id=manifest["last_id"],
                tokens=manifest["tokens"],
                lexical=bm25s.BM25.load(directory / "lexical", mmap=True, load_vocab=False, show_progress=False),
                vectors=load_vectors(directory / "vectors"),
            )
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise damaged(directory, str(error)) from error


def _matrix(tokens: np.ndarray, lengths: Sequence[int], vocabulary: np.ndarray) -> dict[str, Any]:
    """BM25 (Lucene's) of every term in every text, by term, as ``bm25s.BM25.build_index_from_ids`` gives it.

    That one goes through the texts in Python, which takes several times as long.
    """
    size = len(lengths)
    rows = np.repeat(np.arange(size), lengths)
    keys, counts = np.unique(np.searchsorted(vocabulary, tokens) << 32 | rows, return_counts=True)
    terms, rows = keys >> 32, (keys & 0xFFFFFFFF).astype(np.int32)
    del keys
    frequencies = np.bincount(terms, minlength=max(1, len(vocabulary)))
    idf = np.log(1 + (size - frequencies + 0.5) / (frequencies + 0.5)).astype(np.float32)
    norms = (K1 * (1 - B + B * np.array(lengths) / max(1.0, len(tokens) / max(1, size)))).astype(np.float32)
    shares = counts.astype(np.float32)
    shares /= shares + norms[rows]
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(frequencies)])
    return {"data": idf[terms] * shares, "indices": rows, "indptr": indptr, "num_docs": size}


def _best(scores: np.ndarray, count: int) -> np.ndarray:
    """Rows of the ``count`` greatest scores above 0, best first, the earlier row first among equals.

    So many blocks have a score of at least ``bar`` that no row below it is wanted: sorting all of a million scores
    would take longer than adding them up.
    """
    whole = len(scores) // _BLOCK * _BLOCK
    highest = scores[:whole].reshape(-1, _BLOCK).max(axis=1)
    bar = np.partition(highest, -count)[-count] if len(highest) >= count else 0
    rows = np.flatnonzero(scores >= bar) if bar > 0 else np.flatnonzero(scores)
    return rows[np.lexsort((rows, -scores[rows]))[:count]]


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file() and path.name != MANIFEST)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def lead_of(document: Document) -> str:
    """The first sentence, if it is short enough to be about the whole."""
    start, end = next(iter(sentence_spans(document.text)), (0, 0))
    return document.text[start:end] if end - start <= LEAD_CHARS else ""


def dense_texts(chunk: Chunk) -> list[str]:
    """What a chunk's vectors are made of: its title, if it has one, and stretches of its text."""
    spans = window_spans(chunk.text, WINDOW_CHARS, overlap=False)
    return [*([chunk.title] if chunk.title else []), *(chunk.text[start:end] for start, end in spans)]


def embed(chunks: Sequence[Chunk], embedder: Embedder, progress: Progress | None = None) -> list[np.ndarray]:
    """The vectors of each chunk's windows, float32 (windows, dimension), embedded in batches."""
    texts = [dense_texts(chunk) for chunk in chunks]
    flat = [text for group in texts for text in group]
    vectors = np.zeros((len(flat), embedder.dimension), dtype=np.float32)
    for start in range(0, len(flat), EMBED_BATCH):
        vectors[start : start + EMBED_BATCH] = embedder.encode(flat[start : start + EMBED_BATCH])
        if progress is not None:
            progress(min(start + EMBED_BATCH, len(flat)), len(flat))
    return np.split(vectors, np.cumsum([len(group) for group in texts])[:-1]) if texts else []


def prepared(chunks: Sequence[StoredChunk], embedder: Embedder, progress: Progress | None = None) -> list[NewChunk]:
    """Chunks with their index terms and the vectors of their windows."""
    vectors = embed([stored.chunk for stored in chunks], embedder, progress)
    terms = (text_terms(stored.index_text) for stored in chunks)
    return list(map(NewChunk, chunks, terms, vectors))


def measured(texts: Sequence[str], vectors: Sequence[np.ndarray], embedder: Embedder) -> Background | None:
    """The background of chunks, each with the vector of one window: cosines between the beginnings of some, which are
    short as questions are, and windows of others."""
    spans = [window_spans(text, QUESTION_CHARS, overlap=False)[:1] for text in texts]
    beginnings = [text[start:end] for text, found in zip(texts, spans, strict=True) for start, end in found]
    if len(beginnings) < max(MIN_BACKGROUND, len(texts)):
        return None
    cosines = embedder.encode_queries(beginnings) @ np.stack(vectors).T
    foreign = cosines[~np.eye(len(texts)).astype(bool)]
    return Background(float(foreign.mean()), max(float(foreign.std()), 1e-6))
