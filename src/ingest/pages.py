"""Pages as pictures, with boxes around the words of a chunk: what is asked for, and what there is."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.ingest.kinds import IMAGES
from src.ingest.libreoffice import SLIDES, program
from src.ingest.locate import Box, Span
from src.ingest.types import Chunk

PICTURED = (".pdf", *IMAGES)
# Of the pictures.
FORMAT = "image/webp"
# More than a page of text or a photograph takes.
MAX_IMAGE_BYTES = 8 << 20


@dataclass(frozen=True)
class Wanted:
    """What is asked for: the place of a chunk, and the parts of it, if any, that count.

    Attributes:
        page: where the chunk begins.
        text, start: of the chunk, and where it begins in its document.
        spans: of the text, that are to be boxed; the whole text without them.
        recognise: look for what is not found in pictures, which takes seconds a page.
    """

    page: int
    text: str
    start: int = 0
    spans: tuple[Span, ...] = ()
    recognise: bool = True


@dataclass(frozen=True)
class PagePicture:
    """A page of a file.

    Attributes:
        image: in ``FORMAT``.
        shown: the part of the page that is in the picture, nearly always all of it.
        boxes: around each of the wanted spans, on this page, in parts of the page.
        found: of the characters that were to be boxed, the share that stands on this page.
        unread: what was not found may be in its pictures, which were not to be recognised.
    """

    page: int
    image: bytes
    width: int
    height: int
    shown: Box
    boxes: tuple[tuple[Box, ...], ...]
    found: float
    unread: bool = False

    def as_json(self) -> dict[str, Any]:
        """For another process."""
        return {**vars(self), "image": base64.b64encode(self.image).decode("ascii")}

    @classmethod
    def from_json(cls, value: Any) -> "PagePicture":
        """Whatever the other process says, only numbers and bytes are taken."""
        boxes = tuple(tuple(map(_box, group)) for group in value["boxes"])
        image = base64.b64decode(value["image"])
        if len(image) > MAX_IMAGE_BYTES:
            raise ValueError(f"a picture of {len(image)} bytes")
        page, width, height = (int(value[name]) for name in ("page", "width", "height"))
        found, unread = float(value["found"]), bool(value["unread"])
        return cls(page, image, width, height, _box(value["shown"]), boxes, found, unread)


def is_pictured(file: str) -> bool:
    """Whether the pages of files of this name can be shown."""
    suffix = Path(file).suffix.lower()
    return suffix in PICTURED or (suffix in SLIDES and program() is not None)


def has_picture(chunk: Chunk) -> bool:
    """Whether the page of a chunk can be shown: ids of such documents begin with their file's name."""
    return chunk.page is not None and is_pictured(chunk.doc_id.rpartition(":")[0])


def _box(value: Any) -> Box:
    left, top, right, bottom = (min(1.0, max(0.0, round(float(edge), 5))) for edge in value)
    return left, top, right, bottom
