import faiss
import numpy as np
import pytest

from src.retrieval.vectors import FaissFlat


@pytest.fixture
def vectors():
    raw = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def test_search_is_brute_force(vectors, tmp_path):
    store = FaissFlat.build(vectors)
    store.save(tmp_path / "v.faiss")
    for s in (store, FaissFlat.load(tmp_path / "v.faiss")):
        assert (len(s), s.dimension, s.nbytes) == (50, 8, 1600)
        rows = s.search(vectors[3], 10)
        assert np.array_equal(rows, np.argsort(-(vectors @ vectors[3]))[:10])
        assert np.allclose(s.scores(vectors[3], rows), np.sort(vectors @ vectors[3])[::-1][:10], atol=1e-6)
        assert len(s.search(vectors[3], 99)) == 50
        assert s.scores(vectors[3], np.array([], dtype=np.int64)).shape == (0,)


def test_another_metric_is_refused(vectors, tmp_path):
    index = faiss.IndexFlatL2(8)
    index.add(vectors)
    faiss.write_index(index, str(tmp_path / "v.faiss"))
    with pytest.raises(ValueError, match="IndexFlatIP"):
        FaissFlat.load(tmp_path / "v.faiss")
