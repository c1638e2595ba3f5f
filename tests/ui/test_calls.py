"""How a request is counted, named and judged."""

import logging
import re
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from src.errors import Busy, InputError, ModelError, Stopped
from src.ui.calls import Calls, session_of, visitor_of
from src.ui.guard import guarded, served
from src.ui.log import characters, tag_of


def request(session: str | None = "s1", host: str = "127.0.0.1", **headers: str) -> Any:
    made = gr.Request(session_hash=session)
    made.request = SimpleNamespace(client=SimpleNamespace(host=host), headers=headers)
    return made


def line(caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """The fields of the only line there is."""
    (message,) = [record.getMessage() for record in caplog.records if record.name == "src.ui.log"]
    caplog.clear()
    return dict(re.findall(r"(\w+)=(\S+)", message))


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "src.ui.log")
    return caplog


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (InputError("x"), "refused"),
        (gr.Error("x"), "refused"),
        (Busy("x"), "busy"),
        (Stopped("x"), "stopped"),
        (GeneratorExit(), "stopped"),
        (ModelError("x"), "error:ModelError"),
        (ValueError("x"), "error:ValueError"),
    ],
)
def test_the_line_says_how_it_ended(lines, error: BaseException, outcome: str) -> None:
    with pytest.raises(type(error)), Calls().open("chat", request()):
        raise error
    assert line(lines)["outcome"] == outcome


def test_the_line_counts(lines) -> None:
    answers = [SimpleNamespace(ahead=2), SimpleNamespace(ahead=None), SimpleNamespace()]
    with Calls().open("chat", request(), "四个字吗", [{"content": "二字"}]) as call:
        assert list(call.follow(iter(answers))) == answers
        call.gave({"answer": "五个字的话", "hits": [{"text": "一"}, {}]})
    assert call.stop.is_set()
    found = line(lines)
    assert (found["endpoint"], found["outcome"]) == ("chat", "done")
    assert (found["in"], found["out"], found["hits"]) == ("6", "6", "2")
    assert 0 < float(found["wait_s"]) + 0.001 <= float(found["duration_s"]) + 0.002


def test_whoever_sets_stop_has_stopped_it(lines) -> None:
    with Calls().open("chat", request()) as call:
        call.stop.set()
    assert line(lines)["outcome"] == "stopped"


def test_health_knows_who_waits() -> None:
    calls = Calls()
    with calls.open("chat", request()) as call:
        for _ in call.follow(iter([SimpleNamespace(ahead=1)])):
            assert calls.waiting() == 1
        for _ in call.follow(iter([SimpleNamespace(ahead=None)])):
            assert calls.waiting() == 0
    assert calls.waiting() == 0


def fail(calls: Calls, error: Exception, **how: Any) -> None:
    with pytest.raises(type(error)), calls.open("chat", request(), **how):
        raise error


def test_the_model_fails_when_it_fails_three_times_in_a_row() -> None:
    calls = Calls()
    for _ in range(2):
        fail(calls, ModelError("x"))
    with calls.open("chat", request()):
        pass
    for _ in range(2):
        fail(calls, ModelError("x"))
    for _ in range(5):
        fail(calls, InputError("x"))
        fail(calls, Busy("x"))
        fail(calls, ValueError("x"), kind="search")
    assert not calls.model_fails()
    fail(calls, ValueError("x"))
    assert calls.model_fails()
    with calls.open("chat", request()):
        pass
    assert not calls.model_fails()


def test_all_mcp_callers_have_one_session_which_is_nobodys() -> None:
    assert session_of(request("s1")) == "s1"
    assert session_of(request("s1", **{"x-gradio-user": "mcp"})) == ""
    assert session_of(request(None)) == session_of(None) == ""
    assert visitor_of(request("s1")) == "s1"
    assert visitor_of(request(None, "8.8.8.8")) == "@8.8.8.8"
    assert visitor_of(None) == "@"


def test_the_tag_is_short_and_steady_and_not_the_session() -> None:
    assert tag_of("geheim") == tag_of("geheim")
    assert tag_of("geheim") != tag_of("other")
    assert re.fullmatch("[0-9a-f]{8}", tag_of("geheim\ud800"))


def test_characters_are_counted_through_lists_and_dictionaries() -> None:
    assert characters({"a": ["一二", ("三", None, 5)], "b": {"c": "四"}}) == 4


def test_served_finds_the_visitor_and_keeps_the_signature(lines) -> None:
    @guarded
    @served("search", "search")
    def search(query: str, request: gr.Request) -> dict[str, Any]:
        if not query:
            raise InputError("请输入检索词")
        return {"hits": [{"text": query}]}

    assert search("广州", request()) == {"hits": [{"text": "广州"}]}
    found = line(lines)
    assert (found["session"], found["hits"], found["in"]) == (tag_of("s1"), "1", "2")
    with pytest.raises(gr.Error, match="请输入检索词"):
        search("", request())
    assert line(lines)["outcome"] == "refused"


def test_there_are_threads_for_all_who_wait_and_for_what_is_quick() -> None:
    calls = Calls(100)
    assert calls.threads >= 40 + sum(gate.total for gate in calls._gates.values())
    assert calls._gates["model"].total == 100
