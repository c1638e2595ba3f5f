"""Whose values these are: where people begin, what is merged, posts with their organisations, contact data."""

import json
import random

import pytest

from src.extraction.jsonl import Line, record_of
from src.extraction.layout import View
from src.extraction.people import people_of
from src.extraction.schema import LABELS, Extraction, Person, Span, in_order
from src.extraction.tables import columns, person_rows

WORDS = {
    "姓名": ("张启明", "李秋霞", "王大力", "樊守仁", "孟庆林", "Michael Okafor"),
    "国籍": ("中国国籍", "尼日利亚国籍"),
    "种族": ("汉族", "回族"),
    "职位": ("董事长", "总经理", "财务总监", "工程师", "分析师", "客座讲师", "教授"),
    "教育背景": ("本科学历", "本科", "硕士"),
    "专业": ("会计学",),
    "组织名": ("东岭公司", "海岳证券", "云岭工学院", "晨星保险"),
}


def people(text: str) -> tuple[list[Person], tuple[Span, ...]]:
    """Of a text in which a tagger has found all of ``WORDS``."""
    view = View.of(text)
    spans = []
    for label, words in WORDS.items():
        for word in words:
            at = view.text.find(word)
            while at >= 0:
                if not any(span.start <= at < span.end for span in spans):
                    spans.append(Span(label, word, at, at + len(word), 0.9))
                at = view.text.find(word, at + 1)
    ordered = in_order(spans)
    return list(people_of(view, ordered)), ordered


def names(text: str) -> list[str]:
    return [person.name for person in people(text)[0]]


def posts(text: str) -> list[tuple[str, str, str]]:
    found, spans = people(text)
    return [post.texts(spans) for person in found for post in person.posts]


@pytest.mark.parametrize(
    "text",
    [
        "张启明，男，本科学历，现任东岭公司董事长。李秋霞，女，硕士，现任东岭公司财务总监。",
        "张启明先生，1962年出生，现任东岭公司董事长。张启明先生与李秋霞女士不存在关联关系。\n李秋霞女士，1978年出生，财务总监。",
        "姓名：张启明\n学历：本科\n\n姓名：李秋霞\n学历：硕士",
        "简历一\n姓名：张启明\n学历：本科\n简历二\n姓名：李秋霞\n学历：硕士",
        "1. 张启明，男，本科\n2. 李秋霞，女，硕士",
        "（1）张启明，37岁，董事长；\n（2）李秋霞，28岁，财务总监。",
        "一、候选人：张启明\n学历：本科\n二、候选人：李秋霞\n学历：硕士",
        "【张启明】\n男，本科\n【李秋霞】\n女，硕士",
        "公司有核心人员两名。其中，张启明，男，董事长；李秋霞，女，财务总监。",
        "董事会成员：\n张启明：男，董事长。\n李秋霞：女，财务总监。",
        "姓名：张启明；学历：本科\n姓名：李秋霞；学历：硕士",
        "| 姓名 | 学历 |\n|---|---|\n| 张启明 | 本科 |\n| 李秋霞 | 硕士 |",
        "姓名\t学历\n张启明\t本科\n李秋霞\t硕士",
        "姓　名：张　启　明\n学历：本科\n姓　名：李　秋　霞\n学历：硕士",
    ],
)
def test_people_are_told_apart(text: str) -> None:
    found, _spans = people(text)
    assert ["".join(person.name.split()) for person in found] == ["张启明", "李秋霞"]
    degrees = [list(person.texts("教育背景")) for person in found]
    assert degrees in ([["本科"], ["硕士"]], [["本科学历"], ["硕士"]], [[], []])
    assert all(set(one.spans).isdisjoint(other.spans) for one in found for other in found if one is not other)


@pytest.mark.parametrize(
    "text",
    [
        "张启明先生，汉族，现任东岭公司总经理。张启明先生师从孟庆林教授，曾与王大力、李秋霞合作。张启明先生还任海岳证券分析师。",
        "姓名：张启明\n紧急联系人：李秋霞（母亲）\n证明人：王大力\n学历：本科",
        "姓名：张启明\n学历：本科\n家庭成员\n称谓：母亲；姓名：李秋霞；单位：东岭公司\n称谓：父亲；姓名：王大力；单位：海岳证券",
        "姓名：张启明\n家庭主要成员：\n李秋霞，女，东岭公司\n王大力，男，海岳证券",
        "姓名：张启明\n曾用名：王大力\n英文名：Michael Okafor\n学历：本科",
        "张启明，男，汉族。\n张启明，男，汉族。",
    ],
)
def test_others_who_are_named_are_nobody_of_their_own(text: str) -> None:
    assert names(text) == ["张启明"]


def test_another_name_behind_ones_name_is_nobody_else() -> None:
    assert names("姓名：张启明（英文名：Michael Okafor）\n学历：本科") == ["张启明"]


def test_nobody_and_nothing() -> None:
    assert people("今天天气很好。")[0] == []
    (person,) = people("现任东岭公司董事长，本科学历。")[0]
    assert person.name == ""
    assert person.texts("职位") == ["董事长"]


def test_what_comes_before_a_form_and_its_heading_belong_to_it() -> None:
    text = "应聘职位：工程师\n姓名：张启明\n应聘职位：分析师\n姓名：李秋霞\n"
    found, _ = people(text)
    assert [person.texts("职位") for person in found] == [["工程师"], ["分析师"]]
    assert found[0].parts == ((0, text.index("应聘职位：分析师")),)


def test_somebody_of_whom_it_goes_on_later_is_one_person() -> None:
    text = "张启明，男，东岭公司董事长。\n李秋霞，女，财务总监。\n张启明，男，兼任海岳证券分析师。"
    first, second = people(text)[0]
    assert (first.name, second.name) == ("张启明", "李秋霞")
    assert len(first.parts) == 2
    assert first.texts("组织名") == ["东岭公司", "海岳证券"]


def test_duplicates_are_merged_and_all_their_places_kept() -> None:
    text = "张启明，本科学历，东岭公司董事长。教育：本科。" + "张启明任东岭公司董事长。" * 10
    (person,), spans = people(text)
    assert person.texts("姓名") == ["张启明"]
    assert person.texts("教育背景") == ["本科学历"]
    assert sum(spans[number].text == "东岭公司" for number in person.spans) == 11
    assert [post[1:] for post in posts(text)] == [("东岭公司", "董事长")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("现任东岭公司董事长、总经理。", [("", "东岭公司", "董事长"), ("", "东岭公司", "总经理")]),
        ("2010年7月至2015年3月任海岳证券分析师", [("2010年7月至2015年3月", "海岳证券", "分析师")]),
        ("2009.9-2013.7  海岳证券  分析师", [("2009.9-2013.7", "海岳证券", "分析师")]),
        ("分析师 · 晨星保险 · 2019—2022", [("2019—2022", "晨星保险", "分析师")]),
        ("毕业于云岭工学院会计学专业，工程师。", []),
        ("工程师，毕业于云岭工学院。", []),
        ("本科，工程师。现任东岭公司总经理。", [("", "东岭公司", "总经理")]),
        ("工作单位：东岭公司\n职务：总经理", [("", "东岭公司", "总经理")]),
        ("毕业院校：云岭工学院\n职务：总经理\n求职意向：分析师", []),
        ("起止时间：2013.8-2018.5；单位：东岭公司；岗位：分析师", [("2013.8-2018.5", "东岭公司", "分析师")]),
        ("2017年起任东岭公司董事长", [("2017年起", "东岭公司", "董事长")]),
    ],
)
def test_posts_have_their_organisations_and_times(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert posts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("张启明，男，1990年2月出生，电话13800010021", {"性别": ["男"], "出生日期": ["1990年2月"], "电话": ["13800010021"]}),
        ("出生年月：1988.03.15 手机：138-0001-0045 邮箱：a.b@mail.example", {"出生日期": ["1988.03.15"], "电话": ["138-0001-0045"], "邮箱": ["a.b@mail.example"]}),
        ("Phone: +86 138 0001 0067，座机0763-8820016", {"电话": ["+86 138 0001 0067", "0763-8820016"]}),
        ("电话：１３８０００１０１０２", {"电话": ["１３８０００１０１０２"]}),
        ("邮箱：ｗｗ＠ｅｘａｍｐｌｅ．ｃｏｍ", {"邮箱": ["ｗｗ＠ｅｘａｍｐｌｅ．ｃｏｍ"]}),
        ("紧急联系人：李某 13800010303，身份证号510105199003022278，订单20240101123456", {}),
        ("a@b.cn，再写一次a@b.cn", {"邮箱": ["a@b.cn"]}),
        ("男装店，女士服饰", {}),
    ],
)  # fmt: skip
def test_details_are_found_by_rule(text: str, expected: dict[str, list[str]]) -> None:
    found = people(text)[0]
    details = {label: person.texts(label) for person in found for label in ("性别", "出生日期", "电话", "邮箱")}
    assert {label: values for label, values in details.items() if values} == expected


def test_whatever_comes_places_stand_in_the_text() -> None:
    draw = random.Random(1)
    pieces = [*(word for words in WORDS.values() for word in words), "姓名：", "，", "。", "\n", "　", "男", "1990年生", "；", "1. ",
              "13800010021", "|", "\t", "单位：", "职务：", "【", "】", "𠀀", "家庭成员\n", "至今", "2010年-", " "]  # fmt: skip
    for _ in range(300):
        text = "".join(draw.choices(pieces, k=draw.randint(1, 25)))
        view = View.of(text)
        found, ordered = people(text)
        spans = [view.original(span) for span in ordered]
        result = Extraction.of(text, spans, people=tuple(found))
        assert list(result.spans) == spans
        places = [number for person in found for number in person.spans]
        assert len(places) == len(set(places))
        record = result.to_json()
        for person in record["people"]:
            assert set(person) == {"name", "parts", "entities", "spans", "posts", "details"}
            assert list(person["entities"]) == list(LABELS)
            for detail in person["details"]:
                assert text[detail["start"] : detail["end"]] == detail["text"]
            for post in person["posts"]:
                assert spans[post["spans"][0]].text == post["职位"]
                assert post["时间"] in text
        json.dumps(record)
        rows = person_rows(record_of(Line(1, text), result))
        assert len(rows) == max(1, len(found))
        assert all(len(row) == len(columns()) for row in rows)


def test_a_long_text_without_a_full_stop_takes_no_time() -> None:
    text = "张启明，" * 1250
    assert names(text) == ["张启明"]


def test_low_confidence_is_a_column() -> None:
    spans = [Span("姓名", "张三", 0, 2, 0.55), Span("职位", "经理", 3, 5, 0.5), Span("职位", "经理", 6, 8, 0.99)]
    text = "张三，经理，经理"
    result = Extraction.of(text, spans, people=people_of(View.of(text), in_order(spans)))
    (row,) = person_rows(record_of(Line(1, text), result))
    assert dict(zip(columns(), row, strict=True))["待核对"] == "姓名：张三"
