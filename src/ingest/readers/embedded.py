"""Pictures in Office files: their text is recognised, or the user is told that it was not."""

import io
import zipfile

from src.errors import KnowledgeError
from src.ingest.limits import Limits
from src.ingest.report import note

# Smaller ones are logos, lines and bullets.
MIN_WIDTH = 120
MIN_HEIGHT = 40
MIN_BYTES = 1_500
MAX_BYTES = 20_000_000
MAX_PICTURES = 10


class EmbeddedPictures:
    """The pictures of one package, each recognised once; ``limits.max_ocr_pages`` of them, and ``MAX_PICTURES``."""

    def __init__(self, data: bytes, name: str, limits: Limits) -> None:
        self._data, self._name, self._limits = data, name, limits
        self._left = min(MAX_PICTURES, limits.max_ocr_pages)
        self._seen: set[str] = set()

    def text(self, part: str) -> str:
        """The text in the picture at ``part``; empty for one that has none, or was read before."""
        part = part.lstrip("/")
        if part in self._seen:
            return ""
        self._seen.add(part)
        content = self._content(part)
        if len(content) < MIN_BYTES:
            return ""
        from src.ingest.readers.picture import recognised, size_of  # noqa: PLC0415 (a second to load)

        try:
            width, height = size_of(content, self._name)
            if width < MIN_WIDTH or height < MIN_HEIGHT:
                return ""
            if self._left <= 0:
                self._unread()
                return ""
            self._left -= 1
            text = recognised(content, self._name, self._limits)
        except (KnowledgeError, OSError, ValueError, SyntaxError):  # damaged, too large, or drawn by Windows
            self._unread()
            return ""
        note("pictures")
        return text

    def _content(self, part: str) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(self._data)) as package:
                if package.getinfo(part).file_size > MAX_BYTES:
                    self._unread()
                    return b""
                return package.read(part)
        except (KeyError, zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            return b""

    def _unread(self) -> None:
        note(
            "pictures_unread",
            f"{self._name} 里有图片没有识别（一次最多 {MAX_PICTURES} 张，不读矢量图和损坏的图）；请另存为 png 后单独加入",
        )
