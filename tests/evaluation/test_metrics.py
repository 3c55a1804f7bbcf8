"""The metrics against numbers worked out by hand, and against a plain loop written from the formulas."""

import math

import pytest
import torch

from lowtex.evaluation.metrics import (
    HIGHER_IS_BETTER,
    LABELS,
    METRICS,
    depth_errors,
    disparity_outliers,
    metric_names,
)


def test_worked_out_by_hand():
    # errors of 2, 0, -10 and 20 metres at 10, 20, 40 and 20 metres
    got = depth_errors([10.0, 20.0, 40.0, 20.0], [12.0, 20.0, 30.0, 40.0], log10=True)
    assert got["abs_rel"] == pytest.approx((0.2 + 0 + 0.25 + 1.0) / 4)
    assert got["sq_rel"] == pytest.approx((0.4 + 0 + 2.5 + 20.0) / 4)
    assert got["rmse"] == pytest.approx(math.sqrt((4 + 0 + 100 + 400) / 4))
    squares = math.log(1.2) ** 2 + math.log(4 / 3) ** 2 + math.log(2) ** 2
    assert got["rmse_log"] == pytest.approx(math.sqrt(squares / 4))
    assert got["log10"] == pytest.approx(math.sqrt(squares / 4) / math.log(10))
    # ratios 1.2, 1, 1.333, 2 against 1.25, 1.5625, 1.953
    assert (got["d1"], got["d2"], got["d3"]) == (0.5, 0.75, 0.75)


def test_the_thresholds_are_strict():
    exactly = depth_errors([1.0, 1.25], [1.25, 1.0])
    assert exactly["d1"] == 0.0
    assert exactly["d2"] == 1.0


def test_names_and_order():
    assert tuple(depth_errors([1.0], [2.0])) == METRICS == metric_names()
    assert tuple(depth_errors([1.0], [2.0], log10=True)) == metric_names(log10=True) == (*METRICS, "log10")
    assert metric_names(d1_all=True) == (*METRICS, "d1_all") and tuple(LABELS) == metric_names(True, True)


def test_disparity_outliers_by_hand():
    """Wrong by more than 3 px and by more than 5 %: exactly 3 px, 4 of 100 px and 2 of 2 px are none."""
    truth = [[10.0, 10.0, 10.0, 100.0], [100.0, 100.0, 60.0, 2.0]]
    prediction = [[13.0, 13.01, 6.9, 104.0], [105.01, 94.9, 63.0, 0.0]]
    assert disparity_outliers(truth, prediction).tolist() == [0, 1, 1, 0, 1, 1, 0, 0]
    assert "d1_all" not in HIGHER_IS_BETTER
    for bad in ([1.0], [1.0, float("nan")]):
        with pytest.raises(ValueError, match="two arrays of one shape"):
            disparity_outliers([1.0, 2.0], bad)
    with pytest.raises(ValueError, match="the true ones > 0"):
        disparity_outliers([0.0, 2.0], [1.0, 1.0])


def test_tensors_of_any_shape_and_kind():
    truth = torch.tensor([[[10.0, 20.0]]], dtype=torch.float16)
    prediction = torch.tensor([[[12.0, 20.0]]], dtype=torch.float32, requires_grad=True)
    assert depth_errors(truth, prediction) == depth_errors([10.0, 20.0], [12.0, 20.0])


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        ([1.0, 2.0], [1.0], r"truth \(2,\) and prediction \(1,\) differ"),
        ([], [], "no pixels to score"),
        ([1.0, float("nan")], [1.0, 1.0], "truth has 1 of 2 values that are not finite"),
        ([1.0, 1.0], [float("inf"), float("nan")], "prediction has 2 of 2 values that are not finite"),
        ([0.0, 1.0], [1.0, 1.0], "truth has 1 of 2 values that are not > 0"),
        ([1.0, 1.0], [1.0, -3.0], "prediction has 1 of 2 values that are not > 0"),
    ],
)
def test_what_cannot_be_scored_is_refused(truth, prediction, message):
    with pytest.raises(ValueError, match=message):
        depth_errors(truth, prediction)
