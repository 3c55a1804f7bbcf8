"""Slope, bend and normal of surfaces whose depth is known by a formula."""

import math

import numpy as np
import pytest
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, OptionError
from lowtex.geometry import StereoRig
from lowtex_lab.studies.diagnostics.surface_slant import (
    angle_deg,
    bends,
    inverse_depth,
    normals,
    slopes,
    surface_strata,
)

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
        bend = bends(inverse, step)
    judged = np.isfinite(found).all(0)
    assert judged.sum() > 300
    true = (np.asarray(normal, float) / np.linalg.norm(normal))[:, None, None]
    assert angle_deg(found, true)[judged].max() < 1e-4
    assert np.nanmax(bend) < 1e-9


def test_slopes_are_relative_to_the_value_and_free_of_scale():
    inverse = inverse_depth(plane((0, 1, 0), 1.6))
    x, y = slopes(inverse)
    row = 40
    assert y[row, 30] == pytest.approx(1 / (row - RIG.cy)) and x[row, 30] == pytest.approx(0, abs=1e-12)
    assert np.allclose(slopes(7 * inverse), slopes(inverse), equal_nan=True)
    assert np.isnan(y[0]).all() and np.isnan(y[-1]).all()


def test_bends_by_hand():
    rows, columns = np.indices((9, 9)).astype(float)
    for values, bend in ((columns**2, 2), (rows**2, 2), (rows * columns, 2), (3 * columns - rows, 0)):
        inverse = 100 + values
        for step in (1, 2):
            assert bends(inverse, step)[4, 4] == pytest.approx(bend / inverse[4, 4], abs=1e-14)


def test_average_over_areas_is_exact_on_planes_and_unknown_where_it_touches_nothing():
    wide = StereoRig(180.0, 0.5, cx=64.0, cy=41.0, focal_y_px=160.0, width=128, height=96)
    full = plane((0.1, 0.6, 0.5), 3.0, wide, (96, 128))
    half = inverse_depth(full, (48, 64))
    with np.errstate(invalid="ignore"):
        found = normals(half, wide.resized(64, 48))
    assert angle_deg(found, (np.array([0.1, 0.6, 0.5]) / math.sqrt(0.62))[:, None, None])[5:-5, 5:-5].max() < 1e-4
    full[0, 10, 20] = 0
    holed = inverse_depth(full, (48, 64))
    assert np.isnan(holed[5, 10]) and np.isfinite(np.delete(holed[5], 10)).all()


def test_a_corridor_is_told_apart():
    walls = {"ground": plane((0, 1, 0), 1.5), "side": plane((1, 0, 0), 3.0), "other side": plane((-1, 0, 0), 3.0)}
    walls["facing"] = plane((0, 0, 1), 14.0)
    stack = torch.stack([torch.where(d > 0, d, torch.inf) for d in walls.values()])
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
    rows, columns = np.indices((48, 64))
    ball = torch.as_tensor(6.0 + 0.02 * (columns - 32) ** 2)[None]
    assert surface_strata(sample_of(ball))["facing"].mean() < 0.1


def test_errors_name_what_they_got():
    with pytest.raises(DataError, match="made/0"):
        surface_strata(StereoSample(torch.zeros(3, 8, 8), RIG, "made/0"))
    with pytest.raises(ValueError, match="principal point"):
        normals(np.ones((5, 5)), StereoRig(10.0, 0.5))
    with pytest.raises(ValueError, match=r"\(2, 4, 4\)"):
        inverse_depth(torch.ones(2, 4, 4))
    with pytest.raises(OptionError, match="step_px=0"):
        slopes(np.ones((5, 5)), 0)
