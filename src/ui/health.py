"""``GET /health`` for whoever watches the app: nothing about visitors, no network, nothing that takes time."""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from src.runtime import Runtime
from src.ui.calls import Calls


def route(runtime: Runtime, calls: Calls) -> Route:
    """The endpoint: 200 while the app can answer; 503 before the model is loaded and while it fails."""
    started = time.monotonic()

    def health(_: Request) -> JSONResponse:
        status, body = report(runtime, calls)
        body["uptime_s"] = round(time.monotonic() - started)
        return JSONResponse(body, status, headers={"Cache-Control": "no-store"})

    return Route("/health", health)


def report(runtime: Runtime, calls: Calls) -> tuple[int, dict[str, Any]]:
    """HTTP status and JSON, less the uptime."""
    parts = vars(runtime)  # what is loaded, without loading what is not
    model, base = parts.get("model"), parts.get("base")
    status = "loading" if model is None else "failing" if calls.model_fails() else "ok"
    chunks = None if base is None else base.size
    body = {"status": status, "model": getattr(model, "name", None), "chunks": chunks, "waiting": calls.waiting()}
    return (200 if status == "ok" else 503), body
