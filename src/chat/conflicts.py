"""Passages that say the same with another number, date or permission: the reader should hear of it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from src.chat.claims import FUNCTION, letters, plain
from src.chat.types import Conflict, Quote
from src.ingest.split import sentence_spans
from src.search.types import Hit

# How alike two statements are without their values, and how much of the question they share.
MIN_ALIKE = 0.75
MIN_ABOUT = 0.3
MIN_CHARS = 4
MAX_CONFLICTS = 3
_CLAUSE = re.compile(r"(?:[^，,；;：:。！？!?\n]|(?<=\d):(?=\d))+")
# A whole date, time or range is one value.
_NUMBER = re.compile(
    r"\d+年\d+月(?:\d+日)?|\d+月\d+日|\d+[点时:]\d*分?半?(?:[至到~-]\d+[点时:]\d*分?半?)?|\d[\d.]*"
)
_UNIT = re.compile(r"[年月日个人名所座公平方里米千克吨元岁届次层间台辆条种部天周期章节步项倍折分度%％]{0,3}")
_MAY = re.compile("不(?:可以?|能|得|准|许|允许)|禁止|严禁|谢绝|可以|允许|准许")
# 1. and （二） and 第3步 number what follows, and say nothing.
_LIST_NUMBER = re.compile(
    r"^\s*(?:[-*•·]\s*)?(?:[(（]?\d{1,2}(?:[.、)）](?!\d)|\s|$)|第\d{1,3}[步条章节项款点]|\d{1,2}(?:\.\d{1,2})+(?=\s))\s*"
)
# Ends a path of headings: 员工手册 › 报销.
_PATH = " › "


@dataclass(frozen=True)
class _Statement:
    """One clause with one value.

    Attributes:
        place: where its sentence begins in the passage.
        subject: what its sentence is about: the title, or else the first clause.
        words: the clause without the value.
        kind: what the value must have in common with another: its unit and what stands before it; "may" of permissions.
        written: the value with its unit as it stands in the passage.
    """

    rank: int
    place: int
    subject: str
    words: str
    kind: str
    value: str
    written: str


def conflicts_of(question: str, hits: Sequence[Hit], quote: Quote | None = None) -> tuple[Conflict, ...]:
    """Pairs of statements about the question that differ in nothing but one value, each pair of passages once; where a
    sentence is quoted in answer, it must be one of the two.

    A clause with two numbers (2022 年营收 3 亿) is left alone: which of them differs cannot be told from what it
    means; so is one in which the subject differs.
    """
    asked = _pairs(letters(plain(question)))
    statements = [
        s
        for hit in hits
        for s in _statements(hit)
        if quote is not None or _shares(asked, _pairs(s.subject + s.words))
    ]
    found: dict[tuple[int, int], Conflict] = {}
    for i, one in enumerate(statements):
        for other in statements[i + 1 :]:
            quoted = quote is None or any(
                s.rank == quote.rank and quote.start <= s.place < quote.end for s in (one, other)
            )
            if quoted and one.rank != other.rank and one.value != other.value and _same_but_for_value(one, other):
                found.setdefault((one.rank, other.rank), Conflict(one.rank, one.written, other.rank, other.written))
    return tuple(found.values())[:MAX_CONFLICTS]


def _statements(hit: Hit) -> Iterator[_Statement]:
    # Passages of one document share its name, which makes no two of them alike.
    title = letters(plain(hit.chunk.title.split(_PATH)[-1]))
    for start, end in sentence_spans(hit.chunk.text):
        sentence = hit.chunk.text[start:end]
        place, subject = start + len(sentence) - len(sentence.lstrip()), title
        for match in _CLAUSE.finditer(_LIST_NUMBER.sub("", plain(sentence))):
            clause = match.group()
            for number, value, kind, written in _values(clause, sentence):
                words = letters(clause[: number.start()] + clause[number.end() :])
                if len(words) >= MIN_CHARS or (subject and len(subject + words) >= MIN_CHARS):
                    yield _Statement(hit.rank, place, subject, words, kind, value, written)
            subject = subject or letters(clause)[:12]


def _values(clause: str, sentence: str) -> Iterator[tuple[re.Match[str], str, str, str]]:
    """The number of a clause and its permission, if it has but one: where, value, kind, as written in its sentence."""
    numbers, permissions = list(_NUMBER.finditer(clause)), list(_MAY.finditer(clause))
    if len(numbers) == 1:
        unit = _UNIT.match(clause, numbers[0].end())
        assert unit is not None
        role = letters(clause[: numbers[0].start()])[-2:]
        yield (
            numbers[0],
            numbers[0].group(),
            f"{role}|{unit.group()[:1]}",
            _as_written(sentence, numbers[0].group(), unit.group()),
        )
    if len(permissions) == 1:
        forbids = permissions[0].group()[0] not in "可允准"
        yield permissions[0], str(forbids), "may", permissions[0].group()


def _as_written(sentence: str, number: str, unit: str) -> str:
    """The number in the passage's own writing, where that is to be found."""
    tail = re.escape(unit)
    for match in re.finditer(rf"[\d.,:\-/年月点分半至到零〇一二两三四五六七八九十百千万亿]+日?{tail}", sentence):
        if plain(match.group()) == number + unit:
            return match.group()
    return number + unit


def _same_but_for_value(one: _Statement, other: _Statement) -> bool:
    """Whether thing, unit, what is counted and the rest of the words are the same."""
    if one.kind != other.kind:
        return False
    if one.subject == other.subject:
        mine, theirs = one.words, other.words
    elif one.subject in other.words or other.subject in one.words:
        mine, theirs = _joined(one), _joined(other)
    else:
        return False
    matcher = SequenceMatcher(None, mine, theirs, autojunk=False)
    # 成人门票 and 儿童门票 are two things, 票价 and 票价是 one.
    exchanged = any(
        tag == "replace" and not (FUNCTION.issuperset(mine[a:b]) or FUNCTION.issuperset(theirs[c:d]))
        for tag, a, b, c, d in matcher.get_opcodes()
    )
    return mine[:2] == theirs[:2] and not exchanged and matcher.ratio() >= MIN_ALIKE


def _joined(it: _Statement) -> str:
    return it.words if it.subject in it.words else it.subject + it.words


def _shares(asked: set[str], pairs: set[str]) -> bool:
    return bool(asked) and len(asked & pairs) >= MIN_ABOUT * min(len(asked), len(pairs))


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}
