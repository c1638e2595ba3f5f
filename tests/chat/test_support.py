import numpy as np
import pytest

from src.chat.support import split_sentences, support_of
from src.knowledge.types import Chunk
from src.retrieval.types import Hit, Stages


def hit(rank: int, text: str, title: str = "") -> Hit:
    return Hit(Chunk(f"c{rank}", f"d{rank}", "s", title, text, 0, len(text)), 0.9, rank, Stages())


HITS = [
    hit(1, "广州是广东省省会，别称羊城。全市常住人口约1880万人。"),
    hit(2, "广州大学的办学历史可以追溯到1927年的私立广州大学。主校区位于番禺区大学城。"),
    hit(3, "FAISS不支持事务，支持精确检索和近似检索。"),
]


def ranks(answer: str, question: str = "") -> list[int | None]:
    return [s.rank for s in support_of(answer, HITS, question)]


def test_each_sentence_is_linked_to_its_own_passage_not_the_first() -> None:
    assert ranks("广州大学的办学历史可追溯到1927年。广州别称羊城。") == [2, 1]


def test_the_evidence_is_where_the_words_stand() -> None:
    support = support_of("主校区位于番禺区。", HITS)[0]
    assert support.evidence is not None
    start, end = support.evidence
    assert HITS[1].chunk.text[start:end] == "主校区位于番禺区大学城。"


@pytest.mark.parametrize(
    "sentence",
    [
        "办学历史可以追溯到1928年的私立广州大学。",
        "办学历史可以追溯到一九二八年的私立广州大学。",
        "深圳大学的办学历史可以追溯到1927年的私立深圳大学。",
        "广州大学的主校区位于天河区。",
        "北京别称羊城。",
        "FAISS支持事务。",
        "FAISS不支持精确检索。",
        "Milvus支持精确检索和近似检索。",
        "全市常住人口约188万人。",
        "Python是一种编程语言。",
        "今天天气很好。",
    ],
)
def test_a_wrong_number_name_negation_or_subject_has_no_support(sentence: str) -> None:
    assert ranks(sentence) == [None]


@pytest.mark.parametrize(
    ("sentence", "rank"),
    [
        ("办学历史可以追溯到１９２７年。", 2),
        ("办学历史可以追溯到一九二七年。", 2),
        ("根据资料，广州的别称是羊城。", 1),
        ("1. 广州別稱羊城", 1),
        ("- 它的主校区位于番禺区大学城", 2),
        ("FAISS不支持事务。", 3),
    ],
)
def test_other_ways_to_write_it_have_support(sentence: str, rank: int) -> None:
    assert ranks(sentence) == [rank]


def test_a_bare_fact_needs_a_passage_about_the_question() -> None:
    hits = [hit(1, "某公司成立于1927年，总部在上海。"), hit(2, "广州大学的历史可以追溯到1927年。")]
    assert [s.rank for s in support_of("1927年。", hits, "广州大学的历史追溯到哪年？")] == [2]
    assert [s.rank for s in support_of("1927年。", hits, "珠峰多高？")] == [None]


def test_a_paraphrase_needs_its_meaning_close() -> None:
    hits, answer = (
        [hit(1, "广州大学办学历史可追溯到1927年。")],
        "广州大学早在很久以前的1927年那时候便已有渊源可追溯",
    )
    assert support_of(answer, hits)[0].rank is None
    assert support_of(answer, hits, similarity=lambda _, texts: np.full(len(texts), 0.9))[0].rank == 1
    assert support_of(answer, hits, similarity=lambda _, texts: np.full(len(texts), 0.1))[0].rank is None


def test_sentences_keep_their_mark_and_drop_pure_punctuation() -> None:
    assert split_sentences("第一句。第二句！\n……\n第三句") == ["第一句。", "第二句！", "第三句"]


def test_nothing_to_link() -> None:
    assert support_of("", HITS) == ()
    assert [s.rank for s in support_of("有话。", [])] == [None]
    assert [s.rank for s in support_of("的了。", HITS)] == [None]


def test_a_title_counts_as_said() -> None:
    hits = [hit(1, "创办于1927年，在番禺区。", title="云岭大学")]
    assert support_of("云岭大学创办于1927年。", hits)[0].rank == 1
    assert support_of("海岬大学创办于1927年。", hits)[0].rank is None
