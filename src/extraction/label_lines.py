"""Lines such as 专业：法学, and the same in the cells of a table: a name, and the value that stands behind it."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

# Values that say that there is none, and units in place of one (单位：万元).
NOTHING = re.compile(
    r"[\s_/\\.。*·…—-]*|(?:无|空|略|待定|暂无|没有|不详|未知|未填|保密|n/?a|none|null)|"
    r"[百千万亿]{0,2}(?:元|人|吨|件|个|台|套|米|公里|公斤)|[%％]",
    re.IGNORECASE,
)
_NUMBER = r"(?:[（(]?[一二三四五六七八九十\d]{1,3}\s*[、.．)）]\s*)?"
_NOTE = r"(?: ?[（(][^（）()\n]{0,12}[）)])?"
_BLANK = r"[ \t\u3000]*"
# The name once more in English behind it: 姓名/Name.
_ENGLISH = rf"(?:{_BLANK}[/／ ]{_BLANK}[A-Za-z][A-Za-z ]{{0,20}})?"
# The full stop of an English sentence, but not of Dr. or Ltd.
_STOP = r"(?<=[A-Za-z0-9)])(?<!\bDr)(?<!\bMr)(?<!\bMs)(?<!\bMrs)(?<!\bSt)(?<!\bProf)(?<!\bInc)(?<!\bLtd)(?<!\bCo)(?<!\bNo)\.(?=\s+[A-Z]|\s*$)"
_ENDS = re.compile(
    rf"{_STOP}|[\n；;|｜。]|[ \t\u3000]{{2,}}|[，,/（( \t\u3000](?=[\u4e00-\u9fffA-Za-z]{{1,12}}{_NOTE}{_BLANK}[:：])"
)
_BRACKETS = {"（": "）", "(": ")"}
_CELL_BORDER = re.compile(r"[|｜\t]")


class LabelLine(NamedTuple):
    """``text[start:end]`` is the value; ``name`` begins at ``at``, and its colon or border ends before ``start``."""

    name: str
    at: int
    start: int
    end: int


def lines_named(text: str, names: str) -> Iterator[LabelLine]:
    """Values behind a name and a colon, empty ones too. ``names``: a pattern of names without groups."""
    for match in _named(names).finditer(text):
        end = found.start() if (found := _ENDS.search(text, match.end())) else len(text)
        closes = _BRACKETS.get(text[match.start() - 1 : match.start()])
        if closes and (close := text.find(closes, match.end(), end)) >= 0:
            end = close
        yield _line(text, match["name"], match.start("name"), match.end(), end)


def cells_named(text: str, names: str) -> Iterator[LabelLine]:
    """Values in the cells beside or below names, in lines of cells that are parted by tabs or bars.

    A name at the head of a column is there once more without a value. Beside: a row in which names and values take turns. Below: a row of mostly names, and rows as wide as it.
    """
    known = re.compile(rf"{_BLANK}(?:{names}){_BLANK}", re.IGNORECASE)
    header: list[str] = []
    for start, line in _numbered_lines(text):
        cells = list(_cells(line, start)) if _CELL_BORDER.search(line) else []
        named = [known.fullmatch(text, *cell) is not None for cell in cells]
        takes_turns = len(cells) > 1 and all(named[::2]) and not any(named[1::2])
        if len(cells) > 1 and 2 * sum(named) > len(cells) and not takes_turns:
            header = [text[slice(*cell)].strip() for cell in cells]
            for cell, is_name in zip(cells, named, strict=True):
                if is_name:
                    yield _line(text, text[slice(*cell)].strip(), cell[0], cell[1], cell[1])
        elif takes_turns:
            for name, value in zip(cells[::2], cells[1::2], strict=False):
                yield _line(text, text[slice(*name)].strip(), name[0], *value)
            header = []
        elif header and len(cells) == len(header):
            for column, value in zip(header, cells, strict=True):
                if known.fullmatch(column):
                    yield _line(text, column, value[0], *value)
        elif line.strip(" \t\u3000-|｜:+"):  # not the rule below a header
            header = []


def spaced_lines(text: str, names: str) -> list[LabelLine]:
    """Lines of a name, white space and a value, where at least three lines are so: one alone may be a sentence."""
    found = [
        _line(text, match["name"], match.start("name"), match.start("value"), match.end("value"))
        for match in _spaced(names).finditer(text)
    ]
    return found if len(found) >= 3 else []


@lru_cache(maxsize=256)
def _named(names: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?:^|(?<=[\s；;，,|｜/。（(])){_NUMBER}(?P<name>{names})(?:{_BLANK}[/／]?{_BLANK}(?:{names}))?{_ENGLISH}{_NOTE}{_BLANK}[:：]{_BLANK}",
        re.IGNORECASE | re.MULTILINE,
    )


@lru_cache(maxsize=8)
def _spaced(names: str) -> re.Pattern[str]:
    return re.compile(
        rf"^{_BLANK}(?P<name>{names})[ \t\u3000]+(?P<value>[^\n:：|｜；;，,。]{{1,30}})$",
        re.IGNORECASE | re.MULTILINE,
    )


def _line(text: str, name: str, at: int, start: int, end: int) -> LabelLine:
    """With the white space around the value cut off."""
    value = text[start:end]
    start += len(value) - len(value.lstrip())
    return LabelLine(name, at, start, start + len(value.strip()))


def _numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1


def _cells(line: str, start: int) -> Iterator[tuple[int, int]]:
    """Places of the cells; the bars at the ends of a line have nothing beyond them."""
    borders = [match.start() for match in _CELL_BORDER.finditer(line)]
    places = [(left + 1, right) for left, right in zip([-1, *borders], [*borders, len(line)], strict=True)]
    if places and not line[slice(*places[0])].strip():
        places = places[1:]
    if places and not line[slice(*places[-1])].strip():
        places = places[:-1]
    for left, right in places:
        yield start + left, start + right
