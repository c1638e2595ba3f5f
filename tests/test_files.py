import csv
import io

import pytest

from src.files import csv_text, defused


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1", " =1", "＝1", "＠x", "－1"])
def test_formulas_are_defused(text) -> None:
    assert defused(text) == f"'{text}"


@pytest.mark.parametrize("value", ["1=1", "", "广州", -1, -0.5, None, True])
def test_everything_else_stays(value) -> None:
    assert defused(value) == value


def test_csv_text_is_read_back_as_it_was() -> None:
    rows = [["a", 1, None], ['逗号,引号"和\n换行', "\r", "空\x00字节"], ["", " x ", "😀"]]
    text = csv_text(rows)
    assert text.startswith("\ufeff")
    read = list(csv.reader(io.StringIO(text[1:], newline="")))
    assert read == [["" if cell is None else str(cell) for cell in row] for row in rows]
