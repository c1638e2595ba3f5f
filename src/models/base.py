"""What the services ask of a language model, whichever way it runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self, runtime_checkable

import numpy as np

from src.caller import ANYONE, Caller


@dataclass(frozen=True)
class Message:
    """One turn. ``content`` is plain text: nothing in it can become a special token."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Queued:
    """Event: the request waits for the model, ``ahead`` others go first, the one being answered included."""

    ahead: int


class Delta(str):
    """More of an answer's text.

    Attributes:
        log_probability: of the tokens behind it that the model chose, among those that the grammar allowed.
    """

    log_probability: float

    def __new__(cls, text: str, log_probability: float = 0.0) -> Self:
        delta = super().__new__(cls, text)
        delta.log_probability = log_probability
        return delta


@dataclass(frozen=True)
class GenerationOptions:
    """How to generate; picklable, because on ZeroGPU it travels to another process.

    ``grammar`` is a llguidance Lark grammar the output must match; ``adapter`` names a loaded LoRA adapter
    (None: the base model); ``temperature`` 0 is greedy.
    """

    max_new_tokens: int = 384
    temperature: float = 0.0
    adapter: str | None = None
    grammar: str | None = None


class LanguageModel(Protocol):
    """A chat model that streams text.

    Attributes:
        name: what to show to users.
        context_tokens: prompt plus answer must fit in this many tokens.
        adapters: names that ``GenerationOptions.adapter`` may take.
        supports_grammar: whether ``GenerationOptions.grammar`` is enforced token by token.
    """

    name: str
    context_tokens: int
    adapters: tuple[str, ...]
    supports_grammar: bool

    def warm_up(self) -> None:
        """Prepare now what the first constrained answer would otherwise prepare."""
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the whole rendered prompt (an upper estimate where the tokenizer is elsewhere)."""
        ...

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions,
        caller: Caller = ANYONE,
    ) -> Iterator[str | Queued]:
        """Deltas of the answer, after ``Queued`` events while other users' requests go first.

        Closing the iterator or setting ``caller.stop`` frees the model within one token. With a grammar that is
        enforced they are ``Delta`` and say how probable they were. Empty ones come while a long prompt is
        read: an iterator can only be closed where it yields, so pass every item on.

        Raises:
            Busy: too many wait already.
            ModelError: the prompt does not fit, the grammar is wrong, the server fails, or it takes too long.
        """
        ...


@runtime_checkable
class MarkingModel(Protocol):
    """A model with adapters that mark every character of a text instead of writing an answer."""

    def labels(
        self, texts: Sequence[str], adapter: str, caller: Caller = ANYONE
    ) -> Iterator[dict[int, np.ndarray] | Queued]:
        """Log-probabilities of every character's labels.

        Yields, after every pass through the model, some of ``texts``' indices, each with float32 (characters,
        labels); ``Queued`` while other users' requests go first. Every pass takes its own place in the queue, so
        that a long list lets others in between. Closing the iterator or setting ``caller.stop`` frees the model
        within one pass.

        Raises:
            Busy: too many wait already.
            ModelError: there is no such adapter, or the turn did not come in time.
        """
        ...


@dataclass(frozen=True)
class Reading:
    """Where a passage answers a question best, ``passage[start:end]``, and the probability that it answers at all.

    Attributes:
        spans: (start, end, score) of the best places, best first; the scores are logits.
    """

    start: int
    end: int
    probability: float
    spans: tuple[tuple[int, int, float], ...] = ()


@runtime_checkable
class ReadingModel(Protocol):
    """A model with adapters that point at the words of a passage that answer a question."""

    def read(
        self,
        passages: Sequence[tuple[str, str]],
        questions: Sequence[str],
        adapter: str,
        caller: Caller = ANYONE,
    ) -> Iterator[dict[int, list[Reading]] | Queued]:
        """Readings of every question in every (title, passage).

        Yields, after every pass through the model, some of ``passages``' indices, each with one reading a question;
        ``Queued`` while other users' requests go first. Closing the iterator or setting ``caller.stop`` frees the
        model within one pass.

        Raises:
            Busy: too many wait already.
            ModelError: there is no such adapter, or the turn did not come in time.
        """
        ...
