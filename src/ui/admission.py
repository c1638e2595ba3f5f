"""The app's front door: calls and uploads that are too large or too many are turned away in Chinese.

Gradio limits neither the number of calls and uploads nor the size of a call, says in English that its queue is full,
and leaves on the disk what it had of an upload that broke off.
"""

import functools
import json
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.ui.calls import public_address
from src.ui.context import UPLOAD_LIFE_S

# A question with its conversation is a hundredth of this; files come another way.
MAX_CALL_BYTES = 8 << 20
# More calls than this in gradio's queue are a flood.
MAX_QUEUED = 1000
_BUSY = "现在请求太多，请过一会儿再试"
_UPLOADS_FULL = "现在上传的文件太多，请过几分钟再试"
_CALL_TOO_LARGE = f"请求太大：最多 {MAX_CALL_BYTES >> 20} MB，文件请用上传"
_FILE_TOO_LARGE = "文件太大，网页上最多 20 MB 一个"


@dataclass
class Entry:
    """One request with a body: a call, or an upload under way or just over."""

    address: str | None
    at: float
    size: int = 0
    open: bool = True


class Budget:
    """Requests and their bytes of the last ``window_s`` seconds, and those under way; for one event loop.

    Args:
        max_bytes: of all requests together.
        max_address_bytes, max_address_requests: from one public address.
        clock: seconds.
    """

    def __init__(
        self,
        *,
        window_s: float,
        max_bytes: int,
        max_address_bytes: int,
        max_address_requests: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._window_s, self._clock = window_s, clock
        self._max_bytes = max_bytes
        self._max_address_bytes, self._max_address_requests = max_address_bytes, max_address_requests
        self._entries: list[Entry] = []

    def begin(self, address: str | None, announced: int = 0) -> Entry | None:
        """Room for one more request of ``announced`` bytes at least; None where there is none."""
        now = self._clock()
        self._entries = [entry for entry in self._entries if entry.open or now - entry.at <= self._window_s]
        own = [entry for entry in self._entries if address is not None and entry.address == address]
        entry = Entry(address, now)
        if len(own) >= self._max_address_requests or not self._has_room(entry, max(1, announced)):
            return None
        self._entries.append(entry)
        return entry

    def received(self, entry: Entry, size: int) -> bool:
        """Count bytes that came; whether they had room."""
        has_room = self._has_room(entry, size)
        entry.size += size
        return has_room

    def end(self, entry: Entry) -> None:
        """The request is over; it counts for ``window_s`` more."""
        entry.open, entry.at = False, self._clock()

    def _has_room(self, entry: Entry, size: int) -> bool:
        total = sum(other.size for other in self._entries)
        own = sum(other.size for other in self._entries if other.address == entry.address)
        return total + size <= self._max_bytes and (entry.address is None or own + size <= self._max_address_bytes)


class CallBudget(Budget):
    """The last calls: what a page, a busy client or a classroom behind one address never comes to."""

    def __init__(
        self,
        *,
        window_s: float = 10.0,
        max_bytes: int = 512 << 20,
        max_address_bytes: int = 128 << 20,
        max_address_requests: int = 250,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            window_s=window_s,
            max_bytes=max_bytes,
            max_address_bytes=max_address_bytes,
            max_address_requests=max_address_requests,
            clock=clock,
        )


class UploadBudget(Budget):
    """Uploads for as long as gradio keeps their files, and the disk that they need.

    Args:
        folder: where gradio puts them.
        window_s: how long it keeps them.
        min_free_bytes: left on the disk for everything else.
        others: as ``Budget``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        window_s: float = UPLOAD_LIFE_S,
        max_bytes: int = 2 << 30,
        max_address_bytes: int = 500 << 20,
        max_address_requests: int = 120,
        min_free_bytes: int = 1 << 30,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            window_s=window_s,
            max_bytes=max_bytes,
            max_address_bytes=max_address_bytes,
            max_address_requests=max_address_requests,
            clock=clock,
        )
        self._folder, self._min_free_bytes = folder, min_free_bytes

    def begin(self, address: str | None, announced: int = 0) -> Entry | None:
        """As ``Budget``; removes first what earlier uploads have left behind."""
        self._sweep()
        folder = next(parent for parent in (self._folder, *self._folder.parents) if parent.is_dir())
        has_disk = shutil.disk_usage(folder).free - announced >= self._min_free_bytes
        return super().begin(address, announced) if has_disk else None

    def _sweep(self) -> None:
        """Delete files of uploads that broke off; those that arrived are in folders, which gradio sweeps."""
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            with suppress(OSError):  # another request swept it
                is_old = time.time() - path.stat().st_mtime > self._window_s
                if path.name.startswith("tmp") and path.is_file() and is_old:
                    path.unlink()


class _Limit(Protocol):
    def __call__(self, size: int) -> bool:
        """Count bytes of a body; whether it may go on."""
        ...


class Admission:
    """ASGI middleware around gradio.

    Args:
        calls, uploads: what is let in.
        max_call_bytes: of a body that is no upload.
    """

    def __init__(
        self, app: ASGIApp, uploads: UploadBudget, calls: CallBudget, max_call_bytes: int = MAX_CALL_BYTES
    ) -> None:
        self._app = app
        self._uploads, self._calls = uploads, calls
        self._max_call_bytes = max_call_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 413 or 429 with a reason that gradio's page shows.

        For a call it shows ``detail`` of the JSON, but English words of its own for 503; for an upload the whole body.
        """
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        announced = int(length) if length.isdigit() else 0
        address = public_address((scope.get("client") or (None,))[0])
        is_upload = headers.get(b"content-type", b"").strip().lower().startswith(b"multipart/")
        if is_upload and not scope["path"].endswith("/gradio_api/upload"):
            # Gradio takes files at other addresses too, for components that we do not have, and never deletes them.
            await _refuse(send, 404, "文件请用上传", plain=True)
            return
        if not is_upload and announced > self._max_call_bytes:
            await _refuse(send, 413, _CALL_TOO_LARGE)
            return
        budget: Budget = self._uploads if is_upload else self._calls
        entry = budget.begin(address, announced)
        if entry is None:
            await _refuse(send, 429, _UPLOADS_FULL if is_upload else _BUSY, plain=is_upload)
            return

        def has_room(size: int) -> bool:
            return budget.received(entry, size) and (is_upload or entry.size <= self._max_call_bytes)

        answers = {413: (413, _FILE_TOO_LARGE)} if is_upload else {503: (429, _BUSY)}
        too_much = (429, _UPLOADS_FULL) if is_upload else (413, _CALL_TOO_LARGE)
        try:
            told = functools.partial(_refuse, send, plain=is_upload)
            await _Passed(self._app, scope, receive, send, told, has_room, answers, too_much).run()
        finally:
            budget.end(entry)


class _Passed:
    """One request on its way through gradio: its body is counted, and some answers are told in Chinese."""

    def __init__(
        self,
        app: ASGIApp,
        scope: Scope,
        receive: Receive,
        send: Send,
        told: Callable[[int, str], Awaitable[None]],
        has_room: _Limit,
        answers: dict[int, tuple[int, str]],
        too_much: tuple[int, str],
    ) -> None:
        self._app, self._scope, self._receive, self._send, self._tell = app, scope, receive, send, told
        self._has_room, self._answers, self._too_much = has_room, answers, too_much
        self._cut = self._answered = self._replaced = False

    async def run(self) -> None:
        try:
            await self._app(self._scope, self._counted, self._told)
        except Exception:
            if not self._cut or self._answered:
                raise
            await self._refuse(*self._too_much)

    async def _counted(self) -> Message:
        """The body as it comes; once it is too much, it ends as if the sender had hung up."""
        message = await self._receive()
        size = len(message.get("body", b""))
        if self._cut or (size and not self._has_room(size)):
            self._cut = True
            return {"type": "http.disconnect"}
        return message

    async def _told(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            status = message["status"]
            if self._cut:
                await self._refuse(*self._too_much)
            elif status in self._answers:
                await self._refuse(*self._answers[status])
            self._answered = True
        if not self._replaced:
            await self._send(message)

    async def _refuse(self, status: int, reason: str) -> None:
        self._replaced = True
        await self._tell(status, reason)


async def _refuse(send: Send, status: int, reason: str, *, plain: bool = False) -> None:
    body = (reason if plain else json.dumps({"detail": reason}, ensure_ascii=False)).encode()
    kind = b"text/plain; charset=utf-8" if plain else b"application/json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    headers.append((b"connection", b"close"))  # the body may not have been read
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
