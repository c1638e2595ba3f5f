"""Fields of one's own: hand-counted scores, and the command over a fake reader."""

import json
from pathlib import Path

import pytest

from src.__main__ import EXIT_MISTAKE, EXIT_OK, main
from src.errors import InputError
from src.evaluation.extraction_fields import (
    FieldCounts,
    FieldText,
    fields_table,
    has_fields,
    mistakes_of,
    read_fields,
    scored,
)
from src.extraction.schema import Extraction, Span
from src.runtime import Runtime
from tests.extraction.test_own_fields import service

TEXT = "甲方：东山公司；总价约三万元，今天签字。"
ROW = FieldText(
    TEXT,
    {"甲方": ("东山公司",), "总价": ("三万元", "约三万元"), "日期": (), "乙方": (), "地点": ("今天",)},
    "合同",
    "dev",
)


def found(**values: str) -> Extraction:
    spans = [Span(name, value, TEXT.index(value), TEXT.index(value) + len(value)) for name, value in values.items()]
    return Extraction.of(TEXT, spans, labels=list(ROW.fields))


def test_hand_counted() -> None:
    one = scored(ROW, found(甲方="东山公司", 总价="总价约三万元", 日期="今天"))
    assert (one.counts.present, one.counts.absent, one.counts.given, one.counts.exact) == (3, 2, 3, 1)
    assert one.counts.left_empty == 1
    assert one.counts.exact_f1 == pytest.approx(2 / 6)
    # 总价约三万元 has four of its six characters right: 2 * 4 / (6 + 4)
    assert one.counts.lenient == pytest.approx(1 + 0.8)
    assert one.counts.empty_share == 0.5
    assert mistakes_of(one) == [
        "总价：总价约三万元  应为 三万元 / 约三万元",
        "日期：今天  应为 （空）",
        "地点：（空）  应为 今天",
    ]


def test_everything_and_nothing() -> None:
    assert scored(ROW, found(甲方="东山公司", 总价="三万元", 地点="今天")).counts.exact_f1 == 1
    assert FieldCounts().exact_f1 == FieldCounts().empty_share == 0


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        '{"text": "a"}',
        '{"text": "a", "fields": {"x": "b"}}',
        '{"text": "a", "fields": {"x": 3}}',
        '{"text": 1, "fields": {}}',
        "x",
        "",
    ],
)
def test_lines_that_cannot_be_used(tmp_path: Path, line: str) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(line, "utf-8")
    with pytest.raises(InputError, match=r"f\.jsonl"):
        read_fields(path)


def test_our_own_texts_are_many_and_a_third_of_their_fields_absent() -> None:
    rows = read_fields(Path(__file__).parents[1] / "data" / "own_fields.jsonl")
    fields = [wordings for row in rows for wordings in row.fields.values()]
    assert len(rows) >= 60
    assert len({row.kind for row in rows}) >= 6
    assert len(fields) >= 300
    assert 0.3 < sum(not wordings for wordings in fields) / len(fields) < 0.4
    assert {row.split for row in rows} == {"dev", "fit", "test"}


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Runtime, "extraction", service({}))
    monkeypatch.setattr(Runtime, "model", None)
    path, output = tmp_path / "f.jsonl", tmp_path / "out.json"
    rows = [{"text": TEXT, "fields": {"甲方": "东山公司", "地点": "今天", "乙方": ""}, "kind": "合同"}]
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    assert has_fields(path)
    start = ["evaluate", "extraction", "--profile", "embedded", "--data", str(path)]
    assert main([*start, "--errors", "3", "--output", str(output)]) == EXIT_OK
    printed = capsys.readouterr().out
    assert "1 段文字，3 个字段" in printed
    assert "地点：（空）  应为 今天" in printed
    written = json.loads(output.read_text("utf-8"))
    assert written["groups"]["合计"]["exact_f1"] == pytest.approx(2 / 3)
    path.write_text('{"fields": 1}', "utf-8")
    assert main(start) == EXIT_MISTAKE


def test_the_table_names_its_groups() -> None:
    lines = fields_table([scored(ROW, found(甲方="东山公司"))]).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["合计", "dev", "合同"]
