"""Texts as people lay them out: words whose characters are set apart by spaces, and letters of full width, read as the words
that they are."""

import re
from dataclasses import dataclass, replace

from src.extraction.schema import Span

_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_GAP = re.compile(r"[ \t\u3000\xa0]+")
# A gap between a lone character and a longer word is one within a word (钱　多多) only as long as it is no wider.
_NARROW = 2
_GAP_BEFORE = re.compile(_GAP.pattern + "$")
# Letters and digits of full width, and the marks of e-mails and numbers, as those of ASCII.
_NARROWED = {
    code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if chr(code).isalnum() or chr(code) in "＠＿．－＋"
}
_MARKS = "，。；：、！？）】》”"
# Beside these and white space a character is alone: not in 3.15元/吨　应缴.
_AROUND = f"{_MARKS},;:!?)|｜（【《“(["


@dataclass(frozen=True)
class View:
    """A text without the spaces that only spread its characters: ``text[i]`` is ``source[places[i]]``, of full width or
    not."""

    source: str
    text: str
    places: tuple[int, ...]

    @classmethod
    def of(cls, source: str) -> "View":
        """姓　名：钱　多多 -> 姓名：钱多多, but 张三　男　汉族 stays: of two words one must be a lone character, and none
        may say a sex."""
        gaps = [gap.span() for gap in _GAP.finditer(source) if _spreads(source, *gap.span())]
        inside = {place for start, end in gaps for place in range(start, end)}
        places = tuple(place for place in range(len(source)) if place not in inside)
        return cls(source, "".join(source[place] for place in places).translate(_NARROWED), places)

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
    if text[start - 1] in "男女" or text[end] in "男女":
        return False
    width = end - start
    lone = _is_lone(text, start - 1, start - 2, width), _is_lone(text, end, end + 1, width)
    return all(lone) or (any(lone) and width <= _NARROW)


def _is_lone(text: str, at: int, beside: int, width: int) -> bool:
    """Whether the character at ``at`` stands alone between a gap of ``width`` and what is ``beside`` it: a mark, the end of
    the text or a gap. In 姓    名：冼玉        性    别 the wide gap is none within a word."""
    if not 0 <= beside < len(text) or text[beside] in _AROUND or text[beside] in "\r\n":
        return True
    if not text[beside].isspace():
        return False
    other = _GAP.match(text, beside) if beside > at else _GAP_BEFORE.search(text, max(0, beside - 40), beside + 1)
    return other is None or width <= len(other.group())
