"""Documents of one session: read one by one, limited, removable; nothing of them in another session's."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.errors import Busy, InputError
from src.ingest.limits import UPLOAD_LIMITS
from src.ingest.worker import ParserPool
from src.models.embedders.fake import HashingEmbedder
from src.search import own as module
from src.search.own import OwnDocuments
from tests.ingest import samples
from tests.ingest.hostile import CASES


@pytest.fixture
def documents() -> OwnDocuments:
    return OwnDocuments(HashingEmbedder(), ParserPool())


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def texts(documents: OwnDocuments) -> list[str]:
    store = documents.store
    return [stored.chunk.text for stored in store.chunks()] if store else []


def test_without_a_file_there_is_no_collection(documents) -> None:
    assert documents.store is None
    assert documents.files() == []
    assert documents.characters == 0


def test_a_bad_file_keeps_no_other_out(documents, tmp_path) -> None:
    files = [
        write(tmp_path, "好.txt", "好的。"),
        write(tmp_path, "坏.jsonl", "{"),
        write(tmp_path, "空.txt", " \n"),
        write(tmp_path, "不认识.exe", "MZ"),
        write(tmp_path, "也好.md", "# 标题\n\n正文。"),
    ]
    result = documents.add(files)
    assert [item["source"] for item in result["added"]] == ["好.txt", "也好.md"]
    assert [item["source"] for item in result["rejected"]] == ["坏.jsonl", "空.txt", "不认识.exe"]
    assert all(item["reason"] for item in result["rejected"])
    assert [entry.name for entry in documents.files()] == ["好.txt", "也好.md"]


def test_office_files_are_read_and_cited_by_their_page(documents, tmp_path) -> None:
    (tmp_path / "课件.pptx").write_bytes(samples.slides([("封面", "欢迎。"), ("安全", "先拨打内线。")]))
    (tmp_path / "假.docx").write_bytes(b"%PDF-1.7")
    result = documents.add([tmp_path / "假.docx", tmp_path / "课件.pptx"])
    read = {"characters": 13, "counts": {"pages": 2}}
    assert result["added"] == [{"source": "课件.pptx", "chunks": 2, **read}]
    assert "内容其实是 pdf" in result["rejected"][0]["reason"]
    assert documents.store is not None
    sources = [stored.chunk.source for stored in documents.store.chunks()]
    assert sources == ["课件.pptx 第 1 页", "课件.pptx 第 2 页"]


def test_a_file_that_hangs_is_refused_and_others_are_added(tmp_path) -> None:
    (tmp_path / "贪心.pdf").write_bytes(next(case for case in CASES if case.name == "自引用.pdf").make())
    parser = ParserPool(limits=replace(UPLOAD_LIMITS, max_seconds=1.0))
    documents = OwnDocuments(HashingEmbedder(), parser)
    result = documents.add([tmp_path / "贪心.pdf", write(tmp_path, "好.txt", "好的。")])
    assert [item["source"] for item in result["added"]] == ["好.txt"]
    assert "已停止" in result["rejected"][0]["reason"]
    parser.close()


def test_limits(documents, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 2)
    monkeypatch.setattr(module, "MAX_CHARACTERS", 50)
    assert documents.add([write(tmp_path, "长.txt", "字" * 51)])["rejected"][0]["reason"].startswith("文字太多")
    assert documents.add([write(tmp_path, "1.txt", "一。")])["added"]
    assert "加入过" in documents.add([write(tmp_path, "1.txt", "一。")])["rejected"][0]["reason"]
    assert documents.add([write(tmp_path, "2.txt", "二。")])["added"]
    assert "最多加入 2 个" in documents.add([write(tmp_path, "3.txt", "三。")])["rejected"][0]["reason"]
    assert texts(documents) == ["一。", "二。"]
    assert documents.characters == 4


def test_two_visitors_may_upload_one_file(tmp_path) -> None:
    """gradio names an upload by its content, so both get the same path."""
    path = write(tmp_path, "讲义.txt", "同一份讲义。")
    both = [OwnDocuments(HashingEmbedder(), ParserPool()) for _ in range(2)]
    assert all(documents.add([path])["added"] for documents in both)
    assert [texts(documents) for documents in both] == [["同一份讲义。"]] * 2


class SlowEmbedder(HashingEmbedder):
    """Waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.go = threading.Event(), threading.Event()

    def encode(self, texts) -> np.ndarray:
        self.started.set()
        assert self.go.wait(20)
        return super().encode(texts)


def test_few_uploads_wait_for_each_other_and_reading_waits_for_none(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    embedder = SlowEmbedder()
    documents = OwnDocuments(embedder, ParserPool())
    uploading = threading.Thread(target=documents.add, args=([write(tmp_path, "大.txt", "很大的文件。")],))
    uploading.start()
    assert embedder.started.wait(20)
    assert documents.files() == []
    with pytest.raises(Busy, match="1 次上传"):
        documents.add([write(tmp_path, "小.txt", "小。")])
    embedder.go.set()
    uploading.join(20)
    assert texts(documents) == ["很大的文件。"]
    assert documents.add([write(tmp_path, "小.txt", "小。")])["added"]


def test_a_file_is_removed_and_its_copies_come_back(documents, tmp_path) -> None:
    documents.add([write(tmp_path, "1.txt", "甲。\n共有的话。"), write(tmp_path, "2.txt", "共有的话。\n乙。")])
    assert texts(documents) == ["甲。", "共有的话。", "乙。"]
    assert [entry.duplicates for entry in documents.files()] == [0, 1]
    documents.remove("1.txt")
    assert sorted(texts(documents)) == ["乙。", "共有的话。"]
    assert [entry.name for entry in documents.files()] == ["2.txt"]
    with pytest.raises(InputError, match="没有加入过"):
        documents.remove("1.txt")
    assert documents.add([write(tmp_path, "1.txt", "丙。")])["added"]
    assert "丙。" in texts(documents)
    documents.remove("1.txt")
    documents.remove("2.txt")
    assert documents.store is None
    assert documents.characters == 0


def test_a_new_version_takes_the_place_of_the_old_one(documents, tmp_path) -> None:
    first, second = tmp_path / "一", tmp_path / "二"
    first.mkdir()
    second.mkdir()
    documents.add([write(first, "价目.txt", "桂花糕三十八元。"), write(first, "别的.txt", "别的话。")])
    (told,) = documents.add([write(second, "价目.txt", "桂花糕四十二元。")])["added"]
    changes = {"new": 1, "kept": 0, "gone": 1}
    assert told == {
        "source": "价目.txt", "chunks": 1, "replaced": True, "changes": changes, "characters": 8, "counts": {},
    }  # fmt: skip
    assert sorted(texts(documents)) == ["别的话。", "桂花糕四十二元。"]
    (same,) = documents.add([second / "价目.txt"])["rejected"]
    assert "没有变" in same["reason"]
    # One that cannot be used leaves the old one there.
    assert documents.add([write(second, "价目.txt", " \n")])["rejected"]
    assert sorted(texts(documents)) == ["别的话。", "桂花糕四十二元。"]
    assert documents.characters == len("别的话。桂花糕四十二元。")


def test_what_is_left_out_of_a_file_is_said(documents, tmp_path) -> None:
    (tmp_path / "表.xlsx").write_bytes(
        samples.workbook({"一": [["品名", "金额"], ["水泥", "=OTHER!A1*2"], ["钢筋", 3]]})
    )
    (told,) = documents.add([tmp_path / "表.xlsx"])["added"]
    assert told["chunks"] >= 1
    assert any("公式" in warning for warning in told["warnings"])
