"""Knowledge files to passages of a knowledge base: only what changed is read, batch by batch, so that it can be
stopped and taken up again."""

import hashlib
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from src.embedding.base import Embedder
from src.errors import KnowledgeError
from src.knowledge.copies import copy_keys
from src.knowledge.parse import knowledge_files, readable_kinds
from src.knowledge.split import split_document
from src.knowledge.types import Document
from src.knowledge.worker import read_files
from src.retrieval.base import Base
from src.retrieval.knowledge_base import ADDED, KnowledgeBase
from src.retrieval.passages import Passage
from src.retrieval.segment import document_key, lead_of
from src.retrieval.state import FileEntry

logger = logging.getLogger(__name__)

# Called with (bytes of knowledge files done, bytes in all).
Progress = Callable[[int, int], None]
# What an interruption loses at most: some 20 s of embedding on two cores.
BATCH_PASSAGES = 5000


@dataclass(frozen=True)
class KnowledgeFile:
    """A file to be indexed under a name of its own; a ``required`` one that cannot be read is an error."""

    path: Path
    name: str
    required: bool = False
    added: bool = False


def find_files(paths: Sequence[Path | str]) -> list[KnowledgeFile]:
    """The files that ``paths`` mean; those named one by one are required, those of a folder are not.

    Raises:
        KnowledgeError: a path does not exist.
    """
    named = {Path(path).resolve() for path in paths}
    return [KnowledgeFile(path, name, path.resolve() in named) for path, name in knowledge_files(paths)]


def sync(
    base: Base,
    files: Sequence[KnowledgeFile],
    *,
    workers: int = 1,
    progress: Progress | None = None,
    rebuild: bool = False,
) -> None:
    """Make the base hold these files, and those added through the page: changed ones anew, missing ones no more.

    What was indexed before an interruption is not done again.

    Raises:
        KnowledgeError: a required file cannot be used, or there is no text at all; what was indexed until then stays.
    """
    with base.exclusive():
        if rebuild:
            base.commit(_forgotten(base.files()))
        names = {file.name for file in files}
        files = [*files, *(file for file in _added_files(base) if file.name not in names)]
        entries = base.files()
        stamps = {file.name: _describe(file, entries.get(file.name)) for file in files}
        changed = {
            file.name for file in files if not _is_done(entries.get(file.name), stamps[file.name], file.required)
        }
        gone = {n for n, e in entries.items() if n not in stamps and not (base.holds_added and e.added)}
        changed |= _copies(entries, changed | gone) - gone
        todo = [file for file in files if file.name in changed]
        writer = _Writer(
            base, stale=changed | gone, progress=progress, total=sum(stamps[f.name].size for f in todo)
        )
        if gone:
            base.commit(dict.fromkeys(gone), gone)
        paths = [(file.path, file.name) for file in todo]
        for file, (name, read) in zip(todo, read_files(paths, workers=workers), strict=True):
            if isinstance(read, KnowledgeError):
                writer.refuse(stamps[name], read, file.required)
            else:
                writer.add(stamps[name], read, file.required)
        writer.flush()
        base.compact()
    if not len(base):
        shown = "、".join(file.name for file in files) or "（没有给出文件）"
        raise KnowledgeError(f"知识库 {shown} 里没有可用的文字；请放入 {readable_kinds()} 文件")


def add_documents(base: Base, name: str, documents: Sequence[Document]) -> FileEntry:
    """Add one file's documents, already read, and tell what became of them.

    Raises:
        KnowledgeError: a file of that name is in the base, or a document id of it, or it only repeats what is there.
    """
    with base.exclusive():
        if name in base.files():
            raise KnowledgeError("这个文件名已经加入过了")
        return _add(base, FileEntry(name), documents)


def base_of(
    documents: Sequence[Document], embedder: Embedder, name: str = "documents", progress: Progress | None = None
) -> KnowledgeBase:
    """A knowledge base in memory; ``progress`` counts characters. Raises KnowledgeError: no text, or one id twice."""
    base = KnowledgeBase(embedder)
    size = sum(len(document.text) for document in documents)
    with base.exclusive():
        writer = _Writer(base, stale=set(), progress=progress, total=size)
        writer.add(FileEntry(name, size=size), documents, required=True)
        writer.flush()
        base.compact()
    if not len(base):
        raise KnowledgeError("没有可用的文字；请检查知识文件")
    return base


def add_file(base: Base, path: Path, name: str, documents: Sequence[Document]) -> FileEntry:
    """As ``add_documents``, and keep a copy of the file beside the index, so that it is there after a restart too."""
    with base.exclusive():
        if name in base.files():
            raise KnowledgeError(f"知识库里已经有 {name}；请改名后再加入")
        if base.holds_added:
            return _add(base, FileEntry(name, added=True), documents)
        if base.directory is None:
            raise KnowledgeError("索引这次只在内存里，加入的文件留不下来；请检查 --cache-dir 的空间和权限")
        copy = base.directory / ADDED / Path(name).name
        try:
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, copy)
        except OSError as error:
            raise KnowledgeError(
                f"{name} 存不下来：{error.strerror or error}；请检查 --cache-dir 的空间和权限"
            ) from error
        try:
            return _add(base, _describe(KnowledgeFile(copy, name, added=True)), documents)
        except BaseException:
            copy.unlink(missing_ok=True)
            raise


def remove_file(base: Base, name: str) -> None:
    """Delete an added file and everything of it.

    Raises:
        KnowledgeError: there is no such file, or it comes from the knowledge setting.
    """
    with base.exclusive():
        entry = base.files().get(name)
        if entry is None:
            raise KnowledgeError(f"知识库里没有 {name[:100]}")
        if not entry.added:
            raise KnowledgeError(f"{name} 来自 --knowledge 指定的文件；请从那里删掉它，再运行 python -m src index")
        if base.directory is not None:
            (base.directory / ADDED / Path(name).name).unlink(missing_ok=True)
        copies = _copies(base.files(), {name}) - {name}
        base.commit({name: None}, {name})
        if copies:
            _read_again(base, copies)
        base.compact()


def _add(base: Base, entry: FileEntry, documents: Sequence[Document]) -> FileEntry:
    writer = _Writer(base, stale=set(), progress=None, total=0)
    writer.add(entry, documents, required=True)
    writer.flush()
    base.compact()
    return base.files()[entry.name]


class _Writer:
    """Collects passages and commits them, some ``BATCH_PASSAGES`` at a time."""

    def __init__(self, base: Base, stale: set[str], progress: Progress | None, total: int) -> None:
        self._base = base
        self._stale = stale
        self._progress = progress
        self._total = total
        self._done = 0.0
        self._batch = _Batch()

    def refuse(self, entry: FileEntry, reason: KnowledgeError, required: bool) -> None:
        """Note why a file is not in the index; drops what an earlier version of it left there."""
        if required:
            self.flush()
            raise reason
        logger.warning("跳过：%s", reason)
        self._batch.entries[entry.name] = replace(entry, problem=str(reason))
        self._batch.bytes += entry.size

    def add(self, entry: FileEntry, documents: Sequence[Document], required: bool) -> None:
        """Take a file's documents, from where an interruption left them."""
        before = self._base.files().get(entry.name)
        resumed = before is not None and not before.complete and before.sha256 == entry.sha256
        if before is not None and resumed:
            entry, documents = before, documents[before.documents :]
            self._stale.discard(entry.name)
        try:
            self._check_ids(entry.name, documents)
            self._base.check(entry.name, documents)
        except KnowledgeError as error:
            self.refuse(entry, error, required)
            return
        self._batch.entries[entry.name] = replace(entry, complete=False)
        for document in documents:
            self._batch.add(entry.name, document)
            self._batch.bytes += entry.size / len(documents)
            if len(self._batch.passages) >= BATCH_PASSAGES:
                self.flush()
                self._batch.entries[entry.name] = self._base.files()[entry.name]
        self._batch.entries[entry.name] = replace(self._batch.entries[entry.name], complete=True)

    def flush(self) -> None:
        """Embed and commit what has been collected."""
        batch, self._batch = self._batch, _Batch()
        if not batch.entries:
            return
        kept = self._without_copies(batch)
        for passage in kept:
            entry = batch.entries[passage.file]
            batch.entries[passage.file] = replace(entry, chunks=entry.chunks + 1)
        # Rows of an earlier version, or of one whose entry was lost with a damaged segment.
        replaced = {name for name in batch.entries if name in self._stale}
        self._base.commit(batch.entries, replaced, kept, self._within(batch.bytes))
        self._stale -= replaced
        self._done += batch.bytes
        self._report(self._done)

    def _without_copies(self, batch: "_Batch") -> list[Passage]:
        """The passages that are not in the index yet; counts the others with their files."""
        keys = [copy_keys(passage.chunk.title, passage.chunk.text) for passage in batch.passages]
        columns = np.array(keys, dtype=np.uint64).reshape(-1, 2)
        exact = self._base.owners("exact", columns[:, 0], self._stale)
        near = self._base.owners("near", columns[:, 1], self._stale)
        kept: list[Passage] = []
        for passage, (same, alike) in zip(batch.passages, keys, strict=True):
            entry = batch.entries[passage.file]
            if (owner := exact.get(same)) is not None:
                entry = replace(entry, duplicates=entry.duplicates + 1)
            elif alike and (owner := near.get(alike)) is not None:
                entry = replace(entry, near_duplicates=entry.near_duplicates + 1)
            else:
                kept.append(passage)
                exact[same] = near[alike] = passage.file
                continue
            if owner != passage.file and owner not in entry.copies_of:
                entry = replace(entry, copies_of=(*entry.copies_of, owner))
            batch.entries[passage.file] = entry
        return kept

    def _check_ids(self, name: str, documents: Sequence[Document]) -> None:
        keys = {document_key(document.doc_id): document.doc_id for document in documents}
        if len(keys) < len(documents):
            seen: set[str] = set()
            repeated = next(d.doc_id for d in documents if d.doc_id in seen or seen.add(d.doc_id))  # type: ignore[func-returns-value]
            raise KnowledgeError(f"{name} 里文档 id {repeated!r} 重复；请改成不重复的 id")
        owners = self._base.owners("documents", np.fromiter(keys, dtype=np.uint64, count=len(keys)), self._stale)
        owners |= {key: owner for key, owner in self._batch.documents.items() if key in keys}
        for key, owner in owners.items():
            raise KnowledgeError(f"文档 id {keys[key]!r} 在 {owner} 和 {name} 里都有；请改成不重复的 id")

    def _within(self, size: float) -> Callable[[int, int], None]:
        return lambda done, total: self._report(self._done + size * done / total)

    def _report(self, done: float) -> None:
        if self._progress is not None:
            self._progress(min(round(done), self._total), self._total)


@dataclass
class _Batch:
    """What the next segment will hold; ``documents``: keys of their ids, and whose they are."""

    passages: list[Passage] = field(default_factory=list)
    entries: dict[str, FileEntry] = field(default_factory=dict)
    documents: dict[int, str] = field(default_factory=dict)
    bytes: float = 0.0

    def add(self, name: str, document: Document) -> None:
        lead = lead_of(document)
        for chunk in split_document(document):
            self.passages.append(Passage(chunk, name, lead if chunk.start >= len(lead) else ""))
        self.documents[document_key(document.doc_id)] = name
        self.entries[name] = replace(self.entries[name], documents=self.entries[name].documents + 1)


def _added_files(base: Base) -> list[KnowledgeFile]:
    if base.directory is None or not (folder := base.directory / ADDED).is_dir():
        return []
    return [KnowledgeFile(path, path.name, added=True) for path in sorted(folder.iterdir()) if path.is_file()]


def _read_again(base: Base, names: set[str]) -> None:
    """Index files anew whose passages were left out as copies of what is gone now."""
    base.commit(_forgotten({name: base.files()[name] for name in names}))
    writer = _Writer(base, stale=set(names), progress=None, total=0)
    files = [
        KnowledgeFile(Path(entry.path), name, added=entry.added)
        for name, entry in base.files().items()
        if name in names and entry.path
    ]
    for file, (_, read) in zip(files, read_files([(f.path, f.name) for f in files]), strict=True):
        if isinstance(read, KnowledgeError):
            writer.refuse(_describe(file), read, required=False)
        else:
            writer.add(_describe(file), read, required=False)
    writer.flush()


def _forgotten(entries: Mapping[str, FileEntry]) -> dict[str, FileEntry]:
    """The entries such that every file counts as changed; until it is read again, its passages stay."""
    return {name: replace(entry, mtime_ns=0, sha256="") for name, entry in entries.items()}


def _copies(entries: Mapping[str, FileEntry], lost: set[str]) -> set[str]:
    """The files that were left short because ``lost`` ones, or those read again for them, held the same passages."""
    found: set[str] = set(lost)
    while more := {name for name, e in entries.items() if name not in found and found & set(e.copies_of)}:
        found |= more
    return found


def _is_done(entry: FileEntry | None, now: FileEntry, required: bool) -> bool:
    if entry is None or not entry.complete or (required and entry.problem):
        return False
    return bool(now.sha256) and entry.sha256 == now.sha256


def _describe(file: KnowledgeFile, before: FileEntry | None = None) -> FileEntry:
    """Size, time and checksum; without a checksum where the file cannot be read, which reading it will explain."""
    path = str(file.path.resolve())
    try:
        status = file.path.stat()
        digest = (
            before.sha256
            if before and (before.size, before.mtime_ns) == (status.st_size, status.st_mtime_ns)
            else ""
        )
        if not digest:
            with file.path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return FileEntry(file.name, path, status.st_size, status.st_mtime_ns, digest, added=file.added)
    except OSError:
        return FileEntry(file.name, path, added=file.added)
