"""The store: one SQLite database with everything that is known of a collection; indexes are made from it.

    meta     key, value: format, embedder, fingerprint, dimension; generation, built_at; name of the published index
    files    what became of each knowledge file (``FileEntry``)
    chunks   file, position in it, the chunk's own fields, ``lead`` (its document's first sentence), the number of its
             index terms, ``enabled``; the two copy keys are UNIQUE, so that a text is in the store once.
             A chunk without keys is stale: it can be found until its file has been read again.
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
from typing import Any, NamedTuple, TypeVar

import numpy as np

from src.embedding.base import Embedder
from src.errors import KnowledgeError
from src.knowledge.copies import copy_keys
from src.knowledge.split import SPLITTER_VERSION
from src.knowledge.types import Chunk

logger = logging.getLogger(__name__)

# Part of every cache key: raise it when the tables, the terms or the dense windows change.
FORMAT_VERSION = 5
BUSY_S = 60.0
_PAGE = 1000
# Full, read-only, failing, or with no such folder.
_DISK = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
T = TypeVar("T")

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
    file_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, path TEXT, size INTEGER, mtime_ns INTEGER,
    sha256 TEXT, documents INTEGER, chunks INTEGER, duplicates INTEGER, near_duplicates INTEGER, copies_of TEXT,
    complete INTEGER, problem TEXT, added INTEGER
);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, file_id INTEGER NOT NULL REFERENCES files, position INTEGER NOT NULL,
    chunk_id TEXT NOT NULL, doc_id TEXT NOT NULL, source TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, lead TEXT NOT NULL, terms INTEGER NOT NULL,
    exact INTEGER UNIQUE, near INTEGER UNIQUE, enabled INTEGER NOT NULL DEFAULT 1
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
END;
"""
_FIELDS = 'chunk_id, doc_id, source, title, text, start, "end"'
_CHUNK = (
    f"SELECT c.id, c.{_FIELDS.replace(', ', ', c.')}, f.name, c.lead, c.terms, c.enabled, c.file_id, c.position"
)
_FROM = " FROM chunks c JOIN files f USING (file_id) "


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


_ENTRY = tuple(FileEntry.__dataclass_fields__)


@dataclass(frozen=True)
class StoredChunk:
    """A chunk with what is stored beside its own fields.

    Attributes:
        file: name of the knowledge file it came from.
        lead: its document's first sentence, where that is not in the chunk itself; else empty.
        id, order: of the row, and its place among all; chunks of one file stand together, as they do in it.
        terms: number of its index terms, repeated ones counted again.
    """

    chunk: Chunk
    file: str
    lead: str = ""
    id: int = field(default=0, compare=False)
    terms: int = field(default=0, compare=False)
    enabled: bool = True
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
        with self._reading, self._problems():
            if self._reader.in_transaction:  # in memory, in the middle of a change
                yield self._reader
                return
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                self._reader.execute("COMMIT")

    def generation(self) -> int:
        """Grows with every change, whichever process made it."""
        with self._reading, self._problems():
            return int(self._reader.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()[0])

    def meta(self, key: str) -> str:
        """A value of ``meta``; empty if there is none."""
        with self.read() as db:
            return _meta(db, key)

    def files(self) -> dict[str, FileEntry]:
        """What became of every knowledge file, by name, in the order of indexing."""
        with self.read() as db:
            rows = db.execute(f"SELECT {', '.join(_ENTRY)} FROM files ORDER BY file_id").fetchall()
        return {entry.name: entry for entry in map(_entry, rows)}

    def count(self, file: str | None = None) -> int:
        """Chunks that can be found; of one file, if given."""
        with self.read() as db:
            return int(_one(db, f"SELECT count(*) FROM chunks WHERE enabled AND {_of(file)}", _named(file)))

    def page(self, start: int, limit: int, file: str | None = None) -> list[StoredChunk]:
        """Chunks ``start`` to ``start + limit`` in reading order, file by file."""
        query = f"{_CHUNK}{_FROM}WHERE enabled AND {_of(file)} ORDER BY c.file_id, c.position LIMIT ? OFFSET ?"
        with self.read() as db:
            return list(map(_stored, db.execute(query, (*_named(file), limit, start))))

    def chunks(self, file: str | None = None) -> Iterator[StoredChunk]:
        """Every chunk that can be found, in reading order."""
        after = (-1, -1)
        query = f"{_CHUNK}{_FROM}WHERE (c.file_id, c.position) > (?, ?) AND enabled AND {_of(file)} "
        while True:
            with self.read() as db:
                rows = db.execute(
                    f"{query} ORDER BY c.file_id, c.position LIMIT {_PAGE}", (*after, *_named(file))
                ).fetchall()
            yield from map(_stored, rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1][-2:]

    def sample(self, limit: int, file: str | None = None) -> list[StoredChunk]:
        """Chunks at even distances over all that can be found, at most ``limit``."""
        query = f"SELECT id FROM chunks WHERE enabled AND {_of(file)} ORDER BY file_id, position"
        with self.read() as db:
            ids = [row[0] for row in db.execute(query, _named(file))]
        if len(ids) > limit:
            ids = [ids[number * len(ids) // limit] for number in range(limit)]
        found = self.get(ids)
        return [found[chosen] for chosen in ids if chosen in found]

    def get(self, ids: Iterable[int]) -> dict[int, StoredChunk]:
        """Chunks by id; those that can no longer be found are missing."""
        query = f"{_CHUNK}{_FROM}WHERE c.id IN (SELECT value FROM json_each(?)) AND enabled"
        with self.read() as db:
            return {row[0]: _stored(row) for row in db.execute(query, (json.dumps(list(ids)),))}

    def document(self, doc_id: str) -> list[StoredChunk]:
        """A document's chunks in reading order, those switched off too."""
        query = f'{_CHUNK}{_FROM}WHERE c.doc_id = CAST(? AS TEXT) ORDER BY c.start, c."end"'
        with self.read() as db:
            return list(map(_stored, db.execute(query, (_bytes(doc_id),))))

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
        query = (
            f"SELECT c.{column}, f.name {_FROM} WHERE c.{column} IN (SELECT value FROM json_each(?))"
            " AND exact IS NOT NULL"
        )
        with self.read() as db:
            return dict(db.execute(query, (json.dumps(list(values)),)))

    def windows(self, ids: Sequence[int]) -> dict[int, np.ndarray]:
        """id -> the vectors of a chunk's windows, float32 (windows, dimension)."""
        query = "SELECT id, windows FROM indexed WHERE id IN (SELECT value FROM json_each(?))"
        with self.read() as db:
            return {row[0]: self._vectors(row[1]) for row in db.execute(query, (json.dumps(list(ids)),))}

    def indexable(self, after: int, limit: int) -> list[Indexable]:
        """What an index is made of: the chunks that can be found with ids above ``after``, ascending."""
        query = (
            "SELECT id, tokens, windows FROM chunks JOIN indexed USING (id) WHERE id > ? AND enabled"
            " ORDER BY id LIMIT ?"
        )
        with self.read() as db:
            rows = db.execute(query, (after, limit)).fetchall()
        shape = (-1, self.dimension)
        return [
            Indexable(i, np.frombuffer(tokens, np.int32), np.frombuffer(windows, np.float16).reshape(shape))
            for i, tokens, windows in rows
        ]

    def count_after(self, after: int) -> int:
        """Number of chunks that can be found with ids above ``after``."""
        with self.read() as db:
            return int(_one(db, "SELECT count(*) FROM chunks WHERE id > ? AND enabled", (after,)))

    def last_id(self) -> int:
        """The greatest id that was ever given."""
        with self.read() as db:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
        return int(row[0]) if row else 0

    def gone(self) -> np.ndarray:
        """The ids, int64, that indexes may still hold and must not propose."""
        with self.read() as db:
            return np.array([row[0] for row in db.execute("SELECT id FROM gone")], dtype=np.int64)

    def numbers(self, terms: Iterable[str]) -> dict[str, int]:
        """Number of each term that some chunk had."""
        with self.read() as db:
            return _numbers(db, terms)

    def verify(self) -> None:
        """Read every page.

        Raises:
            KnowledgeError: something is damaged, or a text is not the one that was stored.
        """
        with self.read() as db:
            if (said := _one(db, "PRAGMA integrity_check")) != "ok":
                raise damaged(self.path, said.splitlines()[0])
        query = f"SELECT id, title, text, exact FROM chunks WHERE exact IS NOT NULL AND id > ? ORDER BY id LIMIT {_PAGE}"
        after = 0
        while True:
            with self.read() as db:
                rows = db.execute(query, (after,)).fetchall()
            for _, title, text, exact in rows:
                if signed(copy_keys(title, text)[0]) != exact:
                    raise damaged(self.path, "有段落的文字与存入时不同")
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    @property
    def nbytes(self) -> int:
        """Size of the database."""
        with self.read() as db:
            return int(_one(db, "PRAGMA page_count")) * int(_one(db, "PRAGMA page_size"))

    # Changing

    def write(self, change: Callable[[sqlite3.Connection], T], *, new: bool = True) -> T:
        """Make a change, whole or not at all; where the disk takes no more, in memory from then on.

        Args:
            new: it changes what can be found, which dates the store.
        """
        try:
            with self._problems():
                return self._write(change, new)
        except sqlite3.OperationalError as error:
            if self.path is None:
                raise
            self._leave_disk(error)
            return self._write(change, new)

    def commit(
        self,
        entries: Mapping[str, FileEntry | None] = {},
        dropped: Iterable[str] = (),
        chunks: Sequence[NewChunk] = (),
    ) -> None:
        """Drop files' chunks, add others, note what became of files (None: forget it)."""
        dropped = list(dropped)

        def change(db: sqlite3.Connection) -> None:
            for name in dropped:
                db.execute(f"DELETE FROM chunks WHERE {_of(name)}", _named(name))
            for name, entry in entries.items():
                if entry is None:
                    db.execute(f"DELETE FROM chunks WHERE {_of(name)}", _named(name))
                    db.execute("DELETE FROM files WHERE name = CAST(? AS TEXT)", _named(name))
                else:
                    # A stale chunk's file has been read again.
                    db.execute(f"DELETE FROM chunks WHERE exact IS NULL AND {_of(name)}", _named(name))
                    _put_entry(db, entry)
            _add(db, chunks)

        self.write(change)

    def mark_stale(self, names: Iterable[str]) -> None:
        """Files that are about to be read again: what they hold is found until then, but is nobody's original."""
        entries = self.files()
        names = [name for name in names if name in entries]

        def change(db: sqlite3.Connection) -> None:
            for name in names:
                db.execute(f"UPDATE chunks SET exact = NULL, near = NULL WHERE {_of(name)}", _named(name))
                _put_entry(db, replace(entries[name], mtime_ns=0, sha256="", copies_of=()))

        if names:
            self.write(change)

    def publish(self, name: str, background: str) -> None:
        """Note which index holds all chunks, and what was measured of them."""

        def change(db: sqlite3.Connection) -> None:
            _put_meta(db, "index", name)
            _put_meta(db, "background", background)
            db.execute("DELETE FROM gone")

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
            numbers = _numbers(db, new.terms, add=True)
            alike = db.execute("SELECT 1 FROM chunks WHERE near = ? AND id != ?", (near, number)).fetchone()
            query = "UPDATE chunks SET text = CAST(? AS TEXT), terms = ?, exact = ?, near = ? WHERE id = ?"
            values = (_bytes(new.stored.chunk.text), len(new.terms), exact, None if alike else near, number)
            db.execute(query, values)
            blobs = _blobs(new, numbers)
            db.execute("UPDATE indexed SET tokens = ?, windows = ? WHERE id = ?", (*blobs, number))

        self.write(change)

    # Details

    def _open(self) -> None:
        with self._problems():
            self._writer = self._connect()
            self._reader = self._writer if self.path is None else self._connect()
            if self.path is None:
                self._writing = self._reading
            db = self._writer
            db.execute("BEGIN IMMEDIATE")
            try:
                if not _one(db, "SELECT count(*) FROM sqlite_master"):
                    for statement in _statements(_SCHEMA):
                        db.execute(statement)
                    for key, value in {**self._meta, "generation": "0", "built_at": ""}.items():
                        _put_meta(db, key, value)
                here = {key: _meta(db, key) for key in self._meta}
                if here["format"] != self._meta["format"] or here["splitter"] != self._meta["splitter"]:
                    raise damaged(self.path, f"格式版本是 {here['format']}，应为 {FORMAT_VERSION}")
                if here != self._meta:
                    raise KnowledgeError(
                        f"索引是用 {here['embedder']} 建的，与现在的向量模型 {self._meta['embedder']} 不是同一个；"
                        "请运行 python -m src index --rebuild 重建"
                    )
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            ":memory:" if self.path is None else self.path, BUSY_S, isolation_level=None, check_same_thread=False
        )
        db.text_factory = _text
        if self.path is not None:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
        return db

    def _write(self, change: Callable[[sqlite3.Connection], T], new: bool) -> T:
        with self._writing:
            db = self._writer
            db.execute("BEGIN IMMEDIATE")
            try:
                result = change(db)
                _put_meta(db, "generation", str(int(_meta(db, "generation")) + 1))
                if new:
                    _put_meta(db, "built_at", datetime.now(UTC).isoformat(timespec="seconds"))
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    with suppress(sqlite3.OperationalError):  # a full disk may have rolled back by itself
                        db.execute("ROLLBACK")
            return result

    def _leave_disk(self, error: Exception) -> None:
        logger.warning("索引存不进 %s（%s），这次只放在内存里", self.path, error)
        with self._writing, self._reading:
            before = getattr(self, "_writer", None)
            self.path = None
            self._open()
            if before is not None and self._writer is not before:
                with suppress(sqlite3.Error):
                    before.backup(self._writer)

    @contextmanager
    def _problems(self) -> Iterator[None]:
        """What is wrong with the file becomes a clear line; what is wrong with the disk is left to the caller."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if _is_the_disks(error):
                raise
            raise damaged(self.path, str(error)) from error

    def _vectors(self, blob: bytes) -> np.ndarray:
        return np.frombuffer(blob, np.float16).reshape(-1, self.dimension).astype(np.float32)


def damaged(path: Path | None, reason: str) -> KnowledgeError:
    """One wording for every way an index can be wrong."""
    return KnowledgeError(f"索引 {path} 不可用：{reason}；请运行 python -m src index --rebuild 重建")


def _is_the_disks(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode & 0xFF in _DISK


def signed(key: int) -> int:
    """The 64 bits of a key as a database's INTEGER."""
    return key - 2**64 if key >= 2**63 else key


def keys_of(chunk: Chunk) -> tuple[int, int | None]:
    """(exact, near) as ``copy_keys``, signed; None where a text is too short for near copies."""
    exact, near = copy_keys(chunk.title, chunk.text)
    return signed(exact), signed(near) if near else None


def _add(db: sqlite3.Connection, chunks: Sequence[NewChunk]) -> None:
    numbers = _numbers(db, (term for new in chunks for term in new.terms), add=True)
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
            f" (?, ?, {', '.join(['CAST(? AS TEXT)'] * 5)}, ?, ?, CAST(? AS TEXT), ?, ?, ?)",
            (
                file_id, position, *map(_bytes, texts), chunk.start, chunk.end, _bytes(stored.lead), len(new.terms),
                *keys_of(chunk),
            ),
        )  # fmt: skip
        db.execute("INSERT INTO indexed VALUES (?, ?, ?)", (cursor.lastrowid, *_blobs(new, numbers)))


def _blobs(new: NewChunk, numbers: Mapping[str, int]) -> tuple[bytes, bytes]:
    tokens = np.array([numbers[term] for term in new.terms], dtype=np.int32)
    return tokens.tobytes(), new.windows.astype(np.float16).tobytes()


def _renumber(db: sqlite3.Connection, number: int) -> int:
    """Give a chunk a new id, so that indexes take it for a new one."""
    new = int(_one(db, "SELECT seq FROM sqlite_sequence WHERE name = 'chunks'")) + 1
    db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'chunks'", (new,))
    for table in ("chunks", "indexed"):
        db.execute(f"UPDATE {table} SET id = ? WHERE id = ?", (new, number))
    db.execute("INSERT OR IGNORE INTO gone VALUES (?)", (number,))
    return new


def _numbers(db: sqlite3.Connection, terms: Iterable[str], add: bool = False) -> dict[str, int]:
    wanted = list(dict.fromkeys(terms))
    if add:
        db.executemany(
            "INSERT OR IGNORE INTO terms (term) VALUES (CAST(? AS TEXT))", ((_bytes(t),) for t in wanted)
        )
    query = "SELECT term, number FROM terms WHERE term IN (SELECT value FROM json_each(?))"
    return dict(db.execute(query, (json.dumps(wanted),)))


def _put_entry(db: sqlite3.Connection, entry: FileEntry) -> None:
    values = {**asdict(entry), "copies_of": json.dumps(entry.copies_of)}
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
    return FileEntry(**{**values, **flags, "copies_of": tuple(json.loads(values["copies_of"]))})


def _stored(row: Sequence[Any]) -> StoredChunk:
    number, *fields = row[:8]
    file, lead, terms, enabled, file_id, position = row[8:]
    return StoredChunk(Chunk(*fields), file, lead, number, terms, bool(enabled), (file_id, position))


def _of(file: str | None) -> str:
    """A condition on the column ``file_id``."""
    return "1" if file is None else "file_id = (SELECT file_id FROM files WHERE name = CAST(? AS TEXT))"


def _named(file: str | None) -> tuple[bytes, ...]:
    return () if file is None else (_bytes(file),)


def _meta(db: sqlite3.Connection, key: str) -> str:
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return row[0] if row else ""


def _put_meta(db: sqlite3.Connection, key: str, value: str) -> None:
    db.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
    )


def _one(db: sqlite3.Connection, query: str, values: Sequence[Any] = ()) -> Any:
    return db.execute(query, values).fetchone()[0]


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: ``executescript`` would commit."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _bytes(text: str) -> bytes:
    """Names of files may hold bytes that are no UTF-8, which Python keeps as lone surrogates."""
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
