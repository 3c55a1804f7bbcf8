"""Shapes of predictions: one that is right, one turned to the camera, a staircase; and the measure of a network."""

import numpy as np
import pandas as pd
import pytest
import torch
from test_surface_slant import RIG, plane, sample_of

from lowtex.errors import DataError, OptionError
from lowtex_lab.studies.diagnostics.surface_shapes import (
    NUMBERS,
    by_surface,
    relative_slope,
    shape_rows,
    shape_scores,
    shapes_of,
    slope_shares,
)
from lowtex_lab.studies.diagnostics.surface_slant import inverse_depth
from lowtex_lab.studies.stats.effects import compare


@pytest.fixture(scope="module")
def road():
    """A road and a far wall, with a texture that is known and low in the left half."""
    depth = torch.minimum(torch.where((d := plane((0, 1, 0), 1.5)) > 0, d, torch.inf), plane((0, 0, 1), 30.0))
    sample = sample_of(depth)
    sample.texture_contrast = torch.full((1, 48, 64), 0.001)
    sample.texture_contrast[:, :, 32:] = 0.1
    return sample


def rows_of(inverse, sample):
    return shape_rows(inverse, sample).set_index(["surface", "texture"])


def test_the_truth_has_no_error_and_another_scale_changes_abs_rel_alone(road):
    truth = inverse_depth(road.depth)
    right, scaled = rows_of(truth, road), rows_of(truth / 1.2, road)
    assert {"ground", "facing", "other", "all"} >= set(right.index.get_level_values("surface"))
    ground = right.loc["ground", "all"]
    assert ground[["abs_rel", "tilt_deg", "flat", "steep"]].abs().max() < 1e-5
    assert ground["slope"] == pytest.approx(1) and ground["bend"] < 1e-6
    assert scaled.loc["ground", "all"]["abs_rel"] == pytest.approx(0.2)
    shape = [name for name in NUMBERS if name != "abs_rel"]
    pd.testing.assert_frame_equal(scaled[shape], right[shape], atol=1e-4)
    assert right.loc["facing", "all"][["slope", "flat", "steep"]].isna().all()
    assert right.loc["ground", "low"]["pixels"] < ground["pixels"]


def test_a_road_turned_to_the_camera_and_a_staircase(road):
    truth = inverse_depth(road.depth)
    y = np.indices(truth.shape)[0]
    flat = rows_of(np.full_like(truth, truth.mean()), road).loc["ground", "all"]
    assert flat["slope"] == pytest.approx(0) and flat["flat"] == 1 and flat["rise"] == 0 and flat["tilt_deg"] > 60
    half = truth.copy()
    ground = y > 30
    half[ground] = (truth[30, 0] + 0.5 * (truth - truth[30, 0]))[ground]
    # half the slope of inverse depth, of a value that is itself too small: the relative slope is what is compared
    expected = np.median(0.5 * truth[36] / half[36])
    assert relative_slope(half, truth)[36, 20] == pytest.approx(expected, rel=1e-3)
    stairs = truth[4 * (y // 4), np.indices(truth.shape)[1]]
    found = rows_of(stairs, road).loc["ground", "all"]
    # central differences see two of four rows of each tread as flat
    assert 0.4 < found["flat"] < 0.6 and 0.4 < found["steep"] < 0.6
    assert found["bend"] > 100 * rows_of(truth, road).loc["ground", "all"]["bend"]


def test_shapes_and_slopes_of_several_predictions(road):
    truth = inverse_depth(road.depth)
    maps = {"right": [truth, truth], "flat": [np.full_like(truth, 0.1)] * 2}
    shapes = shapes_of(maps, [road, road], seed=4)
    assert list(dict.fromkeys(shapes["experiment"])) == ["truth", "right", "flat"] and set(shapes["seed"]) == {4}
    ground = by_surface(shapes).set_index(["experiment", "surface"])["slope"].xs("ground", level="surface")
    assert ground.to_dict() == pytest.approx({"truth": 1, "right": 1, "flat": 0})
    curves = slope_shares(maps, [road, road], np.array([-0.5, 0.5, 1.5]))
    found = curves[curves["panel"] == "ground"].set_index(["name", "x"])["y"].to_dict()
    assert found == {("right", 0): 0, ("right", 1): 1, ("flat", 0): 1, ("flat", 1): 0}


def test_summaries_and_scores(road):
    truth = inverse_depth(road.depth)
    parts = []
    for experiment, shift in (("first", 0.02), ("both", 0.01)):
        for seed in range(3):
            for image in ("a", "b", "c"):
                wave = 1 + shift * np.sin(np.arange(64) + seed + ord(image))
                rows = shape_rows(truth * wave, road).assign(image=f"Scene0{ord(image) - 96}/clone/00000/l")
                parts.append(rows.assign(experiment=experiment, seed=seed))
    measured = pd.concat(parts)
    table = by_surface(measured).set_index(["experiment", "surface"])
    ground = measured[(measured["surface"] == "ground") & (measured["texture"] == "all")]
    expected = ground[ground["experiment"] == "first"]["bend"].mean()
    assert table.loc[("first", "ground"), "bend"] == pytest.approx(expected)
    assert table.loc[("first", "ground"), "seeds"] == 3 and table.loc[("first", "ground"), "images"] == 3
    scores = shape_scores(measured, "bend")
    effects = compare(scores, [("both", "first")], stratum_kind="surface", times=200)
    assert set(effects["seeds"]) == {3} and set(effects["images"]) == {3}
    ratios = effects.set_index("stratum")["ratio"]
    assert {"all", "ground", "facing"} <= set(ratios.index) and (ratios.between(0.4, 0.6)).all()
    with pytest.raises(DataError, match="'high'"):
        by_surface(measured, "high")
    with pytest.raises(OptionError, match="'slope'"):
        shape_scores(measured, "slope")


def test_errors_name_what_they_got(road):
    with pytest.raises(ValueError, match=r"\(4,\)"):
        shape_rows(np.ones(4), road)
    with pytest.raises(ValueError, match="positive"):
        shape_rows(np.zeros((48, 64)), road)
    road_without = sample_of(plane((0, 1, 0), 1.5))
    road_without.depth = None
    with pytest.raises(DataError, match="made/0"):
        shape_rows(np.ones((48, 64)), road_without)
    assert RIG.width == 64
