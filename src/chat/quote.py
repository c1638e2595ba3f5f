"""The sentence of the passages that answers best, word for word: what a reader checks the model's words by."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from src.chat.claims import Claim, plain
from src.chat.question import begins_predicate
from src.chat.question_kinds import name_of
from src.chat.types import Quote
from src.ingest.split import sentence_spans
from src.search.terms import fold
from src.search.types import Hit

# How well each (subject, sentence) suits a question, float (texts,).
Suits = Callable[[str, Sequence[tuple[str, str]]], np.ndarray]

# Of the passage's probability to answer, beside how well the sentence itself suits; from 0 to 1.2 makes no
# difference to CMRC's and DRCD's questions (benchmarks/quotes.py), but of two like sentences one must come first.
PASSAGE_WEIGHT = 0.4

# Asked about a name alone, what says something of it comes before what has it among others; more than all else together.
NAMED = 3.0

# Longest subject: what a passage without a title begins with.
SUBJECT_CHARS = 8

_SUBJECT = re.compile(rf"[^（(，,、。：:\n]{{1,{SUBJECT_CHARS}}}")
_ENDS = "。！？!?；;….”』」"


def best_sentence(question: str, hits: Sequence[Hit], suits: Suits) -> Quote | None:
    """The best sentence of ``hits``; None where they hold nothing but headings that repeat the question."""
    candidates = [(hit, quote) for hit in hits for quote in sentences(question, hit)]
    if not candidates:
        return None
    scores = suits(question, [(subject(hit), quote.text) for hit, quote in candidates])
    scores = scores + PASSAGE_WEIGHT * np.array([hit.score for hit, _ in candidates])
    if name := name_of(question):
        scores = scores + NAMED * np.array([tells_of(name, quote.text) for _, quote in candidates])
    return candidates[int(np.argmax(scores))][1]


def tells_of(name: str, text: str) -> bool:
    """Whether ``text`` begins with the folded ``name`` and goes on about it: 长江大桥 is not 长江, nor QLoRA LoRA."""
    found = re.match(rf"[\s《“\"「#*]*{re.escape(name)}[》”\"」]?\s*(?:[(（][^)）]{{0,60}}[)）])?\s*", fold(text))
    if found is None:
        return False
    rest = fold(text)[found.end() :]
    if name[-1].isascii():
        return not re.match(r"[a-z0-9.+-]*[a-z0-9+]", rest) or found.group()[-1].isspace()
    return begins_predicate(rest)


def subject(hit: Hit) -> str:
    """What the passage is about: its title, or what it begins with. Every sentence is about it, so one that names it
    is no better for that."""
    begin = _SUBJECT.match(hit.chunk.text.lstrip())
    return hit.chunk.title or (begin[0] if begin else "")


def sentences(question: str, hit: Hit) -> list[Quote]:
    """What may be quoted of a passage: its sentences, but no headings that only repeat the question."""
    asked, text = plain(question), hit.chunk.text
    return [
        Quote(hit.rank, text[start:end], start, end)
        for start, end in _spans(text)
        if _tells(text[start:end], asked)
    ]


def _spans(text: str) -> list[tuple[int, int]]:
    """Without white space at their ends; a question is one with what follows it, as in a list of questions and
    answers."""
    spans: list[tuple[int, int]] = []
    asks = False
    for start, end in sentence_spans(text):
        sentence = text[start:end]
        start += len(sentence) - len(sentence.lstrip())
        end -= len(sentence) - len(sentence.rstrip())
        if start >= end:
            continue
        spans.append((spans.pop()[0], end) if asks else (start, end))
        asks = text[end - 1] in "?？"
    return spans


def _tells(sentence: str, asked: str) -> bool:
    """Whether it is more than a heading that has the question's own words."""
    return sentence[-1] in _ENDS or bool(Claim.of(sentence).new(asked))
