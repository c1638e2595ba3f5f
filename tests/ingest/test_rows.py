"""Rows of tables as they are in the file, in this process and through a parser process."""

import datetime
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest

from src.errors import KnowledgeError
from src.ingest.limits import UPLOAD_LIMITS
from src.ingest.parse import read_table
from src.ingest.worker import ParserPool
from tests.ingest import samples
from tests.ingest.hostile import CASES
from tests.ingest.samples import replaced

WHEN = datetime.datetime(2024, 2, 10, 9, 30)


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    pool = ParserPool()
    yield pool
    pool.close()


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_csv_in_any_encoding(tmp_path: Path, pool: ParserPool, encoding: str, delimiter: str) -> None:
    text = f'id{delimiter}简历\r\n007{delimiter}" 张三，经理\n"\r\n\r\n{delimiter}=1+1'
    path = written(tmp_path, "表.csv", text.encode(encoding))
    assert pool.read_table(path) == [["id", "简历"], ["007", " 张三，经理\n"], ["", "=1+1"]]
    assert read_table(path) == pool.read_table(path)


@pytest.mark.parametrize("text", ["简历\n张三|李四|王五\n甲|乙|丙\n", "简历\n张三，经理\n"])
def test_one_column_is_not_divided(tmp_path: Path, text: str) -> None:
    assert [len(row) for row in read_table(written(tmp_path, "表.csv", text.encode()))] == [1] * (text.count("\n"))


def test_a_workbook_keeps_its_values(tmp_path: Path, pool: ParserPool) -> None:
    rows = [
        ["编号", "简历", "入职", "在职", "比例"],
        ["007", "张三", WHEN, True, 0.5],
        [8, "=1+1", None, False, -1],
    ]
    book = openpyxl.Workbook()
    book.active.title = "空的"
    hidden = book.create_sheet("密")
    hidden.append(["不给看"])
    hidden.sheet_state = "hidden"
    sheet = book.create_sheet("名单")
    for row in rows:
        sheet.append(row)
    sheet["B3"].data_type = "s"
    book.create_sheet("别的").append(["不读"])
    path = written(tmp_path, "表.xlsx", samples.saved(book))
    assert pool.read_table(path) == rows
    assert read_table(path) == rows


def test_a_formula_counts_as_the_value_saved_with_it(tmp_path: Path) -> None:
    path = written(tmp_path, "表.xlsx", samples.workbook({"一": [["简历"], ["=1+1"], ["张三"]]}))
    assert read_table(path) == [["简历"], ["张三"]]


HOSTILE = ("空.csv", "空.xlsx", "加密.docx", "远.xlsx", "宽行.xlsx", "外部实体.xlsx", "缺部件.xlsx", "图.csv",
           "坏的工作表.xlsx", "半个.xlsx", "格子多.csv", "大格.csv")  # fmt: skip


@pytest.mark.parametrize("case", [case for case in CASES if case.name in HOSTILE], ids=lambda case: case.name)
def test_hostile_tables_are_refused(tmp_path: Path, pool: ParserPool, case) -> None:
    with pytest.raises(KnowledgeError) as caught:
        pool.read_table(written(tmp_path, case.name, case.make()))
    assert case.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bombs_and_renamed_files(tmp_path: Path, pool: ParserPool) -> None:
    book = samples.workbook({"一": [["简历"], ["张三"]]})
    bomb = replaced(book, {"xl/worksheets/sheet1.xml": bytes(150_000_000)})
    for name, data, said in (
        ("炸弹.xlsx", bomb, "炸弹"),
        ("改名.csv", book, "内容其实是 xlsx"),
        ("改名.xlsx", "简历\n张三".encode(), "后缀是 .xlsx"),
        ("旧的.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "另存为 xlsx"),
        ("名单.docx", samples.word_sample(), "不支持 .docx"),
    ):
        with pytest.raises(KnowledgeError, match=said):
            pool.read_table(written(tmp_path, name, data))
    assert pool.read_table(written(tmp_path, "好.xlsx", book)) == [["简历"], ["张三"]]


def test_too_many_rows_or_characters(tmp_path: Path, pool: ParserPool) -> None:
    most = UPLOAD_LIMITS.max_documents
    with pytest.raises(KnowledgeError, match=f"超过 {most} 行"):
        pool.read_table(written(tmp_path, "长.csv", b"a\n" * (most + 1)))
    with pytest.raises(KnowledgeError, match="个字"):
        pool.read_table(written(tmp_path, "大.csv", "甲".encode() * (UPLOAD_LIMITS.max_characters + 1)))


def test_nul_bytes_and_controls_come_as_they_are(tmp_path: Path, pool: ParserPool) -> None:
    path = written(tmp_path, "零.csv", "简历\n张\0三\x1b[31m\n".encode())
    assert pool.read_table(path) == [["简历"], ["张\0三\x1b[31m"]]
