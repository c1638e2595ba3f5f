"""Yuan2 for transformers 5, in reading order: norm, attention, MLP, block, model.

A Llama with four differences, each marked ``Yuan2, n`` where it stands:
1. Localized Filtering Attention: two causal convolutions over time before the query and key projections.
2. Heads are interleaved across ``q_proj`` and ``k_proj``.
3. The MLP's activation is on ``up_proj``, not on ``gate_proj``.
4. Attention never crosses an end-of-document token. The convolutions do, and positions run on.

B batch, T tokens of this call, S tokens seen so far including these, H hidden size, n heads of size d.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache, GenerationMixin, PreTrainedModel
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, slice_logits_to_keep
from transformers.utils import can_return_tuple
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from src.yuan.cache import YuanCacheLayer
from src.yuan.configuration import YuanConfig
from src.yuan.layout import Layout, plan
from src.yuan.loading import HARMLESS, check_checkpoint

SDPA = ALL_ATTENTION_FUNCTIONS["sdpa"]
# The filter's own norm ignores the config's eps.
FILTER_NORM_EPS = 1e-6


class YuanRMSNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


class YuanConvolution(nn.Conv2d):
    """A causal convolution over two time steps, stored as released ([out, in, 2, 1]) and computed as one matmul.

    The stored weight, read as a matrix, has the two taps of each channel side by side; laying the input out
    likewise costs a copy of the activations and none of the weight.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, kernel_size=(2, 1))

    def forward(self, previous: Tensor, current: Tensor) -> Tensor:  # type: ignore[override]
        pairs = torch.stack((previous, current), dim=-1).flatten(-2)  # (B, T, 2 * in)
        return F.linear(pairs, self.weight.flatten(1), self.bias)  # (B, T, out)


class YuanLocalizedFilter(nn.Module):
    """Yuan2, 1: mixes every token with its two predecessors; zeros stand before the first token."""

    def __init__(self, config: YuanConfig, layer_idx: int) -> None:
        super().__init__()
        self.layer_idx = layer_idx
        self.conv1 = YuanConvolution(config.hidden_size, config.hidden_size // 2)
        self.conv2 = YuanConvolution(config.hidden_size // 2, config.hidden_size)
        self.output_layernorm = YuanRMSNorm(config.hidden_size, FILTER_NORM_EPS)

    def forward(self, x: Tensor, layout: Layout, cache: Cache | None) -> Tensor:
        u = self.conv1(*self._step(x, 0, layout, cache))  # (B, T, H / 2)
        w = self.conv2(*self._step(u, 1, layout, cache))  # (B, T, H)
        return self.output_layernorm(w + x)

    def _step(self, x: Tensor, state_idx: int, layout: Layout, cache: Cache | None) -> tuple[Tensor, Tensor]:
        """``x`` one token earlier, and ``x``."""
        layer = None if cache is None else _yuan_layer(cache, self.layer_idx)
        before = None if layer is None else layer.last_state(state_idx)
        if before is None:
            before = torch.zeros_like(x[:, :1])
        if layout.carry is not None:
            # Padding repeats the last real token (zeros before the first), so every row is filtered as if alone.
            source = layout.carry[..., None].expand(-1, -1, x.shape[-1])
            x = torch.cat((before, x), dim=1).gather(1, source)
        if layer is not None:
            layer.remember(x, state_idx)
        return (before if x.shape[1] == 1 else torch.cat((before, x[:, :-1]), dim=1)), x


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding, half rotation: channel i turns with channel i + d / 2; ``sin`` has the signs."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)


def eager_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    weights = query @ key.transpose(2, 3) * scaling  # (B, n, T, S)
    if attention_mask is not None:
        weights = weights + attention_mask
    weights = F.softmax(weights, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = F.dropout(weights, p=dropout, training=module.training)
    return (weights @ value).transpose(1, 2).contiguous(), weights


def one_query_attention(
    query: Tensor, key: Tensor, value: Tensor, length: int, mask: Tensor | None, scaling: float
) -> Tensor:
    """A single query in half precision on a CPU, where sdpa takes several times as long.

    ``key`` and ``value`` may have room behind the first ``length`` places: a batched product would copy the slice.
    """
    scores = query @ key.transpose(2, 3) * scaling  # (B, n, 1, S or more)
    scores[..., length:] = -torch.inf
    if mask is not None:
        scores[..., :length].masked_fill_(~mask, -torch.inf)
    return (scores.softmax(dim=-1) @ value).transpose(1, 2)  # (B, 1, n, d)


class YuanAttention(nn.Module):
    is_causal = True

    def __init__(self, config: YuanConfig, layer_idx: int) -> None:
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.heads, self.head_dim = config.num_attention_heads, config.head_dim
        self.scaling = self.head_dim**-0.5
        width = config.hidden_size
        self.lf_gate = YuanLocalizedFilter(config, layer_idx)
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(
        self, x: Tensor, layout: Layout, past_key_values: Cache | None, **kwargs: Any
    ) -> tuple[Tensor, Tensor | None]:
        y = self.lf_gate(x, layout, past_key_values)  # (B, T, H)
        value = self.v_proj(x).view(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, n, T, d); from x, not y

        # Yuan2, 2: q_proj and k_proj side by side are n heads of 2 * d: a head's query, then its key. So the first
        # n / 2 heads take both from q_proj and the others both from k_proj.
        pairs = torch.cat((self.q_proj(y), self.k_proj(y)), dim=-1)  # (B, T, 2 * H)
        pairs = pairs.reshape(*pairs.shape[:2], self.heads, 2, self.head_dim)  # (B, T, n, 2, d)
        pairs = rotate(pairs, layout.cos, layout.sin)
        query, key = pairs.permute(3, 0, 2, 1, 4)  # (B, n, T, d) each

        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)  # (B, n, S, d)
        attend: Callable[..., tuple[Tensor, Tensor | None]] = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention
        )
        half_on_cpu = query.device.type == "cpu" and query.dtype in (torch.bfloat16, torch.float16)
        added = layout.mask is not None and layout.mask.dtype != torch.bool  # in fixed memory, which is for GPUs
        if half_on_cpu and attend is SDPA and query.shape[2] == 1 and not added and not torch.is_grad_enabled():
            length = key.shape[2]
            if past_key_values is not None:
                key, value = _yuan_layer(past_key_values, self.layer_idx).with_room()
            mixed = one_query_attention(query, key, value, length, layout.mask, self.scaling)
            return self.o_proj(mixed.flatten(2)), None
        mixed, weights = attend(self, query, key, value, layout.mask, scaling=self.scaling, dropout=0.0, **kwargs)
        return self.o_proj(mixed.flatten(2)), weights  # (B, T, H)


class YuanMLP(nn.Module):
    def __init__(self, config: YuanConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)
        self.act_fn = ACT2FN[config.hidden_act]

    def forward(self, x: Tensor) -> Tensor:
        # Yuan2, 3: Llama activates gate_proj.
        return self.down_proj(self.gate_proj(x) * self.act_fn(self.up_proj(x)))


class YuanDecoderLayer(GradientCheckpointingLayer):
    def __init__(self, config: YuanConfig, layer_idx: int) -> None:
        super().__init__()
        self.input_layernorm = YuanRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = YuanAttention(config, layer_idx)
        self.post_attention_layernorm = YuanRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = YuanMLP(config)

    def forward(self, h: Tensor, layout: Layout, past_key_values: Cache | None = None, **kwargs: Any) -> Tensor:
        h = h + self.self_attn(self.input_layernorm(h), layout, past_key_values, **kwargs)[0]
        return h + self.mlp(self.post_attention_layernorm(h))


class YuanPreTrainedModel(PreTrainedModel):
    config: YuanConfig
    config_class = YuanConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules: ClassVar[list[str]] = ["YuanDecoderLayer"]
    _skip_keys_device_placement: ClassVar[list[str]] = ["past_key_values"]
    _supports_sdpa = True
    _can_record_outputs: ClassVar[dict[str, Any]] = {"hidden_states": YuanDecoderLayer, "attentions": YuanAttention}


class YuanModel(YuanPreTrainedModel):
    """Token ids (or their embeddings) to hidden states."""

    def __init__(self, config: YuanConfig) -> None:
        super().__init__(config)
        # No padding_idx: the padding token is <eod>, a real token whose embedding is learnt.
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(YuanDecoderLayer(config, i) for i in range(config.num_hidden_layers))
        self.norm = YuanRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.gradient_checkpointing = False
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give exactly one of input_ids and inputs_embeds")
        h = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds  # (B, T, H)
        if self.gradient_checkpointing and self.training:
            use_cache, past_key_values = False, None  # a replayed layer would write the cache twice
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        ends = self._ends(input_ids, h) if self.config.reset_attention_mask else None  # (B, T)
        first = None if past_key_values is None else _yuan_layer(past_key_values, 0)
        layout = plan(self.config, h, attention_mask, position_ids, ends, first)
        for layer in self.layers:
            h = layer(h, layout, past_key_values, **kwargs)
        return BaseModelOutputWithPast(
            last_hidden_state=self.norm(h), past_key_values=past_key_values if use_cache else None
        )

    def _ends(self, input_ids: Tensor | None, embeddings: Tensor) -> Tensor:
        """Which tokens end a document, (B, T); an embedding does when it is exactly that of ``<eod>``."""
        if input_ids is not None:
            return input_ids == self.config.eod_token
        eod = self.embed_tokens(torch.tensor([self.config.eod_token], device=embeddings.device))
        return (embeddings == eod).all(dim=-1)


class YuanForCausalLM(YuanPreTrainedModel, GenerationMixin):
    """``YuanModel`` and the output embedding, which is the input embedding."""

    _tied_weights_keys: ClassVar[dict[str, str]] = {"lm_head.weight": "model.embed_tokens.weight"}
    _keys_to_ignore_on_load_unexpected: ClassVar[list[str]] = [HARMLESS.pattern]

    def __init__(self, config: YuanConfig) -> None:
        super().__init__(config)
        self.model = YuanModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As in transformers, but a checkpoint that does not fit is an error (``ModelError``), not a warning."""
        if isinstance(pretrained_model_name_or_path, str | os.PathLike) and not kwargs.get("subfolder"):
            folder = Path(pretrained_model_name_or_path)
            if folder.is_dir():
                check_checkpoint(folder)
        return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """As every causal model of transformers; ``attention_mask`` is (B, S), 0 at padding on any side."""
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        # 13 % of the weights: only where somebody reads the result.
        logits = self.lm_head(slice_logits_to_keep(outputs.last_hidden_state, logits_to_keep))
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )


def _yuan_layer(cache: Cache, layer_idx: int) -> YuanCacheLayer:
    layer = cache.layers[layer_idx] if layer_idx < len(cache.layers) else None
    if not isinstance(layer, YuanCacheLayer):
        raise ValueError(
            f"layer {layer_idx} of the cache is {type(layer).__name__}, which cannot hold Yuan2's convolution "
            "states; pass DynamicCache(config=model.config)"
        )
    return layer
