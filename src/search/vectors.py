"""Where vectors are kept and searched: FAISS, exact when they are few, else from 4-bit codes and then exact."""

from pathlib import Path
from typing import Any

import faiss
import numpy as np

# Up to here a scan over every vector takes no longer than one over the codes (1 ms; benchmarks/scale.py).
EXACT_UP_TO = 20_000
# Neighbouring dimensions that share one 4-bit code: 64 bytes a vector of 512 dimensions.
DIMENSIONS_PER_CODE = 4
# Rows that the codes propose: at least so many, and so many times what was asked for.
PROPOSED = 500
PROPOSED_TIMES = 4
TRAINING_ROWS = 20_000
_ROWS_AT_A_TIME = 50_000


def build_vectors(vectors: np.ndarray) -> "FaissFlat":
    """Float vectors (n, dimension), which may be a memmap -> store; rows keep their order."""
    _on_one_thread()
    exact = faiss.IndexScalarQuantizer(vectors.shape[1], *_EXACT)
    exact.is_trained = True  # half precision has nothing to learn, and there may be no vectors
    if len(vectors) <= EXACT_UP_TO or vectors.shape[1] % DIMENSIONS_PER_CODE:
        _add(vectors, [exact])
        return FaissFlat(exact)
    codes = faiss.IndexPQFastScan(
        vectors.shape[1], vectors.shape[1] // DIMENSIONS_PER_CODE, 4, faiss.METRIC_INNER_PRODUCT
    )
    chosen = np.random.default_rng(0).choice(len(vectors), size=TRAINING_ROWS, replace=False)
    codes.train(_float32(vectors[np.sort(chosen)]))
    _add(vectors, [codes, exact])
    return FaissCodes(faiss.IndexRefine(codes, exact))


def load_vectors(path: Path) -> "FaissFlat":
    """Map what ``save`` wrote: the vectors are read from disk as they are needed.

    Raises:
        ValueError: another kind of index. RuntimeError: not a FAISS file, or cut short.
    """
    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    if _is_exact(index):
        return FaissFlat(index)
    if isinstance(index, faiss.IndexRefine):
        codes, exact = faiss.downcast_index(index.base_index), faiss.downcast_index(index.refine_index)
        if isinstance(codes, faiss.IndexPQFastScan) and _is_exact(exact) and codes.ntotal == exact.ntotal:
            return FaissCodes(index)
    raise ValueError(f"{type(index).__name__} is no index of this program")


class FaissFlat:
    """Rows of normalised vectors, searched by inner product; immutable, for any number of threads.

    Every vector is compared, at half precision (cosines within 0.0005, for real embeddings 0.00005).
    """

    name = "faiss-flat"

    def __init__(self, index: Any) -> None:
        """Takes an IndexScalarQuantizer."""
        self._exact = index
        self.dimension: int = index.d

    def __len__(self) -> int:
        return int(self._exact.ntotal)

    @property
    def nbytes(self) -> int:
        """Size of the vectors, and of what helps to find them, in bytes."""
        return len(self) * int(self._exact.code_size)

    def search(self, vector: np.ndarray, count: int, keep: np.ndarray | None = None) -> np.ndarray:
        """Query (dimension,) -> the nearest rows, int64, best first: ``count``, or all if there are fewer.

        Args:
            keep: bool (len(self),); only these rows are found.
        """
        if keep is None:
            return _found(self._exact, vector, min(count, len(self)))
        # FAISS's Python layer adds these arguments; its type stubs do not know them.
        only: Any = faiss.IDSelectorBitmap
        params: Any = faiss.SearchParameters
        chosen = params(sel=only(np.packbits(keep, bitorder="little")))
        return _found(self._exact, vector, min(count, len(self)), chosen)

    def scores(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Query (dimension,), rows (n,) -> inner products with the stored vectors, float32 (n,)."""
        # Not BLAS: its threads would wait for each other, and its sums depend on how many rows there are.
        return np.asarray(np.einsum("ij,j->i", self.vectors(rows), vector), dtype=np.float32)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n,) -> the stored vectors, float32 (n, dimension)."""
        if len(rows) == 0:
            return np.zeros((0, self.dimension), dtype=np.float32)
        _on_one_thread()
        return np.asarray(self._exact.reconstruct_batch(rows))

    def save(self, path: Path) -> None:
        """Write one file, which ``load_vectors`` maps."""
        faiss.write_index(self._exact, str(path))


class FaissCodes(FaissFlat):
    """A product quantiser's 4-bit codes of all vectors propose rows; the vectors of those are compared.

    Scanning all codes in registers takes 2.5 ms for a million vectors, needs no choice of cells, so that
    questions far from every passage lose nothing, and is built in seconds. What else was measured is in NOTES.md.
    """

    name = "faiss-pq4"

    def __init__(self, index: Any) -> None:
        """Takes an IndexRefine of an IndexPQFastScan and an IndexScalarQuantizer."""
        self._index = index
        self._codes: Any = faiss.downcast_index(index.base_index)
        super().__init__(faiss.downcast_index(index.refine_index))

    @property
    def nbytes(self) -> int:
        return len(self) * (int(self._exact.code_size) + int(self._codes.code_size))

    def search(self, vector: np.ndarray, count: int, keep: np.ndarray | None = None) -> np.ndarray:
        kept = len(self) if keep is None else int(np.count_nonzero(keep))
        if keep is not None and kept <= EXACT_UP_TO:
            return super().search(vector, count, keep)
        wanted = max(PROPOSED, PROPOSED_TIMES * count)
        # The codes cannot be told which rows to leave out, so that more are asked for.
        proposed = wanted * len(self) // kept
        while True:
            rows = _found(self._index, vector, min(proposed, len(self)))
            if keep is not None:
                rows = rows[keep[rows]]
            if len(rows) >= min(wanted // 2, kept) or proposed >= len(self):
                return rows[:count]
            proposed *= 4

    def save(self, path: Path) -> None:
        faiss.write_index(self._index, str(path))


_EXACT = (faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


def _on_one_thread() -> None:
    """For what FAISS computes next in the calling thread; OpenMP keeps the count by thread.

    One search has nothing to share out, and training is thousands of tiny loops: on two busy cores, threads that
    wait for each other make 5 ms of 0.1 ms and 16 s of 1 s. Several searches still run side by side.
    """
    faiss.omp_set_num_threads(1)


def _is_exact(index: faiss.Index) -> bool:
    return isinstance(index, faiss.IndexScalarQuantizer) and (index.sq.qtype, index.metric_type) == _EXACT


def _add(vectors: np.ndarray, indexes: list[Any]) -> None:
    for start in range(0, len(vectors), _ROWS_AT_A_TIME):
        rows = _float32(vectors[start : start + _ROWS_AT_A_TIME])
        for index in indexes:
            index.add(rows)


def _float32(vectors: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _found(index: faiss.Index, vector: np.ndarray, count: int, params: Any = None) -> np.ndarray:
    """Rows, best first, without the -1 that stand for rows left out."""
    if count <= 0:
        return np.zeros(0, dtype=np.int64)
    _on_one_thread()
    _, rows = index.search(_float32(vector[None, :]), count, params=params)  # (1, count)
    return np.asarray(rows[0][rows[0] >= 0], dtype=np.int64)
