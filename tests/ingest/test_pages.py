"""Pages of real files as pictures, in a real parser process, and the boxes on them."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import SimpleDocTemplate, Table, TableStyle

from src.errors import KnowledgeError
from src.ingest.limits import PAGE_LIMITS
from src.ingest.pages import PagePicture, Wanted
from src.ingest.split import split_document
from src.ingest.types import Chunk
from src.ingest.worker import ParserPool
from tests.ingest import samples
from tests.ingest.hostile import CASES

WIDTH, HEIGHT = A4
LINES = ["员工手册", "入职满一年的员工有十二天年假。", "上班时间是早上九点，下班时间是下午六点。"]


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    made = ParserPool(1, PAGE_LIMITS)
    yield made
    made.close()


def chunks(pool: ParserPool, path: Path) -> list[Chunk]:
    return [chunk for document in pool.read(path) for chunk in split_document(document)]


def page_of(pool: ParserPool, path: Path, chunk: Chunk, *words: str, **more: Any) -> list[PagePicture]:
    spans = tuple((chunk.text.index(word), chunk.text.index(word) + len(word)) for word in words)
    assert chunk.page is not None
    return pool.page(path, path.name, Wanted(chunk.page, chunk.text, chunk.start, spans, **more))


def image_of(page: PagePicture) -> Image.Image:
    image = Image.open(io.BytesIO(page.image))
    assert image.size == (page.width, page.height)
    return image.convert("L")


def ink(page: PagePicture, group: int = 0) -> float:
    """The share of dark pixels that are inside of the boxes of one span."""
    image, inside = image_of(page), 0
    left, top, right, bottom = page.shown
    for box in page.boxes[group]:
        edges = [
            round((box[0] - left) / (right - left) * page.width) - 2,
            round((box[1] - top) / (bottom - top) * page.height) - 2,
            round((box[2] - left) / (right - left) * page.width) + 2,
            round((box[3] - top) / (bottom - top) * page.height) + 2,
        ]
        inside += dark(image.crop(tuple(edges)))
    return inside / max(1, dark(image))


def dark(image: Image.Image) -> int:
    return sum(image.histogram()[:128])


def test_words_are_boxed_where_they_stand(pool, tmp_path) -> None:
    path = tmp_path / "手册.pdf"
    path.write_bytes(samples.pdf([["封面"], LINES]))
    chunk = chunks(pool, path)[1]
    assert chunk.page == 2
    (page,) = page_of(pool, path, chunk, "十二天", "下午六点")
    assert (page.page, page.found, page.shown) == (2, 1.0, (0.0, 0.0, 1.0, 1.0))
    (first,), (second,) = page.boxes
    # drawString's baselines, in a font of 12 points; "十二天" is behind nine characters of it.
    assert first[0] * WIDTH == pytest.approx(60 + 9 * 12, abs=3)
    assert first[2] * WIDTH == pytest.approx(60 + 12 * 12, abs=3)
    assert HEIGHT - first[3] * HEIGHT < 800 - 18 < HEIGHT - first[1] * HEIGHT
    assert HEIGHT - second[3] * HEIGHT < 800 - 36 < HEIGHT - second[1] * HEIGHT
    assert first[3] - first[1] < 30 / HEIGHT


def test_a_whole_chunk_holds_all_the_ink_of_its_page(pool, tmp_path) -> None:
    path = tmp_path / "手册.pdf"
    path.write_bytes(samples.pdf([LINES]))
    (page,) = page_of(pool, path, chunks(pool, path)[0])
    assert ink(page) > 0.95


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_rotated_page_is_shown_and_boxed_upright(pool, tmp_path, angle) -> None:
    path = tmp_path / f"{angle}.pdf"
    stream = io.BytesIO()
    canvas = Canvas(stream)
    samples.pdf([["字体"]])  # registers the font
    canvas.setPageRotation(angle)
    canvas.setFont("STSong-Light", 12)
    canvas.drawString(60, 400, LINES[1])
    canvas.drawString(60, 200, LINES[2])
    canvas.save()
    path.write_bytes(stream.getvalue())
    chunk = next(c for c in chunks(pool, path) if "十二天年假" in c.text)
    (page,) = page_of(pool, path, chunk, LINES[1])
    assert page.width != page.height
    share = len(LINES[1]) / len(LINES[1] + LINES[2])
    assert ink(page) == pytest.approx(share, abs=0.15)


def test_a_cropped_page(pool, tmp_path) -> None:
    stream = io.BytesIO()
    samples.pdf([["字体"]])
    canvas = Canvas(stream)
    canvas.setCropBox((50, 650, 450, 760))
    canvas.setFont("STSong-Light", 12)
    canvas.drawString(60, 700, LINES[1])
    canvas.save()
    path = tmp_path / "裁过.pdf"
    path.write_bytes(stream.getvalue())
    (page,) = page_of(pool, path, chunks(pool, path)[0], LINES[1])
    assert page.width / page.height == pytest.approx(400 / 110, rel=0.02)
    assert ink(page) > 0.9


def test_the_rows_of_a_ruled_table(pool, tmp_path) -> None:
    samples.pdf([["字体"]])
    rows = [["编号", "名称", "产线"], *([f"{n:03}", f"样品{n}", f"{n % 3 + 1}号线"] for n in range(1, 9))]
    path = tmp_path / "表.pdf"
    table = Table(rows, colWidths=120, style=TableStyle([
        ("GRID", (0, 0), (-1, -1), 1, "black"), ("FONTNAME", (0, 0), (-1, -1), "STSong-Light"),
    ]))  # fmt: skip
    SimpleDocTemplate(str(path)).build([table])
    chunk = next(chunk for chunk in chunks(pool, path) if "样品5" in chunk.text)
    row = next(line for line in chunk.text.split("\n") if "样品5" in line)
    (page,) = page_of(pool, path, chunk, row)
    assert page.found == 1.0
    boxes = page.boxes[0]
    assert len(boxes) == 3
    assert max(box[1] for box in boxes) - min(box[1] for box in boxes) < 0.005
    (cell,) = page_of(pool, path, chunk, "样品5")
    assert len(cell.boxes[0]) == 1


def test_of_a_page_of_two_hundred_inches_the_part_with_the_words_is_shown(pool, tmp_path) -> None:
    stream = io.BytesIO()
    samples.pdf([["字体"]])
    canvas = Canvas(stream, pagesize=(14_400, 14_400))
    canvas.setFont("STSong-Light", 12)
    canvas.drawString(9_000, 3_000, LINES[1])
    canvas.drawString(200, 14_000, LINES[2])
    canvas.save()
    path = tmp_path / "大图.pdf"
    path.write_bytes(stream.getvalue())
    chunk = next(c for c in chunks(pool, path) if "十二天年假" in c.text)
    (page,) = page_of(pool, path, chunk, LINES[1])
    left, top, right, bottom = page.shown
    assert right - left < 0.2
    (box,) = page.boxes[0]
    assert left <= box[0] < box[2] <= right
    assert top <= box[1] < box[3] <= bottom
    assert (box[3] - box[1]) / (bottom - top) * page.height >= 10  # can be read
    assert max(page.width, page.height) <= 1_800
    assert ink(page) > 0.9


def test_a_chunk_over_two_pages_has_boxes_on_both(pool, tmp_path) -> None:
    path = tmp_path / "两页.pdf"
    path.write_bytes(
        samples.pdf([["前面的话。", "这句话从第一页的末尾开始，"], ["到第二页的开头才说完。", "后面的话。"]])
    )
    wanted = Wanted(1, "这句话从第一页的末尾开始，到第二页的开头才说完。", 5)
    pages = pool.page(path, path.name, wanted)
    assert [page.page for page in pages] == [1, 2]
    assert all(len(page.boxes[0]) == 1 for page in pages)
    assert sum(page.found for page in pages) == pytest.approx(1.0)
    # Words of the second page alone.
    (page,) = pool.page(path, path.name, replace(wanted, spans=((13, 24),)))
    assert page.page == 2


def test_an_edited_text_is_boxed_as_far_as_it_agrees(pool, tmp_path) -> None:
    path = tmp_path / "手册.pdf"
    path.write_bytes(samples.pdf([LINES]))
    (page,) = pool.page(path, path.name, Wanted(1, "入职满一年的员工有十五天年假，另外加两天。"))
    assert 0.3 < page.found < 0.9
    (nothing,) = pool.page(path, path.name, Wanted(1, "完全不同的内容与这里无关系"))
    assert (nothing.page, nothing.found, nothing.boxes) == (1, 0.0, ((),))
    assert image_of(nothing).size == (nothing.width, nothing.height)


def test_a_page_of_two_thousand(pool, tmp_path) -> None:
    path = tmp_path / "长.pdf"
    path.write_bytes(samples.pdf([[f"第{n}页的内容是编号{n * 7}。"] for n in range(1, 2_001)]))
    (page,) = pool.page(path, path.name, Wanted(1_999, f"第1999页的内容是编号{1999 * 7}。"))
    assert (page.page, page.found) == (1_999, 1.0)
    with pytest.raises(KnowledgeError, match="没有第 2001 页"):
        pool.page(path, path.name, Wanted(2_001, "x"))


def test_the_file_may_be_bytes(pool) -> None:
    (page,) = pool.page(samples.pdf([LINES]), "手册.pdf", Wanted(1, LINES[1]))
    assert page.found == 1.0


def test_what_cannot_be_shown_is_said(pool, tmp_path) -> None:
    locked = tmp_path / "锁.pdf"
    locked.write_bytes(samples.pdf([LINES], encrypt="secret"))
    with pytest.raises(KnowledgeError, match="加了密码"):
        pool.page(locked, locked.name, Wanted(1, "x"))
    with pytest.raises(KnowledgeError, match="不是完整的 PDF"):
        pool.page(b"%PDF-1.7 nothing", "坏.pdf", Wanted(1, "x"))
    with pytest.raises(KnowledgeError, match="后缀"):
        pool.page(b"<html>", "假.pdf", Wanted(1, "x"))
    with pytest.raises(KnowledgeError, match="没有第 0 页"):
        pool.page(samples.pdf([LINES]), "手册.pdf", Wanted(0, "x"))


def test_a_page_that_takes_too_long_costs_only_itself(tmp_path) -> None:
    greedy = next(case for case in CASES if case.name == "自引用.pdf").make()
    pool = ParserPool(1, replace(PAGE_LIMITS, max_seconds=1.0))
    with pytest.raises(KnowledgeError, match="已停止"):
        pool.page(greedy, "贪心.pdf", Wanted(1, "x"))
    pool.limits = PAGE_LIMITS
    assert pool.page(samples.pdf([LINES]), "好.pdf", Wanted(1, LINES[1]))[0].found == 1.0
    pool.close()


def test_a_scan_is_shown_at_once_and_boxed_when_it_has_been_recognised(pool, tmp_path) -> None:
    path = tmp_path / "扫描.pdf"
    samples.picture(["源知公司请假制度", "年假每年十二天，不可以累积到下一年", "病假需要医院证明"]).save(
        path, "PDF"
    )
    chunk = chunks(pool, path)[0]
    (before,) = page_of(pool, path, chunk, "不可以累积", recognise=False)
    assert (before.unread, before.boxes, before.found) == (True, ((),), 0.0)
    (after,) = page_of(pool, path, chunk, "不可以累积")
    assert (after.unread, after.found) == (False, 1.0)
    (box,) = after.boxes[0]
    # "年假每年十二天，" is eight characters before it, of 36 pixels each, from 40 on; the second line is 110 down.
    assert box[0] * 1000 == pytest.approx(40 + 8 * 36, abs=30)
    assert box[1] * 400 == pytest.approx(110, abs=15)


def test_a_picture_that_stands_on_its_side_is_shown_upright(pool, tmp_path) -> None:
    path = tmp_path / "横放.png"
    samples.picture(["源知公司请假制度说明", "年假每年十二天", "病假需要医院的证明"]).rotate(90, expand=True).save(
        path
    )
    chunk = chunks(pool, path)[0]
    (page,) = page_of(pool, path, chunk, "十二天")
    assert page.width > page.height
    (box,) = page.boxes[0]
    assert (box[2] - box[0]) * page.width > (box[3] - box[1]) * page.height
    assert 0.2 < box[1] < 0.45


def test_of_a_long_picture_the_strip_with_the_words_is_shown(pool, tmp_path) -> None:
    image = Image.new("RGB", (700, 4_000), "white")
    font = ImageFont.truetype(samples.font_path(), 36)
    for row in range(20):
        ImageDraw.Draw(image).text(
            (40, 60 + 195 * row), f"第{row + 1}条规定的具体内容在这里", fill="black", font=font
        )
    path = tmp_path / "长图.png"
    image.save(path)
    chunk = next(c for c in chunks(pool, path) if "第18条" in c.text)
    (page,) = page_of(pool, path, chunk, "第18条规定")
    (box,) = page.boxes[0]
    assert page.shown[1] > 0.3
    assert box[1] * 4_000 == pytest.approx(60 + 195 * 17, abs=30)
