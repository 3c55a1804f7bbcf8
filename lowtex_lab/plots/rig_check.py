"""One picture from which a person sees whether a stereo rig's order, rows and scale are right."""

import inspect

import numpy as np
import pandas as pd

from lowtex.geometry import StereoRig
from lowtex.progress import count
from lowtex_lab.plots.images import depth_bar, depth_range, show_depth
from lowtex_lab.plots.saving import plot
from lowtex_lab.plots.style import MUTED, TRUTH, disparity_colormap, finish, new_figure, place_image
from lowtex_lab.rig import DOUBTFUL, RIGHT, ROWS_PX, UNKNOWN, WRONG

TITLES = {
    RIGHT: "The rig is right, as far as pairs show",
    WRONG: "Something is wrong with the rig",
    UNKNOWN: "These pairs do not show whether the rig is right",
}

WIDTH_IN = 6.5
"""Narrower than other figures, so that its letters are larger beside the pictures."""

BAR_IN, PLOTS_IN = 0.5, 2.4
"""Heights of the colour bars and of the plots below them."""

_SHOWN_POINTS, _POINTS_IN_PLOT = 24, 3000
_BLUE, _GREEN = "#0072B2", "#00795a"


@plot
def rig_check(
    left,
    right,
    disparity,
    rig: StereoRig,
    native_rig: StereoRig,
    findings: pd.DataFrame,
    points: pd.DataFrame,
    name: str,
    verdict: str,
    pairs: int = 1,
    miniature: bool = False,
    truth: pd.DataFrame | None = None,
):
    """Views with row lines, what matching finds, in metres by the rig, and the measured offsets.

    Args: as the attributes of `lowtex_lab.rig.RigCheck`, which `draw_rig_check` hands over.
    """
    image_in = (WIDTH_IN / 2 - 0.1) * left.shape[0] / left.shape[1] + 0.42
    # under the second row of pictures lie their colour bars
    heights_in = [image_in, image_in + BAR_IN, PLOTS_IN]
    figure = new_figure(sum(heights_in) + 1.0, width_in=WIDTH_IN)
    upper, lower = figure.add_gridspec(2, 1, height_ratios=[sum(heights_in[:2]), PLOTS_IN])
    upper = upper.subgridspec(2, 2, height_ratios=heights_in[:2])
    lower = lower.subgridspec(1, 2 if truth is None else 3)
    scale = rig.width / native_rig.width
    own = points[(points.pair == name) & points.row_agrees].sort_values("left_row")
    own = own.iloc[:: max(1, len(own) // _SHOWN_POINTS)]
    for column, (picture, side) in enumerate(((left, "left"), (right, "right"))):
        axes = figure.add_subplot(upper[0, column])
        place_image(axes, picture, f"{side} view" + ("" if side == "left" else ": same thing, same line"))
        axes.hlines(np.linspace(0, picture.shape[0] - 1, 7)[1:-1], 0, picture.shape[1] - 1, "white", linewidth=0.9)
        x, y = ((own[f"{side}_{part}"] + 0.5) * scale - 0.5 for part in ("column", "row"))
        axes.scatter(x, y, c=np.arange(len(own)) % 10, cmap="tab10", s=16, edgecolors="white", linewidths=0.5)
    parallax, seen = disparity - rig.cx_offset_px, np.isfinite(disparity)
    axes = figure.add_subplot(upper[1, 0])
    most = max(1.0, float(np.quantile(parallax[seen], 0.995)) if seen.any() else 1.0)
    title = f"matched disparity ({seen.mean():.0%} of the pixels)"
    image = place_image(axes, parallax, title, cmap=disparity_colormap(), vmin=0, vmax=most)
    look = {"location": "bottom", "shrink": 0.85, "pad": 0.03, "aspect": 30}
    figure.colorbar(image, ax=axes, **look).set_label("disparity in px", fontsize=9)
    axes = figure.add_subplot(upper[1, 1])
    depth = np.where(parallax > 0.25, rig.focal_px * rig.baseline_m / np.maximum(parallax, 0.25), np.nan)
    near, far = depth_range(depth, far_m=float(np.nanquantile(depth, 0.95)) if np.isfinite(depth).any() else None)
    image = show_depth(axes, depth, near, far, "metres by rig.yaml: is it so?")
    depth_bar(figure, image, near, far, ax=axes, **look)
    _shifts(figure.add_subplot(lower[0, 0]), points, native_rig.cx_offset_px)
    _rows(figure.add_subplot(lower[0, 1]), points)
    if truth is not None:
        _scale(figure.add_subplot(lower[0, 2]), truth, native_rig)
    listed = {kind: ", ".join(findings.topic[findings.verdict == kind]) for kind in (RIGHT, DOUBTFUL, WRONG, UNKNOWN)}
    title = f"{TITLES[verdict]}: {listed[WRONG]}" if listed[WRONG] else TITLES[verdict]
    if verdict == RIGHT and listed[DOUBTFUL]:
        title = f"The rig is right, but look at: {listed[DOUBTFUL]}"
    verdicts = [f"{kind}: {topics}" for kind, topics in listed.items() if topics]
    numbers = f"focal length {native_rig.focal_px:.1f} px, baseline {native_rig.baseline_m:.4g} m"
    shown = f"pair {name}; plots of {count(pairs, 'pair')}"
    return finish(figure, title, *verdicts, shown, numbers, miniature=miniature)


def draw_rig_check(check):
    """The figure of a `lowtex_lab.rig.RigCheck`."""
    given = {name: getattr(check, name) for name in inspect.signature(rig_check).parameters}
    truth = check.truth.iloc[:: max(1, -(-len(check.truth) // _POINTS_IN_PLOT))]
    # numbers that the CSV keeps whole, so that the picture drawn again is the same to the bit
    return rig_check(**given | {"points": check.points.round(6), "truth": truth.round(6) if len(truth) else None})


def _shifts(axes, points: pd.DataFrame, infinity_px: float) -> None:
    """How far each matched point lies farther left in the right view; infinity is a line."""
    agreeing = points[points.row_agrees]
    shift = (agreeing.left_column - agreeing.right_column).to_numpy() - infinity_px
    reach = max(4.0, float(np.percentile(np.abs(shift), 99.5)) if shift.size else 0.0)
    axes.hist(shift, np.linspace(-1.05 * reach, 1.05 * reach, 41), color=_BLUE)
    axes.axvspan(-1.05 * reach, 0, color=TRUTH, alpha=0.12, linewidth=0)
    axes.axvline(0, color=TRUTH, linewidth=1.4)
    axes.text(0.03, 0.95, "behind\ninfinity", transform=axes.transAxes, va="top", fontsize=9, color=TRUTH)
    axes.set(title="Order: all right of the line", xlabel="disparity, px", ylabel="matched points")
    axes.set_xlim(-1.05 * reach, 1.05 * reach)


def _rows(axes, points: pd.DataFrame) -> None:
    """How far each matched point lies off its row, against its column."""
    offset = (points.left_row - points.right_row).to_numpy()
    reach = max(3.0, 1.3 * float(np.percentile(np.abs(offset), 90))) if offset.size else 3.0
    axes.axhspan(-ROWS_PX[0], ROWS_PX[0], color=_GREEN, alpha=0.15, linewidth=0)
    axes.scatter(points.left_column, np.clip(offset, -reach, reach), s=4, color=_BLUE, alpha=0.5, linewidths=0)
    axes.set_ylim(-1.05 * reach, 1.05 * reach)
    if not offset.size:
        axes.text(0.5, 0.75, "no point was matched", transform=axes.transAxes, ha="center", color=MUTED)
    axes.set(title="Rows: all in the band", xlabel="column, px", ylabel="row offset, px")


def _scale(axes, truth: pd.DataFrame, rig: StereoRig) -> None:
    """Matched disparity against true inverse depth; the rig is a line."""
    inverse = 1 / truth.depth_m.to_numpy()
    axes.scatter(inverse, truth.disparity_px - rig.cx_offset_px, s=6, color=_BLUE, alpha=0.4, linewidths=0)
    ends = np.array([0, np.percentile(inverse, 99.5)])
    axes.plot(ends, rig.focal_px * rig.baseline_m * ends, color=TRUTH, linewidth=1.4)
    axes.set(title="Scale: all on the line", xlabel="1 / true depth, 1/m", ylabel="disparity, px")
    axes.set_xlim(0, ends[1])
    axes.set_ylim(-1, 1.1 * max(1.0, float(np.percentile(truth.disparity_px - rig.cx_offset_px, 99.5))))
