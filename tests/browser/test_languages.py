"""The page in Chinese and in English: its words, on a phone, by keyboard, light and dark; screenshots in artifacts/.

No model has a part in this: fakes answer.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from src.extraction.service import ExtractionService
from src.models.embedders.fake import HashingEmbedder
from src.models.fake import FakeModel
from src.runtime import Runtime
from src.settings import ROOT, load_settings
from src.ui.page import App
from src.ui.wording import english
from tests.browser.conftest import choose_tab
from tests.conftest import ARTIFACTS
from tests.extraction.fakes import RESUME, ScriptedModel

pytestmark = pytest.mark.browser
PATIENCE_MS = 15_000
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
# Names of the tabs on the way to each view.
VIEWS = {
    "chat": (("问答", "Chat"),),
    "extract": (("抽取", "Extract"), ("单份", "One resume")),
    "batch": (("抽取", "Extract"), ("批量", "Batch")),
    "probe": (("索引", "Index"), ("为什么这样答", "Why this answer")),
    "map": (("索引", "Index"), ("地图", "Map")),
    "passages": (("索引", "Index"), ("段落", "Passages")),
    "files": (("索引", "Index"), ("文件清单", "Files")),
    "check": (("索引", "Index"), ("体检", "Check")),
}
# What is shown of documents, questions and resumes, and what says itself that it is Chinese.
DATA = (
    "body [lang^=zh], .gallery-item, textarea, #extract-text .textfield, #compare-input, .yz-text, .textfield, "
    "[role=gridcell], #sources, #chatbot .message, #chatbot .options, #chat-input .upload-button, "
    "svg, summary, #probe-terms b, #probe-verdict b"
)
ALLOWED = re.compile(
    # The product's name, an example of a question, the labels beside their English, and columns of tables to upload.
    # Quoted are words of the documents.
    "“[^”]*”|源知|羊城是哪座城市的别称|姓名|国籍|种族|职位|教育背景|专业|组织名|地名|简历, 内容, 正文|“错误”"
)
SHOWN = """(data) => {
  const shown = [], visible = (e) => e.checkVisibility({visibilityProperty: true}) && !e.closest(data);
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!e.closest("script, style") && visible(e)) shown.push(walk.currentNode.data.trim());
  }
  for (const e of document.body.querySelectorAll("[placeholder], [aria-label], [title]"))
    if (e.checkVisibility({visibilityProperty: true}) && !e.closest(data))
      for (const name of ["placeholder", "aria-label", "title"]) shown.push(e.getAttribute(name) || "");
  return shown.filter((text) => text);
}"""
# Text with less contrast than WCAG AA asks of it, [what, ratio]; behind it is the nearest ancestor that is not clear.
FAINT = """(within) => {
  const rgba = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith("color(srgb") ? [255 * r, 255 * g, 255 * b, a] : [r, g, b, a];
  };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3]));
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    const layers = [];
    for (let x = e; x; x = x.parentElement) layers.push(rgba(getComputedStyle(x).backgroundColor));
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const faint = [];
  for (const e of document.querySelectorAll(within)) {
    if (!e.innerText?.trim() || !e.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    const under = behind(e), text = over(rgba(getComputedStyle(e).color), under);
    const [dark, bright] = [light(under), light(text)].sort((a, b) => a - b);
    const ratio = (bright + 0.05) / (dark + 0.05);
    if (ratio < 4.5) faint.push([e.innerText.slice(0, 30), Number(ratio.toFixed(2))]);
  }
  return faint;
}"""
NAMELESS = """() => [...document.querySelectorAll("a, button, input, textarea, select, [role=tab], [role=grid]")].filter((e) => {
  if (!e.checkVisibility({visibilityProperty: true}) || e.parentElement.closest("[role=button]")) return false;
  const by = (e.getAttribute("aria-labelledby") || "").split(" ").map((id) => document.getElementById(id)?.innerText);
  const names = [e.ariaLabel, ...by, ...[...(e.labels || [])].map((label) => label.innerText), e.innerText, e.title];
  return !names.some((name) => name?.trim());
}).map((e) => e.outerHTML.slice(0, 200))"""
FOCUSED = """() => {
  const e = document.activeElement, style = getComputedStyle(e);
  const name = e.ariaLabel || e.innerText || e.labels?.[0]?.innerText || "";
  return [name.trim(), e.closest("[id]")?.id || "", style.outlineStyle != "none" && parseFloat(style.outlineWidth) >= 2];
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    knowledge = [ROOT / "examples" / "knowledge.txt", ROOT / "examples" / "documents"]
    settings = load_settings(
        profile="embedded", knowledge=knowledge, cache_dir=tmp_path_factory.mktemp("cache"), edit_knowledge=True
    )
    runtime = Runtime(settings)
    vars(runtime).update(
        model=FakeModel(),
        embedder=HashingEmbedder(),
        extraction=ExtractionService(ScriptedModel(), adapter="resume"),
    )
    app = App(runtime)
    yield app.launch(block=False)
    app.page.close()


def opened(browser: Browser, address: str, language: str, **options: Any) -> Page:
    """The page in a language; the browser prefers the other one, so that nothing may follow its preference."""
    other = "en-US" if language == "zh" else "zh-CN"
    page = browser.new_page(**{"viewport": DESKTOP, "locale": other, **options})
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.goto(address if language == "zh" else f"{address.rstrip('/')}/en")
    expect(page.get_by_role("heading", name="源知 YuanZhi")).to_be_visible(timeout=PATIENCE_MS)
    return page


@pytest.fixture(scope="module", params=["zh", "en"])
def desktop(browser: Browser, served: str, request: pytest.FixtureRequest) -> Iterator[tuple[Page, str]]:
    page = opened(browser, served, request.param)
    yield page, request.param
    page.close()


def go(page: Page, view: str, language: str) -> None:
    """To a view; gradio keeps some tabs behind a button on a narrow page. Something is found in it where that is quick."""
    for names in VIEWS[view]:
        name = names[language == "en"]
        choose_tab(page, name)
    if view == "chat" and not page.locator("#chatbot .message").count():
        page.locator("#chat-input textarea").fill("羊城是哪座城市？" if language == "zh" else "What is 羊城?")
        page.locator("#chat-input textarea").press("Enter")
        expect(page.locator("#chatbot .bot.message").first).to_be_visible()
        page.locator("#chat-settings > button").click()
        expect(page.locator("#keep-conversation")).to_be_visible()
    if view == "extract":
        page.locator("#resume-input textarea").fill(RESUME)
        page.locator("#extract-run").click()
        expect(page.locator("#extract-table [role=gridcell]").first).to_be_visible()
    if view == "probe":
        page.locator("#probe-input :is(input, textarea)").fill("羊城的大学")
        page.locator("#probe-run").click()
        expect(
            page.locator("#probe-table [role=gridcell], #probe-candidates [role=gridcell]").first
        ).to_be_visible()
    if view == "passages":
        page.locator("#chunk-table [data-testid=cell-0-1]").click()
        expect(page.locator("#chunk-detail")).to_contain_text("。")
    if view == "check":
        page.locator("#check-run").click()
        expect(page.locator("#check-results .yz-finding")).to_have_count(10)
    page.wait_for_timeout(500)


def keep(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"language-{name}.png", full_page=True)


def test_the_page_says_its_language_and_leads_to_the_other(browser: Browser, served: str) -> None:
    page = opened(browser, served, "zh")
    html = page.locator("html")
    expect(html).to_have_attribute("lang", "zh-CN")
    page.get_by_role("navigation", name="语言").get_by_role("link", name="English").click()
    expect(html).to_have_attribute("lang", "en")
    assert page.url.endswith("/en")
    link = page.get_by_role("navigation", name="Language").get_by_role("link", name="中文")
    expect(link).to_have_attribute("lang", "zh-CN")
    link.click()
    expect(html).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("tab", name="问答", exact=True)).to_be_visible()
    assert page.url == served
    page.close()


@pytest.mark.parametrize("view", VIEWS)
def test_every_word_is_of_the_language(desktop: tuple[Page, str], view: str) -> None:
    page, language = desktop
    go(page, view, language)
    keep(page, f"{language}-{view}")
    shown = [ALLOWED.sub("", text) for text in page.evaluate(SHOWN, DATA)]
    chinese = [text for text in shown if re.search("[\u4e00-\u9fff]", text)]
    if language == "en":
        assert chinese == []
        assert len(shown) > 20
    else:
        assert set(shown) & set(english().values()) == set()
        assert len(chinese) > 10
    assert page.evaluate(NAMELESS) == []


def test_gradios_own_words_follow_the_page(desktop: tuple[Page, str]) -> None:
    page, language = desktop
    go(page, "batch", language)
    expect(page.locator("#batch-upload")).to_contain_text("点击上传" if language == "zh" else "Click to Upload")
    expect(page.locator("footer")).to_contain_text("设置" if language == "zh" else "Settings")


def test_a_notice_is_in_the_language_of_the_page(desktop: tuple[Page, str]) -> None:
    page, language = desktop
    go(page, "chat", language)
    page.locator("#chat-input textarea").fill("x" * 2500)
    page.locator("#chat-input textarea").press("Enter")
    said = "问题太长" if language == "zh" else "question is too long"
    toast = page.get_by_test_id("toast-body")
    expect(toast).to_contain_text(re.compile(said, re.IGNORECASE))
    if language == "en":
        assert not re.search("[\u4e00-\u9fff]", toast.inner_text())
    page.reload()
    expect(page.get_by_role("heading", name="源知 YuanZhi")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_on_a_phone(browser: Browser, served: str, language: str, scheme: str) -> None:
    """No sideways scrolling, targets that a finger hits, text that can be read."""
    page = opened(browser, served, language, viewport=PHONE, color_scheme=scheme, has_touch=True)
    for view in VIEWS:
        go(page, view, language)
        keep(page, f"{language}-{view}-phone-{scheme}")
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), view
        if view == "chat":
            continue  # has tests of its own
        targets = page.locator("button.sm:visible, button.lg:visible, .gallery-item:visible, .yz-header a:visible")
        sizes = [(target.inner_text(), target.bounding_box()) for target in targets.all()]
        assert [(text, box) for text, box in sizes if box and min(box["width"], box["height"]) < 32] == [], view
        ours = ".yz-note, .yz-meta, .yz-header *, [role=tab], button.sm:enabled, button.lg:enabled, label span, .yz-table td, .yz-mark"
        page.mouse.move(0, 0)
        page.wait_for_timeout(300)
        assert page.evaluate(FAINT, ours) == [], view
    page.close()


@pytest.mark.parametrize(
    ("view", "wanted"),
    [
        ("extract", {"English", "中文"}),
        ("chat", {"chat-input", "use-knowledge", "chat-export", "chat-forget"}),
        ("extract", {"resume-upload", "extract-run"}),
        ("probe", {"probe-run"}),
    ],
)
def test_the_keyboard_reaches_every_control_and_shows_where_it_is(
    desktop: tuple[Page, str], view: str, wanted: set[str]
) -> None:
    page, language = desktop
    go(page, view, language)
    page.evaluate("document.activeElement.blur()")
    page.locator("#page-header h1").click()
    seen: dict[str, bool] = {}
    for _ in range(140):
        page.keyboard.press("Tab")
        name, elem_id, outlined = page.evaluate(FOCUSED)
        if elem_id and name:
            seen[elem_id] = seen[name] = outlined
    reached = wanted & set(seen)
    assert reached == wanted or (wanted == {"English", "中文"} and len(reached) == 1)
    assert [name for name, outlined in seen.items() if not outlined and name in wanted] == []
