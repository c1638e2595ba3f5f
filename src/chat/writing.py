"""The model's words as events, the same for questions and for everything else."""

from collections.abc import Generator, Sequence

from src.caller import Caller
from src.chat.clock import Clock
from src.chat.events import Delta, Event, Queued
from src.models.base import GenerationOptions, LanguageModel, Message


def written(
    model: LanguageModel, messages: Sequence[Message], options: GenerationOptions, caller: Caller, clock: Clock
) -> Generator[Event, None, str]:
    """``Queued`` and ``Delta`` events; the whole text in the end, unless ``caller.stop`` was set meanwhile."""
    text = ""
    for piece in model.stream(messages, options, caller):
        if isinstance(piece, Queued):
            yield piece
            continue
        if piece:
            clock.first("first_token")
            text += piece
        yield Delta(str(piece))
    return text
