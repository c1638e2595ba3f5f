"""Which form of a prompt a question gets."""

import pytest

from src.chat.prompt import COURSE, POINTED, Prompt, build_messages, prompt_for
from src.chat.question_english import is_english
from src.ingest.types import Chunk
from src.models.fake import FakeModel
from src.search.types import Hit, Stages

HITS = [Hit(Chunk("c", "d", "s", "", "广州大学创办于1927年。", 0, 13), 0.9, 1, Stages())]


def asked(question: str, prompt: Prompt) -> str:
    messages = build_messages(FakeModel(), question, HITS, (), 100, prompt)
    return "\n".join(message.content for message in messages)


@pytest.mark.parametrize(
    "question",
    [
        "When was Guangzhou University founded?",
        "what is lora",
        "What is 广州大学's motto?",
        "Tell me about Chengdu",
        "What is LoRA? Why?",
    ],
)
def test_an_english_question(question: str) -> None:
    assert is_english(question)
    assert "Answer the question in English" in asked(question, COURSE)
    assert "用中文回答" in asked(question, POINTED)
    assert HITS[0].chunk.text in asked(question, COURSE)
    assert question in asked(question, COURSE)


@pytest.mark.parametrize(
    "question",
    [
        "广州大学是哪年创办的？",
        "LoRA",
        "BM25 vs RRF",
        "FAISS、Milvus 和 BM25 有什么区别？",
        "bge-small-zh-v1.5 输出的向量是多少维？",
        "The Who 是什么乐队？",
        "Attention Is All You Need 是哪年的论文，作者有哪些人，讲了什么内容？",
        "",
    ],
)
def test_any_other_question(question: str) -> None:
    assert not is_english(question)
    assert "English" not in asked(question, COURSE).replace(question, "")
    assert "用中文" not in asked(question, POINTED)


def test_a_prompt_without_an_english_form_asks_as_ever() -> None:
    plain = Prompt("系统", "{background}|{question}")
    assert asked("What is the motto?", plain).startswith("系统\n[1] 广州大学创办于1927年。|What is the motto?")


def test_a_bare_name_is_asked_to_be_told_about_and_what_tells_of_it_comes_first() -> None:
    texts = ["QERA配合ERA使用。", "ERA是一种评价方法。"]
    hits = [
        Hit(Chunk(f"c{n}", f"d{n}", "s", "", text, 0, len(text)), 0.9, n, Stages())
        for n, text in enumerate(texts, 1)
    ]
    for question, put in (("ERA", "介绍一下ERA"), ("用英文介绍一下ERA", "用英文介绍一下ERA")):
        prompt = build_messages(FakeModel(), question, hits, (), 100, COURSE)[-1].content
        assert f"问题：{put}\n" in prompt
        assert prompt.index(texts[1]) < prompt.index(texts[0])


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("qwen2.5-coder-0.5b-instruct-q4_k_m", POINTED),
        ("Qwen/Qwen2.5-Coder-0.5B-Instruct", POINTED),
        ("qwen2.5-coder-7b", COURSE),
        ("Qwen3.5-0.5B", COURSE),
        ("YuanLabAI/Yuan3.0-Flash", COURSE),
        ("IEITYuan/Yuan2-2B-Mars-hf", COURSE),
        ("default", COURSE),
    ],
)
def test_what_a_server_says_it_runs_decides_how_it_is_asked(name: str, prompt: Prompt) -> None:
    assert prompt_for(name) is prompt
