"""A cross-encoder (bge-reranker and its like): question and passage read together by one model."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from src.errors import ModelError
from src.models.inventory import Footprint, footprint_of
from src.search.score import Pool

MAX_TOKENS = 512
BATCH_PAIRS = 16
BATCH_PAIRS_ON_CUDA = 64
# A token is at least one character here, so what lies behind this can never be among the 512.
_MAX_CHARS = 16 * MAX_TOKENS


class CrossEncoder:
    """The sigmoid of the one logit, fp32; loaded at the first question.

    On CPU a pool of 50 passages takes seconds with a base model: it is meant for a GPU.

    Args:
        path: local directory with config.json, tokenizer and weights.
        device: a torch device, ``cpu`` or ``cuda``.
        threads: torch's CPU threads (one setting for the whole process); ignored on other devices.
    """

    def __init__(self, path: Path | str, device: str, threads: int) -> None:
        self._path = Path(path)
        self._device = device
        self._batch_pairs = BATCH_PAIRS if device == "cpu" else BATCH_PAIRS_ON_CUDA
        self._threads = threads
        self._lock = threading.Lock()
        self._model: Any = None
        self._tokenizer: Any = None
        self._max_tokens = MAX_TOKENS
        self.name = self._path.name

    def scores(self, pool: Pool) -> np.ndarray:
        """float64 (chunks,) in (0, 1).

        Raises:
            ModelError: the directory holds no such model.
        """
        texts = [f"{title}\n{text}" if title else text for title, text in pool.chunks]
        logits = np.zeros(len(texts))
        # Neighbours of one length share a batch: little of it is padding.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), self._batch_pairs):
            rows = order[start : start + self._batch_pairs]
            with self._lock:
                logits[rows] = self._forward(pool.query, [texts[i][:_MAX_CHARS] for i in rows])
        return np.asarray(1 / (1 + np.exp(-logits)))

    def _forward(self, query: str, texts: list[str]) -> np.ndarray:
        self._load()
        inputs = self._tokenizer(
            [query] * len(texts),
            texts,
            padding=True,
            # Never the question, unless it alone is too long.
            truncation="only_second" if len(query) < self._max_tokens // 2 else "longest_first",
            max_length=self._max_tokens,
            return_tensors="pt",
        ).to(self._device)
        with torch.inference_mode():
            logits = self._model(**inputs).logits  # (B, 1)
        return np.asarray(logits[:, 0].float().cpu().numpy(), dtype=np.float64)

    def footprint(self) -> Footprint:
        """Of the model, which is loaded afterwards."""
        with self._lock:
            self._load()
        return footprint_of(self._model)

    def _load(self) -> None:
        if self._model is not None:
            return
        if self._device == "cpu":
            torch.set_num_threads(self._threads)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(self._path, local_files_only=True)
            model = AutoModelForSequenceClassification.from_pretrained(
                self._path, local_files_only=True, dtype=torch.float32
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"重排模型 {self._path} 读不进来：{error}；请重新下载该目录") from error
        if model.config.num_labels != 1:
            raise ModelError(
                f"重排模型 {self._path} 有 {model.config.num_labels} 个输出，应为 1 个；请用 bge-reranker 一类的交叉编码器"
            )
        self._max_tokens = min(MAX_TOKENS, int(getattr(model.config, "max_position_embeddings", MAX_TOKENS)))
        self._model = model.to(self._device).eval()
