"""A deterministic embedder without a model, for the tests of every room."""

import itertools
import unicodedata
import zlib
from collections.abc import Sequence

import numpy as np


class HashingEmbedder:
    """Character bigrams hashed into a bag: texts that share bigrams are close, nothing is downloaded.

    ``calls`` and ``encoded`` count what was asked, so that a test can tell a cached start from a built one.
    """

    def __init__(self, dimension: int = 64) -> None:
        self.name = f"hashing-{dimension}"
        self.fingerprint = f"hashing-bigrams-{dimension}-v1"
        self.dimension = dimension
        self.calls = 0
        self.encoded = 0

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Texts -> float32 (len(texts), dimension), L2-normalised."""
        self.calls += 1
        self.encoded += len(texts)
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return np.stack([self._one(text) for text in texts])

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        """The same as ``encode``: no prefix."""
        return self.encode(texts)

    def _one(self, text: str) -> np.ndarray:
        vector = np.zeros(self.dimension, dtype=np.float32)
        folded = f"^{unicodedata.normalize('NFKC', text).lower().strip()}$"
        for first, second in itertools.pairwise(folded):
            code = zlib.crc32((first + second).encode("utf-8", "replace"))
            vector[code % self.dimension] += 1.0 if code >> 31 else -1.0
        norm = float(np.linalg.norm(vector))
        if norm == 0.0:
            vector[0], norm = 1.0, 1.0
        return vector / np.float32(norm)
