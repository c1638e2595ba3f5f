"""A person at the page: headless Chromium on the real app, every tab used, screenshots kept in artifacts/."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS
from tests.conftest import ARTIFACTS

pytestmark = [pytest.mark.browser, pytest.mark.model]
QUESTION = "广州大学的办学历史可以追溯到哪一年？"


def keep(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


def ask(page: Page, question: str) -> None:
    box = page.locator("#chat-input textarea")
    box.fill(question)
    box.press("Enter")


def answers(page: Page) -> object:
    return page.locator("#chatbot .bot.message, #chatbot .message.bot")


def finished(page: Page) -> None:
    expect(page.locator("#chat-status")).to_contain_text("用时", timeout=PATIENCE_MS)


def test_chat_answers_with_its_source(page: Page) -> None:
    ask(page, QUESTION)
    expect(answers(page).last).to_contain_text("1927", timeout=PATIENCE_MS)
    finished(page)
    expect(answers(page).last).to_contain_text("[1]")
    first = page.locator("#sources details").first
    expect(first).to_contain_text("1927")
    expect(first).to_contain_text("knowledge.txt")
    expect(first).to_contain_text("相关度")
    keep(page, "chat")


def test_retry_undo_and_clear(page: Page) -> None:
    ask(page, QUESTION)
    finished(page)
    page.locator("#chat-retry").click()
    expect(page.locator("#chat-status")).to_contain_text("正在回答")
    finished(page)
    expect(answers(page)).to_have_count(1)
    page.locator("#chat-undo").click()
    expect(answers(page)).to_have_count(0)
    expect(page.locator("#chat-input textarea")).to_have_value(QUESTION)
    ask(page, "你好")
    expect(answers(page)).to_have_count(1)
    page.locator("#chat-clear").click()
    expect(answers(page)).to_have_count(0)


def test_stop_stops_and_the_next_question_is_answered(page: Page) -> None:
    page.locator("#use-knowledge input").uncheck()
    ask(page, "请写一篇一千字的文章，介绍长江、黄河和珠江")
    expect(answers(page).last).to_contain_text("长江", timeout=PATIENCE_MS)
    page.locator("#chat-stop").click()
    expect(page.locator("#chat-status")).to_contain_text("已停止")
    page.wait_for_timeout(1000)
    stopped = answers(page).last.inner_text()
    page.wait_for_timeout(2000)
    assert answers(page).last.inner_text() == stopped
    page.locator("#use-knowledge input").check()
    ask(page, QUESTION)
    expect(answers(page).last).to_contain_text("1927", timeout=PATIENCE_MS)


def test_a_question_is_stopped_while_it_waits_for_another_visitor(
    page: Page, browser: object, address: str
) -> None:
    other = browser.new_page(locale="zh-CN")
    other.goto(address)
    other.locator("#use-knowledge input").uncheck()
    ask(other, "请写一篇一千字的文章，介绍长江、黄河和珠江")
    expect(answers(other).last).to_contain_text("江", timeout=PATIENCE_MS)
    page.locator("#use-knowledge input").uncheck()
    ask(page, "请数到一百")
    expect(page.locator("#chatbot .user.message, #chatbot .message.user").last).to_contain_text("请数到一百")
    page.locator("#chat-stop").click()
    expect(page.locator("#chat-status")).to_contain_text("已停止")
    other.locator("#chat-stop").click()
    expect(other.locator("#chat-status")).to_contain_text("已停止")
    other.close()
    page.wait_for_timeout(2000)
    assert answers(page).count() == 0
    expect(page.locator("#chat-status")).to_contain_text("已停止")


def test_a_new_question_ends_the_answer_before_it(page: Page) -> None:
    page.locator("#use-knowledge input").uncheck()
    ask(page, "请写一篇一千字的文章，介绍长江、黄河和珠江")
    expect(answers(page).last).to_contain_text("江", timeout=PATIENCE_MS)
    page.locator("#use-knowledge input").check()
    ask(page, QUESTION)
    expect(answers(page).last).to_contain_text("1927", timeout=PATIENCE_MS)
    finished(page)
    expect(answers(page)).to_have_count(2)


def test_a_narrow_phone_needs_no_sideways_scrolling(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for tab, english in (("问答", "chat"), ("抽取", "extract"), ("索引", "index")):
        page.get_by_role("tab", name=tab, exact=True).first.click()
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), tab
        keep(page, f"phone-{english}")


def test_an_empty_question_gets_a_message(page: Page) -> None:
    ask(page, "")
    expect(page.get_by_text("请输入问题", exact=False).first).to_be_visible()


def test_a_file_that_is_not_read_is_refused_in_chinese(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "报告.xyz"
    file.write_bytes(b"\x00\x01")
    page.get_by_text("加入我的文档").click()
    page.locator("input[type=file]").first.set_input_files(file)
    expect(page.get_by_text("未加入 报告.xyz", exact=False)).to_be_visible()


def test_an_example_fills_the_box(page: Page) -> None:
    page.get_by_text("介绍一下广州大学", exact=True).first.click()
    expect(page.locator("#chat-input textarea")).to_have_value("介绍一下广州大学")


def test_an_uploaded_document_is_used_and_its_html_stays_text(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "社团.txt"
    hostile = "<img src=x onerror=\"document.title='hacked'\"><b>粗体</b>"
    file.write_text(f"青柠社的社长是钱多多。{hostile}\n", encoding="utf-8")
    page.get_by_text("加入我的文档").click()
    page.locator("input[type=file]").first.set_input_files(file)
    expect(page.get_by_text("已加入 社团.txt：1 段")).to_be_visible()
    ask(page, f"青柠社的社长是谁？{hostile}")
    expect(page.locator("#sources details").first).to_contain_text("钱多多", timeout=PATIENCE_MS)
    finished(page)
    assert page.title() != "hacked"
    for rendered in (
        "#sources img",
        "#chatbot img[src='x']",
        "#sources b:has-text('粗体')",
        "#chatbot b:has-text('粗体')",
    ):
        assert page.locator(rendered).count() == 0, page.locator(rendered).first.evaluate("e => e.outerHTML")
    expect(page.locator("#sources details").first).to_contain_text("<b>粗体</b>")
    shown = page.locator("#chatbot .user.message, #chatbot .message.user").first.inner_text()
    assert hostile in shown.replace("\u2060", "")
    keep(page, "chat-upload")


def test_compare_shows_both_answers(page: Page) -> None:
    page.get_by_role("tab", name="有无知识对照").click()
    box = page.locator("#compare-input textarea")
    box.fill(QUESTION)
    box.press("Enter")
    expect(page.locator("#compare-with")).to_contain_text("1927", timeout=PATIENCE_MS)
    assert page.locator("#compare-without").inner_text().strip()
    page.wait_for_timeout(1000)
    keep(page, "compare")


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


def test_an_empty_resume_gets_a_message_not_a_traceback(page: Page) -> None:
    page.get_by_role("tab", name="抽取", exact=True).click()
    page.locator("#extract-run").click()
    expect(page.get_by_text("要抽取的文字是空的", exact=False).first).to_be_visible()
