"""Index directories: written whole or not at all, checked byte for byte when read."""

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
FORMAT_VERSION = 2


def write_directory(directory: Path, manifest: dict[str, Any], write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a folder beside ``directory``, add the manifest, then put it in its place.

    Raises:
        OSError: no room or no permission; ``directory`` is then as it was and nothing is left behind.
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
        if directory.exists():
            shutil.move(directory, work.with_name(f"{work.name}-old"))
        os.replace(work, directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(work.with_name(f"{work.name}-old"), ignore_errors=True)


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest, after every file named in it was found unchanged.

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
            if _describe(directory / name) != expected:
                raise damaged(directory, f"{name} 的校验和不符")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(directory, f"清单读不出来：{error}") from error
    return manifest


def damaged(directory: Path, reason: str) -> KnowledgeError:
    """One wording for every way an index directory can be wrong."""
    return KnowledgeError(f"索引 {directory} 不可用：{reason}；请运行 python -m src index --rebuild 重建")


def _file_names(directory: Path) -> list[str]:
    found = (path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    return sorted(name for name in found if name != MANIFEST)


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _flush(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
