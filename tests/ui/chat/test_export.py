"""The exported Markdown says everything, and nothing in it is markup but ours."""

import pytest

from src.chat.events import Delta, Quoted, Retrieved, Rewritten, Supported
from src.chat.service import ChatOptions
from src.chat.types import Conflict, Quote, Support
from src.ui.chat.export import markdown_of
from src.ui.wording import CHINESE, Words
from tests.ui.chat.scripted import hit, turn
from tests.ui.test_markdown import HOSTILE, READER, flat, shown


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_of_people_and_documents_adds_nothing(text: str) -> None:
    def tokens(inside: str) -> list[str]:
        passage = hit(1, inside, source=inside, title=inside)
        one = turn(
            inside, Rewritten(inside + "？"), Retrieved((passage,), 1), Quoted(Quote(1, inside, 0, len(inside))),
            Delta("一。"), Supported((Support("一。", 1, 0.9),), (Conflict(1, inside, 1, inside),)),
        )  # fmt: skip
        parsed = flat(READER.parse(markdown_of([one], CHINESE)))
        ours = ("heading_open", "blockquote_open", "strong_open", "em_open", "link_open", "image", "html_block",
                "html_inline", "fence", "code_block", "code_inline", "bullet_list_open", "ordered_list_open",
                "table_open", "hr", "s_open")  # fmt: skip
        return [token.type for token in parsed if token.type in ours]

    assert tokens(text) == tokens("普通文字")


def test_a_models_formatting_is_exported() -> None:
    text = markdown_of([turn("q", Delta("| a | b |\n|---|---|\n| 1 | 2 |\n\n**粗** <img src=x>"))], CHINESE)
    kinds = {token.type for token in flat(READER.parse(text))}
    assert {"table_open", "strong_open"} <= kinds
    assert "html_inline" not in kinds


def test_everything_is_there() -> None:
    support = (Support("始建于1927年。", 2, 0.9), Support("很大。", None, 0.1))
    hits = (hit(1, "别的"), hit(2, "学校1927年创办", source="校史.txt", title="校史", own=True))
    stopped = turn("慢", Delta("半句"), done=False)
    stopped.state = "stopped"
    turns = [
        turn(
            "哪一年？", Rewritten("广州大学 哪一年？"), Retrieved(hits, 1), Quoted(Quote(2, "学校\n1927年创办", 0, 9)),
            Delta("始建于1927年。很大。"), Supported(support, ()),
        ),
        turn("是吗？", Delta("我想是的。"), options=ChatOptions(use_knowledge=False)),
        turn("停了", done=False),
        stopped,
    ]  # fmt: skip
    text = shown(markdown_of(turns, CHINESE))
    for part in (
        "问题 1", "始建于1927年。 [2]很大。", "按“广州大学 哪一年？”检索", "校史 · 我的文档 · 校史.txt", "学校1927年创办",
        "高度相关", "原文 “学校\n1927年创办” [2]", "模型自己的回答，可能有误", "我想是的。", "（没有回答）", "半句", "没有答完",
    ):  # fmt: skip
        assert part in text
    english = markdown_of(turns, Words("en"))
    assert "## Question 1" in english
    assert "问题" not in english
