"""Sentences about several things at once: A 比 B 长, A 和 B 分别…"""

import re
from collections.abc import Sequence
from functools import partial

from src.chat.subjects import PREDICATES, Name, is_told_of, subject

_MORE = "长高大多晚贵重深远快宽厚老强热"
_LESS = "短矮低小少早轻浅近慢窄薄新弱冷"
_DEGREE = re.compile("[更还要也稍略较]")
_GRADE = rf"{_DEGREE.pattern}*(?:[{_MORE}{_LESS}]|便宜)"
_THING = r"[^，,；;：:。！？!?\n]"
# Bounded, or a long sentence of 比 would be tried in all ways.
_SHORT = _THING + "{1,30}?"
_COMPARISON = re.compile(
    rf"(?P<one>{_SHORT})比(?![例赛如较重分特利价喻率方])(?P<other>{_SHORT})(?:的{_THING}{{2,6}}?)?{_GRADE}"
    rf"|(?P<one_>{_SHORT})[{_MORE}{_LESS}]于(?![\d零约近百千万])(?P<other_>{_THING}{{1,30}})"
    rf"|(?P<one__>{_SHORT})(?:不如|不及|胜过|优于|劣于|逊于)(?P<other__>{_THING}{{1,30}})"
)
# Without the separators, or each of them could be taken in two ways.
_ITEM = r"[^，,；;：:。！？!?\n、和与及]+?"
_SEVERAL = re.compile(rf"^(?P<things>{_ITEM}(?:[、和与及]{_ITEM})+?)(?P<each>分别|各自|均|都|皆)(?P<rest>.+)$")
# More are no sentence that anybody means.
MAX_THINGS = 10
_AND = re.compile(r"[、和与及]|以及")
_ENDS = "。！？!?；;"


def is_compared(text: str, passages: Sequence[str]) -> bool | None:
    """Whether a passage compares what a plain sentence does, in the same direction and words; None where it compares
    nothing."""
    match = _COMPARISON.search(text)
    if match is None:
        return None
    one, other = (group for group in match.groups() if group)
    name, second = subject(one) or Name(one, "", 0), subject(other)
    words, said = _DEGREE.sub("", text[match.start() + len(one) : match.end()]), second.text if second else other
    return any(
        name.text in passage[: found.start()] and is_told_of(name, found.start(), passage, said)
        for passage in map(partial(_DEGREE.sub, ""), passages)
        for found in re.finditer(re.escape(words), passage)
    )


def each(sentence: str) -> list[str]:
    """A sentence for each of the things that one sentence is about; [] where it is about one.

    南开大学和天津大学分别创办于1919年和1895年 -> 南开大学创办于1919年, 天津大学创办于1895年.
    """
    match = _SEVERAL.match(sentence.rstrip(_ENDS))
    things = _AND.split(match["things"]) if match else []
    if match is None or not 2 <= len(things) <= MAX_THINGS:
        return []
    rest = match["rest"]
    values = _AND.split(rest)
    if match["each"] != "分别" or len(values) != len(things):
        return [thing + rest for thing in things]
    said = next((word for word in sorted(PREDICATES, key=len) if values[0].startswith(word)), "")
    opening = re.match(rf"{said}[于在是为有]*", values[0])
    assert opening is not None
    return [things[0] + values[0]] + [
        thing + opening.group() + value.removeprefix(opening.group())
        for thing, value in zip(things[1:], values[1:], strict=True)
    ]
