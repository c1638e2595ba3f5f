"""Who is let in, who waits and who is told to come later."""

import asyncio
import json
import threading
import time
from contextlib import ExitStack

import pytest

from src.errors import Busy
from src.ui.admission import MAX_CALL_BYTES, MAX_EVENTS, FloodGuard, Gate, public_address


def test_one_visitor_has_a_quarter_and_leaves_the_rest() -> None:
    gate = Gate(8)
    with ExitStack() as inside:
        for _ in range(2):
            inside.enter_context(gate.enter("a"))
        with pytest.raises(Busy, match="您已有 2 个请求"), gate.enter("a"):
            pass
        for visitor in "bcd":
            inside.enter_context(gate.enter(visitor))
            inside.enter_context(gate.enter(visitor))
        with pytest.raises(Busy, match="现在请求太多"), gate.enter("e"):
            pass
    with gate.enter("e"):
        pass


def test_sessions_invented_at_one_public_address_share_half() -> None:
    gate = Gate(8)
    with ExitStack() as inside:
        for number in range(4):
            inside.enter_context(gate.enter(f"invented {number}", "8.8.8.8"))
        with pytest.raises(Busy, match="网络地址"), gate.enter("invented 5", "8.8.8.8"):
            pass
        inside.enter_context(gate.enter("another", "9.9.9.9"))
        inside.enter_context(gate.enter("behind a proxy", None))


def test_a_refusal_or_an_error_leaves_nothing_behind() -> None:
    gate = Gate(1, places=1)

    def refused_then_failing() -> None:
        with gate.enter("a", "8.8.8.8"):
            with pytest.raises(Busy), gate.enter("b"):
                pass
            raise ValueError("x")

    for _ in range(3):
        with pytest.raises(ValueError, match="x"):
            refused_then_failing()
    assert not gate._inside
    assert not gate._addresses
    assert not gate._working
    assert gate.waiting() == 0


def test_who_sends_many_has_one_place_at_a_time() -> None:
    gate = Gate(40, places=4)
    release, finished = threading.Event(), []

    def work(visitor: str) -> None:
        with gate.enter(visitor):
            if visitor == "greedy":
                release.wait(10)
            finished.append(visitor)

    greedy = [threading.Thread(target=work, args=("greedy",)) for _ in range(8)]
    for thread in greedy:
        thread.start()
    while gate.waiting() < 7:
        time.sleep(0.01)
    other = threading.Thread(target=work, args=("other",))
    other.start()
    other.join(5)
    assert finished == ["other"]
    release.set()
    for thread in greedy:
        thread.join(5)
    assert finished.count("greedy") == 8
    assert gate.waiting() == 0


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("::1", False),
        ("testclient", False),
        ("", False),
        (None, False),
    ],
)
def test_only_public_addresses_stand_for_somebody(host: str | None, public: bool) -> None:
    assert public_address(host) == (host if public else None)


def answer(
    events: list[str | None], *, host: str = "8.8.8.8", path: str = "/gradio_api/queue/join", **headers: str
):
    """Status and detail of a call through ``FloodGuard`` to an app that says 200."""
    sent: list[dict] = []

    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def send(message: dict) -> None:
        sent.append(message)

    given = {"content-length": "10"} | headers
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "client": (host, 1),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    asyncio.run(FloodGuard(app, lambda: events)(scope, None, send))
    return sent[0]["status"], json.loads(sent[1]["body"]).get("detail", "")


def test_a_flood_is_turned_away_before_the_queue() -> None:
    assert answer([]) == (200, "")
    assert answer([None] * MAX_EVENTS)[0] == 429
    one, others = ["8.8.8.8"] * (MAX_EVENTS // 4), ["9.9.9.9"] * 10
    status, detail = answer(one)
    assert status == 429
    assert "过一会儿" in detail
    assert answer(one, host="9.9.9.9")[0] == 200
    assert answer(one + others, host="10.0.0.1")[0] == 200
    assert answer([None] * MAX_EVENTS, path="/gradio_api/call/chat")[0] == 429
    assert answer([None] * MAX_EVENTS, path="/gradio_api/upload")[0] == 200


def test_a_call_that_is_too_large_is_not_read() -> None:
    status, detail = answer([], **{"content-length": str(MAX_CALL_BYTES + 1)})
    assert status == 413
    assert "太大" in detail
    assert answer([], **{"content-length": str(MAX_CALL_BYTES)})[0] == 200
    assert answer([], **{"content-length": "-1"})[0] == 200
