import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from src.embedding.fake import HashingEmbedder
from src.errors import KnowledgeError
from src.knowledge.types import Document
from src.retrieval import cache
from src.retrieval.cache import cache_key, open_or_build

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [Document(f"d{i}", "s.txt", "", f"第{i}篇文章") for i in range(10)]


def indexes(folder):
    return sorted(p for p in folder.iterdir() if p.is_dir())


def test_a_second_start_embeds_nothing(tmp_path):
    first, second = HashingEmbedder(), HashingEmbedder()
    built = open_or_build(DOCUMENTS, first, tmp_path / "new" / "cache")
    found = open_or_build(DOCUMENTS, second, tmp_path / "new" / "cache")
    assert first.encoded == 10
    assert second.calls == 0
    assert found.chunks == built.chunks
    assert found.info == built.info


def test_rebuild_embeds_again(tmp_path):
    open_or_build(DOCUMENTS, HashingEmbedder(), tmp_path)
    embedder = HashingEmbedder()
    open_or_build(DOCUMENTS, embedder, tmp_path, rebuild=True)
    assert embedder.encoded == 10
    assert len(indexes(tmp_path)) == 1


def test_files_and_folders_are_read(tmp_path):
    (tmp_path / "k").mkdir()
    (tmp_path / "k" / "a.txt").write_text("甲\n乙\n", "utf-8")
    index = open_or_build([tmp_path / "k"], HashingEmbedder(), tmp_path / "cache")
    assert [chunk.chunk_id for chunk in index.chunks] == ["a.txt:1#1", "a.txt:2#1"]
    with pytest.raises(KnowledgeError):
        open_or_build([], HashingEmbedder(), tmp_path / "cache")


def test_the_key_follows_everything_a_vector_depends_on(monkeypatch):
    keys = {
        cache_key(DOCUMENTS, HashingEmbedder()),
        cache_key(DOCUMENTS[:9], HashingEmbedder()),
        cache_key(DOCUMENTS[::-1], HashingEmbedder()),
        cache_key(DOCUMENTS, HashingEmbedder(dimension=32)),
    }
    monkeypatch.setattr(cache, "SPLITTER_VERSION", "other")
    keys.add(cache_key(DOCUMENTS, HashingEmbedder()))
    monkeypatch.setattr(cache, "FORMAT_VERSION", 99)
    keys.add(cache_key(DOCUMENTS, HashingEmbedder()))
    assert len(keys) == 6


def test_a_corrupt_cache_is_rebuilt_with_a_warning(tmp_path, caplog):
    open_or_build(DOCUMENTS, HashingEmbedder(), tmp_path)
    (indexes(tmp_path)[0] / "vectors.faiss").write_bytes(b"junk")
    embedder = HashingEmbedder()
    assert len(open_or_build(DOCUMENTS, embedder, tmp_path).chunks) == 10
    assert embedder.encoded == 10
    assert "vectors.faiss" in caplog.text
    again = HashingEmbedder()
    open_or_build(DOCUMENTS, again, tmp_path)
    assert again.calls == 0


def test_an_unwritable_cache_costs_a_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way", "utf-8")
    index = open_or_build(DOCUMENTS, HashingEmbedder(), tmp_path / "file" / "cache")
    assert len(index.chunks) == 10
    assert "内存" in caplog.text


def test_a_full_disk_costs_a_warning(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(
        "src.retrieval.manifest.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "disk full"))
    )
    assert len(open_or_build(DOCUMENTS, HashingEmbedder(), tmp_path).chunks) == 10
    assert "disk full" in caplog.text
    assert indexes(tmp_path) == []


def test_an_error_while_building_is_not_taken_for_a_bad_cache(tmp_path):
    class Failing(HashingEmbedder):
        def encode(self, texts):
            self.calls += 1
            raise OSError("the model file is gone")

    embedder = Failing()
    with pytest.raises(OSError, match="model file"):
        open_or_build(DOCUMENTS, embedder, tmp_path)
    assert embedder.calls == 1
    open_or_build(DOCUMENTS, HashingEmbedder(), tmp_path)  # the lock was given back


def test_another_process_at_work_is_waited_for_only_so_long(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(cache, "LOCK_TIMEOUT_S", 0.05)
    name = f"index-{cache_key(DOCUMENTS, HashingEmbedder())}.lock"
    with FileLock(tmp_path / name):
        assert len(open_or_build(DOCUMENTS, HashingEmbedder(), tmp_path).chunks) == 10
    assert indexes(tmp_path) == []


def test_only_the_five_last_used_are_kept_and_strangers_stay(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / ("index-" + "0" * 16 + ".tmp-broken-off")).mkdir()
    for i in range(1, 8):
        before = set(tmp_path.iterdir())
        open_or_build(DOCUMENTS[:i], HashingEmbedder(), tmp_path)
        for path in set(tmp_path.iterdir()) - before:
            os.utime(path, (i, i))
        if i == 6:  # the second was just used, so the third is the oldest when the seventh comes
            open_or_build(DOCUMENTS[:2], HashingEmbedder(), tmp_path)
    kept = {f"index-{cache_key(DOCUMENTS[:i], HashingEmbedder())}" for i in (2, 4, 5, 6, 7)}
    assert {p.name for p in indexes(tmp_path)} == kept | {"mine"}


SCRIPT = """
import sys, time
from pathlib import Path
from src.embedding.fake import HashingEmbedder
from src.knowledge.types import Document
from src.retrieval.cache import open_or_build

class Slow(HashingEmbedder):
    def encode(self, texts):
        time.sleep(1)
        return super().encode(texts)

embedder = Slow()
documents = [Document(f"d{i}", "s.txt", "", f"第{i}篇文章") for i in range(10)]
index = open_or_build(documents, embedder, Path(sys.argv[1]))
print(len(index.chunks), embedder.calls)
"""


def test_two_processes_starting_at_once_build_once(tmp_path):
    processes = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert outputs == ["10 0", "10 1"]
    assert len(indexes(tmp_path)) == 1


def test_a_cached_start_says_nothing(tmp_path, caplog):
    open_or_build(DOCUMENTS, HashingEmbedder(), tmp_path)
    with caplog.at_level(logging.INFO):
        open_or_build(DOCUMENTS, HashingEmbedder(), tmp_path)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
