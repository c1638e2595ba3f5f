"""Chinese text cut into words by the list that comes with us."""

import pytest

from src.search.terms import fold
from src.search.vocabulary import MAX_WORD, common_words, cut, straddles


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("广州大学的办学历史", ["广州", "大学", "的", "办学", "历史"]),
        ("用gpt-4写小学历史课本。", ["用", "gpt", "4", "写", "小学", "历史", "课本"]),
        ("", []),
        ("，。", []),
        ("龘龘", ["龘", "龘"]),
    ],
)
def test_text_is_cut_into_the_fewest_words(text, words):
    assert cut(text) == words


def test_where_two_words_meet():
    assert straddles("办学历史", 1, 3)
    assert not straddles("本科学历", 2, 4)
    assert not straddles("学历", 0, 2)


def test_the_list_is_well_made():
    assert len(common_words()) > 30_000
    assert all(2 <= len(word) <= MAX_WORD for word in common_words())
    odd = [word for word in common_words() if fold(word) != word]
    assert len(odd) < 20, odd


def test_a_long_text_is_no_burden():
    assert "".join(cut("北大" * 50_000)) == "北大" * 50_000
