"""Where a table's header is, in every format that has tables."""

import datetime
import io
from pathlib import Path
from typing import Any

import openpyxl
import pptx
import pptx.util
import pytest

from src.ingest.parse import read_file
from src.ingest.readers.header import Across
from src.ingest.readers.tables import table_documents, table_lines
from src.ingest.split import split_document
from src.ingest.types import Document
from src.ingest.worker import ParserPool
from tests.ingest import samples


def texts(rows: list[list[str]]) -> list[str]:
    return [line.text for line in table_lines(rows)]


def read(folder: Path, name: str, data: bytes) -> list[Document]:
    path = folder / name
    path.write_bytes(data)
    return read_file(path)


def lines(documents: list[Document]) -> list[str]:
    return [line for document in documents for line in document.text.split("\n")]


@pytest.mark.parametrize(
    "rows",
    [
        [["柳溪站", "雨量", "31", "2019年"], ["白石站", "水位", "4", "2021年"], ["杉林站", "雨量", "77", "2020年"]],
        [["甲区", "一季度", "入库"], ["甲区", "二季度", "出库"], ["乙区", "一季度", "入库"]],
        [["张工", "13楼"], ["李工", "7楼"], ["王工", "22楼"]],
    ],
)
def test_records_without_a_header_keep_the_first(rows: list[list[str]]) -> None:
    found = texts(rows)
    assert len(found) == len(rows)
    for row, line in zip(rows, found, strict=True):
        assert line in ("；".join(row), "：".join(row))


@pytest.mark.parametrize(
    ("header", "row", "line"),
    [
        (["品名", "2021年", "2022年", "2023年"], ["木耳", "12", "15", "9"], "品名：木耳；2021年：12；2022年：15；2023年：9"),
        (["站点", "2019", "2020"], ["东门", "310", "288"], "站点：东门；2019：310；2020：288"),
        (["树种", "1月", "2月", "3月"], ["水杉", "3cm", "4cm", "6cm"], "树种：水杉；1月：3cm；2月：4cm；3月：6cm"),
        (["零件", "代号"], ["轴套", "ZT-20"], "零件：轴套；代号：ZT-20"),
    ],
)  # fmt: skip
def test_a_header_of_years_or_months_is_a_header(header: list[str], row: list[str], line: str) -> None:
    assert texts([header, row, [f"另{row[0]}", *row[1:]]])[0] == line


def test_a_line_of_units_above_the_header_is_a_caption() -> None:
    rows = [["编制：财务科", "", "单位：千元"], ["科目", "上年", "本年"], ["差旅", "31", "28"]]
    (document,) = table_documents(rows, "a.csv", "a.csv")
    assert (document.title, document.text) == ("编制：财务科；单位：千元", "科目：差旅；上年：31；本年：28")


def test_two_header_rows_without_merged_cells_are_joined() -> None:
    rows = [
        ["", "上半年", "", "下半年", ""],
        ["店铺", "收入", "支出", "收入", "支出"],
        ["北街店", "9", "7", "12", "8"],
    ]
    assert texts(rows) == ["店铺：北街店；上半年 收入：9；上半年 支出：7；下半年 收入：12；下半年 支出：8"]


def test_a_form_is_one_line_of_names_and_values() -> None:
    rows = [
        ["姓名", "卓一凡", "性别", "女"],
        ["学 历", "大专", "专业", "园艺"],
        ["联系电话", "", "住址", "柳巷9号"],
    ]
    assert texts(rows) == ["姓名：卓一凡；性别：女；学 历：大专；专业：园艺；住址：柳巷9号"]


def test_a_table_whose_header_has_the_names_of_forms_is_no_form() -> None:
    rows = [
        ["姓名", "部门", "工号", "电话"],
        ["卓一凡", "园林科", "Y31", "6102"],
        ["邱禾", "水电科", "Y32", "6103"],
    ]
    assert texts(rows)[1] == "姓名：邱禾；部门：水电科；工号：Y32；电话：6103"


def test_tables_below_and_beside_each_other_have_their_own_names() -> None:
    rows = [
        ["果园", "亩数", "", "合作社", "社员"],
        ["东坡", "30", "", "丰年", "51"],
        [],
        ["仓房", "容积", "", "", ""],
        ["一号", "600", "", "", ""],
    ]
    assert texts(rows) == ["果园：东坡；亩数：30", "合作社：丰年；社员：51", "仓房：一号；容积：600"]
    documents = list(table_documents(rows, "a.xlsx", "a.xlsx"))
    assert len({document.doc_id for document in documents}) == 3


def test_a_second_table_of_texts_is_known_by_the_names_of_its_columns() -> None:
    rows = [["科室", "负责人"], ["水电科", "邱禾"], [], ["仓房", "位置"], ["一号", "后院"]]
    assert texts(rows) == ["科室：水电科；负责人：邱禾", "仓房：一号；位置：后院"]


def test_headings_and_notes_among_the_rows_are_no_values() -> None:
    group = "一、果树"
    rows = [
        ["名称", "株数", "行距"],
        [group, Across(group), Across(group)],
        ["枇杷", "30", "4米"],
        ["注：含新栽的。"],
    ]
    assert texts(rows) == [group, "名称：枇杷；株数：30；行距：4米", "注：含新栽的。"]


def test_a_blank_row_does_not_end_a_table() -> None:
    rows = [
        ["姓名", "班次", "车号"],
        ["邱禾", "早班", "K12"],
        [],
        ["卓一凡", "晚班", "K15"],
        [],
        [],
        ["叶青", "中班", "K9"],
    ]
    assert texts(rows)[1:] == ["姓名：卓一凡；班次：晚班；车号：K15", "姓名：叶青；班次：中班；车号：K9"]


def test_a_long_cell_is_cut_with_its_names_and_each_part_has_its_own_id(tmp_path: Path) -> None:
    answer = "".join(f"第{n}步，带上第{n}号材料到第{n}号窗口盖章，再把回执交给导办员保管。" for n in range(1, 40))
    rows = [
        ["问题", "答案", "科室"],
        ["怎样办养犬证", answer, "治安科"],
        ["怎样办居住证", "带合同到二楼。", "户政科"],
    ]
    data = samples.workbook({"问答": rows})
    documents = read(tmp_path, "问答.xlsx", data)
    assert len({document.doc_id for document in documents}) == len(documents)
    chunks = [chunk for document in documents for chunk in split_document(document)]
    assert all(len(chunk.text) <= 300 for chunk in chunks)
    parts = [line for line in lines(documents) if "盖章" in line]
    assert len(parts) > 3
    assert all(part.startswith("问题：怎样办养犬证；答案：") for part in parts)
    assert "".join(part.removeprefix("问题：怎样办养犬证；答案：") for part in parts).startswith(answer)


def sheet() -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    book.active.title = "账"
    return book


def test_merged_cells_of_a_workbook_fill_what_they_cover(tmp_path: Path) -> None:
    book = sheet()
    for row in (
        ["车间", "白班", None, "夜班", None],
        [None, "人数", "产量", "人数", "产量"],
        ["铸造", 8, 310, 4, 150],
        [None, 7, 290, 3, 120],
    ):
        book.active.append(row)
    for merged in ("A1:A2", "B1:C1", "D1:E1", "A3:A4"):
        book.active.merge_cells(merged)
    assert lines(read(tmp_path, "班.xlsx", samples.saved(book))) == [
        "车间：铸造；白班 人数：8；白班 产量：310；夜班 人数：4；夜班 产量：150",
        "车间：铸造；白班 人数：7；白班 产量：290；夜班 人数：3；夜班 产量：120",
    ]


def test_formulas_without_a_value_are_worked_out_or_said_to_be_so(tmp_path: Path) -> None:
    book = sheet()
    for row in (
        ["货名", "箱数", "单价", "货款", "占比"],
        ["瓷砖", 12, 80, "=B2*C2", "=D2/D4"],
        ["地漏", 5, 9.5, "=B3*C3-(2+3)%", "=VLOOKUP(A3,Z1:Z9,1)"],
        ["合计", "=SUM(B2:B3)", None, "=SUM(D2:D3)", None],
    ):
        book.active.append(row)
    book.active["E2"].number_format = "0.0%"
    path = tmp_path / "货.xlsx"
    path.write_bytes(samples.saved(book))
    found = read_file(path)
    assert lines(found) == [
        "货名：瓷砖；箱数：12；单价：80；货款：960；占比：95.29008884%",
        "货名：地漏；箱数：5；单价：9.5；货款：47.45；占比：（公式没有保存结果：=VLOOKUP(A3,Z1:Z9,1)）",
        "货名：合计；箱数：17；货款：1007.45",
    ]
    pool = ParserPool()
    try:
        there = pool.read(path)
    finally:
        pool.close()
    assert there == found
    assert there.report.counts["formulas_unread"] == found.report.counts["formulas_unread"] == 1
    assert "重新保存" in there.report.warnings[0]


@pytest.mark.parametrize(
    "formula", ["=A1", "=SUM(A1:A1)+A1", "=1/0", "=" + "(" * 90 + "1" + ")" * 90, "=9^9^9", "=B1*#REF!"]
)
def test_formulas_that_lead_nowhere_end(tmp_path: Path, formula: str) -> None:
    book = sheet()
    book.active.append([formula, "值"])
    (line,) = lines(read(tmp_path, "a.xlsx", samples.saved(book)))
    assert line.endswith("值")


@pytest.mark.parametrize(
    ("value", "shown", "text"),
    [
        (1, "0%", "100%"),
        (0.125, "0.0%", "12.5%"),
        (38.5, '"¥"#,##0.00', "¥38.50"),
        (-7, '"$"0.00', "-$7.00"),
        (120, '0"人"', "120人"),
        (1250000, "#,##0.00", "1250000"),
        (3.5, "General", "3.5"),
        (5, "[Red]0;[Blue]-0", "5"),
        (datetime.time(8, 30), "h:mm:ss", "08:30:00"),
    ],
)
def test_values_keep_their_percent_sign_currency_and_unit(
    tmp_path: Path, value: Any, shown: str, text: str
) -> None:
    book = sheet()
    book.active.append(["名目", "数"])
    book.active.append(["某", value])
    book.active["B2"].number_format = shown
    assert lines(read(tmp_path, "a.xlsx", samples.saved(book))) == [f"名目：某；数：{text}"]


def test_formatted_rows_far_below_count_for_nothing(tmp_path: Path) -> None:
    def with_ghosts(xml: bytes) -> bytes:
        ghosts = "".join(f'<row r="{n}"><c r="A{n}"/><c r="B{n}"/></row>' for n in range(10, 600_000))
        return xml.replace(b"</sheetData>", ghosts.encode() + b"</sheetData>")

    data = samples.workbook({"一": [["工种", "名额"], ["瓦工", 6]]})
    data = samples.replaced(data, {"xl/worksheets/sheet1.xml": with_ghosts})
    path = tmp_path / "a.xlsx"
    path.write_bytes(data)
    pool = ParserPool()
    try:
        assert lines(pool.read(path)) == ["工种：瓦工；名额：6"]
    finally:
        pool.close()


def test_a_web_page_and_slides_with_two_header_rows(tmp_path: Path) -> None:
    page = (
        "<table><tr><th rowspan=2>船名<th colspan=2>平日<th colspan=2>假日</tr><tr><th>首班<th>末班<th>首班<th>末班</tr>"
        "<tr><td>渡江一号<td>6:10<td>20:00<td>7:00<td>21:30</tr></table>"
    )
    expected = "船名：渡江一号；平日 首班：6:10；平日 末班：20:00；假日 首班：7:00；假日 末班：21:30"
    assert lines(read(tmp_path, "a.html", page.encode())) == [expected]
    show = pptx.Presentation()
    inch = pptx.util.Inches(1)
    slide = show.slides.add_slide(show.slide_layouts[6])
    table = slide.shapes.add_table(4, 3, inch, inch, inch, inch).table
    cells = [["馆名", "开放", ""], ["", "周一", "周二"], ["茶馆", "9点", "10点"], ["", "8点", "11点"]]
    for number, row in enumerate(cells):
        for column, text in enumerate(row):
            table.cell(number, column).text = text
    table.cell(0, 0).merge(table.cell(1, 0))
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(2, 0).merge(table.cell(3, 0))
    stream = io.BytesIO()
    show.save(stream)
    assert lines(read(tmp_path, "a.pptx", stream.getvalue())) == [
        "馆名：茶馆；开放 周一：9点；开放 周二：10点",
        "馆名：茶馆；开放 周一：8点；开放 周二：11点",
    ]
