"""What retrieval asks of an embedding model."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Embedder(Protocol):
    """Texts to L2-normalised vectors, so that an inner product is the cosine.

    Attributes:
        name: what to show to users.
        fingerprint: changes whenever the same text could get another vector (model, pooling, prefix).
        dimension: length of every vector.
    """

    name: str
    fingerprint: str
    dimension: int

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Passages -> float32 (len(texts), dimension); (0, dimension) for no texts."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Questions -> float32 (len(texts), dimension); models with a query prefix add it here."""
        ...
