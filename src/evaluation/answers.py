"""How good answers are: our chat beside the course's method (the one best passage by one vector a document, the
course's prompt), with the same model in one run; and what our chat says when the answer is gone and everything that
looks like it is still there."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from src.chat.answer import Answer
from src.chat.service import ChatService
from src.errors import InputError
from src.evaluation.calibration import calibrate
from src.evaluation.columns import left, right, shown_width
from src.evaluation.measures import character_f1, holds, invented_numbers, normalised
from src.evaluation.questions import TYPES, Question
from src.evaluation.retrieval import whole_vectors
from src.ingest.copies import copy_keys
from src.ingest.split import split_document
from src.ingest.types import Chunk, Document
from src.models.base import GenerationOptions, LanguageModel, Message
from src.models.embedders.base import Embedder
from src.search.indexing import base_of
from src.search.types import Collection, Hit, Proposals, Query, Stages

COURSE, OURS = "course", "yuanzhi"
PRESENT, REMOVED = "present", "removed"


@dataclass(frozen=True)
class Answered:
    """One answer and what it is worth; shares in [0, 1].

    Attributes:
        condition: what was there to answer from.
        evidence: whether that holds the answer; without, only a refusal is right.
        text: as it is written, the quote from the passages behind the model's words.
        span: the words of a passage that are the answer, "" for none.
        exact_match, f1, said: of the model's words alone; ``said`` where they contain a right answer.
        contained: whether ``text`` does.
        invented: numbers and dates of the model's words that no passage found holds, nor the question.
        support: share of the sentences that are marked as supported, None for no sentence.
        answerable: the probability that the passages found answer; None where nobody said.
        found: whether they hold a right answer.
    """

    method: str
    condition: str
    evidence: bool
    question: str
    type: str
    doc_id: str
    answers: tuple[str, ...]
    text: str
    refused: bool
    span: str
    span_exact_match: bool
    span_f1: float
    exact_match: bool
    f1: float
    said: bool
    contained: bool
    invented: tuple[str, ...]
    support: float | None
    answerable: float | None
    found: bool
    first_token_ms: float | None
    total_ms: float


@dataclass(frozen=True)
class AnswerScore:
    """Means over some answers; shares in [0, 1], None where there is nothing to take the mean of.

    From ``span_exact_match`` to ``characters`` over the ``questions`` whose evidence is there, a refusal counting as
    a wrong answer; so are the times. ``rejected``: the share refused of the ``removed`` ones, whose evidence is not.
    ``invented``, ``support``: over what was answered. ``calibration_error``: of ``answerable``, over both.
    """

    method: str
    condition: str
    type: str
    questions: int
    removed: int
    span_exact_match: float | None
    span_f1: float | None
    exact_match: float | None
    f1: float | None
    said: float | None
    contained: float | None
    refused: float | None
    characters: float | None
    rejected: float | None
    invented: float | None
    invented_removed: float | None
    support: float | None
    calibration_error: float | None
    first_token_p50_ms: float | None
    first_token_p95_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    refusal_p50_ms: float | None
    refusal_p95_ms: float | None


@dataclass(frozen=True)
class RefusalScore:
    """A refusal is right where the evidence was removed (``removed`` questions), wrong where it is there."""

    questions: int
    removed: int
    refused_wrongly: int
    refused_rightly: int

    @property
    def precision(self) -> float:
        refused = self.refused_wrongly + self.refused_rightly
        return self.refused_rightly / refused if refused else 0.0

    @property
    def recall(self) -> float:
        return self.refused_rightly / self.removed if self.removed else 0.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@dataclass(frozen=True)
class AnswerEvaluation:
    """Everything one run found out: ``scores`` of each method or condition, ``by_type`` those of our chat for each
    type of question."""

    scores: tuple[AnswerScore, ...]
    by_type: tuple[AnswerScore, ...]
    refusal: RefusalScore
    answered: tuple[Answered, ...]


def evaluate(
    documents: Sequence[Document],
    questions: Sequence[Question],
    model: LanguageModel,
    embedder: Embedder,
    chat: Callable[[Collection], ChatService],
    *,
    max_new_tokens: int,
    show_progress: bool = False,
) -> AnswerEvaluation:
    """Ask every question of both methods, then once more of ours without the chunks that hold its answer.

    ``chat`` makes our chat over a collection; ``model`` answers for the course, up to ``max_new_tokens``.

    Raises:
        InputError: a question has no answer to compare with.
        KnowledgeError: the documents hold no text.
    """
    if bare := next((question.text for question in questions if not question.answers), None):
        raise InputError(f"问题“{bare[:40]}”没有标准答案：量回答需要 answers")
    bar = partial(tqdm, unit="题", disable=None if show_progress else True)
    base = base_of(documents, embedder)
    evidence = Evidence(documents)
    course = _course(documents, embedder, model, GenerationOptions(max_new_tokens=max_new_tokens))
    service = chat(base)

    def ours(question: Question) -> Answer:
        return Answer.of(question.text, service.ask(question.text))

    def without(question: Question) -> Answer:
        return Answer.of(question.text, chat(Without(base, evidence.of(question))).ask(question.text))

    answered: list[Answered] = []
    for method, condition, ask in ((COURSE, PRESENT, course), (OURS, PRESENT, ours), (OURS, REMOVED, without)):
        ask(questions[0])  # the first call of a process loads weights and tables
        there = condition == PRESENT
        answered += [
            judge(method, condition, there, question, ask(question))
            for question in bar(questions, desc=f"{method} {condition}")
        ]
    return evaluation_of(answered, [score(COURSE, answered), score(OURS, answered)])


def evaluation_of(answered: Sequence[Answered], scores: Iterable[AnswerScore]) -> AnswerEvaluation:
    """``scores`` of all that was answered, with what is said of our chat by type and of its refusals."""
    ours = [one for one in answered if one.method == OURS]
    types = [name for name in TYPES if any(one.type == name for one in ours)]
    refused = [one.evidence for one in ours if one.refused]
    there = sum(one.evidence for one in ours)
    return AnswerEvaluation(
        tuple(scores),
        tuple(score(OURS, ours, type_=name) for name in types),
        RefusalScore(there, len(ours) - there, sum(refused), len(refused) - sum(refused)),
        tuple(answered),
    )


def judge(method: str, condition: str, evidence: bool, question: Question, answer: Answer) -> Answered:
    """An answer beside the right ones; ``evidence``: whether it could be known."""
    written = answer.to_json()
    refused = written["refused"]
    words, text = ("", "") if refused else (answer.text, written["answer"])
    span = "" if refused or written["span"] is None else written["span"]["text"]
    passages = [f"{hit['title']}\n{hit['text']}" for hit in written["hits"]]
    support = [one["rank"] is not None for one in written["support"]]
    timings = written["timings_ms"]
    return Answered(
        method=method,
        condition=condition,
        evidence=evidence,
        question=question.text,
        type=question.type,
        doc_id=question.doc_id,
        answers=question.answers,
        text=written["answer"],
        refused=refused,
        span=span,
        span_exact_match=_is_exact(span, question),
        span_f1=_best_f1(span, question),
        exact_match=_is_exact(words, question),
        f1=_best_f1(words, question),
        said=holds(words, question.wanted),
        contained=holds(text, question.wanted),
        invented=tuple(invented_numbers(words, [question.text, *passages])),
        support=statistics.mean(support) if support else None,
        answerable=written["answerable"],
        found=evidence and holds("\n".join(passages), question.wanted),
        first_token_ms=timings.get("first_token"),
        total_ms=timings.get("total", max(timings.values(), default=0.0)),
    )


def score(method: str, answered: Iterable[Answered], *, condition: str = "", type_: str = "") -> AnswerScore:
    """Of the answers by this method, of this condition and type; "": of all."""
    chosen = [
        one
        for one in answered
        if one.method == method and condition in ("", one.condition) and type_ in ("", one.type)
    ]
    there = [one for one in chosen if one.evidence]
    removed = [one for one in chosen if not one.evidence]
    given = [one for one in there if not one.refused]
    outcomes = [(one.answerable, one.found) for one in chosen if one.answerable is not None]
    first = [one.first_token_ms for one in there if one.first_token_ms is not None]
    total = [one.total_ms for one in there]
    refusals = [one.total_ms for one in chosen if one.refused]
    pointed = there if method == OURS else []  # the course points at nothing and never refuses
    return AnswerScore(
        method=method,
        condition=condition,
        type=type_,
        questions=len(there),
        removed=len(removed),
        span_exact_match=_mean(one.span_exact_match for one in pointed),
        span_f1=_mean(one.span_f1 for one in pointed),
        exact_match=_mean(one.exact_match for one in there),
        f1=_mean(one.f1 for one in there),
        said=_mean(one.said for one in there),
        contained=_mean(one.contained for one in there),
        refused=_mean(one.refused for one in pointed),
        characters=_mean(len(one.text) for one in there),
        rejected=_mean(one.refused for one in removed),
        invented=_mean(bool(one.invented) for one in given),
        invented_removed=_mean(bool(one.invented) for one in removed if not one.refused),
        support=_mean(one.support for one in given if one.support is not None),
        calibration_error=calibrate(outcomes).expected_error if outcomes else None,
        first_token_p50_ms=_percentile(first, 50),
        first_token_p95_ms=_percentile(first, 95),
        p50_ms=_percentile(total, 50),
        p95_ms=_percentile(total, 95),
        refusal_p50_ms=_percentile(refusals, 50),
        refusal_p95_ms=_percentile(refusals, 95),
    )


# Headings of the two tables with what stands below them.
_WORTH: dict[str, Callable[[AnswerScore], str]] = {
    "题数": lambda one: str(one.questions or "—"),
    "片段EM": lambda one: _percent(one.span_exact_match),
    "片段F1": lambda one: _percent(one.span_f1),
    "EM": lambda one: _percent(one.exact_match),
    "字F1": lambda one: _percent(one.f1),
    "模型含": lambda one: _percent(one.said),
    "准确率": lambda one: _percent(one.contained),
    "误拒": lambda one: _percent(one.refused),
    "编数字": lambda one: _percent(one.invented),
    "有依据": lambda one: _percent(one.support),
    "无据题": lambda one: str(one.removed or "—"),
    "拒答": lambda one: _percent(one.rejected),
    "无据编": lambda one: _percent(one.invented_removed),
    "ECE": lambda one: _percent(one.calibration_error),
}
_TIMES: dict[str, Callable[[AnswerScore], str]] = {
    "字数": lambda one: "—" if one.characters is None else f"{one.characters:.0f}",
    "首字p50": lambda one: _seconds(one.first_token_p50_ms),
    "首字p95": lambda one: _seconds(one.first_token_p95_ms),
    "用时p50": lambda one: _seconds(one.p50_ms),
    "用时p95": lambda one: _seconds(one.p95_ms),
    "拒答p50": lambda one: _seconds(one.refusal_p50_ms),
    "拒答p95": lambda one: _seconds(one.refusal_p95_ms),
}
_CONDITIONS = {"noise": "噪声", "negatives": "只有负例"}
_LEGEND = """\
片段：指出的原文那几个字，没有指出算 0。EM、字F1、模型含：模型自己的话，含是里面有标准答案；准确率：连同摘出的原文，里面有标准答案。
误拒：依据在却拒答；无据题：依据拿走、相近的段落还在，拒答才对。编数字、无据编：答了的里面，有数字或日期不在找到的段落和问题里的。
有依据：标了出处的句子。ECE：answerable 的期望校准误差（10 格，有据无据一起）。前面的表是题数和百分比，“用时”是字数和秒。"""


def table(evaluation: AnswerEvaluation) -> str:
    """Lines to print: every method or condition, our chat by type of question, times, and what the columns mean."""
    refusal = evaluation.refusal
    named = {_name(one): one for one in evaluation.scores}
    return "\n".join(
        [
            *_columns("方法", _WORTH, named),
            *_columns("题型", _WORTH, {TYPES[one.type]: one for one in evaluation.by_type}),
            *_columns("用时", _TIMES, named),
            f"拒答：精确率 {100 * refusal.precision:.1f}，召回率 {100 * refusal.recall:.1f}，F1 {100 * refusal.f1:.1f}"
            f"（依据在时误拒 {refusal.refused_wrongly}/{refusal.questions}，"
            f"只有相近的段落时拒答 {refusal.refused_rightly}/{refusal.removed}）",
            _LEGEND,
        ]
    )


def to_json(evaluation: AnswerEvaluation, **about: Any) -> dict[str, Any]:
    """``about`` (data file, model) beside the scores and every answer."""
    refusal = evaluation.refusal
    shares = {"precision": refusal.precision, "recall": refusal.recall, "f1": refusal.f1}
    return {
        **about,
        "scores": [asdict(one) for one in evaluation.scores],
        "by_type": [asdict(one) for one in evaluation.by_type],
        "refusal": asdict(refusal) | shares,
        "answers": [asdict(one) for one in evaluation.answered],
    }


class Evidence:
    """Which chunks of some documents, cut as the index cuts them, hold the answer to a question."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._chunks = {document.doc_id: split_document(document) for document in documents}
        self._copies: dict[int, list[str]] = {}  # the index keeps one of several copies, whosever it is
        for chunks in self._chunks.values():
            for chunk in chunks:
                for key in _keys(chunk):
                    self._copies.setdefault(key, []).append(chunk.chunk_id)

    def of(self, question: Question) -> frozenset[str]:
        """Ids of the chunks of the same article that hold any wording of the answer, and of their copies; of the
        whole document where none does, because the answer is cut in two or worded in another way."""
        wordings = [[wording for part in question.wanted for wording in part]]
        article = question.article or (question.doc_id,)
        chunks = [c for doc_id in article for c in self._chunks[doc_id] if holds(c.text, wordings)]
        if not any(chunk.doc_id == question.doc_id for chunk in chunks):
            chunks += self._chunks[question.doc_id]
        return frozenset(name for chunk in chunks for key in _keys(chunk) for name in self._copies[key])


class Without:
    """A collection that lacks some chunks."""

    def __init__(self, collection: Collection, hidden: frozenset[str]) -> None:
        self._collection = collection
        self._hidden = hidden

    def propose(self, query: Query) -> Proposals:
        found = self._collection.propose(replace(query, pool=query.pool + len(self._hidden)))
        shown = [candidate for candidate in found.candidates if candidate.chunk.chunk_id not in self._hidden]
        return replace(found, candidates=shown)


def _keys(chunk: Chunk) -> list[int]:
    return [key for key in copy_keys(chunk.title, chunk.text) if key]


def _course(
    documents: Sequence[Document], embedder: Embedder, model: LanguageModel, options: GenerationOptions
) -> Callable[[Question], Answer]:
    best = whole_vectors(documents, embedder)
    by_id = {document.doc_id: document for document in documents}

    def method(question: Question) -> Answer:
        started = time.perf_counter()
        document = by_id[best(question.text)[0]]
        prompt = f"背景：{document.text}\n问题：{question.text}\n请基于背景，回答问题。"
        text = ""
        timings: dict[str, float] = {}
        for piece in model.stream([Message("user", prompt)], options):
            if piece and isinstance(piece, str):
                timings.setdefault("first_token", _since(started))
                text += piece
        timings["total"] = _since(started)
        whole = Chunk(document.doc_id, document.doc_id, "", "", document.text, 0, len(document.text))
        hits = (Hit(whole, 0.0, 1, Stages()),)
        return Answer(question.text, hits=hits, text=text, done=True, timings_ms=timings)

    return method


def _is_exact(text: str, question: Question) -> bool:
    return bool(normalised(text)) and normalised(text) in map(normalised, question.answers)


def _best_f1(text: str, question: Question) -> float:
    return max(character_f1(text, answer) for answer in question.answers)


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return statistics.mean(listed) if listed else None


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None


def _name(one: AnswerScore) -> str:
    kind, _, share = one.condition.partition(" ")
    return f"{_CONDITIONS.get(kind, one.method)} {share}".rstrip()


def _columns(
    title: str, columns: dict[str, Callable[[AnswerScore], str]], rows: dict[str, AnswerScore]
) -> list[str]:
    first = max(shown_width(name) for name in (title, *rows)) + 1
    lines = [left(title, first) + "".join(right(heading, 8) for heading in columns)]
    for name, one in rows.items():
        lines.append(left(name, first) + "".join(right(cell(one), 8) for cell in columns.values()))
    return [*lines, ""]


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{100 * share:.1f}"


def _seconds(milliseconds: float | None) -> str:
    return "—" if milliseconds is None else f"{milliseconds / 1000:.2f}"


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
