"""Slope, bend and normal of surfaces known by a formula, and shapes of predictions."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, OptionError
from lowtex.geometry import StereoRig
from lowtex_lab.studies.diagnostics import surface_shapes as shapes
from lowtex_lab.studies.diagnostics.surface_shapes import inverse_depth, normals, surface_strata

RIG = StereoRig(90.0, 0.5, cx=32.3, cy=20.7, focal_y_px=80.0, width=64, height=48)


def plane(normal, distance_m, rig=RIG, size=(48, 64)):
    """Depth of ``n . P = c`` where it is positive, else 0."""
    rows, columns = np.indices(size)
    n = np.asarray(normal, float) / np.linalg.norm(normal)
    inverse = (n[0] * (columns - rig.cx) / rig.focal_px + n[1] * (rows - rig.cy) / rig.fy + n[2]) / distance_m
    return torch.as_tensor(np.where(inverse > 1e-3, 1 / np.where(inverse > 1e-3, inverse, 1), 0.0))[None]


def sample_of(depth, rig=RIG):
    return StereoSample(torch.zeros(3, *depth.shape[-2:]), rig, "made/0", depth=depth.float())


@pytest.mark.parametrize("normal", [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0.3, -0.5, 0.8)])
@pytest.mark.parametrize("step", [1, 3])
def test_normals_of_planes(normal, step):
    inverse = inverse_depth(plane(normal, 4.0))
    with np.errstate(invalid="ignore"):
        found = normals(inverse, RIG, step)
        bend = shapes.bends(inverse, step)
    judged = np.isfinite(found).all(0)
    assert judged.sum() > 300
    true = (np.asarray(normal, float) / np.linalg.norm(normal))[:, None, None]
    assert np.abs(found - true)[:, judged].max() < 1e-6
    assert np.nanmax(bend) < 1e-9


def test_bends_by_hand():
    rows, columns = np.indices((9, 9)).astype(float)
    for values, bend in ((columns**2, 2), (rows**2, 2), (rows * columns, 2), (3 * columns - rows, 0)):
        inverse = 100 + values
        for step in (1, 2):
            assert shapes.bends(inverse, step)[4, 4] == pytest.approx(bend / inverse[4, 4], abs=1e-14)


def test_average_over_areas_is_exact_on_planes_and_unknown_where_it_touches_nothing():
    wide = StereoRig(180.0, 0.5, cx=64.0, cy=41.0, focal_y_px=160.0, width=128, height=96)
    full = plane((0.1, 0.6, 0.5), 3.0, wide, (96, 128))
    half = inverse_depth(full, (48, 64))
    with np.errstate(invalid="ignore"):
        found = normals(half, wide.resized(64, 48))
    true = (np.array([0.1, 0.6, 0.5]) / math.sqrt(0.62))[:, None, None]
    assert np.abs(found - true)[:, 5:-5, 5:-5].max() < 1e-6
    full[0, 10, 20] = 0
    holed = inverse_depth(full, (48, 64))
    assert np.isnan(holed[5, 10]) and np.isfinite(np.delete(holed[5], 10)).all()


def test_a_corridor_is_told_apart():
    walls = [plane((0, 1, 0), 1.5), plane((1, 0, 0), 3.0), plane((-1, 0, 0), 3.0), plane((0, 0, 1), 14.0)]
    stack = torch.stack([torch.where(d > 0, d, torch.inf) for d in walls])
    depth, nearest = stack.min(0)
    masks = surface_strata(sample_of(depth))
    assert set(masks) == {"ground", "side", "facing", "other", "all"}
    inner = np.zeros((48, 64), bool)
    inner[3:-3, 3:-3] = True
    for surface, indices in (("ground", [0]), ("side", [1, 2]), ("facing", [3])):
        own = np.isin(nearest[0].numpy(), indices)
        assert (masks[surface] & ~own).sum() == 0
        # all but the pixels beside another plane
        assert (masks[surface] & own & inner).sum() > 0.6 * (own & inner).sum()
    parts = sum(mask.astype(int) for name, mask in masks.items() if name != "all")
    assert np.array_equal(parts, masks["all"].astype(int))


def test_sky_far_and_bent_surfaces_are_no_planes():
    depth = plane((0, 0, 1), 10.0)
    depth[0, :10] = 0
    depth[0, 30:] = 90.0
    masks = surface_strata(sample_of(depth))
    assert not masks["all"][:10].any() and not masks["all"][32:].any() and masks["facing"][15:25, 5:-5].all()
    ball = torch.as_tensor(6.0 + 0.02 * (np.indices((48, 64))[1] - 32) ** 2)[None]
    assert surface_strata(sample_of(ball))["facing"].mean() < 0.1


@pytest.fixture(scope="module")
def road():
    """A road and a far wall, with a texture that is known and low in the left half."""
    depth = torch.minimum(torch.where((d := plane((0, 1, 0), 1.5)) > 0, d, torch.inf), plane((0, 0, 1), 30.0))
    sample = sample_of(depth)
    sample.texture_contrast = torch.full((1, 48, 64), 0.001)
    sample.texture_contrast[:, :, 32:] = 0.1
    return sample


def rows_of(inverse, sample):
    return shapes.shape_rows(inverse, sample).set_index(["surface", "texture"])


def test_the_truth_has_no_error_and_another_scale_changes_abs_rel_alone(road):
    truth = inverse_depth(road.depth)
    right, scaled = rows_of(truth, road), rows_of(truth / 1.2, road)
    assert {"ground", "facing", "other", "all"} >= set(right.index.get_level_values("surface"))
    ground = right.loc["ground", "all"]
    assert ground[["abs_rel", "tilt_deg", "flat", "steep"]].abs().max() < 1e-5
    assert ground["slope"] == pytest.approx(1) and ground["bend"] < 1e-6
    assert scaled.loc["ground", "all"]["abs_rel"] == pytest.approx(0.2)
    shape = [name for name in shapes.NUMBERS if name != "abs_rel"]
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
    assert shapes.relative_slope(half, truth)[36, 20] == pytest.approx(expected, rel=1e-3)
    stairs = truth[4 * (y // 4), np.indices(truth.shape)[1]]
    found = rows_of(stairs, road).loc["ground", "all"]
    # central differences see two of four rows of each tread as flat
    assert 0.4 < found["flat"] < 0.6 and 0.4 < found["steep"] < 0.6
    assert found["bend"] > 100 * rows_of(truth, road).loc["ground", "all"]["bend"]


def test_scores_have_surfaces_as_strata():
    surfaces = {"surface": ["ground", "all", "ground"], "texture": ["all", "all", "low"], "bend": [1.0, 2.0, 3.0]}
    measured = pd.DataFrame({"experiment": "first", "seed": 0, "image": "a", "pixels": 5} | surfaces)
    scores = shapes.shape_scores(measured, "bend")
    lines = scores[["stratum", "stratum_kind", "abs_rel"]].values.tolist()
    assert lines == [["ground", "surface", 1], ["all", "none", 2]]
    with pytest.raises(OptionError, match="'slope'"):
        shapes.shape_scores(measured, "slope")


def test_errors_name_what_they_got(road):
    without = StereoSample(torch.zeros(3, 8, 8), RIG, "made/0")
    for told, ask in (
        ("principal point", lambda: normals(np.ones((5, 5)), StereoRig(10.0, 0.5))),
        (r"\(2, 4, 4\)", lambda: inverse_depth(torch.ones(2, 4, 4))),
        (r"\(4,\)", lambda: shapes.shape_rows(np.ones(4), road)),
        ("positive", lambda: shapes.shape_rows(np.zeros((48, 64)), road)),
        ("made/0", lambda: shapes.shape_rows(np.ones((8, 8)), without)),
    ):
        with pytest.raises((ValueError, DataError), match=told):
            ask()
