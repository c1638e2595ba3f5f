"""Looks into a base against brute force over all its passages, deleted ones included."""

import numpy as np
import pytest

from src.errors import InputError
from src.ingest.types import Document
from src.models.embedders.fake import HashingEmbedder
from src.search import inspect
from src.search.index import dense_texts
from src.search.indexing import add_documents
from src.search.inspect import every, lengths, look, mean_vectors, neighbours
from src.search.knowledge_base import KnowledgeBase

TOPICS = ["广州", "北京", "番茄", "鲸鱼", "检索", "武汉", "向量", "珠江"]


def text_of(i: int) -> str:
    sentences = (
        f"{TOPICS[(i + j) % 8]}的第{i}条说明第{j}句，讲{TOPICS[(i * 3 + j) % 8]}。" for j in range(1 + i % 7 * 5)
    )
    return "".join(sentences)


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    """A main index with a file that is deleted, and a tail."""
    made = KnowledgeBase(HashingEmbedder())
    for number, name in enumerate(("甲.txt", "乙.txt", "丙.txt")):
        documents = [
            Document(f"{name}:{i}", name, f"题{i}" if i % 2 else "", text_of(100 * number + i)) for i in range(12)
        ]
        add_documents(made, name, documents)
    with made.exclusive():
        made.commit({"甲.txt": None})
    return made


def all_passages(base: KnowledgeBase):
    return list(base.chunks())


def test_the_base_of_these_tests_has_deleted_rows(base) -> None:
    main, tail = base.snapshot().parts
    assert main.keep is not None
    assert not main.keep.any()
    assert {stored.file for stored in all_passages(base)} == {"乙.txt", "丙.txt"}
    assert len(tail) == len(base)


def test_pages_together_are_everything(base, monkeypatch) -> None:
    monkeypatch.setattr(inspect, "PAGE_ROWS", 7)
    seen, start = [], 0
    while start is not None:
        page = look(base, start=start)
        assert page.total == len(base)
        assert len(page.rows) <= 7
        seen += page.rows
        start = page.following
    assert [passage for _, passage in seen] == all_passages(base)
    assert [number for number, _ in seen] == list(range(1, len(base) + 1))


@pytest.mark.parametrize("text", ["番茄", "  番茄 ", "题3", "的第", "没有这个词", "<b>"])
@pytest.mark.parametrize("file", [None, "乙.txt", "甲.txt"])
@pytest.mark.parametrize("scan", [5, 50_000])
def test_filtered_pages_together_are_every_match(base, monkeypatch, text, file, scan) -> None:
    monkeypatch.setattr(inspect, "PAGE_ROWS", 3)
    monkeypatch.setattr(inspect, "SCAN_CHUNKS", scan)
    wanted = [
        passage
        for passage in all_passages(base)
        if text.strip() in passage.chunk.title + "\0" + passage.chunk.text and file in (None, passage.file)
    ]
    seen, start, looks = [], 0, 0
    while start is not None:
        page = look(base, text, file, start)
        assert page.end - page.start <= scan
        seen += [passage for _, passage in page.rows]
        assert page.following is None or page.following > start
        start, looks = page.following, looks + 1
        assert looks < 100
    assert seen == wanted == list(every(base, text, file))
    if scan == 50_000:
        assert look(base, text, file).found == len(wanted)


def test_letter_case_does_not_matter() -> None:
    made = KnowledgeBase(HashingEmbedder())
    add_documents(made, "a", [Document("1", "a", "", "FAISS 检索")])
    assert look(made, "faiss").found == look(made, "FaIsS").found == 1


def test_a_look_beyond_the_end_or_into_nothing(base) -> None:
    assert look(base, start=10**9).rows == ()
    assert look(base, start=-5).start == 0
    empty = KnowledgeBase(HashingEmbedder())
    assert look(empty) == look(empty, "x") == inspect.Look((), 0, 0, 0, None, 0)
    assert lengths(empty).total == 0


def test_every_passage_is_found_by_its_id_and_no_deleted_one(base) -> None:
    for stored in all_passages(base):
        assert base.store.find(stored.chunk.chunk_id) == stored
    for chunk_id in ("甲.txt:0#1", "乙.txt:0#99", "", "#", "没有"):
        assert base.store.find(chunk_id) is None
        with pytest.raises(InputError, match="不在索引里"):
            neighbours(base, chunk_id)


def oracle_mean(embedder, passage) -> np.ndarray:
    mean = embedder.encode(dense_texts(passage.chunk)).mean(axis=0)
    return mean / np.linalg.norm(mean)


def test_mean_vectors_are_those_of_the_windows(base) -> None:
    chosen = all_passages(base)[::3]
    expected = [oracle_mean(base.embedder, stored) for stored in chosen]
    assert mean_vectors(base, chosen) == pytest.approx(np.array(expected), abs=2e-3)


def test_neighbours_are_the_nearest_of_all_that_can_be_found(base) -> None:
    passages = all_passages(base)
    windows = [base.embedder.encode(dense_texts(passage.chunk)) for passage in passages]
    for at in range(0, len(passages), 5):
        query = oracle_mean(base.embedder, passages[at])
        scores = {
            other.chunk.chunk_id: float(np.clip((windows[i] @ query).max(), 0, 1))
            for i, other in enumerate(passages)
            if i != at
        }
        around = neighbours(base, passages[at].chunk.chunk_id, 6)
        assert around.chunk == passages[at]
        best = sorted(scores.values(), reverse=True)[:6]
        assert [cosine for _, cosine in around.nearest] == pytest.approx(best, abs=2e-3)
        for other, cosine in around.nearest:
            assert cosine == pytest.approx(scores[other.chunk.chunk_id], abs=2e-3)


def test_neighbours_in_the_document(base) -> None:
    by_document: dict[str, list] = {}
    for passage in all_passages(base):
        by_document.setdefault(passage.chunk.doc_id, []).append(passage)
    assert max(map(len, by_document.values())) >= 3
    for passages in by_document.values():
        for i, passage in enumerate(passages):
            around = neighbours(base, passage.chunk.chunk_id, 1)
            assert around.previous == (passages[i - 1] if i else None)
            assert around.following == (passages[i + 1] if i + 1 < len(passages) else None)


def test_a_lone_passage_has_no_neighbours() -> None:
    made = KnowledgeBase(HashingEmbedder())
    add_documents(made, "a", [Document("1#x", "a", "", "只有一段。")])
    around = neighbours(made, "1#x#1")
    assert (around.previous, around.following, around.nearest) == (None, None, ())


@pytest.mark.parametrize("limit", [1, 2, 5, 10, 1000])
def test_a_sample_is_spread_over_all(base, limit) -> None:
    chosen = base.store.sample(limit)
    everything = all_passages(base)
    assert len(chosen) == min(limit, len(everything))
    places = [everything.index(passage) for passage in chosen]
    assert places == sorted(set(places))
    steps = np.diff([*places, len(everything)])
    assert steps.max() - steps.min() <= 1


def test_lengths(base) -> None:
    measured = lengths(base)
    assert measured.characters.tolist() == [len(passage.chunk.text) for passage in all_passages(base)]
    few = lengths(base, 4)
    assert (len(few.characters), few.total) == (4, len(base))
