"""The stereo rig and the warp: exact where exactness is promised, right against numbers worked out by hand."""

import re

import pytest
import torch

from lowtex.geometry import StereoRig, backproject, depth_to_disparity, disparity_to_depth, in_view, warp_horizontal

KITTI = StereoRig(721.5377, 0.5327, cx=609.5593, cy=172.854, width=1242, height=375)


@pytest.mark.parametrize(("width", "shift"), [(31, -5), (1242, 0), (1242, 3)])
def test_whole_shift_is_a_slice(width, shift):
    image = torch.randn(1, 2, 4, width)
    moved = warp_horizontal(image, torch.full((1, 1, 4, width), float(shift)))
    # the border is repeated
    assert torch.equal(moved, image[..., (torch.arange(width) - shift).clamp(0, width - 1)])


def test_warp_agrees_with_grid_sample():
    source, shift = torch.rand(2, 5, 6, 40, dtype=torch.float64), torch.rand(2, 1, 6, 40, dtype=torch.float64) * 9 - 3
    x = torch.arange(40, dtype=torch.float64) - shift[:, 0]
    y = torch.arange(6, dtype=torch.float64).reshape(1, 6, 1).expand_as(x)
    grid = torch.stack([2 * x / 39 - 1, 2 * y / 5 - 1], dim=-1)
    expected = torch.nn.functional.grid_sample(source, grid, padding_mode="border", align_corners=True)
    torch.testing.assert_close(warp_horizontal(source, shift), expected, rtol=0, atol=1e-12)


def test_gradients_of_the_warp():
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(2, 2, 3, 9, dtype=torch.float64, generator=generator, requires_grad=True)
    # keep away from whole positions, where a linear interpolation has no derivative
    shift = torch.randint(-3, 4, (2, 1, 3, 9), generator=generator).double() + 0.3
    assert torch.autograd.gradcheck(warp_horizontal, (source, shift.requires_grad_()))


def test_true_disparity_turns_right_into_left():
    left = torch.rand(1, 3, 4, 60)
    right = torch.zeros_like(left)
    right[..., :-7] = left[..., 7:]  # a point at x in the left view is at x - 7 in the right one
    shift = torch.full((1, 1, 4, 60), 7.0)
    seen = in_view(shift)
    assert torch.equal(warp_horizontal(right, shift).masked_select(seen), left.masked_select(seen))
    assert seen[0, 0, 0].tolist() == [False] * 7 + [True] * 53


def test_wrong_shapes_are_named():
    for source, shift, named in (
        ((1, 3, 4), (1, 1, 4, 5), "got (1, 3, 4)"),
        ((1, 3, 4, 5), (1, 3, 4, 5), "and (1, 3, 4, 5)"),
        ((2, 3, 4, 5), (1, 1, 4, 5), "source (2, 3, 4, 5)"),
        ((1, 3, 4, 5), (1, 1, 4, 6), "shift (1, 1, 4, 6)"),
    ):
        with pytest.raises(ValueError, match=re.escape(named)):
            warp_horizontal(torch.zeros(source), torch.zeros(shift))


def test_disparity_and_depth_of_the_kitti_rig():
    depth = torch.tensor([[[[10.0, 0.0, 80.0]]]])
    disparity = depth_to_disparity(depth, KITTI)
    torch.testing.assert_close(disparity, torch.tensor([[[[38.43631, 0.0, 4.80454]]]]), rtol=1e-5, atol=0)
    torch.testing.assert_close(disparity_to_depth(disparity, KITTI), depth)


def test_offset_principal_points_shift_every_disparity():
    # Middlebury's motorcycle pair: d = f b / Z - 31.086
    rig = StereoRig(994.978, 0.193001, cx_offset_px=-31.086)
    depth = torch.tensor([[[[4.0]]]])
    disparity = depth_to_disparity(depth, rig)
    assert disparity.item() == pytest.approx(994.978 * 0.193001 / 4 - 31.086, rel=1e-5)
    torch.testing.assert_close(disparity_to_depth(disparity, rig), depth)


def test_resize_round_trip_and_the_centre_stays_the_centre():
    there_and_back = KITTI.resized(640, 192).resized(1242, 375)
    for name in ("focal_px", "fy", "cx", "cy", "baseline_m"):
        assert getattr(there_and_back, name) == pytest.approx(getattr(KITTI, name), rel=1e-12)
    centred = StereoRig(100.0, 0.5, cx=(101 - 1) / 2, cy=(51 - 1) / 2, width=101, height=51).resized(40, 20)
    assert (centred.cx, centred.cy) == (pytest.approx(19.5), pytest.approx(9.5))
    # the offset between the two principal points is in pixels, too
    motorcycle = StereoRig(994.978, 0.193001, width=1000, height=500, cx_offset_px=-31.086)
    assert motorcycle.resized(250, 500).cx_offset_px == pytest.approx(-31.086 / 4)


def test_crop_moves_only_the_principal_point():
    cropped = KITTI.cropped(100, 50, 800, 300)
    assert (cropped.cx, cropped.cy) == (pytest.approx(509.5593), pytest.approx(122.854))
    assert (cropped.focal_px, cropped.width, cropped.height) == (KITTI.focal_px, 800, 300)
    with pytest.raises(ValueError, match="does not fit"):
        KITTI.cropped(1000, 0, 300, 100)


def test_flip_is_its_own_inverse_and_keeps_pairs_valid():
    rig = StereoRig(100.0, 0.5, cx=30.0, cy=10.0, width=64, height=20, cx_offset_px=-4.0)
    mirrored = rig.flipped()
    assert mirrored.cx == 63 - 34.0  # the right camera's principal point, mirrored
    assert mirrored.flipped() == rig


def test_backprojection_of_a_pixel_worked_out_by_hand():
    rig = StereoRig(100.0, 0.5, cx=1.0, cy=0.0, focal_y_px=50.0, width=3, height=2)
    points = backproject(torch.full((1, 1, 2, 3), 10.0), rig)
    assert points[0, :, 1, 2].tolist() == pytest.approx([0.1, 0.2, 10.0])
    with pytest.raises(ValueError, match="principal point"):
        backproject(torch.ones(1, 1, 2, 3), StereoRig(100.0, 0.5))


def test_stacked_rigs_scale_each_image_by_its_own():
    rigs = StereoRig.stack([KITTI, StereoRig(2262.52, 0.209313, cx=1.0, cy=2.0, width=2048, height=1024)])
    disparity = depth_to_disparity(torch.full((2, 1, 2, 2), 5.0), rigs)
    assert disparity[:, 0, 0, 0].tolist() == pytest.approx([721.5377 * 0.5327 / 5, 2262.52 * 0.209313 / 5], rel=1e-5)
    assert StereoRig.stack([KITTI, StereoRig(1.0, 1.0)]).cx is None


def test_impossible_rigs_are_refused_and_one_without_size_says_what_is_missing():
    for focal, baseline in ((0.0, 0.5), (700.0, -0.5), (float("nan"), 0.5), (700.0, float("inf"))):
        with pytest.raises(ValueError, match="positive"):
            StereoRig(focal, baseline)
    with pytest.raises(ValueError, match="width and height"):
        StereoRig(700.0, 0.5).resized(10, 10)
