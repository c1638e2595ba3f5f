"""Every format is read, by the process that uploads go through."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from src.errors import KnowledgeError
from src.ingest.parse import read_file
from src.ingest.readers import READERS
from src.ingest.readers.flow import join_lines
from src.ingest.readers.numbering import chinese
from src.ingest.readers.ocr import MAX_SIDE, strips
from src.ingest.split import split_document
from src.ingest.types import Document
from src.ingest.worker import ParserPool
from tests.ingest import samples

PAGE = """<!DOCTYPE html><html><head><meta charset="gb2312"><title>某某公司</title><style>p{}</style></head><body>
<nav><a href="/">首页</a></nav><div style="display: none">看不见</div><script>var a = "脚本";</script>
<h2>报销&amp;差旅</h2><p>住宿标准是<b>每晚</b>四百元。<br>超出部分自理。</p>
<h3>名单</h3><table><tr><th>姓名</th><th>部门</th></tr><tr><td>张三</td><td rowspan=2>研发部</td></tr><tr><td>李四</td></tr></table>
</body></html>"""


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    pool = ParserPool()
    yield pool
    pool.close()


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def pages_of(first: str, second: str) -> bytes:
    """A PDF whose first page is text and whose second page is a picture of text."""
    import pypdfium2

    document = pypdfium2.PdfDocument(samples.pdf([[first, "这一页是普通的文字，不用识别。"]]))
    scan = pypdfium2.PdfDocument(samples.encoded(samples.picture([second]), "PDF"))
    document.import_pages(scan)
    return samples.saved(document)


def sample(suffix: str) -> bytes:
    sentence = f"这是{suffix[1:]}里的一句话，编号七三一九。"
    if suffix in (".txt", ".md"):
        return f"# 标题\n{sentence}\n".encode("gb18030")
    if suffix in (".json", ".jsonl"):
        record = {"id": "a", "text": sentence}
        return json.dumps([record] if suffix == ".json" else record, ensure_ascii=False).encode()
    if suffix == ".csv":
        return f"编号;内容\n1;{sentence}\n".encode("utf-16")
    if suffix == ".tsv":
        return f"编号\t内容\n1\t{sentence}\n".encode("gb18030")
    if suffix == ".xml":
        return f"<a><b>标题</b><c>{sentence}</c></a>".encode("gb18030").join(
            [b'<?xml version="1.0" encoding="gb18030"?>', b""]
        )
    if suffix == ".ipynb":
        return json.dumps({"cells": [{"cell_type": "markdown", "source": ["# 标题\n", sentence]}]}).encode()
    if suffix == ".eml":
        return f"Subject: a\nContent-Type: text/plain; charset=utf-8\n\n{sentence}".encode()
    if suffix in (".srt", ".vtt"):
        return f"WEBVTT\n\n1\n00:00:01,000 --> 00:00:02,500\n{sentence}\n".encode()
    if suffix in (".html", ".htm"):
        return f"<h1>标题</h1><p>{sentence}".encode()
    if suffix == ".pdf":
        return samples.pdf([["封面"], [sentence]])
    if suffix == ".docx":
        return samples.word(lambda document: document.add_paragraph(sentence))
    if suffix == ".pptx":
        return samples.slides([("封面", ""), ("正文", sentence)])
    if suffix == ".odt":
        return samples.opendocument("text", f"<text:p>{sentence}</text:p>")
    if suffix == ".ods":
        cell = (
            f"<table:table-row><table:table-cell><text:p>{sentence}</text:p></table:table-cell></table:table-row>"
        )
        return samples.opendocument("spreadsheet", f'<table:table table:name="二">{cell}</table:table>')
    if suffix == ".odp":
        page = f"<draw:page><draw:text-box><text:p>标题</text:p><text:p>{sentence}</text:p></draw:text-box></draw:page>"
        return samples.opendocument("presentation", page)
    if suffix == ".xls":
        return samples.old_workbook([["编号", "内容"], [1, sentence]])
    if suffix == ".msg":
        return samples.outlook("标题", sentence)
    if suffix == ".epub":
        return samples.book("书", {"a.xhtml": f"<p>{sentence}</p>"})
    if suffix == ".rtf":
        return samples.rich(sentence)
    if suffix == ".xlsx":
        return samples.workbook({"一": [["甲"]], "二": [["编号", "内容"], [1, sentence]]})
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF"}.get(suffix, suffix[1:].upper())
    return samples.encoded(samples.picture([sentence]), kind)


@pytest.mark.parametrize("suffix", READERS)
def test_every_format_is_read_with_its_source(pool: ParserPool, tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, f"文件{suffix}", sample(suffix))
    found = [document for document in pool.read(path) if "编号七三一九" in document.text]
    place = {
        ".pdf": " 第 2 页",
        ".pptx": " 第 2 页",
        ".xlsx": " 工作表 二",
        ".ods": " 工作表 二",
        ".xls": " 工作表 一",
        ".odp": " 第 1 页",
        ".srt": " 00:00:01",
        ".vtt": " 00:00:01",
    }.get(suffix, "")
    assert [document.source for document in found] == [f"文件{suffix}{place}"]
    assert found[0].doc_id.startswith(f"文件{suffix}:") or suffix in (".json", ".jsonl")


def test_word_sections_and_tables(tmp_path: Path) -> None:
    documents = read_file(write(tmp_path, "手册.docx", samples.word_sample()))
    assert [(d.title, d.text) for d in documents] == [
        ("员工手册 › 第一章 假期", "入职满一年的员工有十二天年假。"),
        (
            "员工手册 › 第一章 假期 › 附表",
            "姓名：张三；部门：研发部；入职日期：2023-05-01\n姓名：李四；部门：研发部；入职日期：2024-02-10",
        ),
        ("员工手册 › 第二章 考勤", "上班时间是早上九点。"),
    ]
    assert len({d.doc_id for d in documents}) == 3


def test_word_takes_insertions_and_links_not_deletions(tmp_path: Path) -> None:
    inner = (
        "<w:ins><w:r><w:t>新</w:t></w:r></w:ins><w:del><w:r><w:delText>旧</w:delText></w:r></w:del>"
        "<w:hyperlink><w:r><w:t>链接</w:t></w:r></w:hyperlink><w:sdt><w:sdtContent><w:r><w:t>控件</w:t></w:r>"
        "</w:sdtContent></w:sdt></w:p>"
    )
    data = samples.word(lambda document: document.add_paragraph("文"))
    data = samples.replaced(data, {"word/document.xml": lambda xml: xml.replace(b"</w:p>", inner.encode(), 1)})
    assert [d.text for d in read_file(write(tmp_path, "a.docx", data))] == ["文新链接控件"]


def test_word_numbers_are_written_out(tmp_path: Path) -> None:
    def level(index: int, kind: str, text: str) -> str:
        return f'<w:lvl w:ilvl="{index}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/><w:lvlText w:val="{text}"/></w:lvl>'

    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    levels = level(0, "chineseCounting", "第%1条") + level(1, "decimal", "%2.") + level(2, "bullet", "·")
    numbering = (
        f'<w:numbering xmlns:w="{space}"><w:abstractNum w:abstractNumId="5">{levels}</w:abstractNum>'
        '<w:num w:numId="7"><w:abstractNumId w:val="5"/></w:num></w:numbering>'
    )
    paragraphs = "".join(
        f'<w:p><w:pPr><w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{list_}"/></w:numPr></w:pPr>'
        f"<w:r><w:t>{text}</w:t></w:r></w:p>"
        for depth, list_, text in [
            (0, 7, "总则"), (1, 7, "甲"), (1, 7, "乙"), (2, 7, "点"), (0, 7, "附则"), (1, 7, "丙"), (0, 0, "无"), (8, 7, "深"),
        ]
    )  # fmt: skip
    data = samples.replaced(
        samples.word(lambda document: document.add_paragraph("头")),
        {
            "word/numbering.xml": numbering.encode(),
            "word/document.xml": lambda xml: xml.replace(b"</w:p>", b"</w:p>" + paragraphs.encode(), 1),
        },
    )
    (document,) = read_file(write(tmp_path, "a.docx", data))
    assert document.text.split("\n") == [
        "头",
        "第一条 总则",
        "1. 甲",
        "2. 乙",
        "点",
        "第二条 附则",
        "1. 丙",
        "无",
        "深",
    ]


@pytest.mark.parametrize(
    ("number", "text"), [(1, "一"), (10, "十"), (12, "十二"), (20, "二十"), (103, "一百零三"), (1010, "一千零一十")]
)
def test_chinese_numbers(number: int, text: str) -> None:
    assert chinese(number) == text


def test_slides_have_titles_notes_tables_and_groups(tmp_path: Path) -> None:
    first, second = read_file(write(tmp_path, "课件.pptx", samples.slides_sample()))
    assert (first.doc_id, first.source, first.title, first.text) == (
        "课件.pptx:p1",
        "课件.pptx 第 1 页",
        "开场",
        "欢迎参加培训。",
    )
    assert second.title == "安全须知"
    assert "姓名：李四；部门：市场部；入职日期：2024-02-10" in second.text.split("\n")
    assert "组合里的文字。" in second.text
    assert second.text.endswith("备注：这里停顿一下。")


def test_workbook_rows_carry_their_columns_and_hidden_sheets_stay_hidden(tmp_path: Path) -> None:
    documents = read_file(write(tmp_path, "名单.xlsx", samples.workbook_sample()))
    assert documents[1] == Document(
        "名单.xlsx:s2:r4",
        "名单.xlsx 工作表 员工",
        "员工 › 2024 年在册员工",
        "姓名：张三；年龄：31；入职日期：2023-05-01；出勤率：98.5%；备注：组长 兼培训\n"
        "姓名：李四；年龄：28；入职日期：2024-02-10 09:30:00；备注：是",
    )
    assert len(documents) == 2


def test_a_long_table_is_cut_between_rows_each_with_its_columns(tmp_path: Path) -> None:
    rows = [
        ["工号", "姓名", "地址"],
        *([n, f"员工{n}", f"广州市大学城外环西路{n}号。三楼；靠窗"] for n in range(200)),
    ]
    table = "\n".join(",".join(map(str, row)) for row in rows)
    lines = [f"工号：{n}；姓名：员工{n}；地址：广州市大学城外环西路{n}号。三楼；靠窗" for n in range(200)]
    for name, data in [("表.xlsx", samples.workbook({"一": rows})), ("表.csv", table.encode("gb18030"))]:
        chunks = [chunk for d in read_file(write(tmp_path, name, data)) for chunk in split_document(d)]
        assert [line for chunk in chunks for line in chunk.text.split("\n")] == lines
        assert all(len(chunk.text) <= 300 for chunk in chunks)
    # In a section the rows are between other text, and windows may share a row.
    section = "<p>前言。</p><table>" + "".join(
        f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows
    )
    (document,) = read_file(write(tmp_path, "表.html", f"{section}</table><p>后记。</p>".encode()))
    shown = [line for chunk in split_document(document) for line in chunk.text.split("\n")]
    assert set(shown) == {*lines, "前言。", "后记。"}


def test_a_row_longer_than_a_chunk_repeats_its_first_field(tmp_path: Path) -> None:
    header = [f"项目{n}" for n in range(20)]
    data = samples.workbook({"一": [header, [f"值{n}" * 12 for n in range(20)]]})
    (key, *_), *rest = (
        line.split("；") for d in read_file(write(tmp_path, "a.xlsx", data)) for line in d.text.split("\n")
    )
    assert rest
    assert all(fields[0] == key for fields in rest)
    assert {field.split("：")[0] for fields in rest for field in fields} > {"项目0", "项目19"}


def test_a_table_for_the_layout_repeats_no_long_text(tmp_path: Path) -> None:
    rows = [["左栏" * 40, "右栏" * 40], ["姓名", "部门"], ["张三", "研发"]]
    (document,) = read_file(write(tmp_path, "a.xlsx", samples.workbook({"一": rows})))
    assert document.text == f"{'左栏' * 40}；{'右栏' * 40}\n姓名：张三；部门：研发"


def test_html_is_what_a_browser_shows(tmp_path: Path) -> None:
    documents = read_file(write(tmp_path, "a.html", PAGE.encode("gbk")))
    assert [(d.title, d.text) for d in documents] == [
        ("某某公司 › 报销&差旅", "住宿标准是每晚四百元。\n超出部分自理。"),
        ("某某公司 › 报销&差旅 › 名单", "姓名：张三；部门：研发部\n姓名：李四；部门：研发部"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "big5"])
def test_html_encodings(tmp_path: Path, encoding: str) -> None:
    text = "廣州大學城外環西路上有十所大學" if encoding == "big5" else "广州大学城外环西路上有十所大学"
    meta = "<meta charset=big5>" if encoding == "big5" else ""
    (document,) = read_file(write(tmp_path, "a.html", f"{meta}<p>{text}".encode(encoding)))
    assert document.text == text


def test_html_with_a_damaged_character_is_read(tmp_path: Path) -> None:
    text = "广州大学城外环西路上有十所大学。" * 20
    for meta, encoding in (("<meta charset=gbk>", "gbk"), ("", "utf-8")):
        data = f"{meta}<p>{text}</p><p>尾".encode(encoding)[:-1]
        (document,) = read_file(write(tmp_path, "a.html", data))
        assert document.text == text
    with pytest.raises(KnowledgeError):
        read_file(write(tmp_path, "b.html", b"<meta charset=utf-8><p>" + bytes(range(128, 256)) * 9))


@pytest.mark.parametrize(("encoding", "delimiter"), itertools.product(["utf-8-sig", "gb18030", "utf-16"], ",\t;|"))
def test_csv_encodings_and_delimiters(tmp_path: Path, encoding: str, delimiter: str) -> None:
    quoted = f'张三{delimiter}"研发{delimiter}测试\n二组"'
    data = f"姓名{delimiter}部门\n{quoted}\n".encode(encoding)
    (document,) = read_file(write(tmp_path, "a.csv", data))
    assert document.text == f"姓名：张三；部门：研发{' ' if delimiter == chr(9) else delimiter}测试 二组"


def test_json_array_of_strings_or_records(tmp_path: Path) -> None:
    documents = read_file(write(tmp_path, "a.json", '["甲", " ", "乙"]'.encode()))
    assert [(d.doc_id, d.text) for d in documents] == [("a.json:1", "甲"), ("a.json:3", "乙")]
    record = '[{"id": 1, "text": "甲", "title": "题", "source": "书"}]'
    assert read_file(write(tmp_path, "b.json", record.encode())) == [Document("1", "书", "题", "甲")]


def test_pdf_paragraphs_title_and_running_lines(tmp_path: Path) -> None:
    prose = "公司在这一年里继续扩大研发投入，全年的研发费用占到营业收入的百分之十五，并且新设立了三个实验室。" * 2
    lines = [prose[i : i + 36] for i in range(0, len(prose), 36)]
    pages = [["某某公司年度报告", *lines, f"本页说第{n}件事。", f"— {n} —"] for n in "一二三四五"]
    for page, number in zip(pages, range(1, 6), strict=True):
        page[-1] = f"— {number} —"
    documents = read_file(write(tmp_path, "报告.pdf", samples.pdf(pages, title="二〇二三年报")))
    assert [d.doc_id for d in documents] == [f"报告.pdf:p{n}" for n in range(1, 6)]
    assert documents[2].source == "报告.pdf 第 3 页"
    assert {d.title for d in documents} == {"二〇二三年报"}
    assert "".join(documents[2].text.split("\n")) == prose + "本页说第三件事。"
    assert "营业收入的百分之十五" in documents[2].text


def test_pdf_outline_is_the_title(tmp_path: Path) -> None:
    import io

    from reportlab.pdfgen.canvas import Canvas

    stream = io.BytesIO()
    canvas = Canvas(stream)
    for number, (title, level) in enumerate([("第一章", 0), ("第一节", 1), ("", 0), ("第二章", 0)]):
        canvas.drawString(60, 700, f"page {number} has some text")
        if title:
            canvas.bookmarkPage(title)
            canvas.addOutlineEntry(title, title, level)
        canvas.showPage()
    canvas.save()
    titles = [d.title for d in read_file(write(tmp_path, "a.pdf", stream.getvalue()))]
    assert titles == ["第一章", "第一章 › 第一节", "第一章 › 第一节", "第二章"]


def test_scanned_pages_are_recognised_and_others_are_not(pool: ParserPool, tmp_path: Path) -> None:
    path = write(tmp_path, "扫描.pdf", pages_of("第一页有文字层。", "第二页是扫描的图片，合同编号八八二零。"))
    first, second = pool.read(path)
    assert first.text.startswith("第一页有文字层。")
    assert (second.source, "合同编号八八二零" in second.text) == ("扫描.pdf 第 2 页", True)


def test_pages_of_a_tiff_and_transparent_rotated_pictures(pool: ParserPool, tmp_path: Path) -> None:
    pages = [samples.picture([f"第{n}页的内容在这里。"]) for n in "一二"]
    tiff = samples.encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    documents = pool.read(write(tmp_path, "两页.tiff", tiff))
    assert [(d.source, d.text) for d in documents] == [
        ("两页.tiff 第 1 页", "第一页的内容在这里。"),
        ("两页.tiff 第 2 页", "第二页的内容在这里。"),
    ]
    clear = samples.picture(["透明底上的黑字。"]).convert("RGBA")
    clear.putalpha(clear.convert("L").point(lambda value: 255 - value))
    assert "透明底上的黑字" in pool.read(write(tmp_path, "a.png", samples.encoded(clear, "PNG")))[0].text
    turned = samples.picture(["手机横着拍的照片。"]).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    jpeg = samples.encoded(turned, "JPEG", exif=exif)
    assert "手机横着拍的照片" in pool.read(write(tmp_path, "a.jpg", jpeg))[0].text


def test_a_tall_picture_is_cut_between_lines() -> None:
    image = samples.picture([f"第{n}行" for n in range(70)], (400, 5000))
    parts = list(strips(image))
    assert sum(part.height for part in parts) == 5000
    assert all(part.height <= MAX_SIDE for part in parts)
    # A row at which it is cut is plain paper.
    assert all(
        part.crop((0, part.height - 1, 400, part.height)).getextrema() == ((255, 255),) * 3 for part in parts
    )


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (["本公司自成立以来始终坚持以客户为中心的经营理念，", "不断创新。", "二、组织"], "本公司自成立以来始终坚持以客户为中心的经营理念，不断创新。\n二、组织"),
        (["the quick brown fox jumps over the lazy dog and", "runs away"], "the quick brown fox jumps over the lazy dog and runs away"),
        (["第 一 章 总 则", "姓名 张三"], "第一章总则\n姓名 张三"),
        (["产品甲", "产品乙", "产品丙"], "产品甲\n产品乙\n产品丙"),
        (["张三 研发部 工程师 广州市番禺区大学城 电话一二三", "李四 市场部 经理 广州市番禺区大学城 电话四五六七"], None),
    ],
)  # fmt: skip
def test_wrapped_lines_become_paragraphs(lines: list[str], joined: str | None) -> None:
    assert join_lines(lines) == ("\n".join(lines) if joined is None else joined)


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("a.doc", "另存为 docx"),
        ("a.ppt", "另存为 pptx"),
        ("a.xlsb", "另存为 xlsx"),
        ("a.zip", "解压"),
        ("a.xyz", r"\.docx"),
    ],
)
def test_other_kinds_are_refused_with_their_cure(tmp_path: Path, name: str, cure: str) -> None:
    with pytest.raises(KnowledgeError, match=cure):
        read_file(write(tmp_path, name, b"x"))
