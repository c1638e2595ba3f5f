"""Times of one request."""

import time


class Clock:
    """Milliseconds from the beginning of one request to each named moment."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self.timings_ms: dict[str, float] = {}

    def lap(self, name: str) -> float:
        """The time until now, kept under ``name``."""
        self.timings_ms[name] = (time.perf_counter() - self._started) * 1000
        return self.timings_ms[name]

    def first(self, name: str) -> None:
        """As ``lap``, but only the first time counts."""
        if name not in self.timings_ms:
            self.lap(name)
