"""Sessions: work that stops and gives way, a page that finds its session again, and everything that forgets one."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from src.chat.answer import Answer
from src.errors import InputError
from src.ingest.worker import ParserPool
from src.models.embedders.fake import HashingEmbedder
from src.search.own import OwnDocuments
from src.ui import session as kept
from src.ui.conversation import Turn
from src.ui.session import Session, Sessions, connection_of
from tests.ingest import samples
from tests.ui.app import text_file, until


def request(connection: str | None, **headers: str) -> Any:
    made = gr.Request(session_hash=connection)
    made.request = SimpleNamespace(client=SimpleNamespace(host="127.0.0.1"), headers=headers)
    return made


@pytest.fixture(scope="module")
def parser() -> Iterator[ParserPool]:
    pool = ParserPool(workers=1)
    yield pool
    pool.close()


@pytest.fixture
def session(parser: ParserPool) -> Session:
    return Session(OwnDocuments(HashingEmbedder(), parser))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(parser: ParserPool, clock: Clock) -> Sessions:
    return Sessions(lambda: OwnDocuments(HashingEmbedder(), parser), clock)


def say(session: Session, text: str = "你好") -> None:
    session.conversation.append(Turn(Answer(text)))


class Worker(threading.Thread):
    """Works in a session until it is told to stop, and then for ``last_s`` more."""

    def __init__(
        self, session: Session, order: list[str], name: str, kind: str = "chat", last_s: float = 0.0
    ) -> None:
        super().__init__(daemon=True)
        self.session, self.order, self.label, self.kind, self.last_s = session, order, name, kind, last_s
        self.began = threading.Event()
        self.start()

    def run(self) -> None:
        with self.session.work(self.kind, self.label) as stop:
            self.order.append(f"{self.label} began")
            self.began.set()
            stop.wait(10)
            time.sleep(self.last_s)
            self.order.append(f"{self.label} left")


# Work


def test_stop_returns_when_the_work_has_left(session: Session) -> None:
    order: list[str] = []
    worker = Worker(session, order, "a", last_s=0.1)
    assert worker.began.wait(5)
    assert session.is_working()
    session.stop("chat")
    assert order == ["a began", "a left"]
    worker.join(5)
    assert not session.is_working()


def test_a_stop_that_finds_nothing_leaves_nothing_behind(session: Session) -> None:
    session.stop("chat")
    session.stop_all()
    session.stop_all("a connection")
    with session.work("chat") as stop:
        assert not stop.is_set()
    session.stop("chat")
    with session.work("chat") as stop:
        assert not stop.is_set()


def test_new_work_waits_until_that_before_it_has_left(session: Session) -> None:
    order: list[str] = []
    first = Worker(session, order, "first", last_s=0.1)
    assert first.began.wait(5)
    second = Worker(session, order, "second")
    assert second.began.wait(5)
    assert order == ["first began", "first left", "second began"]
    assert session.is_working()  # the first has not taken the second's place away
    session.stop("chat")
    second.join(5)
    assert not session.is_working()


def test_of_three_that_come_at_once_the_last_goes_on(session: Session) -> None:
    order: list[str] = []
    first = Worker(session, order, "first", last_s=0.2)
    assert first.began.wait(5)
    Worker(session, order, "second")
    assert until(lambda: session._work["chat"].connection == "second")
    third = Worker(session, order, "third")
    assert third.began.wait(5)
    assert order == ["first began", "first left", "second began", "second left", "third began"]
    session.stop("chat")
    third.join(5)


def test_a_stop_reaches_work_that_still_waits_for_the_one_before(session: Session) -> None:
    order: list[str] = []
    first = Worker(session, order, "first", last_s=0.2)
    assert first.began.wait(5)
    second = Worker(session, order, "second")
    assert until(lambda: session._work["chat"].connection == "second")
    session.stop("chat")
    assert order == ["first began", "first left", "second began", "second left"]
    with session.work("chat") as stop:
        assert not stop.is_set()
    second.join(5)


def test_kinds_of_work_do_not_concern_each_other(session: Session) -> None:
    with session.work("chat") as chat, session.work("batch") as batch:
        threading.Thread(target=session.stop, args=("chat",)).start()
        assert chat.wait(5)
        assert not batch.is_set()
        session.stop_all()
        assert batch.is_set()


def test_work_that_fails_has_left(session: Session) -> None:
    with pytest.raises(ValueError, match="x"), session.work("chat"):
        raise ValueError("x")
    assert not session.is_working()


def test_work_that_hangs_holds_nobody_for_long(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "LEAVE_S", 0.3)
    hanging = threading.Event()

    def hang() -> None:
        with session.work("chat"):
            hanging.set()
            release.wait(20)

    release = threading.Event()
    thread = threading.Thread(target=hang, daemon=True)
    thread.start()
    assert hanging.wait(5)
    started = time.monotonic()
    session.stop("chat")
    with session.work("chat") as stop:
        assert 0.5 < time.monotonic() - started < 3
        assert not stop.is_set()
    release.set()
    thread.join(5)


def test_many_threads_that_work_and_stop_leave_nothing(session: Session) -> None:
    inside, most = [0], [0]
    lock = threading.Lock()

    def work(number: int) -> None:
        for i in range(20):
            if (number + i) % 5 == 0:
                session.stop("chat")
                continue
            with session.work("chat"):
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                time.sleep(0.0005)
                with lock:
                    inside[0] -= 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [1]
    assert not session.is_working()
    with session.work("chat") as stop:
        assert not stop.is_set()


# Sessions


def test_each_connection_has_its_own_and_keeps_it(sessions: Sessions) -> None:
    one, other = sessions.of(request("one")), sessions.of(request("other"))
    assert one is not other
    assert sessions.of(request("one")) is one
    assert len(sessions) == 2


def test_no_session_without_a_hash_or_through_mcp(sessions: Sessions) -> None:
    for nobody in (None, request(None), request(""), request("shared", **{"x-gradio-user": "mcp"})):
        assert connection_of(nobody) == ""
        with pytest.raises(InputError, match="没有会话"):
            sessions.of(nobody)
        assert sessions.documents_of(nobody) is None
    assert len(sessions) == 0


def test_asking_for_documents_opens_no_session(sessions: Sessions, tmp_path: Path) -> None:
    assert sessions.documents_of(request("a")) is None
    assert len(sessions) == 0
    sessions.of(request("a")).add([text_file(tmp_path, "我的.txt", "蓝鲸计划。")])
    assert len(sessions.documents_of(request("a")) or ()) == 1
    assert sessions.documents_of(request("b")) is None


def test_a_page_finds_its_session_again_whichever_comes_first(sessions: Sessions) -> None:
    token = sessions.resume(request("first"), None).token
    say(sessions.of(request("first")))
    again = sessions.resume(request("second"), token)  # the new page loads before the old one's end is noticed
    sessions.leave(request("first"))
    sessions.leave(request("second"))
    assert sessions.resume(request("third"), token) is again
    assert [turn.question for turn in again.conversation] == ["你好"]
    assert len(sessions) == 1


@pytest.mark.parametrize("token", [None, "", "made up", 5, ["x"], {"a": "b"}])
def test_a_token_that_is_none_gets_a_new_session(sessions: Sessions, token: object) -> None:
    say(sessions.resume(request("other"), None))
    assert sessions.resume(request("a"), token).conversation == []


def test_a_client_of_the_api_cannot_be_resumed(sessions: Sessions) -> None:
    """Its token never leaves the server, but nothing must depend on that."""
    own = sessions.of(request("client"))
    say(own)
    assert sessions.resume(request("page"), own.token) is not own


def test_a_page_that_has_something_already_keeps_it(sessions: Sessions) -> None:
    before = sessions.resume(request("first"), None)
    say(before)
    say(sessions.of(request("second")), "新的")
    found = sessions.resume(request("second"), before.token)
    assert [turn.question for turn in found.conversation] == ["新的"]


def test_who_leaves_has_his_work_stopped_and_a_reload_has_not(sessions: Sessions) -> None:
    page = sessions.resume(request("first"), None)
    order: list[str] = []
    left, stays = Worker(page, order, "first", "chat"), Worker(page, order, "second", "batch")
    assert left.began.wait(5)
    assert stays.began.wait(5)
    sessions.resume(request("second"), page.token)
    sessions.leave(request("first"))
    left.join(5)
    assert order[2:] == ["first left"]
    assert page.is_working()
    sessions.leave(request("second"))
    stays.join(5)
    assert not page.is_working()


def test_a_clients_session_ends_with_its_connection(sessions: Sessions) -> None:
    client = sessions.of(request("client"))
    with client.work("chat", "another connection") as stop:
        sessions.leave(request("client"))
        assert stop.is_set()
    assert len(sessions) == 0
    sessions.leave(request("client"))
    sessions.leave(request("nobody"))


def test_a_late_call_of_a_closed_connection_opens_no_session(sessions: Sessions) -> None:
    sessions.of(request("client"))
    sessions.leave(request("client"))
    with pytest.raises(InputError, match="页面已经关闭"):
        sessions.of(request("client"))
    assert sessions.documents_of(request("client")) is None
    sessions.leave(request("never called"))
    with pytest.raises(InputError, match="页面已经关闭"):
        sessions.of(request("never called"))
    assert len(sessions) == 0


def test_what_is_added_while_the_connection_closes_is_not_said_to_be_there(
    sessions: Sessions, tmp_path: Path
) -> None:
    session = sessions.of(request("client"))
    path = text_file(tmp_path, "晚.txt", "晚到的文字。")

    class Late(type(session.documents)):
        def add(self, paths: Any) -> Any:
            found = super().add(paths)
            sessions.leave(request("client"))
            return found

    session.documents = Late(HashingEmbedder(), session.documents._parser)
    with pytest.raises(InputError, match="没有保存"):
        session.add([path])
    assert len(sessions) == 0


def test_a_page_whose_connection_broke_goes_on(sessions: Sessions) -> None:
    """A laptop slept: gradio's page keeps its hash and never says that it is back."""
    page = sessions.resume(request("page"), None)
    say(page)
    sessions.leave(request("page"))
    sessions.leave(request("page"))
    assert sessions.documents_of(request("page")) is None
    assert sessions.of(request("page")) is page
    sessions.leave(request("page"))
    assert sessions.of(request("page")) is page


def test_a_page_that_is_open_after_its_session_was_forgotten_has_the_same_token(
    sessions: Sessions, clock: Clock
) -> None:
    page = sessions.resume(request("page"), None)
    say(page)
    clock.now = 3601
    sessions.sweep()
    assert len(sessions) == 0
    fresh = sessions.of(request("page"))
    assert (fresh is page, fresh.token, fresh.conversation) == (False, page.token, [])
    say(fresh)
    sessions.leave(request("page"))
    assert sessions.resume(request("reloaded"), page.token) is fresh


def test_forget_deletes_everything_now(sessions: Sessions) -> None:
    page = sessions.resume(request("page"), None)
    say(page)
    twin = sessions.resume(request("twin"), page.token)
    assert twin is page
    with page.work("batch") as stop:
        sessions.forget(request("page"))
        assert stop.is_set()
    assert len(sessions) == 0
    with page.work("chat") as late:  # a call that had the session in hand
        assert late.is_set()
    fresh = sessions.of(request("twin"))
    assert fresh.conversation == []
    assert sessions.of(request("page")) is fresh
    sessions.forget(request("nobody"))
    assert sessions.resume(request("reloaded"), page.token) is fresh


def test_idle_sessions_are_forgotten_and_used_ones_are_not(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "IDLE_S", 100)
    for connection in "abc":
        sessions.of(request(connection))
    clock.now = 60
    sessions.of(request("b"))
    clock.now = 90
    sessions.resume(request("d"), sessions.resume(request("c"), None).token)
    clock.now = 101
    sessions.sweep()
    assert len(sessions) == 2
    clock.now = 161
    sessions.sweep()
    assert len(sessions) == 1
    clock.now = 191
    sessions.sweep()
    assert len(sessions) == 0


def test_a_session_at_work_is_not_idle(sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "IDLE_S", 100)
    session = sessions.of(request("a"))
    with session.work("batch") as stop:
        clock.now = 500
        sessions.sweep()
        assert not stop.is_set()
    clock.now = 590
    sessions.sweep()
    assert sessions.of(request("a")) is session
    clock.now = 691
    sessions.sweep()
    assert len(sessions) == 0


def test_the_files_of_the_longest_unused_go_first_and_their_texts_stay(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "一页.pdf"
    path.write_bytes(samples.pdf([["一页的文字。"]]))
    made = {}
    for clock.now, connection in enumerate("abc"):
        made[connection] = sessions.of(request(connection))
        made[connection].add([path])
    size = path.stat().st_size
    monkeypatch.setattr(kept, "MAX_ORIGINAL_BYTES", 2 * size)
    sessions.of(request("a"))  # used last
    sessions.sweep()
    kept_bytes = {name: session.documents.original_bytes for name, session in made.items()}
    assert kept_bytes == {"a": size, "b": 0, "c": size}
    assert len(sessions) == 3
    assert all(len(session.documents.files()) == 1 for session in made.values())


def test_the_longest_unused_go_first_when_there_is_too_much(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MAX_CHARACTERS", 100)
    made = {}
    for clock.now, connection in enumerate("abcd"):
        made[connection] = sessions.of(request(connection))
        say(made[connection], "字" * 40)
    clock.now = 9
    assert sessions.of(request("a")) is made["a"]
    sessions.sweep()
    assert len(sessions) == 2
    assert sessions.of(request("a")) is made["a"]
    assert sessions.of(request("d")) is made["d"]
    say(made["d"], "字" * 400)
    clock.now = 10
    sessions.of(request("d"))
    sessions.sweep()
    assert len(sessions) == 1
    assert sessions.of(request("d")) is made["d"]  # the last one stays, however much it holds


def test_the_sweep_runs_by_itself_and_ends_when_there_is_nobody(
    parser: ParserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "IDLE_S", 0.05)
    monkeypatch.setattr(kept, "SWEEP_S", 0.02)
    sessions = Sessions(lambda: OwnDocuments(HashingEmbedder(), parser))
    for _ in range(2):
        sessions.of(request("a"))
        assert until(lambda: len(sessions) == 0, 5)
        assert until(lambda: sessions._sweeper is None, 5)


def test_no_more_connections_are_remembered_than_are_allowed(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MAX_CONNECTIONS", 3)
    for number in range(9):
        sessions.of(request(f"client {number}"))
        sessions.leave(request(f"client {number}"))
        sessions.resume(request(f"page {number}"), None)
    assert list(sessions._tokens) == ["page 7", "client 8", "page 8"]
    sessions.of(request("client 0"))


def test_a_hash_that_somebody_made_up_is_not_kept_whole(sessions: Sessions) -> None:
    assert len(connection_of(request("x" * 1_000_000))) == 64


def test_a_clients_session_that_was_idle_still_ends_with_its_connection(sessions: Sessions, clock: Clock) -> None:
    sessions.of(request("client"))
    clock.now = 3601
    sessions.sweep()
    assert len(sessions) == 0
    sessions.of(request("client"))
    sessions.leave(request("client"))
    assert len(sessions) == 0
    with pytest.raises(InputError, match="页面已经关闭"):
        sessions.of(request("client"))


def test_connections_from_many_threads(sessions: Sessions) -> None:
    """Every reload finds the conversation of before, whatever others do meanwhile."""
    problems: list[str] = []

    def live(number: int) -> None:
        token = sessions.resume(request(f"{number}-0"), None).token
        say(sessions.of(request(f"{number}-0")), f"{number}")
        for load in range(1, 30):
            order = [
                lambda load=load: sessions.resume(request(f"{number}-{load}"), token),
                lambda load=load: sessions.leave(request(f"{number}-{load - 1}")),
            ]
            for step in order if load % 2 else reversed(order):
                step()
            if [turn.question for turn in sessions.of(request(f"{number}-{load}")).conversation] != [f"{number}"]:
                problems.append(f"{number} at {load}")
            sessions.sweep()

    threads = [threading.Thread(target=live, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert problems == []
    assert len(sessions) == 8
