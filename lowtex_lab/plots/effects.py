"""Effects with their intervals, what they say of claims, how two changes act together; the ablation seed by seed, and
the sweep of a weight."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots import style, tidy
from lowtex_lab.plots.saving import plot
from lowtex_lab.studies.stats.tuning import SWEEP, chosen_weights

LOOKS = {verdict: style.MethodStyle(**look) for verdict, look in tidy.LOOK["verdicts"].items()}
"""Verdict on an effect, or what a comparison says of its claim -> how it is drawn: blue the error falls, or the claim
is borne out; orange the contrary; filled a verdict, `HOLLOW` none."""

HOLLOW = ("undecided", "points to yes", "points to no")

MOST_LINES = 45
"""Comparisons that one figure of claims can hold."""


@plot
def effect_forest(
    effects: pd.DataFrame,
    margin: float = 0.02,
    title: str = "What each change does to the error",
    caption: str = "",
    miniature: bool = False,
):
    """Ratios of errors with their intervals, a line an effect, a panel a stratum; left of 1 the error falls.

    Args:
        effects: of `stats.effects.compare` or `stats.factorial.factorial_effects`: rows
            ``effect, stratum, ratio, low, high, verdict, seeds, images, clusters, cluster, metric``, at most three
            strata; ``order`` draws a line between main effects and interactions, ``verdict_corrected`` is taken where
            there.
        margin: changes smaller than this do not matter; drawn as a band.
        title, caption: texts; what stands behind the numbers is always said.
        miniature: mark it as such (also where the rows say so).

    Raises:
        DataError: missing columns, no rows, too many strata, or an effect that comes twice in one stratum.
    """
    needed = "effect stratum ratio low high verdict seeds images clusters cluster metric"
    tidy.require_columns(effects, needed.split(), "effect_forest")
    if effects.duplicated(["effect", "stratum"]).any():
        raise DataError("effect_forest takes each effect once in each stratum")
    names = list(dict.fromkeys(effects["effect"].astype(str)))
    judged = "verdict_corrected" if "verdict_corrected" in effects else "verdict"
    # of what cannot be judged the verdict says why
    effects = effects.assign(look=effects[judged].astype(str).str.partition(":")[0])
    figure, panels = style.strata_panels(effects, "effect_forest", 1.75 + 0.27 * len(names), sharex=True)
    first = next(iter(panels.values()))
    _keys(first, effects["look"])
    ends = [effects[name][np.isfinite(effects[name])] for name in ("ratio", "low", "high")]
    ends = np.concatenate([*ends, [1 - 2 * margin, 1 + 2 * margin]])
    # room for the numbers beside the intervals
    room = np.exp(0.1 * len(panels) * np.log(ends.max() / ends.min()))
    for stratum, axes in panels.items():
        own = effects[effects["stratum"] == stratum]
        for row in own.itertuples():
            place = names.index(row.effect)
            _interval(axes, place, row, row.look)
            outer = {"helps": (row.low, -6, "right"), "harms": (row.high, 6, "left")}
            if row.look in outer:
                end, shift, side = outer[row.look]
                style.note(axes, f"{row.ratio:.2f}", (end, place), (shift, 0), ha=side, color=LOOKS[row.look].color)
        if "order" in effects and (main := int((own["order"] == 1).sum())) < len(names):
            axes.axhline(main - 0.5, color="#bbbbbb", linewidth=0.8)
        _ratio_axis(axes, margin, [ends.min() / room, ends.max() * room], {1: 9, 2: 6, 3: 4}[len(panels)])
        axes.set_xlabel("ratio of errors (left of 1: better)")
    first.set_yticks(range(len(names)), names, fontsize=9)
    first.set_ylim(len(names) - 0.4, -0.6)
    style.legend_row(figure, 6)
    said = [*_behind(effects), "ratio: error with the change / without it, with its 95% interval over seeds and images"]
    if "order" in effects and effects["order"].max() > 1:
        said.append("a × b below 1: the two together do more than each on its own says")
    if judged != "verdict":
        said.append(f"verdicts corrected for {count(int(effects['comparisons'].max()), 'comparison')}")
    return style.finish(figure, title, *said, caption, miniature=miniature or tidy.is_miniature(effects))


def _keys(axes, looks: pd.Series) -> None:
    """A line of the legend for each look that occurs."""
    for name, verdict in LOOKS.items():
        if (looks == name).any():
            _point(axes, [], [], name, label=verdict.label)


def _point(axes, x, y, name: str, **look: object) -> None:
    verdict = LOOKS[name]
    look = {"marker": verdict.marker, "color": verdict.color, "markersize": 5.5, "markeredgewidth": 1.5, **look}
    axes.plot(x, y, linestyle="", markerfacecolor="white" if name in HOLLOW else verdict.color, **look)


def _interval(axes, place: float, row, name: str, width: float = 2.2) -> None:
    """A ratio and its interval (``row.ratio, row.low, row.high``) in the look of what they say."""
    axes.plot([row.low, row.high], [place, place], color=LOOKS[name].color, linewidth=width, solid_capstyle="butt")
    _point(axes, row.ratio, place, name)


def _ratio_axis(axes, margin: float, values, ticks: int) -> None:
    """A logarithmic axis of ratios around 1, with a band of changes that do not matter."""
    axes.axvspan(1 - margin, 1 + margin, color="#e9e9e9", linewidth=0, label=f"changes under {margin:.0%}", zorder=0)
    axes.axvline(1, color=style.MUTED, linewidth=1, zorder=0)
    style.log_axis(axes.xaxis, values, ticks)
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)


def _behind(effects: pd.DataFrame) -> list[str]:
    """Metric, seeds, images, and what was drawn."""
    unit = str(effects["cluster"].iloc[0])
    images = tidy.counted(effects["images"], "image")
    units = "stretches of street" if unit == "stretch" else f"{unit}s"
    clusters = f"{images} drawn as {tidy.number_range(effects['clusters'])} {units}"
    drawn = {"fixed": f"{images}, images held fixed", "image": f"{images}, images drawn one by one"}.get(unit, clusters)
    metric = ", ".join(tidy.metric_name(name) for name in dict.fromkeys(effects["metric"]))
    return [metric, tidy.counted(effects["seeds"], "seed"), drawn]


@plot
def claim_effects(
    effects: pd.DataFrame, margin: float = 0.02, title: str = "What the numbers say of each claim", caption: str = ""
):
    """Ratios of errors with their intervals, a line a comparison, grouped by claim; left of 1 the error is smaller.

    Args:
        effects: of `studies.claims.Judged.effects`: rows ``claim, comparison, place, ratio, low, high, asked, says,
            firm, seeds, images, miniature``; lines without a ratio are left out, and their number is said.
        margin: changes smaller than this do not matter; drawn as a band.
        title, caption: texts; what stands behind the numbers is always said.

    Raises:
        DataError: missing columns, no line with a ratio, or more lines than can be read.
    """
    needed = ["claim", "comparison", "place", "ratio", "low", "high", "asked", "says", "firm", "seeds", "images"]
    tidy.require_columns(effects, [*needed, "miniature"], "claim_effects")
    known = effects[np.isfinite(effects["ratio"].astype(float))]
    if known.empty or len(known) > MOST_LINES:
        raise DataError(
            f"claim_effects takes 1 to {MOST_LINES} comparisons with a ratio, got {len(known)}; "
            "give it the claims of one source at a time"
        )
    claims = list(dict.fromkeys(known["claim"]))
    figure = style.new_figure(1.6 + 0.26 * (len(known) + 1.15 * len(claims)))
    axes = figure.subplots()
    _keys(axes, known["says"])
    stroke = {"linestyle": "", "marker": "|", "color": style.INK, "markersize": 9}
    if (known["asked"] != 1).any():
        axes.plot([], [], label="share that is asked for", **stroke)
    least, most = _limits(known, margin)
    labels, at = {}, 0.0
    for claim in claims:
        look = {"xycoords": ("axes fraction", "data"), "ha": "right", "fontsize": 10, "fontweight": "bold"}
        style.note(axes, claim, (0, at), (-6, 0), annotation_clip=False, **look)
        for row in known[known["claim"] == claim].itertuples():
            at += 1
            labels[at] = f"{row.comparison} · {row.place}"
            if row.asked != 1:
                axes.plot(row.asked, at, **stroke)
            cut = row._replace(low=max(row.low, least), high=min(row.high, most))
            _interval(axes, at, cut, row.says, 4.2 if row.firm else 1.6)
        at += 1.15
    axes.set_yticks(list(labels), list(labels.values()), fontsize=9)
    axes.set_ylim(at - 0.5, -0.7)
    _ratio_axis(axes, margin, [least, most], 9)
    axes.set_xlabel("error as a share of the other's (left of 1: smaller)")
    style.legend_row(figure, 4)
    absent = len(effects) - len(known)
    said = [tidy.counted(known["seeds"], "seed"), tidy.counted(known["images"], "image"), "lines: 95% intervals"]
    said.append(f"{count(absent, 'comparison')} without numbers left out" if absent else "")
    said.append("thick lines: firm, i.e. also by Holm's correction" if known["firm"].any() else "")
    points = known["says"].str.startswith("points").any()
    said.append("open marks in colour: the correction for many comparisons alone prevents a verdict" if points else "")
    return style.finish(figure, title, *said, caption, miniature=bool(known["miniature"].all()))


def _limits(known: pd.DataFrame, margin: float) -> tuple[float, float]:
    """An interval that knows next to nothing must not squeeze the others: it is cut at three times the widest ratio."""
    ratios = np.concatenate([known["ratio"], known["asked"], [1 - 3 * margin, 1 + 3 * margin]]).astype(float)
    ends = known[["low", "high"]].to_numpy(float)
    ends = ends[np.isfinite(ends)]
    least, most = ratios.min() / 1.1, ratios.max() * 1.1
    if len(ends):
        least, most = min(least, max(ends.min(), least / 3) / 1.05), max(most, min(ends.max(), most * 3) * 1.05)
    return float(least), float(most)


@plot
def interaction_plot(means: pd.DataFrame, title: str = "", caption: str = ""):
    """How two factors act together: the error at their four combinations, a panel a stratum; a dot a seed.

    On the logarithmic axis parallel lines say that each factor does the same whatever the other is set to.

    Args:
        means: of `studies.stats.factorial.interaction_means`: rows ``first, first_level, second, second_level, seed,
            stratum, metric, error, cells, images`` of one pair of factors, at most three strata.
        title, caption: texts.

    Raises:
        DataError: missing columns, no rows, too many strata, or several pairs of factors.
    """
    what = "interaction_plot"
    needed = ["first", "first_level", "second", "second_level", "seed", "stratum", "metric", "error", "cells", "images"]
    tidy.require_columns(means, needed, what)
    if len(means[["first", "second", "metric"]].drop_duplicates()) > 1:
        raise DataError(f"{what} takes one pair of factors and one metric")
    means = means.astype({"first_level": str, "second_level": str})
    first, second = means["first"].iloc[0], means["second"].iloc[0]
    levels, lines = (list(dict.fromkeys(means[f"{name}_level"])) for name in ("first", "second"))
    figure, panels = style.strata_panels(means, what, 4.0)
    for stratum, axes in panels.items():
        ends = []
        looks = ((style.METHODS["encoder"], "--", -1), (style.METHODS["ours"], "-", 1))
        for line, (method, dashes, side) in zip(lines, looks, strict=True):
            own = means[(means["stratum"] == stratum) & (means["second_level"] == line)]
            own = own.assign(at=own["first_level"].map(levels.index) + 0.03 * side, log=np.log(own["error"]))
            dots = own.assign(at=own["at"] + 0.05 * side)
            dot = {"marker": "o", "markersize": 4, "alpha": 0.55, "markeredgewidth": 0}
            style.method_dots(axes, dots, "at", "error", method, **dot)
            middle = np.exp(own.groupby("at")["log"].mean())
            look = {"color": method.color, "marker": method.marker, "markersize": 7, "linestyle": dashes}
            axes.plot(middle.index, middle, label=f"{second}: {line}", **look)
            change = f"{100 * (middle.iloc[-1] / middle.iloc[0] - 1):+.0f} %"
            ends.append((middle.iloc[-1], middle.index[-1], change, method.color))
        # the upper curve's number goes up and the lower one's down, so that they never meet
        for shift, (end, at, change, color) in zip((-7, 7), sorted(ends), strict=True):
            style.note(axes, change, (at, end), (24, shift), fontsize=9.5, color=color, fontweight="bold")
        axes.set_xticks(range(len(levels)), levels)
        axes.set_xlim(-0.35, len(levels) - 1 + 0.6)
        axes.set_xlabel(str(first))
        style.log_axis(axes.yaxis, means["error"])
        axes.grid(True, axis="y")
    next(iter(panels.values())).set_ylabel(tidy.metric_label(str(means["metric"].iloc[0])))
    style.legend_row(figure)
    cells = int(means["cells"].max())
    said = [tidy.seed_count(means), "small dots: single seeds" if means["seed"].nunique() > 1 else "no spread is known"]
    if cells > 1:
        said.append(f"each point: geometric mean of {count(cells, 'combination')} of the other changes")
    said += [f"in colour: what {first} does there", caption]
    title = title or f"Do {first} and {second} act together?"
    return style.finish(figure, title, *said, miniature=tidy.is_miniature(means))


@plot
def weight_curves(sweep: pd.DataFrame, caption: str = "", miniature: bool = False):
    """Validation AbsRel against the smoothness weight, a curve a method, the chosen weight marked.

    Args:
        sweep: rows ``method, weight, seed, error`` (`studies.stats.tuning.SWEEP`) and ``images`` if known; weight 0 is
            drawn left of the others.
        caption: text.
        miniature: mark it as such.

    Raises:
        DataError: as `lowtex_lab.studies.stats.tuning.chosen_weights`; or no weight above 0.
    """
    tidy.require_columns(sweep, SWEEP, "weight_curves")
    chosen = chosen_weights(sweep).set_index("method")
    weights = sorted(set(sweep["weight"]))
    positive = [weight for weight in weights if weight > 0]
    if not positive:
        raise DataError("weight_curves: no weight above 0 was tried")
    step = (positive[1] / positive[0]) if len(positive) > 1 else 3.0
    zero = positive[0] / max(step, 2.0) ** 1.3
    figure = style.new_figure(4.2)
    axes = figure.subplots()
    sweep = sweep.assign(at=sweep["weight"].where(sweep["weight"] > 0, zero), method=sweep["method"].astype(str))
    for name, method in style.loss_styles(sweep["method"]).items():
        own, best = sweep[sweep["method"] == name], chosen.loc[name]
        behind = f", {count(int(best['seeds']), 'seed')}" if chosen["seeds"].nunique() > 1 else ""
        label = f"{method.label}: {best['weight']:g} chosen ({best['error']:.3f}{behind})"
        label += " at the end" if best["at_end"] else ""
        style.method_dots(axes, own, "at", "error", method, marker="o", markersize=3.5, alpha=0.45, markeredgewidth=0)
        style.method_lines(axes, own, "at", "error", "method", {name: replace(method, label=label)})
        place = best["weight"] if best["weight"] > 0 else zero
        ring = {"markersize": 16, "markerfacecolor": "none", "markeredgecolor": method.color, "markeredgewidth": 1.8}
        axes.plot(place, best["error"], marker="o", **ring)
    axes.set_xscale("log")
    places = [weight if weight > 0 else zero for weight in weights]
    axes.set_xticks(places, [f"{weight:g}" for weight in weights])
    axes.set_xticks([], minor=True)
    axes.set_xlim(places[0] / 1.6, places[-1] * 1.6)
    style.log_axis(axes.yaxis, [*sweep["error"], float(sweep["error"].min()) / 1.06])
    axes.grid(True)
    label = tidy.metric_label("abs_rel").replace("\n", " on validation scenes\n")
    axes.set(xlabel="smoothness weight", ylabel=label)
    # each label holds a weight and an error: more than two in a row would not fit
    style.legend_row(figure, 2)
    images = count(int(sweep["images"].max()), "image") if "images" in sweep else ""
    said = [tidy.counted(chosen["seeds"], "seed"), images]
    said += ["rings: the weight of the smallest mean over seeds", "small dots: single seeds"]
    said.append("at the end: a weight beyond those tried may be better" if chosen["at_end"].any() else "")
    title = "Each data term at its own best smoothness weight"
    return style.finish(figure, title, *said, caption, miniature=miniature)


@plot
def factorial_cells(
    errors: pd.DataFrame,
    factors: Mapping[str, Sequence[str]],
    cells: Mapping[str, Mapping[str, str]],
    names: Mapping[str, str] | None = None,
    caption: str = "",
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
        caption: text.

    Raises:
        DataError: missing columns, no rows, a cell without rows, several metrics, too many strata.
    """
    what = "factorial_cells"
    tidy.require_columns(errors, ["experiment", "seed", "stratum", "metric", "error", "images"], what)
    strata = tidy.in_order(errors["stratum"])
    if len(strata) > 3 or errors["metric"].nunique() > 1:
        raise DataError(f"{what} takes one metric and at most 3 strata ({len(strata)} given)")
    if absent := [name for name in cells if name not in set(errors["experiment"])]:
        raise DataError(f"{what}: no rows of {', '.join(absent)}")
    learnt = errors["learnt"].astype(bool) if "learnt" in errors else pd.Series(True, errors.index)
    good = errors[learnt]
    means = good[good["stratum"] == strata[0]].groupby("experiment")["error"].mean()
    # grey: all old, blue: all new
    ends = {(True,): style.METHODS["ours"].color, (False,): style.METHODS["baseline"].color}
    new = {name: {cell[factor] == levels[1] for factor, levels in factors.items()} for name, cell in cells.items()}
    order = sorted(cells, key=lambda name: (float(means.get(name, np.inf)), name))
    colors = [ends.get(tuple(new[name]), "#7f8c99") for name in order]
    heights = [1.9] * len(strata) + [0.27 * len(factors) + 0.25]
    figure = style.new_figure(1.1 + sum(heights))
    rows = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    for axes, stratum in zip(rows, strata, strict=False):
        own, fine = errors[errors["stratum"] == stratum], good[good["stratum"] == stratum]
        style.log_axis(axes.yaxis, [*fine["error"], fine["error"].max() * 1.09])
        place, aside = _side_by_side(fine, order, 0.09)
        axes.scatter(place + aside, fine["error"], s=16, c=[colors[at] for at in place], alpha=0.8, linewidths=0)
        known = fine.groupby("experiment")["error"].agg(["mean", "max"]).reindex(order).reset_index().dropna()
        hues = [colors[at] for at in known.index]
        axes.hlines(known["mean"], known.index - 0.36, known.index + 0.36, colors=hues, linewidth=2.4, alpha=0.6)
        for at, _, mean, most in known.itertuples():
            style.note(axes, f"{mean:.3f}", (at, most), (0, 5), ha="center", va="baseline", fontsize=8, color=style.INK)
        failed = own[~own["learnt"].astype(bool)] if "learnt" in own else own.iloc[:0]
        look = {"marker": "x", "s": 36, "linewidths": 1.8, "color": LOOKS["harms"].color, "clip_on": False}
        crosses = sum(_side_by_side(failed, order, 0.18))
        axes.scatter(crosses, np.full(len(failed), 0.985), transform=axes.get_xaxis_transform(), **look)
        axes.set_title(style.stratum_title(stratum))
        axes.set_ylabel(tidy.metric_name(own["metric"].iloc[0]))
        axes.grid(True, axis="y")
        axes.tick_params(axis="x", length=0)
    _marks(rows[-1], order, factors, cells, names or {})
    said = [tidy.seed_count(errors), "dots: single seeds, bars and numbers: their means, logarithmic axis"]
    said.append("filled: the new level of a factor, open: the old one; grey: all old, blue: all new")
    if not learnt.all():
        trainings = errors[~learnt][["experiment", "seed"]].drop_duplicates()
        said.append(f"crosses: {count(len(trainings), 'training')} that did not learn, off the scale and in no mean")
    title = "Every combination of the changes, best first"
    return style.finish(figure, title, *said, caption, miniature=tidy.is_miniature(errors))


def _side_by_side(rows: pd.DataFrame, order: Sequence[str], apart: float) -> tuple[np.ndarray, np.ndarray]:
    """The place of each row's cell, and how far aside it is drawn so that the seeds of a cell stand side by side."""
    cells = rows.groupby("experiment")["error"]
    place = rows["experiment"].map(order.index).to_numpy(int)
    return place, apart * (cells.cumcount() - (cells.transform("size") - 1) / 2).to_numpy(float)


def _marks(axes, order, factors, cells, names) -> None:
    at = {"xycoords": ("axes fraction", "data"), "annotation_clip": False}
    for row, (factor, (old, new)) in enumerate(factors.items()):
        axes.axhline(row, color="#ececec", linewidth=8, zorder=0)
        for place, name in enumerate(order):
            face = style.INK if cells[name][factor] == new else "white"
            look = {"markersize": 8, "markeredgewidth": 1.3, "color": style.INK, "markerfacecolor": face}
            axes.plot(place, row, linestyle="", marker="o", zorder=2, **look)
        style.note(axes, f"{factor}: {new}", (0, row), (-8, 0), ha="right", **at)
        style.note(axes, f"open: {old}", (1, row), (6, 0), ha="left", color=style.MUTED, **at)
    axes.set_ylim(len(factors) - 0.4, -0.6)
    axes.set_xlim(-0.7, len(order) - 0.3)
    axes.set_yticks([])
    axes.set_xticks(range(len(order)), [names.get(name, "") for name in order], fontsize=8.5, fontweight="bold")
    axes.tick_params(axis="x", length=0)
    axes.spines[:].set_visible(False)
