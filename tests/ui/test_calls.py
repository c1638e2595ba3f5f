"""How a call is let in, counted, named and judged."""

import logging
import re
import threading
import time
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from src.errors import Busy, InputError, ModelError, Stopped
from src.models.base import Queued
from src.ui.calls import Calls, Kind, visitor_of
from src.ui.log import characters, tag_of
from tests.ui.app import until


def request(session: str | None = "s1", host: str = "127.0.0.1", **headers: str) -> Any:
    made = gr.Request(session_hash=session)
    made.request = SimpleNamespace(client=SimpleNamespace(host=host), headers=headers)
    return made


def calls_of(total: int, kind: Kind = "model") -> Calls:
    """Calls of which ``total`` of that kind are let in."""
    calls = Calls(total)
    assert calls.limits[kind] == {"model": total, "search": 2 * total, "upload": total}[kind]
    return calls


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
    with pytest.raises(type(error)), Calls(32).open("chat", request()):
        raise error
    assert line(lines)["outcome"] == outcome


def test_the_line_counts(lines) -> None:
    answers = [Queued(2), "x", Queued(1), object()]
    with Calls(32).open("chat", request(), "四个字吗", [{"content": "二字"}]) as call:
        assert list(call.follow(iter(answers))) == answers
        call.gave({"answer": "五个字的话", "hits": [{"text": "一"}, {}]}, 2)
    assert call.caller.stopped
    assert call.caller.user == "s1"
    found = line(lines)
    assert (found["endpoint"], found["outcome"]) == ("chat", "done")
    assert (found["in"], found["out"], found["hits"]) == ("6", "6", "2")
    assert 0 < float(found["wait_s"]) + 0.001 <= float(found["duration_s"]) + 0.002


def test_whoever_sets_stop_has_stopped_it(lines) -> None:
    with Calls(32).open("chat", request()) as call:
        call.caller.stop.set()
    assert line(lines)["outcome"] == "stopped"


def test_a_stop_that_another_owns_ends_the_call(lines) -> None:
    stop = threading.Event()
    with Calls(32).open("chat", request(), stop=stop) as call:
        assert call.caller.stop is stop
        stop.set()
    assert line(lines)["outcome"] == "stopped"


def test_health_knows_who_waits() -> None:
    calls = Calls(32)
    with calls.open("chat", request()) as call:
        for _ in call.follow(iter([Queued(1)])):
            assert calls.waiting() == 1
        for _ in call.follow(iter(["x"])):
            assert calls.waiting() == 0
        call.note(Queued(1))
        assert calls.waiting() == 1
    assert calls.waiting() == 0


def fail(calls: Calls, error: Exception, **how: Any) -> None:
    with pytest.raises(type(error)), calls.open("chat", request(), **how):
        raise error


def test_the_model_fails_when_it_fails_three_times_in_a_row() -> None:
    calls = Calls(32)
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


def test_failures_are_forgotten_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.ui.calls._FAILED_S", 0.1)
    calls = Calls(32)
    for _ in range(3):
        fail(calls, ModelError("x"), kind="batch")
    assert calls.model_fails()
    assert until(lambda: not calls.model_fails(), 2)


def test_a_call_without_a_session_is_its_addresss() -> None:
    assert visitor_of(request("s1", **{"x-gradio-user": "mcp"})) == "@127.0.0.1"
    assert visitor_of(request("s1")) == "s1"
    assert visitor_of(request(None, "8.8.8.8")) == "@8.8.8.8"
    assert visitor_of(None) == "@"


def test_the_tag_is_short_and_steady_and_not_the_session() -> None:
    assert tag_of("geheim") == tag_of("geheim")
    assert tag_of("geheim") != tag_of("other")
    assert re.fullmatch("[0-9a-f]{8}", tag_of("geheim\ud800"))


def test_characters_are_counted_through_lists_and_dictionaries() -> None:
    assert characters({"a": ["一二", ("三", None, 5)], "b": {"c": "四"}}) == 4


def test_one_visitor_has_a_quarter_and_leaves_the_rest(lines) -> None:
    calls = calls_of(8)
    with ExitStack() as inside:
        for _ in range(2):
            inside.enter_context(calls.open("chat", request("a")))
        with pytest.raises(Busy, match="您已有 2 个请求"), calls.open("chat", request("a")):
            pass
        assert line(lines)["outcome"] == "busy"
        for visitor in "bcd":
            inside.enter_context(calls.open("chat", request(visitor)))
            inside.enter_context(calls.open("chat", request(visitor)))
        with pytest.raises(Busy, match="现在请求太多"), calls.open("chat", request("e")):
            pass
        with calls.open("search", request("e"), kind="search"):
            pass
    with calls.open("chat", request("e")):
        pass


def test_sessions_invented_at_one_public_address_share_half() -> None:
    calls = calls_of(8)
    with ExitStack() as inside:
        for number in range(4):
            inside.enter_context(calls.open("chat", request(f"invented {number}", "8.8.8.8")))
        with pytest.raises(Busy, match="网络地址"), calls.open("chat", request("invented 5", "8.8.8.8")):
            pass
        inside.enter_context(calls.open("chat", request("another", "9.9.9.9")))
        inside.enter_context(calls.open("chat", request("behind a proxy", "10.0.0.1")))


def test_a_session_that_is_called_like_an_address_takes_nothing_from_it() -> None:
    calls = calls_of(8)
    with ExitStack() as inside:
        for _ in range(2):
            inside.enter_context(calls.open("chat", request("@8.8.8.8", "9.9.9.9")))
        for number in range(4):
            inside.enter_context(calls.open("chat", request(f"{number}", "8.8.8.8")))


def test_a_refusal_or_an_error_leaves_nothing_behind() -> None:
    calls = Calls(1)

    def refused_then_failing() -> None:
        with calls.open("chat", request("a", "8.8.8.8")):
            with pytest.raises(Busy), calls.open("chat", request("b")):
                pass
            raise ValueError("x")

    for _ in range(3):
        with pytest.raises(ValueError, match="x"):
            refused_then_failing()
    assert not calls._inside
    assert calls.waiting() == 0


@pytest.mark.parametrize("kind", ["search", "upload"])
def test_who_sends_many_has_one_place_at_a_time(kind: Kind) -> None:
    calls = Calls(40)
    release, finished = threading.Event(), []

    def work(visitor: str) -> None:
        with calls.open(kind, request(visitor), kind=kind):
            if visitor == "greedy":
                release.wait(10)
            finished.append(visitor)

    greedy = [threading.Thread(target=work, args=("greedy",)) for _ in range(8)]
    for thread in greedy:
        thread.start()
    assert until(lambda: calls.waiting() == 7)
    other = threading.Thread(target=work, args=("other",))
    other.start()
    other.join(5)
    assert finished == ["other"]
    release.set()
    for thread in greedy:
        thread.join(5)
    assert finished.count("greedy") == 8
    assert calls.waiting() == 0


def test_four_visitors_search_at_once_and_the_fifth_waits_and_its_line_says_so(lines) -> None:
    calls, inside, release = Calls(40), [], threading.Event()

    def work(visitor: str) -> None:
        with calls.open("search", request(visitor), kind="search"):
            inside.append(visitor)
            release.wait(10)

    threads = [threading.Thread(target=work, args=(visitor,)) for visitor in "abcde"]
    for thread in threads:
        thread.start()
    assert until(lambda: (len(inside), calls.waiting()) == (4, 1))
    time.sleep(0.2)
    release.set()
    for thread in threads:
        thread.join(5)
    waited = [float(re.findall(r"wait_s=([\d.]+)", record.getMessage())[0]) for record in lines.records]
    assert sorted(wait > 0 for wait in waited) == [False] * 4 + [True]


def test_who_is_stopped_while_he_waits_never_has_a_place(lines) -> None:
    calls, stop = Calls(40), threading.Event()
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            with calls.open("search", request("a"), kind="search", stop=stop):
                ended.append(AssertionError("had a place"))
        except Stopped as error:
            ended.append(error)

    with calls.open("search", request("a"), kind="search"):
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert until(lambda: calls.waiting() == 1)
        stop.set()
        waiting.join(5)
    assert [type(error) for error in ended] == [Stopped]
    assert calls.waiting() == 0


def test_counting_from_many_threads_comes_to_nothing() -> None:
    calls, refused = Calls(16), [0]

    def work(number: int) -> None:
        for i in range(30):
            try:
                kind: Kind = "search" if i % 3 else "model"
                with calls.open(kind, request(f"{number % 4}", "8.8.8.8"), kind=kind):
                    time.sleep(0.0005)
            except Busy:
                refused[0] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not calls._inside


def test_there_are_threads_for_all_who_wait_and_for_what_is_quick() -> None:
    calls = Calls(100)
    assert calls.threads >= 40 + sum(calls.limits.values())
    assert calls.limits["model"] == 100
