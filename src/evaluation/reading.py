"""How well passages are read: the span where there is an answer, the refusal where there is none, and whether the
probability means what it says."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.errors import InputError
from src.evaluation.calibration import calibrate
from src.evaluation.measures import character_f1, normalised

# Of the questions whose answer is there, so many may be refused.
REFUSED_WRONGLY = 0.04
# The penalty on the weights of standardised features: without one, two classes that a line parts have no best weights.
_RIDGE, _ROUNDS = 1.0, 100


@dataclass(frozen=True)
class Judged:
    """One question of one passage.

    Attributes:
        text: the span that was found.
        probability: that the passage answers.
        answers: the right ones; none where the passage does not answer.
    """

    text: str
    probability: float
    answers: tuple[str, ...]


@dataclass(frozen=True)
class ReadingScore:
    """Shares in [0, 1].

    Attributes:
        exact_match, f1: of the span on questions with an answer, refused or not; the best over the answers.
        auc: how often a question with an answer has a higher probability than one without.
        threshold: below it is refused; it refuses at most ``REFUSED_WRONGLY`` of the questions with an answer.
        refused_wrongly, refused_rightly: at the threshold, of the questions with and without an answer.
        calibration_error: expected calibration error of the probability, in ten bins.
    """

    answered: int
    unanswered: int
    exact_match: float
    f1: float
    auc: float
    threshold: float
    refused_wrongly: float
    refused_rightly: float
    calibration_error: float


def score(judged: Sequence[Judged]) -> ReadingScore:
    """Raises InputError where no question has an answer, or none lacks one."""
    answered = [one for one in judged if one.answers]
    unanswered = [one for one in judged if not one.answers]
    check_both(len(answered), len(unanswered))
    right = np.array([one.probability for one in answered])
    wrong = np.array([one.probability for one in unanswered])
    threshold = float(np.sort(right)[int(REFUSED_WRONGLY * len(right))])
    return ReadingScore(
        answered=len(answered),
        unanswered=len(unanswered),
        exact_match=statistics.mean(
            float(normalised(one.text) in {normalised(answer) for answer in one.answers}) for one in answered
        ),
        f1=statistics.mean(max(character_f1(one.text, answer) for answer in one.answers) for one in answered),
        auc=_auc(right, wrong),
        threshold=threshold,
        refused_wrongly=float((right < threshold).mean()),
        refused_rightly=float((wrong < threshold).mean()),
        calibration_error=calibrate((one.probability, bool(one.answers)) for one in judged).expected_error,
    )


def check_both(answered: int, unanswered: int) -> None:
    """Raises InputError unless there are questions with and without an answer."""
    if not answered or not unanswered:
        raise InputError(
            f"量阅读和校准既要有能回答的问题，也要有不能回答的，收到 {answered} 个和 {unanswered} 个：请多给一些文章"
        )


def fit_calibration(
    features: Sequence[tuple[float, float]], answered: Sequence[bool]
) -> tuple[float, float, float]:
    """Constant and weights of the log-odds of an answer: logistic regression by Newton's method.

    Args:
        features: ``Read.features`` of each question.
        answered: whether the passage answers it; both must occur.
    """
    given = np.asarray(features, dtype=np.float64)
    known = np.asarray(answered, dtype=np.float64)
    check_both(int(known.sum()), int((1 - known).sum()))
    middle, spread = given.mean(0), given.std(0)
    spread[spread == 0] = 1.0
    rows = np.column_stack([np.ones(len(given)), (given - middle) / spread])  # (N, 3)
    penalty = np.array([0.0, _RIDGE, _RIDGE])
    weights = np.zeros(3)

    def loss(at: NDArray[np.float64]) -> float:
        odds = rows @ at
        return float(np.logaddexp(0, odds).sum() - known @ odds + penalty @ at**2 / 2)

    for _ in range(_ROUNDS):
        probabilities = 0.5 * (1 + np.tanh(rows @ weights / 2))
        gradient = rows.T @ (probabilities - known) + penalty * weights
        curvature = (rows * (probabilities * (1 - probabilities))[:, None]).T @ rows + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curvature, gradient)
        while loss(weights - step) > loss(weights) + 1e-9:  # a whole step may go too far
            step /= 2
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    first, second = weights[1:] / spread
    return float(weights[0] - middle @ (weights[1:] / spread)), float(first), float(second)


def _auc(right: NDArray[np.float64], wrong: NDArray[np.float64]) -> float:
    """The share of pairs in which ``right`` is higher; equal ones count half."""
    ordered = np.sort(wrong)
    below = np.searchsorted(ordered, right, "left") + np.searchsorted(ordered, right, "right")
    return float(below.mean() / 2 / len(wrong))
