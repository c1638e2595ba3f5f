"""The app's front door: calls and uploads that are too large or too many are turned away in Chinese.

Gradio limits neither the number of uploads nor the size of a call, and says in English that its queue is full.
"""

import json
import shutil
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.ui.calls import public_address
from src.ui.context import UPLOAD_LIFE_S

# A question with its conversation is a hundredth of this; files come another way.
MAX_CALL_BYTES = 8 << 20
# Of all uploads that gradio keeps on the disk at a time, and of those from one public address.
MAX_UPLOADED_BYTES = 2 << 30
MAX_ADDRESS_BYTES = 500 << 20
MAX_ADDRESS_UPLOADS = 120
# Left free on the disk for everything else.
MIN_FREE_BYTES = 1 << 30
# More calls than this in gradio's queue are a flood: its own limit, per function.
MAX_QUEUED = 1000
_BUSY = "现在请求太多，请过一会儿再试"


class UploadBudget:
    """Bytes and uploads of the last ``window_s`` seconds, which is how long gradio keeps a file.

    Args:
        folder: where the uploads go.
    """

    def __init__(
        self,
        folder: Path,
        *,
        window_s: float = UPLOAD_LIFE_S,
        max_bytes: int = MAX_UPLOADED_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._window_s, self._max_bytes, self._clock = folder, window_s, max_bytes, clock
        self._uploads: deque[list[Any]] = deque()  # [time, address, bytes]

    def begin(self, address: str | None) -> "Upload | None":
        """Room for one more upload; None where there is none."""
        now = self._clock()
        while self._uploads and now - self._uploads[0][0] > self._window_s:
            self._uploads.popleft()
        own = sum(other == address for _, other, _ in self._uploads) if address else 0
        upload = Upload(self, [now, address, 0])
        if own >= MAX_ADDRESS_UPLOADS or not upload.has_room() or not self._has_disk():
            return None
        self._uploads.append(upload.entry)
        return upload

    def bytes_of(self, address: str | None) -> int:
        """Bytes from one address; of all for None."""
        return sum(size for _, other, size in self._uploads if address in (None, other))

    def _has_disk(self) -> bool:
        folder = next(parent for parent in (self._folder, *self._folder.parents) if parent.is_dir())
        return shutil.disk_usage(folder).free >= MIN_FREE_BYTES


class Upload:
    """One upload under way."""

    def __init__(self, budget: UploadBudget, entry: list[Any]) -> None:
        self._budget, self.entry = budget, entry

    def has_room(self) -> bool:
        address = self.entry[1]
        full = self._budget.bytes_of(None) >= self._budget._max_bytes
        return not full and (address is None or self._budget.bytes_of(address) < MAX_ADDRESS_BYTES)

    def received(self, size: int) -> bool:
        """Count bytes that came; whether more may come."""
        self.entry[2] += size
        return self.has_room()


class Admission:
    """ASGI middleware around gradio."""

    def __init__(self, app: ASGIApp, uploads: UploadBudget) -> None:
        self._app = app
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 413 or 429 with a reason that gradio's page shows."""
        path: str = scope.get("path", "")
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
        elif path.endswith("/gradio_api/upload"):
            await self._upload(scope, receive, send)
        elif "/queue/join" in path or "/gradio_api/call/" in path:
            length = dict(scope["headers"]).get(b"content-length", b"")
            if length.isdigit() and int(length) > MAX_CALL_BYTES:
                await _refuse(send, 413, f"请求太大：最多 {MAX_CALL_BYTES >> 20} MB，文件请用上传")
                return
            left = MAX_CALL_BYTES

            def counted(size: int) -> bool:
                nonlocal left
                left -= size
                return left >= 0

            await self._app(scope, _while(counted, receive), _FullQueue(send))
        else:
            await self._app(scope, receive, send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        upload = self._uploads.begin(public_address((scope.get("client") or (None,))[0]))
        if upload is None:
            await _refuse(send, 429, "现在上传的文件太多，请过几分钟再试")
            return
        await self._app(scope, _while(upload.received, receive), send)


def _while(goes_on: Callable[[int], bool], receive: Receive) -> Receive:
    """``receive`` until ``goes_on(bytes)`` says no; then the body ends as if the sender had hung up."""

    async def counted() -> Message:
        message = await receive()
        return message if goes_on(len(message.get("body", b""))) else {"type": "http.disconnect"}

    return counted


class _FullQueue:
    """Sends gradio's 503 (queue full) with a Chinese reason, anything else as it comes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._full = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._full = message["status"] == 503
            if self._full:
                await _refuse(self._send, 503, _BUSY)
        if not self._full:
            await self._send(message)


async def _refuse(send: Send, status: int, reason: str) -> None:
    body = json.dumps({"detail": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers.append((b"connection", b"close"))  # the body may not have been read
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
