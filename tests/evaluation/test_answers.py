"""The scores of answers, with fakes for the two models."""

import json
import re

import numpy as np
import pytest

from src.embedding.fake import HashingEmbedder
from src.errors import InputError
from src.evaluation.answers import (
    COURSE,
    OURS,
    RefusalScore,
    character_f1,
    evaluate,
    normalised,
    table,
    to_json,
)
from src.evaluation.questions import Question, read_questions, spread
from src.knowledge.types import Document
from src.language.fake import FakeModel

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


def run(model: FakeModel, min_score: float = 0.1):
    return evaluate(DOCUMENTS, QUESTIONS, model, HashingEmbedder(), min_score=min_score, max_new_tokens=100)


def test_both_methods_are_asked_and_scored() -> None:
    found = run(FakeModel(quoting))
    assert [score.method for score in found.scores] == [COURSE, OURS]
    ours = found.scores[1]
    assert (ours.questions, ours.contained, ours.exact_match, ours.support) == (2, 1, 0, 1)
    assert 0 < ours.f1 < 1
    assert found.scores[0].support is None
    assert {one.text for one in found.answered if one.method == OURS} == set(TEXTS[:2])
    assert "F1" in table(found)
    assert json.loads(json.dumps(to_json(found, data="x")))["scores"][1]["contained"] == 1


def test_the_course_gets_one_whole_passage_and_its_own_prompt() -> None:
    model = FakeModel(quoting)
    run(model)
    course = [messages for messages, _ in model.calls if len(messages) == 1]
    assert course[-1][0].content == f"背景：{TEXTS[1]}\n问题：长江全长多少公里？\n请基于背景，回答问题。"


def test_of_wrong_words_only_the_quote_is_worth_something() -> None:
    found = run(FakeModel(lambda _: "不对"))
    assert [(s.exact_match, s.f1, s.said) for s in found.scores] == [(0, 0, 0)] * 2
    assert [s.contained for s in found.scores] == [0, 1]
    assert [s.characters for s in found.scores] == [2, np.mean([len(f"不对\n\n原文：“{t}”[1]") for t in TEXTS[:2]])]


def test_removing_the_passage_is_what_refusal_is_measured_on() -> None:
    strict = run(FakeModel(quoting), min_score=1.0)
    assert (strict.refusal.refused_wrongly, strict.refusal.refused_rightly) == (2, 2)
    assert strict.scores[1].contained == 0
    lax = run(FakeModel(quoting), min_score=0.0)
    assert (lax.refusal.refused_wrongly, lax.refusal.refused_rightly) == (0, 0)
    assert (lax.refusal.precision, lax.refusal.recall, lax.refusal.f1) == (0, 0, 0)


def test_refusal_scores() -> None:
    score = RefusalScore(questions=10, removed=10, refused_wrongly=2, refused_rightly=8)
    assert (score.precision, score.recall) == (0.8, 0.8)
    assert score.f1 == pytest.approx(0.8)


def test_normalised_and_character_f1() -> None:
    assert normalised("《ＡＢ》，廣州 大學。") == "ab广州大学"
    assert character_f1("1927年。", "1927年") == 1
    assert character_f1("广州大学", "大学") == pytest.approx(2 / 3)
    assert character_f1("", "大学") == 0


def test_questions_without_answers_cannot_be_scored() -> None:
    with pytest.raises(InputError, match="标准答案"):
        evaluate(DOCUMENTS, [Question("?", "0")], FakeModel(), HashingEmbedder(), min_score=0.1, max_new_tokens=10)


def test_answers_are_read_from_both_layouts(tmp_path) -> None:
    squad = tmp_path / "a.json"
    qas = [{"question": "哪年？", "answers": [{"text": "1927"}, {"text": "1927"}, {"text": " "}]}]
    squad.write_text(json.dumps({"data": [{"paragraphs": [{"context": "1927", "qas": qas}]}]}), "utf-8")
    assert read_questions(squad)[1][0].answers == ("1927",)
    lines = tmp_path / "a.jsonl"
    lines.write_text('{"doc_id": "a", "text": "x"}\n{"doc_id": "a", "question": "?", "answers": ["y"]}\n', "utf-8")
    assert read_questions(lines)[1][0].answers == ("y",)
    lines.write_text('{"doc_id": "a", "text": "x"}\n{"doc_id": "a", "question": "?", "answers": [3]}\n', "utf-8")
    with pytest.raises(InputError, match="第 2 行"):
        read_questions(lines)


def test_questions_are_spread_evenly() -> None:
    questions = [Question(str(i), "0") for i in range(10)]
    assert [q.text for q in spread(questions, 3)] == ["0", "3", "6"]
    assert len(spread(questions, 99)) == 10
