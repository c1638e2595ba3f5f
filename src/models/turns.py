"""A fair queue: users take turns, however much each of them asks."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from src.errors import Busy, ModelError


class Ticket:
    """One request's place; made by ``Turns.enter``."""

    def __init__(self, user: str, shared: bool, number: int, lock: threading.RLock) -> None:
        self.user = user
        self.shared = shared
        self.number = number
        self.entered = time.monotonic()
        self.left_at: float | None = None  # since when its reader has been elsewhere; None: it waits here
        self.changed = threading.Condition(lock)


class Turns:
    """A queue in which the user goes first who has waited longest since he came or since his last answer.

    A user's own requests keep their order. ``""`` is a user as any other. Requests that are ``shared`` run beside
    each other, up to ``places``; any other runs alone. Nobody overtakes: where the first cannot run yet, because
    it needs the model alone, the others wait behind it.

    Args:
        places: how many shared requests run at once.
        user_places: how many of them may be one user's; None: all.
        max_waiting, max_per_user: how many requests may wait, of all users and of one.
        wait_s: how long a request waits at most.
        look_s: how often those who wait look at ``stop``, an event that nobody announces here.
        say_s: how often they are told that they still wait.
        absent_s: who has not come back for so long may be gone without a word, and is passed over until he asks again.
    """

    def __init__(
        self,
        places: int = 1,
        *,
        user_places: int | None = None,
        max_waiting: int = 64,
        max_per_user: int = 4,
        wait_s: float = 600.0,
        look_s: float = 0.25,
        say_s: float = 1.0,
        absent_s: float = 3.0,
    ) -> None:
        self.places = places
        self.user_places = places if user_places is None else user_places
        self.max_waiting = max_waiting
        self.max_per_user = max_per_user
        self.wait_s = wait_s
        self._look_s, self._say_s, self._absent_s = look_s, say_s, absent_s
        # Reentrant, because an iterator that was dropped without being closed is left wherever Python collects it.
        self._lock = threading.RLock()
        self._numbers = count()
        self._waiting: list[Ticket] = []
        self._running: list[Ticket] = []
        self._last: dict[str, int] = {}  # of users who wait: when their last answer ended

    @contextmanager
    def enter(self, user: str, *, shared: bool = False, again: bool = False) -> Iterator[Ticket]:
        """A place at the end of the user's own requests, given up on leaving.

        ``again`` is for a request that comes back for more: it was let in once and is not turned away.

        Raises:
            Busy: too many wait already.
        """
        with self._lock:
            if not again:
                self._check_room(user)
            ticket = Ticket(user, shared, next(self._numbers), self._lock)
            self._waiting.append(ticket)
        try:
            yield ticket
        finally:
            self._leave(ticket)

    def wait(self, ticket: Ticket, stop: threading.Event | None = None) -> Iterator[int]:
        """Ends when it is the ticket's turn, or with ``stop``; until then yields how many requests go before it.

        Yields at once, when the number changes, and every second, because its reader can only leave there.

        Raises:
            ModelError: it took longer than ``wait_s``.
        """
        said, said_at = -1, 0.0
        while stop is None or not stop.is_set():
            with self._lock:
                ticket.left_at = None
                if self._starts(ticket):
                    return
                ahead = self._ahead(ticket)
                now = time.monotonic()
                if now - ticket.entered > self.wait_s:
                    raise ModelError(f"排队超过了 {_minutes(self.wait_s)}，还没有轮到：请过一会儿再试")
                if ahead == said and now - said_at < self._say_s:
                    ticket.changed.wait(self._look_s)
                    continue
                ticket.left_at = now
            said, said_at = ahead, now
            yield ahead

    def has(self, ticket: Ticket) -> bool:
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
        if self._running and not (ticket.shared and self._running[0].shared and len(self._running) < self.places):
            return False
        if self._has_all_places(ticket.user):
            return False
        if self._order()[0] is not ticket:
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

    def _ahead(self, ticket: Ticket) -> int:
        return len(self._running) + self._order().index(ticket)

    def _has_all_places(self, user: str) -> bool:
        return sum(running.user == user for running in self._running) >= self.user_places

    def _order(self) -> list[Ticket]:
        """The tickets that wait, as they would go if nobody came or left; last those who are absent or whose user has
        all the places that he may have."""
        now = time.monotonic()
        present: dict[str, list[Ticket]] = {}
        later_on = []
        for ticket in list(self._waiting):
            gone = ticket.left_at is not None and now - ticket.left_at > self._absent_s
            if gone or self._has_all_places(ticket.user):
                later_on.append(ticket)
            else:
                present.setdefault(ticket.user, []).append(ticket)
        since = {user: max(self._last.get(user, 0), own[0].number) for user, own in present.items()}
        later = max(since.values(), default=0)
        for running in self._running:  # who is being served comes after all who are not
            if running.user in since:
                later += 1
                since[running.user] = later
        order = []
        while present:
            user = min(present, key=since.__getitem__)
            order.append(present[user].pop(0))
            later += 1
            since[user] = later
            if not present[user]:
                del present[user]
        return order + later_on


def too_slow(answer_s: float) -> ModelError:
    """What to raise when an answer has been computed for longer than ``answer_s``."""
    return ModelError(f"这个回答算了 {_minutes(answer_s)} 还没有算完，到此为止：请缩短问题或过一会儿再试")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:g} 分钟"
