"""What indexing and the page ask of a knowledge base, wherever it is kept."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from src.embedding.base import Embedder
from src.knowledge.types import Document
from src.retrieval.passages import Passage
from src.retrieval.segment import Progress
from src.retrieval.state import FileEntry
from src.retrieval.types import Collection


class Base(Collection, Protocol):
    """A collection that files are added to and removed from.

    Attributes:
        directory: where files added through the page are kept; None where they cannot be.
        holds_added: the passages of added files last without a copy of the file.
    """

    embedder: Embedder
    directory: Path | None
    holds_added: bool

    def passages(self) -> Iterator[Passage]:
        """Every passage that can be found, file by file."""
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

    def owners(self, column: str, keys: np.ndarray, ignoring: Iterable[str]) -> dict[int, str]:
        """key -> the file of a passage that has it, for those of ``keys`` (uint64) that are in the index.

        Args:
            column: "exact", "near" or "documents".
            ignoring: files that are about to be replaced.
        """
        ...

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold others' changes off, and start from the newest state."""
        ...

    def commit(
        self,
        entries: Mapping[str, FileEntry | None],
        dropped: Iterable[str] = (),
        passages: Sequence[Passage] = (),
        progress: Progress | None = None,
    ) -> None:
        """Drop files' passages, embed and add others, note what became of files (None: forget it)."""
        ...

    def compact(self) -> None:
        """Tidy up after commits, so that searches are fast."""
        ...
