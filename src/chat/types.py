"""Parts of an answer: span, support, contradiction, quote."""

from dataclasses import dataclass
from typing import Any


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
class Span:
    """The words of passage ``rank`` that answer: its ``text[start:end]``; ``probability`` that they do."""

    rank: int
    text: str
    start: int
    end: int
    probability: float

    def to_json(self) -> dict[str, Any]:
        """``span`` in DESIGN.md."""
        return {
            "text": self.text,
            "rank": self.rank,
            "start": self.start,
            "end": self.end,
            "probability": round(self.probability, 4),
        }
