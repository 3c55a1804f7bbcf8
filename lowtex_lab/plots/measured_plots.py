"""What was measured inside networks: a quantity from stage to stage, and beside an error."""

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots.curves import loss_styles
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import MUTED, finish, legend_row, method_styles, new_figure
from lowtex_lab.plots.tidy import is_miniature, require_columns

MOST_PANELS = 6
COLUMNS = 3
_CHARACTERS = 114
"""Of a text as wide as the figure."""


@plot
def stage_lines(
    measured: pd.DataFrame,
    titles: Mapping[str, str],
    title: str,
    caption: str = "",
    even: Mapping[str, float] | None = None,
    miniature: bool = False,
):
    """A quantity of every stage of an encoder, a panel a quantity, a line an experiment, a dot a seed.

    Args:
        measured: rows ``experiment, seed, stage, quantity, value, images``, one value for each place.
        titles: quantity -> what stands above its panel; these are drawn, in this order, at most six.
        title, caption: texts.
        even: quantity -> a known value to draw dotted, such as the share that would be even.
        miniature: mark it as such (also where the rows say so).

    Raises:
        DataError: missing columns, no rows of a quantity, two values for one place, or too many quantities.
    """
    what = "stage_lines"
    require_columns(measured, ["experiment", "seed", "stage", "quantity", "value", "images"], what)
    measured = measured[measured["quantity"].isin(list(titles))]
    if absent := [name for name in titles if name not in set(measured["quantity"])]:
        raise DataError(f"{what}: nothing was measured of {', '.join(absent)}")
    if len(titles) > MOST_PANELS or measured.duplicated(["experiment", "seed", "stage", "quantity"]).any():
        raise DataError(f"{what} takes at most {MOST_PANELS} quantities and one value of each seed and stage")
    styles = method_styles(measured["experiment"])
    stages = sorted(set(measured["stage"]))
    columns = min(len(titles), COLUMNS)
    rows = -(-len(titles) // columns)
    figure = new_figure(1.2 + 2.7 * rows)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False)
    for axes, (quantity, heading) in zip(panels.flat, titles.items(), strict=False):
        inside = measured[measured["quantity"] == quantity]
        for index, (name, style) in enumerate(styles.items()):
            own = inside[inside["experiment"].astype(str) == name]
            # side by side, so that the seeds of one experiment do not hide another's
            aside = 0.12 * (index - (len(styles) - 1) / 2) / max(len(styles) - 1, 1)
            axes.plot(own["stage"] + aside, own["value"], linestyle="", marker="o", markersize=3.5, color=style.color,
                      alpha=0.5, markeredgewidth=0)  # fmt: skip
            means = own.groupby("stage")["value"].mean()
            axes.plot(means.index + aside, means, color=style.color, linestyle=style.linestyle, marker=style.marker,
                      markersize=5.5, label=style.label)  # fmt: skip
        if even and quantity in even:
            axes.axhline(even[quantity], color=MUTED, linewidth=1, linestyle=":")
        axes.set_title(_in_panel(heading, columns))
        axes.set_xticks(stages)
        axes.set_ylim(min(0.0, float(inside["value"].min()) * 1.1), max(1.0, float(inside["value"].max())) * 1.05)
        axes.grid(True)
    for blank in panels.flat[len(titles) :]:
        blank.set_axis_off()
    for axes in panels.flat[max(len(titles) - columns, 0) : len(titles)]:
        axes.set_xlabel("stage")
        axes.tick_params(labelbottom=True)
    legend_row(figure)
    return finish(figure, title, _behind(measured, caption), miniature=miniature or is_miniature(measured))


@plot
def scatter_panels(
    points: pd.DataFrame,
    y_label: str,
    title: str,
    caption: str = "",
    mark: tuple[float, float] | None = None,
    miniature: bool = False,
):
    """One quantity against several others: a panel each, a dot a row, a colour a name.

    Args:
        points: rows ``panel, x, y, name``; ``panel`` is what the horizontal axis of its panel is called (at most six);
            the names ``pixels`` and ``features`` have the colours of these losses.
        y_label, title, caption: texts.
        mark: (x, y) that say "no difference", drawn as lines.
        miniature: mark it as such (also where the rows say so).

    Raises:
        DataError: missing columns, no rows, too many panels, or a value that is not finite.
    """
    what = "scatter_panels"
    require_columns(points, ["panel", "x", "y", "name"], what)
    headings = list(dict.fromkeys(points["panel"].astype(str)))
    if len(headings) > MOST_PANELS or not np.isfinite(points[["x", "y"]].to_numpy(float)).all():
        raise DataError(f"{what} takes at most {MOST_PANELS} panels ({len(headings)} given) of finite numbers")
    styles = loss_styles(points["name"])
    columns = min(len(headings), COLUMNS)
    rows = -(-len(headings) // columns)
    figure = new_figure(1.2 + 2.9 * rows)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, heading in zip(panels.flat, headings, strict=False):
        inside = points[points["panel"].astype(str) == heading]
        if mark is not None:
            axes.axvline(mark[0], color=MUTED, linewidth=1, linestyle=":")
            axes.axhline(mark[1], color=MUTED, linewidth=1, linestyle=":")
        for name, style in styles.items():
            own = inside[inside["name"].astype(str) == name]
            axes.plot(own["x"], own["y"], linestyle="", marker=style.marker, markersize=6, color=style.color,
                      markeredgecolor="white", markeredgewidth=0.6, label=style.label)  # fmt: skip
        axes.set_xlabel(_in_panel(heading, columns))
        axes.margins(0.08)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.grid(True)
    for blank in panels.flat[len(headings) :]:
        blank.set_axis_off()
    for row in panels:
        row[0].set_ylabel(y_label)
    if len(styles) > 1:
        legend_row(figure)
    return finish(figure, title, caption, miniature=miniature or is_miniature(points))


def _in_panel(text: str, columns: int) -> str:
    """Break a text so that it fits over or under one of several panels side by side."""
    return textwrap.fill(text, _CHARACTERS // columns, break_long_words=False)


def _behind(measured: pd.DataFrame, caption: str) -> str:
    seeds = measured.groupby("experiment")["seed"].nunique()
    few, many = int(seeds.min()), int(seeds.max())
    counted = count(many, "seed") if few == many else f"{few} to {many} seeds"
    dots = "dots: single seeds, lines: their means" if many > 1 else "no spread is known"
    said = [f"{counted}, {count(int(measured['images'].max()), 'image')}", dots, caption]
    return " · ".join(part for part in said if part)
