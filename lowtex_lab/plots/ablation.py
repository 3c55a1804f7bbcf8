"""The ablation seed by seed: methods side by side, every combination of changes, and one change after the other."""

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
    MethodStyle,
    finish,
    legend_row,
    log_axis,
    loss_styles,
    method_dots,
    method_lines,
    method_styles,
    new_figure,
    note,
    strata_panels,
    stratum_title,
)
from lowtex_lab.plots.tidy import (
    counted,
    in_order,
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
def paired_dots(
    table: pd.DataFrame,
    methods: Sequence[str] | None = None,
    title: str = "The same seeds, method by method",
    caption: str = "",
    miniature: bool = False,
):
    """Each seed's error under each method, joined by a line: a line that falls is a seed that gained.

    Args:
        table: of `stats.effects.seed_errors`: rows ``experiment, seed, stratum, metric, error, images``, at most
            three strata.
        methods: which, from left to right; None = all, as they come.
        title, caption: texts.
        miniature: mark it as such (also where the rows say so).

    Raises:
        DataError: missing columns, no rows, an unknown method, several metrics, too many strata, or two errors of
            one seed.
    """
    what = "paired_dots"
    require_columns(table, ["experiment", "seed", "stratum", "metric", "error", "images"], what)
    there = list(dict.fromkeys(table["experiment"].astype(str)))
    methods = there if methods is None else list(methods)
    if unknown := [name for name in methods if name not in there]:
        raise DataError(f"{what}: no rows of {', '.join(unknown)}; there are: {', '.join(there)}")
    table = table[table["experiment"].isin(methods)]
    if table["metric"].nunique() > 1 or table.duplicated(["experiment", "seed", "stratum"]).any():
        raise DataError(f"{what} takes one metric and one error of each seed")
    styles = method_styles(methods)
    figure, panels = strata_panels(table, what, 4.1)
    table = table.assign(at=table["experiment"].map(methods.index))
    for stratum, axes in panels.items():
        own = table[table["stratum"] == stratum]
        joined = own.pivot(index="seed", columns="at", values="error").reindex(columns=range(len(methods)))
        for values in joined.to_numpy(float):
            axes.plot(range(len(methods)), values, color="#b5b5b5", linewidth=1)
        for place, name in enumerate(methods):
            method_dots(axes, own[own["experiment"] == name], "at", "error", styles[name])
            _mean(axes, joined[place].dropna(), place, styles[name].color, "x", 0.3)
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
            look = {"ha": "center", "va": "baseline", "fontsize": 9, "color": INK, "bbox": box}
            note(axes, f"{joined[place].mean():.3f}", (place, joined[place].max()), (0, 7), **look)
        long = len(methods) * len(panels) > 4
        turned = {"rotation": 28, "ha": "right", "rotation_mode": "anchor"} if long else {}
        axes.set_xticks(range(len(methods)), [styles[name].label for name in methods], **turned)
        axes.set_xlim(-0.5, len(methods) - 0.5)
        axes.grid(True, axis="y")
    first = next(iter(panels.values()))
    first.set_ylim(0, float(table["error"].max()) * 1.13)
    first.set_ylabel(metric_label(str(table["metric"].iloc[0])))
    said = [seed_count(table), "dots: single seeds, joined by a line each", "bars and numbers: their means", caption]
    return finish(figure, title, *said, miniature=miniature or is_miniature(table))


def _mean(axes, values, place: float, color: str, along: str, half: float) -> None:
    """A bar at the mean of some values, across the axis ``along`` which methods stand."""
    if len(values):
        across, ends = [float(np.mean(values))] * 2, [place - half, place + half]
        x, y = (ends, across) if along == "x" else (across, ends)
        axes.plot(x, y, color=color, linewidth=2.4, alpha=0.6, solid_capstyle="butt", zorder=1)


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
        _mean(axes, values, place, color, "x", 0.36)
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


@plot
def ablation_ladder(
    errors: pd.DataFrame,
    steps: pd.DataFrame,
    rungs: Sequence[str],
    title: str = "One change after the other",
    caption: str = "",
    miniature: bool = False,
):
    """Errors of rows of a table in its order, top to bottom, and between two of them the step with its interval.

    Args:
        errors: of `studies.stats.effects.seed_errors`: rows ``experiment, seed, stratum, metric, error, images``, at
            most three strata.
        steps: of `studies.stats.effects.compare` of neighbouring rows: ``method, reference, stratum, ratio, low, high,
            verdict``; ``verdict_corrected`` is taken where there.
        rungs: the rows, first to last.
        title, caption: texts.
        miniature: mark it as such (also where the rows say so).

    Raises:
        DataError: missing columns, no rows, a rung without rows, a step that is missing, too many strata.
    """
    what = "ablation_ladder"
    require_columns(errors, ["experiment", "seed", "stratum", "metric", "error", "images"], what)
    require_columns(steps, ["method", "reference", "stratum", "ratio", "low", "high", "verdict"], what)
    require_few_strata(errors, what)
    judged = "verdict_corrected" if "verdict_corrected" in steps else "verdict"
    by_pair = {(row["method"], row["reference"], row["stratum"]): row for row in steps.to_dict("records")}
    styles = method_styles(rungs)
    figure, panels = strata_panels(errors, what, 1.5 + 0.78 * len(rungs))
    for stratum, axes in panels.items():
        for place, name in enumerate(rungs):
            own = errors[(errors["stratum"] == stratum) & (errors["experiment"] == name)]
            if own.empty:
                raise DataError(f"{what}: no rows of {name} in {stratum} pixels")
            method_dots(axes, own.assign(place=place), "error", "place", styles[name])
            _mean(axes, own["error"], place, styles[name].color, "y", 0.24)
            note(axes, f"{own['error'].mean():.3f}", (own["error"].max(), place), (7, 0), fontsize=9, color=INK)
            if place:
                _step(axes, place - 0.5, by_pair.get((name, rungs[place - 1], stratum)), judged, what, name)
        log_axis(axes.xaxis, [*errors["error"], float(errors["error"].max()) * 1.12])
        axes.set_xlabel(metric_label(str(errors["metric"].iloc[0])).replace("\n", " "))
        axes.grid(True, axis="x")
        axes.tick_params(axis="y", length=0)
    axes.set_yticks(range(len(rungs)), [styles[name].label for name in rungs])
    axes.set_ylim(len(rungs) - 0.5, -0.5)
    step = "between two rows: the lower one's error over the upper one's, 95% interval over seeds and images"
    said = [seed_count(errors), step, "dots: single seeds, bars and numbers: their means", caption]
    return finish(figure, title, *said, miniature=miniature or is_miniature(errors))


def _step(axes, height: float, row: dict | None, judged: str, what: str, name: str) -> None:
    if row is None:
        raise DataError(f"{what}: no step to {name}; compare each row with the one above it")
    known = np.isfinite(row["low"]) and np.isfinite(row["high"])
    interval = f" [{row['low']:.2f}, {row['high']:.2f}]" if known else ""
    # "cannot be judged: one seed" is too long for the gap between two rows
    verdict = str(row[judged]).partition(":")[0]
    color = {"helps": METHODS["ours"].color, "harms": ORANGE}.get(verdict, MUTED)
    at = {"xycoords": ("axes fraction", "data"), "ha": "right", "color": color}
    note(axes, f"× {row['ratio']:.2f}{interval}  {verdict}", (0.985, height), **at)


@plot
def order_effects(
    steps: pd.DataFrame,
    credits: pd.DataFrame,
    title: str = "What a change is credited with depends on when it is added",
    caption: str = "",
    miniature: bool = False,
):
    """Each change's step after every set of others, a panel a change and a row a stratum; the line is its credit.

    Args:
        steps: of `lowtex_lab.studies.stats.shapley.order_steps`, at most two strata.
        credits: of `lowtex_lab.studies.stats.shapley.order_credits`.
        title, caption: texts.
        miniature: mark it as such (also where the rows say so).

    Raises:
        DataError: missing columns, no rows, or too many strata.
    """
    what = "order_effects"
    needed = ["change", "before", "place", "orders", "ratio", "stratum", "seeds", "images", "metric"]
    require_columns(steps, needed, what)
    require_columns(credits, ["effect", "stratum", "ratio", "low", "high", "orders"], what)
    strata, changes = in_order(steps["stratum"]), list(dict.fromkeys(steps["change"]))
    if len(strata) > 2:
        raise DataError(f"{what} takes at most 2 strata ({len(strata)} given)")
    credited = credits.set_index(["stratum", "effect"])
    sizes = credited.loc[strata[0]].loc[changes, "ratio"].map(np.log).abs()
    largest = str(sizes.idxmax())
    after = steps["before"].str.split(" + ", regex=False).map(lambda names: largest in names)
    looks = {
        f"{largest} still old": (~after & (steps["change"] != largest), METHODS["encoder"], -0.1),
        f"{largest} new already": (after, METHODS["ours"], 0.1),
        f"{largest} itself": (steps["change"] == largest, MethodStyle("", "#555555", "D"), 0.0),
    }
    figure = new_figure(1.4 + 2.3 * len(strata))
    grid = figure.subplots(len(strata), len(changes), sharex=True, sharey=True, squeeze=False)
    for row, stratum in enumerate(strata):
        for axes, change in zip(grid[row], changes, strict=True):
            here, line = (steps["stratum"] == stratum) & (steps["change"] == change), credited.loc[(stratum, change)]
            if np.isfinite(line["low"]):
                axes.axhspan(line["low"], line["high"], color="#dfe6ee", linewidth=0)
            axes.axhline(line["ratio"], color=MUTED, linewidth=1.6, linestyle="--", label="credit, with its interval")
            axes.axhline(1, color=INK, linewidth=0.8)
            for said, (mask, style, side) in looks.items():
                if (here & mask).any():
                    points = steps[here & mask].assign(place=lambda table, by=side: table["place"] + by)
                    method_dots(axes, points, "place", "ratio", style, label=said, alpha=0.85)
            where = f"\n{stratum_title(stratum)}" if len(strata) > 1 else ""
            axes.set_title(f"{change}: × {line['ratio']:.2f}{where}")
            axes.grid(True, axis="y")
            log_axis(axes.yaxis, [*steps["ratio"], *credits.loc[np.isfinite(credits["low"]), "ratio"], 1.0])
    for axes in grid[-1]:
        axes.set_xticks(range(1, len(changes) + 1))
        axes.set_xlim(0.5, len(changes) + 0.5)
        axes.set_xlabel("added as number …")
    for axes in grid[:, 0]:
        axes.set_ylabel("step: ratio of errors")
    legend_row(figure)
    behind = f"{count(int(steps['seeds'].max()), 'seed')}, {count(int(steps['images'].max()), 'image')}"
    said = [metric_name(steps["metric"].iloc[0]), behind]
    orders = f"{len(steps) // len(strata)} in all, which make up {int(credits['orders'].max())} orders"
    said += [f"a point: the step after one set of other changes, {orders}", "below 1 the change helps", caption]
    return finish(figure, title, *said, miniature=miniature or is_miniature(steps))
