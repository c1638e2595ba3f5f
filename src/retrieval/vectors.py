"""Where vectors are kept and searched."""

from pathlib import Path
from typing import Protocol

import faiss
import numpy as np


class VectorStore(Protocol):
    """Rows of normalised float32 vectors, searched by inner product."""

    name: str
    dimension: int

    def __len__(self) -> int: ...

    @property
    def nbytes(self) -> int:
        """Size of the vectors in bytes."""
        ...

    def search(self, vector: np.ndarray, count: int) -> np.ndarray:
        """Query (dimension,) -> the nearest rows, int64 (at most count,), best first."""
        ...

    def scores(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Query (dimension,), rows (n,) -> inner products, float32 (n,)."""
        ...

    def save(self, path: Path) -> None:
        """Write one file."""
        ...


class FaissFlat:
    """Exact search over FAISS IndexFlatIP."""

    name = "faiss-flat"

    def __init__(self, index: faiss.Index) -> None:
        self._index = index
        self.dimension: int = index.d

    @classmethod
    def build(cls, vectors: np.ndarray) -> "FaissFlat":
        """Vectors float32 (n, dimension) -> store; rows keep their order."""
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors, dtype=np.float32))
        return cls(index)

    @classmethod
    def load(cls, path: Path) -> "FaissFlat":
        """Read what ``save`` wrote.

        Raises:
            ValueError: not a flat inner-product index. RuntimeError: not a FAISS file.
        """
        index = faiss.read_index(str(path))
        if not isinstance(index, faiss.IndexFlat) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise ValueError(f"{type(index).__name__} instead of IndexFlatIP")
        return cls(index)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def nbytes(self) -> int:
        return len(self) * self.dimension * 4

    def search(self, vector: np.ndarray, count: int, keep: np.ndarray | None = None) -> np.ndarray:
        params = None
        if keep is not None:
            params = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(np.packbits(keep, bitorder="little")))
        _, rows = self._index.search(vector[None, :], min(count, len(self)), params=params)  # (1, count)
        return np.asarray(rows[0][rows[0] >= 0], dtype=np.int64)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        return self._index.reconstruct_batch(rows)

    def scores(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if len(rows) == 0:
            return np.zeros(0, dtype=np.float32)
        return np.asarray(self._index.reconstruct_batch(rows) @ vector, dtype=np.float32)  # (n, d) @ (d,)

    def save(self, path: Path) -> None:
        faiss.write_index(self._index, str(path))


def set_faiss_threads(threads: int) -> None:
    """FAISS's thread count is one for the process; the runtime gives it the setting's value."""
    faiss.omp_set_num_threads(threads)


def build_vectors(vectors):
    return FaissFlat.build(vectors)


def load_vectors(path):
    return FaissFlat.load(path)
