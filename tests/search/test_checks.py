"""Every check on sound bases, and on bases that were damaged in the way it is there to find."""

import dataclasses

import numpy as np
import pytest

from src.ingest.split import MAX_CHARS
from src.ingest.types import Document
from src.models.embedders.fake import HashingEmbedder
from src.search import checks
from src.search.checks import check, recalled
from src.search.indexing import add_documents
from src.search.knowledge_base import KnowledgeBase
from src.search.vectors import build_vectors


def documents(count: int, name: str = "a.txt") -> list[Document]:
    texts = [f"{name}的第{i}件事是{i * 7919 % 1000}号，说的是{'甲乙丙丁戊己庚辛'[i % 8]}。" for i in range(count)]
    return [Document(f"{name}:{i}", name, "", text) for i, text in enumerate(texts)]


@pytest.fixture
def base(tmp_path) -> KnowledgeBase:
    made = KnowledgeBase(HashingEmbedder(), tmp_path / "index")
    add_documents(made, "a.txt", documents(40))
    return made


def found(base: KnowledgeBase) -> dict[str, checks.Finding]:
    findings = list(check(base))
    assert all(finding.detail for finding in findings)
    return {finding.name.split(" ")[-1]: finding for finding in findings}


def level(base: KnowledgeBase, name: str) -> str:
    return found(base)[name].level


def damage(base: KnowledgeBase, statement: str, *values) -> None:
    """In the database, behind the store's back."""
    base.store._writer.execute(statement, values)


def with_index(base: KnowledgeBase, **changed) -> KnowledgeBase:
    """The same base, its (only) index altered."""
    now = base.snapshot()
    base._now = dataclasses.replace(now, main=dataclasses.replace(now.main, **changed))
    return base


def test_a_sound_base_has_nothing_to_say(base) -> None:
    findings = found(base)
    assert {finding.level for finding in findings.values()} == {"ok"}
    assert "40 段" in findings["段落与向量的数目"].detail
    assert findings["recall@10"].detail.startswith("1.000")


def test_sampled_checks_say_so(base, monkeypatch) -> None:
    monkeypatch.setattr(checks, "SAMPLED_CHUNKS", 10)
    monkeypatch.setattr(checks, "SAMPLED_VECTORS", 10)
    findings = found(base)
    assert "抽查的 10 段（共 40 段）" in findings["空的和过长的段落"].detail
    assert "抽查的 10 个向量（共 40 个向量）" in findings["向量长度"].detail


def test_an_empty_base(tmp_path) -> None:
    for directory in (None, tmp_path / "index"):
        assert "bad" not in {finding.level for finding in check(KnowledgeBase(HashingEmbedder(), directory))}


def test_counts_that_do_not_fit(base) -> None:
    assert level(with_index(base, windows=base.snapshot().main.windows[:-1]), "段落与向量的数目") == "bad"


def test_chunks_that_no_index_has(base) -> None:
    damage(base, "DELETE FROM chunks WHERE id = 3")
    assert level(base, "段落与向量的数目") == "bad"


def test_vectors_of_another_model(base) -> None:
    damage(base, "UPDATE meta SET value = 'another' WHERE key = 'fingerprint'")
    assert level(base, "向量模型") == "bad"


def test_vectors_that_are_not_normalised(base) -> None:
    store = base.snapshot().main.vectors
    vectors = store.vectors(np.arange(len(store))).copy()
    vectors[7] *= 1.01
    finding = found(with_index(base, vectors=build_vectors(vectors)))["向量长度"]
    assert finding.level == "bad"
    assert "有 1 个" in finding.detail
    vectors[7] = np.nan
    assert level(with_index(base, vectors=build_vectors(vectors)), "向量长度") == "bad"


def test_vectors_of_other_chunks(base) -> None:
    damage(base, "UPDATE indexed SET windows = (SELECT windows FROM indexed WHERE id = 1)")
    findings = found(base)
    assert findings["向量与文字相符"].level == "bad"
    assert findings["向量长度"].level == "ok"


def test_copies_are_counted(base) -> None:
    damage(base, "UPDATE chunks SET text = (SELECT text FROM chunks WHERE id = 1) WHERE id IN (5, 6)")
    long = "这是一段足够长的话，用来看几乎相同的段落有没有被数出来，长度超过二十个字。"
    damage(base, "UPDATE chunks SET text = ? WHERE id = 7", long)
    damage(base, "UPDATE chunks SET text = ? WHERE id = 8", long.replace("，", ""))
    finding = found(base)["重复段落"]
    assert finding.level == "warn"
    assert "相同段落 2 段，几乎相同的 1 段" in finding.detail


def test_empty_and_long_chunks(base) -> None:
    for number, text in enumerate(["  ", "长" * (MAX_CHARS + 1), "好" * MAX_CHARS], 1):
        damage(base, "UPDATE chunks SET text = ? WHERE id = ?", text, number)
    finding = found(base)["空的和过长的段落"]
    assert finding.level == "bad"
    assert "空的 1 段，超过 300 字的 1 段：a.txt:0#1、a.txt:1#1" in finding.detail


def test_what_was_deleted_is_told(base) -> None:
    base.switch("a.txt:3#1", False)
    finding = found(base)["删除未回收"]
    assert "40 段里有 1 段（2.5%）" in finding.detail
    assert finding.level == "ok"
    with base.exclusive():
        base.commit({"a.txt": None})
    assert level(base, "删除未回收") == "warn"


def test_files_that_could_not_be_read(base) -> None:
    entry = dataclasses.replace(base.files()["a.txt"], name="坏.pdf", problem="坏.pdf 已损坏")
    base.commit({"坏.pdf": entry})
    finding = found(base)["文件"]
    assert finding.level == "warn"
    assert "坏.pdf 已损坏" in finding.detail


@pytest.mark.parametrize("name", ["ids.npy", "windows.npy", "vectors", "lexical/data.csc.index.npy"])
def test_one_changed_byte_of_the_index(base, name) -> None:
    path = base.directory / base.snapshot().name / name
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    finding = found(base)["磁盘校验和"]
    assert finding.level == "bad"
    assert "--rebuild" in finding.detail


def test_one_changed_character_in_the_store(base) -> None:
    damage(base, "UPDATE chunks SET text = replace(text, '甲', '申') WHERE id = 1")
    assert level(base, "磁盘校验和") == "bad"


def test_what_cannot_be_read_does_not_end_the_checks(base) -> None:
    damage(base, "UPDATE indexed SET windows = x'00' WHERE id = 1")
    findings = found(base)
    assert len(findings) == 10
    assert "没有做完" in findings["向量与文字相符"].detail
    assert findings["重复段落"].level == "ok"


def test_an_index_in_memory_has_no_checksums() -> None:
    base = KnowledgeBase(HashingEmbedder())
    add_documents(base, "a.txt", documents(4))
    assert level(base, "磁盘校验和") == "warn"


class Forgetful:
    """An approximate store that never finds an odd row."""

    name = "forgetful"

    def __init__(self, vectors) -> None:
        self._exact = build_vectors(vectors)
        self.dimension, self.nbytes = self._exact.dimension, self._exact.nbytes
        self.scores, self.vectors = self._exact.scores, self._exact.vectors

    def __len__(self) -> int:
        return len(self._exact)

    def search(self, vector, count, keep=None):
        even = np.arange(len(self)) % 2 == 0
        return self._exact.search(vector, count, even if keep is None else keep & even)


def test_recall_is_measured_against_every_vector(base) -> None:
    """The oracle sorts all inner products, also with deleted rows."""
    rng = np.random.default_rng(0)
    index = base.snapshot().main
    vectors = index.vectors.vectors(np.arange(len(index.vectors)))
    queries = rng.standard_normal((9, vectors.shape[1])).astype(np.float32)
    forgetful = dataclasses.replace(index, vectors=Forgetful(vectors))
    for gone in (index.ids[:0], index.ids[rng.random(40) < 0.4]):
        allowed = np.flatnonzero(~np.isin(index.ids, gone))
        expected = 0
        for query in queries:
            best = allowed[np.argsort(-(vectors[allowed] @ query))[:10]]
            expected += int((best % 2 == 0).sum())
        assert recalled(forgetful.without(gone), queries, 10) == (expected, 90)
        assert recalled(index.without(gone), queries, 10) == (90, 90)


def test_a_store_that_loses_vectors_is_reported(base) -> None:
    store = base.snapshot().main.vectors
    finding = found(with_index(base, vectors=Forgetful(store.vectors(np.arange(len(store))))))["recall@10"]
    assert finding.level == "bad"
    assert "forgetful" in finding.detail
