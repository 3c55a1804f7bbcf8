"""Lines over a common axis, and when a run did what."""

import textwrap
from collections.abc import Mapping

import pandas as pd

from lowtex.progress import count
from lowtex_lab.plots import style, tidy
from lowtex_lab.plots.saving import plot


@plot
def line_panels(
    curves: pd.DataFrame,
    x_label: str,
    y_label: str,
    title: str = "",
    caption: str = "",
    mark_x: float | Mapping[str, float] | None = None,
    mark_label: str = "",
    from_zero: bool = True,
    miniature: bool = False,
    mark_y: float | Mapping[str, float] | None = None,
    columns: int = 3,
    share_y: bool = True,
    lowest: bool = False,
):
    """Lines over a common axis, one for each name, in one panel or several.

    Args:
        curves: rows ``x, y, name`` and, for several panels, ``panel``. Several rows of a name at one ``x`` (seeds) are
            dots, and the line is their mean; ``low`` and ``high``, where there, are drawn as a band. An ``x`` of text
            stands in reading order. Names of methods and of data terms have their own colours.
        x_label, y_label, title, caption: texts.
        mark_x, mark_label: a dashed line at a known true value, in all panels or by panel, and what it is.
        from_zero: the vertical axis begins at 0, or below where values are.
        miniature: mark it as such (also where the rows say so).
        mark_y: a known value to draw dotted, in all panels or by panel.
        columns: panels a row.
        share_y: all panels have one vertical axis.
        lowest: mark the smallest value of each line by a triangle.

    Raises:
        DataError: missing columns or no rows.
    """
    tidy.require_columns(curves, ["x", "y", "name"], "line_panels")
    curves = curves.assign(panel=curves["panel"].astype(str) if "panel" in curves.columns else "")
    names, styles = list(dict.fromkeys(curves["panel"])), style.loss_styles(curves["name"])
    steps = [] if pd.api.types.is_numeric_dtype(curves["x"]) else tidy.in_order(curves["x"])
    if steps:
        curves = curves.assign(x=curves["x"].map(steps.index))
    # side by side, so that the seeds of one name do not hide another's
    seeds = curves.duplicated(["panel", "name", "x"]).any()
    aside = {name: 0.12 * (k - (len(styles) - 1) / 2) / max(len(styles) - 1, 1) for k, name in enumerate(styles)}
    curves = curves.assign(x=curves["x"] + curves["name"].map(aside)) if seeds else curves
    figure, panels = style.panel_rows(len(names), 2.5, columns, sharex=True, sharey=share_y)
    for index, (axes, name) in enumerate(zip(panels, names, strict=True)):
        inside = curves[curves["panel"] == name].sort_values("x")
        style.method_lines(
            axes, inside, "x", "y", "name", styles, marker=None if len(inside) < 25 * len(styles) else ""
        )
        for label, own in inside.groupby(inside["name"].astype(str)):
            if {"low", "high"} <= set(own.columns):
                look = {"color": styles[label].color, "alpha": 0.15, "linewidth": 0}
                axes.fill_between(own["x"], own["low"].astype(float), own["high"].astype(float), **look)
            if lowest:
                best, turn = own.loc[[own["y"].idxmin()]], list(styles).index(label)
                mark = {"marker": "v", "markersize": max(11 - 4 * turn, 5), "markeredgewidth": 0, "zorder": 3 + turn}
                style.method_dots(axes, best, "x", "y", styles[label], **mark)
            if seeds:
                style.method_dots(axes, own, "x", "y", styles[label], marker="o", markersize=3.5, alpha=0.5)
        known = mark_y.get(name) if isinstance(mark_y, Mapping) else mark_y
        if known is not None:
            axes.axhline(known, color=style.MUTED, linestyle=":", linewidth=1.2)
        true = mark_x.get(name) if isinstance(mark_x, Mapping) else mark_x
        if true is not None:
            axes.axvline(true, color=style.TRUTH, linestyle="--", linewidth=1.3, label=mark_label or None)
        if steps:
            axes.set_xticks(range(len(steps)), map(tidy.bin_text, steps), rotation=25 if len(steps) > 4 else 0)
        # broken so that it fits over one of several panels side by side
        axes.set_title(textwrap.fill(name, 114 // min(len(names), columns, 3), break_long_words=False))
        axes.set(xlabel=x_label, ylabel="" if index % columns else y_label)
        axes.grid(True)
    for axes, name in zip(panels, names, strict=True) if from_zero else ():
        # after all lines are there: a limit that is set ends the axis's growing with them, in all panels
        own = curves if share_y else curves[curves["panel"] == name]
        top = float(own[own.columns.intersection(["y", "high"])].max().max())
        axes.set_ylim(1.1 * min(0.0, float(own["y"].min())), 1.05 * max(top, 0.0) or 1.0)
    if len(styles) > 1 or mark_label:
        style.legend_row(figure)
    return style.finish(figure, title, caption, miniature=miniature or tidy.is_miniature(curves))


@plot
def timeline(run: pd.DataFrame):
    """How long each task of a run took, and how much of it was training.

    Args:
        run: rows ``name, seconds, training_s``.

    Raises:
        DataError: missing columns or no rows.
    """
    tidy.require_columns(run, ["name", "seconds", "training_s"], "timeline")
    figure = style.new_figure(1.3 + 0.3 * len(run))
    axes = figure.subplots()
    bars = axes.barh(run["name"], run["seconds"], height=0.62, color="#0072B2", label="all else")
    axes.barh(run["name"], run["training_s"], height=0.62, color="#E69F00", label="training")
    axes.bar_label(bars, [_seconds(value) for value in run["seconds"]], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.13)
    axes.grid(True, axis="x")
    axes.set_xlabel("seconds")
    style.legend_row(figure)
    work = f"{_seconds(run['seconds'].sum())} of work, {_seconds(run['training_s'].sum())} of it training"
    return style.finish(figure, "Where the time went", count(len(run), "task"), work)


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 60 else f"{int(value // 60)} min {int(value % 60):02d} s"
