"""A transformers checkpoint that is loaded at its first use, for models that read texts in batches."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoTokenizer

from src.errors import ModelError
from src.models.inventory import Footprint, footprint_of


class LazyCheckpoint:
    """Model and tokenizer of a local folder, fp32. Whoever computes holds ``lock`` and has called ``load``.

    Args:
        kind: how users know the model, in errors.
        auto_class: the ``AutoModel…`` that reads it.
        device: a torch device, ``cpu`` or ``cuda``.
        threads: torch's CPU threads (one setting for the whole process); ignored on other devices.
    """

    def __init__(self, kind: str, auto_class: Any, path: Path, device: str, threads: int) -> None:
        self.path, self.device = path, device
        self.lock = threading.Lock()
        self.model: Any = None
        self.tokenizer: Any = None
        self._kind, self._auto_class, self._threads = kind, auto_class, threads

    def load(self) -> None:
        """Raises ModelError: the folder holds no such model."""
        if self.model is not None:
            return
        if self.device == "cpu":
            torch.set_num_threads(self._threads)
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(self.path, local_files_only=True)
            model = self._auto_class.from_pretrained(self.path, local_files_only=True, dtype=torch.float32)
            self.model = model.to(self.device).eval()
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"{self._kind} {self.path} 读不进来：{error}；请重新下载该目录") from error

    def footprint(self) -> Footprint:
        """Of the model, which is loaded afterwards."""
        with self.lock:
            self.load()
        return footprint_of(self.model)


def by_length(texts: Sequence[str], size: int) -> Iterator[list[int]]:
    """Indices in batches of ``size``; neighbours of one length share one, so that little of it is padding."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), size):
        yield order[start : start + size]
