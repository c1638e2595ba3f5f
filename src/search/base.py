"""What indexing and the page ask of a knowledge base, wherever it is kept."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from src.ingest.types import Document
from src.models.embedders.base import Embedder
from src.search.index import Progress
from src.search.rows import FileEntry, StoredChunk, keys_of
from src.search.types import Collection

# ``stats`` names the files with most chunks, at most so many.
MAX_SOURCES = 1000


class Base(Collection, Protocol):
    """A collection that files are added to and removed from.

    Attributes:
        added: folder of the files that come through the page; None where they cannot be kept.
        holds_added: the chunks of added files last without a copy of the file.
        size: chunks at the last search or change; nothing is read for it.
    """

    embedder: Embedder
    holds_added: bool

    @property
    def added(self) -> Path | None: ...

    @property
    def size(self) -> int: ...

    def chunks(self, file: str | None = None) -> Iterator[StoredChunk]:
        """Every chunk that can be found, file by file; of one file, if given."""
        ...

    def files(self) -> dict[str, FileEntry]:
        """What became of every knowledge file, by name, as it is now."""
        ...

    def stats(self) -> dict[str, Any]:
        """Figures for the inspector."""
        ...

    def __len__(self) -> int: ...

    def check(self, name: str, documents: Sequence[Document]) -> None:
        """Raises KnowledgeError: these documents of the file ``name`` cannot be kept here."""
        ...

    def holders(self, column: str, values: Sequence[int | str]) -> dict[int | str, str]:
        """value -> the file of a chunk that has it in ``column`` ("exact", "near", "doc_id"); stale ones have none."""
        ...

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold others' changes off, and start from the newest state."""
        ...

    def mark_stale(self, names: Sequence[str]) -> None:
        """Files that are about to be read again: what they hold is found until then, but is nobody's original."""
        ...

    def commit(
        self,
        entries: Mapping[str, FileEntry | None],
        chunks: Sequence[StoredChunk] = (),
        dropped: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> None:
        """Embed and add chunks, drop all of ``dropped`` files and the stale ones of ``entries``, note what became of
        files (None: forget it, and drop its chunks)."""
        ...

    def compact(self, *, more: bool = False, wait: bool = True) -> None:
        """Tidy up after commits, so that searches are fast.

        Args:
            more: other commits follow.
            wait: until it is done.
        """
        ...


@dataclass(frozen=True)
class Changes:
    """What a new version of a file did to its chunks, by their texts: how many are new, the same, and gone."""

    new: int
    kept: int
    gone: int

    @classmethod
    def between(cls, before: Set[int], after: Set[int]) -> "Changes":
        """Of two values of ``texts_of``."""
        return cls(len(after - before), len(after & before), len(before - after))


def texts_of(base: Base, file: str) -> frozenset[int]:
    """A key for the text of each of a file's chunks."""
    return frozenset(keys_of(stored.chunk)[0] for stored in base.chunks(file))


def figures(entries: Iterable[FileEntry]) -> dict[str, Any]:
    """What the files say of a base, for its ``stats``."""
    entries = list(entries)
    sources = sorted(((entry.name, entry.chunks) for entry in entries if entry.chunks), key=lambda pair: -pair[1])
    sums = {name: sum(getattr(e, name) for e in entries) for name in ("documents", "duplicates", "near_duplicates")}
    return {
        **sums,
        "files": len(entries),
        "rejected": sum(bool(entry.problem) for entry in entries),
        "sources": dict(sources[:MAX_SOURCES]),
    }
