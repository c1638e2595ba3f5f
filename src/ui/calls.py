"""Calls from the moment they are let in until they have left: their limits, their line in the log, the app's health.

Nothing waits here. Calls of the model wait in its fair queue (``language/turns.py``), all others in gradio's.
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
from src.ui.log import Record, characters, tag_of
from src.ui.session import connection_of

Kind = Literal["model", "batch", "search", "upload"]
T = TypeVar("T")

# Of a kind's calls: one visitor's at most a quarter, those from one public address at most half.
_VISITOR_SHARE = 4
_ADDRESS_SHARE = 2
# So many failures of the model in a row, the last one no longer ago than this, and it is called unusable.
_FAILURES = 3
_FAILED_S = 60.0
# Gradio's own number of threads, for what is quick.
_QUICK_THREADS = 40


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
        """Keep whether the call waits for the model, and for how long it has."""
        self.queued = isinstance(event, Queued)
        if self.queued:
            self.record.wait_s = time.perf_counter() - self.started

    def gave(self, result: object, hits: int | None = None) -> None:
        """Count the characters of the last value."""
        self.record.characters_out = characters(result)
        self.record.hits = hits if hits is not None else self.record.hits


class Calls:
    """All calls of one app, at most ``limits[kind]`` of a kind at once."""

    def __init__(self, queue_size: int) -> None:
        # A batch is hours long, but its share of the model is that of one question at a time.
        self.limits: dict[Kind, int] = {
            "model": queue_size, "batch": max(8, queue_size // 2), "search": 2 * queue_size, "upload": queue_size,
        }  # fmt: skip
        self._lock = threading.Lock()
        self._inside: Counter[tuple[Kind, str]] = Counter()  # by kind and "", visitor or address
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
        keys = [(kind, ""), (kind, visitor)]
        if address := public_address(_host(request)):
            keys.append((kind, f"@{address}"))
        try:
            with self._lock:
                self._check_room(*keys)
                self._inside.update(set(keys))
                self._open[id(call)] = call
            try:
                yield call
                if call.caller.stopped:
                    outcome = "stopped"
            finally:
                call.caller.stop.set()
                with self._lock:
                    self._open.pop(id(call))
                    self._inside.subtract(set(keys))
                    self._inside += Counter()  # drops what has come to zero
        except BaseException as error:
            outcome = _outcome(error)
            raise
        finally:
            self._note(kind, outcome)
            record.outcome = outcome
            record.duration_s = time.perf_counter() - call.started
            record.write()

    def waiting(self) -> int:
        """How many calls wait for the model."""
        with self._lock:
            return sum(call.queued for call in self._open.values())

    def model_fails(self) -> bool:
        """Whether the model failed several times in a row just now; a success ends that, and so does a minute."""
        with self._lock:
            return self._failures >= _FAILURES and time.monotonic() - self._failed_at < _FAILED_S

    def _check_room(self, total: tuple[Kind, str], visitor: tuple[Kind, str], *address: tuple[Kind, str]) -> None:
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
