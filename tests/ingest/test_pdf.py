"""PDF: tables with their column names, signs at a line's end, titles, contents, headers that are none, scans with a footer."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table, TableStyle

from src.ingest.limits import UPLOAD_LIMITS
from src.ingest.parse import read_file
from src.ingest.readers.flow import join_lines
from src.ingest.report import Documents
from src.ingest.worker import ParserPool
from tests.ingest import samples

FONT = "STSong-Light"


def read(folder: Path, data: bytes, name: str = "文.pdf") -> Documents:
    path = folder / name
    path.write_bytes(data)
    return read_file(path, limits=UPLOAD_LIMITS)


def lines(documents: Documents) -> list[str]:
    return [line for document in documents for line in document.text.split("\n")]


def ruled(rows: Sequence[Sequence[str]], *styles: Any, before: str = "", after: str = "", repeat: int = 0) -> bytes:
    """Rows in a grid, between two lines of text; as many pages as it takes."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    table = Table([list(row) for row in rows], colWidths=110, repeatRows=repeat)
    table.setStyle(
        TableStyle([("FONT", (0, 0), (-1, -1), FONT, 10), ("GRID", (0, 0), (-1, -1), 0.5, "black"), *styles])
    )
    around = [Paragraph(f'<font name="{FONT}">{text}</font>') for text in (before, after)]
    stream = io.BytesIO()
    SimpleDocTemplate(stream, pagesize=A4).build([around[0], table, around[1]])
    return stream.getvalue()


@pytest.mark.parametrize("repeat", [0, 1])
def test_rows_of_a_ruled_table_carry_their_names_on_every_page(tmp_path: Path, repeat: int) -> None:
    rows = [["料号", "品名", "存量"], *([f"K{n}", f"铜件{n}", str(7 * n)] for n in range(1, 91))]
    documents = read(tmp_path, ruled(rows, before="下面是库存。", after="以上由仓库填报。", repeat=repeat))
    assert len(documents) > 1
    expected = [f"料号：K{n}；品名：铜件{n}；存量：{7 * n}" for n in range(1, 91)]
    assert lines(documents) == ["下面是库存。", *expected, "以上由仓库填报。"]
    assert documents.report.counts["tables"] == len(documents)


def test_merged_cells_of_a_ruled_table_fill_what_they_cover(tmp_path: Path) -> None:
    rows = [
        ["线路", "平日", "", "假日", ""],
        ["", "首班", "末班", "首班", "末班"],
        ["渡江线", "6:10", "20:00", "7:00", "21:30"],
        ["", "6:40", "20:30", "7:30", "22:00"],
    ]
    merged = [
        ("SPAN", (0, 0), (0, 1)),
        ("SPAN", (1, 0), (2, 0)),
        ("SPAN", (3, 0), (4, 0)),
        ("SPAN", (0, 2), (0, 3)),
    ]
    assert lines(read(tmp_path, ruled(rows, *merged))) == [
        "线路：渡江线；平日 首班：6:10；平日 末班：20:00；假日 首班：7:00；假日 末班：21:30",
        "线路：渡江线；平日 首班：6:40；平日 末班：20:30；假日 首班：7:30；假日 末班：22:00",
    ]


def test_a_table_with_lines_across_only_has_its_names(tmp_path: Path) -> None:
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    rows = [
        ["试件", "含水率(%)", "强度(MPa)", "备注"],
        ["甲组", "12.3", "31.5", "养护七天"],
        ["乙组", "11.8", "33.0", ""],
        ["丙组", "12.9", "29.7", "有裂缝"],
    ]
    table = Table(rows, colWidths=[60, 90, 120, 100])
    rules = [
        ("LINEABOVE", (0, 0), (-1, 0), 1, "black"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.5, "black"),
        ("LINEBELOW", (0, -1), (-1, -1), 1, "black"),
    ]
    table.setStyle(TableStyle([("FONT", (0, 0), (-1, -1), FONT, 10), *rules]))
    stream = io.BytesIO()
    around = [
        Paragraph(f'<font name="{FONT}">{text}</font>') for text in ("表一 各组的结果如下。", "由表可见乙组最好。")
    ]
    SimpleDocTemplate(stream, pagesize=A4).build([around[0], table, around[1]])
    assert lines(read(tmp_path, stream.getvalue())) == [
        "表一 各组的结果如下。",
        "试件：甲组；含水率(%)：12.3；强度(MPa)：31.5；备注：养护七天",
        "试件：乙组；含水率(%)：11.8；强度(MPa)：33.0",
        "试件：丙组；含水率(%)：12.9；强度(MPa)：29.7；备注：有裂缝",
        "由表可见乙组最好。",
    ]


def test_a_frame_around_text_is_no_table(tmp_path: Path) -> None:
    assert lines(read(tmp_path, ruled([["只有一格的框。"]], before="前言。"))) == ["前言。", "只有一格的框。"]


@pytest.mark.parametrize(
    ("before", "after", "whole"),
    [
        ("净利润同比\x02", "37.2%，由盈转亏。", "净利润同比-37.2%，由盈转亏。"),
        ("按 GB/T 7714\x02", "2015 著录。", "按 GB/T 7714-2015 著录。"),
        ("we use GPT\x02", "2 here.", "we use GPT-2 here."),
        ("an impor\x02", "tant word.", "an important word."),
        ("增减为+14/-", "29家。", "增减为+14/-29家。"),
        ("末行\x02", "", "末行-"),
    ],
)
def test_a_hyphen_or_minus_at_the_end_of_a_line(before: str, after: str, whole: str) -> None:
    assert join_lines([line for line in (before, after) if line]).split("\n")[-1].endswith(whole[-4:])
    assert join_lines([line for line in (before, after) if line]) == whole


def test_lines_of_a_narrow_column_are_joined_and_items_are_not() -> None:
    prose = "木版年画先刻墨线版，再刻色版，一色一版，套印时从浅到深，最后开脸，全套要四十多道工序。" * 2
    narrow = [prose[at : at + 15] for at in range(0, len(prose), 15)]
    wide = "这一页的正文很宽，比旁边的一栏宽得多，所以不能只按最长的一行来判断一行是不是写满了。" * 2
    assert join_lines([wide, *narrow, "窄栏完。"]).split("\n")[1] == prose
    items = ["墨线版工具一套", "棕刷大小各二把", "宣纸一刀零八张", "颜料红黄蓝三色", "案台长两米四寸"]
    assert join_lines(items) == "\n".join(items)


def headed(pages: Sequence[tuple[str, Sequence[str]]], title: str = "") -> bytes:
    """Pages with a heading in a larger size."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    stream = io.BytesIO()
    canvas = Canvas(stream)
    canvas.setTitle(title)
    for heading, body in pages:
        canvas.setFont(FONT, 20)
        canvas.drawString(60, 780, heading)
        canvas.setFont(FONT, 11)
        for row, line in enumerate(body):
            canvas.drawString(60, 740 - 18 * row, line)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


@pytest.mark.parametrize("title", ["", "免费范文下载 www.example.com", "(anonymous)", "通知终稿3.doc"])
def test_the_title_is_the_documents_own_heading_not_junk(tmp_path: Path, title: str) -> None:
    body = ["巡护员每月巡山四次，雨季加倍。", "发现盗伐的，当天报林业站。"]
    documents = read(tmp_path, headed([("山林巡护办法", body), ("", ["第二页的正文在这里。"])], title))
    assert [document.title for document in documents] == ["山林巡护办法"] * 2


def test_headings_that_differ_in_their_month_stay_and_page_numbers_go(tmp_path: Path) -> None:
    months = range(1, 7)
    pages = [
        (f"2025年{n}月水情", [f"本月平均水位{30 + n}米，来水偏少。", "闸门照常启闭。", f"第 {n} 页 共 6 页"])
        for n in months
    ]
    documents = read(tmp_path, headed(pages))
    for number, document in zip(months, documents, strict=True):
        assert document.text.startswith(f"2025年{number}月水情\n")
        assert document.title == f"2025年{number}月水情"
        assert "闸门照常启闭。" in document.text
        assert "共 6 页" not in document.text


def test_a_page_of_contents_is_left_out_and_counted(tmp_path: Path) -> None:
    contents = [
        f"第{n}章 {name}{'.' * 40}{page}"
        for n, name, page in zip("一二三四五", ("总则", "巡护", "防火", "奖惩", "附则"), range(1, 6), strict=True)
    ]
    documents = read(
        tmp_path, headed([("目录", contents), ("第三章 防火", ["防火期从十月到次年四月，野外不得用火。"])])
    )
    assert [document.doc_id for document in documents] == ["文.pdf:p2"]
    assert "...." not in documents[0].text
    assert documents.report.counts["contents_pages"] == 1


def test_a_scan_with_a_line_of_real_text_is_recognised(tmp_path: Path) -> None:
    from reportlab.lib.utils import ImageReader

    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    stream = io.BytesIO()
    canvas = Canvas(stream)
    canvas.drawImage(
        ImageReader(samples.picture(["借据编号七一四二，借款九千元。"], (1000, 1400))), 0, 40, 595, 800
    )
    canvas.setFont(FONT, 9)
    canvas.drawString(60, 20, "青杉档案馆数字化加工中心 第三批第十七号扫描件")
    canvas.save()
    pool = ParserPool()
    try:
        path = tmp_path / "扫描.pdf"
        path.write_bytes(stream.getvalue())
        (document,) = pool.read(path)
    finally:
        pool.close()
    assert "借款九千元" in document.text
    assert "第三批第十七号" in document.text
