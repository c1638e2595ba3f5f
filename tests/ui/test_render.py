"""What tabs show, without a browser."""

import re

import pytest

from src.chat.types import Answer, Support
from src.knowledge.types import Chunk
from src.retrieval.types import Hit, Stages
from src.ui import render
from src.ui.chat_tab import _shown, before_last_answer, plain_content, upload_summary, without_last_exchange

HOSTILE = "<img src=x onerror=alert(1)><script>x</script>&\"'"


def hit(text: str = HOSTILE, title: str = HOSTILE, source: str = HOSTILE) -> Hit:
    return Hit(Chunk(HOSTILE, HOSTILE, source, title, text, 0, len(text)), 0.5, 1, Stages(0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    "html",
    [
        render.sources([hit()]),
        render.note(HOSTILE),
        render.plain(HOSTILE),
        render.facts({HOSTILE: HOSTILE}),
        render.marked(HOSTILE, ["img", "<", "alert(1)"]),
        render.support_note(Answer("a", HOSTILE, True, (hit(),), (Support("a", None, 0.0),))),
        upload_summary(
            {"added": [{"source": HOSTILE, "chunks": 1}], "rejected": [{"source": HOSTILE, "reason": HOSTILE}]}
        ),
    ],
)
def test_no_text_becomes_html(html: str) -> None:
    for tag in ("<img", "<script"):
        assert tag not in html
    assert "&lt;" in html


def test_marked_terms() -> None:
    assert render.marked("FAISS 检索 faiss", ["faiss"]) == "<mark>FAISS</mark> 检索 <mark>faiss</mark>"
    assert render.marked("a<b", []) == "a&lt;b"


def test_citations_follow_the_sentences_they_support() -> None:
    support = (Support("第一句。", 2, 0.9), Support("第二句。", None, 0.1), Support("第三句", 1, 0.8))
    answer = Answer("第一句。第二句。\n第三句", "q", True, (hit(),), support)
    assert render.cited_text(answer) == "第一句。 [2]第二句。\n第三句 [1]"


@pytest.mark.parametrize(
    "text", [HOSTILE, "1 < 2 && a<b>c", "&lt;b&gt; &#60;", "<!-- x --> </b> <?php", "普通文字"]
)
def test_a_turn_comes_back_as_it_was_typed(text: str) -> None:
    shown = _shown("user", text)["content"]
    assert not re.search(r"<[A-Za-z/!?]|&[A-Za-z#]", shown)
    assert plain_content({"role": "user", "content": [{"type": "text", "text": shown}]}) == text


def test_citations_are_ours_and_do_not_come_back() -> None:
    assert plain_content({"role": "assistant", "content": "1 < 2。 [1] 数组 a[0]"}) == "1 < 2。 数组 a[0]"
    assert plain_content({"role": "user", "content": "看 [1]"}) == "看 [1]"


def test_retry_and_undo() -> None:
    turns = [
        {"role": r, "content": c}
        for r, c in (("user", "一"), ("assistant", "1"), ("user", "二"), ("assistant", "2"))
    ]
    assert before_last_answer(turns) == turns[:3]
    assert without_last_exchange(turns) == (turns[:2], "二")
    assert without_last_exchange([]) == ([], "")
