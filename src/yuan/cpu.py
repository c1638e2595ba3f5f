"""Faster inference on CPUs: matrices laid out for oneDNN once instead of read row by row for every token.

For one token torch's bf16 product runs well below the memory's bandwidth (see ``benchmarks/yuan2.py``); oneDNN's on
its own blocked layout reaches it. A prompt costs the same either way.
"""

from typing import Any

import torch
from torch import Tensor, nn

from src.yuan.modeling import YuanConvolution


def can_pack(dtype: torch.dtype) -> bool:
    """Whether this CPU and this build of torch have the kernels."""
    return (
        dtype == torch.bfloat16
        and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


def pack(model: nn.Module, *, output: bool = True) -> bool:
    """Pack the matrices of a bf16 model on the CPU, for good: afterwards it can neither be trained nor saved.

    Call it after adapters are loaded: LoRA stays switchable per call, but can no longer be merged. ``output`` packs
    the output embedding too, which costs its size in memory again because the input embedding keeps the table.

    Returns:
        Whether anything was packed; elsewhere (another dtype, no kernels) the model stays as it was.
    """
    table = model.get_input_embeddings().weight  # type: ignore[operator]
    if table.device.type != "cpu" or not can_pack(table.dtype):
        return False
    for name, module in list(model.named_modules()):
        last = name.rpartition(".")[2]
        if isinstance(module, nn.Linear) and (last.endswith("_proj") or last == "base_layer"):
            _replace(model, name, PackedLinear(module.weight, module.bias))
        elif isinstance(module, YuanConvolution):
            _replace(model, name, PackedConvolution(module))
        elif output and last == "lm_head":
            _replace(model, name, PackedLinear(module.weight, None))
    return True


class PackedLinear(nn.Module):
    """``nn.Linear`` on a packed matrix; not a parameter, because nothing but this product can read it."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.bias = None if bias is None else bias.detach()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), 1)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and x.requires_grad:
            raise RuntimeError("a packed model cannot be trained; load it again without packing")
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")

    def _save_to_state_dict(self, *_: Any) -> None:
        raise RuntimeError("a packed model cannot be saved; load it again without packing")


class PackedConvolution(PackedLinear):
    """``YuanConvolution`` likewise."""

    def __init__(self, convolution: YuanConvolution) -> None:
        super().__init__(convolution.weight.flatten(1), convolution.bias)

    def forward(self, previous: Tensor, current: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(torch.stack((previous, current), dim=-1).flatten(-2))


def _replace(model: nn.Module, name: str, new: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, new)
