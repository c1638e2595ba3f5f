import pytest

from src.chat.question import standalone_question
from src.language.base import Message


def asked(*questions: str) -> list[Message]:
    return [m for q in questions for m in (Message("user", q), Message("assistant", "答。"))]


@pytest.mark.parametrize(
    "message",
    ["它在哪个区？", "那里有什么特产？", "该校有几个校区", "校训呢", "其校训是什么？", "他们有几个校区？"],
)
def test_a_follow_up_takes_the_subject_of_the_question_before(message: str) -> None:
    assert standalone_question(message, asked("介绍一下广州大学？")) == f"介绍一下广州大学 {message}"


@pytest.mark.parametrize(
    "message",
    [
        "广州大学在哪个区？",
        "介绍一下其他语言",
        "那达慕是什么节日？",
        "他信是谁",
        "其他语言有哪些",
        "其中哪条最长",
        "LoRA 是什么",
        "端午节呢为什么吃粽子",
    ],
)
def test_a_question_that_stands_alone_is_never_replaced(message: str) -> None:
    assert standalone_question(message, asked("介绍一下长江")) == message


def test_an_earlier_follow_up_is_passed_over() -> None:
    history = asked("介绍一下广州大学", "它在哪个区？")
    assert standalone_question("它有多少学生？", history) == "介绍一下广州大学 它有多少学生？"


def test_without_history_nothing_changes() -> None:
    assert standalone_question("它在哪？", []) == "它在哪？"
