import json
from pathlib import Path

import numpy as np
import pytest

from src.retrieval.rerank import FEATURES, SHARED, WEIGHTS, LinearReranker, Pool, default_weights
from src.retrieval.search import Retriever
from src.retrieval.synonyms import DISCOUNT, Lexicon
from tests.retrieval.helpers import build_index, use_encoder

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SYNONYMS = Path(__file__).resolve().parents[1] / "data" / "synonyms.jsonl"
# Questions of 12 whose passage comes first; one fewer than measured (NOTES.md).
FLOORS = {"alias": 11, "synonym": 11, "script": 11, "english": 9, "paraphrase": 8}


def pool(texts, wordings, lexical=None, dense=None):
    scores = [np.zeros(len(texts)) if given is None else np.array(given) for given in (lexical, dense)]
    factors = np.repeat([[1.0], *[[DISCOUNT]] * (len(wordings) - 1)], len(texts), axis=1)
    return Pool("", wordings, factors, [("", text) for text in texts], *scores)


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
