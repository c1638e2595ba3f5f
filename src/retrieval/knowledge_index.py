"""Chunks with their vectors and their lexical index: what a search needs, in memory and on disk."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from src.embedding.base import Embedder
from src.errors import KnowledgeError
from src.knowledge.copies import deduplicate
from src.knowledge.split import SPLITTER_VERSION, sentence_spans, split_document, window_spans
from src.knowledge.types import Chunk, Document
from src.retrieval.lexical import LexicalIndex
from src.retrieval.manifest import damaged, read_manifest, write_directory
from src.retrieval.vectors import FaissFlat, VectorStore

# Called with (texts embedded so far, texts in all).
Progress = Callable[[int, int], None]

# A chunk has one vector for its title and one for each stretch of this many characters, and is as near
# as the nearest of them: recall@1 of the dense side alone is 12 points higher on DRCD than with one vector.
WINDOW_CHARS = 80
# A later chunk is indexed with its document's first sentence, which often names what the rest is about.
LEAD_CHARS = 80
EMBED_BATCH = 512


@dataclass(frozen=True)
class IndexInfo:
    """What the index was made from and with; ``near_duplicates`` are among the ``duplicates``."""

    embedder: str
    fingerprint: str
    content_hash: str
    documents: int
    duplicates: int
    near_duplicates: int
    built_at: str


class KnowledgeIndex:
    """Immutable once made, so any number of threads may search it.

    Attributes:
        chunks: in document order; a chunk's position is its row in ``lexical``.
        windows: int64 (chunks + 1,); rows ``windows[i]:windows[i + 1]`` of ``vectors`` belong to chunk i.
    """

    def __init__(
        self,
        chunks: Sequence[Chunk],
        windows: np.ndarray,
        vectors: VectorStore,
        lexical: LexicalIndex,
        info: IndexInfo,
    ) -> None:
        self.chunks = chunks
        self.windows = windows
        self.vectors = vectors
        self.lexical = lexical
        self.info = info
        self._owners = np.repeat(np.arange(len(chunks)), np.diff(windows))  # (vectors,)

    @classmethod
    def build(
        cls, documents: Iterable[Document], embedder: Embedder, progress: Progress | None = None
    ) -> "KnowledgeIndex":
        """Split, remove copies, embed and index.

        Raises:
            KnowledgeError: no text at all, or two documents with one id.
        """
        documents = list(documents)
        _refuse_repeated_ids(documents)
        chunks, exact, near = deduplicate(chunk for document in documents for chunk in split_document(document))
        if not chunks:
            raise KnowledgeError("知识库里没有可用的文字；请检查知识文件")
        texts = [_dense_texts(chunk) for chunk in chunks]
        windows = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        vectors = _embed([text for group in texts for text in group], embedder, progress)
        leads = {document.doc_id: _lead(document) for document in documents}
        lexical = LexicalIndex.build([_lexical_text(chunk, leads[chunk.doc_id]) for chunk in chunks])
        info = IndexInfo(
            embedder=embedder.name,
            fingerprint=embedder.fingerprint,
            content_hash=content_hash(documents),
            documents=len(documents),
            duplicates=exact + near,
            near_duplicates=near,
            built_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        return cls(chunks, windows, FaissFlat.build(vectors), lexical, info)

    def save(self, directory: Path) -> None:
        """Write a directory that ``load`` reads, whole or not at all.

        Raises:
            OSError: no room or no permission.
        """
        manifest = {
            **asdict(self.info),
            "dimension": self.vectors.dimension,
            "metric": "inner_product",
            "vector_store": self.vectors.name,
            "splitter": SPLITTER_VERSION,
            "chunks": len(self.chunks),
            "vectors": len(self.vectors),
        }
        write_directory(directory, manifest, self._write)

    @classmethod
    def load(cls, directory: Path) -> "KnowledgeIndex":
        """Read and check a saved index.

        Raises:
            KnowledgeError: anything is missing, altered, inconsistent or of another version.
        """
        manifest = read_manifest(directory)
        try:
            lines = (directory / "chunks.jsonl").read_text("utf-8").split("\n")
            chunks = [Chunk(**json.loads(line)) for line in lines if line]
            windows = np.load(directory / "windows.npy", allow_pickle=False)
            vectors = FaissFlat.load(directory / "vectors.faiss")
            lexical = LexicalIndex.load(directory / "lexical", len(chunks))
            info = IndexInfo(**{name: manifest[name] for name in IndexInfo.__dataclass_fields__})
            _check_counts(manifest, len(chunks), windows, vectors)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise damaged(directory, str(error)) from error
        return cls(chunks, windows, vectors, lexical, info)

    def stats(self) -> dict[str, Any]:
        """Figures for the inspector; ``bytes`` counts vectors, lexical arrays and text in memory."""
        text_bytes = sum(len(chunk.text.encode("utf-8", "replace")) for chunk in self.chunks)
        return {
            "documents": self.info.documents,
            "chunks": len(self.chunks),
            "duplicates": self.info.duplicates,
            "near_duplicates": self.info.near_duplicates,
            "vectors": len(self.vectors),
            "dimension": self.vectors.dimension,
            "embedder": self.info.embedder,
            "vector_store": self.vectors.name,
            "bytes": self.vectors.nbytes + self.lexical.nbytes + text_bytes,
            "built_at": self.info.built_at,
            "splitter": SPLITTER_VERSION,
            "sources": dict(Counter(chunk.source for chunk in self.chunks)),
        }

    def nearest(self, vector: np.ndarray, count: int) -> np.ndarray:
        """Query (dimension,) -> positions of the nearest chunks, int64 (at most count,), best first."""
        rows_wanted = count * 4
        while True:
            rows = self.vectors.search(vector, rows_wanted)
            positions = np.fromiter(dict.fromkeys(self._owners[rows].tolist()), dtype=np.int64)
            if len(positions) >= count or rows_wanted >= len(self.vectors):
                return positions[:count]
            rows_wanted *= 2

    def dense_scores(self, vector: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Query (dimension,), chunks (n,) -> float32 (n,) in [0, 1]: the cosine of the nearest window."""
        spans = [np.arange(self.windows[i], self.windows[i + 1]) for i in positions]
        if not spans:
            return np.zeros(0, dtype=np.float32)
        cosines = self.vectors.scores(vector, np.concatenate(spans))
        starts = np.cumsum([0, *map(len, spans[:-1])])
        return np.clip(np.maximum.reduceat(cosines, starts), 0, 1)

    def _write(self, directory: Path) -> None:
        with (directory / "chunks.jsonl").open("w", encoding="utf-8", newline="\n") as stream:
            for chunk in self.chunks:
                stream.write(json.dumps(asdict(chunk), ensure_ascii=False) + "\n")
        np.save(directory / "windows.npy", self.windows, allow_pickle=False)
        self.vectors.save(directory / "vectors.faiss")
        self.lexical.save(directory / "lexical")


def content_hash(documents: Iterable[Document]) -> str:
    """sha256 over every field of every document, in order."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(json.dumps(asdict(document), sort_keys=True).encode("ascii") + b"\n")
    return digest.hexdigest()


def _refuse_repeated_ids(documents: Sequence[Document]) -> None:
    counts = Counter(document.doc_id for document in documents)
    if repeated := [doc_id for doc_id, count in counts.items() if count > 1]:
        raise KnowledgeError(f"文档 id {repeated[0]!r} 重复（同名文件？）；请改成不重复的 id 或文件名")


def _check_counts(manifest: dict[str, Any], chunks: int, windows: np.ndarray, vectors: VectorStore) -> None:
    came = (chunks, len(vectors), vectors.dimension, SPLITTER_VERSION)
    expected = tuple(manifest[name] for name in ("chunks", "vectors", "dimension", "splitter"))
    if came != expected:
        raise ValueError(f"{came} instead of {expected}")
    if (
        windows.shape != (chunks + 1,)
        or windows[0] != 0
        or windows[-1] != len(vectors)
        or np.diff(windows).min() < 1
    ):
        raise ValueError("windows do not fit the vectors")


def _dense_texts(chunk: Chunk) -> list[str]:
    spans = window_spans(chunk.text, WINDOW_CHARS, overlap=False)
    return [*([chunk.title] if chunk.title else []), *(chunk.text[start:end] for start, end in spans)]


def _lead(document: Document) -> str:
    """The first sentence, if it is short enough to be about the whole."""
    start, end = next(iter(sentence_spans(document.text)), (0, 0))
    return document.text[start:end] if end - start <= LEAD_CHARS else ""


def _lexical_text(chunk: Chunk, lead: str) -> str:
    before = [chunk.title] if chunk.title else []
    if chunk.start >= len(lead):
        before.append(lead)
    return "\n".join([*before, chunk.text])


def _embed(texts: Sequence[str], embedder: Embedder, progress: Progress | None) -> np.ndarray:
    vectors = np.zeros((len(texts), embedder.dimension), dtype=np.float32)
    for start, end in _batches(len(texts)):
        vectors[start:end] = embedder.encode(texts[start:end])
        if progress is not None:
            progress(end, len(texts))
    return vectors


def _batches(total: int) -> Iterator[tuple[int, int]]:
    for start in range(0, total, EMBED_BATCH):
        yield start, min(start + EMBED_BATCH, total)
