import pytest

from src.search.synonyms import LEXICON, MAX_VARIANTS, Lexicon, default_lexicon
from src.search.terms import fold


@pytest.mark.parametrize(
    ("query", "variant"),
    [
        ("羊城有什么特产", "广州有 特产"),
        ("北大在哪个区？", "北京大学 区?"),
        ("西紅柿的產地", "番茄的产地"),
        ("穗的特产", "广州的特产"),
        ("GDP是什么意思", "国内生产总值 意思"),
        ("Who founded Xiamen University?", "who founded 厦门大学?"),
    ],
)
def test_an_alias_becomes_the_usual_name(query, variant):
    assert variant in default_lexicon().variants(query)


def test_the_usual_name_also_looks_for_its_aliases():
    assert "洋芋的产地" in default_lexicon().variants("土豆的产地")


@pytest.mark.parametrize(
    "query", ["东北大学的校训", "河北大学在哪", "麦穗的颜色", "RAIN是什么", "北大西洋有多深", "今天下雨", "", "？"]
)
def test_what_only_looks_like_an_alias_stays(query):
    assert default_lexicon().variants(query) == []


@pytest.mark.parametrize(
    "query",
    [
        "办学历史", "小学历史课本", "求学历程", "晚上大家", "今天大气层", "立法大会", "股东大会", "工人大会", "其中大部分",
        "大厦大堂", "要求中华电信", "相关公司", "东北航空", "体重大约",
    ],
)  # fmt: skip
def test_two_words_that_meet_are_no_alias(query):
    assert default_lexicon().variants(query) == []


@pytest.mark.parametrize(
    ("query", "variant"),
    [
        ("大学学历要求", "大学文凭要求"),
        ("在北大学习", "在北京大学学习"),
        ("电影院", "影片院"),
        ("海南大学", "琼州大学"),
    ],
)
def test_an_alias_beside_a_word_or_inside_one_stays_an_alias(query, variant):
    assert variant in default_lexicon().variants(query)


def test_few_variants_and_each_once():
    lexicon = Lexicon([["甲乙", *(f"丙{c}" for c in "子丑寅卯辰")], ["丁戊", "己庚"]])
    variants = lexicon.variants("丙子和己庚")
    assert variants[0] == "甲乙和丁戊"
    assert len(variants) == len(set(variants)) == MAX_VARIANTS
    assert Lexicon([]).variants("广州") == []


def test_a_long_question_is_no_burden():
    assert len(default_lexicon().variants("北大" * 1000)) <= MAX_VARIANTS


def test_the_lexicon_is_well_made():
    lines = LEXICON.read_text("utf-8").splitlines()
    groups = [line.split() for line in lines if line and line[0] not in "#!"]
    assert len(groups) > 300
    for group in groups:
        assert len({fold(word) for word in group}) == len(group) > 1, group
        assert len(group[0]) > 1, group
