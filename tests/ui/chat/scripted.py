"""A chat service that says what a test wants it to, for the page around it."""

from collections.abc import Callable, Generator, Iterable, Sequence

from src.caller import ANYONE, Caller
from src.chat.answer import Answer
from src.chat.events import Event, Finished
from src.chat.service import ChatOptions
from src.ingest.types import Chunk
from src.models.base import Message
from src.search.types import Collection, Hit, Stages
from src.ui.conversation import Turn

Script = Callable[[str, ChatOptions, Collection | None], Iterable[Event]]


class ScriptedChat:
    """Yields ``script(question, options, extra)`` and remembers what it was asked."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.asked: list[tuple[str, list[Message], ChatOptions]] = []
        self.callers: list[Caller] = []

    def ask(
        self,
        message: str,
        history: Sequence[Message] = (),
        caller: Caller = ANYONE,
        options: ChatOptions = ChatOptions(),  # noqa: B008 (frozen)
        extra: Collection | None = None,
    ) -> Generator[Event, None, None]:
        self.asked.append((message, list(history), options))
        self.callers.append(caller)
        for event in self._script(message, options, extra):
            if caller.stopped:
                return
            yield event

    def compare(
        self, message: str, caller: Caller = ANYONE, top_k: int = 4, extra: Collection | None = None
    ) -> Generator[tuple[str, Event], None, None]:
        for side, use in (("without", False), ("with", True)):
            options = ChatOptions(use_knowledge=use, top_k=top_k, min_score=0.15)
            for event in self.ask(message, (), caller, options, extra):
                yield side, event


def hit(
    rank: int, text: str, score: float = 0.9, *, source: str = "knowledge.txt", title: str = "", own: bool = False
) -> Hit:
    chunk = Chunk(f"{source}#{rank}", f"{source}-{rank}", source, title, text, 0, len(text))
    return Hit(chunk, score, rank, Stages(score, score, score, score), own)


def turn(asked: str, *events: Event, options: ChatOptions | None = None, done: bool = True) -> Turn:
    """A turn after these events."""
    made = Turn(Answer(asked), options or ChatOptions(min_score=0.15))
    for event in events:
        made.add(event)
    if done and made.state == "running":
        made.add(Finished())
    return made
