"""Linear layers with int8 weights and int8 activations on x86 CPUs (fbgemm), made from dense ones.

Decoding reads every weight once a token, so half the bytes is up to twice the speed. One int8 digit for the
activations costs a tenth of the most likely tokens; a second digit, which rides along as another row of the same
product, brings the error down to that of rounding the weights alone. ``benchmarks/language_cpu.py`` prints both.
"""

import threading
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

# Without VNNI the int16 sums inside fbgemm overflow unless activations keep to 7 bits.
_LEVELS = 127 if torch.cpu._is_vnni_supported() else 63
_NUMBERS_AT_A_TIME = 1 << 20
# torch announces the end of quantised tensors; requirements.txt keeps torch below it, ``is_fast`` checks.
_END_OF_QUANTISED = ".*quantized tensor creation functions"


def is_fast() -> bool:
    """Whether this machine has fbgemm (any x86 with AVX2), and this torch the functions.

    With VNNI decoding is twice as fast as in bf16; without, twice as fast as in float32, in a third of the memory.
    """
    return (
        "fbgemm" in torch.backends.quantized.supported_engines
        and hasattr(torch, "_make_per_channel_quantized_tensor")
        and hasattr(torch.ops.quantized, "linear_with_input_q_dq_qweight_dq_output_fp32")
    )


# A file is mapped while it is read, and its pages count as ours until it is closed.
_LAYERS_A_FILE = 64
_HEAD_FILE, _EMBEDDING_FILE, _REST_FILE = "head.safetensors", "embedding.safetensors", "rest.safetensors"


def quantize_language_model(model: Any) -> Any:
    """Turn the linear layers and the embedding of a causal language model to int8 in place; the rest to float32.

    The result answers and takes LoRA adapters on top; it cannot be trained, saved or merged with an adapter.
    """
    torch.backends.quantized.engine = "fbgemm"
    embedding = model.get_input_embeddings()
    head = quantize_rows(model.lm_head.weight.detach())
    tied = model.lm_head.weight is embedding.weight
    model.set_input_embeddings(_Int8Embedding(*(head if tied else quantize_rows(embedding.weight.detach()))))
    model.lm_head = Int8Linear(*head, None)
    for name, layer in _layers(model).items():
        model.set_submodule(name, Int8Linear(*quantize_rows(layer.weight.detach()), layer.bias))
    return model.float()


def save_int8(model: Any, folder: Path) -> None:
    """Write what ``load_int8`` reads of a dense model: rows and scales, and the rest in float32."""
    folder.mkdir(parents=True)
    embedding = model.get_input_embeddings()
    _save(folder / _EMBEDDING_FILE, {"": embedding})
    _save(folder / _HEAD_FILE, {"": model.lm_head})
    layers = _layers(model)
    for number, names in enumerate(_files(layers)):
        _save(folder / _file(number), {name: layers[name] for name in names})
    saved = {id(value) for module in (embedding, model.lm_head, *layers.values()) for value in module.parameters()}
    rest = {name: value for name, value in model.named_parameters() if id(value) not in saved}
    save_file({name: value.detach().float().clone() for name, value in rest.items()}, folder / _REST_FILE)


def load_int8(folder: Path, config: Any) -> Any:
    """The model that ``save_int8`` has written, without ever being dense.

    The embedding stays in its file, of which a page is read when one of its tokens is met.

    Raises:
        OSError, SafetensorError, KeyError, ValueError: the folder holds something else.
    """
    from accelerate import init_empty_weights  # noqa: PLC0415 (slow import, only for int8)

    torch.backends.quantized.engine = "fbgemm"
    with init_empty_weights():
        model = AutoModelForCausalLM.from_config(config)
    rest = load_file(folder / _REST_FILE)
    with warnings.catch_warnings(), ThreadPoolExecutor(torch.get_num_threads()) as pool:
        warnings.filterwarnings("ignore", message=_END_OF_QUANTISED)
        head = pool.submit(_layer, load_file(folder / _HEAD_FILE), "")
        for number, names in enumerate(_files(_layers(model))):
            make = partial(_layer, load_file(folder / _file(number)))
            for name, layer in zip(names, pool.map(make, names), strict=True):
                model.set_submodule(name, layer)
        model.lm_head = head.result()
    embedding = load_file(folder / _EMBEDDING_FILE)
    model.set_input_embeddings(_Int8Embedding(embedding[".rows"], embedding[".scale"]))
    for name, value in rest.items():
        module, _, parameter = name.rpartition(".")
        setattr(model.get_submodule(module), parameter, nn.Parameter(value.clone(), requires_grad=False))
    if lacking := [name for name, value in model.named_parameters() if value.is_meta]:
        raise ValueError(f"lacks {lacking[0]}")
    return model.eval()


def _layers(model: Any) -> dict[str, nn.Linear]:
    """Linear layers without the output head."""
    return {name: one for name, one in model.named_modules() if type(one) is nn.Linear and one is not model.lm_head}


def _files(names: Iterable[str]) -> list[list[str]]:
    all_names = list(names)
    return [all_names[i : i + _LAYERS_A_FILE] for i in range(0, len(all_names), _LAYERS_A_FILE)]


def _file(number: int) -> str:
    return f"layers-{number}.safetensors"


def _save(path: Path, modules: Mapping[str, Any]) -> None:
    tensors = {}
    for name, module in modules.items():
        tensors[f"{name}.rows"], tensors[f"{name}.scale"] = quantize_rows(module.weight.detach())
        if getattr(module, "bias", None) is not None:
            tensors[f"{name}.bias"] = module.bias.detach().float().clone()
    save_file(tensors, path)


def _layer(stored: Mapping[str, Tensor], name: str) -> "Int8Linear":
    bias = stored.get(f"{name}.bias")
    return Int8Linear(stored[f"{name}.rows"], stored[f"{name}.scale"], None if bias is None else bias.clone())


class Int8Linear(nn.Linear):
    """A frozen ``nn.Linear`` with int8 weights and, for every token, activations of two int8 digits.

    Args:
        rows: int8 (out_features, in_features).
        scale: float32 (out_features,), what one step of each row is worth.
        bias: (out_features,) or None.
    """

    def __init__(self, rows: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        nn.Module.__init__(self)
        self.out_features, self.in_features = rows.shape
        self.weight = nn.Parameter(torch.empty(0), requires_grad=False)  # PEFT asks for its dtype
        frozen = None if bias is None else nn.Parameter(bias.detach().float(), requires_grad=False)
        self.register_parameter("bias", frozen)
        self.packed = _pack(rows, scale)

    def forward(self, x: Tensor) -> Tensor:
        """float32 (..., in_features) -> float32 (..., out_features)."""
        digits, unit = _digits(x)  # (2 T, in), (T, 1)
        y = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(digits, 1.0, _LEVELS + 1, self.packed)
        y = torch.add(y[: len(unit)], y[len(unit) :], alpha=0.5 / _LEVELS)
        y = y.mul_(unit).view(*x.shape[:-1], self.out_features)
        return y if self.bias is None else y.add_(self.bias)


class _Last(threading.local):
    """The last input, by identity: queries, keys and values have the same, and so have the MLP's gate and up."""

    x: Tensor | None = None
    found: tuple[Tensor, Tensor]


_last = _Last()


def _digits(x: Tensor) -> tuple[Tensor, Tensor]:
    """Both int8 digits of every token, as floats, and what one step of the first is worth."""
    if _last.x is not x:
        flat = x.reshape(-1, x.shape[-1])  # (T, in)
        unit = flat.abs().amax(-1, keepdim=True).clamp_min_(1e-8).div_(_LEVELS)
        exact = flat / unit
        high = exact.round()
        low = exact.sub_(high).mul_(2 * _LEVELS)
        _last.x, _last.found = x, (torch.cat((high, low)), unit)
    return _last.found


class _Int8Embedding(nn.Module):
    rows: Tensor
    scale: Tensor

    def __init__(self, rows: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = rows.shape
        self.weight = nn.Parameter(torch.empty(0), requires_grad=False)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("scale", scale[:, None], persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """int64 (...) -> float32 (..., embedding_dim)."""
        return self.rows[ids].float().mul_(self.scale[ids])


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
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


def _pack(rows: Tensor, scale: Tensor) -> Any:
    zeros = torch.zeros(len(scale), dtype=torch.long)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_END_OF_QUANTISED)
        whole = torch._make_per_channel_quantized_tensor(rows, scale.double(), zeros, 0)
    return torch.ops.quantized.linear_prepack(whole, None)
