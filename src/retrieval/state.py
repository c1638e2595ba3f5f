"""What a knowledge base consists of: its files and segments, in one JSON file that is replaced whole."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from src.errors import KnowledgeError
from src.knowledge.split import SPLITTER_VERSION
from src.retrieval.manifest import FORMAT_VERSION, damaged, write_file

STATE = "base.json"
_KIND = "yuanzhi-knowledge-base"


@dataclass(frozen=True)
class FileEntry:
    """What became of one knowledge file.

    Attributes:
        path: where it was read from; empty for what was not read from a file that stays.
        size, mtime_ns, sha256: of the file as it was read.
        documents, chunks: how many of it are in the index; while ``complete`` is false, so far.
        duplicates, near_duplicates: chunks left out because an equal or nearly equal one is in the index.
        copies_of: the files that those are in; when one of them goes, this file is read again.
        problem: why nothing of it is in the index; empty if it is.
        added: it was added through the page and is kept beside the index.
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


@dataclass(frozen=True)
class State:
    """One generation of a knowledge base.

    Attributes:
        segments: names of the segment directories, each with the files of it that are not to be found any more.
    """

    embedder: str
    fingerprint: str
    built_at: str = ""
    generation: int = 0
    segments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, FileEntry] = field(default_factory=dict)

    def save(self, directory: Path) -> None:
        """Replace the file in ``directory``.

        Raises:
            OSError: no room or no permission; the old one is then still there.
        """
        body = {
            "kind": _KIND,
            "format_version": FORMAT_VERSION,
            "splitter": SPLITTER_VERSION,
            **{name: getattr(self, name) for name in ("embedder", "fingerprint", "built_at", "generation")},
            "segments": {name: list(dropped) for name, dropped in self.segments.items()},
            "files": [asdict(entry) for entry in self.files.values()],
        }
        write_file(directory / STATE, json.dumps(body, ensure_ascii=False, indent=1))

    @classmethod
    def load(cls, directory: Path) -> "State | None":
        """Read it; None where there is none yet.

        Raises:
            KnowledgeError: not readable, or of another version.
        """
        try:
            body: dict[str, Any] = json.loads((directory / STATE).read_text("utf-8"))
            versions = (body["kind"], body["format_version"], body["splitter"])
            if versions != (_KIND, FORMAT_VERSION, SPLITTER_VERSION):
                raise damaged(directory, f"版本不符：{versions}")
            entries = [FileEntry(**{**file, "copies_of": tuple(file["copies_of"])}) for file in body["files"]]
            return cls(
                embedder=str(body["embedder"]),
                fingerprint=str(body["fingerprint"]),
                built_at=str(body["built_at"]),
                generation=int(body["generation"]),
                segments={str(name): tuple(dropped) for name, dropped in body["segments"].items()},
                files={entry.name: entry for entry in entries},
            )
        except FileNotFoundError:
            return None
        except KnowledgeError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged(directory, f"{STATE} 读不出来：{error}") from error
