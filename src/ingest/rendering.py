"""Pages of PDFs and pictures as pictures, and the places of a chunk's words on them.

Runs in a parser process, as the readers do: ``ParserPool.page`` is what others call.
"""

import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from ctypes import c_int
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import pypdfium2
from PIL import Image
from pypdfium2 import raw

from src.errors import KnowledgeError
from src.ingest.kinds import check_kind
from src.ingest.limits import Limits
from src.ingest.locate import MAX_CHARACTERS, Box, Glyph, PageText, expected
from src.ingest.pages import PagePicture, Wanted
from src.ingest.readers.pdf import opened
from src.ingest.readers.picture import page_of

if TYPE_CHECKING:
    from src.ingest.readers.layout import Piece

# A picture's longer side in pixels, and the height that a line with evidence has in it at least: of larger pages only
# what is around the evidence is shown.
LONG_SIDE = 1_700
MIN_LINE = 14
MAX_SCALE = 3.0
QUALITY = 82
# So much of the wanted words must be found: else the page's pictures are recognised, or the next page is looked at.
FOUND = 0.8
# Less of them on a page is chance.
MIN_SHARE, MIN_FOUND = 0.1, 2
# Pages and parts of a long picture that are looked at for one chunk.
MAX_VIEWS = 8
MAX_OBJECTS = 2_000
FEW_CHARS = 16
# A recognised line so much higher than wide is vertical.
TALL = 1.3
_DEVICE = 1 << 20
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def page_pictures(data: bytes | Path, name: str, wanted: Wanted, limits: Limits) -> list[PagePicture]:
    """The pages on which a chunk stands, the first one without boxes where it is found on none.

    Raises:
        KnowledgeError: the file has no such page, or cannot be read.
    """
    suffix = Path(name).suffix.lower()
    with open(data, "rb") if isinstance(data, Path) else io.BytesIO(data) as stream:
        check_kind(stream.read(4096), suffix, name)
    try:
        views = _pdf_views(data, name, wanted) if suffix == ".pdf" else _picture_views(data, name, wanted, limits)
        return _shown(views, wanted)
    except KnowledgeError:
        raise
    except MemoryError as error:
        raise KnowledgeError(f"{name} 的这一页太大，显示不了") from error
    except Exception as error:  # whatever a foreign parser says of a damaged page
        raise KnowledgeError(f"{name} 的这一页已损坏，显示不了") from error


class _View(Protocol):
    """A page, or a part of a long picture, that can be looked at.

    Attributes:
        region: of the page.
        is_recognised: its characters are, which takes seconds.
    """

    page: int
    region: Box
    is_recognised: bool

    @property
    def size(self) -> tuple[float, float]: ...

    def glyphs(self) -> Iterable[Glyph]:
        """The characters, in reading order."""
        ...

    def picture(self, shown: Box, scale: float) -> Image.Image:
        """The part of it ``shown``, ``scale`` pixels for each unit of its size."""
        ...


@dataclass(frozen=True)
class _Found:
    """What of the wanted characters stands in a view; ``offsets`` in the text."""

    view: _View
    offsets: frozenset[int]
    groups: list[list[Box]]


def _shown(views: Iterable[_View], wanted: Wanted) -> list[PagePicture]:
    """The views that hold the wanted characters, as few as do; the first one, if none does."""
    text = wanted.text
    spans = [(max(0, first), min(len(text), last)) for first, last in wanted.spans]
    spans = [span for span in spans if span[0] < span[1]] or [(0, len(text))]
    asked = expected(text, spans)
    looked: list[_Found] = []
    unread = False
    for view in views:
        if any(len(one.offsets) == len(asked) for one in looked):
            break
        covered = frozenset[int]().union(*(one.offsets for one in looked))
        again = any(one.view.page == view.page and not one.view.is_recognised for one in looked)
        if view.is_recognised and again and len(covered) >= FOUND * len(asked):
            break  # it would take seconds for little
        if view.is_recognised and not wanted.recognise:
            unread = True
            looked = looked or [_Found(view, frozenset(), [[] for _ in spans])]
            break
        page = PageText(view.glyphs())
        places = page.aligned(text, 0 if looked else wanted.start)
        here = frozenset(offset for offset in asked if places[offset] >= 0)
        looked.append(_Found(view, here, [page.boxes_of(places[first:last]) for first, last in spans]))
    chosen = _fewest(looked, max(min(MIN_FOUND, len(asked)), MIN_SHARE * len(asked)))
    if not chosen:
        chosen = [_Found(looked[0].view, frozenset(), [[] for _ in spans])]
    return [_pictured(one, len(one.offsets) / max(1, len(asked)), unread) for one in chosen]


def _fewest(looked: Sequence[_Found], least: float) -> list[_Found]:
    """Those that hold most, as long as each adds ``least`` characters to them; in the order of the pages.

    Rows of a list are alike: what is found whole on one page is found in part on others.
    """
    chosen: list[_Found] = []
    covered: frozenset[int] = frozenset()
    for one in sorted(looked, key=lambda one: -len(one.offsets)):
        shown = any((one.view.page, one.view.region) == (other.view.page, other.view.region) for other in chosen)
        if not shown and len(one.offsets - covered) >= least:
            chosen.append(one)
            covered |= one.offsets
    return sorted(chosen, key=lambda one: (one.view.page, one.view.region[1]))


def _pictured(found: _Found, share: float, unread: bool) -> PagePicture:
    view = found.view
    shown, scale = _window(view.size, [box for group in found.groups for box in group])
    image = view.picture(shown, scale)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=QUALITY, method=2)
    left, top, right, bottom = view.region

    def on_page(box: Box) -> Box:
        wide, high = right - left, bottom - top
        return left + box[0] * wide, top + box[1] * high, left + box[2] * wide, top + box[3] * high

    placed = tuple(tuple(map(on_page, group)) for group in found.groups)
    return PagePicture(view.page, stream.getvalue(), *image.size, on_page(shown), placed, share, unread)


def _window(size: tuple[float, float], boxes: Sequence[Box]) -> tuple[Box, float]:
    """The part of a page to be shown, and the scale: all of it, or what is around the first box where a line of
    evidence could not be read then."""
    whole = min(MAX_SCALE, LONG_SIDE / max(*size, 1.0))
    lines = sorted(min((box[2] - box[0]) * size[0], (box[3] - box[1]) * size[1]) for box in boxes)
    line = lines[len(lines) // 2] if lines else 0.0
    if line <= 0 or line * whole >= MIN_LINE:
        return WHOLE, whole
    scale = min(MAX_SCALE, MIN_LINE / line)
    part = [min(1.0, LONG_SIDE / (extent * scale)) for extent in size]
    middle = (boxes[0][0] + boxes[0][2]) / 2, (boxes[0][1] + boxes[0][3]) / 2
    left, top = (min(max(0.0, at - half / 2), 1.0 - half) for at, half in zip(middle, part, strict=True))
    return (left, top, left + part[0], top + part[1]), scale


# PDF


class _PdfView:
    """A page of a PDF by its text."""

    region = WHOLE
    is_recognised = False

    def __init__(self, page: pypdfium2.PdfPage, number: int) -> None:
        self.page = number
        self._page = page

    @property
    def size(self) -> tuple[float, float]:
        width, height = self._page.get_size()
        return float(width), float(height)

    def glyphs(self) -> Iterator[Glyph]:
        textpage = self._page.get_textpage()
        box = raw.FS_RECTF()
        for index in range(min(textpage.count_chars(), 2 * MAX_CHARACTERS)):
            code = raw.FPDFText_GetUnicode(textpage, index)
            if code and raw.FPDFText_GetLooseCharBox(textpage, index, box):
                yield Glyph(chr(code), self._placed(box))

    def picture(self, shown: Box, scale: float) -> Image.Image:
        width, height = self.size
        left, top, right, bottom = shown
        crop = (left * width, (1 - bottom) * height, (1 - right) * width, top * height)
        return _rendered(self._page, scale, crop)

    def _placed(self, box: Any) -> Box:
        """On the page as it is shown: cropped and turned."""
        first, second = self._device(box.left, box.top), self._device(box.right, box.bottom)
        left, right = sorted((first[0], second[0]))
        top, bottom = sorted((first[1], second[1]))
        return left, top, right, bottom

    def _device(self, x: float, y: float) -> tuple[float, float]:
        across, down = c_int(), c_int()
        raw.FPDF_PageToDevice(self._page, 0, 0, _DEVICE, _DEVICE, 0, x, y, across, down)
        return _within(across.value / _DEVICE), _within(down.value / _DEVICE)


def _pdf_views(data: bytes | Path, name: str, wanted: Wanted) -> Iterator[_View]:
    """The page where the chunk begins and the next one, by their text; then what is recognised in them."""
    document = opened(data, name)
    if not 1 <= wanted.page <= len(document):
        raise KnowledgeError(f"{name} 没有第 {wanted.page} 页")
    numbers = [number for number in (wanted.page, wanted.page + 1) if number <= len(document)]
    pages = {number: document[number - 1] for number in numbers}
    for number, page in pages.items():
        yield _PdfView(page, number)
    for number, page in pages.items():
        if _has_pictures(page):
            scale = LONG_SIDE / max(*page.get_size(), 1.0)
            yield _PictureView(_rendered(page, scale), number, WHOLE)


def _has_pictures(page: pypdfium2.PdfPage) -> bool:
    """Whether there may be text that is none to PDFium: in pictures, or drawn."""
    text = page.get_textpage().get_text_bounded()
    objects = islice(page.get_objects(max_depth=3), MAX_OBJECTS)
    return len("".join(text.split())) < FEW_CHARS or any(item.type == raw.FPDF_PAGEOBJ_IMAGE for item in objects)


def _rendered(page: pypdfium2.PdfPage, scale: float, crop: Box = (0.0, 0.0, 0.0, 0.0)) -> Image.Image:
    picture = page.render(scale=scale, crop=crop, may_draw_forms=False).to_pil()
    return cast(Image.Image, picture.convert("RGB"))


# Pictures


class _PictureView:
    """A picture by what is recognised in it; shown upright."""

    is_recognised = True

    def __init__(self, image: Image.Image, number: int, region: Box) -> None:
        self.page = number
        self.region = region
        self._image = image

    @property
    def size(self) -> tuple[float, float]:
        return self._image.size

    def glyphs(self) -> list[Glyph]:
        from src.ingest.readers.ocr import upright_lines  # noqa: PLC0415 (a second to load)

        self._image, pieces = upright_lines(self._image)
        width, height = self._image.size
        return [glyph for piece in pieces for glyph in _glyphs(piece, width, height)]

    def picture(self, shown: Box, scale: float) -> Image.Image:
        left, top, right, bottom = shown
        width, height = self._image.size
        edges = round(left * width), round(top * height), round(right * width), round(bottom * height)
        part = self._image.crop(edges)
        if scale >= 1:
            return part
        return part.resize((max(1, round(part.width * scale)), max(1, round(part.height * scale))))


def _picture_views(data: bytes | Path, name: str, wanted: Wanted, limits: Limits) -> Iterator[_View]:
    from src.ingest.readers.ocr import strips  # noqa: PLC0415 (a second to load)

    parts = list(strips(page_of(data.read_bytes() if isinstance(data, Path) else data, name, wanted.page, limits)))
    total = sum(part.height for part in parts)
    top = 0
    for part in parts[:MAX_VIEWS]:
        yield _PictureView(part, wanted.page, (0.0, top / total, 1.0, (top + part.height) / total))
        top += part.height


def _glyphs(piece: "Piece", width: int, height: int) -> Iterator[Glyph]:
    """The characters of a recognised line: a wide one takes two parts of its box, others one."""
    down = len(piece.text) > 1 and piece.bottom - piece.top > TALL * (piece.right - piece.left)
    parts = [2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in piece.text]
    low, high = (piece.top, piece.bottom) if down else (piece.left, piece.right)
    step = (high - low) / max(1, sum(parts))
    at = low
    for character, part in zip(piece.text, parts, strict=True):
        after = at + part * step
        edges = (piece.left, at, piece.right, after) if down else (at, piece.top, after, piece.bottom)
        left, top, right, bottom = edges
        yield Glyph(
            character,
            (_within(left / width), _within(top / height), _within(right / width), _within(bottom / height)),
        )
        at = after


def _within(value: float) -> float:
    return min(1.0, max(0.0, value))
