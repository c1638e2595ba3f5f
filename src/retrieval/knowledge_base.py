"""The passages that can be searched: segments, the files they came from, and what of them is deleted."""

import logging
import shutil
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from src.embedding.base import Embedder
from src.errors import KnowledgeError
from src.knowledge.types import Document
from src.retrieval.manifest import file_names
from src.retrieval.passages import Passage
from src.retrieval.segment import Progress, Segment, check_embedder
from src.retrieval.state import STATE, FileEntry, State
from src.retrieval.types import Candidate, Counts, Query

logger = logging.getLogger(__name__)

# As long as another process may take to index a large folder.
LOCK_TIMEOUT_S = 3600.0
# More segments make a search slower (five of 20,000 vectors take four times as long as one of all), fewer make adding a
# document slower.
MAX_SEGMENTS = 3
# While a large folder is indexed; each has some files open, of which a process may have a thousand.
MAX_OPEN_SEGMENTS = 32
MAX_DELETED = 0.25
# ``stats`` names the files with most passages, at most so many.
MAX_SOURCES = 1000
ADDED = "added"
SEGMENTS = "segments"


@dataclass(frozen=True)
class Part:
    """A segment, and the files of it that are not to be found any more; ``keep`` masks its passages, None: all."""

    name: str
    segment: Segment
    dropped: frozenset[str] = frozenset()
    keep: np.ndarray | None = None

    def without(self, files: Iterable[str]) -> "Part":
        """The same part with these files dropped too."""
        dropped = self.dropped | (frozenset(files) & frozenset(self.segment.file_names))
        if dropped == self.dropped:
            return self
        numbers = [number for number, name in enumerate(self.segment.file_names) if name in dropped]
        return Part(self.name, self.segment, dropped, ~np.isin(self.segment.files, numbers))

    def __len__(self) -> int:
        return len(self.segment.passages) if self.keep is None else int(self.keep.sum())


@dataclass(frozen=True)
class _Generation:
    """Never changed, so that a search sees one state from its beginning to its end."""

    number: int = 0
    parts: tuple[Part, ...] = ()
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    built_at: str = ""


class KnowledgeBase:
    """In memory, or kept in a directory that several processes may read and change.

    A change writes new segments first and then replaces one small file that names them: whatever happens, the next
    reader finds the old or the new state. Searches are never blocked by a change.
    """

    holds_added = False

    def __init__(self, embedder: Embedder, directory: Path | None = None) -> None:
        """Nothing is read before it is needed."""
        self.embedder = embedder
        self.directory = directory
        self._now = _Generation()
        self._stamp: tuple[int, int] | None = None
        self._reading = threading.Lock()
        self._writing = threading.RLock()

    # Searching

    def count(self, terms: Iterable[str]) -> Counts:
        """Over all passages; deleted ones count until they are merged away."""
        terms = list(terms)
        texts = length = 0
        frequencies = dict.fromkeys(terms, 0)
        for part in self.parts():
            counts = part.segment.lexical.count(terms)
            texts, length = texts + counts.texts, length + counts.length
            frequencies = {term: frequencies[term] + counts.frequencies[term] for term in terms}
        return Counts(texts, length, frequencies)

    def recall(self, query: Query) -> list[Candidate]:
        """Passages that may answer, with their lexical and dense scores."""
        parts = self.parts()
        return [c for n, part in enumerate(parts) for c in part.segment.recall(query, part.keep, n)]

    def passages(self) -> Iterator[Passage]:
        """Every passage that can be found, in the order of indexing."""
        for part in self.parts():
            rows = range(len(part.segment.passages)) if part.keep is None else np.flatnonzero(part.keep).tolist()
            for row in rows:
                yield part.segment.passages[row]

    def parts(self) -> tuple[Part, ...]:
        """The segments of this moment."""
        self.refresh()
        return self._now.parts

    def files(self) -> dict[str, FileEntry]:
        """What became of every knowledge file, by name."""
        self.refresh()
        return dict(self._now.files)

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts())

    def stats(self) -> dict[str, Any]:
        """Figures for the inspector; ``bytes`` counts text, vectors and lexical arrays."""
        parts, entries = self.parts(), self._now.files.values()
        counts: Counter[str] = Counter()
        for part in parts:
            found = part.segment.files if part.keep is None else part.segment.files[part.keep]
            counts.update({part.segment.file_names[i]: int(n) for i, n in enumerate(np.bincount(found)) if n})
        return {
            "documents": sum(entry.documents for entry in entries),
            "chunks": sum(map(len, parts)),
            "duplicates": sum(entry.duplicates for entry in entries),
            "near_duplicates": sum(entry.near_duplicates for entry in entries),
            "vectors": sum(len(part.segment.vectors) for part in parts),
            "dimension": self.embedder.dimension,
            "embedder": self.embedder.name,
            "vector_store": "+".join(dict.fromkeys(part.segment.vectors.name for part in parts)),
            "bytes": sum(part.segment.nbytes for part in parts),
            "built_at": self._now.built_at,
            "files": len(self._now.files),
            "rejected": sum(bool(entry.problem) for entry in entries),
            "segments": len(parts),
            "deleted": sum(len(part.segment.passages) - len(part) for part in parts),
            "sources": dict(counts.most_common(MAX_SOURCES)),
        }

    def check(self, name: str, documents: Sequence[Document]) -> None:
        """Everything can be kept."""

    def owners(self, column: str, keys: np.ndarray, ignoring: Iterable[str]) -> dict[int, str]:
        """key -> the file of a passage that has it, for those of ``keys`` (uint64) that are in the index.

        Args:
            column: "exact", "near" or "documents" of ``Segment``.
            ignoring: files that are about to be replaced.
        """
        found: dict[int, str] = {}
        wanted = np.unique(keys[keys != 0])
        for part in self._now.parts:
            part = part.without(ignoring)
            for row in part.segment.rows_with(column, wanted).tolist():
                if part.keep is None or part.keep[row]:
                    owner = part.segment.file_names[part.segment.files[row]]
                    found.setdefault(int(getattr(part.segment, column)[row]), owner)
        return found

    # Changing

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold everyone else's changes off, and start from the newest state.

        Raises:
            KnowledgeError: another process keeps changing the index.
        """
        with self._writing:
            if self.directory is None:
                yield
                return
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
                lock = FileLock(lock_path(self.directory), timeout=LOCK_TIMEOUT_S)
                lock.acquire()
            except Timeout as error:
                raise KnowledgeError(f"另一个进程一直在更新索引 {self.directory}；请等它结束后再试") from error
            except (OSError, NotImplementedError) as error:
                self._leave_disk(error)
                yield
                return
            try:
                self.refresh()
                yield
            finally:
                lock.release()

    def commit(
        self,
        entries: Mapping[str, FileEntry | None],
        dropped: Iterable[str] = (),
        passages: Sequence[Passage] = (),
        progress: Progress | None = None,
    ) -> None:
        """Make a change: drop files' passages, add a segment, note what became of files (None: forget it).

        Call it inside ``exclusive``. What cannot be written to disk is kept in memory, with a warning.
        """
        new = Segment.build(passages, self.embedder, progress) if passages else None
        self._change(entries, set(dropped), new)

    def _change(self, entries: Mapping[str, FileEntry | None], dropped: set[str], new: Segment | None) -> None:
        parts = [kept for part in self._now.parts if len(kept := part.without(dropped))]
        if new is not None:
            parts.append(self._stored(new))
        files = {name: entry for name, entry in {**self._now.files, **entries}.items() if entry is not None}
        self._publish(_Generation(self._now.number + 1, tuple(parts), files, _utc_now()))
        if len(parts) > MAX_OPEN_SEGMENTS:
            self.compact()

    def compact(self) -> None:
        """Merge small segments, and those with many deleted passages; call it inside ``exclusive``."""
        parts = self._now.parts
        worn = {p.name for p in parts if len(p) < (1 - MAX_DELETED) * len(p.segment.passages)}
        if len(parts) > MAX_SEGMENTS:
            worn |= _small(parts)
        if not worn:
            return
        merging = [part for part in parts if part.name in worn]
        merged = self._stored(Segment.merge([(part.segment, part.keep) for part in merging]))
        # In the place of the first of them, so that earlier passages stay the earlier ones.
        at = parts.index(merging[0])
        kept = [part for part in parts[at:] if part.name not in worn]
        self._publish(
            _Generation(self._now.number + 1, (*parts[:at], merged, *kept), self._now.files, self._now.built_at)
        )

    def verify(self) -> None:
        """Read every byte on disk and compare checksums.

        Raises:
            KnowledgeError: something is missing or altered.
        """
        if self.directory is not None:
            for part in self.parts():
                Segment.load(self.directory / SEGMENTS / part.name, verify=True)

    # The directory

    def refresh(self) -> None:
        """Take over what another process has changed. A state that cannot be read costs a warning, never a search."""
        if self.directory is None or (stamp := _stamp(self.directory / STATE)) == self._stamp:
            return
        with self._reading:
            if stamp == self._stamp or self.directory is None:
                return
            try:
                # Another process may delete a segment between our reading of its name and our opening it.
                for _ in range(3):
                    stamp = _stamp(self.directory / STATE)
                    self._now = self._load(self.directory)
                    if stamp == _stamp(self.directory / STATE):
                        break
            except KnowledgeError as error:
                logger.warning("%s（现在自动重建）", error)
                self._now = _Generation(self._now.number)
            self._stamp = stamp

    def _load(self, directory: Path) -> _Generation:
        state = State.load(directory)
        if state is None:
            return _Generation()
        check_embedder(state.embedder, state.fingerprint, self.embedder)
        known = {part.name: part for part in self._now.parts}
        files = dict(state.files)
        parts: list[Part] = []
        for name, dropped in state.segments.items():
            try:
                segment = known[name].segment if name in known else Segment.load(directory / SEGMENTS / name)
                check_embedder(segment.embedder, segment.fingerprint, self.embedder)
            except KnowledgeError as error:
                # What only this segment held is read again by the next sync.
                logger.warning("%s（其中的文件会重新建立索引）", error)
                files = _without_lost(files, file_names(directory / SEGMENTS / name))
                continue
            parts.append(Part(name, segment).without(dropped))
        held = {name for part in parts for name in part.segment.file_names}
        files = {n: e for n, e in files.items() if n in held or not e.chunks}
        return _Generation(state.generation, tuple(parts), files, state.built_at)

    def _stored(self, segment: Segment) -> Part:
        name = uuid.uuid4().hex[:12]
        if self.directory is not None:
            try:
                path = self.directory / SEGMENTS / name
                segment.save(path)
                segment = Segment.load(path)
            except (OSError, RuntimeError) as error:  # FAISS reports a full disk as a RuntimeError
                self._leave_disk(error)
        return Part(name, segment)

    def _publish(self, generation: _Generation) -> None:
        if self.directory is not None:
            state = State(
                self.embedder.name, self.embedder.fingerprint, generation.built_at, generation.number,
                {part.name: tuple(sorted(part.dropped)) for part in generation.parts}, generation.files,
            )  # fmt: skip
            try:
                state.save(self.directory)
            except OSError as error:
                self._leave_disk(error)
        with self._reading:
            self._now = generation
            self._stamp = _stamp(self.directory / STATE) if self.directory is not None else None
        self._remove_unused()

    def _leave_disk(self, error: Exception) -> None:
        logger.warning("索引存不进 %s（%s），这次只放在内存里", self.directory, error)
        self.directory = None

    def _remove_unused(self) -> None:
        """Readers that still have a removed segment open keep it (not on Windows, where removing fails and waits)."""
        if self.directory is None or not (folder := self.directory / SEGMENTS).is_dir():
            return
        used = {part.name for part in self._now.parts}
        for path in folder.iterdir():
            if path.name not in used:
                shutil.rmtree(path, ignore_errors=True)


def lock_path(directory: Path) -> Path:
    """The file that processes lock to change ``directory``."""
    return directory.with_name(f"{directory.name}.lock")


def _small(parts: Iterable[Part]) -> set[str]:
    """The segments that are worth merging: each at most twice as large as all smaller ones together."""
    chosen: set[str] = set()
    total = 0
    for part in sorted(parts, key=len):
        if chosen and len(part) > 2 * total:
            break
        chosen.add(part.name)
        total += len(part)
    return chosen


def _without_lost(files: Mapping[str, FileEntry], lost: Iterable[str] | None) -> dict[str, FileEntry]:
    """The entries without those of a lost segment; without any where it is not even known which those were."""
    if lost is None:
        return {}
    gone = set(lost)
    return {name: entry for name, entry in files.items() if name not in gone}


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
