"""The course's LoRA on a frozen base, for whichever task."""

from pathlib import Path
from typing import Any, ClassVar

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from src.errors import ModelError
from src.training.folder import WEIGHTS_FILE
from src.training.recipe import ReaderRecipe, Recipe

# The course's seven projections.
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def add_lora(
    model: Any, recipe: Recipe | ReaderRecipe, *, dropout: float = 0.0, layers: range | None = None, **options: Any
) -> Any:
    """``model`` with a new LoRA adapter, which changes nothing yet; the base is frozen.

    Args:
        layers: those that get one; None: all of them.
        options: of ``get_peft_model``.

    Raises:
        ModelError: the model has no such projections or layers.
    """
    torch.manual_seed(recipe.seed)  # LoRA's first matrices are random
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=dropout,
        target_modules=TARGETS,
        layers_to_transform=None if layers is None else list(layers),
        task_type="CAUSAL_LM",
    )
    try:
        peft = get_peft_model(model, config, **options)
    except ValueError as error:
        raise ModelError(f"模型没有课程配方里的投影层 {'、'.join(TARGETS)}：{error}") from error
    if dropout and model.device.type == "cpu":
        for module in peft.modules():
            for name in getattr(module, "lora_dropout", {}):
                module.lora_dropout[name] = PooledDropout(dropout, recipe.seed)
    return peft


def start_lora(folder: Path, model: Any) -> None:
    """The weights of the adapter in ``folder`` as the first ones of ``model``'s.

    Raises:
        ModelError: the adapter has other matrices than ``model``, or cannot be read.
    """
    try:
        weights = load_file(folder / WEIGHTS_FILE)
        own = get_peft_model_state_dict(model)
        if {name: value.shape for name, value in weights.items()} != {n: v.shape for n, v in own.items()}:
            raise ValueError("层或秩不同")
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"不能从 {folder} 接着训练：{' '.join(str(error).split())[:200]}") from error
    set_peft_model_state_dict(model, weights)


class PooledDropout(nn.Module):
    """Dropout whose masks are pieces, at random places, of one that is drawn once: on a CPU torch's own, which draws a
    number for each element, takes a third of a training step (NOTES.md).

    Args:
        p: the share that is dropped, in [0, 1).
        seed: of the mask; of the places it is torch's own.
    """

    _ELEMENTS = 1 << 24
    _pools: ClassVar[dict[tuple[float, int, torch.dtype], Tensor]] = {}

    def __init__(self, p: float, seed: int) -> None:
        super().__init__()
        self.p, self.seed = p, seed

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training:
            return inputs
        pool = self._pool(inputs.dtype)
        count = inputs.numel()
        if count >= len(pool):
            return nn.functional.dropout(inputs, self.p)
        start = int(torch.randint(len(pool) - count, ()))
        return inputs * pool[start : start + count].view(inputs.shape)

    def _pool(self, dtype: torch.dtype) -> Tensor:
        key = (self.p, self.seed, dtype)
        if key not in self._pools:
            draw = torch.Generator().manual_seed(self.seed)
            kept = torch.empty(self._ELEMENTS, dtype=dtype).bernoulli_(1 - self.p, generator=draw)
            self._pools.clear()
            self._pools[key] = kept / (1 - self.p)
        return self._pools[key]
