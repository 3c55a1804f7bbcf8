"""Pictures, maps and samples: the numbers they show are right on cases made by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from figure_samples import make_sample, texts

from lowtex_lab import plots as figures
from lowtex_lab.plots.images import depth_range, shorten, thicken
from lowtex_lab.plots.samples import warp_differences, warped_by_truth
from lowtex_lab.plots.style import depth_colormap, disparity_colormap

NEAR, FAR = np.full((1, 12, 36), 5.0), np.full((12, 36), 50.0)
PICTURE = np.random.default_rng(0).random((3, 40, 30))
GRID = np.linspace(2, 70, 11 * 60).reshape(11, 60)


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_warp_differences_are_those_of_a_plain_loop_and_smallest_at_the_truth(direction):
    sample = make_sample(direction)
    left_over = warp_differences(sample, range(-6, 7))
    assert left_over.argmin() == 6 and left_over.min() < 0.1 * left_over.max()
    spoilt = replace(sample, rig=replace(sample.rig, focal_px=1.6 * sample.rig.focal_px))
    assert abs(np.argmin(warp_differences(spoilt, range(-6, 7))) - 6) >= 1, "a wrong calibration shows"
    image, other = sample.image.numpy(), sample.other.numpy()
    shift = sample.rig.focal_px * sample.rig.baseline_m / sample.depth[0].clamp(min=1e-3).numpy()
    for added, found in zip((0, 2), warp_differences(sample, (0, 2)), strict=True):
        differ = []
        for y, x in zip(*np.nonzero((sample.depth[0] > 0).numpy()), strict=True):
            at = x - direction * (shift[y, x] + added)
            if 0 <= at <= image.shape[2] - 1:
                seen = [np.interp(at, range(image.shape[2]), row) for row in other[:, y]]
                differ.append(np.abs(seen - image[:, y, x]).mean())
        assert found == pytest.approx(np.mean(differ), rel=1e-3, abs=1e-5)
    big = make_sample(direction)
    big.depth = torch.nn.functional.interpolate(sample.depth[None], scale_factor=2, mode="nearest")[0]
    np.testing.assert_allclose(warp_differences(sample, (0, 1)), warp_differences(big, (0, 1)), atol=1e-5)
    sample.visible[:, :, 30:40] = False
    assert not warped_by_truth(sample)[1][:, 30:40].any(), "only what the other camera sees is judged"
    sample.depth[:] = 0
    assert np.isnan(warp_differences(sample, (0,))).all()


@pytest.mark.parametrize(
    ("draw", "told"),
    [
        (lambda s: warped_by_truth(s), "has no ground-truth depth"),
        (lambda s: figures.stereo_anaglyph(s), "has no second view"),
        (lambda s: figures.prediction_panel([s.image], [NEAR], {"ours": [FAR[:6]]}), r"'ours' predicts \(6, 36\)"),
        (lambda s: figures.prediction_panel([s.image], [NEAR], {"ours": [NEAR] * 2}), "1 images, but 2 maps in 'ours'"),
        (lambda s: figures.prediction_panel([s.image] * 5, [NEAR] * 5, {"ours": [NEAR] * 5}), "1 to 4 images"),
        (lambda s: figures.texture_strata_overlay(s.image, {"low": LOW}, False, ""), r"'low' is \(2, 2\), the image"),
        (lambda s: figures.encoder_maps([FAR]), r"takes maps \(C,h,w\), got \[\(12, 36\)\]"),
        (lambda s: figures.one_street(s.image, s.depth, {"a": s.depth}, s.depth > 9), "1 methods, low texture"),
        (lambda s: figures.one_street(s.image, s.depth, {"a": s.depth, "b": s.depth}, LOW), r"low texture \(2, 2\)"),
        (lambda s: figures.image_grid({"a": np.ones(3)}, "A title"), r"a map is \(H,W\)"),
        (lambda s: figures.image_grid({"a": NEAR}, "A title", colors="rainbow"), "'rainbow'"),
        (lambda s: figures.image_grid({"a": NEAR}, "A title", boxes={"a": {"bad": (0, 1, 0, 1.1)}}), "'bad' is"),
    ],
)
def test_refusals(draw, told):
    sample = make_sample()
    if told.startswith("has no"):
        sample.depth = sample.other = None
    with pytest.raises(ValueError, match=told):
        draw(sample)


LOW = np.ones((2, 2), bool)


def test_depth_maps_share_one_scale_and_no_depth_is_grey():
    holes = NEAR.copy()
    holes[0, 0, 0] = 0
    pictures = {"near": holes, "far": FAR, "picture": np.zeros((3, 12, 36))}
    figure = figures.image_grid(pictures, "Title", colors="depth")
    images = {axes.get_title(loc="left"): axes.images[0] for axes in figure.axes if axes.images}
    assert images["near"].norm.vmin == images["far"].norm.vmin and images["near"].norm.vmax == images["far"].norm.vmax
    assert np.ma.getmaskarray(images["near"].get_array())[0, 0] and images["picture"].get_array().shape == (12, 36, 3)


@pytest.mark.parametrize(("count", "shape"), [(3, (64, 200)), (1, (96, 120))])
def test_colour_bars_do_not_touch_the_last_pictures_and_the_error_above_a_map_is_abs_rel(count, shape):
    depth = np.full(shape, 10.0)
    depth[:, : shape[1] // 2] = 5.0
    depth[:4] = 0.0
    pictures = [np.full((3, *shape), 0.5)] * count
    figure = figures.prediction_panel(pictures, [depth] * count, {"baseline": [depth + 1] * count})
    figure.draw_without_rendering()
    assert "AbsRel 0.150" in texts(figure), "the mean of 1 / 10 and 1 / 5, of what has a truth"
    images = [axes.get_window_extent() for axes in figure.axes if axes.images]
    bars = [axes.get_window_extent() for axes in figure.axes if not axes.images]
    lowest = min(box.y0 for box in images)
    assert len(bars) == 2 and all(lowest - bar.y1 > 0.05 * figure.dpi for bar in bars)


def test_near_is_bright_in_disparity_and_in_depth():
    for colours, near, far in ((depth_colormap(), 0.0, 1.0), (disparity_colormap(), 1.0, 0.0)):
        assert sum(colours(near)[:3]) > 2 > sum(colours(0.5)[:3]) > 0.5 > sum(colours(far)[:3])


def test_encoder_maps_show_the_channels_that_vary_most():
    maps = torch.zeros(1, 4, 6, 18)
    maps[0, 2] = torch.rand(6, 18, generator=torch.Generator().manual_seed(0))
    maps[0, 1] = 0.1 * maps[0, 2]
    figure = figures.encoder_maps([maps], channels=2)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["stride 2: 18×6, 4 ch.", "channel 1"]


def test_sparse_points_are_drawn_larger_and_the_farthest_sets_no_scale():
    sparse = np.zeros((40, 1000))
    sparse[20, ::100] = 7.0
    sparse[20, 0] = 200.0
    name = f"2011_09_26/2011_09_26_drive_0001_sync/{'a_folder/' * 9}0000000005/l"
    figure = figures.prediction_panel(
        [PICTURE] * 2, [sparse, None], {"ours": [np.full((40, 1000), 9.0)] * 2}, [name] * 2
    )
    assert "points drawn larger" in texts(figure) and "/0000000005/l" in texts(figure) and name not in texts(figure)
    truth = next(axes.images[0] for axes in figure.axes if axes.get_title(loc="left") == "ground truth")
    assert np.isclose(truth.get_array().compressed(), 7.0).sum() == 9 * 25 and truth.norm.vmax == 80.0


def test_windows_lie_where_they_should_in_each_panel():
    boxes = {"picture": {"middle": (0.25, 0.75, 0.0, 1.0), "other": (0.5, 1.0, 0.2, 0.4)}}
    boxes["truth"] = {"middle": (3 / 11, 8 / 11, 0, 1)}
    pictures = {"picture": PICTURE, "truth": GRID}
    left, right = figures.image_grid(pictures, "Kept", boxes=boxes, aspect=4 / 3, colors="depth").axes[:2]
    found = {patch.get_label(): patch.get_bbox().bounds for patch in left.patches}
    assert found["middle"] == pytest.approx((-0.5, 9.5, 30, 20)) and found["other"] == pytest.approx((5.5, 19.5, 6, 20))
    assert right.patches[0].get_bbox().bounds == pytest.approx((-0.5, 2.5, 60, 5))
    assert left.patches[0].get_edgecolor() == right.patches[0].get_edgecolor() != left.patches[1].get_edgecolor()


@pytest.mark.parametrize("aspect", [0.5, None])
def test_a_coarse_grid_gets_the_box_of_its_picture(aspect):
    figure = figures.prediction_panel([PICTURE], [GRID], {"ours": [GRID]}, aspect=aspect)
    figure.draw_without_rendering()
    boxes = [axes.get_window_extent() for axes in figure.axes if axes.images]
    shapes = [aspect or 40 / 30] + [aspect or 11 / 60] * 3
    assert [box.height / box.width for box in boxes] == pytest.approx(shapes, rel=0.02)


def test_the_plainest_window_is_chosen_by_texture_and_told_with_its_errors():
    truth, inside = np.full((20, 40), 10.0), np.zeros((20, 40), bool)
    inside[4:10, 25:35] = True
    low = inside.copy()
    low[12:, :12] = True
    truth[12:, :12] = 0.0  # plain as well, but nothing is known there
    assert figures.plainest_window(low, truth) == pytest.approx((0.2, 0.5, 0.625, 0.875))
    depths = {"baseline": np.where(inside, 14.0, 10.0), "ours": np.where(inside, 11.0, 10.0)}
    figure = figures.one_street(np.zeros((3, 40, 80)), truth, depths, low)
    words = " ".join(texts(figure).split())
    assert "baseline is off by 40%, ours by 10%" in words and "whole picture: baseline 3%, ours 1%" in words
    nearer = figure.axes[5].images[0].get_array()
    assert nearer[5, 30] == pytest.approx(0.3, rel=1e-3) and nearer[0, 0] == 0 and np.ma.getmaskarray(nearer)[15, 3]
    boxes = {axes.patches[0].get_bbox().bounds for axes in figure.axes[2:6]}
    assert boxes == {(24.5, 3.5, 10.0, 6.0)}, "the same part in every map"
    assert figure.axes[0].patches[0].get_bbox().bounds == (49.5, 7.5, 20.0, 12.0)


def test_depth_range_sparse_points_and_long_names():
    near, far = depth_range(np.array([[0.0, 4.0, 8.0, 200.0]]))
    assert 0 < near <= 4.1 and far == 80.0 and depth_range(np.zeros(3), 50.0) == (1.0, 50.0)
    sparse = np.full((40, 1000), np.nan)
    sparse[20, 500] = 7.0
    thick = thicken(sparse)
    assert np.isfinite(thick).sum() == 25 and np.nanmax(thick) == 7.0
    dense = np.ones((4, 1000))
    assert thicken(dense) is dense
    name = "2011_09_26/2011_09_26_drive_0001_sync/0000000005/l"
    assert shorten(name, 4).endswith("0000000005/l") and len(shorten(name, 4)) < 30 and shorten("short", 4) == "short"
