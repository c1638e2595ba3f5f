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
up to some id is brought up to date by those with higher ids and by ``gone``.
"""

# ruff: noqa: S608 (only names of this module are put into statements)

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from src.errors import KnowledgeError
from src.ingest.copies import copy_keys
from src.ingest.split import SPLITTER_VERSION
from src.ingest.types import Chunk
from src.models.embedders.base import Embedder
from src.search.database import Database, damaged, encoded, one, put_meta
from src.search.rows import FileEntry, Indexable, NewChunk, StoredChunk, keys_of, signed

# Part of every cache key: raise it when the tables, the terms or the dense windows change.
FORMAT_VERSION = 8
_PAGE = 1000
_SCHEMA = """
CREATE TABLE files (file_id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, entry TEXT NOT NULL);

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


class Store(Database):
    """In memory, or a file that several processes may read and change; any number of threads may use it.

    Raises:
        KnowledgeError: in every method, the file is damaged, of another version or made with another embedder.
    """

    def __init__(self, path: Path | None, embedder: Embedder) -> None:
        """Open the file, or make it; in memory where that cannot be done, with a warning."""
        meta = {
            "format": str(FORMAT_VERSION),
            "splitter": SPLITTER_VERSION,
            "embedder": embedder.name,
            "fingerprint": embedder.fingerprint,
            "dimension": str(embedder.dimension),
        }
        self.dimension = embedder.dimension
        super().__init__(path, _SCHEMA.split(";\n\n"), meta)

    def _check(self, here: Mapping[str, str], own: Mapping[str, str]) -> None:
        if (here["format"], here["splitter"]) != (own["format"], own["splitter"]):
            raise damaged(self.path, f"格式版本是 {here['format']}，应为 {FORMAT_VERSION}")
        if here != own:
            raise KnowledgeError(
                f"索引是用 {here['embedder']} 建的，与现在的向量模型 {own['embedder']} 不是同一个；"
                "请运行 python -m src index --rebuild 重建"
            )

    # Reading

    def files(self) -> dict[str, FileEntry]:
        """What became of every knowledge file, by name, in the order of indexing."""
        rows = self.rows("SELECT entry FROM files ORDER BY file_id")
        return {entry.name: entry for entry in (FileEntry.from_json(json.loads(body)) for (body,) in rows)}

    def count(self, file: str | None = None, shown: Shown = "on") -> int:
        """Number of chunks; of one file, if given."""
        query = f"SELECT count(*) FROM chunks WHERE {_SHOWN[shown]} AND {_of(file)}"
        return int(self.rows(query, *_named(file))[0][0])

    def page(self, start: int, limit: int, file: str | None = None, shown: Shown = "on") -> list[StoredChunk]:
        """Chunks ``start`` to ``start + limit`` in reading order, file by file."""
        where = f"WHERE {_SHOWN[shown]} AND {_of(file)} ORDER BY c.file_id, c.position LIMIT ? OFFSET ?"
        return list(map(_stored, self.rows(_CHUNK + where, *_named(file), limit, start)))

    def chunks(self, file: str | None = None, shown: Shown = "on") -> Iterator[StoredChunk]:
        """Every chunk, in reading order."""
        where = f"WHERE (c.file_id, c.position) > (?, ?) AND {_SHOWN[shown]} AND {_of(file)}"
        order = f" ORDER BY c.file_id, c.position LIMIT {_PAGE}"
        after = (-1, -1)
        while rows := self.rows(_CHUNK + where + order, *after, *_named(file)):
            yield from map(_stored, rows)
            after = rows[-1][-2:]

    def sample(self, limit: int, file: str | None = None) -> list[StoredChunk]:
        """Chunks at even distances over all that can be found, at most ``limit``."""
        query = f"SELECT id FROM chunks WHERE enabled AND {_of(file)} ORDER BY file_id, position"
        ids = [number for (number,) in self.rows(query, *_named(file))]
        if len(ids) > limit:
            ids = [ids[number * len(ids) // limit] for number in range(limit)]
        found = self.get(ids)
        return [found[chosen] for chosen in ids if chosen in found]

    def get(self, ids: Iterable[int]) -> dict[int, StoredChunk]:
        """Chunks by id; those that can no longer be found are missing."""
        rows = self.rows(f"{_CHUNK}WHERE c.id IN {_LISTED} AND enabled", json.dumps(list(ids)))
        return {row[0]: _stored(row) for row in rows}

    def document(self, doc_id: str) -> list[StoredChunk]:
        """A document's chunks in reading order, those switched off too."""
        where = 'WHERE c.doc_id = CAST(? AS TEXT) ORDER BY c.start, c."end"'
        return list(map(_stored, self.rows(_CHUNK + where, encoded(doc_id))))

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
            self.rows(f"{query} WHERE c.{column} IN {_LISTED} AND exact NOT NULL", json.dumps(list(values)))
        )

    def windows(self, ids: Sequence[int]) -> dict[int, np.ndarray]:
        """id -> the vectors of a chunk's windows, float32 (windows, dimension)."""
        rows = self.rows(f"SELECT id, windows FROM indexed WHERE id IN {_LISTED}", json.dumps(list(ids)))
        return {number: self._vectors(blob).astype(np.float32) for number, blob in rows}

    def indexable(self, after: int, limit: int) -> list[Indexable]:
        """What an index is made of: the chunks that can be found with ids above ``after``, ascending."""
        query = "SELECT id, tokens, windows FROM chunks JOIN indexed USING (id) WHERE id > ? AND enabled"
        return [
            Indexable(number, np.frombuffer(tokens, np.int32), self._vectors(windows))
            for number, tokens, windows in self.rows(f"{query} ORDER BY id LIMIT ?", after, limit)
        ]

    def count_after(self, after: int) -> int:
        """Number of chunks that can be found with ids above ``after``."""
        return int(self.rows("SELECT count(*) FROM chunks WHERE id > ? AND enabled", after)[0][0])

    def last_id(self) -> int:
        """The greatest id that was ever given."""
        return int(self.rows("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'chunks'")[0][0])

    def gone(self) -> np.ndarray:
        """The ids, int64, that indexes may still hold and must not propose."""
        return np.array(self.rows("SELECT id FROM gone"), dtype=np.int64).ravel()

    def numbers(self, terms: Iterable[str]) -> dict[str, int]:
        """Number of each term that some chunk had."""
        with self.read() as db:
            return _numbers(db, list(terms))

    def verify(self) -> None:
        """Read every page, and every text.

        Raises:
            KnowledgeError: something is damaged, or a text is not the one that was stored.
        """
        super().verify()
        query = "SELECT id, title, text, exact FROM chunks WHERE exact NOT NULL AND id > ? ORDER BY id LIMIT ?"
        after = 0
        while rows := self.rows(query, after, _PAGE):
            if any(signed(copy_keys(title, text)[0]) != exact for _, title, text, exact in rows):
                raise damaged(self.path, "有段落的文字与存入时不同")
            after = rows[-1][0]

    # Changing

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
                lost += one(db, query, _named(entry.name))
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
            put_meta(db, index=name, background=background)
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
                "UPDATE chunks SET enabled = ? WHERE chunk_id = CAST(? AS TEXT)", (enabled, encoded(chunk_id))
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
            values = (encoded(new.stored.chunk.text), len(new.terms), None if alike else near, exact, number)
            db.execute(query, values)
            blobs = _blobs(new, _numbers(db, new.terms, add=True))
            db.execute("UPDATE indexed SET tokens = ?, windows = ? WHERE id = ?", (*blobs, number))

        self.write(change)

    # Details

    def _vectors(self, blob: bytes) -> np.ndarray:
        return np.frombuffer(blob, np.float16).reshape(-1, self.dimension)


def _add(db: sqlite3.Connection, chunks: Sequence[NewChunk]) -> None:
    """Each behind its file's last one."""
    numbers = _numbers(db, [term for new in chunks for term in new.terms], add=True)
    insert = (
        f"INSERT INTO chunks (file_id, position, {_FIELDS}, lead, terms, exact, near)"
        " SELECT file_id, (SELECT coalesce(max(position) + 1, 0) FROM chunks c WHERE c.file_id = f.file_id),"
        f" {', '.join(['CAST(? AS TEXT)'] * 5)}, ?, ?, ?, CAST(? AS TEXT), ?, ?, ? FROM files f WHERE {_of('')}"
    )
    for new in chunks:
        stored, chunk = new.stored, new.stored.chunk
        texts = map(encoded, (chunk.chunk_id, chunk.doc_id, chunk.source, chunk.title, chunk.text))
        places = (chunk.start, chunk.end, chunk.page, encoded(stored.lead), len(new.terms))
        cursor = db.execute(insert, (*texts, *places, *keys_of(chunk), *_named(stored.file)))
        db.execute("INSERT INTO indexed VALUES (?, ?, ?)", (cursor.lastrowid, *_blobs(new, numbers)))


def _blobs(new: NewChunk, numbers: Mapping[str, int]) -> tuple[bytes, bytes]:
    tokens = np.fromiter(map(numbers.__getitem__, new.terms), np.int32, len(new.terms))
    return tokens.tobytes(), new.windows.astype(np.float16).tobytes()


def _renumber(db: sqlite3.Connection, number: int) -> int:
    """Give a chunk a new id, so that indexes take it for a new one."""
    new = int(one(db, "SELECT seq FROM sqlite_sequence WHERE name = 'chunks'")) + 1
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
        db.executemany("INSERT INTO terms (term) VALUES (CAST(? AS TEXT))", ((encoded(term),) for term in new))
        numbers |= db.execute(query, (json.dumps(new),))
    return numbers


def _put_entry(db: sqlite3.Connection, entry: FileEntry) -> None:
    put = "INSERT INTO files (name, entry) VALUES (CAST(? AS TEXT), ?) ON CONFLICT (name) DO UPDATE SET entry = excluded.entry"
    db.execute(put, (encoded(entry.name), json.dumps(asdict(entry))))


def _stored(row: Sequence[Any]) -> StoredChunk:
    number, *fields = row[:9]
    file, lead, terms, enabled, edited, file_id, position = row[9:]
    order = file_id, position
    return StoredChunk(Chunk(*fields), file, lead, number, terms, bool(enabled), bool(edited), order)


def _of(file: str | None) -> str:
    """A condition on the column ``file_id``."""
    return "1" if file is None else "file_id = (SELECT file_id FROM files WHERE name = CAST(? AS TEXT))"


def _named(file: str | None) -> tuple[bytes, ...]:
    return () if file is None else (encoded(file),)
