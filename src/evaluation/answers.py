"""How good answers are: our chat beside the course's method (the one best passage by one vector a document, the
course's prompt), with the same model in one run; and whether it refuses when the passage is not there."""

import statistics
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from tqdm import tqdm

from src.chat.answer import Answer
from src.chat.events import Finished, Retrieved, Rewritten
from src.chat.prompt import COURSE as COURSE_PROMPT
from src.chat.prompt import Prompt
from src.chat.service import ChatService
from src.embedding.base import Embedder
from src.errors import InputError
from src.evaluation.questions import Question
from src.evaluation.retrieval import whole_vectors
from src.knowledge.types import Document
from src.language.base import GenerationOptions, LanguageModel, Message
from src.retrieval.indexing import base_of
from src.retrieval.rerank import Reranker
from src.retrieval.search import Retriever
from src.retrieval.terms import fold
from src.retrieval.types import Candidate, Collection, Counts, Query

COURSE, OURS = "course", "yuanzhi"


@dataclass(frozen=True)
class Answered:
    """One answer and what it is worth; shares in [0, 1].

    Attributes:
        text: as it is written, the quote from the passages behind the model's words.
        exact_match, f1, said: of the model's words alone; ``said`` where they contain a right answer.
        contained: whether ``text`` does.
        support: of the sentences, None for no sentence.
    """

    method: str
    question: str
    doc_id: str
    answers: tuple[str, ...]
    text: str
    refused: bool
    exact_match: bool
    f1: float
    said: bool
    contained: bool
    support: float | None
    first_token_ms: float | None
    total_ms: float


@dataclass(frozen=True)
class AnswerScore:
    """Means over the questions of one method; a refusal counts as a wrong answer. ``support`` over what was answered
    with sentences, None where the method gives none; ``characters`` of the whole text."""

    method: str
    questions: int
    exact_match: float
    f1: float
    said: float
    contained: float
    characters: float
    support: float | None
    first_token_p50_ms: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class RefusalScore:
    """A refusal is right where the passage was removed (``removed`` questions), wrong where it is there."""

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
    """Everything one run found out."""

    scores: tuple[AnswerScore, ...]
    refusal: RefusalScore
    answered: tuple[Answered, ...]


def evaluate(
    documents: Sequence[Document],
    questions: Sequence[Question],
    model: LanguageModel,
    embedder: Embedder,
    reranker: Reranker | None = None,
    *,
    min_score: float,
    max_new_tokens: int,
    prompt: Prompt = COURSE_PROMPT,
    show_progress: bool = False,
) -> AnswerEvaluation:
    """Ask every question of both methods, then once more of ours without the document that answers it.

    ``prompt`` is how the model is asked in ours.

    Raises:
        InputError: a question has no answer to compare with.
        KnowledgeError: the documents hold no text.
    """
    if bare := next((question.text for question in questions if not question.answers), None):
        raise InputError(f"问题“{bare[:40]}”没有标准答案：量回答需要 answers")
    bar = partial(tqdm, unit="题", disable=None if show_progress else True)
    options = GenerationOptions(max_new_tokens=max_new_tokens)
    base = base_of(documents, embedder)

    def chat(collection: Collection) -> ChatService:
        retriever = Retriever(collection, embedder, reranker=reranker)
        return ChatService(model, retriever, min_score=min_score, max_new_tokens=max_new_tokens, prompt=prompt)

    service = chat(base)
    methods: dict[str, Callable[[str], Answer]] = {
        COURSE: _course(documents, embedder, model, options),
        OURS: lambda question: Answer.of(question, service.ask(question)),
    }
    answered = []
    for name, method in methods.items():
        method(questions[0].text)  # the first call of a process loads weights and tables
        answered += [_judge(name, question, method(question.text)) for question in bar(questions, desc=name)]
    rightly = 0
    for question in bar(questions, desc="removed"):
        rightly += _refuses(chat(_Without(base, question.doc_id)), question.text)
    wrongly = sum(one.refused for one in answered if one.method == OURS)
    refusal = RefusalScore(len(questions), len(questions), wrongly, rightly)
    scores = tuple(_score(name, [one for one in answered if one.method == name]) for name in methods)
    return AnswerEvaluation(scores, refusal, tuple(answered))


def table(evaluation: AnswerEvaluation) -> str:
    """Lines to print; shares in percent, times in seconds. 模型含: the model's words contain the answer; 含答案: they
    or the quote behind them do; EM and F1 are of its words."""
    lines = [
        f"{'方法':10}{'EM':>8}{'字 F1':>8}{'模型含':>7}{'含答案':>7}{'字数':>8}{'有依据':>7}"
        f"{'首字 p50':>9}{'用时 p50':>9}{'p95':>8}"
    ]
    for one in evaluation.scores:
        support = "—" if one.support is None else f"{100 * one.support:.1f}"
        shares = "".join(f"{100 * share:10.1f}" for share in (one.exact_match, one.f1, one.said, one.contained))
        shares += f"{one.characters:10.0f}{support:>10}"
        times = f"{one.first_token_p50_ms / 1000:10.2f}{one.p50_ms / 1000:11.2f}{one.p95_ms / 1000:8.2f}"
        lines.append(f"{one.method:10}{shares}{times}")
    refusal = evaluation.refusal
    lines.append(
        f"拒答：精确率 {100 * refusal.precision:.1f}，召回率 {100 * refusal.recall:.1f}，F1 {100 * refusal.f1:.1f}"
        f"（资料在时误拒 {refusal.refused_wrongly}/{refusal.questions}，"
        f"拿走后拒答 {refusal.refused_rightly}/{refusal.removed}）"
    )
    return "\n".join(lines)


def to_json(evaluation: AnswerEvaluation, **about: Any) -> dict[str, Any]:
    """``about`` (data file, model) beside the scores and every answer."""
    refusal = evaluation.refusal
    shares = {"precision": refusal.precision, "recall": refusal.recall, "f1": refusal.f1}
    return {
        **about,
        "scores": [asdict(score) for score in evaluation.scores],
        "refusal": asdict(refusal) | shares,
        "answers": [asdict(one) for one in evaluation.answered],
    }


def character_f1(text: str, answer: str) -> float:
    """F1 of the two texts' bags of characters, both normalised: SQuAD's token F1 (Rajpurkar et al. 2016,
    arXiv:1606.05250) with characters for tokens."""
    given, right = Counter(normalised(text)), Counter(normalised(answer))
    shared = (given & right).total()
    return 2 * shared / (given.total() + right.total()) if shared else 0.0


def normalised(text: str) -> str:
    """Without punctuation and white space; width, case and script made one."""
    return "".join(c for c in fold(text) if unicodedata.category(c)[0] not in "PZCS")


class _Without:
    """A collection that lacks one document."""

    def __init__(self, collection: Collection, doc_id: str) -> None:
        self._collection = collection
        self._doc_id = doc_id

    def count(self, terms: Iterable[str]) -> Counts:
        return self._collection.count(terms)

    def recall(self, query: Query) -> list[Candidate]:
        # As many more as the document could have taken.
        found = self._collection.recall(replace(query, pool=2 * query.pool))
        return [candidate for candidate in found if candidate.chunk.doc_id != self._doc_id]


def _refuses(service: ChatService, question: str) -> bool:
    """Whether nothing relevant is found; the model is not asked."""
    return isinstance(next(e for e in service.ask(question) if not isinstance(e, Rewritten | Retrieved)), Finished)


def _course(
    documents: Sequence[Document], embedder: Embedder, model: LanguageModel, options: GenerationOptions
) -> Callable[[str], Answer]:
    best = whole_vectors(documents, embedder)
    texts = {document.doc_id: document.text for document in documents}

    def method(question: str) -> Answer:
        started = time.perf_counter()
        prompt = f"背景：{texts[best(question)[0]]}\n问题：{question}\n请基于背景，回答问题。"
        text = ""
        timings: dict[str, float] = {}
        for piece in model.stream([Message("user", prompt)], options):
            if piece and isinstance(piece, str):
                timings.setdefault("first_token", _since(started))
                text += piece
        timings["total"] = _since(started)
        return Answer(question, text=text, done=True, timings_ms=timings)

    return method


def _judge(method: str, question: Question, answer: Answer) -> Answered:
    text, written = ("", "") if answer.refused else (normalised(answer.text), normalised(answer.written))
    golds = [normalised(gold) for gold in question.answers]
    support = None
    if answer.support:
        support = sum(one.rank is not None for one in answer.support) / len(answer.support)
    return Answered(
        method=method,
        question=question.text,
        doc_id=question.doc_id,
        answers=question.answers,
        text=answer.written,
        refused=answer.refused,
        exact_match=text in golds,
        f1=max(character_f1(text, gold) for gold in golds),
        said=any(gold in text for gold in golds if gold),
        contained=any(gold in written for gold in golds if gold),
        support=support,
        first_token_ms=answer.timings_ms.get("first_token"),
        total_ms=answer.timings_ms.get("total", answer.timings_ms.get("retrieve", 0.0)),
    )


def _score(method: str, answered: Sequence[Answered]) -> AnswerScore:
    support = [one.support for one in answered if one.support is not None]
    first = [one.first_token_ms for one in answered if one.first_token_ms is not None]
    times = sorted(one.total_ms for one in answered)
    return AnswerScore(
        method=method,
        questions=len(answered),
        exact_match=statistics.mean(one.exact_match for one in answered),
        f1=statistics.mean(one.f1 for one in answered),
        said=statistics.mean(one.said for one in answered),
        contained=statistics.mean(one.contained for one in answered),
        characters=statistics.mean(len(one.text) for one in answered),
        support=statistics.mean(support) if support else None,
        first_token_p50_ms=statistics.median(first) if first else 0.0,
        p50_ms=statistics.median(times),
        p95_ms=times[min(len(times) - 1, int(0.95 * len(times)))],
    )


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
