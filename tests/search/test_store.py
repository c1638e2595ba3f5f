"""The store on real SQLite: what is written is there, once, and a file that cannot be used says so."""

import sqlite3
import threading

import numpy as np
import pytest

from src.errors import KnowledgeError
from src.ingest.types import Chunk
from src.models.embedders.fake import HashingEmbedder
from src.search.index import embed
from src.search.rows import FileEntry, NewChunk, StoredChunk, keys_of
from src.search.store import Store
from src.search.terms import text_terms

EMBEDDER = HashingEmbedder()
LONG = "广州大学位于广东省广州市，是一所公立的综合性大学，办学历史可以追溯到1927年。"


def new(text, file="a.txt", number=1, title="", lead=""):
    chunk = Chunk(f"{file}:{number}#1", f"{file}:{number}", file, title, text, 0, len(text))
    stored = StoredChunk(chunk, file, lead)
    return NewChunk(stored, text_terms(stored.index_text), embed([chunk], EMBEDDER)[0])


def filled(path=None, texts=("甲的话。", "乙的话。", "丙的话。")):
    store = Store(path, EMBEDDER)
    chunks = [new(text, number=number) for number, text in enumerate(texts)]
    store.commit({"a.txt": FileEntry("a.txt", chunks=len(texts))}, chunks=chunks)
    return store


def texts(store):
    return [stored.chunk.text for stored in store.chunks()]


def test_what_is_stored_comes_back_after_opening_it_again(tmp_path):
    entry = FileEntry("a\udcff.txt", "/k/a\udcff.txt", 3, 4, "ab", 2, 2, 1, 1, ("b.txt", "\udcfe"), False, "", True)
    made = [new("一\ud800段", entry.name, 1, "题", "首句。"), new(LONG, entry.name, 2)]
    store = Store(tmp_path / "s.db", EMBEDDER)
    store.commit({entry.name: entry}, chunks=made)
    again = Store(tmp_path / "s.db", EMBEDDER)
    assert list(again.files().values()) == [entry]
    found = list(again.chunks())
    assert [(f.chunk, f.file, f.lead, f.terms) for f in found] == [
        (m.stored.chunk, entry.name, m.stored.lead, len(m.terms)) for m in made
    ]
    assert again.holders("doc_id", [made[0].stored.chunk.doc_id]) == {made[0].stored.chunk.doc_id: entry.name}
    rows = again.indexable(0, 10)
    numbers = again.numbers(made[0].terms)
    assert rows[0].tokens.tolist() == [numbers[term] for term in made[0].terms]
    assert np.allclose(rows[1].windows, made[1].windows, atol=1e-3)
    assert np.allclose(again.windows([rows[1].id])[rows[1].id], made[1].windows, atol=1e-3)
    again.verify()


def test_a_text_is_in_the_store_once():
    store = filled()
    with pytest.raises((KnowledgeError, sqlite3.IntegrityError)):
        store.commit({"b.txt": FileEntry("b.txt")}, chunks=[new("甲的话。", "b.txt")])
    assert list(store.files()) == ["a.txt"]  # all of a change or nothing
    store.commit({"c.txt": FileEntry("c.txt")}, chunks=[new(LONG, "c.txt")])
    near = keys_of(new(LONG.replace("，", "、")).stored.chunk)[1]
    assert store.holders("near", [near]) == {near: "c.txt"}
    assert store.holders("exact", [keys_of(new("乙的话。").stored.chunk)[0], 1]) != {}


def test_a_stale_file_is_found_until_it_is_replaced_and_owns_nothing():
    store = filled()
    store.mark_stale(["a.txt", "none.txt"])
    assert texts(store) == ["甲的话。", "乙的话。", "丙的话。"]
    assert store.files()["a.txt"].sha256 == ""
    # Its text may move to another file that is read first.
    store.commit({"b.txt": FileEntry("b.txt")}, chunks=[new("甲的话。", "b.txt")])
    store.commit({"a.txt": FileEntry("a.txt")}, chunks=[new("丁的话。")])
    assert texts(store) == ["丁的话。", "甲的话。"]


def test_pages_samples_and_counts_agree_with_everything():
    store = filled(texts=[f"第{i}段的话。" for i in range(25)])
    store.commit({"b.txt": FileEntry("b.txt")}, chunks=[new("别的文件。", "b.txt")])
    everything = list(store.chunks())
    assert [s for start in range(0, 30, 7) for s in store.page(start, 7)] == everything
    assert store.page(0, 5, "b.txt") == list(store.chunks("b.txt")) == everything[-1:]
    assert (store.count(), store.count("a.txt"), store.count("none")) == (26, 25, 0)
    assert store.sample(100) == everything
    assert [everything.index(stored) for stored in store.sample(4)] == [0, 6, 13, 19]
    assert store.find("a.txt:7#1") == everything[7]
    assert store.find("a.txt:7#2") is store.find("") is None


def test_ids_are_never_used_twice_and_what_is_gone_is_noted():
    store = filled()
    last = store.last_id()
    store.commit({"a.txt": None})
    assert store.gone().tolist() == [1, 2, 3]
    store.commit({"a.txt": FileEntry("a.txt")}, chunks=[new("丁的话。")])
    assert [row.id for row in store.indexable(last, 10)] == [last + 1]
    store.publish("index-9", "", store.gone())
    assert store.gone().tolist() == []
    assert store.meta("index") == "index-9"


def test_a_chunk_is_switched_off_and_on_again():
    store = filled()
    before = store.generation()
    store.switch("a.txt:1#1", False)
    assert texts(store) == ["甲的话。", "丙的话。"]
    assert store.gone().tolist() == [2]
    assert store.find("a.txt:1#1").enabled is False
    assert store.generation() == before + 1
    store.switch("a.txt:1#1", True)
    assert texts(store) == ["甲的话。", "乙的话。", "丙的话。"]  # in its place
    assert [row.id for row in store.indexable(3, 10)] == [4]
    with pytest.raises(KnowledgeError, match="不在索引里"):
        store.switch("x#1", False)


def test_a_chunk_is_edited_and_its_terms_and_vectors_follow():
    store = filled()
    made = new(LONG, number=1)
    store.edit("a.txt:1#1", made)
    assert texts(store) == ["甲的话。", LONG, "丙的话。"]
    (row,) = store.indexable(3, 10)
    assert len(row.tokens) == len(made.terms)
    assert np.allclose(row.windows, made.windows, atol=1e-3)
    with pytest.raises(KnowledgeError, match="与它相同"):
        store.edit("a.txt:1#1", new("甲的话。", number=1))
    assert store.gone().tolist() == [2]


def test_what_the_owner_changed_is_listed_and_counted_when_it_is_lost():
    store = filled()
    store.switch("a.txt:1#1", False)
    store.edit("a.txt:2#1", new(LONG, number=2))
    assert (store.count(), store.count(shown="off"), store.count(shown="all")) == (2, 1, 3)
    assert [s.chunk.text for s in store.page(0, 9, shown="all")] == ["甲的话。", "乙的话。", LONG]
    assert [s.chunk.text for s in store.chunks(shown="off")] == ["乙的话。"]
    assert [(s.enabled, s.edited) for s in store.page(0, 9, "a.txt", "all")] == [
        (True, False),
        (False, False),
        (True, True),
    ]
    assert store.mark_stale(["none.txt"]) == 0
    assert store.mark_stale(["a.txt"]) == 2
    store.edit("a.txt:2#1", new("丁的话。", number=2))  # while it waits for its file to be read
    store.commit({"a.txt": FileEntry("a.txt")})
    assert store.count(shown="all") == 0


def test_another_embedder_or_version_is_said(tmp_path):
    filled(tmp_path / "s.db")
    with pytest.raises(KnowledgeError, match=r"hashing-64.*hashing-32.*--rebuild"):
        Store(tmp_path / "s.db", HashingEmbedder(32))
    with sqlite3.connect(tmp_path / "s.db") as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    with pytest.raises(KnowledgeError, match=r"格式版本是 99.*--rebuild"):
        Store(tmp_path / "s.db", EMBEDDER)


@pytest.mark.parametrize("kept", [20, 5000, -4096])
def test_a_truncated_file_is_said(tmp_path, kept):
    path = tmp_path / "s.db"
    store = filled(path, [f"第{i}段的话，{LONG}" for i in range(200)])
    for connection in (store._reader, store._writer):
        connection.close()
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(KnowledgeError, match="--rebuild"):
        Store(path, EMBEDDER)


def test_a_changed_text_is_found_by_verifying(tmp_path):
    path = tmp_path / "s.db"
    store = filled(path)
    for connection in (store._reader, store._writer):
        connection.close()
    path.write_bytes(path.read_bytes().replace("乙的话。".encode(), "己的话。".encode()))
    with pytest.raises(KnowledgeError, match=r"文字.*--rebuild"):
        Store(path, EMBEDDER).verify()


def test_where_the_disk_takes_no_more_it_goes_on_in_memory(tmp_path, caplog):
    store = filled(tmp_path / "s.db")
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages}")
    store.commit({"b.txt": FileEntry("b.txt")}, chunks=[new(f"{i}{LONG}", "b.txt", i) for i in range(100)])
    assert store.path is None
    assert "full" in caplog.text
    assert len(texts(store)) == 103
    assert texts(Store(tmp_path / "s.db", EMBEDDER)) == ["甲的话。", "乙的话。", "丙的话。"]


def test_two_writers_and_a_reader_at_once(tmp_path):
    stores = [Store(tmp_path / "s.db", EMBEDDER) for _ in range(2)]
    seen = []

    def write(number):
        for i in range(20):
            name = f"{number}-{i}.txt"
            stores[number].commit({name: FileEntry(name)}, chunks=[new(f"{name}的话。", name)])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen.append(stores[0].count())
    assert seen == sorted(seen)
    assert [store.count() for store in stores] == [40, 40]
    assert stores[0].generation() == 41
