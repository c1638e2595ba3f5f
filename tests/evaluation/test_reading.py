"""Scores of readings, against numbers worked out by hand, and the calibration against what made the data."""

import numpy as np
import pytest

from src.errors import InputError
from src.evaluation.reading import Judged, fit_calibration, score


def right(text: str, *answers: str, probability: float = 0.9) -> Judged:
    return Judged(text, probability, answers)


def none(probability: float) -> Judged:
    return Judged("随便", probability, ())


@pytest.mark.parametrize(
    ("text", "answers", "exact", "f1"),
    [
        ("王明", ("王明",), 1, 1),
        ("“王明”。", ("王明",), 1, 1),
        ("ＡＢ", ("ab",), 1, 1),
        ("廣州", ("广州",), 1, 1),
        ("王明", ("李红", "王明", "王"), 1, 1),
        ("王明明", ("王明",), 0, 0.8),
        ("王明", ("李红", "王红"), 0, 0.5),
        ("", ("王明",), 0, 0),
        ("。", ("王明",), 0, 0),
    ],
)
def test_the_span_is_worth_what_its_best_answer_says(
    text: str, answers: tuple[str, ...], exact: float, f1: float
) -> None:
    scores = score([right(text, *answers), right("甲", "甲"), none(0.1)])
    assert scores.exact_match == pytest.approx((exact + 1) / 2)
    assert scores.f1 == pytest.approx((f1 + 1) / 2)
    assert (scores.answered, scores.unanswered) == (2, 1)


@pytest.mark.parametrize(
    ("answered", "unanswered", "auc"),
    [([0.9, 0.8], [0.1, 0.2], 1.0), ([0.1], [0.9], 0.0), ([0.5, 0.5], [0.5], 0.5), ([0.9, 0.3], [0.5, 0.3], 0.625)],
)
def test_auc_is_the_share_of_pairs_in_order(answered: list[float], unanswered: list[float], auc: float) -> None:
    scores = score([*(right("甲", "甲", probability=p) for p in answered), *map(none, unanswered)])
    assert scores.auc == pytest.approx(auc)


def test_four_of_a_hundred_are_refused_at_the_threshold() -> None:
    answered = [right("甲", "甲", probability=(i + 1) / 100) for i in range(100)]
    scores = score([*answered, none(0.01), none(0.049), none(0.05), none(0.9)])
    assert (scores.threshold, scores.refused_wrongly, scores.refused_rightly) == (0.05, 0.04, 0.5)
    few = score([*answered[:10], none(0.005), none(0.01)])  # one of ten would be too many
    assert (few.threshold, few.refused_wrongly, few.refused_rightly) == (0.01, 0.0, 0.5)


def test_the_calibration_error_is_over_all_questions() -> None:
    judged = [right("甲", "甲", probability=0.95)] * 3 + [none(0.95)] + [none(0.05)] * 4
    assert score(judged).calibration_error == pytest.approx(0.5 * 0.2 + 0.5 * 0.05)


@pytest.mark.parametrize("judged", [[], [right("甲", "甲")], [none(0.5)]])
def test_both_kinds_of_questions_are_needed(judged: list[Judged]) -> None:
    with pytest.raises(InputError, match="既要有能回答的问题"):
        score(judged)
    with pytest.raises(InputError, match="既要有能回答的问题"):
        fit_calibration([(0.0, 0.0)] * len(judged), [bool(one.answers) for one in judged])


@pytest.mark.parametrize("weights", [(-1.0, 0.8, 0.1), (2.0, -0.5, 0.3), (0.0, 1.0, 0.0)])
def test_a_fit_finds_the_weights_that_made_the_data(weights: tuple[float, float, float]) -> None:
    draw = np.random.default_rng(0)
    features = np.column_stack([draw.normal(1, 2, 40_000), draw.normal(-5, 8, 40_000)])
    odds = weights[0] + features @ np.array(weights[1:])
    answered = draw.random(len(odds)) < 1 / (1 + np.exp(-odds))
    assert fit_calibration([tuple(row) for row in features], answered.tolist()) == pytest.approx(weights, abs=0.06)


@pytest.mark.parametrize(
    "features",
    [
        [(float(i), 0.0) for i in range(10)],  # one feature never changes, the other parts the classes
        [(1e6 * i, 1e-6 * i) for i in range(10)],
        [(-100.0, -100.0)] * 5 + [(3.0, 4.0)] * 5,
    ],
)
def test_separable_data_has_a_finite_fit_in_the_right_order(features: list[tuple[float, float]]) -> None:
    answered = [i >= 5 for i in range(10)]
    constant, *weights = fit_calibration(features, answered)
    odds = constant + np.array(features) @ np.array(weights)
    assert np.isfinite(odds).all()
    assert (odds[:5] < 0).all()
    assert (odds[5:] > 0).all()


def test_equal_features_give_the_share_of_answers() -> None:
    constant, *weights = fit_calibration([(2.0, 3.0)] * 8, [True] * 6 + [False] * 2)
    assert 1 / (1 + np.exp(-(constant + np.array([2.0, 3.0]) @ np.array(weights)))) == pytest.approx(0.75, abs=1e-6)
