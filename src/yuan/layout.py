"""Where the tokens of one call stand: positions, padding and documents, worked out once for all layers."""

from dataclasses import dataclass

import torch
from torch import Tensor

from src.yuan.cache import YuanCacheLayer
from src.yuan.configuration import YuanConfig


@dataclass(frozen=True)
class Layout:
    """B batch, T tokens of this call, S tokens seen so far including these.

    Attributes:
        cos, sin: rotary tables (B or 1, T, 1, 1, d), the first half of sin negated.
        mask: who may see whom, (B or 1, 1, T, S): boolean, or added to the scores for eager attention; None where
            plain causal attention is meant, which needs no mask and runs faster kernels.
        carry: None without padding; else (B, T), for each token the last real one up to it, counted so that 0 is
            the state before this call and t + 1 its token t.
    """

    cos: Tensor
    sin: Tensor
    mask: Tensor | None
    carry: Tensor | None

    def to(self, device: torch.device | str | int, non_blocking: bool = False) -> "Layout":
        """On another device; accelerate calls this where a model's layers lie on several."""
        moved = (None if t is None else t.to(device, non_blocking=non_blocking) for t in vars(self).values())
        return Layout(*moved)  # type: ignore[arg-type]


def plan(
    config: YuanConfig,
    h: Tensor,
    attention_mask: Tensor | None,
    position_ids: Tensor | None,
    ends: Tensor | None,
    cache: YuanCacheLayer | None,
) -> Layout:
    """Lay out the tokens whose embeddings are ``h`` (B, T, H) behind what ``cache`` already holds."""
    batch, new = h.shape[:2]
    past = 0 if cache is None else cache.get_seq_length()
    if past + new > config.max_position_embeddings:
        raise ValueError(
            f"{past + new} tokens are more than this model's context of {config.max_position_embeddings}; "
            "shorten the prompt or ask for fewer new tokens"
        )
    real = _real_tokens(attention_mask, batch, past + new)  # (B, S), None when all are
    if ends is not None:
        if real is not None:
            ends = ends & real[:, past:]  # the padding token is <eod> too
        if cache is not None:
            ends = cache.mark_ends(ends)  # (B, S)
        # An end in the last place concerns nobody yet.
        if not bool(ends[:, :-1].any()):
            ends = None
    if position_ids is None:
        if real is None:
            position_ids = torch.arange(past, past + new, device=h.device)[None]
        else:
            position_ids = (real.cumsum(dim=1) - 1).clamp(min=0)[:, past:]
    cos, sin = rotary_tables(position_ids, config, h.dtype)
    mask = _mask(past, new, real, ends, h.device, eager=config._attn_implementation == "eager")
    if mask is not None and config._attn_implementation == "eager":
        mask = torch.zeros_like(mask, dtype=h.dtype).masked_fill(~mask, torch.finfo(h.dtype).min)
    return Layout(cos, sin, mask, _carry(real, past))


def _real_tokens(attention_mask: Tensor | None, batch: int, seen: int) -> Tensor | None:
    if attention_mask is None:
        return None
    if attention_mask.shape != (batch, seen):
        raise ValueError(
            f"attention_mask has shape {tuple(attention_mask.shape)}, expected {(batch, seen)}: one row per "
            "sequence over all tokens, cached ones included; 4-D masks cannot say where convolutions meet padding"
        )
    real = attention_mask.bool()
    return None if bool(real.all()) else real


def rotary_tables(position_ids: Tensor, config: YuanConfig, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine, and sine with the sign that its half of the channels takes in a rotation; (B, T, 1, 1, d) each."""
    d, device = config.head_dim, position_ids.device
    frequencies = config.rope_base ** (-torch.arange(0, d, 2, device=device, dtype=torch.float32) / d)
    angles = position_ids[..., None].float() * frequencies  # (B, T, d / 2)
    cos, sin = angles.cos(), angles.sin()
    tables = torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)
    return tables[0][:, :, None, None].to(dtype), tables[1][:, :, None, None].to(dtype)


def _mask(
    past: int, new: int, real: Tensor | None, ends: Tensor | None, device: torch.device, eager: bool
) -> Tensor | None:
    # Without a mask the other implementations are causal by themselves, as long as queries and keys are as many.
    if real is None and ends is None and (new == 1 or (past == 0 and not eager)):
        return None
    key = torch.arange(past + new, device=device)  # (S,)
    query = key[past:, None]  # (T, 1)
    seen = key <= query  # (T, S)
    if real is not None:
        seen = seen & real[:, None, :]
    if ends is not None:
        # The first token of each token's document: one after the last end strictly before it.
        after = torch.where(ends, key + 1, 0).cummax(dim=1).values  # (B, S)
        start = torch.nn.functional.pad(after, (1, -1))[:, past:]
        seen = seen & (key >= start[..., None])
    # Padding sees itself: nobody reads it, and a row without any key would be NaN.
    seen = seen | (key == query)
    return seen[None, None] if seen.ndim == 2 else seen[:, None]


def _carry(real: Tensor | None, past: int) -> Tensor | None:
    if real is None:
        return None
    new = real[:, past:]
    if bool(new.all()):
        return None
    count = torch.arange(1, new.shape[1] + 1, device=new.device)
    return torch.where(new, count, 0).cummax(dim=1).values
