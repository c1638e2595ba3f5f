import json
import logging
from pathlib import Path

import pytest

from src.errors import KnowledgeError
from src.ingest.limits import Limits
from src.ingest.parse import knowledge_files, read_file


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_txt_one_document_a_line(tmp_path):
    documents = read_file(write(tmp_path / "a.txt", "第一\r\n\r\n \n第\x0c四\x00\n"))
    assert [(d.doc_id, d.source, d.title, d.text) for d in documents] == [
        ("a.txt:1", "a.txt", "", "第一"),
        ("a.txt:4", "a.txt", "", "第四"),
    ]


def test_jsonl(tmp_path):
    lines = [
        {"id": "x", "text": "甲\u0000乙", "title": "题", "source": "书"},
        {"id": 7, "text": "丙", "title": None, "other": 1},
        {"id": "blank", "text": "  "},
    ]
    path = write(tmp_path / "a.jsonl", "\n".join(json.dumps(line) for line in lines) + "\n\n")
    assert [(d.doc_id, d.source, d.title, d.text) for d in read_file(path)] == [
        ("x", "书", "题", "甲乙"),
        ("7", "a.jsonl", "", "丙"),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{bad", "JSON"),
        ("[1]", "list"),
        ('{"id": "first", "text": "甲"}', "与第 1 行重复"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_bad_jsonl_names_file_and_line(tmp_path, line, words):
    path = write(tmp_path / "坏.jsonl", '{"id": "first", "text": "好"}\n' + line)
    with pytest.raises(KnowledgeError, match=r"坏\.jsonl 第 2 行") as caught:
        read_file(path)
    assert words in str(caught.value)


def test_markdown_sections_carry_their_path_of_headings(tmp_path):
    text = "前言\n# 手册 #\n\n总则\n## 一、假期\n```\n# 不是标题\n```\n### 年假\n六天\n## 空章\n# 新书\n#标签\n"
    documents = read_file(write(tmp_path / "m.md", text))
    assert [(d.doc_id, d.title, d.text) for d in documents] == [
        ("m.md:1", "", "前言"),
        ("m.md:2", "手册", "总则"),
        ("m.md:5", "手册 › 一、假期", "```\n# 不是标题\n```"),
        ("m.md:9", "手册 › 一、假期 › 年假", "六天"),
        ("m.md:11", "手册", "空章"),
        ("m.md:12", "新书", "#标签"),
    ]


def test_refusals_say_what_came_and_what_is_read(tmp_path):
    with pytest.raises(KnowledgeError, match=r"\.xyz.*\.txt \.jsonl \.md"):
        read_file(write(tmp_path / "a.xyz", "x"))
    with pytest.raises(KnowledgeError, match="没有可用的文字"):
        read_file(write(tmp_path / "empty.txt", " \n"))
    with pytest.raises(KnowledgeError, match="上限"):
        read_file(write(tmp_path / "big.txt", "字" * 1000), limits=Limits(2_000, 9))
    with pytest.raises(KnowledgeError, match="超过 2 篇"):
        read_file(write(tmp_path / "many.txt", "一\n二\n三"), limits=Limits(9_000, 2))
    with pytest.raises(KnowledgeError, match="打不开"):
        read_file(tmp_path / "missing.txt")


def test_folder_is_read_in_order_and_skips_with_a_log(tmp_path, caplog):
    for name in ("b.txt", "a/z.txt", "a/b.MD", ".hidden/x.txt", "pic.gif", "~$a.docx", "empty.txt"):
        write(tmp_path / name, "" if name == "empty.txt" else f"# t\n{name}")
    with caplog.at_level(logging.INFO):
        files = knowledge_files([tmp_path])
    assert [name for _, name in files] == ["a/b.MD", "a/z.txt", "b.txt", "empty.txt"]
    assert "pic.gif" in caplog.text


def test_one_name_in_two_places_and_one_file_twice(tmp_path):
    first, second = write(tmp_path / "x/n.txt", "甲"), write(tmp_path / "y/n.txt", "乙")
    assert knowledge_files([first, second, first]) == [(first, "n.txt"), (second, "y/n.txt")]
    assert knowledge_files([first, tmp_path / "x"]) == [(first, "n.txt")]
    with pytest.raises(KnowledgeError, match="不存在"):
        knowledge_files([tmp_path / "z"])


@pytest.mark.parametrize("key", ["id", "title", "source"])
def test_a_name_that_is_a_book_is_refused(tmp_path: Path, key: str) -> None:
    record = {"id": "a", "text": "正文", key: "长" * 201}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(KnowledgeError, match=f"第 1 行：{key} 有 201 个字"):
        read_file(path)


def test_a_heading_that_is_a_book_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(f"# {'长' * 5000}\n\n正文", encoding="utf-8")
    assert [len(document.title) for document in read_file(path)] == [200]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("水库巡查表.csv", "水库巡查表"),
        ("新建 表格2.csv", ""),
        ("IMG_2231.csv", ""),
        ("dam patrol.csv", "dam patrol"),
    ],
)
def test_a_file_name_that_says_something_is_the_title_of_what_has_none(
    tmp_path: Path, name: str, title: str
) -> None:
    path = tmp_path / name
    path.write_text("坝号,水位\n一号,31", encoding="utf-8")
    assert [document.title for document in read_file(path)] == [title]
