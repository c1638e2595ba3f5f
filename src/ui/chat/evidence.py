"""Evidence: the words of the passages that carry an answer's sentences, and the marks that light them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from src.chat.answer import Answer
from src.chat.types import Support
from src.ui.markdown import ModelText


@dataclass(frozen=True)
class Piece:
    """A stretch of an answer: a sentence with its support and number, or what stands between sentences.

    Attributes:
        text: as Markdown.
    """

    text: str
    number: int = -1
    support: Support | None = None


def pieces(answer: Answer) -> Iterator[Piece]:
    """The whole answer, in order; lines of code are no sentences."""
    text = ModelText(answer.text)
    written = searched = 0
    for number, support in enumerate(answer.support if answer.done else ()):
        start = answer.text.find(support.sentence, searched)
        if start < 0:
            continue
        searched = start + len(support.sentence)
        if not text.may_part(start, searched):
            continue
        if start > written:
            yield Piece(text.markdown(written, start))
        written = searched
        yield Piece(text.markdown(start, written), number, support)
    if written < len(answer.text):
        yield Piece(text.markdown(written, len(answer.text)))


# Keys of marks: what carries sentence 2, the quote, the words in it that answer, what contradiction 0 is about.
QUOTE, WORDS = "q", "w"


def sentence_key(number: int) -> str:
    return f"s{number}"


def conflict_key(number: int) -> str:
    return f"c{number}"


@dataclass(frozen=True)
class Evidence:
    """Words of a passage, ``text[start:end]``; ``key`` is what a link in the answer calls them."""

    start: int
    end: int
    key: str


def evidence(answer: Answer) -> dict[int, list[Evidence]]:
    """Evidence of everything in the answer, by rank of the passage."""
    found: dict[int, list[Evidence]] = {}
    texts = {hit.rank: hit.chunk.text for hit in answer.hits}
    for number, support in enumerate(answer.support):
        if support.rank is not None and support.evidence is not None:
            found.setdefault(support.rank, []).append(Evidence(*support.evidence, sentence_key(number)))
    if answer.quote is not None:
        found.setdefault(answer.quote.rank, []).append(Evidence(answer.quote.start, answer.quote.end, QUOTE))
    if answer.span is not None:
        found.setdefault(answer.span.rank, []).append(Evidence(answer.span.start, answer.span.end, WORDS))
    for number, conflict in enumerate(answer.conflicts):
        for side, rank, value in (
            ("a", conflict.rank, conflict.value),
            ("b", conflict.other_rank, conflict.other_value),
        ):
            start = texts.get(rank, "").find(value)
            if start >= 0 and value:
                key = conflict_key(number) + side
                found.setdefault(rank, []).append(Evidence(start, start + len(value), key))
    return found


@dataclass
class Mark:
    """A node of a passage's text: plain ``text``, or a mark with ``key`` around ``inside``."""

    text: str = ""
    key: str = ""
    inside: list["Mark"] = field(default_factory=list)


def marked(text: str, found: Sequence[Evidence]) -> list[Mark]:
    """The text as nested marks; of two that overlap in part the later one keeps what is beyond the earlier."""
    ordered = sorted(found, key=lambda one: (one.start, -one.end))
    nodes, _ = _nested(text, [one for one in ordered if 0 <= one.start < one.end <= len(text)], 0, len(text))
    return nodes


def _nested(text: str, found: list[Evidence], start: int, end: int) -> tuple[list[Mark], list[Evidence]]:
    """Nodes of text[start:end], and what of ``found`` begins behind it."""
    nodes: list[Mark] = []
    position = start
    while found and found[0].start < end:
        one = found.pop(0)
        first, last = max(one.start, position), min(one.end, end)
        if one.end > end:  # goes on behind what it stands in
            _insert(found, Evidence(end, one.end, one.key))
            continue
        if first >= last:
            continue
        if first > position:
            nodes.append(Mark(text[position:first]))
        inside, found = _nested(text, found, first, last)
        nodes.append(Mark(key=one.key, inside=inside))
        position = last
    if position < end:
        nodes.append(Mark(text[position:end]))
    return nodes, found


def _insert(found: list[Evidence], one: Evidence) -> None:
    at = next((i for i, other in enumerate(found) if (other.start, -other.end) > (one.start, -one.end)), len(found))
    found.insert(at, one)
