"""Calls from the moment they are let in until they have left: their limits, their line in the log, the app's health.

Gradio's queue serves first come, first served, so it lets all of these in. Calls of the model wait in the model's own
fair queue (``language/turns.py``); searches and uploads in one of the same kind here, so that who sends thirty leaves
room for others.
"""

import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Literal, TypeVar

import gradio as gr

from src.caller import Caller
from src.errors import Busy, ModelError, Stopped, YuanZhiError
from src.language.base import Queued
from src.language.turns import Turns
from src.ui.log import Record, characters, tag_of
from src.ui.session import connection_of

Kind = Literal["model", "batch", "search", "upload"]
T = TypeVar("T")

# Of a kind's calls: one visitor's at most a quarter, those from one public address at most half.
_VISITOR_SHARE = 4
_ADDRESS_SHARE = 2
# Searches at once, and uploads, each of another visitor.
_PLACES = 4
# So many failures of the model in a row and it is called unusable.
_FAILURES = 3
# Gradio's own number of threads, for what is quick.
_QUICK_THREADS = 40


# A kind's calls of all, of one visitor or from one address. Visitors make up their session hashes, so that one may look
# like an address.
_Who = tuple[Kind, Literal["all", "visitor", "address"], str]


@dataclass
class Call:
    """One call; ``caller`` is what services are given of it."""

    caller: Caller
    record: Record
    queued: bool = False
    started: float = field(default_factory=time.perf_counter)

    def follow(self, events: Iterator[T]) -> Iterator[T]:
        """``events`` unchanged, each noted."""
        for event in events:
            self.note(event)
            yield event

    def note(self, event: object) -> None:
        """Keep whether the call waits, and for how long it has."""
        waited, self.queued = self.queued, isinstance(event, Queued)
        if waited or self.queued:
            self.record.wait_s = time.perf_counter() - self.started

    def gave(self, result: object, hits: int | None = None) -> None:
        """Count the characters of the last value."""
        self.record.characters_out = characters(result)
        self.record.hits = hits if hits is not None else self.record.hits


class Calls:
    """All calls of one app, at most ``limits[kind]`` of a kind at once, those included that wait.

    Args:
        queue_size: how many calls of the model.
        failed_s: how long the model is called unusable after failures.
    """

    def __init__(self, queue_size: int, *, failed_s: float = 60.0) -> None:
        # A batch is hours long, but its share of the model is that of one question at a time.
        self.limits: dict[Kind, int] = {
            "model": queue_size, "batch": max(8, queue_size // 2), "search": 2 * queue_size, "upload": queue_size,
        }  # fmt: skip
        self._turns: dict[Kind, Turns] = {
            kind: Turns(_PLACES, user_places=1, max_waiting=self.limits[kind], max_per_user=self.limits[kind])
            for kind in ("search", "upload")
        }  # fmt: skip
        self._failed_s = failed_s
        self._lock = threading.Lock()
        self._inside: Counter[_Who] = Counter()
        self._open: dict[int, Call] = {}
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
        visitor = visitor_of(request)
        record = Record(endpoint, tag_of(visitor), characters_in=characters(received))
        call = Call(Caller(visitor, stop or Event()), record)
        outcome = "done"
        whose: list[_Who] = [(kind, "all", ""), (kind, "visitor", visitor)]
        if address := public_address(_host(request)):
            whose.append((kind, "address", address))
        try:
            with self._lock:
                self._check_room(*whose)
                self._inside.update(whose)
                self._open[id(call)] = call
            try:
                with self._turn(kind, call):
                    yield call
                    if call.caller.stopped:
                        outcome = "stopped"
            finally:
                call.caller.stop.set()
                with self._lock:
                    self._open.pop(id(call))
                    self._inside.subtract(whose)
                    self._inside += Counter()  # drops what has come to zero
        except BaseException as error:
            outcome = _outcome(error)
            raise
        finally:
            self._note(kind, outcome)
            record.outcome = outcome
            record.duration_s = time.perf_counter() - call.started
            record.write()

    @contextmanager
    def _turn(self, kind: Kind, call: Call) -> Iterator[None]:
        """The call's turn, after a wait; at once where it waits elsewhere."""
        turns = self._turns.get(kind)
        if turns is None:
            yield
            return
        with turns.enter(call.caller.user, shared=True) as ticket:
            for ahead in turns.wait(ticket, call.caller.stop):
                call.note(Queued(ahead))
            call.note(None)
            call.caller.check()
            yield

    def __len__(self) -> int:
        return len(self._open)

    def waiting(self) -> int:
        """How many calls wait for the model or for a place."""
        with self._lock:
            return sum(call.queued for call in self._open.values())

    def model_fails(self) -> bool:
        """Whether the model failed several times in a row just now; a success ends that, and so does time."""
        with self._lock:
            return self._failures >= _FAILURES and time.monotonic() - self._failed_at < self._failed_s

    def _check_room(self, total: _Who, visitor: _Who, *address: _Who) -> None:
        limit = self.limits[total[0]]
        if self._inside[total] >= limit:
            raise Busy(f"现在请求太多（{limit} 个正在处理或排队），请过一会儿再试")
        if self._inside[visitor] >= max(1, limit // _VISITOR_SHARE):
            raise Busy(f"您已有 {self._inside[visitor]} 个请求正在处理或排队，请等其中一个有了结果再试")
        if address and self._inside[address[0]] >= max(1, limit // _ADDRESS_SHARE):
            raise Busy("从您的网络地址来的请求太多，请过一会儿再试")

    def _note(self, kind: Kind, outcome: str) -> None:
        if kind not in ("model", "batch"):
            return
        with self._lock:
            if outcome == "done":
                self._failures = 0
            elif outcome.startswith("error:"):
                self._failures += 1
                self._failed_at = time.monotonic()


def visitor_of(request: gr.Request | None) -> str:
    """Who takes turns with whom: the session hash, or else the address."""
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
    client: Any = getattr(request, "client", None)
    host = getattr(client, "host", None)
    return str(host) if host else None


def _outcome(error: BaseException) -> str:
    if isinstance(error, GeneratorExit | Stopped):
        return "stopped"
    if isinstance(error, Busy):
        return "busy"
    if isinstance(error, ModelError) or not isinstance(error, YuanZhiError | gr.Error):
        return f"error:{type(error).__name__}"
    return "refused"
