"""Tiny Yuan2 models with lively weights: every bias, norm and tap matters, so no mistake hides behind a zero."""

import random
from collections.abc import Sequence

import torch

from src.yuan import YuanConfig, YuanForCausalLM
from tests.yuan import reference

EOD = 3


def tiny_model(seed: int = 0, dtype: torch.dtype = torch.float32, **shape: int) -> YuanForCausalLM:
    """A model whose sizes are drawn by ``seed`` unless given."""
    draw = random.Random(seed)
    heads = shape.pop("num_attention_heads", None) or draw.randint(2, 8)
    head_dim = shape.pop("head_dim", None) or draw.choice([8, 10, 16, 32, 64])
    sizes = {
        "vocab_size": draw.randint(50, 300),
        "hidden_size": heads * head_dim,
        "intermediate_size": draw.randint(16, 200),
        "num_hidden_layers": draw.randint(1, 5),
        "num_attention_heads": heads,
        "eod_token": EOD,
        "max_position_embeddings": 512,
    }
    model = YuanForCausalLM(YuanConfig(**{**sizes, **shape})).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("norm.weight"):
                parameter.copy_(1 + 0.3 * noise)
            elif parameter.ndim == 1:
                parameter.copy_(0.3 * noise)
            elif "embed" in name:
                parameter.copy_(2 * noise / parameter.shape[1] ** 0.5)
            else:
                parameter.copy_(noise / parameter[0].numel() ** 0.5)
    return model.to(dtype)


def random_ids(seed: int, length: int, vocabulary: int, ends: Sequence[int] = ()) -> list[int]:
    """Ids without ``<eod>`` except at the places ``ends``."""
    draw = random.Random(seed)
    ids = [draw.choice([i for i in range(vocabulary) if i != EOD]) for _ in range(length)]
    for place in ends:
        ids[place] = EOD
    return ids


def oracle(model: YuanForCausalLM, ids: Sequence[int], **mistake: bool) -> torch.Tensor:
    """The reference's logits for one sequence, (T, vocabulary)."""
    config = model.config
    weights = {k: v for k, v in model.state_dict().items() if k != "lm_head.weight"}
    return reference.logits(
        weights, ids, heads=config.num_attention_heads, eod=config.eod_token, eps=config.rms_norm_eps, **mistake
    )


@torch.no_grad()
def alone(model: YuanForCausalLM, ids: Sequence[int]) -> torch.Tensor:
    """Logits of one sequence in one piece without cache, (T, vocabulary)."""
    return model(torch.tensor([list(ids)]), use_cache=False).logits[0]
