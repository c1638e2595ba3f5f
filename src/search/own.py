"""Documents of one session: a small index of their own, in memory only."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from src.errors import Busy, InputError, KnowledgeError
from src.ingest.pages import is_pictured
from src.ingest.types import Document
from src.ingest.worker import ParserPool
from src.models.embedders.base import Embedder
from src.search.base import Changes, texts_of
from src.search.indexing import add_documents
from src.search.knowledge_base import KnowledgeBase
from src.search.rows import FileEntry

MAX_FILES = 20
# Embedding this much takes some 15 s on two cores.
MAX_CHARACTERS = 300_000
# Calls of ``add`` and ``remove`` of one session that may wait for each other.
MAX_WAITING = 4
# Files whose pages can be shown are kept as they came, the last ones up to this size together.
MAX_ORIGINAL_BYTES = 60_000_000


def told(entry: FileEntry, changes: Changes | None = None) -> dict[str, Any]:
    """What became of a file that was added; what was left out of it is said in words."""
    replaced = {"replaced": True, "changes": asdict(changes)} if changes is not None else {}
    return {"chunks": entry.chunks, **replaced, **entry.read()}


def add_each(paths: Sequence[str | Path], add: Callable[[Path], dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What ``add`` tells of each file, or the reason of its KnowledgeError, as ``OwnDocuments.add`` gives it."""
    added: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    for path in map(Path, paths):
        try:
            added.append({"source": path.name, **add(path)})
        except KnowledgeError as error:
            rejected.append({"source": path.name, "reason": str(error)})
    return {"added": added, "rejected": rejected}


class OwnDocuments:
    """Files that a session has added, searchable at once; safe to call from several threads.

    Attributes:
        characters: of all files together.
        original_bytes: of the files that are kept as they came, for their pages.
    """

    def __init__(self, embedder: Embedder, parser: ParserPool) -> None:
        self._store = KnowledgeBase(embedder)
        self._parser = parser
        self._documents: dict[str, list[Document]] = {}
        self._originals: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(MAX_WAITING)
        self.characters = 0

    def add(self, paths: Sequence[str | Path]) -> dict[str, list[dict[str, Any]]]:
        """Read files into the index; one bad file does not keep the others out. A file takes the place of one of its name.

        The files stay where they are: gradio names uploads by content, so another visitor's upload may be the same
        file. Its ``delete_cache`` removes them.

        Returns:
            ``{"added": [{"source", "chunks", "characters", "counts", "warnings"?, "replaced"?, "changes"?}],
            "rejected": [{"source", "reason"}]}``

        Raises:
            Busy: the session already has ``MAX_WAITING`` changes under way.
        """
        with self._changing():
            return add_each(paths, self._add_one)

    def remove(self, name: str) -> None:
        """Delete one file.

        Raises:
            InputError: there is no such file.
            Busy: as ``add``.
        """
        with self._changing():
            if name not in self._documents:
                raise InputError(f"没有加入过 {name[:100]}")
            with self._store.exclusive():
                self._drop(name)

    def remove_each(self, names: Sequence[str]) -> dict[str, list[Any]]:
        """Delete files; a name that there is not does not keep the others.

        Returns:
            ``{"removed": [source], "rejected": [{"source", "reason"}]}``

        Raises:
            Busy: as ``add``.
        """
        removed: list[str] = []
        rejected: list[dict[str, Any]] = []
        for name in names:
            try:
                self.remove(name)
                removed.append(name)
            except InputError as error:
                rejected.append({"source": name[:100], "reason": str(error)})
        return {"removed": removed, "rejected": rejected}

    def files(self) -> list[FileEntry]:
        """Files in the order in which they were added."""
        return list(self._store.files().values()) if self._documents else []

    def original(self, name: str) -> bytes:
        """A file as it came.

        Raises:
            KnowledgeError: it is gone, or was too much to keep.
        """
        data = self._originals.get(name)
        if data is None:
            most = MAX_ORIGINAL_BYTES // 1_000_000
            raise KnowledgeError(
                f"{name} 的原页没有留着：只留最近加入的 {most} MB，内存不够时更少；要看请再加入一次"
            )
        return data

    def forget_originals(self) -> None:
        """Keep no file as it came; their texts stay."""
        self._originals = {}

    @property
    def original_bytes(self) -> int:
        return sum(map(len, list(self._originals.values())))

    @property
    def store(self) -> KnowledgeBase | None:
        """The chunks as a collection; None while there is no file."""
        return self._store if self._documents else None

    def _add_one(self, path: Path) -> dict[str, Any]:
        name, before = path.name, self._documents.get(path.name)
        if before is None and len(self._documents) >= MAX_FILES:
            raise KnowledgeError(f"一次会话最多加入 {MAX_FILES} 个文件")
        documents = self._parser.read(path)
        if before == documents and (name in self._originals or not is_pictured(name)):
            raise KnowledgeError("这个文件已经加入过了，内容没有变")
        characters = self.characters + _characters(documents) - _characters(before or [])
        if characters > MAX_CHARACTERS:
            raise KnowledgeError(f"文字太多：加入后共 {characters} 个字，一次会话最多 {MAX_CHARACTERS} 个")
        with self._store.exclusive():
            texts, originals = texts_of(self._store, name), self._originals
            if before is not None:
                self._drop(name)
            try:
                entry = self._put(name, documents)
            except KnowledgeError:
                if before is not None:  # such as: it only repeats what is there
                    self._put(name, before)
                    self._originals = originals
                raise
        self._keep(path)
        changes = None if before is None else Changes.between(texts, texts_of(self._store, name))
        return told(entry, changes)

    def _keep(self, path: Path) -> None:
        """The file as it came, if its pages can be shown, in the place of the oldest ones."""
        kept = {name: data for name, data in self._originals.items() if name != path.name}
        with suppress(OSError):  # its pages are then not shown
            if is_pictured(path.name) and path.stat().st_size <= MAX_ORIGINAL_BYTES:
                kept[path.name] = path.read_bytes()
        while sum(map(len, kept.values())) > MAX_ORIGINAL_BYTES:
            del kept[next(iter(kept))]
        self._originals = kept

    def _put(self, name: str, documents: list[Document]) -> FileEntry:
        entry = add_documents(self._store, name, documents)
        self._documents[name] = documents
        self.characters += _characters(documents)
        return entry

    def _drop(self, name: str) -> None:
        """Files that lack chunks because this one held them are added again."""
        short = [entry.name for entry in self._store.files().values() if name in entry.copies_of]
        self._store.commit(dict.fromkeys([name, *short]))
        for other in short:
            add_documents(self._store, other, self._documents[other])
        self.characters -= _characters(self._documents.pop(name))
        self._originals = {other: data for other, data in self._originals.items() if other != name}

    @contextmanager
    def _changing(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise Busy(f"您已有 {MAX_WAITING} 次上传在处理，请等其中一次有了结果再试")
        try:
            with self._lock:
                yield
        finally:
            self._places.release()


def _characters(documents: Sequence[Document]) -> int:
    return sum(len(document.title) + len(document.text) for document in documents)
