"""What is read again, what is not, and what an interruption leaves behind."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from src.errors import KnowledgeError
from src.ingest.types import Document
from src.models.embedders.fake import HashingEmbedder
from src.search import indexing, knowledge_base
from src.search.base import Changes
from src.search.indexing import add_documents, add_file, base_of, cache_key, open_base, remove_file
from src.search.knowledge_base import STORE, KnowledgeBase
from src.search.search import Retriever
from src.search.store import FORMAT_VERSION
from tests.ingest import samples

ROOT = Path(__file__).resolve().parents[2]
# Each in the middle of a series of saves; NOTES.md has the command for a hundred.
KILLS = int(os.environ.get("YUAN_TEST_KILLS", "12"))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "k"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.txt").write_text(f"第{i}篇的话。\n第{i}篇还有这句话。\n", "utf-8")
    return folder


def opened(folder, embedder=None, **more):
    return open_base([folder], embedder or HashingEmbedder(), folder.parent / "cache", **more)


def texts(base):
    return [stored.chunk.text for stored in base.chunks()]


def found(base, query):
    return Retriever(base, base.embedder).search(query, mode="lexical")[0].chunk.text


def test_a_second_start_embeds_nothing(folder):
    first, second = HashingEmbedder(), HashingEmbedder()
    built, again = opened(folder, first), opened(folder, second)
    assert (first.encoded, second.calls) == (6, 0)
    assert texts(again) == texts(built)
    assert again.stats() == built.stats()
    json.dumps(built.stats())


def test_only_what_changed_is_embedded(folder):
    opened(folder)
    (folder / "1.txt").write_text("第1篇的新话。\n", "utf-8")
    (folder / "2.txt").unlink()
    (folder / "3.txt").write_text("第3篇的话。\n", "utf-8")
    embedder = HashingEmbedder()
    base = opened(folder, embedder)
    assert embedder.encoded == 2
    assert sorted(texts(base)) == ["第0篇的话。", "第0篇还有这句话。", "第1篇的新话。", "第3篇的话。"]
    assert set(base.files()) == {"0.txt", "1.txt", "3.txt"}
    assert found(base, "新话") == "第1篇的新话。"
    assert base.stats()["documents"] == 4


def test_a_file_that_was_only_touched_is_not_read_again(folder):
    opened(folder)
    os.utime(folder / "0.txt", (1, 1))
    embedder = HashingEmbedder()
    opened(folder, embedder)
    assert embedder.calls == 0


def test_rebuild_embeds_everything_again(folder):
    opened(folder)
    embedder = HashingEmbedder()
    base = opened(folder, embedder, rebuild=True)
    assert embedder.encoded == 6
    assert len(base) == 6


def test_what_the_owner_changed_lasts_until_the_file_is_read_again_and_the_log_says_so(folder, caplog):
    base = opened(folder)
    base.switch("0.txt:1#1", False)
    base.edit("1.txt:1#1", "改过的话。")
    again = opened(folder)
    assert (len(again), found(again, "改过的话")) == (5, "改过的话。")
    assert not caplog.records
    (folder / "0.txt").write_text("第0篇的话。\n", "utf-8")
    assert len(opened(folder)) == 5
    assert "有 1 段改过或停用了的段落" in caplog.text
    caplog.clear()
    assert found(opened(folder, rebuild=True), "第1篇的话") == "第1篇的话。"
    assert "有 1 段改过或停用了的段落" in caplog.text


def test_the_key_follows_paths_embedder_splitter_and_format(folder, monkeypatch):
    keys = {
        cache_key([folder], HashingEmbedder()),
        cache_key([folder / "0.txt"], HashingEmbedder()),
        cache_key([folder], HashingEmbedder(dimension=32)),
    }
    monkeypatch.setattr("src.search.indexing.SPLITTER_VERSION", "other")
    keys.add(cache_key([folder], HashingEmbedder()))
    monkeypatch.setattr("src.search.indexing.FORMAT_VERSION", 99)
    keys.add(cache_key([folder], HashingEmbedder()))
    assert len(keys) == 5


def test_copies_are_left_out_and_come_back_when_the_other_file_goes(folder):
    (folder / "4.txt").write_text("只在这里的话。\n第0篇的话。\n", "utf-8")
    near = "广州大学位于广东省广州市，是一所公立的综合性大学，办学历史可以追溯到1927年。"
    (folder / "5.txt").write_text(near + "\n", "utf-8")
    (folder / "6.txt").write_text(near.replace("，是", "、是") + "\n", "utf-8")
    base = opened(folder)
    assert base.files()["4.txt"].duplicates == 1
    assert base.files()["6.txt"].near_duplicates == 1
    assert (base.stats()["duplicates"], base.stats()["near_duplicates"]) == (1, 1)
    assert texts(base).count("第0篇的话。") == 1
    (folder / "0.txt").unlink()
    (folder / "5.txt").unlink()
    base = opened(folder)
    assert "第0篇的话。" in texts(base)
    assert near.replace("，是", "、是") in texts(base)
    assert (base.stats()["duplicates"], base.stats()["near_duplicates"]) == (0, 0)


def test_a_bad_file_of_a_folder_keeps_no_other_out_and_is_not_tried_again(folder, caplog):
    (folder / "bad.jsonl").write_text("{", "utf-8")
    base = opened(folder)
    assert len(base) == 6
    assert "JSON" in base.files()["bad.jsonl"].problem
    assert "bad.jsonl" in caplog.text
    caplog.clear()
    opened(folder)
    assert "bad.jsonl" not in caplog.text
    (folder / "bad.jsonl").write_text('{"id": "x", "text": "好了。"}', "utf-8")
    assert "好了。" in texts(opened(folder))


def test_a_bad_file_that_was_named_is_an_error_every_time(tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{", "utf-8")
    for _ in range(2):
        with pytest.raises(KnowledgeError, match="JSON"):
            open_base([bad], HashingEmbedder(), tmp_path / "cache")
    with pytest.raises(KnowledgeError, match="不存在"):
        open_base([tmp_path / "nowhere"], HashingEmbedder(), tmp_path / "cache")


def test_one_id_in_two_files_is_refused(folder):
    for name in ("a.jsonl", "b.jsonl"):
        (folder / name).write_text(json.dumps({"id": "x", "text": f"{name}的话。"}), "utf-8")
    base = opened(folder)
    assert [name for name, entry in base.files().items() if entry.problem] == ["b.jsonl"]
    assert "'x' 在 a.jsonl 和 b.jsonl" in base.files()["b.jsonl"].problem
    with pytest.raises(KnowledgeError, match="'a' 重复"):
        base_of([Document("a", "s", "", "甲"), Document("a", "s", "", "乙")], HashingEmbedder())
    with pytest.raises(KnowledgeError, match="没有可用"):
        base_of([], HashingEmbedder())


class StopsAfter(HashingEmbedder):
    """Ctrl-C in the n-th batch."""

    def __init__(self, batches):
        super().__init__()
        self.left = batches

    def encode(self, texts):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().encode(texts)


def test_an_interrupted_folder_goes_on_where_it_was(folder, monkeypatch):
    monkeypatch.setattr(indexing, "BATCH_CHUNKS", 2)
    (folder / "long.txt").write_text("".join(f"长文第{i}句。\n" for i in range(7)), "utf-8")
    with pytest.raises(KeyboardInterrupt):
        opened(folder, StopsAfter(5))
    half = KnowledgeBase(
        HashingEmbedder(), folder.parent / "cache" / f"index-{cache_key([folder], HashingEmbedder())}"
    )
    assert len(half) == 10
    assert not half.files()["long.txt"].complete
    embedder = HashingEmbedder()
    base = opened(folder, embedder)
    assert embedder.encoded == 3
    assert sorted(texts(base)) == sorted(texts(opened(folder, rebuild=True)))
    assert base.files()["long.txt"].documents == base.files()["long.txt"].chunks == 7


def test_a_half_indexed_file_that_changes_starts_anew(folder, monkeypatch):
    monkeypatch.setattr(indexing, "BATCH_CHUNKS", 2)
    path = folder / "a-long.txt"
    path.write_text("".join(f"长文第{i}句。\n" for i in range(7)), "utf-8")
    with pytest.raises(KeyboardInterrupt):
        opened(folder, StopsAfter(5))
    path.write_text("".join(f"改过的第{i}句。\n" for i in range(3)), "utf-8")
    base = opened(folder)
    assert [text for text in texts(base) if "长文" in text] == []
    assert base.files()["a-long.txt"].chunks == 3


def test_progress_reaches_the_size_of_what_is_read(folder):
    seen = []
    opened(folder, progress=lambda done, total: seen.append((done, total)))
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert seen[-1] == (size, size)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_added_files_stay_over_a_restart_until_they_are_removed(folder, tmp_path):
    base = opened(folder)
    extra = tmp_path / "笔记.txt"
    extra.write_text("加进来的话。\n第0篇的话。\n", "utf-8")
    documents = [Document("n:1", "笔记.txt", "", "加进来的话。"), Document("n:2", "笔记.txt", "", "第0篇的话。")]
    entry, changes = add_file(base, extra, "笔记.txt", documents)
    assert (entry.chunks, entry.duplicates, entry.added, changes) == (1, 1, True, None)
    with pytest.raises(KnowledgeError, match="没有变"):
        add_file(base, extra, "笔记.txt", documents)
    extra.unlink()
    embedder = HashingEmbedder()
    base = opened(folder, embedder)
    assert embedder.calls == 0
    assert "加进来的话。" in texts(base)
    with pytest.raises(KnowledgeError, match="--knowledge"):
        remove_file(base, "0.txt")
    with pytest.raises(KnowledgeError, match="没有"):
        remove_file(base, "../0.txt")
    remove_file(base, "笔记.txt")
    assert "加进来的话。" not in texts(base)
    assert "加进来的话。" not in texts(opened(folder))
    assert (folder / "0.txt").exists()


def test_copies_come_back_when_an_added_file_is_removed(folder, tmp_path):
    extra = tmp_path / "a.txt"
    extra.write_text("后来的话。\n", "utf-8")
    base = opened(folder)
    add_file(base, extra, "a.txt", [Document("a:1", "a.txt", "", "后来的话。")])
    (folder / "9.txt").write_text("后来的话。\n", "utf-8")
    base = opened(folder)
    assert base.files()["9.txt"].duplicates == 1
    remove_file(base, "a.txt")
    assert texts(base).count("后来的话。") == 1
    assert base.files()["9.txt"].duplicates == 0


def test_many_additions_are_all_found(tmp_path):
    base = KnowledgeBase(HashingEmbedder(), tmp_path / "b")
    for i in range(40):
        add_documents(base, f"{i}.txt", [Document(f"{i}", f"{i}.txt", "", f"第{i}份文件的内容。")])
    assert len(texts(base)) == 40
    again = KnowledgeBase(HashingEmbedder(), tmp_path / "b")
    assert texts(again) == texts(base)
    assert found(again, "第27份") == "第27份文件的内容。"
    base.verify()


def test_deleting_much_reclaims_it(tmp_path):
    folder = tmp_path / "k"
    folder.mkdir()
    for i in range(10):
        (folder / f"{i}.txt").write_text(f"第{i}份。\n", "utf-8")
    opened(folder)
    (folder / "0.txt").unlink()
    assert opened(folder).stats()["deleted"] == 1
    assert not [
        hit for hit in Retriever(opened(folder), HashingEmbedder()).search("第0份") if "第0份" in hit.chunk.text
    ]
    for i in range(1, 5):
        (folder / f"{i}.txt").unlink()
    base = opened(folder)
    assert (base.stats()["deleted"], len(base)) == (0, 5)


@pytest.mark.parametrize("kept", [0, 100, 4096, -4096])
def test_a_damaged_store_is_built_anew(folder, kept, caplog):
    base = opened(folder)
    before = texts(base)
    for connection in (base.store._reader, base.store._writer):
        connection.close()
    path = base.directory / STORE
    path.write_bytes(path.read_bytes()[:kept] if kept else b"no database, but long enough to look at" * 99)
    assert texts(opened(folder)) == before
    assert "重建" in caplog.text


def test_a_store_that_cannot_be_read_further_is_built_anew_on_request(folder):
    base = opened(folder)
    for connection in (base.store._reader, base.store._writer):
        connection.close()
    path = base.directory / STORE
    data = bytearray(path.read_bytes())
    at = data.index("第1篇还有".encode())
    data[at - 3000 : at + 1000] = b"\xff" * 4000
    path.write_bytes(data)
    assert len(opened(folder, rebuild=True)) == 6


def test_an_unwritable_cache_costs_a_warning(folder, caplog):
    (folder.parent / "file").write_text("in the way", "utf-8")
    base = open_base([folder], HashingEmbedder(), folder.parent / "file" / "cache")
    assert len(base) == 6
    assert "内存" in caplog.text
    with pytest.raises(KnowledgeError, match="只在内存里"):
        add_file(base, folder / "0.txt", "x.txt", [Document("x", "x.txt", "", "甲")])


def test_another_process_sees_a_change_without_a_restart(folder):
    reader, writer = opened(folder), opened(folder)
    before = reader.snapshot()
    add_documents(writer, "x.txt", [Document("x", "x.txt", "", "别的进程加的话。")])
    assert "别的进程加的话。" in texts(reader)
    assert found(reader, "别的进程") == "别的进程加的话。"
    assert sum(map(len, before.parts)) == 6  # a search that has begun goes on with what it had


def test_only_the_indexes_used_last_are_kept(tmp_path):
    cache = tmp_path / "cache"
    (cache / "mine").mkdir(parents=True)
    for i in range(8):
        path = tmp_path / f"{i}.txt"
        path.write_text(f"第{i}份。", "utf-8")
        open_base([path], HashingEmbedder(), cache)
        for old in cache.glob("index-*"):
            os.utime(old, (i, i)) if old.is_dir() else None
    assert sorted(p.name for p in cache.iterdir() if p.is_dir() and p.name == "mine") == ["mine"]
    assert len([p for p in cache.glob("index-*") if p.is_dir()]) == 5


SCRIPT = """
import sys, time
from pathlib import Path
from src.models.embedders.fake import HashingEmbedder
from src.search.indexing import open_base

class Slow(HashingEmbedder):
    def encode(self, texts):
        time.sleep(1)
        return super().encode(texts)

embedder = Slow()
base = open_base([sys.argv[1]], embedder, Path(sys.argv[2]))
print(len(base), embedder.calls)
"""


def test_two_processes_starting_at_once_build_once(folder):
    command = [sys.executable, "-c", SCRIPT, str(folder), str(folder.parent / "cache")]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert outputs == ["6 0", "6 1"]


CHANGING = """
import sys
from pathlib import Path
from src.models.embedders.fake import HashingEmbedder
from src.ingest.types import Document
from src.search.indexing import add_documents
from src.search.knowledge_base import KnowledgeBase

base = KnowledgeBase(HashingEmbedder(), Path(sys.argv[1]))
print("ready", flush=True)
for i in range(100_000):
    name = f"{sys.argv[2]}-{i}.txt"
    add_documents(base, name, [Document(name, name, "", f"{name}的内容。")])
    print(name, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_at_any_moment_the_index_opens_with_all_that_was_reported(tmp_path):
    directory, rng, reported = tmp_path / "b", random.Random(0), set()
    for round_number in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", CHANGING, str(directory), str(round_number)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.02, 0.3))
        process.send_signal(signal.SIGKILL)
        reported |= set(process.stdout.read().split("\n")[:-1])
        process.wait()
        base = KnowledgeBase(HashingEmbedder(), directory)
        base.verify()
        assert sum(map(len, base.snapshot().parts)) == len(base)
        names = {stored.file for stored in base.chunks()}
        assert names >= reported
        assert len(names - reported) <= round_number + 1  # at most one a kill was saved but not yet reported
        assert {name for name, entry in base.files().items() if entry.complete} == names
    shutil.rmtree(directory)


BUILDING = """
import sys, threading, time
from pathlib import Path
from src.models.embedders.fake import HashingEmbedder
from src.ingest.types import Document
from src.search import knowledge_base
from src.search.index import Index
from src.search.indexing import add_documents

knowledge_base.MIN_TAIL = 10
base = knowledge_base.KnowledgeBase(HashingEmbedder(), Path(sys.argv[1]))
add_documents(base, "a", [Document(f"a{i}", "a", "", f"甲的第{i}件事。") for i in range(20)])
save, started = Index.save, threading.Event()

def slow(index, directory):
    started.set()
    time.sleep(float(sys.argv[2]))
    save(index, directory)

Index.save = slow
add_documents(base, "b", [Document(f"b{i}", "b", "", f"乙的第{i}件事。") for i in range(20)])
started.wait(30)
print("added", flush=True)
if sys.argv[3] == "stay":
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("end", ["stay", "leave"])
def test_a_process_that_ends_while_it_builds_in_the_background_loses_nothing(tmp_path, monkeypatch, end):
    directory = tmp_path / "b"
    command = [sys.executable, "-c", BUILDING, str(directory), "30", end]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "added\n"
    if end == "stay":
        process.send_signal(signal.SIGKILL)
    assert process.wait(20) == (-signal.SIGKILL if end == "stay" else 0)
    monkeypatch.setattr(knowledge_base, "MIN_TAIL", 10)
    base = KnowledgeBase(HashingEmbedder(), directory)
    assert [len(part) for part in base.snapshot().parts] == [20, 20]
    assert found(base, "乙的第7件事") == "乙的第7件事。"
    add_documents(base, "c", [Document("c", "c", "", "丙的一件事。")])  # the next commit builds it
    base.join()
    assert [len(part) for part in base.snapshot().parts] == [41]
    base.verify()


def test_a_changed_file_of_a_folder_is_told(folder, caplog):
    caplog.set_level("INFO")
    opened(folder)
    (folder / "1.txt").write_text("第1篇的话。\n新写的一句话。\n再来一句新话。\n", "utf-8")
    (folder / "2.txt").unlink()
    (folder / "9.txt").write_text("新的文件。\n", "utf-8")
    changes = {}
    opened(folder, changed=changes.__setitem__)
    assert changes == {"1.txt": Changes(2, 1, 1), "2.txt": Changes(0, 0, 2)}
    assert "1.txt：新的 2 段，没变的 1 段，去掉的 1 段" in caplog.text
    changes.clear()
    opened(folder, changed=changes.__setitem__)
    assert changes == {}


def test_an_added_file_is_replaced(folder, tmp_path):
    base = opened(folder)
    extra = tmp_path / "笔记.txt"

    def add(*lines):
        extra.write_text("\n".join(lines), "utf-8")
        return add_file(
            base, extra, "笔记.txt", [Document(f"笔记.txt:{i}", "笔记.txt", "", t) for i, t in enumerate(lines)]
        )

    assert add("第一句话。", "第二句话。")[1] is None
    (folder / "9.txt").write_text("第二句话。\n", "utf-8")
    base = opened(folder)
    assert base.files()["9.txt"].duplicates == 1
    entry, changes = add("第一句话。", "换了的话。", "加的话。")
    assert changes == Changes(2, 1, 1)
    assert (entry.chunks, entry.added, entry.characters) == (3, True, 14)
    # What only the old version held comes back from the other file.
    assert sorted(texts(base))[:1] == ["加的话。"]
    assert texts(base).count("第二句话。") == 1
    assert base.files()["9.txt"].duplicates == 0
    with pytest.raises(KnowledgeError, match="没有变"):
        add_file(base, extra, "笔记.txt", [])
    embedder = HashingEmbedder()
    again = opened(folder, embedder)
    assert embedder.calls == 0
    assert "换了的话。" in texts(again)
    assert list(base.added.parent.glob("*.tmp")) == []


@pytest.mark.parametrize("was_in_the_index", [False, True])
def test_added_files_outlive_the_format_and_the_embedder(folder, tmp_path, monkeypatch, was_in_the_index):
    base = opened(folder)
    extra = tmp_path / "笔记.txt"
    extra.write_text("加进来的话。\n", "utf-8")
    add_file(base, extra, "笔记.txt", [Document("笔记.txt:1", "笔记.txt", "", "加进来的话。")])
    if was_in_the_index:  # as they were kept before
        base.added.rename(base.directory / "added")
    monkeypatch.setattr("src.search.indexing.FORMAT_VERSION", FORMAT_VERSION + 1)
    base = opened(folder)
    assert "加进来的话。" in texts(base)
    entry = base.files()["笔记.txt"]
    assert entry.added
    assert Path(entry.path) == (base.added / "笔记.txt").resolve()
    other = opened(folder, HashingEmbedder(dimension=32))
    assert "加进来的话。" in texts(other)
    remove_file(other, "笔记.txt")
    assert "加进来的话。" not in texts(opened(folder))


def test_a_new_version_that_cannot_be_used_leaves_the_old_one(folder, tmp_path):
    base = opened(folder)
    extra = tmp_path / "笔记.txt"
    extra.write_text("旧的话。", "utf-8")
    add_file(base, extra, "笔记.txt", [Document("笔记.txt:1", "笔记.txt", "", "旧的话。")])
    extra.write_text("新的话。", "utf-8")
    taken = next(stored.chunk.doc_id for stored in base.chunks("0.txt"))
    with pytest.raises(KnowledgeError, match="不重复"):
        add_file(base, extra, "笔记.txt", [Document(taken, "笔记.txt", "", "新的话。")])
    assert "旧的话。" in texts(base)
    assert base.files()["笔记.txt"].sha256
    assert "旧的话。" in texts(opened(folder))
    with pytest.raises(KnowledgeError, match="--knowledge"):
        add_file(base, extra, "0.txt", [Document("x", "0.txt", "", "新的话。")])


def test_what_was_read_of_a_file_is_known_after_a_restart(folder):
    (folder / "表.xlsx").write_bytes(
        samples.workbook({"一": [["品名", "金额"], ["水泥", "=OTHER!A1*2"], ["钢筋", 3]]})
    )
    made = opened(folder).files()["表.xlsx"]
    assert made.counts == {"formulas_unread": 1, "tables": 1}
    assert "公式" in made.warnings[0]
    assert made.characters > 10
    assert opened(folder).files()["表.xlsx"] == made
    assert opened(folder).files()["0.txt"].read() == {"characters": 15, "counts": {}}
