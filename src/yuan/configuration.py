"""The shape of a Yuan2 model, read from the released ``config.json`` unchanged."""

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

# The name under which `cache.YuanCacheLayer` registers itself with transformers' caches.
CACHE_LAYER_TYPE = "yuan"
ROPE_BASE = 10000.0


@strict
class YuanConfig(PreTrainedConfig):
    """Yuan2; the defaults are Yuan2-2B (Mars, Februa and July share them).

    Attributes:
        eod_token: attention never crosses this token when ``reset_attention_mask`` is set.
        reset_attention_mask: whether it ends a document; positions run on across documents either way, as in the
            code path the checkpoint was released with (its ``reset_position_ids`` has no effect there, nor here).
        max_position_embeddings: longest context; more tokens than this are an error, never a guess.
    """

    model_type: ClassVar[str] = "yuan"
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]

    vocab_size: int = 135040
    hidden_size: int = 2048
    intermediate_size: int = 8192
    num_hidden_layers: int = 24
    num_attention_heads: int = 32
    hidden_act: str = "silu"
    max_position_embeddings: int = 8192
    initializer_range: float = 0.02
    rms_norm_eps: float = 1e-6
    use_cache: bool = True
    tie_word_embeddings: bool = True
    reset_attention_mask: bool = True
    eod_token: int = 77185
    sep_token: int = 77187
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    rope_parameters: dict[str, Any] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        # The checkpoint's own Python, which this package replaces; a folder saved from here has none.
        kwargs.pop("auto_map", None)
        # Derived, so that a changed number of layers cannot disagree with it.
        kwargs.pop("layer_types", None)
        self.layer_types = [CACHE_LAYER_TYPE] * self.num_hidden_layers
        if self.eos_token_id is None:
            self.eos_token_id = self.eod_token
        if self.bos_token_id is None:
            self.bos_token_id = self.eod_token
        if self.pad_token_id is None:
            self.pad_token_id = self.eod_token
        super().__post_init__(**kwargs)

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def rope_base(self) -> float:
        return float((self.rope_parameters or {}).get("rope_theta") or ROPE_BASE)

    def validate_architecture(self) -> None:
        """Part of ``@strict`` validation: what the layers cannot be built from, or would misread."""
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads "
                f"{self.num_attention_heads}"
            )
        if self.head_dim % 2 or self.hidden_size % 2:
            raise ValueError(
                f"head size {self.head_dim} and hidden size {self.hidden_size} must be even: rotary embeddings and "
                "the filter's inner width are halves of them"
            )
        rope_type = (self.rope_parameters or {}).get("rope_type", "default")
        if rope_type != "default":
            raise ValueError(f"rope_type is {rope_type!r}; Yuan2 has plain rotary embeddings ('default')")
        # Variants of the same `model_type` that other checkpoints of the family switch on.
        for name in ("use_moe", "moe_config", "attention_projection_size", "num_key_value_heads"):
            value = getattr(self, name, None)
            if value and value not in (self.hidden_size, self.num_attention_heads):
                raise ValueError(f"config has {name}={value!r}: this is another Yuan (M32 or later), not Yuan2")

    def validate_layer_type(self) -> None:
        """The cache layer of this package is not in transformers' closed list of layer types."""
