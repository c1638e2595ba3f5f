"""RAG chat over a real index with fakes for the two models."""

from typing import Any

import pytest

from src.caller import Caller
from src.chat.answer import REFUSAL, Answer
from src.chat.events import Delta, Finished, Queued, Quoted, Retrieved, Rewritten, Supported
from src.chat.prompt import COURSE, POINTED
from src.chat.service import ChatOptions, ChatService, parse_history
from src.errors import InputError, ModelError
from src.ingest.types import Document
from src.models.base import Message
from src.models.embedders.fake import HashingEmbedder
from src.models.fake import FakeModel
from src.search.indexing import base_of
from src.search.knowledge_base import KnowledgeBase
from src.search.search import Retriever

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


def ask(chat: ChatService, message: str, history: Any = (), extra: Any = None, **options: Any) -> Answer:
    return Answer.of(message, chat.ask(message, history, options=ChatOptions(**options), extra=extra))


def prompt_of(model: FakeModel) -> str:
    return "\n".join(message.content for message in model.calls[-1][0])


def test_events_come_in_their_order(retriever) -> None:
    text = "办学历史可以追溯到1927年。它很有名。"
    model = FakeModel(lambda _: text)
    question = "广州大学的办学历史可以追溯到哪一年？"
    retrieved, quoted, *deltas, supported, finished = service(retriever, model).ask(question)
    assert isinstance(retrieved, Retrieved)
    assert retrieved.hits[0].chunk.doc_id == "gzhu"
    assert isinstance(quoted, Quoted)
    assert deltas == [Delta(character) for character in text]
    assert isinstance(supported, Supported)
    assert [s.rank for s in supported.support] == [1, None]
    assert isinstance(finished, Finished)
    assert not finished.refused
    times = finished.timings_ms
    assert list(times) == ["retrieve", "first_token", "total"]
    assert retrieved.duration_ms == times["retrieve"] <= times["first_token"] <= times["total"]
    assert "1927" in prompt_of(model)


def test_what_the_model_says_of_its_queue_is_passed_on(retriever) -> None:
    class Busy(FakeModel):
        def stream(self, messages, options, caller):
            yield from (Queued(2), Queued(1), "")
            yield from super().stream(messages, options, caller)

    events = list(service(retriever, Busy(lambda _: "好")).ask("你好", options=ChatOptions(use_knowledge=False)))
    assert events[:-1] == [Queued(2), Queued(1), Delta(""), Delta("好")]
    assert events[-1].timings_ms.keys() == {"first_token", "total"}


def test_the_caller_reaches_the_model(retriever) -> None:
    users = []

    class Named(FakeModel):
        def stream(self, messages, options, caller):
            users.append(caller.user)
            return super().stream(messages, options, caller)

    chat = service(retriever, Named())
    list(chat.ask("广州大学", caller=Caller("a")))
    list(chat.compare("广州大学", Caller("b")))
    assert users == ["a", "b", "b"]


def test_the_best_sentence_is_quoted_and_pointed_out_to_a_model_that_reads_better_so(retriever) -> None:
    question = "广东省省会别称是什么？"
    for prompt, times in ((COURSE, 1), (POINTED, 2)):
        model = FakeModel(lambda _: "羊城。")
        chat = ChatService(model, retriever, min_score=0.2, max_new_tokens=200, prompt=prompt)
        answer = ask(chat, question)
        quote = answer.quote
        assert quote is not None
        assert answer.hits[quote.rank - 1].chunk.text[quote.start : quote.end] == quote.text == TEXTS["gz"]
        assert prompt_of(model).count(TEXTS["gz"]) == times
        assert answer.to_json()["answer"] == f"羊城。\n\n原文：“{TEXTS['gz']}”[1]"
    assert ask(service(retriever, FakeModel()), question, use_knowledge=False).quote is None


def test_an_answer_that_is_but_the_question_gives_way_to_the_best_sentence(retriever) -> None:
    answer = ask(service(retriever, FakeModel(lambda _: "广东省省会别称是什么？")), "广东省省会别称是什么？")
    assert answer.quote is not None
    assert answer.text == answer.quote.text == TEXTS["gz"]


def test_nothing_relevant_does_not_ask_the_model(retriever) -> None:
    model = FakeModel()
    retrieved, finished = service(retriever, model).ask("怎样更换自行车的内胎")
    assert isinstance(retrieved, Retrieved)
    assert finished == Finished(refused=True, timings_ms={"retrieve": retrieved.duration_ms})
    assert Answer.of("怎样更换自行车的内胎", [retrieved, finished]).text == REFUSAL
    assert model.calls == []


def test_without_knowledge_nothing_is_searched(retriever) -> None:
    model = FakeModel(lambda _: "你好！")
    history = [Message("user", "早"), Message("assistant", "早上好")]
    last = ask(service(retriever, model), "你好", history, use_knowledge=False)
    assert (last.text, last.hits, last.support) == ("你好！", (), ())
    assert [m.content for m in model.calls[0][0][1:]] == ["早", "早上好", "你好"]


def test_a_follow_up_searches_for_its_subject(retriever) -> None:
    history = [Message("user", "介绍一下广州大学"), Message("assistant", "一所大学。")]
    rewritten, retrieved, *rest = service(retriever, FakeModel()).ask("它的主校区在哪个区？", history)
    assert rewritten == Rewritten("广州大学的主校区在哪个区？")
    last = Answer.of("它的主校区在哪个区？", [rewritten, retrieved, *rest])
    assert last.question == "广州大学的主校区在哪个区？"
    assert last.is_follow_up
    assert last.hits[0].chunk.doc_id == "gzhu"


def test_a_follow_up_can_be_left_as_it_is(retriever) -> None:
    history = [Message("user", "介绍一下广州大学"), Message("assistant", "一所大学。")]
    last = ask(service(retriever, FakeModel()), "它的主校区在哪个区？", history, follow_up=False)
    assert (last.question, last.is_follow_up) == ("它的主校区在哪个区？", False)


@pytest.mark.parametrize(
    ("before", "searched"), [("介绍一下长江", "有几个校区？"), ("介绍一下广州大学", "广州大学有几个校区？")]
)
def test_without_a_subject_the_search_decides(before: str, searched: str) -> None:
    texts = {"hj": "海岬大学有三个校区。", "gzhu": "广州大学有两个校区。", "cj": "长江向东流。"}
    chat = service(Retriever(index_of(texts), HashingEmbedder()), FakeModel())
    history = [Message("user", before), Message("assistant", "好。")]
    assert ask(chat, "有几个校区？", history).question == searched


def test_the_threshold_of_a_call_decides_whether_it_refuses(retriever) -> None:
    chat = service(retriever, FakeModel(lambda _: "答。"))
    score = next(chat.ask("广州大学")).hits[0].score
    assert ask(chat, "广州大学", min_score=min(1.0, score + 0.01)).refused
    assert not ask(chat, "广州大学", min_score=score).refused


def test_passages_that_disagree_are_named() -> None:
    texts = {"a": "云岭大学创办于1927年。", "b": "云岭大学创办于1928年，是大学。"}
    chat = ChatService(
        FakeModel(lambda _: "1927年。"),
        Retriever(index_of(texts), HashingEmbedder()),
        min_score=0.0,
        max_new_tokens=99,
    )
    last = ask(chat, "云岭大学创办于哪一年？")
    assert [{c.value, c.other_value} for c in last.conflicts] == [{"1927年", "1928年"}]
    assert set(last.to_json()) == {
        "answer", "done", "question", "hits", "support", "conflicts", "refused", "span", "answerable", "timings_ms",
    }  # fmt: skip
    assert set(last.to_json()["support"][0]) == {"sentence", "rank", "score"}


def test_a_sessions_own_documents_are_searched_and_only_there(retriever) -> None:
    extra = index_of({"mine": "蓝鲸计划的负责人是赵小满。"})
    chat = service(retriever, FakeModel())
    with_mine = ask(chat, "蓝鲸计划的负责人是谁？", extra=extra)
    assert with_mine.hits[0].chunk.doc_id == "mine"
    assert all(h.chunk.doc_id != "mine" for h in ask(chat, "蓝鲸计划的负责人是谁？").hits)


@pytest.mark.parametrize("how", ["close", "event"])
def test_a_stop_frees_the_model_at_once(retriever, how: str) -> None:
    model = FakeModel(lambda _: "很长的回答" * 100)
    caller = Caller()
    events = service(retriever, model).ask("广州大学", caller=caller)
    assert any(event == Delta("很") for event in events)
    if how == "close":
        events.close()
    else:
        caller.stop.set()
        assert list(events) == []
    assert (model.finished, model.abandoned) == (0, 1)


def test_a_long_prompt_is_shortened_at_the_passages_never_at_the_question() -> None:
    texts = {f"d{i}": f"长江第{i}段：" + "江水向东流入大海，沿岸城市很多。" * 12 for i in range(6)}
    question = "长江" + "沿岸城市" * 20 + "有哪些？"
    model = FakeModel()
    model.context_tokens = 700
    chat = ChatService(model, Retriever(index_of(texts), HashingEmbedder()), min_score=0.0, max_new_tokens=100)
    last = ask(chat, question, top_k=6)
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
    ask(chat, "长江沿岸城市有哪些？")
    assert "长江沿岸城市有哪些？" in prompt_of(model)
    assert "江水向东流入大海" in prompt_of(model)
    assert model.count_tokens(model.calls[-1][0]) <= 320


def test_a_question_that_alone_does_not_fit_is_refused(retriever) -> None:
    model = FakeModel()
    model.context_tokens = 300
    with pytest.raises(InputError, match="太长"):
        ask(service(retriever, model, max_new_tokens=200), "问" * 200, use_knowledge=False)


def test_compare_gives_both_answers_one_after_the_other(retriever) -> None:
    model = FakeModel(lambda messages: "有" if "背景" in messages[-1].content else "无")
    events = list(service(retriever, model).compare("广州大学"))
    sides = [side for side, _ in events]
    assert sides == sorted(sides, reverse=True)
    without, grounded = (Answer.of("广州大学", (e for s, e in events if s == side)) for side in ("without", "with"))
    assert (without.text, without.hits, without.done) == ("无", (), True)
    assert (grounded.text, grounded.done) == ("有", True)
    assert grounded.hits


def test_a_comparison_that_is_stopped_does_not_begin_the_second_answer(retriever) -> None:
    model, caller = FakeModel(lambda _: "很长的回答" * 100), Caller()
    for _ in service(retriever, model).compare("广州大学", caller):
        caller.stop.set()
    assert len(model.calls) == 1


@pytest.mark.parametrize("message", ["", " \n", "\x00\u200b", None, 3, "长" * 2001])
def test_a_message_that_cannot_be_used(retriever, message: object) -> None:
    with pytest.raises(InputError):
        list(service(retriever, FakeModel()).ask(message))


@pytest.mark.parametrize("top_k", [0, 21, -1, 1.5, "4", None, True])
def test_a_top_k_that_cannot_be_used(retriever, top_k: object) -> None:
    with pytest.raises(InputError, match="top_k"):
        ask(service(retriever, FakeModel()), "广州", top_k=top_k)


def test_a_failing_model_is_passed_on(retriever) -> None:
    with pytest.raises(ModelError):
        ask(service(retriever, FakeModel(fails=True)), "广州大学")


def test_history_as_clients_send_it() -> None:
    assert parse_history([{"role": "user", "content": "a"}]) == [Message("user", "a")]
    parts = [
        {"type": "text", "text": "a"},
        {"type": "file", "file": {"path": "b.png"}},
        {"type": "text", "text": "c"},
    ]
    assert parse_history([{"role": "user", "content": parts}]) == [Message("user", "a\nc")]
    assert parse_history(None) == parse_history([]) == []
    assert len(parse_history([{"role": "user", "content": "a"}] * 5000)) == 100
    assert len(parse_history([{"role": "user", "content": "a" * 10**6}])[0].content) == 2000
    for wrong in (
        "x",
        {"role": "user"},
        [["user", "a"]],
        [{"role": "system", "content": "a"}],
        [{"role": "user"}],
        [{"role": "user", "content": [3]}],
    ):
        with pytest.raises(InputError):
            parse_history(wrong)
