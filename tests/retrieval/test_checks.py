"""Every check on sound bases, and on bases that were damaged in the way it is there to find."""

import dataclasses

import numpy as np
import pytest

from src.embedding.fake import HashingEmbedder
from src.knowledge.split import MAX_CHARS
from src.knowledge.types import Chunk, Document
from src.retrieval import checks
from src.retrieval.checks import check, recalled
from src.retrieval.indexing import add_documents
from src.retrieval.inspect import rows_of
from src.retrieval.knowledge_base import KnowledgeBase, Part
from src.retrieval.passages import Passage, Passages
from src.retrieval.segment import Segment
from src.retrieval.vectors import build_vectors


def documents(count: int, name: str = "a.txt") -> list[Document]:
    texts = [f"{name}的第{i}件事是{i * 7919 % 1000}号，说的是{'甲乙丙丁戊己庚辛'[i % 8]}。" for i in range(count)]
    return [Document(f"{name}:{i}", name, "", text) for i, text in enumerate(texts)]


def passages(texts, name="b.txt"):
    return [
        Passage(Chunk(f"{name}:{i}#1", f"{name}:{i}", name, "", text, 0, len(text)), name)
        for i, text in enumerate(texts)
    ]


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


def with_segment(base: KnowledgeBase, **changed) -> KnowledgeBase:
    """The same base in memory, its (only) segment altered."""
    other = KnowledgeBase(base.embedder)
    part = base.parts()[0]
    other._change(base.files(), set(), dataclasses.replace(part.segment, **changed))
    return other


def test_a_sound_base_has_nothing_to_say(base) -> None:
    findings = found(base)
    assert {finding.level for finding in findings.values()} == {"ok"}
    assert "40 段" in findings["段落与向量的数目"].detail
    assert findings["recall@10"].detail.startswith("1.000")


def test_sampled_checks_say_so(base, monkeypatch) -> None:
    monkeypatch.setattr(checks, "SAMPLED_PASSAGES", 10)
    monkeypatch.setattr(checks, "SAMPLED_VECTORS", 10)
    findings = found(base)
    assert "抽查的 10 段（共 40 段）" in findings["空的和过长的段落"].detail
    assert "抽查的 10 个向量（共 40 个向量）" in findings["向量长度"].detail


def test_an_empty_base(tmp_path) -> None:
    for directory in (None, tmp_path / "index"):
        assert "bad" not in {finding.level for finding in check(KnowledgeBase(HashingEmbedder(), directory))}


def test_counts_that_do_not_fit(base) -> None:
    segment = base.parts()[0].segment
    assert level(with_segment(base, windows=segment.windows[:-1]), "段落与向量的数目") == "bad"


def test_vectors_of_another_model(base) -> None:
    assert level(with_segment(base, fingerprint="another"), "向量模型") == "bad"


def test_vectors_that_are_not_normalised(base) -> None:
    segment = base.parts()[0].segment
    vectors = segment.vectors.vectors(np.arange(len(segment.vectors))).copy()
    vectors[7] *= 1.01
    finding = found(with_segment(base, vectors=build_vectors(vectors)))["向量长度"]
    assert finding.level == "bad"
    assert "有 1 个" in finding.detail
    vectors[7] = np.nan
    assert level(with_segment(base, vectors=build_vectors(vectors)), "向量长度") == "bad"


def test_vectors_of_other_passages(base) -> None:
    segment = base.parts()[0].segment
    vectors = segment.vectors.vectors(np.arange(len(segment.vectors)))
    shifted = with_segment(base, vectors=build_vectors(np.roll(vectors, 1, axis=0)))
    findings = found(shifted)
    assert findings["向量与文字相符"].level == "bad"
    assert findings["向量长度"].level == "ok"


def test_copies_are_counted(base) -> None:
    long = "这是一段足够长的话，用来看几乎相同的段落有没有被数出来，长度超过二十个字。"
    texts = ["短的。", "短的。", "短的。", long, long.replace("，", ""), long, "别的。"]
    base.commit(base.files(), passages=passages(texts))
    finding = found(base)["重复段落"]
    assert finding.level == "warn"
    assert "相同段落 3 段，几乎相同的 1 段" in finding.detail
    base.commit({}, ["b.txt"])
    assert level(base, "重复段落") == "ok"


def test_empty_and_long_passages(base) -> None:
    made = passages(["  ", "长" * (MAX_CHARS + 1), "好" * MAX_CHARS])
    made[0] = dataclasses.replace(made[0], chunk=dataclasses.replace(made[0].chunk, title="只有题目"))
    base.commit(base.files(), passages=made)
    finding = found(base)["空的和过长的段落"]
    assert finding.level == "bad"
    assert "空的 1 段，超过 300 字的 1 段：b.txt:0#1、b.txt:1#1" in finding.detail
    base.commit({}, ["b.txt"])
    assert level(base, "空的和过长的段落") == "ok"


def test_what_was_deleted_is_told(base) -> None:
    add_documents(base, "b.txt", documents(10, "b.txt"))
    merged = Segment.merge([(part.segment, part.keep) for part in base.parts()])
    base._change(base.files(), {"a.txt", "b.txt"}, merged)
    base.commit({"b.txt": None}, ["b.txt"])
    assert "50 段里有 10 段（20.0%）" in found(base)["删除未回收"].detail
    assert level(base, "删除未回收") == "ok"
    base.commit({"a.txt": None}, ["b.txt"])
    two = KnowledgeBase(base.embedder)
    two._change({}, set(), merged)
    two.commit({}, ["a.txt"])
    assert level(two, "删除未回收") == "warn"


def test_files_that_could_not_be_read(base) -> None:
    entry = dataclasses.replace(base.files()["a.txt"], name="坏.pdf", problem="坏.pdf 已损坏")
    base.commit({"坏.pdf": entry})
    finding = found(base)["文件"]
    assert finding.level == "warn"
    assert "坏.pdf 已损坏" in finding.detail


@pytest.mark.parametrize("name", ["chunks.jsonl", "files.npy", "vectors"])
def test_one_changed_byte_on_disk(base, name) -> None:
    assert base.directory is not None
    path = next((base.directory / "segments").rglob(name))
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    finding = found(base)["磁盘校验和"]
    assert finding.level == "bad"
    assert "--rebuild" in finding.detail


def test_what_cannot_be_read_does_not_end_the_checks(base) -> None:
    segment = base.parts()[0].segment
    lines = b"".join(segment.passages.line(row) for row in range(len(segment.passages)))
    broken = Passages(lines.replace(b'{"chunk_id"', b'{"chunk_id|'), segment.passages._offsets)
    findings = found(with_segment(base, passages=broken))
    assert len(findings) == 10
    assert "没有做完" in findings["空的和过长的段落"].detail
    assert findings["重复段落"].level == "ok"


def test_a_change_meanwhile_is_no_damage(tmp_path) -> None:
    class Changing(KnowledgeBase):
        """Somebody adds to it, and its segments are merged, while it is verified for the first time."""

        changed = False

        def verify(self) -> None:
            if not self.changed:
                self.changed = True
                gone = self.parts()[0]
                self._change(self.files(), {"a.txt"}, Segment.merge([(gone.segment, None)]))
                Segment.load(self.directory / "segments" / gone.name, verify=True)
            super().verify()

    base = Changing(HashingEmbedder(), tmp_path / "index")
    add_documents(base, "a.txt", documents(5))
    assert level(base, "磁盘校验和") == "ok"
    assert base.changed


def test_an_index_in_memory_has_no_checksums(base) -> None:
    assert level(with_segment(base), "磁盘校验和") == "warn"


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
    segment = base.parts()[0].segment
    vectors = segment.vectors.vectors(np.arange(len(segment.vectors)))
    queries = rng.standard_normal((9, vectors.shape[1])).astype(np.float32)
    forgetful = dataclasses.replace(segment, vectors=Forgetful(vectors))
    for keep in (None, rng.random(len(segment.passages)) < 0.6):
        part = Part("x", forgetful, keep=keep)
        allowed = rows_of(part)
        expected = 0
        for query in queries:
            best = allowed[np.argsort(-(vectors[allowed] @ query))[:10]]
            expected += int((best % 2 == 0).sum())
        assert recalled(part, queries, 10) == (expected, 90)
        assert recalled(Part("x", segment, keep=keep), queries, 10) == (90, 90)


def test_a_store_that_loses_vectors_is_reported(base) -> None:
    segment = base.parts()[0].segment
    vectors = segment.vectors.vectors(np.arange(len(segment.vectors)))
    finding = found(with_segment(base, vectors=Forgetful(vectors)))["recall@10"]
    assert finding.level == "bad"
    assert "forgetful" in finding.detail
