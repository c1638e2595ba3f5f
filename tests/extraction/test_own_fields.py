"""Fields of one's own: lines that name them, and a fake reader for the rest."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from src.caller import ANYONE, Caller
from src.errors import InputError, Stopped
from src.extraction.batch import extract_file
from src.extraction.events import Finished, Found, Queued
from src.extraction.own_fields import MAX_FIELDS, FieldReader, check_fields, named_value, question_of
from src.extraction.service import ExtractionService
from src.models.base import Reading
from tests.extraction.fakes import ScriptedModel

CONTRACT = "设备采购合同\n甲方：东山电子有限公司\n乙方（卖方）：西岭机械厂\n双方于2023年6月1日在杭州签订本合同，总价为三十八万元。"


class FakeReader:
    """Knows the answer of some questions, in whatever window they stand; the others it points at with little confidence."""

    def __init__(self, answers: dict[str, tuple[str, float]]) -> None:
        self.answers = answers
        self.passages: list[str] = []

    def read(
        self, passages: Sequence[tuple[str, str]], questions: Sequence[str], adapter: str, caller: Caller = ANYONE
    ) -> Iterator[dict[int, list[Reading]] | Queued]:
        assert adapter == "reader"
        yield Queued(1)
        for number, (_, text) in enumerate(passages):
            if caller.stopped:
                return
            self.passages.append(text)
            readings = []
            for question in questions:
                answer, probability = self.answers.get(question, ("", 0.0))
                at = text.find(answer) if answer else -1
                place, score = ((at, at + len(answer)), 8.0) if at >= 0 else ((0, 1), -8.0)
                readings.append(Reading(*place, probability if at >= 0 else 0.001, ((*place, score),)))
            yield {number: readings}


def service(answers: dict[str, tuple[str, float]]) -> ExtractionService:
    asked = {question_of(field): answer for field, answer in answers.items()}
    return ExtractionService(ScriptedModel(), field_reader=FieldReader(FakeReader(asked), "reader"))


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        (CONTRACT, "甲方", "东山电子有限公司"),
        (CONTRACT, "乙方", "西岭机械厂"),
        ("一、工程名称：北桥加固工程\n二、工期：六个月。", "工程名称", "北桥加固工程"),
        ("学分：2；学时：32；教师：文静", "学时", "32"),
        ("购买方: 东山公司  销售方: 西岭公司", "购买方", "东山公司"),
        ("购买方：东山公司，销售方：西岭公司", "购买方", "东山公司"),
        ("地址：滨江路88号，3栋", "地址", "滨江路88号，3栋"),
        ("(甲方):东山公司", "甲方", None),
        ("甲方：____\n乙方：/", "甲方", None),
        ("对甲方的要求：按时付款", "甲方", None),
        ("要求甲方：按时付款", "甲方", None),
        ("金额.：3", "金额.", "3"),
        ("", "甲方", None),
    ],
)
def test_a_line_that_names_a_field_holds_its_value(text: str, field: str, value: str | None) -> None:
    found = named_value(text, field)
    assert (found and found.text) == value
    assert found is None or text[found.start : found.end] == found.text


def test_the_rest_is_read_and_what_is_not_there_stays_empty() -> None:
    asked = service(
        {"签订日期": ("2023年6月1日", 0.9), "合同金额": ("三十八万元。", 0.8), "违约金": ("合同", 0.05)}
    )
    *steps, last = asked.extract_stream(CONTRACT, fields=["甲方", "签订日期", "合同金额", "违约金", " 甲方 "])
    assert isinstance(last, Finished)
    assert any(isinstance(step, Queued) for step in steps)
    assert [(step.windows_done, step.windows_total) for step in steps if isinstance(step, Found)] == [
        (0, 1),
        (1, 1),
    ]
    found = last.extraction.to_json()
    assert found["entities"] == {
        "甲方": ["东山电子有限公司"],
        "签订日期": ["2023年6月1日"],
        "合同金额": ["三十八万元"],
        "违约金": [],
    }
    certain, *sure = [span["confidence"] for span in found["spans"]]
    assert certain is None
    assert all(0.9 < one <= 1 for one in sure)
    assert all(CONTRACT[span["start"] : span["end"]] == span["text"] for span in found["spans"])


def test_in_running_text_a_labelled_value_ends_where_the_reader_says() -> None:
    text = "甲方：东山公司，2023年6月1日签订，金额3万元。"
    sure = service({"甲方": ("东山公司", 0.9)}).extract(text, fields=["甲方"])
    assert sure.entities == {"甲方": ["东山公司"]}
    for answer in (("2023年6月1日", 0.9), ("东山", 0.9)):
        whole = service({"甲方": answer}).extract(text, fields=["甲方"])
        assert whole.entities == {"甲方": ["东山公司，2023年6月1日签订，金额3万元"]}


def test_of_a_long_text_the_surest_place_counts() -> None:
    text = "这里没有要找的东西。" * 60 + "本合同于2023年6月1日签订。" + "其余条款从略，另行约定。" * 60
    asked = service({"签订日期": ("2023年6月1日", 0.9)})
    (span,) = asked.extract(text, fields=["签订日期"]).spans
    assert text[span.start : span.end] == "2023年6月1日"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ("甲方", "列表"),
        ([3], "列表"),
        ([""], "空"),
        (["  ", "甲方"], "空"),
        (["——"], "空"),
        (["长" * 31], "最多 30 个"),
        ([f"字段{n}" for n in range(MAX_FIELDS + 1)], "最多 30 个"),
    ],
)
def test_fields_that_cannot_be_used(fields: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        service({}).extract_stream("甲方：东山公司", fields=fields)  # type: ignore[arg-type]


def test_odd_names_are_names() -> None:
    names = check_fields(["姓名", '"引号"', "两\n行", "a.*b", "姓名"])
    assert names == ("姓名", '"引号"', "两 行", "a.*b")
    assert service({}).extract("姓名：石某", fields=names).entities["姓名"] == ["石某"]


def test_without_a_reader_it_says_so() -> None:
    with pytest.raises(InputError, match="没有阅读模型"):
        ExtractionService(ScriptedModel()).extract_stream("甲方：东山公司", fields=["甲方"])


def test_a_stop_is_a_stop() -> None:
    caller = Caller()
    stream = service({"签订日期": ("六月", 0.9)}).extract_stream("六月。" * 500, caller=caller, fields=["签订日期"])
    next(stream)
    caller.stop.set()
    with pytest.raises(Stopped):
        list(stream)


@pytest.mark.parametrize("kind", [".jsonl", ".csv"])
def test_a_file_of_texts_is_asked_for_the_same_fields(tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / f"in{kind}", tmp_path / f"out{kind}"
    texts = ["甲方：东山公司", "没有", ""]
    if kind == ".jsonl":
        source.write_text("\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts), "utf-8")
    else:
        source.write_text("编号,text\n" + "\n".join(f"{n},{text}" for n, text in enumerate(texts)), "utf-8")
    counts = extract_file(service({}), source, target, fields=["甲方", "乙方"])
    assert (counts.extracted, counts.failed) == (2, 1)
    lines = target.read_text("utf-8-sig").splitlines()
    if kind == ".jsonl":
        assert [json.loads(line)["entities"] for line in lines] == [
            {"甲方": ["东山公司"], "乙方": []},
            {"甲方": [], "乙方": []},
            {"甲方": [], "乙方": []},
        ]
    else:
        assert lines[0] == "编号,text,甲方,乙方,错误"
        assert lines[1] == "0,甲方：东山公司,东山公司,,"
