"""What one file may cost."""

import stat
from dataclasses import dataclass, replace
from pathlib import Path

from src.errors import KnowledgeError


@dataclass(frozen=True)
class Limits:
    """What one file may bring and cost; a file that goes beyond is refused as a whole.

    Attributes:
        max_documents: documents in it (lines, sections, pages, groups of table rows).
        max_characters: of text and titles, after cleaning.
        max_pages: pages, slides or sheets.
        max_ocr_pages: pages (or strips of a long picture) whose text is recognised from an image, seconds each.
        max_unpacked_bytes: all entries of a zip container (docx, pptx, xlsx) together.
        max_pixels: of one image.
        max_cells: of all tables, empty cells counted too.
        max_seconds, max_memory_bytes: of the process that parses it; hold in ``ParserPool`` only.
    """

    max_file_bytes: int
    max_documents: int
    max_characters: int = 2_000_000_000
    max_pages: int = 20_000
    max_ocr_pages: int = 2_000
    max_unpacked_bytes: int = 2_000_000_000
    max_pixels: int = 170_000_000  # what Pillow opens
    max_cells: int = 50_000_000
    max_seconds: float = 3_600.0
    max_memory_bytes: int = 8_000_000_000


KNOWLEDGE_LIMITS = Limits(max_file_bytes=2_000_000_000, max_documents=2_000_000)
# Recognising a page takes 3 to 5 s; doing so maps 1.3 GB.
UPLOAD_LIMITS = Limits(
    max_file_bytes=20_000_000,
    max_documents=20_000,
    max_characters=1_000_000,
    max_pages=1_000,
    max_ocr_pages=20,
    max_unpacked_bytes=200_000_000,
    max_pixels=50_000_000,
    max_cells=1_000_000,
    max_seconds=120.0,
    max_memory_bytes=3_000_000_000,
)
# One page, while a visitor waits; the file has been read before, perhaps as the owner's.
PAGE_LIMITS = replace(
    KNOWLEDGE_LIMITS, max_ocr_pages=UPLOAD_LIMITS.max_ocr_pages, max_seconds=60.0, max_memory_bytes=3_000_000_000
)


def read_within(path: Path, name: str, limits: Limits) -> bytes:
    """The content of a file.

    Raises:
        KnowledgeError: it is too large, no plain file, or cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise KnowledgeError(f"{name} 不是普通文件；请给出文件本身")
        if status.st_size > limits.max_file_bytes:
            raise KnowledgeError(
                f"{name} 有 {status.st_size / 1e6:.1f} MB，上限是 {limits.max_file_bytes / 1e6:.0f} MB；请拆成几个文件"
            )
        return path.read_bytes()
    except OSError as error:
        raise KnowledgeError(f"{name} 打不开：{error.strerror or error}；请检查路径和权限") from error
