import pytest

from src.ingest.copies import copy_keys

LONG = "广州大学2024年计划招收本科生7,500人，其中张三教授负责的人工智能专业招收120人，报名截止日期是6月30日。"


def counts(*texts: str) -> tuple[int, int, int]:
    """(passages that are left, exact copies, near copies)."""
    exact: set[int] = set()
    near: set[int] = set()
    copies = [0, 0]
    for text in texts:
        same, alike = copy_keys("", text)
        copies[0] += same in exact
        copies[1] += same not in exact and alike in near
        exact.add(same)
        near |= {alike} - {0}
    return len(texts) - sum(copies), *copies


def test_exact_copies_by_folded_text_but_not_under_other_titles() -> None:
    assert counts("ＡＢＣ 一样", "abc 不同", "ABC\n一样") == (2, 1, 0)
    assert copy_keys("有题", "ABC 一样")[0] != copy_keys("", "ABC 一样")[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("，其中", ", 其中"),
        ("人工智能专业", "“人工智能”专业"),
        ("负责的人工", "负责人工"),
        ("广州大学", "**广州大学**"),
        ("截止日期是", "截止日期是："),
        ("。", "！"),
    ],
)
def test_other_punctuation_and_fillers_make_a_near_copy(old: str, new: str) -> None:
    changed = LONG.replace(old, new)
    assert changed != LONG
    assert counts(LONG, changed) == (1, 0, 1)
    assert counts(changed, LONG) == (1, 0, 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2024", "2023"),
        ("7,500", "7,600"),
        ("7,500", "75,00"),
        ("6月30日", "6月3日"),
        ("张三", "李四"),
        ("张三", "张三、李四"),
        ("广州", "杭州"),
        ("人工智能", "人工智障"),
        ("计划", "不计划"),
        ("本科生", "研究生"),
        ("120人，", "120人或"),
        ("截止日期是6月30日。", "截止日期是6月30日？"),
    ],
)
def test_a_changed_number_name_date_or_negation_is_another_passage(old: str, new: str) -> None:
    changed = LONG.replace(old, new)
    assert changed != LONG
    assert counts(LONG, changed) == (2, 0, 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("温度上限是3.5度，超过这个温度需要立即停机并报告", "温度上限是35度，超过这个温度需要立即停机并报告"),
        ("会议定在2024-1-12举行，请各部门准时派代表参加", "会议定在2024-11-2举行，请各部门准时派代表参加"),
        ("这一门课程用的编程语言是C++，需要提前安装好编译器", "这一门课程用的编程语言是C，需要提前安装好编译器"),
        ("气温是-5度，路面已经结冰，请大家小心驾驶慢慢走", "气温是5度，路面已经结冰，请大家小心驾驶慢慢走"),
    ],
)
def test_marks_that_belong_to_a_number_or_a_name_count(one: str, other: str) -> None:
    assert counts(one, other) == (2, 0, 0)


def test_short_texts_have_no_near_copies() -> None:
    assert counts("好的。", "好！", "好的") == (3, 0, 0)
