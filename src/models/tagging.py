"""Labels for every character of a text in one pass of a causal language model, without generating anything.

The text stands in the prompt twice ("echo", Springer et al. 2024, https://arxiv.org/abs/2402.15449): a causal model
has read all of it when it comes to the second copy. That one is tokenised character by character, and behind each
character the distribution of the next token, restricted to one letter a label, is that character's label. An adapter
teaches the model which letters to write; the head that reads them is the model's own.
"""

import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

BEFORE, BETWEEN = "简历：", "\n标注："
LETTERS = string.ascii_uppercase
# Of one forward pass, padding included. On a CPU more is slower: its buffers are fresh pages at every layer, and no
# longer fit into the cache.
BATCH_TOKENS, CPU_BATCH_TOKENS = 1536, 512
MAX_PADDING = 0.1

Encode = Callable[[str], list[int]]


@dataclass(frozen=True)
class Echo:
    """``positions[i]``: where in ``ids`` the label of the text's character i is read."""

    ids: list[int]
    positions: list[int]


class EchoEncoder:
    """Texts to ``Echo``; ``encode`` gives the plain tokens of a text."""

    def __init__(self, encode: Encode, labels: int) -> None:
        self._encode = encode
        self._before, self._between = encode(BEFORE), encode(BETWEEN)
        self._characters: dict[str, list[int]] = {}
        self.letters = [encode(letter)[-1] for letter in LETTERS[:labels]]
        if len(set(self.letters)) != labels:
            raise ValueError(f"the tokenizer has no {labels} single letters")

    def __call__(self, text: str) -> Echo:
        ids = [*self._before, *self._encode(text), *self._between]
        positions = []
        for character in text:
            ids += self._tokens(character)
            positions.append(len(ids) - 1)
        return Echo(ids, positions)

    def _tokens(self, character: str) -> list[int]:
        known = self._characters.get(character)
        if known is None:
            known = self._encode(character)
            if len(self._characters) < 1 << 16:
                self._characters[character] = known
        return known


def batches(lengths: Sequence[int], tokens: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """Indices in batches of about equal length, at most ``tokens`` with padding (or a single one).

    A batch with much padding takes longer than its texts one by one: a text that would add it begins a new one.
    """
    batch: list[int] = []
    filled = 0
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        padded = (len(batch) + 1) * lengths[index]
        filled += lengths[index]
        if batch and (padded > tokens or padded - filled > MAX_PADDING * filled):
            yield batch
            batch, filled = [], lengths[index]
        batch.append(index)
    if batch:
        yield batch


def pad(rows: Sequence[Sequence[int]], filler: int) -> tuple[Tensor, Tensor]:
    """Right-padded ids and their mask, int64 (B, T)."""
    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), filler, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for row, given in enumerate(rows):
        ids[row, : len(given)] = torch.tensor(given)
        mask[row, : len(given)] = 1
    return ids, mask


@torch.inference_mode()
def label_log_probabilities(model: Any, echoes: Sequence[Echo], letters: Sequence[int]) -> list[Tensor]:
    """One forward pass: for each of ``echoes`` float32 (characters, labels) on the CPU."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    ids, mask = (part.to(model.device) for part in pad([echo.ids for echo in echoes], 0))
    hidden = base.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state  # (B, T, H)
    rows = torch.tensor([row for row, echo in enumerate(echoes) for _ in echo.positions], device=hidden.device)
    columns = torch.tensor([at for echo in echoes for at in echo.positions], device=hidden.device)
    logits = letter_logits(base, hidden[rows, columns], torch.tensor(letters, device=hidden.device))
    return list(torch.split(logits.log_softmax(-1).cpu(), [len(echo.positions) for echo in echoes]))


def letter_logits(base: Any, hidden: Tensor, letters: Tensor) -> Tensor:
    """Next-token logits of ``letters`` alone: (N, H), (L,) -> float32 (N, L)."""
    if base.config.tie_word_embeddings:  # the whole vocabulary would cost a sixth of the pass
        rows: Tensor = base.get_input_embeddings()(letters)  # (L, H)
        return hidden.float() @ rows.to(hidden.device).float().T  # spread over GPUs, the two ends lie apart
    logits = token_logits(base, hidden)
    return logits[:, letters.to(logits.device)]


def token_logits(base: Any, hidden: Tensor) -> Tensor:
    """Next-token logits of the whole vocabulary: (N, H) in any dtype, as accelerate gives float32 back whatever the
    model computed in -> float32 (N, vocabulary)."""
    head = base.get_output_embeddings()
    logits: Tensor = head(hidden.to(head.weight.dtype))
    return logits.float()
