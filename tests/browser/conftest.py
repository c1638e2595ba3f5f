"""What every browser test needs: Chromium, and a page on the real app."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

PATIENCE_MS = 60_000


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
