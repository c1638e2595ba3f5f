"""Clusters of a map of chunks, each named by its most typical words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import faiss
import numpy as np

from src.search.projection import Projection
from src.search.terms import fold
from src.search.vocabulary import cut

MAX_CLUSTERS = 6
# Fewer chunks than this are one cloud.
MIN_CHUNKS = 12
ROUNDS, STARTS = 30, 5
NAME_WORDS = 3
# Cutting texts into words takes 5 to 10 microseconds a character.
_READ_CHUNKS, _READ_CHARS = 400, 200


@dataclass(frozen=True)
class Theme:
    """One cluster.

    Attributes:
        words: its most typical ones, the best first; may be empty.
        members: int64, the chunks of the map (``Projection.chunks``) that belong to it.
    """

    words: tuple[str, ...]
    members: np.ndarray


def themes(projected: Projection) -> list[Theme]:
    """The clusters of a map, the largest first; the same map always has the same ones."""
    labels = clusters(projected.points)
    groups = sorted((np.flatnonzero(labels == label) for label in np.unique(labels)), key=len, reverse=True)
    names = typical_words([[projected.chunks[i].chunk.text for i in _spread(group)] for group in groups])
    return [Theme(words, group) for words, group in zip(names, groups, strict=True)]


def clusters(points: np.ndarray) -> np.ndarray:
    """Points (n, 2) -> the cluster of each, int64 (n,): k-means with the k that separates them best."""
    if len(points) < MIN_CHUNKS:
        return np.zeros(len(points), dtype=np.int64)
    found = [_kmeans(points, k) for k in range(2, MAX_CLUSTERS + 1)]
    return max(found, key=lambda labels: _separation(points, labels))


def typical_words(groups: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """The words that stand in more texts of a group than elsewhere, of each group; none is part of another."""
    found = [
        [{word for word in cut(fold(text[:_READ_CHARS])) if len(word) > 1} for text in group] for group in groups
    ]
    inside = [Counter(word for words in texts for word in words) for texts in found]
    total = sum(inside, Counter[str]())
    size = max(1, sum(map(len, found)))
    return [
        _best(counts, total, len(texts), size) if len(groups) > 1 else _longest_apart(counts.most_common())
        for counts, texts in zip(inside, found, strict=True)
    ]


def _best(counts: Counter[str], total: Counter[str], texts: int, size: int) -> tuple[str, ...]:
    scores = {}
    for word, count in counts.items():
        here, elsewhere = count / max(1, texts), (total[word] - count + 0.5) / (size - texts + 1)
        if count > 1 and here > elsewhere:
            scores[word] = here * float(np.log(here / elsewhere))
    return _longest_apart(sorted(scores.items(), key=lambda item: (-item[1], item[0])))


def _longest_apart(ordered: Sequence[tuple[str, float]]) -> tuple[str, ...]:
    chosen: list[str] = []
    for word, _ in ordered:
        if not any(word in other or other in word for other in chosen):
            chosen.append(word)
        if len(chosen) == NAME_WORDS:
            break
    return tuple(chosen)


def _spread(group: np.ndarray) -> list[int]:
    """At most ``_READ_CHUNKS`` of a group, at even distances."""
    count = min(len(group), _READ_CHUNKS // MAX_CLUSTERS)
    return [int(group[i * len(group) // count]) for i in range(count)]


def _kmeans(points: np.ndarray, count: int) -> np.ndarray:
    """FAISS's, from seeded starts, the best of a few."""
    found = faiss.Kmeans(2, count, niter=ROUNDS, nredo=STARTS, seed=0, min_points_per_centroid=1)
    found.train(points)
    return np.asarray(found.assign(points)[1], dtype=np.int64)


def _separation(points: np.ndarray, labels: np.ndarray) -> float:
    """The silhouette, with distances to centres in place of all pairs of points."""
    present = np.unique(labels)
    if len(present) < 2:
        return -1.0
    centres = np.stack([points[labels == label].mean(axis=0) for label in present])
    distances = np.sqrt(((points[:, None, :] - centres[None]) ** 2).sum(axis=2))  # (n, k)
    own = distances[np.arange(len(points)), np.searchsorted(present, labels)]
    distances[np.arange(len(points)), np.searchsorted(present, labels)] = np.inf
    other = distances.min(axis=1)
    return float(((other - own) / np.maximum(np.maximum(other, own), 1e-12)).mean())
