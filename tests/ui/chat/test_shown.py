"""What the conversation and the panel show, and that no text in them becomes markup."""

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from src.ui.chat.conversation import Exchange

from src.chat.types import Answer, Comparison, Conflict, Quote, Support
from src.retrieval.state import FileEntry
from src.ui.chat import bubbles, compare_tab, documents, sources
from src.ui.chat.evidence import Evidence, evidence, pieces, stretches
from src.ui.wording import CHINESE, Words
from tests.ui.chat.scripted import hit

HOSTILE = "<img src=x onerror=alert(1)><script>x</script>&lt;b&gt; ![](http://x.invalid/y.png) \"' {0} {rank}"
TAGS = {
    "div", "span", "p", "blockquote", "button", "details", "summary", "mark", "b", "i", "ul", "li",
}  # fmt: skip


class Parsed(HTMLParser):
    """Text, tags and attributes as a browser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.elements: list[dict[str, str | None]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.elements.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [element for element in self.elements if name in (element.get("class") or "").split()]


def exchange(**changes: Any) -> Exchange:
    text = "始建于1927年。它很大。其实在火星上。"
    support = (
        Support("始建于1927年。", 2, 0.9, (2, 8)),
        Support("它很大。", 1, 0.8),
        Support("其实在火星上。", None, 0.1),
    )
    hits = (hit(1, "一所很大的大学"), hit(2, "学校1927年创办", 0.1, source="校史.txt"))
    answer = Answer(text, "哪一年？", True, hits, support, timings_ms={"total": 2500})
    return replace(Exchange("哪一年？", answer, min_score=0.15), **changes)


def hostile() -> Exchange:
    passage = hit(1, HOSTILE, source=HOSTILE, title=HOSTILE)
    support = (Support(HOSTILE, 1, 0.9, (0, 9)), Support(HOSTILE, None, 0.1))
    answer = Answer(
        HOSTILE + HOSTILE, HOSTILE, True, (passage,), support, follow_up=True,
        conflicts=(Conflict(1, HOSTILE, 1, "{value}<b>"),), quote=Quote(1, HOSTILE, 0, len(HOSTILE)),
    )  # fmt: skip
    return Exchange(HOSTILE, answer, own=frozenset({1}))


@pytest.mark.parametrize("words", [CHINESE, Words("en")])
def test_no_text_becomes_markup(words: Words) -> None:
    turn = hostile()
    growing = replace(turn, answer=replace(turn.answer, done=False))
    files = documents.upload_summary(
        {"added": [{"source": HOSTILE, "chunks": 1}], "rejected": [{"source": HOSTILE, "reason": HOSTILE}]}, words
    )
    shown = [
        *bubbles.conversation([turn, growing], words, feedback=True),
        bubbles.status(turn, words),
        sources.panel([turn], words),
        files,
        documents.file_list([FileEntry(HOSTILE, chunks=3)], words),
        *compare_tab.comparison_view(Comparison(HOSTILE, turn.answer), HOSTILE, frozenset(), words),
    ]
    for html in shown:
        page = Parsed(html)
        assert set(page.tags) <= TAGS
        assert not [name for element in page.elements for name in element if name.startswith("on")]
        assert HOSTILE in page.text


def test_each_sentence_leads_to_its_passage_and_the_rest_is_marked() -> None:
    page = Parsed(bubbles.reply(exchange(), CHINESE))
    cites = page.of_class("yz-cite")
    assert [(cite["data-rank"], cite["data-key"]) for cite in cites] == [("2", "s0"), ("1", "s1")]
    assert all(cite["type"] == "button" and cite["aria-label"] for cite in cites)
    assert "始建于1927年。 [2]它很大。 [1]其实在火星上。" in page.text
    (unsupported,) = page.of_class("yz-unsupported")
    assert unsupported["title"] == "资料里没有找到依据"
    # Not by colour or title alone.
    assert page.of_class("yz-why")[0]["aria-label"] == "资料里没有找到依据"
    assert "有 1 句没有在资料里找到依据" in bubbles.status(exchange(), CHINESE)


def test_the_quote_is_there_before_the_first_word_and_leads_to_its_passage() -> None:
    turn = exchange()
    waiting = replace(turn, answer=replace(turn.answer, text="", done=False, quote=Quote(2, "1927年创办", 2, 9)))
    page = Parsed(bubbles.reply(waiting, CHINESE))
    assert page.text == "…原文 “1927年创办” [2]"
    (cite,) = page.of_class("yz-cite")
    panel = Parsed(sources.panel([waiting], CHINESE))
    assert (cite["data-rank"], cite["data-key"]) == ("2", "q")
    assert [mark["data-for"] for mark in panel.elements if "data-for" in mark if "q" in mark["data-for"]]


def test_an_answer_on_its_way_has_no_marks() -> None:
    turn = exchange()
    growing = replace(turn, answer=replace(turn.answer, done=False))
    user, bot = bubbles.conversation([growing], CHINESE)
    assert "yz-cite" not in bot
    assert Parsed(bot).elements[0]["aria-busy"] == "true"
    assert Parsed(user).elements[0]["aria-busy"] == "false"


def test_a_stopped_answer_says_so() -> None:
    turn = exchange()
    stopped = replace(turn, answer=replace(turn.answer, done=False), stopped=True)
    bot = bubbles.conversation([stopped], CHINESE)[1]
    assert "已停止" in bot
    assert Parsed(bot).elements[0]["aria-busy"] == "false"


def test_the_follow_up_that_was_searched_for_is_shown() -> None:
    turn = exchange()
    follow = replace(turn, answer=replace(turn.answer, question="广州大学 哪一年？", follow_up=True))
    assert "按“广州大学 哪一年？”检索" in bubbles.reply(follow, CHINESE)
    assert "按“广州大学 哪一年？”检索" in bubbles.status(follow, CHINESE)
    assert "联系上文" not in bubbles.reply(turn, CHINESE)


def test_a_long_question_is_shown_in_part_where_it_is_only_mentioned() -> None:
    turn = Exchange("长" * 2000, Answer("一。", "长" * 2000, True, (hit(1, "文"),), follow_up=True))
    assert len(Parsed(bubbles.status(turn, CHINESE)).text) < 250
    assert len(Parsed(bubbles.reply(turn, CHINESE)).text) < 250
    assert "长" * 2000 in bubbles.conversation([turn], CHINESE)[0]


def test_a_conflict_names_both_passages_and_marks_both_values() -> None:
    turn = exchange()
    hits = (*turn.answer.hits, hit(3, "另说1928年"))
    torn = replace(turn, answer=replace(turn.answer, hits=hits, conflicts=(Conflict(2, "1927", 3, "1928"),)))
    assert "资料 [2] 说“1927”，资料 [3] 说“1928”，请核对" in Parsed(bubbles.reply(torn, CHINESE)).text
    found = evidence(torn.answer)
    assert Evidence(2, 6, "c0") in found[2]
    assert found[3] == [Evidence(2, 6, "c0")]


def test_evidence_is_marked_in_the_card() -> None:
    html = sources.panel([exchange()], CHINESE)
    assert '学校<mark data-for="s0">1927年创</mark>办' in html


def test_overlapping_and_impossible_evidence() -> None:
    found = [Evidence(0, 3, "s0"), Evidence(2, 9, "s1"), Evidence(4, 2, "s2")]
    assert list(stretches("一二三四", found)) == [("一二", ["s0"]), ("三", ["s0", "s1"]), ("四", ["s1"])]
    assert "".join(text for text, _ in stretches("一二三四", found)) == "一二三四"
    assert list(stretches("", found)) == []


def test_pieces_are_the_whole_answer() -> None:
    answer = Answer(
        "一。 二。\n三", "q", True, (), (Support("一。", 1, 1), Support("别的", 1, 1), Support("三", 2, 1))
    )
    assert "".join(piece.text for piece in pieces(answer)) == answer.text
    assert [piece.number for piece in pieces(answer)] == [0, -1, 2]


def test_the_panel_says_what_reaches_the_threshold() -> None:
    page = Parsed(sources.panel([exchange()], CHINESE))
    assert "1 条达到门槛 0.15（竖线），1 条低于门槛" in page.text
    assert "相关度 0.90，达到门槛" in page.text
    assert "相关度 0.10，低于门槛" in page.text
    assert [card["data-rank"] for card in page.of_class("yz-below")] == ["2"]
    assert {line["style"] for line in page.elements if (line.get("style") or "").startswith("left")} == {"left:15%"}


def test_passages_of_my_documents_are_named_so() -> None:
    html = sources.panel([exchange(own=frozenset({2}))], CHINESE)
    first, second = html.split('data-rank="2"')
    assert "我的文档" not in first
    assert "我的文档" in second


def test_only_the_last_answers_passages_are_shown() -> None:
    page = Parsed(sources.panel([exchange(), exchange()], CHINESE))
    first, second = page.of_class("yz-sources")
    assert ("hidden" in first, "hidden" in second) == (True, False)


def test_a_refusal_says_so_and_lists_the_nearest() -> None:
    turn = exchange(min_score=0.95)
    refused = replace(turn, answer=replace(turn.answer, refused=True, support=()))
    assert "所以没有作答" in bubbles.reply(refused, CHINESE)
    assert "门槛 0.95" in bubbles.status(refused, CHINESE)
    assert "0 条达到门槛 0.95" in sources.panel([refused], CHINESE)
    assert "was not answered" in bubbles.reply(refused, Words("en"))


def test_the_models_own_answer_is_marked_as_such() -> None:
    turn = Exchange("q", Answer("一。", "q", True), grounded=False)
    for text in (bubbles.reply(turn, CHINESE), bubbles.status(turn, CHINESE)):
        assert "模型自己的回答，可能有误" in text
    assert "没有使用知识库" in sources.panel([turn], CHINESE)


@pytest.mark.parametrize(("ahead", "shown"), [(None, "正在回答…"), (0, "马上轮到"), (3, "前面还有 3 个请求…")])
def test_the_place_in_the_queue(ahead: int | None, shown: str) -> None:
    assert shown in bubbles.status(Exchange("q", Answer("", "q", ahead=ahead)), CHINESE)


def test_uploads_say_what_happened_and_what_the_limits_are() -> None:
    assert "没有收到文件" in documents.upload_summary({"added": [], "rejected": []})
    assert "3 段" in documents.file_list([FileEntry("a.txt", chunks=3)], CHINESE)
    about = documents.about(CHINESE)
    assert "20 个文件" in about
    assert "300000 字" in about
    assert "60 分钟" in about


def test_thumbs_only_where_feedback_is_kept() -> None:
    assert "yz-like" not in "".join(bubbles.conversation([exchange()], CHINESE))
    assert "yz-like" in "".join(bubbles.conversation([exchange()], CHINESE, feedback=True))
