"""Torch's own weight-only int8 and int4 kernels for a CPU behind nn.Linear, to compare with."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from src.models.int8 import quantize_rows


class Int8Weight(nn.Linear):
    """bf16 activations, int8 weights with one scale a row: the kernel gpt-fast uses on a CPU."""

    def __init__(self, linear: nn.Linear, keep_dense: bool = False) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        self.weight = linear.weight if keep_dense else nn.Parameter(torch.empty(0), False)
        rows, scale = quantize_rows(linear.weight.detach())
        self.register_buffer("rows", rows)
        self.register_buffer("scale", scale.bfloat16())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1, self.in_features)
        if self.weight.numel() and flat.shape[0] >= 8:
            return F.linear(x, self.weight, self.bias)
        y = torch.ops.aten._weight_int8pack_mm(flat, self.rows, self.scale)
        y = y.view(*x.shape[:-1], self.out_features)
        return y if self.bias is None else y + self.bias


class Int4Weight(nn.Linear):
    """bf16 activations, int4 weights in groups of 32, rounded to nearest."""

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = nn.Parameter(torch.empty(0), False), linear.bias
        w = linear.weight.detach().float().view(self.out_features, -1, 32)
        low, high = w.amin(-1, keepdim=True), w.amax(-1, keepdim=True)
        scale = ((high - low) / 15).clamp_min(1e-8)
        q = ((w - low) / scale).round_().clamp_(0, 15).int().view(self.out_features, -1)
        self.register_buffer("q", torch.ops.aten._convert_weight_to_int4pack_for_cpu(q, 1))
        both = torch.cat([scale, low + 8 * scale], -1).transpose(0, 1)
        self.register_buffer("both", both.contiguous().bfloat16())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1, self.in_features)
        y = torch.ops.aten._weight_int4pack_mm_for_cpu(flat, self.q, 32, self.both)
        y = y.view(*x.shape[:-1], self.out_features)
        return y if self.bias is None else y + self.bias
