"""Names and their values in lines and cells."""

import pytest

from src.extraction.label_lines import NOTHING, cells_named, lines_named, spaced_lines

NAMES = "姓名|学历|专业|单位|Party A|Instructor"


def pairs(text: str, find=lines_named) -> list[tuple[str, str]]:
    found = list(find(text, NAMES))
    assert all(line.at >= 0 and line.start <= line.end <= len(text) for line in found)
    return [(line.name, text[line.start : line.end]) for line in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("姓名：张三 证书：会计证", [("姓名", "张三")]),
        ("1. 姓名：张三\n（2）学历:本科。毕业于海大", [("姓名", "张三"), ("学历", "本科")]),
        ("专业（方向）：法学；单位： 海大  电话：1", [("专业", "法学"), ("单位", "海大")]),
        ("Party A (Buyer): Northgate Ltd. The goods", [("Party A", "Northgate Ltd. The goods")]),
        (
            "Instructor: Dr. Helena Voss, office 2. Lectures on Tuesday",
            [("Instructor", "Dr. Helena Voss, office 2")],
        ),
        ("姓名：\n学历：本科", [("姓名", ""), ("学历", "本科")]),
        ("他的专业：园艺", []),
        ("", []),
    ],
)
def test_lines(text: str, expected: list[tuple[str, str]]) -> None:
    assert pairs(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("| 姓名 | 张三 | 学历 | 本科 |", [("姓名", "张三"), ("学历", "本科")]),
        ("姓名\t学历\t年级\n张三\t本科\t三\n李四\t硕士\t一", [("姓名", "张三"), ("学历", "本科"), ("姓名", "李四"), ("学历", "硕士")]),
        ("姓名\t学历\n\n张三\t本科", [("姓名", "张三"), ("学历", "本科")]),
        ("姓名\t学历\n以上为样表\n张三\t本科", []),
        ("张三|本科", []),
        ("|||", []),
    ],
)  # fmt: skip
def test_cells(text: str, expected: list[tuple[str, str]]) -> None:
    found = [pair for pair in pairs(text, cells_named) if not NOTHING.fullmatch(pair[1])]
    assert found == expected


def test_lines_without_colons_come_in_threes() -> None:
    assert pairs("姓名 张三\n学历 本科\n专业 法学", spaced_lines) == [
        ("姓名", "张三"),
        ("学历", "本科"),
        ("专业", "法学"),
    ]
    assert pairs("专业 素养高\n学历 不限", spaced_lines) == []


@pytest.mark.parametrize("value", ["", "无", "——", "N/A", "万元", "/", "待定", "%"])
def test_values_that_say_that_there_is_none(value: str) -> None:
    assert NOTHING.fullmatch(value)
