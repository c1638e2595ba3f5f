"""``.pdf``: a document a page; ruled tables are rows, pages that are pictures are recognised."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import Path

import pypdfium2
from pypdfium2 import raw

from src.errors import KnowledgeError
from src.ingest.clean import clean
from src.ingest.limits import Limits
from src.ingest.readers.characters import filled_in, in_columns, pieces_of, remarks
from src.ingest.readers.flow import (
    columns,
    ends_sentence,
    is_item,
    is_prose,
    join_lines,
    joined,
    sentence_end,
    unspaced,
)
from src.ingest.readers.header import header_of
from src.ingest.readers.layout import Piece, Table, lines_of, open_tables
from src.ingest.readers.ruled import MIN_LINES, RuledTables
from src.ingest.readers.sections import MAX_TITLE_CHARS, TITLE_SEPARATOR
from src.ingest.readers.signs import with_boxes
from src.ingest.readers.tables import table_lines
from src.ingest.report import note
from src.ingest.types import Document

# Below this many characters, a page with a picture or a drawing is taken for a scan,
SCAN_CHARS = 16
# and below this many, one with a picture that is most of the page: a footer or a stamp of the scanner is on it.
STAMPED_SCAN_CHARS = 200
STAMPED_SCAN_SHARE = 0.5
DRAWN_OBJECTS = 50
# Of a page's characters at least so many are letters, digits or ideographs, and at most so many have accents.
MIN_LETTERS, MAX_ACCENTED = 0.4, 0.5
_ACCENTED = re.compile("[\u00a1-\u00ff]")
_LEADER_SIGNS = re.compile(r"[.．·•…_‥=*|~-]")
OCR_LONG_SIDE = 2_000
MAX_OBJECTS = 2_000
# More paths among them are a drawing, not the lines of a table.
MAX_PATHS = 1_900
MAX_BOOKMARKS = 5_000
MAX_DEPTH = 6
# A line at the top or bottom of more than this share of the pages is a header or footer.
RUNNING_SHARE = 0.6
RUNNING_MIN_PAGES = 4
# Nothing but the number of the page, and how many pages begin or end with theirs.
PAGE_NUMBER = "<0>"
NUMBERED_SHARE = 0.3
# A heading is set so much larger than the text.
HEADING_SCALE = 1.15
# Its second line is about as large as its first: smaller are the authors.
SAME_SIZE = 0.85
MAX_HEADING_COLUMNS = 150
MAX_SIZED_CHARS = 1_500
# The part of a file's time that may go into finding its tables.
TABLES_SHARE = 0.4
# What goes on for longer is no sentence.
MAX_CARRIED_LINES = 4
# The number of a page, which a month, a chapter or a form is not.
_PAGE_NUMBER = re.compile(
    r"(?<=第)\s*\d+\s*(?=页)|(?<=共)\s*\d+\s*(?=页)|\d+(?=\s*/\s*\d+)|(?<=/)\s*\d+|(?<![\d年月.:：第])\d+(?=\W*$)|^\W*\d+(?=\W*$|\s)"
)
_DIGITS = re.compile(r"\d+|[一二三四五六七八九十〇]+(?=[年月日])")
_UNREADABLE = re.compile("[\ufffd\ue000-\uf8ff\x00\x01\x03-\x08\x0e-\x1f]")
_LEADERS = re.compile(r"(?:[.．·•…_‥-]\s?){4,}\s*[(（]?\d{1,4}[)）]?\s*$|…{2,}\s*\d{1,4}\s*$")
# What word processors and download sites write where nobody gave a title.
_NO_TITLE = re.compile(
    r"microsoft|untitled|anonymous|无标题|未命名|幻灯片|powerpoint|文档\s*\d|about:blank|https?:|www\.|下载|文库"
    r"|\.(docx?|pptx?|xlsx?|wps|html?|pdf|png|jpe?g|indd|cdr|tmp)\b|^\W*$|^[\d_\W]+$",
    re.I,
)

Box = tuple[float, float, float, float]


class Column(list[str]):
    """Lines of a column beside another."""


@dataclass
class _Page:
    """Lines of text and tables, from top to bottom."""

    parts: list[list[str] | Table] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        return [line for part in self.parts if isinstance(part, list) for line in part]


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Titled with the document's own heading and the outline's path to the page."""
    document = opened(data, name)
    tables = RuledTables(data, TABLES_SHARE * limits.max_seconds)
    try:
        count = len(document)
        if count > limits.max_pages:
            raise KnowledgeError(f"{name} 有 {count} 页，最多 {limits.max_pages} 页；请拆成几个文件")
        pages = _pages(document, tables, name, limits)
        running = _running_lines([page.lines for page in pages])
        for page, number in zip(pages, range(1, count + 1), strict=True):
            _drop_running(page, running, number)
        contents = [number for number, page in enumerate(pages) if _is_contents(page.lines)]
        heading = _heading(document, pages, contents, running)
        titles = _titles(document, count, heading, name)
        for number, own in _page_headings(pages, heading):
            titles[number] = own
        if 0 < len(contents) < sum(bool(page.parts) for page in pages):
            note("contents_pages", number=len(contents))
            for number in contents:
                pages[number] = _Page()
        for page, after in pairwise(pages):
            _finish_sentence(page, after)
        above: list[list[str]] = []
        for number, page in enumerate(pages, 1):
            text, above = _text(page, above)
            if text:
                yield Document(f"{name}:p{number}", f"{name} 第 {number} 页", titles[number - 1], text, number)
    finally:
        tables.close()
        document.close()


def opened(data: bytes | Path, name: str) -> pypdfium2.PdfDocument:
    """Raises KnowledgeError: it has a password, or is no whole PDF."""
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise KnowledgeError(f"{name} 加了密码；请去掉密码后重新保存") from error
        raise KnowledgeError(f"{name} 不是完整的 PDF；请重新导出或下载") from error


def _pages(document: pypdfium2.PdfDocument, tables: RuledTables, name: str, limits: Limits) -> list[_Page]:
    """What is on every page."""
    pages: list[_Page] = []
    characters = recognised = 0
    for index in range(len(document)):
        try:
            page = document[index]
        except pypdfium2.PdfiumError:
            pages.append(_Page())  # a damaged page takes no other with it
            note("pictures_unread", f"{name} 有损坏的页没有读；请重新导出")
            continue
        note("pages")
        textpage = page.get_textpage()
        characters += textpage.count_chars()
        if characters > limits.max_characters:
            raise KnowledgeError(f"{name} 超过 {limits.max_characters} 个字；请拆成几个文件")
        text = with_boxes(textpage.get_text_bounded())
        objects = list(islice(page.get_objects(max_depth=3), MAX_OBJECTS))
        kinds = Counter(item.type for item in objects)
        must, may = _is_scan(text, kinds), _is_stamped_scan(page, text, objects)
        if must or (may and recognised < limits.max_ocr_pages):
            recognised += 1
            if recognised > limits.max_ocr_pages:
                most = limits.max_ocr_pages
                raise KnowledgeError(f"{name} 有 {most} 页以上是扫描的图片，一次最多识别 {most} 页；请拆成几个文件")
            note("pictures")
            pages.append(_Page([_filled(_recognised(page, "" if must else text) or text)]))
        else:
            if may:
                note(
                    "pictures_unread",
                    f"{name} 里有整页的图片没有识别（一次最多 {limits.max_ocr_pages} 页）；请拆成几个文件",
                )
            continues = _last_width(pages[-1]) if pages else 0
            pages.append(_read_page(page, textpage, text, kinds, index, tables, continues))
        page.close()
    if tables.is_late:
        note("pictures_unread", f"{name} 的页太多，后面的表格没有按行列来读；请拆成几个文件")
    return pages


def _read_page(
    page: pypdfium2.PdfPage,
    textpage: pypdfium2.PdfTextPage,
    text: str,
    kinds: Counter[int],
    index: int,
    tables: RuledTables,
    continues: int,
) -> _Page:
    """Text above, between and below the ruled tables, and those."""
    left, bottom, right, top = page.get_mediabox()
    upright = (
        page.get_rotation() == 0 and (left, bottom) == (0, 0) and page.get_cropbox() == (left, bottom, right, top)
    )
    if not upright:
        placed = pieces_of(textpage, right, top, page.get_rotation())
        return _Page(_filled_parts([*(_with_open_tables(placed) or [_filled(text)]), remarks(page)]))
    ruled = MIN_LINES <= kinds[raw.FPDF_PAGEOBJ_PATH] <= MAX_PATHS
    found = tables.of(index) if ruled else []
    pieces, fields = pieces_of(textpage, right, top), filled_in(page, top)
    if fields:
        return _Page(_filled_parts([list(lines_of([*pieces, *fields])), remarks(page)]))
    bands = [(table.box[1], table.box[3]) for table in found if not table.rows]
    found = [table for table in found if table.rows]
    found = sorted([*found, *_unruled(pieces, found, continues, bands)], key=lambda table: table.box[1])
    if not found:
        grouped = [Column(lines) if in_column else lines for lines, in_column in in_columns(pieces)]
        return _Page(_filled_parts([*(grouped or [_filled(text)]), remarks(page)]))
    note("tables", number=len(found))
    parts: list[list[str] | Table] = []
    ceiling = top
    for table in found:
        x0, y0, x1, y1 = table.box[0], top - table.box[1], table.box[2], top - table.box[3]
        if y0 > ceiling:  # beside the one before
            y0 = ceiling
        parts.append(_between(textpage, left, y0, right, ceiling))
        # What stands beside a narrow table.
        parts.append([*_between(textpage, left, y1, x0 - 1, y0), *_between(textpage, x1 + 1, y1, right, y0)])
        parts.append(table)
        ceiling = min(ceiling, y1)
    parts += [_between(textpage, left, bottom, right, ceiling), remarks(page)]
    return _Page(_filled_parts(parts))


def _last_width(page: _Page) -> int:
    """How many columns the table has that a page ends with, a footer below it aside."""
    last = page.parts[-2:]
    table = next((part for part in reversed(last) if not isinstance(part, list)), None)
    below = sum(len(part) for part in last if isinstance(part, list) and part is last[-1])
    return len(table.rows[0]) if table is not None and below < 2 else 0


def _filled_parts(parts: Sequence[list[str] | Table]) -> list[list[str] | Table]:
    return [part for part in parts if part]


def _with_open_tables(pieces: Sequence[Piece]) -> list[list[str] | Table]:
    """The tables without lines and the lines around them; nothing where there is none."""
    parts: list[list[str] | Table] = []
    found = open_tables(pieces)
    above = float("-inf")
    for table in found:
        parts.append(list(lines_of([piece for piece in pieces if above < piece.middle[1] < table.box[1]])))
        parts.append(table)
        above = table.box[3]
    note("tables", number=len(found))
    return [*parts, list(lines_of([piece for piece in pieces if piece.middle[1] > above]))] if found else []


def _unruled(
    pieces: Sequence[Piece], ruled: Sequence[Table], continues: int, bands: Sequence[tuple[float, float]]
) -> list[Table]:
    """The tables without lines that are in none with lines."""
    return [
        one
        for one in open_tables(pieces, continues, bands)
        if all(one.box[3] <= table.box[1] or table.box[3] <= one.box[1] for table in ruled)
    ]


def _between(textpage: pypdfium2.PdfTextPage, left: float, bottom: float, right: float, top: float) -> list[str]:
    if top - bottom < 1 or right - left < 1:
        return []
    return _filled(with_boxes(textpage.get_text_bounded(left, bottom, right, top)))


def _filled(text: str) -> list[str]:
    # PDFium's mark of a hyphen takes the place of the line break behind it.
    return [line for line in re.sub("([\x02\ufffe])(?=[^\r\n])", "\\1\n", text).splitlines() if line.strip()]


def _text(page: _Page, above: list[list[str]]) -> tuple[str, list[list[str]]]:
    """The page's text; and the header of a table that its last line belongs to, for the page on which it goes on."""
    texts: list[str] = []
    for place, part in enumerate(page.parts):
        if isinstance(part, list):
            texts.append(join_lines(part, isinstance(part, Column)))
            above = []
            continue
        rows = part.rows
        width = len(rows[0])
        goes_on = place == 0 and bool(above) and len(above[0]) == width and rows[: len(above)] != above
        header = above if goes_on else header_of(rows)
        texts += [line.text for line in table_lines([*header, *rows] if goes_on else rows)]
        above = [list(row) for row in header if len(row) == width]
    return clean("\n".join(filter(None, texts))), above


def _is_scan(text: str, kinds: Counter[int]) -> bool:
    visible = "".join(text.split())
    unreadable = len(_UNREADABLE.findall(visible)) + (len(visible) if _is_nonsense(visible) else 0)
    if len(visible) >= SCAN_CHARS and unreadable < len(visible) / 3:
        return False
    drawn = kinds[raw.FPDF_PAGEOBJ_PATH] + kinds[raw.FPDF_PAGEOBJ_SHADING]
    return kinds[raw.FPDF_PAGEOBJ_IMAGE] > 0 or drawn >= DRAWN_OBJECTS or unreadable > 0


def _is_nonsense(visible: str) -> bool:
    """Text of a font that names its characters wrongly: mostly signs, or letters with accents."""
    sample = _LEADER_SIGNS.sub("", visible)
    if len(sample) < SCAN_CHARS:
        return False
    letters = sum(map(str.isalnum, sample))
    return letters < MIN_LETTERS * len(sample) or len(_ACCENTED.findall(sample)) > MAX_ACCENTED * len(sample)


def _is_stamped_scan(page: pypdfium2.PdfPage, text: str, objects: Sequence[pypdfium2.PdfObject]) -> bool:
    """A little text on a picture that is most of the page."""
    if len("".join(text.split())) >= STAMPED_SCAN_CHARS:
        return False
    width, height = page.get_size()
    for item in objects:
        if item.type == raw.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = item.get_bounds()
            if (right - left) * (top - bottom) >= STAMPED_SCAN_SHARE * width * height:
                return True
    return False


def _recognised(page: pypdfium2.PdfPage, text: str) -> str:
    """What is in the picture of the page, and of its own text what the picture does not say."""
    from src.ingest.readers.ocr import recognise  # noqa: PLC0415 (a second to load, and few PDFs are scans)

    scale = OCR_LONG_SIDE / max(1.0, *page.get_size())
    found = recognise(page.render(scale=scale, may_draw_forms=False).to_pil().convert("RGB"))
    bare = "".join(found.split())
    return "\n".join([found, *(line for line in _filled(text) if "".join(line.split()) not in bare)])


def _running_lines(pages: Sequence[Sequence[str]]) -> set[str]:
    """First and last lines that are the same on most pages but for the page's number."""
    own = [
        PAGE_NUMBER in (_masked(lines[0], n), _masked(lines[-1], n)) for n, lines in enumerate(pages, 1) if lines
    ]
    numbered = {PAGE_NUMBER} if len(own) >= RUNNING_MIN_PAGES and sum(own) > NUMBERED_SHARE * len(own) else set()
    filled = [(number, lines) for number, lines in enumerate(pages, 1) if len(lines) > 2]
    if len(filled) < RUNNING_MIN_PAGES:
        return numbered
    # What ends as a sentence is text, be it on every page.
    edges = Counter(
        key for number, lines in filled for key in {_masked(lines[0], number), _masked(lines[-1], number)}
    )
    most = RUNNING_SHARE * len(filled)
    return numbered | {line for line, count in edges.items() if count > most and not ends_sentence(line)}


def _drop_running(page: _Page, running: set[str], number: int) -> None:
    if PAGE_NUMBER in running:  # it may stand above or below a table
        for part in page.parts:
            for place in (0, -1):
                if isinstance(part, list) and part and _masked(part[place], number) == PAGE_NUMBER:
                    part.pop(place)
        page.parts = _filled_parts(page.parts)
    for place in (0, -1):
        lines = page.lines
        if len(lines) > 2 or (lines and any(not isinstance(part, list) for part in page.parts)):
            edge = page.parts[place]
            if isinstance(edge, list) and _masked(edge[place], number) in running:
                edge.pop(place)
                page.parts = [part for part in page.parts if part]


def _finish_sentence(page: _Page, after: _Page) -> None:
    """The rest of a sentence that goes on on the next page belongs to the page on which it begins."""
    last, first = page.parts[-1:], after.parts[:1]
    if not (last and first and isinstance(last[0], list) and isinstance(first[0], list)):
        return
    lines, following = last[0], first[0]
    if not is_prose(lines) or ends_sentence(lines[-1]) or is_item(following[0]):
        return
    for count, line in enumerate(following[:MAX_CARRIED_LINES]):
        if is_item(line):
            return
        if end := sentence_end(line):
            lines += [*following[:count], line[:end]]
            following[: count + 1] = [rest] if (rest := line[end:].strip()) else []
            after.parts = _filled_parts(after.parts)
            return


def _masked(line: str, number: int) -> str:
    """Without the number of the page; another number in its place (a month, a form's) makes another line."""

    def relative(found: re.Match[str]) -> str:
        digits = "".join(character for character in found[0] if character.isdigit())
        return f"<{int(digits) - number}>" if len(digits) < 6 else found[0]

    total = re.sub(r"(?<=共)\s*\d+(?=\s*页)|(?<=/)\s*\d+", "N", line.strip())
    return "".join(_PAGE_NUMBER.sub(relative, total).split())


def _is_contents(lines: Sequence[str]) -> bool:
    entries = sum(bool(_LEADERS.search(line.rstrip())) for line in lines)
    return entries >= 4 and entries >= 0.5 * len(lines)


def _page_headings(pages: Sequence[_Page], heading: str) -> list[tuple[int, str]]:
    """Where pages are headed alike but for their numbers (a month's report each), the heading of each."""
    mask = _DIGITS.sub("0", "".join(heading.split()))
    heads = [(number, page.lines[0].strip()) for number, page in enumerate(pages) if page.lines]
    alike = [(number, line) for number, line in heads if _DIGITS.sub("0", "".join(line.split())) == mask]
    return alike if len({line for _, line in alike}) > 1 else []


def _heading(
    document: pypdfium2.PdfDocument, pages: Sequence[_Page], contents: Sequence[int], running: set[str]
) -> str:
    """What the first page with text is headed with: lines in a larger size, at its top."""
    first = next((number for number, page in enumerate(pages) if page.lines and number not in contents), None)
    if first is None:
        return ""
    page = document[first]
    textpage = page.get_textpage()
    lines = _sized_lines(textpage)
    page.close()
    if len(lines) < 2:
        return ""
    weights: Counter[float] = Counter()
    for text, size in lines:
        weights[round(size, 1)] += len(text)
    usual = weights.most_common(1)[0][0]
    head = lines[: max(3, len(lines) // 3)]
    largest = max((size for text, size in head if columns(text) > 2), default=0.0)
    if largest < HEADING_SCALE * usual:
        return ""
    begin = next(place for place, (text, size) in enumerate(head) if size == largest and columns(text) > 2)
    heading = ""
    for text, size in lines[begin : begin + 3]:
        if (
            size < max(HEADING_SCALE * usual, SAME_SIZE * largest)
            or _masked(text, first + 1) in running
            or (heading and is_item(text))
        ):
            break
        heading = joined(heading, text) if heading else text
    heading = " ".join(clean(unspaced(heading)).split())
    return (
        heading
        if len(heading) > 1 and columns(heading) <= MAX_HEADING_COLUMNS and not ends_sentence(heading)
        else ""
    )


def _sized_lines(textpage: pypdfium2.PdfTextPage) -> list[tuple[str, float]]:
    """(line, height of its tallest character), for the first characters of a page."""
    lines: list[tuple[str, float]] = []
    text, size = "", 0.0
    for index in range(min(textpage.count_chars(), MAX_SIZED_CHARS)):
        character = chr(raw.FPDFText_GetUnicode(textpage, index))
        if character in "\r\n":
            if text.strip():
                lines.append((text.strip(), size))
            text, size = "", 0.0
        else:
            text += character
            if not character.isspace():
                _, bottom, _, top = textpage.get_charbox(index, loose=True)
                size = max(size, round(top - bottom, 1))
    return [*lines, (text.strip(), size)] if text.strip() else lines


def _titles(document: pypdfium2.PdfDocument, count: int, heading: str, name: str) -> list[str]:
    """For each page the heading of the document, or what the file calls itself, and the bookmarks that lead to it."""
    whole = clean(document.get_metadata_value("Title"))
    whole = heading or ("" if _NO_TITLE.search(whole) or whole == name else whole[:MAX_TITLE_CHARS])
    titles = [whole] * count
    path: list[str] = []
    begins: dict[int, str] = {}
    for bookmark in islice(document.get_toc(max_depth=MAX_DEPTH), MAX_BOOKMARKS):
        path = [*path[: bookmark.level], " ".join(clean(bookmark.get_title()).split())[:MAX_TITLE_CHARS]]
        destination = bookmark.get_dest()
        page = destination.get_index() if destination else None
        if page is not None and 0 <= page < count:
            # Of several bookmarks on one page the first; its text may belong to any of them.
            begins.setdefault(page, TITLE_SEPARATOR.join(filter(None, path)))
    current = ""
    for page in range(count):
        current = begins.get(page, current)
        within = heading if heading and heading not in current else ""
        titles[page] = TITLE_SEPARATOR.join(filter(None, [within, current]))[:MAX_TITLE_CHARS] or whole
    return titles
