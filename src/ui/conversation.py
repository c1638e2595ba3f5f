"""The conversation as the server keeps it for one session; the page shows it but never sends it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from src.chat.answer import Answer
from src.chat.events import Event, Queued
from src.chat.service import ChatOptions
from src.models.base import Message

# Older turns are forgotten: a page with all of them would be slow to draw.
MAX_TURNS = 60


@dataclass
class Turn:
    """One question and its answer so far.

    Attributes:
        options: what the visitor had set.
        state: how the answer ended.
        ahead: requests that go first while it waits for the model; None once it has it.
        problem: why it failed, in the page's language.
        liked: the visitor's rating.
        files: names of documents that came with the question.
    """

    answer: Answer
    options: ChatOptions = field(default_factory=ChatOptions)
    state: Literal["running", "done", "stopped", "failed"] = "running"
    ahead: int | None = None
    problem: str = ""
    files: tuple[str, ...] = ()
    liked: bool | None = None

    @property
    def question(self) -> str:
        return self.answer.asked

    @property
    def characters(self) -> int:
        """Of the texts that are kept in memory."""
        hits = sum(len(hit.chunk.text) for hit in self.answer.hits)
        return len(self.question) + len(self.answer.text) + hits

    def fail(self, problem: str) -> None:
        """End it with a reason that the visitor is shown."""
        self.state, self.problem, self.ahead = "failed", problem, None

    def add(self, event: Event) -> None:
        """Take in one event of the chat service."""
        self.ahead = event.ahead if isinstance(event, Queued) else None
        self.answer.add(event)
        if self.answer.done:
            self.state = "done"


Conversation = list[Turn]


def history(turns: Sequence[Turn]) -> list[Message]:
    """Earlier turns as the model is told them; a refusal says nothing."""
    messages = []
    for turn in turns:
        messages.append(Message("user", turn.question))
        if turn.answer.text and not turn.answer.refused:
            messages.append(Message("assistant", turn.answer.text))
    return messages
