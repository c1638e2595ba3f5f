"""A person who looks at the page of a source: the chat's panel and the inspector, at a desk and on a phone, in light and
dark; screenshots in artifacts/. The passages, their pages and the boxes are real; the model and the embedder have no weights.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from src.models.embedders.fake import HashingEmbedder
from src.models.fake import FakeModel
from src.runtime import Runtime
from src.settings import load_settings
from src.ui.page import App
from tests.browser.conftest import choose_tab
from tests.conftest import ARTIFACTS
from tests.ingest import samples

pytestmark = pytest.mark.browser
PATIENCE_MS = 60_000
SENTENCE = "董事会由七名董事组成，其中独立董事三名，每届任期三年。"
DESK, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}


def report(path: Path) -> None:
    """Two pages as an office would print them: headings, paragraphs, a ruled table."""
    samples.pdf([["字体"]])
    text = ParagraphStyle(
        "text", fontName="STSong-Light", fontSize=11, leading=19, firstLineIndent=22, wordWrap="CJK"
    )
    head = ParagraphStyle("head", fontName="STSong-Light", fontSize=17, leading=28)
    grid = TableStyle([("GRID", (0, 0), (-1, -1), 0.6, "black"), ("FONTNAME", (0, 0), (-1, -1), "STSong-Light")])
    rows = [["年份", "营业收入", "研发投入"], ["2022", "81.2 亿元", "6.4 亿元"], ["2023", "92.7 亿元", "7.9 亿元"]]
    filler = "公司主要从事空调和冰箱的研发、生产与销售，产品销往三十多个国家和地区。" * 3
    SimpleDocTemplate(str(path)).build([
        Paragraph("远山电器股份有限公司年度报告", head), Paragraph(filler, text), Spacer(1, 12),
        Table(rows, style=grid, colWidths=130), PageBreak(),
        Paragraph("公司治理", head), Paragraph("股东大会是公司的最高权力机构，每年召开一次。" * 4, text),
        Paragraph(SENTENCE + "董事会每年至少召开四次会议。", text), Paragraph(filler, text),
    ])  # fmt: skip


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("k")
    report(folder / "年报.pdf")
    settings = {"knowledge": [folder], "cache_dir": tmp_path_factory.mktemp("cache"), "reader": "off"}
    runtime = Runtime(load_settings(profile="embedded", **settings))
    vars(runtime).update(
        model=FakeModel(reply=lambda _: "董事会由七名董事组成[1]。"), embedder=HashingEmbedder(), small_model=None
    )
    made = App(runtime)
    made.address = made.launch(block=False)  # type: ignore[attr-defined]
    yield made
    made.page.close()
    runtime.parser.close()


@pytest.fixture(params=["desk-light", "phone-dark", "desk-dark", "phone-light"])
def page(request: pytest.FixtureRequest, browser: Browser, app: App) -> Iterator[Page]:
    place, scheme = request.param.split("-")
    page = browser.new_page(
        viewport=DESK if place == "desk" else PHONE, locale="zh-CN", color_scheme=scheme, has_touch=place == "phone"
    )
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda r: wrong.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.goto(app.address)  # type: ignore[attr-defined]
    page.keep = request.param  # type: ignore[attr-defined]
    yield page
    page.close()
    assert wrong == []


def keep(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"source-page-{name}-{page.keep}.png")  # type: ignore[attr-defined]


def ask(page: Page, question: str) -> Locator:
    """The card of the first source of the answer."""
    box = page.locator("#chat-input textarea")
    box.fill(question)
    box.press("Enter")
    card = page.locator("#sources .yz-section:last-of-type .yz-card").first
    expect(card).to_be_visible()
    expect(page.locator("#chat-export")).to_be_enabled()
    page.wait_for_timeout(1_000)  # the end of the answer draws the panel once more
    return card


def inside(inner: Locator, outer: Locator) -> bool:
    one, other = inner.bounding_box(), outer.bounding_box()
    assert one is not None
    assert other is not None
    return (
        other["x"] <= one["x"]
        and one["x"] + one["width"] <= other["x"] + other["width"] + 1
        and other["y"] <= one["y"]
        and one["y"] + one["height"] <= other["y"] + other["height"] + 1
    )


def test_a_source_of_an_answer_opens_its_page_with_the_sentence_boxed(page: Page) -> None:
    button = ask(page, "董事会由几名董事组成，独立董事几名，任期几年").locator("button.yz-page")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="年报.pdf 第 2 页")
    expect(dialog).to_be_visible()
    sheet = dialog.locator(".yz-sheet")
    expect(sheet).to_have_count(1)
    boxes = sheet.locator(".yz-box")
    expect(boxes.first).to_be_visible()
    picture = sheet.get_by_role("img")
    assert picture.evaluate("(image) => image.complete && image.naturalWidth > 1000")
    # The box is in sight, and where the sentence is printed: in the upper part of the second page.
    assert inside(boxes.first, dialog.locator(".yz-sheets")) or boxes.first.bounding_box()["width"] > 300
    top = float(boxes.first.evaluate("(box) => parseFloat(box.style.top)"))
    assert 12 < top < 40
    expect(dialog.get_by_role("status")).to_contain_text("框出")
    box = dialog.bounding_box()
    assert box["width"] <= page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    close = dialog.get_by_role("button", name="关闭")
    assert close.bounding_box()["height"] >= 32
    keep(page, "chat")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert page.evaluate("document.activeElement.className") == "yz-page"
    # And once more, with the pointer.
    button.click()
    expect(sheet).to_have_count(1)
    close.click()
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_a_row_of_a_table_is_boxed_from_the_inspector(page: Page) -> None:
    choose_tab(page, "索引")
    page.locator("#probe-input textarea").fill("2023 年的研发投入和营业收入")
    page.locator("#probe-run").click()
    button = page.locator("#probe-text button.yz-page")
    button.click()
    dialog = page.locator("dialog.yz-dialog[open]")
    expect(dialog.locator(".yz-box").first).to_be_visible()
    keep(page, "inspector")
    page.mouse.click(2, 2)  # beside the dialog
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_an_own_document_is_shown_after_its_file_is_gone_and_a_changed_one_is_not(
    page: Page, app: App, tmp_path: Path
) -> None:
    mine = tmp_path / "合同.pdf"
    mine.write_bytes(samples.pdf([["租赁合同", "违约金是合同总价的百分之十五，应在三十天内付清。"]]))
    page.locator("#chat-input input[type=file]").set_input_files(mine)
    page.wait_for_timeout(1_500)
    card = ask(page, "违约金是合同总价的百分之几，几天内付清")
    card.locator("button.yz-page").click()
    dialog = page.locator("dialog.yz-dialog[open]")
    expect(dialog.get_by_role("heading")).to_contain_text("合同.pdf")
    expect(dialog.locator(".yz-box").first).to_be_visible()
    keep(page, "own")
    page.keyboard.press("Escape")
    # The document is removed: its page is too.
    page.locator("#my-files button, #my-files .token-remove").first.click()
    expect(page.locator("#my-files")).to_be_hidden()
    card.locator("button.yz-page").click()
    expect(dialog.get_by_role("status")).to_contain_text("不在索引里")
    expect(dialog.locator(".yz-sheet")).to_have_count(0)
