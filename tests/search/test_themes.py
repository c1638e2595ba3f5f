import numpy as np

from src.ingest.types import Document
from src.models.embedders.fake import HashingEmbedder
from src.search.indexing import base_of
from src.search.projection import projection
from src.search.themes import MAX_CLUSTERS, clusters, themes, typical_words


def clouds(*centres, count: int = 20) -> np.ndarray:
    noise = np.random.default_rng(0).normal(scale=0.05, size=(count, 2))
    return np.concatenate([noise + centre for centre in centres])


def test_clouds_that_lie_apart_are_clusters() -> None:
    labels = clusters(clouds((0, 0), (1, 0), (0, 1)))
    assert [len(set(labels[i : i + 20])) for i in (0, 20, 40)] == [1, 1, 1]
    assert len(set(labels)) == 3


def test_few_points_and_equal_points_are_one_cluster() -> None:
    assert set(clusters(clouds((0, 0), (5, 5), count=3))) == {0}
    assert set(clusters(np.zeros((100, 2)))) == {0}


def test_words_are_those_that_stand_in_one_group_only() -> None:
    universities = [f"大学在{place}，学校创办很早，学生很多。" for place in "甲乙丙"]
    food = [f"番茄和{thing}炒在一起，味道很好。" for thing in "甲乙丙"]
    names = typical_words([universities, food])
    assert {"大学", "学校"} & set(names[0])
    assert "番茄" in names[1]
    assert not set(names[0]) & set(names[1])
    assert typical_words([[]]) == [()]
    assert typical_words([["！"], ["？"]]) == [(), ()]


def test_a_map_has_the_same_themes_every_time() -> None:
    texts = [f"大学第{i}号的校区和学生。" for i in range(20)] + [f"番茄炒蛋第{i}步放盐。" for i in range(20)]
    base = base_of([Document(f"d{i}", "s", "", text) for i, text in enumerate(texts)], HashingEmbedder(), "a.txt")
    projected = projection([base])
    found, again = themes(projected), themes(projected)
    assert [theme.words for theme in found] == [theme.words for theme in again]
    assert 2 <= len(found) <= MAX_CLUSTERS
    assert sorted(np.concatenate([theme.members for theme in found])) == list(range(40))
