import json

import pytest

from src.__main__ import EXIT_MISTAKE, EXIT_OK, EXIT_USAGE, main
from src.errors import InputError
from src.evaluation.questions import read_questions
from src.evaluation.retrieval import evaluate, read_distractors, table, to_json
from src.models.embedders.fake import HashingEmbedder

PASSAGES = {
    "广州大学在番禺区的大学城。": ["广州大学在哪个区？", "哪所大学在番禺区？"],
    "北京大学在北京市海淀区。": ["北京大学在哪里？"],
    "番茄炒蛋是家常菜。": ["番茄炒蛋是什么菜？", " "],
}


@pytest.fixture
def squad(tmp_path):
    paragraphs = [
        {"context": context, "qas": [{"question": question, "answers": []} for question in questions]}
        for context, questions in PASSAGES.items()
    ]
    path = tmp_path / "small.json"
    path.write_text(json.dumps({"data": [{"title": "题", "paragraphs": paragraphs}]}), "utf-8")
    return path


def test_each_passage_is_a_document_without_title(squad):
    documents, questions = read_questions(squad)
    assert [document.text for document in documents] == list(PASSAGES)
    assert {document.title for document in documents} == {""}
    assert [question.doc_id for question in questions] == ["0", "0", "1", "2"]


def test_every_method_is_measured(squad):
    documents, questions = read_questions(squad)
    scores = evaluate(documents, questions, HashingEmbedder())
    assert [score.method for score in scores] == [
        "course: 1 vector/document", "BM25", "lexical", "dense", "hybrid, not reranked", "hybrid, reranked",
    ]  # fmt: skip
    for score in scores:
        assert score.questions == 4
        assert score.recall_at_10 == 1
        assert 0 <= score.recall_at_1 <= score.mrr_at_10 <= score.recall_at_5 == 1
        assert score.p50_ms > 0
    assert scores[-1].recall_at_1 == 1
    printed = table(scores)
    assert all(score.method in printed for score in scores)
    assert len(to_json(scores, data="x")["scores"]) == len(scores)


def test_recall_counts_where_the_document_is(tmp_path):
    rows = [{"doc_id": str(i), "text": f"{c}广州"} for i, c in enumerate("甲乙丙丁戊己庚辛壬癸子丑")]
    rows += [
        {"question": "甲广州", "doc_id": "0", "group": "first"},
        {"question": "丑", "doc_id": "3", "group": "lost"},
    ]
    path = tmp_path / "ours.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    scores = [score for score in evaluate(*read_questions(path), HashingEmbedder()) if score.method == "lexical"]
    assert [(score.group, score.questions, score.recall_at_1, score.mrr_at_10) for score in scores] == [
        ("", 2, 0.5, 0.5), ("first", 1, 1, 1), ("lost", 1, 0, 0),
    ]  # fmt: skip


def test_distractors_are_documents_that_nothing_asks_for(tmp_path, squad):
    path = tmp_path / "d.jsonl"
    path.write_text('{"text": "广州很大。"}\n{"text": "无关", "title": "题"}\n', "utf-8")
    distractors = read_distractors(path)
    documents, questions = read_questions(squad)
    assert [document.title for document in distractors] == ["", "题"]
    assert {d.doc_id for d in distractors}.isdisjoint(d.doc_id for d in documents)
    assert evaluate(documents + distractors, questions, HashingEmbedder())[-1].recall_at_1 == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", "{", "不是 JSON"),
        ("a.json", "[]", "SQuAD"),
        ("a.json", '{"data": [{"paragraphs": [{"context": "甲"}]}]}', "SQuAD"),
        ("a.json", '{"data": [{"paragraphs": [{"context": 3, "qas": []}]}]}', "context"),
        ("a.json", '{"data": []}', "没有问题"),
        ("a.json", "[" * 100_000, "JSON"),
        ("a.jsonl", '{"doc_id": "1", "text": "甲"}\n{"question": "乙", "doc_id": "2"}', "不存在的文档"),
        ("a.jsonl", '{"doc_id": "1", "text": "甲"}\n{"doc_id": "1", "text": "乙"}', "重复"),
        ("a.jsonl", '{"doc_id": "1"}', "第 1 行"),
        ("a.jsonl", '{"text": "1"}', "第 1 行"),
    ],
)
def test_a_bad_file_is_said_in_one_chinese_line(tmp_path, name, content, says):
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(InputError, match=says) as caught:
        read_questions(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text_or_not_there(tmp_path):
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00\x01")
    for name in ("b.json", "none.json", "none.jsonl"):
        with pytest.raises(InputError):
            read_questions(tmp_path / name)


def test_the_command_line_says_what_is_wrong(tmp_path, capsys):
    (tmp_path / "a.json").write_text("{", "utf-8")
    assert main(["evaluate", "retrieval", "--data", str(tmp_path / "a.json")]) == EXIT_MISTAKE
    assert "不是 JSON" in capsys.readouterr().err
    assert main(["evaluate", "retrieval", "--data", "x", "--questions", "-1"]) == EXIT_USAGE
    assert main(["evaluate", "nothing", "--data", "x"]) == EXIT_USAGE


@pytest.mark.model
def test_the_command_prints_a_table_and_writes_json(squad, tmp_path, capsys):
    output = tmp_path / "out.json"
    arguments = ["evaluate", "retrieval", "--data", str(squad), "--output", str(output), "--questions", "2"]
    assert main([*arguments, "--profile", "embedded"]) == EXIT_OK
    assert "hybrid, reranked" in capsys.readouterr().out
    assert json.loads(output.read_text("utf-8"))["scores"][0]["questions"] == 2
