"""The chunks of a segment as JSON lines, in memory or mapped from a file: only what is looked at is read."""

import json
import mmap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np

from src.knowledge.types import Chunk

TEXT_FILE, OFFSETS_FILE = "chunks.jsonl", "offsets.npy"


@dataclass(frozen=True)
class Passage:
    """A chunk with what is indexed beside its own text.

    Attributes:
        file: name of the knowledge file it came from.
        lead: its document's first sentence, where that is not in the chunk itself; else empty.
    """

    chunk: Chunk
    file: str
    lead: str = ""


class Passages(Sequence[Passage]):
    """Read-only; a passage is parsed each time it is asked for."""

    def __init__(self, lines: bytes | mmap.mmap, offsets: np.ndarray) -> None:
        """``offsets`` int64 (n + 1,): line i is ``lines[offsets[i]:offsets[i + 1]]``."""
        self._lines = lines
        self._offsets = offsets

    @classmethod
    def of(cls, passages: Iterable[Passage]) -> "Passages":
        """Passages in memory, in the order given."""
        return cls.from_lines(_line(passage) for passage in passages)

    @classmethod
    def from_lines(cls, lines: Iterable[bytes]) -> "Passages":
        """From what ``line`` gave."""
        kept = list(lines)
        offsets = np.cumsum([0, *map(len, kept)], dtype=np.int64)
        return cls(b"".join(kept), offsets)

    @classmethod
    def load(cls, directory: Path) -> "Passages":
        """Map what ``save`` wrote.

        Raises:
            OSError, ValueError: missing, or offsets and text do not fit together.
        """
        offsets = np.load(directory / OFFSETS_FILE, allow_pickle=False)
        path = directory / TEXT_FILE
        size = path.stat().st_size
        if offsets.ndim != 1 or len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != size:
            raise ValueError(f"{OFFSETS_FILE} does not fit {TEXT_FILE}")
        with path.open("rb") as stream:
            return cls(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ), offsets)

    def save(self, directory: Path) -> None:
        """Write two files."""
        with (directory / TEXT_FILE).open("wb") as stream:
            stream.write(self._lines)
        np.save(directory / OFFSETS_FILE, self._offsets, allow_pickle=False)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> Passage: ...
    @overload
    def __getitem__(self, index: slice) -> list[Passage]: ...
    def __getitem__(self, index: int | slice) -> Passage | list[Passage]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        record: dict[str, Any] = json.loads(self.line(range(len(self))[index]))
        file, lead = record.pop("file"), record.pop("lead", "")
        return Passage(Chunk(**record), file, lead)

    def __iter__(self) -> Iterator[Passage]:
        return (self[i] for i in range(len(self)))

    def line(self, row: int) -> bytes:
        """The stored bytes of one passage."""
        return self._lines[int(self._offsets[row]) : int(self._offsets[row + 1])]

    @property
    def nbytes(self) -> int:
        """Size of the stored lines in bytes."""
        return int(self._offsets[-1])


def _line(passage: Passage) -> bytes:
    record = {**asdict(passage.chunk), "file": passage.file}
    if passage.lead:
        record["lead"] = passage.lead
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
