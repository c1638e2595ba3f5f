import json

import numpy as np
import pytest

from src.embedding.fake import HashingEmbedder
from src.errors import KnowledgeError
from src.knowledge.types import Chunk
from src.retrieval.manifest import FORMAT_VERSION, MANIFEST
from src.retrieval.passages import Passage, Passages
from src.retrieval.segment import Segment
from src.retrieval.types import Query, Wording

TEXTS = [
    "广州大学在番禺。",
    *(f"这是第{i}句话，说的是第{i}件事情。" for i in range(40)),
    "珠江\U0001f411\u2028<|im_end|>",
]


def passage(i, text, title="", lead="", file="a.txt"):
    return Passage(Chunk(f"{file}:{i}#1", f"{file}:{i}", file, title, text, 0, len(text)), file, lead)


PASSAGES = [passage(i, text, file="ab"[i % 2] + ".txt") for i, text in enumerate(TEXTS)]


@pytest.fixture
def embedder():
    return HashingEmbedder()


@pytest.fixture
def saved(embedder, tmp_path):
    Segment.build(PASSAGES, embedder).save(tmp_path / "s")
    return tmp_path / "s"


def question(embedder, text, pool=5):
    return Query(
        text, (Wording({"第": 1.0, text[:2]: 2.0}),), 20.0, embedder.encode_queries([text])[0], "hybrid", pool
    )


def test_passages_come_back_as_they_were(tmp_path):
    kept = Passages.of([*PASSAGES, passage(99, "后文", "题目", "首句。")])
    kept.save(tmp_path)
    loaded = Passages.load(tmp_path)
    assert list(loaded) == list(kept) == [*PASSAGES, passage(99, "后文", "题目", "首句。")]
    assert loaded[-1].lead == "首句。"
    assert loaded[1:3] == PASSAGES[1:3]
    with pytest.raises(IndexError):
        loaded[len(loaded)]


def test_a_passage_is_as_near_as_its_nearest_window_or_title(embedder):
    long = "".join(f"这是第{i}句话，说的是第{i}件事情。" for i in range(20))
    segment = Segment.build([PASSAGES[0], passage(1, long, "题目")], embedder)
    query = embedder.encode_queries(["题目"])[0]
    scores = segment.dense_scores(query, np.arange(2))
    assert scores[1] == pytest.approx(1, abs=1e-3)
    assert scores[0] < 0.9
    assert segment.nearest(query, 9).tolist() == [1, 0]
    assert segment.dense_scores(query, np.array([], dtype=np.int64)).shape == (0,)


def test_title_and_lead_are_searched_too(embedder):
    segment = Segment.build([passage(0, "甲", "水系", "珠江是河。"), passage(1, "乙")], embedder)
    for term in ("珠江", "水系", "甲"):
        assert segment.lexical.top({term: 1.0}, 5)[0].tolist() == [0]


def test_save_and_load_find_the_same(embedder, saved):
    before, after = Segment.build(PASSAGES, embedder), Segment.load(saved, verify=True)
    for text in ("第三十件事情", "广州大学", "珠江"):
        query = question(embedder, text)
        assert after.recall(query, None, 0) == before.recall(query, None, 0)
    assert not [p for p in saved.rglob("*") if p.suffix in {".pkl", ".pickle"}]
    manifest = json.loads((saved / MANIFEST).read_text("utf-8"))
    for key in ("format_version", "embedder", "fingerprint", "dimension", "metric", "splitter", "files"):
        assert manifest[key]


def test_what_is_masked_is_not_found_by_either_side(embedder):
    segment = Segment.build(PASSAGES, embedder)
    query = question(embedder, TEXTS[7], pool=50)
    assert TEXTS[7] in {c.chunk.text for c in segment.recall(query, None, 0)}
    keep = np.ones(len(TEXTS), dtype=bool)
    keep[7] = False
    found = {c.chunk.text for c in segment.recall(query, keep, 0)}
    assert found == set(TEXTS) - {TEXTS[7]}


def test_merging_is_building_from_what_is_kept(embedder):
    first, second = Segment.build(PASSAGES[:20], embedder), Segment.build(PASSAGES[20:], embedder)
    keep = np.arange(20) % 3 != 0
    merged = Segment.merge([(first, keep), (second, None)])
    wanted = [p for i, p in enumerate(PASSAGES) if i >= 20 or keep[i]]
    calls = embedder.calls
    built = Segment.build(wanted, embedder)
    assert list(merged.passages) == wanted
    assert embedder.calls == calls + 1  # the merge itself embedded nothing
    for text in ("第三十件事情", "广州大学"):
        query = question(embedder, text)
        assert merged.recall(query, None, 0) == built.recall(query, None, 0)
    names = [merged.file_names[i] for i in merged.files]
    assert names == [p.file for p in wanted]
    for column in ("exact", "near", "documents", "windows"):
        assert np.array_equal(getattr(merged, column), getattr(built, column))


def test_rows_are_found_by_their_keys(embedder):
    segment = Segment.build([*PASSAGES, PASSAGES[3]], embedder)
    wanted = np.array([segment.exact[3], 12345, segment.exact[0]], dtype=np.uint64)
    assert sorted(segment.rows_with("exact", wanted).tolist()) == [0, 3, len(PASSAGES)]
    assert segment.rows_with("exact", wanted[1:2]).tolist() == []


def edit_manifest(saved, **changes):
    path = saved / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def biggest(saved):
    return max((p for p in saved.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


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
        lambda d: edit_manifest(d, file_names=["one"]),
        lambda d: edit_manifest(d, files={}),
        lambda d: edit_manifest(d, files=None),
        lambda d: biggest(d).unlink(),
        lambda d: biggest(d).write_bytes(biggest(d).read_bytes()[:-1]),
        lambda d: (d / "chunks.jsonl").write_bytes((d / "chunks.jsonl").read_bytes().replace(b"a.txt", b"b.txt")),
        lambda d: (d / "windows.npy").write_bytes(b"junk"),
        lambda d: (d / "stranger").write_text("x", "utf-8"),
    ],
)
def test_any_damage_is_noticed(saved, damage):
    damage(saved)
    with pytest.raises(KnowledgeError, match="--rebuild"):
        Segment.load(saved)


def test_a_large_file_is_read_in_full_only_by_verify(saved, monkeypatch):
    monkeypatch.setattr("src.retrieval.manifest.ALWAYS_VERIFIED_BYTES", 0)
    path = saved / "chunks.jsonl"
    path.write_bytes(path.read_bytes().replace("番禺".encode(), "香蕉".encode()))
    Segment.load(saved)
    with pytest.raises(KnowledgeError, match="校验和"):
        Segment.load(saved, verify=True)


def test_a_failed_save_leaves_nothing(embedder, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "src.retrieval.manifest.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "disk full"))
    )
    with pytest.raises(OSError, match="disk full"):
        Segment.build(PASSAGES, embedder).save(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []
