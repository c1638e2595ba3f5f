"""Passages that say the same with another number, date or permission: the reader should hear of it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from src.chat.claims import FUNCTION, letters, plain
from src.chat.passages import pairs
from src.chat.subjects import is_self, subject
from src.chat.types import Conflict, Quote
from src.ingest.split import sentence_spans
from src.search.types import Hit

# How alike two statements are, word by word, and how much of the question they share.
MIN_ALIKE = 0.6
MIN_ABOUT = 0.3
MAX_CONFLICTS = 3
_CLAUSE = re.compile(r"(?:[^，,；;：:。！？!?\n]|(?<=\d)[:,](?=\d))+")
# A whole date, time or range is one number.
_NUMBER = r"\d+年\d+月(?:\d+日)?|\d+月\d+日|\d+[点时:]\d*分?半?(?:[至到~-]\d+[点时:]\d*分?半?)?|(?:\d+|一)[元块米斤]\d+[角毛两]?|\d[\d.]*(?:-\d[\d.]*)?"
_FORBIDS = "不(?:可以?|能|得|准|许|允许)|禁止|严禁|谢绝"
_TOKEN = re.compile(rf"(?P<number>{_NUMBER})|(?P<forbids>{_FORBIDS})|(?P<allows>可以|允许|准许)|[^\W\d]")
_UNIT = "[年月日个人名所座平方公里米千克吨元岁届次层楼间台辆条种部天周度页亩倍折分%％]"
# 1. and （二） and 第3步 number what follows, and say nothing.
_LIST_NUMBER = re.compile(
    r"^\s*(?:[-*•·]\s*)?(?:[(（]?\d{1,2}(?:[.、)）](?!\d)|\s|$)|第\d{1,3}[步条章节项款点]|\d{1,2}(?:\.\d{1,2})+(?=\s))\s*"
)
# Ends a path of headings: 员工手册 › 报销.
_PATH = " › "
_WRITTEN = r"[\d.,:\-/年月点分半至到元块角毛零〇一二两三四五六七八九十百千万亿]+日?"


@dataclass(frozen=True)
class _Statement:
    """One clause, and what it is told of before it; ``place`` is where its sentence begins in the passage."""

    rank: int
    place: int
    sentence: str
    tokens: tuple[re.Match[str], ...]

    @property
    def words(self) -> list[str]:
        return [token.group() for token in self.tokens]


def conflicts_of(question: str, hits: Sequence[Hit], quote: Quote | None = None) -> tuple[Conflict, ...]:
    """Pairs of statements about the question that differ in nothing but one value, each pair of passages once; where a
    sentence is quoted in answer, it must be one of the two."""
    asked = pairs(letters(plain(question)))
    statements = [s for hit in hits for s in _statements(hit)]
    if quote is None:
        said = [pairs("".join(s.words)) for s in statements]
        shared = [len(asked & one) >= MIN_ABOUT * min(len(asked), len(one)) for one in said]
        statements = [s for s, is_shared in zip(statements, shared, strict=True) if is_shared]
    found: dict[tuple[int, int], Conflict] = {}
    for i, one in enumerate(statements):
        for other in statements[i + 1 :]:
            if one.rank == other.rank or (quote is not None and not any(_is_in(s, quote) for s in (one, other))):
                continue
            if values := _values(one, other):
                found.setdefault((one.rank, other.rank), Conflict(one.rank, values[0], other.rank, values[1]))
    return tuple(found.values())[:MAX_CONFLICTS]


def _is_in(it: _Statement, quote: Quote) -> bool:
    return it.rank == quote.rank and quote.start <= it.place < quote.end


def _statements(hit: Hit) -> Iterator[_Statement]:
    title = plain(hit.chunk.title.split(_PATH)[-1])
    for start, end in sentence_spans(hit.chunk.text):
        sentence = hit.chunk.text[start:end]
        place, first = start + len(sentence) - len(sentence.lstrip()), ""
        for match in _CLAUSE.finditer(_LIST_NUMBER.sub("", plain(sentence))):
            clause = match.group()
            begins = subject(clause)
            named = begins is not None and not is_self(begins)
            about = first if first or named else title
            told = clause if about in clause else f"{about}，{clause}"
            yield _Statement(hit.rank, place, sentence, tuple(_TOKEN.finditer(told)))
            first = first or (begins.text if begins is not None and named else title)


def _values(one: _Statement, other: _Statement) -> tuple[str, str] | None:
    """The two values, if they are all in which two statements differ: the thing, what is counted and the unit are the same,
    and what else one has more says nothing (的价格是)."""
    matcher = SequenceMatcher(None, one.words, other.words, autojunk=False)
    found: tuple[str, str] | None = None
    if one.words[:2] != other.words[:2] or matcher.ratio() < MIN_ALIKE:
        return None
    for tag, a, b, c, d in matcher.get_opcodes():
        mine, theirs = (
            [t for t in part if t.group() not in FUNCTION] for part in (one.tokens[a:b], other.tokens[c:d])
        )
        if tag == "equal" or not (mine or theirs):
            continue
        kinds = {token.lastgroup for token in (*mine, *theirs)}
        if len(mine) == len(theirs) == 1 and kinds in ({"number"}, {"forbids", "allows"}):
            if found is not None:
                return None
            found = _as_written(one, mine[0]), _as_written(other, theirs[0])
        elif (mine and theirs) or kinds != {None}:
            return None
    return found


def _as_written(it: _Statement, token: re.Match[str]) -> str:
    """The value with its unit in the passage's own writing, where that is to be found."""
    for match in (
        re.finditer(rf"(?![年月点分半至到元块角毛]){_WRITTEN}{_UNIT}{{0,3}}", it.sentence)
        if token.lastgroup == "number"
        else ()
    ):
        if token.string.startswith(plain(match.group()), token.start()):
            return match.group()
    return token.group()
