"""Index directories: written whole or not at all, checked when read."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from src.errors import KnowledgeError

MANIFEST = "manifest.json"
KIND = "yuanzhi-index"
# Part of every cache key: raise it when the files, the terms or the dense windows change.
FORMAT_VERSION = 4
# Some 20 ms of checksums; larger files are checked in full by ``verify``.
ALWAYS_VERIFIED_BYTES = 32_000_000


def write_directory(directory: Path, manifest: dict[str, Any], write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a folder beside ``directory``, add the manifest, then give it its name.

    Raises:
        OSError: no room, no permission, or ``directory`` is there already; nothing is left behind.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{directory.name}.tmp-", dir=directory.parent))
    try:
        write(work)
        files = {name: _describe(work / name) for name in _file_names(work)}
        body = {"kind": KIND, "format_version": FORMAT_VERSION, **manifest, "files": files}
        (work / MANIFEST).write_text(json.dumps(body, ensure_ascii=False, indent=2), "utf-8")
        for name in [*files, MANIFEST]:
            _flush(work / name)
        work.chmod(0o755)
        os.rename(work, directory)
        _flush_folder(directory.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_file(path: Path, text: str) -> None:
    """Replace a file's content, whole or not at all, also when the power fails.

    Raises:
        OSError: no room or no permission; the file is then as it was.
    """
    work = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    try:
        work.write_text(text, "utf-8")
        _flush(work)
        os.replace(work, path)
        _flush_folder(path.parent)
    finally:
        work.unlink(missing_ok=True)


def read_manifest(directory: Path, *, verify: bool = True) -> dict[str, Any]:
    """The manifest, after every file named in it was found unchanged.

    Args:
        verify: compare the checksums of large files too; otherwise only their size, so that opening a large index
            does not read all of it.

    Raises:
        KnowledgeError: missing, of another format, or a file is missing, added or altered.
    """
    try:
        manifest = json.loads((directory / MANIFEST).read_text("utf-8"))
        if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
            raise damaged(directory, f"{MANIFEST} 不是索引清单")
        if manifest.get("format_version") != FORMAT_VERSION:
            came = manifest.get("format_version")
            raise damaged(directory, f"格式版本是 {came}，应为 {FORMAT_VERSION}")
        files = manifest["files"]
        if set(files) != set(_file_names(directory)):
            raise damaged(directory, "文件与清单不符")
        for name, expected in files.items():
            _compare(directory, name, expected, verify)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(directory, f"清单读不出来：{error}") from error
    return manifest


def file_names(directory: Path) -> list[str] | None:
    """The knowledge files of a segment that is damaged otherwise; None where not even those can be read."""
    try:
        return [str(name) for name in json.loads((directory / MANIFEST).read_text("utf-8"))["file_names"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def damaged(directory: Path, reason: str) -> KnowledgeError:
    """One wording for every way an index directory can be wrong."""
    return KnowledgeError(f"索引 {directory} 不可用：{reason}；请运行 python -m src index --rebuild 重建")


def _file_names(directory: Path) -> list[str]:
    found = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    return sorted(name for name in found if name != MANIFEST)


def _compare(directory: Path, name: str, expected: dict[str, Any], verify: bool) -> None:
    path = directory / name
    if path.stat().st_size != expected["bytes"]:
        raise damaged(directory, f"{name} 的大小不符")
    if (verify or expected["bytes"] <= ALWAYS_VERIFIED_BYTES) and _describe(path) != expected:
        raise damaged(directory, f"{name} 的校验和不符")


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _flush(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _flush_folder(path: Path) -> None:
    """Make a new name last; there is nothing to do where folders cannot be opened (Windows)."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
