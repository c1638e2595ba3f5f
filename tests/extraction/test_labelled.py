import json
from pathlib import Path

import pytest

from src.errors import InputError
from src.extraction.labelled import read_labelled
from src.extraction.schema import Span

GOOD = {"text": "王明任董事", "entities": [["职位", 3, 5], ["姓名", 0, 2]]}


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), "utf-8")
    return path


@pytest.mark.parametrize("lines", [False, True])
def test_a_list_and_lines_are_the_same(tmp_path: Path, lines: bool) -> None:
    content = "\n".join(map(json.dumps, [GOOD, GOOD])) + "\n\n" if lines else [GOOD, GOOD]
    first, second = read_labelled(write(tmp_path / "d", content))
    assert first == second
    assert first.spans == (Span("姓名", "王明", 0, 2), Span("职位", "董事", 3, 5))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**GOOD, "text": " "}, "text"),
        ({"text": "甲"}, "entities"),
        ({**GOOD, "entities": [["名字", 0, 2]]}, "名字"),
        ({**GOOD, "entities": [["姓名", 0, 6]]}, "超出正文"),
        ({**GOOD, "entities": [["姓名", 2, 2]]}, "超出正文"),
        ({**GOOD, "entities": [["姓名", 0, True]]}, "超出正文"),
        ({**GOOD, "entities": [["姓名", 0]]}, "不是 \\[类别"),
        ({**GOOD, "entities": [["姓名", 0, 2], ["职位", 1, 3]]}, "重叠"),
        (["text"], "不是 JSON 对象"),
        (None, "不是 JSON 对象"),
    ],
)
def test_a_bad_row_is_named_by_its_number(tmp_path: Path, row: object, reason: str) -> None:
    with pytest.raises(InputError, match=f"第 2 条.*{reason}"):
        read_labelled(write(tmp_path / "d.json", [GOOD, row]))


def test_all_bad_lines_are_counted_and_the_first_are_shown(tmp_path: Path) -> None:
    lines = "\n".join(["{", json.dumps(GOOD), *["[]"] * 30])
    with pytest.raises(InputError) as caught:
        read_labelled(write(tmp_path / "d.jsonl", lines))
    assert "第 1 行" in str(caught.value)
    assert "第 3 行" in str(caught.value)
    assert "第 2 行" not in str(caught.value)
    assert "共 31 处" in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "[1, 2", "\n\n"])
def test_nothing_to_learn_from_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match=r"d\.json"):
        read_labelled(write(tmp_path / "d.json", content))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="读不了"):
        read_labelled(tmp_path / "none.json")
    (tmp_path / "gbk.json").write_bytes('["王"]'.encode("gbk"))
    with pytest.raises(InputError, match="UTF-8"):
        read_labelled(tmp_path / "gbk.json")
