"""Files that were made to break a reader. Each case is (file name, its bytes, what must come of it)."""

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from PIL import Image

from tests.ingest import samples

REFUSED = "."  # any words


@dataclass(frozen=True)
class Case:
    """``expected``: words that the refusal contains, or with ``read`` that a document contains."""

    name: str
    make: Callable[[], bytes]
    expected: str = REFUSED
    read: bool = False


@cache
def word() -> bytes:
    return samples.word(lambda document: document.add_paragraph("正常的一段话。"))


@cache
def book() -> bytes:
    return samples.workbook({"一": [["姓名", "部门"], ["张三", "研发"]]})


@cache
def show() -> bytes:
    return samples.slides([("标题", "正常的一页。")])


@cache
def page() -> bytes:
    return samples.pdf([["正常的一页。"]])


@cache
def png() -> bytes:
    return samples.encoded(Image.effect_noise((200, 200), 80), "PNG")


def half(make: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: make()[: len(make()) // 2]


def noise(head: bytes, size: int = 20_000) -> Callable[[], bytes]:
    return lambda: head + random.Random(1).randbytes(size)


def with_document(xml: str) -> Callable[[], bytes]:
    return lambda: samples.replaced(word(), {"word/document.xml": xml.encode()})


def body(inner: str, prolog: str = "") -> str:
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    return f'<?xml version="1.0"?>{prolog}<w:document xmlns:w="{space}"><w:body>{inner}</w:body></w:document>'


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


LAUGHS = "<!DOCTYPE d [<!ENTITY a0 'ha'>" + "".join(
    f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10)
) + "]>"  # fmt: skip
STEAL = "<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"


def zip_bomb() -> bytes:
    return samples.replaced(word(), {"word/document.xml": bytes(150_000_000)})


def lying_directory() -> bytes:
    """Says that the entry is small; it unpacks to 50 MB."""
    data = bytearray(samples.replaced(word(), {"word/document.xml": b"<" + bytes(50_000_000)}))
    real = struct.pack("<I", 50_000_001)
    while (at := data.find(real)) >= 0:
        data[at : at + 4] = struct.pack("<I", 1000)
    return bytes(data)


def encrypted_zip() -> bytes:
    data = bytearray(word())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + offset] |= 1
    return bytes(data)


def many_entries() -> bytes:
    return samples.replaced(word(), {f"word/x{n}.xml": b"<a/>" for n in range(30_000)})


def twice() -> bytes:
    stream = io.BytesIO(word())
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("word/document.xml", body(paragraph("第二个")))
    return stream.getvalue()


def nested_bomb() -> bytes:
    """What is embedded is never unpacked."""
    bomb = samples.package({"0": bytes(30_000_000)})
    return samples.replaced(word(), {"word/embeddings/object.zip": bomb, "word/vbaProject.bin": b"macro"})


def sheet(xml: str) -> Callable[[], bytes]:
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    whole = f'<worksheet xmlns="{space}"><dimension ref="A1:XFD1048576"/><sheetData>{xml}</sheetData></worksheet>'
    return lambda: samples.replaced(book(), {"xl/worksheets/sheet1.xml": whole.encode()})


def cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def far_cells() -> bytes:
    rows = "".join(f'<row r="{n}">{cell(f"XFD{n}", "远")}</row>' for n in range(1, 400))
    return sheet(rows)()


def raw_pdf(*objects: str) -> Callable[[], bytes]:
    """Object n is the n-th, the first is the catalogue."""
    whole = "%PDF-1.7\n" + "".join(f"{n} 0 obj\n{text}\nendobj\n" for n, text in enumerate(objects, 1))
    return lambda: (whole + "trailer << /Root 1 0 R >>\n%%EOF").encode("latin-1")


CATALOGUE = "<< /Type /Catalog /Pages 2 0 R >>"
PAGES = "<< /Type /Pages /Kids [3 0 R] /Count 1 >>"


def stream(text: str, extra: str = "") -> str:
    return f"<< /Length {len(text)} {extra} >>\nstream\n{text}\nendstream"


def flate_bomb() -> bytes:
    squeezed = zlib.compress(b"0 0 m 1 1 l S " * 10_000_000, 9).decode("latin-1")
    content = stream(squeezed, "/Filter /FlateDecode")
    return raw_pdf(
        CATALOGUE, PAGES, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>", content
    )()


def png_header(width: int, height: int, rows: bytes = b"") -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def many_frames() -> bytes:
    frames = [Image.new("1", (8, 8))] * 100
    return samples.encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])


def looping_tiff() -> bytes:
    """Its only directory says that the next one is itself."""
    data = bytearray(samples.encoded(Image.new("L", (64, 64)), "TIFF"))
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    return bytes(data)


KINDS = (".txt", ".jsonl", ".json", ".md", ".csv", ".html", ".pdf", ".docx", ".pptx", ".xlsx", ".png")
CASES = [
    # empty
    *(Case(f"空{kind}", bytes) for kind in KINDS),
    # of another kind than they say
    Case("其实是word.pdf", word, "docx"),
    Case("其实是pdf.docx", page, "pdf"),
    Case("其实是表.pptx", book, "xlsx"),
    Case("其实是网页.docx", lambda: b"<html><p>text</p></html>"),
    Case("其实是压缩包.docx", lambda: samples.package({"a.txt": b"a"}), "zip"),
    Case("程序.txt", lambda: b"MZ\x90\x00" + bytes(range(256)) * 40, "程序"),
    Case("程序.png", lambda: b"\x7fELF" + bytes(2000), "程序"),
    Case("图.txt", png, "图片"),
    Case("图.csv", png, "图片"),
    Case("文.md", page, "pdf"),
    Case("旧版.docx", noise(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "密码"),
    Case("矢量.png", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"),
    Case("动图.png", lambda: samples.encoded(Image.new("L", (9, 9)), "GIF"), "GIF"),
    # broken
    *(Case(f"半个{kind}", half(make)) for kind, make in
      [(".docx", word), (".pptx", show), (".xlsx", book), (".png", png)]),
    Case("噪声.pdf", noise(b"%PDF-1.7\n")),
    Case("噪声.docx", noise(b"PK\x03\x04")),
    Case("噪声.png", noise(b"\x89PNG\r\n\x1a\n")),
    Case("噪声.tiff", noise(b"II*\x00")),
    Case("噪声.webp", noise(b"RIFF\x00\x10\x00\x00WEBP")),
    Case("噪声.bmp", noise(b"BM")),
    Case("噪声.jpg", noise(b"\xff\xd8\xff\xe0")),
    Case("噪声.html", lambda: random.Random(2).randbytes(30_000)),
    Case("缺部件.docx", lambda: samples.package({"[Content_Types].xml": b"<a/>", "word/document.xml": b"<a/>"})),
    Case("缺部件.pptx", lambda: samples.replaced(show(), {"ppt/presentation.xml": b"<a/>"})),
    Case("缺部件.xlsx", lambda: samples.replaced(book(), {"xl/workbook.xml": b"<workbook/>"})),
    Case("坏的XML.docx", with_document("<w:document><w:body>"), "损坏"),
    Case("坏的工作表.xlsx", lambda: samples.replaced(book(), {"xl/worksheets/sheet1.xml": b"<worksheet><sheet"}), "损坏"),
    # locked
    Case("加密.docx", encrypted_zip, "密码"),
    Case("加密.pdf", lambda: samples.pdf([["秘密。"]], encrypt="secret"), "密码"),
    # zip bombs
    Case("炸弹.docx", zip_bomb, "炸弹"),
    Case("谎报.docx", lying_directory),
    Case("部件多.docx", many_entries, "部件"),
    Case("重名.docx", twice, "重名"),
    Case("嵌套炸弹.docx", nested_bomb, "正常的一段话", read=True),
    # XML
    Case("实体炸弹.docx", with_document(body(paragraph("&a9;"), LAUGHS)), "DTD"),
    Case("外部实体.docx", with_document(body(paragraph("&a;"), STEAL)), "DTD"),
    Case("外部实体16.docx", lambda: samples.replaced(
        word(), {"word/document.xml": body(paragraph("&a;"), STEAL).encode("utf-16")}), "DTD"),
    Case("外部实体.xlsx", lambda: samples.replaced(book(), {"xl/workbook.xml": f"{STEAL}<a>&a;</a>".encode()}), "DTD"),
    Case("外部实体.pptx", lambda: samples.replaced(
        show(), {"ppt/slides/slide1.xml": f"{LAUGHS}<a>&a9;</a>".encode()}), "DTD"),
    Case("外部实体.html", lambda: f"{STEAL}<p>甲&a;乙</p>".encode(), "乙", read=True),
    Case("深.docx", with_document(body("<w:sdt><w:sdtContent>" * 50_000)), "损坏"),
    Case("深表.docx", with_document(body(
        "<w:tbl><w:tr><w:tc>" * 60 + paragraph("最里面") + "</w:tc></w:tr></w:tbl>" * 60)), "最里面", read=True),
    Case("宽格.docx", with_document(body(
        '<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="99999999999"/></w:tcPr>' + paragraph("一格")
        + "</w:tc></w:tr></w:tbl>")), "一格", read=True),
    Case("深组.pptx", lambda: samples.replaced(show(), {"ppt/slides/slide1.xml": lambda xml: xml.replace(
        b"</p:spTree>", b"<p:grpSp>" * 3_000 + b"</p:grpSp>" * 3_000 + b"</p:spTree>")}), "损坏"),
    # html
    Case("深.html", lambda: b"<div>" * 200_000 + "底".encode()),
    Case("宽.html", lambda: f"<table>{'<tr><td colspan=999999999 rowspan=99999>格' * 2_000}</table>".encode(),
         "格", read=True),
    Case("没有尾.html", lambda: ("<p>正文" + "<a href='" * 100_000).encode(), "正文", read=True),
    Case("属性.html", lambda: ("<p>正文</p><p " + "a='b' " * 300_000 + ">").encode(), "正文", read=True),
    Case("编码.html", lambda: "<meta charset=punycode><p>正文在这里</p>".encode(), "正文在这里", read=True),
    Case("长表头.html", lambda: ("<table><tr>" + f"<td>{'名' * 50}</td>" * 90 + "</tr>"
         + f"<tr>{'<td>值</td>' * 90}</tr>" * 400 + "</table>").encode(), "个字"),
    # workbooks
    Case("远.xlsx", sheet(f'<row r="1048576">{cell("XFD1048576", "远方")}</row>'), "单元格"),
    Case("宽行.xlsx", far_cells, "单元格"),
    Case("号码错.xlsx", sheet('<row r="1"><c r="A1" t="s"><v>99999</v></c></row>'), "损坏"),
    Case("大数.xlsx", sheet(f'<row r="1"><c r="A1"><v>1e999</v></c>{cell("B1", "文字")}</row>'), "文字", read=True),
    Case("日期.xlsx", sheet(f'<row r="1"><c r="A1" t="d"><v>99999-99-99</v></c>{cell("B1", "文字")}</row>')),
    # pdf
    Case("页数.pdf", raw_pdf(CATALOGUE, "<< /Type /Pages /Kids [] /Count 999999999 >>")),
    Case("循环页.pdf", raw_pdf(CATALOGUE, "<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 /Parent 2 0 R >>")),
    Case("页太多.pdf", lambda: samples.pdf([["x"]] * 1_001), "最多 1000 页"),
    Case("大页.pdf", raw_pdf(
        CATALOGUE, PAGES, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 1e9 1e9] /Contents 4 0 R >>",
        stream("0 0 m 1 1 l S\n" * 100)), "没有可用的文字"),
    Case("自引用.pdf", raw_pdf(
        CATALOGUE, PAGES,
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /Resources << /XObject << /X 5 0 R >> >> >>",
        stream("/X Do"),
        stream("/X Do /X Do", "/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>"),
    ), "中断"),
    Case("解压炸弹.pdf", flate_bomb, "中断"),
    Case("脚本.pdf", raw_pdf(
        "<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /JavaScript /JS (while(1);) >> >>", PAGES,
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"), "没有可用的文字"),
    Case("循环目录.pdf", raw_pdf(
        "<< /Type /Catalog /Pages 2 0 R /Outlines 4 0 R >>", PAGES,
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>", "<< /First 5 0 R >>",
        "<< /Title (a) /Next 5 0 R /First 5 0 R >>"), "没有可用的文字"),
    # pictures
    Case("巨图.png", lambda: png_header(60_000, 60_000), "像素"),
    Case("巨图满.png", lambda: png_header(60_000, 60_000, bytes(7_501 * 60_000)), "像素"),
    Case("缺数据.png", lambda: png_header(2_000, 2_000), "损坏"),
    Case("长条.png", lambda: png_header(1_000, 45_000, bytes(126 * 45_000)), "太长"),
    Case("细线.png", lambda: png_header(1, 50_000, bytes(2 * 50_000))),
    Case("一点.png", lambda: samples.encoded(Image.new("L", (1, 1)), "PNG"), "没有可用的文字"),
    Case("多帧.tiff", many_frames, "最多识别"),
    Case("循环.tiff", looping_tiff),
    # text
    Case("不闭合.csv", lambda: ('姓名,部门\n"张三,研发\n' + "甲,乙\n" * 20_000).encode(), "张三", read=True),
    Case("零字节.csv", lambda: "姓名,部门\n张\0三,研发\n".encode(), "张三", read=True),
    Case("大格.csv", lambda: ("姓名,部门\n" + "甲" * 3_000_000 + ",乙").encode(), "个字"),
    Case("格子多.csv", lambda: (b"," * 3_000 + b"\n") * 500, "单元格"),
    Case("深.json", lambda: b"[" * 500_000, "JSON"),
    Case("深.jsonl", lambda: b'{"a":' * 500_000, "JSON"),
    Case("大整数.json", lambda: b'[{"id": ' + b"9" * 10_000 + b', "text": "a"}]', "JSON"),
    Case("重复.json", lambda: b'[{"id": 1, "text": "a"}, {"id": 1, "text": "b"}]', "重复"),
    Case("混合.json", lambda: '["甲乙", {"id": 1, "text": "丙"}]'.encode(), "甲乙", read=True),
    Case("对象.json", lambda: '{"text": "甲乙"}'.encode(), "甲乙", read=True),
    Case("代理.json", lambda: json.dumps(["甲\ud800乙", "\ud800"]).encode(), "甲乙", read=True),
    Case("深.xml", lambda: b"<a>" * 200_000, "XML"),
    Case("实体.xml", lambda: f"{LAUGHS}<a>&a9;</a>".encode(), "实体"),
    Case("深字段.json", lambda: b'{"a":' * 900 + b"1" + b"}" * 900, "a.a", read=True),
    Case("半个.ipynb", lambda: b'{"cells": [{"source": 3', "笔记本"),
    Case("怪.ipynb", lambda: b'{"cells": [3]}', "笔记本"),
    Case("怪.eml", lambda: "Subject: =?x?b?!!!?=\nContent-Type: text/plain; charset=nonsense\n\n正文在此".encode(), "正文在此", read=True),
    Case("嵌套.eml", lambda: b"Content-Type: multipart/mixed; boundary=a\nSubject: b\n\n" + b"--a\nContent-Type: multipart/mixed; boundary=a\n\n" * 3_000, "附件", read=True),
    Case("太长.txt", lambda: ("长" * 2_000_000).encode(), "个字"),
    Case("行太多.txt", lambda: b"a\n" * 30_000, "超过 20000 篇"),
    Case("控制符.txt", lambda: "正\x1b[31m文\u202e\0\n".encode(), "正[31m文", read=True),
]  # fmt: skip
