"""Which column holds the resumes, and the same table with what was found."""

import csv
import datetime
import io

import openpyxl
import pytest

from src.errors import InputError
from src.extraction.jsonl import Line, record_of
from src.extraction.schema import Extraction, Span
from src.extraction.tables import NOT_DONE, columns, table_bytes, table_of

HOSTILE = '=HYPERLINK("http://x")'
TEXT = "=王五+经理，董事"


def found(number: int, text: str, *spans: tuple[str, int, int]) -> dict:
    return record_of(Line(number, text), Extraction.of(text, [Span(n, text[a:b], a, b) for n, a, b in spans]))


@pytest.mark.parametrize(
    ("header", "column", "id_column"),
    [
        (["id", "text"], 1, 0),
        ([" Text ", "ID"], 0, 1),
        (["正文", "内容", "简历"], 2, None),
        (["姓名", "简历", None, ""], 1, 0),
        (["简历", "姓名", "工号", "编号"], 0, 3),
        (["电话", "简历"], 1, None),
        (["TEXT", "简历"], 0, None),
    ],
)
def test_the_column_of_texts(header, column, id_column) -> None:
    table = table_of([header, ["甲"] * 4], "表.xlsx")
    assert (table.text_column, table.id_column) == (column, id_column)


@pytest.mark.parametrize("header", [["姓名", "电话"], [""], ["简历全文"], [None, 5]])
def test_without_one_it_is_said_what_there_is(header) -> None:
    with pytest.raises(InputError, match=r"表\.xlsx 没有放简历文字的列.*text、简历、内容、正文") as caught:
        table_of([header, ["甲"]], "表.xlsx")
    assert all(str(cell) in str(caught.value) for cell in header if cell)


def test_a_header_alone_and_a_row_with_loose_commas() -> None:
    with pytest.raises(InputError, match="只有列名"):
        table_of([["text"]], "表.csv")
    with pytest.raises(InputError, match=r"第 3 行（不算空行）有 3 格，列名只有 2 个.*引号"):
        table_of([["id", "text"], ["1", "张三"], ["2", "李四", "经理"]], "表.csv")


def test_texts_and_names_are_known_by_their_place() -> None:
    table = table_of([["id", "text"], [7, "甲"], [7, None], [None, 12.5]], "表.xlsx")
    assert [(line.id, line.text) for line in table.lines()] == [(1, "甲"), (2, ""), (3, "12.5")]
    assert table.names() == ["7", "7", ""]


def test_csv_keeps_its_columns_and_defuses_the_new_ones() -> None:
    rows = [["id", "简历", "姓名"], ["007", TEXT, HOSTILE], ["", "  \n", "x"], ["9", "甲", ""]]
    table = table_of(rows, "表.csv")
    records = {
        1: found(1, TEXT, ("姓名", 0, 3), ("职位", 4, 6), ("职位", 7, 9)),
        2: record_of(Line(2, rows[2][1]), InputError("要抽取的文字是空的")),
    }
    data = table_bytes(table, records)
    assert data.startswith(b"\xef\xbb\xbf")
    read = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert read[0] == [*rows[0], "姓名（抽取）", *columns()[1:], "错误"]
    assert [row[:3] for row in read] == rows
    by_name = [dict(zip(read[0], row, strict=True)) for row in read[1:]]
    assert by_name[0]["姓名（抽取）"] == "'=王五"
    assert by_name[0]["职位"] == "经理；董事"
    assert [row["错误"] for row in by_name] == ["", "要抽取的文字是空的", NOT_DONE]


def test_a_workbook_keeps_kinds_and_texts_stay_texts() -> None:
    when = datetime.datetime(2024, 2, 10)
    rows = [
        ["id", "text", "入职", "备注"],
        [7, TEXT, when, HOSTILE],
        ["007", "甲", None, "\x00a"],
        [None, "乙", 0.5, True],
    ]
    table = table_of(rows, "表.xlsx")
    data = table_bytes(table, {1: found(1, TEXT, ("姓名", 0, 3)), 2: found(2, "甲")})
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    read = list(sheet.iter_rows(values_only=True))
    assert list(read[0]) == ["id", "text", "入职", "备注", *columns(), "错误"]
    assert list(read[1][:4]) == rows[1]
    assert list(read[2][:4]) == ["007", "甲", None, "a"]
    assert list(read[3][:4]) == rows[3]
    assert read[1][4] == "=王五"
    assert read[3][-1] == NOT_DONE
    assert [sheet.cell(2, column).data_type for column in (1, 2, 3, 4, 5)] == ["n", "s", "d", "s", "s"]
    assert sheet.cell(2, 2).quotePrefix


def test_a_title_may_stand_above_the_names() -> None:
    table = table_of([["2024年应聘者", None], ["姓名", "简历"], ["石某", "长" * 50]], "表.xlsx")
    assert (table.header, table.text_column, table.id_column) == (["姓名", "简历"], 1, 0)
    assert table.rows == [["石某", "长" * 50]]


@pytest.mark.parametrize(
    ("rows", "header", "column"),
    [
        ([["姓名", "个人经历"], ["石某", "长" * 50], ["周某", "长" * 80]], ["姓名", "个人经历"], 1),
        ([["应聘者", ""], ["自述", "姓名"], ["长" * 40, "石某"]], ["自述", "姓名"], 0),
    ],
)
def test_without_a_known_name_the_longest_texts_are_the_resumes(rows, header, column) -> None:
    table = table_of(rows, "表.xlsx")
    assert (table.header, table.text_column, table.text_name) == (header, column, header[column])


def test_a_table_without_names_is_not_taken_for_one_with_them() -> None:
    with pytest.raises(InputError, match="没有放简历文字的列"):
        table_of([["石某", "长" * 50], ["周某", "长" * 80]], "表.xlsx")
