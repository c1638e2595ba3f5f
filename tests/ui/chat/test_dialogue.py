"""What the chat's handlers do, with a scripted service and no browser."""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from src.ui.chat.conversation import Exchange, asked_again, ended, history, own_ranks, without_last

from src.chat.types import Answer
from src.embedding.fake import HashingEmbedder
from src.language.base import Message
from src.language.fake import FakeModel
from src.retrieval.search import Retriever
from src.runtime import Runtime
from src.settings import load_settings
from src.ui.calls import Call
from src.ui.chat.dialogue_tab import Choices, record, stream_turn
from src.ui.log import Record
from tests.ui.chat.scripted import ScriptedChat, hit


def script(question: str, options: dict[str, Any]) -> Sequence[Answer]:
    waiting = Answer("", question, hits=(hit(1, "别的"),) if options["use_knowledge"] else ())
    return [waiting, replace(waiting, text="答"), replace(waiting, text="答完。", done=True)]


def call() -> Call:
    return Call("me", threading.Event(), Record("chat", "tag"))


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    (tmp_path / "knowledge.txt").write_text("端午节在五月初五。\n", encoding="utf-8")
    runtime = Runtime(load_settings(knowledge=[tmp_path / "knowledge.txt"], cache_dir=tmp_path / "cache"))
    runtime.__dict__.update(model=FakeModel(), embedder=HashingEmbedder(), chat=ScriptedChat(script))
    return runtime


def test_what_the_visitor_set_reaches_the_service(runtime: Runtime) -> None:
    choices = Choices(use_knowledge=True, rewrite=False, top_k=7, min_score=0.4)
    earlier = Exchange("早", Answer("好。", "早", True))
    steps = list(stream_turn(runtime, [earlier, Exchange("它呢？")], choices, "me", call()))
    question, told, options = runtime.chat.calls[0]  # type: ignore[attr-defined]
    assert question == "它呢？"
    assert told == [Message("user", "早"), Message("assistant", "好。")]
    assert options == {
        "use_knowledge": True, "rewrite": False, "top_k": 7, "min_score": 0.4, "extra": None, "user": "me",
    }  # fmt: skip
    assert [step[-1].answer.text for step in steps] == ["", "答", "答完。"]
    assert all(step[0] is earlier for step in steps)
    assert steps[-1][-1].min_score == 0.4


def test_an_answer_without_knowledge_is_known_as_such(runtime: Runtime) -> None:
    choices = Choices(use_knowledge=False)
    last = list(stream_turn(runtime, [Exchange("问")], choices, "me", call()))[-1][-1]
    assert not last.grounded
    assert last.is_done


def test_passages_of_my_documents_are_known_even_under_the_same_name(runtime: Runtime, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "knowledge.txt"
    mine.parent.mkdir()
    mine.write_text("青柠社的社长是钱多多。\n", encoding="utf-8")
    assert [item["chunks"] for item in runtime.sessions.add("me", [mine])["added"]] == [1]
    extra = runtime.sessions.base("me")
    hits = Retriever(runtime.base, runtime.embedder).search("青柠社的社长和端午节", extra=extra)
    assert {item.chunk.source for item in hits} == {"knowledge.txt"}
    own = own_ranks(Answer("", "q", hits=tuple(hits)), extra)
    assert [hits[rank - 1].chunk.text for rank in own] == ["青柠社的社长是钱多多。"]
    assert own_ranks(Answer("", "q", hits=tuple(hits)), None) == frozenset()


def test_retry_and_undo() -> None:
    turns = [Exchange("一", Answer("1", "一", True)), Exchange("二", Answer("2", "二", True))]
    assert asked_again(turns) == [turns[0], Exchange("二")]
    assert without_last(turns) == ([turns[0]], "二")
    assert without_last([]) == ([], "")
    with pytest.raises(gr.Error, match="还没有可以重答的问题"):
        asked_again([])


def test_what_is_left_of_a_stopped_answer() -> None:
    done, growing = Answer("1", "一", True), Answer("半", "二")
    assert ended([Exchange("一", done)]) == [Exchange("一", done)]
    assert ended([Exchange("一", done), Exchange("二", growing)])[-1] == Exchange("二", growing, stopped=True)
    assert ended([Exchange("二", Answer("", "二", ahead=2))]) == [Exchange("二")]
    assert ended([]) == []


def test_a_question_without_an_answer_is_told_without_one() -> None:
    assert history([Exchange("一"), Exchange("二", Answer("", "二"))]) == [
        Message("user", "一"),
        Message("user", "二"),
    ]


def test_a_rating_is_kept_with_its_question(tmp_path: Path) -> None:
    file = tmp_path / "ratings.jsonl"
    turns = [
        Exchange("一", Answer("1", "一", True, (hit(1, "文", source="a.txt"),))),
        Exchange("二", Answer("2", "二")),
    ]
    record(file, turns, {"number": 0, "liked": False})
    kept = json.loads(file.read_text("utf-8"))
    assert kept.pop("time")
    assert kept == {"liked": False, "question": "一", "answer": "1", "sources": ["a.txt a.txt#1"]}
    hostile: list[Any] = [
        {"number": 1, "liked": True}, {"number": 9, "liked": True}, {"number": -1, "liked": True},
        {"number": "0", "liked": True}, {"number": 0, "liked": "yes"}, {}, None, [],
    ]  # fmt: skip
    for sent in hostile:
        record(file, turns, sent)
    assert len(file.read_text("utf-8").splitlines()) == 1
