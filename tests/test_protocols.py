"""The protocols: crop numbers, masks, flip post-processing, and that each states itself."""

import numpy as np
import pytest

from lowtex.errors import OptionError
from lowtex.postprocessing import flip_postprocess, flip_ramps, resize_map
from lowtex.protocols import PROTOCOLS, Protocol, get_protocol


def test_garg_crop_at_the_size_the_literature_prints():
    assert PROTOCOLS["eigen_raw"].crop_box(375, 1242) == (153, 371, 44, 1197)


@pytest.mark.parametrize("height,width", [(375, 1242), (376, 1241), (370, 1226), (374, 1238), (96, 320)])
def test_crops_are_cut_down_to_whole_pixels(height, width):
    garg = Protocol("x", "improved", crop="garg").crop_box(height, width)
    want = [0.40810811 * height, 0.99189189 * height, 0.03594771 * width, 0.96405229 * width]
    assert list(garg) == np.array(want).astype(np.int32).tolist()
    eigen = Protocol("x", "improved", crop="eigen").crop_box(height, width)
    want = [0.3324324 * height, 0.91351351 * height, 0.0359477 * width, 0.96405229 * width]
    assert list(eigen) == np.array(want).astype(np.int32).tolist()


def test_which_pixels_count():
    truth = np.full((100, 100), 10.0)
    truth[50, 50:55] = [0.0, 1e-3, 79.99, 80.0, 90.0]
    raw = PROTOCOLS["eigen_raw"].valid(truth)
    assert raw[50, 50:55].tolist() == [False, False, True, False, False]
    assert not raw[:40].any() and not raw[99:].any() and not raw[:, :3].any() and not raw[:, 96:].any()
    assert raw.sum() == (99 - 40) * (96 - 3) - 4
    improved = PROTOCOLS["improved"].valid(truth)
    # far pixels stay; the prediction is clamped all the same
    assert improved[50, 50:55].tolist() == [False, True, True, True, True]
    assert improved.sum() == 100 * 100 - 1
    dense = PROTOCOLS["vkitti2_dense"].valid(truth)
    assert dense.sum() == 100 * 100 - 4


def test_options_are_stated_in_the_row():
    changed = PROTOCOLS["eigen_raw"].changed(flip=True, scaling="median")
    assert changed.row() == {
        "protocol": "eigen_raw",
        "crop": "garg",
        "cap_m": 80.0,
        "scaling": "median",
        "flip": True,
        "ground_truth": "velodyne_x",
    }
    assert "median scaling" in changed.describe() and "with flip" in changed.describe()
    assert PROTOCOLS["eigen_raw"].changed() == PROTOCOLS["eigen_raw"]


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_every_protocol_describes_itself(name):
    protocol = PROTOCOLS[name]
    text = protocol.describe()
    assert protocol.name == name and text.startswith(name)
    median = protocol.ground_truth == "make3d"
    assert ("median scaling" if median else "no scaling") in text and "without flip" in text
    assert f"{protocol.min_depth_m:g}, {protocol.cap_m:g}] m" in text
    assert f"by {protocol.interpolation.replace('_', ' ')} interpolation" in text and protocol.source
    assert (f"{protocol.crop} crop" if protocol.crop else "no crop") in text


def test_wrong_ground_truth_is_refused_with_the_fitting_protocol():
    with pytest.raises(OptionError, match="velodyne_x.*has 'improved'.*use improved or improved_garg"):
        PROTOCOLS["eigen_raw"].require("improved", "KittiImproved")
    PROTOCOLS["eigen_raw"].require("velodyne_x", "KittiRaw")
    PROTOCOLS["eigen_raw"].require(None, "a folder")


@pytest.mark.parametrize(
    "options",
    [
        {"ground_truth": "guessed"},
        {"ground_truth": "improved", "crop": "none"},
        {"ground_truth": "improved", "scaling": "mean"},
        {"ground_truth": "improved", "interpolation": "cubic"},
        {"ground_truth": "improved", "cap_m": 0.0},
    ],
)
def test_unknown_choices_are_refused(options):
    with pytest.raises(OptionError):
        Protocol("x", **options)


def test_unknown_protocol_lists_the_known_ones():
    with pytest.raises(OptionError, match="eigen_raw.*improved"):
        get_protocol("eigen")


def test_flip_ramps():
    of_direct, of_mirrored = flip_ramps(101)
    # x = 0 .. 1 in steps of 0.01: 1 up to 0.05, then down to 0 at 0.1
    assert of_mirrored[:6] == pytest.approx(1.0)
    assert of_mirrored[6:11] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.0])
    assert not of_mirrored[11:].any()
    assert np.array_equal(of_direct, of_mirrored[::-1])


def test_flip_postprocessing_by_hand():
    direct = np.full((2, 3, 101), 1.0)
    mirrored_back = np.full((2, 3, 101), 3.0)
    out = flip_postprocess(direct, mirrored_back)
    # left border: the mirrored one; right border: the direct one; between: their mean
    assert out[..., 0] == pytest.approx(3.0)
    assert out[..., 50] == pytest.approx(2.0)
    assert out[..., 100] == pytest.approx(1.0)
    assert out[0, 0, 8] == pytest.approx(0.4 * 3.0 + 0.6 * 2.0)
    with pytest.raises(ValueError, match="one shape"):
        flip_postprocess(direct, mirrored_back[:1])


def test_resize_keeps_pixel_centres():
    ramp = np.tile(np.arange(4.0), (2, 1))
    doubled = resize_map(ramp, 2, 8)
    # centre of new column j is (j + 0.5) / 2 - 0.5 of the old ones
    assert doubled[0] == pytest.approx(np.clip((np.arange(8) + 0.5) / 2 - 0.5, 0, 3))
    assert resize_map(ramp, 2, 4) is ramp
    assert resize_map(ramp, 2, 8, "nearest")[0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
