"""One request's caller, handed unchanged from the way in down to the model."""

from dataclasses import dataclass, field
from threading import Event

from src.errors import Stopped


@dataclass(frozen=True)
class Caller:
    """User and stop signal of one request.

    Attributes:
        user: name by which the fair queue gives each user one share; ``""`` is a user as any other. Never logged.
        stop: set by anybody to end the request within one token.
    """

    user: str = ""
    stop: Event = field(default_factory=Event)

    @property
    def stopped(self) -> bool:
        return self.stop.is_set()

    def check(self) -> None:
        """Raises Stopped once ``stop`` is set."""
        if self.stopped:
            raise Stopped("已停止")


# The command line and tests: one user, whom nobody stops.
ANYONE = Caller()
