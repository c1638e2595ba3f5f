"""Users take turns; waiting is told, bounded, and can be left."""

import gc
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from src.errors import Busy, ModelError
from src.models.turns import Turns


class Asker(threading.Thread):
    """Waits for its turn, says so in ``served``, and keeps it until ``done``."""

    def __init__(self, turns: Turns, user: str, served: list[str], name: str = "", shared: bool = False) -> None:
        super().__init__(daemon=True)
        self.turns, self.user, self.served, self.label, self.shared = turns, user, served, name or user, shared
        self.done, self.stop = threading.Event(), threading.Event()
        self.aheads: list[int] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with self.turns.enter(self.user, shared=self.shared) as ticket:
                for ahead in self.turns.wait(ticket, self.stop):
                    self.aheads.append(ahead)
                if self.turns.has(ticket):
                    self.served.append(self.label)
                    self.done.wait(10)
        except ModelError as error:
            self.error = error


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.005)


def ask(turns: Turns, served: list[str], user: str, name: str = "", shared: bool = False) -> Asker:
    """Start an asker and see it in the queue or served."""
    before = turns.waiting() + len(served)
    asker = Asker(turns, user, served, name, shared)
    asker.start()
    until(lambda: turns.waiting() + len(served) > before and (bool(asker.aheads) or asker.label in served))
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
    turns, served = Turns(max_per_user=20), []
    askers = [ask(turns, served, "A", f"A{i}") for i in range(10)]
    askers += [ask(turns, served, "B")]
    assert serve(askers, served) == ["A0", "B", *(f"A{i}" for i in range(1, 10))]


def test_users_alternate_and_each_keeps_his_order() -> None:
    turns, served = Turns(), []
    askers = [ask(turns, served, user, f"{user}{i}") for user in ("A", "", "C") for i in range(3)]
    assert serve(askers, served) == ["A0", "0", "C0", "A1", "1", "C1", "A2", "2", "C2"]


def test_who_comes_again_and_again_does_not_keep_the_others_waiting() -> None:
    turns, served = Turns(), []
    first = ask(turns, served, "A", "A0")
    patient = ask(turns, served, "B")
    new = [ask(turns, served, f"N{i}") for i in range(3)]
    assert serve([first, patient, *new], served) == ["A0", "B", "N0", "N1", "N2"]


def test_the_number_ahead_counts_down() -> None:
    turns, served = Turns(), []
    askers = [ask(turns, served, f"{i}") for i in range(4)]
    serve(askers, served)
    assert [asker.aheads for asker in askers] == [[], [1], [2, 1], [3, 2, 1]]


def test_who_waits_is_told_so_again_and_again() -> None:
    turns, served = Turns(say_s=0.05, look_s=0.01), []
    first, second = ask(turns, served, "A"), ask(turns, served, "B")
    until(lambda: len(second.aheads) > 3)
    serve([first, second], served)
    assert set(second.aheads) == {1}


def test_stop_leaves_the_queue_and_never_has_a_turn() -> None:
    turns, served = Turns(), []
    first, second, third = (ask(turns, served, user) for user in "ABC")
    second.stop.set()
    second.join(2)
    assert not second.is_alive()
    until(lambda: third.aheads == [2, 1])
    assert serve([first, third], served) == ["A", "C"]


def test_closing_leaves_the_queue() -> None:
    turns = Turns()
    with turns.enter("A") as first:
        assert list(turns.wait(first)) == []
        with turns.enter("B") as second:
            assert next(turns.wait(second)) == 1
            assert turns.waiting() == 1
        assert turns.waiting() == 0
    with turns.enter("C") as third:
        assert list(turns.wait(third)) == []


def test_shared_requests_run_beside_each_other_and_nobody_overtakes() -> None:
    turns, served = Turns(places=2), []
    shared = [ask(turns, served, f"S{i}", shared=True) for i in range(2)]
    until(lambda: len(served) == 2)
    alone = ask(turns, served, "X")
    late = ask(turns, served, "S2", shared=True)
    assert alone.aheads == [2]
    shared[0].done.set()
    until(lambda: alone.aheads == [2, 1])
    assert served == ["S0", "S1"]  # there is room for S2, but X came first
    shared[1].done.set()
    until(lambda: len(served) == 3)
    assert serve([*shared, alone, late], served) == ["S0", "S1", "X", "S2"]


def test_a_user_has_no_more_places_than_are_his() -> None:
    turns, served = Turns(places=2, user_places=1, max_per_user=9), []
    greedy = [ask(turns, served, "A", f"A{i}", shared=True) for i in range(4)]
    assert served == ["A0"]
    other = ask(turns, served, "B", shared=True)
    assert served == ["A0", "B"]
    third = ask(turns, served, "C", shared=True)
    assert third.aheads == [2]  # before A's others
    other.done.set()
    until(lambda: served == ["A0", "B", "C"])
    assert serve([*greedy, other, third], served) == ["A0", "B", "C", "A1", "A2", "A3"]


def test_limits_are_told_in_words() -> None:
    turns = Turns(max_waiting=3, max_per_user=2)
    with turns.enter("A") as running:
        assert list(turns.wait(running)) == []
        with turns.enter("A"), turns.enter("A"):
            with pytest.raises(Busy, match="您已有 2 个请求"), turns.enter("A"):
                pass
            with turns.enter("A", again=True):
                assert turns.waiting() == 3
                with pytest.raises(Busy, match="排队的人太多"), turns.enter("B"):
                    pass
    with turns.enter("B") as ticket:
        assert list(turns.wait(ticket)) == []


def test_waiting_has_an_end() -> None:
    turns, served = Turns(wait_s=0.1), []
    first, second = ask(turns, served, "A"), ask(turns, served, "B")
    second.join(5)
    assert "排队超过" in str(second.error)
    assert turns.waiting() == 0
    assert serve([first], served) == ["A"]


def test_who_is_gone_without_a_word_does_not_stop_the_others() -> None:
    turns, served = Turns(absent_s=0.1), []
    first = ask(turns, served, "A")
    with turns.enter("gone") as ticket:
        reading = turns.wait(ticket)
        next(reading)
        last = ask(turns, served, "B")
        assert serve([first, last], served) == ["A", "B"]
        assert list(reading) == []
        assert turns.has(ticket)


def test_who_is_dropped_unclosed_leaves_wherever_he_is_collected() -> None:
    turns = Turns()

    def request() -> Iterator[int]:
        with turns.enter("A") as ticket:
            yield from turns.wait(ticket)
            yield -1

    with turns.enter("B") as first:
        assert list(turns.wait(first)) == []
        cycle: list[object] = [request()]
        assert next(cycle[0]) == 1
        cycle.append(cycle)
        with turns._lock:
            del cycle
            gc.collect()
        assert turns.waiting() == 0


def test_many_who_wait_cost_next_to_nothing() -> None:
    turns, served = Turns(), []
    askers = [ask(turns, served, f"{i}") for i in range(31)]
    before, started = time.process_time(), time.monotonic()
    time.sleep(1)
    share = (time.process_time() - before) / (time.monotonic() - started)
    serve(askers, served)
    assert share < 0.2
