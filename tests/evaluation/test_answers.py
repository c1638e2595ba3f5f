"""The scores of answers, with fakes for the two models."""

import json
import re
from typing import Any

import numpy as np
import pytest

from src.chat.answer import Answer
from src.chat.service import ChatService
from src.chat.types import Span
from src.errors import InputError
from src.evaluation.answers import (
    COURSE,
    OURS,
    PRESENT,
    REMOVED,
    AnswerEvaluation,
    Evidence,
    RefusalScore,
    evaluate,
    evaluation_of,
    judge,
    score,
    table,
    to_json,
)
from src.evaluation.questions import Question
from src.ingest.types import Chunk, Document
from src.models.embedders.fake import HashingEmbedder
from src.models.fake import FakeModel
from src.search.search import Retriever
from src.search.types import Hit, Stages

TEXTS = [
    "广州大学在番禺区的大学城，创办于1927年。",
    "长江全长约6300公里，流入东海。",
    "番茄炒蛋是一道家常菜，先炒蛋。",
]
DOCUMENTS = [Document(str(n), "f", "", text) for n, text in enumerate(TEXTS)]
QUESTIONS = [
    Question("广州大学创办于哪一年？", "0", answers=("1927年", "1927")),
    Question("长江全长多少公里？", "1", answers=("6300公里",)),
]


def quoting(messages) -> str:
    """The passage's first sentence, as a model that copies."""
    return re.search(r"背景：\n?(?:\[1\] )?([^\n]*)", messages[-1].content).group(1)


def run(model: FakeModel, min_score: float = 0.1, documents=DOCUMENTS, questions=QUESTIONS) -> AnswerEvaluation:
    embedder = HashingEmbedder()

    def chat(collection) -> ChatService:
        return ChatService(model, Retriever(collection, embedder), min_score=min_score, max_new_tokens=100)

    return evaluate(documents, questions, model, embedder, chat, max_new_tokens=100)


def test_both_methods_are_asked_and_scored() -> None:
    found = run(FakeModel(quoting))
    assert [score.method for score in found.scores] == [COURSE, OURS]
    course, ours = found.scores
    assert (ours.questions, ours.contained, ours.exact_match, ours.support, ours.invented) == (2, 1, 0, 1, 0)
    assert 0 < ours.f1 < 1
    assert (ours.span_exact_match, ours.span_f1, ours.calibration_error) == (0, 0, None)
    assert (course.support, course.span_f1, course.refused, course.rejected) == (None,) * 4
    present = [one for one in found.answered if (one.method, one.condition) == (OURS, PRESENT)]
    assert {one.text for one in present} == set(TEXTS[:2])
    assert [one.type for one in found.by_type] == ["when", "how_many"]
    printed = table(found)
    assert all(word in printed for word in ("片段F1", "course", "yuanzhi", "何时", "多少", "拒答：精确率"))
    written = json.loads(json.dumps(to_json(found, data="x")))
    assert (written["scores"][1]["contained"], written["by_type"][0]["type"]) == (1, "when")


def test_the_course_gets_one_whole_passage_and_its_own_prompt() -> None:
    model = FakeModel(quoting)
    run(model)
    course = [messages for messages, _ in model.calls if len(messages) == 1]
    assert course[-1][0].content == f"背景：{TEXTS[1]}\n问题：长江全长多少公里？\n请基于背景，回答问题。"


def test_of_wrong_words_only_the_quote_is_worth_something() -> None:
    found = run(FakeModel(lambda _: "不对，是1234"))
    assert [(s.exact_match, s.f1 < 0.5, s.said) for s in found.scores] == [(0, True, 0)] * 2
    assert [s.contained for s in found.scores] == [0, 1]
    assert [s.invented for s in found.scores] == [1, 1]
    quoted = np.mean([len(f"不对，是1234\n\n原文：“{text}”[1]") for text in TEXTS[:2]])
    assert [s.characters for s in found.scores] == [8, quoted]


def test_a_removed_answer_leaves_its_look_alikes() -> None:
    """A document of two chunks, of which one answers: the other stays, and so does every other document."""
    filler = "广州大学的图书馆很大，广州大学的食堂也很大，广州大学的操场更大。" * 12
    documents = [Document("0", "f", "", f"广州大学创办于1927年。{filler}"), *DOCUMENTS[1:]]
    model = FakeModel(lambda messages: "1927年")
    found = run(model, min_score=0.0, documents=documents, questions=QUESTIONS[:1])
    there, gone = (one for one in found.answered if one.method == OURS)
    assert (there.condition, there.contained, there.found, there.invented) == (PRESENT, True, True, ())
    assert (gone.condition, gone.evidence, gone.found, gone.invented) == (REMOVED, False, False, ("1927",))
    assert found.scores[1].invented_removed == 1
    asked = model.calls[-1][0][-1].content
    assert "食堂" in asked
    assert "创办于1927年" not in asked


def test_evidence_is_every_chunk_of_the_article_that_holds_an_answer_and_its_copies() -> None:
    filler = "这一句话什么也没有说，只是占着地方而已。" * 16
    documents = [
        Document("a", "f", "", f"{filler}校长是张三。"),
        Document("b", "f", "", "张三生于北京。"),
        Document("c", "f", "", "李四生于上海，张三也来过这里。"),
        Document("d", "f", "", "完全没有答案的一段文字，说的是天气。"),
        Document("e", "f", "", "张三生于北京。"),
    ]
    evidence = Evidence(documents)
    question = Question("?", "a", answers=("张三",), article=("a", "b"))
    assert evidence.of(question) == {"a#2", "b#1", "e#1"}
    assert evidence.of(Question("?", "d", answers=("无处可寻",))) == {"d#1"}


def test_refusals_are_right_only_where_the_evidence_is_gone() -> None:
    strict = run(FakeModel(quoting), min_score=1.0)
    assert (strict.refusal.refused_wrongly, strict.refusal.refused_rightly) == (2, 2)
    assert (strict.scores[1].contained, strict.scores[1].refused, strict.scores[1].rejected) == (0, 1, 1)
    assert strict.scores[1].refusal_p95_ms > 0
    lax = run(FakeModel(quoting), min_score=0.0)
    assert (lax.refusal.refused_wrongly, lax.refusal.refused_rightly) == (0, 0)
    assert (lax.refusal.precision, lax.refusal.recall, lax.refusal.f1) == (0, 0, 0)


def test_refusal_scores() -> None:
    refusal = RefusalScore(questions=10, removed=10, refused_wrongly=2, refused_rightly=8)
    assert (refusal.precision, refusal.recall) == (0.8, 0.8)
    assert refusal.f1 == pytest.approx(0.8)


def test_span_and_probability_are_taken_from_the_json_of_chat() -> None:
    question, text = QUESTIONS[0], TEXTS[0]
    hit = Hit(Chunk("0#1", "0", "f", "", text, 0, len(text)), 0.9, 1, Stages())

    def read(span: str, answerable: float, **more: Any) -> Answer:
        start = text.index(span)
        place = Span(1, span, start, start + len(span), answerable) if span else None
        return Answer("?", hits=(hit,), span=place, answerable=answerable, **more)

    right = judge(OURS, PRESENT, True, question, read("1927年", 0.9, text="一九二七"))
    near = judge(OURS, PRESENT, True, question, read("于1927年", 0.9))
    none = judge(OURS, REMOVED, False, question, read("", 0.2, refused=True))
    assert [one.span_exact_match for one in (right, near, none)] == [True, False, False]
    assert [round(one.span_f1, 2) for one in (right, near, none)] == [1, 0.91, 0]
    assert (right.said, right.invented, right.found, none.found) == (False, (), True, False)
    found = score(OURS, [right, near, none])
    assert (found.questions, found.removed, found.rejected, found.span_exact_match) == (2, 1, 1, 0.5)
    assert found.calibration_error == pytest.approx((2 * 0.1 + 0.2) / 3)
    assert "13.3" in table(evaluation_of([right, near, none], [found]))


def test_questions_without_answers_cannot_be_scored() -> None:
    with pytest.raises(InputError, match="标准答案"):
        run(FakeModel(), questions=[Question("?", "0")])
