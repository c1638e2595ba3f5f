"""``.pdf``: a document a page; pages that are pictures are recognised."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import pypdfium2
from pypdfium2 import raw

from src.errors import KnowledgeError
from src.knowledge.clean import clean
from src.knowledge.limits import Limits
from src.knowledge.readers.flow import join_lines
from src.knowledge.readers.sections import MAX_TITLE_CHARS, TITLE_SEPARATOR
from src.knowledge.types import Document

# Below this many characters, a page with a picture or a drawing is taken for a scan.
SCAN_CHARS = 16
DRAWN_OBJECTS = 50
OCR_LONG_SIDE = 2_000
MAX_OBJECTS = 2_000
MAX_BOOKMARKS = 5_000
MAX_DEPTH = 6
# A line at the top or bottom of more than this share of the pages is a header or footer.
RUNNING_SHARE = 0.6
RUNNING_MIN_PAGES = 4
_DIGITS = re.compile(r"\d+")
_UNREADABLE = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f]")
# What word processors write where nobody gave a title.
_NO_TITLE = re.compile(
    r"microsoft|untitled|无标题|幻灯片|powerpoint|文档\s*\d|\.(docx?|pptx?|xlsx?|wps)$|^\W*$", re.I
)


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """Titled with the outline's path to the page, else with the document's title."""
    document = _open(data, name)
    try:
        count = len(document)
        if count > limits.max_pages:
            raise KnowledgeError(f"{name} 有 {count} 页，最多 {limits.max_pages} 页；请拆成几个文件")
        pages = _pages(document, name, limits)
        running = _running_lines(pages)
        titles = _titles(document, count)
        for number, lines in enumerate(pages, 1):
            text = clean(join_lines(_without(lines, running)))
            if text:
                yield Document(f"{name}:p{number}", f"{name} 第 {number} 页", titles[number - 1], text)
    finally:
        document.close()


def _open(data: bytes, name: str) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise KnowledgeError(f"{name} 加了密码；请去掉密码后重新保存") from error
        raise KnowledgeError(f"{name} 不是完整的 PDF；请重新导出或下载") from error


def _pages(document: pypdfium2.PdfDocument, name: str, limits: Limits) -> list[list[str]]:
    """The lines of every page."""
    pages: list[list[str]] = []
    characters = recognised = 0
    for index in range(len(document)):
        try:
            page = document[index]
        except pypdfium2.PdfiumError:
            pages.append([])  # a damaged page takes no other with it
            continue
        textpage = page.get_textpage()
        characters += textpage.count_chars()
        if characters > limits.max_characters:
            raise KnowledgeError(f"{name} 超过 {limits.max_characters} 个字；请拆成几个文件")
        text = textpage.get_text_bounded()
        if _is_scan(page, text):
            recognised += 1
            if recognised > limits.max_ocr_pages:
                most = limits.max_ocr_pages
                raise KnowledgeError(f"{name} 有 {most} 页以上是扫描的图片，一次最多识别 {most} 页；请拆成几个文件")
            text = _recognised(page) or text
        pages.append([line for line in text.splitlines() if line.strip()])
        page.close()
    return pages


def _is_scan(page: pypdfium2.PdfPage, text: str) -> bool:
    visible = "".join(text.split())
    unreadable = len(_UNREADABLE.findall(visible))
    if len(visible) >= SCAN_CHARS and unreadable < len(visible) / 3:
        return False
    kinds = Counter(item.type for item in islice(page.get_objects(max_depth=3), MAX_OBJECTS))
    drawn = kinds[raw.FPDF_PAGEOBJ_PATH] + kinds[raw.FPDF_PAGEOBJ_SHADING]
    return kinds[raw.FPDF_PAGEOBJ_IMAGE] > 0 or drawn >= DRAWN_OBJECTS or unreadable > 0


def _recognised(page: pypdfium2.PdfPage) -> str:
    from src.knowledge.readers.ocr import recognise  # noqa: PLC0415 (a second to load, and few PDFs are scans)

    scale = OCR_LONG_SIDE / max(1.0, *page.get_size())
    return recognise(page.render(scale=scale, may_draw_forms=False).to_pil().convert("RGB"))


def _running_lines(pages: Sequence[Sequence[str]]) -> set[str]:
    """First and last lines that are the same on most pages but for their numbers."""
    filled = [lines for lines in pages if len(lines) > 2]
    if len(filled) < RUNNING_MIN_PAGES:
        return set()
    edges = Counter(line for lines in filled for line in {_masked(lines[0]), _masked(lines[-1])})
    return {line for line, count in edges.items() if count > RUNNING_SHARE * len(filled)}


def _without(lines: Sequence[str], running: set[str]) -> Sequence[str]:
    if len(lines) > 2 and _masked(lines[0]) in running:
        lines = lines[1:]
    if len(lines) > 2 and _masked(lines[-1]) in running:
        lines = lines[:-1]
    return lines


def _masked(line: str) -> str:
    return _DIGITS.sub("0", "".join(line.split()))


def _titles(document: pypdfium2.PdfDocument, count: int) -> list[str]:
    """For each page the bookmarks that lead to it, else what the file calls itself."""
    whole = clean(document.get_metadata_value("Title"))
    titles = ["" if _NO_TITLE.search(whole) else whole[:MAX_TITLE_CHARS]] * count
    path: list[str] = []
    begins: dict[int, str] = {}
    for bookmark in islice(document.get_toc(max_depth=MAX_DEPTH), MAX_BOOKMARKS):
        path = [*path[: bookmark.level], " ".join(clean(bookmark.get_title()).split())[:MAX_TITLE_CHARS]]
        destination = bookmark.get_dest()
        page = destination.get_index() if destination else None
        if page is not None and 0 <= page < count:
            # Of several bookmarks on one page the first; its text may belong to any of them.
            begins.setdefault(page, TITLE_SEPARATOR.join(filter(None, path))[:MAX_TITLE_CHARS])
    current = ""
    for page in range(count):
        current = begins.get(page, current)
        titles[page] = current or titles[page]
    return titles
