"""The chat around a scripted service: what a real model shows only now and then; screenshots in artifacts/."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from src.chat.events import Delta, Event, Finished, Queued, Quoted, Retrieved, Rewritten, Supported
from src.chat.service import ChatOptions
from src.chat.support import split_sentences
from src.chat.types import Conflict, Quote, Support
from src.models.embedders.fake import HashingEmbedder
from src.models.fake import FakeModel
from src.runtime import Runtime
from src.search.search import Retriever
from src.settings import load_settings
from src.ui.page import App
from tests.browser.test_chat import answers, ask, edit, finished, keep, retry, set_threshold, stop
from tests.ui.chat.scripted import ScriptedChat, hit

pytestmark = pytest.mark.browser
PATIENCE_MS = 15_000
HOSTILE = (
    "<img src=x onerror=\"document.title='hacked'\"><b>粗体</b> &lt;i&gt; ![图](http://evil.invalid/x.png) $$a$$"
)
FIRST, SECOND = "学校的历史可以追溯到1927年。", "它在2000年合并组建。"
PASSAGE = "广州大学的办学历史可以追溯到1927年创办的私立广州大学。2000年7月合并组建。"
FORMATTED = (
    "**要点**：\n\n| 年 | 事 |\n|---|---|\n| 1927 | 创办 |\n\n```python\nprint('<b>')\n```\n\n公式 $$a^2$$ 和 `x<y`"
)


def script(retriever: Retriever) -> Any:
    def say(question: str, options: ChatOptions, extra: Any) -> Iterator[Event]:
        if not options.use_knowledge:
            yield Delta("我自己觉得是这样。")
            yield Finished()
            return
        if question.startswith("查"):
            yield Retrieved(tuple(retriever.search(question[1:], top_k=3, extra=extra)), 5)
            yield Delta("查到了。")
            yield Finished()
            return
        hits = (
            hit(1, PASSAGE * 9, 0.8, title="广州大学"),
            hit(2, HOSTILE, 0.4, source=HOSTILE),
            hit(3, "另一份资料说是1928年。", 0.05),
        )
        if options.follow_up and "它" in question:
            yield Rewritten(f"广州大学 {question}")
        yield Retrieved(hits, 5)
        if all(item.score < (options.min_score or 0) for item in hits):
            yield Finished(refused=True)
            return
        place = 8 * len(PASSAGE)
        middle = place + PASSAGE.index("2000")
        if "原文" in question:
            yield Quoted(Quote(1, PASSAGE[PASSAGE.index("2000") :], middle, place + len(PASSAGE)))
        for ahead in (2, 1) if "排队" in question else ():
            yield Queued(ahead)
            time.sleep(1)
        while "一直" in question:
            yield Delta("说")
            time.sleep(0.05)
        last = HOSTILE if "敌意" in question else FORMATTED if "格式" in question else "其实在火星上。"
        text = (FIRST + SECOND + last) if last is not FORMATTED else FORMATTED
        for start in range(0, len(text), 7):
            yield Delta(text[start : start + 7])
            time.sleep(0.03)
        support = (
            Support(FIRST, 1, 0.9, (place, middle)),
            Support(SECOND, 1, 0.8, (middle, place + len(PASSAGE))),
            Support(last, None, 0.1),
        )
        conflicts = (Conflict(1, "1927", 3, "1928"),) if "矛盾" in question else ()
        if last is FORMATTED:
            support = tuple(Support(sentence, None, 0.1) for sentence in split_sentences(text))
        yield Supported(support, conflicts)
        yield Finished()

    return say


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    folder = tmp_path_factory.mktemp("chat")
    knowledge = folder / "knowledge.txt"
    knowledge.write_text("端午节在每年农历五月初五。\n", encoding="utf-8")
    runtime = Runtime(
        load_settings(knowledge=[knowledge], cache_dir=folder / "cache", feedback=folder / "feedback.jsonl")
    )
    vars(runtime).update(model=FakeModel(), embedder=HashingEmbedder())
    vars(runtime)["chat"] = ScriptedChat(script(runtime.retriever))
    return runtime


@pytest.fixture(scope="module")
def chat_address(scripted: Runtime) -> Iterator[str]:
    app = App(scripted)
    yield app.launch(block=False)
    app.page.close()


@pytest.fixture
def page(browser: Browser, chat_address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1360, "height": 900}, locale="zh-CN")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield from opened(context, chat_address)


@pytest.fixture
def phone(browser: Browser, chat_address: str) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, locale="zh-CN", color_scheme="dark", has_touch=True
    )
    yield from opened(context, chat_address)


def opened(context: BrowserContext, address: str) -> Iterator[Page]:
    """The chat, and afterwards the proof that nothing failed, nothing ran and nothing was fetched from elsewhere."""
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda r: wrong.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.on("request", lambda r: wrong.append(r.url) if r.url.startswith("http") and address not in r.url else None)
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.goto(address)
    expect(page.locator("#chat-input textarea")).to_be_editable()
    page.wait_for_timeout(500)
    yield page
    title = page.title()
    context.close()
    assert wrong == []
    assert title == "源知 YuanZhi"


def lit(page: Page) -> Locator:
    return page.locator("#sources mark:target")


def cites(page: Page) -> Locator:
    return answers(page).last.locator("a[href^='#']")


def test_the_page_opens_at_its_top_with_the_whole_chat_in_sight(page: Page) -> None:
    for width, height in ((1360, 900), (1366, 657), (1280, 720), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        page.reload()
        expect(page.locator("#chat-input textarea")).to_be_editable()
        page.wait_for_timeout(500)
        assert page.evaluate("scrollY") == 0
        expect(page.get_by_role("heading", name="源知 YuanZhi")).to_be_in_viewport()
        box = page.locator("#chat-input").bounding_box()
        assert box
        assert box["y"] + box["height"] <= height, (width, height)


def test_a_click_on_a_citation_lights_its_words(page: Page) -> None:
    ask(page, "历史")
    finished(page)
    expect(cites(page)).to_have_count(2)
    cites(page).nth(1).click()
    expect(lit(page)).to_have_text("2000年7月合并组建。")
    expect(lit(page)).to_be_in_viewport()
    expect(page.locator("#sources .yz-card:has(mark:target)")).to_have_attribute("open", "")
    keep(page, "chat-evidence")
    cites(page).nth(0).focus()
    page.keyboard.press("Enter")
    expect(lit(page)).to_have_text("广州大学的办学历史可以追溯到1927年创办的私立广州大学。")
    expect(answers(page).last.locator("mark.yz-unsupported")).to_have_text("其实在火星上。")


def test_an_older_answers_citation_shows_its_own_passages(page: Page) -> None:
    ask(page, "历史")
    finished(page)
    cites(page).first.click()
    ask(page, "查端午节")
    finished(page, 2)
    # The new answer's passages are shown though the old one's were open.
    expect(page.locator("#sources .yz-card:visible")).to_have_count(1)
    expect(page.locator("#sources .yz-card:visible")).to_contain_text("五月初五")
    answers(page).first.locator("a[href^='#']").first.click()
    expect(page.locator("#sources .yz-card:visible")).to_have_count(2)
    expect(lit(page)).to_be_in_viewport()


def test_a_reader_who_has_scrolled_up_is_left_there_and_keeps_his_selection(page: Page) -> None:
    for count, question in enumerate(("历史", "矛盾", "历史"), 1):
        ask(page, question)
        finished(page, count)
    ask(page, "排队")
    expect(page.locator("#chatbot")).to_contain_text("前面还有")
    log = page.locator("#chatbot [role=log]")
    log.hover()
    for _ in range(8):
        page.mouse.wheel(0, -3000)
        page.wait_for_timeout(100)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#chatbot .bot .md p'))")
    selected = page.evaluate("String(getSelection())")
    finished(page, 4)
    assert log.evaluate("e => e.scrollTop") == 0
    assert page.evaluate("String(getSelection())") == selected != ""


def test_the_quote_leads_to_its_place(page: Page) -> None:
    ask(page, "原文")
    finished(page)
    quote = answers(page).last.locator("blockquote")
    expect(quote).to_have_text("原文 “2000年7月合并组建。” [1]")
    quote.get_by_role("link").click()
    expect(lit(page)).to_have_text("2000年7月合并组建。")
    keep(page, "chat-quote")


def test_a_models_formatting_is_drawn(page: Page) -> None:
    ask(page, "格式")
    finished(page)
    bot = answers(page).last
    expect(bot.locator("strong")).to_have_text("要点")
    expect(bot.locator("td").first).to_have_text("1927")
    expect(bot.locator("pre")).to_contain_text("print('<b>')")
    expect(bot.locator(".katex").first).to_be_visible()
    expect(bot.locator("p code")).to_have_text("x<y")
    bot.locator("pre").hover()
    bot.locator(".copy_code_button").click()
    assert page.evaluate("navigator.clipboard.readText()").strip() == "print('<b>')"
    keep(page, "chat-formatted")


def test_hostile_text_stays_text(page: Page) -> None:
    ask(page, f"敌意 {HOSTILE}")
    finished(page)
    expect(page.locator("#chatbot .user").first).to_contain_text(f"敌意 {HOSTILE}")
    expect(answers(page).last).to_contain_text("<b>粗体</b> &lt;i&gt; ![图](http://evil.invalid/x.png)")
    page.locator("#sources .yz-card summary").nth(1).click()
    expect(page.locator("#sources .yz-card .yz-text").nth(1)).to_have_text(HOSTILE)
    for place in ("#chatbot .message", "#sources"):
        assert page.locator(f"{place} :is(img, script, b, i)").count() == 0
        assert page.locator(f"{place} a:not([href^='#'])").count() == 0
    assert page.locator("#chatbot .user .katex").count() == 0


def test_a_conversation_is_copied_and_exported(page: Page) -> None:
    expect(page.locator("#chat-export")).to_be_disabled()
    ask(page, f"敌意 {HOSTILE}")
    finished(page)
    page.get_by_role("button", name="Copy conversation").click()
    page.wait_for_timeout(300)
    assert FIRST in page.evaluate("navigator.clipboard.readText()")
    with page.expect_download() as download:
        page.locator("#chat-export").click()
    assert download.value.suggested_filename == "yuanzhi-chat.md"
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert f"{FIRST} \\[1\\]{SECOND} \\[1\\]" in text
    assert "\\<img src=x" in text
    assert "<img" not in text.replace("\\<", "")


def test_a_refusal_offers_what_can_be_done(page: Page) -> None:
    page.locator("#chat-settings > button").click()
    set_threshold(page, "0.9")
    ask(page, "历史")
    expect(answers(page).last).to_contain_text("所以没有作答")
    expect(page.locator("#sources")).to_contain_text("另有 2 段没有答案或关系不大的")
    keep(page, "chat-refused")
    page.get_by_role("button", name="就用最接近的资料回答").click()
    finished(page)
    expect(answers(page).last).to_contain_text(FIRST)
    retry(page)
    expect(answers(page).last).to_contain_text("所以没有作答")
    page.get_by_role("button", name="不用知识库，直接回答").click()
    expect(answers(page).last).to_contain_text("模型自己的回答，没有查资料，可能有误。")
    expect(answers(page).last).to_contain_text("我自己觉得是这样。")
    expect(page.get_by_role("button", name="不用知识库，直接回答")).to_have_count(0)
    expect(page.locator("#chatbot .user")).to_have_count(1)


def test_a_follow_up_says_what_was_searched_for_and_can_be_switched_off(page: Page) -> None:
    ask(page, "它多大？")
    finished(page)
    thought = page.locator("#chatbot .thought-group").last
    thought.click()
    expect(thought).to_contain_text("联系上文，按“广州大学 它多大？”检索")
    page.locator("#chat-settings > button").click()
    page.locator("#use-history input").uncheck()
    retry(page)
    finished(page)
    page.locator("#chatbot .thought-group").last.click()
    expect(page.locator("#chatbot .thought-group").last).not_to_contain_text("联系上文")


def test_the_queue_and_conflicts_are_shown(page: Page) -> None:
    ask(page, "排队，矛盾")
    expect(page.locator("#chatbot")).to_contain_text("前面还有 2 个请求")
    expect(page.locator("#chatbot")).to_contain_text("前面还有 1 个请求")
    finished(page)
    expect(answers(page).last).to_contain_text("资料 [1] 说“1927”，资料 [3] 说“1928”，请核对")
    answers(page).last.locator("a[href$=c0b]").click()
    expect(lit(page)).to_have_text("1928")
    expect(lit(page)).to_be_in_viewport()


def test_stop_in_the_queue_and_in_the_middle(page: Page) -> None:
    ask(page, "排队")
    expect(page.locator("#chatbot")).to_contain_text("前面还有")
    stop(page)
    expect(answers(page).last).to_contain_text("已停止")
    ask(page, "一直")
    expect(answers(page).last).to_contain_text("说说说")
    stop(page)
    expect(answers(page).last).to_contain_text("已停止")
    said = answers(page).last.inner_text()
    page.wait_for_timeout(1500)
    assert answers(page).last.inner_text() == said
    expect(page.locator("#chat-input .submit-button")).to_be_visible()
    ask(page, "历史")
    finished(page, 3)


@pytest.mark.parametrize("action", ["retry", "undo", "edit", "ask", "clear", "reload"])
def test_anything_may_be_done_while_an_answer_streams(page: Page, action: str) -> None:
    ask(page, "一直")
    expect(answers(page).last).to_contain_text("说说说")
    if action == "retry":
        stop(page)
        retry(page)
        expect(answers(page).last).to_contain_text("说")
        stop(page)
    elif action == "undo":
        stop(page)
        page.get_by_role("button", name="撤销").click()
        expect(page.locator("#chat-input textarea")).to_have_value("一直")
    elif action == "edit":
        # Gradio lets nobody edit before it has ended.
        expect(page.locator("#chatbot").get_by_role("button", name="编辑")).to_be_disabled()
        stop(page)
        edit(page, 0, "历史")
        finished(page)
        expect(page.locator("#chatbot .user")).to_have_text("历史")
    elif action == "ask":
        page.locator("#chat-input textarea").fill("历史")
        page.locator("#chat-input textarea").press("Enter")
        finished(page, 2)
        expect(page.locator("#chatbot")).to_contain_text("已停止")
        return
    elif action == "clear":
        page.get_by_role("button", name="清空对话").click()
    else:
        page.reload()
        expect(page.locator("#chat-input textarea")).to_be_editable()
        expect(answers(page).last).to_contain_text("已停止")
    page.wait_for_timeout(1000)
    if action in ("undo", "clear"):
        expect(page.locator("#chatbot .message")).to_have_count(0)
    expect(page.locator("#chat-input .submit-button")).to_be_visible()


def test_a_hostile_question_is_edited_as_it_was_typed(page: Page) -> None:
    ask(page, f"敌意 {HOSTILE}")
    finished(page)
    edit(page, 0, "改 <b>*x*</b>")
    finished(page)
    expect(page.locator("#chatbot .user")).to_have_text("改 <b>*x*</b>")
    page.get_by_role("button", name="撤销").click()
    expect(page.locator("#chat-input textarea")).to_have_value("改 <b>*x*</b>")


def files_of(page: Page, *files: tuple[str, str]) -> Any:
    return page.evaluate_handle(
        """(files) => { const data = new DataTransfer();
        for (const [name, text] of files) data.items.add(new File([text], name, {type: "text/plain"})); return data; }""",
        list(files),
    )


def test_documents_are_dropped_found_and_removed(page: Page) -> None:
    taken = files_of(page, ("社团 <b>.txt", "青柠社的社长是钱多多。"), ("二.txt", "另一份。"))
    page.locator("#chatbot").dispatch_event("drop", {"dataTransfer": taken})
    expect(page.locator("#chat-input .thumbnail-item")).to_have_count(2)
    ask(page, "查青柠社的社长")
    finished(page)
    expect(page.locator("#my-files")).to_contain_text("社团 b.txt")  # as gradio names the upload
    expect(page.locator("#sources .yz-card:visible").first).to_contain_text("钱多多")
    expect(page.locator("#sources .yz-card:visible").first).to_contain_text("我的文档")
    keep(page, "chat-documents")
    page.locator("#my-files .token", has_text="社团").locator(".token-remove").click()
    expect(page.locator("#my-files .token")).to_have_count(1)
    expect(page.locator("#my-files")).to_contain_text("二.txt")
    ask(page, "查青柠社的社长")
    finished(page, 2)
    expect(page.locator("#sources .yz-card:visible").first).not_to_contain_text("钱多多")
    page.locator("#my-files .token .token-remove").click()
    expect(page.locator("#my-files")).to_be_hidden()


def test_a_file_dropped_while_an_answer_streams_waits_for_the_next_question(page: Page) -> None:
    ask(page, "一直")
    expect(answers(page).last).to_contain_text("说说")
    page.locator("#chatbot").dispatch_event("drop", {"dataTransfer": files_of(page, ("晚.txt", "晚到的。"))})
    expect(page.locator("#chat-input .thumbnail-item")).to_have_count(1)
    stop(page)
    ask(page, "查晚到的")
    finished(page, 2)
    expect(page.locator("#my-files")).to_contain_text("晚.txt")


def test_files_by_the_paperclip_and_what_cannot_be_read(page: Page, tmp_path: Path) -> None:
    good, bad = tmp_path / "好.txt", tmp_path / "报告.xyz"
    good.write_text("青柠社的社长是钱多多。\n", encoding="utf-8")
    bad.write_bytes(b"\x00\x01")
    page.locator("#chat-input input[type=file]").set_input_files([good, bad])
    expect(page.locator("#chat-input .thumbnail-item")).to_have_count(2)
    page.locator("#chat-input .submit-button").click()
    expect(page.get_by_text("未加入 报告.xyz", exact=False)).to_be_visible()
    expect(page.locator("#my-files")).to_contain_text("好.txt")
    expect(page.locator("#chatbot .message")).to_have_count(0)
    expect(page.locator("#chat-input .thumbnail-item")).to_have_count(0)


def test_much_pasted_text_becomes_a_document(page: Page) -> None:
    text = "青柠社的社长是钱多多。" * 2000
    page.locator("#chat-input textarea").focus()
    page.evaluate(
        """(text) => { const data = new DataTransfer(); data.setData("text/plain", text);
        document.querySelector("#chat-input textarea").dispatchEvent(
          new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})); }""",
        text,
    )
    expect(page.locator("#chat-input .thumbnail-item")).to_have_count(1)
    ask(page, "查社长")
    finished(page)
    expect(page.locator("#my-files .token")).to_have_count(1)


def test_a_reload_and_the_other_language_keep_the_session(page: Page, chat_address: str) -> None:
    page.locator("#chatbot").dispatch_event("drop", {"dataTransfer": files_of(page, ("我的.txt", "我的一份。"))})
    expect(page.locator("#chat-input .thumbnail-item")).to_have_count(1)
    ask(page, "历史")
    finished(page)
    for address in (chat_address, f"{chat_address.rstrip('/')}/en", chat_address):
        page.goto(address)
        expect(answers(page).last).to_contain_text(FIRST)
        expect(page.locator("#my-files")).to_contain_text("我的.txt")
        expect(page.locator("#sources .yz-card:visible").first).to_contain_text("广州大学")
    cites(page).nth(1).click()
    expect(lit(page)).to_have_text("2000年7月合并组建。")
    # Another tab of the same visitor begins anew.
    other = page.context.new_page()
    other.goto(chat_address)
    expect(other.locator("#chat-input textarea")).to_be_editable()
    other.wait_for_timeout(1000)
    expect(other.locator("#chatbot .message")).to_have_count(0)
    other.close()
    page.locator("#chat-forget").click()
    expect(page.locator("#chatbot .message")).to_have_count(0)
    expect(page.locator("#my-files")).to_be_hidden()
    page.reload()
    expect(page.locator("#chat-input textarea")).to_be_editable()
    page.wait_for_timeout(1000)
    expect(page.locator("#chatbot .message")).to_have_count(0)


def test_the_browser_keeps_the_conversation_if_the_visitor_wants_it(page: Page, chat_address: str) -> None:
    page.locator("#chat-settings > button").click()
    page.locator("#keep-conversation input").check()
    ask(page, "历史")
    finished(page)
    page.wait_for_timeout(500)
    page.evaluate("sessionStorage.clear()")  # as after the hour, or in another tab
    page.reload()
    expect(answers(page).last).to_contain_text(FIRST)
    page.locator("#chat-settings > button").click()
    expect(page.locator("#keep-conversation input")).to_be_checked()
    page.locator("#keep-conversation input").uncheck()
    page.wait_for_timeout(500)
    page.evaluate("sessionStorage.clear()")
    page.reload()
    expect(page.locator("#chat-input textarea")).to_be_editable()
    page.wait_for_timeout(1000)
    expect(page.locator("#chatbot .message")).to_have_count(0)


def test_two_visitors_at_once_see_their_own(page: Page, browser: Browser, chat_address: str) -> None:
    other = browser.new_page(locale="zh-CN")
    other.goto(chat_address)
    expect(other.locator("#chat-input textarea")).to_be_editable()
    ask(page, "一直")
    ask(other, "历史")
    finished(other)
    expect(answers(page).last).to_contain_text("说说")
    stop(page)
    expect(other.locator("#chatbot")).not_to_contain_text("说说")
    expect(page.locator("#chatbot")).not_to_contain_text(FIRST)
    other.close()


def test_compare_has_the_same_marks_and_its_stop_says_so(page: Page) -> None:
    page.get_by_role("tab", name="有无知识对照").click()
    box = page.locator("#compare-input textarea")
    box.fill("历史")
    box.press("Enter")
    expect(page.locator("#compare-without")).to_contain_text("我自己觉得是这样。")
    links = page.locator("#compare-with .bot a[href^='#']")
    expect(links).to_have_count(2)
    links.nth(1).click()
    expect(page.locator("#compare-sources mark:target")).to_have_text("2000年7月合并组建。")
    keep(page, "compare-evidence")
    box.fill("一直")
    page.locator("#compare-run").click()
    expect(page.locator("#compare-with")).to_contain_text("说说")
    page.locator("#compare-stop").click()
    expect(page.locator("#compare-with")).to_contain_text("已停止")
    expect(page.locator("#compare-run")).to_be_visible()


def test_a_phone_in_the_dark(phone: Page) -> None:
    ask(phone, f"排队，矛盾，敌意，它 {HOSTILE} {'长' * 200} {'w' * 300}")
    finished(phone)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 391
    log = phone.locator("#chatbot [role=log]")
    assert log.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    keep(phone, "chat-phone-dark")
    # The passage opens over the page's foot, in sight without scrolling, and its link leads back.
    cites(phone).first.tap()
    expect(lit(phone).first).to_be_in_viewport()
    phone.wait_for_timeout(300)
    phone.screenshot(path="artifacts/chat-phone-evidence.png")
    phone.locator("#sources .yz-back:visible").tap()
    expect(phone.locator("#chatbot")).to_be_in_viewport()
    assert lit(phone).count() == 0


@pytest.mark.parametrize("path", ["", "en"])
def test_on_a_phone_the_name_of_the_switch_is_whole(phone: Page, chat_address: str, path: str) -> None:
    phone.goto(f"{chat_address}{path}")
    name = phone.locator("#use-knowledge .label-text")
    expect(name).to_be_visible()
    box, block = name.bounding_box(), phone.locator("#use-knowledge").bounding_box()
    assert box
    assert block
    assert box["x"] + box["width"] <= block["x"] + block["width"]


def test_every_control_has_a_name(page: Page) -> None:
    ask(page, "历史")
    finished(page)
    page.locator("#chat-settings > button").click()
    page.wait_for_timeout(500)
    page.locator("#chat-input textarea").focus()
    unnamed = page.locator("button:visible, input:visible, textarea:visible").evaluate_all(
        """all => all.filter(e => !(e.ariaLabel || e.title || e.innerText.trim() || e.labels?.length
        || e.getAttribute("aria-labelledby") || e.closest("[role=button]"))).map(e => e.outerHTML)"""
    )
    assert unnamed == []


def test_a_rating_is_stored(page: Page, scripted: Runtime) -> None:
    ask(page, "历史")
    finished(page)
    page.locator("#chatbot").get_by_role("button", name="踩").click()
    expect(page.get_by_text("已存下这条评价")).to_be_visible()
    assert scripted.settings.feedback is not None
    assert FIRST in scripted.settings.feedback.read_text(encoding="utf-8")
