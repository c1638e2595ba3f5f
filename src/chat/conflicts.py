"""Passages that say the same with another number or date: the reader should hear of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from src.chat.claims import letters, plain
from src.chat.types import Conflict
from src.ingest.split import sentence_spans
from src.search.types import Hit

# How alike two statements are without their numbers, and how much of the question they share.
MIN_ALIKE = 0.75
MIN_ABOUT = 0.3
MIN_CHARS = 6
MAX_CONFLICTS = 3
_CLAUSE = re.compile(r"[^，,；;：:。！？!?\n]+")
# A whole date is one number.
_NUMBER = re.compile(r"\d+年\d+月(?:\d+日)?|\d+月\d+日|\d[\d.]*")
_UNIT = re.compile(r"[年月日个人名所座公平方里米千克吨元岁届次层间台辆条种部天周期章节步项倍折分度%％]{0,3}")
# 1. and （二） and 第3步 number what follows, and say nothing.
_LIST_NUMBER = re.compile(
    r"^\s*(?:[-*•·]\s*)?(?:[(（]?\d{1,2}(?:[.、)）](?!\d)|\s|$)|第\d{1,3}[步条章节项款点]|\d{1,2}(?:\.\d{1,2})+(?=\s))\s*"
)
# Ends a path of headings: 员工手册 › 报销.
_PATH = " › "


@dataclass(frozen=True)
class _Statement:
    """One clause with one number.

    Attributes:
        subject: what its sentence is about: the title, or else the first clause.
        words: the clause without the number.
        role: what stands directly before the number.
        written: the number with its unit as it stands in the passage.
    """

    rank: int
    subject: str
    words: str
    role: str
    value: str
    unit: str
    written: str


def conflicts_of(question: str, hits: Sequence[Hit]) -> tuple[Conflict, ...]:
    """Pairs of statements about the question that differ in nothing but one number, each pair of passages once.

    A clause with two numbers (2022 年营收 3 亿) is left alone: which of them differs cannot be told from what it
    means; so is one in which the subject differs.
    """
    asked = _pairs(letters(plain(question)))
    statements = [s for hit in hits for s in _statements(hit) if _shares(asked, _pairs(s.subject + s.words))]
    found: dict[tuple[int, int], Conflict] = {}
    for i, one in enumerate(statements):
        for other in statements[i + 1 :]:
            if one.rank != other.rank and one.value != other.value and _same_but_for_number(one, other):
                found.setdefault((one.rank, other.rank), Conflict(one.rank, one.written, other.rank, other.written))
    return tuple(found.values())[:MAX_CONFLICTS]


def _statements(hit: Hit) -> list[_Statement]:
    made = []
    # Passages of one document share its name, which makes no two of them alike.
    title = letters(plain(hit.chunk.title.split(_PATH)[-1]))
    for start, end in sentence_spans(hit.chunk.text):
        sentence = _LIST_NUMBER.sub("", plain(hit.chunk.text[start:end]))
        subject = title
        for match in _CLAUSE.finditer(sentence):
            clause = match.group()
            numbers = list(_NUMBER.finditer(clause))
            if len(numbers) == 1:
                number = numbers[0]
                unit = _UNIT.match(clause, number.end())
                assert unit is not None
                words = letters(clause[: number.start()] + clause[number.end() :])
                role = letters(clause[: number.start()])[-2:]
                written = _as_written(hit.chunk.text[start:end], number.group(), unit.group())
                made.append(_Statement(hit.rank, subject, words, role, number.group(), unit.group()[:1], written))
            subject = subject or letters(clause)[:12]
    return [
        one
        for one in made
        if len(one.words) >= MIN_CHARS or (one.subject and len(one.subject + one.words) >= MIN_CHARS)
    ]


def _as_written(sentence: str, number: str, unit: str) -> str:
    """The number in the passage's own writing, where that is to be found."""
    tail = re.escape(unit)
    for match in re.finditer(rf"[\d.,\-/年月零〇一二两三四五六七八九十百千万亿]+日?{tail}", sentence):
        if plain(match.group()) == number + unit:
            return match.group()
    return number + unit


def _same_but_for_number(one: _Statement, other: _Statement) -> bool:
    """Whether thing, unit, what is counted and the rest of the words are the same."""
    if one.unit != other.unit or one.role != other.role:
        return False
    if one.subject == other.subject:
        mine, theirs = one.words, other.words
    elif one.subject in other.words or other.subject in one.words:
        mine, theirs = _joined(one), _joined(other)
    else:
        return False
    return mine[:2] == theirs[:2] and SequenceMatcher(None, mine, theirs, autojunk=False).ratio() >= MIN_ALIKE


def _joined(it: _Statement) -> str:
    return it.words if it.subject in it.words else it.subject + it.words


def _shares(asked: set[str], pairs: set[str]) -> bool:
    return bool(asked) and len(asked & pairs) >= MIN_ABOUT * min(len(asked), len(pairs))


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}
