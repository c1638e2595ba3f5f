import json
import re
from pathlib import Path
from typing import Any

import pytest

from src.chat.question import FollowUp, follow_up, subject_of
from src.models.base import Message


def asked(*questions: str) -> list[Message]:
    return [m for q in questions for m in (Message("user", q), Message("assistant", "答。"))]


def is_certain(meant: FollowUp | None) -> bool:
    """Whether it is taken for a follow-up whatever the search finds."""
    return meant is not None and meant.certain


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
    assert not is_certain(follow_up(message, asked("介绍一下长江")))


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


# The first half was written before the rules and tuned on, the second was not looked at while they were made; what it then
# showed (an expletive it, a there behind a name) has been put right since.
@pytest.mark.parametrize(
    ("before", "message", "question"),
    [
        ("When was Guangzhou University founded?", "What is its motto?", "What is Guangzhou University's motto?"),
        ("When was Guangzhou University founded?", "Where is it?", "Where is Guangzhou University?"),
        (
            "When was Guangzhou University founded?",
            "How many campuses does it have?",
            "How many campuses does Guangzhou University have?",
        ),
        ("Why is Kunming called the Spring City?", "And in winter?", "Kunming in winter?"),
        ("When was Guangzhou University founded?", "And the motto?", "the motto of Guangzhou University?"),
        (
            "When was Guangzhou University founded?",
            "What about Zhejiang University?",
            "When was Zhejiang University founded?",
        ),
        ("Who founded Xiamen University?", "When was he born?", "Who founded Xiamen University? When was he born?"),
        (
            "What is the largest freshwater lake in China?",
            "Which rivers flow into it?",
            "What is the largest freshwater lake in China? Which rivers flow into it?",
        ),
        ("Tell me about Chengdu", "What can I eat there?", "What can I eat in Chengdu?"),
        ("What is LoRA?", "Why?", "What is LoRA? Why?"),
        ("What is LoRA?", "How does it save memory?", "How does LoRA save memory?"),
        (
            "When was Guangzhou University founded?",
            "And when was it renamed?",
            "when was Guangzhou University renamed?",
        ),
        # held out
        (
            "What is the motto of Tsinghua University?",
            "When was it founded?",
            "When was Tsinghua University founded?",
        ),
        ("How tall is Taipei 101?", "Where is it located?", "Where is Taipei 101 located?"),
        ("Why is Harbin called the Ice City?", "What about its food?", "Harbin's food?"),
        (
            "When is the Mid-Autumn Festival?",
            "What do people eat on that day?",
            "What do people eat on Mid-Autumn Festival?",
        ),
        (
            "When is the Dragon Boat Festival?",
            "Why do people celebrate it?",
            "Why do people celebrate Dragon Boat Festival?",
        ),
        ("What is FAISS?", "Who developed it?", "Who developed FAISS?"),
        ("Where is Mount Tai?", "how high is it", "how high is Mount Tai"),
        (
            "Tell me about the Terracotta Warriors.",
            "When were they discovered?",
            "When were Terracotta Warriors discovered?",
        ),
        ("Who is Qian Xuesen?", "Where did he study?", "Where did Qian Xuesen study?"),
        (
            "How do you make scrambled eggs with tomatoes?",
            "How long does it take?",
            "How do you make scrambled eggs with tomatoes? How long does it take?",
        ),
        ("Where is Peking University?", "How about Nankai University?", "Where is Nankai University?"),
        ("What is RAG?", "Tell me more", "What is RAG? Tell me more"),
        ("Where is Suzhou?", "What is this city famous for?", "What is Suzhou famous for?"),
        ("广州大学在哪里？", "What is its motto?", "What is 广州大学's motto?"),
        (
            "When was Guangzhou University founded?",
            "How many campuses are there?",
            "How many campuses are there in Guangzhou University?",
        ),
        ("Where is Nanjing University?", "What are its strengths?", "What are Nanjing University's strengths?"),
        ("What is Milvus?", "Which company made it?", "Which company made Milvus?"),
        (
            "How long is the Yellow River?",
            "Where does it flow into the sea?",
            "Where does Yellow River flow into the sea?",
        ),
        (
            "When was Hong Kong University founded?",
            "Did Sun Yat-sen study there?",
            "Did Sun Yat-sen study in Hong Kong University?",
        ),
        (
            "What is the Transformer?",
            "and how does it differ from an RNN?",
            "how does Transformer differ from an RNN?",
        ),
        ("Where is Qinghai Lake?", "Is it salty?", "Is Qinghai Lake salty?"),
        ("When did Shanghai open its port?", "And Xiamen?", "When did Xiamen open its port?"),
        ("What is BGE?", "In which year was it released?", "In which year was BGE released?"),
        ("What is hallucination?", "How can I prevent it?", "How can I prevent hallucination?"),
        (
            "Who wrote The Peony Pavilion?",
            "What else did he write?",
            "Who wrote The Peony Pavilion? What else did he write?",
        ),
        ("When is Qixi?", "What is the legend behind this festival?", "What is the legend behind Qixi?"),
    ],
)
def test_an_english_follow_up(before: str, message: str, question: str) -> None:
    meant = follow_up(message, asked(before))
    assert meant is not None
    assert meant.question == question


@pytest.mark.parametrize(
    "message",
    [
        "What is it called when a model makes things up?",
        "Is it raining in Guangzhou today?",
        "What is LoRA and what are its limits?",
        "How many universities are there in Guangzhou?",
        "Where is Zhejiang University?",
        "How long does it take to fly to Beijing?",
        "Is it true that Nanjing was a capital?",
        "Which river is the longest?",
        "And where is Zhejiang University?",
        "What is the capital of Sichuan?",
        "Is there a subway in Suzhou?",
        "What is KV cache, and what does it cost?",
        "It is said that Shenzhen was a village, is that right?",
        "When did Hong Kong return to China?",
        "What time is it in Beijing?",
        "Does BM25 need training before it can be used?",
        "Is it possible to visit the Mogao Caves?",
        "How do I get there from Guangzhou to Shenzhen?",
        "What happens if a chunk loses its context?",
        "and who wrote The Peony Pavilion?",
        "What makes a prompt good, and how do you test it?",
        "Can you summarise the history of China?",
        "Why does LoRA freeze the weights it adapts?",
        "When is it best to visit Guilin?",
        "Thanks!",
        "hello",
        "Write a poem about autumn.",
        "How are you?",
        "What does RRF stand for?",
        "Is there anything about tea in the sources?",
    ],
)
def test_an_english_question_that_stands_alone_is_never_replaced(message: str) -> None:
    assert follow_up(message, asked("When was Guangzhou University founded?")) is None


def test_only_the_search_can_tell_whether_an_english_question_lacks_its_subject() -> None:
    meant = follow_up("How many campuses are there?", asked("When was Guangzhou University founded?"))
    assert meant is not None
    assert not meant.certain


def test_a_chinese_follow_up_of_an_english_question() -> None:
    meant = follow_up("它的校训是什么？", asked("When was Guangzhou University founded?", "Where is it?"))
    assert meant is not None
    assert meant.question == "Guangzhou University的校训是什么？"


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("Is Zhejiang University in Hangzhou?", "Zhejiang University"),
        ("What is the University of Hong Kong?", "University of Hong Kong"),
        ("How many dimensions do the vectors of bge-small-zh-v1.5 have?", "bge-small-zh-v1.5"),
        ("What's retrieval-augmented generation?", "retrieval-augmented generation"),
        ("Which is the longest river in China?", None),
        ("how do I cook rice", None),
        ("?", None),
    ],
)
def test_what_an_english_question_is_about(question: str, subject: str | None) -> None:
    assert subject_of(question) == subject


@pytest.mark.parametrize("piece", ["a-", "it is raining ", "And in ", "It ", "A ", "it takes ", "what is a   "])
def test_a_long_english_message_is_read_at_once(piece: str) -> None:
    """Patterns that try every way to split it would not come back."""
    follow_up((piece * 2000)[:2000], [Message("user", piece * 100_000), Message("user", "What is LoRA?")])


@pytest.mark.parametrize(
    ("asked", "message", "meant"),
    [
        ("成都有什么好玩的？", "重庆呢？", "重庆有什么好玩的？"),
        ("洞庭湖的面积多大？", "那么太湖呢", "太湖的面积多大？"),
        ("2019年的营收是多少？", "2020年呢？", "2020年的营收是多少？"),
        ("成都有什么好玩的？", "面积呢？", "成都的面积"),
        ("成都有什么好玩的？", "它的别称呢？", "成都的别称"),
    ],
)
def test_another_subject_is_asked_the_same_and_an_attribute_of_the_same(
    asked: str, message: str, meant: str
) -> None:
    found = follow_up(message, [Message("user", asked), Message("assistant", "答。")])
    assert found is not None
    assert found.question == meant


def follow_ups(held: bool) -> list[dict[str, Any]]:
    lines = (Path(__file__).parents[1] / "data" / "follow_ups.jsonl").read_text("utf-8").splitlines()
    return [case for case in map(json.loads, lines) if case["held"] == held]


def said(text: str | None) -> str | None:
    """Marks and 的 make no other question."""
    return None if text is None else re.sub(r"[\W的]", "", text.lower())


@pytest.mark.parametrize("held", [False, True])
def test_follow_ups_mean_what_a_person_means(held: bool) -> None:
    """146 conversations written before the rules; those with ``held`` were not looked at while rules were made, and at their
    first measurement 69 of 73 (94.5 %) were right. What they showed (吃 and 借 before 什么, 会 in 会员) has been mended since."""
    cases = follow_ups(held)
    found = [follow_up(case["message"], asked(*case["history"])) for case in cases]
    right = [
        said(f.question) == said(c["meant"]) if f and (f.certain or c["meant"]) else c["meant"] is None
        for f, c in zip(found, cases, strict=True)
    ]
    assert sum(right) / len(right) >= (0.94 if held else 0.97)


@pytest.mark.parametrize(
    ("before", "message", "question"),
    [
        ("产假有几天？", "不对，我问的是陪产假", "陪产假有几天？"),
        ("上海的人口是多少？", "2010年呢？", "上海2010年的人口是多少？"),
        ("谁写了《家》？", "它讲了什么？", "《家》讲了什么？"),
        ("介绍一下洱海", "这座湖有多深？", "洱海有多深？"),
        ("图书馆会员有什么好处？", "怎么办理？", "图书馆会员怎么办理？"),
        ("青藤剧场什么时候开工的？", "什么时候封顶？", "青藤剧场什么时候封顶？"),
        ("介绍一下洱海", "能再详细一点吗", "详细介绍一下洱海"),
        ("柳溪小学在哪里？", "展开讲讲", "详细介绍一下柳溪小学"),
    ],
)
def test_a_follow_up_of_another_kind(before: str, message: str, question: str) -> None:
    meant = follow_up(message, asked(before))
    assert meant is not None
    assert said(meant.question) == said(question)


@pytest.mark.parametrize(
    "message",
    [
        "贝克为他的学位做了什么研究？",
        "什么时候成立太平洋大学？",
        "这个月的销量是多少？",
        "谢谢",
        "你是谁？",
        "翻译成英文",
    ],
)
def test_what_has_its_subject_or_is_small_talk_is_left_alone(message: str) -> None:
    assert not is_certain(follow_up(message, asked("介绍一下广州大学")))


@pytest.mark.parametrize(
    ("before", "message", "question"),
    [
        ("南京古称什么？", "西安呢？", "西安古称什么？"),
        ("京剧形成于哪个朝代？", "它形成于哪里？", "京剧形成于哪里？"),
        ("鲁迅生于哪年", "他在哪里上学", "鲁迅在哪里上学"),
        ("《红楼梦》是谁写的？", "成书于什么时候？", "《红楼梦》成书于什么时候？"),
        ("武汉大学有多少学生", "那老师呢", "武汉大学有多少老师"),
        ("泰山有多高？", "比华山高吗？", "泰山比华山高吗？"),
    ],
)
def test_the_predicate_is_not_part_of_the_subject(before: str, message: str, question: str) -> None:
    found = follow_up(message, [Message("user", before), Message("assistant", "好的。")])
    assert found is not None
    assert (found.question, found.certain) == (question, True)


@pytest.mark.parametrize(
    ("before", "message", "of_subject"),
    [
        ("方岚的数学多少分？", "体育呢？", "方岚的体育多少分？"),
        ("野渡乐队的主唱是谁？", "鼓手呢", "野渡乐队的鼓手是谁？"),
        ("青藤剧场什么时候开工？", "封顶呢？", "青藤剧场什么时候封顶"),
        ("望江塔有多高？", "塔门呢？", "望江塔的塔门"),
        ("望江塔有多高？", "面积呢？", ""),
        ("2019年的营收是多少？", "2020年呢？", ""),
    ],
)
def test_what_another_word_asks_may_be_something_that_the_subject_has(
    before: str, message: str, of_subject: str
) -> None:
    meant = follow_up(message, asked(before))
    assert meant is not None
    assert meant.of_subject == of_subject


@pytest.mark.parametrize(
    "message", ["清河大学有几个校区", "LoRA用在哪里", "谁写了红楼梦", "端午节吃什么", "介绍一下合金"]
)
def test_what_names_something_is_not_guessed_to_be_a_follow_up(message: str) -> None:
    assert follow_up(message, asked("介绍一下广州大学")) is None
