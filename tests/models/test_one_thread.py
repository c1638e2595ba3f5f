"""What a model computes, on one thread whoever asks."""

import threading
from collections.abc import Generator
from contextlib import closing

import pytest

from src.models.one_thread import OneThread


def test_every_step_is_computed_on_the_same_thread_whoever_asks() -> None:
    run = OneThread("model")(lambda count: (threading.get_ident() for _ in range(count)))
    seen: list[int] = []
    askers = [threading.Thread(target=lambda: seen.extend(run(3))) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(seen) == 12
    assert len(set(seen)) == 1
    assert seen[0] not in {threading.get_ident(), *(asker.ident for asker in askers)}


def test_who_closes_it_early_closes_what_is_computed_there() -> None:
    closed: list[int] = []

    def compute() -> Generator[int, None, None]:
        try:
            yield threading.get_ident()
            yield 2
        finally:
            closed.append(threading.get_ident())

    with closing(OneThread("model")(compute)()) as steps:
        there = next(steps)
        assert closed == []
    assert closed == [there]


def test_errors_come_through_and_the_thread_goes_on() -> None:
    thread = OneThread("model")

    def fails() -> Generator[int, None, None]:
        yield 1
        raise ValueError("NaN")

    steps = thread(fails)()
    assert next(steps) == 1
    with pytest.raises(ValueError, match="NaN"):
        next(steps)
    assert list(thread(lambda: (number for number in [3]))()) == [3]


def test_steps_are_computed_when_they_are_asked_for() -> None:
    made: list[int] = []

    def compute() -> Generator[int, None, None]:
        for number in range(3):
            made.append(number)
            yield number

    steps = OneThread("model")(compute)()
    assert made == []
    assert next(steps) == 0
    assert made == [0]
    steps.close()


def test_after_the_thread_has_ended_closing_still_closes() -> None:
    thread, closed = OneThread("model"), []

    def compute() -> Generator[int, None, None]:
        try:
            yield 1
        finally:
            closed.append(True)

    steps = thread(compute)()
    next(steps)
    thread._pool.shutdown()
    steps.close()
    assert closed == [True]
