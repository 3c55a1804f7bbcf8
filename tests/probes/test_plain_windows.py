"""The plainest window of made-up pictures, cut out at any size, and terms that rise off the truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, OptionError
from lowtex.geometry import StereoRig, warp_horizontal
from lowtex_lab.studies.loss_analysis.error_terms import error_terms
from lowtex_lab.studies.loss_analysis.plain_windows import cut, plainest_window, rise_off_truth

HEIGHT, WIDTH = 16, 40
RIG = StereoRig(40.0, 0.5, width=WIDTH, height=HEIGHT)


def made(plain=(slice(4, 12), slice(20, 30)), depth_m=5.0, noise=0.01) -> StereoSample:
    """Noise at 4 pixels of disparity, too weak for a gradient; its contrast is known to be 0 in a rectangle."""
    other = 0.5 + noise * (torch.rand(3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) - 0.5)
    shift = torch.full((1, 1, HEIGHT, WIDTH), RIG.focal_px * RIG.baseline_m / depth_m)
    contrast = torch.full((1, HEIGHT, WIDTH), 0.1)
    contrast[0][plain] = 0.0
    image = warp_horizontal(other[None], shift)[0]
    return StereoSample(image=image, other=other, rig=RIG, direction=1.0, name="made",
                        depth=torch.full((1, HEIGHT, WIDTH), depth_m), texture_contrast=contrast)  # fmt: skip


def test_the_window_is_where_the_plain_pixels_are():
    assert plainest_window([made()]) == (0, (4 / 16, 12 / 16, 20 / 40, 30 / 40), 1.0)
    smaller = made((slice(0, 4), slice(0, 10)))
    number, box, share = plainest_window([smaller, made(), made()])
    assert (number, share) == (1, 1.0), "the first of the fullest"
    number, box, share = plainest_window([smaller])
    assert share == 0.5 and box[0] == 0 and box[2] == 0


def test_pixels_without_truth_or_too_far_do_not_count():
    holed = made()
    holed.depth[0, 4:12, 20:25] = 0
    assert plainest_window([holed])[2] == 24 / 80, "half of it has no truth, and beside the hole begins an edge"
    assert plainest_window([made(depth_m=90.0)])[2] == 0.0
    stepped = made()
    stepped.depth[0, :, 25:] = 20.0
    assert 0.5 < plainest_window([stepped])[2] < 1.0, "a depth edge runs through the plain rectangle"
    painted = made()
    painted.image[:, :, 25:] = 0.9
    assert 0.5 < plainest_window([painted])[2] < 1.0, "two plain surfaces side by side"
    assert plainest_window([made(noise=1.0)])[2] < 0.2
    with pytest.raises(DataError, match="no ground truth"):
        plainest_window([replace(made(), depth=None)])
    with pytest.raises(DataError, match="no picture"):
        plainest_window([])
    with pytest.raises(OptionError, match="two shares"):
        plainest_window([made()], size=(0.5, 1.5))


def test_a_cut_is_the_same_part_at_every_resolution():
    values = np.arange(16 * 40).reshape(16, 40)
    assert np.array_equal(cut(values, (0.25, 0.75, 0.5, 0.75)), values[4:12, 20:30])
    assert np.array_equal(cut(values[::2, ::2], (0.25, 0.75, 0.5, 0.75)), values[::2, ::2][2:6, 10:15])
    assert cut(torch.zeros(7, 16, 40), (0.25, 0.75, 0.5, 0.75)).shape == (7, 8, 10)
    assert cut(np.zeros((2, 2)), (0.9, 1.0, 0.9, 1.0)).shape == (1, 1)


def test_errors_are_least_at_the_truth_and_masks_are_kept_apart():
    sample = made(noise=1.0)
    plain = np.zeros((HEIGHT, WIDTH), bool)
    plain[4:12, 20:30] = True
    away = ~plain
    away[:, :12] = False
    masks = {"in": plain, "out": away, "none": plain & away}
    found = rise_off_truth(sample, error_terms(names=["pixels", "census"]), masks, [-2, 0, 2])
    assert set(found["place"]) == {"in", "out"} and set(found["truth_px"]) == {0.0}
    table = found.pivot_table(index=["loss", "place"], columns="disparity_px", values="value")
    assert (table[0.0] < 0.2 * table[[-2.0, 2.0]].min(axis=1)).all()
    assert table.loc[("pixels", "in"), 0.0] == pytest.approx(0, abs=1e-6)
    assert found.set_index("place").loc["in", "pixels"].iloc[0] == 80
