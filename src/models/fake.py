"""A language model without weights, for tests of everything around one."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from src.caller import ANYONE, Caller
from src.errors import ModelError
from src.models.base import GenerationOptions, Message, Queued


@dataclass
class FakeModel:
    """Answers with ``reply(messages)``, one character at a time, and remembers what it was asked.

    ``finished`` and ``abandoned`` count how answers ended, so that a test can see that the model was freed.
    """

    reply: Callable[[Sequence[Message]], str] = lambda messages: f"回答：{messages[-1].content[-20:]}"
    delay_s: float = 0.0
    fails: bool = False
    name: str = "fake"
    context_tokens: int = 4096
    adapters: tuple[str, ...] = ()
    supports_grammar: bool = False
    calls: list[tuple[tuple[Message, ...], GenerationOptions]] = field(default_factory=list)
    finished: int = 0
    abandoned: int = 0

    def warm_up(self) -> None:
        """Nothing to prepare."""

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) + 4 for message in messages)

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions,
        caller: Caller = ANYONE,
    ) -> Iterator[str | Queued]:
        self.calls.append((tuple(messages), options))
        if self.fails:
            raise ModelError("模型出错了（测试用）")
        complete = False
        try:
            for character in self.reply(messages)[: options.max_new_tokens]:
                time.sleep(self.delay_s)
                if caller.stopped:
                    return
                yield character
            complete = True
        finally:
            if complete:
                self.finished += 1
            else:
                self.abandoned += 1
