"""The text of a resume that comes as a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src.errors import KnowledgeError
from src.extraction.document import read_resume, whole_text
from src.ingest.types import Document
from src.ingest.worker import ParserPool
from tests.ingest import samples
from tests.ingest.hostile import CASES


@pytest.fixture(scope="module")
def parser() -> Iterator[ParserPool]:
    pool = ParserPool()
    yield pool
    pool.close()


def resume(document) -> None:
    document.add_heading("李雷", 0)
    document.add_paragraph("男，汉族。")
    document.add_heading("教育背景", 1)
    document.add_paragraph("硕士，会计学。")
    document.add_heading("工作经历", 1)
    document.add_heading("2010 至今", 2)
    document.add_paragraph("任远山公司总经理。")


FILES = [
    ("简历.docx", lambda: samples.word(resume),
     "李雷\n男，汉族。\n教育背景\n硕士，会计学。\n工作经历\n2010 至今\n任远山公司总经理。"),
    ("简历.pdf", lambda: samples.pdf([["李雷，男"], ["任远山公司总经理。"]], title="求职"), "李雷，男\n任远山公司总经理。"),
    ("简历.pptx", lambda: samples.slides([("李雷", "硕士"), ("经历", "总经理")]), "李雷\n硕士\n经历\n总经理"),
    ("简历.txt", lambda: "李雷，男\r\n\r\n 总经理".encode("gb18030"), "李雷，男\n总经理"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "text"), FILES, ids=lambda value: value if isinstance(value, str) else "")
def test_text_in_reading_order(tmp_path: Path, parser: ParserPool, name: str, make, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(make())
    assert read_resume(parser, path, 5000) == (text, len(text))
    assert read_resume(parser, path, 3) == (text[:3], len(text))


def test_headings_stand_once_where_they_begin() -> None:
    documents = [Document("", "", title, text) for title, text in
                 [("甲", "1"), ("甲 › 乙", "2"), ("甲 › 乙", "3"), ("甲 › 丙", "4"), ("", "5"), ("甲", "6")]]  # fmt: skip
    assert whole_text(documents) == "甲\n1\n乙\n2\n3\n丙\n4\n5\n甲\n6"
    assert whole_text(documents, titles=False) == "1\n2\n3\n4\n5\n6"


@pytest.mark.parametrize("name", ["空.pdf", "加密.docx", "加密.pdf", "炸弹.docx", "其实是word.pdf", "程序.txt"])
def test_what_cannot_be_read_is_said_in_a_line(tmp_path: Path, parser: ParserPool, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(next(case for case in CASES if case.name == name).make())
    with pytest.raises(KnowledgeError, match=name):
        read_resume(parser, path, 5000)


def test_the_name_of_the_file_is_no_part_of_the_resume(tmp_path: Path, parser: ParserPool) -> None:
    for name, heading in (("王小明的简历", ""), ("王小明简历", "王小明简历")):
        path = tmp_path / f"{name}.docx"

        def fill(document: Any, heading: str = heading) -> None:
            if heading:
                document.add_heading(heading, 1)
            document.add_paragraph("王小明，汉族。")

        path.write_bytes(samples.word(fill))
        expected = "\n".join(filter(None, [heading, "王小明，汉族。"]))
        assert read_resume(parser, path, 1_000).text == expected
