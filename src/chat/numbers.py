"""Numbers in Chinese text, however they are written: 1927, １９２７, 一九二七, 6,300, 三百, 2.5万."""

import re
import unicodedata

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}
_ARABIC = r"\d+(?:,\d{3})*(?:\.\d+)?[十百千万亿]*"
_CHINESE = "[零〇一二两三四五六七八九十百千万亿]+"
# Longer ones are no number that anybody means.
MAX_CHARS = 24
NUMBER = re.compile(f"{_ARABIC}|{_CHINESE}")


def values(text: str) -> set[float]:
    """The numbers in ``text``; a lone 一 and what begins with 万 and the like are mostly part of a word (一般, 万一) and left out."""
    found = (value_of(match.group()) for match in NUMBER.finditer(unicodedata.normalize("NFKC", text)))
    return {value for value in found if value is not None}


def canonical(text: str) -> str:
    """The text with every number written in plain digits."""

    def digits(match: re.Match[str]) -> str:
        value = value_of(match.group())
        return match.group() if value is None else f"{value:.15g}"

    return NUMBER.sub(digits, text)


def value_of(written: str) -> float | None:
    """What a match of ``NUMBER`` is worth; None for what is hardly meant as a number."""
    if len(written) > MAX_CHARS:
        return None
    if written[0].isdigit():
        arabic = re.match(r"[\d,.]+", written)
        assert arabic is not None
        value = float(arabic.group().replace(",", ""))
        for unit in written[arabic.end() :]:
            value *= _UNITS[unit]
        return value
    if written == "一" or written[0] in "百千万亿":
        return None
    if all(character in _DIGITS for character in written):
        return float("".join(str(_DIGITS[character]) for character in written))
    return _worth(written)


def _worth(written: str) -> float:
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
    return float(total + section + digit)
