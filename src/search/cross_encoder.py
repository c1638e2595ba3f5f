"""A cross-encoder (bge-reranker and its like): question and passage read together by one model."""

from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification

from src.errors import ModelError
from src.models.checkpoint import LazyCheckpoint, by_length
from src.models.inventory import Footprint
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
        self._checkpoint = LazyCheckpoint(
            "重排模型", AutoModelForSequenceClassification, self._path, device, threads
        )
        self._max_tokens = MAX_TOKENS
        self.name = self._path.name

    def scores(self, pool: Pool) -> np.ndarray:
        """float64 (chunks,) in (0, 1).

        Raises:
            ModelError: the directory holds no such model.
        """
        texts = [f"{title}\n{text}" if title else text for title, text in pool.chunks]
        logits = np.zeros(len(texts))
        for rows in by_length(texts, self._batch_pairs):
            with self._checkpoint.lock:
                logits[rows] = self._forward(pool.query, [texts[i][:_MAX_CHARS] for i in rows])
        return np.asarray(1 / (1 + np.exp(-logits)))

    def _forward(self, query: str, texts: list[str]) -> np.ndarray:
        self._load()
        inputs = self._checkpoint.tokenizer(
            [query] * len(texts),
            texts,
            padding=True,
            # Never the question, unless it alone is too long.
            truncation="only_second" if len(query) < self._max_tokens // 2 else "longest_first",
            max_length=self._max_tokens,
            return_tensors="pt",
        ).to(self._device)
        with torch.inference_mode():
            logits = self._checkpoint.model(**inputs).logits  # (B, 1)
        return np.asarray(logits[:, 0].float().cpu().numpy(), dtype=np.float64)

    def footprint(self) -> Footprint:
        """Of the model, which is loaded afterwards."""
        with self._checkpoint.lock:
            self._load()
        return self._checkpoint.footprint()

    def _load(self) -> None:
        self._checkpoint.load()
        config = self._checkpoint.model.config
        if config.num_labels != 1:
            raise ModelError(
                f"重排模型 {self._path} 有 {config.num_labels} 个输出，应为 1 个；请用 bge-reranker 一类的交叉编码器"
            )
        self._max_tokens = min(MAX_TOKENS, int(getattr(config, "max_position_embeddings", MAX_TOKENS)))
