"""Basins and pulls on curves whose answer is known, and their means over frames."""

import numpy as np
import pandas as pd
import pytest
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError
from lowtex.geometry import StereoRig
from lowtex.networks import FeatureNet
from lowtex.seeding import generator
from lowtex_lab.studies.loss_analysis.basins import (
    basins_of_frames,
    basins_px,
    over_frames,
    pull_table,
    pulled_towards,
    say_difference,
)
from lowtex_lab.studies.loss_analysis.error_terms import error_terms

TRIED = [0, 1, 2, 3, 4, 5, 6]
BOWL = np.abs(np.array(TRIED) - 3.0)
RIPPLE = np.array([5, 1, 4, 2, 4, 3, 9.0])
FLAT = np.full(7, 0.5)
VOLUME = np.stack([BOWL, RIPPLE, FLAT], axis=1)


def pair(seed: int, shift: int = 4, contrast: float = 1.0) -> StereoSample:
    """A pair whose disparity is the same everywhere, smooth enough that the error has one basin."""
    noise = torch.rand(1, 3, 8, 32, generator=generator(seed, "basins"))
    wide = torch.nn.functional.interpolate(noise, (32, 128), mode="bicubic", align_corners=False).clamp(0, 1)[0]
    wide = 0.5 + contrast * (wide - 0.5)
    rig = StereoRig(focal_px=40.0, baseline_m=0.5, width=96, height=32)
    depth = torch.full((1, 32, 96), 20.0 / shift)
    known = torch.full((1, 32, 96), 0.1)
    known[:, :16] = 0.0
    return StereoSample(wide[:, :, 16 - shift : 112 - shift], rig, f"s/{seed}/l", wide[:, :, 16:112], 1.0, depth, known)


def test_basins_of_curves_by_hand():
    width, found = basins_px(VOLUME, TRIED, np.array([3.0, 3.0, 3.0]), near_px=0.5)
    assert width.tolist() == [6.0, 2.0, 0.0]
    assert found.tolist() == [True, False, False]
    width, found = basins_px(VOLUME, TRIED, np.array([np.nan, 7.0, 3.2]), near_px=0.5)
    assert np.isnan(width[:2]).all() and width[2] == 0 and not found.any()


def test_basins_name_what_does_not_fit():
    with pytest.raises(ValueError, match=r"\(3,\)"):
        basins_px(np.zeros((3,)), [0, 1], np.array(0.0))
    with pytest.raises(ValueError, match="rising"):
        basins_px(np.zeros((3,)), [0, 2, 1], np.array(0.0))


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(1, [1, 1, 0.5]), (2, [1, 0, 0.5]), (3, [1, 1, 0.5]), (-1, [1, 1, 0.5]), (-2, [1, 0, 0.5]), (4, [np.nan] * 3)],
)
def test_pull_of_curves_by_hand(offset, expected):
    pulled = pulled_towards(VOLUME, TRIED, np.array([3.0, 3.0, 3.0]), offset)
    assert np.array_equal(pulled, expected, equal_nan=True)


def test_pull_at_the_nearest_disparity_tried():
    # 2.6 + 2 is nearest to 5, whose neighbour towards the truth is 4: the ripple falls from 4 to 5
    pulled = pulled_towards(VOLUME, TRIED, np.array([2.6, 2.6, np.nan]), 2)
    assert pulled[:2].tolist() == [1, 0] and np.isnan(pulled[2])
    with pytest.raises(ValueError, match="less than the 1"):
        pulled_towards(VOLUME, TRIED, np.array([3.0, 3.0, 3.0]), 0.5)


def test_frames_of_clear_pairs_have_their_basin_at_the_truth():
    terms = error_terms(FeatureNet(18, 0.125).freeze(), names=["pixels", "features"])
    frames = basins_of_frames([pair(seed) for seed in range(3)], terms, offsets_px=(1, 3))
    assert list(frames["loss"].unique()) == ["pixels", "features"]
    assert set(frames["stratum"]) == {"low", "high", "all"} and frames["frame"].nunique() == 3
    parts = frames[frames["stratum"] != "all"].groupby(["frame", "loss"])["pixels"].sum()
    whole = frames[frames["stratum"] == "all"].groupby(["frame", "loss"])["pixels"].sum()
    # tried up to 11 px: that many columns of 96 end outside of the other image
    assert (parts == whole).all() and whole.iloc[0] == 32 * (96 - 11)
    found = over_frames(frames, "found").set_index(["stratum", "loss"])
    assert (found["found"] > 0.95).all() and (found["frames"] == 3).all()
    pulls = pull_table(frames)
    assert sorted(pulls["offset_px"].unique()) == [1, 3]
    assert (pulls.loc[pulls["offset_px"] == 1, "toward"] > 0.95).all()


def test_a_wall_without_texture_has_no_basin_and_no_direction():
    terms = error_terms(FeatureNet(18, 0.125).freeze())
    frames = basins_of_frames([pair(0, contrast=0.0)], terms, offsets_px=(2,))
    assert (frames["basin_px"] / frames["pixels"] < 3).all()
    for name in ("pixels", "census", "zncc"):
        own = frames[frames["loss"] == name]
        assert (own["found"] == 0).all()
        assert (own["pull_2"] == 0.5 * own["pull_2_pixels"]).all()


def test_interval_over_frames_is_of_a_known_mean():
    values = np.array([1.0, 2.0, 4.0, 5.0, 8.0])
    lines = [
        {"frame": str(k), "loss": loss, "stratum": "all", "pixels": 10, "found": 10 * (value + added)}
        for k, value in enumerate(values)
        for loss, added in (("pixels", 0.0), ("other", 3.0))
    ]
    table = over_frames(pd.DataFrame(lines), "found").set_index("loss")
    assert table["found"].tolist() == [4.0, 7.0] and table["frames"].tolist() == [5, 5]
    # Student's interval of a mean of five
    half = 2.776 * values.std(ddof=1) / np.sqrt(5)
    assert table.loc["pixels", "high"] - 4.0 == pytest.approx(half, rel=0.08)
    # the same frames are drawn for both, and they differ by 3 in every one of them
    other = table.loc["other"]
    assert other["difference"] == pytest.approx(3) and other["difference_high"] == pytest.approx(3, abs=1e-6)
    said = over_frames(pd.DataFrame(lines), "found")
    assert say_difference(said, "other", "all", "found more often").endswith("+3.00], 5 frames: found more often")
    assert say_difference(said, "pixels", "all").endswith("not to be told apart")
    less = over_frames(pd.DataFrame(lines), "found", "other")
    assert say_difference(less, "pixels", "all").startswith("all    pixels 4.00, other 7.00: -3.00")
    assert say_difference(less, "pixels", "all").endswith(": less")
    with pytest.raises(DataError, match="no comparison of 'zncc'"):
        say_difference(said, "zncc", "all")
    one = over_frames(pd.DataFrame(lines[:2]), "found")
    assert one["low"].isna().all() and one["found"].tolist() == [1.0, 4.0]


def test_errors_name_what_is_missing():
    frames = basins_of_frames([pair(0)], error_terms(names=["zncc"]))
    with pytest.raises(DataError, match="no measure 'width'; there are: basin_px, found"):
        over_frames(frames, "width")
    with pytest.raises(DataError, match="reference 'pixels' is not among the terms: zncc"):
        over_frames(frames, "found")
    with pytest.raises(DataError, match="offsets_px"):
        pull_table(frames)
    with pytest.raises(ValueError, match="at least one sample"):
        basins_of_frames([], error_terms())
