"""The chat around a scripted service: what a real model shows only now and then; screenshots in artifacts/."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from src.chat.types import Answer, Conflict, Quote, Support
from src.embedding.fake import HashingEmbedder
from src.language.fake import FakeModel
from src.runtime import Runtime
from src.settings import Settings, load_settings
from tests.browser.test_chat import answers, ask, keep, set_threshold
from tests.ui.chat.scripted import ScriptedChat, hit

pytestmark = pytest.mark.browser
PATIENCE_MS = 15_000
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><b>粗体</b> &lt;i&gt; ![图](http://evil.invalid/x.png)"
FIRST, SECOND = "学校的历史可以追溯到1927年。", "它在2000年合并组建。"
PASSAGE = "广州大学的办学历史可以追溯到1927年创办的私立广州大学。2000年7月合并组建。"


def script(runtime: Runtime) -> Any:
    def say(question: str, options: dict[str, Any]) -> Iterator[Answer]:
        answer = Answer("", question, timings_ms={"total": 1500.0})
        if not options["use_knowledge"]:
            yield replace(answer, text="我自己觉得是这样。", done=True)
            return
        if question.startswith("查"):
            hits = tuple(runtime.retriever.search(question[1:], top_k=3, extra=options["extra"]))
            yield replace(answer, hits=hits, text="查到了。", done=True)
            return
        hits = (
            hit(1, PASSAGE * 9, 0.8, title="广州大学"),
            hit(2, HOSTILE, 0.4, source=HOSTILE),
            hit(3, "另一份资料说是1928年。", 0.05),
        )
        follow = options["rewrite"] and "它" in question
        answer = replace(
            answer, hits=hits, follow_up=follow, question=f"广州大学 {question}" if follow else question
        )
        if all(item.score < options["min_score"] for item in hits):
            yield replace(answer, text="拒答", refused=True, done=True)
            return
        for ahead in (2, 1) if "排队" in question else ():
            yield replace(answer, ahead=ahead)
            time.sleep(1)
        last = HOSTILE if "敌意" in question else "其实在火星上。"
        for end in range(1, len(FIRST)):
            yield replace(answer, text=FIRST[:end])
        place = 8 * len(PASSAGE)
        middle = place + PASSAGE.index("2000")
        support = (
            Support(FIRST, 1, 0.9, (place, middle)),
            Support(SECOND, 1, 0.8, (middle, place + len(PASSAGE))),
            Support(last, None, 0.1),
        )
        conflicts = (Conflict(1, "1927", 3, "1928"),) if "矛盾" in question else ()
        if "原文" in question:
            sentence = PASSAGE[PASSAGE.index("2000") :]
            answer = replace(answer, quote=Quote(1, sentence, middle, place + len(PASSAGE)))
        yield replace(answer, text=FIRST + SECOND + last, support=support, conflicts=conflicts, done=True)

    return say


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    folder = tmp_path_factory.mktemp("chat")
    knowledge = folder / "knowledge.txt"
    knowledge.write_text("端午节在每年农历五月初五。\n", encoding="utf-8")
    more = {"feedback": folder / "feedback.jsonl"} if "feedback" in Settings.model_fields else {}
    runtime = Runtime(load_settings(knowledge=[knowledge], cache_dir=folder / "cache", **more))
    runtime.__dict__.update(model=FakeModel(), embedder=HashingEmbedder())
    runtime.__dict__["chat"] = ScriptedChat(script(runtime))
    return runtime


@pytest.fixture(scope="module")
def chat_address(scripted: Runtime) -> Iterator[str]:
    from src.ui.page import create_page, launch

    page = create_page(scripted)
    yield launch(page, scripted, block=False)
    page.close()


@pytest.fixture
def page(browser: Browser, chat_address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="zh-CN")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield from opened(context, chat_address)


@pytest.fixture
def phone(browser: Browser, chat_address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN", color_scheme="dark")
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
    expect(page.locator("#chat-input textarea")).to_be_visible()
    yield page
    title = page.title()
    context.close()
    assert wrong == []
    assert title == "源知 YuanZhi"


def finished(page: Page) -> None:
    expect(page.locator("#chat-status")).to_contain_text("用时")


def open_settings(page: Page) -> None:
    page.locator("#chat-settings > button").click()


def test_a_click_on_a_mark_opens_its_passage_at_the_evidence(page: Page) -> None:
    ask(page, "历史")
    finished(page)
    marks = answers(page).last.locator(".yz-cite")
    expect(marks).to_have_count(2)
    card = page.locator('#sources details[data-rank="1"]')
    marks.nth(1).click()
    expect(card).to_have_attribute("open", "")
    lit = card.locator("mark.yz-lit")
    expect(lit).to_have_text("2000年7月合并组建。")
    expect(lit).to_be_in_viewport()
    keep(page, "chat-evidence")
    # The other sentence's evidence, by keyboard and back.
    marks.nth(0).focus()
    page.keyboard.press("Enter")
    expect(lit).to_have_text("广州大学的办学历史可以追溯到1927年创办的私立广州大学。")
    expect(card.locator("summary")).to_be_focused()
    card.get_by_role("button", name="回到回答").click()
    expect(marks.nth(0)).to_be_focused()
    expect(answers(page).last.locator(".yz-unsupported")).to_have_text("其实在火星上。")
    expect(answers(page).last.get_by_role("img", name="资料里没有找到依据")).to_be_visible()


def test_an_older_answers_mark_shows_its_own_passages(page: Page) -> None:
    ask(page, "历史")
    finished(page)
    ask(page, "查端午节")
    expect(page.locator("#sources details:visible")).to_have_count(1)
    expect(page.locator("#sources")).to_contain_text("五月初五")
    answers(page).first.locator(".yz-cite").first.click()
    expect(page.locator("#sources details:visible")).to_have_count(3)


def test_a_reader_who_has_scrolled_up_is_left_there(page: Page) -> None:
    talk = page.locator(".yz-talk")
    for count, question in enumerate(("历史", "矛盾", "历史"), 1):
        ask(page, question)
        # The status of the answer before is gone once there is a new one.
        expect(answers(page)).to_have_count(count)
        finished(page)
    ask(page, "排队")
    expect(page.locator("#chat-status")).to_contain_text("前面还有")
    talk.evaluate("e => { e.scrollTop = 0; }")
    finished(page)
    expect(answers(page).last.locator(".yz-cite")).to_have_count(2)
    assert talk.evaluate("e => e.scrollTop") == 0
    ask(page, "历史")
    expect(answers(page)).to_have_count(5)
    expect(answers(page).last.get_by_role("button", name="复制")).to_be_in_viewport()


def test_the_quote_leads_to_its_place_and_is_copied(page: Page) -> None:
    ask(page, "原文")
    finished(page)
    quote = answers(page).locator(".yz-quote")
    expect(quote).to_have_text("原文 “2000年7月合并组建。” [1]")
    quote.get_by_role("button").click()
    expect(page.locator('#sources details[data-rank="1"] mark.yz-lit')).to_have_text("2000年7月合并组建。")
    answers(page).get_by_role("button", name="复制").click()
    page.wait_for_timeout(300)
    assert page.evaluate("navigator.clipboard.readText()").endswith("\n原文 “2000年7月合并组建。” [1]")
    keep(page, "chat-quote")


def test_hostile_text_stays_text_and_is_copied_as_it_is(page: Page) -> None:
    ask(page, f"敌意 {HOSTILE}")
    finished(page)
    for place in ("#chatbot", "#sources", "#chat-status"):
        assert page.locator(f"{place} :is(img, script, a, i:not(.yz-scale > i))").count() == 0
        assert page.locator(f"{place} b:has-text('粗体')").count() == 0
    page.locator('#sources details[data-rank="2"] summary').click()
    expect(page.locator('#sources details[data-rank="2"] .yz-text')).to_have_text(HOSTILE)
    for who, text in (("user", f"敌意 {HOSTILE}"), ("bot", f"{FIRST} [1]{SECOND} [1]{HOSTILE}")):
        page.locator(f"#chatbot .message.{who}").get_by_role("button", name="复制").click()
        page.wait_for_timeout(300)
        assert page.evaluate("navigator.clipboard.readText()") == text
    page.locator("#chat-copy").click()
    expect(page.locator("#chat-status")).to_contain_text("已复制全部")
    everything = f"问题: 敌意 {HOSTILE}\n\n回答: {FIRST} [1]{SECOND} [1]{HOSTILE}"
    assert page.evaluate("navigator.clipboard.readText()") == everything


def test_a_refusal_offers_the_models_own_answer(page: Page) -> None:
    open_settings(page)
    set_threshold(page, "0.9")
    ask(page, "历史")
    expect(page.locator("#chat-status")).to_contain_text("没有相关度达到门槛 0.90 的资料")
    expect(answers(page)).to_contain_text("所以没有作答")
    expect(page.locator("#sources .yz-below")).to_have_count(3)
    expect(page.locator("#sources")).to_contain_text("相关度 0.80，低于门槛")
    keep(page, "chat-refused")
    page.locator("#chat-own").click()
    expect(answers(page)).to_contain_text("模型自己的回答，可能有误")
    expect(answers(page)).to_contain_text("我自己觉得是这样。")
    expect(page.locator("#chat-own")).to_be_hidden()
    expect(answers(page)).to_have_count(1)
    set_threshold(page, "0.3")
    page.locator("#chat-retry").click()
    expect(answers(page)).to_contain_text(FIRST)
    expect(page.locator("#sources .yz-below")).to_have_count(1)


def test_a_follow_up_says_what_was_searched_for_and_can_be_switched_off(page: Page) -> None:
    ask(page, "它多大？")
    finished(page)
    expect(answers(page).last).to_contain_text("按“广州大学 它多大？”检索")
    expect(page.locator("#chat-status")).to_contain_text("按“广州大学 它多大？”检索")
    page.locator("#use-history input").uncheck()
    page.locator("#chat-retry").click()
    expect(page.locator("#chat-status")).to_contain_text("检索的问题：“它多大？”")
    expect(answers(page).last).not_to_contain_text("联系上文")


def test_the_queue_and_conflicts_are_shown(page: Page) -> None:
    ask(page, "排队，矛盾")
    expect(page.locator("#chat-status")).to_contain_text("前面还有 2 个请求")
    expect(page.locator("#chat-status")).to_contain_text("前面还有 1 个请求")
    finished(page)
    expect(answers(page)).to_contain_text("资料 [1] 说“1927”，资料 [3] 说“1928”，请核对")
    answers(page).locator(".yz-warning .yz-cite").nth(1).click()
    expect(page.locator('#sources details[data-rank="3"] mark.yz-lit')).to_have_text("1928")


def test_what_is_stopped_in_the_queue_leaves_no_answer(page: Page) -> None:
    ask(page, "排队")
    expect(page.locator("#chat-status")).to_contain_text("前面还有")
    page.locator("#chat-stop").click()
    expect(page.locator("#chat-status")).to_contain_text("已停止")
    expect(answers(page)).to_have_count(0)
    page.wait_for_timeout(1500)
    expect(answers(page)).to_have_count(0)


def test_a_document_is_dropped_found_and_removed(page: Page) -> None:
    taken = page.evaluate_handle(
        """([text, name]) => { const data = new DataTransfer();
        data.items.add(new File([text], name, {type: "text/plain"})); return data; }""",
        ["青柠社的社长是钱多多。", "社团 <b>.txt"],
    )
    page.locator("#chatbot").dispatch_event("drop", {"dataTransfer": taken})
    expect(page.locator("#my-result")).to_contain_text("已加入 社团")
    expect(page.locator("#my-files li")).to_have_count(1)
    expect(page.locator("#my-files")).to_contain_text("1 段")
    expect(page.locator("#my-documents")).to_contain_text("20 个文件")
    ask(page, "查青柠社的社长")
    expect(page.locator("#sources details:visible").first).to_contain_text("钱多多")
    expect(page.locator("#sources details:visible").first).to_contain_text("我的文档")
    keep(page, "chat-documents")
    page.locator("#my-remove").click()
    expect(page.locator("#my-result")).to_contain_text("已移除")
    expect(page.locator("#my-remove")).to_be_hidden()
    page.locator("#chat-clear").click()
    ask(page, "查青柠社的社长")
    expect(answers(page)).to_contain_text("查到了")
    expect(page.locator("#sources")).not_to_contain_text("钱多多")


def test_a_conversation_is_exported(page: Page) -> None:
    page.locator("#chat-export").click()
    expect(page.get_by_text("还没有可以导出的对话")).to_be_visible()
    ask(page, f"敌意 {HOSTILE}")
    finished(page)
    with page.expect_download() as download:
        page.locator("#chat-export").click()
    assert download.value.suggested_filename == "yuanzhi-chat.md"
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert f"{FIRST} \\[1\\]{SECOND} \\[1\\]" in text
    assert "\\<img src=x" in text
    assert "<img" not in text.replace("\\<", "")
    assert PASSAGE in text


def test_compare_has_the_same_marks(page: Page) -> None:
    page.get_by_role("tab", name="有无知识对照").click()
    box = page.locator("#compare-input textarea")
    box.fill("历史")
    box.press("Enter")
    expect(page.locator("#compare-without")).to_contain_text("不用资料的回答")
    page.locator("#compare-with .yz-cite").nth(1).click()
    expect(page.locator("#compare-sources mark.yz-lit")).to_have_text("2000年7月合并组建。")
    keep(page, "compare-evidence")


def test_a_phone_in_the_dark(phone: Page) -> None:
    ask(phone, f"排队，矛盾，敌意，它 {HOSTILE} {'长' * 200} {'w' * 300}")
    finished(phone)
    # What came last is in sight, however long the conversation is.
    expect(answers(phone).last.get_by_role("button", name="复制")).to_be_in_viewport()
    open_settings(phone)
    phone.locator("#my-documents > button").click()
    expect(phone.locator("#my-upload")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 391
    inside = phone.locator("#chatbot .yz-talk")
    assert inside.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    answers(phone).locator(".yz-cite").first.click()
    expect(phone.locator("#sources mark.yz-lit").first).to_be_in_viewport()
    phone.wait_for_timeout(500)
    keep(phone, "chat-phone-dark")


def test_every_control_has_a_name(page: Page) -> None:
    ask(page, "历史")
    finished(page)
    open_settings(page)
    page.locator("#my-documents > button").click()
    expect(page.locator("#my-upload")).to_be_visible()
    unnamed = page.locator("button:visible, input:visible, textarea:visible").evaluate_all(
        """all => all.filter(e => !(e.ariaLabel || e.title || e.innerText.trim() || e.labels?.length
        || e.getAttribute("aria-labelledby"))).map(e => e.outerHTML)"""
    )
    assert unnamed == []


@pytest.mark.skipif("feedback" not in Settings.model_fields, reason="这个版本没有 --feedback")
def test_a_rating_is_stored(page: Page, scripted: Runtime) -> None:
    ask(page, "历史")
    finished(page)
    answers(page).get_by_role("button", name="没有帮助").click()
    expect(page.locator("#chat-status")).to_contain_text("已存下")
    assert FIRST in scripted.settings.feedback.read_text(encoding="utf-8")
