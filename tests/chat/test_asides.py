"""Answers that need no search, over a real index with fakes for the two models."""

from typing import Any

import pytest

from src.chat.answer import Answer
from src.chat.events import Delta, Finished, Retrieved, Supported
from src.chat.service import ChatOptions, ChatService
from src.ingest.types import Document
from src.models.base import Message
from src.models.embedders.fake import HashingEmbedder
from src.models.fake import FakeModel
from src.search.indexing import add_documents, base_of
from src.search.knowledge_base import KnowledgeBase
from src.search.search import Retriever

POEM = [
    Document(f"p{i}", "背影.txt", "背影", text) for i, text in enumerate(["父亲去买橘子。", "我看见他的背影。"])
]
HISTORY = [Message("user", "洱海在哪里？"), Message("assistant", "洱海在大理。\n\n原文：“洱海位于大理。”[1]")]


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    texts = ["洱海是大理的湖。", "滇池是昆明的湖。", "茶卡是一个盐湖。"]
    return base_of([Document(str(i), "湖.txt", "", t) for i, t in enumerate(texts)], HashingEmbedder(), "湖.txt")


@pytest.fixture(scope="module")
def own() -> KnowledgeBase:
    added = KnowledgeBase(HashingEmbedder())
    for name, text in (("规定.txt", "钥匙不得外借。"), ("菜单.csv", "面条十元。")):
        add_documents(added, name, [Document(name, name, "", text)])
    return added


def ask(
    base: KnowledgeBase, message: str, history: Any = (), extra: Any = None, reply: str = "好。", **options: Any
) -> tuple[Answer, FakeModel]:
    model = FakeModel(lambda _: reply)
    chat = ChatService(model, Retriever(base, HashingEmbedder()), min_score=0.2, max_new_tokens=100)
    return Answer.of(message, chat.ask(message, history, options=ChatOptions(**options), extra=extra)), model


@pytest.mark.parametrize(
    ("message", "has"),
    [
        ("你好！", "知识库"),
        ("谢谢", "不客气"),
        ("再见", "再见"),
        ("嗯", "好的"),
        ("你能做什么？", "出处"),
        ("你用的什么模型？", "fake"),
        ("What can you do?", "sources|source|comes from"),
        ("thanks", "welcome"),
        ("翻译成英文", "上面还没有内容"),
        ("in English please", "nothing above"),
        ("知识库里有多少篇文档？", "3 篇文档，共 3 段，来自 湖.txt"),
        ("知识库里都有什么？", "洱海、滇池、茶卡"),
        ("What is in the knowledge base?", "3 documents in 3 passages, from 湖.txt"),
        ("我上传了哪些文件？", "您还没有加入文档"),
        ("总结一下没有.pdf", "没有找到"),
        ("我上传的文件讲了什么？", "没有找到"),
    ],
)
def test_what_is_known_is_said_at_once(base, message: str, has: str) -> None:
    answer, model = ask(base, message)
    assert any(words in answer.text for words in has.split("|"))
    assert (answer.refused, answer.done, answer.hits, model.calls) == (False, True, (), [])


def test_own_files_are_counted_and_named(base, own) -> None:
    answer, _ = ask(base, "我上传了哪些文件？", extra=own)
    assert "您加入了 2 个文件：规定.txt（1 段）、菜单.csv（1 段）" in answer.text
    assert "1 passages" in ask(base, "Which files did I upload?", extra=own)[0].text


@pytest.mark.parametrize(
    ("message", "texts"),
    [
        ("总结一下规定.txt的内容", ["钥匙不得外借。"]),
        ("规定讲了什么？", ["钥匙不得外借。"]),
        ("这个文件讲了什么？", ["面条十元。"]),
        ("我上传的文档主要说了什么", ["钥匙不得外借。", "面条十元。"]),
        ("总结一下", ["钥匙不得外借。", "面条十元。"]),
        ("湖.txt里有什么内容", ["洱海是大理的湖。", "滇池是昆明的湖。", "茶卡是一个盐湖。"]),
    ],
)
def test_a_document_is_read_as_a_whole(base, own, message: str, texts: list[str]) -> None:
    answer, model = ask(base, message, extra=own, reply="钥匙不得外借。")
    assert [hit.chunk.text for hit in answer.hits] == texts
    assert [hit.rank for hit in answer.hits] == list(range(1, len(texts) + 1))
    assert all(text in model.calls[0][0][-1].content for text in texts)
    assert [one.rank for one in answer.support] == ([1] if texts[0].startswith("钥匙") else [None])
    assert not answer.refused


def test_events_of_a_document(base, own) -> None:
    chat = ChatService(
        FakeModel(lambda _: "十元"), Retriever(base, HashingEmbedder()), min_score=0.2, max_new_tokens=9
    )
    events = list(chat.ask("总结菜单.csv", extra=own))
    assert [type(event) for event in events] == [Retrieved, Delta, Delta, Supported, Finished]
    assert list(events[-1].timings_ms) == ["retrieve", "first_token", "total"]


def test_a_title_names_a_document_too() -> None:
    base = base_of([*POEM, Document("x", "别的.txt", "别的", "父亲。")], HashingEmbedder())
    assert [hit.chunk.text for hit in ask(base, "总结一下《背影》")[0].hits] == [
        "父亲去买橘子。",
        "我看见他的背影。",
    ]
    # Asked what it says, the documents may know; a name that no document has is a question.
    for question in ("《背影》写了什么？", "总结一下朝花"):
        assert all(hit.stages.rerank is not None for hit in ask(base, question)[0].hits)


def test_a_long_document_is_read_at_even_distances() -> None:
    texts = [f"第{i}节：" + f"{i}号内容" * 60 for i in range(30)]
    base = base_of([Document(str(i), "长.txt", "", t) for i, t in enumerate(texts)], HashingEmbedder(), "长.txt")
    hits = ask(base, "总结长.txt")[0].hits
    assert 2 <= len(hits) <= 7
    assert hits[0].chunk.text.startswith("第0节")
    assert int(hits[-1].chunk.doc_id) >= 15


def test_the_conversation_is_what_the_model_gets(base) -> None:
    answer, model = ask(base, "翻译成英文", HISTORY, reply="Erhai is in Dali.")
    assert (answer.text, answer.hits, answer.refused) == ("Erhai is in Dali.", (), False)
    assert [m.content for m in model.calls[0][0][1:]] == ["洱海在哪里？", "洱海在大理。", "翻译成英文"]


def test_a_conversation_that_is_too_long_loses_its_beginning(base) -> None:
    model = FakeModel(lambda _: "好")
    model.context_tokens = 400
    chat = ChatService(model, Retriever(base, HashingEmbedder()), min_score=0.2, max_new_tokens=50)
    list(chat.ask("总结上面的内容", [Message("user", f"{i}" * 100) for i in range(6)]))
    kept = [m.content[0] for m in model.calls[0][0][1:-1]]
    assert kept
    assert kept == list("012345")[-len(kept) :]


def test_without_knowledge_the_model_answers_by_itself(base) -> None:
    assert ask(base, "你能做什么？", use_knowledge=False)[1].calls
