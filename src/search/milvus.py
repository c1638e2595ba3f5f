"""A knowledge base in Milvus, on this machine (Milvus Lite) or on a cluster that several machines share.

One entity a window of a chunk: its vector, and in the first one the chunk itself with the weights of its terms. A second,
small collection says what became of every file. Milvus only proposes, as every collection does. The weights of terms
are ours rather than its BM25 function's, which counts segment by segment in Milvus Lite: what is added later would hardly
ever be found. What runs on a cluster is so what is tested on Lite.
"""

import hashlib
import json
import logging
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from src.errors import KnowledgeError
from src.ingest.split import SPLITTER_VERSION
from src.ingest.types import Chunk, Document
from src.models.embedders.base import Embedder
from src.search.base import figures
from src.search.index import BACKGROUND_CHUNKS, K1, B, Progress, measured, prepared
from src.search.indexing import Changed, find_files, sync
from src.search.indexing import Progress as FileProgress
from src.search.milvus_server import MAX_TEXT_BYTES, SEARCH_S, WRITE_S, Address, Server
from src.search.rows import FileEntry, StoredChunk, keys_of, signed
from src.search.score import idf
from src.search.store import FORMAT_VERSION
from src.search.types import Background, Candidate, Proposals, Query, Stages

logger = logging.getLogger(__name__)

KIND = "yuanzhi-milvus"
_STATE = "state"
_CURE = "请在 --vector-store 的 # 后面换一个集合名，或运行 python -m src index --rebuild 重建"
# Questions to a cluster that are under way at a time.
COUNTERS = 8
# Another machine's change is noticed after this time; what it added is found at once.
REFRESH_S = 5.0
# A chunk's text and lead, at most, and what JSON adds.
CHUNK_BYTES = 3000
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
    changed: Changed | None = None,
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
    sync(base, files, workers=workers, progress=progress, rebuild=rebuild, changed=changed)
    return base


@dataclass(frozen=True)
class FileRow:
    """An entry, its place among the files, and the number of index terms of all its chunks."""

    entry: FileEntry
    order: int = 0
    terms: int = 0

    @property
    def key(self) -> str:
        """16 hexadecimal digits for its name, with which ids begin: no name is part of what Milvus parses."""
        return f"{_hashed(self.entry.name):016x}"

    @property
    def where(self) -> str:
        """The filter for its entities."""
        return f"file == {signed(_hashed(self.entry.name))}"

    def unfinished(self) -> "FileRow":
        """As it is to be found after an interruption: to be indexed anew."""
        return replace(self, entry=replace(self.entry, sha256="", mtime_ns=0, complete=False))


class MilvusBase:
    """Implements ``Base``. Ids are made of file and place in it: two machines that index the same files at the same
    time write the same entities."""

    added: Path | None = None
    holds_added = True

    def __init__(self, server: Server, embedder: Embedder, *, replace_other: bool = False) -> None:
        """Make the collections where they are missing.

        Raises:
            KnowledgeError: the collection is not one of ours, or was made with another embedder (unless
            ``replace_other``).
        """
        self.embedder = embedder
        self._server = server
        self._writing = threading.RLock()
        self._read_at = 0.0
        self._rows: dict[str, FileRow] = {}
        self._stale: set[str] = set()
        self._own: dict[str, Any] = {
            "kind": KIND, "format_version": FORMAT_VERSION, "splitter": SPLITTER_VERSION, "embedder": embedder.name,
            "fingerprint": embedder.fingerprint, "dimension": embedder.dimension, "generation": 0, "built_at": "",
            "background": None,
        }  # fmt: skip
        self._state = self._own
        # How many chunks have a term; of the generation that was read last.
        self._frequencies: dict[str, int] = {}
        self._open(replace_other)

    # Searching

    def propose(self, query: Query) -> Proposals:
        """Chunks that may answer: the first of either side, by words for each wording."""
        rows, server = self._now(), self._server
        size = sum(row.entry.chunks for row in rows.values())
        frequencies = self._counted(query.terms)
        keys: dict[str, None] = {}
        if query.mode != "dense":
            weighted = [
                {_number(term): idf(frequencies[term], size) for term in wording.terms if frequencies[term]}
                for wording in query.wordings
            ]
            keys |= dict.fromkeys(server.search("sparse", [weights for weights in weighted if weights], query.pool))
        if query.vector is not None:
            keys |= dict.fromkeys(server.search("dense", [query.vector], 4 * query.pool))
        places = {row.key: place for place, row in enumerate(rows.values())}
        return Proposals(
            [
                Candidate(
                    stored.chunk, (places.get(key[:16], len(places)), int(key[16:], 16)),
                    Stages(dense=cosine), stored.lead, stored.terms,
                )
                for key, (stored, cosine) in self._found(list(keys), query.vector).items()
            ],
            size,
            sum(row.terms for row in rows.values()),
            frequencies,
            Background(**self._state["background"]) if self._state["background"] else None,
        )  # fmt: skip

    def chunks(self, file: str | None = None) -> Iterator[StoredChunk]:
        """Every chunk that can be found, file by file, in reading order; of one file, if given."""
        rows = self._now(fresh=True)
        for row in rows.values() if file is None else [rows[file]] if file in rows else []:
            for found in self._server.rows(self._server.collection, f"window == 0 and {row.where}", ("body",)):
                yield _stored(found["body"])

    def files(self) -> dict[str, FileEntry]:
        """What became of every knowledge file, by name."""
        return {name: row.entry for name, row in self._now(fresh=True).items()}

    def __len__(self) -> int:
        self._now()
        return self.size

    @property
    def size(self) -> int:
        """Chunks at the last search or change; the server is not asked."""
        return sum(row.entry.chunks for row in self._rows.values())

    def stats(self) -> dict[str, Any]:
        """As ``KnowledgeBase.stats``; ``bytes`` counts vectors."""
        entries, vectors = self.files(), self._server.count('id != ""')
        return {
            **figures(entries.values()),
            "chunks": self.size,
            "vectors": vectors,
            "dimension": self.embedder.dimension,
            "embedder": self.embedder.name,
            "vector_store": f"milvus {self._server.version.removeprefix('milvus_')}",
            "bytes": vectors * self.embedder.dimension * 4,
            "built_at": self._state["built_at"],
            "segments": 1,
            "deleted": 0,
        }

    # Changing

    def check(self, name: str, documents: Sequence[Document]) -> None:
        """Raises KnowledgeError: an id, source or title does not fit into a field of Milvus."""
        for document in documents:
            texts = (name, document.doc_id, document.doc_id, document.source, document.title)
            if len(_json(texts).encode()) > MAX_TEXT_BYTES - CHUNK_BYTES:
                longest = max(map(len, texts))
                raise KnowledgeError(
                    f"{name} 里有一个 id、来源或标题太长（{longest} 个字）：Milvus 一个字段最多 {MAX_TEXT_BYTES} 字节；请缩短"
                )

    def holders(self, column: str, values: Sequence[int | str]) -> dict[int | str, str]:
        """As ``Base.holders``."""
        numbers = {signed(_hashed(value)) if isinstance(value, str) else value: value for value in values}
        names = {signed(_hashed(name)): name for name in self._rows}
        wanted, found = list(numbers), dict[int | str, str]()
        for start in range(0, len(wanted), _KEYS_AT_ONCE):
            where = f"window == 0 and {column} in {wanted[start : start + _KEYS_AT_ONCE]}"
            for row in self._server.rows(self._server.collection, where, (column, "file", "body")):
                name = names.get(row["file"]) or _stored(row["body"]).file
                if name not in self._stale:
                    found.setdefault(numbers[row[column]], name)
        return found

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold this process's other changes off, and start from the newest state."""
        with self._writing:
            self._now(fresh=True)
            yield

    def mark_stale(self, names: Sequence[str]) -> None:
        """As ``Base.mark_stale``."""
        known = [name for name in names if name in self._rows]
        self._put(self._rows[name].unfinished() for name in known)
        self._stale |= set(known)

    def commit(
        self,
        entries: Mapping[str, FileEntry | None],
        chunks: Sequence[StoredChunk] = (),
        dropped: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> None:
        """As ``Base.commit``. A file whose entities change counts as not indexed until all of them are written."""
        with self._writing:
            before = self._rows
            gone = {n for n, entry in entries.items() if entry is None or n in self._stale} | set(dropped)
            kept = {name: row for name, row in before.items() if name not in gone}
            made = self._made(chunks, kept, progress)
            touched = gone | {stored.file for stored in chunks}
            self._put(before.get(name, FileRow(FileEntry(name))).unfinished() for name in sorted(touched))
            for name in sorted(gone):
                self._server.delete(self._server.collection, FileRow(FileEntry(name)).where)
            self._server.put(self._server.collection, (entity for _, entities in made for entity in entities))
            terms = Counter({name: row.terms for name, row in kept.items()})
            for stored, _ in made:
                terms[stored.file] += stored.terms
            order = max((row.order for row in before.values()), default=0)
            changed: list[FileRow] = []
            for name, entry in entries.items():
                order += 1
                if entry is not None:
                    place = before[name].order if name in before else order
                    changed.append(FileRow(entry, place, terms[name]))
            self._put(changed)
            self._forget([name for name, entry in entries.items() if entry is None])
            self._stale -= gone
            self._measure(made)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self._state = {**self._state, "generation": self._state["generation"] + 1, "built_at": now}
            self._frequencies = {}
            self._put([])
            self._now(fresh=True)

    def compact(self, *, more: bool = False, wait: bool = True) -> None:  # noqa: ARG002
        """Milvus Lite scans what is in its log for every search; let it index that."""
        self._server.flush()

    # Details

    def _now(self, *, fresh: bool = False) -> dict[str, FileRow]:
        """The files by name, in the order of indexing, not older than ``REFRESH_S``."""
        if fresh or time.monotonic() - self._read_at > REFRESH_S:
            generation = self._state["generation"]
            self._rows, self._read_at = self._read(), time.monotonic()
            if self._state["generation"] != generation:
                self._frequencies = {}
        return self._rows

    def _counted(self, terms: Sequence[str]) -> dict[str, int]:
        """Of each term, the number of chunks that have it."""
        server, known = self._server, self._frequencies
        if server.is_lite and not known:
            # It would look at every text for every term; reading all of them once is faster.
            counts = Counter[str]()
            for row in server.rows(server.collection, "window == 0", ("terms",)):
                counts.update({term.replace("_", ".") for term in row["terms"].split()})
            known.update({"": 0, **counts})
        elif not server.is_lite:
            unknown = [term for term in terms if term not in known]
            wheres = [f'window == 0 and TEXT_MATCH(terms, "{_stored_term(term)}")' for term in unknown]
            with ThreadPoolExecutor(COUNTERS) as pool:
                known.update(zip(unknown, pool.map(server.count, wheres), strict=True))
        return {term: known.get(term, 0) for term in terms}

    def _found(self, keys: Sequence[str], vector: np.ndarray | None) -> dict[str, tuple[StoredChunk, float | None]]:
        """Chunks by key, with the cosine of their nearest window."""
        if not keys:
            return {}
        fields = ("chunk", "window", "body", *(("dense",) if vector is not None else ()))
        where = f"chunk in {json.dumps(list(keys))}" + ("" if vector is not None else " and window == 0")
        bodies: dict[str, str] = {}
        cosines: dict[str, float] = {}
        for row in self._server.rows(self._server.collection, where, fields):
            if row["window"] == 0:
                bodies[row["chunk"]] = row["body"]
            if vector is not None:
                cosine = round(float(np.clip(np.asarray(row["dense"], np.float32) @ vector, 0, 1)), 6)
                cosines[row["chunk"]] = max(cosine, cosines.get(row["chunk"], 0.0))
        return {key: (_stored(body), cosines.get(key)) for key, body in bodies.items()}

    def _made(
        self, chunks: Sequence[StoredChunk], kept: Mapping[str, FileRow], progress: Progress | None
    ) -> list[tuple[StoredChunk, list[dict[str, Any]]]]:
        """Chunks with their number of terms, and their entities."""
        new = prepared(chunks, self.embedder, progress)
        size = sum(row.entry.chunks for row in kept.values()) + len(chunks)
        average = max(
            1.0, (sum(row.terms for row in kept.values()) + sum(len(one.terms) for one in new)) / max(1, size)
        )
        places = Counter({name: row.entry.chunks for name, row in kept.items()})
        made = []
        for stored, said, windows in new:
            stored = replace(stored, terms=len(said))
            key = f"{FileRow(FileEntry(stored.file)).key}{places[stored.file]:08x}"
            places[stored.file] += 1
            made.append((stored, _entities(stored, key, said, windows, average)))
        return made

    def _measure(self, made: Sequence[tuple[StoredChunk, list[dict[str, Any]]]]) -> None:
        """The background, once, of the first chunks that are enough for it."""
        if self._state["background"] is None:
            count = min(len(made), BACKGROUND_CHUNKS)
            sample = [made[number * len(made) // count] for number in range(count)]
            last = [entities[-1]["dense"] for _, entities in sample]
            background = measured([stored.chunk.text for stored, _ in sample], last, self.embedder)
            self._state = {**self._state, "background": background and asdict(background)}

    # The collection of files

    def _open(self, replace_other: bool) -> None:
        server = self._server
        has_chunks, has_files = server.has(server.collection), server.has(server.files_collection)
        ours = not has_chunks
        if has_files:
            server.call("load_collection", WRITE_S, server.files_collection)
            fields = server.call("describe_collection", SEARCH_S, server.files_collection)["fields"]
            ours = {field["name"] for field in fields} == {"id", "body", "vector"}
        if not ours:  # a collection that only happens to have this name is never changed
            name = server.files_collection if has_files else server.collection
            raise KnowledgeError(f"Milvus 里的集合 {name} 不是源知建的；请在 --vector-store 的 # 后面换一个集合名")
        problem = self._difference() if has_files and has_chunks else ""
        if problem and not replace_other:
            raise KnowledgeError(problem)
        if problem or not (has_files and has_chunks):
            if lost := [name for name, row in self._rows.items() if row.entry.added]:
                logger.warning("这些从网页加入的文件只在原来的集合里，请重新加入：%s", "、".join(lost))
            self._rows, self._state = {}, self._own
            server.create(self.embedder.dimension)
            self._put([])
        server.load()

    def _difference(self) -> str:
        """Why what is there cannot be used with this embedder and version; empty if it can."""
        try:
            self._rows = self._read()
        except KnowledgeError as error:
            return str(error)
        there, here = self._state, self._own
        if any(there[name] != here[name] for name in ("kind", "format_version", "splitter")):
            return f"Milvus 里的集合 {self._server.collection} 是另一个版本建的，或没有建完；{_CURE}"
        if any(there[name] != here[name] for name in ("fingerprint", "dimension")):
            return (
                f"Milvus 里的集合 {self._server.collection} 是用 {there['embedder']}（{there['dimension']} 维）建的，"
                f"与现在的向量模型 {here['embedder']}（{here['dimension']} 维）不是同一个；{_CURE}"
            )
        return ""

    def _read(self) -> dict[str, FileRow]:
        """Every file by name, in the order of indexing; notes the state.

        Raises:
            KnowledgeError: something there cannot be understood.
        """
        name, rows = self._server.files_collection, []
        state = {**self._own, "kind": ""}
        try:
            for found in list(self._server.rows(name, 'id != ""', ("body",))):
                body = json.loads(found["body"])
                if found["id"] == _STATE:
                    state |= body
                else:
                    entry = body.pop("entry")
                    rows.append(FileRow(FileEntry.from_json(entry), **body))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KnowledgeError(f"Milvus 里的集合 {name} 读不懂（{error}）；{_CURE}") from error
        self._state = state
        return {row.entry.name: row for row in sorted(rows, key=lambda row: (row.order, row.entry.name))}

    def _put(self, rows: Iterable[FileRow]) -> None:
        """Write these and the state; other rows stay."""
        bodies = {_STATE: json.dumps(self._state)}
        for row in rows:
            bodies[row.key] = json.dumps(asdict(row))
            if len(bodies[row.key]) > MAX_TEXT_BYTES:
                raise KnowledgeError("一个文件与太多别的文件有相同的段落，Milvus 里记不下；请去掉重复的文件")
        entities = ({"id": key, "body": body, "vector": [0.0, 0.0]} for key, body in bodies.items())
        self._server.put(self._server.files_collection, entities)

    def _forget(self, names: Sequence[str]) -> None:
        keys = [FileRow(FileEntry(name)).key for name in names]
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            self._server.delete(
                self._server.files_collection, f"id in {json.dumps(keys[start : start + _KEYS_AT_ONCE])}"
            )


def _entities(
    stored: StoredChunk, key: str, terms: Sequence[str], windows: np.ndarray, average: float
) -> list[dict[str, Any]]:
    exact, near = keys_of(stored.chunk)
    common = {
        "chunk": key,
        "file": signed(_hashed(stored.file)),
        "exact": exact,
        "near": near or 0,
        "doc_id": signed(_hashed(stored.chunk.doc_id)),
    }
    norm = K1 * (1 - B + B * len(terms) / average)
    # BM25 of each term but for its idf. Milvus Lite wants something in every sparse vector.
    weights = {_number(term): count / (count + norm) for term, count in Counter(terms).items()}
    body = _json([asdict(stored.chunk), stored.file, stored.lead, stored.terms])
    first = {"body": body, "terms": _cut(" ".join(map(_stored_term, terms))), "sparse": weights or {0: 1e-6}}
    other = {"body": "", "terms": "", "sparse": {0: 1e-6}}
    return [
        {"id": f"{key}{window:02x}", "window": window, **common, **(other if window else first), "dense": vector}
        for window, vector in enumerate(windows)
    ]


def _stored(body: str) -> StoredChunk:
    chunk, file, lead, terms = json.loads(body)
    return StoredChunk(Chunk(**chunk), file, lead, terms=terms)


def _json(value: Any) -> str:
    """Milvus takes UTF-8 only; names of files may hold bytes that are none."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text) else json.dumps(value)


def _hashed(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _number(term: str) -> int:
    """A term's place in a sparse vector: 32 bits but the greatest."""
    return zlib.crc32(term.encode("utf-8", "surrogatepass")) % (2**32 - 1)


def _stored_term(term: str) -> str:
    """3.14 as one token also for Milvus Lite's tokenizer; no term has an underscore of its own."""
    return term.replace(".", "_")


def _cut(terms: str) -> str:
    """Whole terms, as many as fit into a field (titles of many thousand characters are indexed in part)."""
    data = terms.encode("utf-8", "replace")
    return data.decode() if len(data) <= MAX_TEXT_BYTES else data[:MAX_TEXT_BYTES].rpartition(b" ")[0].decode()
