"""A knowledge base in Milvus, on this machine (Milvus Lite) or on a cluster that several machines share.

One entity a window of a passage: its vector, and the terms of the whole passage. Both sides then find the same entities,
so that Milvus can fuse them by itself; a passage is as good as its best entity. A second, small collection says what
became of every file.
"""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from src.embedding.base import Embedder
from src.errors import KnowledgeError
from src.knowledge.types import Document
from src.retrieval.indexing import Progress as FileProgress
from src.retrieval.indexing import find_files, sync
from src.retrieval.lexical import K1
from src.retrieval.milvus_entities import (
    add_sparse,
    make_entities,
    passage_of,
    restored,
    saturated,
    stored,
    stored_term,
    term_number,
)
from src.retrieval.milvus_files import FileRow, Files
from src.retrieval.milvus_server import MAX_TEXT_BYTES, TEXTS, Address, Server, Terms
from src.retrieval.passages import Passage
from src.retrieval.search import DENSE_WEIGHT
from src.retrieval.segment import Progress, lexical_text
from src.retrieval.state import FileEntry
from src.retrieval.terms import text_terms
from src.retrieval.types import Candidate, Counts, Query, Stages, Wording

logger = logging.getLogger(__name__)

# Questions to a cluster that are under way at a time.
COUNTERS = 8
# Another machine's change is noticed after this time; what it added is found at once.
REFRESH_S = 5.0
_KEYS_AT_ONCE = 1000


def open_milvus(
    address: str,
    token: str | None,
    paths: Sequence[Path | str],
    embedder: Embedder,
    *,
    workers: int = 1,
    progress: FileProgress | None = None,
    rebuild: bool = False,
) -> "MilvusBase":
    """The knowledge base of these files and folders in Milvus; only what changed since is read and embedded.

    Args:
        address: the setting vector_store.
        rebuild: embed everything anew, also where another embedder was used before.

    Raises:
        KnowledgeError: Milvus cannot be used, the collection is not ours, or as ``open_base``.
    """
    files = find_files(paths)
    base = MilvusBase(Server(Address.parse(address), token), embedder, replace_other=rebuild)
    sync(base, files, workers=workers, progress=progress, rebuild=rebuild)
    return base


class MilvusBase:
    """Implements ``Base``. Ids are made of file and place in it: two machines that index the same files at the same
    time write the same entities."""

    directory: Path | None = None
    holds_added = True

    def __init__(self, server: Server, embedder: Embedder, *, replace_other: bool = False) -> None:
        """Make the collections where they are missing.

        Raises:
            KnowledgeError: the collection is not one of ours, or was made with another embedder (unless
            ``replace_other``).
        """
        self.embedder = embedder
        # Of the dense side in Milvus's ranker.
        self.dense_weight = DENSE_WEIGHT
        self._server = server
        self._files = Files(server, embedder)
        self._files.open(replace_other=replace_other)
        self._writing = threading.RLock()
        self._read_at = 0.0
        self._rows: dict[str, FileRow] = {}
        # Of the generation that was read last: how many passages hold a term.
        self._counted: dict[str, int] | None = None
        self._generation = -1
        if not server.full_text:
            logger.info("Milvus Lite 的 BM25 统计按数据段各算各的，后加的文件会排不上：改用本机算的稀疏向量")

    # Searching

    def count(self, terms: Iterable[str]) -> Counts:
        """Over all passages."""
        rows, counted = self._now(), self._counted
        size = sum(row.entry.chunks for row in rows.values())
        if counted is None:
            counted = self._counted = {} if self._server.full_text else self._all_counts()
        terms = list(terms)
        if self._server.full_text:
            unknown = [term for term in terms if term not in counted]
            with ThreadPoolExecutor(COUNTERS) as pool:
                counted.update(zip(unknown, pool.map(self._count, unknown), strict=True))
        length = sum(row.terms for row in rows.values())
        return Counts(size, length, {term: counted.get(term, 0) for term in terms})

    def recall(self, query: Query) -> list[Candidate]:
        """The passages that Milvus's hybrid search brings, each scored by every stage."""
        rows = self._now()
        windows, chunks = sum(row.windows for row in rows.values()), sum(row.entry.chunks for row in rows.values())
        # As many entities of each side as ``pool`` passages have.
        limit = query.pool * max(1, math.ceil(windows / max(1, chunks)))
        fused: dict[str, float | None] = {}
        dense: dict[str, float] = {}
        for wording in query.wordings if query.mode != "dense" else query.wordings[:1]:
            scores, nearest = self._found(query, wording, limit)
            dense |= nearest
            for key, score in scores.items():
                known = fused.get(key)
                fused[key] = score if known is None or score is None else max(known, wording.factor * score)
        found = self._server.get([f"{passage}00" for passage in fused], ("file_key", "start", "end", *TEXTS))
        passages = {key: passage_of(found[f"{key}00"]) for key in fused if f"{key}00" in found}
        lexical = _lexical_scores(query, [lexical_text(p) for p in passages.values()])
        dense |= self._dense_scores(query, [key for key in passages if key not in dense])
        places = {row.key: place for place, row in enumerate(rows.values())}
        return [
            Candidate(
                passage.chunk,
                (places.get(key[:16], len(places)), int(key[16:], 16)),
                Stages(lexical=score, dense=dense.get(key), fused=fused[key]),
            )
            for (key, passage), score in zip(passages.items(), lexical, strict=True)
        ]

    def passages(self) -> Iterator[Passage]:
        """Every passage that can be found, file by file, in reading order."""
        for row in self._now(fresh=True).values():
            where = f"window == 0 and file_key == {row.number_key}"
            for found in self._server.rows(self._server.collection, where, ("file_key", "start", "end", *TEXTS)):
                yield passage_of(found)

    def files(self) -> dict[str, FileEntry]:
        """What became of every knowledge file, by name."""
        return {name: row.entry for name, row in self._now(fresh=True).items()}

    def __len__(self) -> int:
        return sum(row.entry.chunks for row in self._now().values())

    def stats(self) -> dict[str, Any]:
        """As ``KnowledgeBase.stats``; ``bytes`` counts text and vectors."""
        rows = list(self._now(fresh=True).values())
        entries = [row.entry for row in rows]
        vectors = sum(row.windows for row in rows)
        return {
            "documents": sum(entry.documents for entry in entries),
            "chunks": sum(entry.chunks for entry in entries),
            "duplicates": sum(entry.duplicates for entry in entries),
            "near_duplicates": sum(entry.near_duplicates for entry in entries),
            "vectors": vectors,
            "dimension": self.embedder.dimension,
            "embedder": self.embedder.name,
            "vector_store": f"milvus {self._server.version.removeprefix('milvus_')}",
            "bytes": sum(row.bytes for row in rows) + vectors * self.embedder.dimension * 4,
            "built_at": self._files.built_at,
            "files": len(rows),
            "rejected": sum(bool(entry.problem) for entry in entries),
            "segments": 1,
            "deleted": 0,
            "sources": {entry.name: entry.chunks for entry in entries if entry.chunks},
        }

    # Changing

    def check(self, name: str, documents: Sequence[Document]) -> None:
        """Raises KnowledgeError: an id, source or title does not fit into a field of Milvus."""
        for document in documents:
            for text in (document.doc_id, document.source, document.title):
                # A chunk's id is its document's and a number.
                if len(stored(text).encode()) > MAX_TEXT_BYTES - 20:
                    raise KnowledgeError(
                        f"{name} 里有一个 id、来源或标题太长（{len(text)} 个字）：Milvus 一个字段最多 {MAX_TEXT_BYTES} 字节；请缩短"
                    )

    def owners(self, column: str, keys: np.ndarray, ignoring: Iterable[str]) -> dict[int, str]:
        """As ``Base.owners``."""
        names = {row.number_key: name for name, row in self._rows.items()}
        ignored = set(ignoring)
        wanted = np.unique(keys[keys != 0]).astype(np.uint64).view(np.int64).tolist()
        found: dict[int, str] = {}
        for start in range(0, len(wanted), _KEYS_AT_ONCE):
            where = f"window == 0 and {column} in {wanted[start : start + _KEYS_AT_ONCE]}"
            for row in self._server.rows(self._server.collection, where, (column, "file_key", "file")):
                name = names.get(row["file_key"], restored(row["file"]))
                if name not in ignored:
                    found.setdefault(row[column] % 2**64, name)
        return found

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold this process's other changes off, and start from the newest state."""
        with self._writing:
            self._now(fresh=True)
            yield

    def commit(
        self,
        entries: Mapping[str, FileEntry | None],
        dropped: Iterable[str] = (),
        passages: Sequence[Passage] = (),
        progress: Progress | None = None,
    ) -> None:
        """As ``Base.commit``. A file whose entities change counts as not indexed until all of them are written."""
        with self._writing:
            before, dropped = self._rows, set(dropped)
            kept = {name: row for name, row in before.items() if name not in dropped}
            made = make_entities(passages, kept, self.embedder, progress)
            if not self._server.full_text:
                add_sparse(made, kept.values())
            touched = dropped | {passage.file for passage in passages}
            self._files.put(before.get(n, FileRow(FileEntry(n))).unfinished() for n in sorted(touched))
            for name in sorted(dropped):
                where = f"file_key == {FileRow(FileEntry(name)).number_key}"
                self._server.delete(self._server.collection, where)
            self._server.put(self._server.collection, (entity for row in made for entity in row.entities))
            after = dict(kept)
            for row in made:
                sums = after.get(row.file) or FileRow(FileEntry(row.file))
                after[row.file] = sums.plus(len(row.terms), len(row.entities), row.bytes)
            order = max((row.order for row in before.values()), default=0)
            changed: list[FileRow] = []
            for name, entry in entries.items():
                if entry is None:
                    continue
                order += 1
                place = before[name].order if name in before else order
                changed.append(replace(after.get(name) or FileRow(entry), entry=entry, order=place))
            self._files.put(changed)
            self._files.forget(name for name, entry in entries.items() if entry is None)
            self._files.next_generation()
            self._now(fresh=True)

    def compact(self) -> None:
        """Milvus Lite scans what is in its log for every search; let it index that."""
        self._server.flush()

    # Details

    def _now(self, *, fresh: bool = False) -> dict[str, FileRow]:
        """The files by name, in the order of indexing, not older than ``REFRESH_S``."""
        if fresh or time.monotonic() - self._read_at > REFRESH_S:
            rows = self._files.read()
            if self._files.generation != self._generation:
                self._generation, self._counted = self._files.generation, None
            self._rows, self._read_at = rows, time.monotonic()
        return self._rows

    def _count(self, term: str) -> int:
        return self._server.count(f'window == 0 and TEXT_MATCH(terms, "{stored_term(term)}")')

    def _all_counts(self) -> dict[str, int]:
        """Milvus Lite would look at every text for every term; reading all of them once is faster."""
        counts: Counter[str] = Counter()
        for row in self._server.rows(self._server.collection, "window == 0", ("terms",)):
            counts.update({term.replace("_", ".") for term in row["terms"].split()})
        return counts

    def _found(
        self, query: Query, wording: Wording, limit: int
    ) -> tuple[dict[str, float | None], dict[str, float]]:
        """Passages, best first, with Milvus's fused score (None in other modes), and the dense scores that are
        known already."""
        attainable = sum(wording.weights.values())
        terms: Terms = {term_number(term): weight for term, weight in wording.weights.items()}
        if self._server.full_text:
            # Milvus's BM25 gives a term at most k1 + 1 times its idf.
            terms, attainable = " ".join(map(stored_term, wording.weights)), (K1 + 1) * attainable
        if query.vector is None:
            hits = self._server.matching(terms, limit) if terms else []
            return dict.fromkeys(hit["id"][:-2] for hit in hits), {}
        if query.mode == "dense" or not terms:
            dense = _best(self._server.nearest(query.vector, limit))
            return dict.fromkeys(dense), dense
        # The ranker takes weights of at most 1.
        lexical = (1 - self.dense_weight) / max(attainable, 1e-9)
        scale = max(lexical, 1.0)
        weights = (lexical / scale, self.dense_weight / scale)
        fused: dict[str, float | None] = {}
        for hit in self._server.hybrid(terms, query.vector, limit, weights):
            fused.setdefault(hit["id"][:-2], round(min(1.0, max(0.0, hit["distance"] * scale)), 6))
        return fused, {}

    def _dense_scores(self, query: Query, passages: Sequence[str]) -> dict[str, float]:
        """Passage -> the cosine of its nearest window."""
        if query.vector is None or not passages:
            return {}
        where = "passage in [" + ", ".join(f'"{passage}"' for passage in passages) + "]"
        return dict.fromkeys(passages, 0.0) | _best(self._server.nearest(query.vector, 10 * len(passages), where))


def _lexical_scores(query: Query, texts: Sequence[str]) -> list[float]:
    """As ``Segment.lexical_scores``, from the texts themselves."""
    scores: list[float] = []
    for text in texts:
        parts = saturated(text_terms(text), query.average)
        best = 0.0
        for wording in query.wordings:
            score = sum(weight * parts.get(term, 0.0) for term, weight in wording.weights.items())
            best = max(best, wording.factor * score / max(sum(wording.weights.values()), 1e-9))
        scores.append(round(min(1.0, best), 6))
    return scores


def _best(hits: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Passage -> the cosine of its nearest window."""
    scores: dict[str, float] = {}
    for hit in hits:
        scores.setdefault(hit["id"][:-2], round(min(1.0, max(0.0, hit["distance"])), 6))
    return scores
