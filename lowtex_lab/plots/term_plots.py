"""Data terms over many frames: from how far they pull to the truth, how wide their basins are, what borders do."""

import numpy as np
import pandas as pd

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots.curves import loss_styles
from lowtex_lab.plots.effect_plots import stratum_title
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import MUTED, finish, legend_row, method_styles, new_figure
from lowtex_lab.plots.tidy import in_order, require_columns

MOST_PANELS = 4

BORDER_MEASURES = {
    "alike": "correlation of\ndifferent images",
    "changed": "change by\nthe padding",
    "attraction": "error at the truth\n− error at zero",
}
"""What `border_profile` draws, a row each, and what stands beside it."""


@plot
def pull_by_offset(
    pulls: pd.DataFrame, title: str = "From how far away each loss pulls to the truth", caption: str = "",
    miniature: bool = False,
):  # fmt: skip
    """The share of pixels whose error falls towards the truth, against the distance from it; a panel a stratum.

    Args:
        pulls: of `loss_analysis.basins.pull_table`: rows ``stratum, loss, offset_px, toward, low, high, frames``, at
            most four strata; the band is the interval.
        title, caption: texts.
        miniature: mark it as such.

    Raises:
        DataError: missing columns, no rows, or too many strata.
    """
    what = "pull_by_offset"
    require_columns(pulls, ["stratum", "loss", "offset_px", "toward", "low", "high", "frames"], what)
    strata = _few(pulls, what)
    styles = loss_styles(pulls["loss"])
    figure = new_figure(3.9)
    panels = figure.subplots(1, len(strata), sharex=True, sharey=True, squeeze=False)[0]
    for axes, stratum in zip(panels, strata, strict=True):
        for name, style in styles.items():
            own = pulls[(pulls["stratum"] == stratum) & (pulls["loss"] == name)].sort_values("offset_px")
            axes.plot(own["offset_px"], own["toward"], color=style.color, linestyle=style.linestyle,
                      marker=style.marker, markersize=4, label=style.label)  # fmt: skip
            axes.fill_between(own["offset_px"], own["low"], own["high"], color=style.color, alpha=0.13, linewidth=0)
        axes.axhline(0.5, color=MUTED, linestyle=":", linewidth=1.2)
        axes.set_title(stratum_title(stratum))
        axes.set_xlabel("px away from the truth")
        axes.grid(True)
    panels[0].set_ylabel("share of pixels whose error\nfalls to the truth; 0.5 = chance")
    legend_row(figure, 4)
    return finish(figure, title, _behind(pulls, caption), miniature=miniature)


@plot
def term_intervals(
    measured: pd.DataFrame, column: str, label: str, title: str, caption: str = "", reference: str = "pixels",
    miniature: bool = False,
):  # fmt: skip
    """One number of each data term with its interval over frames; a panel a stratum.

    Args:
        measured: of `loss_analysis.basins.over_frames`: rows ``stratum, loss, low, high, frames`` and ``column``, at
            most four strata.
        column: which number. label: what it is, below the axis.
        title, caption: texts.
        reference: the term that a dotted line marks.
        miniature: mark it as such.

    Raises:
        DataError: missing columns, no rows, or too many strata.
    """
    what = "term_intervals"
    require_columns(measured, ["stratum", "loss", column, "low", "high", "frames"], what)
    strata = _few(measured, what)
    styles = loss_styles(measured["loss"])
    names = [name for name in dict.fromkeys(measured["loss"]) if name in styles]
    figure = new_figure(1.5 + 0.27 * len(names))
    panels = figure.subplots(1, len(strata), sharex=True, sharey=True, squeeze=False)[0]
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    for axes, stratum in zip(panels, strata, strict=True):
        own = measured[measured["stratum"] == stratum].set_index("loss")
        for place, name in enumerate(names):
            if name in own.index:
                row, style = own.loc[name], styles[name]
                if np.isfinite(row["low"]):
                    axes.plot([row["low"], row["high"]], [place, place], color=style.color, linewidth=2)
                axes.plot(row[column], place, marker=style.marker, color=style.color, markersize=6)
        if reference in own.index:
            axes.axvline(own.loc[reference, column], color=MUTED, linestyle=":", linewidth=1.2)
        axes.set_title(stratum_title(stratum))
        axes.set_xlabel(label)
        axes.grid(True, axis="x")
    said = f"dotted: {reference}" if reference in set(measured["loss"]) else ""
    return finish(figure, title, _behind(measured, said, caption), miniature=miniature)


@plot
def border_profile(
    profile: pd.DataFrame, title: str = "What padding does to the border of the feature maps", caption: str = "",
    miniature: bool = False,
):  # fmt: skip
    """Left and right border of the maps, column by column inwards, for several paddings.

    Args:
        profile: of `loss_analysis.map_borders.border_profile`: rows ``padding, side, distance_px, alike, changed,
            attraction, frames``.
        title, caption: texts.
        miniature: mark it as such.

    Raises:
        DataError: missing columns or no rows.
    """
    require_columns(profile, ["padding", "side", "distance_px", *BORDER_MEASURES, "frames"], "border_profile")
    styles = method_styles(profile["padding"])
    figure = new_figure(6.6)
    panels = figure.subplots(len(BORDER_MEASURES), 2, sharex="col", sharey="row", squeeze=False)
    for row, (column, label) in zip(panels, BORDER_MEASURES.items(), strict=True):
        for axes, side in zip(row, ("left", "right"), strict=True):
            for index, (name, style) in enumerate(styles.items()):
                own = profile[(profile["side"] == side) & (profile["padding"] == name)].sort_values("distance_px")
                axes.plot(own["distance_px"], own[column], color=style.color, marker=style.marker,
                          linestyle=("-", "--", ":")[index % 3], markersize=4, label=style.label)  # fmt: skip
            axes.grid(True)
            if column == "attraction":
                axes.axhline(0, color=MUTED, linewidth=1)
        row[0].set_ylabel(label)
    panels[0, 0].set_title("left border of the image")
    panels[0, 1].set_title("right border of the image")
    panels[-1, 0].set_xlabel("px from the left edge")
    panels[-1, 1].set_xlabel("px from the right edge")
    # as in the picture: the right edge is on the right
    panels[-1, 1].invert_xaxis()
    legend_row(figure)
    said = "below: above 0, disparity zero is cheaper than the true one" + (f" · {caption}" if caption else "")
    return finish(figure, title, f"{count(int(profile['frames'].max()), 'frame')} · {said}", miniature=miniature)


def _few(rows: pd.DataFrame, what: str) -> list[str]:
    strata = in_order(rows["stratum"])
    if len(strata) > MOST_PANELS:
        raise DataError(f"{what} takes at most {MOST_PANELS} strata ({len(strata)} given)")
    return strata


def _behind(rows: pd.DataFrame, *said: str) -> str:
    """How many frames, and whether the intervals say anything."""
    frames = int(rows["frames"].max())
    interval = "95% intervals over frames" if np.isfinite(rows["low"]).any() else "one frame has no interval"
    return " · ".join(part for part in (count(frames, "frame"), interval, *said) if part)
