"""Whether a confidence of 0.8 is right in eight cases of ten: reliability in ten bins."""

from collections.abc import Iterable
from dataclasses import dataclass

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Confidences in [low, low + 0.1); the last bin takes 1.0 too.

    Attributes:
        count: how many confidences.
        confidence: their mean; 0 for an empty bin.
        accuracy: the share that was right; 0 for an empty bin.
    """

    low: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """Ten bins of equal width, from 0 to 1, and what they say together."""

    bins: tuple[Bin, ...]

    @property
    def count(self) -> int:
        return sum(one.count for one in self.bins)

    @property
    def expected_error(self) -> float:
        """Expected calibration error: |accuracy - confidence| over the bins, weighted by their counts.

        As in Guo et al., On Calibration of Modern Neural Networks (2017); 0 where there is nothing.
        """
        gaps = sum(one.count * abs(one.accuracy - one.confidence) for one in self.bins)
        return gaps / self.count if self.count else 0.0


def calibrate(outcomes: Iterable[tuple[float, bool]]) -> Calibration:
    """``outcomes``: each confidence, in [0, 1], and whether it was right."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, right in outcomes:
        bins[min(int(confidence * BINS), BINS - 1)].append((confidence, right))
    return Calibration(tuple(_bin(number / BINS, members) for number, members in enumerate(bins)))


def _bin(low: float, members: list[tuple[float, bool]]) -> Bin:
    if not members:
        return Bin(low, 0, 0.0, 0.0)
    count = len(members)
    return Bin(low, count, sum(c for c, _ in members) / count, sum(right for _, right in members) / count)
