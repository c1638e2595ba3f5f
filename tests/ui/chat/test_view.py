"""The conversation's messages and the panel of sources, and that no text in them becomes markup."""

import random
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from src.chat.events import Delta, Finished, Queued, Quoted, Read, Retrieved, Rewritten, Supported
from src.chat.service import ChatOptions
from src.chat.support import split_sentences
from src.chat.types import Conflict, Quote, Span, Support
from src.ingest.types import Chunk
from src.ui.chat import view
from src.ui.chat.evidence import Evidence, Mark, evidence, marked, pieces
from src.ui.conversation import Turn
from src.ui.markdown import of_model
from src.ui.passage import place
from src.ui.wording import CHINESE, Words
from tests.ui.chat.scripted import hit, turn
from tests.ui.test_markdown import BITS, HOSTILE, active

HTML = "<img src=x onerror=alert(1)><script>x</script>&lt;b&gt; ![](http://x.invalid/y.png) \"' {0} {rank}"
SUPPORT = (
    Support("始建于1927年。", 2, 0.9, (2, 8)),
    Support("它很大。", 1, 0.8),
    Support("其实在火星上。", None, 0.1),
)
HITS = (hit(1, "一所很大的大学"), hit(2, "学校1927年创办", 0.1, source="校史.txt"))


class Parsed(HTMLParser):
    """Text, tags and attributes as a browser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str, name: str = "") -> list[dict[str, str | None]]:
        return [a for t, a in self.elements if t == tag and (not name or name in (a.get("class") or "").split())]


def answered(*more: object, options: ChatOptions | None = None) -> Turn:
    return turn(
        "哪一年？", Retrieved(HITS, 100), Delta("始建于1927年。它很大。其实在火星上。"), *more,
        Supported(SUPPORT, ()), options=options,
    )  # fmt: skip


def reply(one: Turn, words: Words = CHINESE) -> str:
    return view.messages([one], words)[-1]["content"]


def thought(one: Turn, words: Words = CHINESE) -> dict:
    return view.messages([one], words)[1]


@pytest.mark.parametrize("text", [HTML, *HOSTILE])
@pytest.mark.parametrize("words", [CHINESE, Words("en")])
def test_no_text_becomes_markup(words: Words, text: str) -> None:
    passage = hit(1, text, source=text, title=text)
    support = (Support(text, 1, 0.9, (0, 9)), Support(text, None, 0.1))
    conflict = Conflict(1, text, 1, "{value}<b>")
    one = turn(
        text, Rewritten(text + "？"), Retrieved((passage,), 1), Quoted(Quote(1, text, 0, len(text))), Delta(text + text),
        Supported(support, (conflict,)),
    )  # fmt: skip
    growing = turn(text, Retrieved((passage,), 1), Delta(text), done=False)
    failed = turn(text, done=False)
    failed.fail(text)
    for message in view.messages([one, growing, failed], words):
        made = message["content"]
        ours = ("<mark", "</mark>", "<span", "</span>", "<code>", "</code>")
        assert [tag for tag in active(made) if not tag.startswith((*ours, "link_open"))] == []
        assert all("](#a3-" in "](" + link for link in made.split("](")[1:] if link.startswith("#"))
        assert "<" not in message.get("metadata", {}).get("title", "")
    page = Parsed(view.panel([one, growing], words))
    assert set(page.tags) <= {"div", "article", "section", "p", "a", "details", "summary", "span", "mark"}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert {a["href"] for a in page.of("a")} == {"#chatbot"}
    assert text.strip("\0") in page.text.replace("\0", "") or "\0" in text


def test_each_sentence_leads_to_its_passage_and_the_rest_is_marked() -> None:
    text = reply(answered())
    assert "始建于1927年。 [[2]](#a1-0-s0)它很大。 [[1]](#a1-0-s1)" in text
    assert '<mark class="yz-unsupported" title="资料里没有">其实在火星上。</mark>' in text
    assert "（资料里没有）" in text  # not by colour or title alone
    assert "没有找到依据，请自行核对" in text


def test_marks_stand_inside_of_lists_and_tables() -> None:
    sentences = ("- 一、第一项。", "| 1927 | 创办。 |", "| 1928 | 没有的。 |", "2. 没有的项。")
    support = (
        Support(sentences[0], 1, 1),
        Support(sentences[1], 1, 1),
        *(Support(s, None, 0) for s in sentences[2:]),
    )
    one = turn("q", Retrieved(HITS, 1), Delta("\n".join(sentences)), Supported(support, ()))
    lines = reply(one).splitlines()
    assert lines[0] == "- 一、第一项。 [[1]](#a1-0-s0)"
    assert lines[1] == "| 1927 | 创办。 [[1]](#a1-0-s1) |"
    assert lines[2] == "| 1928 | 没有的。 |"
    assert lines[3].startswith('2. <mark class="yz-unsupported"')


def test_the_quote_is_there_before_the_first_word_and_not_twice_at_the_end() -> None:
    quote = Quote(2, "学校1927年创办", 0, 9)
    waiting = turn("q", Retrieved(HITS, 1), Quoted(quote), done=False)
    assert reply(waiting) == "> 原文 “学校1927年创办” [[2]](#a1-0-q)"
    assert 'id="a1-0-q"' in view.panel([waiting], CHINESE)
    said = turn("q", Retrieved(HITS, 1), Quoted(quote), Delta("学校1927年创办。"))
    assert "原文" not in reply(said)


def test_a_thought_tells_what_is_being_done() -> None:
    one = turn("q", done=False)
    assert thought(one)["metadata"] == {"title": "正在查资料…", "status": "pending"}
    one.add(Queued(2))
    assert thought(one)["metadata"]["title"] == "前面还有 2 个请求…"
    one.add(Queued(0))
    assert thought(one)["metadata"]["title"] == "马上轮到这个问题…"
    one.add(Retrieved(HITS, 1))
    assert thought(one)["metadata"]["title"] == "正在读资料…"
    one.add(Quoted(Quote(1, HITS[0].chunk.text, 0, len(HITS[0].chunk.text))))
    assert thought(one)["metadata"]["title"] == "正在写：用到 1 段资料…"
    one.add(Delta("写"))
    assert thought(one)["metadata"] == {"title": "查了资料：找到 2 段，来自 2 处", "status": "done"}
    assert "高度相关" in thought(one)["content"]
    assert "关系不大" in thought(one)["content"]


def test_the_follow_up_that_was_searched_for_is_shown_but_not_all_of_a_long_one() -> None:
    one = turn("它呢", Rewritten("长" * 2000), Retrieved(HITS, 1), Delta("一。"))
    assert "联系上文，按“长长" in thought(one)["content"]
    assert len(thought(one)["content"]) < 400
    assert "联系上文" not in thought(answered())["content"]


def test_how_an_answer_ended() -> None:
    stopped = turn("q", Retrieved(HITS, 1), Delta("半"), done=False)
    stopped.state = "stopped"
    assert reply(stopped) == "半\n\n*■ 已停止*"
    early = turn("q", done=False)
    early.state = "stopped"
    assert reply(early) == "*■ 已停止*"
    failed = turn("q", done=False)
    failed.fail("模型 *坏* 了")
    assert reply(failed) == "⚠ 模型 \\*坏\\* 了"


def test_the_models_own_answer_is_said_to_be_one() -> None:
    one = turn("q", Delta("我想。"), options=ChatOptions(use_knowledge=False))
    assert reply(one).startswith("*模型自己的回答，没有查资料，可能有误。*")
    assert "没有查资料" in view.panel([one], CHINESE)


def test_a_refusal_offers_what_can_be_done() -> None:
    refused = turn("q", Retrieved(HITS, 1), Finished(refused=True))
    assert "所以没有作答" in reply(refused)
    assert [value for _, value in view.choices(refused, CHINESE)] == [view.WITHOUT_KNOWLEDGE, view.NEAREST]
    options = view.messages([refused], CHINESE)[-1]["options"]
    assert options[0] == {"label": "不用知识库，直接回答", "value": "without"}
    # Only the last answer has any.
    assert "options" not in view.messages([refused, answered()], CHINESE)[2]
    nothing = turn("q", Retrieved((), 1), Finished(refused=True))
    assert [value for _, value in view.choices(nothing, CHINESE)] == [view.WITHOUT_KNOWLEDGE]


def test_follow_ups_are_about_what_else_was_found() -> None:
    texts = ("广州大学简称广大，在广州。", "中山大学由孙中山创办。", "《红楼梦》是小说。", "一段没有主语的话")
    hits = tuple(hit(rank, text) for rank, text in enumerate(texts, 1))
    one = turn("广州大学在哪？", Retrieved((*hits, hit(5, "很远的是别的。", 0.01)), 1), Delta("在广州。"))
    assert view.follow_ups(one.answer, CHINESE) == ["介绍一下中山大学", "介绍一下红楼梦"]


def test_a_conflict_names_both_passages_and_leads_to_both_values() -> None:
    hits = (*HITS, hit(3, "另说1928年"))
    one = turn("q", Retrieved(hits, 1), Delta("一。"), Supported((), (Conflict(2, "1927", 3, "1928"),)))
    assert "资料 [[2]](#a1-0-c0a) 说“**1927**”，资料 [[3]](#a1-0-c0b) 说“**1928**”，请核对" in reply(one)
    html = view.panel([one], CHINESE)
    assert '<mark id="a1-0-c0a">1927</mark>' in html
    assert '<mark id="a1-0-c0b">1928</mark>' in html


def test_evidence_lights_its_words_and_each_link_has_its_target() -> None:
    one = answered(Quoted(Quote(2, "学校1927年创办", 0, 9)))
    page = Parsed(view.panel([one], CHINESE))
    assert [mark["id"] for mark in page.of("mark")] == ["a1-0-q", "a1-0-s0"]
    links = {part.split(")")[0] for part in reply(one).split("](#")[1:]}
    # Support without a known place leads nowhere but still names its passage.
    assert links - {mark["id"] for mark in page.of("mark")} == {"a1-0-s1"}


def test_marks_nest_and_what_overlaps_is_cut() -> None:
    def written(nodes: list[Mark]) -> str:
        return "".join(f"<{n.key} {written(n.inside)}>" if n.key else n.text for n in nodes)

    text = "零一二三四五"
    assert written(marked(text, [])) == text
    assert written(marked(text, [Evidence(1, 5, "a"), Evidence(2, 3, "b")])) == "零<a 一<b 二>三四>五"
    assert written(marked(text, [Evidence(1, 3, "a"), Evidence(1, 3, "b")])) == "零<a <b 一二>>三四五"
    assert written(marked(text, [Evidence(0, 3, "a"), Evidence(2, 5, "b")])) == "<a 零一二><b 三四>五"
    assert written(marked(text, [Evidence(4, 2, "a"), Evidence(3, 99, "b")])) == text
    assert marked("", [Evidence(0, 1, "a")]) == []


def test_evidence_of_everything_in_an_answer() -> None:
    found = evidence(answered(Quoted(Quote(2, "1927", 2, 6))).answer)
    assert found == {2: [Evidence(2, 8, "s0"), Evidence(2, 6, "q")]}


def test_pieces_are_the_whole_answer() -> None:
    support = (Support("一。", 1, 1), Support("别的", 1, 1), Support("三", 2, 1))
    answer = turn("q", Retrieved(HITS, 1), Delta("一。 二。\n三"), Supported(support, ())).answer
    assert "".join(piece.text for piece in pieces(answer)) == answer.text
    assert [piece.number for piece in pieces(answer)] == [0, -1, 2]


def test_a_finished_answers_code_is_the_code_that_was_streamed() -> None:
    text = "看：\n```python\nif a[0]:\n    print('<b>'); x = 1\n```\n写 `a;b`，好。\n它很大。"
    support = tuple(Support(sentence, None, 0.1) for sentence in split_sentences(text))
    shown = reply(turn("q", Retrieved(HITS, 1), Delta(text), Supported(support, ())))
    assert "\n```python\nif a[0]:\n    print('<b>'); x = 1\n```\n写 <code>a\\;b</code>，好。\n" in shown
    assert shown.count("<mark") == 2  # 看：, 它很大。


def test_pieces_are_read_as_a_part_of_the_whole() -> None:
    chance = random.Random(1)
    for _ in range(2000):
        text = "".join(chance.choices([*BITS, "。", "；", "字", "x; "], k=chance.randint(1, 30)))
        answer = turn("q", Retrieved(HITS, 1), Delta(text)).answer
        support = tuple(Support(sentence, None, 0) for sentence in split_sentences(answer.text))
        answer.add(Supported(support, ()))
        assert "".join(piece.text for piece in pieces(answer)) == of_model(answer.text), text


def test_the_panel_folds_what_is_far_and_names_own_documents() -> None:
    hits = (hit(1, "近的"), hit(2, "远的", 0.01), hit(3, "自己的", own=True))
    html = view.panel([turn("q", Retrieved(hits, 1), Delta("一。"))], CHINESE)
    near, far = html.split("另有 1 段没有答案或关系不大的")
    assert "近的" in near
    assert "远的" in far
    assert near.count("我的文档") == 1
    assert "0.9" not in Parsed(html).text  # words, not decimals


def test_only_the_last_answers_have_passages_in_the_panel() -> None:
    turns = [answered() for _ in range(view.MAX_PANELS + 5)]
    assert view.panel(turns, CHINESE).count("<section") == view.MAX_PANELS


def test_a_line_of_the_course_file_is_named_as_a_reader_counts() -> None:
    chunk = Chunk("k:7#1", "knowledge.txt:7", "knowledge.txt", "", "x", 0, 1)
    assert place(chunk, CHINESE) == "knowledge.txt · 第 7 条"


def test_messages_belong_to_their_turns() -> None:
    turns = [answered(), turn("q", Delta("x"), options=ChatOptions(use_knowledge=False)), turn("r", done=False)]
    count = len(view.messages(turns, CHINESE))
    assert [view.turn_at(turns, CHINESE, index) for index in range(-1, count + 1)] == [-1, 0, 0, 0, 1, 1, 2, 2, -1]


READ = tuple(
    replace(one, stages=replace(one.stages, read=read)) for one, read in zip(HITS, (0.09, 0.04), strict=True)
)


def test_a_refusal_by_the_reader_says_what_came_nearest() -> None:
    refused = turn("q", Retrieved(HITS, 1), Read(READ, None, 0.09, 2), Finished(refused=True))
    assert "[1]" in reply(refused)
    assert "可能性是 9%" in reply(refused)
    assert thought(refused)["metadata"]["title"] == "读了最接近的资料，没有一段回答了这个问题"
    assert thought(refused)["content"].count("没有答案") == 2
    assert "高度相关" not in view.panel([refused], CHINESE)


def test_the_words_that_answer_are_lit_inside_the_quote() -> None:
    text = HITS[0].chunk.text
    span = Span(1, text[2:4], 2, 4, 0.95)
    answers = (replace(HITS[0], stages=replace(HITS[0].stages, read=0.95)), HITS[1])
    one = turn(
        "q", Retrieved(HITS, 1), Read(answers, span, 0.95, 2), Quoted(Quote(1, text, 0, len(text))), Delta("是。")
    )
    assert f'<mark id="a1-0-w">{text[2:4]}</mark>' in view.panel([one], CHINESE)
    assert "有答案" in view.panel([one], CHINESE)
    assert "未读" in view.panel([one], CHINESE)  # the other one, which was not needed
    assert "高度相关" not in view.panel([one], CHINESE)
    assert "有答案" in thought(one)["content"]
