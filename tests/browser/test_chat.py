"""A person asking questions: headless Chromium on the real app; screenshots are kept in artifacts/."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PATIENCE_MS
from tests.conftest import ARTIFACTS

pytestmark = [pytest.mark.browser, pytest.mark.model]
QUESTION = "广州大学的办学历史可以追溯到哪一年？"
UNKNOWN = "怎样更换自行车的内胎？"


def keep(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


def ask(page: Page, question: str) -> None:
    box = page.locator("#chat-input textarea")
    box.fill(question)
    box.press("Enter")


def answers(page: Page) -> Locator:
    return page.locator("#chatbot .message.bot")


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


def test_a_mark_opens_its_passage(page: Page) -> None:
    ask(page, QUESTION)
    finished(page)
    mark = answers(page).last.locator(".yz-cite").first
    rank = mark.get_attribute("data-rank")
    mark.click()
    card = page.locator(f'#sources details[data-rank="{rank}"].yz-active')
    expect(card.locator(".yz-text")).to_contain_text("1927")
    expect(card.locator("summary")).to_be_focused()


def test_a_follow_up_is_searched_for_with_its_subject(page: Page) -> None:
    ask(page, "介绍一下广州大学")
    finished(page)
    ask(page, "它的主校区在哪里？")
    expect(answers(page)).to_have_count(2, timeout=PATIENCE_MS)
    expect(page.locator("#chat-status")).to_contain_text("联系上文，按“", timeout=PATIENCE_MS)
    finished(page)
    expect(answers(page).last).to_contain_text("联系上文，按“")
    expect(page.locator("#sources details:visible").first).to_contain_text("小谷围")
    page.locator("#use-history input").uncheck()
    page.locator("#chat-retry").click()
    expect(page.locator("#chat-status")).not_to_contain_text("联系上文")
    expect(page.locator("#chat-status")).to_contain_text("它的主校区在哪里", timeout=PATIENCE_MS)
    expect(answers(page).last).not_to_contain_text("联系上文")


def test_a_refusal_offers_the_models_own_answer(page: Page) -> None:
    ask(page, UNKNOWN)
    expect(answers(page)).to_contain_text("所以没有作答", timeout=PATIENCE_MS)
    expect(page.locator("#sources .yz-below")).to_have_count(4)
    page.locator("#chat-own").click()
    expect(answers(page)).to_contain_text("模型自己的回答，可能有误", timeout=PATIENCE_MS)
    finished(page)
    assert answers(page).locator(".yz-body").inner_text().strip() not in ("", "…")


def set_threshold(page: Page, value: str) -> None:
    """Types it, twice: on a busy machine gradio has given the sliders of a just opened accordion their first values
    once more."""
    for _ in range(2):
        page.locator("#min-score input[type=number]").fill(value)
        page.locator("#min-score input[type=number]").press("Tab")
        page.wait_for_timeout(500)
    expect(page.locator("#min-score input[type=range]")).to_have_value(value)


def test_the_threshold_decides_what_is_refused(page: Page) -> None:
    page.locator("#chat-settings > button").click()
    set_threshold(page, "1")
    ask(page, QUESTION)
    expect(answers(page)).to_contain_text("所以没有作答", timeout=PATIENCE_MS)
    set_threshold(page, "0.1")
    page.locator("#chat-retry").click()
    expect(answers(page)).to_contain_text("1927", timeout=PATIENCE_MS)
    finished(page)


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
    expect(page.locator("#chatbot .message.user").last).to_contain_text("请数到一百")
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


def test_an_empty_question_gets_a_message(page: Page) -> None:
    ask(page, "")
    expect(page.get_by_text("请输入问题", exact=False).first).to_be_visible()


def test_a_file_that_is_not_read_is_refused_in_chinese(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "报告.xyz"
    file.write_bytes(b"\x00\x01")
    page.get_by_text("加入我的文档").click()
    page.locator("#my-upload input[type=file]").set_input_files(file)
    expect(page.get_by_text("未加入 报告.xyz", exact=False)).to_be_visible()


def test_an_example_fills_the_box(page: Page) -> None:
    page.get_by_text("介绍一下广州大学", exact=True).first.click()
    expect(page.locator("#chat-input textarea")).to_have_value("介绍一下广州大学")


def test_an_uploaded_document_is_used_and_its_html_stays_text(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "社团.txt"
    hostile = "<img src=x onerror=\"document.title='hacked'\"><b>粗体</b>"
    file.write_text(f"青柠社的社长是钱多多。{hostile}\n", encoding="utf-8")
    page.get_by_text("加入我的文档").click()
    page.locator("#my-upload input[type=file]").set_input_files(file)
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
    shown = page.locator("#chatbot .message.user").first.inner_text()
    assert hostile in shown
    expect(page.locator("#sources details").first).to_contain_text("我的文档")
    keep(page, "chat-upload")
    with page.expect_download() as download:
        page.locator("#chat-export").click()
    exported = Path(download.value.path()).read_text(encoding="utf-8")
    assert "钱多多" in exported
    assert "我的文档" in exported
    page.locator("#my-remove").click()
    expect(page.locator("#my-result")).to_contain_text("已移除")
    page.locator("#chat-clear").click()
    ask(page, "青柠社的社长是谁？")
    expect(answers(page)).to_have_count(1, timeout=PATIENCE_MS)
    expect(page.locator("#sources details").first).to_be_attached(timeout=PATIENCE_MS)
    expect(page.locator("#sources")).not_to_contain_text("钱多多")


def test_compare_shows_both_answers(page: Page) -> None:
    page.get_by_role("tab", name="有无知识对照").click()
    box = page.locator("#compare-input textarea")
    box.fill(QUESTION)
    box.press("Enter")
    expect(page.locator("#compare-with")).to_contain_text("1927", timeout=PATIENCE_MS)
    assert page.locator("#compare-without").inner_text().strip()
    page.wait_for_timeout(1000)
    keep(page, "compare")
