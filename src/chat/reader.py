"""The reader in the chat: which words of the passages found answer a question, and whether any do."""

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from src.caller import Caller
from src.chat.claims import CODE
from src.chat.numbers import canonical
from src.chat.question_english import is_latin
from src.chat.question_kinds import has_span, is_polar, is_read, name_of
from src.chat.rows import Row, row_asked_for
from src.chat.types import Quote, Span
from src.ingest.split import sentence_spans
from src.models.base import Queued, Reading, ReadingModel
from src.search.courtesy import without_courtesy
from src.search.dates import Dated, dated
from src.search.terms import fold
from src.search.types import Hit

# A passage that answers with this probability ends the reading: the ones behind it are less likely to be better.
ENOUGH = 0.6
# Of a name that is told about: 年假制度 is of 年假.
_GENERAL = re.compile(
    "(?:相关|有关|具体|管理)?(?:制度|规定|办法|标准|流程|政策|情况|信息|简介|概况|内容|要求|说明|资料|知识|规则|条例|方法|原理|概念|定义|历史|特点|问题)+$"
)
# Such a name is one piece: what tells of 深圳 and of another 大学 tells nothing of 深圳大学.
_PROPER = re.compile(
    "(?:大学|学院|学校|中学|小学|医院|公司|集团|银行|图书馆|博物馆|研究[所院]|出版社|大桥|隧道|机场|车站|公园|[省市县镇村岛])$"
)
# What stands before an answer where questions are listed with theirs.
_LABELS = "答案问题资料"
OTHER_NAME, OTHER_CODE = 0.5, 0.05
# Reasons, ways and lists are more than the words that the reader points at, so it is less sure of them; see NOTES.md.
OPEN_SHARE = 0.5
# A sentence of so many characters is read at a glance.
LONG = 40
_CLAUSE_END = re.compile(r"[，,；;。！？\n]")
# Of the span's characters, how many an answer must have to say it.
MIN_SAID = 0.8
# The words that were read answer; or passages are judged by the search's scores; or nothing is answered.
Decision = Literal["span", "search", "refuse"]


@dataclass(frozen=True)
class Evidence:
    """What reading has found.

    Attributes:
        hits: all of them, with ``stages.read`` where they were read.
        span: the words that answer best; None where nothing was read.
        answerable: the probability that they answer.
    """

    hits: tuple[Hit, ...]
    span: Span | None
    answerable: float


class Reader:
    """Reads passages best first, and only as many as it needs.

    Args:
        model: with an adapter that reads.
        at_once: passages of one pass; on a CPU one costs as much as it takes, on a GPU sixteen cost what one does.
    """

    def __init__(self, model: ReadingModel, adapter: str, at_once: int = 1) -> None:
        self._model = model
        self._adapter = adapter
        self._at_once = at_once

    def read(
        self, question: str, hits: Sequence[Hit], caller: Caller, *, every: bool = False
    ) -> Generator[Queued, None, Evidence]:
        """``every`` reads all of them, whatever the first ones say. Raises Busy or ModelError as the model does."""
        found: dict[int, Reading] = {}
        # Politeness is no part of what it was trained on.
        asked = dated(without_courtesy(question))
        for start in range(0, len(hits), self._at_once):
            chosen = hits[start : start + self._at_once]
            rows = {hit.rank: row for hit in chosen if (row := row_asked_for(question, hit.chunk.text))}
            pieces = [(hit, 0, len(hit.chunk.text)) for hit in chosen]
            pieces += [(hit, rows[hit.rank].start, rows[hit.rank].end) for hit in chosen if hit.rank in rows]
            # 1987年9月1日 and 一九八七年九月一日 are read as one day.
            texts = [Dated(hit.chunk.text[begin:end]) for hit, begin, end in pieces]
            passages = [(hit.chunk.title, text.text) for (hit, _, _), text in zip(pieces, texts, strict=True)]
            readings: dict[int, list[Reading]] = {}  # by rank: of the whole, then of its row
            for item in self._model.read(passages, [asked], self._adapter, caller):
                if isinstance(item, Queued):
                    yield item
                    continue
                for i, (read, *_) in sorted(item.items()):
                    hit, offset, _ = pieces[i]
                    begin, end = texts[i].there(read.start, read.end)
                    placed = replace(read, start=offset + begin, end=offset + end)
                    readings.setdefault(hit.rank, []).append(placed)
            for hit in chosen:
                if hit.rank in readings:
                    reading = _in_its_row(readings[hit.rank], rows.get(hit.rank))
                    share = _named(question, f"{hit.chunk.title} {hit.chunk.text}")
                    if _bare(hit.chunk.text[reading.start : reading.end]) in _bare(question) + _LABELS:
                        share = 0.0  # what the question says itself is no answer
                    found[hit.rank] = replace(reading, probability=share * reading.probability)
            enough = any(reading.probability >= ENOUGH for reading in found.values())
            if caller.stopped or (enough and not every):
                break
        marked = tuple(
            replace(hit, stages=replace(hit.stages, read=found[hit.rank].probability)) if hit.rank in found else hit
            for hit in hits
        )
        if not found:
            return Evidence(marked, None, 0.0)
        rank, best = max(found.items(), key=lambda item: (item[1].probability, -item[0]))
        text = next(hit.chunk.text for hit in hits if hit.rank == rank)
        span = Span(rank, text[best.start : best.end], best.start, best.end, best.probability)
        return Evidence(marked, span if span.text.strip() else None, best.probability if span.text.strip() else 0.0)


def _in_its_row(readings: Sequence[Reading], row: Row | None) -> Reading:
    """The rows of a table are alike but for their values: what is read outside of the one that is asked for gives way to
    what is read in it. Whether there is an answer, the whole table tells better."""
    most = max(reading.probability for reading in readings)
    inside = [one for one in readings if row and row.start <= one.start and one.end <= row.end]
    return replace(max(inside or readings, key=lambda one: one.probability), probability=most)


def _named(question: str, passage: str) -> float:
    """What is left of a passage's probability where it lacks a Latin name of a Chinese question (QLoRA is not LoRA), or a
    model number: the one may be written in Chinese there, the other not."""
    if is_latin(question):
        return 1.0
    asked, there = set(CODE.findall(fold(question))), set(CODE.findall(fold(passage)))
    missing = {name for name in asked if name not in there and name.replace("-", "") not in there}
    codes = any(any(map(str.isdigit, name)) for name in missing)
    return OTHER_CODE if codes else OTHER_NAME if missing else 1.0


def read_as(question: str, hits: Sequence[Hit]) -> str | None:
    """What the reader is asked of the passages found: the question, or what a name is that none of them has; None where
    it is not asked."""
    if not hits:
        return None
    return question if is_read(question) else defining(question, hits)


def decide(question: str, evidence: Evidence, threshold: float) -> Decision:
    """What is done with what has been read, ``threshold`` being the least probability of words that answer."""
    if evidence.span is not None and evidence.answerable >= threshold and is_read(question):
        return "span"
    return "refuse" if evidence.answerable < least_answerable(question, threshold) else "search"


def least_answerable(question: str, threshold: float) -> float:
    """The probability below which nothing is answered: 0 for yes or no, where the reader's silence decides nothing."""
    if is_polar(question):
        return 0.0
    return threshold if has_span(question) else threshold * OPEN_SHARE


def defining(question: str, hits: Sequence[Hit]) -> str | None:
    """What the reader is asked about a name that is to be told about and that none of the passages has: the search knows
    a name's likes, and is sure of some. None where a passage has it or its parts (a rule that is told about has no
    definition there, and the reader finds none), or nothing of the kind is asked; an English name may
    be written in Chinese there.

    Where nothing of a name is told the reader gives 0.02 at most, where something is 0.7 and more (NOTES.md).
    """
    name = name_of(question)
    if not hits or name is None or is_latin(question):
        return None
    bare = _bare(name)
    bare = _GENERAL.sub("", bare) or bare
    has = str.__contains__ if _PROPER.search(bare) else _has_parts
    if any(has(_bare(f"{hit.chunk.title} {hit.chunk.text}"), bare) for hit in hits):
        return None
    return f"什么是{name}？"


def _has_parts(text: str, name: str) -> bool:
    """Whether the name stands in the text, in one or in parts of two characters and more: 年终奖|发放|办法."""
    reached = {0}
    for end in range(2, len(name) + 1):
        if any(start in reached and name[start:end] in text for start in range(end - 1)):
            reached.add(end)
    return len(name) in reached


def finished(reading: Generator[Queued, None, Evidence]) -> Evidence:
    """What a reading has found in the end, for those who show no place in the queue."""
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return cast(Evidence, end.value)


def quoted(span: Span, hits: Sequence[Hit]) -> Quote:
    """The sentences around the span, word for word."""
    text = next(hit.chunk.text for hit in hits if hit.rank == span.rank)
    around = [(start, end) for start, end in sentence_spans(text) if start < span.end and span.start < end]
    start, end = (around[0][0], around[-1][1]) if around else (span.start, span.end)
    bare = text[start:end]
    start += len(bare) - len(bare.lstrip())
    return Quote(span.rank, bare.strip(), start, start + len(bare.strip()))


def brief(quote: Quote, span: Span) -> str:
    """What a passage says in answer, word for word: its sentence, or of a long one the clauses that hold the span."""
    if len(quote.text) <= LONG:
        return quote.text
    start, end = span.start - quote.start, span.end - quote.start
    begins = max((match.end() for match in _CLAUSE_END.finditer(quote.text, 0, start)), default=0)
    after = _CLAUSE_END.search(quote.text, end)
    return quote.text[begins : after.start() if after else len(quote.text)].strip()


def says(answer: str, span: Span) -> bool:
    """Whether an answer has the words that answer, or nearly all of many; 15公里 does not say 5公里."""
    said, right = _bare(answer), _bare(span.text)
    begins, ends = r"(?<!\d)" if right[:1].isdigit() else "", r"(?!\d)" if right[-1:].isdigit() else ""
    if re.search(begins + re.escape(right) + ends, said):
        return True
    if len(right) < 8:  # a name or a number: nearly right is another one
        return False
    pairs = {right[i : i + 2] for i in range(len(right) - 1)}
    return sum(pair in said for pair in pairs) >= MIN_SAID * len(pairs)


def repeats(answer: str, question: str) -> bool:
    """Whether an answer is but the question, or words of it."""
    return _bare(answer) in _bare(question)


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, canonical(fold(text))))
