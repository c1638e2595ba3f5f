import pytest

from src.evaluation.mistakes import WrongText, count_mistakes, describe, find_mistakes, most_informative
from src.extraction.schema import Span

TEXT = "王小明任蓝天公司副总经理。"


def span(label: str, start: int, end: int, confidence: float | None = None) -> Span:
    return Span(label, TEXT[start:end], start, end, confidence)


NAME, COMPANY, POST = span("姓名", 0, 3), span("组织名", 4, 8), span("职位", 8, 12)


@pytest.mark.parametrize(
    ("gold", "predicted", "kinds"),
    [
        ([NAME], [NAME], []),
        ([], [], []),
        ([NAME], [], ["missed"]),
        ([], [NAME], ["spurious"]),
        ([POST], [span("职位", 9, 12)], ["boundary"]),
        ([POST], [span("职位", 4, 12)], ["boundary"]),
        ([COMPANY], [span("地名", 4, 8)], ["label"]),
        # another label and another boundary explain nothing
        ([COMPANY], [span("地名", 4, 6)], ["missed", "spurious"]),
        # side by side is no overlap
        ([span("职位", 8, 10)], [span("职位", 10, 12)], ["missed", "spurious"]),
        # one prediction makes a pair with one gold span only: the one it shares more with
        ([span("职位", 4, 7), span("职位", 7, 12)], [span("职位", 4, 12)], ["missed", "boundary"]),
        # the right one is there: what comes beside it is spurious
        ([COMPANY], [COMPANY, span("地名", 4, 8), span("组织名", 4, 6)], ["spurious", "spurious"]),
        # the same piece before an overlap of the same size
        ([COMPANY], [span("组织名", 2, 8), span("地名", 4, 8)], ["spurious", "label"]),
        # doubles are one
        ([], [NAME, NAME], ["spurious"]),
    ],
)
def test_each_difference_is_in_one_mistake(gold, predicted, kinds):
    mistakes = find_mistakes(gold, predicted)
    assert [mistake.kind for mistake in mistakes] == kinds
    missed, extra = set(gold) - set(predicted), set(predicted) - set(gold)
    assert {mistake.gold for mistake in mistakes} - {None} == missed
    assert {mistake.predicted for mistake in mistakes} - {None} == extra


def wrong(number: int, text: str, gold: list[Span], predicted: list[Span]) -> WrongText:
    return WrongText(number, text, tuple(gold), tuple(predicted), find_mistakes(gold, predicted))


def test_mistakes_are_counted_under_the_gold_label():
    found = count_mistakes([wrong(1, TEXT, [NAME, COMPANY], [span("地名", 4, 8), POST])])
    assert found == {("missed", "姓名"): 1, ("label", "组织名"): 1, ("spurious", "职位"): 1}


def test_every_kind_of_mistake_is_shown_before_one_is_shown_twice():
    texts = [
        wrong(1, TEXT + "很长的话", [NAME], []),
        wrong(2, TEXT + "长", [NAME], []),
        wrong(3, TEXT, [NAME], []),
        wrong(4, TEXT + "很长很长的话", [COMPANY], [span("地名", 4, 8)]),
    ]
    assert [one.number for one in most_informative(texts, 3)] == [3, 4, 2]
    assert [one.number for one in most_informative(texts, 9)] == [3, 4, 2, 1]
    assert most_informative(texts, 0) == most_informative([], 3) == []


def test_gold_and_prediction_are_marked():
    guess = [span("姓名", 0, 3), span("地名", 4, 8), span("组织名", 4, 12), span("职位", 9, 12, 0.5)]
    lines = describe(wrong(7, TEXT, [NAME, COMPANY, POST], guess)).split("\n")
    assert lines == [
        "第 7 条：多出 1，边界 1，类别 1",
        "  标注  〔姓名 王小明〕任〔组织名 蓝天公司〕〔职位 副总经理〕。",
        "  结果  〔姓名 王小明〕任〔地名 蓝天公司〕副〔职位 总经理〕。  另有〔组织名 蓝天公司副总经理〕",
        "  类别  蓝天公司：组织名 → 地名",
        "  多出  组织名：蓝天公司副总经理",
        "  边界  职位：副总经理 → 总经理（置信度 0.50）",
    ]


def test_a_terminal_is_not_commanded_by_a_resume():
    text = "王\x1b[2J小\n明\u202e"
    name = Span("姓名", text[:5], 0, 5)
    shown = describe(WrongText(1, text, (name,), (), find_mistakes([name], [])))
    assert shown.count("\n") == 3
    assert not {"\x1b", "\u202e"} & set(shown)
