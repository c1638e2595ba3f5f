"""Fair queue: round robin over users, however much each of them asks.

A request takes a ticket, is told its position while it waits, and gives its place back when it leaves, however it
leaves. Nothing runs in a thread of its own: those who wait look at the queue themselves.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from src.errors import Busy, ModelError


class Ticket:
    """One request's place; made by ``FairQueue.enter``."""

    def __init__(self, user: str, number: int, lock: threading.RLock) -> None:
        self.user = user
        self.number = number
        self.entered = time.monotonic()
        self.left_at: float | None = None  # since when its reader has been elsewhere; None: it waits here
        self.changed = threading.Condition(lock)


class FairQueue:
    """Queue in which the user goes first who has waited longest since he came or since his last request ended.

    A user's own requests keep their order and run one at a time. ``""`` is a user as any other.

    Args:
        places: how many requests run at once, each of another user.
        max_waiting, max_per_user: how many requests may wait, of all users and of one.
        wait_s: how long a request waits at most.
        poll_s: how often those who wait look at ``stop``, an event that nobody announces here.
        repeat_s: how often they are told their position again.
        absent_s: who has not come back for so long may be gone without a word, and is passed over until he asks again.
    """

    def __init__(
        self,
        places: int = 1,
        *,
        max_waiting: int = 64,
        max_per_user: int = 4,
        wait_s: float = 600.0,
        poll_s: float = 0.25,
        repeat_s: float = 1.0,
        absent_s: float = 3.0,
    ) -> None:
        self.places = places
        self.max_waiting = max_waiting
        self.max_per_user = max_per_user
        self.wait_s = wait_s
        self._poll_s, self._repeat_s, self._absent_s = poll_s, repeat_s, absent_s
        # Reentrant, because an iterator that was dropped without being closed is left wherever Python collects it.
        self._lock = threading.RLock()
        self._numbers = count()
        self._waiting: list[Ticket] = []
        self._running: list[Ticket] = []
        self._last: dict[str, int] = {}  # of users who wait: when their last request ended

    @contextmanager
    def enter(self, user: str, *, again: bool = False) -> Iterator[Ticket]:
        """A place at the end of the user's own requests, given up on leaving.

        ``again`` is for a request that comes back for more: it was let in once and is not turned away.

        Raises:
            Busy: too many wait already.
        """
        with self._lock:
            if not again:
                self._check_room(user)
            ticket = Ticket(user, next(self._numbers), self._lock)
            self._waiting.append(ticket)
        try:
            yield ticket
        finally:
            self._leave(ticket)

    def wait(self, ticket: Ticket, stop: threading.Event | None = None) -> Iterator[int]:
        """Positions until it is the ticket's turn, or until ``stop``: how many requests go before it.

        Yields at once, when the number changes, and every second, because its reader can only leave there.

        Raises:
            ModelError: it took longer than ``wait_s``.
        """
        told, told_at = -1, 0.0
        while stop is None or not stop.is_set():
            with self._lock:
                ticket.left_at = None
                if self._starts(ticket):
                    return
                ahead = len(self._running) + self._order().index(ticket)
                now = time.monotonic()
                if now - ticket.entered > self.wait_s:
                    raise ModelError(f"排队超过了 {_minutes(self.wait_s)}，还没有轮到：请过一会儿再试")
                if ahead == told and now - told_at < self._repeat_s:
                    ticket.changed.wait(self._poll_s)
                    continue
                ticket.left_at = now
            told, told_at = ahead, now
            yield ahead

    def runs(self, ticket: Ticket) -> bool:
        """Whether it is the ticket's turn."""
        return ticket in self._running

    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def _check_room(self, user: str) -> None:
        own = sum(ticket.user == user for ticket in self._waiting)
        if own >= self.max_per_user:
            raise Busy(f"您已有 {own} 个请求在排队，请等其中一个有了结果再试")
        if len(self._waiting) >= self.max_waiting:
            raise Busy(f"现在排队的人太多（{len(self._waiting)} 个请求），请过一会儿再试")

    def _starts(self, ticket: Ticket) -> bool:
        """Take the turn if it is the ticket's."""
        if len(self._running) >= self.places:
            return False
        served = {running.user for running in self._running}
        if next((other for other in self._order() if other.user not in served), None) is not ticket:
            return False
        self._waiting.remove(ticket)
        self._running.append(ticket)
        self._announce()
        return True

    def _leave(self, ticket: Ticket) -> None:
        with self._lock:
            if ticket in self._running:
                self._running.remove(ticket)
                self._last[ticket.user] = next(self._numbers)
            else:
                self._waiting.remove(ticket)
            present = {other.user for other in self._waiting}
            self._last = {user: last for user, last in self._last.items() if user in present}
            self._announce()

    def _announce(self) -> None:
        for ticket in list(self._waiting):
            ticket.changed.notify()

    def _order(self) -> list[Ticket]:
        """Tickets that wait, in the order in which they go if nobody comes or leaves; the absent last."""
        now = time.monotonic()
        present: dict[str, list[Ticket]] = {}
        absent = []
        for ticket in list(self._waiting):
            if ticket.left_at is not None and now - ticket.left_at > self._absent_s:
                absent.append(ticket)
            else:
                present.setdefault(ticket.user, []).append(ticket)
        since = {user: max(self._last.get(user, 0), own[0].number) for user, own in present.items()}
        latest = max(since.values(), default=0)
        for running in self._running:  # who is being served comes after all who are not
            if running.user in since:
                latest += 1
                since[running.user] = latest
        order = []
        while present:
            user = min(present, key=since.__getitem__)
            order.append(present[user].pop(0))
            latest += 1
            since[user] = latest
            if not present[user]:
                del present[user]
        return order + absent


def too_slow(answer_s: float) -> ModelError:
    """Error of an answer that has been computed for longer than ``answer_s``."""
    return ModelError(f"这个回答算了 {_minutes(answer_s)} 还没有算完，到此为止：请缩短问题或过一会儿再试")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:g} 分钟"
