"""The exported Markdown says everything, and nothing in it is markup but ours."""

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from src.ui.chat.conversation import Exchange

from src.chat.types import Answer, Conflict, Quote, Support
from src.ui.chat.export import markdown, plain
from src.ui.wording import CHINESE, Words
from tests.ui.chat.scripted import hit

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
HOSTILE = [
    "<img src=x onerror=alert(1)> <!-- x --> <b>b</b>",
    "![图](http://x.invalid/y.png) [链接](javascript:alert(1)) <http://x.invalid>",
    "# 标题\n> 引用\n- 列表\n+ 列表\n* 列表\n1. 编号\n2) 编号\n===\n---\n***",
    "```\n代码\n```\n~~~\n代码\n~~~\n    缩进的代码\n\t制表符",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "*斜* **粗** _斜_ `码` ~~删~~ &lt; &#60; \\",
    "[1]: http://x.invalid\n第一行\n\n\n第二段\\\n\u2028另一行\u0000",
]


def flat(tokens: list[Token]) -> list[Token]:
    return [inner for token in tokens for inner in (token, *flat(token.children or []))]


def shown(text: str) -> str:
    """What a reader sees, every line break as one."""
    return "".join(
        "\n" if token.type in ("hardbreak", "softbreak", "paragraph_close") else token.content
        for token in flat(READER.parse(text))
        if token.type != "inline"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_text(text: str) -> None:
    kinds = {token.type for token in flat(READER.parse(plain(text)))}
    assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text", "hardbreak", "text_special"}
    lines = [line.strip().replace("\0", "") for line in text.splitlines() if line.strip("\0 \t")]
    assert [line for line in shown(plain(text)).splitlines() if line] == lines


def test_bare_addresses_do_not_become_links_on_github() -> None:
    assert plain("见 https://x.invalid 或 www.x.invalid 或 a@x.invalid") == (
        "见 https\\://x.invalid 或 www\\.x.invalid 或 a\\@x.invalid"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_nothing_to_a_conversation(text: str) -> None:
    def tokens(inside: str) -> list[str]:
        passage = hit(1, inside, source=inside, title=inside)
        support = (Support(inside, 1, 0.9),)
        answer = Answer(
            inside, inside, True, (passage,), support, follow_up=True, conflicts=(Conflict(1, inside, 1, inside),),
            quote=Quote(1, inside, 0, len(inside)),
        )  # fmt: skip
        parsed = flat(READER.parse(markdown([Exchange(inside, answer)], CHINESE)))
        ours = ("heading_open", "blockquote_open", "strong_open", "em_open", "link_open", "image", "html_block",
                "html_inline", "fence", "code_block", "code_inline", "bullet_list_open", "ordered_list_open",
                "table_open", "hr", "s_open")  # fmt: skip
        return [token.type for token in parsed if token.type in ours]

    assert tokens(text) == tokens("普通文字")


def test_everything_is_there() -> None:
    support = (Support("始建于1927年。", 2, 0.9), Support("很大。", None, 0.1))
    hits = (hit(1, "别的"), hit(2, "学校1927年创办", source="校史.txt", title="校史"))
    quote = Quote(2, "学校\n1927年创办", 0, 9)
    known = Answer("始建于1927年。很大。", "广州大学 哪一年？", True, hits, support, quote, follow_up=True)
    own = Answer("我想是的。", "是吗？", True)
    turns = [
        Exchange("哪一年？", known, own=frozenset({2})),
        Exchange("是吗？", own, grounded=False),
        Exchange("停了"),
        Exchange("慢", Answer("半句", "慢"), stopped=True),
    ]
    text = shown(markdown(turns, CHINESE))
    for part in (
        "问题 1", "始建于1927年。 [2]很大。", "按“广州大学 哪一年？”检索", "校史 · 我的文档 · 校史.txt", "学校1927年创办",
        "相关度 0.90", "原文 “学校\n1927年创办” [2]", "模型自己的回答，可能有误", "我想是的。", "（没有回答）", "半句", "没有答完",
    ):  # fmt: skip
        assert part in text
    english = markdown(turns, Words("en"))
    assert "## Question 1" in english
    assert "问题" not in english
