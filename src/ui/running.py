"""Which answers each visitor waits for, so that stop, clear and the next question end just those."""

import itertools
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import gradio as gr

from src.errors import Stopped

# Longer than a model takes for the step it is in.
LEAVE_S = 5.0
Views = Generator[tuple[Any, ...], None, None]


class Leaving(Protocol):
    """What keeps something of a visitor."""

    def drop(self, session: str) -> None:
        """Forget a visitor who has left."""
        ...


@dataclass
class _Answer:
    stop: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    started: bool = False


class Running:
    """Gradio's own ``cancels`` does not do: what a cancelled answer has already sent may reach the page after the
    handler that cancelled it, and would overwrite its result. Here ``stop`` returns when the answer has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tickets = itertools.count(1)
        self._answers: dict[str, dict[int, _Answer]] = {}

    def ticket(self, session: str) -> int:
        """A number for an answer to come, which ends those before it and can be stopped while still in the queue."""
        self.stop(session)
        with self._lock:
            number = next(self._tickets)
            self._answers.setdefault(session, {})[number] = _Answer()
            return number

    @contextmanager
    def answer(self, session: str, ticket: int) -> Iterator[threading.Event]:
        """An event that ends this answer: set by ``stop`` (perhaps before it began) and on leaving."""
        with self._lock:
            answer = self._answers.get(session, {}).get(ticket)
            if answer is None:  # the ticket was used, or is not this session's
                answer = _Answer()
                answer.stop.set()
            answer.started = True
        try:
            yield answer.stop
        finally:
            answer.stop.set()
            answer.left.set()
            with self._lock:
                self._forget(session, ticket)

    def stop(self, session: str) -> None:
        """End the session's answers; returns when those that had begun have ended (or after ``LEAVE_S``)."""
        with self._lock:
            answers = list(self._answers.get(session, {}).values())
        for answer in answers:
            answer.stop.set()
        for answer in answers:
            if answer.started:
                answer.left.wait(LEAVE_S)

    def drop(self, session: str) -> None:
        """Forget a visitor who has left, with the answers that wait in the queue."""
        self.stop(session)
        with self._lock:
            self._answers.pop(session, None)

    def _forget(self, session: str, ticket: int) -> None:
        answers = self._answers.get(session, {})
        answers.pop(ticket, None)
        if not answers:
            self._answers.pop(session, None)


def until_stopped(items: Views, stop: threading.Event, outputs: int) -> Views:
    """``items``; whoever set ``stop`` draws the page, so nothing is drawn after that."""
    with closing(items), suppress(Stopped):
        if not stop.is_set():
            yield from items
    if stop.is_set():
        # Gradio sends the last item once more when a generator ends.
        yield (gr.skip(),) * outputs
