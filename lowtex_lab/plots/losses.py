"""What data terms and smoothness see: at a pixel, by texture, from far away, over many frames, along a scan line."""

import numpy as np
import pandas as pd

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots.effects import draw_interval
from lowtex_lab.plots.saving import plot
from lowtex_lab.plots.style import (
    METHODS,
    MUTED,
    TRUTH,
    finish,
    legend_row,
    loss_styles,
    method_dots,
    new_figure,
    panel_rows,
    strata_panels,
)
from lowtex_lab.plots.tidy import require_columns

MOST_ROWS, MOST_COLUMNS = 4, 6


@plot
def loss_landscape(
    curves: pd.DataFrame,
    truth_px: float | None = None,
    title: str = "What each loss sees as the disparity varies",
    caption: str = "",
    relative: bool = True,
    miniature: bool = False,
):
    """A loss at one pixel (or patch) against the disparity tried there; a panel for each place.

    Every curve is divided by the largest value that its loss takes in any panel, so that losses of different units
    share an axis and a loss that is flat on a white wall looks flat.

    Args:
        curves: rows ``loss, disparity_px, value`` with, if there are several places, ``place`` and ``truth_px``.
        truth_px: the true disparity, where the rows do not say.
        title, caption: texts.
        relative: False shows the values as they are.
        miniature: mark it as such.

    Raises:
        DataError: missing columns or no rows.
    """
    require_columns(curves, ["loss", "disparity_px", "value"], "loss_landscape")
    if "place" not in curves.columns:
        curves = curves.assign(place="")
    places = list(dict.fromkeys(curves["place"].astype(str)))
    if relative:
        scale = curves.groupby("loss")["value"].transform("max")
        curves = curves.assign(value=curves["value"] / scale.replace(0.0, 1.0))
    figure, panels = panel_rows(len(places), 2.4 if len(places) <= 3 else 2.3, sharey=relative)
    for axes, place in zip(panels, places, strict=True):
        inside = curves[curves["place"].astype(str) == place]
        for index, (name, style) in enumerate(loss_styles(curves["loss"]).items()):
            curve = inside[inside["loss"] == name].sort_values("disparity_px")
            if len(curve):
                look = {"color": style.color, "linestyle": style.linestyle, "label": style.label}
                axes.plot(curve["disparity_px"], curve["value"], **look)
                best = curve.loc[[curve["value"].idxmin()]]
                lowest = {"marker": "v", "markersize": max(11 - 4 * index, 5), "markeredgewidth": 0}
                method_dots(axes, best, "disparity_px", "value", style, **lowest)
        true = inside["truth_px"].dropna() if "truth_px" in inside.columns else pd.Series(dtype=float)
        at = float(true.iloc[0]) if len(true) else truth_px
        if at is not None:
            axes.axvline(at, color=TRUTH, linestyle="--", linewidth=1.3, label="true disparity")
        axes.set_title(place)
        axes.grid(True)
        axes.set_xlabel("disparity tried, in px")
        if relative:
            axes.set_ylim(0, 1.05)
    panels[0].set_ylabel("loss / its largest value\nin any panel" if relative else "loss")
    legend_row(figure)
    return finish(figure, title, "triangle: smallest value of the curve", caption, miniature=miniature)


@plot
def term_intervals(
    measured: pd.DataFrame,
    column: str,
    label: str,
    title: str,
    caption: str = "",
    reference: str = "pixels",
    miniature: bool = False,
):
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
    styles = loss_styles(measured["loss"])
    names = list(dict.fromkeys(measured["loss"].astype(str)))
    figure, panels = strata_panels(measured, what, 1.5 + 0.27 * len(names), most=4, sharex=True)
    for stratum, axes in panels.items():
        own = measured[measured["stratum"] == stratum].set_index("loss")
        for place, name in enumerate(names):
            if name in own.index:
                row, style = own.loc[name], styles[name]
                draw_interval(axes, place, row["low"], row["high"], style)
                axes.plot(row[column], place, marker=style.marker, color=style.color, markersize=6)
        if reference in own.index:
            axes.axvline(own.loc[reference, column], color=MUTED, linestyle=":", linewidth=1.2)
        axes.set_xlabel(label)
        axes.grid(True, axis="x")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    said = [*_frames(measured), f"dotted: {reference}" if reference in names else ""]
    return finish(figure, title, *said, caption, miniature=miniature)


def _frames(rows: pd.DataFrame) -> list[str]:
    """How many frames, and whether the intervals say anything."""
    interval = "95% intervals over frames" if np.isfinite(rows["low"]).any() else "one frame has no interval"
    return [count(int(rows["frames"].max()), "frame"), interval]


@plot
def scan_lines(
    bands: pd.DataFrame, title: str = "What each order of smoothness fills in", caption: str = "", y_label: str = ""
):
    """Disparity along scan lines: a column a line, a row a choice of terms; known pixels are shaded.

    Args:
        bands: of `studies.loss_analysis.smoothness_toys.band_table`: rows ``line, terms, x, truth_px, known, low, high,
            inside``, at most six lines and four choices of terms.
        title, caption: texts.
        y_label: replaces ``disparity in px``.

    Raises:
        DataError: missing columns, no rows, or too many panels.
    """
    what = "scan_lines"
    require_columns(bands, ["line", "terms", "x", "truth_px", "known", "low", "high", "inside"], what)
    columns, rows = (list(dict.fromkeys(bands[name].astype(str))) for name in ("line", "terms"))
    if len(rows) > MOST_ROWS or len(columns) > MOST_COLUMNS:
        most = f"at most {MOST_COLUMNS} lines and {MOST_ROWS} choices of terms"
        raise DataError(f"{what} takes {most}, got {len(columns)} and {len(rows)}")
    color = METHODS["ours"].color
    figure = new_figure(1.3 + 1.65 * len(rows))
    panels = figure.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
    for (row, terms), (column, line) in [(a, b) for a in enumerate(rows) for b in enumerate(columns)]:
        axes = panels[row, column]
        own = bands[(bands["line"].astype(str) == line) & (bands["terms"].astype(str) == terms)].sort_values("x")
        if own.empty:
            axes.set_axis_off()
            continue
        x, known = own["x"].to_numpy(float), own["known"].to_numpy(bool)
        # in steps of whole pixels, across the whole height
        shade = {"step": "mid", "transform": axes.get_xaxis_transform(), "linewidth": 0, "zorder": 0}
        axes.fill_between(x, 0, 1, where=known, color="#e6e6e6", label="measured here", **shade)
        axes.fill_between(x, own["low"], own["high"], color=color, alpha=0.25, linewidth=0, label="equally cheap")
        axes.plot(x, own["truth_px"], color=TRUTH, linestyle="--", linewidth=1.4, label="truth")
        axes.plot(x, own["inside"], color=color, linewidth=1.7, label="one of the cheapest")
        error = np.abs(own["inside"] - own["truth_px"]).to_numpy(float)[~known]
        said = f"off by {error.mean():.2f} px" if error.size else ""
        axes.text(0.03, 0.97, said, transform=axes.transAxes, va="top", fontsize=8, color=MUTED)
    for axes, line in zip(panels[0], columns, strict=True):
        axes.set_title(line, fontsize=9.5)
    for axes, terms in zip(panels[:, 0], rows, strict=True):
        axes.set_ylabel(f"{terms}\n{y_label or 'disparity in px'}", fontsize=9)
    for axes in panels[-1]:
        axes.set_xlabel("pixel of the row", fontsize=9)
    low, high = float(bands[["low", "truth_px"]].min().min()), float(bands[["high", "truth_px"]].max().max())
    # room for the words
    panels[0, 0].set_ylim(low - 0.08 * (high - low), high + 0.22 * (high - low))
    legend_row(figure)
    return finish(figure, title, "off by: mean over the pixels between, of the line drawn", caption)
