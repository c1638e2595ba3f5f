"""GGUF files that are damaged, cut short or of a model that transformers does not know."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter

from src.errors import ModelError
from src.models.gguf import dense_checkpoint


def written(path: Path, architecture: str, **more: int) -> Path:
    writer = GGUFWriter(path, architecture)
    writer.add_block_count(1)
    writer.add_embedding_length(32)
    for key, value in more.items():
        writer.add_uint32(f"{architecture}.{key}", value)
    writer.add_tensor("token_embd.weight", np.zeros((8, 32), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def cut(path: Path, size: int) -> Path:
    path.write_bytes(path.read_bytes()[:size])
    return path


DAMAGED: dict[str, Callable[[Path], object]] = {
    "another architecture": lambda path: written(path, "whisper"),
    "no architecture": lambda path: written(path, "没有"),
    "no tokenizer": lambda path: written(path, "qwen2"),
    "cut in its tensors": lambda path: cut(written(path, "qwen2"), -100),
    "cut in its head": lambda path: cut(written(path, "qwen2"), 30),
    "empty": lambda path: path.write_bytes(b""),
    "not one": lambda path: path.write_bytes(b"<html>404</html>" * 1000),
    "endless counts": lambda path: path.write_bytes(b"GGUF\3\0\0\0" + b"\xff" * 16 + b"\1" * 100),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_told_and_leaves_nothing_in_the_cache(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.gguf"
    DAMAGED[name](path)
    with pytest.raises(ModelError, match=r"model\.gguf 不是能读的 GGUF 模型"):
        dense_checkpoint(path, tmp_path / "cache")
    assert [file for file in (tmp_path / "cache" / "dense").rglob("*") if file.suffix != ".lock"] == []
