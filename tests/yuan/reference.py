"""Yuan2 written straight from the equations: one sequence, loops over time, float64, nothing from transformers.

Slow on purpose. ``llama_heads`` and ``llama_gate`` write the two easy mistakes, so that tests can show they would
be noticed.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def logits(
    weights: Mapping[str, Tensor],
    ids: Sequence[int],
    *,
    heads: int,
    eod: int,
    eps: float = 1e-6,
    llama_heads: bool = False,
    llama_gate: bool = False,
) -> Tensor:
    """Scores of the next token after each of ``ids``, (T, vocabulary)."""
    w = {name: tensor.detach().double() for name, tensor in weights.items()}
    h = [w["model.embed_tokens.weight"][token] for token in ids]
    layers = 1 + max(int(name.split(".")[2]) for name in w if name.startswith("model.layers."))
    for i in range(layers):
        layer = {
            k.removeprefix(f"model.layers.{i}."): v for k, v in w.items() if k.startswith(f"model.layers.{i}.")
        }
        x = [_norm(row, layer["input_layernorm.weight"], eps) for row in h]
        a = _attention(layer, x, ids, heads, eod, llama_heads)
        h = [row + update for row, update in zip(h, a, strict=True)]
        h = [row + _mlp(layer, _norm(row, layer["post_attention_layernorm.weight"], eps), llama_gate) for row in h]
    h = [_norm(row, w["model.norm.weight"], eps) for row in h]
    return torch.stack([w["model.embed_tokens.weight"] @ row for row in h])


def greedy(weights: Mapping[str, Tensor], ids: Sequence[int], new: int, *, heads: int, eod: int) -> list[int]:
    """``ids`` and ``new`` tokens more, also past the end of a document."""
    out = list(ids)
    for _ in range(new):
        out.append(int(logits(weights, out, heads=heads, eod=eod)[-1].argmax()))
    return out


def _norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return x / torch.sqrt((x * x).mean() + eps) * weight


def _attention(
    w: Mapping[str, Tensor], x: list[Tensor], ids: Sequence[int], heads: int, eod: int, llama_heads: bool
) -> list[Tensor]:
    hidden = len(x[0])
    d = hidden // heads
    y = _filter(w, x)
    queries, keys, values = [], [], []
    for t in range(len(x)):
        q, k = w["self_attn.q_proj.weight"] @ y[t], w["self_attn.k_proj.weight"] @ y[t]
        both = torch.cat((q, k))
        for head in range(heads):
            if llama_heads:
                query, key = q[head * d : (head + 1) * d], k[head * d : (head + 1) * d]
            else:
                pair = both[head * 2 * d : (head + 1) * 2 * d]
                query, key = pair[:d], pair[d:]
            queries.append(_rotate(query, t))
            keys.append(_rotate(key, t))
        v = w["self_attn.v_proj.weight"] @ x[t]
        values += [v[head * d : (head + 1) * d] for head in range(heads)]
    out = []
    for t in range(len(x)):
        start = max((s + 1 for s in range(t) if ids[s] == eod), default=0)
        mixed = []
        for head in range(heads):
            scores = torch.stack(
                [queries[t * heads + head] @ keys[s * heads + head] / math.sqrt(d) for s in range(start, t + 1)]
            )
            p = torch.softmax(scores, dim=0)
            mixed.append(sum(p[s - start] * values[s * heads + head] for s in range(start, t + 1)))
        out.append(w["self_attn.o_proj.weight"] @ torch.cat(mixed))
    return out


def _filter(w: Mapping[str, Tensor], x: list[Tensor]) -> list[Tensor]:
    c1, b1 = w["self_attn.lf_gate.conv1.weight"], w["self_attn.lf_gate.conv1.bias"]
    c2, b2 = w["self_attn.lf_gate.conv2.weight"], w["self_attn.lf_gate.conv2.bias"]
    before_x, before_u = torch.zeros_like(x[0]), torch.zeros_like(b1)
    out = []
    for now in x:
        u = c1[:, :, 0, 0] @ before_x + c1[:, :, 1, 0] @ now + b1
        filtered = c2[:, :, 0, 0] @ before_u + c2[:, :, 1, 0] @ u + b2
        out.append(_norm(filtered + now, w["self_attn.lf_gate.output_layernorm.weight"], 1e-6))
        before_x, before_u = now, u
    return out


def _rotate(x: Tensor, position: int) -> Tensor:
    half = len(x) // 2
    angle = position * torch.tensor([10000.0 ** (-2 * i / len(x)) for i in range(half)], dtype=torch.float64)
    low, high = x[:half], x[half:]
    return torch.cat((low * angle.cos() - high * angle.sin(), high * angle.cos() + low * angle.sin()))


def _mlp(w: Mapping[str, Tensor], x: Tensor, llama_gate: bool) -> Tensor:
    gate, up = w["mlp.gate_proj.weight"] @ x, w["mlp.up_proj.weight"] @ x
    product = torch.nn.functional.silu(gate) * up if llama_gate else gate * torch.nn.functional.silu(up)
    return w["mlp.down_proj.weight"] @ product
