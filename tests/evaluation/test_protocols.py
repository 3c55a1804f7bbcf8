"""The protocols: crop numbers, masks, flip post-processing, and that each states itself."""

from dataclasses import replace

import numpy as np
import pytest

from lowtex.errors import OptionError
from lowtex.evaluation.protocols import PROTOCOLS, Protocol


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


@pytest.mark.parametrize(
    "options",
    [
        {"ground_truth": "guessed"},
        {"ground_truth": "improved", "crop": "none"},
        {"ground_truth": "improved", "scaling": "mean"},
        {"ground_truth": "improved", "cap_m": 0.0},
        {"ground_truth": "improved", "cap_m": float("nan")},
        {"ground_truth": "improved", "min_depth_m": -1.0},
        {"ground_truth": "improved", "clamp_truth": True},
    ],
)
def test_unknown_choices_are_refused(options):
    with pytest.raises(OptionError):
        Protocol("x", **options)


def test_cityscapes_metric_crop_is_the_published_one():
    box = PROTOCOLS["cityscapes"].crop_box
    assert box(768, 2048) == (256, 768, 192, 1856)
    assert all(box(3 * n, 64) == (n, 3 * n, 6, 58) for n in range(1, 400)), "exact where the fractions are whole"
    assert PROTOCOLS["cityscapes_full"].crop_box(768, 2048) == (0, 768, 0, 2048)


def test_a_changed_protocol_is_not_passed_off_as_the_named_one():
    raw = PROTOCOLS["eigen_raw"]
    changed = raw.changed(flip=True, scaling="median")
    assert changed.row() == raw.row() | {"scaling": "median", "flip": True}, "these have columns of their own"
    assert "median scaling" in changed.describe() and "with flip" in changed.describe()
    assert raw.changed() == raw
    assert replace(raw, crop=None, cap_m=50.0).row()["protocol"] == "eigen_raw but crop=None, cap_m=50.0"
    assert replace(raw, cap_truth=False).describe().startswith("eigen_raw but cap_truth=False: ")
    assert Protocol("mine", "improved").row()["protocol"] == "mine"


@pytest.mark.parametrize(("given", "stated"), [("x5.4", "x5.4"), ("x5.40", "x5.4"), ("x36", "x36"), ("x0.5", "x0.5")])
def test_a_fixed_factor_is_a_scaling(given, stated):
    changed = PROTOCOLS["eigen_raw"].changed(scaling=given)
    assert changed.row()["scaling"] == stated and changed.nominal_factor == float(stated[1:])
    assert f"network units {stated} (a baseline of" in changed.describe()
    assert PROTOCOLS["eigen_raw"].nominal_factor is None and changed == PROTOCOLS["eigen_raw"].changed(scaling=stated)


@pytest.mark.parametrize("scaling", ["x0", "x", "x-5.4", "5.4", "xinf", "x5.4.1", "mean", "x1e999", "", "x5.4 median"])
def test_other_scalings_are_refused(scaling):
    with pytest.raises(OptionError, match="is not known; choose one of: none, median, or a factor such as x5.4"):
        PROTOCOLS["eigen_raw"].changed(scaling=scaling)


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
    near = np.array([[0.0, 1e-4, 0.5, 69.99, 70.0, 81.0]])
    assert PROTOCOLS["make3d_c1"].valid(near)[0].tolist() == [False, True, True, True, False, False]
