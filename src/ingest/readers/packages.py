"""Office files are zip packages of XML: checked and trimmed before a library sees them."""

import io
import re
import zipfile
import zlib

from src.errors import KnowledgeError
from src.ingest.limits import Limits

MAX_ENTRIES = 20_000
# Real files stay below 100; 1000 and more are what bombs are made of.
MAX_RATIO = 500
RATIO_FREE_BYTES = 10_000_000
_CHUNK = 1 << 20
_BOMB = "解压后会异常地大，像是压缩炸弹"
# The namespaces of ISO's strict variant, which the libraries do not know.
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_DOCTYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))


def open_package(data: bytes, name: str, limits: Limits) -> io.BytesIO:
    """The same package, stored, with all that holds no text emptied: pictures, fonts, macros, embedded files.

    Sizes are taken from the directory first and counted again while reading, as a directory may lie.

    Raises:
        KnowledgeError: damaged, encrypted, too large when unpacked, or with a document type definition,
            which Office never writes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            entries = package.infolist()
            _check_directory(entries, len(data), name, limits)
            return _trimmed(package, entries, name, limits)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
        ValueError,
    ) as error:
        raise KnowledgeError(f"{name} 已损坏（{error}）；请用原来的软件打开后重新保存") from error


def texts_in(data: bytes, name: str, limits: Limits, suffixes: tuple[str, ...]) -> dict[str, bytes]:
    """What is in the entries with these suffixes, by their name.

    Raises:
        KnowledgeError: as ``open_package``, but for document types, which pages of books have: parse without entities.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            entries = package.infolist()
            _check_directory(entries, len(data), name, limits)
            return {
                entry.filename: _read(package, entry, limits.max_unpacked_bytes, name)
                for entry in entries
                if entry.filename.lower().endswith(suffixes)
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise KnowledgeError(f"{name} 已损坏（{error}）；请用原来的软件打开后重新保存") from error


def _check_directory(entries: list[zipfile.ZipInfo], packed: int, name: str, limits: Limits) -> None:
    if len(entries) > MAX_ENTRIES:
        raise KnowledgeError(f"{name} 里有 {len(entries)} 个部件，最多 {MAX_ENTRIES} 个；请拆成几个文件")
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise KnowledgeError(f"{name} 加了密码；请去掉密码后重新保存")
    if len({entry.filename for entry in entries}) < len(entries):
        raise KnowledgeError(f"{name} 里有重名的部件；请用原来的软件打开后重新保存")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > max(RATIO_FREE_BYTES, packed * MAX_RATIO):
        raise KnowledgeError(f"{name} {_BOMB}；请检查这个文件的来源")
    if unpacked > limits.max_unpacked_bytes:
        most = limits.max_unpacked_bytes / 1e6
        raise KnowledgeError(f"{name} 解压后有 {unpacked / 1e6:.0f} MB，上限是 {most:.0f} MB；请拆成几个文件")


def _trimmed(package: zipfile.ZipFile, entries: list[zipfile.ZipInfo], name: str, limits: Limits) -> io.BytesIO:
    result = io.BytesIO()
    left = limits.max_unpacked_bytes
    with zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as trimmed:
        for entry in entries:
            content = b""
            if entry.filename.lower().endswith((".xml", ".rels", ".vml")):
                content = _read(package, entry, left, name)
                left -= len(content)
                if any(mark in content for mark in _DOCTYPES):
                    raise KnowledgeError(f"{name} 里有不该有的 DTD 或实体定义；请用原来的软件打开后重新保存")
                content = _STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/", content)
            trimmed.writestr(zipfile.ZipInfo(entry.filename), content)
    result.seek(0)
    return result


def _read(package: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int, name: str) -> bytes:
    parts, size = [], 0
    with package.open(entry) as stream:
        while part := stream.read(_CHUNK):
            size += len(part)
            if size > min(most, entry.file_size):
                raise KnowledgeError(f"{name} {_BOMB}；请检查这个文件的来源")
            parts.append(part)
    return b"".join(parts)
