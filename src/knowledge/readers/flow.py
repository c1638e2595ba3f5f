"""Lines of a printed page to paragraphs."""

import re
import unicodedata
from collections.abc import Sequence

# In columns, a CJK character takes two: shorter "full" lines are a list, a form or a poem, not prose.
MIN_FULL_COLUMNS = 40
FULL = 0.85
_WIDE = "[\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60\u3000-\u303f]"
_ENDS = re.compile(r"[。！？!?；;：:][”’」』）)】》\"']*$")
_ITEM = re.compile(
    r"[•●■◆▪·○□–—-]\s|[（(]?[0-9一二三四五六七八九十百]{1,4}[)）、.．]|[①-⑳]|第[0-9一二三四五六七八九十百零]+[章节条款编篇部]"
)
# White space between wide characters is a gap between the cells of a row.
_GAP = re.compile(rf"\S\s+(?={_WIDE})|{_WIDE}\s+\S")


_SPACED = re.compile(rf"(?<={_WIDE}) (?={_WIDE})")
_UNSPACED = re.compile(rf"{_WIDE}(?={_WIDE})")


def join_lines(lines: Sequence[str]) -> str:
    """Paragraphs, one a line: a line that fills its column goes on in the next, without a space between CJK."""
    lines = [_unspaced(line) for line in map(str.strip, lines) if line]
    widths = [_columns(line) for line in lines]
    full = max(MIN_FULL_COLUMNS, FULL * _usual_maximum(widths))
    paragraphs: list[str] = []
    goes_on = False
    for line, width in zip(lines, widths, strict=True):
        # A lower-case Latin word never begins a paragraph.
        after_latin = paragraphs and paragraphs[-1][-1].isascii() and line[0].isascii() and line[0].islower()
        if paragraphs and (goes_on or (after_latin and not _ENDS.search(paragraphs[-1]))) and not _ITEM.match(line):
            paragraphs[-1] = _join(paragraphs[-1], line)
        else:
            paragraphs.append(line)
        goes_on = width >= full and not _ENDS.search(line) and len(_GAP.findall(line)) < 3
    return "\n".join(paragraphs)


def _join(before: str, after: str) -> str:
    if before[-1] in "\ufffe\x02\xad":  # how PDFium marks a word that was divided
        return before[:-1] + after
    latin = before[-1].isascii() and after[0].isascii()
    return f"{before} {after}" if latin else before + after


def _unspaced(line: str) -> str:
    """Without the spaces of a line that is set wide: 目 录, 第 一 章."""
    spaces = len(_SPACED.findall(line))
    return _SPACED.sub("", line) if spaces > len(_UNSPACED.findall(line)) else line


def _columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


def _usual_maximum(widths: Sequence[int]) -> int:
    """Of a page with a wide heading above columns, the columns' width."""
    ordered = sorted(widths)
    return ordered[int(len(ordered) * 0.9)] if ordered else 0
