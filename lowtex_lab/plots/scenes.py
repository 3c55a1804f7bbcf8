"""Pictures of a scene: its texture strata, and its points from above."""

from collections.abc import Mapping

import numpy as np
from matplotlib.patches import Patch

from lowtex.geometry import StereoRig
from lowtex_lab.plots.arrays import as_map, as_picture, image_rows_height
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import INK, MUTED, depth_colormap, depth_norm, finish, new_figure, place_image

STRATA_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


@plot
def texture_strata_overlay(image, masks: Mapping[str, object], miniature: bool = False, title: str = ""):
    """Which pixels belong to which stratum: the picture, and the picture tinted by stratum with its share of pixels.

    Args:
        image: ``(3,H,W)`` in [0, 1].
        masks: stratum name -> bool ``(H,W)`` or ``(1,H,W)`` at the image's size; at most six.
        miniature: mark it as such.
        title: replaces the standard one.

    Raises:
        ValueError: no mask, more than six, or a mask of another size.
    """
    picture = as_picture(image)
    if not 1 <= len(masks) <= len(STRATA_COLORS):
        raise ValueError(f"texture_strata_overlay takes 1 to {len(STRATA_COLORS)} masks, got {len(masks)}")
    tinted = np.repeat(picture.mean(-1, keepdims=True), 3, axis=-1)
    handles = []
    figure = new_figure(image_rows_height(1, 2, picture.shape[:2], extra_in=1.25), layout="compressed")
    axes = figure.subplots(1, 2)
    for (name, mask), color in zip(masks.items(), STRATA_COLORS, strict=False):
        member = as_map(mask).astype(bool)
        if member.shape != picture.shape[:2]:
            raise ValueError(f"mask {name!r} is {member.shape}, the image {picture.shape[:2]}; resize it first")
        rgb = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        tinted[member] = 0.4 * tinted[member] + 0.6 * rgb
        handles.append(Patch(color=color, label=f"{name}: {member.mean():.0%} of pixels"))
    place_image(axes[0], picture, "image")
    place_image(axes[1], tinted, "strata")
    figure.legend(handles=handles, loc="outside lower right", ncols=min(len(handles), 3))
    return finish(figure, title or "Which pixels count as low texture", miniature=miniature)


HIGHEST_M = 1.0
"""Predicted points higher above the camera than this are not drawn from above: a network gives the sky a depth, too."""


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
    parts = [f"{total:,} points", "dotted: edge of the field of view"]
    if truth is None:
        parts.append(f"left out: what is more than {HIGHEST_M:g} m above the camera (sky, treetops)")
    if above_ground:
        parts.append("points on the ground are left out" + (", by the ground truth" if truth is not None else ""))
    return finish(figure, title, " · ".join(parts), miniature=miniature)


def _seen_from_above(depth: np.ndarray, rig: StereoRig, above_ground: bool, predicted: bool) -> np.ndarray:
    """Points to draw, bool ``(H,W)``: those with a depth, without the road and, where it is predicted, the sky.

    The road's level is read off the lowest points.
    """
    known = np.isfinite(depth) & (depth > 0)
    down = (np.arange(depth.shape[0])[:, None] - rig.cy) / rig.fy * np.where(known, depth, 0.0)
    road = np.quantile(down[known], 0.95) - 0.35 if above_ground and known.any() else np.inf
    return known & (down < road) & (down > (-HIGHEST_M if predicted else -np.inf))
