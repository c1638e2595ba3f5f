"""``.epub``: the chapters of a book, each as a web page is read."""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from lxml import etree

from src.errors import KnowledgeError
from src.ingest.clean import clean
from src.ingest.limits import Limits
from src.ingest.readers import web
from src.ingest.readers.packages import texts_in
from src.ingest.readers.sections import MAX_TITLE_CHARS, TITLE_SEPARATOR
from src.ingest.report import note
from src.ingest.types import Document

_CONTAINER = "META-INF/container.xml"
_COVER = re.compile(r"\W*(?:cover|封面)\W*", re.I)
_KINDS = (".xml", ".opf", ".xhtml", ".html", ".htm")


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """In reading order, titled with the book's title and the chapter's headings."""
    files = texts_in(data, name, limits, _KINDS)
    package = next(
        (path.get("full-path") for path in _parsed(files.get(_CONTAINER, b"")).iter("{*}rootfile")), None
    )
    if package is None or package not in files:
        raise KnowledgeError(f"{name} 不是完整的 EPUB；请重新下载或导出")
    root = _parsed(files[package])
    title = next((clean(one.text or "") for one in root.iter("{*}title")), "")[:MAX_TITLE_CHARS]
    places = {item.get("id"): item for item in root.iter("{*}item")}
    for number, reference in enumerate(root.iter("{*}itemref"), 1):
        item = places.get(reference.get("idref"))
        if item is None or "nav" in (item.get("properties") or "").split():
            continue
        path = posixpath.normpath(posixpath.join(posixpath.dirname(package), unquote(item.get("href") or "")))
        if path not in files:
            continue
        note("pages")
        for document in web.read(files[path], name, limits):
            if _COVER.fullmatch(document.text):
                continue
            parts = [title, document.title] if title and title not in document.title else [document.title or title]
            whole = TITLE_SEPARATOR.join(filter(None, parts))[:MAX_TITLE_CHARS]
            key = document.doc_id.removeprefix(f"{name}:")
            yield replace(document, doc_id=f"{name}:{number}.{key}", title=whole)


def _parsed(xml: bytes) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    root = etree.fromstring(xml or b"<none/>", parser)
    return etree.Element("none") if root is None else root
