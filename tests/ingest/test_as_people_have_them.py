"""Kinds of files that real ones showed to be read badly: one small file each, and what a passage must say."""

import datetime
import email.message
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pptx
import pytest
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from openpyxl.comments import Comment
from PIL import Image, ImageDraw, ImageFont
from pptx.oxml.xmlchemy import OxmlElement as slide_element
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from src.ingest.clean import decode
from src.ingest.parse import read_file
from src.ingest.report import Documents
from tests.ingest import samples

FIGURES = [("项目", "2022年", "2023年", "2024年"), ("营业收入", "38,120", "41,066", "45,903"), ("净利润", "3,204", "-1,118", "2,771"),
           ("总资产", "90,112", "93,440", "99,015")]  # fmt: skip
LEFT = "本刊讯江南丝竹传习所近日在同里镇挂牌成立。传习所由退休教师沈砚秋发起，首批招收学员二十六名。课程每周三次，费用全免。乐器由镇文化站提供，演出收入用于添置乐谱。"
RIGHT = "另据报道，当地的评弹书场本月恢复夜场演出。书场设座一百二十个，票价十五元，老年人半价。首场演出由顾门弟子登台，曲目为玉蜻蜓选段。今后每逢周五、周六加演一场。"


def read(folder: Path, name: str, data: bytes) -> Documents:
    path = folder / name
    path.write_bytes(data)
    return read_file(path)


def whole(documents: Documents) -> str:
    return "\n".join(f"{document.title}\n{document.text}" for document in documents)


def pdf(draw: Callable[[Canvas], object]) -> bytes:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    stream = io.BytesIO()
    canvas = Canvas(stream)
    canvas.setFont("STSong-Light", 11)
    draw(canvas)
    canvas.showPage()
    canvas.save()
    return stream.getvalue()


def test_a_pdf_table_without_lines_names_its_columns(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(
            60, 750, "下表为公司近三年主要经营指标，金额单位为万元，数据均已经审计，未作特别说明的均为合并口径。"
        )
        for place, row in enumerate(FIGURES):
            for x, text in zip((60, 220, 320, 420), row, strict=True):
                canvas.drawString(x, 715 - 20 * place, text)
        canvas.drawString(60, 580, "公司将继续加大研发投入，并拓展海外市场。")

    (document,) = read(tmp_path, "a.pdf", pdf(draw))
    lines = document.text.split("\n")
    assert lines[2] == "项目：净利润；2022年：3,204；2023年：-1,118；2024年：2,771"
    assert lines[0].endswith("合并口径。")
    assert lines[-1] == "公司将继续加大研发投入，并拓展海外市场。"


def test_cells_of_several_lines_in_a_table_without_lines(tmp_path: Path) -> None:
    rows = [("设备", "周期", "维护内容", "负责人"), ("离心泵", "每月", "检查轴承温度，", "卢师傅"), ("", "", "补充润滑脂", ""),
            ("空压机", "每季", "更换滤芯并清洗", "冯师傅"), ("", "", "冷却器", ""), ("变压器", "每年", "油样化验", "郝工 2")]  # fmt: skip

    def draw(canvas: Canvas) -> None:
        for place, row in enumerate(rows):
            for x, text in zip((60, 160, 250, 430), row, strict=True):
                canvas.drawString(x, 770 - 16 * place, text)
        canvas.drawString(60, 640, "以上计划由设备科解释。")

    (document,) = read(tmp_path, "a.pdf", pdf(draw))
    lines = document.text.split("\n")
    assert lines[1] == "设备：空压机；周期：每季；维护内容：更换滤芯并清洗冷却器；负责人：冯师傅"
    assert lines[-1] == "以上计划由设备科解释。"


def test_a_table_without_lines_goes_on_on_the_next_page(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for page in range(2):
            canvas.setFont("STSong-Light", 11)
            rows = [[f"W{page}{n}", f"工人{page}{n}", "装配", f"{n + 3}年"] for n in range(4)]
            for place, row in enumerate([*([["工号", "姓名", "车间", "工龄"]] if page == 0 else []), *rows]):
                for x, text in zip((60, 180, 300, 420), row, strict=True):
                    canvas.drawString(x, 780 - 20 * place, text)
            if page == 0:
                canvas.showPage()

    pages = read(tmp_path, "a.pdf", pdf(draw))
    assert pages[1].text.split("\n")[2] == "工号：W12；姓名：工人12；车间：装配；工龄：5年"


@pytest.mark.parametrize("interleaved", [True, False])
def test_pdf_columns_are_read_one_after_the_other(tmp_path: Path, interleaved: bool) -> None:
    lines = [(x, row, text[20 * row : 20 * row + 20]) for row in range(4) for x, text in ((60, LEFT), (310, RIGHT))]

    def draw(canvas: Canvas) -> None:
        for x, row, text in lines if interleaved else sorted(lines):
            canvas.drawString(x, 760 - 18 * row, text)

    (document,) = read(tmp_path, "a.pdf", pdf(draw))
    assert document.text.split("\n") == [LEFT, RIGHT]


def test_a_ruled_row_of_several_lines_is_several_rows(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for y in (760, 740, 680):
            canvas.line(60, y, 460, y)
        for x in (60, 160, 260, 360, 460):
            canvas.line(x, 680, x, 760)
        for row, texts in enumerate(FIGURES):
            for column, text in enumerate(texts):
                canvas.drawString(65 + 100 * column, 746 - 20 * row + 2 * row, text)

    (document,) = read(tmp_path, "a.pdf", pdf(draw))
    assert "项目：净利润；2022年：3,204；2023年：-1,118；2024年：2,771" in document.text.split("\n")


def test_a_sentence_ends_on_the_page_where_it_begins(tmp_path: Path) -> None:
    full = "动火作业、受限空间作业、高处作业以及其他由公司安全管理部门认定的作业，具体范围"
    first = [*[full] * 5, "凡进入地下管廊检修的各单位人员及外来施工队伍，应当由作业负责人在开工前四小时"]
    second = ["向调度中心提交书面申请，并在现场配备两名监护人员。", "二、未经批准擅自进入的，按照规定处理。"]
    pages = read(tmp_path, "a.pdf", samples.pdf([first, second]))
    assert pages[0].text.endswith(
        "应当由作业负责人在开工前四小时向调度中心提交书面申请，并在现场配备两名监护人员。"
    )
    assert pages[1].text == "二、未经批准擅自进入的，按照规定处理。"
    kept = read(tmp_path, "b.pdf", samples.pdf([first, ["一、总则", "第一条 目的。"]]))
    assert [page.text.split("\n")[-1] for page in kept][1] == "第一条 目的。"


def test_pdf_forms_say_what_is_filled_in(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(60, 740, "姓名：")
        canvas.drawString(60, 700, "是否有急救证：")
        canvas.drawString(160, 700, "有")
        canvas.drawString(210, 700, "无")
        canvas.acroForm.textfield(name="n", value="Zhuo Yi", x=100, y=735, width=120, height=18)
        canvas.acroForm.checkbox(name="y", checked=True, x=143, y=697, size=12)
        canvas.acroForm.checkbox(name="z", checked=False, x=193, y=697, size=12)

    (document,) = read(tmp_path, "a.pdf", pdf(draw))
    assert "".join(document.text.split()) == "姓名：ZhuoYi是否有急救证：☑有☐无"


def test_page_numbers_do_not_part_a_table_from_its_header(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for page in range(4):
            canvas.setFont("STSong-Light", 11)
            rows = [FIGURES[0] if page == 0 else (f"前期{page}", "1", "2", "3"), (f"负债{page}", "21", "22", "23")]
            for y in (760, 740, 720):
                canvas.line(60, y, 460, y)
            for x in (60, 160, 260, 360, 460):
                canvas.line(x, 720, x, 760)
            for row, texts in enumerate(rows):
                for column, text in enumerate(texts):
                    canvas.drawString(65 + 100 * column, 745 - 20 * row, text)
            canvas.drawString(280, 40, str(page + 1))
            if page < 3:
                canvas.showPage()

    pages = read(tmp_path, "a.pdf", pdf(draw))
    assert pages[2].text.split("\n")[-1] == "项目：负债2；2022年：21；2023年：22；2024年：23"


def drawn(
    size: tuple[int, int], texts: Sequence[tuple[int, int, str]], lines: Sequence[tuple[int, ...]] = ()
) -> bytes:
    image = samples.picture([], size)
    pen, font = ImageDraw.Draw(image), ImageFont.truetype(samples.font_path(), 32)
    for line in lines:
        pen.line(line, fill="black", width=2)
    for x, y, text in texts:
        pen.text((x, y), text, fill="black", font=font)
    return samples.encoded(image, "PNG")


def test_a_table_without_lines_in_a_picture(tmp_path: Path) -> None:
    rows = [("车次", "始发站", "终点站", "开点"), ("K381", "梅岭站", "长汀南", "08:15"), ("K446", "上杭站", "梅岭站", "14:52"), ("K507", "长汀南", "宁化西", "19:06")]  # fmt: skip
    texts = [(60 + 240 * c, 50 + 80 * r, text) for r, row in enumerate(rows) for c, text in enumerate(row)]
    (document,) = read(tmp_path, "a.png", drawn((1000, 420), texts))
    assert document.text.split("\n")[1] == "车次：K446；始发站：上杭站；终点站：梅岭站；开点：14:52"


def test_a_form_in_a_picture_has_other_columns_in_each_row(tmp_path: Path) -> None:
    texts = [(60, 60, "姓名"), (260, 60, "曲同工"), (520, 60, "工号"), (720, 60, "A1187"),
             (60, 140, "家庭住址"), (260, 140, "北山县柳园路二十六号"), (60, 220, "联系电话"), (260, 220, "5550193"),
             (520, 220, "职务"), (720, 220, "保管员")]  # fmt: skip
    across = [(40, y, 960, y) for y in (40, 120, 200, 280)]
    down = [(40, 40, 40, 280), (240, 40, 240, 280), (960, 40, 960, 280)]
    down += [(x, top, x, top + 80) for x in (500, 700) for top in (40, 200)]
    (document,) = read(tmp_path, "a.png", drawn((1000, 320), texts, [*across, *down]))
    assert (
        "姓名：曲同工；工号：A1187；家庭住址：北山县柳园路二十六号；联系电话：5550193；职务：保管员"
        in document.text
    )


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("議事録\n第三回運営会議は六月十四日に札幌で開催されました。\n出席者は佐藤部長ほか九名です。", "euc_jp"),
        (
            "공지사항\n도서관은 매주 월요일에 휴관합니다.\n대출 기간은 이주일이며 한 번 연장할 수 있습니다.",
            "euc_kr",
        ),
        ("龙井茶 80度\n碧螺春 75度\n金骏眉 90度\n白毫银针 85度\n大红袍 95度\n", "gb18030"),
        ("标点，只有一点。安徽、北京、成都、广东、贵州、海口、大连、福建、哈密、合肥、敦化、本溪", "gb18030"),
    ],
)
def test_encodings_of_neighbours(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), "a.txt") == text


def test_word_comments_and_the_strict_variant(tmp_path: Path) -> None:
    def fill(document: Any) -> None:
        document.add_heading("采购合同审阅稿", 1)
        paragraph = document.add_paragraph("乙方应在收到预付款后三十日内交货。")
        document.add_comment(paragraph.runs, text="逾期每日按千分之五计算。", author="周法务", initials="Z")

    data = samples.word(fill)
    expected = "采购合同审阅稿\n乙方应在收到预付款后三十日内交货。（批注：逾期每日按千分之五计算。）"
    assert whole(read(tmp_path, "a.docx", data)) == expected

    def strict(xml: bytes) -> bytes:
        for part in (b"wordprocessingml", b"officeDocument"):
            xml = xml.replace(
                b"http://schemas.openxmlformats.org/%s/2006/" % part, b"http://purl.oclc.org/ooxml/%s/" % part
            )
        return xml

    changed = samples.replaced(data, dict.fromkeys(("word/document.xml", "_rels/.rels"), strict))
    assert "三十日内交货" in whole(read(tmp_path, "b.docx", changed))


def test_remarks_at_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["线路", "发车时间", "司机"], ["东线", "07:10", "冯师傅"], ["西线", "07:25", "邱师傅"]):
        book.active.append(row)
    book.active["B3"].comment = Comment("十一月起改为七点十五分", "调度")
    assert "线路：西线；发车时间：07:25（批注：十一月起改为七点十五分）；司机：邱师傅" in whole(
        read(tmp_path, "a.xlsx", samples.saved(book))
    )


def test_web_forms_and_menus(tmp_path: Path) -> None:
    page = """<h1>体检登记</h1><div class="main-menu"><a href=a>首页</a> <a href=b>关于我们</a></div>
    <p>姓名：<input value="鲁西亭"><input type=hidden value=x></p><p>空腹：<input type=checkbox checked>是 <input type=checkbox>否</p>
    <p>套餐：<select><option>基础</option><option selected>心血管专项</option></select></p><div><input type=checkbox id=t></div>"""
    (document,) = read(tmp_path, "a.html", page.encode())
    assert document.text == "姓名：鲁西亭\n空腹：☑是 ☐否\n套餐：心血管专项"


def test_markdown_footnotes_and_tables_of_html(tmp_path: Path) -> None:
    text = """# 灌区管理

每轮配水时间为十一天[^1]，<b>不得</b>提前。

[^1]: 遇旱情时缩短为八天。

```
[^1] 在代码里不动
```

<details>
<summary>施肥</summary>

每年三次。

</details>

<table><tr><th>作物</th><th>水价</th></tr><tr><td>水稻</td><td>0.12</td></tr><tr><td>蔬菜</td><td>0.31</td></tr></table>
"""
    (document,) = read(tmp_path, "a.md", text.encode())
    lines = document.text.split("\n")
    assert lines[0] == "每轮配水时间为十一天（注：遇旱情时缩短为八天。），不得提前。"
    assert "[^1] 在代码里不动" in lines
    assert lines[-4:-2] == ["施肥", "每年三次。"]
    assert lines[-1] == "作物：蔬菜；水价：0.31"


TXT = {
    "各站水位（米）\n\n站名        警戒水位    当前水位\n青龙滩      35.50       33.84\n双河口      28.30       29.15\n": [
        "各站水位（米）",
        "站名：双河口；警戒水位：28.30；当前水位：29.15",
    ],
    "第一章 总则\n第一条 为规范用水行为，制定本规约。\n第二章 收费\n第二条 水费每方四角五分。\n": ["第二章 收费", "水费每方四角五分"],
    "张经理 2024-05-06 09:12\n评审会改到三楼。\n\n李工 2024-05-06 09:15\n收到，材料各带十二份\n": ["", "李工 2024-05-06 09:15\n收到，材料各带十二份"],
    "# 手册\n\n## 甲\n\n一句。\n\n## 乙\n\n第一项\n\n说的是七天。\n\n## 丙\n\n三句。\n": ["手册 › 乙", "说的是七天"],
}  # fmt: skip


@pytest.mark.parametrize("text", TXT)
def test_plain_texts_with_tables_and_headings(tmp_path: Path, text: str) -> None:
    documents = read(tmp_path, "a.txt", text.encode())
    title, said = TXT[text]
    assert [document.title for document in documents if said in document.text] == [title]


def test_letters_bring_their_attachments(tmp_path: Path) -> None:
    letter = email.message.EmailMessage()
    letter["Subject"], letter["From"] = "年会", "行政部 <a@b.cn>"
    letter.set_content("<p>年会改在<b>松涛厅</b>举行。</p>", subtype="html", charset="gb18030")
    table = "桌号,部门\n9,仓储部\n12,研发部\n".encode()
    letter.add_attachment(table, maintype="text", subtype="csv", filename="../../座位.csv")
    letter.add_attachment(b"MZ\0\0", maintype="application", subtype="octet-stream", filename="x.exe")
    letter.add_attachment(b"not one", maintype="application", subtype="pdf", filename="坏.pdf")
    documents = read(tmp_path, "a.eml", letter.as_bytes())
    assert [(d.doc_id, d.title) for d in documents] == [("a.eml:1", "年会"), ("a.eml:a1:2", "年会 › 座位")]
    assert "桌号：12；部门：研发部" in documents[1].text
    assert documents.report.counts["attachments"] == 1
    assert [name in "".join(documents.report.warnings) for name in ("x.exe", "坏.pdf", "座位")] == [
        True,
        True,
        False,
    ]


def test_letters_of_outlook(tmp_path: Path) -> None:
    data = samples.outlook(
        "停电通知", "本周六上午八点停电。", {"附表.csv": "楼,时间\n一号楼,8:00\n二号楼,9:30\n".encode()}
    )
    documents = read(tmp_path, "a.msg", data)
    assert (documents[0].title, documents[0].text.split("\n")[-1]) == ("停电通知", "本周六上午八点停电。")
    assert "楼：二号楼；时间：9:30" in documents[1].text


def test_old_workbooks(tmp_path: Path) -> None:
    rows = [["类别", "项目", "金额"], ["文体", "球赛", 1200], ["", "棋赛", 300.5]]
    (document,) = read(tmp_path, "a.xls", samples.old_workbook(rows, [(1, 2, 0, 0)]))
    assert document.text == "类别：文体；项目：球赛；金额：1200\n类别：文体；项目：棋赛；金额：300.5"


def test_tables_of_rich_text_and_notebooks(tmp_path: Path) -> None:
    rows = [("树种", "数量"), ("银杏", "320"), ("水杉", "150")]
    coded = "".join(
        "\\trowd " + "".join(f"{samples.rich_characters(cell)}\\cell " for cell in row) + "\\row " for row in rows
    )
    assert "树种：水杉；数量：150" in whole(read(tmp_path, "a.rtf", ("{\\rtf1\\ansi " + coded + "}").encode()))
    shown = "<table><tr><th>站点</th><th>含水率</th></tr><tr><td>石桥</td><td>18.2</td></tr><tr><td>龙泉</td><td>23.7</td></tr></table>"
    cell = {"cell_type": "code", "source": "df", "outputs": [{"data": {"text/html": [shown], "text/plain": ["?"]}}]}
    assert "站点：龙泉；含水率：23.7" in whole(read(tmp_path, "a.ipynb", json.dumps({"cells": [cell]}).encode()))


def test_slides_without_a_title(tmp_path: Path) -> None:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    inch = pptx.util.Inches(1)
    for top, text, size in ((5, "第二步：涂刷底漆", 18), (1, "施工流程", 40), (3, "第一步：打磨基面", 18)):
        run = slide.shapes.add_textbox(inch, top * inch, 6 * inch, inch // 2).text_frame.paragraphs[0].add_run()
        run.text, run.font.size = text, pptx.util.Pt(size)
    unknown = slide_element("p:sp")  # without a geometry: of a kind that nobody knows
    for parent, tags in (("", ("p:nvSpPr", "p:spPr")), ("p:nvSpPr", ("p:cNvPr", "p:cNvSpPr", "p:nvPr"))):
        for tag in tags:
            (unknown[0] if parent else unknown).append(slide_element(tag))
    unknown[0][0].set("id", "99")
    unknown[0][0].set("name", "?")
    slide.shapes._spTree.append(unknown)
    (document,) = read(tmp_path, "a.pptx", samples.saved(show))
    assert (document.title, document.text) == ("施工流程", "第一步：打磨基面\n第二步：涂刷底漆")


def test_a_heading_within_a_table_begins_another(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["股东名称", "持股比例", "持股数量"], ["甲公司", "29.4%", 257], ["乙公司", "9.3%", 81], ["无限售条件股东", None, None],
                ["股东名称", "股份种类", "数量"], ["丙公司", "人民币普通股", 27]):  # fmt: skip
        book.active.append(row)
    book.active.merge_cells("A4:C4")
    said = whole(read(tmp_path, "a.xlsx", samples.saved(book)))
    assert "股东名称：丙公司；股份种类：人民币普通股；数量：27" in said
    assert "无限售条件股东" in said


def test_tracked_changes_are_as_accepted(tmp_path: Path) -> None:
    def fill(document: Any) -> None:
        paragraph = document.add_paragraph("访客证有效期为")
        for tag, inner, text in (("w:del", "w:delText", "三天"), ("w:ins", "w:t", "七天")):
            change, run, said = OxmlElement(tag), OxmlElement("w:r"), OxmlElement(inner)
            change.set(qn("w:id"), "1")
            said.text = text
            run.append(said)
            change.append(run)
            paragraph._p.append(change)

    assert [d.text for d in read(tmp_path, "a.docx", samples.word(fill))] == ["访客证有效期为七天"]


def test_cells_are_written_as_they_are_shown(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in [["收件人", "邮编", "时长"], ["褚红", 532, datetime.timedelta(hours=26, minutes=5)]]:
        sheet.append(row)
    sheet["B2"].number_format, sheet["C2"].number_format = "000000", "[h]:mm"
    assert "邮编：000532；时长：26:05" in whole(read(tmp_path, "a.xlsx", samples.saved(book)))


def test_a_header_of_two_rows_is_set_off_from_its_table(tmp_path: Path) -> None:
    def part(year: str, value: int) -> list[list[object]]:
        return [
            ["万元", None, None, year],
            [None, "收入", "利润", "折旧"],
            [],
            ["北区", value, 8, -3],
            ["南区", value + 1, 9, -4],
        ]

    text = whole(
        read(tmp_path, "a.xlsx", samples.workbook({"分部": [*part("2023年", 95), [], *part("2022年", 71)]}))
    )
    assert "万元：北区；收入：95；利润：8；2023年 折旧：-3" in text
    assert "万元：南区；收入：72；利润：9；2022年 折旧：-4" in text


def test_a_page_that_was_photographed_aslant_has_rows(tmp_path: Path) -> None:
    rows = [
        ("班次", "车型", "发车"),
        ("K101", "大巴", "07:20"),
        ("K103", "中巴", "09:45"),
        ("K107", "大巴", "14:10"),
    ]
    texts = [(80 + 300 * c, 60 + 100 * r, text) for r, row in enumerate(rows) for c, text in enumerate(row)]
    edges = [(50, 40 + 100 * r, 950, 40 + 100 * r) for r in range(5)] + [
        (50 + 300 * c, 40, 50 + 300 * c, 440) for c in range(4)
    ]
    image = Image.open(io.BytesIO(drawn((1000, 500), texts, edges)))
    data = samples.encoded(image.rotate(2.5, fillcolor="white", expand=True), "PNG")
    assert "班次：K103；车型：中巴；发车：09:45" in whole(read(tmp_path, "a.png", data))


def test_lines_that_end_within_a_sentence_go_on(tmp_path: Path) -> None:
    text = "消防公约\n\n第一条 灭火器每半年检查一次，\n由楼长签字。\n第二条 每年十一月演练。\n"
    assert "第一条 灭火器每半年检查一次，由楼长签字。" in [
        one.text for one in read(tmp_path, "a.txt", text.encode())
    ]


def test_a_table_within_rules_of_signs(tmp_path: Path) -> None:
    rule = "+------+------+--------+\n"
    text = f"机房巡检\n{rule}| 机柜 | 温度 | 负责人 |\n{rule}| A07  | 23.5 | 慕容   |\n| B12  | 27.1 | 闻人   |\n{rule}"
    found = read(tmp_path, "a.txt", text.encode())
    assert [(one.title, one.text) for one in found] == [
        ("机房巡检", "机柜：A07；温度：23.5；负责人：慕容\n机柜：B12；温度：27.1；负责人：闻人")
    ]


def test_the_parts_of_a_json_object_bear_its_name(tmp_path: Path) -> None:
    text = (
        '{"店名": "拾味馆", "菜": [{"名": "鲈鱼", "价": 68}, {"标题": "汤", "价": 88}], "营业": {"周一": "休息"}}'
    )
    found = read(tmp_path, "a.json", text.encode())
    assert [(one.title, one.text) for one in found] == [
        ("", "店名：拾味馆"), ("拾味馆", "名：鲈鱼；价：68"), ("汤", "价：88"), ("拾味馆", "营业.周一：休息"),
    ]  # fmt: skip


def test_long_names_of_columns_are_names(tmp_path: Path) -> None:
    name = "Percentage of drivers involved in fatal collisions who had not been involved in any before"
    text = f"State,Premium,{name}\nUtah,809.38,95\nOhio,697.73,83\n"
    assert f"State：Ohio；Premium：697.73；{name}：83" in whole(read(tmp_path, "a.csv", text.encode()))
