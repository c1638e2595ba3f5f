import json

import numpy as np
import pytest

from src.embedding.fake import HashingEmbedder
from src.errors import KnowledgeError
from src.knowledge.types import Document
from src.retrieval.index import KnowledgeIndex
from src.retrieval.manifest import FORMAT_VERSION, MANIFEST

LONG = "".join(f"这是第{i}句话，说的是第{i}件事情。" for i in range(60))
DOCUMENTS = [
    Document("a", "a.txt", "", "广州大学在番禺。"),
    Document("b", "a.txt", "题目", LONG),
    Document("c", "c.txt", "", "广州大学在番禺。"),
]


@pytest.fixture
def embedder():
    return HashingEmbedder()


@pytest.fixture
def saved(embedder, tmp_path):
    KnowledgeIndex.build(DOCUMENTS, embedder).save(tmp_path / "index")
    return tmp_path / "index"


def test_stats(embedder):
    seen = []
    stats = KnowledgeIndex.build(
        DOCUMENTS, embedder, progress=lambda done, total: seen.append((done, total))
    ).stats()
    assert stats["documents"] == 3
    assert (stats["duplicates"], stats["near_duplicates"]) == (1, 0)
    assert stats["sources"] == {"a.txt": stats["chunks"]}
    assert stats["vectors"] == embedder.encoded == seen[-1][0] == seen[-1][1]
    assert (stats["dimension"], stats["embedder"], stats["vector_store"]) == (64, "hashing-64", "faiss-flat")
    assert stats["bytes"] > stats["vectors"] * 64 * 4
    assert stats["built_at"].endswith("+00:00")
    json.dumps(stats)


def test_near_copies_are_counted_among_the_copies(embedder):
    text = "图书馆的开放时间是早上八点到晚上十点，周末照常开放。"
    documents = [Document(str(i), "a.txt", "", t) for i, t in enumerate([text, text.replace("，", "；"), text])]
    stats = KnowledgeIndex.build(documents, embedder).stats()
    assert (stats["chunks"], stats["duplicates"], stats["near_duplicates"]) == (1, 2, 1)


def test_a_chunk_is_as_near_as_its_nearest_window_or_title(embedder):
    index = KnowledgeIndex.build(DOCUMENTS, embedder)
    everything = np.arange(len(index.chunks))
    query = embedder.encode_queries(["题目"])[0]
    scores = index.dense_scores(query, everything)
    assert np.allclose(scores[1:], 1, atol=1e-5)  # every chunk of b has the title
    assert scores[0] < 0.9
    query = embedder.encode_queries(["第三十件事情"])[0]
    by_brute_force = np.argsort(-index.dense_scores(query, everything), kind="stable")
    assert set(index.nearest(query, 3)) == set(by_brute_force[:3])
    assert len(index.nearest(query, 999)) == len(index.chunks)
    assert index.dense_scores(query, np.array([], dtype=np.int64)).shape == (0,)


def test_later_chunks_are_found_by_title_and_lead_sentence(embedder):
    text = "珠江是中国南方的大河。" + LONG
    index = KnowledgeIndex.build([Document("x", "x", "水系", text), Document("y", "y", "", LONG)], embedder)
    found = [index.lexical.scores({term: 1.0}) > 0 for term in ("珠江", "水系")]
    mine = [chunk.doc_id == "x" for chunk in index.chunks]
    assert sum(mine) > 2
    assert [list(f) for f in found] == [mine, mine]


def test_save_and_load_give_the_same_index(embedder, saved):
    before, after = KnowledgeIndex.build(DOCUMENTS, embedder), KnowledgeIndex.load(saved)
    assert after.chunks == before.chunks
    assert after.stats() | {"built_at": 0} == before.stats() | {"built_at": 0}
    query = embedder.encode_queries(["广州"])[0]
    rows = np.arange(len(after.chunks))
    assert np.array_equal(after.dense_scores(query, rows), before.dense_scores(query, rows))
    assert not [p for p in saved.rglob("*") if p.suffix in {".pkl", ".pickle"}]
    manifest = json.loads((saved / MANIFEST).read_text("utf-8"))
    for key in (
        "format_version",
        "embedder",
        "fingerprint",
        "dimension",
        "metric",
        "splitter",
        "content_hash",
        "files",
    ):
        assert manifest[key]


def edit_manifest(saved, **changes):
    path = saved / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: (d / MANIFEST).unlink(),
        lambda d: (d / MANIFEST).write_text("{", "utf-8"),
        lambda d: (d / MANIFEST).write_text("[]", "utf-8"),
        lambda d: edit_manifest(d, kind="other"),
        lambda d: edit_manifest(d, format_version=FORMAT_VERSION + 1),
        lambda d: edit_manifest(d, chunks=99),
        lambda d: edit_manifest(d, dimension=128),
        lambda d: edit_manifest(d, splitter="other"),
        lambda d: edit_manifest(d, files={}),
        lambda d: edit_manifest(d, files=None),
        lambda d: (d / "vectors.faiss").unlink(),
        lambda d: (d / "vectors.faiss").write_bytes((d / "vectors.faiss").read_bytes()[:-1]),
        lambda d: (d / "chunks.jsonl").write_bytes((d / "chunks.jsonl").read_bytes().replace(b"a.txt", b"b.txt")),
        lambda d: (d / "lexical" / "vocab.index.json").write_text("{}", "utf-8"),
        lambda d: (d / "stranger").write_text("x", "utf-8"),
    ],
)
def test_any_damage_is_noticed(saved, damage):
    damage(saved)
    with pytest.raises(KnowledgeError, match="--rebuild"):
        KnowledgeIndex.load(saved)


def test_saving_over_an_index_replaces_it_and_leaves_nothing_beside(embedder, saved):
    KnowledgeIndex.build(DOCUMENTS[:1], embedder).save(saved)
    assert len(KnowledgeIndex.load(saved).chunks) == 1
    assert [p.name for p in saved.parent.iterdir()] == ["index"]


def test_a_failed_save_leaves_the_old_index(embedder, saved, monkeypatch):
    monkeypatch.setattr(
        "src.retrieval.manifest.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "disk full"))
    )
    with pytest.raises(OSError, match="disk full"):
        KnowledgeIndex.build(DOCUMENTS[:1], embedder).save(saved)
    assert len(KnowledgeIndex.load(saved).chunks) > 1
    assert [p.name for p in saved.parent.iterdir()] == ["index"]


def test_nothing_and_repeated_ids_are_refused(embedder):
    with pytest.raises(KnowledgeError, match="没有可用"):
        KnowledgeIndex.build([], embedder)
    with pytest.raises(KnowledgeError, match="'a' 重复"):
        KnowledgeIndex.build([DOCUMENTS[0], DOCUMENTS[0]], embedder)
