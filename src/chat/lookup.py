"""What one message searches for, in its conversation, and what is found."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from src.chat.claims import letters, plain
from src.chat.question import follow_up
from src.chat.rows import rows_of
from src.chat.sides import compared
from src.ingest.split import sentence_spans
from src.models.base import Message
from src.search.search import MAX_QUERY_CHARS, Retriever
from src.search.terms import fold
from src.search.types import Collection, Hit


class Lookup:
    """The searches of one message.

    Args:
        extra: the asker's own documents.
    """

    def __init__(self, retriever: Retriever, top_k: int, extra: Collection | None) -> None:
        self._retriever, self._top_k, self._extra = retriever, top_k, extra

    def of(self, message: str, history: Sequence[Message], threshold: float) -> tuple[str, tuple[Hit, ...]]:
        """The question as it was searched for, and its hits; none where it asks of several things."""
        meant = follow_up(message, history)
        if meant is None:
            return message, self._search(message)
        question = meant.question[:MAX_QUERY_CHARS]
        found = self._search(question)
        if meant.certain:
            # 英语呢 asks for what he has, unless a passage tells of English.
            if meant.of_subject and found and not any(_begins(hit, meant.thing) for hit in found):
                other = self._search(meant.of_subject)
                if other and _has(other[0], meant.thing) and self._names(other[0], meant.subject):
                    return meant.of_subject, other
            return question, found
        # 有几个校区 alone finds any university's: with what it is about it must find that, as well as without.
        as_typed = self._search(message)
        if found and found[0].score >= threshold and self._names(found[0], meant.subject):
            best = as_typed[0] if as_typed else found[0]
            if found[0].score >= meant.margin * best.score or found[0].chunk == best.chunk:
                return question, found
        return message, as_typed

    def of_each(self, things: Sequence[str], asked: Sequence[str]) -> tuple[tuple[Hit, ...], list[list[int]]]:
        """What is found about each of several things and not about its like, by a question each: the hits as one list, the
        best of each first, and the ranks in it of each thing's own."""
        found = []
        for thing, side in zip(things, asked, strict=True):
            hits = self._retriever.search(side, top_k=max(2, self._top_k // 2), extra=self._extra)
            found.append([hit for hit in hits if self._names(hit, thing)])
        merged: dict[tuple[str, bool], Hit] = {}
        for position in range(max(map(len, found), default=0)):
            for hits in found:
                if position < len(hits):
                    merged.setdefault((hits[position].chunk.chunk_id, hits[position].own), hits[position])
        ranks = {key: rank for rank, key in enumerate(merged, 1)}
        ranked = tuple(replace(hit, rank=ranks[key]) for key, hit in merged.items())
        return ranked, [[ranks[hit.chunk.chunk_id, hit.own] for hit in hits] for hits in found]

    def suits(self, question: str, texts: Sequence[tuple[str, str]]) -> np.ndarray:
        """How well each (subject, sentence) suits a question, as of ``Retriever``."""
        return self._retriever.suits(question, texts, self._extra)

    def _search(self, question: str) -> tuple[Hit, ...]:
        if compared(question):
            return ()  # each of its things gets a search of its own
        return tuple(self._retriever.search(question, top_k=self._top_k, extra=self._extra))

    def _names(self, hit: Hit, thing: str | None) -> bool:
        return thing is None or any(_has(hit, name) for name in (thing, *self._retriever.lexicon.variants(thing)))


def _has(hit: Hit, name: str) -> bool:
    """Whether a passage has a name, however it is spaced."""
    return letters(fold(name)) in letters(fold(hit.chunk.title + hit.chunk.text))


def _begins(hit: Hit, name: str) -> bool:
    """Whether a sentence of a passage begins with a name, or a cell of a table is it."""
    if rows := rows_of(hit.chunk.text):
        return any(value == plain(name) for row in rows for _, value in row.fields)
    text = hit.chunk.text
    sentences = [hit.chunk.title, *(text[start:end] for start, end in sentence_spans(text))]
    return any(letters(fold(sentence)).startswith(letters(fold(name))) for sentence in sentences)
