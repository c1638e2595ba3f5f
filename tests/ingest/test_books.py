"""OpenDocument, EPUB and RTF."""

from pathlib import Path

import pytest

from src.errors import KnowledgeError
from src.ingest.parse import read_file
from src.ingest.types import Document
from tests.ingest import samples


def read(folder: Path, name: str, data: bytes) -> list[Document]:
    path = folder / name
    path.write_bytes(data)
    return read_file(path)


def row(*cells: str) -> str:
    return "<table:table-row>" + "".join(cells) + "</table:table-row>"


def cell(text: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>"


def test_opendocument_text_has_sections_tables_and_notes(tmp_path: Path) -> None:
    table = f"<table:table>{row(cell('桥名'), cell('跨径'))}{row(cell('望溪桥'), cell('36米'))}</table:table>"
    inner = (
        '<text:h text:outline-level="1">桥梁名录</text:h><text:p>共<text:s text:c="2"/>一座<text:note><text:note-citation>1'
        "</text:note-citation><text:note-body><text:p>截至去年</text:p></text:note-body></text:note>。</text:p>"
        f'<text:list><text:list-item><text:p>条目</text:p></text:list-item></text:list><text:h text:outline-level="2">表</text:h>{table}'
    )
    assert [(d.title, d.text) for d in read(tmp_path, "a.odt", samples.opendocument("text", inner))] == [
        ("桥梁名录", "共  一座（注：截至去年）。\n条目"),
        ("桥梁名录 › 表", "桥名：望溪桥；跨径：36米"),
    ]


def test_opendocument_sheets_end_where_their_text_does(tmp_path: Path) -> None:
    covered = "<table:covered-table-cell/>"
    rest = '<table:table-cell table:number-columns-repeated="16380"/>'
    rows = (
        row(cell("桥名"), cell("检查", 'table:number-columns-spanned="2"'), covered, rest)
        + row("<table:table-cell/>", cell("春"), cell("秋"))
        + row(cell("望溪桥"), cell("良好", 'table:number-columns-repeated="2"'))
        + '<table:table-row table:number-rows-repeated="1048000"><table:table-cell/></table:table-row>'
    )
    data = samples.opendocument("spreadsheet", f'<table:table table:name="检">{rows}</table:table>')
    (document,) = read(tmp_path, "a.ods", data)
    assert document == Document(
        "a.ods:s1:r3", "a.ods 工作表 检", "检", "桥名：望溪桥；检查 春：良好；检查 秋：良好"
    )


def test_a_book_is_read_in_its_order(tmp_path: Path) -> None:
    data = samples.book(
        "造桥记", {"z.xhtml": "<h1>第一章</h1><p>先打桩。</p>", "a.xhtml": "<h1>第二章</h1><p>再架梁。</p>"}
    )
    assert [(d.title, d.text) for d in read(tmp_path, "a.epub", data)] == [
        ("造桥记 › 第一章", "先打桩。"),
        ("造桥记 › 第二章", "再架梁。"),
    ]


def test_rich_text(tmp_path: Path) -> None:
    (document,) = read(tmp_path, "a.rtf", samples.rich("望溪桥限载十吨。\n超载的绕行。"))
    assert document.text == "望溪桥限载十吨。\n超载的绕行。"


@pytest.mark.parametrize("name", ["a.odt", "a.ods", "a.epub", "a.rtf"])
def test_what_only_says_to_be_one_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(KnowledgeError, match="后缀是"):
        read(tmp_path, name, b"PK\x03\x04 nothing")
    with pytest.raises(KnowledgeError, match="后缀是"):
        read(tmp_path, name, samples.word_sample())
    kinds = {"a.odt": "text", "a.ods": "spreadsheet"}
    if name in kinds:
        laughs = "<!DOCTYPE d [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>"
        data = samples.replaced(
            samples.opendocument(kinds[name], "<text:p>&b;</text:p>"),
            {"content.xml": lambda xml: laughs.encode() + xml},
        )
        with pytest.raises(KnowledgeError):
            read(tmp_path, name, data)
