"""A person asking questions: headless Chromium on the real app; screenshots are kept in artifacts/."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import PATIENCE_MS
from tests.conftest import ARTIFACTS

pytestmark = [pytest.mark.browser, pytest.mark.model]
QUESTION = "广州大学的办学历史可以追溯到哪一年？"
UNKNOWN = "怎样更换自行车的内胎？"
LONG = "请写一篇一千字的文章，介绍长江、黄河和珠江"


def keep(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


def ask(page: Page, question: str) -> None:
    box = page.locator("#chat-input textarea")
    box.fill(question)
    box.press("Enter")


def answers(page: Page) -> Locator:
    """One for each answer: the bubble that holds its thought and its text."""
    return page.locator("#chatbot .bot.message")


def finished(page: Page, count: int = 1, timeout: int = PATIENCE_MS) -> None:
    """``count`` questions have their answers, and the composer is ready again."""
    expect(page.locator("#chatbot .user.message")).to_have_count(count, timeout=timeout)
    expect(page.locator("#chat-input textarea")).to_be_editable(timeout=timeout)
    expect(page.locator("#chat-input .submit-button")).to_be_visible(timeout=timeout)


def stop(page: Page) -> None:
    page.locator("#chat-input .stop-button").click()
    expect(page.locator("#chat-input .submit-button")).to_be_visible()


def retry(page: Page) -> None:
    page.locator("#chatbot").get_by_role("button", name="重试").last.click()


def edit(page: Page, number: int, text: str) -> None:
    page.locator("#chatbot .user.message").nth(number).hover()
    page.locator("#chatbot").get_by_role("button", name="编辑").nth(number).click()
    page.locator("#chatbot textarea").fill(text)
    page.locator("#chatbot").get_by_role("button", name="发送").click()


def set_threshold(page: Page, value: str) -> None:
    """Types it, twice: on a busy machine gradio has given the sliders of a just opened accordion their first values
    once more."""
    for _ in range(2):
        page.locator("#min-score input[type=number]").fill(value)
        page.locator("#min-score input[type=number]").press("Tab")
        page.wait_for_timeout(500)
    expect(page.locator("#min-score input[type=range]")).to_have_value(value)


def test_chat_answers_with_its_source(page: Page) -> None:
    ask(page, QUESTION)
    expect(answers(page).last).to_contain_text("1927", timeout=PATIENCE_MS)
    finished(page)
    # The support's citation comes with the last event, after which the sources are not drawn again.
    citation = answers(page).last.locator("a[href$='-s0']")
    expect(citation).to_have_text("[1]")
    first = page.locator("#sources .yz-card").first
    expect(first).to_contain_text("1927")
    expect(first).to_contain_text("knowledge.txt")
    expect(first).to_contain_text("有答案")
    expect(page.locator("#sources mark").first).to_be_attached()
    citation.click()
    expect(page.locator("#sources mark:target")).to_contain_text("1927")
    keep(page, "chat")


def test_a_follow_up_is_searched_for_with_its_subject(page: Page) -> None:
    ask(page, "介绍一下广州大学")
    finished(page)
    ask(page, "它的主校区在哪里？")
    finished(page, 2)
    thought = page.locator("#chatbot .thought-group").last
    thought.click()
    expect(thought).to_contain_text("联系上文，按“")
    expect(page.locator("#sources .yz-card:visible").first).to_contain_text("小谷围")


def test_a_refusal_offers_the_models_own_answer(page: Page) -> None:
    ask(page, UNKNOWN)
    expect(answers(page).last).to_contain_text("所以没有作答", timeout=PATIENCE_MS)
    page.get_by_role("button", name="不用知识库，直接回答").click()
    expect(answers(page).last).to_contain_text("模型自己的回答", timeout=PATIENCE_MS)
    finished(page)


def test_the_threshold_decides_what_is_refused(page: Page) -> None:
    page.locator("#chat-settings > button").click()
    set_threshold(page, "1")
    ask(page, QUESTION)
    expect(answers(page).last).to_contain_text("所以没有作答", timeout=PATIENCE_MS)
    set_threshold(page, "0.1")
    retry(page)
    expect(answers(page).last).to_contain_text("1927", timeout=PATIENCE_MS)
    finished(page)


def test_retry_edit_undo_and_clear(page: Page) -> None:
    ask(page, "介绍一下广州大学")
    finished(page)
    retry(page)
    expect(page.locator("#chat-input .stop-button")).to_be_visible()
    finished(page)
    edit(page, 0, QUESTION)
    expect(answers(page).last).to_contain_text("1927", timeout=PATIENCE_MS)
    finished(page)
    page.locator("#chatbot").get_by_role("button", name="撤销").click()
    expect(page.locator("#chatbot .message")).to_have_count(0)
    expect(page.locator("#chat-input textarea")).to_have_value(QUESTION)
    ask(page, "端午节是哪一天？")
    finished(page)
    page.locator("#chatbot").get_by_role("button", name="清空对话").click()
    expect(page.locator("#chatbot .message")).to_have_count(0)


def test_stop_stops_and_the_next_question_is_answered(page: Page) -> None:
    page.locator("#use-knowledge input").uncheck()
    ask(page, LONG)
    expect(answers(page).last).to_contain_text("长江", timeout=PATIENCE_MS)
    stop(page)
    expect(answers(page).last).to_contain_text("已停止")
    said = answers(page).last.inner_text()
    page.wait_for_timeout(2000)
    assert answers(page).last.inner_text() == said
    page.locator("#use-knowledge input").check()
    ask(page, QUESTION)
    expect(answers(page).last).to_contain_text("1927", timeout=PATIENCE_MS)


def test_a_question_is_stopped_while_it_waits_for_another_visitor(
    page: Page, browser: Browser, address: str
) -> None:
    other = browser.new_page(locale="zh-CN")
    other.goto(address)
    other.locator("#use-knowledge input").uncheck()
    ask(other, LONG)
    expect(answers(other).last).to_contain_text("江", timeout=PATIENCE_MS)
    page.locator("#use-knowledge input").uncheck()
    ask(page, "请数到一百")
    expect(page.locator("#chatbot .user.message")).to_contain_text("请数到一百")
    stop(page)
    expect(answers(page).last).to_contain_text("已停止")
    stop(other)
    other.close()
    page.wait_for_timeout(1500)
    expect(answers(page).last).to_contain_text("已停止")


def test_a_new_question_ends_the_answer_before_it(page: Page) -> None:
    page.locator("#use-knowledge input").uncheck()
    ask(page, LONG)
    expect(answers(page).last).to_contain_text("江", timeout=PATIENCE_MS)
    page.locator("#use-knowledge input").check()
    ask(page, QUESTION)
    finished(page, 2)
    expect(answers(page).last).to_contain_text("1927")


def test_an_empty_question_gets_a_notice(page: Page) -> None:
    ask(page, "   ")
    expect(page.get_by_text("请输入问题", exact=False).first).to_be_visible()
    expect(page.locator("#chatbot .message")).to_have_count(0)


def test_an_example_is_sent(page: Page) -> None:
    page.locator("#chatbot").get_by_text("端午节是哪一天？", exact=True).click()
    expect(answers(page).last).to_contain_text("五月初五", timeout=PATIENCE_MS)
    finished(page)


def test_an_uploaded_document_is_used_and_its_html_stays_text(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "社团.txt"
    hostile = "<img src=x onerror=\"document.title='hacked'\"><b>粗体</b>"
    file.write_text(f"青柠社的社长是钱多多。{hostile}\n", encoding="utf-8")
    page.locator("#chat-input input[type=file]").set_input_files(file)
    expect(page.locator("#chat-input .thumbnail-item")).to_have_count(1)
    ask(page, f"青柠社的社长是谁？{hostile}")
    expect(page.locator("#sources .yz-card").first).to_contain_text("钱多多", timeout=PATIENCE_MS)
    finished(page)
    assert page.title() != "hacked"
    for place in ("#sources", "#chatbot .message"):
        assert page.locator(f"{place} :is(img[src=x], b)").count() == 0
    expect(page.locator("#sources .yz-card").first).to_contain_text("<b>粗体</b>")
    expect(page.locator("#chatbot .user.message")).to_contain_text(hostile)
    expect(page.locator("#sources .yz-card").first).to_contain_text("我的文档")
    keep(page, "chat-upload")
    with page.expect_download() as download:
        page.locator("#chat-export").click()
    exported = Path(download.value.path()).read_text(encoding="utf-8")
    assert "钱多多" in exported
    assert "我的文档" in exported


def test_compare_shows_both_answers(page: Page) -> None:
    page.get_by_role("tab", name="有无知识对照").click()
    box = page.locator("#compare-input textarea")
    box.fill(QUESTION)
    box.press("Enter")
    expect(page.locator("#compare-with")).to_contain_text("1927", timeout=PATIENCE_MS)
    expect(page.locator("#compare-run")).to_be_visible(timeout=PATIENCE_MS)
    assert page.locator("#compare-without .bot").first.inner_text().strip()
    keep(page, "compare")
