"""Every request, from when it is let in until it has left: its limits, its line in the log, and what health says."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import gradio as gr

from src.chat.types import Comparison
from src.errors import Busy, ModelError, Stopped, YuanZhiError
from src.ui.admission import Gate, public_address
from src.ui.log import Record, characters, tag_of

Kind = Literal["model", "batch", "search", "upload"]
T = TypeVar("T")

# So many failures of the model in a row, the last one no longer ago than this, and it is called unusable.
_FAILURES = 3
_FAILED_S = 60.0
# Gradio's own number of threads, for what is quick.
_QUICK_THREADS = 40


@dataclass
class Call:
    """One request. ``stop`` is set when it ends, and whoever sets it ends the request."""

    visitor: str
    stop: threading.Event
    record: Record
    waits: bool = False
    started: float = field(default_factory=time.perf_counter)

    def follow(self, items: Iterator[T]) -> Iterator[T]:
        """``items``; what they say in ``ahead`` tells whether they still wait for the model."""
        for item in items:
            answer = item.with_knowledge if isinstance(item, Comparison) else item
            self.waits = getattr(answer, "ahead", None) is not None
            if self.waits:
                self.record.wait_s = time.perf_counter() - self.started
            yield item

    def received(self, *values: object) -> None:
        """Count the characters that came."""
        self.record.characters_in += characters(values)

    def gave(self, result: object) -> None:
        """Count what the last value of the result holds."""
        self.record.characters_out = characters(result)
        hits = _hits(result)
        if hits is not None:
            self.record.hits = hits


class Calls:
    """All requests of this process, which has one model.

    ``limit`` sets how many may be there at once; until then it is the setting's default.
    """

    def __init__(self, queue_size: int = 32) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, Call] = {}
        self._failures = 0
        self._failed_at = 0.0
        self.limit(queue_size)

    def limit(self, queue_size: int) -> None:
        """Start anew with other limits."""
        self._gates: dict[Kind, Gate] = {
            "model": Gate(queue_size),
            # Hours long; its share of the model is that of one question at a time.
            "batch": Gate(max(8, queue_size // 2)),
            "search": Gate(2 * queue_size, places=4),
            "upload": Gate(queue_size, places=4),
        }

    @property
    def threads(self) -> int:
        """Enough that all who wait, each in a thread, leave some for what is quick."""
        return _QUICK_THREADS + sum(gate.total for gate in self._gates.values())

    @contextmanager
    def open(
        self,
        endpoint: str,
        request: gr.Request | None,
        *received: object,
        kind: Kind = "model",
        stop: threading.Event | None = None,
    ) -> Iterator[Call]:
        """Let a request in and write its line when it has left, however it leaves.

        Raises:
            Busy: too many are there already.
        """
        visitor = visitor_of(request)
        call = Call(visitor, stop or threading.Event(), Record(endpoint, tag_of(visitor)))
        call.received(*received)
        outcome, gate = "done", self._gates[kind]
        try:
            with gate.enter(visitor, public_address(_host(request))):
                if gate.places:
                    call.record.wait_s = time.perf_counter() - call.started
                with self._lock:
                    self._open[id(call)] = call
                yield call
            if call.stop.is_set():
                outcome = "stopped"
        except BaseException as error:
            outcome = _outcome(error)
            raise
        finally:
            call.stop.set()
            with self._lock:
                self._open.pop(id(call), None)
                self._note(kind, outcome)
            call.record.outcome = outcome
            call.record.duration_s = time.perf_counter() - call.started
            call.record.write()

    def waiting(self) -> int:
        """How many requests wait, for the model or for a place."""
        with self._lock:
            at_model = sum(call.waits for call in self._open.values())
        return at_model + sum(gate.waiting() for gate in self._gates.values())

    def model_fails(self) -> bool:
        """Whether the model failed several times in a row just now; a success ends that, and so does a minute."""
        with self._lock:
            return self._failures >= _FAILURES and time.monotonic() - self._failed_at < _FAILED_S

    def _note(self, kind: Kind, outcome: str) -> None:
        if kind not in ("model", "batch"):
            return
        if outcome == "done":
            self._failures = 0
        elif outcome.startswith("error:"):
            self._failures += 1
            self._failed_at = time.monotonic()


def session_of(request: gr.Request | None) -> str:
    """The visitor's session; empty for a call without one.

    Gradio gives all MCP callers one session, so theirs counts as none: they must not see each other's documents.
    """
    return "" if _through_mcp(request) else str(getattr(request, "session_hash", None) or "")


def visitor_of(request: gr.Request | None) -> str:
    """Who takes turns with whom: the session, or else the address."""
    return session_of(request) or f"@{_host(request) or ''}"


def _host(request: gr.Request | None) -> str | None:
    client: Any = getattr(request, "client", None)
    host = getattr(client, "host", None)
    return str(host) if host else None


def _through_mcp(request: gr.Request | None) -> bool:
    headers: Any = getattr(request, "headers", None) or {}
    return bool(headers.get("x-gradio-user") == "mcp")


def _outcome(error: BaseException) -> str:
    if isinstance(error, GeneratorExit | Stopped):
        return "stopped"
    if isinstance(error, Busy):
        return "busy"
    if isinstance(error, ModelError) or not isinstance(error, YuanZhiError | gr.Error):
        return f"error:{type(error).__name__}"
    return "refused"


def _hits(result: object) -> int | None:
    if isinstance(result, dict):
        found = result.get("hits")
        return len(found) if isinstance(found, list) else _hits(result.get("with"))
    return None


calls = Calls()
