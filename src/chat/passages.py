"""Hits -> the passages a model reads: best first, no copies, neighbours joined, long ones cut to what matters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from src.ingest.split import sentence_spans
from src.ingest.types import Chunk
from src.search.terms import fold
from src.search.types import Hit

# A passage of which this share of character pairs stands in one before it says nothing new.
MAX_SHARED = 0.9
CUT = "……"


@dataclass(frozen=True)
class Passage:
    """What the model reads of one or several hits; ``ranks`` are theirs."""

    ranks: tuple[int, ...]
    chunk: Chunk

    @property
    def text(self) -> str:
        """With its title, where the text does not name it."""
        title = self.chunk.title
        return f"{title}：{self.chunk.text}" if title and title not in self.chunk.text else self.chunk.text


def arrange(hits: Sequence[Hit]) -> list[Passage]:
    """Passages in the order of their best hit."""
    passages: list[Passage] = []
    for hit in hits:
        if any(_says(passage.chunk.text, hit.chunk.text) for passage in passages):
            continue
        passages.append(Passage((hit.rank,), hit.chunk))
    joined: list[Passage] = []
    for passage in passages:
        _join(joined, passage)
    return joined


def shortened(passage: Passage, question: str, max_chars: int) -> Passage | None:
    """The sentences that share most with the question, in their order, in at most ``max_chars`` characters; None
    where not even one fits."""
    text = passage.chunk.text
    if len(text) <= max_chars:
        return passage
    asked = pairs(question)
    spans = [span for start, end in sentence_spans(text) for span in _pieces(start, end, max_chars)]
    best = sorted(spans, key=lambda span: (-len(asked & pairs(text[slice(*span)])), span[0]))
    kept: list[tuple[int, int]] = []
    room = max_chars
    for span in best:
        cost = span[1] - span[0] + len(CUT)
        if cost <= room:
            kept.append(span)
            room -= cost
    if not kept:
        return None
    pieces, position = [], 0
    for start, end in sorted(kept):
        pieces.append(("" if start == position else CUT) + text[start:end])
        position = end
    return replace(passage, chunk=replace(passage.chunk, text="".join(pieces)))


def _pieces(start: int, end: int, size: int) -> list[tuple[int, int]]:
    """A sentence, in halves of what fits if it alone is too long."""
    if end - start + len(CUT) <= size:
        return [(start, end)]
    size = max(1, size // 2)
    return [(at, min(at + size, end)) for at in range(start, end, size)]


def _join(passages: list[Passage], passage: Passage) -> None:
    """Add a passage, as a part of the one it touches if it touches one."""
    for i, other in enumerate(passages):
        if (chunk := _joined(other.chunk, passage.chunk)) is not None:
            passages[i] = Passage((*other.ranks, *passage.ranks), chunk)
            return
    passages.append(passage)


def _joined(one: Chunk, other: Chunk) -> Chunk | None:
    """Both as one chunk, where they overlap or touch in the same document."""
    if (one.source, one.doc_id, one.title) != (other.source, other.doc_id, other.title):
        return None
    first, second = sorted((one, other), key=lambda chunk: chunk.start)
    overlap = first.end - second.start
    # Offsets count in the document; where the text was changed on the way they do not fit, and nothing is joined.
    if overlap < 0 or overlap > len(second.text) or not first.text.endswith(second.text[:overlap]):
        return None
    return replace(one, text=first.text + second.text[overlap:], start=first.start, end=second.end)


def _says(text: str, other: str) -> bool:
    said = pairs(other)
    return len(said & pairs(text)) >= MAX_SHARED * len(said)


def pairs(text: str) -> set[str]:
    """Neighbouring characters of a text, folded."""
    folded = fold(text)
    return {folded[i : i + 2] for i in range(len(folded) - 1)} or {folded}
