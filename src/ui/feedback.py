"""Visitors' ratings of answers, in a file of the owner's, if he wants one."""

import json
import logging
import os
import threading
import time
from collections import deque
from pathlib import Path

from src.ui.conversation import Turn

log = logging.getLogger(__name__)

MAX_BYTES = 100 << 20
# Of all visitors together: more is a script's.
MAX_PER_MINUTE = 60
_MAX_CHARS = 10_000
_lock = threading.Lock()
_recent: deque[float] = deque()


def rate(path: Path, turn: Turn, liked: bool) -> bool:
    """Store a rating unless the answer has the same one already or too many come; whether it was stored."""
    answer = turn.answer
    now = time.monotonic()
    with _lock:
        while _recent and now - _recent[0] > 60:
            _recent.popleft()
        if not answer.done or turn.liked == liked or len(_recent) >= MAX_PER_MINUTE:
            return False
        _recent.append(now)
        turn.liked = liked
    names = [f"{hit.chunk.source} {hit.chunk.chunk_id}" for hit in answer.hits]
    record(path, liked=liked, question=turn.question, answer=answer.written, sources=names)
    return True


def record(
    path: Path, *, liked: bool, question: str, answer: str, sources: list[str], max_bytes: int = MAX_BYTES
) -> None:
    """Append one line of JSON; only the owner can read the file.

    What cannot be written is left out with a line in the log, because the visitor cannot help it: the disk is full,
    or the file has come to ``max_bytes``.
    """
    row = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "liked": liked,
        "question": question[:_MAX_CHARS],
        "answer": answer[:_MAX_CHARS],
        "sources": [source[:_MAX_CHARS] for source in sources],
    }
    line = (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "replace")
    try:
        with _lock:
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                if os.fstat(file).st_size + len(line) > max_bytes:
                    log.warning("评价没有记下：%s 已满（%d MB），请移走它", path, max_bytes >> 20)
                    return
                os.fchmod(file, 0o600)  # it may have been there before
                os.write(file, line)
            finally:
                os.close(file)
    except OSError as error:
        log.warning("评价没有记下：写不了 %s（%s）", path, error.strerror)
