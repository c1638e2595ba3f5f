"""What a question gets back."""

from dataclasses import dataclass, field
from typing import Any

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
class Answer:
    """An answer so far, or the whole of it once ``done``.

    ``question`` is what was searched for, ``follow_up`` whether it is another than the user typed; ``refused`` says
    that the knowledge base holds nothing relevant and the model was not asked; ``ahead`` how many requests go before
    this one while it waits for the model.
    """

    text: str
    question: str
    done: bool = False
    hits: tuple[Hit, ...] = ()
    support: tuple[Support, ...] = ()
    refused: bool = False
    follow_up: bool = False
    conflicts: tuple[Conflict, ...] = ()
    ahead: int | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The value of ``/chat`` in DESIGN.md."""
        return {
            "answer": self.text,
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
