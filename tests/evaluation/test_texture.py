"""Strata: the definition of gradient energy by hand, and that strata of one kind share out the image."""

import numpy as np
import pytest
import torch
from eval_samples import make_sample

from lowtex.errors import DataError, OptionError
from lowtex.evaluation.texture import STRATA, gradient_energy, gradient_strata, luminance, strata
from lowtex.geometry import StereoRig


def full_sample():
    random = torch.Generator().manual_seed(1)
    depth = torch.rand(1, 48, 160, generator=random) * 100 + 1
    contrast = torch.rand(1, 48, 160, generator=random) * 0.1
    visible = torch.rand(1, 48, 160, generator=random) > 0.3
    return make_sample(1, (24, 80), depth=depth, texture_contrast=contrast, visible=visible)


@pytest.mark.parametrize("kind", [*STRATA, "known*distance", "gradient*visibility*edges"])
def test_strata_share_out_the_image(kind):
    masks = strata(full_sample(), kind)
    assert masks.pop("all").all()
    total = sum(mask.astype(int) for mask in masks.values())
    assert total.shape == (48, 160) and (total == 1).all()
    assert all(mask.dtype == bool for mask in masks.values())


def test_thresholds_of_the_gradient_are_where_they_are_said_to_be():
    """A ramp of equal steps along the row has that step as its gradient everywhere inside."""
    for step, expected in ((0.015, "low"), (0.03, "middle"), (0.055, "middle"), (0.07, "high")):
        ramp = (torch.arange(12) * step).expand(3, 40, 12)
        masks = gradient_strata(make_sample(image=ramp), window_px=3)
        assert masks[expected][20, 6], f"{step} is {expected}"


def test_luminance_weights():
    image = np.zeros((3, 1, 3), dtype=np.float32)
    image[0, 0, 0] = image[1, 0, 1] = image[2, 0, 2] = 1
    assert luminance(image)[0] == pytest.approx([0.299, 0.587, 0.114])
    with pytest.raises(ValueError, match=r"\(4, 5, 3\)"):
        luminance(np.zeros((4, 5, 3)))


def test_gradient_energy_by_hand_and_as_a_window_mean():
    # a ramp of 0.1 a pixel across and 0.2 down: 0.01 + 0.04 away from the border, where one side repeats
    rows, columns = np.mgrid[0:5, 0:6]
    energy = gradient_energy((0.1 * columns + 0.2 * rows).astype(np.float32), window_px=1)
    assert energy[1:-1, 1:-1] == pytest.approx(0.05, rel=1e-5)
    assert energy[1:-1, 0] == pytest.approx(0.05**2 + 0.04, rel=1e-5)
    # a step: the central difference is 1/2 in the two columns beside it
    step = (np.arange(41) >= 20).astype(np.float32) * np.ones((21, 1), np.float32)
    assert gradient_energy(step, window_px=5)[10, [10, 20]] == pytest.approx([0, 2 * 0.25 / 5])


def test_the_window_covers_the_same_angle_at_every_size():
    # a fortieth of the width, made odd: 3 pixels of 80, 5 of 160
    for width, side in ((80, 3), (160, 5), (1242, 31)):
        step = (np.arange(width) >= width // 2).astype(np.float32) * np.ones((9, 1), np.float32)
        assert (gradient_energy(step)[4] > 0).sum() == side + 1


def test_thresholds_belong_to_the_upper_stratum():
    contrast = torch.tensor([[[0.0, 0.0199, 0.02, 0.0599, 0.06, 0.3]]])
    masks = strata(make_sample(texture_contrast=contrast), "known", (1, 6))
    assert masks["low"][0].tolist() == [True, True, False, False, False, False]
    assert masks["middle"][0].tolist() == [False, False, True, True, False, False]
    assert masks["high"][0].tolist() == [False, False, False, False, True, True]


def test_masks_are_resized_about_pixel_centres():
    contrast = torch.tensor([[[0.0, 0.0, 0.1, 0.1, 0.1, 0.0]]])
    # the middle of the first three pixels is the second one, of the last three the fifth; corners would give 1 and 4
    cornered = torch.tensor([[[0.1, 0.0, 0.0, 0.0, 0.1, 0.0]]])
    assert strata(make_sample(texture_contrast=cornered), "known", (1, 2))["high"][0].tolist() == [False, True]
    tripled = strata(make_sample(texture_contrast=contrast), "known", (1, 18))["high"][0]
    assert tripled.tolist() == [False] * 6 + [True] * 9 + [False] * 3


def test_distance_bins():
    depth = torch.tensor([[[0.0, 9.9, 10.0, 19.9, 20.0, 79.9, 80.0, 655.0]]])
    masks = strata(make_sample(depth=depth), "distance")
    assert list(masks) == ["<10 m", "10-20 m", "20-40 m", "40-80 m", ">=80 m", "all"]
    assert [int(m.sum()) for m in masks.values()] == [2, 2, 1, 1, 2, 8]


def test_depth_edges_are_steps_not_slopes():
    rows, columns = np.mgrid[0:40, 0:60]
    road = 200.0 / (rows + 1.0 + 0.02 * columns)
    masks = strata(make_sample(depth=torch.tensor(road[None], dtype=torch.float32)), "edges")
    assert not masks["edge"].any()
    box = road.copy()
    box[10:20, 30:40] = 3.0
    edge = strata(make_sample(depth=torch.tensor(box[None], dtype=torch.float32)), "edges", radius_px=2)["edge"]
    assert edge[15, 27:33].all() and edge[15, 37:43].all() and not edge[15, 35] and not edge[35, 50]


def test_sky_without_ground_truth_makes_an_edge():
    depth = np.full((20, 20), 10.0, dtype=np.float32)
    depth[:8] = 0
    edge = strata(make_sample(depth=torch.tensor(depth[None])), "edges", radius_px=1)["edge"]
    assert edge[7].all() and edge[8].all() and not edge[:6].any() and not edge[11:].any()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("known", "drive/0000000001/l: texture contrast.*strata='gradient'"),
        ("visibility", "drive/0000000001/l: .*only known in the miniatures"),
        ("distance", "drive/0000000001/l has no ground truth"),
        ("edges", "drive/0000000001/l has no ground truth"),
    ],
)
def test_what_a_sample_lacks_is_named(kind, message):
    with pytest.raises(DataError, match=message):
        strata(make_sample(1), kind)


def test_sparse_ground_truth_has_no_edges():
    depth = torch.zeros(1, 20, 20)
    depth[0, ::5, ::5] = 10.0
    with pytest.raises(DataError, match="only 4% of the pixels"):
        strata(make_sample(depth=depth), "edges")


def test_a_grid_of_tall_cells_has_no_edges():
    # Make3D: as wide as the picture, but 7 times as high as wide each; how the picture was squeezed does not matter
    grid = torch.full((1, 21, 305), 10.0)
    rig = StereoRig(focal_px=463.0, focal_y_px=278.0, baseline_m=0.1, width=320, height=96)
    with pytest.raises(DataError, match="of square pixels, but each is 7.3 times as high as wide"):
        strata(make_sample(size=(96, 320), rig=rig, depth=grid), "edges")
    squeezed = make_sample(size=(96, 320), rig=rig, depth=torch.full((1, 200, 400), 10.0))
    assert strata(squeezed, "edges")["interior"].all()
    assert strata(make_sample(size=(96, 320), rig=rig, depth=grid), "gradient")["all"].shape == (21, 305)


def test_bad_options_are_refused():
    with pytest.raises(OptionError, match="strata='tecture'.*known.*gradient"):
        strata(full_sample(), "tecture")
    with pytest.raises(OptionError, match="low <= high"):
        strata(full_sample(), "gradient", low=0.3, high=0.1)
    with pytest.raises(OptionError, match="window_px=0"):
        strata(full_sample(), "gradient", window_px=0)


def test_visibility():
    visible = torch.tensor([[[True, False]]])
    masks = strata(make_sample(visible=visible, depth=torch.ones(1, 1, 2)), "visibility")
    assert masks["visible"].tolist() == [[True, False]] and masks["occluded"].tolist() == [[False, True]]
