"""``evaluate extraction`` as a shell sees it, over a model that is told what to say."""

import json
from pathlib import Path

import pytest

from src.__main__ import EXIT_MISTAKE, EXIT_OK, EXIT_USAGE, main
from src.extraction.schema import render_entities
from src.runtime import Runtime
from tests.extraction.fakes import RESUME, ScriptedModel

START = ["evaluate", "extraction", "--profile", "embedded", "--data"]
ROWS = [
    {"text": RESUME, "entities": [["姓名", 0, 3], ["国籍", 4, 8], ["种族", 9, 11]]},
    {"text": "李四，汉族。", "entities": [["姓名", 0, 2]]},
    {"text": "今天天气好。", "entities": []},
]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedModel:
    model = ScriptedModel(render_entities({"姓名": ["王小明", "李四"], "种族": ["汉族"]}))
    monkeypatch.setattr(Runtime, "model", model)
    return model


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "labelled.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS), "utf-8")
    return path


def test_both_are_printed_and_written(model, data, tmp_path, capsys):
    output = tmp_path / "out.json"
    arguments = [*START, str(data), "--both", "--errors", "9", "--output", str(output)]
    assert main(arguments) == EXIT_OK
    printed = capsys.readouterr().out
    assert "labelled.jsonl：3 份，4 个实体，模型 scripted，适配器 内置" in printed
    # right: 王小明, 汉族, 李四; missed: 中国国籍; spurious: the second 汉族
    total = next(line for line in printed.split("\n") if line.startswith("合计"))
    assert total.split()[1:] == ["4", *["75.0"] * 6]
    assert printed.count("第 1 条：漏掉 1") == printed.count("第 2 条：多出 1") == 2
    assert "第 3 条" not in printed
    written = json.loads(output.read_text("utf-8"))
    assert (written["data"], written["n"], written["model"]) == ("labelled.jsonl", 3, "scripted")
    assert [run["method"] for run in written["runs"]] == ["adapter", "base"]
    assert {run["micro"]["f1"] for run in written["runs"]} == {0.75}
    assert {options.adapter for options in model.options} == {"resume", None}


@pytest.mark.parametrize(("option", "adapters"), [([], {"resume"}), (["--no-adapter"], {None})])
def test_one_of_them_is_the_default(option, adapters, model, data, capsys):
    assert main([*START, str(data), *option]) == EXIT_OK
    assert {options.adapter for options in model.options} == adapters
    printed = capsys.readouterr().out
    assert ("基座模型" in printed) is bool(option)
    assert "第 1 条" not in printed


def test_the_adapter_is_named_after_its_folder(model, data, capsys):
    assert main([*START, str(data), "--adapter", "some/where/mine/"]) == EXIT_OK
    assert "适配器 mine\n" in capsys.readouterr().out


def test_limit_takes_texts_from_everywhere(model, data, capsys):
    assert main([*START, str(data), "--limit", "2", "--one-by-one"]) == EXIT_OK
    printed = capsys.readouterr().out
    assert "2 份，4 个实体" in printed
    assert "p95" in printed
    # the first once more, to warm up
    assert [RESUME in prompt for prompt in model.prompts] == [True, True, False]
    assert main([*START, str(data), "--limit", "99"]) == EXIT_OK
    assert "3 份" in capsys.readouterr().out


def test_both_without_an_adapter_is_a_usage_error(model, data, capsys):
    model.adapters = ()
    assert main([*START, str(data), "--both"]) == EXIT_USAGE
    assert "--adapter" in capsys.readouterr().err
    assert main([*START, str(data)]) == EXIT_OK
    assert "适配器 无" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "没有数据"),
        ('{"text": "王"}', "第 1 行没有 entities"),
        ('[{"text": "王", "entities": [["姓名", 0, 2]]}]', "第 1 条"),
        ("{", "第 1 行"),
    ],
)
def test_a_bad_file_is_said_before_any_model_is_loaded(content, says, tmp_path, capsys):
    path = tmp_path / "bad.jsonl"
    path.write_text(content, "utf-8")
    assert main([*START, str(path), "--llm", "/nowhere"]) == EXIT_MISTAKE
    assert says in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_said_before_the_work(data, capsys):
    assert main([*START, str(data), "--llm", "/nowhere", "--output", "/no/such/folder/o.json"]) == EXIT_MISTAKE
    assert "/no/such/folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate"],
        ["evaluate", "extraction"],
        ["evaluate", "retrieval"],
        [*START, "x", "--both", "--no-adapter"],
        [*START, "x", "--questions", "3"],
        [*START, "x", "--limit", "-1"],
        [*START, "x", "--errors", "-1"],
        ["evaluate", "retrieval", "--data", "x", "--both"],
    ],
    ids=" ".join,
)
def test_each_measure_has_its_own_options(arguments, capsys):
    assert main(arguments) == EXIT_USAGE
    assert capsys.readouterr().err


def test_half_a_character_in_the_data_reaches_terminal_and_file(model, tmp_path, capsys):
    data, output = tmp_path / "d.json", tmp_path / "o.json"
    data.write_text(json.dumps([{"text": "王\ud800\x1b[2J", "entities": [["姓名", 0, 2]]}]), "utf-8")
    assert main([*START, str(data), "--errors", "1", "--output", str(output)]) == EXIT_OK
    assert "\x1b" not in capsys.readouterr().out
    assert json.loads(output.read_text("utf-8"))["runs"][0]["wrong"][0]["text"] == "王\ufffd\x1b[2J"
