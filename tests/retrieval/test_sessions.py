"""Session documents: kept apart, limited, gone when they should be."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from src.retrieval.sessions import SessionDocuments

from src.embedding.fake import HashingEmbedder
from src.errors import InputError
from src.knowledge.limits import UPLOAD_LIMITS
from src.knowledge.worker import ParserPool
from src.retrieval import sessions as module
from tests.knowledge import samples
from tests.knowledge.hostile import CASES


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def texts(store: SessionDocuments, session: str) -> list[str]:
    base = store.base(session)
    return [passage.chunk.text for passage in base.passages()] if base else []


def test_sessions_see_their_own_documents_only(tmp_path) -> None:
    store = SessionDocuments(HashingEmbedder())
    store.add("a", [write(tmp_path, "a.txt", "甲的文档。")])
    store.add("b", [write(tmp_path, "b.txt", "乙的文档。")])
    assert texts(store, "a") == ["甲的文档。"]
    assert texts(store, "b") == ["乙的文档。"]
    assert texts(store, "c") == []
    store.drop("a")
    assert texts(store, "a") == []
    store.drop("a")


def test_a_bad_file_keeps_no_other_out(tmp_path) -> None:
    store = SessionDocuments(HashingEmbedder())
    files = [
        write(tmp_path, "好.txt", "好的。"),
        write(tmp_path, "坏.jsonl", "{"),
        write(tmp_path, "空.txt", " \n"),
        write(tmp_path, "不认识.exe", "MZ"),
        write(tmp_path, "也好.md", "# 标题\n\n正文。"),
    ]
    result = store.add("a", files)
    assert [item["source"] for item in result["added"]] == ["好.txt", "也好.md"]
    assert [item["source"] for item in result["rejected"]] == ["坏.jsonl", "空.txt", "不认识.exe"]
    assert all(item["reason"] for item in result["rejected"])


def test_office_files_are_read_and_cited_by_their_page(tmp_path) -> None:
    (tmp_path / "课件.pptx").write_bytes(samples.slides([("封面", "欢迎。"), ("安全", "先拨打内线。")]))
    (tmp_path / "假.docx").write_bytes(b"%PDF-1.7")
    store = SessionDocuments(HashingEmbedder())
    result = store.add("a", [tmp_path / "假.docx", tmp_path / "课件.pptx"])
    assert result["added"] == [{"source": "课件.pptx", "chunks": 2}]
    assert "内容其实是 pdf" in result["rejected"][0]["reason"]
    index = store.base("a")
    assert index is not None
    assert [passage.chunk.source for passage in index.passages()] == ["课件.pptx 第 1 页", "课件.pptx 第 2 页"]


def test_a_file_that_hangs_is_refused_and_others_are_added(tmp_path) -> None:
    (tmp_path / "贪心.pdf").write_bytes(next(case for case in CASES if case.name == "自引用.pdf").make())
    parser = ParserPool(limits=replace(UPLOAD_LIMITS, max_seconds=1.0))
    store = SessionDocuments(HashingEmbedder(), parser)
    result = store.add("a", [tmp_path / "贪心.pdf", write(tmp_path, "好.txt", "好的。")])
    assert [item["source"] for item in result["added"]] == ["好.txt"]
    assert "已停止" in result["rejected"][0]["reason"]
    parser.close()


def test_limits(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 2)
    monkeypatch.setattr(module, "MAX_CHARACTERS", 50)
    store = SessionDocuments(HashingEmbedder())
    assert store.add("a", [write(tmp_path, "长.txt", "字" * 51)])["rejected"][0]["reason"].startswith("文字太多")
    assert store.add("a", [write(tmp_path, "1.txt", "一。")])["added"]
    assert "加入过" in store.add("a", [write(tmp_path, "1.txt", "二。")])["rejected"][0]["reason"]
    assert store.add("a", [write(tmp_path, "2.txt", "二。")])["added"]
    assert "最多加入 2 个" in store.add("a", [write(tmp_path, "3.txt", "三。")])["rejected"][0]["reason"]
    assert texts(store, "a") == ["一。", "二。"]


def test_a_client_without_a_session_is_refused(tmp_path) -> None:
    path = write(tmp_path, "a.txt", "甲。")
    with pytest.raises(InputError):
        SessionDocuments(HashingEmbedder()).add("", [path])


def test_two_visitors_may_upload_one_file(tmp_path) -> None:
    """gradio names an upload by its content, so both get the same path."""
    store = SessionDocuments(HashingEmbedder())
    path = write(tmp_path, "讲义.txt", "同一份讲义。")
    for session in "ab":
        assert store.add(session, [path])["added"]
    assert texts(store, "a") == texts(store, "b") == ["同一份讲义。"]


def test_idle_sessions_are_forgotten_even_when_nobody_comes(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "IDLE_S", 0.2)
    monkeypatch.setattr(module, "SWEEP_S", 0.05)
    store = SessionDocuments(HashingEmbedder())
    store.add("a", [write(tmp_path, "a.txt", "文。")])
    deadline = time.monotonic() + 10
    while store._sessions and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not store._sessions


def test_the_longest_unused_make_room(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_TOTAL_CHARACTERS", 25)
    store = SessionDocuments(HashingEmbedder())
    for session in "ab":
        store.add(session, [write(tmp_path, f"{session}.txt", "字" * 10)])
    assert texts(store, "a")
    store.add("c", [write(tmp_path, "c.txt", "字" * 10)])
    assert texts(store, "b") == []
    assert texts(store, "a")
    assert texts(store, "c")


class SlowEmbedder(HashingEmbedder):
    """Waits until it is let go, once it has been told to."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.go = threading.Event(), threading.Event()

    def encode(self, texts) -> np.ndarray:
        self.started.set()
        assert self.go.wait(20)
        return super().encode(texts)


def test_one_visitors_upload_delays_no_other(tmp_path) -> None:
    embedder = SlowEmbedder()
    store = SessionDocuments(embedder)
    path = write(tmp_path, "大.txt", "很大的文件。")
    uploading = threading.Thread(target=store.add, args=("a", [path]))
    uploading.start()
    assert embedder.started.wait(20)
    asked = threading.Thread(target=store.base, args=("b",))
    asked.start()
    asked.join(5)
    assert not asked.is_alive()
    embedder.go.set()
    uploading.join(20)
    assert texts(store, "a") == ["很大的文件。"]


def test_a_file_is_removed_and_its_copies_come_back(tmp_path) -> None:
    store = SessionDocuments(HashingEmbedder())
    store.add("a", [write(tmp_path, "1.txt", "甲。\n共有的话。"), write(tmp_path, "2.txt", "共有的话。\n乙。")])
    assert texts(store, "a") == ["甲。", "共有的话。", "乙。"]
    assert [entry.duplicates for entry in store.files("a")] == [0, 1]
    store.remove("a", "1.txt")
    assert sorted(texts(store, "a")) == ["乙。", "共有的话。"]
    assert [entry.name for entry in store.files("a")] == ["2.txt"]
    with pytest.raises(InputError, match="没有加入过"):
        store.remove("a", "1.txt")
    assert store.add("a", [write(tmp_path, "1.txt", "丙。")])["added"]
    assert "丙。" in texts(store, "a")
