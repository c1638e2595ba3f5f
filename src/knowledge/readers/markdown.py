"""``.md``: a document a section."""

import re
from collections.abc import Iterator

from src.knowledge.clean import decode
from src.knowledge.limits import Limits
from src.knowledge.readers.lines import numbered_lines
from src.knowledge.readers.sections import Sections
from src.knowledge.types import Document

_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:  # noqa: ARG001 (a reader's signature)
    """One document a section, titled with its path of headings; ``#`` in code is not a heading."""
    sections = Sections(name)
    fence = ""
    for number, line in numbered_lines(decode(data, name)):
        heading = None if fence else _HEADING.match(line)
        if heading is None:
            fence = _next_fence(fence, line)
            sections.add(line)
        else:
            yield from sections.heading(len(heading[1]), heading[2], str(number))
    yield from sections.end()


def _next_fence(fence: str, line: str) -> str:
    match = _FENCE.match(line)
    if match is None:
        return fence
    if not fence:
        return match[1]
    return "" if match[1] == fence else fence
