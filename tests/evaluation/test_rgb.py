"""RGB's layout: what is read of it, what each question is asked over, and the command. All its news is made up."""

import json
from collections import Counter
from pathlib import Path

import pytest

from src.__main__ import EXIT_MISTAKE, EXIT_OK, EXIT_USAGE, main
from src.errors import InputError, SettingsError
from src.evaluation.measures import holds
from src.evaluation.questions import Question
from src.evaluation.rgb import NEGATIVES, Case, is_rgb, parse_noises, read_cases
from src.models.embedders.fake import HashingEmbedder
from src.models.fake import FakeModel
from src.runtime import Runtime
from src.training.lookalikes import KINDS

DATA = Path(__file__).parent.parent / "data"
SAMPLE, LOOKALIKES = DATA / "rgb_sample.jsonl", DATA / "lookalikes.jsonl"


def test_all_kinds_of_answers_are_read() -> None:
    cases = read_cases(SAMPLE)
    assert len(cases) == 13
    plain, listed, wordings, parts = (cases[i].question for i in (0, 1, 2, 7))
    assert plain.wanted == (("石坎",),)
    assert listed.wanted == (("21条",),)
    assert (wordings.answers, wordings.wanted) == (("堰头队", "堰头"), (("堰头队", "堰头"),))
    assert (parts.answers, parts.wanted) == (("纪大鹏、闵长河",), (("纪大鹏",), ("闵长河",)))
    assert [text[:9] for text in cases[7].positive] == [
        "渡口邮局的投递员纪",
        "渡口邮局的司机闵长",
        "投递员纪大鹏在渡口",
    ]
    assert (cases[7].least, cases[6].least) == (2, 1)


def test_noise_is_the_share_of_negative_texts() -> None:
    case = Case(Question("?", "1"), ("p1", "p2", "p3", "p4", "p5"), ("n1", "n2", "n3", "n4"))
    counts = [Counter(text[0] for text in case.texts(noise)) for noise in (0, 0.2, 0.4, 0.6, 0.8)]
    assert [(one["p"], one["n"]) for one in counts] == [(5, 0), (4, 1), (3, 2), (2, 3), (1, 4)]
    few = Case(Question("?", "1"), ("p1", "p2"), ("n1", "n2", "n3", "n4"), least=2)
    assert [len(few.texts(noise)) for noise in (0, 0.8)] == [5, 5]
    assert few.texts(0.8)[:2] == ("p1", "p2")


@pytest.mark.parametrize(
    "change",
    [{"negative": []}, {"negative": [""]}, {"positive": [1]}, {"positive": ["a", ["b"]]}, {"answer": None}, {"answer": []}, {"answer": [[]]}, {"query": " "}],
)  # fmt: skip
def test_another_layout_is_said_by_line(tmp_path: Path, change) -> None:
    path = tmp_path / "bad.json"
    row = {"id": 0, "query": "?", "answer": "a", "positive": ["a"], "negative": ["b"]}
    path.write_text("\n".join(json.dumps(one) for one in (row, row | change)), "utf-8")
    assert is_rgb(path)
    with pytest.raises(InputError, match="第 2 行"):
        read_cases(path)
    path.write_text(json.dumps(row), "utf-8")
    with pytest.raises(InputError, match="split 是 dev"):
        read_cases(path, "dev")


@pytest.mark.parametrize("text", ["{\n", "", "[]", '{"data": []}', '{"doc_id": "a", "query": "?"}'])
def test_other_files_are_not_of_this_layout(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text, "utf-8")
    assert not is_rgb(path)
    assert not is_rgb(tmp_path / "missing.json")


def test_shares() -> None:
    assert parse_noises("0, 0.4,0.8") == [0, 0.4, 0.8]
    for text in ("", "a", "0.9", "-1", "nan"):
        with pytest.raises(SettingsError, match="--noise"):
            parse_noises(text)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    """Repeats its prompt, passages and all."""
    model = FakeModel(lambda messages: messages[-1].content)
    monkeypatch.setattr(Runtime, "model", model)
    monkeypatch.setattr(Runtime, "embedder", HashingEmbedder())
    return model


START = ["evaluate", "answers", "--profile", "embedded", "--data"]


def test_the_command_asks_over_five_texts_and_over_negatives_only(model, tmp_path, capsys) -> None:
    output = tmp_path / "out.json"
    arguments = [*START, str(SAMPLE), "--noise", "0,0.8", "--limit", "4", "--output", str(output)]
    assert main(arguments) == EXIT_OK
    printed = capsys.readouterr().out
    assert "rgb_sample.jsonl：4 个问题，每题 5 段，模型 fake" in printed
    assert all(name in printed for name in ("噪声 0 ", "噪声 0.8", "只有负例", "yuanzhi"))
    written = json.loads(output.read_text("utf-8"))
    assert [one["condition"] for one in written["scores"]] == ["noise 0", "noise 0.8", NEGATIVES, ""]
    clean, noisy, negatives, whole = written["scores"]
    assert (clean["questions"], clean["removed"], noisy["questions"]) == (4, 0, 4)
    assert (negatives["questions"], negatives["removed"], negatives["contained"]) == (0, 4, None)
    assert (whole["questions"], whole["removed"]) == (8, 4)
    for one in written["answers"]:  # the model repeats its passages
        assert one["contained"] == (one["evidence"] and not one["refused"])
    assert clean["contained"] > 0.5


def test_what_does_not_fit_is_said(model, tmp_path, capsys) -> None:
    squad = tmp_path / "squad.json"
    squad.write_text('{"data": []}', "utf-8")
    assert main([*START, str(squad), "--noise", "0.4"]) == EXIT_USAGE
    assert main([*START, str(SAMPLE), "--noise", "1"]) == EXIT_USAGE
    assert main([*START, str(SAMPLE), "--split", "test"]) == EXIT_MISTAKE
    assert main([*START, str(SAMPLE), "--limit", "-1"]) == EXIT_USAGE
    assert main([*START, str(tmp_path / "none.json")]) == EXIT_MISTAKE
    assert capsys.readouterr().err.count("\n") == 5


@pytest.mark.parametrize("path", [SAMPLE, LOOKALIKES], ids=lambda path: path.stem)
def test_positives_answer_and_negatives_do_not(path: Path) -> None:
    for case in read_cases(path):
        wanted = case.question.wanted
        assert holds("\n".join(case.texts(0.8)), wanted), case.question.text
        assert not any(holds(text, [part]) for text in case.negative for part in wanted), case.question.text


def test_our_look_alikes_are_split_and_not_those_of_the_training() -> None:
    cases = read_cases(LOOKALIKES)
    dev, test = (read_cases(LOOKALIKES, split) for split in ("dev", "test"))
    assert len(dev) == len(test) == len(cases) // 2 >= 30
    seen = {text for case in dev for text in (*case.positive, *case.negative)}
    assert not any(text in seen for case in test for text in (*case.positive, *case.negative))
    fragments = {
        piece for kind in KINDS for pattern in kind.sentences for piece in pattern.split("，") if "{" not in piece
    }
    assert not any(piece and piece in text for piece in fragments for text in seen)
    for case in cases:
        assert len(case.positive) == 3
        assert len(case.negative) >= 5
