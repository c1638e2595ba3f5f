import json
import random

import pytest

from src.extraction.align import align_output, align_values, read_values
from src.extraction.schema import LABELS, render_entities
from tests.extraction.fakes import RESUME, VALUES


def places(values: dict[str, list[str]], source: str) -> list[tuple[str, int, int]]:
    return [(span.label, span.start, span.end) for span in align_values(values, source).spans]


def test_two_mentions_get_two_occurrences() -> None:
    spans = align_values(VALUES, RESUME).spans
    managers = [span.start for span in spans if span.text == "经理"]
    assert managers == [RESUME.index("经理"), RESUME.rindex("经理")]
    assert [span.start for span in spans] == sorted(span.start for span in spans)
    assert all(RESUME[span.start : span.end] == span.text for span in spans)


def test_more_values_than_occurrences_are_dropped_and_counted() -> None:
    found = align_values({"职位": ["经理"] * 5}, "经理、经理")
    assert (len(found.spans), found.surplus, found.not_verbatim) == (2, 3, 0)


def test_values_that_do_not_stand_in_the_text_are_dropped_and_counted() -> None:
    found = align_values({"职位": ["总裁", "", "，", "经理"]}, "任经理，")
    assert ([span.text for span in found.spans], found.not_verbatim) == (["经理"], 3)


@pytest.mark.parametrize(
    ("values", "source", "expected"),
    [
        ({"职位": ["副经理", "经理"]}, "副经理、经理", [("职位", 0, 3), ("职位", 4, 6)]),
        ({"职位": ["经理", "总经理"]}, "总经理、经理", [("职位", 0, 3), ("职位", 4, 6)]),
        ({"组织名": ["甲公司", "公司"]}, "在公司，后在甲公司，又在公司", [("组织名", 6, 9), ("组织名", 12, 14)]),
        ({"地名": ["北京"], "组织名": ["北京大学"]}, "北京大学毕业，现居北京", [("组织名", 0, 4), ("地名", 9, 11)]),
        ({"地名": ["北京"], "组织名": ["北京大学"]}, "北京大学毕业", [("地名", 0, 2), ("组织名", 0, 4)]),
        ({"姓名": [" 张三 "]}, "叫张三 的", [("姓名", 1, 3)]),
        ({"姓名": ["aa", "aa"]}, "aaa", [("姓名", 0, 2)]),
    ],
)
def test_which_occurrence(values: dict[str, list[str]], source: str, expected: list[tuple[str, int, int]]) -> None:
    assert places(values, source) == expected


@pytest.mark.parametrize(
    "output",
    [
        '```json\n{"姓名": ["张三"], "职位": ["经理"]}\n```',
        '好的，结果如下（格式 {标签: 值}）：\n{"姓名": ["张三"], "职位": ["经理"]}\n以上。',
        '{"entities": {"姓名": ["张三"], "职位": ["经理"]}}',
        '{"姓名": "张三", "国籍": null, "专业": {"a": ["b"]}, "爱好": ["x"], "职位": ["经理", 3, null]}',
        '{\n  "姓名": [\n    "张三"\n  ],\n  "职位": [\n    "经理"\n  ],\n}',
        '{"姓名": ["张三"], "职位": ["经理", "总',
        '{"姓名": ["张三"], "职位": ["经理"',
        '{"姓名": ["张三"], "职位": ["经理"], "组',
        '{"姓名": ["张三"], "职位": ["经理"], "爱好": ' + "[" * 100_000,
    ],
)
def test_tolerant_reading(output: str) -> None:
    values = {label: found for label, found in read_values(output).items() if found}
    assert values == {"姓名": ["张三"], "职位": ["经理"]}


@pytest.mark.parametrize("output", ["", "没有", "[]", "{}", "{", '{"', '{"a": 1}', '"姓名"', "null", "{" * 9999])
def test_nothing_to_read(output: str) -> None:
    assert read_values(output) == {}


def test_every_prefix_of_an_answer_gives_the_closed_values() -> None:
    output = render_entities({"姓名": ['张"三', "李\\四"], "组织名": ["a\nb", "😀公司"]})
    whole = read_values(output)
    for end in range(len(output) + 1):
        for label, found in read_values(output[:end]).items():
            assert found == whole[label][: len(found)]
    assert read_values(output) == json.loads(output)


def test_any_noise_is_survived() -> None:
    rng = random.Random(3)
    parts = [
        '{"',
        "姓名",
        '"',
        ":",
        "[",
        "]",
        ",",
        "}",
        "\\",
        "张三",
        "\\u",
        "\ud800",
        "1",
        "```",
        "\n",
        '{"职位": ["',
    ]
    for _ in range(2000):
        output = "".join(rng.choice(parts) for _ in range(rng.randrange(40)))
        found = align_output(output, "张三任经理，张三1")
        assert all("张三任经理，张三1"[span.start : span.end] == span.text for span in found.spans)


def test_no_overlap_within_a_label() -> None:
    rng = random.Random(4)
    for _ in range(300):
        source = "".join(rng.choice("ab经理，") for _ in range(30))
        values: dict[str, list[str]] = {label: [] for label in LABELS}
        for _ in range(20):
            start = rng.randrange(30)
            values[rng.choice(LABELS)].append(source[start : start + rng.randrange(1, 5)])
        found = align_values(values, source)
        given = sum(len(items) for items in values.values())
        assert len(found.spans) + found.surplus + found.not_verbatim == given
        for label in LABELS:
            ends = [0]
            for span in (span for span in found.spans if span.label == label):
                assert span.start >= ends[-1]
                ends.append(span.end)
