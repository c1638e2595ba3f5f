"""Where a chunk's words stand among the characters of a page; the pages are made of characters in a grid."""

from itertools import pairwise

from src.ingest.locate import Box, Glyph, PageText, expected

HIGH, WIDE = 0.02, 0.01


def page(*lines: str, step: float = 0.04) -> PageText:
    """A character a place, a line every ``step``; a space moves on."""
    return PageText(
        Glyph(character, (column * WIDE, row * step, (column + 1) * WIDE, row * step + HIGH))
        for row, line in enumerate(lines)
        for column, character in enumerate(line)
    )


def boxed(on: PageText, text: str, start: int = 0) -> list[Box]:
    return [tuple(round(edge, 4) for edge in box) for box in on.boxes_of(on.aligned(text, start))]


def words(on: PageText, text: str, start: int = 0) -> str:
    return "".join(on.text[place] for place in on.aligned(text, start) if place >= 0)


def test_a_sentence_over_two_lines_has_a_box_on_each() -> None:
    on = page("标题", "公司成立于一九九", "九年。总部在广州。")
    assert boxed(on, "成立于一九九九年。") == [(0.02, 0.04, 0.08, 0.06), (0.0, 0.08, 0.03, 0.1)]


def test_white_space_width_and_case_do_not_count() -> None:
    on = page("Ａｎｎｕａｌ  report 2024 年")
    assert words(on, "annual Report２０２４年") == "annualreport2024年"


def test_what_a_reader_left_out_of_a_page_parts_the_boxes() -> None:
    on = page("年假按工龄计算，满一年的员工", "内部资料 第 3 页", "有十二天年假，可以分两次休。")
    found = words(on, "年假按工龄计算，满一年的员工有十二天年假，可以分两次休。")
    assert found.startswith("年假按工龄")
    assert found.endswith("分两次休。")
    assert "内部资料" not in found


def test_of_equal_sentences_the_nearest_counts() -> None:
    on = page("同一句话。", "别的文字在这里。", "同一句话。")
    assert boxed(on, "同一句话。", start=0)[0][1] == 0.0
    assert boxed(on, "同一句话。", start=14)[0][1] == 0.08


def test_a_row_is_boxed_in_its_line_and_not_where_its_values_stand_elsewhere() -> None:
    on = page(
        "姓名    部门      年龄",
        "张三    研发部    31",
        "李四    研发部    31",
        "王五    市场部    5",
        "合计 2025 年 31 人",
    )
    rows = boxed(on, "姓名：李四；部门：研发部；年龄：31\n姓名：王五；部门：市场部；年龄：5")
    assert [box[1] for box in rows] == [0.08] * 3 + [0.12] * 3
    assert [box[0] for box in rows] == [0.0, 0.06, 0.13] * 2


def test_a_number_is_no_part_of_a_longer_one() -> None:
    on = page("编号    数量", "2025    15", "5       25")
    rows = boxed(on, "编号：5；数量：25")
    assert [box[1] for box in rows] == [0.08, 0.08]


def test_the_names_of_columns_are_not_missed() -> None:
    text = "姓名：李四；部门：研发部"
    assert {text[offset] for offset in expected(text, [(0, len(text))])} == set("李四研发部")
    assert expected(text, [(0, 2)]) == {0, 1}


def test_a_form_whose_values_stand_on_several_lines() -> None:
    on = page("姓名：张三", "", "电话：020-3456", "", "地址：广州市天河区")
    assert words(on, "姓名：张三；电话：020-3456；地址：广州市天河区") == "张三020-3456广州市天河区"


def test_vertical_text_is_one_box_a_column() -> None:
    on = PageText(
        Glyph(character, (0.5, row * 0.021, 0.52, row * 0.021 + 0.02)) for row, character in enumerate("春眠不觉晓")
    )
    (box,) = on.boxes_of(on.aligned("眠不觉"))
    assert (box[0], box[2]) == (0.5, 0.52)
    assert round(box[1], 3) == 0.021


def test_what_is_not_there_is_found_nowhere() -> None:
    on = page("公司成立于一九九九年。")
    assert on.aligned("月球背面的基地") == [-1] * 7
    assert PageText([]).aligned("甲\n\n乙") == [-1] * 4
    assert on.aligned("") == []


def test_boxes_stay_in_reading_order() -> None:
    on = page("甲乙丙丁戊己庚辛", "子丑寅卯辰巳午未")
    tops = [box[1] for box in boxed(on, "甲乙丙丁戊己庚辛\n子丑寅卯")]
    assert all(one <= other for one, other in pairwise(tops))
