"""Pictures: columns are read one after the other, ruled tables are rows, what stands on its head or side is turned."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from src.ingest.readers.grid import grids, table_of
from src.ingest.readers.layout import Piece, columns_of, lines_of
from src.ingest.worker import ParserPool
from tests.ingest import samples

ROWS = [["班次", "码头", "票价"], ["晨班", "青石", "18.5"], ["午班", "白塔", "21.0"], ["晚班", "南湾", "16.0"]]
LEFT = ["养蜂人春天把蜂箱搬到山", "脚，等油菜开花，五月再", "搬到半山腰，那里的槐花", "开得晚一些，蜜也更清。"]
RIGHT = ["秋天不取蜜，留给蜂群过", "冬，箱外裹一层稻草，每", "隔十天看一次，冷的年份", "要喂糖水，到惊蛰为止。"]


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    pool = ParserPool()
    yield pool
    pool.close()


def table() -> Image.Image:
    image = Image.new("RGB", (900, 420), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(samples.font_path(), 34)
    for row, cells in enumerate(ROWS):
        for column, text in enumerate(cells):
            left, top = 40 + 270 * column, 40 + 85 * row
            draw.rectangle((left, top, left + 270, top + 85), outline="black", width=3)
            draw.text((left + 30, top + 20), text, fill="black", font=font)
    return image


@pytest.mark.parametrize("turn", [None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180])
def test_rows_of_a_table_in_a_picture_carry_their_names(
    pool: ParserPool, tmp_path: Path, turn: Image.Transpose | None
) -> None:
    image = table() if turn is None else table().transpose(turn)
    path = tmp_path / "a.png"
    path.write_bytes(samples.encoded(image, "PNG"))
    (document,) = pool.read(path)
    assert document.text.split("\n") == [
        "；".join(f"{n}：{v}" for n, v in zip(ROWS[0], row, strict=True)) for row in ROWS[1:]
    ]


def pieces(texts: list[str], left: float, top: float = 200, width: float = 300) -> list[Piece]:
    return [Piece(left, top + 50 * n, left + width, top + 50 * n + 36, text) for n, text in enumerate(texts)]


def test_columns_come_one_after_the_other_below_their_heading() -> None:
    heading = Piece(250, 100, 620, 150, "山里养蜂的一年四季")
    groups = list(columns_of([*pieces(RIGHT, 520), heading, *pieces(LEFT, 60)]))
    assert [list(lines_of(group)) for group, _ in groups] == [[heading.text], LEFT, RIGHT]
    assert [in_column for _, in_column in groups] == [False, True, True]


def test_cells_beside_each_other_are_no_columns() -> None:
    cells = [
        *pieces(["姓名", "甲", "乙", "丙", "丁"], 60, width=80),
        *pieces(["电话", "6101", "6102", "6103", "6104"], 520, width=90),
    ]
    ((group, in_column),) = columns_of(cells)
    assert not in_column
    assert list(lines_of(group))[1] == "甲  6101"


def test_a_picture_without_rules_has_no_grid_and_a_frame_is_none() -> None:
    assert grids(np.asarray(samples.picture(["没有线的一行字。"]))) == []
    frame = samples.picture(["框里的字。"])
    ImageDraw.Draw(frame).rectangle((20, 20, 980, 380), outline="black", width=4)
    assert grids(np.asarray(frame)) == []
    (grid,) = grids(np.asarray(table()))
    assert (len(grid.rows), len(grid.columns)) == (5, 4)
    rows, rest = table_of(grid, [Piece(60, 60, 120, 100, "班次"), Piece(0, 0, 20, 20, "外")])
    assert (rows, len(rest)) == ([], 2)
