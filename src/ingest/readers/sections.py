"""Headings and the text below them to documents."""

from collections.abc import Iterator

from src.ingest.clean import clean
from src.ingest.types import Document

TITLE_SEPARATOR = " › "
MAX_TITLE_CHARS = 200


class Sections:
    """Collects text; each heading ends a section, whose document is titled with its path of headings.

    A section without text is only the title of those below it, unless there are none.
    """

    def __init__(self, name: str, key: str = "1") -> None:
        self._name = name
        self._key = key
        self._path: list[tuple[int, str]] = []
        self._body: list[str] = []

    def add(self, text: str) -> None:
        """One more line or paragraph."""
        self._body.append(text)

    def heading(self, level: int, title: str, key: str) -> Iterator[Document]:
        """Begin a section, whose document will be ``name:key``; yields the one that ends here."""
        yield from self._section(leaf=not self._path or level <= self._path[-1][0])
        self._path = [(depth, title) for depth, title in self._path if depth < level]
        title = clean(title)
        self._path.append((level, title))
        # A title says so much; a longer heading is also text.
        self._body, self._key = ([title] if len(title) > MAX_TITLE_CHARS else []), key

    def end(self) -> Iterator[Document]:
        """The last section."""
        yield from self._section(leaf=True)

    def _section(self, leaf: bool) -> Iterator[Document]:
        text = clean("\n".join(self._body))
        headings = [title[:MAX_TITLE_CHARS] for _, title in self._path if title]
        if not text and leaf and headings:
            text, headings = headings[-1], headings[:-1]
        if text:
            yield Document(f"{self._name}:{self._key}", self._name, TITLE_SEPARATOR.join(headings), text)
