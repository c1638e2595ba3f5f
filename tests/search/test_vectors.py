import faiss
import numpy as np
import pytest

from src.search.vectors import EXACT_UP_TO, FaissCodes, FaissFlat, build_vectors, load_vectors


def normalised(rng, count, dimension):
    raw = rng.normal(size=(count, dimension)).astype(np.float32)
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def few():
    return normalised(np.random.default_rng(0), 50, 8)


@pytest.fixture(scope="module")
def many():
    """Vectors around 300 centres, and questions between two of them, which are far from every vector."""
    rng = np.random.default_rng(0)
    centres = normalised(rng, 300, 64)
    raw = centres[rng.integers(300, size=EXACT_UP_TO + 5000)]
    raw = raw + rng.normal(size=raw.shape).astype(np.float32) / 8
    questions = centres[:40] + centres[40:80] + rng.normal(size=(40, 64)).astype(np.float32) / 4
    return (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (raw, questions))


@pytest.fixture(scope="module")
def coded(many, tmp_path_factory):
    vectors, questions = many
    path = tmp_path_factory.mktemp("codes") / "v.faiss"
    store = build_vectors(vectors)
    store.save(path)
    return vectors, questions, store, load_vectors(path)


def best(vectors, question, count, keep=None):
    """Brute force."""
    scores = vectors @ question
    if keep is not None:
        scores[~keep] = -np.inf
    return np.argsort(-scores, kind="stable")[:count]


def recall(found, expected):
    return len(set(found.tolist()) & set(expected.tolist())) / len(expected)


def test_search_is_brute_force(few, tmp_path):
    store = build_vectors(few)
    store.save(tmp_path / "v.faiss")
    keep = np.arange(50) % 3 == 0
    for s in (store, load_vectors(tmp_path / "v.faiss")):
        assert isinstance(s, FaissFlat)
        assert (len(s), s.dimension, s.nbytes) == (50, 8, 800)
        rows = s.search(few[3], 10)
        assert np.array_equal(rows, best(few, few[3], 10))
        assert np.allclose(s.scores(few[3], rows), np.sort(few @ few[3])[::-1][:10], atol=1e-3)
        assert np.allclose(s.vectors(rows), few[rows], atol=1e-3)
        assert sorted(s.search(few[3], 99)) == list(range(50))
        assert s.scores(few[3], np.array([], dtype=np.int64)).shape == (0,)
        assert np.array_equal(s.search(few[3], 5, keep), best(few, few[3], 5, keep))
        assert sorted(s.search(few[3], 99, keep)) == np.flatnonzero(keep).tolist()
        assert not len(s.search(few[3], 9, np.zeros(50, dtype=bool)))


def test_no_vectors_at_all(tmp_path):
    store = build_vectors(np.zeros((0, 8), dtype=np.float32))
    store.save(tmp_path / "v.faiss")
    for s in (store, load_vectors(tmp_path / "v.faiss")):
        assert (len(s), s.dimension) == (0, 8)
        assert not len(s.search(np.ones(8, dtype=np.float32), 3))
        assert not len(s.search(np.ones(8, dtype=np.float32), 3, np.zeros(0, dtype=bool)))


def test_many_vectors_are_found_through_codes(coded):
    vectors, questions, *stores = coded
    for s in stores:
        assert isinstance(s, FaissCodes)
        assert (len(s), s.dimension, s.nbytes) == (len(vectors), 64, len(vectors) * (128 + 8))
        found = [s.search(q, 10) for q in questions]
        assert np.mean([recall(f, best(vectors, q, 10)) for f, q in zip(found, questions, strict=True)]) > 0.95
        for rows, q in zip(found, questions, strict=True):
            exact = vectors[rows] @ q
            assert np.allclose(s.scores(q, rows), exact, atol=1e-3)
            assert (np.diff(exact) < 1e-3).all()
        assert np.allclose(s.vectors(np.array([7, 3])), vectors[[7, 3]], atol=1e-3)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.01])
def test_rows_left_out_cost_no_recall(coded, share):
    vectors, questions, _, store = coded
    keep = np.random.default_rng(1).random(len(vectors)) < share
    found = [store.search(q, 10, keep) for q in questions]
    assert all(keep[rows].all() and len(rows) == 10 for rows in found)
    expected = [best(vectors, q, 10, keep) for q in questions]
    assert np.mean([recall(*pair) for pair in zip(found, expected, strict=True)]) > 0.95


def test_the_nearest_thousands_can_be_left_out(coded):
    vectors, questions, _, store = coded
    keep = np.ones(len(vectors), dtype=bool)
    keep[best(vectors, questions[0], 4000)] = False
    rows = store.search(questions[0], 10, keep)  # of what is left nothing stands out
    assert len(rows) == 10
    assert keep[rows].all()
    assert (vectors[rows] @ questions[0]).mean() > 0.9 * vectors[keep].dot(questions[0]).max()
    assert len(store.search(questions[0], len(vectors), keep)) == len(vectors) - 4000
    assert not len(store.search(questions[0], 10, np.zeros(len(vectors), dtype=bool)))


def test_a_memmap_and_an_odd_dimension(tmp_path):
    np.save(tmp_path / "v.npy", normalised(np.random.default_rng(2), EXACT_UP_TO + 1, 9))
    vectors = np.load(tmp_path / "v.npy", mmap_mode="r")
    store = build_vectors(vectors)
    assert np.array_equal(store.search(vectors[5], 1), [5])
    assert isinstance(store, FaissFlat)


def test_what_is_no_index_of_ours_is_refused(few, tmp_path):
    path = tmp_path / "v.faiss"
    flat = faiss.IndexFlatIP(8)
    flat.add(few)
    faiss.write_index(flat, str(path))
    with pytest.raises(ValueError, match="IndexFlatIP"):
        load_vectors(path)
    faiss.write_index(faiss.IndexRefine(flat, flat), str(path))
    with pytest.raises(ValueError, match="IndexRefine"):
        load_vectors(path)
    build_vectors(few).save(path)
    whole = path.read_bytes()
    for content in (b"", b"text", whole[:-1], whole[:40]):
        path.write_bytes(content)
        with pytest.raises(RuntimeError):
            load_vectors(path)
    with pytest.raises(RuntimeError):
        load_vectors(tmp_path / "missing.faiss")
