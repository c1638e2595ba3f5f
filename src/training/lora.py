"""The course's LoRA on a frozen base, for whichever task."""

from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from src.errors import ModelError
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
        return get_peft_model(model, config, **options)
    except ValueError as error:
        raise ModelError(f"模型没有课程配方里的投影层 {'、'.join(TARGETS)}：{error}") from error
