import math
from collections import Counter

import numpy as np
import pytest

from src.retrieval.lexical import K1, B, LexicalIndex, idf, term_weights
from src.retrieval.terms import text_terms

TEXTS = ["广州大学在广州番禺", "北京大学在北京", "番茄炒蛋的做法", "广州的番茄", "BM25 是算法", "🐑"]


def oracle(texts, weights):
    """BM25 written out, normalised by what the terms could give at most."""
    bags = [Counter(text_terms(text)) for text in texts]
    average = sum(bag.total() for bag in bags) / len(bags)
    return [
        sum(w * bag[t] / (bag[t] + K1 * (1 - B + B * bag.total() / average)) for t, w in weights.items())
        / sum(weights.values())
        for bag in bags
    ]


@pytest.mark.parametrize("query", ["广州大学", "番茄怎么做", "bm25", "火星基地", "广州的蛋"])
def test_agrees_with_bm25_written_out(query):
    index = LexicalIndex.build(TEXTS)
    weights = term_weights(query, [index])
    for term, weight in weights.items():
        assert weight == pytest.approx(idf(sum(term in text_terms(text) for text in TEXTS), len(TEXTS)))
    assert np.allclose(index.scores(weights), oracle(TEXTS, weights), atol=1e-6)


def test_two_indexes_score_as_one_collection_would_weigh():
    parts = [LexicalIndex.build(TEXTS[:2]), LexicalIndex.build(TEXTS[2:])]
    assert term_weights("广州番茄", parts) == pytest.approx(term_weights("广州番茄", [LexicalIndex.build(TEXTS)]))


def test_unseen_terms_keep_scores_low_and_emoji_finds_nothing():
    index = LexicalIndex.build(TEXTS)
    assert (
        index.scores(term_weights("广州", [index])).max()
        > index.scores(term_weights("广州火箭发射", [index])).max()
    )
    assert not index.scores(term_weights("🐑", [index])).any()
    assert idf(0, 5) == pytest.approx(math.log(1 + 5.5 / 0.5))


def test_texts_without_any_term():
    index = LexicalIndex.build(["🐑", "！"])
    assert not index.scores(term_weights("羊", [index])).any()


def test_save_and_load_without_pickle(tmp_path):
    index = LexicalIndex.build(TEXTS)
    index.save(tmp_path)
    loaded = LexicalIndex.load(tmp_path, len(TEXTS))
    weights = term_weights("广州番茄", [index])
    assert np.array_equal(loaded.scores(weights), index.scores(weights))
    with pytest.raises(ValueError, match="instead of 5"):
        LexicalIndex.load(tmp_path, 5)
