"""One picture from which a person sees whether a stereo rig's order, rows, principal points and scale are right."""

import inspect
import textwrap

import numpy as np
import pandas as pd

from lowtex.geometry import StereoRig
from lowtex.progress import count
from lowtex_lab.plots.images import depth_range, show_depth
from lowtex_lab.plots.samples import hide_unjudged
from lowtex_lab.plots.saving import plot
from lowtex_lab.plots.style import (
    MUTED,
    TRUTH,
    WIDTH_IN,
    disparity_colormap,
    error_colormap,
    finish,
    new_figure,
    place_image,
)
from lowtex_lab.rig.matching import difference, warp_right
from lowtex_lab.rig.rules import DOUBTFUL, RIGHT, ROWS_RIGHT_PX, UNKNOWN, WRONG

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
_BLUE = "#0072B2"
_GREEN = "#00795a"
_LINES = {
    "matched disparity, moved sideways": (_BLUE, "-", "disparity wrong by x"),
    "matched disparity, right view moved down": (_GREEN, "--", "right view x lower"),
    "ground truth, moved sideways": (TRUTH, "-", "ground truth wrong by x"),
}


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
    plots = [lambda axes: _shifts(axes, points, native_rig.cx_offset_px), lambda axes: _rows(axes, points)]
    plots.append(lambda axes: _curves(axes, curves))
    if truth is not None and len(truth):
        plots.append(lambda axes: _truth(axes, truth, native_rig))
    lines_of_plots, plot_in = (2, 2.3) if len(plots) == 4 else (1, 2.6)
    heights = [text_in, image_in * rows, *[plot_in] * lines_of_plots]
    figure = new_figure(sum(heights) + 0.95)
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    _write(figure.add_subplot(grid[0]), lines, text_in)
    # one grid, so that all pictures are of one size
    cells = grid[1].subgridspec(rows, columns)
    for index, draw in enumerate(panels):
        draw(figure.add_subplot(cells[index // columns, index % columns]))
    _mark_points(figure, points[points.pair == name], rig.width / native_rig.width)
    a_line = len(plots) // lines_of_plots
    # one grid a line, or labels would not keep clear of the plot beside them
    cells = [grid[2 + line].subgridspec(1, a_line) for line in range(lines_of_plots)]
    for index, draw in enumerate(plots):
        draw(figure.add_subplot(cells[index // a_line][index % a_line]))
    scaled = "" if native_rig.width == rig.width else f" (of {native_rig.width} px width)"
    said = [f"pair {name}, {rig.width}×{rig.height} px{scaled}"]
    said.append(f"points, shifts and rows: {count(pairs, 'pair')}, at native size")
    said.append("near is bright, grey: no clear match")
    said.append(
        f"rig.yaml: focal length {rig.focal_px:.1f} px, baseline {rig.baseline_m:.4g} m, "
        f"cx−cx_right {rig.cx_offset_px:.4g} px, at that size"
    )
    title, wrong, doubts = TITLES[verdict], *(list(findings.topic[findings.verdict == v]) for v in (WRONG, DOUBTFUL))
    if wrong:
        title += f": {', '.join(wrong)}"
    elif verdict == RIGHT and doubts:
        title = f"This stereo rig is right, but look at: {', '.join(doubts)}"
    return finish(figure, title, *said, miniature=miniature)


def draw_rig_check(check):
    """The figure of a `lowtex_lab.rig.check.RigCheck`."""
    given = {name: getattr(check, name) for name in inspect.signature(rig_check).parameters}
    truth = check.truth.iloc[:: max(1, -(-len(check.truth) // _POINTS_IN_PLOT))]
    # numbers that the CSV keeps whole, so that the picture drawn again is the same to the bit
    tables = {name: given[name].round(6) for name in ("curves", "points")}
    return rig_check(**{**given, **tables, "truth": truth.round(6) if len(truth) else None})


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

    kept = hide_unjudged(np.clip(warped, 0, 1), seen)
    by_guess = f"{infinity + guess:+.0f}"
    named = {
        "left": lambda axes: _lined(axes, left, "left view"),
        "right": lambda axes: _lined(axes, right, "right view: same things on same lines"),
        "matched": matched(parallax, f"disparity found: {seen.mean():.0%} of pixels"),
        "swapped": matched(swapped - infinity, f"views swapped: {np.isfinite(swapped).mean():.0%} (should be less)"),
        "warped": lambda axes: place_image(axes, kept, "right view warped by it: like left?"),
        "warped_error": left_over(warped, disparity, "differs from left by"),
        "guessed": lambda axes: place_image(
            axes, np.clip(warp_right(right, infinity + guess), 0, 1), f"right view moved by the guess, {by_guess} px"
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


def _shifts(axes, points: pd.DataFrame, infinity_px: float) -> None:
    """How far each matched point lies farther left in the right view; infinity is a line."""
    agreeing = points[points.row_agrees]
    shift = (agreeing.left_column - agreeing.right_column).to_numpy()
    low, high = np.percentile(shift, [0.5, 99.5]) if shift.size else (-1, 1)
    reach = max(high - infinity_px, infinity_px - low, 4.0)
    edges = np.linspace(infinity_px - 1.05 * reach, infinity_px + 1.05 * reach, 61)
    axes.hist(shift, edges, color=_BLUE)
    axes.axvspan(edges[0], infinity_px, color=TRUTH, alpha=0.12, linewidth=0)
    axes.axvline(infinity_px, color=TRUTH, linewidth=1.4)
    look = {"va": "top", "fontsize": 8.5, "color": TRUTH, "bbox": {"facecolor": "white", "alpha": 0.7, "linewidth": 0}}
    axes.text(0.03, 0.95, "behind infinity:\nimpossible", transform=axes.transAxes, **look)
    axes.set_xlim(edges[0], edges[-1])
    if not shift.size:
        axes.set_ylim(0, 1)
    axes.set(title="Order: points right of the line", xlabel="left column − right column, px", ylabel="matched points")


def _rows(axes, points: pd.DataFrame) -> None:
    """How far each matched point lies off its row, against its column."""
    offset = (points.left_row - points.right_row).to_numpy()
    reach = max(3.0, 1.3 * float(np.percentile(np.abs(offset), 90))) if offset.size else 3.0
    axes.axhspan(-ROWS_RIGHT_PX, ROWS_RIGHT_PX, color=_GREEN, alpha=0.12, linewidth=0)
    axes.axhline(0, color=_GREEN, linewidth=1)
    axes.scatter(points.left_column, np.clip(offset, -reach, reach), s=3, color=_BLUE, alpha=0.5, linewidths=0)
    axes.set_ylim(-1.05 * reach, 1.05 * reach)
    if not offset.size:
        axes.text(0.5, 0.75, "no point was matched", transform=axes.transAxes, ha="center", color=MUTED)
    axes.set(title="Rows: points inside the band", xlabel="column in the left view, px")
    axes.set_ylabel("left row − right row, px")


def _curves(axes, curves: pd.DataFrame) -> None:
    """The difference that a warp leaves, when its disparity or the rows are made wrong."""
    for curve, part in curves.groupby("curve", sort=False):
        colour, line, label = _LINES[curve]
        axes.plot(part.added_px, part.difference, line, color=colour, label=label, marker="o", markersize=2.5)
    if len(curves):
        axes.legend(fontsize=8, loc="lower right", handlelength=1.6, borderaxespad=0.1)
    else:
        axes.text(0.5, 0.5, "nothing was matched", transform=axes.transAxes, ha="center", color=MUTED)
        axes.plot([0], [0], alpha=0)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_ylim(0, None)
    axes.set(title="What a warp leaves: least at 0", xlabel="x, px", ylabel="difference from left")


def _truth(axes, truth: pd.DataFrame, rig: StereoRig) -> None:
    """Matched disparity against true inverse depth; the rig is a line."""
    inverse = 1 / truth.depth_m.to_numpy()
    axes.scatter(inverse, truth.disparity_px, s=5, color=_BLUE, alpha=0.4, linewidths=0, zorder=3)
    ends = np.array([0, np.percentile(inverse, 99.5)])
    stated = rig.focal_px * rig.baseline_m * ends + rig.cx_offset_px
    axes.plot(ends, stated, color=TRUTH, linewidth=1.2, label="what rig.yaml says")
    axes.set_xlim(0, ends[1])
    low, high = np.percentile(truth.disparity_px, [0.5, 99.5])
    axes.set_ylim(min(low, rig.cx_offset_px) - 1, 1.1 * max(high, 1))
    axes.legend(fontsize=8, loc="upper left")
    axes.set(title="Scale: points on the line", xlabel="1 / true depth, 1/m", ylabel="matched disparity, px")
