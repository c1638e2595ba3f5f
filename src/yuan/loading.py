"""Strict loading: a checkpoint that is not exactly Yuan2 is an error, never random weights behind a warning."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from src.errors import ModelError
from src.yuan.configuration import YuanConfig

Shape = tuple[int, ...]

# Old saves carry the rotary table, which is computed here.
HARMLESS = re.compile(r"(^|\.)rotary_emb\.inv_freq$")
OUTPUT, INPUT = "lm_head.weight", "model.embed_tokens.weight"
_SHOWN = 3


def expected_shapes(config: YuanConfig) -> dict[str, Shape]:
    """Every tensor of the released layout."""
    h, m = config.hidden_size, config.intermediate_size
    layer: dict[str, Shape] = {
        "input_layernorm.weight": (h,),
        "post_attention_layernorm.weight": (h,),
        "mlp.gate_proj.weight": (m, h),
        "mlp.up_proj.weight": (m, h),
        "mlp.down_proj.weight": (h, m),
        **{f"self_attn.{name}_proj.weight": (h, h) for name in "qkvo"},
        "self_attn.lf_gate.conv1.weight": (h // 2, h, 2, 1),
        "self_attn.lf_gate.conv1.bias": (h // 2,),
        "self_attn.lf_gate.conv2.weight": (h, h // 2, 2, 1),
        "self_attn.lf_gate.conv2.bias": (h,),
        "self_attn.lf_gate.output_layernorm.weight": (h,),
    }
    shapes: dict[str, Shape] = {INPUT: (config.vocab_size, h), "model.norm.weight": (h,)}
    if not config.tie_word_embeddings:
        shapes[OUTPUT] = (config.vocab_size, h)
    for i in range(config.num_hidden_layers):
        shapes |= {f"model.layers.{i}.{name}": shape for name, shape in layer.items()}
    return shapes


def check_checkpoint(folder: Path, config: YuanConfig | None = None) -> None:
    """Read the headers of a checkpoint's files, not the weights.

    Raises:
        ModelError: what came, what was expected, and what to do about it.
    """
    config = config or read_config(folder)
    found: dict[str, Shape] = {}
    tied: list[torch.Tensor] = []
    for file in _weight_files(folder):
        for name, tensor in _tensors(file):
            found[name] = tuple(tensor.get_shape() if hasattr(tensor, "get_shape") else tensor.shape)
            if name in (OUTPUT, INPUT) and config.tie_word_embeddings:
                tied.append(tensor)
    _compare(folder, expected_shapes(config), found, config)
    if OUTPUT in found and len(tied) == 2:
        a, b = (t[:] if hasattr(t, "get_shape") else t for t in tied)
        if not torch.equal(a, b):
            raise ModelError(
                f"{folder}: config.json ties the embeddings, but {OUTPUT} differs from {INPUT}; set "
                "tie_word_embeddings to false in config.json, or download the released checkpoint again"
            )


def read_config(folder: Path) -> YuanConfig:
    """The config in ``folder``, which must be Yuan2's."""
    file = folder / "config.json"
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"no config.json in {folder}; give the folder of a Yuan2 checkpoint") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {file}: {error}; download it again") from error
    came = values.get("model_type") if isinstance(values, dict) else None
    if came != YuanConfig.model_type:
        raise ModelError(
            f"{file} describes a model of type {came!r}, expected {YuanConfig.model_type!r}; give the folder of a "
            "Yuan2 checkpoint such as IEITYuan/Yuan2-2B-Mars-hf"
        )
    try:
        return YuanConfig.from_dict(values)
    except Exception as error:  # strict dataclasses raise their own kinds
        raise ModelError(f"{file} is not a Yuan2 config: {error}") from error


def _weight_files(folder: Path) -> list[Path]:
    """The files that transformers would load, in its order of preference."""
    for stem, suffix in (("model", "safetensors"), ("pytorch_model", "bin")):
        whole, index = folder / f"{stem}.{suffix}", folder / f"{stem}.{suffix}.index.json"
        if whole.is_file():
            return [whole]
        if index.is_file():
            try:
                names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise ModelError(f"cannot read {index}: {error!r}; download it again") from error
            absent = [name for name in names if not (folder / name).is_file()]
            if absent:
                raise ModelError(
                    f"{folder} lacks {', '.join(absent[:_SHOWN])}: {len(absent)} of {len(names)} weight files "
                    f"named in {index.name}; resume the download"
                )
            return [folder / name for name in names]
    raise ModelError(
        f"no weights in {folder}: expected model.safetensors or pytorch_model.bin, whole or with an index; "
        "download the checkpoint again"
    )


def _tensors(file: Path) -> Iterator[tuple[str, Any]]:
    """Names and tensors, of which nothing but the shape has been read yet."""
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, "pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a mapping
                    yield name, tensors.get_slice(name)
        else:
            loaded = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
            yield from loaded.items()
    except ModelError:
        raise
    except Exception as error:  # each library has its own for a damaged file
        size = file.stat().st_size if file.exists() else 0
        raise ModelError(
            f"{file.name} cannot be read ({size:,} bytes, {error}); it is truncated or damaged: delete it and "
            "download it again"
        ) from error


def _compare(folder: Path, expected: Mapping[str, Shape], found: Mapping[str, Shape], config: YuanConfig) -> None:
    missing = [name for name in expected if name not in found]
    allowed = {*expected, OUTPUT} if config.tie_word_embeddings else expected
    extra = [name for name in found if name not in allowed and not HARMLESS.search(name)]
    wrong = [
        f"{name} is {list(found[name])}, expected {list(shape)}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    problems = [
        f"{len(names)} {what} ({'; '.join(names[:_SHOWN])}{'; …' if len(names) > _SHOWN else ''})"
        for what, names in (("missing", missing), ("not Yuan2's", extra), ("of the wrong shape", wrong))
        if names
    ]
    if problems:
        raise ModelError(
            f"the weights in {folder} do not fit its config.json, which asks for {len(expected)} tensors: "
            f"{', '.join(problems)}; download the checkpoint again, and check that its config.json belongs to it"
        )
