import pytest

from src.chat.question import follow_up, subject_of
from src.language.base import Message


def asked(*questions: str) -> list[Message]:
    return [m for q in questions for m in (Message("user", q), Message("assistant", "答。"))]


@pytest.mark.parametrize(
    ("message", "question"),
    [
        ("它在哪个区？", "广州大学在哪个区？"),
        ("那里有什么特产？", "广州大学有什么特产？"),
        ("该校有几个校区", "广州大学有几个校区"),
        ("校训呢", "广州大学的校训"),
        ("那么它的面积呢？", "广州大学的面积"),
        ("其校训是什么？", "广州大学的校训是什么？"),
        ("他们有几个校区？", "广州大学有几个校区？"),
        ("深圳大学和它有什么区别？", "深圳大学和广州大学有什么区别？"),
        ("为什么？", "介绍一下广州大学？为什么？"),
    ],
)
def test_a_follow_up_takes_the_subject_of_the_question_before(message: str, question: str) -> None:
    meant = follow_up(message, asked("介绍一下广州大学？"))
    assert meant is not None
    assert (meant.question, meant.certain) == (question, True)


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
        "什么是检索增强生成，它有什么局限？",
        "番茄怎么炒蛋",
    ],
)
def test_a_question_that_stands_alone_is_never_replaced(message: str) -> None:
    assert follow_up(message, asked("介绍一下长江")) is None


def test_a_message_without_subject_is_for_the_search_to_tell() -> None:
    meant = follow_up("有几个校区？", asked("介绍一下广州大学"))
    assert meant is not None
    assert (meant.question, meant.certain) == ("广州大学有几个校区？", False)


def test_an_earlier_follow_up_is_passed_over() -> None:
    history = asked("介绍一下广州大学", "它在哪个区？")
    meant = follow_up("它有多少学生？", history)
    assert meant is not None
    assert meant.question == "广州大学有多少学生？"


def test_a_subject_that_only_the_answer_names_keeps_the_whole_question() -> None:
    meant = follow_up("它流经哪些省？", asked("中国最长的河流是哪条？"))
    assert meant is not None
    assert meant.question == "中国最长的河流是哪条？它流经哪些省？"


def test_without_history_nothing_changes() -> None:
    assert follow_up("它在哪？", []) is None
    assert follow_up("它在哪？", asked("它是什么？")) is None


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("请介绍一下广州大学。", "广州大学"),
        ("广州大学的办学历史可以追溯到哪一年？", "广州大学"),
        ("LoRA 为什么省显存？", "LoRA"),
        ("长江全长多少公里？", "长江"),
        ("什么是检索增强生成，它有什么局限？", "检索增强生成"),
        ("请问西红柿炒鸡蛋怎么做？", "西红柿炒鸡蛋"),
        ("厦门大学是谁创办的？", "厦门大学"),
        ("中国最长的河流是哪条？", None),
        ("红楼梦的作者是谁？", None),
        ("谁发明了电灯？", None),
        ("？", None),
        ("", None),
        ("很" * 300, None),
    ],
)
def test_what_a_question_is_about(question: str, subject: str | None) -> None:
    assert subject_of(question) == subject
