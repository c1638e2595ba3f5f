"""Sessions: what one visitor has on this server, its owner, and when it is forgotten.

A session holds the conversation, the visitor's own documents, the batch of resumes and the work under way. Gradio knows
a visitor by a *session hash*, which a reload changes. The page therefore keeps the session's token in the tab's
sessionStorage and hands it back when it loads, so that a reload or the page in the other language finds its session
again. Calls of ``gradio_client`` have a hash but no token; their session ends with their connection.

Everything is in memory. A session is forgotten ``idle_s`` after its last use, and the longest unused go first when all
together hold more than ``max_characters``.
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import gradio as gr

from src.errors import InputError
from src.extraction.upload import Batch
from src.retrieval.knowledge_base import KnowledgeBase
from src.retrieval.own import OwnDocuments
from src.ui.conversation import Conversation

IDLE_S = 3600.0
SWEEP_S = 60.0
MAX_CHARACTERS = 26_000_000
# Longer than the model takes for the step it is in.
LEAVE_S = 5.0
# Hashes of closed connections, so that a late call of one does not open a session that nobody can reach.
MAX_CLOSED = 4096


@dataclass
class Work:
    """Work under way: an answer, a comparison, an extraction, a batch.

    Attributes:
        connection: the session hash of the page that began it.
        stop: set to end it.
        superseded: who ended it draws the page, so that it must not.
        left: set once it has ended.
    """

    connection: str
    stop: Event = field(default_factory=Event)
    superseded: bool = False
    left: Event = field(default_factory=Event)

    def end(self, *, superseded: bool) -> None:
        """Tell it to end and wait until it has."""
        self.superseded = superseded
        self.stop.set()
        self.left.wait(LEAVE_S)


class Session:
    """One visitor's things; safe to call from several threads."""

    def __init__(self, documents: OwnDocuments) -> None:
        self.token = secrets.token_urlsafe(16)
        self.documents = documents
        self.batch: Batch | None = None
        self.conversation: Conversation = []
        self.resumable = False
        self.used = time.monotonic()
        self._work: dict[str, Work] = {}
        self._lock = threading.Lock()

    @contextmanager
    def work(self, kind: str, connection: str = "") -> Iterator[Work]:
        """Begin work of one kind, after that of the same kind before it has ended."""
        mine = Work(connection)
        with self._lock:
            before = self._work.get(kind)
            self._work[kind] = mine
        if before is not None:
            before.end(superseded=True)
        try:
            yield mine
        finally:
            mine.stop.set()
            mine.left.set()
            with self._lock:
                if self._work.get(kind) is mine:
                    del self._work[kind]

    def stop(self, kind: str, *, superseded: bool = False) -> None:
        """End work of one kind; returns once it has ended. ``superseded``: the caller draws the page."""
        with self._lock:
            work = self._work.get(kind)
        if work is not None:
            work.end(superseded=superseded)

    def is_working(self, kind: str) -> bool:
        return kind in self._work

    def stop_all(self, connection: str | None = None) -> None:
        """Tell all work to end, or that of one connection; does not wait."""
        with self._lock:
            for work in self._work.values():
                if connection in (None, work.connection):
                    work.stop.set()

    def forget(self) -> None:
        """Empty it; work under way ends."""
        self.stop_all()
        for entry in self.documents.files():
            self.documents.remove(entry.name)
        self.batch = None
        self.conversation.clear()

    @property
    def characters(self) -> int:
        turns = sum(turn.characters for turn in self.conversation)
        return self.documents.characters + turns + (self.batch.characters if self.batch else 0)

    @property
    def is_empty(self) -> bool:
        return not (self.conversation or self.batch or self.documents.characters)


class Sessions:
    """All sessions of this process, with one sweep.

    Args:
        make_documents: makes the empty documents of a new session.
    """

    def __init__(
        self,
        make_documents: Callable[[], OwnDocuments],
        *,
        idle_s: float = IDLE_S,
        sweep_s: float = SWEEP_S,
        max_characters: int = MAX_CHARACTERS,
    ) -> None:
        self._make_documents = make_documents
        self._idle_s, self._sweep_s, self._max_characters = idle_s, sweep_s, max_characters
        self._sessions: dict[str, Session] = {}  # by token
        self._by_connection: dict[str, Session] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        self._sweeper: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._sessions)

    def of(self, request: gr.Request | None) -> Session:
        """The caller's session, a new one at the first call.

        Raises:
            InputError: the call has no session hash, or its page is closed.
        """
        connection = connection_of(request)
        if not connection:
            raise InputError("这次调用没有会话，无法保存内容：请用浏览器或 gradio_client")
        with self._lock:
            session = self._by_connection.get(connection)
            if session is None:
                if connection in self._closed:
                    raise InputError("页面已经关闭，内容没有保存")
                session = self._new(connection)
            session.used = time.monotonic()
            return session

    def documents_of(self, request: gr.Request | None) -> KnowledgeBase | None:
        """The caller's own documents as a collection; None where there are none."""
        with self._lock:
            session = self._by_connection.get(connection_of(request))
            if session is None:
                return None
            session.used = time.monotonic()
        return session.documents.store

    def resume(self, request: gr.Request, token: str | None) -> Session:
        """The session of a page that has just loaded: the one it had before, if that is still there."""
        session = self.of(request)
        connection = connection_of(request)
        with self._lock:
            before = self._sessions.get(token or "")
            if before is not None and before.resumable and before is not session and session.is_empty:
                self._sessions.pop(session.token, None)
                self._by_connection[connection] = session = before
            session.resumable = True
            session.used = time.monotonic()
            return session

    def leave(self, request: gr.Request) -> None:
        """A connection has closed: its work ends, and its session too unless a page can come back to it."""
        connection = connection_of(request)
        with self._lock:
            self._closed[connection] = None
            while len(self._closed) > MAX_CLOSED:
                self._closed.popitem(last=False)
            session = self._by_connection.pop(connection, None)
            if session is None:
                return
            session.stop_all(connection)
            if not session.resumable:
                self._sessions.pop(session.token, None)

    def _new(self, connection: str) -> Session:
        session = Session(self._make_documents())
        self._sessions[session.token] = self._by_connection[connection] = session
        if self._sweeper is None:
            self._sweeper = threading.Thread(target=self._sweep, daemon=True)
            self._sweeper.start()
        return session

    def _drop(self, session: Session) -> None:
        session.stop_all()
        self._sessions.pop(session.token, None)
        for connection in [c for c, other in self._by_connection.items() if other is session]:
            del self._by_connection[connection]

    def sweep(self) -> None:
        """Forget the sessions that are idle or too many; the newest one stays."""
        with self._lock:
            oldest_first = sorted(self._sessions.values(), key=lambda session: session.used)
            total = sum(session.characters for session in oldest_first)
            now = time.monotonic()
            for session in oldest_first:
                too_much = total > self._max_characters and len(self._sessions) > 1
                if not too_much and now - session.used <= self._idle_s:
                    return
                total -= session.characters
                self._drop(session)

    def _sweep(self) -> None:
        while True:
            time.sleep(self._sweep_s)
            self.sweep()
            with self._lock:
                if not self._sessions:
                    self._sweeper = None
                    return


def connection_of(request: gr.Request | None) -> str:
    """Gradio's session hash; empty for a call without one.

    Gradio gives all MCP callers one hash, so theirs counts as none: they must not see each other's documents.
    """
    headers: Any = getattr(request, "headers", None) or {}
    return "" if headers.get("x-gradio-user") == "mcp" else str(getattr(request, "session_hash", None) or "")
