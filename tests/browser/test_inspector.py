"""A person at the index inspector: headless Chromium, the real embedder, every sub-tab; screenshots in artifacts/.

The language model has no part in this tab and is not loaded.
"""

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from src.language.fake import FakeModel
from src.runtime import Runtime
from src.settings import ROOT, load_settings
from tests.browser.conftest import choose_tab
from tests.conftest import ARTIFACTS

pytestmark = [pytest.mark.browser, pytest.mark.model]
PATIENCE_MS = 20_000
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><b>粗体</b>"
TABS = {"检索探针": "probe", "地图": "map", "全部段落": "chunks", "文档": "documents", "体检": "check"}


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
    from src.ui.page import create_page, launch

    page = create_page(inspected)
    yield launch(page, inspected, block=False)
    page.close()


@pytest.fixture
def page(browser: Browser, inspector: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="zh-CN")
    yield from opened(page, inspector)


@pytest.fixture
def phone(browser: Browser, inspector: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 390, "height": 844}, locale="zh-CN", color_scheme="dark")
    yield from opened(page, inspector)


def opened(page: Page, address: str) -> Iterator[Page]:
    """The tab, and afterwards the proof that nothing failed, nothing ran and nothing was fetched from elsewhere."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda r: wrong.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.on("request", lambda r: wrong.append(r.url) if r.url.startswith("http") and address not in r.url else None)
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.goto(address)
    page.get_by_role("tab", name="索引", exact=True).click()
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


def saved(page: Page, button: str) -> tuple[str, str]:
    """(name, text) of what a button downloads."""
    with page.expect_download() as download:
        page.locator(f"#{button}").click()
    return download.value.suggested_filename, Path(download.value.path()).read_text("utf-8")


def test_the_probe_shows_every_stage_and_exports_it(page: Page) -> None:
    expect(page.locator("#index-stats")).to_contain_text("512")
    box(page, "probe-input").fill("羊城的大学")
    page.locator("#probe-run").click()
    rows = page.locator("#probe-table tbody tr")
    expect(rows.first).to_contain_text("第 1")
    expect(rows.first.locator("mark").first).to_be_visible()
    expect(page.locator("#probe-table tr.yz-hit")).to_have_count(5)
    expect(page.locator("#probe-terms")).to_contain_text("羊城")
    expect(page.locator("#probe-scores .js-plotly-plot .bars path").first).to_be_attached()
    rows.first.locator("summary").click()
    expect(rows.first.locator(".yz-text")).to_be_visible()
    count = rows.count()
    page.wait_for_timeout(500)
    keep(page, "probe")
    name, text = saved(page, "probe-csv")
    assert name == "probe.csv"
    table = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [int(row["rank"]) for row in table] == list(range(1, count + 1))
    name, text = saved(page, "probe-jsonl")
    assert name == "probe.jsonl"
    assert [json.loads(line)["chunk_id"] for line in text.splitlines()] == [row["chunk_id"] for row in table]
    page.get_by_role("radio", name="字面").check()
    expect(page.locator("#probe-table th", has_text="融合")).to_have_count(0)
    expect(page.locator("#probe-table th", has_text="字面")).to_have_count(1)


def test_an_empty_question_gets_a_message(page: Page) -> None:
    page.locator("#probe-run").click()
    expect(page.get_by_text("问题是空的", exact=False).first).to_be_visible()


def test_the_map_shows_passages_the_question_and_hits_and_hover_text_is_text(
    page: Page, inspected: Runtime
) -> None:
    box(page, "probe-input").fill("火星上的粗体")
    choose_tab(page, "地图")
    expect(box(page, "map-input")).to_have_value("火星上的粗体")
    points = page.locator("#map-plot .scatterlayer .point")
    expect(points).to_have_count(len(inspected.base) + 10 + 1)
    expect(page.locator("#map-plot .textpoint text").first).to_have_text("1")
    expect(page.locator("#map-plot .legend")).to_contain_text("敌意<b>.txt")
    # The rings come after the passages; the first one is the hostile passage.
    points.nth(len(inspected.base)).scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    ring = points.nth(len(inspected.base)).bounding_box()
    assert ring is not None
    page.mouse.move(ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2, steps=3)
    hover = page.locator("#map-plot .hoverlayer")
    expect(hover).to_contain_text("<img src=x")
    assert page.locator("#map-plot img, #map-plot .hoverlayer image").count() == 0
    keep(page, "map")


def test_passages_are_paged_filtered_read_and_exported(page: Page, inspected: Runtime) -> None:
    choose_tab(page, "全部段落")
    total = len(inspected.base)
    count, table = page.locator("#chunk-count"), page.locator("#chunk-table")
    expect(count).to_contain_text(f"第 1–100 段，共 {total} 段")
    page.locator("#chunk-next").click()
    expect(count).to_contain_text(f"第 101–{total} 段")
    expect(page.locator("#chunk-next")).to_be_disabled()
    page.locator("#chunk-previous").click()
    expect(count).to_contain_text("第 1–100 段")
    box(page, "chunk-filter").fill("1927")
    expect(count).to_contain_text("里找到")
    expect(table).to_contain_text("1927")
    name, text = saved(page, "chunk-csv")
    assert name == "chunks.csv"
    assert all("1927" in row["text"] for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    box(page, "chunk-filter").fill("公式")
    expect(count).to_contain_text("找到 1 段")
    expect(table.locator("[data-testid=cell-0-1]")).to_contain_text("=1+1 是公式")
    _, text = saved(page, "chunk-csv")
    assert "'=1+1 是公式" in text
    _, text = saved(page, "chunk-jsonl")
    assert [json.loads(line)["text"] for line in text.splitlines()] == ["=1+1 是公式。"]
    box(page, "chunk-filter").fill("ONERROR")
    expect(table).to_contain_text("<img src=x")
    table.locator("[data-testid=cell-0-1]").click()
    detail = page.locator("#chunk-detail")
    expect(detail).to_contain_text("<b>粗体</b>")
    expect(detail).to_contain_text("第 1–")
    expect(detail.locator("details")).to_have_count(5)
    assert page.locator("#chunk-table img[src=x], #chunk-detail img").count() == 0
    keep(page, "chunks")


def test_files_are_added_and_deleted_for_all(page: Page, inspected: Runtime, tmp_path: Path) -> None:
    choose_tab(page, "文档")
    files, result = page.locator("#shared-files"), page.locator("#shared-result")
    expect(files).to_contain_text("company_handbook.md")
    new, bad = tmp_path / "新社团.txt", tmp_path / "坏.xyz"
    new.write_text("青柠社的社长是钱多多。", encoding="utf-8")
    bad.write_bytes(b"\x00")
    before = len(inspected.base)
    page.locator("#shared-upload input[type=file]").set_input_files([new, bad])
    expect(result).to_contain_text("已加入 新社团.txt：1 段")
    expect(result).to_contain_text("未加入 坏.xyz")
    expect(files).to_contain_text("网页加入")
    expect(page.locator("#index-stats")).to_contain_text(str(before + 1))
    keep(page, "documents")
    expect(box(page, "shared-name")).to_have_value("新社团.txt")
    page.locator("#shared-delete").click()
    expect(result).to_contain_text("已删除 新社团.txt")
    expect(files).not_to_contain_text("新社团.txt")
    assert len(inspected.base) == before
    page.locator("#shared-delete").click()
    expect(page.get_by_text("请先选一个要删除的文件").first).to_be_visible()


def test_ones_own_documents_are_listed_searched_and_deleted(page: Page, tmp_path: Path) -> None:
    choose_tab(page, "文档")
    file = tmp_path / "我的.txt"
    file.write_text("青柠社的社长是钱多多。", encoding="utf-8")
    page.locator("#own-upload input[type=file]").set_input_files(file)
    expect(page.locator("#own-result")).to_contain_text("已加入 我的.txt：1 段")
    expect(page.locator("#own-files")).to_contain_text("我的.txt")
    expect(page.locator("#shared-files")).not_to_contain_text("我的.txt")
    choose_tab(page, "全部段落")
    page.get_by_role("radio", name="我的文档").check()
    expect(page.locator("#chunk-count")).to_contain_text("共 1 段")
    choose_tab(page, "检索探针")
    box(page, "probe-input").fill("青柠社的社长")
    page.locator("#probe-run").click()
    expect(page.locator("#probe-table tbody tr").first).to_contain_text("我的文档")
    choose_tab(page, "文档")
    expect(box(page, "own-name")).to_have_value("我的.txt")
    page.locator("#own-delete").click()
    expect(page.locator("#own-result")).to_contain_text("已删除 我的.txt")
    choose_tab(page, "全部段落")
    expect(page.locator("#chunk-count")).to_contain_text("还没有段落")


def test_the_check_goes_through_everything(page: Page) -> None:
    choose_tab(page, "体检")
    expect(page.locator("#length-plot .bars path").first).to_be_attached()
    page.locator("#check-run").click()
    expect(page.locator("#check-results")).to_contain_text("没有发现问题")
    expect(page.locator("#check-results .yz-finding.yz-ok")).to_have_count(10)
    keep(page, "check")


def test_a_dark_narrow_phone_needs_no_sideways_scrolling(phone: Page) -> None:
    box(phone, "probe-input").fill("羊城")
    for name, english in TABS.items():
        choose_tab(phone, name)
        if name.startswith("检索"):
            phone.locator("#probe-run").click()
            expect(phone.locator("#probe-scores .bars path").first).to_be_attached()
        phone.wait_for_timeout(700)
        assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), name
        keep(phone, f"phone-{english}")
