import math
from collections import Counter
from functools import cache

import numpy as np
import pytest

from src.retrieval import lexical
from src.retrieval.lexical import K1, B, LexicalIndex, idf, term_weights
from src.retrieval.terms import text_terms

TEXTS = ["广州大学在广州番禺", "北京大学在北京", "番茄炒蛋的做法", "广州的番茄", "BM25 是算法", "🐑"]


@cache
def bag_of(text):
    return Counter(text_terms(text))


def oracle(texts, weights):
    """BM25 written out, normalised by what the terms could give at most."""
    bags = [bag_of(text) for text in texts]
    lengths = [bag.total() for bag in bags]
    average = sum(lengths) / len(bags)
    return np.array(
        [
            sum(w * bag[t] / (bag[t] + K1 * (1 - B + B * n / average)) for t, w in weights.items() if t in bag)
            / sum(weights.values())
            for bag, n in zip(bags, lengths, strict=True)
        ]
    )


def oracle_top(texts, weights, count, keep):
    """Every text scored and sorted, the earlier row first among equals."""
    scores = oracle(texts, weights).round(lexical.DECIMALS)
    order = [row for row in np.argsort(-scores, kind="stable") if scores[row] > 0 and keep[row]][:count]
    return order, scores[order]


@pytest.fixture(scope="module")
def many():
    """3,000 short texts over a skewed alphabet, with copies, so that there are ties."""
    rng = np.random.default_rng(0)
    letters = np.array([chr(0x4E00 + i) for i in range(300)])
    shares = 1 / np.arange(1, 301)
    texts = ["".join(rng.choice(letters, size=rng.integers(1, 40), p=shares / shares.sum())) for _ in range(2500)]
    return texts + texts[:500]


@pytest.mark.parametrize("query", ["广州大学", "番茄怎么做", "bm25", "火星基地", "广州的蛋"])
def test_agrees_with_bm25_written_out(query):
    index = LexicalIndex.build(TEXTS)
    weights, _ = term_weights(query, [index])
    for term, weight in weights.items():
        assert weight == pytest.approx(idf(sum(term in text_terms(text) for text in TEXTS), len(TEXTS)))
    assert np.allclose(index.scores_at(weights, np.arange(6)), oracle(TEXTS, weights), atol=1e-6)


@pytest.mark.parametrize("count", [1, 10, 200, 5000])
@pytest.mark.parametrize("kept", [1.0, 0.5, 0.01])
def test_top_is_what_scoring_every_text_gives(many, count, kept):
    index = LexicalIndex.build(many)
    rng = np.random.default_rng(count)
    for number in range(8):
        query = many[rng.integers(len(many))][: rng.integers(1, 20)] + many[rng.integers(len(many))][:3]
        weights, _ = term_weights(query, [index])
        keep = rng.random(len(many)) < kept
        rows, scores = index.top(weights, count, keep if kept < 1 or number % 2 else None)
        expected, expected_scores = oracle_top(many, weights, count, keep)
        assert rows.tolist() == expected
        assert np.allclose(scores, expected_scores, atol=1e-6)
        assert np.array_equal(index.scores_at(weights, rows[::-1]), scores[::-1])
        assert (rows.dtype, scores.dtype) == (np.int64, np.float32)


def test_most_rows_are_never_scored(many):
    index = LexicalIndex.build(many * 10)
    terms = index._strongest_first(term_weights(many[0][:12], [index])[0], None)
    assert 10 <= len(index._candidates(terms, 10, None, 1e-5)) < len(many)


def test_blocks_of_texts_give_the_same_arrays(many, monkeypatch):
    whole = LexicalIndex.build(many)
    monkeypatch.setattr(lexical, "_BLOCK_TEXTS", 7)
    blocks = LexicalIndex.build(iter(many))
    for name, values in whole._arrays.items():
        assert np.array_equal(values, blocks._arrays[name]), name


@pytest.mark.parametrize("shortest_first", [False, True])
def test_several_indexes_score_exactly_as_one(many, shortest_first):
    """Also where the parts' texts are much longer or shorter than the average."""
    texts = sorted(many, key=len, reverse=not shortest_first)
    one = LexicalIndex.build(texts)
    parts = [LexicalIndex.build(texts[start : start + 1000]) for start in (0, 1000, 2000)]
    for query in many[:40]:
        weights, average = term_weights(query[:6], parts)
        assert (weights, average) == term_weights(query[:6], [one])
        found = [part.top(weights, 20, average=average) for part in parts]
        rows = np.concatenate([rows + 1000 * i for i, (rows, _) in enumerate(found)])
        scores = np.concatenate([scores for _, scores in found])
        best = np.lexsort((rows, -scores))[:20]
        expected_rows, expected_scores = one.top(weights, 20)
        assert np.array_equal(rows[best], expected_rows)
        assert np.array_equal(scores[best], expected_scores)
        assert np.array_equal(parts[1].scores_at(weights, found[1][0], average), found[1][1])


def test_unseen_terms_keep_scores_low_and_emoji_finds_nothing():
    index = LexicalIndex.build(TEXTS)
    known, unknown = (index.top(term_weights(q, [index])[0], 1)[1][0] for q in ("广州", "广州火箭发射"))
    assert known > unknown
    assert not len(index.top(term_weights("🐑", [index])[0], 9)[0])
    assert idf(0, 5) == pytest.approx(math.log(1 + 5.5 / 0.5))


@pytest.mark.parametrize("texts", [["🐑", "！"], []])
def test_texts_without_any_term(texts, tmp_path):
    index = LexicalIndex.build(texts)
    index.save(tmp_path)
    for one in (index, LexicalIndex.load(tmp_path, len(texts))):
        assert one.document_frequency("羊") == 0
        assert not len(one.top({"羊": 1.0}, 5)[0])
        assert not one.scores_at({"羊": 1.0}, np.arange(len(texts))).any()
        assert one.size == len(texts)


def test_a_term_that_fills_a_text_and_terms_of_any_length():
    texts = ["哈" * 3000, "哈哈", "x" * 5000, "a\udcff b"]
    index = LexicalIndex.build(texts)
    rows, scores = index.top({"哈": 1.0, "x" * 5000: 1.0}, 9)
    assert sorted(rows) == [0, 1, 2]
    assert np.allclose(scores, oracle(texts, {"哈": 1.0, "x" * 5000: 1.0})[rows], atol=0.01)
    assert index.document_frequency("x" * 4999) == 0


def test_save_and_load_without_pickle(many, tmp_path):
    index = LexicalIndex.build(many)
    index.save(tmp_path)
    loaded = LexicalIndex.load(tmp_path, len(many))
    weights, average = term_weights(many[3][:5], [loaded])
    assert (weights, average) == term_weights(many[3][:5], [index])
    assert all(np.array_equal(a, b) for a, b in zip(loaded.top(weights, 9), index.top(weights, 9), strict=True))
    assert loaded.nbytes == index.nbytes == sum(v.nbytes for v in index._arrays.values())
    with pytest.raises(ValueError, match="instead of 5"):
        LexicalIndex.load(tmp_path, 5)


@pytest.mark.parametrize("name", ["rows", "counts", "starts", "bounds", "names", "name_starts", "lengths"])
def test_arrays_that_do_not_fit_are_refused(name, tmp_path):
    index = LexicalIndex.build(TEXTS)
    index.save(tmp_path)
    np.save(tmp_path / f"{name}.npy", index._arrays[name][:-1])
    with pytest.raises(ValueError, match=r"."):
        LexicalIndex.load(tmp_path, len(TEXTS))
    np.save(tmp_path / f"{name}.npy", index._arrays[name].astype(np.float16))
    with pytest.raises(ValueError, match="float16"):
        LexicalIndex.load(tmp_path, len(TEXTS))
    (tmp_path / f"{name}.npy").write_bytes(b"not an array")
    with pytest.raises(ValueError, match=r"."):
        LexicalIndex.load(tmp_path, len(TEXTS))
    (tmp_path / f"{name}.npy").unlink()
    with pytest.raises(OSError, match=name):
        LexicalIndex.load(tmp_path, len(TEXTS))
