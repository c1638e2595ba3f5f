"""Messages -> token ids, such that nothing a user types can become a special token."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from src.language.base import Message

PromptFormat = Callable[[Sequence[Message]], list[int]]

# Private-use characters that stand for message contents while the template is rendered.
_OPEN, _CLOSE = "\ue000", "\ue001"
_PLACEHOLDER = re.compile(f"{_OPEN}(\\d+){_CLOSE}")


class PlainEncoder:
    """Encodes text literally: ``<|im_end|>`` typed by a user is ten characters, never one token.

    ``split_special_tokens`` alone is not enough: tokens that were added but not marked special (Qwen's
    ``<tool_call>``) still match. So their text is cut after its first character and encoded in two pieces.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added = sorted((token.content for token in tokenizer.added_tokens_decoder.values()), key=len, reverse=True)
        self._added = re.compile("|".join(map(re.escape, added))) if added else None

    def __call__(self, text: str) -> list[int]:
        # A lone surrogate cannot be encoded as UTF-8 by any tokenizer.
        text = text.encode("utf-8", "replace").decode("utf-8")
        cuts = [match.start() + 1 for match in self._added.finditer(text)] if self._added else []
        ids: list[int] = []
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            ids += self._tokenizer(text[start:end], add_special_tokens=False, split_special_tokens=True).input_ids
        return ids


class ChatTemplateFormat:
    """The tokenizer's own chat template, with every message's content encoded literally."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._plain = PlainEncoder(tokenizer)

    def __call__(self, messages: Sequence[Message]) -> list[int]:
        slots = [{"role": message.role, "content": f"{_OPEN}{i}{_CLOSE}"} for i, message in enumerate(messages)]
        rendered = self._tokenizer.apply_chat_template(slots, tokenize=False, add_generation_prompt=True)
        ids: list[int] = []
        # re.split with one group alternates template text and slot numbers.
        for i, piece in enumerate(_PLACEHOLDER.split(rendered)):
            if i % 2:
                ids += self._plain(messages[int(piece)].content)
            elif piece:
                ids += self._tokenizer(piece, add_special_tokens=False, split_special_tokens=False).input_ids
        return ids
