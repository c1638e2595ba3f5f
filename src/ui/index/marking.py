"""Texts in pieces, those that match a question apart, and the words of a question as people know them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from src.search.dates import dated
from src.search.explain import Explanation
from src.search.inspect import Neighbours
from src.search.rows import StoredChunk
from src.search.terms import FUNCTION, fold, matched_terms, query_terms, without_question
from src.search.vocabulary import cut
from src.ui.passage import place
from src.ui.templating import render
from src.ui.wording import Words

EXCERPT_CHARS, ROW_CHARS = 90, 60
_EDGES = "".join(sorted(FUNCTION)) + " "


def passage_html(
    passage: StoredChunk, marked: Iterable[str], words: Words, *, about: str = "", around: Neighbours | None = None,
    page: Mapping[str, Any] | None = None,
) -> str:  # fmt: skip
    """A passage in full, ``marked`` highlighted in it, with a line ``about`` it, those ``around`` it and the link to its
    ``page``."""
    return render(
        "index/passage", words, passage=passage, pieces=pieces(passage.chunk.text, marked), about=about, around=around, page=page,
        place=lambda one: marks(one, words) + place(one.chunk, words, one.file),
    )  # fmt: skip


def marks(stored: StoredChunk, words: Words) -> str:
    """What the owner has done with a passage."""
    off = "" if stored.enabled else words("（已停用）")
    return off + (words("（改过）") if stored.edited else "")


def pieces(text: str, terms: Iterable[str]) -> list[tuple[str, bool]]:
    """``text`` in pieces, and whether each is one of ``terms``; together they are ``text``."""
    pattern = "|".join(re.escape(term) for term in sorted(set(terms), key=len, reverse=True) if term)
    if not pattern:
        return [(text, False)] if text else []
    cuts = re.split(f"((?:{pattern})+)", text, flags=re.IGNORECASE)
    return [(piece, number % 2 == 1) for number, piece in enumerate(cuts) if piece]


def matched(explanation: Explanation, text: str) -> list[str]:
    """The parts of a passage that a question or its variants share with it, without function words at their ends.

    Single characters only where nothing longer is shared: every text has some.
    """
    asked = (explanation.query.text, *explanation.variants)
    found = [term.strip(_EDGES) for said in asked for term in matched_terms(said, text)]
    return [term for term in found if len(term) > 1] or found


def asked_words(explanation: Explanation) -> list[tuple[str, int]]:
    """The words of a question, each with the number of candidates that hold it; 0: none does.

    Neighbouring words are one where some candidate has them together.
    """
    texts = [dated(fold(f"{c.chunk.title}\n{c.chunk.text}")) for c in explanation.candidates]
    known = set(query_terms(explanation.query.text))
    counted: dict[str, int] = {}
    for run in re.split(r"\W+", dated(without_question(explanation.query.text))):
        content = [word for word in cut(run) if (word in known if word.isascii() else word not in FUNCTION)]
        for word in _joined(content, run, texts):
            counted[word] = sum(word in text for text in texts)
    return list(counted.items())


def _joined(words: Sequence[str], run: str, texts: Sequence[str]) -> list[str]:
    joined: list[str] = []
    for word in words:
        both = joined[-1] + word if joined else ""
        if both and both in run and any(both in text for text in texts):
            joined[-1] = both
        else:
            joined.append(word)
    return joined


def excerpt(text: str, wanted: str = "", limit: int = EXCERPT_CHARS) -> str:
    """The beginning of a passage, or what stands around the first place of ``wanted``."""
    at = max(0, text.casefold().find(wanted.strip().casefold()))
    start = 0 if at + len(wanted) <= limit else at - limit // 3
    shown = text[start : start + limit].replace("\n", " ")
    return f"{'…' if start else ''}{shown}{'…' if start + limit < len(text) else ''}"
