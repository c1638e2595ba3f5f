"""What every browser test needs: Chromium, and a page on the real app."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

# The real model takes a minute for a long answer on a machine without AVX-512.
PATIENCE_MS = 180_000


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The running page, and afterwards the proof that nothing failed on it."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="zh-CN")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("response", lambda r: errors.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    expect(page.get_by_role("heading", name="源知 YuanZhi")).to_be_visible(timeout=PATIENCE_MS)
    yield page
    page.close()
    assert errors == []


def choose_tab(page: Page, name: str) -> None:
    """Opens a tab; on a narrow page gradio keeps some behind a button, and needs a moment to find out which."""
    tab = page.get_by_role("tab", name=name, exact=True)
    hidden = page.locator(".overflow-menu:visible")
    expect(tab.filter(visible=True).or_(hidden).first).to_be_visible(timeout=PATIENCE_MS)
    page.wait_for_timeout(300)
    if tab.filter(visible=True).count():
        tab.filter(visible=True).first.click()
    else:
        hidden.locator("> button").click()
        hidden.get_by_role("button", name=name, exact=True).click()
