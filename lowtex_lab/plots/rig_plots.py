"""The measurements behind a rig's verdict, one small plot each; `lowtex_lab.plots.rig_check` puts them together."""

import numpy as np
import pandas as pd

from lowtex.geometry import StereoRig
from lowtex_lab.plots.style import MUTED, TRUTH
from lowtex_lab.rig.rules import ROWS_RIGHT_PX

_BLUE = "#0072B2"
_GREEN = "#00795a"


def plot_shifts(axes, points: pd.DataFrame, infinity_px: float) -> None:
    """How far each matched point lies farther left in the right view; infinity is a line."""
    agreeing = points[points.row_agrees]
    shift = (agreeing.left_column - agreeing.right_column).to_numpy()
    low, high = np.percentile(shift, [0.5, 99.5]) if shift.size else (-1, 1)
    reach = max(high - infinity_px, infinity_px - low, 4.0)
    edges = np.linspace(infinity_px - 1.05 * reach, infinity_px + 1.05 * reach, 61)
    axes.hist(shift, edges, color=_BLUE)
    axes.axvspan(edges[0], infinity_px, color=TRUTH, alpha=0.12, linewidth=0)
    axes.axvline(infinity_px, color=TRUTH, linewidth=1.4)
    axes.text(
        0.03,
        0.95,
        "behind infinity:\nimpossible",
        transform=axes.transAxes,
        va="top",
        fontsize=8.5,
        color=TRUTH,
        bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0},
    )
    axes.set_xlim(edges[0], edges[-1])
    if not shift.size:
        axes.set_ylim(0, 1)
    axes.set_title("Order: points right of the line")
    axes.set_xlabel("left column − right column, px")
    axes.set_ylabel("matched points")


def plot_rows(axes, points: pd.DataFrame) -> None:
    """How far each matched point lies off its row, against its column."""
    offset = (points.left_row - points.right_row).to_numpy()
    reach = max(3.0, 1.3 * float(np.percentile(np.abs(offset), 90))) if offset.size else 3.0
    axes.axhspan(-ROWS_RIGHT_PX, ROWS_RIGHT_PX, color=_GREEN, alpha=0.12, linewidth=0)
    axes.axhline(0, color=_GREEN, linewidth=1)
    axes.scatter(points.left_column, np.clip(offset, -reach, reach), s=3, color=_BLUE, alpha=0.5, linewidths=0)
    axes.set_ylim(-1.05 * reach, 1.05 * reach)
    if not offset.size:
        axes.text(0.5, 0.75, "no point was matched", transform=axes.transAxes, ha="center", color=MUTED)
    axes.set_title("Rows: points inside the band")
    axes.set_xlabel("column in the left view, px")
    axes.set_ylabel("left row − right row, px")


def plot_curves(axes, curves: pd.DataFrame) -> None:
    """The difference that a warp leaves, when its disparity or the rows are made wrong."""
    styles = {"matched disparity, moved sideways": (_BLUE, "-", "disparity wrong by x"),
              "matched disparity, right view moved down": (_GREEN, "--", "right view x lower"),
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


def plot_truth(axes, truth: pd.DataFrame, rig: StereoRig) -> None:
    """Matched disparity against true inverse depth; the rig is a line."""
    inverse = 1 / truth.depth_m.to_numpy()
    axes.scatter(inverse, truth.disparity_px, s=5, color=_BLUE, alpha=0.4, linewidths=0, zorder=3)
    ends = np.array([0, np.percentile(inverse, 99.5)])
    axes.plot(
        ends,
        rig.focal_px * rig.baseline_m * ends + rig.cx_offset_px,
        color=TRUTH,
        linewidth=1.2,
        label="what rig.yaml says",
    )
    axes.set_xlim(0, ends[1])
    low, high = np.percentile(truth.disparity_px, [0.5, 99.5])
    axes.set_ylim(min(low, rig.cx_offset_px) - 1, 1.1 * max(high, 1))
    axes.legend(fontsize=8, loc="upper left")
    axes.set_title("Scale: points on the line")
    axes.set_xlabel("1 / true depth, 1/m")
    axes.set_ylabel("matched disparity, px")
