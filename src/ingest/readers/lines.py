"""``.txt``: a document a line, a paragraph that was wrapped by hand, or a question with its answer."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from src.ingest.clean import clean, decode
from src.ingest.limits import Limits
from src.ingest.readers import markdown
from src.ingest.readers.flow import columns, ends_sentence, is_item, joined
from src.ingest.readers.header import layout_of
from src.ingest.readers.sections import MAX_TITLE_CHARS, TITLE_SEPARATOR
from src.ingest.readers.tables import HEAD_ROWS, table_documents
from src.ingest.types import Document

# Nobody wraps lines by hand beyond this; in columns, of which a CJK character takes two.
MAX_WRAPPED_COLUMNS = 130
MIN_WRAPPED_COLUMNS = 24
# A line that goes on in the next is about as long as the longest; not each, as words are not cut.
FULL = 0.7
MAX_TITLE_COLUMNS = 60
MAX_QUESTION_CHARS = 100
_LINES_JUDGED = 2_000
_ASKED = re.compile(r"\s*(?:\d+\s{0,9}[.、．)）]\s{0,9})?(?:Q|q|问|问题|提问)\s{0,9}\d{0,4}\s{0,9}[:：.．、]")
_ANSWERED = re.compile(r"\s*(?:A|a|答|答案|回答|回复)\s{0,9}\d{0,4}\s{0,9}[:：.．、]")
_FIELD = re.compile(r"\s*[^：:\s。，]{1,12}\s?[：:]\s*\S")


# White space that is wider than between words, or bars: what divides the cells of a table.
_BARS = re.compile("[|│]")
_GAPS = re.compile("\t+|[ \u3000]{2,}")
# A line of nothing else divides texts, or the rows of a table.
_RULE = re.compile(r"[-—=+:_|│\s]*")
_CHAPTER = re.compile(
    r"第[0-9一二三四五六七八九十百零]{1,5}[章编篇部回]\s*\S|第[0-9一二三四五六七八九十百零]{1,5}节\s+\S"
)
# A text with so many headings of Markdown is one, whatever its file is called.
_HEADING = re.compile(r"^#{1,6} \S[^\n]{0,80}$\n\s*^[^#\s]", re.MULTILINE)
MIN_HEADINGS = 3
_WHEN = r"(?:\d{2,4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?\s*)?\d{1,2}:\d{2}(?::\d{2})?"
_MESSAGE = re.compile(rf"[^\s：:]{{1,20}}[\s(（]+{_WHEN}[)）]?|{_WHEN}\s+[^\s：:]{{1,20}}")
MIN_TABLE_ROWS = 3
MAX_CELL_CHARS = 40


class _Line(NamedTuple):
    """``first``: a blank line is above it; ``indent`` in columns."""

    number: int
    text: str
    indent: int
    first: bool


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines as editors count them, from 1 (``splitlines`` would also break at form feeds)."""
    yield from enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1)


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """``doc_id`` = file name and line number; the title of a wrapped text is its first line, if that is one."""
    text = decode(data, name)
    if len(_HEADING.findall(text)) >= MIN_HEADINGS:
        yield from markdown.sections_of(text, name, limits, "")
        return
    lines = list(_lines(text))
    if not lines:
        return
    parts = list(_parts(lines))
    chapter = caption = ""
    for (kind, part), (following, _) in zip(parts, [*parts[1:], ("", [])], strict=True):
        if kind == "chapter":
            chapter = part[0].text[:MAX_TITLE_CHARS]
        elif kind == "table":
            title = TITLE_SEPARATOR.join(filter(None, (chapter, caption)))
            yield from _table(part, name, title[:MAX_TITLE_CHARS])
        else:
            caption = part[-1].text if following == "table" and _is_caption(part[-1].text) else ""
            if prose := part[:-1] if caption else part:
                yield from _prose(prose, name, chapter)


def _parts(lines: Sequence[_Line]) -> Iterator[tuple[str, Sequence[_Line]]]:
    """Chapters' headings, tables and what is between them, in order."""
    cells = [_cells(line.text) for line in lines]
    chapters = {number for number, line in enumerate(lines) if _is_chapter(line.text)}
    if len(chapters) < 2 or any(number + 1 in chapters for number in chapters):  # of a contents page
        chapters = set()
    start = at = judged = 0
    while at < len(lines):
        end = at + 1
        while at >= judged and end < len(lines) and len(cells[end]) == len(cells[at]) > 1:
            end += 1
        is_table = end - at >= MIN_TABLE_ROWS and _is_table(cells[at:end])
        judged = max(judged, end)
        if is_table or at in chapters:
            if start < at:
                yield "text", lines[start:at]
            end = end if is_table else at + 1
            yield ("table" if is_table else "chapter"), lines[at:end]
            start = end
        at = end if is_table else at + 1
    if start < len(lines):
        yield "text", lines[start:]


def _cells(text: str) -> list[str]:
    if _BARS.search(text):
        return [cell.strip() for cell in _BARS.split(text.strip("|│ "))]
    return _GAPS.split(text)


def _is_table(rows: Sequence[Sequence[str]]) -> bool:
    layout = layout_of([list(row) for row in rows[:HEAD_ROWS]])
    return layout.kind == "named" and all(len(cell) <= MAX_CELL_CHARS for row in rows for cell in row)


def _is_chapter(text: str) -> bool:
    return columns(text) <= MAX_TITLE_COLUMNS and bool(_CHAPTER.match(text)) and not ends_sentence(text)


def _is_caption(text: str) -> bool:
    return columns(text) <= MAX_TITLE_COLUMNS and not ends_sentence(text)


def _table(lines: Sequence[_Line], name: str, title: str) -> Iterator[Document]:
    """Rows that were set with blanks or bars; each carries its column names."""
    rows = [_cells(line.text) for line in lines]
    yield from table_documents(rows, name, name, f"{lines[0].number}.", title)


def _prose(lines: Sequence[_Line], name: str, chapter: str) -> Iterator[Document]:
    sample = lines[:_LINES_JUDGED]
    title = chapter
    if _is_faq(sample):
        groups = _questions(lines)
    elif _are_messages(sample):
        groups = _grouped(lines, lambda _, line: bool(_MESSAGE.fullmatch(line.text)))
    elif _are_records(sample):
        groups = _grouped(lines, lambda _, line: line.first)
    elif _is_wrapped(sample):
        if not chapter and _is_title(lines):
            title = lines[0].text[:MAX_TITLE_CHARS]
            lines = lines[1:]
        groups = _paragraphs(lines)
    else:
        groups = _grouped(lines, lambda before, line: line.first or not _goes_on(before.text))
    for group in groups:
        texts = [line.text for line in group]
        yield Document(f"{name}:{group[0].number}", name, title, _text(texts))


def _text(texts: Sequence[str]) -> str:
    """Lines of one document: what goes on in the next line is joined with it."""
    parts: list[str] = []
    for text in texts:
        ended = parts and (ends_sentence(parts[-1]) or _MESSAGE.fullmatch(parts[-1]))
        if parts and not (ended or is_item(text) or _ANSWERED.match(text) or _FIELD.match(text)):
            parts[-1] = joined(parts[-1], text)
        else:
            parts.append(text)
    return "\n".join(parts)


def _lines(text: str) -> Iterator[_Line]:
    first = True
    for number, line in numbered_lines(text):
        if is_text := not _RULE.fullmatch(body := clean(line)):
            yield _Line(number, body, columns(line) - columns(line.lstrip()), first)
        first = not is_text


def _is_faq(lines: Sequence[_Line]) -> bool:
    """Questions and answers that are marked, or lines with a question mark each followed by one or more without."""
    asked = sum(bool(_ASKED.match(line.text)) for line in lines)
    answered = sum(bool(_ANSWERED.match(line.text)) for line in lines)
    if asked and asked == answered:
        return True
    if asked > 1 and answered >= 0.8 * asked:
        return True
    questions = [_is_question(line.text) for line in lines]
    pairs = sum(here and not after for here, after in zip(questions, [*questions[1:], True], strict=True))
    return pairs > 1 and pairs == sum(questions) and questions[0] and len(lines) <= 4 * pairs


def _is_question(text: str) -> bool:
    return text.endswith(("？", "?")) and len(text) <= MAX_QUESTION_CHARS


def _questions(lines: Sequence[_Line]) -> Iterator[list[_Line]]:
    marked = any(_ASKED.match(line.text) for line in lines)

    def begins(line: _Line) -> bool:
        return bool(_ASKED.match(line.text)) if marked else _is_question(line.text)

    start = next(number for number, line in enumerate(lines) if begins(line))
    yield from ([line] for line in lines[:start])
    yield from _grouped(lines[start:], lambda _, line: begins(line))


def _grouped(lines: Sequence[_Line], begins: Callable[[_Line, _Line], bool]) -> Iterator[list[_Line]]:
    """Lines that belong together; ``begins`` says of a line and its predecessor whether the second is another's first."""
    group: list[_Line] = []
    for line in lines:
        if group and begins(group[-1], line):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _goes_on(text: str) -> bool:
    """Whether a line ends in the middle of a sentence, whatever its length."""
    return text.endswith(("，", "、"))


def _are_messages(lines: Sequence[_Line]) -> bool:
    """A chat as it is exported: who and when, below that what was said."""
    heads = [bool(_MESSAGE.fullmatch(line.text)) for line in lines]
    return heads[0] and sum(heads) > 1 and not any(here and after for here, after in pairwise(heads))


def _are_records(lines: Sequence[_Line]) -> bool:
    """Blocks of 名：值, with blank lines between them."""
    blocks = sum(line.first for line in lines)
    return 1 < blocks < len(lines) / 1.5 and all(_FIELD.match(line.text) for line in lines)


def _is_wrapped(lines: Sequence[_Line]) -> bool:
    """Lines of about one length that end within sentences."""
    widths = sorted(columns(line.text) + line.indent for line in lines)
    if len(lines) < 2 or widths[-1] > MAX_WRAPPED_COLUMNS:
        return False
    widest = widths[int(len(widths) * 0.9)] if len(widths) > 10 else widths[-1]
    going_on = [
        line
        for line, after in pairwise(lines)
        if not ends_sentence(line.text) and not after.first and not is_item(after.text)
    ]
    ended = sum(ends_sentence(line.text) for line in lines)
    full = sum(columns(line.text) + line.indent >= FULL * widest for line in going_on)
    return (
        widest >= MIN_WRAPPED_COLUMNS
        and full > 0
        and full >= 0.7 * len(going_on)
        and len(going_on) >= 0.2 * len(lines)
        and ended >= 0.1 * len(lines)
    )


def _is_title(lines: Sequence[_Line]) -> bool:
    """A short first line that is set off from the text."""
    if len(lines) < 3 or columns(lines[0].text) > MAX_TITLE_COLUMNS or ends_sentence(lines[0].text):
        return False
    return lines[1].first or lines[0].indent > lines[1].indent


def _paragraphs(lines: Sequence[_Line]) -> Iterator[list[_Line]]:
    """A paragraph ends with a sentence at a line's end, at a blank line, before an indented line or an item."""
    widest = max((columns(line.text) + line.indent for line in lines), default=0)
    indented = sum(line.indent > 1 for line in lines)
    uses_indents = 0 < indented <= len(lines) / 2
    uses_blanks = sum(line.first for line in lines) > 1

    def begins(before: _Line, line: _Line) -> bool:
        full = columns(before.text) + before.indent >= 0.9 * widest
        ended = ends_sentence(before.text) and not ((uses_indents or uses_blanks) and full)
        return ended or line.first or is_item(line.text) or (uses_indents and line.indent > before.indent + 1)

    return _grouped(lines, begins)
