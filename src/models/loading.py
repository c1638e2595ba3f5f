"""Checkpoint folder → model and tokenizer, on the device and in the dtype with which this machine is fast.

No checkpoint's code is ever run: Yuan2 is read by ``src/yuan``, everything else by transformers.
"""

import ctypes
import json
import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging as transformers_logging

from src.errors import ModelError, WeightsError
from src.models.cards import place
from src.models.gguf import FINGERPRINT_FILE
from src.models.int8 import is_fast, load_int8, quantize_language_model, save_int8
from src.weights import make_once
from src.yuan import YuanConfig, load_tokenizer, register

log = logging.getLogger(__name__)

_INT8_FOLDER = "int8-1"  # the number is the layout's


class Loaded(NamedTuple):
    """``name``: what to show to users."""

    name: str
    model: Any
    tokenizer: Any


def load_model(path: Path, *, dtype: str, threads: int, spread: bool) -> Loaded:
    """``dtype`` auto is the fastest; ``spread``: over several GPUs.

    Raises:
        ModelError: the folder holds no model, or it does not fit into memory.
    """
    if not (path / "config.json").is_file():
        raise ModelError(f"{path} 不是模型目录（缺少 config.json）。请用 --llm 指向一个完整的模型目录或 .gguf 文件")
    torch.set_num_threads(threads)
    transformers_logging.disable_progress_bar()  # a second of loading needs none
    yuan = _model_type(path) == YuanConfig.model_type
    device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = best_dtype(device, int8=not yuan) if dtype == "auto" else dtype
    if chosen == "int8" and (yuan or device != "cpu"):
        raise ModelError("int8 只用于 CPU 上的内置模型一类：这里请用 --dtype bfloat16、float16 或 float32")
    try:
        if device == "cpu":
            _check_memory(path, 4 if chosen == "float32" else 2)
        else:
            device = place(_stored_bytes(path) * (4 if chosen == "float32" else 2) // 2, spread=spread)
        if yuan:
            register()
        with ThreadPoolExecutor(1) as pool:  # a second beside the weights
            reading = pool.submit(load_tokenizer if yuan else _load_tokenizer, path)
            model = _load_weights(path, chosen, device)
            tokenizer = reading.result()
        _give_back_memory()
    except (OSError, ValueError, KeyError, RuntimeError, MemoryError, SafetensorError, ModelError) as error:
        reason = " ".join(str(error).split())[:400]
        kind = "" if isinstance(error, ModelError) else f"{type(error).__name__} "
        raise ModelError(f"载入模型 {path} 失败：{kind}{reason}") from error
    if device != "cpu" and dtype == "auto" and chosen == "float16":
        log.warning("显卡 %s 不会算 bfloat16，改用 float16：Yuan2 没有在这种卡上试过", torch.cuda.get_device_name())
    name = _display_name(path, str(getattr(model.config, "name_or_path", "") or path.name))
    return Loaded(name, model, tokenizer)


def _give_back_memory() -> None:
    """Freed pages that glibc would keep: loading leaves 160 MB of them."""
    with suppress(AttributeError, OSError, TypeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def _load_tokenizer(path: Path) -> Any:
    return AutoTokenizer.from_pretrained(path, trust_remote_code=False)


def best_dtype(device: str, *, int8: bool = True) -> str:
    """The fastest dtype that this machine computes natively; see NOTES.md for the measurements."""
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if int8 and is_fast():
        return "int8"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if native else "float32"


def _load_weights(path: Path, dtype: str, device: str) -> Any:
    return _load_int8(path) if dtype == "int8" else _load_dense(path, getattr(torch, dtype), device)


def _load_int8(path: Path) -> Any:
    """Quantised once beside a checkpoint that is in our own cache; a user's folder is not written to."""
    if not (path / FINGERPRINT_FILE).is_file():
        return quantize_language_model(_load_dense(path, torch.bfloat16))
    folder = path / _INT8_FOLDER
    try:
        make_once(folder, lambda partial: save_int8(_load_dense(path, torch.bfloat16), partial))
        model = load_int8(folder, AutoConfig.from_pretrained(path, trust_remote_code=False))
        model.generation_config = GenerationConfig.from_pretrained(path)
        return model
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, WeightsError) as error:
        log.warning("缓存的 int8 权重 %s 用不了，重新量化：%s", folder, " ".join(str(error).split())[:200])
        shutil.rmtree(folder, ignore_errors=True)
        return quantize_language_model(_load_dense(path, torch.bfloat16))


def _load_dense(path: Path, dtype: torch.dtype, device: str = "cpu") -> Any:
    """``device`` auto: over several cards."""
    several = device == "auto"
    placed = {"device_map": "auto"} if several else {}
    model, report = AutoModelForCausalLM.from_pretrained(
        path, dtype=dtype, output_loading_info=True, trust_remote_code=False, **placed
    )
    # transformers fills what is missing with random numbers and only warns.
    if lacking := [*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])]:
        raise ValueError(f"{len(lacking)} 个张量缺失或形状不符，例如 {lacking[0]}")
    if not several:
        model = model.to(device)
    return model.eval()


def _model_type(path: Path) -> str:
    try:
        return str(json.loads((path / "config.json").read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path / 'config.json'} 读不懂：应为模型的配置 JSON，请重新下载") from error


def _check_memory(path: Path, bytes_per_weight: int) -> None:
    """Raises ModelError when the weights alone would not fit: better a line now than a killed process later."""
    needed = _stored_bytes(path) * bytes_per_weight // 2
    available = psutil.virtual_memory().available
    if needed > available:
        raise ModelError(
            f"内存不够：权重约需 {needed / 1e9:.1f} GB，可用 {available / 1e9:.1f} GB。"
            "可以关掉别的程序、用 --dtype bfloat16，或用 --profile embedded 换成小模型"
        )


def _stored_bytes(path: Path) -> int:
    """The size of the weights; checkpoints of this size hold 16-bit numbers."""
    return sum(file.stat().st_size for kind in ("*.safetensors", "*.bin") for file in path.glob(kind))


def _display_name(path: Path, fallback: str) -> str:
    source = path / FINGERPRINT_FILE
    if source.is_file():
        return str(Path(json.loads(source.read_text(encoding="utf-8"))["file"]).stem)
    return Path(fallback).name
