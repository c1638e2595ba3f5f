"""What is built once and found again: index directories in a cache folder."""

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from filelock import FileLock, Timeout

from src.embedding.base import Embedder
from src.errors import KnowledgeError
from src.knowledge.parse import load_documents
from src.knowledge.split import SPLITTER_VERSION
from src.knowledge.types import Document
from src.retrieval.knowledge_index import KnowledgeIndex, Progress, content_hash
from src.retrieval.manifest import FORMAT_VERSION

logger = logging.getLogger(__name__)

KEPT = 5
# As long as another process may take to build the same index before this one builds its own.
LOCK_TIMEOUT_S = 900.0
_DIRECTORY_NAME = re.compile(r"index-[0-9a-f]{16}(\.tmp-.+)?")


def open_or_build(
    knowledge: Sequence[Document] | Sequence[Path | str],
    embedder: Embedder,
    cache_dir: Path,
    progress: Progress | None = None,
    rebuild: bool = False,
) -> KnowledgeIndex:
    """The index of these documents (or files and folders), from ``cache_dir`` if it is there unharmed.

    A start from the cache embeds nothing; one process builds while others wait for it. A cache that
    cannot be read or written costs a warning in the log, never the index. ``rebuild`` builds anew
    whatever is there.

    Raises:
        KnowledgeError: the knowledge cannot be read or holds nothing usable.
    """
    documents = _documents(knowledge)
    directory = cache_dir / f"index-{cache_key(documents, embedder)}"
    if not rebuild and (index := _load(directory)) is not None:
        return index
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(_lock_path(directory), timeout=LOCK_TIMEOUT_S)
        lock.acquire()
    except (OSError, NotImplementedError, Timeout) as error:
        logger.warning("索引缓存 %s 不能用（%s），这次只放在内存里", cache_dir, error)
        return KnowledgeIndex.build(documents, embedder, progress)
    try:
        # Another process may have built it while this one waited.
        if not rebuild and (index := _load(directory, quiet=True)) is not None:
            return index
        index = KnowledgeIndex.build(documents, embedder, progress)
        _save(index, directory)
        return index
    finally:
        lock.release()


def cache_key(documents: Sequence[Document], embedder: Embedder) -> str:
    """16 hexadecimal digits that change with the content, the embedder, the splitter or the format."""
    parts = [content_hash(documents), embedder.fingerprint, SPLITTER_VERSION, str(FORMAT_VERSION)]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def _documents(knowledge: Sequence[Document] | Sequence[Path | str]) -> list[Document]:
    documents = [item for item in knowledge if isinstance(item, Document)]
    paths = [item for item in knowledge if not isinstance(item, Document)]
    return documents + load_documents(paths) if paths or not documents else documents


def _load(directory: Path, quiet: bool = False) -> KnowledgeIndex | None:
    if not directory.exists():
        return None
    try:
        index = KnowledgeIndex.load(directory)
    except KnowledgeError as error:
        if not quiet:
            logger.warning("%s（现在自动重建）", error)
        return None
    try:
        os.utime(directory)  # the newest used are kept
    except OSError:
        logger.debug("%s 的时间改不了", directory)
    return index


def _save(index: KnowledgeIndex, directory: Path) -> None:
    try:
        index.save(directory)
        _prune(directory)
    except (OSError, RuntimeError) as error:  # FAISS reports a full disk as a RuntimeError
        logger.warning("索引存不进 %s（%s），这次只放在内存里", directory, error)


def _prune(current: Path) -> None:
    """Delete all but the newest indexes and what broken-off saves left, except where a process is at work."""
    found = [p for p in current.parent.iterdir() if p.is_dir() and _DIRECTORY_NAME.fullmatch(p.name)]
    whole = sorted((p for p in found if "." not in p.name), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in [*whole[KEPT:], *(p for p in found if "." in p.name)]:
        owner = old.with_name(old.name.split(".")[0])
        if old == current:
            continue
        try:
            # Locks are per process: this one already holds the lock of ``current``.
            with FileLock(_lock_path(owner), timeout=0) if owner != current else nullcontext():
                shutil.rmtree(old, ignore_errors=True)
        except Timeout:
            continue


def _lock_path(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.lock")
