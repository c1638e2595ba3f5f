"""Lines of a printed page to paragraphs."""

import re
import unicodedata
from collections.abc import Sequence

# In columns, a CJK character takes two: shorter "full" lines are a list, a form or a poem, not prose.
MIN_FULL_COLUMNS = 40
FULL = 0.85
# A narrower column is one by so many lines, of prose, that are about as long.
NEAR_LINES = 4
MIN_NARROW_COLUMNS = 20
MIN_COLUMN_COLUMNS = 12
_MARKS = re.compile("[，。；、,;]")
_WIDE = "[\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60\u3000-\u303f]"
_ENDS = re.compile(r"[。！？!?；;：:][”’」』）)】》\"']*$")
_ITEM = re.compile(
    r"[•●■◆▪·○□–—-]\s|[（(]?[0-9一二三四五六七八九十百]{1,4}(?:[)）、]|[.．](?!\d))|[①-⑳]|第[0-9一二三四五六七八九十百零]+[章节条款编篇部]"
)
# White space between wide characters is a gap between the cells of a row.
_GAP = re.compile(rf"\S\s+(?={_WIDE})|{_WIDE}\s+\S")


_END = re.compile(r"[。！？!?；;][”’」』）)】》\"']*|\.(?=\s+[A-Z])|\.$")
_NUMBER = re.compile(r"[-+−–(（]?[¥￥$€£]?[-−]?\d[\d,，.]*[%％‰]?[)）]?|[-—–/]")

# How PDFium gives a hyphen or minus sign at a line's end.
_DIVIDED = "\ufffe\x02\xad"
_SPACED = re.compile(rf"(?<={_WIDE}) (?={_WIDE})")
_UNSPACED = re.compile(rf"{_WIDE}(?={_WIDE})")


def join_lines(lines: Sequence[str], in_column: bool = False) -> str:
    """Paragraphs, one a line: a line that fills its column goes on in the next, without a space between CJK.

    ``in_column``: they are known to be a column of prose, however narrow.
    """
    lines = [unspaced(line) for line in map(str.strip, lines) if line]
    widths = [columns(line) for line in lines]
    page = max(MIN_COLUMN_COLUMNS if in_column else MIN_FULL_COLUMNS, FULL * _usual_maximum(widths))
    paragraphs: list[str] = []
    goes_on = False
    for place, (line, width) in enumerate(zip(lines, widths, strict=True)):
        # A lower-case Latin word never begins a paragraph.
        after_latin = paragraphs and paragraphs[-1][-1].isascii() and line[0].isascii() and line[0].islower()
        continues = goes_on or (after_latin and not _ENDS.search(paragraphs[-1]))
        if paragraphs and (paragraphs[-1][-1] in _DIVIDED or (continues and not _ITEM.match(line))):
            paragraphs[-1] = joined(paragraphs[-1], line)
        else:
            paragraphs.append(line)
        divided = line[-1] in _DIVIDED or (line[-1] in "-−" and bool(line[-2:-1].strip()))
        full = min(page, _narrow(lines, widths, place) or page)
        cells = len(_GAP.findall(line)) > 2 or is_row(line)
        goes_on = divided or (width >= full and not _ENDS.search(line) and not cells)
    return "\n".join(line[:-1] + "-" if line[-1] in _DIVIDED else line for line in paragraphs)


def joined(before: str, after: str) -> str:
    """Two lines of a paragraph as one: a space between Latin words only; a word that was divided is made whole.

    PDFium gives a hyphen at a line's end as U+0002, be it in a word, in a number, or the sign of what follows.
    """
    if before[-1] in _DIVIDED:
        divided = len(before) > 1 and before[-2].islower() and before[-2].isascii() and after[0].islower()
        return before[:-1] + ("" if divided and after[0].isascii() else "-") + after
    if before[-1] in "-−" and (after[0].isdigit() or (before[-2:-1].isalnum() and after[0].isalnum())):
        return before + after
    latin = before[-1].isascii() and after[0].isascii()
    return f"{before} {after}" if latin else before + after


def ends_sentence(text: str) -> bool:
    """Whether a closing mark is its last, quotes aside; a Latin full stop counts."""
    return bool(_ENDS.search(text)) or (text.endswith((".", ".”", '."')) and not text.endswith(".."))


def is_item(text: str) -> bool:
    """Whether it begins as items of lists, clauses and chapters do."""
    return bool(_ITEM.match(text))


def sentence_end(line: str) -> int:
    """Where the first sentence of a line ends, 0 where none does."""
    found = _END.search(line)
    return found.end() if found else 0


def is_prose(lines: Sequence[str]) -> bool:
    """Whether the last of some lines fills a column of text, so that its sentence may go on elsewhere."""
    widths = [columns(line) for line in lines]
    wide = len(lines) > 2 and widths[-1] >= max(MIN_FULL_COLUMNS, FULL * _usual_maximum(widths))
    return wide and not is_row(lines[-1]) and sum(bool(_MARKS.search(line)) for line in lines[-5:]) > 1


def is_row(line: str) -> bool:
    """Whether it holds the cells of a row: numbers and words with white space between them."""
    words = line.split()
    return len(words) > 2 and 2 * sum(bool(_NUMBER.fullmatch(word)) for word in words) >= len(words)


def unspaced(line: str) -> str:
    """Without the spaces of a line that is set wide: 目 录, 第 一 章."""
    spaces = len(_SPACED.findall(line))
    return _SPACED.sub("", line) if spaces > len(_UNSPACED.findall(line)) else line


def _narrow(lines: Sequence[str], widths: Sequence[int], place: int) -> float:
    """How long a full line is in a column narrower than the page, of prose: most lines have a comma or a full stop."""
    for near in (range(place, place + NEAR_LINES), range(place - NEAR_LINES + 1, place + 1)):
        if near[0] < 0 or near[-1] >= len(lines):
            continue
        widest = max(widths[i] for i in near)
        prose = sum(bool(_MARKS.search(lines[i])) for i in near) >= 0.7 * NEAR_LINES
        even = sum(widths[i] >= FULL * widest for i in near) >= 0.7 * NEAR_LINES
        if widest >= MIN_NARROW_COLUMNS and prose and even:
            return FULL * widest
    return 0.0


def columns(line: str) -> int:
    """Its width: a CJK character takes two columns."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


def _usual_maximum(widths: Sequence[int]) -> int:
    """Of a page with a wide heading above columns, the columns' width."""
    ordered = sorted(widths)
    return ordered[int(len(ordered) * 0.9)] if ordered else 0
