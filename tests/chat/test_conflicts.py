import pytest

from src.chat.conflicts import conflicts_of
from src.chat.types import Conflict, Quote
from src.ingest.types import Chunk
from src.search.types import Hit, Stages


def hits(*texts: str, titles: tuple[str, ...] = ()) -> list[Hit]:
    names = titles or ("",) * len(texts)
    return [
        Hit(Chunk(f"c{i}", f"d{i}", "s", names[i - 1], text, 0, len(text)), 0.9, i, Stages())
        for i, text in enumerate(texts, 1)
    ]


def test_the_same_statement_with_another_number() -> None:
    found = conflicts_of(
        "云岭大学创办于哪一年？", hits("云岭大学创办于1927年，是一所大学。", "云岭大学创办于1928年。")
    )
    assert found == (Conflict(1, "1927年", 2, "1928年"),)


def test_written_otherwise_is_no_conflict() -> None:
    assert (
        conflicts_of("云岭大学创办于哪一年？", hits("云岭大学创办于一九二七年。", "云岭大学创办于1927年。")) == ()
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("云岭大学创办于1927年。", "海岬大学创办于1928年。"),
        ("云岭大学有3个校区。", "云岭大学有25000名学生。"),
        ("2022年云岭大学有3万名学生。", "2023年云岭大学有4万名学生。"),
        ("云岭大学创办于1927年。", "云岭大学校庆日是每年9月。"),
    ],
)
def test_other_subjects_things_or_times_are_none(one: str, other: str) -> None:
    assert conflicts_of("云岭大学创办于哪一年，有多少学生？", hits(one, other)) == ()


def test_the_title_names_the_subject() -> None:
    texts = ("学校创办于1927年。", "学校创办于1928年。")
    assert conflicts_of("学校创办于哪一年？", hits(*texts, titles=("云岭大学", "海岬大学"))) == ()
    assert len(conflicts_of("学校创办于哪一年？", hits(*texts, titles=("云岭大学", "云岭大学")))) == 1


def test_what_the_question_is_not_about_is_left_alone() -> None:
    assert conflicts_of("番茄怎么炒蛋？", hits("云岭大学创办于1927年。", "云岭大学创办于1928年。")) == ()


def test_one_passage_does_not_conflict_with_itself_and_nothing_with_nothing() -> None:
    assert conflicts_of("创办于哪一年？", hits("云岭大学创办于1927年。云岭大学创办于1928年。")) == ()
    assert conflicts_of("", hits("云岭大学创办于1927年。", "云岭大学创办于1928年。")) == ()
    assert conflicts_of("问", []) == ()


HANDBOOK = "员工手册 › "


@pytest.mark.parametrize(
    ("question", "one", "other", "titles"),
    [
        ("怎么报销", "1. 填写报销单。", "住宿费600元报销。", (HANDBOOK + "报销 › 流程", HANDBOOK + "报销 › 标准")),
        ("总结一下员工手册", "1. 提交申请。", "7. 归还设备。", (HANDBOOK + "入职", HANDBOOK + "离职")),
        ("怎么申请", "（1）填写申请表", "（2）填写申请表", ("指南", "指南")),
        ("怎么申请", "第1步 填写申请表并签字。", "第3步 填写申请表并签字。", ("指南", "指南")),
        ("怎么申请", "2.1 填写申请表并签字", "2.3 填写申请表并签字", ("指南", "指南")),
        ("云岭水库有多大？", "云岭水库面积为12平方公里。", "云岭水库面积为12年前的两倍。", ()),
        ("听涛大桥有多长？", "听涛大桥主跨长460米。", "听涛大桥引桥长720米。", ()),
        ("云岭大学有多少学生？", "云岭大学现有本科生8000人。", "云岭大学现有研究生3000人。", ()),
        ("大桥哪天合龙？", "鹭屿大桥合龙于2021-03-05。", "鹭屿大桥合龙于二〇二一年三月五日。", ()),
        ("大桥哪天合龙？", "鹭屿大桥合龙于2021/3/5。", "鹭屿大桥合龙于2021年3月5号。", ()),
    ],
)
def test_list_numbers_other_roles_and_other_writings_are_none(
    question: str, one: str, other: str, titles: tuple[str, ...]
) -> None:
    assert conflicts_of(question, hits(one, other, titles=titles)) == ()


@pytest.mark.parametrize(
    ("one", "other", "values"),
    [
        ("鹭屿大桥合龙于2021-03-05。", "鹭屿大桥合龙于2021年3月6日。", ("2021-03-05", "2021年3月6日")),
        ("鹭屿大桥合龙于二〇二一年三月五日。", "鹭屿大桥合龙于2021/5/3。", ("二〇二一年三月五日", "2021/5/3")),
        ("1. 鹭屿大桥全长两千米。", "2. 鹭屿大桥全长1800米。", ("两千米", "1800米")),
    ],
)
def test_other_dates_and_numbers_in_a_list_do_conflict(one: str, other: str, values: tuple[str, str]) -> None:
    found = conflicts_of("鹭屿大桥什么时候合龙，全长多少？", hits(one, other))
    assert found == (Conflict(1, values[0], 2, values[1]),)


@pytest.mark.parametrize(
    ("question", "one", "other", "values"),
    [
        ("米酒多少钱一壶？", "米酒每壶二十五元。", "米酒的价格是每壶二十八元。", ("二十五元", "二十八元")),
        (
            "大桥几时合龙？",
            "大桥合龙时间是2021年3月5日。",
            "大桥的合龙时间为2021年3月6日。",
            ("2021年3月5日", "2021年3月6日"),
        ),
        ("门诊几点开始？", "门诊八点三十分开始。", "门诊九点开始。", ("八点三十分", "九点")),
        (
            "阅览室几点开放？",
            "阅览室开放时间为9:00-17:00。",
            "阅览室的开放时间为8:30-17:00。",
            ("9:00-17:00", "8:30-17:00"),
        ),
        ("电费每度多少？", "电费每度一元二角。", "电费每度一元五角。", ("一元二角", "一元五角")),
        ("钥匙可以外借吗？", "机房的钥匙可以外借。", "机房的钥匙不得外借。", ("可以", "不得")),
        ("水费一个月多少？", "2023年水费每月30元。", "2023年水费每月35元。", ("30元", "35元")),
        ("船票多少钱？", "渡口成人船票12元。", "渡口儿童船票6元。", None),
        ("学徒可以上机吗？", "学徒可以上机。", "师傅不得上机。", None),
        ("水费一个月多少？", "2022年水费每月30元。", "2023年水费每月35元。", None),
    ],
)
def test_beside_a_quoted_sentence(question: str, one: str, other: str, values: tuple[str, str] | None) -> None:
    quote = Quote(2, other, 0, len(other))
    expected = (Conflict(1, values[0], 2, values[1]),) if values else ()
    assert conflicts_of(question, hits(one, other), quote) == expected
    assert conflicts_of(question, hits(one, other), Quote(3, "别的。", 0, 3)) == ()
