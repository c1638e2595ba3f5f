"""What the released Yuan2 code does, written plainly on given tensors: the yardstick of ``benchmarks.yuan2``.

Tuple cache whose keys and values are concatenated for every token, two real ``conv2d`` over the last two tokens and
the new ones, a full additive mask, attention weights in full, softmax in fp32, scores of every position.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from src.yuan import YuanConfig, YuanForCausalLM

Past = list[tuple[Tensor, Tensor, Tensor]]


class Released:
    """Eager Yuan2 on ``model``'s tensors, taken by reference: packing ``model`` later does not change it."""

    def __init__(self, model: YuanForCausalLM) -> None:
        self.config: YuanConfig = model.config
        self.w = dict(model.named_parameters())
        d = self.config.head_dim
        self.frequencies = 10000.0 ** (-torch.arange(0, d, 2, device=model.device).float() / d)

    @torch.no_grad()
    def __call__(self, ids: Tensor, past: Past | None = None) -> tuple[Tensor, Past]:
        """Scores of all of ``ids`` (B, T) and the new cache."""
        h = self.w["model.embed_tokens.weight"][ids]
        seen = 0 if past is None else past[0][0].shape[2]
        mask = self._mask(ids, h.dtype) if past is None else h.new_zeros((len(ids), 1, ids.shape[1], seen + 1))
        angles = torch.arange(seen, seen + ids.shape[1], device=ids.device)[:, None] * self.frequencies
        angles = torch.cat((angles, angles), dim=-1)
        cos, sin = angles.cos().to(h.dtype), angles.sin().to(h.dtype)
        new: Past = []
        for i in range(self.config.num_hidden_layers):
            prefix = f"model.layers.{i}."
            x = self._norm(h, prefix + "input_layernorm")
            a, cached = self._attention(prefix + "self_attn.", x, mask, cos, sin, None if past is None else past[i])
            new.append(cached)
            h = h + a
            x = self._norm(h, prefix + "post_attention_layernorm")
            gated = self._linear(x, prefix + "mlp.gate_proj") * F.silu(self._linear(x, prefix + "mlp.up_proj"))
            h = h + self._linear(gated, prefix + "mlp.down_proj")
        return F.linear(self._norm(h, "model.norm"), self.w["model.embed_tokens.weight"]).float(), new

    def _attention(
        self,
        prefix: str,
        x: Tensor,
        mask: Tensor,
        cos: Tensor,
        sin: Tensor,
        past: tuple[Tensor, Tensor, Tensor] | None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        b, t, width = x.shape
        n, d = self.config.num_attention_heads, self.config.head_dim
        y = self._filter(prefix + "lf_gate.", x, None if past is None else past[2])
        last = x[:, -2:] if past is None else torch.cat((past[2], x), dim=1)[:, -2:]
        value = self._linear(x, prefix + "v_proj").view(b, t, n, d).transpose(1, 2)
        pairs = torch.cat((self._linear(y, prefix + "q_proj"), self._linear(y, prefix + "k_proj")), dim=-1)
        query, key = pairs.view(b, t, n, 2 * d).transpose(1, 2).chunk(2, dim=-1)
        query, key = _rotate(query, cos, sin), _rotate(key, cos, sin)
        if past is not None:
            key, value = torch.cat((past[0], key), dim=2), torch.cat((past[1], value), dim=2)
        weights = torch.matmul(query, key.transpose(2, 3)) / d**0.5 + mask
        weights = torch.max(weights, torch.tensor(torch.finfo(weights.dtype).min))
        weights = F.softmax(weights, dim=-1, dtype=torch.float32).to(query.dtype)
        mixed = torch.matmul(weights, value).transpose(1, 2).reshape(b, t, width)
        return self._linear(mixed, prefix + "o_proj"), (key, value, last)

    def _filter(self, prefix: str, x: Tensor, before: Tensor | None) -> Tensor:
        t = x.shape[1]
        w, image = self.w, (x if before is None else torch.cat((before, x), dim=1)).transpose(1, 2)[..., None]
        first = 0 if before is not None and before.shape[1] == 2 else 1  # real neighbours need no zeros
        u = F.conv2d(image, w[prefix + "conv1.weight"], w[prefix + "conv1.bias"], padding=(first, 0))
        u = u[:, :, : image.shape[2] - 1 + first]
        out = F.conv2d(u, w[prefix + "conv2.weight"], w[prefix + "conv2.bias"], padding=(first, 0))
        out = out[:, :, : image.shape[2]][:, :, -t:] if first == 0 else out[:, :, : image.shape[2]]
        return self._norm(out[..., 0].transpose(1, 2)[:, -t:] + x, prefix + "output_layernorm")

    def _mask(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        b, t = ids.shape
        mask = torch.tril(torch.ones((b, t, t), device=ids.device))
        for row in range(b):
            for end in (ids[row] == self.config.eod_token).nonzero().flatten().tolist():
                mask[row, end + 1 :, : end + 1] = 0
        return ((1 - mask) * torch.finfo(dtype).min).to(dtype)[:, None]

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.w[name + ".weight"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        wide = x.to(torch.float32)
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
        return self.w[name + ".weight"] * wide.to(x.dtype)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin
