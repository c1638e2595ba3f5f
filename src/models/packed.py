"""Several conversations in one row of a model's cache, so that one forward pass serves them all.

Every cached column belongs to one conversation, and a token attends to the columns of its own. So nothing is padded,
each conversation may bring any number of tokens (a piece of its prompt, one token, a draft), and what it takes back
is a hole that nobody sees until the columns are gathered anew.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, DynamicCache
from transformers.cache_utils import Cache, DynamicLayer

_ATTENTION = "yuanzhi_packed"
# Models whose layers know a token's place by ``position_ids`` alone and take a mask of four dimensions as it is.
_MODEL_TYPES = frozenset(["qwen2", "qwen3", "llama"])
# Rotary tables that do not depend on the longest of the conversations.
_ROPE_TYPES = frozenset(["default", "linear", "llama3", "yarn"])
_NOBODY = -1
_MAX_HOLES = 0.25


class Part(NamedTuple):
    """The next ``tokens`` of conversation ``owner``, of which the first stands at position ``start``; the logits of
    the last ``keep`` are wanted."""

    owner: int
    tokens: list[int]
    start: int
    keep: int


def can_pack(model: Any) -> bool:
    """Whether conversations can share a row of this model's cache and stay apart."""
    config = model.config
    rope = getattr(config, "rope_parameters", None) or {}
    return (
        getattr(config, "model_type", None) in _MODEL_TYPES
        and getattr(config, "_attn_implementation", None) == "sdpa"
        and rope.get("rope_type", "default") in _ROPE_TYPES
        and all(type(layer) is DynamicLayer for layer in DynamicCache(config=config).layers)
    )


class PackedCache:
    """What ``model`` remembers of several conversations; one thread at a time."""

    def __init__(self, model: Any) -> None:
        self._model = model
        config = model.config
        self._groups = config.num_attention_heads // config.num_key_value_heads
        self._layers = [_RoomyLayer() for _ in range(config.num_hidden_layers)]
        self._cache = Cache(layers=list(self._layers))
        self._owners = torch.empty(0, dtype=torch.long)  # of every column, on the CPU

    @torch.inference_mode()
    def forward(self, parts: Sequence[Part]) -> list[Tensor]:
        """One pass over all ``parts``, each of another conversation: float32 (keep, vocabulary) for each."""
        self._gather()
        past = len(self._owners)
        lengths = torch.tensor([len(part.tokens) for part in parts])
        new = torch.repeat_interleave(torch.tensor([part.owner for part in parts]), lengths)
        owners = torch.cat((self._owners, new))
        ids = [token for part in parts for token in part.tokens]
        places = [part.start + i for part in parts for i in range(len(part.tokens))]
        ends = lengths.cumsum(0).tolist()
        wanted = [i for part, end in zip(parts, ends, strict=True) for i in range(end - part.keep, end)]
        device = self._model.device
        with _packed_attention(self._model.config):
            output = self._model(
                input_ids=torch.tensor([ids], device=device),
                position_ids=torch.tensor([places], device=device),
                attention_mask=self._bias(owners, past),
                past_key_values=self._cache,
                use_cache=True,
                # At least one, because a kernel may not expect none; on the CPU, because the last layer may lie on
                # another GPU than the first.
                logits_to_keep=torch.tensor(wanted or [len(ids) - 1]),
            )
        self._owners = owners
        logits = output.logits[0, : len(wanted)].float()
        return list(torch.split(logits, [part.keep for part in parts]))

    @torch.inference_mode()
    def take_back(self, owner: int, count: int) -> None:
        """Forget the newest ``count`` tokens of ``owner``."""
        if count:
            self._owners[(self._owners == owner).nonzero()[-count:]] = _NOBODY
            self._crop()

    @torch.inference_mode()
    def forget(self, owner: int) -> None:
        """Forget everything of ``owner``."""
        self._owners[self._owners == owner] = _NOBODY
        self._crop()

    def _bias(self, owners: Tensor, past: int) -> Tensor:
        """What is added to the scores: 0 for the earlier tokens of one's own conversation, else -inf.

        (1, 1, G T, S), as ``grouped_attention`` lays out the queries of the G heads that share keys.
        """
        owners = owners.to(self._model.device)
        columns = torch.arange(len(owners), device=owners.device)
        seen = (owners[past:, None] == owners) & (columns[past:, None] >= columns)
        bias = torch.zeros(seen.shape, dtype=self._model.dtype, device=owners.device)
        return bias.masked_fill_(~seen, -torch.inf).repeat(self._groups, 1)[None, None]

    def _crop(self) -> None:
        """Give back the holes at the end."""
        kept = (self._owners != _NOBODY).nonzero()
        length = int(kept[-1]) + 1 if len(kept) else 0
        self._owners = self._owners[:length]
        for layer in self._layers:
            layer.shorten(length)

    def _gather(self) -> None:
        """Close the holes when there are many."""
        kept = self._owners != _NOBODY
        if (~kept).sum() > _MAX_HOLES * len(kept):
            columns = kept.nonzero()[:, 0]
            self._owners = self._owners[columns]
            for layer in self._layers:
                layer.select(columns)


class _RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values inside buffers with room to spare: a token writes one column instead of copying the past."""

    keys: Tensor
    values: Tensor
    is_initialized: bool

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        length = self.get_seq_length()
        total = length + key_states.shape[-2]
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._buffers = [key_states[..., :0, :], value_states[..., :0, :]]
        if total > self._buffers[0].shape[-2]:
            self._buffers = [_larger(buffer, length, total + total // 4 + 64) for buffer in self._buffers]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[..., length:total, :] = states
        self._show(total)
        return self.keys, self.values

    def shorten(self, length: int) -> None:
        """Keep the first ``length`` columns."""
        if self.is_initialized:
            self._show(length)

    def select(self, columns: Tensor) -> None:
        """Keep ``columns`` (ascending)."""
        if self.is_initialized:
            for buffer in self._buffers:
                buffer[..., : len(columns), :] = buffer[..., columns.to(buffer.device), :]
            self._show(len(columns))

    def _show(self, length: int) -> None:
        self.keys, self.values = (buffer[..., :length, :] for buffer in self._buffers)


def _larger(buffer: Tensor, length: int, size: int) -> Tensor:
    new = buffer.new_empty((*buffer.shape[:-2], size, buffer.shape[-1]))
    new[..., :length, :] = buffer[..., :length, :]
    return new


def grouped_attention(
    _: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor, scaling: float, **__: Any
) -> tuple[Tensor, None]:
    """Attention of queries (1, n, T, d) to keys (1, m, S, d), which are not repeated for the n / m heads they serve."""
    _, heads, length, width = query.shape
    grouped = query.reshape(1, key.shape[1], -1, width)  # (1, m, G T, d)
    mixed = scaled_dot_product_attention(grouped, key, value, attn_mask=attention_mask, scale=scaling)
    return mixed.reshape(1, heads, length, width).transpose(1, 2).contiguous(), None


AttentionInterface.register(_ATTENTION, grouped_attention)


@contextmanager
def _packed_attention(config: Any) -> Iterator[None]:
    before = config._attn_implementation
    config._attn_implementation = _ATTENTION
    try:
        yield
    finally:
        config._attn_implementation = before
