"""Events of one question, in the order in which they come.

Queued      the request waits for the model (``src/models/base.py``)
Rewritten   a follow-up was turned into a question that stands alone
Retrieved   the passages found
Read        the words of them that answer, and whether any do
Quoted      the sentence of them that answers best
Delta       more of the answer's text
Replaced    the whole text anew: the model's words did not say what the passage does
Supported   the finished answer's sentences, each with the passage that carries it, and contradictions between passages
Finished    the end; a request that was stopped ends without it
"""

from dataclasses import dataclass, field

from src.chat.types import Conflict, Quote, Span, Support
from src.models.base import Queued as Queued
from src.search.types import Hit


@dataclass(frozen=True)
class Rewritten:
    question: str


@dataclass(frozen=True)
class Retrieved:
    """``duration_ms`` counts rewriting and search."""

    hits: tuple[Hit, ...]
    duration_ms: float


@dataclass(frozen=True)
class Read:
    """``hits`` are those found, with ``stages.read``; ``answerable`` is the probability that they answer at all, and
    ``span`` the words that do, None below the threshold."""

    hits: tuple[Hit, ...]
    span: Span | None
    answerable: float
    duration_ms: float


@dataclass(frozen=True)
class Quoted:
    quote: Quote


@dataclass(frozen=True)
class Delta:
    """Empty while the model reads a long prompt: a reader can leave wherever an event comes."""

    text: str


@dataclass(frozen=True)
class Replaced:
    text: str


@dataclass(frozen=True)
class Supported:
    support: tuple[Support, ...]
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True)
class Finished:
    """``refused``: no passage answers, so the model was not asked. Milliseconds since the request began."""

    refused: bool = False
    timings_ms: dict[str, float] = field(default_factory=dict)


Event = Queued | Rewritten | Retrieved | Read | Quoted | Delta | Replaced | Supported | Finished
