"""The store: one SQLite database with everything that is known of a collection; indexes are made from it.

    meta     key, value: format, embedder, fingerprint, dimension; generation, built_at; name of the published index
    files    what became of each knowledge file (``FileEntry``)
    chunks   file, position in it, the chunk's own fields (``page``: of its file, NULL where that has none), ``lead``
             (its document's first sentence), the number of its index terms, ``enabled`` and ``edited`` by the owner; the two copy keys are UNIQUE, so that a text is in
             the store once. A chunk without keys is stale: it can be found until its file has been read again.
    indexed  what indexes are made of: a chunk's term numbers (int32) and the vectors of its windows (fp16)
    terms    number of each index term
    gone     ids that an index built earlier may still hold; filled by triggers

Ids are never used twice, and a chunk that is edited or switched on again gets a new one: an index that holds all chunks
up to some id is brought up to date by those with higher ids and by ``gone``. Several processes may read while one
writes (WAL); a commit that was reported is there after a crash (``synchronous=FULL``).
"""

# ruff: noqa: S608 (only names of this module are put into statements)

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from src.errors import KnowledgeError
from src.ingest.copies import copy_keys
from src.ingest.split import SPLITTER_VERSION
from src.ingest.types import Chunk
from src.models.embedders.base import Embedder

logger = logging.getLogger(__name__)

# Part of every cache key: raise it when the tables, the terms or the dense windows change.
FORMAT_VERSION = 7
BUSY_S = 60.0
# Of a connection, used as needed: with SQLite's own 2 MB the keys of a million chunks are looked up on the disk.
CACHE_KB = 64_000
_PAGE = 1000
# Full, read-only, failing, or with no such folder.
_DISK = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE files (
    file_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, path TEXT, size INTEGER, mtime_ns INTEGER,
    sha256 TEXT, documents INTEGER, chunks INTEGER, duplicates INTEGER, near_duplicates INTEGER, copies_of TEXT,
    complete INTEGER, problem TEXT, added INTEGER, characters INTEGER, counts TEXT, warnings TEXT
);

CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, file_id INTEGER NOT NULL REFERENCES files, position INTEGER NOT NULL,
    chunk_id TEXT NOT NULL, doc_id TEXT NOT NULL, source TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, page INTEGER, lead TEXT NOT NULL, terms INTEGER NOT NULL,
    exact INTEGER UNIQUE, near INTEGER UNIQUE, enabled INTEGER NOT NULL DEFAULT 1,
    edited INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX chunks_place ON chunks (file_id, position, enabled);

CREATE INDEX chunks_document ON chunks (doc_id);

CREATE TABLE indexed (id INTEGER PRIMARY KEY, tokens BLOB NOT NULL, windows BLOB NOT NULL);

CREATE TABLE terms (number INTEGER PRIMARY KEY, term TEXT NOT NULL UNIQUE);

CREATE TABLE gone (id INTEGER PRIMARY KEY);

CREATE TRIGGER chunk_deleted AFTER DELETE ON chunks BEGIN
    DELETE FROM indexed WHERE id = old.id;
    INSERT OR IGNORE INTO gone VALUES (old.id);
END;

CREATE TRIGGER chunk_off AFTER UPDATE OF enabled ON chunks WHEN old.enabled AND NOT new.enabled BEGIN
    INSERT OR IGNORE INTO gone VALUES (old.id);
END
"""
_FIELDS = 'chunk_id, doc_id, source, title, text, start, "end", page'
_CHUNK = (
    f"SELECT c.id, c.{_FIELDS.replace(', ', ', c.')}, f.name, c.lead, c.terms, c.enabled, c.edited, c.file_id, c.position"
    " FROM chunks c JOIN files f USING (file_id) "
)
# Chunks that can be found, those that the owner has switched off, or both.
Shown = Literal["on", "off", "all"]
_SHOWN = {"on": "enabled", "off": "NOT enabled", "all": "1"}
_LISTED = "(SELECT value FROM json_each(?))"


@dataclass(frozen=True)
class FileEntry:
    """What became of one knowledge file.

    Attributes:
        path: where it was read from; empty for what was not read from a file that stays.
        size, mtime_ns, sha256: of the file as it was read.
        documents, chunks: how many of it are in the store; while ``complete`` is false, so far.
        duplicates, near_duplicates: chunks left out because an equal or nearly equal one is in the store.
        copies_of: the files that those are in; when one of them goes, this file is read again.
        problem: why nothing of it is in the store; empty if it is.
        added: it was added through the page and is kept beside the store.
        characters: of all texts that were read.
        counts, warnings: what was found in it and what was left out, as in ``Report``.
    """

    name: str
    path: str = ""
    size: int = 0
    mtime_ns: int = 0
    sha256: str = ""
    documents: int = 0
    chunks: int = 0
    duplicates: int = 0
    near_duplicates: int = 0
    copies_of: tuple[str, ...] = ()
    complete: bool = True
    problem: str = ""
    added: bool = False
    characters: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def read(self) -> dict[str, Any]:
        """What was read of it and what was left out, in JSON."""
        warnings = {"warnings": list(self.warnings)} if self.warnings else {}
        return {"characters": self.characters, "counts": dict(self.counts), **warnings}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "FileEntry":
        """What ``asdict`` made, after a way through JSON."""
        return cls(**{**value, "copies_of": tuple(value["copies_of"]), "warnings": tuple(value["warnings"])})


_ENTRY = tuple(FileEntry.__dataclass_fields__)
_JSON = ("copies_of", "counts", "warnings")


@dataclass(frozen=True)
class StoredChunk:
    """A chunk with what is stored beside its own fields.

    Attributes:
        file: name of the knowledge file it came from.
        lead: its document's first sentence, where that is not in the chunk itself; else empty.
        id, order: of the row, and its place among all; chunks of one file stand together, as they do in it.
        terms: number of its index terms, repeated ones counted again.
        enabled, edited: by the owner; one that is not enabled is not found.
    """

    chunk: Chunk
    file: str
    lead: str = ""
    id: int = field(default=0, compare=False)
    terms: int = field(default=0, compare=False)
    enabled: bool = True
    edited: bool = False
    order: tuple[int, int] = field(default=(0, 0), compare=False)

    @property
    def index_text(self) -> str:
        """What of it the lexical side counts."""
        return "\n".join(part for part in (self.chunk.title, self.lead, self.chunk.text) if part)


class NewChunk(NamedTuple):
    """A chunk to be stored, its index terms, and the vectors of its windows, (windows, dimension)."""

    stored: StoredChunk
    terms: Sequence[str]
    windows: np.ndarray


class Indexable(NamedTuple):
    """One row of what indexes are made of: term numbers int32 (terms,), windows float16 (windows, dimension)."""

    id: int
    tokens: np.ndarray
    windows: np.ndarray


class Store:
    """In memory, or a file that several processes may read and change; any number of threads may use it.

    Raises:
        KnowledgeError: in every method, the file is damaged, of another version or made with another embedder.
    """

    def __init__(self, path: Path | None, embedder: Embedder) -> None:
        """Open the file, or make it; in memory where that cannot be done, with a warning."""
        self.path = path
        self._meta = {
            "format": str(FORMAT_VERSION),
            "splitter": SPLITTER_VERSION,
            "embedder": embedder.name,
            "fingerprint": embedder.fingerprint,
            "dimension": str(embedder.dimension),
        }
        self.dimension = embedder.dimension
        self._reading, self._writing = threading.RLock(), threading.RLock()
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
        except (OSError, sqlite3.OperationalError) as error:
            if path is None:
                raise
            self._leave_disk(error)

    # Reading

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for SELECTs that see one generation."""
        with self._reading:
            try:
                if self._reader.in_transaction:  # of a caller, or in memory in the middle of a change
                    yield self._reader
                    return
                self._reader.execute("BEGIN")
                try:
                    yield self._reader
                finally:
                    self._reader.execute("COMMIT")
            except sqlite3.Error as error:
                raise damaged(self.path, str(error)) from error

    def generation(self) -> int:
        """Grows with every change, whichever process made it."""
        return int(self.meta("generation"))

    def meta(self, key: str) -> str:
        """A value of ``meta``; empty if there is none."""
        with self.read() as db:
            return _meta(db, key)

    def files(self) -> dict[str, FileEntry]:
        """What became of every knowledge file, by name, in the order of indexing."""
        rows = self._rows(f"SELECT {', '.join(_ENTRY)} FROM files ORDER BY file_id")
        return {entry.name: entry for entry in map(_entry, rows)}

    def count(self, file: str | None = None, shown: Shown = "on") -> int:
        """Number of chunks; of one file, if given."""
        query = f"SELECT count(*) FROM chunks WHERE {_SHOWN[shown]} AND {_of(file)}"
        return int(self._rows(query, *_named(file))[0][0])

    def page(self, start: int, limit: int, file: str | None = None, shown: Shown = "on") -> list[StoredChunk]:
        """Chunks ``start`` to ``start + limit`` in reading order, file by file."""
        where = f"WHERE {_SHOWN[shown]} AND {_of(file)} ORDER BY c.file_id, c.position LIMIT ? OFFSET ?"
        return list(map(_stored, self._rows(_CHUNK + where, *_named(file), limit, start)))

    def chunks(self, file: str | None = None, shown: Shown = "on") -> Iterator[StoredChunk]:
        """Every chunk, in reading order."""
        where = f"WHERE (c.file_id, c.position) > (?, ?) AND {_SHOWN[shown]} AND {_of(file)}"
        order = f" ORDER BY c.file_id, c.position LIMIT {_PAGE}"
        after = (-1, -1)
        while rows := self._rows(_CHUNK + where + order, *after, *_named(file)):
            yield from map(_stored, rows)
            after = rows[-1][-2:]

    def sample(self, limit: int, file: str | None = None) -> list[StoredChunk]:
        """Chunks at even distances over all that can be found, at most ``limit``."""
        query = f"SELECT id FROM chunks WHERE enabled AND {_of(file)} ORDER BY file_id, position"
        ids = [number for (number,) in self._rows(query, *_named(file))]
        if len(ids) > limit:
            ids = [ids[number * len(ids) // limit] for number in range(limit)]
        found = self.get(ids)
        return [found[chosen] for chosen in ids if chosen in found]

    def get(self, ids: Iterable[int]) -> dict[int, StoredChunk]:
        """Chunks by id; those that can no longer be found are missing."""
        rows = self._rows(f"{_CHUNK}WHERE c.id IN {_LISTED} AND enabled", json.dumps(list(ids)))
        return {row[0]: _stored(row) for row in rows}

    def document(self, doc_id: str) -> list[StoredChunk]:
        """A document's chunks in reading order, those switched off too."""
        where = 'WHERE c.doc_id = CAST(? AS TEXT) ORDER BY c.start, c."end"'
        return list(map(_stored, self._rows(_CHUNK + where, _bytes(doc_id))))

    def find(self, chunk_id: str) -> StoredChunk | None:
        """A chunk by its own id, also where it is switched off."""
        found = self.document(chunk_id.rpartition("#")[0])
        return next((stored for stored in found if stored.chunk.chunk_id == chunk_id), None)

    def known(self, chunk_id: str) -> StoredChunk:
        """As ``find``.

        Raises:
            KnowledgeError: there is no such chunk.
        """
        if (stored := self.find(chunk_id)) is None:
            raise KnowledgeError("这一段已经不在索引里了；请重新筛选")
        return stored

    def holders(self, column: str, values: Sequence[int | str]) -> dict[int | str, str]:
        """value -> the file of a chunk that has it in ``column`` ("exact", "near", "doc_id"); stale ones have none."""
        query = f"SELECT c.{column}, f.name FROM chunks c JOIN files f USING (file_id)"
        return dict(
            self._rows(f"{query} WHERE c.{column} IN {_LISTED} AND exact NOT NULL", json.dumps(list(values)))
        )

    def windows(self, ids: Sequence[int]) -> dict[int, np.ndarray]:
        """id -> the vectors of a chunk's windows, float32 (windows, dimension)."""
        rows = self._rows(f"SELECT id, windows FROM indexed WHERE id IN {_LISTED}", json.dumps(list(ids)))
        return {number: self._vectors(blob).astype(np.float32) for number, blob in rows}

    def indexable(self, after: int, limit: int) -> list[Indexable]:
        """What an index is made of: the chunks that can be found with ids above ``after``, ascending."""
        query = "SELECT id, tokens, windows FROM chunks JOIN indexed USING (id) WHERE id > ? AND enabled"
        return [
            Indexable(number, np.frombuffer(tokens, np.int32), self._vectors(windows))
            for number, tokens, windows in self._rows(f"{query} ORDER BY id LIMIT ?", after, limit)
        ]

    def count_after(self, after: int) -> int:
        """Number of chunks that can be found with ids above ``after``."""
        return int(self._rows("SELECT count(*) FROM chunks WHERE id > ? AND enabled", after)[0][0])

    def last_id(self) -> int:
        """The greatest id that was ever given."""
        return int(self._rows("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'chunks'")[0][0])

    def gone(self) -> np.ndarray:
        """The ids, int64, that indexes may still hold and must not propose."""
        return np.array(self._rows("SELECT id FROM gone"), dtype=np.int64).ravel()

    def numbers(self, terms: Iterable[str]) -> dict[str, int]:
        """Number of each term that some chunk had."""
        with self.read() as db:
            return _numbers(db, list(terms))

    def verify(self) -> None:
        """Read every page.

        Raises:
            KnowledgeError: something is damaged, or a text is not the one that was stored.
        """
        # Searches do not wait for it: it takes a minute for a million chunks.
        db = self._reader if self.path is None else self._connect()
        try:
            if (said := _one(db, "PRAGMA integrity_check")) != "ok":
                raise damaged(self.path, said.splitlines()[0])
        except sqlite3.Error as error:
            raise damaged(self.path, str(error)) from error
        finally:
            if db is not self._reader:
                db.close()
        query = "SELECT id, title, text, exact FROM chunks WHERE exact NOT NULL AND id > ? ORDER BY id LIMIT ?"
        after = 0
        while rows := self._rows(query, after, _PAGE):
            if any(signed(copy_keys(title, text)[0]) != exact for _, title, text, exact in rows):
                raise damaged(self.path, "有段落的文字与存入时不同")
            after = rows[-1][0]

    @property
    def nbytes(self) -> int:
        """Size of the database."""
        return int(self._rows("PRAGMA page_count")[0][0] * self._rows("PRAGMA page_size")[0][0])

    # Changing

    def write(self, change: Callable[[sqlite3.Connection], None], *, new: bool = True) -> None:
        """Make a change, whole or not at all; where the disk takes no more, in memory from then on.

        Args:
            new: it changes what can be found, which dates the store.
        """
        try:
            self._write(change, new)
        except sqlite3.Error as error:
            code = error.sqlite_errorcode & 0xFF
            if code == sqlite3.SQLITE_BUSY:
                raise KnowledgeError(f"另一个进程一直在更新索引 {self.path}；请等它结束后再试") from error
            if self.path is None or code not in _DISK:
                raise damaged(self.path, str(error)) from error
            self._leave_disk(error)
            self._write(change, new)

    def commit(
        self,
        entries: Mapping[str, FileEntry | None],
        chunks: Sequence[NewChunk] = (),
        dropped: Sequence[str] = (),
    ) -> None:
        """Add chunks, drop those of files and the stale ones of ``entries``, note what became of files (None: forget
        it, and drop its chunks)."""

        def change(db: sqlite3.Connection) -> None:
            for name in dropped:
                db.execute(f"DELETE FROM chunks WHERE {_of(name)}", _named(name))
            for name, entry in entries.items():
                stale = "1" if entry is None else "exact IS NULL"
                db.execute(f"DELETE FROM chunks WHERE {stale} AND {_of(name)}", _named(name))
                if entry is None:
                    db.execute("DELETE FROM files WHERE name = CAST(? AS TEXT)", _named(name))
                else:
                    _put_entry(db, entry)
            _add(db, chunks)

        self.write(change)

    def mark_stale(self, names: Iterable[str]) -> int:
        """Files that are about to be read again: what they hold is found until then, but is nobody's original.

        Returns:
            The number of chunks whose switching off or editing will be lost with it.
        """
        entries = self.files()
        known = [entries[name] for name in names if name in entries]
        lost = 0

        def change(db: sqlite3.Connection) -> None:
            nonlocal lost
            lost = 0
            for entry in known:
                query = f"SELECT count(*) FROM chunks WHERE (edited OR NOT enabled) AND {_of(entry.name)}"
                lost += _one(db, query, _named(entry.name))
                db.execute(
                    f"UPDATE chunks SET exact = NULL, near = NULL WHERE {_of(entry.name)}", _named(entry.name)
                )
                _put_entry(db, replace(entry, mtime_ns=0, sha256="", copies_of=()))

        if known:
            self.write(change)
        return lost

    def publish(self, name: str, background: str, gone: np.ndarray) -> None:
        """Note which index holds all chunks, what was measured of them, and the ids ``gone`` that it does not hold."""

        def change(db: sqlite3.Connection) -> None:
            _put_meta(db, index=name, background=background)
            db.execute(f"DELETE FROM gone WHERE id IN {_LISTED}", (json.dumps(gone.tolist()),))

        self.write(change, new=False)

    def switch(self, chunk_id: str, enabled: bool) -> None:
        """Let a chunk be found or not.

        Raises:
            KnowledgeError: there is no such chunk.
        """
        stored = self.known(chunk_id)

        def change(db: sqlite3.Connection) -> None:
            if enabled and not stored.enabled:
                _renumber(db, stored.id)
            db.execute(
                "UPDATE chunks SET enabled = ? WHERE chunk_id = CAST(? AS TEXT)", (enabled, _bytes(chunk_id))
            )

        self.write(change)

    def edit(self, chunk_id: str, new: NewChunk) -> None:
        """Give a chunk another text.

        Raises:
            KnowledgeError: there is no such chunk, or another one has that text.
        """
        stored = self.known(chunk_id)
        exact, near = keys_of(new.stored.chunk)
        if exact != keys_of(stored.chunk)[0] and self.holders("exact", [exact]):
            raise KnowledgeError("已经有一段文字与它相同；没有改动")

        def change(db: sqlite3.Connection) -> None:
            number = _renumber(db, stored.id)
            alike = db.execute("SELECT 1 FROM chunks WHERE near = ? AND id != ?", (near, number)).fetchone()
            # A stale chunk stays stale: it goes when its file has been read.
            query = (
                "UPDATE chunks SET text = CAST(? AS TEXT), terms = ?, near = iif(exact IS NULL, NULL, ?),"
                " exact = iif(exact IS NULL, NULL, ?), edited = 1 WHERE id = ?"
            )
            values = (_bytes(new.stored.chunk.text), len(new.terms), None if alike else near, exact, number)
            db.execute(query, values)
            blobs = _blobs(new, _numbers(db, new.terms, add=True))
            db.execute("UPDATE indexed SET tokens = ?, windows = ? WHERE id = ?", (*blobs, number))

        self.write(change)

    # Details

    def _open(self) -> None:
        def make(db: sqlite3.Connection) -> None:
            if _is_empty(db):  # still: another process may have been faster
                for statement in _SCHEMA.split(";\n\n"):
                    db.execute(statement)
                _put_meta(db, **self._meta, generation="0", built_at="")

        try:
            self._writer = self._connect()
            self._reader = self._writer if self.path is None else self._connect()
            if self.path is None:
                self._writing = self._reading
            if _is_empty(self._writer):
                self._write(make, new=False)
            here = {key: _meta(self._reader, key) for key in self._meta}
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF in _DISK:
                raise
            raise damaged(self.path, str(error)) from error
        if (here["format"], here["splitter"]) != (self._meta["format"], self._meta["splitter"]):
            raise damaged(self.path, f"格式版本是 {here['format']}，应为 {FORMAT_VERSION}")
        if here != self._meta:
            raise KnowledgeError(
                f"索引是用 {here['embedder']} 建的，与现在的向量模型 {self._meta['embedder']} 不是同一个；"
                "请运行 python -m src index --rebuild 重建"
            )

    def _connect(self) -> sqlite3.Connection:
        at = ":memory:" if self.path is None else self.path
        db = sqlite3.connect(at, BUSY_S, isolation_level=None, check_same_thread=False)
        db.text_factory = _text
        if self.path is not None:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        return db

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.read() as db:
            return db.execute(query, values).fetchall()

    def _write(self, change: Callable[[sqlite3.Connection], None], new: bool) -> None:
        with self._writing:
            db = self._writer
            db.execute("BEGIN IMMEDIATE")
            try:
                change(db)
                _put_meta(db, generation=str(int(_meta(db, "generation")) + 1))
                if new:
                    _put_meta(db, built_at=datetime.now(UTC).isoformat(timespec="seconds"))
                db.execute("COMMIT")
            finally:
                if db.in_transaction:  # a full disk may have rolled back by itself
                    db.execute("ROLLBACK")

    def _leave_disk(self, error: Exception) -> None:
        logger.warning("索引存不进 %s（%s），这次只放在内存里", self.path, error)
        with self._writing, self._reading:
            before = getattr(self, "_writer", None)
            self.path = None
            self._open()
            if before is not None:
                with suppress(sqlite3.Error):  # it may never have been a database
                    before.backup(self._writer)

    def _vectors(self, blob: bytes) -> np.ndarray:
        return np.frombuffer(blob, np.float16).reshape(-1, self.dimension)


def damaged(path: Path | None, reason: str) -> KnowledgeError:
    """One wording for every way an index can be wrong."""
    return KnowledgeError(f"索引 {path} 不可用：{reason}；请运行 python -m src index --rebuild 重建")


def signed(key: int) -> int:
    """The 64 bits of a key as a database's INTEGER."""
    return key - 2**64 if key >= 2**63 else key


def keys_of(chunk: Chunk) -> tuple[int, int | None]:
    """(exact, near) as ``copy_keys``, signed; None where a text is too short for near copies."""
    exact, near = copy_keys(chunk.title, chunk.text)
    return signed(exact), signed(near) if near else None


def _add(db: sqlite3.Connection, chunks: Sequence[NewChunk]) -> None:
    numbers = _numbers(db, [term for new in chunks for term in new.terms], add=True)
    places: dict[str, tuple[int, int]] = {}
    for new in chunks:
        stored, chunk = new.stored, new.stored.chunk
        if stored.file not in places:
            file_id = _one(db, "SELECT file_id FROM files WHERE name = CAST(? AS TEXT)", (_bytes(stored.file),))
            last = _one(db, "SELECT coalesce(max(position), -1) FROM chunks WHERE file_id = ?", (file_id,))
            places[stored.file] = (file_id, last + 1)
        file_id, position = places[stored.file]
        places[stored.file] = (file_id, position + 1)
        texts = (chunk.chunk_id, chunk.doc_id, chunk.source, chunk.title, chunk.text)
        cursor = db.execute(
            f"INSERT INTO chunks (file_id, position, {_FIELDS}, lead, terms, exact, near) VALUES"
            f" (?, ?, {', '.join(['CAST(? AS TEXT)'] * 5)}, ?, ?, ?, CAST(? AS TEXT), ?, ?, ?)",
            (
                file_id, position, *map(_bytes, texts), chunk.start, chunk.end, chunk.page, _bytes(stored.lead),
                len(new.terms), *keys_of(chunk),
            ),
        )  # fmt: skip
        db.execute("INSERT INTO indexed VALUES (?, ?, ?)", (cursor.lastrowid, *_blobs(new, numbers)))


def _blobs(new: NewChunk, numbers: Mapping[str, int]) -> tuple[bytes, bytes]:
    tokens = np.fromiter(map(numbers.__getitem__, new.terms), np.int32, len(new.terms))
    return tokens.tobytes(), new.windows.astype(np.float16).tobytes()


def _renumber(db: sqlite3.Connection, number: int) -> int:
    """Give a chunk a new id, so that indexes take it for a new one."""
    new = int(_one(db, "SELECT seq FROM sqlite_sequence WHERE name = 'chunks'")) + 1
    db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'chunks'", (new,))
    for table in ("chunks", "indexed"):
        db.execute(f"UPDATE {table} SET id = ? WHERE id = ?", (new, number))
    db.execute("INSERT OR IGNORE INTO gone VALUES (?)", (number,))
    return new


def _numbers(db: sqlite3.Connection, terms: Sequence[str], add: bool = False) -> dict[str, int]:
    wanted = list(dict.fromkeys(terms))
    query = f"SELECT term, number FROM terms WHERE term IN {_LISTED}"
    numbers = dict(db.execute(query, (json.dumps(wanted),)))
    if add and (new := [term for term in wanted if term not in numbers]):
        db.executemany("INSERT INTO terms (term) VALUES (CAST(? AS TEXT))", ((_bytes(term),) for term in new))
        numbers |= db.execute(query, (json.dumps(new),))
    return numbers


def _put_entry(db: sqlite3.Connection, entry: FileEntry) -> None:
    values = asdict(entry)
    values |= {name: json.dumps(values[name]) for name in _JSON}
    texts = ("name", "path", "problem")
    marks = ", ".join("CAST(? AS TEXT)" if name in texts else "?" for name in _ENTRY)
    updates = ", ".join(f"{name} = excluded.{name}" for name in _ENTRY)
    db.execute(
        f"INSERT INTO files ({', '.join(_ENTRY)}) VALUES ({marks}) ON CONFLICT (name) DO UPDATE SET {updates}",
        [_bytes(values[name]) if name in texts else values[name] for name in _ENTRY],
    )


def _entry(row: Sequence[Any]) -> FileEntry:
    values = dict(zip(_ENTRY, row, strict=True))
    flags = {name: bool(values[name]) for name in ("complete", "added")}
    return FileEntry.from_json({**values, **flags, **{name: json.loads(values[name]) for name in _JSON}})


def _stored(row: Sequence[Any]) -> StoredChunk:
    number, *fields = row[:9]
    file, lead, terms, enabled, edited, file_id, position = row[9:]
    order = file_id, position
    return StoredChunk(Chunk(*fields), file, lead, number, terms, bool(enabled), bool(edited), order)


def _of(file: str | None) -> str:
    """A condition on the column ``file_id``."""
    return "1" if file is None else "file_id = (SELECT file_id FROM files WHERE name = CAST(? AS TEXT))"


def _named(file: str | None) -> tuple[bytes, ...]:
    return () if file is None else (_bytes(file),)


def _meta(db: sqlite3.Connection, key: str) -> str:
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return row[0] if row else ""


def _put_meta(db: sqlite3.Connection, **values: str) -> None:
    db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())


def _is_empty(db: sqlite3.Connection) -> bool:
    return not _one(db, "SELECT count(*) FROM sqlite_master")


def _one(db: sqlite3.Connection, query: str, values: Sequence[Any] = ()) -> Any:
    return db.execute(query, values).fetchone()[0]


def _bytes(text: str) -> bytes:
    """Names of files may hold bytes that are no UTF-8, which Python keeps as lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
