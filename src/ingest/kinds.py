"""Which kind of file some bytes are, by their signature, and what to do with the kinds that are not read."""

import io
import zipfile

from src.errors import KnowledgeError

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tiff", ".tif")
# Their signature must be that of their suffix; every other kind is text.
OLE = (".xls", ".msg")
BINARY = (".pdf", ".docx", ".pptx", ".xlsx", ".odt", ".ods", ".odp", ".epub", ".rtf", *OLE, *IMAGES)

_AS_DOCX, _AS_PPTX, _AS_XLSX = ("请用 Office 或 WPS 另存为 " + kind for kind in ("docx", "pptx", "xlsx"))
_AS_PNG = "请另存为 png 或 jpg"
_UNPACK = "请解压后加入里面的文件"
# Kinds that people will try, and what cures each.
CURES = {
    **dict.fromkeys((".doc", ".docm", ".dot", ".dotx", ".dotm", ".wps", ".pages"), _AS_DOCX),
    **dict.fromkeys((".ppt", ".pptm", ".pps", ".ppsx", ".dps", ".key"), _AS_PPTX),
    **dict.fromkeys((".xls", ".xlsm", ".xlsb", ".et", ".numbers"), _AS_XLSX),
    **dict.fromkeys((".gif", ".heic", ".svg", ".avif"), _AS_PNG),
    **dict.fromkeys((".zip", ".rar", ".7z", ".tar", ".gz", ".tgz"), _UNPACK),
    **dict.fromkeys((".mobi", ".azw3", ".ofd", ".caj", ".xps"), "请另存为 pdf"),
    ".msg": "请用邮件软件另存为 eml",
    ".mhtml": "请另存为 html",
}

# What LibreOffice, where it is installed, makes of other kinds (``src/ingest/libreoffice.py``).
CONVERTED = {
    **dict.fromkeys((".doc", ".dot", ".wps", ".docm", ".dotx", ".dotm"), ".docx"),
    **dict.fromkeys((".ppt", ".pps", ".dps", ".pptm", ".ppsx"), ".pptx"),
    **dict.fromkeys((".et", ".xlsm", ".xlsb"), ".xlsx"),
}

_SIGNATURES = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"BM", "image"),
    (b"II*\x00", "image"),
    (b"MM\x00*", "image"),
    (b"GIF8", "gif"),
    (b"{\\rtf", ".rtf"),
    (b"MZ", "program"),
    (b"\x7fELF", "program"),
    (b"Rar!\x1a\x07", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"\x1f\x8b", "archive"),
)
_PACKAGES = (("word/", ".docx"), ("ppt/", ".pptx"), ("xl/", ".xlsx"))
# Their first entry says what they are, without being packed.
_DECLARED = (
    (".odt", b"mimetypeapplication/vnd.oasis.opendocument.text"),
    (".ods", b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet"),
    (".odp", b"mimetypeapplication/vnd.oasis.opendocument.presentation"),
    (".epub", b"mimetypeapplication/epub+zip"),
)
# Signatures of two printable letters say nothing about a text file.
_SHORT = ("image", "program")


def kind_of(data: bytes) -> str:
    """A suffix (``.pdf``, ``.docx``, …), ``image``, ``ole``, ``zip``, ``program``, …; empty for text or unknown."""
    if b"%PDF-" in data[:1024]:
        return ".pdf"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image"
    if data.startswith(b"PK\x03\x04"):
        return _package_kind(data)
    return next((kind for mark, kind in _SIGNATURES if data.startswith(mark)), "")


def check_kind(data: bytes, suffix: str, name: str) -> None:
    """Refuse a file whose content is of another kind than its suffix says.

    Raises:
        KnowledgeError: with what the content is and what to do.
    """
    kind = kind_of(data)
    if kind == "ole" and suffix not in OLE:
        raise KnowledgeError(f"{name} 加了密码，或是旧版 Office 文件；请去掉密码，并另存为 docx、pptx 或 xlsx")
    expected = "image" if suffix in IMAGES else "ole" if suffix in OLE else suffix
    if suffix in BINARY:
        if kind == expected:
            return
        raise _another_kind(kind, suffix, name)
    if kind and not (kind in _SHORT and b"\0" not in data[:4096]):
        raise KnowledgeError(f"{name} 不是文本文件，内容其实是 {_shown(kind)}；请改对后缀再试")


def check_convertible(data: bytes, suffix: str, name: str) -> None:
    """Refuse to convert a file that is no office document of its suffix's sort, old (OLE) or new (a package).

    Raises:
        KnowledgeError: with what the content is and what to do.
    """
    kind, becomes = kind_of(data), CONVERTED.get(suffix)
    # Much that is called .doc is rich text.
    if kind not in ("ole", suffix, becomes) and (kind, becomes) != (".rtf", ".docx"):
        raise _another_kind(kind, suffix, name)


def _another_kind(kind: str, suffix: str, name: str) -> KnowledgeError:
    found = f"内容其实是 {_shown(kind)}" if kind else "内容不是这种格式，或文件开头已损坏"
    return KnowledgeError(f"{name} 的后缀是 {suffix}，{found}；请改对后缀，或用原来的软件重新保存")


def _shown(kind: str) -> str:
    words = {"image": "图片", "gif": "GIF 图片", "zip": "zip 压缩包", "archive": "压缩包", "program": "程序"}
    return words.get(kind, kind.removeprefix("."))


def _package_kind(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            names = package.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return "zip"
    for suffix, declared in _DECLARED:
        if declared in data[:200]:
            return suffix
    found = [kind for folder, kind in _PACKAGES if any(name.startswith(folder) for name in names)]
    return found[0] if found and "[Content_Types].xml" in names else "zip"
