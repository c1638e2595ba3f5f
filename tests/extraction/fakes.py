"""A language model that says what it is told to."""

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from src.caller import ANYONE, Caller
from src.extraction.schema import Span, render_entities
from src.extraction.tagging import TAGS, to_tags
from src.models.base import GenerationOptions, Message, Queued

RESUME = "王小明，中国国籍，汉族，任蓝天公司经理、董事；后任白云公司经理。"
VALUES = {
    "姓名": ["王小明"],
    "国籍": ["中国国籍"],
    "种族": ["汉族"],
    "职位": ["经理", "董事", "经理"],
    "组织名": ["蓝天公司", "白云公司"],
}


class ScriptedModel:
    """Streams ``answer`` (or what ``answer`` makes of the prompt) in pieces and keeps what it was asked."""

    name = "scripted"
    context_tokens = 4096
    adapters: tuple[str, ...] = ("resume",)

    def __init__(
        self,
        answer: str | Callable[[str], str] | None = None,
        supports_grammar: bool = True,
        piece_chars: int = 3,
    ) -> None:
        self.answer = render_entities(VALUES) if answer is None else answer
        self.supports_grammar = supports_grammar
        self.piece_chars = piece_chars
        self.prompts: list[str] = []
        self.options: list[GenerationOptions] = []
        self.users: list[str] = []
        self.waits: Sequence[int] = ()  # how many requests are ahead, again and again, before the answer
        self.closed = 0

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) for message in messages)

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions,
        caller: Caller = ANYONE,
    ) -> Iterator[str | Queued]:
        self.users.append(caller.user)
        prompt = messages[-1].content
        self.prompts.append(prompt)
        self.options.append(options)
        answer = self.answer if isinstance(self.answer, str) else self.answer(prompt)
        try:
            yield from map(Queued, self.waits)
            for at in range(0, len(answer), self.piece_chars):
                if caller.stopped:
                    return
                yield answer[at : at + self.piece_chars]
        finally:
            self.closed += 1


class MarkingScript(ScriptedModel):
    """Also marks characters: every place where a value of ``values`` stands, with certainty ``sure``."""

    def __init__(self, values: dict[str, list[str]], sure: float = 0.9) -> None:
        super().__init__()
        self.values = values
        self.sure = sure
        self.asked: list[list[str]] = []
        self.left = 0

    def labels(
        self, texts: Sequence[str], adapter: str, caller: Caller = ANYONE
    ) -> Iterator[dict[int, np.ndarray] | Queued]:
        self.asked.append(list(texts))
        self.users.append(caller.user)
        try:
            yield from map(Queued, self.waits)
            yield {}
            for index in reversed(range(len(texts))):
                if caller.stopped:
                    return
                yield {index: self._scores(texts[index])}
        finally:
            self.left += 1

    def _scores(self, text: str) -> np.ndarray:
        spans = [
            Span(label, value, match.start(), match.end())
            for label, values in self.values.items()
            for value in values
            for match in re.finditer(re.escape(value), text)
        ]
        shares = np.full((len(text), len(TAGS)), (1 - self.sure) / (len(TAGS) - 1), dtype=np.float32)
        shares[np.arange(len(text)), to_tags(text, tuple(spans))] = self.sure
        return np.log(shares)
