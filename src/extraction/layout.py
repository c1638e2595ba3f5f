"""Resumes as people lay them out: words whose characters are set apart by spaces, read as the words they are."""

import re
from dataclasses import dataclass, replace

from src.extraction.schema import Span

_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_GAP = re.compile(r"[ \t\u3000\xa0]+")
_MARKS = "，。；：、！？）】》”"
# Beside these and white space a character is alone: not in 3.15元/吨　应缴.
_AROUND = f"{_MARKS},;:!?)|｜（【《“(["


@dataclass(frozen=True)
class View:
    """A text without the spaces that only spread its characters: ``source[places[i]] == text[i]``."""

    source: str
    text: str
    places: tuple[int, ...]

    @classmethod
    def of(cls, source: str) -> "View":
        """姓　名：钱　多多 -> 姓名：钱多多, but 张三　男　汉族 stays: of two words one must be a lone character, which stands
        for itself where it says a sex."""
        gaps = [gap.span() for gap in _GAP.finditer(source) if _spreads(source, *gap.span())]
        inside = {place for start, end in gaps for place in range(start, end)}
        places = tuple(place for place in range(len(source)) if place not in inside)
        return cls(source, "".join(source[place] for place in places), places)

    def original(self, span: Span) -> Span:
        """A span of ``text`` as one of ``source``, with the spaces that stand in it."""
        start, end = self.places[span.start], self.places[span.end - 1] + 1
        return replace(span, text=self.source[start:end], start=start, end=end)


def _spreads(text: str, start: int, end: int) -> bool:
    """Whether the gap ``text[start:end]`` stands within a word or before a mark."""
    if start == 0 or end == len(text) or not _CHINESE.match(text, start - 1):
        return False
    if text[end] in _MARKS:
        return True
    if not _CHINESE.match(text, end):
        return False
    lone_before = start == 1 or text[start - 2] in _AROUND or text[start - 2].isspace()
    lone_after = end + 1 == len(text) or text[end + 1] in _AROUND or text[end + 1].isspace()
    return (lone_before and text[start - 1] not in "男女") or (lone_after and text[end] not in "男女")
