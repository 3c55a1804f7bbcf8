"""One picture from which a person sees whether a stereo rig's order, rows, principal points and scale are right."""

import textwrap

import numpy as np
import pandas as pd

from lowtex.figures.arrays import depth_bar, depth_range, image_rows_height, show_depth
from lowtex.figures.recipe import plot
from lowtex.figures.style import (
    MUTED,
    NO_DATA,
    TRUTH,
    WIDTH_IN,
    count,
    depth_colormap,
    error_colormap,
    finish,
    new_figure,
    place_image,
)
from lowtex.geometry import StereoRig
from lowtex.rig_matching import difference, warp_right
from lowtex.rig_rules import DOUBTFUL, RIGHT, ROWS_RIGHT_PX, UNKNOWN, WRONG

VERDICT_COLOURS = {RIGHT: "#00795a", DOUBTFUL: "#b07400", WRONG: "#c23b00", UNKNOWN: MUTED}
TITLES = {
    RIGHT: "This stereo rig is right, as far as its pairs can show",
    WRONG: "Something is wrong with this stereo rig",
    UNKNOWN: "These pairs do not show whether the stereo rig is right",
}

WIDE = 2.2
"""Images of at least this aspect ratio stand in two columns, others in three."""

_LINE_IN = 0.145
_TEXT_WIDTH = 96
_SHOWN_POINTS = 60
_POINTS_IN_PLOT = 3000
_BLUE = "#0072B2"


@plot
def rig_check(
    left,
    right,
    disparity,
    swapped,
    rig: StereoRig,
    findings: pd.DataFrame,
    points: pd.DataFrame,
    curves: pd.DataFrame,
    name: str,
    verdict: str,
    pairs: int = 1,
    infinity_native_px: float = 0.0,
    native_width: int | None = None,
    truth: pd.DataFrame | None = None,
):
    """Verdict, views with row lines, what matching finds and what a warp by it leaves, and the measured offsets.

    Args: as the attributes of `lowtex.rig_check.RigCheck`, which `draw_rig_check` hands over.
    """
    left, right = np.asarray(left), np.asarray(right)
    native_width = native_width or rig.width
    shape = left.shape[:2]
    columns = 2 if shape[1] / shape[0] >= WIDE else 3
    panels = _panels(left, right, np.asarray(disparity, np.float32), np.asarray(swapped, np.float32), rig, columns)
    rows = -(-len(panels) // columns)
    lines = [(row.topic, row.verdict, textwrap.wrap(row.text, _TEXT_WIDTH)) for row in findings.itertuples()]
    text_in = _LINE_IN * (sum(len(text) for *_, text in lines) + 0.4 * len(lines)) + 0.1
    image_in = image_rows_height(1, columns, shape, extra_in=0)
    plots = 4 if truth is not None and len(truth) else 3
    plot_rows, plot_in = (2, 2.3) if plots == 4 else (1, 2.6)
    figure = new_figure(text_in + rows * image_in + plot_rows * plot_in + 0.95)
    heights = [text_in, *[image_in] * rows, *[plot_in] * plot_rows]
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    _write(figure.add_subplot(grid[0]), lines, text_in)
    for row in range(rows):
        cells = grid[1 + row].subgridspec(1, columns)
        for column, draw in enumerate(panels[row * columns : (row + 1) * columns]):
            draw(figure, figure.add_subplot(cells[column]))
    _mark_points(figure, points[points.pair == name], rig.width / native_width)
    places = [grid[1 + rows + r].subgridspec(1, plots // plot_rows) for r in range(plot_rows)]
    cells = [place[c] for place in places for c in range(plots // plot_rows)]
    axes = [figure.add_subplot(cell) for cell in cells]
    _plot_shifts(axes[0], points, infinity_native_px)
    _plot_rows(axes[1], points)
    _plot_curves(axes[2], curves)
    if plots == 4:
        _plot_truth(axes[3], truth, rig)
    size = f"{rig.width}×{rig.height} px" + ("" if native_width == rig.width else f" (of {native_width} px width)")
    caption = (
        f"pair {name}, {size} · points, shifts and rows: {count(pairs, 'pair')}, at native size · grey: no clear match "
        f"· rig.yaml: focal length {rig.focal_px:.1f} px, baseline {rig.baseline_m:.4g} m, "
        f"cx - cx_right {rig.cx_offset_px:.4g} px, at that size"
    )
    return finish(figure, TITLES[verdict], caption)


def draw_rig_check(check):
    """The figure of a `lowtex.rig_check.RigCheck`."""
    truth = check.truth
    if len(truth) > _POINTS_IN_PLOT:
        truth = truth.iloc[:: -(-len(truth) // _POINTS_IN_PLOT)]
    return rig_check(
        check.left,
        check.right,
        check.disparity,
        check.swapped,
        check.rig,
        check.findings,
        check.points,
        check.curves,
        check.name,
        check.verdict,
        check.pairs,
        check.infinity_native_px,
        check.native_width,
        truth if len(truth) else None,
    )


def _write(axes, lines: list, height_in: float) -> None:
    """The verdict lines, each with its verdict as a word and a colour."""
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH_IN)
    axes.set_ylim(height_in, 0)
    y = 0.05
    for topic, verdict, text in lines:
        axes.text(0.0, y, topic, va="top", fontsize=9, fontweight="bold")
        axes.text(1.2, y, verdict, va="top", fontsize=9, fontweight="bold", color=VERDICT_COLOURS[verdict])
        axes.text(2.15, y, "\n".join(text), va="top", fontsize=8.5, linespacing=1.2)
        y += _LINE_IN * (len(text) + 0.4)


def _panels(left, right, disparity, swapped, rig: StereoRig, columns: int) -> list:
    """What draws each image panel, in reading order: called with the figure and its axes."""
    infinity = float(rig.cx_offset_px)
    parallax, other_parallax = disparity - infinity, swapped - infinity
    seen = np.isfinite(disparity)
    top = float(np.quantile(parallax[seen], 0.995)) if seen.any() else 1.0
    guess = float(np.median(disparity[seen])) if seen.any() else infinity + rig.width / 20
    warped = _hidden(warp_right(right, disparity), ~seen)
    guessed = warp_right(right, guess)
    depth = np.where(parallax > 0.25, rig.focal_px * rig.baseline_m / np.maximum(parallax, 0.25), np.nan)

    def view(picture, title):
        return lambda figure, axes: _lined(axes, picture, title)

    def plain(picture, title):
        return lambda figure, axes: place_image(axes, picture, title)

    def matched(values, title):
        def draw(figure, axes):
            image = place_image(axes, values, title, cmap=depth_colormap(), vmin=0, vmax=max(top, 1.0))
            _bar(figure, image, axes, "px nearer than infinity")

        return draw

    def left_over(warped, shift, title):
        def draw(figure, axes):
            values = difference(left, np.asarray(warped, np.float32), np.float32(shift))
            values = np.where(np.isnan(shift), np.nan, values)
            shown = f"{title}: mean {np.nanmean(values):.3f}" if np.isfinite(values).any() else title
            _bar(figure, place_image(axes, values, shown, cmap=error_colormap(), vmin=0, vmax=0.25), axes, "of 1")

        return draw

    def metres(figure, axes):
        near, far = depth_range(depth, far_m=None if not seen.any() else float(np.nanquantile(depth, 0.95)))
        image = show_depth(axes, depth, near, far, "distance by rig.yaml: is it so?")
        depth_bar(figure, image, axes, near, far, location="right", aspect=14, pad=0.01)

    unmatched = np.where(seen, disparity, np.nan)
    named = {
        "left": view(left, "left view"),
        "right": view(right, "right view: same things on same lines"),
        "matched": matched(np.where(seen, parallax, np.nan), f"disparity found: {seen.mean():.0%} of pixels"),
        "swapped": matched(other_parallax, f"views swapped: {np.isfinite(swapped).mean():.0%} (should be few)"),
        "warped": plain(warped, "right view warped by it (as left?)"),
        "warped_error": left_over(warp_right(right, disparity), unmatched, "its difference from left"),
        "guessed": plain(guessed, f"right view moved by {guess:.0f} px"),
        "guessed_error": left_over(guessed, np.full(left.shape[:2], guess), "its difference"),
        "metres": metres,
        "other_way": left_over(warp_right(right, -guess), np.full(left.shape[:2], -guess), f"moved by {-guess:.0f} px"),
    }
    if columns == 2:
        order = "left right matched swapped warped warped_error guessed guessed_error metres other_way"
    else:
        order = "left right metres matched warped warped_error swapped guessed guessed_error"
    return [named[key] for key in order.split()]


def _lined(axes, picture, title: str) -> None:
    place_image(axes, picture, title)
    axes.set_gid("view")
    for row in np.linspace(0, picture.shape[0] - 1, 9)[1:-1]:
        axes.axhline(row, color="white", linewidth=1.1, alpha=0.6)
        axes.axhline(row, color="black", linewidth=0.5, alpha=0.7)


def _hidden(picture: np.ndarray, hide: np.ndarray) -> np.ndarray:
    grey = np.array([int(NO_DATA[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)
    return np.where(hide[..., None], grey, np.clip(picture, 0, 1))


def _bar(figure, image, axes, label: str) -> None:
    figure.colorbar(image, ax=axes, location="right", aspect=14, pad=0.01).set_label(label, fontsize=8)


def _mark_points(figure, points: pd.DataFrame, scale: float) -> None:
    """Some matched points in both views, numbered by colour, so that one can be looked up in the other."""
    views = [axes for axes in figure.axes if axes.get_gid() == "view"]
    some = points.sort_values("left_row").iloc[:: max(1, -(-len(points) // _SHOWN_POINTS))]
    for axes, side in zip(views, ("left", "right"), strict=True):
        x = (some[f"{side}_column"] + 0.5) * scale - 0.5
        y = (some[f"{side}_row"] + 0.5) * scale - 0.5
        axes.scatter(x, y, c=np.arange(len(some)) % 10, cmap="tab10", s=9, edgecolors="white", linewidths=0.4)


def _plot_shifts(axes, points: pd.DataFrame, infinity_px: float) -> None:
    agreeing = points[points.row_agrees]
    shift = (agreeing.left_column - agreeing.right_column).to_numpy()
    low, high = np.percentile(shift, [0.5, 99.5]) if shift.size else (-1, 1)
    reach = max(high - infinity_px, infinity_px - low, 4.0)
    edges = np.linspace(infinity_px - 1.05 * reach, infinity_px + 1.05 * reach, 61)
    axes.hist(shift, edges, color=_BLUE)
    axes.axvspan(edges[0], infinity_px, color=TRUTH, alpha=0.12, linewidth=0)
    axes.axvline(infinity_px, color=TRUTH, linewidth=1.4)
    axes.text(0.03, 0.95, "behind infinity:\nimpossible", transform=axes.transAxes, va="top", fontsize=8.5, color=TRUTH)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_title("Order: points right of the line")
    axes.set_xlabel("left column − right column, px")
    axes.set_ylabel("matched points")


def _plot_rows(axes, points: pd.DataFrame) -> None:
    offset = (points.left_row - points.right_row).to_numpy()
    reach = max(3.0, 1.3 * float(np.percentile(np.abs(offset), 90))) if offset.size else 3.0
    axes.axhspan(-ROWS_RIGHT_PX, ROWS_RIGHT_PX, color="#00795a", alpha=0.12, linewidth=0)
    axes.axhline(0, color="#00795a", linewidth=1)
    axes.scatter(points.left_column, np.clip(offset, -reach, reach), s=3, color=_BLUE, alpha=0.5, linewidths=0)
    axes.set_ylim(-1.05 * reach, 1.05 * reach)
    axes.set_title("Rows: points inside the band")
    axes.set_xlabel("column in the left view, px")
    axes.set_ylabel("left row − right row, px")


def _plot_curves(axes, curves: pd.DataFrame) -> None:
    styles = {"matched disparity, moved sideways": (_BLUE, "-", "disparity wrong by x"),
              "matched disparity, right view moved down": ("#009E73", "--", "right view x lower"),
              "ground truth, moved sideways": (TRUTH, "-", "ground truth wrong by x")}  # fmt: skip
    for curve, part in curves.groupby("curve", sort=False):
        colour, line, label = styles[curve]
        axes.plot(part.added_px, part.difference, line, color=colour, label=label, marker="o", markersize=2.5)
    if len(curves):
        axes.legend(fontsize=8, loc="lower right", handlelength=1.6, borderaxespad=0.1)
    else:
        axes.text(0.5, 0.5, "nothing was matched", transform=axes.transAxes, ha="center", color=MUTED)
        axes.plot([0], [0], alpha=0)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_ylim(0, None)
    axes.set_title("What a warp leaves: least at 0")
    axes.set_xlabel("x, px")
    axes.set_ylabel("difference from left")


def _plot_truth(axes, truth: pd.DataFrame, rig: StereoRig) -> None:
    inverse = 1 / truth.depth_m.to_numpy()
    axes.scatter(inverse, truth.disparity_px, s=2, color=_BLUE, alpha=0.25, linewidths=0)
    ends = np.array([0, np.percentile(inverse, 99.5)])
    axes.plot(ends, rig.focal_px * rig.baseline_m * ends + rig.cx_offset_px, color=TRUTH, label="what rig.yaml says")
    axes.set_xlim(0, ends[1])
    low, high = np.percentile(truth.disparity_px, [0.5, 99.5])
    axes.set_ylim(min(low, rig.cx_offset_px) - 1, 1.1 * max(high, 1))
    axes.legend(fontsize=8, loc="upper left")
    axes.set_title("Scale: points on the line")
    axes.set_xlabel("1 / true depth, 1/m")
    axes.set_ylabel("matched disparity, px")
