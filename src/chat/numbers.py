"""Numbers and dates in Chinese text, however they are written: 1927, １９２７, 一九二七, 6,300, 三百, 2.5万, 2021/3/5.

Exact (``Decimal``): the last digits of an identity number are not rounded away.
"""

import re
import unicodedata
from decimal import Decimal

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}
_ARABIC = r"\d+(?:,\d{3})*(?:\.\d+)?[十百千万亿]*"
_CHINESE = "[零〇一二两三四五六七八九十百千万亿]+"
# Longer ones are no number that anybody means.
MAX_CHARS = 24
NUMBER = re.compile(f"{_ARABIC}|{_CHINESE}")
_DATE = re.compile(r"(?<![\d./-])([12]\d{3})([-/.])(0?[1-9]|1[0-2])\2(0?[1-9]|[12]\d|3[01])(?![\d./-]*\d)")
# Behind these a number is part of a code, in which every digit stands for itself: v3.10, XK-007.
_IN_CODE = re.compile(r"[A-Za-z][A-Za-z0-9]*[-_./]?(?:\d+[-_./])*$")


def values(text: str) -> set[Decimal]:
    """The numbers in ``text``; a lone 一 and what begins with 万 and the like are mostly part of a word (一般, 万一) and left out."""
    found = (value_of(match.group()) for match in NUMBER.finditer(unicodedata.normalize("NFKC", text)))
    return {value for value in found if value is not None}


def canonical(text: str) -> str:
    """The text with every number in plain digits and every date as 2021年3月5日; codes stay as they are."""

    def digits(match: re.Match[str]) -> str:
        value = value_of(match.group())
        arabic = match.group()[0].isdigit()
        if value is None or (arabic and _IN_CODE.search(text[: match.start()][-MAX_CHARS:])):
            return match.group()
        # 周五8点 must not become 58点.
        if not arabic and text[match.end() : match.end() + 1].isdigit():
            return match.group()
        return f"{value:f}"

    text = _DATE.sub(r"\1年\3月\4日", text)
    return NUMBER.sub(digits, text)


def value_of(written: str) -> Decimal | None:
    """What a match of ``NUMBER`` is worth; None for what is hardly meant as a number."""
    if len(written) > MAX_CHARS:
        return None
    if written[0].isdigit():
        arabic = re.match(r"[\d,.]+", written)
        assert arabic is not None
        value = Decimal(arabic.group().replace(",", ""))
        for unit in written[arabic.end() :]:
            value *= _UNITS[unit]
        # Without the zeros behind the point: 5.80 is 5.8.
        return value.to_integral_value() if value == value.to_integral_value() else value.normalize()
    if written == "一" or written[0] in "百千万亿":
        return None
    if all(character in _DIGITS for character in written):
        return Decimal("".join(str(_DIGITS[character]) for character in written))
    return _worth(written)


def _worth(written: str) -> Decimal:
    """二十三 -> 23, 三百零五 -> 305, 六千三百万 -> 63,000,000."""
    total = section = digit = 0
    for character in written:
        if character in _DIGITS:
            digit = _DIGITS[character]
        elif (unit := _UNITS[character]) < 10_000:
            section += (digit or 1) * unit
            digit = 0
        else:
            total = (total + section + digit) * unit
            section = digit = 0
    return Decimal(total + section + digit)
