"""Which passage carries which sentence of an answer."""

import re
import unicodedata
from collections.abc import Sequence

from src.chat.types import Support
from src.retrieval.types import Hit

# Half of a sentence's character pairs in one passage: paraphrase stays above, another subject below.
MIN_OVERLAP = 0.5
_SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;]?")
_NUMBER_OR_WORD = re.compile(r"\d+(?:\.\d+)?|[a-z]{2,}")
_NOT_WORD = re.compile(r"\W+")


def support_of(answer: str, hits: Sequence[Hit]) -> tuple[Support, ...]:
    """Link each sentence of ``answer`` to the passage that shares most of its character pairs.

    Every number and Latin word of the sentence must stand in that passage: a wrong year makes a sentence wrong
    however many other words it shares.
    """
    passages = [(hit.rank, f"{hit.chunk.title} {hit.chunk.text}") for hit in hits]
    return tuple(_support(sentence, passages) for sentence in split_sentences(answer))


def split_sentences(text: str) -> list[str]:
    """Sentences with their closing mark; pieces without a letter or digit are left out."""
    sentences = (match.group().strip() for match in _SENTENCE.finditer(text))
    return [sentence for sentence in sentences if _NOT_WORD.sub("", sentence)]


def _support(sentence: str, passages: Sequence[tuple[int, str]]) -> Support:
    pairs = _pairs(sentence)
    facts = set(_NUMBER_OR_WORD.findall(_normalise(sentence)))
    best_rank, best_score = None, 0.0
    for rank, passage in passages:
        if not facts <= set(_NUMBER_OR_WORD.findall(_normalise(passage))):
            continue
        score = len(pairs & _pairs(passage)) / len(pairs) if pairs else 0.0
        if score > best_score:
            best_rank, best_score = rank, score
    if best_score < MIN_OVERLAP:
        best_rank = None
    return Support(sentence, best_rank, round(best_score, 4))


def _normalise(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _pairs(text: str) -> set[str]:
    plain = _NOT_WORD.sub("", _normalise(text))
    return {plain[i : i + 2] for i in range(len(plain) - 1)} or {plain}
