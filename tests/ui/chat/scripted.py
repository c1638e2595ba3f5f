"""A chat service that says what a test wants it to, for the page around it."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from src.chat.types import Answer, Comparison
from src.knowledge.types import Chunk
from src.language.base import Message
from src.retrieval.types import Hit, Stages


class ScriptedChat:
    """Streams ``script(question, options)`` and remembers what it was asked."""

    def __init__(self, script: Callable[[str, dict[str, Any]], Sequence[Answer]]) -> None:
        self._script = script
        self.calls: list[tuple[str, list[Message], dict[str, Any]]] = []

    def stream(
        self,
        message: str,
        history: Sequence[Message] = (),
        *,
        stop: threading.Event | None = None,
        **options: Any,
    ) -> Iterator[Answer]:
        self.calls.append((message, list(history), options))
        for answer in self._script(message, options):
            if stop is not None and stop.is_set():
                return
            yield answer

    def compare(self, message: str, **options: Any) -> Iterator[Comparison]:
        for answer in self.stream(message, use_knowledge=True, rewrite=True, min_score=0.15, **options):
            yield Comparison("不用资料的回答", answer)


def hit(rank: int, text: str, score: float = 0.9, *, source: str = "knowledge.txt", title: str = "") -> Hit:
    chunk = Chunk(f"{source}#{rank}", f"{source}-{rank}", source, title, text, 0, len(text))
    return Hit(chunk, score, rank, Stages(score, score, score, score))
