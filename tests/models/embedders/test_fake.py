import numpy as np

from src.models.embedders.fake import HashingEmbedder


def test_vectors_are_normalised_and_repeatable():
    texts = ["广州大学", "", "  ", "广州大学在番禺", "\ud800"]
    first, second = HashingEmbedder().encode(texts), HashingEmbedder().encode_queries(texts)
    assert first.shape == (5, 64)
    assert first.dtype == np.float32
    assert np.allclose(np.linalg.norm(first, axis=1), 1)
    assert np.array_equal(first, second)


def test_shared_bigrams_are_close_and_calls_are_counted():
    embedder = HashingEmbedder(dimension=256)
    a, b, c = embedder.encode(["广州大学在哪里", "广州大学在番禺", "番茄炒蛋怎么做"])
    assert a @ b > a @ c
    assert embedder.encode([]).shape == (0, 256)
    assert (embedder.calls, embedder.encoded) == (2, 3)
