"""The sentence shown beside an answer: from the right passage, word for word, more than a heading or a question."""

import numpy as np
import pytest

from src.chat.quote import best_sentence
from src.chat.types import Quote
from src.ingest.types import Chunk, Document
from src.models.embedders.fake import HashingEmbedder
from src.search.indexing import base_of
from src.search.search import Retriever
from src.search.types import Hit, Stages


def hits(*texts: str, scores: tuple[float, ...] = ()) -> list[Hit]:
    return [
        Hit(Chunk(f"{n}#1", str(n), "f", "", text, 0, len(text)), scores[n - 1] if scores else 0.9, n, Stages())
        for n, text in enumerate(texts, 1)
    ]


def quoted(question: str, *texts: str, scores: tuple[float, ...] = ()) -> Quote | None:
    found = hits(*texts, scores=scores)
    documents = [Document(hit.chunk.doc_id, "f", "", hit.chunk.text) for hit in found]
    retriever = Retriever(base_of(documents, HashingEmbedder()), HashingEmbedder())
    quote = best_sentence(question, found, retriever.suits)
    if quote is not None:
        assert found[quote.rank - 1].chunk.text[quote.start : quote.end] == quote.text == quote.text.strip()
    return quote


TEXT = "广州大学是一所综合大学。  广州大学的历史可以追溯到1927年创办的私立广州大学。\n主校区在番禺区小谷围岛。"


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("广州大学的历史可以追溯到哪一年？", "广州大学的历史可以追溯到1927年创办的私立广州大学。"),
        ("主校区在哪个区？", "主校区在番禺区小谷围岛。"),
        ("廣州大學的歷史可以追溯到哪一年？", "广州大学的历史可以追溯到1927年创办的私立广州大学。"),
    ],
)
def test_the_best_sentence_is_quoted(question: str, sentence: str) -> None:
    quote = quoted(question, "长江流入东海。", TEXT)
    assert quote is not None
    assert (quote.rank, quote.text) == (2, sentence)


def test_a_heading_that_repeats_the_question_is_no_answer() -> None:
    quote = quoted("广州大学的历史", "广州大学的历史\n它创办于1927年。")
    assert quote is not None
    assert quote.text == "它创办于1927年。"
    assert quoted("广州大学的历史", "广州大学的历史") is None
    assert best_sentence("广州大学的历史", [], lambda _, texts: np.ones(len(texts))) is None


def test_a_question_in_a_passage_is_quoted_with_its_answer() -> None:
    quote = quoted("羊城是哪座城市的别称？", "珠江流经哪里？广东。\n羊城是哪座城市的别称？\n是广州。\n花城呢？")
    assert quote is not None
    assert quote.text == "羊城是哪座城市的别称？\n是广州。"


def test_of_equal_sentences_the_more_probable_passages_counts() -> None:
    quote = quoted("长江多长？", "长江长6300公里。", "长江长6397公里。", scores=(0.3, 0.9))
    assert quote is not None
    assert quote.rank == 2


def test_a_sentence_is_no_better_for_naming_the_subject() -> None:
    quote = quoted("张三丰1995年担任什么职务？", "张三丰（张君宝），河北人。1995年任市长职务。")
    assert quote is not None
    assert quote.text == "1995年任市长职务。"


def test_another_wording_finds_its_sentence() -> None:
    """羊城 is 广州 in the lexicon that comes with us."""
    retriever = Retriever(base_of([Document("0", "f", "", TEXT)], HashingEmbedder()), HashingEmbedder())
    scores = retriever.suits("羊城的面积", [("", "广州的面积是七千平方公里。"), ("", "长江的长度是六千公里。")])
    assert scores.shape == (2,)
    assert np.diff(scores)[0] < -0.5


@pytest.mark.parametrize("question", ["ERA", "介绍一下ERA", "ERA是什么？"])
def test_a_name_is_quoted_where_something_is_said_of_it(question: str) -> None:
    quote = quoted(
        question, "QERA是一种量化方法，配合ERA使用。", "ERA是一种评价方法。它用于ERA的比较。", scores=(0.99, 0.9)
    )
    assert quote is not None
    assert quote.text == "ERA是一种评价方法。"


def test_a_longer_name_is_another_thing() -> None:
    quote = quoted("湘江", "湘江大桥是一座桥。", "湘江是湖南的河。")
    assert quote is not None
    assert quote.text == "湘江是湖南的河。"
