"""``.xml``: elements that are records as rows, others as lines of text."""

from collections.abc import Iterator
from typing import Any

from lxml import etree

from src.errors import KnowledgeError
from src.ingest.clean import clean
from src.ingest.limits import Limits
from src.ingest.readers.tables import CellCount
from src.ingest.split import MAX_CHARS
from src.ingest.types import Document

MAX_DEPTH = 200


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:
    """As many lines a document as a chunk holds; no entity is resolved and nothing is loaded."""
    if b"<!ENTITY" in data or "<!ENTITY".encode("utf-16-le") in data or "<!ENTITY".encode("utf-16-be") in data:
        raise KnowledgeError(f"{name} 里有实体定义；请去掉 <!ENTITY …> 后重新保存")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise KnowledgeError(f"{name} 不是完整的 XML（{error.msg}）；请重新导出，或另存为 txt") from error
    if root is None:
        return
    group: list[str] = []
    number = 0
    for line in _lines(root, CellCount(name, limits)):
        if group and sum(map(len, group)) + len(group) + len(line) > MAX_CHARS:
            number += 1
            yield Document(f"{name}:{number}", name, "", "\n".join(group))
            group = []
        group.append(line)
    if group:
        yield Document(f"{name}:{number + 1}", name, "", "\n".join(group))


def _lines(root: Any, count: CellCount) -> Iterator[str]:
    """In reading order; an element whose children hold text only is one line: 名：值；名：值."""
    stack: list[tuple[Any, int]] = [(root, 0)]
    while stack:
        element, depth = stack.pop()
        if isinstance(element, str):
            yield element
            continue
        count.add(1)
        fields = [f"{_tag(key)}：{value}" for key, raw in element.attrib.items() if (value := _squeezed(raw))]
        children = [child for child in element if isinstance(child.tag, str)]
        mixed = any(_squeezed(child.tail) for child in children)
        if children and (mixed or depth >= MAX_DEPTH):
            yield "；".join([*fields, _squeezed("".join(element.itertext()))])
        elif children and all(not len(child) and not child.attrib for child in children):
            fields += [f"{_tag(child.tag)}：{text}" for child in children if (text := _squeezed(child.text))]
            yield from filter(None, ["；".join(fields)])
        elif children:
            yield from filter(None, ["；".join([*filter(None, [_squeezed(element.text)]), *fields])])
            stack.extend((child, depth + 1) for child in reversed(children))
        else:
            text = _squeezed(element.text)
            yield from filter(None, ["；".join([*fields, *([f"{_tag(element.tag)}：{text}"] if text else [])])])


def _tag(tag: str) -> str:
    return str(tag).rpartition("}")[2]


def _squeezed(text: str | None) -> str:
    return " ".join(clean(text or "").split())
