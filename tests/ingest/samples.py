"""Files made with the programs' own formats, as bytes."""

import datetime
import io
import os
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pptx
import pptx.util
import pytest
import xlwt
from PIL import Image, ImageDraw, ImageFont
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

PEOPLE = [("姓名", "部门", "入职日期"), ("张三", "研发部", "2023-05-01"), ("李四", "市场部", "2024-02-10")]
FONTS = ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc")


def saved(document: Any) -> bytes:
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def word(fill: Callable[[Any], object]) -> bytes:
    document = docx.Document()
    fill(document)
    return saved(document)


def word_sample() -> bytes:
    def fill(document: Any) -> None:
        document.add_heading("员工手册", 0)
        document.add_heading("第一章 假期", 1)
        document.add_paragraph("入职满一年的员工有十二天年假。")
        document.add_heading("附表", 2)
        table = document.add_table(len(PEOPLE), len(PEOPLE[0]))
        for row, values in zip(table.rows, PEOPLE, strict=True):
            for cell, value in zip(row.cells, values, strict=True):
                cell.text = value
        table.cell(1, 1).merge(table.cell(2, 1)).text = "研发部"
        document.add_heading("第二章 考勤", 1)
        document.add_paragraph("上班时间是早上九点。")

    return word(fill)


def slides(pages: Sequence[tuple[str, str]]) -> bytes:
    show = pptx.Presentation()
    for title, text in pages:
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = title, text
    return saved(show)


def slides_sample() -> bytes:
    show = pptx.Presentation()
    for title, text in [("开场", "欢迎参加培训。"), ("安全须知", "发现火情先拨打内线八一一九。")]:
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = title, text
    slide.notes_slide.notes_text_frame.text = "这里停顿一下。"
    inch = pptx.util.Inches(1)
    table = slide.shapes.add_table(len(PEOPLE), len(PEOPLE[0]), inch, inch, inch, inch).table
    for r, row in enumerate(PEOPLE):
        for c, value in enumerate(row):
            table.cell(r, c).text = value
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(inch, inch, inch, inch).text_frame.text = "组合里的文字。"
    return saved(show)


def workbook(sheets: dict[str, Sequence[Sequence[object]]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    return saved(book)


def workbook_sample() -> bytes:
    book = openpyxl.Workbook()
    book.active.append(["说明"])
    sheet = book.create_sheet("员工")
    sheet.append(["2024 年在册员工"])
    sheet.append([])
    sheet.append(["姓名", "年龄", "入职日期", "出勤率", "备注"])
    sheet.append(["张三", 31, datetime.date(2023, 5, 1), 0.985, "组长\n兼培训"])
    sheet.cell(4, 4).number_format = "0.0%"
    sheet.append(["李四", 28.0, datetime.datetime(2024, 2, 10, 9, 30), None, True])
    book.create_sheet("密").sheet_state = "hidden"
    book["密"].append(["不给看"])
    return saved(book)


def pdf(pages: Sequence[Sequence[str]], title: str = "", **options: Any) -> bytes:
    """Lines from the top of each page; ``options`` are the canvas's."""
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    stream = io.BytesIO()
    canvas = Canvas(stream, **options)
    canvas.setTitle(title)
    for lines in pages:
        canvas.setFont("STSong-Light", 12)
        for row, line in enumerate(lines):
            canvas.drawString(60, 800 - 18 * row, line)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def font_path() -> str:
    found = next((path for path in FONTS if Path(path).exists()), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no Chinese font: the recognition tests must run there")
        pytest.skip("没有中文字体，跳过文字识别的测试：apt-get install fonts-noto-cjk")
    return found


def picture(lines: Sequence[str], size: tuple[int, int] = (1000, 400)) -> Image.Image:
    image = Image.new("RGB", size, "white")
    font = ImageFont.truetype(font_path(), 36)
    for row, line in enumerate(lines):
        ImageDraw.Draw(image).text((40, 40 + 70 * row), line, fill="black", font=font)
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def package(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return stream.getvalue()


def declared(kind: str, entries: dict[str, str]) -> bytes:
    """A package whose first entry says what it is: OpenDocument and EPUB."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), kind)
        for name, content in entries.items():
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def opendocument(kind: str, inner: str) -> bytes:
    """An OpenDocument file (``text`` or ``spreadsheet``) with this content."""
    spaces = " ".join(
        f'xmlns:{one}="urn:oasis:names:tc:opendocument:xmlns:{long}:1.0"'
        for one, long in (("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing"))
    )
    body = f"<office:body><office:{kind}>{inner}</office:{kind}></office:body>"
    content = f"<office:document-content {spaces}>{body}</office:document-content>"
    return declared(f"application/vnd.oasis.opendocument.{kind}", {"content.xml": content})


def book(title: str, chapters: dict[str, str]) -> bytes:
    """An EPUB of these chapters, by their file's name."""
    items = "".join(f'<item id="{name}" href="{name}" media-type="application/xhtml+xml"/>' for name in chapters)
    spine = "".join(f'<itemref idref="{name}"/>' for name in chapters)
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        f"<dc:title>{title}</dc:title></metadata><manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/a.opf"/></rootfiles></container>'
    )
    page = '<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><body>{}</body></html>'
    files = {f"OEBPS/{name}": page.format(inner) for name, inner in chapters.items()}
    return declared("application/epub+zip", {"META-INF/container.xml": container, "OEBPS/a.opf": package, **files})


def rich(text: str) -> bytes:
    """A line a paragraph, as WordPad writes them."""
    codes = rich_characters(text)
    return ("{\\rtf1\\ansi\\ansicpg936{\\fonttbl{\\f0 SimSun;}}\\f0\\fs24 " + codes + "}").encode("ascii")


def rich_characters(text: str) -> str:
    """As RTF writes them: by their codes."""
    return "".join(
        "\\par\n" if c == "\n" else c if c.isascii() else f"\\u{ord(c) - 65536 * (ord(c) > 32767)}?" for c in text
    )


def replaced(data: bytes, changes: dict[str, bytes | Callable[[bytes], bytes]]) -> bytes:
    """A package with some of its entries changed or added."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    for name, change in changes.items():
        entries[name] = change(entries[name]) if callable(change) else change
    return package(entries)


def compound(streams: dict[str, bytes]) -> bytes:
    """An OLE file: streams by their path, padded with zeros to the size from which they are stored in whole sectors."""
    sector, least = 512, 4096
    names = ["Root Entry"]
    parents: dict[str, list[int]] = {"": []}
    for path in streams:
        for depth in range(1, path.count("/") + 2):
            part = "/".join(path.split("/")[:depth])
            if part not in names:
                names.append(part)
                parents.setdefault(part.rpartition("/")[0], []).append(len(names) - 1)
    body, chains, starts = b"", list[int](), dict[str, tuple[int, int]]()
    for path, content in streams.items():
        padded = content.ljust(max(least, -(-len(content) // sector) * sector), b"\0")
        count = len(padded) // sector
        starts[path] = (len(chains), len(padded))
        chains += [*range(len(chains) + 1, len(chains) + count), 0xFFFFFFFE]
        body += padded
    directory = b""
    for number, name in enumerate(names):
        children = parents.get("" if number == 0 else name, [])
        siblings = parents["" if number == 0 else name.rpartition("/")[0]]
        after = siblings[siblings.index(number) + 1 :] if number and number in siblings else []
        start, size = starts.get(name, (0xFFFFFFFE if number == 0 else 0, 0))
        title = name.rpartition("/")[2].encode("utf-16-le") + b"\0\0"
        directory += struct.pack(
            "<64sHBBIII36xIII", title, len(title), 5 if number == 0 else 2 if name in starts else 1, 1,
            0xFFFFFFFF, after[0] if after else 0xFFFFFFFF, children[0] if children else 0xFFFFFFFF, start, size, 0,
        )  # fmt: skip
    directory = directory.ljust(-(-len(directory) // sector) * sector, b"\0")
    first, count = len(chains), len(directory) // sector
    chains += [*range(first + 1, first + count), 0xFFFFFFFE]
    tables = -(-(len(chains) + 2) // (sector // 4))
    table_at = len(chains)
    chains += [0xFFFFFFFD] * tables
    fat = struct.pack(f"<{len(chains)}I", *chains).ljust(tables * sector, b"\xff")
    places = [*range(table_at, table_at + tables), *[0xFFFFFFFF] * (109 - tables)]
    header = struct.pack(
        "<8s16x5H6x9I", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6, 0, tables, first, 0, least,
        0xFFFFFFFE, 0, 0xFFFFFFFE, 0,
    )  # fmt: skip
    return header + struct.pack("<109I", *places) + body + directory + fat


def outlook(subject: str, text: str, attached: dict[str, bytes] | None = None) -> bytes:
    """A letter as Outlook saves it."""

    def properties(head: int, values: dict[int, tuple[int, bytes]], folder: str) -> dict[str, bytes]:
        table = b"\0" * head
        streams: dict[str, bytes] = {}
        for tag, (kind, value) in values.items():
            table += struct.pack("<HHIII", kind, tag, 6, len(value) + (2 if kind == 0x1F else 0), 0)
            filled = value + " ".encode("utf-16-le") * (2048 - len(value) // 2) if kind == 0x1F else value
            streams[f"{folder}__substg1.0_{tag:04X}{kind:04X}"] = filled
        return {f"{folder}__properties_version1.0": table, **streams}

    def said(value: str) -> tuple[int, bytes]:
        return 0x1F, value.encode("utf-16-le")

    streams = properties(32, {0x001A: said("IPM.Note"), 0x0037: said(subject), 0x1000: said(text)}, "")
    for number, (name, content) in enumerate((attached or {}).items()):
        folder = f"__attach_version1.0_#{number:08X}/"
        streams |= properties(8, {0x3707: said(name), 0x3701: (0x102, content.ljust(4096, b"\n"))}, folder)
    return compound(streams)


def old_workbook(rows: Sequence[Sequence[object]], merged: Sequence[tuple[int, int, int, int]] = ()) -> bytes:
    """One sheet of Excel 97; ``merged`` are first and last rows and columns, whose text is that of the first."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("一")
    for top, bottom, left, right in merged:
        sheet.write_merge(top, bottom, left, right, rows[top][left])
    covered = {
        (row, column)
        for top, bottom, left, right in merged
        for row in range(top, bottom + 1)
        for column in range(left, right + 1)
    }
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            if (number, column) not in covered:
                sheet.write(number, column, value)
    hidden = book.add_sheet("密")
    hidden.write(0, 0, "不给看")
    hidden.visibility = 1
    return saved(book)
