"""One visitor of a running app, as rude as we like: gradio's own client would wait politely."""

import json
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

CHINESE = re.compile("[一-鿿]")
MARKER = re.compile(r"mark[0-9a-f]{12}", re.IGNORECASE)
UNFORESEEN = "意料之外"
BUSY = re.compile("请过一会儿|正在处理或排队|在排队|排队超过")
PATIENCE_S = 900


@dataclass
class Result:
    """How a request went: ``ok``, ``refused`` (a reason in Chinese), ``busy`` (refused for being one too many),
    ``left`` (we went away) or ``error``."""

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
        self._numbers = {d["api_name"]: d["id"] for d in self._http.get("config").json()["dependencies"]}
        self.renew()

    def renew(self) -> None:
        """Be another visitor from now on."""
        self.session = secrets.token_hex(6)
        self.marker = f"mark{secrets.token_hex(6)}"

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def call(self, kind: str, endpoint: str, *data: Any, leave_after: int | None = None) -> Result:
        """Call an endpoint and read what comes; with ``leave_after`` drop the connection after so many values."""
        started = time.perf_counter()
        result = Result(kind, "error", 0.0)
        try:
            self._call(result, started, endpoint, data, leave_after)
        except (httpx.HTTPError, ValueError, KeyError) as error:
            result.detail = f"{type(error).__name__}: {error}"[:200]
        result.seconds = time.perf_counter() - started
        return result

    def upload(self, kind: str, files: dict[str, bytes]) -> Result:
        """Add documents to the session."""
        started = time.perf_counter()
        try:
            parts = [("files", (name, content)) for name, content in files.items()]
            response = self._http.post("gradio_api/upload", files=parts)
            if response.status_code != httpx.codes.OK:
                refused = response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
                return Result(kind, "refused" if refused else "error", time.perf_counter() - started)
            paths = response.json()
        except (httpx.HTTPError, ValueError) as error:
            return Result(
                kind, "error", time.perf_counter() - started, detail=f"{type(error).__name__}: {error}"[:200]
            )
        sent = [
            {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}
            for path, name in zip(paths, files, strict=True)
        ]
        return self.call(kind, "add_documents", sent)

    def _call(
        self, result: Result, started: float, endpoint: str, data: tuple[Any, ...], leave_after: int | None
    ) -> None:
        body = {"fn_index": self._numbers[endpoint], "data": list(data), "session_hash": self.session}
        joined = self._http.post("gradio_api/queue/join", content=json.dumps(body), headers=_JSON)
        if joined.status_code != httpx.codes.OK:
            result.detail = str(joined.json().get("detail"))[:200]
            result.outcome = _refusal(result.detail)
            return
        own, values = joined.json()["event_id"], 0
        for event in self._events(result.markers):
            if event.get("event_id") != own:
                continue
            if event["msg"] == "process_generating":
                values += 1
                if result.first_token_s is None and _has_text(event["output"]):
                    result.first_token_s = time.perf_counter() - started
                if leave_after is not None and values > leave_after:
                    result.outcome = "left"
                    return
            elif event["msg"] == "process_completed":
                output = event["output"]
                if event["success"]:
                    result.outcome, result.value = "ok", output["data"][0]
                else:
                    result.detail = str(output.get("error"))[:200]
                    result.outcome = _refusal(result.detail)
                return

    def _events(self, markers: set[str]) -> Iterator[dict[str, Any]]:
        parameters = {"session_hash": self.session}
        with self._http.stream("GET", "gradio_api/queue/data", params=parameters) as response:
            for line in response.iter_lines():
                if line.startswith("data:"):
                    markers |= {found.lower() for found in MARKER.findall(line)}
                    yield json.loads(line.removeprefix("data:"))


_JSON = {"content-type": "application/json"}


def _refusal(reason: str) -> str:
    if UNFORESEEN in reason or not CHINESE.search(reason):
        return "error"
    return "busy" if BUSY.search(reason) else "refused"


def _has_text(output: dict[str, Any]) -> bool:
    """Whether a value, or what gradio says has changed in it, holds a beginning of the answer."""
    data = output.get("data") or [None]
    if isinstance(data[0], dict):
        return bool(data[0].get("answer"))
    changes = data[0] if isinstance(data[0], list) else []
    return any(change[1][:1] == ["answer"] and bool(change[2]) for change in changes if len(change) == 3)
