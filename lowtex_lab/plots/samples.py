"""Pictures of one stereo sample: what was read, and whether its geometry is right."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as functional

from lowtex.datasets.sample import StereoSample
from lowtex.geometry import depth_to_disparity, in_view, warp_horizontal
from lowtex_lab.plots.arrays import (
    as_map,
    as_picture,
    depth_bar,
    depth_range,
    gradient_energy,
    image_rows_height,
    is_sparse,
    show_depth,
    thicken,
)
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import NO_DATA, TRUTH, contrast_colormap, error_colormap, finish, new_figure, place_image


def true_disparity(sample: StereoSample, spread: bool = False) -> torch.Tensor:
    """The ground truth as a signed shift ``(1,1,H,W)`` in pixels of the image; not-a-number where there is none.

    ``spread`` lets sparse points stand for their neighbours, so that a person sees more than dots.

    Raises:
        ValueError: the sample has no ground truth or no second view.
    """
    if sample.depth is None or sample.other is None:
        missing = "ground-truth depth" if sample.depth is None else "second view"
        raise ValueError(f"sample {sample.name} has no {missing}, which this figure needs")
    size = tuple(sample.image.shape[-2:])
    depth = sample.depth[None].float()
    if spread:
        known = np.where(as_map(depth) > 0, as_map(depth), np.nan)
        depth = torch.from_numpy(np.nan_to_num(thicken(known))).float()[None, None]
    if tuple(depth.shape[-2:]) != size:
        # nearest, never linear: a depth between wall and sky belongs to neither
        depth = functional.interpolate(depth, size=size, mode="nearest-exact")
    disparity = depth_to_disparity(depth, sample.rig)
    return torch.where(depth > 0, sample.direction * disparity, torch.nan)


def warped_by_truth(
    sample: StereoSample, offset_px: float = 0.0, spread: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The other view brought to the target by the truth, and where that can be judged, bool ``(H,W)``."""
    shift = true_disparity(sample, spread)
    judged = torch.isfinite(shift)
    shift = torch.nan_to_num(shift) + sample.direction * offset_px
    warped = warp_horizontal(sample.other[None].float(), shift)[0]
    judged = (judged & in_view(shift))[0, 0]
    if sample.visible is not None:
        seen = sample.visible[None].float()
        judged &= functional.interpolate(seen, size=judged.shape, mode="nearest-exact")[0, 0] > 0.5
    return as_picture(warped), judged.numpy()


def warp_differences(sample: StereoSample, added_px: Sequence[float]) -> np.ndarray:
    """What is left between the target and the other view warped by the truth, with some pixels added to each disparity.

    Where files, calibration and ground truth agree, it is smallest where nothing is added.

    Args:
        sample: with ``other`` and ``depth``.
        added_px: pixels, any number of them.

    Returns:
        Mean absolute colour difference, of [0, 1], one a value of ``added_px``; not-a-number where no pixel has ground
        truth and lies in the other view.

    Raises:
        ValueError: the sample has no second view or no ground truth.
    """
    picture, left_over = as_picture(sample.image), []
    for added in added_px:
        warped, judged = warped_by_truth(sample, float(added))
        left_over.append(np.abs(warped - picture).mean(-1)[judged].mean() if judged.any() else np.nan)
    return np.array(left_over, float)


def _sides(sample: StereoSample) -> tuple[str, str]:
    return ("left", "right") if sample.direction > 0 else ("right", "left")


def _is_miniature(sample: StereoSample, miniature: bool | None) -> bool:
    return sample.texture_contrast is not None if miniature is None else miniature


def hide_unjudged(picture: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """The picture, grey where ``judged`` is False."""
    grey = np.array([int(NO_DATA[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)
    return np.where(judged[..., None], picture, grey)


@plot
def pair_panel(sample: StereoSample, miniature: bool | None = None, far_m: float | None = None):
    """One sample as it was read: both views, the other one warped by the truth, depth, and texture.

    Args:
        sample: with ``other`` and ``depth``.
        miniature: mark it as such; None = yes where the texture contrast is known.
        far_m: end of the depth colours; None = from the data, at most 80 m.

    Raises:
        ValueError: the sample has no second view or no ground truth.
    """
    picture = as_picture(sample.image)
    warped, judged = warped_by_truth(sample, spread=True)
    here, there = _sides(sample)
    figure = new_figure(image_rows_height(3, 2, picture.shape[:2], extra_in=1.35), layout="compressed")
    axes = figure.subplots(3, 2)
    place_image(axes[0, 0], picture, f"{here} view (the target)")
    place_image(axes[0, 1], as_picture(sample.other), f"{there} view")
    place_image(axes[1, 0], hide_unjudged(warped, judged), f"{there} view, warped by the true disparity")
    difference = np.where(judged, np.abs(warped - picture).mean(-1), np.nan)
    error = place_image(
        axes[1, 1],
        difference,
        "absolute difference from the target (colours 0 to 1)",
        cmap=error_colormap(),
        vmin=0,
        vmax=0.25,
    )
    depth = as_map(sample.depth)
    near, far = depth_range(depth, far_m=far_m)
    shown = show_depth(axes[2, 0], depth, near, far, "ground-truth depth")
    if sample.texture_contrast is not None:
        texture, name, label = as_map(sample.texture_contrast), "known texture contrast", "contrast"
    else:
        texture, name, label = gradient_energy(picture), "image gradient (texture)", "per pixel"
    top = max(float(np.nanquantile(texture, 0.99)), 1e-3)
    contrast = place_image(axes[2, 1], texture, name, cmap=contrast_colormap(), vmin=0, vmax=top)
    bar = {"location": "right", "aspect": 12, "pad": 0.01}
    figure.colorbar(error, ax=axes[1, 1], extend="max", **bar).set_label("difference", fontsize=9)
    depth_bar(figure, shown, axes[2, 0], near, far, **bar)
    figure.colorbar(contrast, ax=axes[2, 1], extend="max", **bar).set_label(label, fontsize=9)
    parts = [sample.name, f"{picture.shape[1]}×{picture.shape[0]} px"]
    parts.append(f"focal length {sample.rig.focal_px:.1f} px, baseline {sample.rig.baseline_m:.3f} m")
    parts.append(f"grey: no ground truth, or not seen by the {there} camera ({1 - judged.mean():.0%} of pixels)")
    if is_sparse(depth):
        parts.append("points drawn larger")
    return finish(figure, "A stereo pair and what is known about it", " · ".join(parts),
                  miniature=_is_miniature(sample, miniature))  # fmt: skip


@plot
def warp_check(sample: StereoSample, miniature: bool | None = None, reach_px: int = 6):
    """Whether calibration, ground truth and pair agree: the warp error must be smallest at the true disparity.

    Args:
        sample: with ``other`` and ``depth``.
        miniature: as in `pair_panel`.
        reach_px: the error is drawn for disparities wrong by up to that many pixels.

    Raises:
        ValueError: the sample has no second view or no ground truth.
    """
    picture = as_picture(sample.image)
    here, there = _sides(sample)
    offsets = np.arange(-reach_px, reach_px + 0.01, 0.5)
    errors = warp_differences(sample, offsets)
    judged = warped_by_truth(sample)[1]
    warped, shown = warped_by_truth(sample, spread=True)
    figure = new_figure(image_rows_height(1, 2, picture.shape[:2], extra_in=3.6))
    grid = figure.add_gridspec(2, 2, height_ratios=[image_rows_height(1, 2, picture.shape[:2], extra_in=0), 2.3])
    place_image(figure.add_subplot(grid[0, 0]), picture, f"{here} view (the target)")
    place_image(
        figure.add_subplot(grid[0, 1]), hide_unjudged(warped, shown), f"{there} view, warped by the true disparity"
    )
    axes = figure.add_subplot(grid[1, :])
    axes.plot(offsets, errors, color="#0072B2", marker="o", markersize=4)
    axes.axvline(0, color=TRUTH, linestyle="--", linewidth=1.4)
    axes.annotate("true disparity", (0, 0.93), xycoords=("data", "axes fraction"), xytext=(5, 0),
                  textcoords="offset points", color=TRUTH, fontsize=9)  # fmt: skip
    axes.set_ylim(0, None)
    axes.grid(True)
    axes.set_xlabel("pixels added to the true disparity")
    axes.set_ylabel("mean absolute\ncolour difference")
    best = float(offsets[int(np.nanargmin(errors))]) if np.isfinite(errors).any() else float("nan")
    verdict = "smallest where it should be" if abs(best) < 0.75 else f"smallest {best:+.1f} px away: check the rig"
    caption = f"{sample.name} · {int(judged.sum()):,} pixels with ground truth seen by both cameras · {verdict}"
    return finish(figure, "Do the pair, its calibration and its ground truth agree?", caption,
                  miniature=_is_miniature(sample, miniature))  # fmt: skip


@plot
def stereo_anaglyph(sample: StereoSample, miniature: bool | None = None):
    """Both views in one red-cyan picture with lines along the rows: in a rectified pair, nothing moves off its row.

    Args:
        sample: with ``other``.
        miniature: as in `pair_panel`.

    Raises:
        ValueError: the sample has no second view.
    """
    if sample.other is None:
        raise ValueError(f"sample {sample.name} has no second view, which an anaglyph needs")
    target, other = as_picture(sample.image), as_picture(sample.other)
    left, right = (target, other) if sample.direction > 0 else (other, target)
    mixed = np.stack([left.mean(-1), right.mean(-1), right.mean(-1)], axis=-1)
    figure = new_figure(image_rows_height(1, 1, mixed.shape[:2], extra_in=0.7), layout="compressed")
    axes = figure.subplots()
    place_image(axes, mixed)
    for row in np.linspace(0, mixed.shape[0] - 1, 9)[1:-1]:
        axes.axhline(row, color="white", linewidth=0.6, alpha=0.55)
    caption = f"{sample.name} · left view red, right view cyan · a point and its match lie on one row"
    return finish(figure, "Both views at once", caption, miniature=_is_miniature(sample, miniature))
