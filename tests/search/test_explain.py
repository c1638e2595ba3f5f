"""The explanation of a search against the search itself, and against rankings made by hand."""

import json

import pytest

from src.errors import InputError
from src.ingest.types import Chunk, Document
from src.models.embedders.fake import HashingEmbedder
from src.search.explain import explanation
from src.search.indexing import base_of
from src.search.search import Retriever
from src.search.types import Candidate, Query, Stages, Wording

TEXTS = [
    f"{a}{b}的第{i}件事。" for i, (a, b) in enumerate((a, b) for a in "广北武上" for b in ("州", "京", "汉", "海"))
]


@pytest.fixture
def retriever() -> Retriever:
    embedder = HashingEmbedder()
    return Retriever(base_of([Document(f"d{i}", "a", "", t) for i, t in enumerate(TEXTS)], embedder), embedder)


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_it_explains_the_search(retriever, mode) -> None:
    extra = base_of([Document("d0", "我的", "", "广州的我的事。")], retriever.embedder)
    hits = retriever.search("广州的事", top_k=8, mode=mode, extra=extra)
    found = retriever.explain("广州的事", mode, extra).candidates
    assert [(c.chunk, c.rank, c.score, c.stages) for c in found[: len(hits)]] == [
        (hit.chunk, hit.rank, hit.score, hit.stages) for hit in hits
    ]


def test_the_question_is_embedded_once_or_not_at_all(retriever) -> None:
    before = retriever.embedder.calls
    assert retriever.explain("广州").query.vector is not None
    assert retriever.embedder.calls == before + 1
    assert retriever.explain("广州", "lexical").query.vector is None
    assert retriever.embedder.calls == before + 1


@pytest.mark.parametrize("pool", [3, 50])
def test_ranks_are_those_of_a_search_by_that_stage_alone(retriever, pool) -> None:
    explained = retriever.explain("武汉的事", pool=pool)
    for stage in ("lexical", "dense"):
        alone = [
            hit.chunk.chunk_id
            for hit in retriever.search("武汉的事", top_k=100, mode=stage)
            if getattr(hit.stages, stage) > 0
        ]
        ranks = {c.chunk.chunk_id: c.ranks[stage] for c in explained.candidates if c.ranks[stage] is not None}
        assert ranks == {chunk_id: rank for rank, chunk_id in enumerate(alone[:pool], 1)}
    assert [c.ranks["rerank"] for c in explained.candidates] == list(range(1, len(explained.candidates) + 1))


def test_a_stage_that_did_not_recall_has_no_ranks(retriever) -> None:
    for mode, other in (("dense", "lexical"), ("lexical", "dense")):
        for candidate in retriever.explain("武汉的事", mode).candidates:
            assert candidate.ranks[other] is candidate.ranks["fused"] is None


def test_a_sessions_passage_of_the_same_id_is_another(retriever) -> None:
    extra = base_of([Document("d0", "我的", "", TEXTS[0] + "广州，广州！")], retriever.embedder)
    same = [c for c in retriever.explain("广州", extra=extra).candidates if c.chunk.chunk_id == "d0#1"]
    assert {c.extra for c in same} == {True, False}
    assert len({c.rank for c in same}) == 2
    assert len({c.ranks["lexical"] for c in same}) == 2


def candidate(number: int, **stages: float) -> Candidate:
    text = f"第{number}段"
    return Candidate(
        Chunk(f"d{number}#1", f"d{number}", "a", "", text, 0, len(text)), (0, 0, number), Stages(**stages)
    )


def test_the_reranker_has_the_last_word() -> None:
    made = explanation(
        Query("q", (Wording(()),), None, "hybrid", 50),
        [],
        {},
        [
            candidate(0, lexical=0.9, dense=0.1, rerank=0.2),
            candidate(1, lexical=0.0, dense=0.8, rerank=0.9),
            candidate(2, lexical=0.5, dense=0.1, rerank=0.2),
        ],
    )
    assert [(c.chunk.doc_id, c.score) for c in made.candidates] == [("d1", 0.9), ("d0", 0.2), ("d2", 0.2)]
    assert made.candidates[0].ranks == {"lexical": None, "dense": 1, "fused": None, "rerank": 1}
    assert made.candidates[2].ranks == {"lexical": 2, "dense": 3, "fused": None, "rerank": 3}


def test_rows_can_be_written(retriever) -> None:
    rows = [c.to_json() for c in retriever.explain("广州").candidates]
    json.dumps(rows)
    assert {
        "rank",
        "score",
        "lexical",
        "lexical_rank",
        "dense_rank",
        "fused",
        "rerank",
        "text",
        "own_document",
    } <= set(rows[0])


@pytest.mark.parametrize(("query", "mode"), [("", "hybrid"), ("字" * 2001, "hybrid"), ("广州", "magic")])
def test_unusable_arguments(retriever, query, mode) -> None:
    with pytest.raises(InputError):
        retriever.explain(query, mode)
