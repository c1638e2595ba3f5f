"""Questions: read from every layout, spread, and told apart by what they ask for."""

import json

import pytest

from src.errors import InputError
from src.evaluation.questions import TYPES, Question, question_type, read_questions, spread


def test_answers_are_read_from_both_layouts(tmp_path) -> None:
    squad = tmp_path / "a.json"
    qas = [{"question": "哪年？", "answers": [{"text": "1927"}, {"text": "1927"}, {"text": " "}]}]
    paragraphs = [{"context": "1927", "qas": qas}, {"context": "别的", "qas": []}]
    squad.write_text(json.dumps({"data": [{"paragraphs": paragraphs}, {"paragraphs": paragraphs}]}), "utf-8")
    documents, questions = read_questions(squad)
    assert [document.doc_id for document in documents] == ["0", "1", "2", "3"]
    assert questions[0].answers == ("1927",)
    assert [(one.doc_id, one.article) for one in questions] == [("0", ("0", "1")), ("2", ("2", "3"))]
    lines = tmp_path / "a.jsonl"
    lines.write_text('{"doc_id": "a", "text": "x"}\n{"doc_id": "a", "question": "?", "answers": ["y"]}\n', "utf-8")
    assert read_questions(lines)[1][0].answers == ("y",)
    lines.write_text('{"doc_id": "a", "text": "x"}\n{"doc_id": "a", "question": "?", "answers": [3]}\n', "utf-8")
    with pytest.raises(InputError, match="第 2 行"):
        read_questions(lines)


def test_what_the_reader_learns_from_is_measured_too(tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    asked = [("甲建于1927年。", "哪年？", [{"text": "1927年", "start": 3}]), ("甲建于1927年。", "谁建的？", []), ("乙", "什么？", [{"text": "乙"}])]  # fmt: skip
    rows = [json.dumps({"context": c, "question": q, "answers": a, "title": "题"}) for c, q, a in asked]
    path.write_text("\n".join(rows), "utf-8")
    documents, questions = read_questions(path)
    assert [(one.doc_id, one.title, one.text) for one in documents] == [
        ("0", "题", "甲建于1927年。"),
        ("1", "题", "乙"),
    ]
    assert questions == [Question("哪年？", "0", answers=("1927年",)), Question("什么？", "1", answers=("乙",))]
    path.write_text(
        json.dumps({"context": "甲", "question": "?", "answers": [{"text": "甲"}], "title": None}), "utf-8"
    )
    assert read_questions(path)[0][0].title == ""
    path.write_text('{"context": "甲"}', "utf-8")
    with pytest.raises(InputError, match="第 1 行有 context，缺少 question"):
        read_questions(path)
    for answers in ([3], 3, [{"start": 0}], [{"text": 3}]):
        path.write_text(json.dumps({"context": "甲", "question": "?", "answers": answers}), "utf-8")
        with pytest.raises(InputError, match="第 1 行"):
            read_questions(path)


def test_questions_are_spread_evenly() -> None:
    questions = [Question(str(i), "0") for i in range(10)]
    assert [q.text for q in spread(questions, 3)] == ["0", "3", "6"]
    assert len(spread(questions, 99)) == 10


@pytest.mark.parametrize(
    ("kind", "questions"),
    [
        ("who", ["校长是谁？", "由哪位設計", "哪一名选手", "作者", "Who wrote it?"]),
        ("when", ["哪一年建成？", "什么时候开馆", "建成时间是什么？", "某桥通车时间", "几点开门", "於何年登基？", "在哪一個年代", "In what year was it built?"]),
        ("where", ["在哪里举行？", "哪个城市承办", "位於哪個國家", "出生地是？", "現在哪", "Where is it?"]),
        ("how_many", ["有多少人？", "多高", "要多长时间", "用了几年", "占地面积", "How long is it?"]),
        ("which", ["哪支队伍夺冠？", "收录在哪张专辑", "属于哪一类", "Which of them?"]),
        ("what", ["主食是什么", "叫什么名字？", "他的本名是？", "What is it?"]),
        ("why_how", ["为什么下雪？", "怎么报销", "如何申請", "失败原因", "Why?", "How does it work?"]),
        ("other", ["介绍一下长江", "几内亚的首都", "长江"]),
    ],
)  # fmt: skip
def test_types(kind: str, questions: list[str]) -> None:
    assert {question: question_type(question) for question in questions} == dict.fromkeys(questions, kind)
    assert kind in TYPES
