"""Where an answer's sentences stand in it, and which words of the passages carry them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from src.chat.types import Answer, Support

QUOTE = "q"


@dataclass(frozen=True)
class Piece:
    """A stretch of an answer: a sentence with its support and number, or what stands between sentences."""

    text: str
    number: int = -1
    support: Support | None = None


def pieces(answer: Answer) -> Iterator[Piece]:
    """The whole answer, in order."""
    position = 0
    for number, support in enumerate(answer.support if answer.done else ()):
        start = answer.text.find(support.sentence, position)
        if start < 0:
            continue
        if start > position:
            yield Piece(answer.text[position:start])
        position = start + len(support.sentence)
        yield Piece(support.sentence, number, support)
    if position < len(answer.text):
        yield Piece(answer.text[position:])


@dataclass(frozen=True)
class Evidence:
    """Words of a passage, ``text[start:end]``; ``key`` is what a mark in the answer calls them."""

    start: int
    end: int
    key: str


def evidence(answer: Answer) -> dict[int, list[Evidence]]:
    """By rank of the passage: what carries sentence 2 is called ``s2``, what conflict 0 is about ``c0``,
    the quote ``q``."""
    found: dict[int, list[Evidence]] = {}
    texts = {hit.rank: hit.chunk.text for hit in answer.hits}
    for number, support in enumerate(answer.support):
        if support.rank is not None and support.evidence is not None:
            found.setdefault(support.rank, []).append(Evidence(*support.evidence, f"s{number}"))
    if answer.quote is not None:
        found.setdefault(answer.quote.rank, []).append(Evidence(answer.quote.start, answer.quote.end, QUOTE))
    for number, conflict in enumerate(answer.conflicts):
        for rank, value in ((conflict.rank, conflict.value), (conflict.other_rank, conflict.other_value)):
            start = texts.get(rank, "").find(value)
            if start >= 0 and value:
                found.setdefault(rank, []).append(Evidence(start, start + len(value), f"c{number}"))
    return found


def stretches(text: str, found: Sequence[Evidence]) -> Iterator[tuple[str, list[str]]]:
    """``text`` cut where evidence begins or ends, each piece with the keys of all evidence over it."""
    edges = {min(max(edge, 0), len(text)) for item in found for edge in (item.start, item.end)}
    for start, end in pairwise(sorted({0, len(text), *edges})):
        yield text[start:end], [item.key for item in found if item.start <= start and end <= item.end]
