"""Text as Markdown: what people wrote stays text, a model's formatting is kept, and neither can make a tag or a link."""

import random

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from src.ui.markdown import of_model, plain, typed, untyped

READER = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
HOSTILE = [
    "<img src=x onerror=alert(1)> <!-- x --> <b>b</b>",
    "![图](http://x.invalid/y.png) [链接](javascript:alert(1)) <http://x.invalid>",
    "# 标题\n> 引用\n- 列表\n+ 列表\n* 列表\n1. 编号\n2) 编号\n===\n---\n***",
    "```\n代码\n```\n~~~\n代码\n~~~\n    缩进的代码\n\t制表符",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "*斜* **粗** _斜_ `码` ~~删~~ &lt; &#60; \\",
    "[1]: http://x.invalid\n第一行\n\n\n第二段\\\n\u2028另一行\u0000",
    "$$\\href{http://x.invalid}{a}$$ $a$ <think>想</think>",
]
# Of these marked made tags or links before code within a line was escaped.
CUNNING = [
    "`a | <img src=x>` | b\n---|---\n`c | <img src=x>` | d",
    "\\` <b> ` <img src=x> `",
    "` a\nb ` <img src=x> `",
    "``` a`b\n<img src=x>\n```",
    "- 一\n  ```\n<img src=x>\n```\n<img src=x>",
    "*a@e.x**``a[l](http://e.x)$$*``~~~</b>=",
    "~~~\n```\n~~~\n<img src=x>\n```",
    "$$ a\n\n<img src=x> $$",
    "$$ [l](http://e.x) $$ ![i](http://e.x/y) $$",
    "[^1] [l][r]\n\n[r]: http://e.x",
]
BITS = [
    "`", "``", "```", "~~~", "\n", "\n\n", " ", "    ", "- ", "> ", "1. ", "|", "|---|", "a", "<img src=x>", "<b>",
    "</b>", "<a href='http://e.x'>l</a>", "![i](http://e.x/y)", "[l](http://e.x)", "[l]: http://e.x", "[l]", "\\", "*",
    "**", "_", "#", "$$", "$", "&lt;", "<!--", "-->", "<script>", "<?", "=", "---", "](", "<http://e.x>",
]  # fmt: skip
ACTIVE = {"link_open", "image", "html_block"}


def flat(tokens: list[Token]) -> list[Token]:
    return [inner for token in tokens for inner in (token, *flat(token.children or []))]


def active(text: str) -> list[str]:
    """Tags, links and images other than our own <code>."""
    return [
        token.content or token.type
        for token in flat(READER.parse(text))
        if token.type in ACTIVE or (token.type == "html_inline" and token.content not in ("<code>", "</code>"))
    ]


def shown(text: str) -> str:
    """The text that a reader sees, every line break as one."""
    return "".join(
        "\n" if token.type in ("hardbreak", "softbreak", "paragraph_close") else token.content
        for token in flat(READER.parse(text))
        if token.type != "inline"
    )


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("escape", [plain, typed])
def test_text_of_people_stays_text(escape, text: str) -> None:
    kinds = {token.type for token in flat(READER.parse(escape(text)))}
    assert kinds <= {
        "paragraph_open",
        "paragraph_close",
        "inline",
        "text",
        "hardbreak",
        "softbreak",
        "text_special",
    }
    lines = [line.strip().replace("\0", "") for line in text.splitlines() if line.strip("\0 \t")]
    assert [line for line in shown(escape(text)).splitlines() if line] == lines


@pytest.mark.parametrize(
    "text", ["1 < 2 和 **粗** [x](y) `z`", "a\\b", "$5 & $6", "第一行\n第二行", "普通的问题？"]
)
def test_an_edited_message_comes_back_as_it_was_typed(text: str) -> None:
    assert untyped(typed(text)) == text


@pytest.mark.parametrize("text", HOSTILE + CUNNING)
def test_a_models_text_has_no_tag_link_or_image(text: str) -> None:
    assert active(of_model(text)) == []


def test_nothing_that_can_be_put_together_makes_a_tag_or_a_link() -> None:
    chance = random.Random(1)
    for _ in range(3000):
        text = "".join(chance.choices(BITS, k=chance.randint(1, 24)))
        assert active(of_model(text)) == [], text


def test_a_models_formatting_is_kept() -> None:
    text = "**粗**，`a<b`，$$a^2$$\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- 一\n\n```python\nx = '<b>'\n```"
    made = of_model(text)
    kinds = {token.type for token in flat(READER.parse(made))}
    assert {"strong_open", "table_open", "bullet_list_open", "fence"} <= kinds
    assert "$$a^2$$" in made
    assert "<code>a\\<b</code>" in made
    assert "x = '<b>'" in made


def test_a_fence_that_is_still_being_written_is_code() -> None:
    assert of_model("看：\n```python\nx = a[0]") == "看：\n```python\nx = a[0]"


def test_bare_addresses_do_not_become_links() -> None:
    text = "见 https://x.invalid 或 www.x.invalid 或 a@x.invalid"
    assert plain(text) == of_model(text) == "见 https\\://x.invalid 或 www\\.x.invalid 或 a\\@x.invalid"


def test_long_hostile_text_takes_no_time() -> None:
    for text in ("`a``a" * 4000, "$$a" * 6000, "```\n" * 5000, "[" * 20_000):
        of_model(text)
