"""The command line as a shell sees it: exit codes, one clear line on stderr, files in and out."""

import csv
import io
import json
import socket
from pathlib import Path

import pytest

from src.__main__ import main

QUESTION = "广州大学的办学历史可以追溯到哪一年？"


@pytest.fixture(autouse=True)
def embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YUAN_PROFILE", "embedded")


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["ask"],
        ["serve", "--port", "http"],
        ["search"],
        ["search", "a", "--queries", "b"],
        ["search", "--queries", "b"],
        ["search", "a", "--mode", "magic"],
        ["extract"],
        ["extract", "--input", "a"],
        ["ask", "a", "--top-k", "many"],
    ],
    ids=" ".join,
)
def test_bad_usage_is_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err
    assert not captured.out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["ask", ""], "空"),
        (["ask", "长" * 3000], "2000"),
        (["ask", "x", "--top-k", "0"], "top_k"),
        (["search", "x", "--knowledge", "/nowhere.txt"], "/nowhere.txt"),
        (["search", "--queries", "/nowhere.jsonl", "--output", "o"], "/nowhere.jsonl"),
        (["extract", "--input", "/nowhere.jsonl", "--output", "o"], "/nowhere.jsonl"),
        (["ask", "x", "--llm", "/nowhere"], "/nowhere"),
        (["ask", "x", "--llm-url", "http://127.0.0.1:9/v1"], "--llm-url"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_a_mistake_is_one_line_and_one(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert named in captured.err.splitlines()[-1]
    assert "Traceback" not in captured.err
    assert not captured.out


def test_a_taken_port_is_said_before_anything_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["serve", "--port", port, "--llm", "/nowhere"]) == 1
    assert port in capsys.readouterr().err
    assert main(["serve", "--port", "7999", "--host", "not a host"]) == 1
    assert "--host" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["--help"], ["serve", "--help"], ["extract", "--help"]])
def test_help_is_zero(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 0
    assert "usage" in capsys.readouterr().out


def test_app_help_lists_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"], program="app.py") == 0
    text = capsys.readouterr().out
    assert "usage: app.py [" in text
    assert "YUAN_PROFILE" in text


@pytest.mark.model
def test_search_from_file_to_file(tmp_path: Path) -> None:
    queries = tmp_path / "q.jsonl"
    queries.write_text('{"id": "a", "query": "广州大学"}\n\n{"query": "长江"}\n', encoding="utf-8")
    output = tmp_path / "hits.jsonl"
    assert main(["search", "--queries", str(queries), "--output", str(output), "--top-k", "2"]) == 0
    rows = lines(output)
    assert [row["id"] for row in rows] == ["a", 3]
    assert all(len(row["hits"]) == 2 for row in rows)
    assert "广州大学" in rows[0]["hits"][0]["text"]


@pytest.mark.model
def test_a_bad_query_line_is_named_and_the_old_output_kept(tmp_path: Path, capsys) -> None:
    queries = tmp_path / "q.jsonl"
    queries.write_text('{"id": "a", "query": "广州"}\n{"id": "b"}\n', encoding="utf-8")
    output = tmp_path / "hits.jsonl"
    output.write_text("old", encoding="utf-8")
    assert main(["search", "--queries", str(queries), "--output", str(output)]) == 1
    assert "第 2 行" in capsys.readouterr().err
    queries.write_text('{"query": "广州"}\n{"query": ""}\n', encoding="utf-8")
    assert main(["search", "--queries", str(queries), "--output", str(output)]) == 1
    assert output.read_text(encoding="utf-8") == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["hits.jsonl", "q.jsonl"]


@pytest.mark.model
def test_index_prints_statistics_of_another_knowledge_base(tmp_path: Path, capsys) -> None:
    knowledge = tmp_path / "knowledge"
    knowledge.mkdir()
    (knowledge / "a.txt").write_text("第一篇。\n第二篇。\n第一篇。\n", encoding="utf-8")
    arguments = ["index", "--knowledge", str(knowledge), "--cache-dir", str(tmp_path / "cache")]
    assert main(arguments) == 0
    stats = json.loads(capsys.readouterr().out)
    assert (stats["documents"], stats["chunks"], stats["duplicates"]) == (3, 2, 1)
    assert main([*arguments, "--rebuild"]) == 0


@pytest.mark.model
def test_ask_as_text_and_as_json(capsys) -> None:
    assert main(["ask", QUESTION, "--json", "--top-k", "2"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert "1927" in answer["answer"]
    assert answer["done"]
    assert main(["ask", "如何更换自行车内胎？"]) == 0
    assert "没有找到" in capsys.readouterr().out


@pytest.mark.model
def test_extract_from_file_to_file_is_resumable(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows = [{"id": "x", "text": "王建国，董事长。"}, {"text": "😀"}]
    source.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    done = {"id": "x", "text": "王建国，董事长。", "entities": {}, "spans": []}
    output.write_text(json.dumps(done, ensure_ascii=False) + "\n", encoding="utf-8")
    assert main(["extract", "--input", str(source), "--output", str(output)]) == 0
    found = lines(output)
    assert found[0] == done
    assert found[1]["id"] == 2
    assert found[1]["spans"] == []


@pytest.mark.model
def test_extract_from_table_to_table(tmp_path: Path, capsys) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes("编号,简历\n007,😀\n8,\n".encode("gb18030"))
    assert main(["extract", "--input", str(source), "--output", str(output)]) == 0
    first, second = csv.DictReader(io.StringIO(output.read_text("utf-8-sig"), newline=""))
    assert (first["编号"], first["简历"], first["姓名"], first["错误"]) == ("007", "😀", "", "")
    assert "空" in second["错误"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]
    assert main(["extract", "--input", str(source), "--output", str(output)]) == 1
    assert "已经有了" in capsys.readouterr().err
