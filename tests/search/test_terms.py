import re

import pytest

from src.search.terms import forms, matched_terms, query_terms, singular, text_terms


def test_characters_pairs_and_whole_words():
    assert text_terms("广州BM25，第3.5版 Ａb") == ["广", "广州", "州", "bm25", "第", "3.5", "版", "ab"]
    assert text_terms("🐑！——") == []


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("请问广州在哪里？", "广州"),
        ("介绍一下广州大学", "广州大学"),
        ("广州大学创办于哪一年？", "广州大学创办于"),
        ("誰認為梵語很完美", "認為梵語很完美"),
        ("几内亚的首都是什么", "几内亚的首都"),
        ("何其芳写了几条新闻", "何其芳写了 新闻"),
        ("《谁是卧底》是什么", "《谁是卧底》"),
    ],
)
def test_question_phrases_go_and_names_stay(query, kept):
    assert query_terms(query) == list(dict.fromkeys(text_terms(kept)))


@pytest.mark.parametrize("query", ["什么", "请问是谁", "哪一年？"])
def test_never_stripped_to_nothing(query):
    assert query_terms(query) == list(dict.fromkeys(text_terms(query)))


def test_terms_are_distinct():
    assert query_terms("广州广州") == ["广", "广州", "州", "州广"]


def test_matched_terms_are_substrings_as_written():
    text = "广州简称穗，ＢＭ２５ 是算法；的的的。"
    assert matched_terms("穗是哪个城市的简称，bm25", text) == ["简称", "穗", "ＢＭ２５"]
    assert matched_terms("广州大学", "广州大学在广州") == ["广州大学", "广州"]
    assert matched_terms("什么", "无关") == []
    assert matched_terms("", "") == []
    for term in matched_terms("㈱广州ﬁ", "㈱ 广州ﬁne ﬁ"):
        assert term in "㈱ 广州ﬁne ﬁ"


@pytest.mark.parametrize(
    ("word", "term"),
    [
        ("passengers", "passenger"), ("cities", "city"), ("class", "class"), ("status", "status"), ("ios", "ios"),
        ("analysis", "analysis"), ("goes", "goes"), ("mp3s", "mp3s"), ("news", "new"),
    ],
)  # fmt: skip
def test_plurals_are_one_term_with_their_singular(word, term):
    assert singular(word) == term
    assert text_terms(word) == [term]
    assert re.fullmatch(forms(term), word)
    assert matched_terms(term, word) == [word]


def test_a_model_has_one_term_however_it_is_written():
    assert set(text_terms("RT-70B的")) == {"rt", "70b", "rt70b", "的"}
    assert matched_terms("rt70b", "泵RT-70B的") == ["RT-70B"]
    assert all(re.fullmatch(forms("rt70b"), text) for text in ("rt70b", "rt-70b", "rt-70-b"))
    assert "10year" not in text_terms("10-year plan")
