import numpy as np
import pytest

from src.ingest.types import Document
from src.models.embedders.fake import HashingEmbedder
from src.search.indexing import base_of
from src.search.inspect import mean_vectors
from src.search.projection import projection

WORDS = ["广州大学", "北京大学", "番茄炒蛋", "蓝鲸", "检索算法", "武汉", "向量", "珠江"]


@pytest.fixture(scope="module")
def base():
    texts = [f"{WORDS[i % 8]}的第{i}件事，也和{WORDS[i * 5 % 7]}有关。" * (1 + i % 4) for i in range(60)]
    return base_of([Document(f"d{i}", "a", "", text) for i, text in enumerate(texts)], HashingEmbedder(), "a.txt")


def test_it_is_the_principal_components(base) -> None:
    projected = projection([base])
    vectors = mean_vectors(base, projected.chunks).astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    expected = centred @ axes[:2].T
    for column in range(2):  # up to the sign, which the next test is about
        same = np.abs(projected.points[:, column] - expected[:, column]).max()
        turned = np.abs(projected.points[:, column] + expected[:, column]).max()
        assert min(same, turned) < 1e-4
    assert projected.share == pytest.approx((sizes[:2] ** 2 / (sizes**2).sum()).tolist(), abs=1e-4)


def test_the_same_base_gives_the_same_map_and_signs_are_fixed(base) -> None:
    one, two = projection([base]), projection([base])
    assert np.array_equal(one.points, two.points)
    for axis in one._axes:
        assert axis[np.argmax(np.abs(axis))] > 0


def test_any_vector_can_be_placed(base) -> None:
    projected = projection([base])
    for at in (0, 7, 59):
        vector = mean_vectors(base, projected.chunks[at : at + 1])
        assert projected.place(vector)[0] == pytest.approx(projected.points[at], abs=1e-5)
    middle = mean_vectors(base, projected.chunks).mean(axis=0)
    assert projected.place(middle[None, :])[0] == pytest.approx([0, 0], abs=1e-5)


def test_a_sample_of_many_still_places_the_others(base) -> None:
    projected = projection([base], limit=10)
    assert len(projected.chunks) == 10
    assert projected.total == 60
    assert projected.place(mean_vectors(base, [base.store.find("d33#1")])).shape == (1, 2)


def test_several_bases_share_one_map(base) -> None:
    own = base_of([Document("m", "我的", "", "我的文档里只有这一段。")], base.embedder, "我的.txt")
    projected = projection([base, own])
    assert projected.total == 61
    assert projected.chunks[-1].file == "我的.txt"


@pytest.mark.parametrize("texts", [["只有一段。"], ["甲乙丙丁。", "戊己庚辛。"]])
def test_few_passages(texts) -> None:
    base = base_of([Document(str(i), "a", "", text) for i, text in enumerate(texts)], HashingEmbedder())
    projected = projection([base])
    assert projected.points.shape == (len(texts), 2)
    assert np.isfinite(projected.points).all()
    assert all(0 <= share <= 1 for share in projected.share)
