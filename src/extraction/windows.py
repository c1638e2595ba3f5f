"""Long texts in pieces: a window is what the model reads and writes about in one go."""

import re
from dataclasses import dataclass

MAX_WINDOW_CHARS = 400

# From the best place to cut to the worst; an end of sentence takes its closing quotes and brackets along.
_CUTS = (
    re.compile(r"[\n\r\u2028\u2029]+"),
    re.compile(r"(?:[。！？!?…]|\.(?=\s))[”’」』）)\"]*\s*"),
    re.compile(r"[；;]\s*"),
    re.compile(r"[，,、：:]\s*"),
    re.compile(r"\s+"),
)


@dataclass(frozen=True)
class Window:
    """``source[start:end] == text``."""

    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def split_windows(source: str, max_chars: int = MAX_WINDOW_CHARS) -> list[Window]:
    """Windows of at most ``max_chars`` characters that together are ``source``; a short text is one window."""
    windows = []
    start = 0
    while len(source) - start > max_chars:
        end = start + _cut(source[start : start + max_chars])
        windows.append(Window(start, source[start:end]))
        start = end
    windows.append(Window(start, source[start:]))
    return windows


def _cut(text: str) -> int:
    """Where to cut ``text``: after the last best place, unless that leaves a window of under a quarter."""
    for pattern in _CUTS:
        ends = [match.end() for match in pattern.finditer(text)]
        if ends and ends[-1] >= len(text) // 4:
            return ends[-1]
    return len(text)
