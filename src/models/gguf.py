"""A GGUF file -> a dense checkpoint in the cache, once.

transformers unpacks a GGUF in some 40 s at every load; a dense checkpoint loads in two. The input embedding is
dropped for the output head, which the file stores with more bits (the model ties them; the two differ by
quantisation only): a fifth less to read for every token.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
from pathlib import Path

from src.errors import ModelError
from src.weights import make_once

log = logging.getLogger(__name__)

FORMAT = 1
_SPARE_BYTES = 50_000_000
FINGERPRINT_FILE = "source.json"


def dense_checkpoint(gguf: Path, cache_dir: Path) -> Path:
    """The dense bf16 checkpoint of ``gguf`` under ``cache_dir``, made if it is not there yet.

    Raises:
        ModelError: the file is not a GGUF that transformers can read.
        WeightsError: the cache cannot be written.
    """
    stat = gguf.stat()
    # The name must not cost a hash of half a gigabyte at every start; content is hashed once, into source.json.
    key = hashlib.sha256(f"{gguf.resolve()}|{stat.st_size}|{stat.st_mtime_ns}".encode()).hexdigest()[:12]
    target = cache_dir.expanduser() / "dense" / f"{gguf.stem}-{FORMAT}-{key}"
    return make_once(target, lambda partial: _convert(gguf, partial))


def _convert(gguf: Path, target: Path) -> None:
    import torch  # noqa: PLC0415 (seconds of import that a cached start does not need here)
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415

    log.info("首次使用：把 %s 转换为稠密权重，约需一分钟", gguf.name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
        )
    except Exception as error:  # who reads a damaged file raises whatever he stumbles on
        raise ModelError(f"{gguf} 不是能读的 GGUF 模型：{' '.join(str(error).split())[:200]}") from error
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    if embedding.weight.shape == head.weight.shape and not model.config.tie_word_embeddings:
        apart = (embedding.weight - head.weight).float().abs().mean() / head.weight.float().abs().mean()
        if apart < 0.1:  # quantisation noise, not two matrices that were trained apart
            embedding.weight = head.weight
            model.config.tie_word_embeddings = True
    needed = model.get_input_embeddings().weight.element_size() * sum(p.numel() for p in model.parameters())
    if shutil.disk_usage(target.parent).free < needed + _SPARE_BYTES:
        # safetensors reports a full disk as an error of its own, after filling it.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    with gguf.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    source = {"file": gguf.name, "sha256": sha256, "format": FORMAT}
    (target / FINGERPRINT_FILE).write_text(json.dumps(source, ensure_ascii=False), encoding="utf-8")
