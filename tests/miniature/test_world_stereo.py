"""A folder of one's own, and Virtual KITTI 2's other variations: both views, and the right depth."""

import math

import numpy as np
import pytest
import torch
import yaml
from view_errors import errors_beside

from lowtex.datasets import StereoFolder, VirtualKitti2
from lowtex_lab.miniature import VARIATIONS, Scene, render, stereo_folder, write_stereo_folder, write_vkitti2

SIZE = (90, 160)
FRAMES, MORE = {"Scene01": 3, "Scene20": 1}, {"Scene01": 2}


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    place = tmp_path_factory.mktemp("v") / "vkitti2"
    return write_vkitti2(place, FRAMES, (64, 192), variation_frames=MORE, progress=False)


def fits(sample, known):
    """The views fit by the sample's depth, and by no disparity a pixel off."""
    before, right, after = errors_beside(sample, known, (-1, 0, 1))
    return right < 0.75 * min(before, after)


def test_stereo_folder_is_what_the_world_knows(tmp_path):
    own = write_stereo_folder(tmp_path / "stereo", 3, SIZE, progress=False)
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


@pytest.mark.parametrize("name", ["clone", "fog", "15-deg-left", "30-deg-right"])
def test_variations_read_back_what_the_world_knows(varied, name):
    dataset = VirtualKitti2(varied, "available", size=None, variation=name, camera="both")
    # two frames and their two views; of the usual light also a third one, and one of the other scene
    assert len(dataset) == (8 if name == "clone" else 4)
    for index, sample in zip(range(4), dataset, strict=False):
        assert sample.name == f"Scene01/{name}/0000{index // 2}/{'lr'[index % 2]}"
        pair = render(Scene("Scene01"), index // 2, (64, 192), name)
        side, other = ("left", "right") if sample.direction > 0 else ("right", "left")
        # JPEG; halving the colour channels would make it 2.2 levels
        assert (sample.image - getattr(pair, side)).abs().mean() < 1.2 / 255
        assert (sample.other - getattr(pair, other)).abs().mean() < 1.2 / 255
        depth = getattr(pair, f"depth_{side}")
        torch.testing.assert_close(sample.depth, depth, rtol=0, atol=0.0051)
        assert torch.equal(sample.depth > 0, depth > 0)
        torch.testing.assert_close(sample.texture_contrast, getattr(pair, f"contrast_{side}"), rtol=0, atol=0.51e-4)
        assert torch.equal(sample.visible, getattr(pair, f"visible_{side}"))
        assert sample.rig.as_dict() == pytest.approx(pair.rig.as_dict(), rel=1e-6)
        near = (sample.depth[0] > 0) & (sample.depth[0] < 25)
        assert name == "fog" or fits(sample, sample.visible[0] & near)
