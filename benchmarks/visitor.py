"""One visitor of a running app, as rude as we like: gradio's own client would wait politely."""

import json
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
from gradio_client.utils import apply_diff

CHINESE = re.compile("[一-鿿]")
MARKER = re.compile(r"mark[0-9a-f]{12}", re.IGNORECASE)
UNFORESEEN = "意料之外"
BUSY = re.compile("请过一会儿|过几分钟|正在处理或排队|在排队|排队超过")
PATIENCE_S = 900
# A call's data for the page's own events: what the first box of text or question holds, everything else as the page shows it.
_BOXES = {"textbox", "multimodaltextbox"}


@dataclass
class Result:
    """How a request went: ``ok``, ``refused`` (a reason in Chinese), ``busy`` (refused for being one too many),
    ``left`` (we went away), ``stopped`` (we pressed the stop button) or ``error``."""

    kind: str
    outcome: str
    seconds: float
    first_token_s: float | None = None
    detail: str = ""
    value: Any = None
    markers: set[str] = field(default_factory=set)


class Visitor:
    """A session of its own, with a secret of its own."""

    def __init__(self, address: str) -> None:
        self._http = httpx.Client(base_url=address, timeout=httpx.Timeout(30, read=PATIENCE_S))
        self.config = self._http.get("config").json()
        self._numbers = {d["api_name"]: d["id"] for d in self.config["dependencies"]}
        self._stop: int | None = None
        self.renew()

    def renew(self) -> None:
        """Be another visitor from now on."""
        self.session = secrets.token_hex(6)
        self.marker = f"mark{secrets.token_hex(6)}"

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def call(
        self,
        kind: str,
        endpoint: str | int,
        *data: Any,
        leave_after: int | None = None,
        stop_after: int | None = None,
    ) -> Result:
        """Call an endpoint, or a private event by its number, and read what comes.

        With ``leave_after`` drop the connection after so many values, with ``stop_after`` press the stop button.
        """
        started = time.perf_counter()
        result = Result(kind, "error", 0.0)
        number = endpoint if isinstance(endpoint, int) else self._numbers[endpoint]
        try:
            self._call(result, started, number, data, leave_after, stop_after)
        except (httpx.HTTPError, ValueError, KeyError) as error:
            result.detail = f"{type(error).__name__}: {error}"[:200]
        result.seconds = time.perf_counter() - started
        return result

    def send(self, files: dict[str, bytes]) -> tuple[list[dict[str, Any]], Result | None]:
        """Upload files as a browser does: what a handler is then given, or how it went wrong."""
        started = time.perf_counter()
        try:
            parts = [("files", (name, content)) for name, content in files.items()]
            response = self._http.post("gradio_api/upload", files=parts)
            if response.status_code != httpx.codes.OK:
                detail = response.text[:200]
                with_reason = response.headers.get("content-type") == "application/json"
                detail = str(response.json()["detail"]) if with_reason else detail
                return [], Result("upload", _refusal(detail), time.perf_counter() - started, detail=detail)
            paths = response.json()
        except (httpx.HTTPError, ValueError) as error:
            detail = f"{type(error).__name__}: {error}"[:200]
            return [], Result("upload", "error", time.perf_counter() - started, detail=detail)
        return [
            {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}
            for path, name in zip(paths, files, strict=True)
        ], None

    def upload(self, kind: str, files: dict[str, bytes]) -> Result:
        """Add documents to the session."""
        sent, problem = self.send(files)
        if problem is not None:
            problem.kind = kind
            return problem
        return self.call(kind, "add_documents", sent)

    def join(self, number: int, data: list[Any]) -> httpx.Response:
        """Enter gradio's queue."""
        body = {"fn_index": number, "data": data, "session_hash": self.session}
        return self._http.post("gradio_api/queue/join", content=json.dumps(body), headers=_JSON)

    def _call(
        self,
        result: Result,
        started: float,
        number: int,
        data: tuple[Any, ...],
        leave_after: int | None,
        stop_after: int | None,
    ) -> None:
        joined = self.join(number, list(data))
        if joined.status_code != httpx.codes.OK:
            result.detail = str(joined.json().get("detail"))[:200]
            result.outcome = _refusal(result.detail)
            return
        own, values, shown, stopped = joined.json()["event_id"], 0, _Shown(), False
        for event in self._events(result.markers):
            if event.get("event_id") != own:
                if event["msg"] == "log" and event.get("level") == "warning":
                    result.detail = str(event["log"])[:200]
                continue
            if event["msg"] == "log" and event.get("level") == "warning":
                result.detail = str(event["log"])[:200]
            elif event["msg"] == "process_generating":
                values += 1
                shown.add(event["output"].get("data") or [])
                if result.first_token_s is None and shown.has_text():
                    result.first_token_s = time.perf_counter() - started
                if leave_after is not None and values > leave_after:
                    result.outcome = "left"
                    return
                if stop_after is not None and values > stop_after and not stopped and self._stop is not None:
                    stopped = True
                    self.join(self._stop, self.defaults(self._stop)).raise_for_status()
            elif event["msg"] == "process_completed":
                output = event["output"]
                if not event["success"]:
                    result.detail = str(output.get("error"))[:200]
                    result.outcome = _refusal(result.detail)
                elif result.detail:  # a notice on the page
                    result.outcome = _refusal(result.detail)
                else:
                    result.outcome = "stopped" if stopped else "ok"
                    data_out = output.get("data") or [None]
                    result.value = data_out[0]
                return

    def defaults(self, number: int) -> list[Any]:
        """Inputs of a private event as the page has them when it opens."""
        dependency = next(d for d in self.config["dependencies"] if d["id"] == number)
        by_id = {component["id"]: component for component in self.config["components"]}
        return [by_id[i]["props"].get("value") for i in dependency["inputs"]]

    def _events(self, markers: set[str]) -> Iterator[dict[str, Any]]:
        parameters = {"session_hash": self.session}
        with self._http.stream("GET", "gradio_api/queue/data", params=parameters) as response:
            for line in response.iter_lines():
                if line.startswith("data:"):
                    markers |= {found.lower() for found in MARKER.findall(line)}
                    yield json.loads(line.removeprefix("data:"))


class PageVisitor(Visitor):
    """A visitor with a browser: he loads the page, keeps a connection open, and uses the page's own events."""

    def __init__(self, address: str) -> None:
        self._open = ExitStack()
        super().__init__(address)

    def renew(self) -> None:
        """Be another visitor from now on: close the page and load it anew, as another."""
        self._open.close()
        super().renew()
        address = f"gradio_api/heartbeat/{self.session}"
        self._open.enter_context(self._http.stream("GET", address))
        self._stop = self.private("stop")
        for dependency in self.config["dependencies"]:
            if any(event == "load" for _, event in dependency["targets"]) and dependency["backend_fn"]:
                self.call("load", int(dependency["id"]), *self.defaults(dependency["id"]))

    def close(self) -> None:
        """Close the page."""
        self._open.close()
        super().close()

    def private(self, handler: str) -> int | None:
        """The number of the Chinese page's event whose handler has that name; None where the page has none."""
        for dependency in self.config["dependencies"]:
            name = re.sub(r"_\d+$", "", str(dependency["api_name"] or ""))
            if name == handler and dependency["api_visibility"] == "private" and dependency["backend_fn"]:
                return int(dependency["id"])
        return None

    def act(
        self,
        kind: str,
        handler: str,
        text: str,
        files: dict[str, bytes] | None = None,
        leave_after: int | None = None,
        stop_after: int | None = None,
    ) -> Result:
        """Type ``text``, perhaps drop files on it, and send it to that handler."""
        number = self.private(handler)
        if number is None:
            return Result(kind, "error", 0.0, detail=f"the page has no event {handler}")
        sent, problem = self.send(files) if files else ([], None)
        if problem is not None:
            problem.kind = kind
            return problem
        data = self.defaults(number)
        dependency = next(d for d in self.config["dependencies"] if d["id"] == number)
        types = {component["id"]: component["type"] for component in self.config["components"]}
        for place, component in enumerate(dependency["inputs"]):
            if types[component] in _BOXES:
                data[place] = {"text": text, "files": sent} if types[component] == "multimodaltextbox" else text
                break
        return self.call(kind, number, *data, leave_after=leave_after, stop_after=stop_after)


class _Shown:
    """Outputs of a stream: gradio sends the first whole, then what has changed in them."""

    def __init__(self) -> None:
        self._values: list[Any] = []

    def add(self, data: list[Any]) -> None:
        if not self._values:
            self._values = data
            return
        for place, change in enumerate(data):
            if place < len(self._values) and isinstance(change, list):
                self._values[place] = apply_diff(self._values[place], change)

    def has_text(self) -> bool:
        """Whether the beginning of an answer is there: of ``/chat``'s value, or of a conversation's last message."""
        for value in self._values:
            if isinstance(value, dict) and value.get("answer"):
                return True
            last = value[-1] if isinstance(value, list) and value else None
            if isinstance(last, dict) and last.get("role") == "assistant" and _text_of(last.get("content")).strip():
                return not (last.get("metadata") or {}).get("title")
        return False


_JSON = {"content-type": "application/json"}


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return str(content.get("text") or "")
    return "".join(map(_text_of, content)) if isinstance(content, list) else ""


def _refusal(reason: str) -> str:
    if UNFORESEEN in reason or not CHINESE.search(reason):
        return "error"
    return "busy" if BUSY.search(reason) else "refused"
