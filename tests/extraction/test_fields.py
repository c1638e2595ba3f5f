"""Rules beside the tagger: lines with a name, spread characters, Latin words, peoples, addresses."""

import random

import pytest

from src.extraction.fields import fields_of, settled
from src.extraction.layout import View
from src.extraction.schema import Span


def found(text: str, *guessed: tuple[str, str]) -> list[tuple[str, str]]:
    """What is settled where a tagger has guessed (label, text) at the first place of that text."""
    view = View.of(text)
    spans = [
        Span(label, piece, view.text.index(piece), view.text.index(piece) + len(piece), 0.9)
        for label, piece in guessed
    ]
    kept = [view.original(span) for span in settled(view.text, spans)]
    assert all(text[span.start : span.end] == span.text for span in kept)
    return [(span.label, span.text) for span in sorted(kept, key=lambda span: span.start)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("国籍：新加坡\n学历：博士\n专业：园艺学", [("国籍", "新加坡"), ("教育背景", "博士"), ("专业", "园艺学")]),
        ("姓名：罗小安 性别：女 民族：侗族 电话：0571-5550136", [("姓名", "罗小安"), ("种族", "侗族")]),
        ("姓名：石某；工号：K07；部门：后勤", [("姓名", "石某")]),
        ("职位/Title：Senior Software Engineer，就职于Acme公司", [("职位", "Senior Software Engineer")]),
        ("Degree: Master of Science；Major: Physics", [("教育背景", "Master of Science"), ("专业", "Physics")]),
        ("姓　名：钱　多多\n籍　贯：云南大理", [("姓名", "钱　多多"), ("地名", "云南大理")]),
        ("应聘岗位: 会计、出纳", [("职位", "会计"), ("职位", "出纳")]),
        ("Name: Anna Berg\nNationality: Swedish", [("姓名", "Anna Berg"), ("国籍", "Swedish")]),
        ("专业/Major：Industrial Design\n学历 / Degree：本科", [("专业", "Industrial Design"), ("教育背景", "本科")]),
        ("Name 姓名: 骆文博 (Wenbo Luo)\n专 业: Welding Technology", [("专业", "Welding Technology")]),
        ("Education: Bachelor of Arts, Leeds College\nPosition: Key Account Manager", [("教育背景", "Bachelor of Arts"), ("职位", "Key Account Manager")]),
        ("姓名：Anna Berg（中文名：白安娜）", [("姓名", "Anna Berg"), ("姓名", "白安娜")]),
        ("曾用名：无\n国籍：-\n政治面貌：群众\n单位：万元", []),
        ("他的专业：是园艺，还有林学。", []),
    ],
)  # fmt: skip
def test_a_named_value_is_taken_whole(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_the_tagger_gives_way_to_a_named_value_and_never_takes_the_name() -> None:
    text = "国籍：中国\n曾用名：无\n性别：男\n毕业院校：东山大学"
    guessed = [("国籍", "国籍"), ("姓名", "曾"), ("职位", "男"), ("地名", "东山")]
    assert found(text, *guessed) == [("国籍", "中国"), ("组织名", "东山大学")]


def test_a_value_of_several_parts_is_the_taggers() -> None:
    text = "工作单位：东山电子有限公司，任总工程师"
    guessed = [("组织名", "东山电子有限公司"), ("职位", "总工程师")]
    assert found(text, *guessed) == guessed


@pytest.mark.parametrize(
    ("text", "guessed", "expected"),
    [
        ("Kevin Chen 陈凯文", [("姓名", "Kevin"), ("姓名", "Chen")], [("姓名", "Kevin Chen")]),
        ("Senior Software Engineer @ 蓝鲸数据", [("职位", "Software")], [("职位", "Senior Software Engineer")]),
        ("毕业于 University of Leeds，", [("组织名", "Leeds")], [("组织名", "University of Leeds")]),
        ("Acme Sales Manager", [("组织名", "Acme"), ("职位", "Manager")], [("组织名", "Acme"), ("职位", "Manager")]),
        ("熟悉 Java, Spring Boot", [("职位", "Spring")], [("职位", "Spring Boot")]),
        ("Dr. Anna Berg，", [("姓名", "Anna")], [("姓名", "Anna Berg")]),
        ("电子工程 Ph.D.", [("种族", "Ph")], []),
        ("Frank 郝", [("姓名", "Frank"), ("姓名", "郝")], [("姓名", "Frank"), ("姓名", "郝")]),
    ],
)  # fmt: skip
def test_latin_words_that_stand_together_are_one_value(
    text: str, guessed: list[tuple[str, str]], expected: list[tuple[str, str]]
) -> None:
    assert found(text, *guessed) == expected


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        ("P", []),
        ("ython", [("组织名", "Python")]),
        ("ySQL", [("组织名", "MySQL")]),
        ("Python", [("组织名", "Python")]),
    ],
)
def test_a_latin_word_is_whole_or_no_part_of_it(piece: str, expected: list[tuple[str, str]]) -> None:
    assert found("熟悉 Python、MySQL", ("组织名", piece)) == expected


def test_peoples_are_known_between_marks_only() -> None:
    text = "尼玛，男，门巴族；阿依，女，维吾尔族。曾任延边朝鲜族自治州水族馆馆长，外族。"
    assert found(text) == [("种族", "门巴族"), ("种族", "维吾尔族")]
    assert found("尼玛，男，门巴族", ("种族", "门巴族")) == [("种族", "门巴族")]
    assert found("尼玛，男，门巴族", ("地名", "门巴族")) == [("种族", "门巴族")]


def test_an_address_holds_no_name() -> None:
    text = "邮箱 xuwen@example.com，主页 https://example.org/lihua"
    assert found(text, ("姓名", "xuwen"), ("组织名", "example.org")) == []


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("周 杰 ，男 ，汉 族 ，本 科 学 历 。", "周杰，男，汉族，本科学历。"),
        ("姓　名：欧阳　娜", "姓名：欧阳娜"),
        ("张三　男　汉族　本科", "张三　男　汉族　本科"),
        ("籍贯：宁夏　银川", "籍贯：宁夏　银川"),
        ("Li Ming 在 IBM 工作", "Li Ming 在 IBM 工作"),
        ("电话：１３８（ＷＷ＠ｅ．ｃｏｍ）", "电话：138（WW@e.com）"),
        ("", ""),
        (" 男 ", " 男 "),
    ],
)
def test_spread_and_wide_characters_are_read_as_words(source: str, read: str) -> None:
    assert View.of(source).text == read


def test_whatever_comes_every_span_stands_in_the_text() -> None:
    draw = random.Random(0)
    pieces = [
        "姓名：",
        "民族:",
        "学历 ：",
        "　",
        " ",
        "\n",
        "男",
        "汉族",
        "Li",
        "Ming",
        "，",
        "；",
        "无",
        "𠀀",
        "🙂",
        "a@b.cn",
        "专业",
        "：",
        "、",
    ]
    for _ in range(400):
        text = "".join(draw.choices(pieces, k=draw.randint(1, 14)))
        view = View.of(text)
        places = sorted(draw.sample(range(len(view.text) + 1), 2)) if len(view.text) else [0, 0]
        guessed = [Span("职位", view.text[slice(*places)], *places)] if places[0] < places[1] else []
        for span in settled(view.text, guessed):
            original = view.original(span)
            assert text[original.start : original.end] == original.text != ""
        assert all(0 <= field.start <= field.end <= len(view.text) for field in fields_of(view.text))
