"""A person at the index inspector: headless Chromium, the real embedder, every sub-tab; screenshots in artifacts/.

The language model has no part in this tab and is not loaded.
"""

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from src.models.fake import FakeModel
from src.runtime import Runtime
from src.settings import ROOT, load_settings
from src.ui.page import App
from tests.browser.conftest import choose_tab
from tests.conftest import ARTIFACTS

pytestmark = [pytest.mark.browser, pytest.mark.model]
PATIENCE_MS = 20_000
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><b>粗体</b>"
TABS = {"为什么这样答": "probe", "文件清单": "files", "段落": "passages", "地图": "map", "体检": "check"}


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """The examples and one hostile file; visitors may change the knowledge base."""
    folder = tmp_path_factory.mktemp("knowledge")
    shutil.copy(ROOT / "examples" / "knowledge.txt", folder)
    shutil.copy(ROOT / "examples" / "documents" / "company_handbook.md", folder)
    (folder / "敌意<b>.txt").write_text(f"{HOSTILE}在火星上。\n=1+1 是公式。\n", encoding="utf-8")
    runtime = Runtime(
        load_settings(
            profile="embedded", knowledge=[folder], cache_dir=tmp_path_factory.mktemp("cache"), edit_knowledge=True
        )
    )
    runtime.__dict__["model"] = FakeModel()
    return runtime


@pytest.fixture(scope="module")
def inspector(inspected: Runtime) -> Iterator[str]:
    app = App(inspected)
    yield app.launch(block=False)
    app.page.close()
    inspected.parser.close()


@pytest.fixture
def page(browser: Browser, inspector: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1360, "height": 900}, locale="zh-CN")
    yield from opened(page, inspector)


@pytest.fixture
def phone(browser: Browser, inspector: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 390, "height": 844}, locale="zh-CN", color_scheme="dark")
    yield from opened(page, inspector)


def opened(page: Page, address: str, tab: str = "索引") -> Iterator[Page]:
    """The tab, and afterwards the proof that nothing failed, nothing ran and nothing was fetched from elsewhere."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda r: wrong.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.on("request", lambda r: wrong.append(r.url) if r.url.startswith("http") and address not in r.url else None)
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.goto(address if tab == "索引" else f"{address}en")
    page.get_by_role("tab", name=tab, exact=True).first.click()
    yield page
    title = page.title()
    page.close()
    assert wrong == []
    assert title == "源知 YuanZhi"


def keep(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"inspector-{name}.png", full_page=True)


def box(page: Page, elem_id: str) -> Locator:
    return page.locator(f"#{elem_id} textarea, #{elem_id} input").first


def cell(table: Locator, row: int, column: int) -> Locator:
    return table.locator(f"[data-testid=cell-{row}-{column}]")


def cell_with(table: Locator, text: str) -> Locator:
    """Gradio keeps a hidden copy of every table, without these ids."""
    return table.locator("[data-testid^=cell-]", has_text=text).first


def upload(page: Page, button: str, *files: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(f"#{button}").click()
    chooser.value.set_files(files)


def saved(page: Page, button: str) -> tuple[str, str]:
    """(name, text) of what a button downloads."""
    with page.expect_download() as download:
        page.locator(f"#{button}").click()
    return download.value.suggested_filename, Path(download.value.path()).read_text("utf-8")


def test_the_probe_gives_a_verdict_a_list_and_a_passage_beside_it(page: Page) -> None:
    expect(page.locator("#index-facts summary")).to_have_text("3 个文件 · 140 段 · 我的文档 0 个")
    expect(page.locator("#probe-run")).to_be_disabled()
    box(page, "probe-input").fill("羊城的大学")
    expect(page.locator("#probe-run")).to_be_enabled()
    box(page, "probe-wanted").fill("番茄")
    page.locator("#probe-run").click()
    verdict = page.locator("#probe-verdict")
    expect(verdict).to_contain_text("聊天会回答")
    expect(verdict).to_contain_text("应该找到的段落")
    expect(page.locator("#probe-bars .mark-rect path").first).to_be_attached()
    table, text = page.locator("#probe-table"), page.locator("#probe-text")
    expect(cell(table, 0, 0)).to_have_text("1")
    expect(cell(table, 0, 3)).to_have_text("高度相关")
    expect(text.locator("mark").first).to_be_visible()
    first = text.inner_text()
    cell(table, 1, 1).click()
    expect(text).not_to_have_text(first)
    page.get_by_role("button", name="查了哪些词").click()
    expect(page.locator("#probe-terms")).to_contain_text("羊城")
    page.get_by_role("button", name="发给模型的提示词").click()
    expect(box(page, "probe-prompt")).to_have_value(re.compile("问题：羊城的大学"))
    page.wait_for_timeout(500)
    keep(page, "probe")
    name, content = saved(page, "probe-csv")
    assert name == "candidates.csv"
    rows = list(csv.DictReader(io.StringIO(content.removeprefix("\ufeff"))))
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))
    name, content = saved(page, "probe-jsonl")
    assert name == "candidates.jsonl"
    assert [json.loads(line)["chunk_id"] for line in content.splitlines()] == [row["chunk_id"] for row in rows]


def test_a_refusal_is_explained_and_an_example_runs_at_once(page: Page) -> None:
    box(page, "probe-input").fill("公司年会抽奖的规则和奖品")
    box(page, "probe-input").press("Enter")
    expect(page.locator("#probe-verdict")).to_contain_text("没有过门槛")
    page.get_by_role("button", name="番茄炒蛋怎么做").click()
    expect(box(page, "probe-input")).to_have_value("番茄炒蛋怎么做")
    expect(page.locator("#probe-terms, #probe-text").first).to_contain_text("番茄")
    page.get_by_role("button", name="检索方式").click()
    page.get_by_role("radio", name="字面").check()
    expect(page.locator("#probe-verdict")).to_contain_text("只看一种")
    expect(page.locator("#probe-bars")).to_be_hidden()


def test_the_map_names_its_clouds_and_a_tooltip_is_text(page: Page, inspected: Runtime) -> None:
    box(page, "probe-input").fill("火星上的粗体")
    choose_tab(page, "地图")
    expect(box(page, "map-input")).to_have_value("火星上的粗体")
    points = page.locator("#map-plot .mark-symbol.role-mark path")
    expect(points).to_have_count(len(inspected.base) + 10 + 1)
    expect(page.locator("#map-about")).to_contain_text("大学")
    page.get_by_role("radio", name="文件").check()
    expect(page.locator("#map-about")).to_contain_text("敌意<b>.txt")
    expect(points).to_have_count(len(inspected.base) + 10 + 1)
    expect(points.first).to_have_attribute("aria-label", re.compile(r"company_handbook\.md"))
    expect(points.first).to_have_attribute("stroke", re.compile("^#"))
    hits = page.locator("#map-hits")
    expect(cell(hits, 0, 1)).to_contain_text("<img src=x")
    cell(hits, 0, 1).click()
    expect(page.locator("#map-detail")).to_contain_text("<b>粗体</b>")
    # The hits come after the passages; the first one is the hostile passage.
    points.nth(len(inspected.base)).scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    dot = points.nth(len(inspected.base)).bounding_box()
    assert dot is not None
    page.mouse.move(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2, steps=3)
    expect(page.locator("#vg-tooltip-element")).to_contain_text("<img src=x")
    assert (
        page.locator("#map-plot img, #map-detail img, #vg-tooltip-element img, #vg-tooltip-element b").count() == 0
    )
    keep(page, "map")


def test_passages_are_paged_filtered_read_and_exported(page: Page, inspected: Runtime) -> None:
    choose_tab(page, "段落")
    total = len(inspected.base)
    count, table, detail = page.locator("#chunk-count"), page.locator("#chunk-table"), page.locator("#chunk-detail")
    expect(count).to_contain_text(f"第 1–20 段，共 {total} 段")
    page.locator("#chunk-next").click()
    expect(count).to_contain_text("第 21–40 段")
    cell(table, 0, 1).click()
    expect(detail).to_contain_text("向量最近的段落")
    page.locator("#chunk-previous").click()
    expect(count).to_contain_text("第 1–20 段")
    expect(page.locator("#chunk-previous")).to_be_disabled()
    expect(detail).to_be_empty()
    box(page, "chunk-filter").fill("1927")
    expect(count).to_contain_text("里找到")
    expect(table).to_contain_text("1927")
    expect(table.get_by_text("标题", exact=True)).to_have_count(0)
    name, text = saved(page, "chunk-csv")
    assert name == "passages.csv"
    assert all("1927" in row["text"] for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    box(page, "chunk-filter").fill("公式")
    expect(count).to_contain_text("找到 1 段")
    expect(cell(table, 0, 1)).to_contain_text("=1+1 是公式")
    _, text = saved(page, "chunk-csv")
    assert "'=1+1 是公式" in text
    _, text = saved(page, "chunk-jsonl")
    assert [json.loads(line)["text"] for line in text.splitlines()] == ["=1+1 是公式。"]
    box(page, "chunk-filter").fill("ONERROR")
    expect(table).to_contain_text("<img src=x")
    cell(table, 0, 1).click()
    expect(detail).to_contain_text("<b>粗体</b>")
    expect(detail).to_contain_text("第 1–")
    expect(detail.locator("details")).to_have_count(5)
    expect(detail.locator("mark")).to_have_text("onerror")
    assert page.locator("#chunk-table img[src=x], #chunk-detail img").count() == 0
    font = cell(table, 0, 1).evaluate("(e) => getComputedStyle(e.querySelector('span') || e).fontFamily")
    assert "mono" not in font.split(",")[0]
    keep(page, "passages")


def test_a_passage_is_edited_switched_off_and_on_again(page: Page, inspected: Runtime) -> None:
    choose_tab(page, "段落")
    total = len(inspected.base)
    table, result, detail = (
        page.locator("#chunk-table"),
        page.locator("#chunk-result"),
        page.locator("#chunk-detail"),
    )
    expect(page.locator("#chunk-count")).to_contain_text(f"共 {total} 段")
    expect(page.locator("#chunk-text")).to_be_hidden()
    box(page, "chunk-filter").fill("是公式")
    expect(page.locator("#chunk-count")).to_contain_text("找到 1 段")
    cell(table, 0, 1).click()
    expect(box(page, "chunk-text")).to_have_value("=1+1 是公式。")
    expect(page.locator("#chunk-lasting")).to_contain_text("它的文件变了")
    box(page, "chunk-text").fill("青柠社的社长是公式。")
    page.locator("#chunk-save").click()
    expect(result).to_contain_text("已存下")
    expect(cell(table, 0, 1)).to_contain_text("（改过）")
    page.locator("#chunk-switch").click()
    expect(result).to_contain_text("已停用")
    expect(detail).to_contain_text("（已停用）")
    expect(page.locator("#index-facts")).to_contain_text(f"{total - 1} 段")
    keep(page, "switched-off")
    box(page, "chunk-filter").fill("")
    page.get_by_label("只看停用的").check()
    expect(page.locator("#chunk-count")).to_contain_text("共 1 段")
    expect(page.locator("#chunk-text")).to_be_hidden()
    cell(table, 0, 1).click()
    expect(page.locator("#chunk-switch")).to_have_text("启用")
    page.locator("#chunk-switch").click()
    expect(result).to_contain_text("又能搜到")
    assert len(inspected.base) == total
    choose_tab(page, "为什么这样答")
    box(page, "probe-input").fill("青柠社的社长是谁")
    page.locator("#probe-run").click()
    expect(page.locator("#probe-text")).to_contain_text("青柠社的社长是公式。")
    inspected.local_base.edit(inspected.base.store.sample(1000)[-1].chunk.chunk_id, "=1+1 是公式。")


def test_files_are_added_and_deleted_for_all(page: Page, inspected: Runtime, tmp_path: Path) -> None:
    choose_tab(page, "文件清单")
    files, result = page.locator("#shared-files"), page.locator("#shared-result")
    expect(files).to_contain_text("company_handbook.md")
    expect(page.locator("#shared-delete")).to_be_disabled()
    new, bad = tmp_path / "新社团.txt", tmp_path / "坏.xyz"
    new.write_text("青柠社的社长是钱多多。", encoding="utf-8")
    bad.write_bytes(b"\x00")
    before = len(inspected.base)
    upload(page, "shared-upload", new, bad)
    expect(result).to_contain_text("已加入 新社团.txt：1 段")
    expect(result).to_contain_text("未加入 坏.xyz")
    expect(files).to_contain_text("网页加入")
    expect(page.locator("#index-facts")).to_contain_text(f"{before + 1} 段")
    keep(page, "files")
    cell_with(files, "company_handbook.md").click()
    expect(page.locator("#shared-show")).to_be_enabled()
    expect(page.locator("#shared-delete")).to_be_disabled()
    cell_with(files, "新社团.txt").click()
    expect(page.locator("#shared-delete")).to_have_text("删除 新社团.txt")
    page.locator("#shared-delete").click()
    expect(result).to_contain_text("已删除 新社团.txt")
    expect(files).not_to_contain_text("新社团.txt")
    assert len(inspected.base) == before
    expect(page.locator("#shared-delete")).to_be_disabled()


def test_ones_own_documents_are_listed_searched_and_deleted(page: Page, tmp_path: Path) -> None:
    choose_tab(page, "文件清单")
    file = tmp_path / "我的.txt"
    file.write_text("青柠社的社长是钱多多。", encoding="utf-8")
    upload(page, "own-upload", file)
    expect(page.locator("#own-result")).to_contain_text("已加入 我的.txt：1 段")
    expect(page.locator("#own-files")).to_contain_text("我的.txt")
    expect(page.locator("#shared-files")).not_to_contain_text("我的.txt")
    expect(page.locator("#index-facts")).to_contain_text("我的文档 1 个（1 段）")
    cell_with(page.locator("#own-files"), "我的.txt").click()
    page.locator("#own-show").click()
    expect(page.locator("#chunk-count")).to_contain_text("共 1 段")
    expect(page.locator("#chunk-table")).to_contain_text("钱多多")
    choose_tab(page, "为什么这样答")
    box(page, "probe-input").fill("青柠社的社长")
    page.locator("#probe-run").click()
    expect(cell(page.locator("#probe-table"), 0, 2)).to_contain_text("我的文档")
    choose_tab(page, "文件清单")
    cell_with(page.locator("#own-files"), "我的.txt").click()
    page.locator("#own-delete").click()
    expect(page.locator("#own-result")).to_contain_text("已删除 我的.txt")
    expect(page.locator("#index-facts")).to_contain_text("我的文档 0 个")
    choose_tab(page, "段落")
    expect(page.locator("#chunk-count")).to_contain_text("还没有段落")


def test_the_check_goes_through_everything(page: Page) -> None:
    choose_tab(page, "体检")
    expect(page.locator("#length-plot .mark-rect path").first).to_be_attached()
    page.locator("#check-run").click()
    results = page.locator("#check-results")
    expect(results).to_contain_text("10 项全部正常")
    expect(results.locator(".yz-finding").first).to_be_hidden()
    results.locator("summary").click()
    expect(results.locator(".yz-finding.yz-ok")).to_have_count(10)
    keep(page, "check")


def test_the_tab_in_english(browser: Browser, inspector: str) -> None:
    page = browser.new_page(viewport={"width": 1360, "height": 900}, locale="en-US")
    for english in opened(page, inspector, "Index"):
        box(english, "probe-input").fill("When was Guangzhou University founded?")
        box(english, "probe-wanted").fill("nowhere in there")
        english.locator("#probe-run").click()
        expect(english.locator("#probe-verdict")).to_contain_text("The chat answers")
        expect(english.locator("#probe-verdict")).to_contain_text("The index has no such passage")
        keep(english, "en-probe")


def test_a_dark_narrow_phone_needs_no_sideways_scrolling(phone: Page) -> None:
    box(phone, "probe-input").fill("羊城")
    for name, english in TABS.items():
        choose_tab(phone, name)
        if english == "probe":
            phone.locator("#probe-run").click()
            expect(phone.locator("#probe-bars .mark-rect path").first).to_be_attached()
        phone.wait_for_timeout(700)
        assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), name
        keep(phone, f"phone-{english}")
