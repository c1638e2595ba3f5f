"""The page that a chunk stands on, read again from the file that was indexed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.errors import InputError, KnowledgeError
from src.ingest.locate import Span
from src.ingest.pages import PagePicture, Wanted, has_picture
from src.ingest.types import Chunk
from src.ingest.worker import ParserPool
from src.search.knowledge_base import KnowledgeBase
from src.search.own import OwnDocuments
from src.search.rows import FileEntry, StoredChunk

# Below this share of the characters only a part was found.
FOUND = 0.8
GONE = "这一段已经不在索引里了；请重新检索"


@dataclass(frozen=True)
class SourcePage:
    """The pages of a chunk, as pictures, with what was asked for boxed.

    Attributes:
        edited: the owner has changed the chunk's text, so it may not be what stands on the page.
    """

    chunk: Chunk
    file: str
    pages: tuple[PagePicture, ...]
    edited: bool = False

    @property
    def found(self) -> float:
        """Of the characters that were to be boxed, the share that was found."""
        return min(1.0, sum(page.found for page in self.pages))

    @property
    def unread(self) -> bool:
        """Whether recognising the pages' pictures may find more."""
        return any(page.unread for page in self.pages)


class SourcePages:
    """Shows pages; safe to call from several threads.

    Args:
        parser: that renders them, apart from this process.
    """

    def __init__(self, parser: ParserPool) -> None:
        self._parser = parser

    def of_base(
        self,
        base: KnowledgeBase,
        chunk_id: str,
        spans: Sequence[Span] = (),
        *,
        hidden: bool = False,
        recognise: bool = True,
    ) -> SourcePage:
        """Of a chunk of the knowledge base.

        Args:
            spans: the parts of its text to be boxed; the whole text without them.
            hidden: also of one that is switched off.
            recognise: look for what is not found in pictures, which takes seconds.

        Raises:
            KnowledgeError: there is no such chunk, its file has no pages to show, or it is gone or another one now.
            InputError: the spans are not in the text.
        """
        stored = base.store.find(chunk_id)
        if stored is None or not (stored.enabled or hidden):
            raise KnowledgeError(GONE)
        wanted = _wanted(stored, spans, recognise)
        path = _unchanged(base.files()[stored.file])
        return _page(stored, self._parser.page(path, stored.file, wanted))

    def of_own(
        self, documents: OwnDocuments, chunk_id: str, spans: Sequence[Span] = (), *, recognise: bool = True
    ) -> SourcePage:
        """Of a chunk of a session's documents; as ``of_base``."""
        store = documents.store
        stored = store.store.find(chunk_id) if store is not None else None
        if stored is None:
            raise KnowledgeError(GONE)
        wanted = _wanted(stored, spans, recognise)
        return _page(stored, self._parser.page(documents.original(stored.file), stored.file, wanted))


def _wanted(stored: StoredChunk, spans: Sequence[Span], recognise: bool) -> Wanted:
    chunk = stored.chunk
    if not has_picture(chunk) or chunk.page is None:
        raise InputError(f"{stored.file} 没有可以显示的页：能看原页的是 PDF、图片和（装有 LibreOffice 时）幻灯片")
    if any(not 0 <= start < end <= len(chunk.text) for start, end in spans):
        raise InputError(f"start 和 end 应在这一段的文字里（0 到 {len(chunk.text)}），且 start 小于 end")
    return Wanted(chunk.page, chunk.text, chunk.start, tuple(spans), recognise)


def _page(stored: StoredChunk, pages: Sequence[PagePicture]) -> SourcePage:
    return SourcePage(stored.chunk, stored.file, tuple(pages), stored.edited)


def _unchanged(entry: FileEntry) -> Path:
    """Where the file is, if it is still the one that was indexed."""
    path = Path(entry.path)
    try:
        status = path.stat()
        same = bool(entry.mtime_ns) and (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime_ns)
        if not same and status.st_size == entry.size:
            with path.open("rb") as stream:
                same = hashlib.file_digest(stream, "sha256").hexdigest() == entry.sha256
    except OSError as error:
        raise KnowledgeError(
            f"{entry.name} 已经不在原来的地方，原页显示不了；请放回去，或运行 python -m src index"
        ) from error
    if not same:
        raise KnowledgeError(
            f"{entry.name} 在建索引以后改过，原页可能对不上，所以不显示；请运行 python -m src index"
        )
    return path
