"""Messages -> token ids, in the form that Yuan2 was trained on.

One turn is ``PROMPT<sep>``, several turns are ``Q1<n>A1<n>Q2<sep>``; the model answers and ends with ``<eod>``.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from src.yuan.tokenizer import SEP, TURN, PlainEncoder


class Turn(Protocol):
    """A message: ``role`` is system, user or assistant."""

    @property
    def role(self) -> str: ...

    @property
    def content(self) -> str: ...


class YuanPromptFormat:
    """Call it with messages. Nothing in a message can become ``<sep>``, ``<n>``, ``<eod>`` or another marker.

    Yuan2 knows no system role: system messages are put in front of the next user message, on lines of their own.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._encode = PlainEncoder(tokenizer)
        self._turn, self._sep = tokenizer.convert_tokens_to_ids([TURN, SEP])

    def encode(self, text: str) -> list[int]:
        """Plain text as it stands behind other text."""
        return self._encode(text, continued=True)

    def __call__(self, messages: Sequence[Turn]) -> list[int]:
        ids: list[int] = []
        for i, text in enumerate(_turns(messages)):
            if i:
                ids.append(self._turn)
            ids += self._encode(text, continued=bool(i))
        return [*ids, self._sep]


def _turns(messages: Sequence[Turn]) -> list[str]:
    turns: list[str] = []
    system: list[str] = []
    for message in messages:
        if message.role == "system":
            system.append(message.content)
        else:
            turns.append("\n".join([*system, message.content]) if message.role == "user" else message.content)
            system = [] if message.role == "user" else system
    if system:
        turns.append("\n".join(system))
    return turns
