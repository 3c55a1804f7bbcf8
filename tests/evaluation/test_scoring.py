"""Scoring one prediction: the traps that change numbers, and strata against the plain metrics."""

import math

import numpy as np
import pytest
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.evaluation.evaluate import compare, score
from lowtex.evaluation.metrics import METRICS, depth_errors
from lowtex.evaluation.protocols import PROTOCOLS, Protocol
from lowtex.geometry import StereoRig

HEIGHT, WIDTH = 32, 96


def make_sample(depth, **parts):
    image = torch.rand(3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    rig = StereoRig(focal_px=60.0, baseline_m=0.5, width=WIDTH, height=HEIGHT)
    return StereoSample(image=image, rig=rig, name="drive/0000000000/l", depth=depth, **parts)


def street():
    """Dense true depth of a road and a wall, everything nearer than 80 m."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    depth = 4.0 + 30.0 / (1 + rows) + 0.05 * columns
    return torch.tensor(depth[None], dtype=torch.float32)


def test_forgetting_the_crop_changes_the_number():
    truth = street()
    wrong_above = truth.clone()
    wrong_above[:, : int(0.40810811 * HEIGHT)] *= 2
    sample = make_sample(truth)
    assert score(wrong_above, sample, "vkitti2_garg")[0]["abs_rel"] == pytest.approx(0.0, abs=1e-9)
    assert score(wrong_above, sample, "vkitti2_dense")[0]["abs_rel"] > 0.3


def test_forgetting_the_cap_changes_the_number():
    truth = torch.tensor([[[20.0, 40.0, 85.0, 200.0]]])
    sample = make_sample(truth)
    prediction = torch.tensor([[[20.0, 40.0, 400.0, 400.0]]])
    # capped truth: the two far pixels do not count; uncapped: they count against the clamped 80 m
    assert score(prediction, sample, "vkitti2_dense")[0]["abs_rel"] == 0
    row = score(prediction, sample, "improved")[0]
    assert row["pixels"] == 4
    assert row["abs_rel"] == pytest.approx((5 / 85 + 120 / 200) / 4)
    unclamped = Protocol("mine", "improved", cap_m=1000.0, cap_truth=False)
    assert score(prediction, sample, unclamped)[0]["abs_rel"] == pytest.approx((315 / 85 + 1) / 4)


def test_median_scaling_hides_a_wrong_scale():
    sample = make_sample(street())
    plain = score(sample.depth * 3, sample, "improved")[0]
    scaled = score(sample.depth * 3, sample, PROTOCOLS["improved"].changed(scaling="median"))[0]
    assert plain["abs_rel"] > 1 and plain["scale"] == 1
    assert scaled["abs_rel"] == pytest.approx(0, abs=1e-6)
    assert scaled["scale"] == pytest.approx(1 / 3, rel=1e-6)


def test_median_scaling_uses_only_the_pixels_that_count():
    truth = torch.full((1, HEIGHT, WIDTH), 10.0)
    prediction = torch.full((1, HEIGHT, WIDTH), 20.0)
    prediction[:, :13] = 70.0  # above the crop
    got = compare(prediction, make_sample(truth), PROTOCOLS["vkitti2_garg"].changed(scaling="median"))
    assert got.scale == 0.5


def test_the_scale_is_applied_before_the_clamp():
    truth = torch.full((1, 4, 4), 50.0)
    got = score(truth * 100, make_sample(truth), PROTOCOLS["improved"].changed(scaling="median"))[0]
    assert got["abs_rel"] == pytest.approx(0, abs=1e-9)


def test_disparity_is_resized_not_depth():
    # between 10 m and 40 m lie 16 m (the mean of the inverses), not 25 m
    truth = torch.full((1, 1, 3), 16.0)
    prediction = np.array([[10.0, 40.0]])
    got = compare(prediction, make_sample(truth), "improved").prediction[0]
    assert got[1] == pytest.approx(16.0)
    inverse = compare(1 / prediction, make_sample(truth), "improved", quantity="inverse_depth").prediction[0]
    assert inverse == pytest.approx(got)
    nearest = Protocol("mine", "improved", interpolation="nearest")
    assert set(compare(prediction, make_sample(truth), nearest).prediction[0]) == {10.0, 40.0}


def test_each_stratum_equals_the_metrics_of_its_pixels():
    random = torch.Generator().manual_seed(5)
    sample = make_sample(street(), visible=torch.rand(1, HEIGHT, WIDTH, generator=random) > 0.4)
    prediction = sample.depth * (0.7 + 0.6 * torch.rand(1, HEIGHT, WIDTH, generator=random))
    rows = score(prediction, sample, "vkitti2_dense", strata=["gradient", "visibility", "gradient*visibility"])
    by_name = {(row["stratum_kind"], row["stratum"]): row for row in rows}
    seen = sample.visible
    want = depth_errors(sample.depth[~seen], prediction[~seen])
    got = by_name["visibility", "occluded"]
    assert {name: got[name] for name in METRICS} == pytest.approx(want)
    assert got["pixels"] == int((~seen).sum())
    assert len(by_name) == len(rows)
    for kind in ("gradient", "visibility", "gradient*visibility"):
        assert sum(row["pixels"] for row in rows if row["stratum_kind"] == kind) == HEIGHT * WIDTH


def test_log10_comes_where_the_protocol_asks():
    protocol = Protocol("mine", "improved", log10=True)
    truth = torch.full((1, 2, 2), 10.0)
    row = score(truth * 2, make_sample(truth), protocol)[0]
    assert row["log10"] == pytest.approx(math.log10(2))
    assert "log10" not in score(truth, make_sample(truth), "improved")[0]
