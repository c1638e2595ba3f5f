"""The real page and its server on a model without weights."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import httpx

from src.caller import ANYONE, Caller
from src.errors import ModelError
from src.models.base import Delta, GenerationOptions, Message, Queued
from src.models.fake import FakeModel
from src.runtime import Runtime
from src.settings import load_settings
from src.ui.page import App
from tests.search.helpers import build_index


class OneAtATime(FakeModel):
    """Answers while ``gate`` is open, one request at a time; who waits blocks up to a second, as the real one does.

    ``asked`` are the users in the order in which they had the model.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[str] = []
        self._turn = threading.Lock()

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions,
        caller: Caller = ANYONE,
    ) -> Iterator[str | Queued]:
        while not self._turn.acquire(timeout=1):
            if caller.stopped:
                return
            yield Queued(1)
        try:
            self.asked.append(caller.user)
            while not self.gate.wait(timeout=1):
                yield Delta("")
            yield from super().stream(messages, options, caller)
        finally:
            self._turn.release()


class Broken(FakeModel):
    """Fails in a way that nobody foresaw, with the user's words in the message."""

    def stream(self, messages, options, caller=ANYONE):
        raise ValueError(f"cannot answer {messages[-1].content}")
        yield ""


class Failing(FakeModel):
    """Fails as a model server does that is down."""

    def stream(self, messages, options, caller=ANYONE):
        raise ModelError("语言模型服务没有答完")
        yield ""


def fake_runtime(model: Any, **settings: Any) -> Runtime:
    """Everything real but the model and the embedder."""
    runtime = Runtime(load_settings(profile="embedded", **settings))
    base, embedder = build_index(["广州大学的前身是1927年创办的私立广州大学。", "长江是中国第一大河。"])
    vars(runtime).update(model=model, embedder=embedder, base=base)
    return runtime


@contextmanager
def running_app(runtime: Runtime, app: App | None = None) -> Iterator[str]:
    """Its address."""
    app = app or App(runtime)
    try:
        yield app.launch(block=False)
    finally:
        app.page.close()
        runtime.parser.close()


def handler(page: gr.Blocks, module: str, name: str) -> int:
    """The number of a private handler: ``name`` in ``src.ui.module``."""
    return next(
        number
        for number, block in page.fns.items()
        if (getattr(block.fn, "__module__", ""), getattr(block.fn, "__name__", "")) == (f"src.ui.{module}", name)
    )


def number_of(address: str, endpoint: str | int) -> int:
    if isinstance(endpoint, int):
        return endpoint
    dependencies = httpx.get(f"{address}config").json()["dependencies"]
    return next(d["id"] for d in dependencies if d["api_name"] == endpoint)


def join(address: str, endpoint: str | int, call: dict[str, Any], **headers: str) -> httpx.Response:
    """Enter gradio's queue as the page does."""
    body = {"fn_index": number_of(address, endpoint), **call}
    headers = {"content-type": "application/json"} | headers
    return httpx.post(f"{address}gradio_api/queue/join", content=json.dumps(body), headers=headers)


def events_of(address: str, session: str) -> Iterator[dict[str, Any]]:
    """One session's events until its calls have ended; leaving early closes the connection."""
    parameters = {"session_hash": session}
    with httpx.stream("GET", f"{address}gradio_api/queue/data", params=parameters, timeout=60) as response:
        for line in response.iter_lines():
            if line.startswith("data:"):
                event = json.loads(line.removeprefix("data:"))
                yield event
                if event["msg"] == "close_stream":
                    return


def completed(address: str, endpoint: str | int, session: str, *data: Any) -> dict[str, Any]:
    """What a call of that session ends with."""
    join(address, endpoint, {"data": list(data), "session_hash": session}).raise_for_status()
    return next(event for event in events_of(address, session) if event["msg"] == "process_completed")


def uploaded(address: str, path: Path) -> dict[str, Any]:
    """The file as the page hands it to a handler."""
    response = httpx.post(f"{address}gradio_api/upload", files={"files": (path.name, path.read_bytes())})
    return {"path": response.json()[0], "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}


def until(condition: Any, seconds: float = 10) -> bool:
    """Whether it became true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def text_file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
