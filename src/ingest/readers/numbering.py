"""The numbers that Word writes before paragraphs (第一条, 1.2, a)): a file holds their pattern only."""

import re
from typing import Any

from docx.oxml.ns import qn

LEVELS = 9
UNUSED = -1
_DIGITS = "零一二三四五六七八九"
_PLACE = re.compile(r"%([1-9])")


class Numbering:
    """Counts the paragraphs of every list, in their order."""

    def __init__(self, word: Any, styles: dict[str, Any]) -> None:
        """``styles`` by their id."""
        self._styles = styles
        self._patterns: dict[str, dict[int, Any]] = {}
        self._lists: dict[str, str] = {}  # list -> the pattern it follows; lists of one pattern count on
        self._counts: dict[str, list[int]] = {}
        for relation in word.part.rels.values():
            if relation.reltype.endswith("/numbering") and not relation.is_external:
                self._load(relation.target_part.element)

    def label(self, paragraph: Any, style_id: str) -> str:
        """What stands before this paragraph; empty for bullets and where nothing does."""
        found = self._place(paragraph, style_id)
        if found is None:
            return ""
        pattern, level = found
        levels = self._patterns[pattern]
        counts = self._counts.setdefault(pattern, [UNUSED] * LEVELS)
        counts[level] = counts[level] + 1 if counts[level] > UNUSED else _number(levels[level], "w:start", 1)
        counts[level + 1 :] = [UNUSED] * (LEVELS - level - 1)

        def shown(match: re.Match[str]) -> str:
            index = int(match[1]) - 1
            count = counts[index] if counts[index] > UNUSED else 1
            return _format(count, _value(levels[index], "w:numFmt")) if index in levels else str(count)

        if _value(levels[level], "w:numFmt") in ("bullet", "none"):
            return ""
        label = _PLACE.sub(shown, _value(levels[level], "w:lvlText"))
        return f"{label} " if label and (label[-1].isascii() or label.startswith("第")) else label

    def _load(self, root: Any) -> None:
        for pattern in root.iterchildren(qn("w:abstractNum")):
            levels = {_index(level): level for level in pattern.iterchildren(qn("w:lvl"))}
            self._patterns[pattern.get(qn("w:abstractNumId"), "")] = levels
        for one in root.iterchildren(qn("w:num")):
            self._lists[one.get(qn("w:numId"), "")] = _value(one, "w:abstractNumId")

    def _place(self, paragraph: Any, style_id: str) -> tuple[str, int] | None:
        """(pattern, level), the paragraph's own or else its style's."""
        own = paragraph.find(f"{qn('w:pPr')}/{qn('w:numPr')}")
        style = self._styles.get(style_id)
        for _ in range(10):
            if own is not None or style is None:
                break
            own = style.element.find(f"{qn('w:pPr')}/{qn('w:numPr')}")
            style = getattr(style, "base_style", None)
        if own is None:
            return None
        pattern = self._lists.get(_value(own, "w:numId"), "")
        level = _number(own, "w:ilvl", 0)
        return (pattern, level) if level < LEVELS and level in self._patterns.get(pattern, {}) else None


def _format(number: int, kind: str) -> str:
    if kind in ("chineseCounting", "chineseCountingThousand", "japaneseCounting", "taiwaneseCountingThousand"):
        return chinese(number)
    if kind in ("lowerLetter", "upperLetter") and number <= 26:
        return chr(ord("a" if kind == "lowerLetter" else "A") + number - 1)
    if kind.startswith("decimalEnclosedCircle") and number <= 20:
        return chr(ord("①") + number - 1)
    return str(number)


def chinese(number: int) -> str:
    """一, 十, 十二, 一百零三, for 1 to 9999."""
    if not 0 < number < 10_000:
        return str(number)
    text = ""
    for place, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // place % 10
        if digit:
            text += _DIGITS[digit] + unit
        elif text and number % place and not text.endswith("零"):
            text += "零"
    return text.removeprefix("一") if text.startswith("一十") else text


def _index(level: Any) -> int:
    text = level.get(qn("w:ilvl"), "")
    return int(text) if text.isascii() and text.isdigit() and len(text) == 1 else LEVELS


def _value(element: Any, tag: str) -> str:
    found = element.find(qn(tag))
    return "" if found is None else str(found.get(qn("w:val"), ""))


def _number(element: Any, tag: str, default: int) -> int:
    text = _value(element, tag)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else default
