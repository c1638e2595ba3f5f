"""bge (BERT) sentence vectors over plain transformers."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel

from src.errors import ModelError
from src.models.checkpoint import LazyCheckpoint, by_length
from src.models.inventory import Footprint

QUERY_PREFIX = "为这个句子生成表示以用于检索相关文章："
MAX_TOKENS = 512
BATCH_TEXTS = 32
BATCH_TEXTS_ON_CUDA = 256
# A token is at least one character here, so what lies behind this can never be among the 512.
_MAX_CHARS = 16 * MAX_TOKENS
_TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
_WEIGHT_PATTERNS = ("*.safetensors", "pytorch_model*.bin")


class BgeEmbedder:
    """The normalised [CLS] vector, fp32; loaded at the first text.

    Args:
        path: local directory with config.json, tokenizer and weights.
        device: a torch device, ``cpu`` or ``cuda``.
        threads: torch's CPU threads (one setting for the whole process); ignored on other devices.

    Raises:
        ModelError: the directory lacks a file that is needed, or the model cannot be loaded.
    """

    def __init__(self, path: Path | str, device: str, threads: int) -> None:
        self._path = Path(path)
        self.device = device
        self._batch_texts = BATCH_TEXTS if device == "cpu" else BATCH_TEXTS_ON_CUDA
        self._checkpoint = LazyCheckpoint("向量模型", AutoModel, self._path, device, threads)
        self.name = self._path.name.rpartition("--")[2]  # a folder of the cache has the author before it
        self.dimension, self._max_tokens = _read_config(self._path)
        self.fingerprint = _fingerprint(self._path)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Passages -> float32 (len(texts), dimension), L2-normalised; 512 tokens of each count."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for rows in by_length(texts, self._batch_texts):
            with self._checkpoint.lock:
                vectors[rows] = self._forward([_encodable(texts[i]) for i in rows])
        return vectors

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Questions -> float32 (len(texts), dimension), each behind the model's query prefix."""
        return self.encode([QUERY_PREFIX + text for text in texts])

    def _forward(self, texts: list[str]) -> np.ndarray:
        self._checkpoint.load()
        inputs = self._checkpoint.tokenizer(
            texts, padding=True, truncation=True, max_length=self._max_tokens, return_tensors="pt"
        ).to(self.device)
        with torch.inference_mode():
            states = self._checkpoint.model(**inputs).last_hidden_state  # (B, T, H)
            cls = torch.nn.functional.normalize(states[:, 0].float(), dim=-1)  # (B, H)
        return np.asarray(cls.cpu().numpy(), dtype=np.float32)

    def footprint(self) -> Footprint:
        """Of the model, which is loaded afterwards."""
        return self._checkpoint.footprint()


def _encodable(text: str) -> str:
    return text[:_MAX_CHARS].encode("utf-8", "replace").decode("utf-8")


def _read_config(path: Path) -> tuple[int, int]:
    """config.json -> (hidden size, most tokens the positions allow)."""
    try:
        config = json.loads((path / "config.json").read_text("utf-8"))
        return int(config["hidden_size"]), min(MAX_TOKENS, int(config.get("max_position_embeddings", MAX_TOKENS)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"向量模型目录 {path} 里没有可用的 config.json（{error}）；请给出完整的模型目录"
        ) from error


def _fingerprint(path: Path) -> str:
    """sha256 over configuration, tokenizer and whole weights: 95 MB take a tenth of a second."""
    weights = next((found for pattern in _WEIGHT_PATTERNS if (found := sorted(path.glob(pattern)))), [])
    if not weights:
        raise ModelError(f"向量模型目录 {path} 里没有权重文件（*.safetensors）；请重新下载该目录")
    digest = hashlib.sha256(f"cls|{MAX_TOKENS}|{QUERY_PREFIX}".encode())
    for file in [path / "config.json", *(path / name for name in _TOKENIZER_FILES), *weights]:
        if file.is_file():
            digest.update(f"|{file.name}|{file.stat().st_size}|".encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return f"bge:{digest.hexdigest()[:32]}"
