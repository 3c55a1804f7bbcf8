"""Ground truth by matching: right where there is texture, borrowed where there is none, counted by hand."""

import numpy as np
import pytest
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError
from lowtex.geometry import StereoRig
from lowtex_lab.notebook.matched_truth import matched_depth, truth_by_texture

HEIGHT, WIDTH, SHIFT = 96, 256, 8
RIG = StereoRig(focal_px=200.0, baseline_m=0.2, cx=128.0, cy=47.5, width=WIDTH, height=HEIGHT)
DEPTH_M = 200.0 * 0.2 / SHIFT


def pair(flat_from: int = HEIGHT, **changes) -> StereoSample:
    """A plane at `DEPTH_M` with a random texture; plain from a row on."""
    picture = torch.rand((3, HEIGHT, WIDTH + SHIFT), generator=torch.Generator().manual_seed(0))
    picture[:, flat_from:] = 0.5
    fields = {"image": picture[..., :WIDTH], "rig": RIG, "name": "plane/0/l", "other": picture[..., SHIFT:]}
    return StereoSample(**{**fields, "direction": 1.0, "depth": torch.full((1, HEIGHT, WIDTH), DEPTH_M), **changes})


def test_a_textured_plane_is_found_and_a_plain_one_gets_its_neighbours_depth():
    found = matched_depth(pair(flat_from=60))
    assert found.shape == (1, HEIGHT, WIDTH) and found.dtype == torch.float32
    # the matcher looks SHIFT pixels to the left, and a window of its own up and down
    textured, plain = found[0, 4:52, SHIFT + 4 :], found[0, 68:]
    assert (textured > 0).float().mean() > 0.98
    # a sixteenth of a pixel is the matcher's own step
    assert (textured[textured > 0] / DEPTH_M - 1).abs().max() < 2 / 16 / SHIFT + 1e-4
    assert (plain[:, SHIFT + 4 :] / DEPTH_M - 1).abs().max() < 0.03, "nothing in the picture says so"


def test_two_views_of_different_things_have_no_depth():
    noise = torch.rand((3, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(1))
    assert (matched_depth(pair(other=noise)) > 0).float().mean() < 0.02


def test_nearer_than_the_reach_is_not_found():
    near = pair(other=pair().image.roll(-24, dims=-1))
    depth = torch.tensor(200.0 * 0.2 / 24)
    assert torch.isclose(matched_depth(near, reach=0.1), depth, rtol=0.01).float().mean() > 0.8
    assert not torch.isclose(matched_depth(near, reach=1 / 256), depth, rtol=0.01).any()


def test_what_cannot_be_matched():
    for changes in ({"other": None}, {"direction": -1.0}):
        with pytest.raises(DataError, match="plane/0/l: matching needs both views"):
            matched_depth(pair(**changes))


def test_counts_by_hand():
    # upper half of the rows plain, lower half textured; the horizon is between rows 47 and 48
    image = pair().image.clone()
    image[:, :48] = 0.5
    truth = torch.full((1, HEIGHT, WIDTH), 10.0)
    truth[:, :24], truth[:, 72:] = 0.0, 0.0
    found = torch.full((1, HEIGHT, WIDTH), 10.9)
    found[:, 60:72], found[:, 90:] = 11.1, 0.0
    table = truth_by_texture([pair(image=image, depth=truth)], [found]).set_index("texture")
    assert table["images"].eq(1).all()
    assert table.loc[["low", "middle", "high"], "share"].sum() == pytest.approx(1) and table.loc["all", "share"] == 1
    everywhere = table.loc["all"]
    assert everywhere["truth"] == pytest.approx(48 / 96)
    assert everywhere["truth_below"] == pytest.approx(24 / 48)
    assert everywhere["matched_below"] == pytest.approx(42 / 48)
    assert everywhere["off_below"] == pytest.approx(12 / 24), "10.9 is within a tenth of 10, 11.1 is not"
    # the window smears the texture over a few rows of the plain half and never back
    assert table.loc["low", "share"] == pytest.approx(0.5, abs=0.05)
    assert np.isnan(table.loc["low", "truth_below"]) and table.loc["high", "truth_below"] == pytest.approx(0.5)


def test_the_horizon_follows_the_ground_truths_size():
    truth = torch.zeros((1, 2 * HEIGHT, 2 * WIDTH))
    truth[:, HEIGHT:] = 10.0
    table = truth_by_texture([pair(depth=truth)], [truth]).set_index("texture")
    assert table.loc["all", "truth"] == 0.5 and table.loc["all", "truth_below"] == 1
    assert table.loc["all", "off_below"] == 0


def test_maps_that_do_not_fit():
    with pytest.raises(ValueError, match="1 samples and 0 matched maps"):
        truth_by_texture([pair()], [])
    with pytest.raises(ValueError, match="the matched map"):
        truth_by_texture([pair()], [torch.ones(1, 4, 4)])
    with pytest.raises(DataError, match="no ground truth"):
        truth_by_texture([pair(depth=None)], [torch.ones(1, HEIGHT, WIDTH)])


def test_the_real_pair_agrees_with_its_own_disparity(real_data):
    from lowtex.datasets import Cityscapes

    options = {"split": "available", "typical_camera": True}
    native = Cityscapes(real_data / "cityscapes", size=None, **options)[0]
    seen = Cityscapes(real_data / "cityscapes", size=(96, 320), **options)[0]
    table = truth_by_texture([seen], [matched_depth(native)]).set_index("texture")
    assert table.loc["all", "off_below"] < 0.05 and table.loc["all", "matched_below"] > 0.7
