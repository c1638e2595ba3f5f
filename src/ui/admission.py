"""How much is done at once, and for whom: limits in words that a visitor understands, before gradio's own.

Gradio serves first come, first served, and answers in English when its queue is full. So it lets every call in, and
here one visitor cannot take what all share.
"""

import ipaddress
import json
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.errors import Busy

# Of a kind's calls: one visitor's at most a quarter, those from one public address at most half.
_VISITOR_SHARE = 4
_ADDRESS_SHARE = 2
# What enters gradio's queue is refused by a gate within milliseconds; only a flood comes to so many.
MAX_EVENTS = 1000
# A question with its conversation is a hundredth of this; files come another way.
MAX_CALL_BYTES = 8 << 20


class Gate:
    """Calls of one kind: at most ``total`` at once, waiting ones included.

    With ``places`` that many are worked on at a time, and only one of each visitor's, so that who sends thirty calls
    leaves room for the others. Without, whoever is let in goes on: the model has a queue of its own.
    """

    def __init__(self, total: int, places: int | None = None) -> None:
        self.total = total
        self.places = places
        self._changed = threading.Condition()
        self._inside: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()
        self._working: set[str] = set()

    @contextmanager
    def enter(self, visitor: str, address: str | None = None) -> Iterator[None]:
        """A place of ``visitor``, perhaps after a wait; ``address`` is a public one, if it is known.

        Raises:
            Busy: there are too many already.
        """
        with self._changed:
            self._check_room(visitor, address)
            self._inside[visitor] += 1
            if address:
                self._addresses[address] += 1
        try:
            if self.places is None:
                yield
            else:
                with self._place(visitor, self.places):
                    yield
        finally:
            with self._changed:
                _less(self._inside, visitor)
                if address:
                    _less(self._addresses, address)

    def waiting(self) -> int:
        """How many wait for a place."""
        with self._changed:
            return 0 if self.places is None else self._inside.total() - len(self._working)

    @contextmanager
    def _place(self, visitor: str, places: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: len(self._working) < places and visitor not in self._working)
            self._working.add(visitor)
        try:
            yield
        finally:
            with self._changed:
                self._working.discard(visitor)
                self._changed.notify_all()

    def _check_room(self, visitor: str, address: str | None) -> None:
        if self._inside.total() >= self.total:
            raise Busy(f"现在请求太多（{self.total} 个正在处理或排队），请过一会儿再试")
        if self._inside[visitor] >= share(self.total, _VISITOR_SHARE):
            raise Busy(f"您已有 {self._inside[visitor]} 个请求正在处理或排队，请等其中一个有了结果再试")
        if address and self._addresses[address] >= share(self.total, _ADDRESS_SHARE):
            raise Busy("从您的网络地址来的请求太多，请过一会儿再试")


def share(total: int, parts: int) -> int:
    """One of ``parts`` of ``total``, at least one."""
    return max(1, total // parts)


def _less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


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


class FloodGuard:
    """Turns calls away before they enter gradio's queue, which has no limit of its own here: too many, or too large.

    Args:
        events: the public addresses (or None) from which the calls came that gradio holds now.
    """

    def __init__(self, app: ASGIApp, events: Callable[[], Collection[str | None]]) -> None:
        self._app = app
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 429 or 413 with a reason that gradio's page shows."""
        if not _is_call(scope):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, _at_most(MAX_CALL_BYTES, receive), send)
            return
        status, reason = refusal
        body = json.dumps({"detail": reason}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers.append((b"connection", b"close"))  # the body was not read
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        length = dict(scope["headers"]).get(b"content-length", b"")
        if length.isdigit() and int(length) > MAX_CALL_BYTES:
            return 413, f"请求太大：最多 {MAX_CALL_BYTES >> 20} MB，文件请用上传"
        events = self._events()
        address = public_address((scope.get("client") or (None,))[0])
        own = sum(other == address for other in events) if address else 0
        if len(events) >= MAX_EVENTS or own >= share(MAX_EVENTS, _VISITOR_SHARE):
            return 429, "现在请求太多，请过一会儿再试"
        return None


def _at_most(limit: int, receive: Receive) -> Receive:
    """``receive`` for a body of which the length was not said; too long, it ends as if the sender had hung up."""
    left = limit

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        return message if left >= 0 else {"type": "http.disconnect"}

    return counted


def _is_call(scope: Scope) -> bool:
    path: Any = scope.get("path", "")
    return (
        scope["type"] == "http"
        and scope["method"] == "POST"
        and ("/queue/join" in path or "/gradio_api/call/" in path)
    )
