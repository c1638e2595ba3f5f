"""Pictures: their text is recognised."""

import io
from collections.abc import Iterator

from PIL import Image, ImageOps

from src.errors import KnowledgeError
from src.ingest.clean import clean
from src.ingest.limits import Limits
from src.ingest.readers.ocr import recognise, strip_count
from src.ingest.report import note
from src.ingest.types import Document

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """One document a page: a TIFF may have several, of an animation the first frame counts."""
    with _opened(data, name) as image:
        pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        if pages > limits.max_ocr_pages:
            raise KnowledgeError(f"{name} 有 {pages} 页，一次最多识别 {limits.max_ocr_pages} 页；请拆成几个文件")
        for number in range(1, pages + 1):
            image.seek(number - 1)
            _check_size(image, name, limits)
            note("pictures")
            if text := clean(recognise(_upright(image))):
                source = f"{name} 第 {number} 页" if pages > 1 else name
                yield Document(f"{name}:p{number}", source, "", text, number)


def page_of(data: bytes, name: str, number: int, limits: Limits) -> Image.Image:
    """One of its pages, counted from 1, upright, as ``read`` recognises it.

    Raises:
        KnowledgeError: there is no such page, or it has too many pixels.
    """
    with _opened(data, name) as image:
        if not 1 <= number <= (getattr(image, "n_frames", 1) if image.format == "TIFF" else 1):
            raise KnowledgeError(f"{name} 没有第 {number} 页")
        image.seek(number - 1)
        _check_size(image, name, limits)
        return _upright(image)


def size_of(data: bytes, name: str) -> tuple[int, int]:
    """Width and height."""
    with _opened(data, name) as image:
        return image.size


def recognised(data: bytes, name: str, limits: Limits) -> str:
    """The text of a picture that is part of another file."""
    with _opened(data, name) as image:
        _check_size(image, name, limits)
        return clean(recognise(_upright(image)))


def _upright(image: Image.Image) -> Image.Image:
    """As the camera was held; transparent becomes white, as a page would show it."""
    upright = ImageOps.exif_transpose(image)
    if "A" in upright.getbands() or "transparency" in upright.info:
        upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
    return upright.convert("RGB")


def _opened(data: bytes, name: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise KnowledgeError(f"{name} 的像素太多；请缩小或裁开后再试") from error


def _check_size(image: Image.Image, name: str, limits: Limits) -> None:
    width, height = image.size
    if width * height > limits.max_pixels:
        most = limits.max_pixels // 1_000_000
        raise KnowledgeError(f"{name} 是 {width}×{height} 像素，最多 {most} 百万像素；请缩小或裁开后再试")
    if strip_count(width, height) > limits.max_ocr_pages:
        raise KnowledgeError(f"{name} 是 {width}×{height} 像素，太长了；请裁成几张图片后再试")
