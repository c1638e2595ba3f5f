"""Tokens -> text as they come, never half a character."""

from collections.abc import Sequence
from typing import Any

_REPLACEMENT = "\ufffd"
# A character has at most four bytes; what is still broken after this many tokens was never one.
_PATIENCE_TOKENS = 8


class TextStream:
    """Decodes a growing answer; ``tokenizers``' own DecodeStream raises on bytes that are no character.

    Only the tokens since the last but one piece are decoded again: enough that a space between two pieces is not
    lost, and no more however long the answer grows.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._ids: list[int] = []
        self._shown = 0  # characters of the decoded ids that have been given out
        self._given = 0  # ids that have been given out

    def push(self, tokens: Sequence[int]) -> str:
        """The text that is certain now; special tokens have none."""
        return "".join(map(self._push_one, tokens))

    def _push_one(self, token: int) -> str:
        self._ids.append(token)
        text = self._decode()
        if text.endswith(_REPLACEMENT) and len(self._ids) - self._given < _PATIENCE_TOKENS:
            return ""
        return self._give(text)

    def finish(self) -> str:
        """What is left, however broken."""
        return self._give(self._decode())

    def _give(self, text: str) -> str:
        new = text[self._shown :]
        if new:
            self._ids = self._ids[self._given :]
            self._given = len(self._ids)
            self._shown = len(self._decode())
        return new

    def _decode(self) -> str:
        return str(self._backend.decode(self._ids, skip_special_tokens=True))
