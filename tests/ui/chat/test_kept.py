"""The conversation in a visitor's browser: what is kept, and that what comes back is believed no more than typed text."""

from typing import Any

import pytest

from src.chat.events import Delta, Finished, Retrieved
from src.chat.service import MAX_MESSAGE_CHARS, ChatOptions
from src.ui.chat.kept import MAX_ANSWER_CHARS, restored, stored
from src.ui.conversation import MAX_TURNS
from tests.ui.chat.scripted import hit, turn


def test_finished_answers_come_back_without_passages() -> None:
    turns = [
        turn("一", Retrieved((hit(1, "文"),), 1), Delta("答一。")),
        turn("二", Delta("答二。"), options=ChatOptions(use_knowledge=False)),
        turn("三", Retrieved((), 1), Finished(refused=True)),
        turn("四", Delta("半"), done=False),
    ]
    back = restored(stored(turns))
    assert [(one.question, one.answer.text, one.options.use_knowledge) for one in back] == [
        ("一", "答一。", True), ("二", "答二。", False),
    ]  # fmt: skip
    assert all(one.state == "done" and one.answer.done and not one.answer.hits for one in back)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "x",
        3,
        {},
        {"turns": 3},
        {"turns": {"a": 1}},
        {
            "turns": [
                1,
                None,
                {},
                {"question": 1, "answer": "x"},
                {"question": " ", "answer": "x"},
                {"question": "x"},
            ]
        },
    ],
)
def test_anything_else_is_left_out(value: Any) -> None:
    assert restored(value) == []


def test_what_comes_back_is_cut_to_size() -> None:
    rows = [{"question": "长" * 9999, "answer": "长" * 99_999}] * 500
    back = restored({"keep": True, "turns": rows})
    assert len(back) == MAX_TURNS
    assert (len(back[0].question), len(back[0].answer.text)) == (MAX_MESSAGE_CHARS, MAX_ANSWER_CHARS)
