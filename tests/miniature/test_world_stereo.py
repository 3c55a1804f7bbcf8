"""A folder of one's own, and Virtual KITTI 2's other variations: both views, and the right depth."""

import math

import numpy as np
import pytest
import torch
import yaml

from lowtex.datasets import StereoFolder, VirtualKitti2
from lowtex.geometry import depth_to_disparity, warp_horizontal
from lowtex_lab.miniature import VARIATIONS, Scene, render, stereo_folder, write_stereo_folder, write_vkitti2

SIZE = (90, 160)
FRAMES, MORE = {"Scene01": 3, "Scene20": 1}, {"Scene01": 2}
OTHERS = [name for name in VARIATIONS if name != "clone"]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return write_stereo_folder(tmp_path_factory.mktemp("s") / "stereo", 3, SIZE, progress=False)


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    place = tmp_path_factory.mktemp("v") / "vkitti2"
    return write_vkitti2(place, FRAMES, (64, 192), variation_frames=MORE, progress=False)


def fits(sample, known):
    """The views fit by the sample's depth, and by no disparity a pixel off."""
    disparity = depth_to_disparity(sample.depth[None].clamp(min=0.1), sample.rig)
    error = []
    for offset in (-1, 0, 1):
        warped = warp_horizontal(sample.other[None], sample.direction * (disparity + offset))[0]
        error.append(float((warped - sample.image).abs().mean(0)[known].mean()))
    return error[1] < 0.75 * min(error[0], error[2])


def test_stereo_folder_is_what_the_world_knows(own):
    values = yaml.safe_load((own / "rig.yaml").read_text())
    fixed = {"focal_px": 120.0, "focal_y_px": 119.75, "baseline_m": 0.12, "width": 160, "height": 90}
    assert values == {**fixed, "cx": pytest.approx(81.4625), "cy": pytest.approx(43.6625), "depth_unit_m": 0.002}
    dataset = StereoFolder(own, size=None)
    assert len(dataset) == 3
    for k in range(3):
        pair = render(Scene("stereo"), k, SIZE, rig=stereo_folder.STEREO_RIG)
        sample = dataset[k]
        assert (sample.rig.focal_px, sample.rig.fy, sample.rig.baseline_m) == (120.0, 119.75, 0.12)
        assert (sample.rig.cx, sample.rig.cy) == pytest.approx((pair.rig.cx, pair.rig.cy))
        known = sample.depth > 0
        assert torch.equal(known, (pair.depth_left > 0) & (pair.depth_left < 65535.5 * 0.002))
        assert float((sample.depth - pair.depth_left).abs()[known].max()) < 0.00101
        assert (pair.depth_left > 131.1).any() or k  # something lies beyond what 16 bits hold
        assert fits(sample, pair.visible_left[0] & known[0])


def test_other_variations_have_fewer_frames(varied):
    for name in OTHERS:
        for camera in (0, 1):
            found = (varied / "Scene01" / name / "frames" / "rgb" / f"Camera_{camera}").iterdir()
            assert {path.name for path in found} == {"rgb_00000.jpg", "rgb_00001.jpg"}
    assert [path.name for path in (varied / "Scene20").iterdir()] == ["clone"]
    listed = (varied / "Scene01" / "clone" / "intrinsic.txt").read_text().splitlines()
    assert len(listed) == 1 + 2 * FRAMES["Scene01"]
    everything = VirtualKitti2(varied, "available", size=None, variation="all")
    assert len(everything) == 3 + 1 + 2 * len(OTHERS)


def test_one_number_is_one_place_in_every_variation(varied):
    places = {}
    for name in VARIATIONS:
        for frame, camera, *pose in np.loadtxt(varied / "Scene01" / name / "extrinsic.txt", skiprows=1):
            matrix = np.reshape(pose, (4, 4))
            places[name, int(frame), int(camera)] = np.linalg.inv(matrix)[:3, 3], matrix[:3, :3]
    for (name, frame, camera), (place, turn) in places.items():
        other, straight = places["clone", frame, camera]
        if camera == 0:
            assert np.allclose(place, other, atol=1e-4)
        # the rows of a turn are the camera's axes: where the turned one looks, in the straight one's axes
        ahead = straight @ turn[2]
        assert math.degrees(math.atan2(ahead[0], ahead[2])) == pytest.approx(degrees(name), abs=1e-3)
    assert np.linalg.norm(places["clone", 1, 0][0] - places["clone", 0, 0][0]) > 3


def degrees(name):
    """How far a variation turns the rig."""
    return float(name.split("-")[0]) * (1 if "right" in name else -1) if "-deg-" in name else 0.0


@pytest.mark.parametrize("name", ["morning", "fog", "15-deg-left", "30-deg-right"])
def test_variations_read_back_with_both_views_and_depth(varied, name):
    left, right = (
        VirtualKitti2(varied, "available", size=None, variation=name, camera=camera) for camera in ("left", "right")
    )
    for k in range(2):
        for one in (left[k], right[k]):
            near = (one.depth[0] > 0) & (one.depth[0] < 25)
            if name not in ("fog", "rain", "sunset"):
                assert fits(one, one.visible[0] & near)
            pair = render(Scene("Scene01"), k, (64, 192), name)
            truth = pair.depth_left if one.direction > 0 else pair.depth_right
            assert float((one.depth - truth).abs()[0][near].max()) < 0.0051
