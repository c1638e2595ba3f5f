"""A person at the page: headless Chromium on the real app, every tab used, screenshots kept in artifacts/."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS
from tests.conftest import ARTIFACTS

pytestmark = [pytest.mark.browser, pytest.mark.model]


def keep(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


def test_a_narrow_phone_needs_no_sideways_scrolling(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for tab, english in (("问答", "chat"), ("抽取", "extract"), ("索引", "index")):
        page.get_by_role("tab", name=tab, exact=True).first.click()
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), tab
        keep(page, f"phone-{english}")


def test_extraction_highlights_and_downloads(page: Page) -> None:
    page.get_by_role("tab", name="抽取", exact=True).click()
    text = "王建国，男，汉族，工商管理硕士，现任宏远科技股份有限公司董事长。"
    page.locator("#resume-input textarea").fill(text)
    page.locator("#extract-run").click()
    expect(page.locator("#extract-status")).to_contain_text("用时", timeout=PATIENCE_MS)
    expect(page.locator("#extract-text")).to_contain_text("王建国")
    expect(page.locator("#extract-text")).to_contain_text("姓名")
    expect(page.locator("#extract-table")).to_contain_text("王建国")
    with page.expect_download() as download:
        page.locator("#extract-download").click()
    saved = Path(download.value.path()).read_text(encoding="utf-8")
    assert '"王建国"' in saved
    keep(page, "extraction")


def test_without_a_resume_there_is_nothing_to_press(page: Page) -> None:
    page.get_by_role("tab", name="抽取", exact=True).click()
    expect(page.locator("#extract-run")).to_be_disabled()
    page.locator("#resume-input textarea").fill("王建国，董事长。")
    expect(page.locator("#extract-run")).to_be_enabled()
    page.locator("#resume-input textarea").fill("  ")
    expect(page.locator("#extract-run")).to_be_disabled()
