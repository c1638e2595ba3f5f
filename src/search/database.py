"""One SQLite file that several processes may read while one writes, for any number of threads; in memory where the disk
takes nothing more. A change that was reported is there after a crash (WAL, ``synchronous=FULL``).
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from src.errors import KnowledgeError

logger = logging.getLogger(__name__)

Change = Callable[[sqlite3.Connection], None]

BUSY_S = 60.0
# Of a connection, used as needed: with SQLite's own 2 MB the keys of a million chunks are looked up on the disk.
CACHE_KB = 64_000
# Full, read-only, failing, or with no such folder.
_DISK = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


class Database:
    """Tables beside ``meta`` (key, value), which says what the file is, and holds its generation.

    Raises:
        KnowledgeError: in every method, the file is damaged or another's.
    """

    def __init__(self, path: Path | None, schema: Sequence[str], meta: Mapping[str, str]) -> None:
        """Open the file, or make it; in memory where that cannot be done, with a warning.

        Args:
            schema: statements that make the tables.
            meta: what a file that can be used says of itself.
        """
        self.path = path
        self._schema, self._own = schema, dict(meta)
        self._reading, self._writing = threading.RLock(), threading.RLock()
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
        except (OSError, sqlite3.OperationalError) as error:
            if path is None:
                raise
            self._leave_disk(error)

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

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a SELECT finds."""
        with self.read() as db:
            return db.execute(query, values).fetchall()

    def meta(self, key: str) -> str:
        """A value of ``meta``; empty if there is none."""
        with self.read() as db:
            return _meta(db, key)

    def generation(self) -> int:
        """Grows with every change, whichever process made it."""
        return int(self.meta("generation"))

    def write(self, change: Change, *, new: bool = True) -> None:
        """Make a change, whole or not at all; where the disk takes no more, in memory from then on.

        Args:
            new: it changes what can be found, which dates the file.
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

    def verify(self) -> None:
        """Read every page.

        Raises:
            KnowledgeError: something is damaged.
        """
        # Searches do not wait for it: it takes a minute for a million chunks.
        db = self._reader if self.path is None else self._connect()
        try:
            if (said := one(db, "PRAGMA integrity_check")) != "ok":
                raise damaged(self.path, said.splitlines()[0])
        except sqlite3.Error as error:
            raise damaged(self.path, str(error)) from error
        finally:
            if db is not self._reader:
                db.close()

    @property
    def nbytes(self) -> int:
        """Size of the file."""
        return int(self.rows("PRAGMA page_count")[0][0] * self.rows("PRAGMA page_size")[0][0])

    def _open(self) -> None:
        def make(db: sqlite3.Connection) -> None:
            if _is_empty(db):  # still: another process may have been faster
                db.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
                for statement in self._schema:
                    db.execute(statement)
                put_meta(db, **self._own, generation="0", built_at="")

        try:
            self._writer = self._connect()
            self._reader = self._writer if self.path is None else self._connect()
            if self.path is None:
                self._writing = self._reading
            if _is_empty(self._writer):
                self._write(make, new=False)
            here = {key: _meta(self._reader, key) for key in self._own}
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF in _DISK:
                raise
            raise damaged(self.path, str(error)) from error
        self._check(here, self._own)

    def _check(self, here: Mapping[str, str], own: Mapping[str, str]) -> None:
        """Raises KnowledgeError: the file, which says ``here`` of itself, is not what it should be."""
        raise NotImplementedError

    def _connect(self) -> sqlite3.Connection:
        at = ":memory:" if self.path is None else self.path
        db = sqlite3.connect(at, BUSY_S, isolation_level=None, check_same_thread=False)
        db.text_factory = lambda data: data.decode("utf-8", "surrogatepass")
        if self.path is not None:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        return db

    def _write(self, change: Change, new: bool) -> None:
        with self._writing:
            db = self._writer
            db.execute("BEGIN IMMEDIATE")
            try:
                change(db)
                put_meta(db, generation=str(int(_meta(db, "generation")) + 1))
                if new:
                    put_meta(db, built_at=datetime.now(UTC).isoformat(timespec="seconds"))
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


def damaged(path: Path | None, reason: str) -> KnowledgeError:
    """One wording for every way an index can be wrong."""
    return KnowledgeError(f"索引 {path} 不可用：{reason}；请运行 python -m src index --rebuild 重建")


def one(db: sqlite3.Connection, query: str, values: Sequence[Any] = ()) -> Any:
    """The first value of a SELECT's first row."""
    return db.execute(query, values).fetchone()[0]


def put_meta(db: sqlite3.Connection, **values: str) -> None:
    """Values of ``meta``."""
    db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())


def encoded(text: str) -> bytes:
    """A text for ``CAST(? AS TEXT)``: names of files may hold bytes that are no UTF-8, which Python keeps as lone
    surrogates."""
    return text.encode("utf-8", "surrogatepass")


def _meta(db: sqlite3.Connection, key: str) -> str:
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return row[0] if row else ""


def _is_empty(db: sqlite3.Connection) -> bool:
    return not one(db, "SELECT count(*) FROM sqlite_master")
