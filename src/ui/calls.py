"""Calls from the moment they are let in until they have left: their limits, their line in the log, the app's health.

Gradio's queue serves first come, first served, so it lets all of these in. Calls of the model wait in the model's own
fair queue (``models/fair_queue.py``); searches, uploads and pages in some of the same kind here, so that who sends thirty leaves
room for others.
"""

import ipaddress
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Literal, TypeVar

import gradio as gr

from src.caller import Caller
from src.errors import Busy, ModelError, Stopped, YuanZhiError
from src.models.base import Queued
from src.models.fair_queue import FairQueue
from src.ui.log import characters, log, tag_of
from src.ui.session import connection_of

Kind = Literal["model", "batch", "search", "upload", "page"]
T = TypeVar("T")

# Of a kind's calls: one visitor's at most a quarter, those from one public address at most half.
_VISITOR_SHARE = 4
_ADDRESS_SHARE = 2
# Searches at once, and uploads, and pages, each of another visitor.
_PLACES = 4
# So many failures of the model in a row and it is called unusable, for so long.
_FAILURES = 3
_FAILED_S = 60.0
# Gradio's own number of threads, for what is quick.
_QUICK_THREADS = 40


@dataclass(eq=False)
class Call:
    """One call, and its line in the log, in which nothing comes from a visitor.

    Attributes:
        caller: for the services.
        queued: it waits for the model or for a place.
        outcome: done, stopped (by the visitor, or he left), busy, refused (the input cannot be used), or
            ``error:`` and the exception's class.
        wait_s: until its turn came.
        characters_in, characters_out: of the texts that came and of those that went (with their markup on the page).
        hits: passages found; None where none were looked for.
    """

    endpoint: str
    kind: Kind
    caller: Caller
    address: str | None
    characters_in: int
    queued: bool = False
    outcome: str = "done"
    started: float = field(default_factory=time.perf_counter)
    wait_s: float = 0.0
    characters_out: int = 0
    hits: int | None = None

    def follow(self, events: Iterator[T]) -> Iterator[T]:
        """``events`` unchanged, each noted."""
        for event in events:
            self.note(event)
            yield event

    def note(self, event: object) -> None:
        """Keep whether the call waits, and for how long it has."""
        waited, self.queued = self.queued, isinstance(event, Queued)
        if waited or self.queued:
            self.wait_s = time.perf_counter() - self.started

    def gave(self, result: object, hits: int | None = None) -> None:
        """Count the characters of the last value."""
        self.characters_out, self.hits = characters(result), hits

    def write(self) -> None:
        log.info(
            f"request endpoint={self.endpoint} session={tag_of(self.caller.user)} outcome={self.outcome} "
            f"duration_s={time.perf_counter() - self.started:.3f} wait_s={self.wait_s:.3f} "
            f"in={self.characters_in} out={self.characters_out} hits={'-' if self.hits is None else self.hits}"
        )


class Calls:
    """All calls of one app, at most ``limits[kind]`` of a kind at once, those included that wait.

    Args:
        queue_size: how many calls of the model.
    """

    def __init__(self, queue_size: int) -> None:
        # A batch is hours long, but its share of the model is that of one question at a time.
        self.limits: dict[Kind, int] = {
            "model": queue_size, "batch": max(8, queue_size // 2), "search": 2 * queue_size, "upload": queue_size,
            "page": queue_size,
        }  # fmt: skip
        self._queues: dict[Kind, FairQueue] = {
            kind: FairQueue(_PLACES, max_waiting=self.limits[kind], max_per_user=self.limits[kind])
            for kind in ("search", "upload", "page")
        }  # fmt: skip
        self._lock = threading.Lock()
        self._inside: list[Call] = []
        self._failures = 0
        self._failed_at = 0.0

    @property
    def threads(self) -> int:
        """Enough that all who wait, each in a thread, leave some for what is quick."""
        return _QUICK_THREADS + sum(self.limits.values())

    @contextmanager
    def open(
        self,
        endpoint: str,
        request: gr.Request | None,
        *received: object,
        kind: Kind = "model",
        stop: Event | None = None,
    ) -> Iterator[Call]:
        """Let a call in and write its line when it has left, however it leaves.

        Raises:
            Busy: too many are there already.
        """
        caller = Caller(visitor_of(request), stop or Event())
        call = Call(endpoint, kind, caller, public_address(_host(request)), characters(received))
        try:
            with self._turn(call):
                yield call
                call.outcome = "stopped" if caller.stopped else "done"
        except BaseException as error:
            call.outcome = _outcome(error)
            raise
        finally:
            self._judge(call)
            call.write()

    @contextmanager
    def _turn(self, call: Call) -> Iterator[None]:
        """The call's time inside: after a wait for its turn, or at once where it waits elsewhere."""
        with self._lock:
            self._check_room(call)
            self._inside.append(call)
        try:
            with ExitStack() as stack:
                if queue := self._queues.get(call.kind):
                    ticket = stack.enter_context(queue.enter(call.caller.user))
                    for ahead in queue.wait(ticket, call.caller.stop):
                        call.note(Queued(ahead))
                    call.note(None)
                    call.caller.check()
                yield
        finally:
            call.caller.stop.set()
            with self._lock:
                self._inside.remove(call)

    def _check_room(self, call: Call) -> None:
        limit = self.limits[call.kind]
        inside = [other for other in self._inside if other.kind == call.kind]
        own = sum(other.caller.user == call.caller.user for other in inside)
        at_address = sum(other.address == call.address for other in inside)
        if len(inside) >= limit:
            raise Busy(f"现在请求太多（{limit} 个正在处理或排队），请过一会儿再试")
        if own >= max(1, limit // _VISITOR_SHARE):
            raise Busy(f"您已有 {own} 个请求正在处理或排队，请等其中一个有了结果再试")
        if call.address and at_address >= max(1, limit // _ADDRESS_SHARE):
            raise Busy("从您的网络地址来的请求太多，请过一会儿再试")

    def _judge(self, call: Call) -> None:
        if call.kind in ("model", "batch"):
            with self._lock:
                if call.outcome == "done":
                    self._failures = 0
                elif call.outcome.startswith("error:"):
                    self._failures, self._failed_at = self._failures + 1, time.monotonic()

    def waiting(self) -> int:
        """How many calls wait for the model or for a place."""
        with self._lock:
            return sum(call.queued for call in self._inside)

    def model_fails(self) -> bool:
        """Whether the model failed several times in a row just now; a success ends that, and so does time."""
        return self._failures >= _FAILURES and time.monotonic() - self._failed_at < _FAILED_S


def visitor_of(request: gr.Request | None) -> str:
    """The name by which calls take turns: the session hash, or else the address."""
    return connection_of(request) or f"@{_host(request) or ''}"


def public_address(host: str | None) -> str | None:
    """``host`` if it is an address of the open internet.

    A private one is a proxy's or a neighbour's, and may stand for all visitors, so no limit goes by it. Behind a
    proxy uvicorn learns the visitor's address if the environment names the proxy in FORWARDED_ALLOW_IPS; headers
    of anybody else are not believed.
    """
    try:
        return host if host and ipaddress.ip_address(host).is_global else None
    except ValueError:
        return None


def _host(request: gr.Request | None) -> str | None:
    return getattr(getattr(request, "client", None), "host", None)


def _outcome(error: BaseException) -> str:
    if isinstance(error, GeneratorExit | Stopped):
        return "stopped"
    if isinstance(error, Busy):
        return "busy"
    if isinstance(error, ModelError) or not isinstance(error, YuanZhiError | gr.Error):
        return f"error:{type(error).__name__}"
    return "refused"
