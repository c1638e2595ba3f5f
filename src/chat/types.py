"""What a question gets back."""

from dataclasses import dataclass, field
from typing import Any

from src.retrieval.terms import fold
from src.retrieval.types import Hit


@dataclass(frozen=True)
class Support:
    """One sentence of the answer and the passage it rests on; ``rank`` None where no passage carries it.

    ``evidence`` is where in that passage's text, as (start, end), the words stand that carry it.
    """

    sentence: str
    rank: int | None
    score: float
    evidence: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """An item of ``support`` in DESIGN.md."""
        return {"sentence": self.sentence, "rank": self.rank, "score": self.score}


@dataclass(frozen=True)
class Conflict:
    """Passages given to the model that say different things: in ``rank`` it is ``value``, in ``other_rank``
    ``other_value``."""

    rank: int
    value: str
    other_rank: int
    other_value: str


@dataclass(frozen=True)
class Quote:
    """The sentence of passage ``rank`` that answers best: its ``text[start:end]``, word for word."""

    rank: int
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Answer:
    """An answer so far, or the whole of it once ``done``.

    ``text`` is the model's words, ``quote`` the sentence that a reader checks them by, known before the first of them;
    ``question`` is what was searched for, ``follow_up`` whether it is another than the user typed; ``refused`` says
    that the knowledge base holds nothing relevant and the model was not asked; ``ahead`` how many requests go before
    this one while it waits for the model.
    """

    text: str
    question: str
    done: bool = False
    hits: tuple[Hit, ...] = ()
    support: tuple[Support, ...] = ()
    quote: Quote | None = None
    refused: bool = False
    follow_up: bool = False
    conflicts: tuple[Conflict, ...] = ()
    ahead: int | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)

    @property
    def written(self) -> str:
        """The answer as plain text: once it is done with the quote behind it, unless it says just that."""
        quote = self.quote
        if quote is None or not self.done or _bare(quote.text) in _bare(self.text):
            return self.text
        return f"{self.text}\n\n原文：“{quote.text}”[{quote.rank}]"

    def to_json(self) -> dict[str, Any]:
        """The value of ``/chat`` in DESIGN.md."""
        return {
            "answer": self.written,
            "done": self.done,
            "question": self.question,
            "hits": [hit.to_json() for hit in self.hits],
            "support": [support.to_json() for support in self.support],
            "refused": self.refused,
            "timings_ms": {name: round(ms, 1) for name, ms in self.timings_ms.items()},
        }


@dataclass(frozen=True)
class Comparison:
    """The same question without and with knowledge, as the course prints it."""

    without: str
    with_knowledge: Answer

    def to_json(self) -> dict[str, Any]:
        """The value of ``/compare`` in DESIGN.md."""
        return {"without": self.without, "with": self.with_knowledge.to_json()}


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, fold(text)))
