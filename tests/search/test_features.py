import numpy as np
import pytest

from src.search.features import HEAD_CHARS, NAMES, word_features
from src.search.terms import text_terms

PASSAGES = [
    ("", "广州大学在番禺区。它的主校区在大学城！FAISS2.0"),
    ("广州", "大学很多。羊城气候温暖。"),
    ("", "🐑"),
    ("", "大學\n廣州大學"),
]


def weights_of(query):
    return {term: 1.0 + n for n, term in enumerate(dict.fromkeys(text_terms(query)))}


def columns(weights, passages=PASSAGES):
    return {name: word_features([weights], passages)[0, :, i] for i, name in enumerate(NAMES)}


def share(weights, texts):
    """The plain way: what the texts have of the terms, by weight."""
    found = {term for text in texts for term in text_terms(text)}
    return sum(w for term, w in weights.items() if term in found) / sum(weights.values())


@pytest.mark.parametrize("query", ["广州大学的主校区", "faiss2.0 大学城", "校", "番禺 FAISS"])
def test_shares_are_those_of_the_plain_way(query):
    weights = weights_of(query)
    got = columns(weights)
    assert got["chunk"] == pytest.approx([share(weights, passage) for passage in PASSAGES])
    sentences = [
        ["广州大学在番禺区。", "它的主校区在大学城！", "FAISS2.0"],
        ["大学很多。", "羊城气候温暖。"],
        ["🐑"],
        ["大學", "廣州大學"],
    ]
    titles = [title for title, _ in PASSAGES]
    one = [max(share(weights, [t, s]) for s in group) for t, group in zip(titles, sentences, strict=True)]
    assert got["sentence"] == pytest.approx(one)
    two = [
        max(share(weights, [t, *g[i : i + 2]]) for i in range(len(g)))
        for t, g in zip(titles, sentences, strict=True)
    ]
    assert got["two"] == pytest.approx(two)
    cubes = {term: weight**3 for term, weight in weights.items()}
    assert got["rare"] == pytest.approx([share(cubes, passage) for passage in PASSAGES])


def test_head_is_the_title_or_the_beginning():
    weights = weights_of("广州")
    passages = [("", "广州" + "字" * 50), ("", "字" * HEAD_CHARS + "广州"), ("长" * 30 + "广州", "字")]
    assert columns(weights, passages)["head"] == pytest.approx([1, 0, 1])


def test_content_leaves_out_function_words():
    weights = dict.fromkeys(text_terms("法国的首都"), 1.0)
    assert columns(weights, [("", "首都"), ("", "他的首")])["content"] == pytest.approx([0.5, 0])


def test_wordings_do_not_disturb_each_other():
    first, second = weights_of("羊城的气候"), weights_of("广州的气候 FAISS")
    both = word_features([first, second], PASSAGES)
    alone = [word_features([weights], PASSAGES)[0] for weights in (first, second)]
    assert both == pytest.approx(np.stack(alone))


@pytest.mark.parametrize("text", ["", "\n\n", "。！？", "\ud800", "İ㈱ﬁ", "字" * 20_000])
def test_odd_texts(text):
    got = word_features([weights_of("广州İ"), {}], [("", text), ("", "广州")])
    assert got.shape == (2, 2, len(NAMES))
    assert np.isfinite(got).all()
    assert ((got >= 0) & (got <= 1)).all()


def test_a_row_of_a_table_is_one_sentence():
    text = "乡镇：青石；面积：52；产量：18\n乡镇：白鹭；面积：77；产量：93"
    weights = dict.fromkeys(text_terms("青石产量"), 1.0)
    assert (
        columns(weights, [("", text)])["sentence"]
        > columns(weights, [("", text.replace("青石", "石青"))])["sentence"]
    )
    assert columns(dict.fromkeys(text_terms("青石93"), 1.0), [("", text)])["sentence"] < 1
    assert columns(dict.fromkeys(text_terms("青石18"), 1.0), [("", text)])["sentence"] == pytest.approx([1])


def test_an_english_sentence_ends_with_a_full_stop():
    weights = dict.fromkeys(text_terms("pump valve"), 1.0)
    passages = [("", "The pump is new. A valve leaks."), ("", "Version 1.5 has a pump and a valve")]
    assert columns(weights, passages)["sentence"] == pytest.approx([0.5, 1])


def test_plurals_are_found_by_their_singular():
    weights = dict.fromkeys(text_terms("cities passenger"), 1.0)
    assert columns(weights, [("", "A city of passengers"), ("", "citys, passengerss")])["chunk"] == pytest.approx(
        [1, 0]
    )
