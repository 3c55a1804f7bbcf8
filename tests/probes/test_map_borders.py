"""What padding does at a border: on maps made by hand, and on a real stem, whose window is known."""

import numpy as np
import pytest
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.geometry import StereoRig
from lowtex.networks import FeatureNet
from lowtex.seeding import generator, seed_everything
from lowtex_lab.studies.loss_analysis.map_borders import alike_by_column, border_profile, border_table, column_curves

SHIFT = 8


def pair(seed: int, direction: float = 1.0) -> StereoSample:
    """A pair whose disparity is the same everywhere; columns 0 to 7 of the left view are out of the other's sight."""
    noise = torch.rand(1, 3, 32, 72, generator=generator(seed, "borders"))
    wide = torch.nn.functional.interpolate(noise, (64, 144), mode="bicubic", align_corners=False).clamp(0, 1)[0]
    rig = StereoRig(focal_px=40.0, baseline_m=0.5, width=128, height=64)
    depth = torch.full((1, 64, 128), 20.0 / SHIFT)
    views = wide[:, :, 8 - SHIFT : 136 - SHIFT], wide[:, :, 8:136]
    left, right = views if direction > 0 else views[::-1]
    return StereoSample(left, rig, f"s/{seed}/l", right, direction, depth)


@pytest.fixture(scope="module")
def nets():
    seed_everything(0, "weights")
    weights = FeatureNet(18, 0.125).fit_normalisation([pair(9).image]).state_dict()
    found = {padding: FeatureNet(18, 0.125, padding_mode=padding) for padding in ("replicate", "zeros", "reflect")}
    for net in found.values():
        net.load_state_dict(weights)
        net.freeze()
    return found


def test_alike_of_maps_by_hand():
    maps = torch.randn(6, 8, 40, 3, generator=generator(0, "alike"))
    maps[..., 0] = torch.linspace(-1, 1, 320).reshape(8, 40)
    maps[3:, :, :, 2] = -maps[:3, :, :, 2]
    alike = alike_by_column(maps)
    assert alike[0] == pytest.approx(1) and abs(alike[1]) < 0.05
    # three of the fifteen pairs are each other's opposite
    assert alike[2] == pytest.approx(-3 / 15, abs=0.05)
    one_by_one = [np.corrcoef(maps[i, ..., 1].flatten(), maps[j, ..., 1].flatten())[0, 1]
                  for i in range(6) for j in range(i)]  # fmt: skip
    assert alike[1] == pytest.approx(np.mean(one_by_one), abs=1e-6)
    with pytest.raises(ValueError, match="got 1"):
        alike_by_column(maps[:1])


def test_the_window_of_the_stem_reaches_two_columns_left_and_one_right(nets):
    profile = border_profile([pair(seed) for seed in range(4)], nets, reach_px=12)
    table = border_table(profile).set_index(["padding", "side"])
    marked = table["columns_marked"]
    # a 7x7 window at every other pixel, the first at 0: it looks over the left edge at 0 and 2, over the right at 126
    assert marked["zeros", "left"] == 2 and marked["zeros", "right"] == 1
    assert marked["reflect", "left"] == 2 and marked["replicate", "left"] == 0
    by = profile.set_index(["padding", "side", "column"])
    assert by.loc[("zeros", "left", 0), "alike"] > by.loc[("zeros", "left", 4), "alike"] + 0.2
    assert by.loc[("zeros", "left", 1), "distance_px"] == 3.0 and (profile["frames"] == 4).all()
    assert table.loc[("zeros", "left"), "alike_outermost"] > table.loc[("replicate", "left"), "alike_outermost"] + 0.2


def test_zeros_attract_as_far_as_the_disparity_reaches_out_of_sight(nets):
    profile = border_profile([pair(seed) for seed in range(4)], nets, reach_px=24)
    table = border_table(profile).set_index(["padding", "side"])["zero_cheaper_px"]
    assert table["zeros", "left"] >= 6 and table["zeros", "right"] <= 2 and table["replicate", "right"] == 0
    left = profile[profile["side"] == "left"].pivot(index="column", columns="padding", values="attraction")
    # the match of columns 2 to 3 of the map is outside; what stands in for it is the marked border
    assert (left.loc[2:3, "zeros"] > left.loc[2:3, "replicate"] + 0.05).all()
    # and from column 6 on it is inside, unmarked
    assert (left.loc[6:, "zeros"] - left.loc[6:, "replicate"]).abs().max() < 0.02 and (left.loc[6:] < 0).all().all()
    mirrored = border_profile([pair(seed, -1.0) for seed in range(4)], nets, reach_px=24)
    right = mirrored[mirrored["side"] == "right"].pivot(index="column", columns="padding", values="attraction")
    assert right.loc[2, "zeros"] > right.loc[2, "replicate"] + 0.05


def test_curves_of_columns(nets):
    sample = pair(0)
    sample.depth[:, :, 60] = 0
    tried = [0.0, 4.0, 8.0, 12.0]
    curves, truth = column_curves([sample, pair(1)], nets["replicate"], tried)
    assert curves.shape == (2, 4, 128) and truth.shape == (2, 128)
    assert np.isnan(curves[0, :, 60]).all() and np.isnan(truth[0, 60]) and truth[1, 60] == pytest.approx(8)
    assert (curves[1, :, 20:].argmin(0) == 2).all()


def test_what_does_not_fit(nets):
    with pytest.raises(ValueError, match="one direction"):
        border_profile([pair(0), pair(1, -1.0)], nets)
    with pytest.raises(ValueError, match="'replicate' among"):
        border_profile([pair(0), pair(1)], {"zeros": nets["zeros"]})
