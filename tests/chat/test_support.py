import pytest

from src.chat.support import split_sentences, support_of
from src.knowledge.types import Chunk
from src.retrieval.types import Hit, Stages


def hit(rank: int, text: str) -> Hit:
    return Hit(Chunk(f"c{rank}", f"d{rank}", "s", "", text, 0, len(text)), 0.9, rank, Stages())


HITS = [
    hit(1, "广州是广东省省会，别称羊城。"),
    hit(2, "广州大学的办学历史可以追溯到1927年的私立广州大学。"),
]


def test_each_sentence_is_linked_to_its_own_passage_not_the_first() -> None:
    support = support_of("广州大学的办学历史可追溯到1927年。广州别称羊城。", HITS)
    assert [s.rank for s in support] == [2, 1]


@pytest.mark.parametrize(
    "sentence", ["办学历史可以追溯到1928年的私立广州大学。", "Python是一种编程语言。", "今天天气很好。"]
)
def test_a_wrong_number_or_another_subject_has_no_support(sentence: str) -> None:
    assert [s.rank for s in support_of(sentence, HITS)] == [None]


def test_full_width_digits_count_as_digits() -> None:
    assert support_of("办学历史可以追溯到１９２７年。", HITS)[0].rank == 2


def test_sentences_keep_their_mark_and_drop_pure_punctuation() -> None:
    assert split_sentences("第一句。第二句！\n……\n第三句") == ["第一句。", "第二句！", "第三句"]


def test_nothing_to_link() -> None:
    assert support_of("", HITS) == ()
    assert [s.rank for s in support_of("有话。", [])] == [None]
