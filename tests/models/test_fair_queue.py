"""Fair queue: users take queue; waiting is told, bounded, and can be left."""

import gc
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from src.errors import Busy, ModelError
from src.models.fair_queue import FairQueue


class Asker(threading.Thread):
    """Waits for its turn, says so in ``served``, and keeps it until ``done``."""

    def __init__(self, queue: FairQueue, user: str, served: list[str], name: str = "") -> None:
        super().__init__(daemon=True)
        self.queue, self.user, self.served, self.label = queue, user, served, name or user
        self.done, self.stop = threading.Event(), threading.Event()
        self.aheads: list[int] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with self.queue.enter(self.user) as ticket:
                for ahead in self.queue.wait(ticket, self.stop):
                    self.aheads.append(ahead)
                if self.queue.runs(ticket):
                    self.served.append(self.label)
                    self.done.wait(10)
        except ModelError as error:
            self.error = error


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.005)


def ask(queue: FairQueue, served: list[str], user: str, name: str = "") -> Asker:
    """Start an asker and see it in the queue or served."""
    before = queue.waiting() + len(served)
    asker = Asker(queue, user, served, name)
    asker.start()
    until(lambda: queue.waiting() + len(served) > before and (bool(asker.aheads) or asker.label in served))
    return asker


def serve(askers: list[Asker], served: list[str]) -> list[str]:
    """Let each finish when it has had its turn; the order in which they had it."""
    by_name = {asker.label: asker for asker in askers}
    for i in range(len(askers)):
        until(lambda i=i: len(served) > i)
        by_name[served[i]].done.set()
    for asker in askers:
        asker.join(5)
    return served


def test_one_request_need_not_wait_for_all_of_another_user() -> None:
    queue, served = FairQueue(max_per_user=20), []
    askers = [ask(queue, served, "A", f"A{i}") for i in range(10)]
    askers += [ask(queue, served, "B")]
    assert serve(askers, served) == ["A0", "B", *(f"A{i}" for i in range(1, 10))]


def test_users_alternate_and_each_keeps_his_order() -> None:
    queue, served = FairQueue(), []
    askers = [ask(queue, served, user, f"{user}{i}") for user in ("A", "", "C") for i in range(3)]
    assert serve(askers, served) == ["A0", "0", "C0", "A1", "1", "C1", "A2", "2", "C2"]


def test_who_comes_again_and_again_does_not_keep_the_others_waiting() -> None:
    queue, served = FairQueue(), []
    first = ask(queue, served, "A", "A0")
    patient = ask(queue, served, "B")
    new = [ask(queue, served, f"N{i}") for i in range(3)]
    assert serve([first, patient, *new], served) == ["A0", "B", "N0", "N1", "N2"]


def test_the_number_ahead_counts_down() -> None:
    queue, served = FairQueue(), []
    askers = [ask(queue, served, f"{i}") for i in range(4)]
    serve(askers, served)
    assert [asker.aheads for asker in askers] == [[], [1], [2, 1], [3, 2, 1]]


def test_who_waits_is_told_so_again_and_again() -> None:
    queue, served = FairQueue(repeat_s=0.05, poll_s=0.01), []
    first, second = ask(queue, served, "A"), ask(queue, served, "B")
    until(lambda: len(second.aheads) > 3)
    serve([first, second], served)
    assert set(second.aheads) == {1}


def test_stop_leaves_the_queue_and_never_has_a_turn() -> None:
    queue, served = FairQueue(), []
    first, second, third = (ask(queue, served, user) for user in "ABC")
    second.stop.set()
    second.join(2)
    assert not second.is_alive()
    until(lambda: third.aheads == [2, 1])
    assert serve([first, third], served) == ["A", "C"]


def test_closing_leaves_the_queue() -> None:
    queue = FairQueue()
    with queue.enter("A") as first:
        assert list(queue.wait(first)) == []
        with queue.enter("B") as second:
            assert next(queue.wait(second)) == 1
            assert queue.waiting() == 1
        assert queue.waiting() == 0
    with queue.enter("C") as third:
        assert list(queue.wait(third)) == []


def test_of_several_places_a_user_has_one() -> None:
    queue, served = FairQueue(places=2, max_per_user=9), []
    greedy = [ask(queue, served, "A", f"A{i}") for i in range(4)]
    assert served == ["A0"]
    other = ask(queue, served, "B")
    assert served == ["A0", "B"]
    third = ask(queue, served, "C")
    assert third.aheads == [2]  # before A's others
    other.done.set()
    until(lambda: served == ["A0", "B", "C"])
    assert serve([*greedy, other, third], served) == ["A0", "B", "C", "A1", "A2", "A3"]


def test_limits_are_told_in_words() -> None:
    queue = FairQueue(max_waiting=3, max_per_user=2)
    with queue.enter("A") as running:
        assert list(queue.wait(running)) == []
        with queue.enter("A"), queue.enter("A"):
            with pytest.raises(Busy, match="您已有 2 个请求"), queue.enter("A"):
                pass
            with queue.enter("A", again=True):
                assert queue.waiting() == 3
                with pytest.raises(Busy, match="排队的人太多"), queue.enter("B"):
                    pass
    with queue.enter("B") as ticket:
        assert list(queue.wait(ticket)) == []


def test_waiting_has_an_end() -> None:
    queue, served = FairQueue(wait_s=0.1), []
    first, second = ask(queue, served, "A"), ask(queue, served, "B")
    second.join(5)
    assert "排队超过" in str(second.error)
    assert queue.waiting() == 0
    assert serve([first], served) == ["A"]


def test_who_is_gone_without_a_word_does_not_stop_the_others() -> None:
    queue, served = FairQueue(absent_s=0.1), []
    first = ask(queue, served, "A")
    with queue.enter("gone") as ticket:
        reading = queue.wait(ticket)
        next(reading)
        last = ask(queue, served, "B")
        assert serve([first, last], served) == ["A", "B"]
        assert list(reading) == []
        assert queue.runs(ticket)


def test_who_is_dropped_unclosed_leaves_wherever_he_is_collected() -> None:
    queue = FairQueue()

    def request() -> Iterator[int]:
        with queue.enter("A") as ticket:
            yield from queue.wait(ticket)
            yield -1

    with queue.enter("B") as first:
        assert list(queue.wait(first)) == []
        cycle: list[object] = [request()]
        assert next(cycle[0]) == 1
        cycle.append(cycle)
        with queue._lock:
            del cycle
            gc.collect()
        assert queue.waiting() == 0


def test_many_who_wait_cost_next_to_nothing() -> None:
    queue, served = FairQueue(), []
    askers = [ask(queue, served, f"{i}") for i in range(31)]
    before, started = time.process_time(), time.monotonic()
    time.sleep(1)
    share = (time.process_time() - before) / (time.monotonic() - started)
    serve(askers, served)
    assert share < 0.2
