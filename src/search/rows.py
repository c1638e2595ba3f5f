"""Rows of a store: what became of a file, a chunk, and what indexes are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from src.ingest.copies import copy_keys
from src.ingest.types import Chunk


@dataclass(frozen=True)
class FileEntry:
    """What became of one knowledge file.

    Attributes:
        path: where it was read from; empty for what was not read from a file that stays.
        size, mtime_ns, sha256: of the file as it was read.
        documents, chunks: how many of it are in the store; while ``complete`` is false, so far.
        duplicates, near_duplicates: chunks left out because an equal or nearly equal one is in the store.
        copies_of: the files that those are in; when one of them goes, this file is read again.
        problem: why nothing of it is in the store; empty if it is.
        added: it was added through the page and is kept beside the store.
        characters: of all texts that were read.
        counts, warnings: what was found in it and what was left out, as in ``Report``.
    """

    name: str
    path: str = ""
    size: int = 0
    mtime_ns: int = 0
    sha256: str = ""
    documents: int = 0
    chunks: int = 0
    duplicates: int = 0
    near_duplicates: int = 0
    copies_of: tuple[str, ...] = ()
    complete: bool = True
    problem: str = ""
    added: bool = False
    characters: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def read(self) -> dict[str, Any]:
        """What was read of it and what was left out, in JSON."""
        warnings = {"warnings": list(self.warnings)} if self.warnings else {}
        return {"characters": self.characters, "counts": dict(self.counts), **warnings}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "FileEntry":
        """What ``asdict`` made, after a way through JSON."""
        return cls(**{**value, "copies_of": tuple(value["copies_of"]), "warnings": tuple(value["warnings"])})


@dataclass(frozen=True)
class StoredChunk:
    """A chunk with what is stored beside its own fields.

    Attributes:
        file: name of the knowledge file it came from.
        lead: its document's first sentence, where that is not in the chunk itself; else empty.
        id, order: of the row, and its place among all; chunks of one file stand together, as they do in it.
        terms: number of its index terms, repeated ones counted again.
        enabled, edited: by the owner; one that is not enabled is not found.
    """

    chunk: Chunk
    file: str
    lead: str = ""
    id: int = field(default=0, compare=False)
    terms: int = field(default=0, compare=False)
    enabled: bool = True
    edited: bool = False
    order: tuple[int, int] = field(default=(0, 0), compare=False)

    @property
    def index_text(self) -> str:
        """What of it the lexical side counts."""
        return "\n".join(part for part in (self.chunk.title, self.lead, self.chunk.text) if part)


class NewChunk(NamedTuple):
    """A chunk to be stored, its index terms, and the vectors of its windows, (windows, dimension)."""

    stored: StoredChunk
    terms: Sequence[str]
    windows: np.ndarray


class Indexable(NamedTuple):
    """One row of what indexes are made of: term numbers int32 (terms,), windows float16 (windows, dimension)."""

    id: int
    tokens: np.ndarray
    windows: np.ndarray


def signed(key: int) -> int:
    """The 64 bits of a key as a database's INTEGER."""
    return key - 2**64 if key >= 2**63 else key


def keys_of(chunk: Chunk) -> tuple[int, int | None]:
    """(exact, near) as ``copy_keys``, signed; None where a text is too short for near copies."""
    exact, near = copy_keys(chunk.title, chunk.text)
    return signed(exact), signed(near) if near else None
