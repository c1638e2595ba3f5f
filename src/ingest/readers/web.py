"""``.html``: a document a section."""

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from lxml import etree, html

from src.errors import KnowledgeError
from src.ingest.clean import decode
from src.ingest.limits import Limits
from src.ingest.readers.header import Across, Below
from src.ingest.readers.sections import TITLE_SEPARATOR, Sections
from src.ingest.readers.signs import raised
from src.ingest.readers.tables import CellCount, table_lines
from src.ingest.types import Document

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_SKIPPED = {
    "script", "style", "noscript", "template", "svg", "iframe", "object", "embed", "canvas", "audio", "video",
    "nav", "button", "title", "link", "meta", "datalist",
}  # fmt: skip
_INLINE = {
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img", "ins", "kbd",
    "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time",
    "tt", "u", "var", "wbr",
}  # fmt: skip
# Of the kinds of <input>: what is pressed, and what nobody sees.
_NO_FIELDS = {"hidden", "submit", "button", "reset", "image", "password", "search", "file"}
_BOXES_ONLY = re.compile(r"[☑☐\s]*")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_-]{1,40})", re.I)
_META_BYTES = 4_096
# Of what Python can decode, some is no encoding of pages, and slow.
_PAGE_CHARSETS = re.compile(r"utf-8|gb18030|big5(-hkscs)?|shift_jis|euc-(jp|kr)|iso-8859-\d+|windows-125\d")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_MENU = re.compile(r"(?<![a-z])nav|menu|sidebar|breadcrumb|footer|header|toc\b|lang|pagination|toolbar", re.I)
MENU_SHARE = 0.8
MAX_SPAN = 100
# A page may have one damaged character in so many.
MAX_GAPS = 100


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Visible text in order; ``<h1>`` to ``<h6>`` make the path of headings, ``<title>`` stands for a missing one."""
    root = _parse(data, name)
    if root is None:
        return
    sections = Sections(name)
    count = CellCount(name, limits)
    title = " ".join("".join(root.xpath("//head/title//text()")).split())
    if title and not root.xpath("//h1"):
        yield from sections.heading(1, title, "1")
    line: list[str] = []
    number = 1
    for item in _walk(root):
        if isinstance(item, str):
            line.append(item)
            continue
        if text := _squeeze(line):
            sections.add(text)
        line = []
        if item is None:
            continue
        if item.tag == "table":
            for row in table_lines(_rows(item, count)):
                sections.add(row.text)
        elif item.tag == "pre":
            sections.add("".join(item.itertext()))
        else:
            number += 1
            yield from sections.heading(_HEADINGS[item.tag], _squeeze(_shown(item)), str(number))
    if text := _squeeze(line):
        sections.add(text)
    yield from sections.end()


def lines_in(text: str, name: str, limits: Limits) -> list[str]:
    """The lines of a piece of HTML within another text, headings among them; rows carry their column names."""
    try:
        documents = list(read(text.encode("utf-8-sig", "replace"), name, limits))
    except KnowledgeError:  # nothing but an end tag
        return []
    parts = ([*document.title.split(TITLE_SEPARATOR)[-1:], document.text] for document in documents)
    return list(dict.fromkeys(line for part in parts for line in part if line))


def _parse(data: bytes, name: str) -> Any:
    parser = html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    # lxml takes a declared encoding for that of the bytes, which are now UTF-8.
    text = _decode(data, name).replace("\0", "")
    if not text.strip():
        return None
    try:
        return html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except etree.ParserError as error:
        raise KnowledgeError(f"{name} 里没有可用的文字；请检查文件内容") from error


def _decode(data: bytes, name: str) -> str:
    """By mark, else as declared in ``<meta>`` where that fits, else as any text, else as declared with a few gaps."""
    charset = ""
    declared = _META_CHARSET.search(data[:_META_BYTES])
    marked = data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if declared and not marked:
        charset = declared[1].decode("ascii").lower()
        # Pages that declare GB2312 or GBK use the characters of its successor.
        charset = "gb18030" if charset in ("gb2312", "gbk", "gb18030") else charset
        charset = charset if _PAGE_CHARSETS.fullmatch(charset) else ""
    if charset:
        with suppress(LookupError, UnicodeError):
            return data.decode(charset)
    try:
        return decode(data, name)
    except KnowledgeError:
        with suppress(LookupError):
            text = data.decode(charset or "utf-8", "replace")
            if text.count("\ufffd") * MAX_GAPS < len(text):
                return text.replace("\ufffd", "")
        raise


def _walk(root: Any) -> Iterator[Any]:
    """Text, None for a break, and the elements of headings, tables and preformatted text; none is walked into.

    A table that is there for the layout (it holds others, or headings) is walked through.
    """
    stack: list[Any] = [root]
    while stack:
        current = stack.pop()
        if current is None or isinstance(current, str):
            yield current
            continue
        if current.tail and current is not root:
            stack.append(current.tail)
        if _is_hidden(current) or _is_menu(current):
            continue
        tag = current.tag
        if tag in ("input", "select"):
            stack.append(_field(current))
            continue
        if tag == "sup":
            stack.append(raised("".join(current.itertext())))
            continue
        whole = tag in _HEADINGS or tag == "pre" or (tag == "table" and not _is_layout(current))
        if whole:
            yield current
            continue
        block = tag not in _INLINE
        if block:
            stack.append(None)
        stack.extend(reversed(current))
        if current.text:
            stack.append(current.text)
        if block:
            stack.append(None)


def _field(element: Any) -> str:
    """What is filled in, chosen or ticked."""
    if element.tag == "select":
        return "、".join(
            " ".join("".join(one.itertext()).split()) for one in element.iter("option") if "selected" in one.attrib
        )
    kind = (element.get("type") or "text").lower()
    if kind in ("checkbox", "radio"):
        return "☑" if "checked" in element.attrib else "☐"
    return "" if kind in _NO_FIELDS else element.get("value") or ""


def _is_hidden(element: Any) -> bool:
    return (
        not isinstance(element.tag, str)
        or element.tag in _SKIPPED
        or element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
        or element.get("role") == "navigation"
        or bool(_HIDDEN.search(element.get("style") or ""))
    )


def _is_menu(element: Any) -> bool:
    """What calls itself one, and is links almost throughout."""
    named = f"{element.get('class') or ''} {element.get('id') or ''}"
    if element.tag in _INLINE or not _MENU.search(named):
        return False
    if next(element.iter(*_HEADINGS, "table"), None) is not None:
        return False
    whole = len("".join(element.itertext()).split())
    linked = sum(len("".join(link.itertext()).split()) for link in element.iter("a"))
    return linked >= MENU_SHARE * whole


def _is_layout(table: Any) -> bool:
    return table.find(".//table") is not None or any(table.find(f".//{tag}") is not None for tag in _HEADINGS)


def _shown(element: Any) -> list[str]:
    return [
        " " if item is None else item for item in _walk_inside(element) if item is None or isinstance(item, str)
    ]


def _walk_inside(element: Any) -> Iterator[Any]:
    if element.text:
        yield element.text
    for child in element:
        yield from _walk(child)
        if child.tail:
            yield child.tail


def _rows(table: Any, count: CellCount) -> Iterator[list[str]]:
    """A cell that spans rows or columns fills each of them."""
    below: dict[int, tuple[int, str]] = {}  # column: rows still to fill, text
    for row in table.iter("tr"):
        cells: list[str] = []
        for cell in row.iterchildren("td", "th"):
            _fill(cells, below)
            text = _squeeze(_shown(cell))
            rows, columns = _span(cell, "rowspan"), _span(cell, "colspan")
            for place in range(columns):
                if rows > 1:
                    below[len(cells)] = (rows - 1, Across(text) if place else text)
                cells.append(Across(text) if place else text)
        _fill(cells, below)
        count.add(len(cells))
        yield cells


def _fill(cells: list[str], below: dict[int, tuple[int, str]]) -> None:
    while (column := len(cells)) in below:
        rows, text = below.pop(column)
        cells.append(text if isinstance(text, Across) else Below(text))
        if rows > 1:
            below[column] = (rows - 1, text)


def _span(cell: Any, name: str) -> int:
    value = cell.get(name) or ""
    return min(MAX_SPAN, max(1, int(value))) if value.isascii() and value.isdigit() and len(value) < 6 else 1


def _squeeze(parts: list[str]) -> str:
    text = _SPACES.sub(" ", "".join(parts)).strip()
    return "" if _BOXES_ONLY.fullmatch(text) else text  # of a menu, not of a form
