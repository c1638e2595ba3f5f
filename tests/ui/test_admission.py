"""The front door: calls, uploads and floods, through the middleware alone."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from src.ui import admission
from src.ui.admission import MAX_CALL_BYTES, Admission, call_budget, upload_budget
from src.ui.calls import public_address

JOIN, UPLOAD = "/gradio_api/queue/join", "/gradio_api/upload"
FORM = {"content-type": "multipart/form-data; boundary=x"}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Door:
    """``Admission`` around an app that reads the body and says ``status``; ``got`` are the bytes that it was given."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.clock = Clock()
        self.status = 200
        self.raises: Exception | None = None
        self.got: list[int] = []
        self.admission = Admission(
            self._app,
            folder,
            call_budget(clock=self.clock, **limits.get("calls", {})),
            upload_budget(clock=self.clock, **limits.get("uploads", {})),
        )

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.got.append(0)
        while scope["method"] == "POST":
            message = await receive()
            if message["type"] == "http.disconnect":
                raise self.raises or ConnectionError("the client hung up")
            self.got[-1] += len(message["body"])
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b'{"detail": "in English"}'})

    def post(
        self, pieces: list[int], path: str = JOIN, *, host: str = "8.8.8.8", method: str = "POST", **headers: str
    ) -> tuple[int, str]:
        """Status and detail of a request with a body in pieces of so many bytes."""
        return asyncio.run(self.answer(pieces, path, host=host, method=method, **headers))

    async def answer(
        self, pieces: list[int], path: str, *, host: str, method: str = "POST", **headers: str
    ) -> tuple[int, str]:
        sent: list[Any] = []
        left = list(pieces)

        async def receive() -> Any:
            await asyncio.sleep(0)
            size = left.pop(0) if left else 0
            return {"type": "http.request", "body": b"x" * size, "more_body": bool(left)}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": method, "path": path, "client": (host, 1),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        await self.admission(scope, receive, send)
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        status, body = sent[0]["status"], sent[1]["body"]
        plain = dict(sent[0]["headers"]).get(b"content-type", b"").startswith(b"text/plain")
        assert plain or status not in (404, 413, 429) or path.endswith(("join", "chat"))
        return status, body.decode() if plain else json.loads(body)["detail"]

    def upload(self, pieces: list[int], **more: str) -> tuple[int, str]:
        return self.post(pieces, UPLOAD, **(FORM | more))


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("::1", False),
        ("testclient", False),
        ("", False),
        (None, False),
    ],
)
def test_only_public_addresses_stand_for_somebody(host: str | None, public: bool) -> None:
    assert public_address(host) == (host if public else None)


@pytest.mark.parametrize(
    "path", [JOIN, "/gradio_api/call/chat", "/yz/gradio_api/queue/join", "/gradio_api/run/chat"]
)
def test_a_call_that_says_it_is_too_large_is_not_read(door: Door, path: str) -> None:
    status, detail = door.post([10], path, **{"content-length": str(MAX_CALL_BYTES + 1)})
    assert status == 413
    assert "太大" in detail
    assert door.got == []
    assert door.post([10], path, **{"content-length": str(MAX_CALL_BYTES)})[0] == 200
    assert door.post([10], path, **{"content-length": "-1"})[0] == 200
    assert door.got == [10, 10]


@pytest.mark.parametrize("headers", [{}, {"content-length": "5"}], ids=["chunked", "a lie"])
def test_a_body_without_its_length_is_read_up_to_the_limit(door: Door, headers: dict[str, str]) -> None:
    megabytes = MAX_CALL_BYTES >> 20
    assert door.post([1 << 20] * megabytes, **headers) == (200, "in English")
    status, detail = door.post([1 << 20] * (megabytes + 5), **headers)
    assert (status, "太大" in detail) == (413, True)
    assert door.got == [MAX_CALL_BYTES] * 2


def test_an_error_of_the_app_that_we_did_not_cause_goes_on(tmp_path: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("a bug")

    door = Admission(app, tmp_path, call_budget(), upload_budget())
    scope = {"type": "http", "method": "POST", "path": JOIN, "client": None, "headers": []}
    with pytest.raises(ValueError, match="a bug"):
        asyncio.run(door(scope, None, None))


def test_gradios_full_queue_is_told_in_both_languages(door: Door) -> None:
    door.status = 503
    status, detail = door.post([10])
    assert status == 429  # for 503 gradio's page has English words of its own
    assert detail == "现在请求太多，请过一会儿再试 · Too many requests, please try again later"
    door.status = 422
    assert door.post([10]) == (422, "in English")


def test_one_address_that_floods_is_told_to_wait_and_others_are_not(tmp_path: Path) -> None:
    door = Door(tmp_path, calls={"max_address_requests": 3, "window_s": 10})
    assert [door.post([1])[0] for _ in range(4)] == [200, 200, 200, 429]
    assert "过一会儿" in door.post([1], "/yz/gradio_api/call/chat")[1]
    assert door.post([1], host="9.9.9.9")[0] == 200
    assert [door.post([1], host="10.0.0.1")[0] for _ in range(9)] == [200] * 9  # a proxy stands for all
    assert door.post([], "/config", method="GET")[0] == 200
    assert door.upload([1])[0] == 200
    door.clock.now = 10.1
    assert door.post([1])[0] == 200


def test_bytes_of_calls_are_bounded_too(tmp_path: Path) -> None:
    door = Door(tmp_path, calls={"max_address_bytes": 100, "max_bytes": 150})
    assert door.post([60])[0] == 200
    assert door.post([60])[0] == 413
    assert door.post([60], **{"content-length": "60"})[0] == 429
    assert door.post([60], host="9.9.9.9")[0] == 413
    door.clock.now = 11
    assert door.post([60])[0] == 200


def test_an_upload_is_counted_wherever_the_app_is_mounted(tmp_path: Path) -> None:
    door = Door(tmp_path, uploads={"max_address_requests": 2})
    for path in (UPLOAD, f"/yz{UPLOAD}"):
        assert door.post([1 << 20] * 20, path, **FORM)[0] == 200
    status, detail = door.upload([1])
    assert (status, "过几分钟" in detail) == (429, True)
    assert door.upload([1], host="9.9.9.9")[0] == 200
    door.clock.now = 601
    assert door.upload([1])[0] == 200


def test_uploads_of_one_address_and_of_all_are_bounded(tmp_path: Path) -> None:
    door = Door(tmp_path, uploads={"max_address_bytes": 100, "max_bytes": 250})
    assert door.upload([50, 50])[0] == 200
    assert door.upload([1])[0] == 429
    assert door.got == [100]
    status, detail = door.upload([60, 60, 60], host="9.9.9.9")
    assert (status, "过几分钟" in detail) == (429, True)
    assert door.got == [100, 60]  # the rest was not read on
    assert door.upload([31], host="7.7.7.7", **{"content-length": "31"})[0] == 429
    assert door.upload([30], host="10.0.0.1", **{"content-length": "30"})[0] == 200
    assert door.upload([1], host="10.0.0.2")[0] == 429


def test_an_upload_that_lasts_longer_than_the_window_still_counts(tmp_path: Path) -> None:
    door = Door(tmp_path, uploads={"max_bytes": 100, "window_s": 10})

    async def both() -> tuple[Any, Any]:
        slow = asyncio.create_task(door.answer([40] * 4, UPLOAD, host="8.8.8.8", **FORM))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        door.clock.now = 100
        other = await door.answer([90], UPLOAD, host="9.9.9.9", **FORM)
        return other, await slow

    other, slow = asyncio.run(both())
    assert (other[0], slow[0]) == (429, 429)


def test_a_full_disk_takes_no_uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MIN_FREE_BYTES", 1 << 60)
    door = Door(tmp_path / "not" / "there yet")
    assert door.upload([1])[0] == 429
    assert door.post([1])[0] == 200
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    monkeypatch.setattr(admission, "MIN_FREE_BYTES", free // 2)
    door = Door(tmp_path, uploads={"max_bytes": 1 << 60, "max_address_bytes": 1 << 60})
    assert door.upload([1], **{"content-length": str(free // 4)})[0] == 200
    assert door.upload([1], **{"content-length": str(free)})[0] == 429


def test_a_file_that_gradio_finds_too_large_is_told_in_both_languages(door: Door) -> None:
    door.status = 413
    status, detail = door.upload([10])
    assert (status, "20 MB 一个" in detail, "20 MB each" in detail) == (413, True, True)
    door.status = 400
    assert door.upload([10]) == (400, "in English")


def test_files_are_taken_nowhere_else(door: Door) -> None:
    """Gradio would write them to the disk and never delete them."""
    for path in ("/gradio_api/component_server", "/gradio_api/process_recording"):
        assert door.post([10], path, **FORM)[0] == 404
    assert door.got == []


def test_what_a_broken_upload_left_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    old, new, arrived, foreign = tmp_path / "tmpold", tmp_path / "tmpnew", tmp_path / "ab" / "tmpx", tmp_path / "x"
    arrived.parent.mkdir()
    for path in (old, new, arrived, foreign):
        path.write_bytes(b"x")
    for path in (old, arrived, foreign):
        os.utime(path, (time.time() - 700,) * 2)
    assert Door(tmp_path).upload([1])[0] == 200
    assert [path.exists() for path in (old, new, arrived, foreign)] == [False, True, True, True]
