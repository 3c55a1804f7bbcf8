"""One stereo sample or a few: what was read, whether its geometry is right, and its points from above."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from matplotlib.colors import to_rgb

from lowtex.datasets.sample import StereoSample
from lowtex.geometry import StereoRig, depth_to_disparity, in_view, warp_horizontal
from lowtex_lab.plots.images import (
    as_map,
    as_picture,
    depth_bar,
    depth_range,
    image_rows_height,
    is_sparse,
    keep_proportions,
    show_depth,
    thicken,
)
from lowtex_lab.plots.saving import plot
from lowtex_lab.plots.style import (
    CAPTION_PT,
    INK,
    MUTED,
    NO_DATA,
    WIDTH_IN,
    contrast_colormap,
    depth_colormap,
    depth_norm,
    error_colormap,
    finish,
    new_figure,
    note,
    place_image,
)

COLUMNS = ("the view whose depth is asked for", "ground truth", "texture: image gradient", "other view, warped by it")

HIGHEST_M = 1.0
"""Predicted points higher above the camera than this are not drawn from above: a network gives the sky a depth, too."""


def gradient_energy(picture: np.ndarray) -> np.ndarray:
    """Length of the grey image's gradient, a plain measure of texture where nothing better is known."""
    down, right = np.gradient(picture.mean(axis=-1))
    return np.hypot(down, right)


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
    return np.where(judged[..., None], picture, np.array(to_rgb(NO_DATA), np.float32))


@plot
def pair_panel(sample: StereoSample, miniature: bool | None = None):
    """One sample as it was read: both views, the other one warped by the truth, depth, and texture.

    Args:
        sample: with ``other`` and ``depth``.
        miniature: mark it as such; None = yes where the texture contrast is known.

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
    look = {"cmap": error_colormap(), "vmin": 0, "vmax": 0.25}
    error = place_image(axes[1, 1], difference, "absolute difference from the target (colours 0 to 1)", **look)
    depth = as_map(sample.depth)
    near, far = depth_range(depth)
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
    said = [sample.name, f"{picture.shape[1]}×{picture.shape[0]} px"]
    said.append(f"focal length {sample.rig.focal_px:.1f} px, baseline {sample.rig.baseline_m:.3f} m")
    said.append(f"grey: no ground truth, or not seen by the {there} camera ({1 - judged.mean():.0%} of pixels)")
    said.append("points drawn larger" if is_sparse(depth) else "")
    title = "A stereo pair and what is known about it"
    return finish(figure, title, *said, miniature=_is_miniature(sample, miniature))


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
    said = [sample.name, "left view red, right view cyan", "a point and its match lie on one row"]
    return finish(figure, "Both views at once", *said, miniature=_is_miniature(sample, miniature))


@plot
def data_sets_panel(samples: Mapping[str, StereoSample], miniature: Sequence[str] = (), title: str = ""):
    """One sample a row: image, ground truth, texture, and the other view warped by the ground truth.

    Each row has a depth range and a texture range of its own: the colours compare places of one image, never two data
    sets. What a data set does not have (a second view, ground truth) is said in its place.

    Args:
        samples: name of the data set -> a sample of it.
        miniature: those of the names that are the kit's own miniatures; marked in their row.
        title: replaces the standard one.

    Raises:
        ValueError: no sample.
    """
    if not samples:
        raise ValueError("data_sets_panel needs at least one sample")
    heights = [sample.image.shape[1] / sample.image.shape[2] for sample in samples.values()]
    cell = (WIDTH_IN - 0.5) / len(COLUMNS)
    figure = new_figure(sum(heights) * cell + 0.52 * len(samples) + 1.1, layout="compressed")
    axes = figure.subplots(len(samples), len(COLUMNS), height_ratios=heights, squeeze=False)
    for row, (name, sample) in zip(axes, samples.items(), strict=True):
        picture = as_picture(sample.image)
        place_image(row[0], picture)
        facts = f"{name}{' (miniature)' if name in miniature else ''} · {picture.shape[1]}×{picture.shape[0]} px"
        if sample.other is not None:
            facts += f", focal length {sample.rig.focal_px:.0f} px, baseline {sample.rig.baseline_m:.3f} m"
        # the line runs over all columns, so it must not widen the first; the blank title keeps its height
        row[0].set_title(" ", fontsize=9.5)
        place = {"xycoords": "axes fraction", "va": "bottom", "fontsize": 9.5}
        note(row[0], facts, (0, 1), (0, 4), **place).set_in_layout(False)
        _truth(row[1], sample)
        texture = gradient_energy(picture)
        place_image(row[2], texture, cmap=contrast_colormap(), vmin=0, vmax=max(np.quantile(texture, 0.99), 1e-3))
        _warp(row[3], sample)
    for axis, text in zip(axes[-1], COLUMNS, strict=True):
        axis.set_xlabel(text, fontsize=CAPTION_PT)
    sparse = any(sample.depth is not None and is_sparse(as_map(sample.depth)) for sample in samples.values())
    said = ["depth: near is bright", "texture: yellow is strong", "grey: no ground truth, or not in the other view"]
    said.append("points of sparse ground truth drawn larger" if sparse else "")
    title = title or "Every data set: image, ground truth, texture, a check of the rig"
    return finish(figure, title, *said, miniature=set(miniature) == set(samples))


def _truth(axes, sample: StereoSample) -> None:
    if sample.depth is None:
        _say(axes, sample, "no ground truth")
        return
    depth = as_map(sample.depth)
    near, far = depth_range(depth)
    show_depth(axes, depth, near, far, "")
    # ground truth may have another shape than its image (Make3D's grid): the row keeps the image's
    height, width = sample.image.shape[1:]
    alike = abs(depth.shape[0] / depth.shape[1] - height / width) <= 0.01
    keep_proportions([axes], None if alike else height / width)


def _warp(axes, sample: StereoSample) -> None:
    if sample.depth is None or sample.other is None:
        _say(axes, sample, "no second view" if sample.other is None else "no ground truth to warp by")
        return
    warped, judged = warped_by_truth(sample, spread=True)
    place_image(axes, hide_unjudged(warped, judged))


def _say(axes, sample: StereoSample, text: str) -> None:
    place_image(axes, np.full(tuple(sample.image.shape[1:]), 0.93), cmap="gray", vmin=0, vmax=1)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=9, color=MUTED)


@plot
def point_cloud_bird_eye(
    depth,
    rig: StereoRig,
    image=None,
    truth=None,
    far_m: float = 60.0,
    above_ground: bool = True,
    miniature: bool = False,
    title: str = "The scene from above",
):
    """The scene from above, metres to the side against metres ahead; where walls bend, depth is wrong.

    Args:
        depth: ``(1,H,W)`` or ``(H,W)`` metres, 0 = none.
        rig: the camera at that size, with its principal point.
        image: ``(3,H,W)``; colours the points as the camera saw them. None colours them by depth.
        truth: ground-truth depth of the same size, drawn beside it at the same scale.
        far_m: points farther ahead are left out.
            Points without ground truth are left out of both, and with them the sky; without any ground truth, what is
            predicted to be more than `HIGHEST_M` above the camera is: the sky, and roofs and treetops with it.
        above_ground: leave out the road, which would cover everything: the points whose height (true height, where
            ``truth`` is given) is that of the lowest ones.
        miniature: mark it as such.
        title: replaces the standard one, e.g. to name the method.

    Raises:
        ValueError: the rig has no principal point, or no point is left.
    """
    if rig.cx is None or rig.cy is None:
        raise ValueError("point_cloud_bird_eye needs the principal point (cx, cy) of the rig")
    clouds = {"prediction" if truth is not None else "points": as_map(depth)}
    if truth is not None:
        clouds["ground truth"] = as_map(truth)
    seen = _seen_from_above(as_map(depth if truth is None else truth), rig, above_ground, truth is None)
    colors = None if image is None else as_picture(image)
    figure = new_figure(6.4 if truth is None else 5.2)
    panels = figure.subplots(1, len(clouds), sharex=True, sharey=True, squeeze=False)[0]
    half = far_m * 0.5
    total = 0
    for axes, (name, values) in zip(panels, clouds.items(), strict=True):
        ahead = np.where(np.isfinite(values), values, 0.0)
        side = (np.arange(values.shape[1]) - rig.cx) / rig.focal_px * ahead
        kept = (ahead > 0) & (ahead < far_m) & (np.abs(side) < half)
        kept &= seen
        if colors is not None and colors.shape[:2] != values.shape:
            raise ValueError(f"the image is {colors.shape[:2]}, the depth {values.shape}; resize one of them")
        chosen = ahead[kept] if colors is None else colors[kept]
        options = {} if colors is not None else {"cmap": depth_colormap(), "norm": depth_norm(1.0, far_m)}
        axes.scatter(side[kept], ahead[kept], c=chosen, s=3.0, linewidths=0, rasterized=True, **options)
        reach = (values.shape[1] - 1 - rig.cx) / rig.focal_px
        low = -rig.cx / rig.focal_px
        for slope in (low, reach):
            axes.plot([0, slope * far_m], [0, far_m], color=MUTED, linewidth=0.8, linestyle=":")
        axes.plot(0, 0, marker="^", color=INK, markersize=8)
        axes.set(title=name, xlabel="to the right in m", xlim=(-half, half), ylim=(-1, far_m), aspect="equal")
        axes.set_facecolor("#e6e9ef")  # so that white walls stay visible
        axes.grid(True, color="white")
        total += int(kept.sum())
    if total == 0:
        raise ValueError(f"no point lies within {far_m} m: nothing to draw")
    panels[0].set_ylabel("ahead in m")
    said = [f"{total:,} points", "dotted: edge of the field of view"]
    if truth is None:
        said.append(f"left out: what is more than {HIGHEST_M:g} m above the camera (sky, treetops)")
    if above_ground:
        said.append("points on the ground are left out" + (", by the ground truth" if truth is not None else ""))
    return finish(figure, title, *said, miniature=miniature)


def _seen_from_above(depth: np.ndarray, rig: StereoRig, above_ground: bool, predicted: bool) -> np.ndarray:
    """Points to draw, bool ``(H,W)``: those with a depth, without the road and, where it is predicted, the sky.

    The road's level is read off the lowest points.
    """
    known = np.isfinite(depth) & (depth > 0)
    down = (np.arange(depth.shape[0])[:, None] - rig.cy) / rig.fy * np.where(known, depth, 0.0)
    road = np.quantile(down[known], 0.95) - 0.35 if above_ground and known.any() else np.inf
    return known & (down < road) & (down > (-HIGHEST_M if predicted else -np.inf))
