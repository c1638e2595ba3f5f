import pytest

from src.evaluation.calibration import BINS, calibrate


def test_the_error_is_the_gap_of_each_bin_weighted_by_its_count():
    # 0.9 and 1.0: mean 0.95, half right, gap 0.45; two at 0.25, none right: gap 0.25.
    calibration = calibrate([(0.9, True), (1.0, False), (0.25, False), (0.25, False)])
    assert [one.count for one in calibration.bins] == [0, 0, 2, 0, 0, 0, 0, 0, 0, 2]
    assert calibration.bins[9].confidence == pytest.approx(0.95)
    assert calibration.bins[9].accuracy == 0.5
    assert calibration.expected_error == pytest.approx((2 * 0.45 + 2 * 0.25) / 4)


def test_certain_and_right_is_no_error_and_the_edges_have_a_bin():
    calibration = calibrate([(1.0, True), (0.0, False)])
    assert calibration.expected_error == 0
    assert (calibration.bins[0].count, calibration.bins[9].count) == (1, 1)


def test_nothing_is_zero():
    calibration = calibrate([])
    assert len(calibration.bins) == BINS
    assert (calibration.count, calibration.expected_error) == (0, 0)
