"""Who is stopped by what, and when ``stop`` returns."""

import threading
import time

from src.ui.running import Running


def test_stop_returns_when_the_answer_has_left() -> None:
    running = Running()
    ticket = running.ticket("a")
    began, order = threading.Event(), []

    def answer() -> None:
        with running.answer("a", ticket) as stop:
            began.set()
            stop.wait(10)
            time.sleep(0.1)
            order.append("left")

    worker = threading.Thread(target=answer)
    worker.start()
    began.wait(10)
    running.stop("a")
    order.append("stopped")
    worker.join(10)
    assert order == ["left", "stopped"]


def test_an_answer_is_stopped_while_it_waits_in_the_queue() -> None:
    running = Running()
    ticket = running.ticket("a")
    started = time.monotonic()
    running.stop("a")
    assert time.monotonic() - started < 1
    with running.answer("a", ticket) as stop:
        assert stop.is_set()


def test_a_new_ticket_ends_the_one_before_and_only_of_its_session() -> None:
    running = Running()
    first, other, second = running.ticket("a"), running.ticket("b"), running.ticket("a")
    with running.answer("a", first) as stop:
        assert stop.is_set()
    with running.answer("a", second) as stop:
        assert not stop.is_set()
    with running.answer("b", other) as stop:
        assert not stop.is_set()


def test_a_ticket_serves_once_and_only_its_session() -> None:
    running = Running()
    ticket = running.ticket("a")
    with running.answer("b", ticket) as stop:
        assert stop.is_set()
    with running.answer("a", ticket) as stop:
        assert not stop.is_set()
    with running.answer("a", ticket) as stop:
        assert stop.is_set()


def test_nothing_is_kept_of_who_has_left() -> None:
    running = Running()
    running.ticket("a")
    with running.answer("b", running.ticket("b")):
        pass
    running.drop("a")
    running.drop("nobody")
    assert running._answers == {}
