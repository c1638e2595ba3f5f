"""Knowledge files to chunks of a collection: find, read in the sandbox, split, store. Only what changed is read, batch by
batch, so that it can be stopped and taken up again."""

import hashlib
import logging
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from src.errors import KnowledgeError
from src.ingest.parse import knowledge_files, readable_kinds
from src.ingest.report import Documents, Report
from src.ingest.split import SPLITTER_VERSION, split_document
from src.ingest.types import Document
from src.ingest.worker import read_files
from src.models.embedders.base import Embedder
from src.search.base import Base, Changes, texts_of
from src.search.index import lead_of
from src.search.knowledge_base import ADDED, STORE, KnowledgeBase, lock_path
from src.search.rows import FileEntry, StoredChunk, keys_of
from src.search.store import FORMAT_VERSION

logger = logging.getLogger(__name__)

# Called with (bytes of knowledge files done, bytes in all).
Progress = Callable[[int, int], None]
# Called with a file's name and what its new version, or its going, changed.
Changed = Callable[[str, Changes], None]
# What an interruption loses at most: some 20 s of embedding on two cores.
BATCH_CHUNKS = 5000
# Indexes of other knowledge files, embedders or versions that stay in the cache.
KEPT = 5
_DIRECTORY_NAME = re.compile(r"index-[0-9a-f]{16}")


@dataclass(frozen=True)
class KnowledgeFile:
    """A file to be indexed under a name of its own; a ``required`` one that cannot be read is an error."""

    path: Path
    name: str
    required: bool = False
    added: bool = False


def open_base(
    paths: Sequence[Path | str],
    embedder: Embedder,
    cache_dir: Path,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    rebuild: bool = False,
    changed: Changed | None = None,
) -> KnowledgeBase:
    """The knowledge base of these files and folders, from ``cache_dir`` where it is there.

    Only files that are new or changed since are read and embedded; one process does it while others wait. A cache
    that cannot be read or written costs a warning in the log, never the index.

    Args:
        workers: processes that parse files.
        rebuild: read and embed everything anew.
        changed: is told of files that were there before.

    Raises:
        KnowledgeError: a path does not exist, a file that was named cannot be read, or there is no text at all.
    """
    files = find_files(paths)
    directory = cache_dir / f"index-{cache_key(paths, embedder)}"
    added = cache_dir / f"{ADDED}-{_hashed(*_places(paths))}"
    _carry_over(paths, embedder, cache_dir, added)
    try:
        base = KnowledgeBase(embedder, directory, added)
        base.verify() if rebuild else base.snapshot()
    except KnowledgeError as error:
        logger.warning("%s（现在自动重建）", error)
        for path in directory.glob(f"{STORE}*"):
            path.unlink()
        base = KnowledgeBase(embedder, directory, added)
    sync(base, files, workers=workers, progress=progress, rebuild=rebuild, changed=changed)
    if base.directory is not None:
        _tidy(directory)
    return base


def cache_key(paths: Sequence[Path | str], embedder: Embedder, version: int | None = None) -> str:
    """16 hexadecimal digits that change with the paths, the embedder, the splitter or the format."""
    version = FORMAT_VERSION if version is None else version
    return _hashed(*_places(paths), embedder.fingerprint, SPLITTER_VERSION, str(version))


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
    changed: Changed | None = None,
) -> None:
    """Make the base hold these files, and those added through the page: changed ones anew, missing ones no more.

    What was indexed before an interruption is not done again.

    Raises:
        KnowledgeError: a required file cannot be used, or there is no text at all; what was indexed until then stays.
    """
    with base.exclusive():
        names = {file.name for file in files}
        files = [*files, *(file for file in _added_files(base) if file.name not in names)]
        entries = base.files()
        now = {file.name: _describe(file, entries.get(file.name)) for file in files}
        gone = {n for n, e in entries.items() if n not in now and not (base.holds_added and e.added)}
        new = {f.name for f in files if rebuild or not _is_done(entries.get(f.name), now[f.name], f.required)}
        replaced = {name for name in new | gone if name in entries and entries[name].complete and not rebuild}
        before = {name: texts_of(base, name) for name in replaced}
        new |= _copies(entries, new | gone) - gone
        todo = [file for file in files if file.name in new]
        base.mark_stale([name for name in new if rebuild or not _is_resumed(entries.get(name), now.get(name))])
        base.commit(dict.fromkeys(gone))
        writer = _Writer(base, progress, sum(now[file.name].size for file in todo), wait=True)
        reading = read_files([(file.path, file.name) for file in todo], workers=workers)
        for file, (name, read) in zip(todo, reading, strict=True):
            writer.take(now[name], read, file.required)
        writer.flush()
        base.compact()
        for name, texts in before.items():
            changes = Changes.between(texts, texts_of(base, name))
            logger.info("%s：新的 %d 段，没变的 %d 段，去掉的 %d 段", name, changes.new, changes.kept, changes.gone)
            if changed is not None:
                changed(name, changes)
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
    _add(base, FileEntry(name, size=sum(len(document.text) for document in documents)), documents, progress)
    if not len(base):
        raise KnowledgeError("没有可用的文字；请检查知识文件")
    return base


def add_file(base: Base, path: Path, name: str, documents: Sequence[Document]) -> tuple[FileEntry, Changes | None]:
    """As ``add_documents``, and keep a copy of the file beside the index, so that it is there after a restart too; an
    added file of that name is replaced, and what that changed is told.

    Raises:
        KnowledgeError: the file is not new, a file of that name comes from the knowledge setting, or as ``add_documents``.
    """
    with base.exclusive():
        before = base.files().get(name)
        if before is not None and not before.added:
            raise KnowledgeError(f"{name} 来自 --knowledge 指定的文件；请在那里换掉它，再运行 python -m src index")
        if not base.holds_added and base.added is None:
            raise KnowledgeError("索引这次只在内存里，加入的文件留不下来；请检查 --cache-dir 的空间和权限")
        entry = _describe(KnowledgeFile(path, name, added=True))
        if before is not None and before.sha256 and before.sha256 == entry.sha256:
            raise KnowledgeError(f"知识库里的 {name} 就是这个文件，内容没有变")
        texts = texts_of(base, name) if before is not None else None
        if base.holds_added:
            entry = _put(base, replace(entry, path=""), documents)
        else:
            assert base.added is not None
            entry = _put_with_copy(base, path, entry, documents, base.added)
        return entry, None if texts is None else Changes.between(texts, texts_of(base, name))


def _put_with_copy(
    base: Base, path: Path, entry: FileEntry, documents: Sequence[Document], folder: Path
) -> FileEntry:
    """``_put``, and the file itself into the folder of added files, once its chunks are there."""
    copy = folder / Path(entry.name).name
    coming = folder.with_name(f"{folder.name}.tmp")
    try:
        folder.mkdir(exist_ok=True)
        shutil.copyfile(path, coming)
        described = _describe(KnowledgeFile(coming, entry.name, added=True))
        made = _put(base, replace(described, path=str(copy.resolve())), documents)
        os.replace(coming, copy)  # until then a restart finds the old file and reads it again
    except OSError as error:
        raise KnowledgeError(
            f"{entry.name} 存不下来：{error.strerror or error}；请检查 --cache-dir 的空间和权限"
        ) from error
    finally:
        coming.unlink(missing_ok=True)
    return made


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
        if base.added is not None:
            (base.added / Path(name).name).unlink(missing_ok=True)
        again = _left_short(base, name)
        base.mark_stale([file.name for file in again])
        base.commit({name: None})
        _read_again(base, again, _Writer(base))


def _put(base: Base, entry: FileEntry, documents: Sequence[Document]) -> FileEntry:
    """A new file's chunks, or new ones in the place of its old ones."""
    writer = _Writer(base)
    writer.check(entry.name, documents)  # before anything changes
    again = _left_short(base, entry.name) if entry.name in base.files() else []
    base.mark_stale([entry.name, *(file.name for file in again)])
    writer.take(entry, documents, required=True)
    _read_again(base, again, writer)
    return base.files()[entry.name]


def _left_short(base: Base, name: str) -> list[KnowledgeFile]:
    """The other files that lack chunks because this one holds them."""
    entries = base.files()
    copies = [entries[other] for other in entries if other in _copies(entries, {name}) and other != name]
    return [KnowledgeFile(Path(e.path), e.name, added=e.added) for e in copies if e.path]


def _read_again(base: Base, files: Sequence[KnowledgeFile], writer: "_Writer") -> None:
    for file, (_, read) in zip(files, read_files([(f.path, f.name) for f in files]), strict=True):
        writer.take(_describe(file), read)
    writer.flush()
    base.compact(wait=False)


def _add(
    base: Base, entry: FileEntry, documents: Sequence[Document], progress: Progress | None = None
) -> FileEntry:
    writer = _Writer(base, progress, entry.size)
    writer.take(entry, documents, required=True)
    writer.flush()
    base.compact(wait=False)
    return base.files()[entry.name]


class _Writer:
    """Splits documents into chunks, leaves out copies, and commits some ``BATCH_CHUNKS`` at a time.

    Args:
        wait: for indexes that have to be built meanwhile.
    """

    def __init__(self, base: Base, progress: Progress | None = None, total: int = 0, *, wait: bool = False) -> None:
        self._base = base
        self._wait = wait
        self._progress = progress
        self._total = total
        self._done = 0.0
        self._batch = _Batch()

    def take(self, entry: FileEntry, read: Sequence[Document] | KnowledgeError, required: bool = False) -> None:
        """A file's documents, from where an interruption left them, or the reason why there are none."""
        if isinstance(read, KnowledgeError):
            self._refuse(entry, read, required)
            return
        report = read.report if isinstance(read, Documents) else Report()
        characters = sum(len(document.title) + len(document.text) for document in read)
        before = self._base.files().get(entry.name)
        if before is not None and _is_resumed(before, entry):
            entry, read = before, read[before.documents :]
        try:
            self.check(entry.name, read)
        except KnowledgeError as error:
            self._refuse(entry, error, required)
            return
        batch = self._batch
        batch.entries[entry.name] = replace(entry, complete=False)
        for document in read:
            batch.add(entry.name, document)
            batch.bytes += entry.size / len(read)
            if len(batch.chunks) >= BATCH_CHUNKS:
                self.flush()
                batch = self._batch
                batch.entries[entry.name] = self._base.files()[entry.name]
        batch.entries[entry.name] = replace(
            batch.entries[entry.name],
            complete=True,
            characters=characters,
            counts={kind: count for kind, count in report.counts.items() if count},
            warnings=tuple(report.warnings),
        )

    def check(self, name: str, documents: Sequence[Document]) -> None:
        """Raises KnowledgeError: an id is there twice, or what ``Base.check`` says."""
        self._check_ids(name, documents)
        self._base.check(name, documents)

    def flush(self) -> None:
        """Embed and commit what has been collected."""
        batch, self._batch = self._batch, _Batch()
        if not batch.entries:
            return
        kept = self._without_copies(batch)
        for stored in kept:
            entry = batch.entries[stored.file]
            batch.entries[stored.file] = replace(entry, chunks=entry.chunks + 1)
        self._base.commit(batch.entries, kept, batch.refused, self._within(batch.bytes))
        if self._base.added is not None:
            # So that a search in another process does not go through many tails.
            self._base.compact(more=True, wait=self._wait)
        self._done += batch.bytes
        self._report(self._done)

    def _refuse(self, entry: FileEntry, reason: KnowledgeError, required: bool) -> None:
        if required:
            self.flush()
            raise reason
        logger.warning("跳过：%s", reason)
        self._batch.entries[entry.name] = replace(entry, problem=str(reason))
        self._batch.refused.append(entry.name)
        self._batch.bytes += entry.size

    def _without_copies(self, batch: "_Batch") -> list[StoredChunk]:
        """The chunks that are not in the store yet; counts the others with their files."""
        keys = [keys_of(stored.chunk) for stored in batch.chunks]
        same_as = self._base.holders("exact", [exact for exact, _ in keys])
        like = self._base.holders("near", [near for _, near in keys if near is not None])
        kept: list[StoredChunk] = []
        for stored, (exact, near) in zip(batch.chunks, keys, strict=True):
            entry = batch.entries[stored.file]
            if (holder := same_as.get(exact)) is not None:
                entry = replace(entry, duplicates=entry.duplicates + 1)
            elif near is not None and (holder := like.get(near)) is not None:
                entry = replace(entry, near_duplicates=entry.near_duplicates + 1)
            else:
                kept.append(stored)
                same_as[exact] = stored.file
                if near is not None:
                    like[near] = stored.file
                continue
            if holder != stored.file and holder not in entry.copies_of:
                entry = replace(entry, copies_of=(*entry.copies_of, holder))
            batch.entries[stored.file] = entry
        return kept

    def _check_ids(self, name: str, documents: Sequence[Document]) -> None:
        ids = [document.doc_id for document in documents]
        for doc_id, count in Counter(ids).items():
            if count > 1:
                raise KnowledgeError(f"{name} 里文档 id {doc_id!r} 重复；请改成不重复的 id")
        holders = self._base.holders("doc_id", ids) | {i: self._batch.ids[i] for i in ids if i in self._batch.ids}
        for known, holder in holders.items():
            if holder != name:  # not of the version that is replaced
                raise KnowledgeError(f"文档 id {known!r} 在 {holder} 和 {name} 里都有；请改成不重复的 id")

    def _within(self, size: float) -> Callable[[int, int], None]:
        return lambda done, total: self._report(self._done + size * done / total)

    def _report(self, done: float) -> None:
        if self._progress is not None:
            self._progress(min(round(done), self._total), self._total)


@dataclass
class _Batch:
    """What is committed next; ``ids``: of its documents, and whose they are."""

    chunks: list[StoredChunk] = field(default_factory=list)
    entries: dict[str, FileEntry] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    bytes: float = 0.0

    def add(self, name: str, document: Document) -> None:
        lead = lead_of(document)
        for chunk in split_document(document):
            self.chunks.append(StoredChunk(chunk, name, lead if chunk.start >= len(lead) else ""))
        self.ids[document.doc_id] = name
        self.entries[name] = replace(self.entries[name], documents=self.entries[name].documents + 1)


def _added_files(base: Base) -> list[KnowledgeFile]:
    if base.added is None or not base.added.is_dir():
        return []
    return [KnowledgeFile(path, path.name, added=True) for path in sorted(base.added.iterdir()) if path.is_file()]


def _carry_over(paths: Sequence[Path | str], embedder: Embedder, cache_dir: Path, added: Path) -> None:
    """Move files that were added before they had a folder of their own: it was in that of the index, which a new
    format leaves behind."""
    for version in range(FORMAT_VERSION, 0, -1):
        old = cache_dir / f"index-{cache_key(paths, embedder, version)}" / ADDED
        try:
            for path in old.iterdir() if old.is_dir() else ():
                added.mkdir(exist_ok=True)
                path.rename(added / path.name) if not (added / path.name).exists() else path.unlink()
        except OSError as error:
            logger.warning("以前加入的文件没有都从 %s 移到 %s（%s）", old, added, error)


def _copies(entries: Mapping[str, FileEntry], lost: set[str]) -> set[str]:
    """The files that were left short because ``lost`` ones, or those read again for them, held the same passages."""
    found: set[str] = set(lost)
    while more := {name for name, e in entries.items() if name not in found and found & set(e.copies_of)}:
        found |= more
    return found


def _is_done(entry: FileEntry | None, now: FileEntry, required: bool) -> bool:
    return entry is not None and entry.complete and _is_same(entry, now) and not (required and entry.problem)


def _is_resumed(entry: FileEntry | None, now: FileEntry | None) -> bool:
    """Whether an interruption left the same file half done."""
    return entry is not None and now is not None and not entry.complete and _is_same(entry, now)


def _is_same(entry: FileEntry, now: FileEntry) -> bool:
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


def _places(paths: Sequence[Path | str]) -> list[str]:
    return sorted({str(Path(path).resolve()) for path in paths})


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _tidy(current: Path) -> None:
    """Delete all but the indexes used last, except where a process is at work."""
    try:
        os.utime(current)
        found = [p for p in current.parent.iterdir() if p.is_dir() and _DIRECTORY_NAME.fullmatch(p.name)]
        for old in sorted(found, key=lambda p: p.stat().st_mtime, reverse=True)[KEPT:]:
            with FileLock(lock_path(old), timeout=0):
                shutil.rmtree(old, ignore_errors=True)
    except (OSError, Timeout) as error:
        logger.debug("索引缓存没有清理：%s", error)
