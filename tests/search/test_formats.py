"""One file of every format, made with real writers: indexed as a folder, each file's own sentence is found in its place."""

import json
from pathlib import Path

import pytest

from src.models.embedders.use import UniversalSentenceEncoder
from src.search.indexing import open_base
from src.search.search import Retriever
from tests.ingest import samples

FILLER = "这一页讲的是别的事情，与要找的内容没有关系。"


def sentence(subject: str) -> str:
    return f"{subject}的值班电话是八八六六，由后勤处负责。"


def write_all(folder: Path) -> dict[str, str]:
    """What is in which file -> the source that a reader would look up."""
    (folder / "文本.txt").write_text(f"{FILLER}\n{sentence('蓝鲸实验室')}\n", "utf-8")
    (folder / "国标.txt").write_bytes(sentence("红松林场").encode("gb18030"))
    (folder / "笔记.md").write_text(f"# 总则\n\n{FILLER}\n\n## 电话\n\n{sentence('青石档案馆')}\n", "utf-8")
    page = f"<html><body><h1>通知</h1><p>{sentence('银杏食堂')}</p><script>alert('x')</script></body></html>"
    (folder / "网页.html").write_text(page, "utf-8")
    record = {"id": "r1", "text": sentence("紫藤书店"), "source": "电话本"}
    (folder / "行.jsonl").write_text(json.dumps(record, ensure_ascii=False), "utf-8")
    (folder / "数组.json").write_text(json.dumps([sentence("黄鹂剧场")], ensure_ascii=False), "utf-8")
    (folder / "名单.csv").write_text("部门,说明\n后勤,略\n后勤," + sentence("白塔泳池") + "\n", "utf-8")
    pages = [[FILLER], [FILLER], [sentence("金山矿场")]]
    (folder / "报告.pdf").write_bytes(samples.pdf(pages))
    (folder / "文件.docx").write_bytes(samples.word(lambda d: d.add_paragraph(sentence("铁桥车站"))))
    (folder / "课件.pptx").write_bytes(samples.slides([("封面", FILLER), ("电话", sentence("石榴幼儿园"))]))
    book = {"说明": [["项目", "内容"], ["甲", FILLER]], "电话": [["单位", "说明"], ["某处", sentence("樟树诊所")]]}
    (folder / "表格.xlsx").write_bytes(samples.workbook(book))
    lines = samples.picture(["木棉广场的值班电话是八八六六"])
    (folder / "照片.png").write_bytes(samples.encoded(lines, "PNG"))
    return {
        "蓝鲸实验室": "文本.txt",
        "红松林场": "国标.txt",
        "青石档案馆": "笔记.md",
        "银杏食堂": "网页.html",
        "紫藤书店": "电话本",
        "黄鹂剧场": "数组.json",
        "白塔泳池": "名单.csv",
        "金山矿场": "报告.pdf 第 3 页",
        "铁桥车站": "文件.docx",
        "石榴幼儿园": "课件.pptx 第 2 页",
        "樟树诊所": "表格.xlsx 工作表 电话",
        "木棉广场": "照片.png",
    }


@pytest.mark.model
def test_every_format_is_indexed_and_found_in_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "资料"
    folder.mkdir()
    expected = write_all(folder)
    (folder / "坏的.pdf").write_bytes(b"%PDF-1.7 broken")
    embedder = UniversalSentenceEncoder(threads=2)
    base = open_base([folder], embedder, tmp_path / "cache", workers=2)
    retriever = Retriever(base, embedder)
    found = {subject: retriever.search(f"{subject}的值班电话是多少？")[0] for subject in expected}
    assert {subject: hit.chunk.source for subject, hit in found.items()} == expected
    assert all(subject in hit.chunk.text for subject, hit in found.items())
    assert [name for name, entry in base.files().items() if entry.problem] == ["坏的.pdf"]
    assert base.stats()["files"] == len(expected) + 1
