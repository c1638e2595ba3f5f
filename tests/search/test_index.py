"""The index against BM25 written out and against comparing every vector; what is published survives damage."""

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import bm25s
import numpy as np
import pytest

from src.errors import KnowledgeError
from src.ingest.types import Document
from src.models.embedders.fake import HashingEmbedder
from src.search import knowledge_base
from src.search.index import K1, B, Index, _best
from src.search.indexing import add_documents, base_of
from src.search.knowledge_base import KnowledgeBase
from src.search.rows import Indexable
from src.search.score import idf
from src.search.search import Retriever

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def rows():
    """1,200 short texts over a skewed vocabulary, with copies, so that there are ties; ids with gaps."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, 301)
    tokens = [rng.choice(300, size=rng.integers(1, 40), p=shares / shares.sum()) + 7 for _ in range(1000)]
    tokens += tokens[:200]
    made = []
    for number, text in enumerate(tokens):
        windows = rng.standard_normal((1 + number % 3, 16)).astype(np.float16)
        windows /= np.linalg.norm(windows.astype(np.float32), axis=1, keepdims=True).astype(np.float16)
        made.append(Indexable(3 * number + 1, text.astype(np.int32), windows))
    return made


def bm25(rows, terms):
    """Written out, with the idf of these rows."""
    bags = [Counter(row.tokens.tolist()) for row in rows]
    average = sum(bag.total() for bag in bags) / len(bags)
    weights = {term: idf(sum(term in bag for bag in bags), len(bags)) for term in terms}
    return np.array(
        [
            sum(w * bag[t] / (bag[t] + K1 * (1 - B + B * bag.total() / average)) for t, w in weights.items())
            for bag in bags
        ]
    )


@pytest.mark.parametrize("count", [1, 10, 200, 5000])
@pytest.mark.parametrize("kept", [1.0, 0.5])
def test_words_find_what_scoring_every_text_finds(rows, count, kept):
    rng = np.random.default_rng(count)
    index = Index.build(rows, 16, 10_000)
    keep = rng.random(len(rows)) < kept
    index = index.without(index.ids[~keep])
    for _ in range(3):
        terms = np.unique([*rng.choice(300, 5) + 7, 5000]).tolist()
        scores = bm25(rows, terms) * keep
        found = index.by_words(terms, count)
        assert len(found) == min(count, int((scores > 0).sum()))
        assert np.allclose(scores[found], -np.sort(-scores)[: len(found)], atol=1e-5)
        tied = np.abs(np.diff(scores[found])) < 1e-9
        assert (np.diff(found)[tied] > 0).all()  # the earlier one first
        assert index.frequencies(terms).tolist() == [sum(t in row.tokens for row in rows) for t in terms]
    assert index.by_words([], 3).size == index.by_words([1], 3).size == 0


def test_the_matrix_is_the_one_that_bm25s_builds(rows):
    index = Index.build(rows, 16, 10_000)
    theirs = bm25s.BM25(k1=K1, b=B, method="lucene")
    texts = [np.searchsorted(index.vocabulary, row.tokens).tolist() for row in rows]
    made = theirs.build_index_from_ids(range(len(index.vocabulary)), texts, show_progress=False)
    assert np.allclose(index.lexical.scores["data"], made["data"], atol=1e-5)
    for name in ("indices", "indptr", "num_docs"):
        assert np.array_equal(index.lexical.scores[name], made[name])
        assert np.asarray(index.lexical.scores[name]).dtype == np.asarray(made[name]).dtype


def test_meaning_finds_the_chunks_of_the_nearest_windows(rows):
    rng = np.random.default_rng(1)
    index = Index.build(rows, 16, 10_000)
    gone = index.ids[rng.random(len(rows)) < 0.3]
    masked = index.without(gone)
    assert len(masked) == len(rows) - len(gone)
    for _ in range(5):
        vector = rng.standard_normal(16).astype(np.float32)
        best = np.array([(row.windows.astype(np.float32) @ vector).max() for row in rows])
        assert np.allclose(index.cosines(vector, np.arange(len(rows))), best, atol=1e-5)
        best[np.isin(index.ids, gone)] = -np.inf
        found = masked.by_meaning(vector, 20)
        assert np.allclose(best[found], -np.sort(-best)[:20], atol=1e-5)


def test_the_best_of_many_scores_are_those_of_a_full_sort():
    rng = np.random.default_rng(2)
    for size in (0, 3, 255, 256, 20_000):
        scores = (rng.integers(0, 50, size) * (rng.random(size) < 0.3)).astype(np.float32)
        order = np.argsort(-scores, kind="stable")
        for count in (1, 7, 60, 500):
            assert _best(scores, count).tolist() == [row for row in order if scores[row] > 0][:count]


def test_what_is_saved_is_loaded_and_damage_is_seen(rows, tmp_path):
    index = Index.build(rows, 16, 10_000)
    index.save(tmp_path / "i")
    loaded = Index.load(tmp_path / "i", verify=True)
    terms, vector = [8, 9, 20], np.ones(16, np.float32) / 4
    assert (loaded.last_id, loaded.tokens, loaded.nbytes) == (index.last_id, index.tokens, index.nbytes)
    assert loaded.by_words(terms, 9).tolist() == index.by_words(terms, 9).tolist()
    assert loaded.by_meaning(vector, 9).tolist() == index.by_meaning(vector, 9).tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["i"]
    with pytest.raises(OSError, match="not empty"):
        index.save(tmp_path / "i")
    path = tmp_path / "i" / "vectors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(KnowledgeError, match="校验和"):
        Index.load(tmp_path / "i", verify=True)
    path.write_bytes(data[:-1])
    with pytest.raises(KnowledgeError, match="大小"):
        Index.load(tmp_path / "i")
    (tmp_path / "i" / "manifest.json").write_text("[]")
    with pytest.raises(KnowledgeError, match="--rebuild"):
        Index.load(tmp_path / "i")


def test_nothing_is_in_an_empty_index():
    index = Index.build([], 16, 0)
    assert len(index) == index.by_words([3], 5).size == index.by_meaning(np.ones(16, np.float32), 5).size == 0
    assert index.frequencies([3]).tolist() == [0]


# Over a store


def documents(count, name="a"):
    return [Document(f"{name}:{i}", name, "", f"{name}的第{i}件事是{i * 7919 % 1000}号。") for i in range(count)]


def found(base, query):
    return Retriever(base, base.embedder).search(query, mode="lexical")[0].chunk.text


def test_a_tail_holds_what_is_new_until_it_is_long(tmp_path, monkeypatch):
    monkeypatch.setattr(knowledge_base, "MIN_TAIL", 10)
    base = KnowledgeBase(HashingEmbedder(), tmp_path / "b")
    add_documents(base, "a", documents(40))
    published = base.snapshot().name
    add_documents(base, "b", documents(5, "b"))
    assert [len(part) for part in base.snapshot().parts] == [40, 5]
    assert found(base, "b的第3件事") == documents(5, "b")[3].text
    assert base.snapshot().name == published
    add_documents(base, "c", documents(20, "c"))
    base.join()
    assert [len(part) for part in base.snapshot().parts] == [65]
    assert [path.name for path in base.directory.glob("index-*")] == [base.snapshot().name] != [published]
    assert found(base, "c的第3件事") == documents(5, "c")[3].text


@pytest.fixture
def held(monkeypatch):
    """Indexes are long in being saved: until the event is set, which the test does."""
    let, save = threading.Event(), Index.save
    monkeypatch.setattr(knowledge_base, "MIN_TAIL", 10)
    monkeypatch.setattr(Index, "save", lambda *given: let.wait(30) and save(*given))
    let.set()
    return let


def test_whoever_adds_does_not_wait_for_the_index(tmp_path, held):
    base = KnowledgeBase(HashingEmbedder(), tmp_path / "b")
    add_documents(base, "a", documents(40))
    before = base.snapshot().name
    held.clear()
    add_documents(base, "b", documents(20, "b"))
    add_documents(base, "c", documents(3, "c"))  # while it is built
    base.switch("a:7#1", False)
    base.edit("b:8#1", "现在说的是鲸鱼。")
    base.switch("b:9#1", False)
    base.switch("b:9#1", True)

    def check(base, parts):
        assert [len(part) for part in base.snapshot().parts] == parts
        assert sum(parts) == len(base) == 62
        assert found(base, "b的第3件事") == documents(5, "b")[3].text
        assert found(base, "c的第2件事") == documents(5, "c")[2].text
        assert found(base, "b的第9件事") == documents(10, "b")[9].text
        assert found(base, "鲸鱼") == "现在说的是鲸鱼。"
        assert found(base, "a的第7件事") != documents(10)[7].text

    check(base, [39, 23])
    assert base.snapshot().name == before
    held.set()
    base.join()
    check(base, [57, 5])
    check(KnowledgeBase(HashingEmbedder(), tmp_path / "b"), [57, 5])
    assert [path.name for path in base.directory.glob("index-*")] == [base.snapshot().name] != [before]
    base.verify()


def test_full_tails_are_kept_and_nothing_is_left_out(tmp_path, held, monkeypatch):
    monkeypatch.setattr(knowledge_base, "MAX_TAIL", 8)
    base = KnowledgeBase(HashingEmbedder(), tmp_path / "b")
    add_documents(base, "a", documents(40))
    held.clear()
    add_documents(base, "b", documents(20, "b"))
    first, *_ = base.snapshot().tails
    add_documents(base, "c", documents(6, "c"))
    base.switch("b:1#1", False)
    assert [len(part) for part in base.snapshot().parts] == [40, 7, 8, 8, 2]
    assert base.snapshot().tails[0].lexical is first.lexical
    assert found(base, "c的第5件事") == documents(6, "c")[5].text
    held.set()
    base.join()
    assert sum(map(len, base.snapshot().parts)) == len(base) == 65


def test_an_index_that_cannot_be_built_in_the_background_costs_a_warning(tmp_path, held, monkeypatch, caplog):
    base = KnowledgeBase(HashingEmbedder(), tmp_path / "b")
    add_documents(base, "a", documents(40))
    monkeypatch.setattr(base, "_publish", lambda: (_ for _ in ()).throw(KnowledgeError("坏了")))
    add_documents(base, "b", documents(20, "b"))
    base.join()
    assert "没有在后台建完（坏了）" in caplog.text
    assert [len(part) for part in base.snapshot().parts] == [40, 20]


def test_what_is_deleted_or_switched_off_is_not_found(tmp_path):
    base = KnowledgeBase(HashingEmbedder(), tmp_path / "b")
    add_documents(base, "a", documents(40))
    other = KnowledgeBase(HashingEmbedder(), tmp_path / "b")
    assert found(other, "第7件事") == documents(40)[7].text
    base.switch("a:7#1", False)
    assert found(other, "第7件事") != documents(40)[7].text  # another process notices
    base.edit("a:8#1", "现在说的是鲸鱼。")
    assert found(other, "鲸鱼") == "现在说的是鲸鱼。"
    assert (len(other), other.stats()["deleted"], other.size) == (39, 2, 39)
    base.switch("a:7#1", True)
    assert found(other, "第7件事") == documents(40)[7].text
    with base.exclusive():
        base.commit({"a": None})
        base.compact()
    assert (len(other), other.snapshot().parts) == (0, [])


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_lost_index_is_built_from_the_store(tmp_path, damage, caplog):
    base = KnowledgeBase(HashingEmbedder(), tmp_path / "b")
    add_documents(base, "a", documents(20))
    path = base.directory / base.snapshot().name / "vectors"
    path.unlink() if damage == "gone" else path.write_bytes(path.read_bytes()[:-9])
    embedder = HashingEmbedder()
    again = KnowledgeBase(embedder, tmp_path / "b")
    assert found(again, "第7件事") == documents(20)[7].text
    assert "重建" in caplog.text
    with again.exclusive():
        again.compact()
    assert embedder.encoded == 0
    KnowledgeBase(embedder, tmp_path / "b").verify()


def test_a_background_is_measured_where_there_are_enough_chunks():
    assert base_of(documents(20), HashingEmbedder()).snapshot().background is None
    background = base_of(documents(80), HashingEmbedder()).snapshot().background
    assert background is not None
    assert -1 < background.mean < 1
    assert background.std > 0


CHANGING = """
import sys
from pathlib import Path
from src.models.embedders.fake import HashingEmbedder
from src.ingest.types import Document
from src.search import knowledge_base
from src.search.indexing import add_documents

knowledge_base.MIN_TAIL = knowledge_base.MAX_TAIL = 2
base = knowledge_base.KnowledgeBase(HashingEmbedder(), Path(sys.argv[1]))
for i in range(40):
    add_documents(base, f"{i}", [Document(f"{i}", f"{i}", "", f"第{i}件事。")])
    print(i, flush=True)
"""


def test_a_search_meanwhile_finds_all_that_another_process_has_reported(tmp_path, caplog):
    base = KnowledgeBase(HashingEmbedder(), tmp_path / "b")
    command = [sys.executable, "-c", CHANGING, str(tmp_path / "b")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            assert found(base, f"第{int(line)}件事") == f"第{int(line)}件事。"
    assert process.returncode == len(caplog.text) == 0
    assert len(base) == 40
