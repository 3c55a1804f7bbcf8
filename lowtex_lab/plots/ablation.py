"""The ablation seed by seed: every combination of changes, and the sweep of a weight."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots.saving import plot
from lowtex_lab.plots.style import (
    INK,
    METHODS,
    MUTED,
    finish,
    legend_row,
    log_axis,
    loss_styles,
    method_dots,
    method_lines,
    new_figure,
    note,
    stratum_title,
)
from lowtex_lab.plots.tidy import (
    counted,
    is_miniature,
    metric_label,
    metric_name,
    require_columns,
    require_few_strata,
    seed_count,
)
from lowtex_lab.studies.stats.tuning import SWEEP, chosen_weights

ORANGE = "#D55E00"

FAR_OFF = 2.2
"""Times the median error: what lies above is marked at the top of `weight_curves`, with its value in the note."""

OTHER = "#7f8c99"
"""Colour of cells that are neither all old nor all new."""


@plot
def weight_curves(
    sweep: pd.DataFrame,
    weight_name: str = "smoothness weight",
    metric: str = "abs_rel",
    title: str = "Each data term at its own best smoothness weight",
    caption: str = "",
    miniature: bool = False,
):
    """A validation error against a weight of the loss, a curve a method, the chosen weight marked.

    Args:
        sweep: rows ``method, weight, seed, error`` (`studies.stats.tuning.SWEEP`) and ``images`` if known; weight 0 is
            drawn left of the others.
        weight_name: what is varied.
        metric: of the errors.
        title, caption: texts.
        miniature: mark it as such (also where the rows say so).

    Raises:
        DataError: as `lowtex_lab.studies.stats.tuning.chosen_weights`; or no weight above 0.
    """
    what = "weight_curves"
    require_columns(sweep, SWEEP, what)
    chosen = chosen_weights(sweep).set_index("method")
    weights = sorted(set(sweep["weight"]))
    positive = [weight for weight in weights if weight > 0]
    if not positive:
        raise DataError(f"{what}: no weight above 0 was tried")
    step = (positive[1] / positive[0]) if len(positive) > 1 else 3.0
    zero = positive[0] / max(step, 2.0) ** 1.3
    figure = new_figure(4.2)
    axes = figure.subplots()
    # one training that did not learn would press all others together
    top = FAR_OFF * float(sweep["error"].median())
    beyond = sweep.loc[sweep["error"] > top, "error"]
    sweep = sweep.assign(at=sweep["weight"].where(sweep["weight"] > 0, zero), method=sweep["method"].astype(str))
    for name, style in loss_styles(sweep["method"]).items():
        own, best = sweep[sweep["method"] == name], chosen.loc[name]
        behind = f", {count(int(best['seeds']), 'seed')}" if chosen["seeds"].nunique() > 1 else ""
        label = f"{style.label}: {best['weight']:g} chosen ({best['error']:.3f}{behind})"
        label += " at the end" if best["at_end"] else ""
        method_dots(axes, own, "at", "error", style, marker="o", markersize=3.5, alpha=0.45, markeredgewidth=0)
        far = own[own["error"] > top].assign(error=0.97 * top)
        method_dots(axes, far, "at", "error", style, marker="^", markersize=8)
        method_lines(axes, own, "at", "error", "method", {name: replace(style, label=label)})
        place = best["weight"] if best["weight"] > 0 else zero
        ring = {"markersize": 16, "markerfacecolor": "none", "markeredgecolor": style.color, "markeredgewidth": 1.8}
        axes.plot(place, best["error"], marker="o", **ring)
    axes.set_xscale("log")
    places = [weight if weight > 0 else zero for weight in weights]
    axes.set_xticks(places, [f"{weight:g}" for weight in weights])
    axes.set_xticks([], minor=True)
    axes.set_xlim(places[0] / 1.6, places[-1] * 1.6)
    log_axis(axes.yaxis, [*sweep["error"].clip(upper=top), float(sweep["error"].min()) / 1.06])
    if len(beyond):
        axes.set_ylim(top=top)
    axes.grid(True)
    axes.set(xlabel=weight_name, ylabel=metric_label(metric).replace("\n", " on validation scenes\n"))
    # each label holds a weight and an error: more than two in a row would not fit
    legend_row(figure, 2)
    said = [counted(chosen["seeds"], "seed"), count(int(sweep["images"].max()), "image") if "images" in sweep else ""]
    said += ["rings: the weight of the smallest mean over seeds", "small dots: single seeds"]
    said.append(f"triangles: single seeds above the axis, up to {beyond.max():.2f}" if len(beyond) else "")
    said.append("at the end: a weight beyond those tried may be better" if chosen["at_end"].any() else "")
    return finish(figure, title, *said, caption, miniature=miniature or is_miniature(sweep))


@plot
def factorial_cells(
    errors: pd.DataFrame,
    factors: Mapping[str, Sequence[str]],
    cells: Mapping[str, Mapping[str, str]],
    names: Mapping[str, str] | None = None,
    title: str = "Every combination of the changes, best first",
    caption: str = "",
    miniature: bool = False,
):
    """Each cell's error, a dot a seed and a bar their mean, a row a stratum; below, filled marks for new levels.

    Cells are sorted by their mean in the first stratum. Trainings that did not learn are crosses at the upper edge and
    count in no mean.

    Args:
        errors: of `studies.stats.effects.seed_errors` of all cells: rows ``experiment, seed, stratum, metric, error,
            images``, at most three strata; ``learnt`` (False: did not) if known.
        factors: factor -> (old level, new level).
        cells: experiment -> factor -> level.
        names: cell -> a name it is known by, written at its mark.
        title, caption: texts.
        miniature: mark it as such (also where the rows say so).

    Raises:
        DataError: missing columns, no rows, a cell without rows, several metrics, too many strata.
    """
    what = "factorial_cells"
    require_columns(errors, ["experiment", "seed", "stratum", "metric", "error", "images"], what)
    strata = require_few_strata(errors, what)
    if absent := [name for name in cells if name not in set(errors["experiment"])]:
        raise DataError(f"{what}: no rows of {', '.join(absent)}")
    learnt = errors["learnt"].astype(bool) if "learnt" in errors else pd.Series(True, errors.index)
    good = errors[learnt]
    means = good[good["stratum"] == strata[0]].groupby("experiment")["error"].mean()
    order = sorted(cells, key=lambda name: (float(means.get(name, np.inf)), name))
    heights = [1.9] * len(strata) + [0.27 * len(factors) + 0.25]
    figure = new_figure(1.1 + sum(heights))
    rows = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    for axes, stratum in zip(rows, strata, strict=False):
        own, fine = errors[errors["stratum"] == stratum], good[good["stratum"] == stratum]
        log_axis(axes.yaxis, [*fine["error"], fine["error"].max() * 1.09])
        for place, name in enumerate(order):
            values = fine.loc[fine["experiment"] == name, "error"].to_numpy(float)
            failed = int((own["experiment"] == name).sum()) - len(values)
            _cell(axes, place, values, failed, _cell_color(cells[name], factors))
        axes.set_title(stratum_title(stratum))
        axes.set_ylabel(metric_name(own["metric"].iloc[0]))
        axes.grid(True, axis="y")
        axes.tick_params(axis="x", length=0)
    _marks(rows[-1], order, factors, cells, names or {})
    said = [seed_count(errors), "dots: single seeds, bars and numbers: their means, logarithmic axis"]
    said.append("filled: the new level of a factor, open: the old one; grey: all old, blue: all new")
    if not learnt.all():
        trainings = errors[~learnt][["experiment", "seed"]].drop_duplicates()
        said.append(f"crosses: {count(len(trainings), 'training')} that did not learn, off the scale and in no mean")
    return finish(figure, title, *said, caption, miniature=miniature or is_miniature(errors))


def _cell(axes, place: int, values: np.ndarray, failed: int, color: str) -> None:
    spread = place + 0.09 * (np.arange(len(values)) - (len(values) - 1) / 2)
    axes.plot(spread, values, linestyle="", marker="o", markersize=4, color=color, alpha=0.8, markeredgewidth=0)
    if len(values):
        bar = {"linewidth": 2.4, "alpha": 0.6, "solid_capstyle": "butt"}
        axes.plot([place - 0.36, place + 0.36], [values.mean()] * 2, color=color, **bar)
        look = {"ha": "center", "va": "baseline", "fontsize": 8, "color": INK}
        note(axes, f"{values.mean():.3f}", (place, values.max()), (0, 5), **look)
    if not failed:
        return
    crosses = place + 0.18 * (np.arange(failed) - (failed - 1) / 2)
    look = {"marker": "x", "markersize": 6, "markeredgewidth": 1.8, "color": ORANGE, "clip_on": False}
    axes.plot(crosses, np.full(failed, 0.985), transform=axes.get_xaxis_transform(), linestyle="", **look)


def _marks(axes, order, factors, cells, names) -> None:
    at = {"xycoords": ("axes fraction", "data"), "annotation_clip": False}
    for row, (factor, (old, new)) in enumerate(factors.items()):
        axes.axhline(row, color="#ececec", linewidth=8, zorder=0)
        for place, name in enumerate(order):
            face = INK if cells[name][factor] == new else "white"
            look = {"markersize": 8, "markeredgewidth": 1.3, "color": INK, "markerfacecolor": face}
            axes.plot(place, row, linestyle="", marker="o", zorder=2, **look)
        note(axes, f"{factor}: {new}", (0, row), (-8, 0), ha="right", **at)
        note(axes, f"open: {old}", (1, row), (6, 0), ha="left", color=MUTED, **at)
    axes.set_ylim(len(factors) - 0.4, -0.6)
    axes.set_xlim(-0.7, len(order) - 0.3)
    axes.set_yticks([])
    axes.set_xticks(range(len(order)), [names.get(name, "") for name in order], fontsize=8.5, fontweight="bold")
    axes.tick_params(axis="x", length=0)
    axes.spines[:].set_visible(False)


def _cell_color(cell: Mapping[str, str], factors: Mapping[str, Sequence[str]]) -> str:
    new = {cell[name] == levels[1] for name, levels in factors.items()}
    return OTHER if len(new) > 1 else METHODS["ours" if new == {True} else "baseline"].color
