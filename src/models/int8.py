"""Linear layers with int8 weights and int8 activations on x86 CPUs (fbgemm), made from dense ones.

Decoding reads every weight once a token, so half the bytes is up to twice the speed. One int8 digit for the
activations costs a tenth of the most likely tokens; a second digit, which rides along as another row of the same
product, brings the error down to that of rounding the weights alone. ``benchmarks/language_cpu.py`` prints both.
"""

import warnings
from typing import Any

import torch
from torch import nn

# Without VNNI the int16 sums inside fbgemm overflow unless activations keep to 7 bits.
_LEVELS = 127 if torch.cpu._is_vnni_supported() else 63
_NUMBERS_AT_A_TIME = 1 << 20


def is_fast() -> bool:
    """Whether this CPU has the instructions, and this torch the library and the functions."""
    return (
        "fbgemm" in torch.backends.quantized.supported_engines
        and torch.cpu._is_vnni_supported()
        and hasattr(torch, "_make_per_channel_quantized_tensor")
        and hasattr(torch.ops.quantized, "linear_with_input_q_dq_qweight_dq_output_fp32")
    )


def quantize_language_model(model: Any) -> Any:
    """Turn the linear layers and the embedding of a causal language model to int8 in place; the rest to float32.

    The result answers and takes LoRA adapters on top; it cannot be trained, saved or merged with an adapter.
    """
    torch.backends.quantized.engine = "fbgemm"
    embedding = model.get_input_embeddings()
    tied = model.lm_head.weight is embedding.weight
    rows, scale = quantize_rows(model.lm_head.weight.detach())
    model.lm_head = Int8Linear(rows, scale, None)
    if not tied:
        rows, scale = quantize_rows(embedding.weight.detach())
    model.set_input_embeddings(_Int8Embedding(rows, scale))
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, Int8Linear(*quantize_rows(child.weight.detach()), child.bias))
    return model.float()


class Int8Linear(nn.Linear):
    """A frozen ``nn.Linear`` with int8 weights and, for every token, activations of two int8 digits.

    Args:
        rows: int8 (out_features, in_features).
        scale: float32 (out_features,), what one step of each row is worth.
        bias: (out_features,) or None.
    """

    def __init__(self, rows: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = rows.shape
        self.weight = nn.Parameter(torch.empty(0), requires_grad=False)  # PEFT asks for its dtype
        frozen = None if bias is None else nn.Parameter(bias.detach().float(), requires_grad=False)
        self.register_parameter("bias", frozen)
        self.packed = _pack(rows, scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """float32 (..., in_features) -> float32 (..., out_features)."""
        flat = x.reshape(-1, self.in_features)  # (T, in)
        peak = flat.abs().amax(-1, keepdim=True).clamp_min_(1e-8)  # (T, 1)
        exact = flat * (_LEVELS / peak)
        high = exact.round()
        low = exact.sub_(high).mul_(2 * _LEVELS)
        both = torch.cat((high, low))  # (2 T, in)
        y = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(both, 1.0, _LEVELS + 1, self.packed)
        y = torch.add(y[: len(flat)], y[len(flat) :], alpha=0.5 / _LEVELS)
        y = y.mul_(peak / _LEVELS).view(*x.shape[:-1], self.out_features)
        return y if self.bias is None else y.add_(self.bias)


class _Int8Embedding(nn.Module):
    rows: torch.Tensor
    scale: torch.Tensor

    def __init__(self, rows: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = rows.shape
        self.weight = nn.Parameter(torch.empty(0), requires_grad=False)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("scale", scale[:, None], persistent=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """int64 (...) -> float32 (..., embedding_dim)."""
        return self.rows[ids].float().mul_(self.scale[ids])


def quantize_rows(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Round to int8 with one scale a row.

    A few rows at a time and in place: buffers this small are used again, larger ones are fresh pages every time.
    """
    rows = torch.empty(weight.shape, dtype=torch.int8)
    scale = torch.empty(weight.shape[0])
    step = max(1, _NUMBERS_AT_A_TIME // weight.shape[1])
    for start in range(0, weight.shape[0], step):
        part = weight[start : start + step].to(torch.float32, copy=True)
        unit = part.abs().amax(1).clamp_min_(1e-8).div_(127)
        scale[start : start + step] = unit
        rows[start : start + step] = part.div_(unit[:, None]).round_()
    return rows, scale


def _pack(rows: torch.Tensor, scale: torch.Tensor) -> Any:
    zeros = torch.zeros(len(scale), dtype=torch.long)
    with warnings.catch_warnings():
        # torch announces the end of quantised tensors; requirements.txt keeps torch below it, is_fast() checks.
        warnings.filterwarnings("ignore", message=".*quantized tensor creation functions")
        whole = torch._make_per_channel_quantized_tensor(rows, scale.double(), zeros, 0)
    return torch.ops.quantized.linear_prepack(whole, None)
