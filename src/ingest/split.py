"""Documents to chunks: windows of whole sentences, with exact offsets."""

import re
from collections.abc import Iterable

from src.ingest.types import Chunk, Document

# Part of every cache key: raise it whenever the same document could be cut in another way.
SPLITTER_VERSION = "sentences-300-overlap1-rows-v3"
MAX_CHARS = 300

_CLOSERS = "”’」』）)】》〉\"'"
_SENTENCE = re.compile(
    rf"(?:[。！？!?；;…]+[{_CLOSERS}]*|\.+[{_CLOSERS}]*(?=\s)|\n)\s*|\Z",
)
# A row of a table as the readers write it: ``姓名：张三；部门：研发``.
ROW = re.compile(r"^[^：；\n]{1,80}：[^\n]*?；[^：；\n]{1,80}：[^\n]*(?:\n\s*|\Z)", re.MULTILINE)
_SOFT_BREAK = re.compile(r"[，,、：:\s]")

Span = tuple[int, int]


def sentence_spans(text: str) -> list[Span]:
    """Spans that tile ``text``; each ends behind its closing mark, quotes and white space."""
    spans, start = [], 0
    for match in _SENTENCE.finditer(text):
        if match.end() > start:
            spans.append((start, match.end()))
            start = match.end()
    return spans


def window_spans(text: str, max_chars: int = MAX_CHARS, overlap: bool = True) -> list[Span]:
    """Trimmed spans of at most ``max_chars`` characters that together cover every visible character.

    Rows of tables and sentences are kept whole; a sentence that is longer is cut, behind a comma if its last
    third has one, and a row that is longer behind a field.
    With ``overlap`` a window begins with its predecessor's last sentence where that leaves room.
    """
    pieces = [piece for span in _units(text, max_chars) for piece in _cut(text, span, max_chars)]
    windows: list[Span] = []
    first = 0
    for i, (_, end) in enumerate(pieces):
        if i > first and end - pieces[first][0] > max_chars:
            windows.append((pieces[first][0], pieces[i - 1][1]))
            # A window of one piece shares nothing: its successor would only repeat it.
            last_start, last_end = pieces[i - 1]
            shares = overlap and i - 1 > first and last_end - last_start <= max_chars // 2
            shares = shares and end - last_start <= max_chars
            first = i - 1 if shares else i
    if pieces:
        windows.append((pieces[first][0], pieces[-1][1]))
    return [span for window in windows if (span := _trim(text, window))[0] < span[1]]


def split_document(document: Document, max_chars: int = MAX_CHARS) -> list[Chunk]:
    """Chunks in reading order, ``chunk_id = doc_id#n`` from 1; a short document is one chunk."""
    whole = _trim(document.text, (0, len(document.text)))
    short = whole[1] - whole[0] <= max_chars
    spans = ([whole] if whole[0] < whole[1] else []) if short else window_spans(document.text, max_chars)
    return [
        Chunk(
            chunk_id=f"{document.doc_id}#{n}",
            doc_id=document.doc_id,
            source=document.source,
            title=document.title,
            text=document.text[start:end],
            start=start,
            end=end,
            page=document.page,
        )
        for n, (start, end) in enumerate(spans, 1)
    ]


def _units(text: str, max_chars: int) -> Iterable[Span]:
    """Rows that fit in a window, and the sentences between them."""
    end = 0
    for row in ROW.finditer(text):
        if len(row[0].rstrip()) <= max_chars:
            yield from _shifted(sentence_spans(text[end : row.start()]), end)
            end = row.end()
            # What follows a row but a line break belongs to no window that the row just fills.
            yield row.start(), row.start() + len(row[0].rstrip())
    yield from _shifted(sentence_spans(text[end:]), end)


def _shifted(spans: Iterable[Span], by: int) -> Iterable[Span]:
    return ((start + by, end + by) for start, end in spans)


def _cut(text: str, span: Span, max_chars: int) -> Iterable[Span]:
    start, end = span
    while end - start > max_chars:
        floor = start + max_chars * 2 // 3
        breaks = [match.end() for match in _SOFT_BREAK.finditer(text, floor, start + max_chars)]
        middle = breaks[-1] if breaks else start + max_chars
        yield start, middle
        start = middle
    yield start, end


def _trim(text: str, span: Span) -> Span:
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
