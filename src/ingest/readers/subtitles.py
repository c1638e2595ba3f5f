"""``.srt`` and ``.vtt``: what is said, a document for each few minutes."""

import re
from collections.abc import Iterator

from src.ingest.clean import clean, decode
from src.ingest.limits import Limits
from src.ingest.readers.flow import ends_sentence, joined
from src.ingest.readers.lines import numbered_lines
from src.ingest.split import MAX_CHARS
from src.ingest.types import Document

_TIMES = re.compile(r"\s*((?:\d{1,3}:)?\d{1,2}:\d{2})[.,]\d{1,3}\s*-->")
_TAG = re.compile(r"<[^<>\n]{0,100}>|\{\\[^{}\n]{0,100}\}")
_SKIPPED = ("WEBVTT", "NOTE", "STYLE", "REGION", "Kind:", "Language:")


def read(data: bytes, name: str, limits: Limits) -> Iterator[Document]:  # noqa: ARG001 (a reader's signature)
    """Lines of one sentence are joined; ``source`` says when the first is spoken."""
    begins, text = "", ""
    number = 0
    for at, line in _spoken(decode(data, name)):
        if text and (len(text) + len(line) > MAX_CHARS):
            number += 1
            yield Document(f"{name}:{number}", f"{name} {begins}", "", text)
            text = ""
        if not text:
            begins, text = at, line
        else:
            text = f"{text}\n{line}" if ends_sentence(text) else joined(text, line)
    if text:
        yield Document(f"{name}:{number + 1}", f"{name} {begins}".strip(), "", text)


def _spoken(text: str) -> Iterator[tuple[str, str]]:
    """(when, a line); numbers and times of the cues are not spoken."""
    at = ""
    speaking = False
    for _, line in numbered_lines(text):
        if times := _TIMES.match(line):
            at, speaking = times[1], True
        elif not line.strip():
            speaking = False
        elif (speaking or not at) and not (not at and (line.startswith(_SKIPPED) or line.strip().isdigit())):
            shown = clean(_TAG.sub("", line))
            if shown:
                yield at, shown
