"""Documents that one visitor has added: a small index of their own, gone when the session ends."""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from src.embedding.base import Embedder
from src.errors import InputError, KnowledgeError
from src.knowledge.types import Document
from src.knowledge.worker import ParserPool
from src.retrieval.indexing import add_documents
from src.retrieval.knowledge_base import KnowledgeBase
from src.retrieval.state import FileEntry

MAX_FILES = 20
# Embedding this much takes some 15 s on two cores.
MAX_CHARACTERS = 300_000
MAX_TOTAL_CHARACTERS = 6_000_000
IDLE_S = 3600.0
SWEEP_S = 60.0


@dataclass
class _Session:
    base: KnowledgeBase
    documents: dict[str, list[Document]] = field(default_factory=dict)
    characters: int = 0
    used: float = field(default_factory=time.monotonic)
    adding: threading.Lock = field(default_factory=threading.Lock)


class SessionDocuments:
    """Every session's own documents; safe to call from several threads, and one visitor's upload delays no other.

    A session that was not used for ``IDLE_S`` is dropped; beyond ``MAX_TOTAL_CHARACTERS`` the longest unused go.
    """

    def __init__(self, embedder: Embedder, parser: ParserPool | None = None) -> None:
        """``parser`` reads what visitors send; by default two at a time, in processes started for the first files."""
        self._embedder = embedder
        self._parser = parser or ParserPool(workers=2)
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._lock = threading.Lock()
        self._sweeper: threading.Thread | None = None

    def add(self, session_id: str, paths: Sequence[str | Path]) -> dict[str, list[dict[str, Any]]]:
        """Read files into the session's index.

        The files stay where they are: gradio names uploads by content, so another visitor's upload may be the same
        file. Its ``delete_cache`` removes them.

        Returns:
            ``{"added": [{"source", "chunks"}], "rejected": [{"source", "reason"}]}``; one bad file does not
            keep the others out.

        Raises:
            InputError: the client has no session, so its files could not be kept apart from others'.
        """
        if not session_id:
            raise InputError("这次调用没有会话，无法保存文档：请用浏览器或 gradio_client")
        added: list[dict[str, Any]] = []
        rejected: list[dict[str, Any]] = []
        session = self._session(session_id)
        with session.adding:
            for path in map(Path, paths):
                try:
                    added.append({"source": path.name, "chunks": self._add_one(session, path)})
                except KnowledgeError as error:
                    rejected.append({"source": path.name, "reason": str(error)})
        self._forget_surplus()
        return {"added": added, "rejected": rejected}

    def base(self, session_id: str) -> KnowledgeBase | None:
        """The session's own passages; None where it has none."""
        with self._lock:
            session = self._sessions.get(session_id)
            if session is None:
                return None
            self._touch(session_id, session)
            return session.base if session.documents else None

    def files(self, session_id: str) -> list[FileEntry]:
        """What the session has added, in order."""
        base = self.base(session_id)
        return list(base.files().values()) if base else []

    def remove(self, session_id: str, name: str) -> None:
        """Delete one of the session's files.

        Raises:
            InputError: it has no such file.
        """
        session = self._session(session_id)
        with session.adding:
            if name not in session.documents:
                raise InputError(f"没有加入过 {name[:100]}")
            # Those that lack passages because this one had them are added again.
            short = [entry.name for entry in session.base.files().values() if name in entry.copies_of]
            with session.base.exclusive():
                session.base.commit(dict.fromkeys([name, *short]), [name, *short])
                for other in short:
                    add_documents(session.base, other, session.documents[other])
            session.characters -= _characters(session.documents.pop(name))

    def drop(self, session_id: str) -> None:
        """Forget everything of a session."""
        with self._lock:
            self._sessions.pop(session_id, None)

    def _add_one(self, session: _Session, path: Path) -> int:
        if len(session.documents) >= MAX_FILES:
            raise KnowledgeError(f"一次会话最多加入 {MAX_FILES} 个文件")
        if path.name in session.documents:
            raise KnowledgeError("这个文件名已经加入过了")
        documents = self._parser.read(path)
        characters = session.characters + _characters(documents)
        if characters > MAX_CHARACTERS:
            raise KnowledgeError(f"文字太多：加入后共 {characters} 个字，一次会话最多 {MAX_CHARACTERS} 个")
        entry = add_documents(session.base, path.name, documents)
        session.documents[path.name], session.characters = documents, characters
        return entry.chunks

    def _session(self, session_id: str) -> _Session:
        with self._lock:
            session = self._sessions.setdefault(session_id, _Session(KnowledgeBase(self._embedder)))
            self._touch(session_id, session)
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep, daemon=True)
                self._sweeper.start()
            return session

    def _touch(self, session_id: str, session: _Session) -> None:
        session.used = time.monotonic()
        self._sessions.move_to_end(session_id)

    def _forget_surplus(self) -> None:
        """Drop the longest unused sessions until time and size limits hold; the newest one stays."""
        with self._lock:
            total = sum(session.characters for session in self._sessions.values())
            while self._sessions:
                session_id, oldest = next(iter(self._sessions.items()))
                expired = time.monotonic() - oldest.used > IDLE_S
                if not expired and (total <= MAX_TOTAL_CHARACTERS or len(self._sessions) == 1):
                    return
                total -= oldest.characters
                del self._sessions[session_id]

    def _sweep(self) -> None:
        """Forget idle sessions also on a server that nobody else uses; ends when there are none."""
        while True:
            time.sleep(SWEEP_S)
            self._forget_surplus()
            with self._lock:
                if not self._sessions:
                    self._sweeper = None
                    return


def _characters(documents: Sequence[Document]) -> int:
    return sum(len(document.title) + len(document.text) for document in documents)
