"""Word and PowerPoint: notes, headers, headings without styles, formulas, tick boxes, pictures, charts."""

import io
from pathlib import Path
from typing import Any

import docx
import pptx
import pptx.util
import pytest
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.shared import Inches, Pt
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE

from src.ingest.parse import read_file
from src.ingest.report import Documents
from src.ingest.worker import ParserPool
from tests.ingest import samples

SPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:w14="http://schemas.microsoft.com/office/word/2010/wordml"'
)


def read(folder: Path, name: str, data: bytes) -> Documents:
    path = folder / name
    path.write_bytes(data)
    return read_file(path)


def with_body(inner: str, **parts: str) -> bytes:
    """A Word file whose body is this XML; ``parts`` are notes, by their kind."""
    data = samples.word(lambda document: document.add_paragraph("占位"))
    body = f"<w:document {SPACES}><w:body>{inner}</w:body></w:document>".encode()
    changes: dict[str, Any] = {"word/document.xml": body}
    relations = types = ""
    for kind, xml in parts.items():
        changes[f"word/{kind}.xml"] = f"<w:{kind} {SPACES}>{xml}</w:{kind}>".encode()
        kind_of = f"http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}"
        relations += f'<Relationship Id="x{kind}" Type="{kind_of}" Target="{kind}.xml"/>'
        main = "application/vnd.openxmlformats-officedocument.wordprocessingml"
        types += f'<Override PartName="/word/{kind}.xml" ContentType="{main}.{kind}+xml"/>'
    changes["word/_rels/document.xml.rels"] = lambda xml: xml.replace(
        b"</Relationships>", relations.encode() + b"</Relationships>"
    )
    changes["[Content_Types].xml"] = lambda xml: xml.replace(b"</Types>", types.encode() + b"</Types>")
    return samples.replaced(data, changes)


def run(text: str, properties: str = "") -> str:
    return f"<w:r><w:rPr>{properties}</w:rPr><w:t>{text}</w:t></w:r>"


def test_notes_stand_behind_the_paragraph_that_refers_to_them(tmp_path: Path) -> None:
    inner = (
        f'<w:p>{run("苗木款分三期付。")}<w:r><w:footnoteReference w:id="4"/></w:r></w:p>'
        f'<w:p>{run("验收按规范。")}<w:r><w:endnoteReference w:id="1"/></w:r></w:p>'
    )
    note = '<w:{0} w:id="{1}"><w:p><w:r><w:t>{2}</w:t></w:r></w:p></w:{0}>'
    data = with_body(
        inner,
        footnotes=note.format("footnote", 4, "首期三成，栽后付四成。"),
        endnotes=note.format("endnote", 1, "指 2022 年版。"),
    )
    (document,) = documents = read(tmp_path, "a.docx", data)
    assert document.text.split("\n") == [
        "苗木款分三期付。（注：首期三成，栽后付四成。）",
        "验收按规范。（注：指 2022 年版。）",
    ]
    assert documents.report.counts["notes"] == 2


def test_headers_and_footers_are_read_once_and_page_numbers_are_not(tmp_path: Path) -> None:
    def fill(document: Any) -> None:
        document.add_paragraph("正文一句。")
        document.sections[0].header.paragraphs[0].text = "苗圃管理处 文号：苗字七号"
        document.sections[0].footer.paragraphs[0].text = "— 1 —"

    (document,) = read(tmp_path, "a.docx", samples.word(fill))
    assert document.text == "正文一句。\n页眉：苗圃管理处 文号：苗字七号"


def test_headings_without_styles_by_their_size_and_weight(tmp_path: Path) -> None:
    def fill(document: Any) -> None:
        for text, size, centred in (
            ("苗木养护须知", 22, True),
            ("一、浇水", 15, False),
            ("夏天早晚各浇一次。", 0, False),
            ("二、修剪", 15, False),
            ("冬天落叶以后剪。", 0, False),
            ("剪口要抹药，药在工具房的第二层架子上。", 0, False),
        ):
            paragraph = document.add_paragraph()
            run = paragraph.add_run(text)
            if size:
                run.font.size, run.font.bold = Pt(size), True
            if centred:
                paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER

    documents = read(tmp_path, "a.docx", samples.word(fill))
    assert [(d.title, d.text) for d in documents] == [
        ("苗木养护须知 › 一、浇水", "夏天早晚各浇一次。"),
        ("苗木养护须知 › 二、修剪", "冬天落叶以后剪。\n剪口要抹药，药在工具房的第二层架子上。"),
    ]


def test_a_bold_form_has_no_headings(tmp_path: Path) -> None:
    def fill(document: Any) -> None:
        for text in ("一、姓名", "二、地址", "三、电话"):
            document.add_paragraph().add_run(text).font.bold = True

    (document,) = read(tmp_path, "a.docx", samples.word(fill))
    assert document.text == "一、姓名\n二、地址\n三、电话"


def test_exponents_and_formulas_stay_what_they_are(tmp_path: Path) -> None:
    raised = '<w:vertAlign w:val="superscript"/>'
    m = "<m:r><m:t>{}</m:t></m:r>".format
    inner = (
        f"<w:p>{run('渗透率 3×10')}{run('-5', raised)}{run(' cm')}{run('2', raised)}{run('，商标')}{run('TM', raised)}</w:p>"
        f"<w:p><m:oMath><m:f><m:num>{m('a+1')}</m:num><m:den>{m('2b')}</m:den></m:f></m:oMath></w:p>"
        f"<w:p><m:oMath><m:sSup><m:e>{m('x')}</m:e><m:sup>{m('12')}</m:sup></m:sSup>{m('+')}"
        f"<m:rad><m:deg/><m:e>{m('y')}</m:e></m:rad></m:oMath></w:p>"
    )
    (document,) = read(tmp_path, "a.docx", with_body(inner))
    assert document.text.split("\n") == ["渗透率 3×10⁻⁵ cm²，商标TM", "(a+1)/(2b)", "x¹²+√y"]
    (page,) = read(tmp_path, "a.html", "<p>面积 25 km<sup>2</sup></p>".encode())
    assert page.text == "面积 25 km²"


def test_ticked_boxes_differ_from_empty_ones(tmp_path: Path) -> None:
    box = '<w:r><w:sym w:font="{}" w:char="{}"/></w:r>'.format
    control = (
        '<w:sdt><w:sdtPr><w14:checkbox><w14:checked w14:val="{}"/></w14:checkbox></w:sdtPr>'
        "<w:sdtContent><w:r><w:t>☒</w:t></w:r></w:sdtContent></w:sdt>"
    ).format
    inner = (
        f"<w:p>{run('住校：')}{box('Wingdings 2', 'F052')}{run('是')}{box('Wingdings 2', 'F0A3')}{run('否')}</w:p>"
        f"<w:p>{run('走读：')}{box('Wingdings', 'F0FE')}{run('是')}{box('Wingdings', 'F0A8')}{run('否')}</w:p>"
        f"<w:p>{run('午餐：')}{control(1)}{run('要')}{control(0)}{run('不要')}</w:p>"
    )
    (document,) = read(tmp_path, "a.docx", with_body(inner))
    assert document.text.split("\n") == ["住校：☑是☐否", "走读：☑是☐否", "午餐：☑要☐不要"]


def test_a_long_heading_keeps_all_its_text(tmp_path: Path) -> None:
    heading = "承诺" + "严格遵守苗圃的各项规定，" * 30 + "违者自负。"
    (document,) = read(tmp_path, "a.docx", samples.word(lambda document: document.add_heading(heading, 1)))
    assert heading in document.text


def test_text_in_pictures_is_recognised_or_said_not_to_be(tmp_path: Path) -> None:
    picture = io.BytesIO(samples.encoded(samples.picture(["值班室在苗圃南楼二层。"]), "PNG"))
    broken = samples.encoded(samples.picture(["坏"]), "PNG")[:3_000]

    def fill(document: Any) -> None:
        document.add_paragraph("见图。")
        document.add_picture(picture, Inches(4))

    data = samples.word(fill)
    pool = ParserPool()
    try:
        path = tmp_path / "图.docx"
        path.write_bytes(data)
        (document,) = documents = pool.read(path)
        assert "苗圃南楼二层" in document.text
        assert documents.report.counts["pictures"] == 1
        path.write_bytes(samples.replaced(data, {"word/media/image1.png": broken}))
        (document,) = documents = pool.read(path)
    finally:
        pool.close()
    assert document.text.strip() == "见图。"
    assert documents.report.counts["pictures_unread"] == 1
    assert "没有识别" in documents.report.warnings[0]


@pytest.mark.parametrize("kind", [XL_CHART_TYPE.COLUMN_CLUSTERED, XL_CHART_TYPE.LINE, XL_CHART_TYPE.PIE])
def test_charts_are_tables(tmp_path: Path, kind: XL_CHART_TYPE) -> None:
    chart = CategoryChartData()
    chart.categories = ["东圃", "西圃"]
    chart.add_series("春季出苗", (1200, 860))
    if kind != XL_CHART_TYPE.PIE:
        chart.add_series("秋季出苗", (950, 700))
    show = pptx.Presentation()
    inch = pptx.util.Inches(1)
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "出苗数"
    slide.shapes.add_chart(kind, inch, inch, inch * 4, inch * 3, chart)
    (document,) = documents = read(tmp_path, "a.pptx", samples.saved(show))
    autumn = ["", ""] if kind == XL_CHART_TYPE.PIE else ["；秋季出苗：950", "；秋季出苗：700"]
    assert document.title == "出苗数"
    assert document.text.split("\n")[-2:] == [
        f"类别：东圃；春季出苗：1200{autumn[0]}",
        f"类别：西圃；春季出苗：860{autumn[1]}",
    ]
    assert documents.report.counts["charts"] == 1


def test_our_word_reader_takes_what_python_docx_writes(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("总则", 1)
    document.add_paragraph("第一句。")
    stream = io.BytesIO()
    document.save(stream)
    assert [(d.title, d.text) for d in read(tmp_path, "a.docx", stream.getvalue())] == [("总则", "第一句。")]
