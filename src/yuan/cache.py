"""What Yuan2 remembers of a layer: keys and values, one state of each convolution, and where documents ended.

``DynamicCache(config=model.config)`` builds these layers by itself, through the layer type that they register;
beams, prompt lookup, batch expansion and cropping then act on everything at once.
"""

from typing import Any

import torch
from transformers.cache_utils import LinearAttentionAndFullAttentionLayer, StaticLayer

from src.yuan.configuration import CACHE_LAYER_TYPE

# While recording for `crop`, convolution states of at least this many tokens are kept (and of the whole last call).
RECORDED_TOKENS = 32
CONVOLUTIONS = 2


class YuanCacheLayer(LinearAttentionAndFullAttentionLayer):
    """A hybrid layer of transformers, with three differences.

    1. Keys and values grow inside a buffer with room to spare: a decoded token writes one row instead of copying
       the whole past (which at 512 tokens is 50 MB read and 50 MB written for every token of Yuan2-2B).
    2. Convolution states are ``(B, k, C)``: time before channels, as the model computes. ``k`` is 1, or more while
       recording.
    3. ``ends`` (B, T) marks the cached tokens that end a document. The model asks layer 0 only.
    """

    _layer_type: str | None = CACHE_LAYER_TYPE
    is_croppable = True
    is_initialized: bool
    keys: Any  # (B, n, S, d)
    values: Any
    conv_states: dict[int, Any]  # (B, k, C), None before the first token

    def __init__(self, **_: Any) -> None:
        super().__init__(number_of_states=CONVOLUTIONS)
        self.ends: torch.Tensor | None = None
        self._key_buffer: torch.Tensor | None = None
        self._value_buffer: torch.Tensor | None = None

    # --- keys and values -----------------------------------------------------------------------------------------

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append ``(B, n, T, d)`` and return all keys and values."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self._key_buffer = _append(self.keys, self._key_buffer, key_states)
        self.values, self._value_buffer = _append(self.values, self._value_buffer, value_states)
        return self.keys, self.values

    def with_room(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values with the room behind them, whose contents are finite and mean nothing."""
        if self._key_buffer is None or self._value_buffer is None:
            return self.keys, self.values
        return self._key_buffer, self._value_buffer

    # --- convolutions --------------------------------------------------------------------------------------------

    def last_state(self, state_idx: int) -> torch.Tensor | None:
        """What convolution ``state_idx`` saw last, (B, 1, C); None before the first token."""
        states = self.conv_states[state_idx]
        return None if states is None else states[:, -1:]

    def remember(self, states: torch.Tensor, state_idx: int) -> None:
        """Keep the newest of ``states`` (B, T, C) for the next call."""
        if self.record_past:
            old = self.conv_states[state_idx]
            keep = max(states.shape[1] + 1, RECORDED_TOKENS)
            # Zeros before the first token, so that cropping back to nothing is also exact.
            old = torch.zeros_like(states[:, :1]) if old is None else old
            self.conv_states[state_idx] = torch.cat((old, states), dim=1)[:, -keep:]
        else:
            # Copied: a view would keep a whole prompt's activations alive.
            self.conv_states[state_idx] = states[:, -1:].clone() if states.shape[1] > 1 else states
        self.is_conv_states_initialized[state_idx] = True
        self.has_previous_state[state_idx] = True

    # --- documents -----------------------------------------------------------------------------------------------

    def mark_ends(self, ends: torch.Tensor) -> torch.Tensor:
        """Append ``ends`` (B, T) of the new tokens and return those of all tokens."""
        self.ends = ends if self.ends is None else torch.cat((self.ends, ends), dim=1)
        return self.ends

    # --- what generation does to a cache -------------------------------------------------------------------------

    def crop(self, tokens_to_remove: int) -> None:
        """Forget the newest ``-tokens_to_remove`` tokens; ``activate_past_recording`` must come before they do."""
        if tokens_to_remove > 0:
            raise ValueError(f"crop takes minus the number of tokens to remove, got {tokens_to_remove}")
        if tokens_to_remove == 0 or not self.is_initialized:
            return
        if not self.record_past:
            raise RuntimeError("call activate_past_recording() on the cache before the tokens that crop removes")
        for i, states in self.conv_states.items():
            if states is None or states.shape[1] <= -tokens_to_remove:
                kept = 0 if states is None else states.shape[1] - 1
                raise RuntimeError(
                    f"cannot remove {-tokens_to_remove} tokens: the convolution states of the last {kept} were "
                    "recorded; start again from a shorter prompt"
                )
            self.conv_states[i] = states[:, :tokens_to_remove]
        self.keys = self.keys[..., :tokens_to_remove, :]
        self.values = self.values[..., :tokens_to_remove, :]
        if self.ends is not None:
            self.ends = self.ends[:, :tokens_to_remove]

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        self.batch_select_indices(beam_idx)

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        self._each(lambda rows: rows[indices.to(rows.device)])

    def batch_repeat_interleave(self, repeats: int) -> None:
        self._each(lambda rows: rows.repeat_interleave(repeats, dim=0))

    def reset(self) -> None:
        self.keys = self.values = None
        self.ends = self._key_buffer = self._value_buffer = None
        self.is_initialized = False
        for i in range(CONVOLUTIONS):
            self.conv_states[i] = None
            self.is_conv_states_initialized[i] = self.has_previous_state[i] = False

    def _each(self, change: Any) -> None:
        if self.get_seq_length() == 0:
            return
        self.keys, self.values = change(self.keys), change(self.values)
        self.conv_states = {i: None if s is None else change(s) for i, s in self.conv_states.items()}
        self.ends = None if self.ends is None else change(self.ends)


class YuanStaticCacheLayer(StaticLayer):
    """Stands where transformers looks for a static layer, to say in words that there is none."""

    _layer_type = CACHE_LAYER_TYPE

    def __init__(self, **_: Any) -> None:
        raise NotImplementedError("Yuan2 has no static cache in generate; src.yuan.graphs decodes in fixed memory")


def _append(
    past: torch.Tensor, buffer: torch.Tensor | None, new: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """``past`` followed by ``new`` along time, and the buffer that both lie in."""
    if new.requires_grad:  # autograd needs the past as it was
        return (new if past.numel() == 0 else torch.cat((past, new), dim=-2)), None
    length = past.shape[-2] if past.numel() else 0
    total = length + new.shape[-2]
    if not _has_room(buffer, past, total):
        buffer = new.new_zeros((*new.shape[:-2], total + max(64, total // 4), new.shape[-1]))
        if length:
            buffer[..., :length, :] = past
    assert buffer is not None
    buffer[..., length:total, :] = new
    return buffer[..., :total, :], buffer


def _has_room(buffer: torch.Tensor | None, past: torch.Tensor, total: int) -> bool:
    """Whether ``past`` begins ``buffer`` (reordering or offloading made it a copy) and ``total`` fits."""
    return (
        buffer is not None
        and past.numel() > 0
        and past.data_ptr() == buffer.data_ptr()
        and past.shape[:2] == buffer.shape[:2]
        and past.stride() == buffer.stride()
        and total <= buffer.shape[-2]
        and buffer.is_inference() == torch.is_inference_mode_enabled()
    )
