"""The page of a chunk from the file that was indexed: changed, gone, edited, switched off, somebody else's."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.errors import InputError, KnowledgeError
from src.ingest.limits import PAGE_LIMITS
from src.ingest.worker import ParserPool
from src.models.embedders.fake import HashingEmbedder
from src.search import own as own_module
from src.search.indexing import open_base
from src.search.knowledge_base import KnowledgeBase
from src.search.own import OwnDocuments
from src.search.source_page import SourcePages
from tests.ingest import samples

LINES = ["员工手册", "入职满一年的员工有十二天年假。", "上班时间是早上九点，下班时间是下午六点。"]


@pytest.fixture(scope="module")
def pages() -> Iterator[SourcePages]:
    pool = ParserPool(2, PAGE_LIMITS)
    yield SourcePages(pool)
    pool.close()


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    folder = tmp_path / "k"
    folder.mkdir()
    (folder / "手册.pdf").write_bytes(samples.pdf([["第一页的话。"], LINES]))
    (folder / "别的.txt").write_text("没有页的话。\n", encoding="utf-8")
    return folder / "手册.pdf"


@pytest.fixture
def base(handbook: Path) -> KnowledgeBase:
    return open_base([handbook.parent], HashingEmbedder(), handbook.parent.parent / "cache")


def chunk_with(base: KnowledgeBase, text: str) -> str:
    return next(stored.chunk.chunk_id for stored in base.chunks() if text in stored.chunk.text)


def test_the_store_knows_the_page_also_when_it_is_opened_again(base, handbook) -> None:
    assert [stored.chunk.page for stored in base.chunks("手册.pdf")] == [1, 2]
    assert [stored.chunk.page for stored in base.chunks("别的.txt")] == [None]
    again = open_base([handbook.parent], HashingEmbedder(), handbook.parent.parent / "cache")
    assert [stored.chunk.page for stored in again.chunks("手册.pdf")] == [1, 2]


def test_a_page_with_the_words(base, pages) -> None:
    found = pages.of_base(base, chunk_with(base, "年假"), [(0, 4)])
    assert (found.file, found.chunk.page, found.edited, found.found) == ("手册.pdf", 2, False, 1.0)
    assert len(found.pages[0].boxes[0]) == 1


def test_a_file_that_changed_or_is_gone_is_not_shown(base, pages, handbook) -> None:
    chunk_id = chunk_with(base, "年假")
    os.utime(handbook, (1, 1))  # the same content with another time is the same file
    assert pages.of_base(base, chunk_id).found == 1.0
    handbook.write_bytes(samples.pdf([["第一页的话。"], ["换成了别的。"]]))
    with pytest.raises(KnowledgeError, match="改过"):
        pages.of_base(base, chunk_id)
    handbook.unlink()
    with pytest.raises(KnowledgeError, match="不在原来的地方"):
        pages.of_base(base, chunk_id)
    handbook.mkdir()
    with pytest.raises(KnowledgeError, match="改过"):
        pages.of_base(base, chunk_id)


def test_an_edited_chunk_says_so_and_one_that_is_off_is_hidden(base, pages) -> None:
    chunk_id = chunk_with(base, "年假")
    base.edit(chunk_id, "入职满一年的员工有二十天年假。")
    found = pages.of_base(base, chunk_id)
    assert found.edited
    assert 0.5 < found.found < 1.0
    base.switch(chunk_id, False)
    with pytest.raises(KnowledgeError, match="不在索引里"):
        pages.of_base(base, chunk_id)
    assert pages.of_base(base, chunk_id, hidden=True).edited


def test_bad_requests(base, pages) -> None:
    chunk_id = chunk_with(base, "年假")
    for start, end in ((-1, 3), (3, 3), (5, 2), (0, 10_000)):
        with pytest.raises(InputError, match="start 和 end"):
            pages.of_base(base, chunk_id, [(start, end)])
    with pytest.raises(InputError, match="没有可以显示的页"):
        pages.of_base(base, chunk_with(base, "没有页"))
    for unknown in ("", "手册.pdf:p2#99", "../手册.pdf:p2#1", "x" * 5_000):
        with pytest.raises(KnowledgeError, match="不在索引里"):
            pages.of_base(base, unknown)


@pytest.fixture
def mine(tmp_path: Path, pages: SourcePages) -> Iterator[OwnDocuments]:
    pool = ParserPool()
    documents = OwnDocuments(HashingEmbedder(), pool)
    path = tmp_path / "我的.pdf"
    path.write_bytes(samples.pdf([LINES]))
    assert documents.add([path])["added"]
    path.unlink()  # as gradio does after ten minutes
    yield documents
    pool.close()


def test_own_pages_need_no_file(mine, pages) -> None:
    assert mine.store is not None
    chunk_id = chunk_with(mine.store, "年假")
    assert pages.of_own(mine, chunk_id).found == 1.0
    mine.forget_originals()
    assert mine.original_bytes == 0
    with pytest.raises(KnowledgeError, match="没有留着"):
        pages.of_own(mine, chunk_id)
    mine.remove("我的.pdf")
    with pytest.raises(KnowledgeError, match="不在索引里"):
        pages.of_own(mine, chunk_id)


def test_another_visitors_chunk_is_unknown(mine, pages) -> None:
    assert mine.store is not None
    other = OwnDocuments(HashingEmbedder(), ParserPool())
    with pytest.raises(KnowledgeError, match="不在索引里"):
        pages.of_own(other, chunk_with(mine.store, "年假"))


def test_of_many_files_the_last_are_kept(tmp_path, monkeypatch) -> None:
    documents = OwnDocuments(HashingEmbedder(), ParserPool())
    sizes = []
    for number in range(3):
        path = tmp_path / f"{number}.pdf"
        path.write_bytes(samples.pdf([[f"第{number}份文件的内容。"]]))
        sizes.append(path.stat().st_size)
    monkeypatch.setattr(own_module, "MAX_ORIGINAL_BYTES", sum(sizes) - 1)
    (tmp_path / "文.txt").write_text("没有页。", encoding="utf-8")
    documents.add([*(tmp_path / f"{number}.pdf" for number in range(3)), tmp_path / "文.txt"])
    assert documents.original_bytes == sum(sizes[1:])
    with pytest.raises(KnowledgeError, match="没有留着"):
        documents.original("0.pdf")
    assert documents.original("2.pdf").startswith(b"%PDF")
    # Once more brings its pages back.
    assert documents.add([tmp_path / "0.pdf"])["added"][0]["changes"] == {"new": 0, "kept": 1, "gone": 0}
    assert documents.original("0.pdf").startswith(b"%PDF")
    assert documents.add([tmp_path / "0.pdf"])["rejected"]
