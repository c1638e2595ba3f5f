"""Sessions: a visitor's things on this server, and when they are forgotten.

Gradio knows a visitor by a *session hash*, which a reload changes. The page therefore keeps the session's token in the
tab's sessionStorage and hands it back when it loads, so that a reload or the page in the other language finds its
session again; so does a page whose connection broke (a laptop that slept). Calls of ``gradio_client`` have a hash but no
token; their session ends with their connection.

Everything is in memory. A session is forgotten ``IDLE_S`` after its last use, and the longest unused go first when all
together hold more than ``MAX_CHARACTERS``. One with work under way is in use.
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr

from src.errors import InputError
from src.extraction.upload import Batch
from src.search.knowledge_base import KnowledgeBase
from src.search.own import OwnDocuments
from src.ui.conversation import Conversation

IDLE_S = 3600.0
SWEEP_S = 60.0
MAX_CHARACTERS = 26_000_000
# Of all files that sessions keep for their pages; then those of the longest unused go, their texts stay.
MAX_ORIGINAL_BYTES = 600_000_000
# Longer than the model takes for the step it is in.
LEAVE_S = 5.0
# That are remembered; more than there are in IDLE_S.
MAX_CONNECTIONS = 1 << 16
GONE = "页面已经关闭，内容没有保存"


@dataclass
class _Work:
    connection: str
    stop: Event = field(default_factory=Event)
    left: Event = field(default_factory=Event)

    def end(self) -> None:
        self.stop.set()
        self.left.wait(LEAVE_S)


@dataclass(eq=False)
class Session:
    """One visitor's things; safe to call from several threads.

    Attributes:
        token: by which a page finds its session again.
        client: the connection with which it ends; empty once a page has the token.
        used: when it was last asked for.
    """

    documents: OwnDocuments
    token: str = ""
    client: str = ""
    used: float = 0.0
    batch: Batch | None = None
    conversation: Conversation = field(default_factory=list)
    _work: dict[str, _Work] = field(default_factory=dict)
    _is_forgotten: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def work(self, kind: str, connection: str = "") -> Iterator[Event]:
        """Begin work of one kind, after that of the same kind before it has ended; yields its stop event, which is
        set from the beginning where the session is forgotten already."""
        mine = _Work(connection)
        with self._lock:
            before = self._work.get(kind)
            self._work[kind] = mine
            if self._is_forgotten:
                mine.stop.set()
        try:
            if before is not None:
                before.end()
            yield mine.stop
        finally:
            mine.stop.set()
            mine.left.set()
            with self._lock:
                if self._work.get(kind) is mine:
                    del self._work[kind]

    def stop(self, kind: str) -> None:
        """End work of one kind; returns once it has ended."""
        if work := self._work.get(kind):
            work.end()

    def is_working(self) -> bool:
        return bool(self._work)

    def stop_all(self, connection: str | None = None) -> None:
        """Tell all work to end, or that of one connection; does not wait."""
        with self._lock:
            for work in self._work.values():
                if connection in (None, work.connection):
                    work.stop.set()

    def forget(self) -> None:
        """End all work, now and later: nobody can reach the session any more."""
        self._is_forgotten = True
        self.stop_all()

    def add(self, paths: Sequence[str | Path]) -> dict[str, list[dict[str, Any]]]:
        """Add files to the visitor's own documents, as ``OwnDocuments.add``.

        Raises:
            InputError: the session was forgotten meanwhile.
        """
        found = self.documents.add(paths)
        if self._is_forgotten:
            raise InputError(GONE)
        return found

    @property
    def characters(self) -> int:
        """Of everything that is kept in memory."""
        turns, batch = sum(turn.characters for turn in self.conversation), self.batch
        return self.documents.characters + turns + (batch.characters if batch else 0)


class Sessions:
    """All sessions of this process, with one sweep; ``make_documents`` makes the empty documents of a new one."""

    def __init__(
        self, make_documents: Callable[[], OwnDocuments], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._make_documents, self._clock = make_documents, clock
        self._sessions: dict[str, Session] = {}  # by token
        # The token of each connection, the longest unused first. A page keeps its own when its session is forgotten; a
        # client that has closed has an empty one, because a late call must open no session that nobody can reach.
        self._tokens: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.RLock()
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
            token = self._tokens.get(connection)
            if token == "":
                raise InputError(GONE)
            session = self._known(connection)
            if session is None:
                client = "" if token else connection
                session = Session(self._make_documents(), token or secrets.token_urlsafe(16), client, self._clock())
                self._sessions[session.token] = session
                if self._sweeper is None:
                    self._sweeper = threading.Thread(target=self._sweep, daemon=True)
                    self._sweeper.start()
            self._remember(connection, session.token)
            return session

    def documents_of(self, request: gr.Request | None) -> KnowledgeBase | None:
        """The caller's own documents as a collection; None where there are none."""
        with self._lock:
            session = self._known(connection_of(request))
        return session.documents.store if session else None

    def own_documents_of(self, request: gr.Request | None) -> OwnDocuments:
        """The caller's own documents.

        Raises:
            InputError: there are none.
        """
        with self._lock:
            session = self._known(connection_of(request))
        if session is None:
            raise InputError("这次会话没有加入过文档")
        return session.documents

    def resume(self, request: gr.Request, token: object) -> Session:
        """The session of a page that has just loaded: the one it had before, if that is still there."""
        with self._lock:
            session = self.of(request)
            before = self._sessions.get(token) if isinstance(token, str) else None
            if before and not before.client and before is not session and not session.characters:
                self._drop(session)
                self._remember(connection_of(request), before.token)
                session = self.of(request)
            session.client = ""
            return session

    def leave(self, request: gr.Request) -> None:
        """A connection has closed: its work ends, and its session too unless a page can come back to it."""
        connection = connection_of(request)
        with self._lock:
            if session := self._sessions.get(self._tokens.get(connection, "")):
                session.stop_all(connection)
                if session.client:
                    self._drop(session)
            if connection not in self._tokens:
                self._remember(connection, "")

    def forget(self, request: gr.Request) -> None:
        """Delete everything of the caller's session, now; its next call begins a new one."""
        with self._lock:
            if session := self._known(connection_of(request)):
                self._drop(session)

    def _known(self, connection: str) -> Session | None:
        session = self._sessions.get(self._tokens.get(connection, ""))
        if session:
            session.used = self._clock()
        return session

    def _remember(self, connection: str, token: str) -> None:
        self._tokens[connection] = token
        self._tokens.move_to_end(connection)
        if len(self._tokens) > MAX_CONNECTIONS:
            self._tokens.popitem(last=False)

    def _drop(self, session: Session) -> None:
        session.forget()
        del self._sessions[session.token]
        self._tokens.pop(session.client, None)

    def sweep(self) -> None:
        """Forget the sessions that are idle, and the longest unused while there is too much; the last one stays."""
        with self._lock:
            now = self._clock()
            for session in self._sessions.values():
                if session.is_working():
                    session.used = now
            oldest_first = sorted(self._sessions.values(), key=lambda session: session.used)
            originals = sum(session.documents.original_bytes for session in oldest_first)
            for session in oldest_first:
                if originals <= MAX_ORIGINAL_BYTES:
                    break
                originals -= session.documents.original_bytes
                session.documents.forget_originals()
            total = sum(session.characters for session in oldest_first)
            for session in oldest_first:
                too_much = total > MAX_CHARACTERS and len(self._sessions) > 1
                if not too_much and now - session.used <= IDLE_S:
                    return
                total -= session.characters
                self._drop(session)

    def _sweep(self) -> None:
        while True:
            time.sleep(SWEEP_S)
            self.sweep()
            with self._lock:
                if not self._sessions:
                    self._sweeper = None
                    return


def connection_of(request: gr.Request | None) -> str:
    """Gradio's session hash; empty for a call without one.

    Gradio gives all MCP callers one hash, so theirs counts as none: they must not see each other's documents.
    """
    made_by_caller = str(getattr(request, "session_hash", None) or "")
    return "" if is_mcp(request) else made_by_caller[:64]  # gradio's own have 11 characters


def is_mcp(request: gr.Request | None) -> bool:
    """Whether another program's language model calls."""
    headers: Any = getattr(request, "headers", None) or {}
    return bool(headers.get("x-gradio-user") == "mcp")
