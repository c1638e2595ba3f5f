"""Sessions: what one visitor has on this server, its owner, and when it is forgotten.

A session holds the conversation, the visitor's own documents, the batch of resumes and the work under way. Gradio knows
a visitor by a *session hash*, which a reload changes. The page therefore keeps the session's token in the tab's
sessionStorage and hands it back when it loads, so that a reload or the page in the other language finds its session
again. Calls of ``gradio_client`` have a hash but no token; their session ends with their connection.

A connection may break and the page live on (a laptop that slept): its next call finds the session again.

Everything is in memory. A session is forgotten ``idle_s`` after its last use, and the longest unused go first when all
together hold more than ``max_characters``. One with work under way is in use.
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
from src.retrieval.knowledge_base import KnowledgeBase
from src.retrieval.own import OwnDocuments
from src.ui.conversation import Conversation

IDLE_S = 3600.0
SWEEP_S = 60.0
MAX_CHARACTERS = 26_000_000
# Longer than the model takes for the step it is in.
LEAVE_S = 5.0
# Connections that are remembered for longer than they last.
MAX_REMEMBERED = 4096
GONE = "页面已经关闭，内容没有保存"


@dataclass
class _Work:
    connection: str
    stop: Event = field(default_factory=Event)
    left: Event = field(default_factory=Event)


class Session:
    """One visitor's things; safe to call from several threads.

    Args:
        leave_s: how long to wait for work that was told to end.

    Attributes:
        token: by which a page finds its session again.
        resumable: a page has the token.
        used: when it was last asked for.
    """

    def __init__(self, documents: OwnDocuments, token: str = "", *, leave_s: float = LEAVE_S) -> None:
        self.token = token or secrets.token_urlsafe(16)
        self.documents = documents
        self.batch: Batch | None = None
        self.conversation: Conversation = []
        self.resumable = False
        self.used = time.monotonic()
        self._work: dict[str, _Work] = {}
        self._forgotten = False
        self._leave_s = leave_s
        self._lock = threading.Lock()

    @contextmanager
    def work(self, kind: str, connection: str = "") -> Iterator[Event]:
        """Begin work of one kind, after that of the same kind before it has ended; yields its stop event, which is
        set from the beginning where the session is forgotten already."""
        mine = _Work(connection)
        with self._lock:
            before = self._work.get(kind)
            self._work[kind] = mine
            if self._forgotten:
                mine.stop.set()
        try:
            if before is not None:
                before.stop.set()
                before.left.wait(self._leave_s)
            yield mine.stop
        finally:
            mine.stop.set()
            mine.left.set()
            with self._lock:
                if self._work.get(kind) is mine:
                    del self._work[kind]

    def stop(self, kind: str) -> None:
        """End work of one kind; returns once it has ended."""
        with self._lock:
            work = self._work.get(kind)
        if work is not None:
            work.stop.set()
            work.left.wait(self._leave_s)

    def is_working(self, kind: str | None = None) -> bool:
        """Whether work of that kind, or of any, is under way."""
        return bool(self._work) if kind is None else kind in self._work

    def stop_all(self, connection: str | None = None) -> None:
        """Tell all work to end, or that of one connection; does not wait."""
        with self._lock:
            for work in self._work.values():
                if connection in (None, work.connection):
                    work.stop.set()

    def forget(self) -> None:
        """End all work, now and later: nobody can reach the session any more."""
        with self._lock:
            self._forgotten = True
        self.stop_all()

    def check(self) -> None:
        """Raises InputError where the session was forgotten while a call was at work in it."""
        if self._forgotten:
            raise InputError(GONE)

    def add(self, paths: Sequence[str | Path]) -> dict[str, list[dict[str, Any]]]:
        """Add files to the visitor's own documents, as ``OwnDocuments.add``.

        Raises:
            InputError: the session was forgotten meanwhile.
        """
        found = self.documents.add(paths)
        self.check()
        return found

    @property
    def characters(self) -> int:
        """Of everything that is kept in memory."""
        turns, batch = sum(turn.characters for turn in self.conversation), self.batch
        return self.documents.characters + turns + (batch.characters if batch else 0)

    @property
    def is_empty(self) -> bool:
        return not (self.conversation or self.batch or self.documents.characters)


class Sessions:
    """All sessions of this process, with one sweep.

    Args:
        make_documents: makes the empty documents of a new session.
        idle_s: how long a session is kept unused.
        sweep_s: how often it is looked for such ones.
        max_characters: of all sessions together.
        max_remembered: how many connections are known after they have closed.
    """

    def __init__(
        self,
        make_documents: Callable[[], OwnDocuments],
        *,
        idle_s: float = IDLE_S,
        sweep_s: float = SWEEP_S,
        max_characters: int = MAX_CHARACTERS,
        max_remembered: int = MAX_REMEMBERED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_documents = make_documents
        self._idle_s, self._sweep_s, self._max_characters = idle_s, sweep_s, max_characters
        self._sessions: dict[str, Session] = {}  # by token
        self._by_connection: dict[str, Session] = {}
        self._max_remembered, self._clock = max_remembered, clock
        # Of pages, open or not, the token.
        self._pages: OrderedDict[str, str] = OrderedDict()
        # Others that are closed: a late call of one must not open a session that nobody can reach.
        self._closed: OrderedDict[str, str] = OrderedDict()
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
            if connection in self._closed:
                raise InputError(GONE)
            session = self._known(connection)
            if session is None:
                session = self._by_connection[connection] = self._new(self._pages.get(connection, ""))
            session.used = self._clock()
            return session

    def documents_of(self, request: gr.Request | None) -> KnowledgeBase | None:
        """The caller's own documents as a collection; None where there are none."""
        with self._lock:
            session = self._known(connection_of(request))
            if session is None:
                return None
            session.used = self._clock()
        return session.documents.store

    def resume(self, request: gr.Request, token: object) -> Session:
        """The session of a page that has just loaded: the one it had before, if that is still there."""
        with self._lock:
            session = self.of(request)
            before = self._sessions.get(token) if isinstance(token, str) else None
            connection = connection_of(request)
            if before is not None and before.resumable and before is not session and session.is_empty:
                self._drop(session)
                self._by_connection[connection] = session = before
            session.resumable = True
            self._remember(self._pages, connection, session.token)
            session.used = self._clock()
            return session

    def leave(self, request: gr.Request) -> None:
        """A connection has closed: its work ends, and its session too unless a page can come back to it."""
        connection = connection_of(request)
        with self._lock:
            session = self._by_connection.pop(connection, None)
            if connection not in self._pages:
                self._remember(self._closed, connection, "")
            if session is None:
                return
            session.stop_all(connection)
            if not session.resumable:
                self._drop(session)

    def forget(self, request: gr.Request) -> None:
        """Delete everything of the caller's session, now; its next call begins a new one."""
        with self._lock:
            session = self._known(connection_of(request))
            if session is not None:
                self._drop(session)

    def _known(self, connection: str) -> Session | None:
        """The session of a connection, also of one that broke while its page lives on."""
        session = self._by_connection.get(connection)
        if session is None and connection in self._pages:
            session = self._sessions.get(self._pages[connection])
            if session is not None:
                self._by_connection[connection] = session
        return session

    def _remember(self, connections: OrderedDict[str, str], connection: str, token: str) -> None:
        connections[connection] = token
        connections.move_to_end(connection)
        while len(connections) > self._max_remembered:
            connections.popitem(last=False)

    def _new(self, token: str) -> Session:
        """A new session, with the token that its page has already, if there is one."""
        session = Session(self._make_documents(), token)
        session.resumable = bool(token)
        self._sessions[session.token] = session
        if self._sweeper is None:
            self._sweeper = threading.Thread(target=self._sweep, daemon=True)
            self._sweeper.start()
        return session

    def _drop(self, session: Session) -> None:
        session.forget()
        self._sessions.pop(session.token, None)
        for connection in [c for c, other in self._by_connection.items() if other is session]:
            del self._by_connection[connection]

    def sweep(self) -> None:
        """Forget the sessions that are idle, and the longest unused while there is too much; the last one stays."""
        with self._lock:
            now = self._clock()
            for session in self._sessions.values():
                if session.is_working():
                    session.used = now
            oldest_first = sorted(self._sessions.values(), key=lambda session: session.used)
            total = sum(session.characters for session in oldest_first)
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
