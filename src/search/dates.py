"""Dates in one writing: 2021-03-05, 2021/3/5, 2021.3.5, 2021年03月05号 and 二〇二一年三月五日 are all 2021年3月5日."""

import re
from collections.abc import Iterator

_DIGITS = {character: str(value) for value, character in enumerate("〇一二三四五六七八九")} | dict.fromkeys(
    "零○◯0０", "0"
)
_YEAR = "[〇零○◯0０一二三四五六七八九]{4}"
_MONTH = "(?:十[一二]?|[一二三四五六七八九])"
_DAY = "(?:三?十[一二三四五六七八九]?|二十[一二三四五六七八九]?|[一二三四五六七八九])"
_BEGINS = r"(?<![\d.\-/])(?P<year>1\d{3}|20\d\d)"
# Years of four digits only: 1.2.3 is a version, 3/5 a fraction, 2021.3 a number.
_NUMERIC = re.compile(
    rf"{_BEGINS}(?P<first>\s?(?P<dash>[-/.－／．])\s?)(?P<month>0?[1-9]|1[0-2])"
    r"(?P<second>\s?(?P=dash)\s?)(?P<day>3[01]|[12]\d|0?[1-9])(?!\d|[-/.]\d)"
)
_YEAR_MONTH = re.compile(
    rf"{_BEGINS}(?P<first>\s?[-/－／]\s?)(?P<month>1[0-2]|0?[1-9])(?!\d|\s?[-/.－／．]\s?\d)(?P<second>)(?P<day>)"
)
# A lone 三月 may be part of a name (三月街, 十月革命).
_WORDED = re.compile(
    rf"(?P<year>{_YEAR})(?=年)(?:年(?P<month>{_MONTH})(?=月)(?:月(?P<day>{_DAY})(?P<mark>[日号號]))?)?"
    rf"|(?<![一二三四五六七八九十个])(?P<only>{_MONTH})(?=月{_DAY}[日号號]|月[份底初末]|月[上中下]旬)(?:月(?P<of>{_DAY})(?P<sign>[日号號]))?"
)
_MIXED = re.compile(r"(?P<month>(?<!\d)\d{1,2})(?=\s?月)(?:\s?月\s?(?P<day>\d{1,2})\s?[日号號])?")
# So that most texts are looked at only once.
_ANY = re.compile(r"\d\s?[-/.－／．]\s?\d|\d\s?月|[〇零○◯0０一二三四五六七八九十][年月]")

# A day as ``dated`` writes it.
DAY = re.compile(r"(?<!\d)\d{1,2}月\d{1,2}日")


def dated(text: str) -> str:
    """The text with every date in the same writing."""
    return Dated(text).text


class Dated:
    """A text with every date in the same writing, and where its parts stand in the text as it was."""

    def __init__(self, text: str) -> None:
        pieces, position, length = [], 0, 0
        self._edits: list[tuple[int, int, int, int]] = []  # start and end here, start and end there
        for start, end, instead in _rewritten(text):
            length += start - position
            pieces += [text[position:start], instead]
            self._edits.append((length, length + len(instead), start, end))
            position, length = end, length + len(instead)
        self.text = "".join([*pieces, text[position:]])

    def there(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original for ``text[start:end]``; what was rewritten is in it as a whole."""
        return self._place(start, 0), self._place(end, 1)

    def _place(self, at: int, side: int) -> int:
        shift = 0
        for begin, stop, start, end in self._edits:
            if at <= begin:
                break
            if at < stop:
                return (start, end)[side]
            shift = end - stop
        return at + shift


def _rewritten(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, what stands there instead), in order, for each part of a date that is written in another way."""
    if not _ANY.search(text):
        return
    edits = [edit for form in (_NUMERIC, _YEAR_MONTH) for found in form.finditer(text) for edit in _numeric(found)]
    edits += [edit for found in _WORDED.finditer(text) for edit in _worded(found)]
    edits += [edit for found in _MIXED.finditer(text) for edit in _padded(found)]
    yield from sorted(edit for edit in edits if text[edit[0] : edit[1]] != edit[2])


def _numeric(found: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    yield *found.span("first"), "年"
    yield *found.span("month"), str(int(found["month"])) + ("" if found["day"] else "月")
    if found["day"]:
        yield *found.span("second"), "月"
        yield *found.span("day"), f"{int(found['day'])}日"


def _worded(found: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    if found["year"]:
        yield *found.span("year"), "".join(_DIGITS[character] for character in found["year"])
    for name in ("month", "day", "only", "of"):
        if found[name]:
            yield *found.span(name), str(_below_hundred(found[name]))
    for name in ("mark", "sign"):
        if found[name]:
            yield *found.span(name), "日"


def _padded(found: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    if found["day"]:
        yield *found.span(), f"{int(found['month'])}月{int(found['day'])}日"
    else:
        yield *found.span("month"), str(int(found["month"]))


def _below_hundred(written: str) -> int:
    """二十三 -> 23."""
    tens, ten, ones = written.rpartition("十")
    return 10 * int(_DIGITS[tens] if tens else 1) * bool(ten) + int(_DIGITS[ones] if ones else 0)
