"""Scoring: BM25 from the text, calibrated cosines, and the reranker."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from src.ingest.types import Document
from src.models.embedders.fake import HashingEmbedder
from src.search.features import word_features
from src.search.indexing import base_of
from src.search.score import (
    FEATURES,
    K1,
    SHARED,
    WEIGHTS,
    WORD,
    B,
    LinearReranker,
    Pool,
    calibrated,
    default_weights,
    idf,
    reference,
    score,
)
from src.search.search import Retriever
from src.search.synonyms import DISCOUNT, Lexicon
from src.search.terms import is_unspaced, query_terms, text_terms
from src.search.types import Background, Query, Wording
from tests.search.helpers import build_index, use_encoder

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EMBEDDER = HashingEmbedder()
SYNONYMS = Path(__file__).resolve().parents[1] / "data" / "synonyms.jsonl"
# Questions of 12 whose passage comes first; one fewer than measured (NOTES.md).
FLOORS = {"alias": 11, "synonym": 11, "script": 11, "english": 9, "paraphrase": 8}


def pool(texts, wordings, lexical=None, dense=None):
    scores = [np.zeros(len(texts)) if given is None else np.array(given) for given in (lexical, dense)]
    factors = np.repeat([[1.0], *[[DISCOUNT]] * (len(wordings) - 1)], len(texts), axis=1)
    chunks = [("", text) for text in texts]
    return Pool("", factors, chunks, *scores, word_features(wordings, chunks) if texts else np.zeros((1, 0, 6)))


def test_the_weights_are_complete():
    assert set(default_weights()) == {*FEATURES, *SHARED, "bias"}
    assert "fit_rerank" in json.loads(WEIGHTS.read_text("utf-8"))["made_by"]


def test_more_of_the_question_is_more_probable():
    words = {"广": 1.0, "广州": 3.0, "州": 1.0, "大学": 3.0}
    texts = ["广州大学", "广州", "无关"]
    scores = LinearReranker().scores(pool(texts, [words], lexical=[0.9, 0.5, 0.0], dense=[0.5, 0.3, 0.1]))
    assert scores[0] > scores[1] > scores[2]
    assert ((scores > 0) & (scores < 1)).all()


def test_without_words_meaning_decides():
    words = {"potala": 5.0, "palace": 5.0}
    texts = [f"第{i}段" for i in range(30)]
    dense = np.linspace(0.05, 0.15, 30)
    dense[7] = 0.6
    scores = LinearReranker().scores(pool(texts, [words], dense=dense))
    assert int(scores.argmax()) == 7
    assert scores[7] > 0.5 > 10 * np.delete(scores, 7).max()


def test_another_wording_counts_a_little_less():
    words, alias = {"广州": 3.0}, {"羊城": 3.0}
    texts = ["广州", "羊城", *"甲乙丙丁戊己庚辛壬癸"]
    lexical = [0.9, 0.9, *[0.0] * 10]
    plain = LinearReranker().scores(pool(texts, [words], lexical))
    both = LinearReranker().scores(pool(texts, [words, alias], lexical))
    assert both[0] == pytest.approx(plain[0])
    assert plain[1] < both[1] == pytest.approx(DISCOUNT * both[0], rel=0.01)


def test_small_and_empty_pools():
    reranker = LinearReranker()
    assert reranker.scores(pool([], [{}])).shape == (0,)
    for size in (1, 2, 9, 10):
        scores = reranker.scores(pool(["广州"] * size, [{"广州": 1.0}], [0.9] * size, [0.5] * size))
        assert np.isfinite(scores).all()
        assert scores == pytest.approx([scores[0]] * size)
    # One document that says what is asked is an answer.
    assert reranker.scores(pool(["广州大学在番禺"], [{"广州": 3.0, "大学": 3.0}], [0.9], [0.5]))[0] > 0.5


def test_an_alias_finds_the_passage_and_harms_no_other():
    texts = ["河北大学在保定。", "东北大学在沈阳。", "广州的地铁很长。", "北京大学在海淀。", "麦穗金黄。"]
    retriever = Retriever(*build_index(texts))
    expected = {"羊城的地铁": 2, "北大": 3, "北大在哪里": 3, "河北大学": 0, "东北大学": 1, "麦穗": 4}
    for query, number in expected.items():
        assert retriever.search(query)[0].chunk.text == texts[number], query
    assert retriever.search("羊城的地铁", mode="lexical")[0].chunk.text == texts[2]
    assert retriever.explain("羊城的地铁").variants[0] == "广州的地铁"


def test_a_short_name_that_stands_by_itself_is_read():
    texts = ["河北大学在保定。", "北大在海淀。", *(f"第{i}段" for i in range(12))]
    assert Retriever(*build_index(texts)).search("北大")[0].chunk.text == texts[1]


def test_the_literal_word_wins_over_its_alias():
    texts = ["羊城晚报在1957年创刊。", "广州晚报在1957年创刊。", *(f"第{i}份报纸" for i in range(12))]
    retriever = Retriever(*build_index(texts))
    for mode in ("hybrid", "lexical"):
        first, second = retriever.search("羊城晚报的创刊", mode=mode)[:2]
        assert [first.chunk.text, second.chunk.text] == texts[:2]
        assert first.score > second.score


@pytest.mark.model
def test_the_synonym_set(tmp_path):
    rows = [json.loads(line) for line in SYNONYMS.read_text("utf-8").splitlines()]
    documents = {row["doc_id"]: row["text"] for row in rows if "text" in row}
    questions = [row for row in rows if "question" in row]
    assert len(questions) == 60
    index, embedder = build_index(list(documents.values()), use_encoder())
    found = {}
    for lexicon in (None, Lexicon([])):
        retriever = Retriever(index, embedder, lexicon=lexicon)
        firsts = dict.fromkeys(FLOORS, 0)
        for row in questions:
            hits = retriever.search(row["question"], top_k=5)
            firsts[row["group"]] += hits[0].chunk.text == documents[row["doc_id"]]
        found[lexicon is None] = firsts
    assert all(found[True][group] >= floor for group, floor in FLOORS.items()), found
    assert sum(found[True].values()) > sum(found[False].values())


@pytest.mark.model
@pytest.mark.parametrize("copies", [1, 9, 20])
def test_passages_that_all_answer_do_not_make_each_other_improbable(copies):
    topic = "员工请假需要提前三天向部门主管申请，经批准后生效"
    texts = [f"第{i}条：{topic}，第{i}类假期按规定扣除工资。" for i in range(copies)]
    others = (EXAMPLES / "knowledge.txt").read_text("utf-8").splitlines()[:100]
    base, embedder = build_index([*texts, *others], use_encoder())
    hits = Retriever(base, embedder).search("员工请假怎么申请？", top_k=copies)
    assert all(topic in hit.chunk.text and hit.score > 0.9 for hit in hits)


# One scoring for all collections


def bm25(texts, weights, average):
    """The share of what the terms could give at most, written out."""
    shares = []
    for text in texts:
        bag = Counter(text_terms(text))
        norm = K1 * (1 - B + B * bag.total() / average)
        shares.append(sum(w * bag[t] / (bag[t] + norm) for t, w in weights.items()) / sum(weights.values()))
    return shares


def test_the_lexical_score_is_bm25_with_one_idf_over_all_collections():
    texts = [
        "广州大学在广州番禺",
        "北京大学在北京",
        "番茄炒蛋的做法",
        "广州的番茄，3.14 斤",
        "BM25 是算法",
        "1月2日的广州",
    ]
    halves = [
        build_index(texts[:3])[0],
        base_of([Document(f"e{i}", "", "", t) for i, t in enumerate(texts[3:])], EMBEDDER),
    ]
    bags = [Counter(text_terms(text)) for text in texts]
    for question in ("广州大学", "番茄怎么做", "bm25", "火星基地", "3.14", "1月2日"):
        terms = query_terms(question)
        query = Query(question, (Wording(tuple(terms)),), EMBEDDER.encode([question])[0], "hybrid", 50)
        candidates, weights = score(query, [half.propose(query) for half in halves], LinearReranker(), Lexicon([]))
        frequencies = {term: sum(term in bag for bag in bags) for term in terms}
        # A word stands for several Chinese terms.
        known = {term: idf(frequencies[term], len(texts)) * (1 if is_unspaced(term) else WORD) for term in terms}
        assert weights == pytest.approx(known)
        average = sum(bag.total() for bag in bags) / len(bags)
        expected = bm25([c.chunk.text for c in candidates], known, average)
        assert len(candidates) == len(texts)
        assert [c.stages.lexical for c in candidates] == pytest.approx(expected, abs=1e-6)


class Rescaled(HashingEmbedder):
    """The same neighbours, with all cosines squeezed into 0.55 to 1, as bge's are beside USE's."""

    def __init__(self):
        super().__init__(256)
        self.name = self.fingerprint = "rescaled"
        self.dimension = 257

    def encode(self, texts):
        common = np.full((len(texts), 1), np.sqrt(0.55), np.float32)
        return np.hstack([np.sqrt(np.float32(0.45)) * super().encode(texts), common]).astype(np.float32)

    def _one(self, text):
        self.dimension = 256
        try:
            return super()._one(text)
        finally:
            self.dimension = 257


def test_embedders_with_other_cosines_give_the_same_probabilities():
    lines = (EXAMPLES / "knowledge.txt").read_text("utf-8").splitlines()
    found = []
    for embedder in (HashingEmbedder(256), Rescaled()):
        retriever = Retriever(build_index(lines, embedder)[0], embedder)
        found.append(
            [retriever.search(question, 5) for question in ("羊城是哪里", "番茄炒蛋", "tomato", "鲸鱼是鱼吗")]
        )
    for plain, other in zip(*found, strict=True):
        assert [hit.chunk.text for hit in plain[:3]] == [hit.chunk.text for hit in other[:3]]
        assert [hit.score for hit in plain] == pytest.approx([hit.score for hit in other], abs=0.02)
        assert other[0].stages.dense > 0.55 > plain[-1].stages.dense  # which are shown as they are


def test_cosines_are_taken_for_what_they_mean_in_their_collection():
    cosines = np.array([0.4, 0.5, 0.9])
    assert calibrated(cosines, None) is cosines
    assert calibrated(cosines, reference()) == pytest.approx(cosines)
    moved = calibrated(cosines, Background(0.4, 0.1))
    assert moved[:2] == pytest.approx([reference().mean, reference().mean + reference().std])
    assert (calibrated(np.array([-1.0, 9.0]), Background(0.4, 0.1)) == [0, 1]).all()
