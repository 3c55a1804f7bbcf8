"""A stereo sample: whether files, calibration and ground truth agree, both views at once, its points from above."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from matplotlib.colors import to_rgb

from lowtex.datasets.sample import StereoSample
from lowtex.geometry import StereoRig, depth_to_disparity, in_view, warp_horizontal
from lowtex_lab.plots.images import as_map, as_picture, image_grid, thicken
from lowtex_lab.plots.saving import plot
from lowtex_lab.plots.style import INK, MUTED, NO_DATA, depth_colormap, depth_norm, finish, new_figure

HIGHEST_M = 1.0
"""Predicted points higher above the camera than this are not drawn from above: a network gives the sky a depth, too."""


def warped_by_truth(
    sample: StereoSample, offset_px: float = 0.0, spread: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The other view brought to the target by the ground truth, with ``offset_px`` added to every disparity.

    Args:
        sample: with ``other`` and ``depth``.
        offset_px: pixels.
        spread: sparse points stand for their neighbours, so that a person sees more than dots.

    Returns:
        The picture ``(H,W,3)``, and where it can be judged (ground truth that the other camera sees), bool ``(H,W)``.

    Raises:
        ValueError: the sample has no ground truth or no second view.
    """
    if sample.depth is None or sample.other is None:
        missing = "ground-truth depth" if sample.depth is None else "second view"
        raise ValueError(f"sample {sample.name} has no {missing}, which this figure needs")
    depth, size = sample.depth[None].float(), tuple(sample.image.shape[-2:])
    if spread:
        known = np.where(as_map(depth) > 0, as_map(depth), np.nan)
        depth = torch.from_numpy(np.nan_to_num(thicken(known))).float()[None, None]
    if tuple(depth.shape[-2:]) != size:
        # nearest, never linear: a depth between wall and sky belongs to neither
        depth = functional.interpolate(depth, size=size, mode="nearest-exact")
    known = depth > 0
    shift = sample.direction * torch.where(known, depth_to_disparity(depth, sample.rig) + offset_px, offset_px)
    judged = (known & in_view(shift))[0, 0]
    if sample.visible is not None:
        seen = sample.visible[None].float()
        judged &= functional.interpolate(seen, size=size, mode="nearest-exact")[0, 0] > 0.5
    return as_picture(warp_horizontal(sample.other[None].float(), shift)[0]), judged.numpy()


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


def hide_unjudged(picture: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """The picture, grey where ``judged`` is False."""
    return np.where(judged[..., None], picture, np.array(to_rgb(NO_DATA), np.float32))


def stereo_anaglyph(sample: StereoSample, miniature: bool | None = None):
    """Both views in one red-cyan picture with lines along the rows: in a rectified pair, nothing moves off its row.

    Args:
        sample: with ``other``.
        miniature: mark it as such; None = yes where the texture contrast is known.

    Raises:
        ValueError: the sample has no second view.
    """
    if sample.other is None:
        raise ValueError(f"sample {sample.name} has no second view, which an anaglyph needs")
    views = (sample.image, sample.other)[:: 1 if sample.direction > 0 else -1]
    left, right = (as_picture(view).mean(-1) for view in views)
    mixed = np.stack([left, right, right], axis=-1)
    mixed[len(mixed) // 8 :: len(mixed) // 8] += 0.4
    words = "left view red, right view cyan · a point and its match lie on one row"
    miniature = sample.texture_contrast is not None if miniature is None else miniature
    return image_grid({sample.name: mixed.clip(0, 1)}, "Both views at once", 1, words, miniature=miniature)


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
    clouds = {"points": as_map(depth)}
    if truth is not None:
        clouds = {"prediction": as_map(depth), "ground truth": as_map(truth)}
    seen = _seen_from_above(as_map(depth if truth is None else truth), rig, above_ground, truth is None)
    if image is not None and as_picture(image).shape[:2] != seen.shape:
        raise ValueError(f"the image is {as_picture(image).shape[:2]}, the depth {seen.shape}; resize one of them")
    figure = new_figure(6.4 if truth is None else 5.2)
    panels = figure.subplots(1, len(clouds), sharex=True, sharey=True, squeeze=False)[0]
    half, total = far_m * 0.5, 0
    slopes = (np.arange(seen.shape[1]) - rig.cx) / rig.focal_px
    for axes, (name, values) in zip(panels, clouds.items(), strict=True):
        ahead = np.where(np.isfinite(values), values, 0.0)
        side = slopes * ahead
        kept = (ahead > 0) & (ahead < far_m) & (np.abs(side) < half) & seen
        look = {"c": ahead[kept], "cmap": depth_colormap(), "norm": depth_norm(1.0, far_m)}
        look = look if image is None else {"c": as_picture(image)[kept]}
        axes.scatter(side[kept], ahead[kept], s=3.0, linewidths=0, rasterized=True, **look)
        for slope in (slopes[0], slopes[-1]):
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
