"""RAG chat over a real index with fakes for the two models."""

import threading
from itertools import pairwise

import pytest

from src.chat.prompt import COURSE, POINTED
from src.chat.service import REFUSAL, ChatService, parse_history
from src.embedding.fake import HashingEmbedder
from src.errors import InputError, ModelError
from src.knowledge.types import Document
from src.language.base import Message
from src.language.fake import FakeModel
from src.retrieval.indexing import base_of
from src.retrieval.knowledge_base import KnowledgeBase
from src.retrieval.search import Retriever

TEXTS = {
    "gzhu": "广州大学的办学历史可以追溯到1927年的私立广州大学，主校区在番禺区。",
    "gz": "广州是广东省省会，别称羊城，位于珠江三角洲。",
    "faiss": "FAISS是一个向量检索库，支持精确检索与近似检索。",
}


def index_of(texts: dict[str, str]) -> KnowledgeBase:
    documents = [Document(name, f"{name}.txt", "", text) for name, text in texts.items()]
    return base_of(documents, HashingEmbedder())


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    return Retriever(index_of(TEXTS), HashingEmbedder())


def service(retriever: Retriever, model: FakeModel, max_new_tokens: int = 200) -> ChatService:
    return ChatService(model, retriever, min_score=0.2, max_new_tokens=max_new_tokens)


def prompt_of(model: FakeModel) -> str:
    return "\n".join(message.content for message in model.calls[-1][0])


def test_an_answer_grows_and_ends_with_its_support(retriever) -> None:
    model = FakeModel(lambda _: "办学历史可以追溯到1927年。它很有名。")
    answers = list(service(retriever, model).stream("广州大学的办学历史可以追溯到哪一年？"))
    assert [a.done for a in answers] == [False] * (len(answers) - 1) + [True]
    assert answers[0].hits[0].chunk.doc_id == "gzhu"
    assert answers[0].text == ""
    texts = [a.text for a in answers]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert [s.rank for s in answers[-1].support] == [1, None]
    assert {"retrieve", "first_token", "total"} <= set(answers[-1].timings_ms)
    assert "1927" in prompt_of(model)


def test_the_best_sentence_is_quoted_and_pointed_out_to_a_model_that_reads_better_so(retriever) -> None:
    question = "广东省省会别称是什么？"
    for prompt, times in ((COURSE, 1), (POINTED, 2)):
        model = FakeModel(lambda _: "羊城。")
        chat = ChatService(model, retriever, min_score=0.2, max_new_tokens=200, prompt=prompt)
        answers = list(chat.stream(question))
        quote = answers[0].quote
        assert quote == answers[-1].quote
        assert quote is not None
        assert answers[-1].hits[quote.rank - 1].chunk.text[quote.start : quote.end] == quote.text == TEXTS["gz"]
        assert prompt_of(model).count(TEXTS["gz"]) == times
        assert answers[-1].to_json()["answer"] == f"羊城。\n\n原文：“{TEXTS['gz']}”[1]"
    without = list(service(retriever, FakeModel()).stream(question, use_knowledge=False))[-1]
    assert without.quote is None


def test_nothing_relevant_does_not_ask_the_model(retriever) -> None:
    model = FakeModel()
    last = list(service(retriever, model).stream("怎样更换自行车的内胎"))[-1]
    assert last.refused
    assert last.text == REFUSAL
    assert model.calls == []


def test_without_knowledge_nothing_is_searched(retriever) -> None:
    model = FakeModel(lambda _: "你好！")
    history = [Message("user", "早"), Message("assistant", "早上好")]
    last = list(service(retriever, model).stream("你好", history, use_knowledge=False))[-1]
    assert (last.text, last.hits, last.support) == ("你好！", (), ())
    assert [m.content for m in model.calls[0][0][1:]] == ["早", "早上好", "你好"]


def test_a_follow_up_searches_for_its_subject(retriever) -> None:
    history = [Message("user", "介绍一下广州大学"), Message("assistant", "一所大学。")]
    last = list(service(retriever, FakeModel()).stream("它的主校区在哪个区？", history))[-1]
    assert last.question == "广州大学的主校区在哪个区？"
    assert last.follow_up
    assert last.hits[0].chunk.doc_id == "gzhu"


def test_a_follow_up_can_be_left_as_it_is(retriever) -> None:
    history = [Message("user", "介绍一下广州大学"), Message("assistant", "一所大学。")]
    last = list(service(retriever, FakeModel()).stream("它的主校区在哪个区？", history, rewrite=False))[-1]
    assert (last.question, last.follow_up) == ("它的主校区在哪个区？", False)


@pytest.mark.parametrize(
    ("before", "searched"), [("介绍一下长江", "有几个校区？"), ("介绍一下广州大学", "广州大学有几个校区？")]
)
def test_without_a_subject_the_search_decides(before: str, searched: str) -> None:
    texts = {"hj": "海岬大学有三个校区。", "gzhu": "广州大学有两个校区。", "cj": "长江向东流。"}
    chat = service(Retriever(index_of(texts), HashingEmbedder()), FakeModel())
    history = [Message("user", before), Message("assistant", "好。")]
    assert list(chat.stream("有几个校区？", history))[-1].question == searched


def test_the_threshold_of_a_call_decides_whether_it_refuses(retriever) -> None:
    chat = service(retriever, FakeModel(lambda _: "答。"))
    score = next(chat.stream("广州大学")).hits[0].score
    assert list(chat.stream("广州大学", min_score=min(1.0, score + 0.01)))[-1].refused
    assert not list(chat.stream("广州大学", min_score=score))[-1].refused


def test_passages_that_disagree_are_named() -> None:
    texts = {"a": "云岭大学创办于1927年。", "b": "云岭大学创办于1928年，是大学。"}
    chat = ChatService(
        FakeModel(lambda _: "1927年。"),
        Retriever(index_of(texts), HashingEmbedder()),
        min_score=0.0,
        max_new_tokens=99,
    )
    last = list(chat.stream("云岭大学创办于哪一年？"))[-1]
    assert [{c.value, c.other_value} for c in last.conflicts] == [{"1927年", "1928年"}]
    assert set(last.to_json()) == {"answer", "done", "question", "hits", "support", "refused", "timings_ms"}
    assert set(last.to_json()["support"][0]) == {"sentence", "rank", "score"}


def test_a_sessions_own_documents_are_searched_and_only_there(retriever) -> None:
    extra = index_of({"mine": "蓝鲸计划的负责人是赵小满。"})
    chat = service(retriever, FakeModel())
    with_mine = list(chat.stream("蓝鲸计划的负责人是谁？", extra=extra))[-1]
    assert with_mine.hits[0].chunk.doc_id == "mine"
    assert all(h.chunk.doc_id != "mine" for h in list(chat.stream("蓝鲸计划的负责人是谁？"))[-1].hits)


@pytest.mark.parametrize("how", ["close", "event"])
def test_a_stop_frees_the_model_at_once(retriever, how: str) -> None:
    model = FakeModel(lambda _: "很长的回答" * 100)
    stop = threading.Event()
    answers = service(retriever, model).stream("广州大学", stop=stop)
    next(answers)
    next(answers)
    if how == "close":
        answers.close()
    else:
        stop.set()
        assert not any(a.done for a in answers)
    assert (model.finished, model.abandoned) == (0, 1)


def test_a_long_prompt_is_shortened_at_the_passages_never_at_the_question() -> None:
    texts = {f"d{i}": f"长江第{i}段：" + "江水向东流入大海，沿岸城市很多。" * 12 for i in range(6)}
    question = "长江" + "沿岸城市" * 20 + "有哪些？"
    model = FakeModel()
    model.context_tokens = 700
    chat = ChatService(model, Retriever(index_of(texts), HashingEmbedder()), min_score=0.0, max_new_tokens=100)
    last = list(chat.stream(question, top_k=6))[-1]
    assert question in prompt_of(model)
    assert model.count_tokens(model.calls[-1][0]) <= 600
    assert "[1]" in prompt_of(model)
    assert "[6]" not in prompt_of(model)
    assert len(last.hits) == 6


def test_one_passage_that_is_too_long_is_cut_not_dropped() -> None:
    model = FakeModel()
    model.context_tokens = 420
    texts = {"d": "长江第一段：" + "江水向东流入大海沿岸城市很多" * 18}
    chat = ChatService(model, Retriever(index_of(texts), HashingEmbedder()), min_score=0.0, max_new_tokens=100)
    list(chat.stream("长江沿岸城市有哪些？"))
    assert "长江沿岸城市有哪些？" in prompt_of(model)
    assert "江水向东流入大海" in prompt_of(model)
    assert model.count_tokens(model.calls[-1][0]) <= 320


def test_a_question_that_alone_does_not_fit_is_refused(retriever) -> None:
    model = FakeModel()
    model.context_tokens = 300
    with pytest.raises(InputError, match="太长"):
        list(service(retriever, model, max_new_tokens=200).stream("问" * 200, use_knowledge=False))


def test_compare_gives_both_answers_one_after_the_other(retriever) -> None:
    model = FakeModel(lambda messages: "有" if "背景" in messages[-1].content else "无")
    last = list(service(retriever, model).compare("广州大学"))[-1]
    assert last.without == "无"
    assert last.with_knowledge.text == "有"
    assert last.with_knowledge.done
    assert set(last.to_json()) == {"without", "with"}


@pytest.mark.parametrize("message", ["", " \n", "\x00\u200b", None, 3, "长" * 2001])
def test_a_message_that_cannot_be_used(retriever, message: object) -> None:
    with pytest.raises(InputError):
        list(service(retriever, FakeModel()).stream(message))


@pytest.mark.parametrize("top_k", [0, 21, -1, 1.5, "4", None, True])
def test_a_top_k_that_cannot_be_used(retriever, top_k: object) -> None:
    with pytest.raises(InputError, match="top_k"):
        list(service(retriever, FakeModel()).stream("广州", top_k=top_k))


def test_a_failing_model_is_passed_on(retriever) -> None:
    with pytest.raises(ModelError):
        list(service(retriever, FakeModel(fails=True)).stream("广州大学"))


def test_history_as_clients_send_it() -> None:
    assert parse_history([{"role": "user", "content": "a"}]) == [Message("user", "a")]
    assert parse_history(None) == parse_history([]) == []
    assert len(parse_history([{"role": "user", "content": "a"}] * 5000)) == 100
    assert len(parse_history([{"role": "user", "content": "a" * 10**6}])[0].content) == 2000
    for wrong in ("x", {"role": "user"}, [["user", "a"]], [{"role": "system", "content": "a"}], [{"role": "user"}]):
        with pytest.raises(InputError):
            parse_history(wrong)
