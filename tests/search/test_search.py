import json
from pathlib import Path

import pytest

from src.errors import InputError
from src.ingest.types import Document
from src.models.embedders.fake import HashingEmbedder
from src.search.indexing import base_of
from src.search.search import Retriever

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXTS = [
    "广州大学在番禺区的大学城。",
    "北京大学在北京市海淀区。",
    "番茄炒蛋是家常菜。",
    "鲸鱼是海里的哺乳动物。",
    "BM25是关键词检索算法。",
]


class Synonyms(HashingEmbedder):
    """Knows one thing that no shared character tells."""

    def encode_queries(self, texts):
        return super().encode([TEXTS[2] if "scrambled" in text else text for text in texts])


def build(texts, embedder, prefix="d"):
    return base_of([Document(f"{prefix}{i}", prefix, "", t) for i, t in enumerate(texts)], embedder, prefix)


@pytest.fixture
def retriever():
    embedder = Synonyms()
    return Retriever(build(TEXTS, embedder), embedder)


def test_hybrid_hits(retriever):
    hits = retriever.search("广州大学在哪里？", top_k=3)
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert hits[0].chunk.text == TEXTS[0]
    for hit in hits:
        s = hit.stages
        assert 0 <= s.lexical <= 1
        assert 0 <= s.dense <= 1
        assert 0 < s.rerank == hit.score < 1
        assert s.fused is None
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    json.dumps([hit.to_json() for hit in hits])


def test_modes_rank_by_their_own_score(retriever):
    lexical = retriever.search("北京", mode="lexical")
    assert [hit.chunk.text for hit in lexical] == [TEXTS[1]]
    assert (lexical[0].score, lexical[0].stages.dense, lexical[0].stages.fused) == (
        lexical[0].stages.lexical,
        None,
        None,
    )
    dense = retriever.search("北京", mode="dense")
    assert len(dense) == 5
    assert all(hit.score == hit.stages.dense and hit.stages.lexical is not None for hit in dense)


def test_lexical_mode_embeds_nothing(retriever):
    before = retriever.embedder.calls
    retriever.search("广州", mode="lexical")
    assert retriever.embedder.calls == before


def test_meaning_alone_can_win(retriever):
    hit = retriever.search("scrambled")[0]
    assert hit.stages.lexical == 0
    assert hit.chunk.text == TEXTS[2]
    assert hit.stages.dense == pytest.approx(1, abs=1e-3)


def test_equal_scores_keep_the_order_of_the_chunks():
    embedder = HashingEmbedder()
    texts = [f"{c}广州" for c in "甲乙丙丁戊己庚辛"]
    retriever = Retriever(build(texts, embedder), embedder)
    hits = retriever.search("广州", mode="lexical", top_k=5)
    assert len({hit.score for hit in hits}) == 1
    assert [hit.chunk.text for hit in hits] == texts[:5]


def test_a_sessions_own_index_competes_and_leaves_no_trace(retriever):
    plain = retriever.search("火星基地的负责人", top_k=100)
    extra = build(["火星基地的负责人是林不语。"], retriever.embedder, prefix="mine")
    hits = retriever.search("火星基地的负责人", extra=extra)
    assert (hits[0].chunk.source, hits[0].rank) == ("mine", 1)
    assert len(hits) == 6
    assert retriever.search("火星基地的负责人", top_k=100) == plain
    assert "mine" not in retriever.base.stats()["sources"]
    # What has nothing to do with the question does not crowd the base out.
    junk = build(["无关的话。"], retriever.embedder, prefix="junk")
    assert retriever.search("广州大学", extra=junk)[0].chunk.source == "d"


def test_where_a_chunk_lies_does_not_change_its_scores():
    embedder = HashingEmbedder()
    texts = [*TEXTS, "广州的番茄", "广州的鲸鱼"]
    together = Retriever(build(texts, embedder), embedder).search("广州番茄", mode="lexical")
    apart = Retriever(build(texts[:5], embedder), embedder)
    split = apart.search("广州番茄", mode="lexical", extra=build(texts[5:], embedder, prefix="x"))
    assert split[0].chunk.text == together[0].chunk.text == "广州的番茄"
    assert {hit.chunk.text: hit.score for hit in split} == {hit.chunk.text: hit.score for hit in together}


@pytest.mark.parametrize("query", ["", "  \n", "\u200b", "字" * 2001, None, 3, ["广州"]])
def test_unusable_queries(retriever, query):
    with pytest.raises(InputError, match="问题"):
        retriever.search(query)
    with pytest.raises(InputError, match="问题"):
        retriever.explain(query)


@pytest.mark.parametrize("top_k", [0, 101, -1, 2.5, "3", True, None])
def test_unusable_top_k(retriever, top_k):
    with pytest.raises(InputError, match="top_k"):
        retriever.search("广州", top_k=top_k)


@pytest.mark.parametrize("mode", ["", "HYBRID", None, [], 1])
def test_unusable_mode(retriever, mode):
    with pytest.raises(InputError, match="hybrid"):
        retriever.search("广州", mode=mode)


@pytest.mark.parametrize("query", ["🐑🐑", "！？", "字" * 2000, "\ud800a", "a\x00b", "什么"])
def test_odd_queries_do_not_fail(retriever, query):
    for mode in ("hybrid", "dense", "lexical"):
        retriever.search(query, mode=mode, top_k=100)
        retriever.explain(query)
    assert retriever.search("🐑🐑", mode="lexical") == []


def test_explain_lists_terms_and_candidates(retriever):
    report = retriever.explain("广州大学在哪里")
    assert list(report.terms) == ["广", "广州", "州", "州大", "大", "大学", "学"]
    first = report.candidates[0]
    assert first.chunk.chunk_id == "d0#1"
    assert first.ranks == {"lexical": 1, "dense": 1, "fused": None, "rerank": 1}
    assert report.variants[0] == "广大 "


@pytest.mark.model
def test_the_examples_with_the_real_encoder(tmp_path):
    from src.models.embedders.use import UniversalSentenceEncoder
    from src.search.indexing import open_base

    embedder = UniversalSentenceEncoder(threads=2)
    retriever = Retriever(open_base([EXAMPLES / "knowledge.txt"], embedder, tmp_path), embedder)
    for query, beginning in [
        ("广州为什么简称穗", "广州是"),
        ("羊城", "广州是"),
        ("介绍一下广州大学", "广州大学"),
        ("北大在哪个区", "北京大学"),
    ]:
        assert retriever.search(query)[0].chunk.text.startswith(beginning), query
    english = retriever.search("tomato and egg stir-fry recipe", mode="dense", top_k=3)
    assert any("番茄" in hit.chunk.text for hit in english)


@pytest.mark.parametrize(
    ("question", "same"),
    [("泵RT-70的扬程", 1), ("泵RT70的扬程", 1), ("泵RT-71的扬程", 0), ("泵RT-70B的扬程", 0), ("泵的扬程", 1)],
)
def test_another_model_number_counts_against_a_passage(question, same):
    embedder = HashingEmbedder()
    found = Retriever(build(["泵RT-70的扬程是五十米。", "泵有很多种。"], embedder), embedder).search(question)
    plain = Retriever(build(["泵的扬程是五十米。", "泵有很多种。"], embedder), embedder).search("泵的扬程")
    assert found[0].chunk.text.startswith("泵RT-70的扬程")
    assert (found[0].score > 0.5 * plain[0].score) is bool(same)
