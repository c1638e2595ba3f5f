"""Examples to token ids: where the model is asked for what, whichever way the adapter writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from src.extraction.labelled import Labelled
from src.extraction.tagging import to_tags
from src.models.base import Message
from src.models.prompts import PromptFormat
from src.models.tagging import EchoEncoder, pad


@dataclass(frozen=True)
class Encoded:
    """``targets[i]`` is what the model should choose at ``positions[i]``: an index into the vocabulary, or into
    the label letters."""

    ids: list[int]
    positions: list[int]
    targets: list[int]


def encode_answer(prompt_format: PromptFormat, end_token: int, messages: Sequence[Message], answer: str) -> Encoded:
    """The prompt, then the answer with its end token; the loss is on the answer only, as in the course."""
    prompt = prompt_format(messages)
    targets = [*prompt_format.encode(answer), end_token]
    # The token at each position is predicted one position earlier; the last one predicts nothing.
    positions = list(range(len(prompt) - 1, len(prompt) + len(targets) - 1))
    return Encoded([*prompt, *targets[:-1]], positions, targets)


def encode_labels(encoder: EchoEncoder, labelled: Labelled) -> Encoded:
    """The text twice, and behind each character of the second copy its tag."""
    echo = encoder(labelled.text)
    return Encoded(echo.ids, echo.positions, to_tags(labelled.text, labelled.spans))


def collate(rows: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
    """Right-padded to the longest row of the batch; positions as (row, column) pairs.

    Returns:
        ``input_ids``, ``attention_mask`` int64 (B, T); ``rows``, ``columns``, ``targets`` int64 (N,), one for each
        token the loss is taken on.
    """
    ids, mask = pad([row["input_ids"] for row in rows], 0)
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "rows": torch.tensor([n for n, row in enumerate(rows) for _ in row["positions"]], dtype=torch.long),
        "columns": torch.tensor([at for row in rows for at in row["positions"]], dtype=torch.long),
        "targets": torch.tensor([target for row in rows for target in row["targets"]], dtype=torch.long),
    }
