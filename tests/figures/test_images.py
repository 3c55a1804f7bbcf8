"""Pictures, maps and samples: the numbers they show are right on cases made by hand."""

import numpy as np
import pytest
import torch
from figure_samples import make_sample, texts

from lowtex.evaluation.metrics import depth_errors
from lowtex.geometry import StereoRig
from lowtex_lab import plots as figures
from lowtex_lab.plots.images import depth_range, shorten, thicken
from lowtex_lab.plots.samples import warp_differences, warped_by_truth
from lowtex_lab.plots.saving import refuse_blank
from lowtex_lab.plots.style import depth_colormap, disparity_colormap


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_warp_differences_are_smallest_at_the_truth_from_either_side(direction):
    offsets = np.arange(-6, 6.01, 0.5)
    errors = warp_differences(make_sample(direction), offsets)
    assert offsets[np.argmin(errors)] == 0 and errors.min() < 0.1 * errors.max()
    wrong = warp_differences(make_sample(direction, focal_error=1.6), offsets)
    assert abs(offsets[np.argmin(wrong)]) > 0.75, "a wrong calibration shows"


def test_warp_differences_are_those_of_a_plain_loop():
    sample = make_sample()
    image, other = sample.image.numpy(), sample.other.numpy()
    shift = sample.rig.focal_px * sample.rig.baseline_m / sample.depth[0].clamp(min=1e-3).numpy()
    for added, found in zip((0, 2), warp_differences(sample, (0, 2)), strict=True):
        differ = []
        for y, x in zip(*np.nonzero((sample.depth[0] > 0).numpy()), strict=True):
            at = x - shift[y, x] - added
            if 0 <= at <= image.shape[2] - 1 and (sample.visible is None or sample.visible[0, y, x]):
                low = int(at)
                high, share = min(low + 1, image.shape[2] - 1), at - low
                seen = other[:, y, low] * (1 - share) + other[:, y, high] * share
                differ.append(np.abs(seen - image[:, y, x]).mean())
        assert found == pytest.approx(np.mean(differ), rel=1e-3, abs=1e-5)
    sample.depth[:] = 0
    assert np.isnan(warp_differences(sample, (0,))).all()


def test_only_what_the_other_camera_sees_is_judged():
    sample = make_sample()
    before = warped_by_truth(sample)[1].sum()
    sample.visible[:, :, 30:40] = False
    assert before - warped_by_truth(sample)[1].sum() == 10 * 20  # the upper four of 24 rows have no ground truth


def test_a_sample_without_truth_or_second_view_is_refused():
    sample = make_sample()
    sample.depth = None
    with pytest.raises(ValueError, match="has no ground-truth depth"):
        figures.pair_panel(sample)
    sample = make_sample()
    sample.other = None
    with pytest.raises(ValueError, match="has no second view"):
        figures.stereo_anaglyph(sample)


def test_ground_truth_of_another_size_fits_the_picture():
    sample = make_sample()
    big = make_sample()
    big.depth = torch.nn.functional.interpolate(sample.depth[None], scale_factor=2, mode="nearest")[0]
    np.testing.assert_allclose(warp_differences(sample, (0, 1)), warp_differences(big, (0, 1)), atol=1e-5)


def test_the_error_above_a_map_is_the_metric():
    sample = make_sample()
    prediction = sample.depth * 1.25 + 0.5
    words = texts(figures.prediction_panel([sample.image], [sample.depth], {"ours": [prediction]}))
    known = sample.depth > 0
    expected = depth_errors(sample.depth[known], prediction[known])["abs_rel"]
    assert f"AbsRel {expected:.3f}" in words


def test_prediction_panel_refuses_what_does_not_fit():
    sample = make_sample()
    with pytest.raises(ValueError, match=r"'ours' predicts \(12, 36\) where the truth is \(24, 72\)"):
        figures.prediction_panel([sample.image], [sample.depth], {"ours": [torch.ones(1, 12, 36)]})
    with pytest.raises(ValueError, match="1 images, but 2 maps in 'ours'"):
        figures.prediction_panel([sample.image], [sample.depth], {"ours": [sample.depth] * 2})
    with pytest.raises(ValueError, match="1 to 4 images"):
        figures.prediction_panel([sample.image] * 5, [sample.depth] * 5, {"ours": [sample.depth] * 5})


def test_bird_eye_puts_points_where_they_are():
    rig = StereoRig(50.0, 0.5, cx=10.0, cy=5.0, width=21, height=11)
    depth = torch.zeros(11, 21)
    depth[5, 20] = 25.0  # 10 px right of the centre: 10 / 50 * 25 = 5 m to the right
    axes = figures.point_cloud_bird_eye(depth, rig, above_ground=False).axes[0]
    np.testing.assert_allclose(axes.collections[0].get_offsets(), [[5.0, 25.0]])


def test_bird_eye_leaves_out_the_road_and_keeps_what_stands_on_it():
    rig = StereoRig(50.0, 0.5, cx=20.0, cy=10.0, width=41, height=41)
    depth = torch.zeros(41, 41)
    rows = torch.arange(15, 41)
    depth[15:] = (1.6 * 50 / (rows - 10.0))[:, None]  # a road 1.6 m below the camera
    depth[8:14, 18:22] = 12.0  # a box at camera height
    axes = figures.point_cloud_bird_eye(depth, rig).axes[0]
    points = axes.collections[0].get_offsets()
    assert len(points) == 24 and np.allclose(points[:, 1], 12.0)


def test_bird_eye_leaves_out_a_predicted_sky():
    rig = StereoRig(50.0, 0.5, cx=20.0, cy=10.0, width=41, height=41)
    depth = torch.full((41, 41), 30.0)
    depth[8:14, 18:22] = 12.0
    points = figures.point_cloud_bird_eye(depth, rig, above_ground=False).axes[0].collections[0].get_offsets()
    assert len(points) == 32 * 41 + 4, "of the 30 m rows from 9 on, 0.6 m above the camera; all 6 of the box"
    truth = torch.zeros(41, 41)
    truth[8:14, 18:22] = 12.0
    both = figures.point_cloud_bird_eye(depth, rig, truth=truth, above_ground=False).axes
    assert [len(axes.collections[0].get_offsets()) for axes in both] == [24, 24], "what has no truth is in neither"


@pytest.mark.parametrize(("count", "shape"), [(1, (64, 200)), (3, (64, 200)), (2, (96, 120))])
def test_colour_bars_do_not_touch_the_last_pictures(count, shape):
    depth = np.full(shape, 10.0)
    pictures = [np.full((3, *shape), 0.5)] * count
    figure = figures.prediction_panel(pictures, [depth] * count, {"baseline": [1.1 * depth] * count})
    figure.draw_without_rendering()
    images = [axes.get_window_extent() for axes in figure.axes if axes.images]
    bars = [axes.get_window_extent() for axes in figure.axes if not axes.images]
    lowest = min(box.y0 for box in images)
    assert len(bars) == 2 and all(lowest - bar.y1 > 0.05 * figure.dpi for bar in bars)


def test_without_truth_the_pictures_fill_the_figure():
    depth = np.full((64, 200), 10.0)
    methods = {name: [depth] for name in ("baseline", "encoder", "ours")}
    figure = figures.prediction_panel([np.full((3, 64, 200), 0.5)], [None], methods)
    assert [bool(axes.images) for axes in figure.axes[:4]] == [True] * 4 and len(figure.axes) == 5
    assert not any(text.get_text() == "no ground truth" for axes in figure.axes for text in axes.texts)


def test_near_is_bright_in_disparity_and_in_depth():
    for colours, near, far in ((depth_colormap(), 0.0, 1.0), (disparity_colormap(), 1.0, 0.0)):
        assert sum(colours(near)[:3]) > 2 > 0.5 > sum(colours(far)[:3])


def test_bird_eye_without_a_principal_point_or_points():
    with pytest.raises(ValueError, match="principal point"):
        figures.point_cloud_bird_eye(torch.ones(3, 3), StereoRig(1.0, 1.0))
    with pytest.raises(ValueError, match="no point lies within 60.0 m"):
        figures.point_cloud_bird_eye(torch.zeros(3, 3), StereoRig(1.0, 1.0, cx=1, cy=1), above_ground=False)


def test_overlay_refuses_a_mask_of_another_size():
    with pytest.raises(ValueError, match=r"mask 'low' is \(2, 2\), the image \(24, 72\)"):
        figures.texture_strata_overlay(make_sample().image, {"low": np.ones((2, 2), bool)})


def test_encoder_maps_show_the_channels_that_vary_most():
    maps = torch.zeros(1, 4, 6, 18)
    maps[0, 2] = torch.rand(6, 18, generator=torch.Generator().manual_seed(0))
    maps[0, 1] = 0.1 * maps[0, 2]
    figure = figures.encoder_maps([maps], channels=2)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["stride 2: 18×6, 4 ch.", "channel 1"]
    with pytest.raises(ValueError, match=r"takes 1 to 6 maps \(C,h,w\), got \[\(6, 18\)\]"):
        figures.encoder_maps([maps[0, 0]])


def test_depth_range_and_sparse_points():
    depth = np.array([[0.0, 4.0, 8.0, 200.0]])
    near, far = depth_range(depth)
    assert 0 < near <= 4.1 and far == 80.0
    sparse = np.full((40, 1000), np.nan)
    sparse[20, 500] = 7.0
    thick = thicken(sparse)
    assert np.isfinite(thick).sum() == 25 and np.nanmax(thick) == 7.0
    dense = np.ones((4, 1000))
    assert thicken(dense) is dense


def test_long_names_keep_their_end():
    name = "2011_09_26/2011_09_26_drive_0001_sync/0000000005/l"
    assert shorten(name, 4).endswith("0000000005/l") and len(shorten(name, 4)) < 30
    assert shorten("short", 4) == "short"


PICTURE = np.random.default_rng(0).random((3, 40, 30))
GRID = np.linspace(2, 70, 11 * 60).reshape(11, 60)


def test_windows_lie_where_they_should_in_both_panels():
    windows, own = {"middle": (0.25, 0.75, 0.0, 1.0), "other": (0.5, 1.0, 0.2, 0.4)}, {"middle": (3 / 11, 8 / 11, 0, 1)}
    figure = figures.crop_windows(PICTURE, GRID, windows, own, title="Kept", caption="why", miniature=True)
    left, right = figure.axes[:2]
    for axes in (left, right):
        boxes = {patch.get_label(): patch.get_bbox() for patch in axes.patches}
        assert set(boxes) == {"middle", "other", "middle: ground truth"}
        assert boxes["middle"].bounds == pytest.approx((-0.5, 9.5, 30, 20))
        assert boxes["other"].bounds == pytest.approx((5.5, 19.5, 6, 20))
        assert boxes["middle: ground truth"].bounds == pytest.approx((-0.5, 40 * 3 / 11 - 0.5, 30, 40 * 5 / 11))
    assert left.patches[0].get_edgecolor() == left.patches[2].get_edgecolor() != left.patches[1].get_edgecolor()
    # the grid is drawn over the picture's extent, so a row of it lies where the picture has it
    assert right.images[0].get_extent() == left.images[0].get_extent()
    told = texts(figure)
    for text in ("Kept", "why", "miniature data", "picture, 30×40", "ground truth, 60×11 values", "depth in m"):
        assert text in told
    refuse_blank(figure)
    figure.draw_without_rendering()
    assert left.get_window_extent().height == pytest.approx(right.get_window_extent().height, abs=1)


def test_windows_outside_or_none_are_refused():
    for box in ((0.5, 0.4, 0, 1), (0, 1.1, 0, 1), (0, 1, -0.1, 1), (0, 1, 0.3, 0.3)):
        with pytest.raises(ValueError, match="window 'bad' is"):
            figures.crop_windows(PICTURE, GRID, {"bad": box})
    with pytest.raises(ValueError, match="1 to 4 windows, got 0"):
        figures.crop_windows(PICTURE, GRID, {})
    with pytest.raises(ValueError, match="1 to 4 windows, got 5"):
        figures.crop_windows(PICTURE, GRID, {str(i): (0, 1, 0, 1) for i in range(5)})


@pytest.mark.parametrize("aspect", [0.5, 1.0])
def test_a_coarse_grid_gets_the_box_of_its_picture(aspect):
    drawn = [
        figures.prediction_panel([PICTURE], [GRID], {"ours": [GRID]}, aspect=aspect),
        figures.prediction_panel([PICTURE] * 2, [GRID] * 2, {"ours": [GRID] * 2}, aspect=aspect),
        figures.depth_grid({"picture": PICTURE, "truth": GRID}, "Title", aspect=aspect),
        figures.image_grid({"picture": PICTURE, "truth": GRID}, "Title", aspect=aspect),
    ]
    for figure in drawn:
        figure.draw_without_rendering()
        boxes = [axes.get_window_extent() for axes in figure.axes if axes.images]
        assert len(boxes) >= 2
        for box in boxes:
            assert box.height / box.width == pytest.approx(aspect, rel=0.01)
    # without it every value is a square
    figure = figures.depth_grid({"truth": GRID}, "Title")
    figure.draw_without_rendering()
    box = figure.axes[0].get_window_extent()
    assert box.height / box.width == pytest.approx(11 / 60, rel=0.01)
