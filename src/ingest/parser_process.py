"""The process that parses files of strangers: killed when it takes too long, bounded in memory, without a network.

Started by ``ParserPool`` as ``python -m src.ingest.parser_process PARENT_PID IDLE_S``. Requests and answers are lines of
JSON: foreign parsers may be made to run foreign code, and an unpickled answer would carry that over.
"""

import base64
import datetime
import json
import os
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

from src.errors import KnowledgeError
from src.ingest.limits import Limits
from src.ingest.pages import Wanted
from src.ingest.parse import read_file, read_table

GRACE_S = 5.0
ITEMS_A_LINE = 500
_FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.system", "os.exec")


def main() -> None:
    """Answer requests until standard input ends or nothing came for ``IDLE_S``."""
    parent, idle_s = int(sys.argv[1]), float(sys.argv[2])
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    sys.addaudithook(_refuse_network)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    while select.select([requests], [], [], idle_s)[0] and (line := requests.readline()):
        request = json.loads(line)
        limits = Limits(**request["limits"])
        _limit(limits)
        for answer in _answers(request, limits):
            answers.write(json.dumps(answer, default=_as_json).encode("ascii") + b"\n")
        answers.flush()
        signal.alarm(0)


def _answers(request: dict[str, Any], limits: Limits) -> Iterator[dict[str, Any]]:
    items: list[Any]
    done: dict[str, Any] = {"done": True}
    wanted, path, name = request["wanted"], Path(request["path"]), request["name"]
    try:
        if wanted == "rows":
            items = read_table(path, name, limits)
        elif wanted == "page":
            from src.ingest.rendering import page_pictures  # noqa: PLC0415 (only where pages are shown)

            data = base64.b64decode(request["data"]) if "data" in request else path
            pictures = page_pictures(data, name, Wanted(**request["page"]), limits)
            items = [picture.as_json() for picture in pictures]
        else:
            documents = read_file(path, name, limits)
            items = [astuple(document) for document in documents]
            done["report"] = documents.report.as_json()
    except KnowledgeError as error:
        yield {"error": str(error)}
        return
    for start in range(0, len(items), ITEMS_A_LINE):
        yield {"items": items[start : start + ITEMS_A_LINE]}
    yield done


def _as_json(cell: datetime.datetime) -> dict[str, str]:
    """The one kind of cell that JSON does not know."""
    return {"time": cell.isoformat()}


def _limit(limits: Limits) -> None:
    """Memory for this request; and an alarm that ends this process even if nobody is left to kill it."""
    signal.alarm(int(limits.max_seconds + GRACE_S) + 1)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = limits.max_memory_bytes if most == resource.RLIM_INFINITY else min(limits.max_memory_bytes, most)
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (wanted, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _leave_with(parent: int) -> None:
    """A parent that is killed closes no pipe that its other children hold too."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def _refuse_network(event: str, _: tuple[Any, ...]) -> None:
    if event in _FORBIDDEN:
        raise PermissionError(f"{event} is not for parsers")


if __name__ == "__main__":
    main()
