"""A flat map of a knowledge base: the two directions in which its chunks differ most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.search.inspect import mean_vectors
from src.search.knowledge_base import KnowledgeBase
from src.search.rows import StoredChunk

MAX_POINTS = 4_000


@dataclass(frozen=True)
class Projection:
    """Principal components of chunk vectors; the same chunks always give the same map.

    Attributes:
        chunks: those on the map.
        points: float32 (len(chunks), 2).
        share: how much of the chunks' variance each of the two directions holds.
        total: chunks there are; more than ``chunks`` where those are a sample.
    """

    chunks: tuple[StoredChunk, ...]
    points: np.ndarray
    share: tuple[float, float]
    total: int
    _mean: np.ndarray
    _axes: np.ndarray

    def place(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (n, dimension) -> their points on the map, float32 (n, 2)."""
        return np.asarray((vectors - self._mean) @ self._axes.T, dtype=np.float32)


def projection(bases: Sequence[KnowledgeBase], limit: int = MAX_POINTS) -> Projection:
    """The map of all chunks of ``bases``, or of at most ``limit`` of each, at even distances; at least one chunk."""
    samples = [(base, base.store.sample(limit)) for base in bases]
    vectors = np.concatenate([mean_vectors(base, chunks) for base, chunks in samples]).astype(np.float64)  # (n, d)
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    variances, directions = np.linalg.eigh(centred.T @ centred)  # ascending; directions are columns
    axes = directions[:, [-1, -2]].T  # (2, d)
    # An eigenvector's sign is arbitrary: its largest component is made positive.
    largest = np.argmax(np.abs(axes), axis=1)
    signs = np.sign(axes[np.arange(2), largest])
    axes = axes * np.where(signs == 0, 1, signs)[:, None]
    whole = max(float(np.maximum(variances, 0).sum()), 1e-12)
    share = (float(max(variances[-1], 0)) / whole, float(max(variances[-2], 0)) / whole)
    points = np.asarray(centred @ axes.T, dtype=np.float32)
    return Projection(
        tuple(stored for _, found in samples for stored in found), points, share, sum(map(len, bases)), mean, axes
    )
