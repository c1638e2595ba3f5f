"""What texts are compared by."""

import pytest

from src.evaluation.measures import character_f1, holds, invented_numbers, normalised


def test_normalised_and_character_f1() -> None:
    assert normalised("《ＡＢ》，廣州 大學。") == "ab广州大学"
    assert normalised("3.5 万，1,200 人") == "3.5万1200人"
    assert character_f1("1927年。", "1927年") == 1
    assert character_f1("广州大学", "大学") == pytest.approx(2 / 3)
    assert character_f1("", "大学") == 0


def test_an_answer_stands_in_a_text_with_one_wording_of_every_part() -> None:
    assert holds("廣州大學，1927年。", [["1927年", "一九二七年"]])
    assert not holds("甲和丙", [["甲"], ["乙"]])
    assert holds("甲和乙", [["甲"], ["乙", "二"]])
    assert not holds("一共15人，11月2日", [["5人"]])
    assert not holds("11月2日", [["1月2日"]])
    assert holds("2008，2009年", [["2009"]])
    assert not holds("什么都有", [[""]])


@pytest.mark.parametrize(
    ("text", "sources", "invented"),
    [
        ("1. 建于1927年[1]\n2. 有三百人", ["一九二七年创办，300 人"], []),
        ("建于1928年", ["1927年"], ["1928"]),
        ("共2.5万人", ["25,000人"], []),
        ("2022年3月5日", ["2022-03-05 发布"], []),
        ("3月5日开幕", ["2022年3月12日，共5场"], ["3月5日"]),
        ("2022年3月5日", ["2022年", "3月5日"], []),
        ("一般在万一的时候", [], []),
    ],
)
def test_numbers_that_no_source_holds(text: str, sources: list[str], invented: list[str]) -> None:
    assert invented_numbers(text, sources) == invented
