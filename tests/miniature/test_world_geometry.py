"""The world's depths, views and visibility are exact."""

import math

import numpy as np
import pytest
import torch
from view_errors import errors_beside

from lowtex.datasets.sample import StereoSample
from lowtex.geometry import backproject, depth_to_disparity, warp_horizontal
from lowtex_lab.miniature import Scene, render
from lowtex_lab.miniature.raycast import cast
from lowtex_lab.miniature.render import world_at
from lowtex_lab.miniature.solids import Builder, Surface


def test_round_solids_are_hit_where_they_stand():
    plain, builder = Surface((0.5, 0.5, 0.5)), Builder(np.random.default_rng(0))
    builder.cylinder((0.0, 10.0), 0.5, (-1.0, 1.0), plain)
    builder.ellipsoid((4.0, 0.0, 20.0), (1.0, 2.0, 3.0), plain)
    # one ray through the middle of each
    found, _ = cast(builder.build(), (0.0, 0.0, 0.0), torch.tensor([0.0, 0.2]), torch.ones(2), torch.zeros(1))
    assert found[0].tolist() == pytest.approx([9.5, 20 - (0.2**2 + 1 / 9) ** -0.5])


def test_true_disparity_is_the_best_and_has_no_bias(clean_pairs):
    offsets = np.array([-2.0, -1.0, -0.25, 0.0, 0.25, 1.0, 2.0])
    samples = [StereoSample(p.left, p.rig, "street", p.right, depth=p.depth_left) for p in clean_pairs]
    seen = [pair.visible_left[0] & (pair.depth_left[0] > 0) for pair in clean_pairs]
    table = np.array([errors_beside(*sample_and_seen, offsets) for sample_and_seen in zip(samples, seen, strict=True)])
    assert (table.argmin(1) == 3).all()
    assert (table[:, 3] < 0.45 * np.minimum(table[:, 1], table[:, 5])).all()
    assert (table[:, 3] < 0.02).all()
    # a shift of a quarter pixel costs the same to either side: no systematic offset between views and depths
    tilt = (table[:, 4] - table[:, 2]) / (table[:, 4] + table[:, 2] - 2 * table[:, 3])
    assert abs(tilt.mean()) < 0.15 and (np.abs(tilt) < 0.4).all()


def test_depths_of_both_views_agree(clean_pairs):
    for pair in clean_pairs:
        left = depth_to_disparity(pair.depth_left[None], pair.rig)
        right = depth_to_disparity(pair.depth_right[None], pair.rig)
        difference = (warp_horizontal(right, left) - left)[0, 0].abs()
        seen = pair.visible_left[0] & (pair.depth_left[0] > 0)
        assert float(difference[seen].median()) < 0.02
        assert float((difference[seen] < 0.5).float().mean()) > 0.97
        assert 0.75 < float(pair.visible_left[pair.depth_left > 0].float().mean()) < 0.99, "as in a street"


def test_visibility_equals_casting_back_from_the_other_camera():
    scene, frame = Scene("Scene02"), 4
    pair = render(scene, frame)
    (x, y, z), heading = scene.pose(frame)
    world = world_at(scene, z)
    cos, sin = math.cos(heading), math.sin(heading)
    other = (x + pair.rig.baseline_m * cos, y, z - pair.rig.baseline_m * sin)
    points = backproject(pair.depth_left[None].double(), pair.rig)[0]
    rng = np.random.default_rng(0)
    same = total = 0
    for row, column in zip(rng.integers(0, 96, 250), rng.integers(0, 320, 250), strict=True):
        px, py, pz = points[:, row, column].tolist()
        if pz <= 0:
            continue
        xn = (px - pair.rig.baseline_m) / pz
        inside = 0 <= xn * pair.rig.focal_px + pair.rig.cx <= 319
        ray = [torch.tensor([v]) for v in (cos * xn + sin, cos - sin * xn, -py / pz)]
        met = float(cast(world.solids, other, *ray)[0])
        expected = inside and abs(pair.rig.focal_px * pair.rig.baseline_m * (1 / met - 1 / pz)) < 0.35
        same += expected == bool(pair.visible_left[0, row, column])
        total += 1
    assert total > 150 and same / total > 0.96


def test_depth_does_not_depend_on_resolution():
    small, large = (render(Scene("Scene18"), 2, size) for size in ((64, 208), (192, 624)))
    # centres of the small picture's pixels are centres of every third pixel of the large one
    a, b = small.depth_left[0], large.depth_left[0, 1::3, 1::3]
    close = ((a - b).abs() <= 1e-3 * b) & (b > 0) | (a == 0) & (b == 0)
    assert float(close.float().mean()) > 0.94  # the rest lies at outlines and on curved faces


def test_road_lies_where_the_rig_says(clean_pairs):
    """The bottom row shows ground: points 1.58 to 1.72 m below the camera, or higher where a car or kerb is."""
    heights = torch.cat([backproject(pair.depth_left[None], pair.rig)[0, 1, -1] for pair in clean_pairs])
    assert float(heights.max()) < 1.74
    assert float(((heights > 1.42) & (heights < 1.74)).float().mean()) > 0.6


def test_turned_rigs_see_the_same_world():
    straight, turned = (render(Scene("Scene01"), 3, variation=name) for name in ("clone", "30-deg-right"))
    points = backproject(turned.depth_left[None].double(), turned.rig)[0]
    angle = math.radians(30)
    # from the turned camera's axes to the straight one's
    x = math.cos(angle) * points[0] + math.sin(angle) * points[2]
    z = -math.sin(angle) * points[0] + math.cos(angle) * points[2]
    column = (x / z * straight.rig.focal_px + straight.rig.cx).round().long()
    row = (points[1] / z * straight.rig.fy + straight.rig.cy).round().long()
    ok = (points[2] > 0) & (z > 1) & (column >= 0) & (column < 320) & (row >= 0) & (row < 96)
    assert float(ok.float().mean()) > 0.2
    met = straight.depth_left[0, row[ok], column[ok]]
    assert float(((met - z[ok]).abs() < 0.06 * z[ok]).float().mean()) > 0.85
