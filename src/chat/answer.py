"""The fold of a question's events: what page, ``/chat``, command line and evaluation show of them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from src.chat.events import Delta, Event, Finished, Quoted, Read, Replaced, Retrieved, Rewritten, Supported
from src.chat.types import Conflict, Quote, Span, Support
from src.search.terms import fold
from src.search.types import Hit

REFUSAL = "知识库里没有找到能回答这个问题的内容，所以没有作答。可以换一种问法、加入相关文档，或关闭“使用知识库”直接问模型。"


@dataclass
class Answer:
    """One question with everything that has come for it so far.

    Attributes:
        asked: as the user typed it.
        question: as it was searched for; differs from ``asked`` where a follow-up was rewritten.
        span: the words of a hit that answer.
        answerable: the probability that the hits answer; None where they were not read.
        text: the model's words.
        done: no more comes.
    """

    asked: str
    question: str = ""
    hits: tuple[Hit, ...] = ()
    span: Span | None = None
    answerable: float | None = None
    quote: Quote | None = None
    text: str = ""
    support: tuple[Support, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    refused: bool = False
    done: bool = False
    timings_ms: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.question = self.question or self.asked

    @classmethod
    def of(cls, asked: str, events: Iterable[Event]) -> "Answer":
        """The answer once all events have come."""
        answer = cls(asked)
        for event in events:
            answer.add(event)
        return answer

    def add(self, event: Event) -> None:
        """Take in one event; ``Queued`` changes nothing."""
        match event:
            case Rewritten(question):
                self.question = question
            case Retrieved(hits, duration_ms):
                self.hits = hits
                self.timings_ms = {"retrieve": duration_ms}
            case Read(hits, span, answerable, duration_ms):
                self.hits, self.span, self.answerable = hits, span, answerable
                self.timings_ms |= {"read": duration_ms}
            case Quoted(quote):
                self.quote = quote
            case Delta(text):
                self.text = (self.text + text).lstrip()
            case Replaced(text):
                self.text = text
            case Supported(support, conflicts):
                self.support, self.conflicts = support, conflicts
            case Finished(refused, timings_ms):
                self.text = REFUSAL if refused else self.text.strip()
                self.refused, self.timings_ms, self.done = refused, timings_ms, True

    @property
    def is_follow_up(self) -> bool:
        return self.question != self.asked

    @property
    def says_quote(self) -> bool:
        """Whether the model's words hold the quote's, so that showing it would say the same twice."""
        return self.quote is not None and _bare(self.quote.text) in _bare(self.text)

    @property
    def written(self) -> str:
        """The answer as plain text; once it is done with the quote behind it, unless it says just that."""
        if self.quote is None or not self.done or self.says_quote:
            return self.text
        return f"{self.text}\n\n原文：“{self.quote.text}”[{self.quote.rank}]"

    def to_json(self) -> dict[str, Any]:
        """The value of ``/chat`` in DESIGN.md."""
        return {
            "answer": self.written,
            "done": self.done,
            "question": self.question,
            "hits": [hit.to_json() for hit in self.hits],
            "support": [support.to_json() for support in self.support],
            "conflicts": [asdict(conflict) for conflict in self.conflicts],
            "refused": self.refused,
            "span": self.span.to_json() if self.span else None,
            "answerable": None if self.answerable is None else round(self.answerable, 4),
            "timings_ms": {name: round(ms, 1) for name, ms in self.timings_ms.items()},
        }


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, fold(text)))
