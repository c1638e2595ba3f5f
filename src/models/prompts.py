"""Messages -> token ids, such that nothing a user types can become a special token."""

import re
from collections.abc import Sequence
from typing import Any, Protocol

from src.models.base import Message


class PromptFormat(Protocol):
    """How one model wants its prompts."""

    def __call__(self, messages: Sequence[Message]) -> list[int]:
        """A conversation up to where the model's answer begins."""
        ...

    def encode(self, text: str) -> list[int]:
        """Plain text: nothing in it becomes a special token."""
        ...


# Private-use characters that stand for message contents while the template is rendered.
_OPEN, _CLOSE = "\ue000", "\ue001"
_PLACEHOLDER = re.compile(f"{_OPEN}(\\d+){_CLOSE}")


class PlainEncoder:
    """Encodes text literally: ``<|im_end|>`` typed by a user is ten characters, never one token.

    Goes to the Rust tokenizer directly and sets it up once: the Python wrapper switches special tokens on and off in
    the shared tokenizer at every call, so that of two threads one gets the other's way. Tokens that were added but
    not marked special (Qwen's ``<tool_call>``) match all the same; their text is cut after its first character.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        self._backend.encode_special_tokens = True
        ids = {token.content: number for number, token in tokenizer.added_tokens_decoder.items()}
        self._ids = ids
        # The longest first, where one marker begins another.
        longest = sorted(ids, key=len, reverse=True)
        self._markers = re.compile("|".join(map(re.escape, longest)) or r"(?!)")

    def __call__(self, text: str) -> list[int]:
        # A lone surrogate cannot be encoded as UTF-8 by any tokenizer.
        text = text.encode("utf-8", "replace").decode("utf-8")
        cuts = [match.start() + 1 for match in self._markers.finditer(text)]
        ids: list[int] = []
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            ids += self._backend.encode(text[start:end], add_special_tokens=False).ids
        return ids

    def with_markers(self, text: str) -> list[int]:
        """Text of our own, such as a template's, in which markers do mean their tokens."""
        ids: list[int] = []
        position = 0
        for match in self._markers.finditer(text):
            ids += [*self(text[position : match.start()]), self._ids[match.group()]]
            position = match.end()
        return ids + self(text[position:])


class ChatTemplateFormat:
    """The tokenizer's own chat template, with every message's content encoded literally."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._encode = PlainEncoder(tokenizer)

    def encode(self, text: str) -> list[int]:
        """Plain text."""
        return self._encode(text)

    def __call__(self, messages: Sequence[Message]) -> list[int]:
        slots = [{"role": message.role, "content": f"{_OPEN}{i}{_CLOSE}"} for i, message in enumerate(messages)]
        rendered = self._tokenizer.apply_chat_template(slots, tokenize=False, add_generation_prompt=True)
        ids: list[int] = []
        # re.split with one group alternates template text and slot numbers.
        for i, piece in enumerate(_PLACEHOLDER.split(rendered)):
            ids += self._encode(messages[int(piece)].content) if i % 2 else self._encode.with_markers(piece)
        return ids
