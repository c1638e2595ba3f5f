"""The app's front door: calls and uploads that are too large or too many are turned away in both languages.

Gradio limits neither the number of calls and uploads nor the size of a call, says in English that its queue is full,
and leaves on the disk what it had of an upload that broke off.
"""

import math
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.ui.calls import public_address
from src.ui.context import UPLOAD_LIFE_S

# A question with its conversation is a hundredth of this; files come another way. As told below.
MAX_CALL_BYTES = 8 << 20
# More calls than this in gradio's queue are a flood.
MAX_QUEUED = 1000
# Left on the disk for everything but uploads.
MIN_FREE_BYTES = 1 << 30
# The page does not know its visitor's language here.
_BUSY = "现在请求太多，请过一会儿再试 · Too many requests, please try again later"
_UPLOADS_FULL = "现在上传的文件太多，请过几分钟再试 · Too many uploads, please try again in a few minutes"
_CALL_TOO_LARGE = "请求太大：最多 8 MB，文件请用上传 · Request too large: at most 8 MB, please upload files"
_FILE_TOO_LARGE = "文件太大，网页上最多 20 MB 一个 · File too large: at most 20 MB each on this page"
_NO_FILES_HERE = "文件请用上传 · Please upload files"


@dataclass
class Entry:
    """One request with a body; ``ended`` is when it was over."""

    address: str | None
    size: int = 0
    ended: float = math.inf


@dataclass
class Budget:
    """Requests and their bytes of the last ``window_s`` seconds, and those under way; for one event loop.

    Attributes:
        max_bytes: of all requests together.
        max_address_bytes, max_address_requests: from one public address.
        clock: seconds.
    """

    window_s: float
    max_bytes: int
    max_address_bytes: int
    max_address_requests: int
    clock: Callable[[], float] = time.monotonic
    _entries: list[Entry] = field(default_factory=list, init=False)

    def begin(self, address: str | None, announced: int) -> Entry | None:
        """Room for one more request of ``announced`` bytes at least; None where there is none."""
        now = self.clock()
        self._entries = [entry for entry in self._entries if now - entry.ended <= self.window_s]
        if not self._has_room(address, max(1, announced), requests=1):
            return None
        self._entries.append(entry := Entry(address))
        return entry

    def received(self, entry: Entry, size: int) -> bool:
        """Count bytes that came; whether they had room."""
        entry.size += size
        return self._has_room(entry.address)

    def end(self, entry: Entry) -> None:
        entry.ended = self.clock()

    def _has_room(self, address: str | None, size: int = 0, requests: int = 0) -> bool:
        own = [entry.size for entry in self._entries if entry.address == address]
        return size + sum(entry.size for entry in self._entries) <= self.max_bytes and (
            address is None
            or (size + sum(own) <= self.max_address_bytes and requests + len(own) <= self.max_address_requests)
        )


# What a page, a busy client or a classroom behind one address never comes to.
call_budget = partial(
    Budget, window_s=10.0, max_bytes=512 << 20, max_address_bytes=128 << 20, max_address_requests=250
)
# For as long as gradio keeps the files.
upload_budget = partial(
    Budget, window_s=UPLOAD_LIFE_S, max_bytes=2 << 30, max_address_bytes=500 << 20, max_address_requests=120
)


class Admission:
    """ASGI middleware around gradio, which puts uploads into ``folder``."""

    def __init__(self, app: ASGIApp, folder: Path, calls: Budget, uploads: Budget) -> None:
        self._app, self._folder, self._calls, self._uploads = app, folder, calls, uploads

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
        if is_upload:
            budget, max_bytes, full = self._uploads, math.inf, (429, _UPLOADS_FULL)
            too_much, instead = full, {413: (413, _FILE_TOO_LARGE)}
        else:
            budget, max_bytes, full = self._calls, MAX_CALL_BYTES, (429, _BUSY)
            too_much, instead = (413, _CALL_TOO_LARGE), {503: full}

        async def turn_away(status: int, reason: str) -> None:
            close = {"connection": "close"}  # the body may not have been read
            if is_upload:
                await PlainTextResponse(reason, status, close)(scope, receive, send)
            else:
                await JSONResponse({"detail": reason}, status, close)(scope, receive, send)

        if is_upload and not scope["path"].endswith("/gradio_api/upload"):
            # Gradio takes files at other addresses too, for components that we do not have, and never deletes them.
            await turn_away(404, _NO_FILES_HERE)
            return
        if announced > max_bytes:
            await turn_away(*too_much)
            return
        has_disk = not is_upload or _has_disk(self._folder, announced)
        if not has_disk or not (entry := budget.begin(address, announced)):
            await turn_away(*full)
            return
        is_cut = False
        is_ours: bool | None = None  # the answer; None before there is one

        async def counted() -> Message:
            """The body as it comes; once it is too much, it ends as if the sender had hung up."""
            nonlocal is_cut
            message = await receive()
            size = len(message.get("body", b""))
            is_cut = is_cut or (size > 0 and not (budget.received(entry, size) and entry.size <= max_bytes))
            return {"type": "http.disconnect"} if is_cut else message

        async def told(message: Message) -> None:
            """The app's answer, or ours instead."""
            nonlocal is_ours
            if message["type"] == "http.response.start":
                ours = too_much if is_cut else instead.get(message["status"])
                is_ours = ours is not None
                if ours is not None:
                    await turn_away(*ours)
            if not is_ours:
                await send(message)

        try:
            await self._app(scope, counted, told)
        except Exception:
            if not is_cut or is_ours is not None:
                raise
            await turn_away(*too_much)
        finally:
            budget.end(entry)


def _has_disk(folder: Path, size: int) -> bool:
    """Whether there is room for an upload, once what broken ones have left is deleted.

    Gradio sweeps those that arrived, which are in folders.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("tmp*"):
        with suppress(OSError):  # another request swept it
            if path.is_file() and time.time() - path.stat().st_mtime > UPLOAD_LIFE_S:
                path.unlink()
    return shutil.disk_usage(folder).free - size >= MIN_FREE_BYTES
