"""``.md``: a document a section."""

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from src.ingest.clean import decode
from src.ingest.limits import Limits
from src.ingest.readers import web
from src.ingest.readers.flow import columns, ends_sentence, joined
from src.ingest.readers.sections import TITLE_SEPARATOR, Sections
from src.ingest.readers.tables import CellCount, table_lines
from src.ingest.types import Document

# A line that is shorter than this and goes on in the next is a verse, an address, a list without marks.
MIN_WRAPPED_COLUMNS = 24
# What an item of a list may have for its parents' names to stand before it.
MAX_PARENT_CHARS = 40
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?:.*\n){0,60}?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_DATA_URI = re.compile(r"!\[([^\]]*)\]\(\s*data:[^)]*\)")
_BADGE = re.compile(r"\[?!\[[^\]]*\]\([^)]*(?:shields\.io|badge)[^)]*\)(?:\]\([^)]*\))?")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_FENCE = re.compile(r" {0,3}(`{3,}(?!.*`)|~{3,})")
_FOOTNOTE = re.compile(r"\[\^([^\]\s]{1,60})\]:[ \t]+(.+)")
_REFERENCE = re.compile(r"\[\^([^\]\s]{1,60})\](?!:)")
_BREAK_TAG = re.compile(r"<br\s*/?>", re.I)
_INLINE_TAG = re.compile(
    r"</?(?:a|b|i|u|p|em|strong|span|font|sup|sub|img|div|center|kbd|small|mark|del|ins)(?:\s[^<>]*)?/?>", re.I
)
_FIELD = re.compile(r"\S{1,12}[：:]\s*\S")


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """One document a section, titled with its path of headings; rows of tables carry their column names."""
    yield from sections_of(decode(data, name), name, limits, "")


def sections_of(text: str, name: str, limits: Limits, prefix: str) -> Iterator[Document]:
    """The sections of a Markdown text; ``doc_id`` = file, prefix and the line of the heading."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    sections = Sections(name, f"{prefix}1")
    count = CellCount(name, limits)
    if front := _FRONT_MATTER.match(text):
        height = front[0].count("\n")
        for line in text.split("\n")[1 : height - 1]:
            sections.add(line)
        text = "\n" * height + text[front.end() :]
    text = _with_notes(text)
    lines = text.split("\n")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    at = 0
    while at < len(tokens):
        token = tokens[at]
        end = _end(tokens, at)
        first, last = token.map or (0, 0)
        if token.type == "heading_open":
            title = tokens[at + 1].content if at + 1 < end else ""
            yield from sections.heading(int(token.tag[1:]), _plain(title), f"{prefix}{first + 1}")
        elif token.type == "table_open":
            for row in table_lines(_rows(tokens[at:end], count)):
                sections.add(row.text)
        elif token.type == "paragraph_open":
            sections.add(_paragraph(tokens[at + 1].content))
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            for line in _items(tokens[at:end], lines):
                sections.add(line)
        elif token.type == "html_block":
            for line in web.lines_in(_DATA_URI.sub(r"\1", "\n".join(lines[first:last])), name, limits):
                sections.add(line)
        elif token.type != "hr":
            sections.add("\n".join(lines[first:last]).rstrip())
        at = end
    yield from sections.end()


def _end(tokens: Sequence[Token], at: int) -> int:
    """Behind the token that closes the one at ``at``."""
    depth = 0
    for index in range(at, len(tokens)):
        depth += tokens[index].nesting
        if depth <= 0:
            return index + 1
    return len(tokens)


def _plain(text: str) -> str:
    """Without what only a browser shows: badges, comments, pictures that are written into the file."""
    text = _DATA_URI.sub(r"\1", _BADGE.sub("", _COMMENT.sub("", text)))
    return _INLINE_TAG.sub("", _BREAK_TAG.sub("\n", text)).strip()


def _with_notes(text: str) -> str:
    """Each footnote where it is referred to first; as many lines as before."""
    lines = text.split("\n")
    prose, fence = [], ""
    for number, line in enumerate(lines):
        if (mark := _FENCE.match(line)) and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        elif not fence:
            prose.append(number)
    notes = {found[1]: (number, found[2].strip()) for number in prose if (found := _FOOTNOTE.match(lines[number]))}
    said: set[str] = set()

    def shown(reference: re.Match[str]) -> str:
        if reference[1] not in notes:
            return reference[0]
        first = reference[1] not in said
        said.add(reference[1])
        return f"（注：{notes[reference[1]][1]}）" if first else ""

    for number in prose if notes else ():
        if not _FOOTNOTE.match(lines[number]):
            lines[number] = _REFERENCE.sub(shown, lines[number])
    for key in said:
        lines[notes[key][0]] = ""
    return "\n".join(lines)


def _paragraph(text: str) -> str:
    """A line break that is not two spaces or a backslash is none, as on the page."""
    parts: list[str] = []
    hard = True
    for line in _plain(text).split("\n"):
        bare = line.rstrip().removesuffix("\\").strip()
        if not bare:
            continue
        short = hard or columns(parts[-1]) < MIN_WRAPPED_COLUMNS or bool(_FIELD.match(bare))
        if parts and not (short or (ends_sentence(parts[-1]) and columns(parts[-1]) < 2 * MIN_WRAPPED_COLUMNS)):
            parts[-1] = joined(parts[-1], bare)
        else:
            parts.append(bare)
        hard = line.endswith(("  ", "\\"))
    return "\n".join(parts)


def _rows(tokens: Sequence[Token], count: CellCount) -> Iterator[list[str]]:
    cells: list[str] = []
    for token in tokens:
        if token.type == "tr_open":
            cells = []
        elif token.type == "inline":
            cells.append(" ".join(_plain(token.content).split()))
        elif token.type == "tr_close":
            count.add(len(cells))
            yield cells


def _items(tokens: Sequence[Token], lines: Sequence[str]) -> Iterator[str]:
    """A line for each item; one of a list in a list begins with the items above it, which it says nothing without."""
    path: list[str] = []  # the items that the current one is in
    depth = 0
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.type == "list_item_open":
            depth += 1
            path = [*path[: depth - 1], ""]
        elif token.type == "list_item_close":
            depth -= 1
        elif token.type == "inline" and depth:
            text = _paragraph(token.content)
            parents = [parent for parent in path[: depth - 1] if parent]
            if not path[depth - 1] and len(text) <= MAX_PARENT_CHARS and _has_list(tokens, at):
                path[depth - 1] = text
            elif parents:
                yield TITLE_SEPARATOR.join([*parents, text])
            else:
                yield f"{_mark(tokens, at)}{text}"
        elif token.type in ("fence", "code_block", "html_block") and token.map:
            yield "\n".join(line.strip() for line in lines[token.map[0] : token.map[1]])
        at += 1


def _has_list(tokens: Sequence[Token], at: int) -> bool:
    """Whether the paragraph is the head of a list within its item."""
    following = (token.type for token in tokens[at + 1 : at + 3])
    return any(kind in ("bullet_list_open", "ordered_list_open") for kind in following)


def _mark(tokens: Sequence[Token], at: int) -> str:
    """``- `` or ``3. `` before the first paragraph of an item."""
    before = tokens[at - 2] if at > 1 else None
    if before is None or before.type != "list_item_open":
        return ""
    return f"{before.info}{before.markup} " if before.info else f"{before.markup} "
