"""One picture from which a person sees whether a stereo rig's order, rows, principal points and scale are right."""

import textwrap

import numpy as np
import pandas as pd

from lowtex.geometry import StereoRig
from lowtex.progress import count
from lowtex_lab.plots.arrays import depth_range, show_depth
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.rig_plots import plot_curves, plot_rows, plot_shifts, plot_truth
from lowtex_lab.plots.style import (
    MUTED,
    NO_DATA,
    WIDTH_IN,
    disparity_colormap,
    error_colormap,
    finish,
    new_figure,
    place_image,
)
from lowtex_lab.rig.matching import difference, warp_right
from lowtex_lab.rig.rules import DOUBTFUL, RIGHT, UNKNOWN, WRONG

VERDICT_COLOURS = {RIGHT: "#00795a", DOUBTFUL: "#b07400", WRONG: "#c23b00", UNKNOWN: MUTED}
TITLES = {
    RIGHT: "This stereo rig is right, as far as its pairs can show",
    WRONG: "Something is wrong with this stereo rig",
    UNKNOWN: "These pairs do not show whether the stereo rig is right",
}

WIDE = 2.2
"""Images of at least this aspect ratio stand in two columns, others in three."""

_LINE_IN = 0.145
_TEXT_WIDTH = 92
_BAR_IN = 0.72
_SHOWN_POINTS = 60
_POINTS_IN_PLOT = 3000


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
    native_rig: StereoRig | None = None,
    miniature: bool = False,
    truth: pd.DataFrame | None = None,
):
    """Verdict, views with row lines, what matching finds and what a warp by it leaves, and the measured offsets.

    Args: as the attributes of `lowtex_lab.rig.check.RigCheck`, which `draw_rig_check` hands over.
    """
    left, right = np.asarray(left), np.asarray(right)
    native_rig = native_rig or rig
    shape = left.shape[:2]
    columns = 2 if shape[1] / shape[0] >= WIDE else 3
    guess = _middle_parallax(points, rig, native_rig.width)
    disparities = (np.asarray(values, np.float32) for values in (disparity, swapped))
    panels = _panels(left, right, *disparities, rig, guess, columns)
    rows = -(-len(panels) // columns)
    lines = [(row.topic, row.verdict, textwrap.wrap(row.text, _TEXT_WIDTH)) for row in findings.itertuples()]
    text_in = _LINE_IN * (sum(len(text) for *_, text in lines) + 0.4 * len(lines)) + 0.1
    image_in = (WIDTH_IN / columns - _BAR_IN) * shape[0] / shape[1] + 0.34
    plots = 4 if truth is not None and len(truth) else 3
    lines_of_plots, plot_in = (2, 2.3) if plots == 4 else (1, 2.6)
    figure = new_figure(text_in + rows * image_in + lines_of_plots * plot_in + 0.95)
    heights = [text_in, image_in * rows, *[plot_in] * lines_of_plots]
    grid = figure.add_gridspec(2 + lines_of_plots, 1, height_ratios=heights)
    _write(figure.add_subplot(grid[0]), lines, text_in)
    # one grid, so that all pictures are of one size
    cells = grid[1].subgridspec(rows, columns)
    for index, draw in enumerate(panels):
        draw(figure.add_subplot(cells[index // columns, index % columns]))
    _mark_points(figure, points[points.pair == name], rig.width / native_rig.width)
    places = [grid[2 + r].subgridspec(1, plots // lines_of_plots) for r in range(lines_of_plots)]
    cells = [place[c] for place in places for c in range(plots // lines_of_plots)]
    axes = [figure.add_subplot(cell) for cell in cells]
    plot_shifts(axes[0], points, native_rig.cx_offset_px)
    plot_rows(axes[1], points)
    plot_curves(axes[2], curves)
    if plots == 4:
        plot_truth(axes[3], truth, native_rig)
    size = f"{rig.width}×{rig.height} px" + (
        "" if native_rig.width == rig.width else f" (of {native_rig.width} px width)"
    )
    caption = (
        f"pair {name}, {size} · points, shifts and rows: {count(pairs, 'pair')}, at native size · near is bright, "
        f"grey: no clear match · rig.yaml: focal length {rig.focal_px:.1f} px, baseline {rig.baseline_m:.4g} m, "
        f"cx−cx_right {rig.cx_offset_px:.4g} px, at that size"
    )
    title, wrong, doubts = TITLES[verdict], *(list(findings.topic[findings.verdict == v]) for v in (WRONG, DOUBTFUL))
    if wrong:
        title += f": {', '.join(wrong)}"
    elif verdict == RIGHT and doubts:
        title = f"This stereo rig is right, but look at: {', '.join(doubts)}"
    return finish(figure, title, caption, miniature=miniature)


def draw_rig_check(check):
    """The figure of a `lowtex_lab.rig.check.RigCheck`."""
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
        check.native_rig,
        check.miniature,
        truth if len(truth) else None,
    )


def _write(axes, lines: list, height_in: float) -> None:
    """The verdict lines, each with its verdict as a word and a colour."""
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH_IN)
    axes.set_ylim(height_in, 0)
    y = 0.05
    for topic, verdict, text in lines:
        axes.text(0.05, y, topic, va="top", fontsize=9, fontweight="bold")
        axes.text(1.35, y, verdict, va="top", fontsize=9, fontweight="bold", color=VERDICT_COLOURS[verdict])
        axes.text(2.4, y, "\n".join(text), va="top", fontsize=8.5, linespacing=1.2)
        y += _LINE_IN * (len(text) + 0.4)


def _middle_parallax(points: pd.DataFrame, rig: StereoRig, native_width: int) -> float:
    """A middle parallax at the size of ``rig``, pixels, whichever way round the views are."""
    shift = (points.left_column - points.right_column)[points.row_agrees].to_numpy() * rig.width / native_width
    return float(np.median(np.abs(shift - rig.cx_offset_px))) if shift.size else rig.width / 20


def _panels(left, right, disparity, swapped, rig: StereoRig, guess: float, columns: int) -> list:
    """What draws each image panel into its axes, in reading order."""
    infinity = float(rig.cx_offset_px)
    parallax = disparity - infinity
    seen = np.isfinite(disparity)
    top = float(np.quantile(parallax[seen], 0.995)) if seen.any() else 1.0
    warped = warp_right(right, disparity)
    depth = np.where(parallax > 0.25, rig.focal_px * rig.baseline_m / np.maximum(parallax, 0.25), np.nan)

    def matched(values, title):
        def draw(axes):
            image = place_image(axes, values, title, cmap=disparity_colormap(), vmin=0, vmax=max(top, 1.0))
            _bar(axes, image, "px, 0 is infinitely far")

        return draw

    def left_over(picture, shift, title):
        def draw(axes):
            values = difference(left, picture, shift)
            shown = f"{title} {np.nanmean(values):.3f}" if np.isfinite(values).any() else title
            _bar(axes, place_image(axes, values, shown, cmap=error_colormap(), vmin=0, vmax=0.25), "of 1")

        return draw

    def moved(by, title):
        shift = np.full(left.shape[:2], infinity + by, np.float32)
        return left_over(warp_right(right, shift), shift, f"{title} {infinity + by:+.0f} px: differs by")

    def metres(axes):
        near, far = depth_range(depth, far_m=float(np.nanquantile(depth, 0.95)) if np.isfinite(depth).any() else None)
        image = show_depth(axes, depth, near, far, "distance by rig.yaml: is it so?")
        ticks = np.geomspace(near, far, 4)
        bar = _bar(axes, image, "m")
        bar.set_ticks(ticks, labels=[f"{tick:.2g}" if tick < 10 else f"{tick:.0f}" for tick in ticks])
        bar.ax.minorticks_off()

    named = {
        "left": lambda axes: _lined(axes, left, "left view"),
        "right": lambda axes: _lined(axes, right, "right view: same things on same lines"),
        "matched": matched(parallax, f"disparity found: {seen.mean():.0%} of pixels"),
        "swapped": matched(swapped - infinity, f"views swapped: {np.isfinite(swapped).mean():.0%} (should be less)"),
        "warped": lambda axes: place_image(axes, _hidden(warped, ~seen), "right view warped by it: like left?"),
        "warped_error": left_over(warped, disparity, "differs from left by"),
        "guessed": lambda axes: place_image(
            axes,
            np.clip(warp_right(right, infinity + guess), 0, 1),
            f"right view moved by the guess, {infinity + guess:+.0f} px",
        ),
        "guessed_error": moved(guess, "guessed shift"),
        "other_way": moved(-guess, "swapped guess"),
        "metres": metres,
    }
    if columns == 2:
        order = "left right matched swapped warped warped_error guessed_error other_way guessed metres"
    else:
        order = "left right metres matched warped warped_error swapped guessed_error other_way"
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


def _bar(axes, image, label: str):
    """A colour bar as high as the picture."""
    bar = axes.figure.colorbar(image, cax=axes.inset_axes([1.02, 0, 0.035, 1]))
    bar.ax.tick_params(labelsize=7.5)
    bar.set_label(label, fontsize=8)
    return bar


def _mark_points(figure, points: pd.DataFrame, scale: float) -> None:
    """Some matched points in both views, numbered by colour, so that one can be looked up in the other."""
    views = [axes for axes in figure.axes if axes.get_gid() == "view"]
    some = points.sort_values("left_row").iloc[:: max(1, -(-len(points) // _SHOWN_POINTS))]
    for axes, side in zip(views, ("left", "right"), strict=True):
        x = (some[f"{side}_column"] + 0.5) * scale - 0.5
        y = (some[f"{side}_row"] + 0.5) * scale - 0.5
        axes.scatter(x, y, c=np.arange(len(some)) % 10, cmap="tab10", s=9, edgecolors="white", linewidths=0.4)
