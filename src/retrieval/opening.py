"""Finds the index of the knowledge files in the cache, brings it up to date, and tidies the cache up."""

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from src.embedding.base import Embedder
from src.knowledge.split import SPLITTER_VERSION
from src.retrieval.indexing import Progress, find_files, sync
from src.retrieval.knowledge_base import KnowledgeBase, lock_path
from src.retrieval.manifest import FORMAT_VERSION

logger = logging.getLogger(__name__)

# Indexes of other knowledge files, embedders or versions that stay in the cache.
KEPT = 5
_DIRECTORY_NAME = re.compile(r"index-[0-9a-f]{16}")


def open_base(
    paths: Sequence[Path | str],
    embedder: Embedder,
    cache_dir: Path,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    rebuild: bool = False,
) -> KnowledgeBase:
    """The knowledge base of these files and folders, from ``cache_dir`` where it is there.

    Only files that are new or changed since are read and embedded; one process does it while others wait. A cache
    that cannot be read or written costs a warning in the log, never the index.

    Args:
        workers: processes that parse files.
        rebuild: read and embed everything anew.

    Raises:
        KnowledgeError: a path does not exist, a file that was named cannot be read, or there is no text at all.
    """
    files = find_files(paths)
    directory = cache_dir / f"index-{cache_key(paths, embedder)}"
    base = KnowledgeBase(embedder, directory)
    sync(base, files, workers=workers, progress=progress, rebuild=rebuild)
    if base.directory is not None:
        _tidy(directory)
    return base


def cache_key(paths: Sequence[Path | str], embedder: Embedder) -> str:
    """16 hexadecimal digits that change with the paths, the embedder, the splitter or the format."""
    where = sorted({str(Path(path).resolve()) for path in paths})
    parts = [*where, embedder.fingerprint, SPLITTER_VERSION, str(FORMAT_VERSION)]
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
