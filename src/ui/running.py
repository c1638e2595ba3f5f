"""Which answer each visitor is being given, so that stop, clear and the next question end that one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Running:
    """One running answer a session at most. Gradio's own ``cancels`` ends what still waits in its queue."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: dict[str, threading.Event] = {}

    @contextmanager
    def answer(self, session: str) -> Iterator[threading.Event]:
        """An event that ends this answer: set by ``stop``, by the next answer of the session, and on leaving."""
        stop = threading.Event()
        with self._lock:
            before = self._stops.get(session)
            self._stops[session] = stop
        if before is not None:
            before.set()
        try:
            yield stop
        finally:
            stop.set()
            with self._lock:
                if self._stops.get(session) is stop:
                    del self._stops[session]

    def stop(self, session: str) -> None:
        """End the session's answer, if there is one."""
        with self._lock:
            stop = self._stops.get(session)
        if stop is not None:
            stop.set()
