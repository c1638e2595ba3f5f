"""Passages that say the same with another number: the reader should hear of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from src.chat.numbers import NUMBER, value_of
from src.chat.types import Conflict
from src.knowledge.split import sentence_spans
from src.retrieval.terms import fold
from src.retrieval.types import Hit

# How alike two statements are without their numbers, and how much of the question they share.
MIN_ALIKE = 0.75
MIN_ABOUT = 0.3
MIN_CHARS = 6
MAX_CONFLICTS = 3
_CLAUSE = re.compile(r"[^，,；;：:。！？!?\n]+")
_NOT_WORD = re.compile(r"[\W_]+")
_UNIT = re.compile(r"[年月日个人名所座公平方里米千克吨元岁届次层间台辆条种部度%％]{0,3}")


@dataclass(frozen=True)
class _Statement:
    """One clause with one number: its words without it, the number as it is written, and what it is worth."""

    rank: int
    words: str
    written: str
    value: float
    unit: str


def conflicts_of(question: str, hits: Sequence[Hit]) -> tuple[Conflict, ...]:
    """Pairs of statements about the question that differ in nothing but one number, each pair of passages once.

    A clause with two numbers (2022 年营收 3 亿) is left alone: which of them differs cannot be told from what it
    means; so is one in which the subject differs.
    """
    asked = _pairs(_NOT_WORD.sub("", fold(question)))
    statements = [s for hit in hits for s in _statements(hit) if _shares(asked, _pairs(s.words))]
    found: dict[tuple[int, int], Conflict] = {}
    for i, one in enumerate(statements):
        for other in statements[i + 1 :]:
            if one.rank != other.rank and one.value != other.value and _same_but_for_number(one, other):
                found.setdefault((one.rank, other.rank), Conflict(one.rank, one.written, other.rank, other.written))
    return tuple(found.values())[:MAX_CONFLICTS]


def _statements(hit: Hit) -> list[_Statement]:
    text = hit.chunk.text
    made = []
    for start, end in sentence_spans(text):
        # What a sentence is about stands in its first clause, or in the title.
        subject = fold(hit.chunk.title)
        for match in _CLAUSE.finditer(text[start:end]):
            clause = match.group()
            numbers = [n for n in NUMBER.finditer(clause) if value_of(fold(n.group())) is not None]
            if len(numbers) == 1:
                number = numbers[0]
                unit = _UNIT.match(clause[number.end() :])
                words = _NOT_WORD.sub("", fold(clause[: number.start()] + clause[number.end() :]))
                value = value_of(fold(number.group()))
                assert value is not None
                assert unit is not None
                written = number.group() + unit.group()
                made.append(_Statement(hit.rank, _joined(subject, words), written, value, unit.group()[:1]))
            subject = subject or _NOT_WORD.sub("", fold(clause))[:12]
    return [statement for statement in made if len(statement.words) >= MIN_CHARS]


def _joined(subject: str, words: str) -> str:
    return words if subject and subject in words else subject + words


def _same_but_for_number(one: _Statement, other: _Statement) -> bool:
    if one.unit != other.unit or one.words[:2] != other.words[:2]:
        return False
    return SequenceMatcher(None, one.words, other.words, autojunk=False).ratio() >= MIN_ALIKE


def _shares(asked: set[str], pairs: set[str]) -> bool:
    return bool(asked) and len(asked & pairs) >= MIN_ABOUT * min(len(asked), len(pairs))


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}
