"""Documents of one session: a small index of their own, in memory only."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from src.embedding.base import Embedder
from src.errors import Busy, InputError, KnowledgeError
from src.knowledge.types import Document
from src.knowledge.worker import ParserPool
from src.retrieval.indexing import add_documents
from src.retrieval.knowledge_base import KnowledgeBase
from src.retrieval.store import FileEntry

MAX_FILES = 20
# Embedding this much takes some 15 s on two cores.
MAX_CHARACTERS = 300_000
# Calls of ``add`` and ``remove`` of one session that may wait for each other.
MAX_WAITING = 4


def add_each(paths: Sequence[str | Path], add: Callable[[Path], int]) -> dict[str, list[dict[str, Any]]]:
    """The chunks that ``add`` makes of each file, or the reason of its KnowledgeError, as ``OwnDocuments.add`` tells it."""
    added: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    for path in map(Path, paths):
        try:
            added.append({"source": path.name, "chunks": add(path)})
        except KnowledgeError as error:
            rejected.append({"source": path.name, "reason": str(error)})
    return {"added": added, "rejected": rejected}


class OwnDocuments:
    """Files that a session has added, searchable at once; safe to call from several threads.

    Attributes:
        characters: of all files together.
    """

    def __init__(self, embedder: Embedder, parser: ParserPool) -> None:
        self._store = KnowledgeBase(embedder)
        self._parser = parser
        self._documents: dict[str, list[Document]] = {}
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(MAX_WAITING)
        self.characters = 0

    def add(self, paths: Sequence[str | Path]) -> dict[str, list[dict[str, Any]]]:
        """Read files into the index; one bad file does not keep the others out.

        The files stay where they are: gradio names uploads by content, so another visitor's upload may be the same
        file. Its ``delete_cache`` removes them.

        Returns:
            ``{"added": [{"source", "chunks"}], "rejected": [{"source", "reason"}]}``

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
            # Files that lack chunks because this one held them are added again.
            short = [entry.name for entry in self._store.files().values() if name in entry.copies_of]
            with self._store.exclusive():
                self._store.commit(dict.fromkeys([name, *short]))
                for other in short:
                    add_documents(self._store, other, self._documents[other])
            self.characters -= _characters(self._documents.pop(name))

    def files(self) -> list[FileEntry]:
        """Files in the order in which they were added."""
        return list(self._store.files().values()) if self._documents else []

    @property
    def store(self) -> KnowledgeBase | None:
        """The chunks as a collection; None while there is no file."""
        return self._store if self._documents else None

    def _add_one(self, path: Path) -> int:
        if len(self._documents) >= MAX_FILES:
            raise KnowledgeError(f"一次会话最多加入 {MAX_FILES} 个文件")
        if path.name in self._documents:
            raise KnowledgeError("这个文件名已经加入过了")
        documents = self._parser.read(path)
        characters = self.characters + _characters(documents)
        if characters > MAX_CHARACTERS:
            raise KnowledgeError(f"文字太多：加入后共 {characters} 个字，一次会话最多 {MAX_CHARACTERS} 个")
        entry = add_documents(self._store, path.name, documents)
        self._documents[path.name], self.characters = documents, characters
        return entry.chunks

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
