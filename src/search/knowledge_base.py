"""The knowledge base: a store and the indexes over it. A session's documents are the same class, in memory."""

import json
import logging
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from src.errors import KnowledgeError
from src.ingest.types import Document
from src.models.embedders.base import Embedder
from src.search.base import figures
from src.search.index import BACKGROUND_CHUNKS, Index, Progress, measured, prepared
from src.search.rows import FileEntry, Indexable, StoredChunk
from src.search.store import Store
from src.search.types import Background, Candidate, Proposals, Query, Stages

logger = logging.getLogger(__name__)

# As long as another process may take to index a large folder.
LOCK_TIMEOUT_S = 3600.0
STORE, ADDED, BUILDING = "store.db", "added", "building.lock"
# Chunks that are newer than the main index are in tails, the last of which is indexed anew whenever there are more (some
# 0.2 ms a chunk) until it holds ``MAX_TAIL``. The main index is built anew when the tails hold this share of it, within
# these bounds, or when so much of it is gone.
TAIL_SHARE, MIN_TAIL, MAX_TAIL = 0.1, 500, 5000
MAX_DELETED = 0.25
ROWS_AT_ONCE = 5000
# Three times what a chunk is split at; more of them would not fit the prompt.
MAX_EDITED_CHARS = 900


@dataclass(frozen=True)
class Snapshot:
    """The indexes over one generation: all chunks are in one of them.

    Attributes:
        name: of the published main index.
    """

    generation: int
    name: str
    main: Index
    tails: tuple[Index, ...] = ()
    background: Background | None = None

    @property
    def parts(self) -> list[Index]:
        """The indexes that hold any chunk."""
        return [index for index in (self.main, *self.tails) if len(index.ids)]


class KnowledgeBase:
    """A collection of chunks; in memory, or in a directory that several processes may read and change.

    Searches are never blocked by a change: they go on with the snapshot that they have begun with.
    """

    holds_added = False

    def __init__(self, embedder: Embedder, directory: Path | None = None, added: Path | None = None) -> None:
        """Open the store; ``added``: folder of the files that come through the page, else one beside the store.

        Raises:
            KnowledgeError: it is damaged, of another version or made with another embedder.
        """
        self.embedder = embedder
        self.store = Store(directory / STORE if directory else None, embedder)
        self._added = added or (directory and directory / ADDED)
        self._main = "", Index.build([], embedder.dimension, 0)
        self._now = Snapshot(-1, *self._main)
        self._unsaved = False
        self._refreshing = threading.RLock()
        self._changing = threading.RLock()
        self._building = threading.Lock()
        self._builder: threading.Thread | None = None

    @property
    def directory(self) -> Path | None:
        """Where the store is; None in memory."""
        return self.store.path.parent if self.store.path else None

    @property
    def added(self) -> Path | None:
        """Where added files are kept, apart from the index: they outlive its format; None in memory."""
        return self._added if self.store.path else None

    # Searching

    def propose(self, query: Query) -> Proposals:
        """Chunks that may answer: the first of either side, by words for each wording."""
        now, vector = self.snapshot(), query.vector
        numbers = self.store.numbers(query.terms)
        frequencies = np.zeros(len(numbers), np.int64)
        cosines: dict[int, float] = {}
        for index in now.parts:
            frequencies += index.frequencies(list(numbers.values()))
            rows = [np.zeros(0, np.int64)]
            if query.mode != "dense":
                for wording in query.wordings:
                    known = [numbers[term] for term in wording.terms if term in numbers]
                    rows.append(index.by_words(known, query.pool))
            if vector is not None:
                rows.append(index.by_meaning(vector, query.pool))
            found = np.unique(np.concatenate(rows))
            scores = np.zeros(len(found)) if vector is None else index.cosines(vector, found)
            cosines |= zip(
                index.ids[found].tolist(), np.clip(scores.astype(float), 0, 1).round(6).tolist(), strict=True
            )
        candidates = [
            Candidate(
                stored.chunk, stored.order, Stages(dense=None if vector is None else cosines[number]),
                stored.lead, stored.terms,
            )
            for number, stored in self.store.get(cosines).items()
        ]  # fmt: skip
        return Proposals(
            candidates,
            sum(len(index.ids) for index in now.parts),
            sum(index.tokens for index in now.parts),
            dict(zip(numbers, frequencies.tolist(), strict=True)),
            now.background,
        )

    def snapshot(self) -> Snapshot:
        """The indexes over the newest generation, whichever process made it."""
        if self.store.generation() != self._now.generation:
            with self._refreshing:
                if self.store.generation() != self._now.generation:
                    self._now = self._read()
        return self._now

    def chunks(self, file: str | None = None) -> Iterator[StoredChunk]:
        """Every chunk that can be found, in reading order; of one file, if given."""
        return self.store.chunks(file)

    def files(self) -> dict[str, FileEntry]:
        """What became of every knowledge file, by name."""
        return self.store.files()

    def __len__(self) -> int:
        return self.store.count()

    @property
    def size(self) -> int:
        """Chunks at the last search or change; nothing is read."""
        return sum(map(len, self._now.parts))

    def stats(self) -> dict[str, Any]:
        """Figures for the inspector; ``bytes`` counts the database, vectors and postings."""
        now = self.snapshot()
        return {
            **figures(self.files().values()),
            "chunks": len(self),
            "vectors": sum(len(index.vectors) for index in now.parts),
            "dimension": self.embedder.dimension,
            "embedder": self.embedder.name,
            "vector_store": "+".join(dict.fromkeys(index.vectors.name for index in now.parts)),
            "bytes": self.store.nbytes + sum(index.nbytes for index in now.parts),
            "built_at": self.store.meta("built_at"),
            "segments": len(now.parts),
            "deleted": sum(len(index.ids) - len(index) for index in now.parts),
        }

    # Changing

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold everyone else's changes off.

        Raises:
            KnowledgeError: another process keeps changing the index.
        """
        with self._changing, self._alone(lock_path(self.directory) if self.directory else None):
            yield

    def check(self, name: str, documents: Sequence[Document]) -> None:
        """Everything can be kept."""

    def holders(self, column: str, values: Sequence[int | str]) -> dict[int | str, str]:
        """As ``Store.holders``."""
        return self.store.holders(column, values)

    def mark_stale(self, names: Sequence[str]) -> None:
        """As ``Store.mark_stale``; the log says what the owner loses with it."""
        if lost := self.store.mark_stale(names):
            logger.warning("有 %d 段改过或停用了的段落，随文件重新读取恢复成文件里的样子", lost)

    def commit(
        self,
        entries: Mapping[str, FileEntry | None],
        chunks: Sequence[StoredChunk] = (),
        dropped: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> None:
        """Embed and add chunks, drop those of files, note what became of files (None: forget it); all or nothing.

        Call it inside ``exclusive``.
        """
        self.store.commit(entries, prepared(chunks, self.embedder, progress), dropped)

    def compact(self, *, more: bool = False, wait: bool = True) -> None:
        """Build and publish a new main index where the tails or what is gone have grown; call it inside ``exclusive``.

        Args:
            more: other commits follow: only where the tails have outgrown the main index.
            wait: for it. Else it is built in the background, unless it is the first one, and published whenever it
                is done; until then searches go on with what there is, and if the process ends, the next one builds it.
        """
        if self._is_worn(more):
            if wait or not self.store.meta("index"):
                self._rebuild(more)
            elif self._builder is None or not self._builder.is_alive():
                self._builder = threading.Thread(target=self._try_to_rebuild, name="index", daemon=True)
                self._builder.start()
        if not more:
            self.snapshot()

    def join(self) -> None:
        """Wait for the index that is being built in the background, if there is one."""
        if self._builder is not None:
            self._builder.join()

    def switch(self, chunk_id: str, enabled: bool) -> None:
        """Let a chunk be found, or not.

        Raises:
            KnowledgeError: there is no such chunk.
        """
        with self.exclusive():
            self.store.switch(chunk_id, enabled)

    def edit(self, chunk_id: str, text: str) -> None:
        """Give a chunk another text; its terms and vectors follow.

        Raises:
            KnowledgeError: there is no such chunk, there is no text or too much, or another chunk has it.
        """
        with self.exclusive():
            stored = self.store.known(chunk_id)
            if not text.strip():
                raise KnowledgeError("段落不能是空的；不要它可以停用")
            if len(text) > MAX_EDITED_CHARS:
                raise KnowledgeError(f"一段最多 {MAX_EDITED_CHARS} 字，这里有 {len(text)} 字；请删减")
            changed = replace(stored, chunk=replace(stored.chunk, text=text.strip()))
            self.store.edit(chunk_id, prepared([changed], self.embedder)[0])

    def verify(self) -> None:
        """Read every byte on disk and compare checksums.

        Raises:
            KnowledgeError: something is missing or altered.
        """
        self.store.verify()
        name = self.store.meta("index")
        if self.directory is not None and name:
            try:
                Index.load(self.directory / name, verify=True)
            except KnowledgeError:
                if name == self.store.meta("index"):  # no change meanwhile has replaced it
                    raise

    # Details

    @contextmanager
    def _alone(self, path: Path | None) -> Iterator[None]:
        """One process at a time; only a warning where files cannot be locked."""
        if path is None:
            yield
            return
        lock = FileLock(path, timeout=LOCK_TIMEOUT_S)
        try:
            lock.acquire()
        except Timeout as error:
            raise KnowledgeError(f"另一个进程一直在更新索引 {self.directory}；请等它结束后再试") from error
        except (OSError, NotImplementedError) as error:
            logger.warning("不能锁住索引 %s（%s）：请不要同时用另一个进程改它", self.directory, error)
        try:
            yield
        finally:
            lock.release()

    def _read(self) -> Snapshot:
        """The published index without what is gone, and tails of what is newer, the full ones kept."""
        while True:
            name, main = self._published()
            kept = [tail for tail in self._now.tails if len(tail.ids) == MAX_TAIL] if name == self._now.name else []
            after = kept[-1].last_id if kept else main.last_id
            with self.store.read():
                if name != self.store.meta("index"):
                    continue  # another process has published meanwhile
                generation, background = self.store.generation(), self.store.meta("background")
                gone, pages = self.store.gone(), list(self._pages(after, MAX_TAIL))
            built = [Index.build(rows, self.embedder.dimension, rows[-1].id) for rows in pages]
            tails = tuple(tail.without(gone) for tail in [*kept, *built])
            cosines = Background(**json.loads(background)) if background else None
            return Snapshot(generation, name, main.without(gone), tails, cosines)

    def _published(self) -> tuple[str, Index]:
        """Name and content of the published index; what is gone is still in it."""
        with self._refreshing:
            if (name := self.store.meta("index")) != self._main[0]:
                self._main = name, self._load(name)
            return self._main

    def _load(self, name: str) -> Index:
        try:
            if self.directory is not None and name:
                return Index.load(self.directory / name)
        except KnowledgeError as error:
            if name == self.store.meta("index"):  # else it is not used
                logger.warning("%s（现在由库里的段落重建）", error)
                self._unsaved = True
                return self._built()
        return Index.build([], self.embedder.dimension, 0)

    def _pages(self, after: int, size: int) -> Iterator[list[Indexable]]:
        while page := self.store.indexable(after, size):
            yield page
            after = page[-1].id

    def _built(self) -> Index:
        last_id = self.store.last_id()
        rows = (row for page in self._pages(0, ROWS_AT_ONCE) for row in page if row.id <= last_id)
        return Index.build(rows, self.embedder.dimension, last_id)

    def _is_worn(self, more: bool) -> bool:
        name, main = self._published()
        tail = self.store.count_after(main.last_id)
        most = max(MIN_TAIL, len(main.ids)) if more else min(max(MIN_TAIL, TAIL_SHARE * len(main.ids)), MAX_TAIL)
        worn = len(main.without(self.store.gone())) < (1 - MAX_DELETED) * len(main.ids)
        return tail > most or worn or self._unsaved or bool(tail and not name)

    def _rebuild(self, more: bool = False) -> None:
        building = self.directory / BUILDING if self.directory else None
        with self._building, self._alone(building):
            if self._is_worn(more):  # nobody has done it meanwhile
                self._publish()

    def _try_to_rebuild(self) -> None:
        try:
            self._rebuild()
        except KnowledgeError as error:
            logger.warning("索引没有在后台建完（%s），下次加入文件或启动时再建", error)

    def _publish(self) -> None:
        """Build beside, save, and only then name it in the store: whatever happens, the old or the new one is read.

        Others may change the store meanwhile: what they add has higher ids, what they take away stays in ``gone``.
        """
        gone = self.store.gone()
        main = self._built()
        name = f"index-{self.store.generation() + 1}"
        if self.directory is not None:
            try:
                shutil.rmtree(self.directory / name, ignore_errors=True)  # left by a crash
                main.save(self.directory / name)
                main = Index.load(self.directory / name)
            except (KnowledgeError, OSError, RuntimeError) as error:  # FAISS reports a full disk as a RuntimeError
                logger.warning("索引存不进 %s（%s），下次启动要重建", self.directory, error)
        background = self._background()
        with self._refreshing:
            self.store.publish(name, json.dumps(asdict(background)) if background else "", gone)
            self._main, self._unsaved = (name, main), False
        if self.directory is not None:
            for path in self.directory.glob("index-*"):
                if path.name != name:
                    shutil.rmtree(path, ignore_errors=True)

    def _background(self) -> Background | None:
        sample = self.store.sample(BACKGROUND_CHUNKS)
        windows = self.store.windows([stored.id for stored in sample])
        last = [windows[stored.id][-1] for stored in sample]
        return measured([stored.chunk.text for stored in sample], last, self.embedder)


def lock_path(directory: Path) -> Path:
    """The file that processes lock to change ``directory``."""
    return directory.with_name(f"{directory.name}.lock")
