"""What single seeds did: methods side by side, and a validation error against a weight."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots.curves import loss_styles
from lowtex_lab.plots.effect_plots import MOST_PANELS, log_axis, seed_count, stratum_title
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import INK, finish, legend_row, method_styles, new_figure
from lowtex_lab.plots.tidy import in_order, is_miniature, metric_label, require_columns
from lowtex_lab.studies.stats.tuning import SWEEP, chosen_weights

FAR_OFF = 2.2
"""Times the median error: what lies above is marked at the top of `weight_curves`, with its value in the note."""


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
    strata = in_order(table["stratum"])
    twice = table.duplicated(["experiment", "seed", "stratum"]).any()
    if len(strata) > MOST_PANELS or table["metric"].nunique() > 1 or twice:
        raise DataError(f"{what} takes one metric, at most {MOST_PANELS} strata and one error of each seed")
    styles = method_styles(methods)
    figure = new_figure(4.1)
    panels = figure.subplots(1, len(strata), sharey=True, squeeze=False)[0]
    for axes, stratum in zip(panels, strata, strict=True):
        own = table[table["stratum"] == stratum].pivot(index="seed", columns="experiment", values="error")
        own = own.reindex(columns=methods)
        for values in own.to_numpy(float):
            axes.plot(range(len(methods)), values, color="#b5b5b5", linewidth=1)
        for place, name in enumerate(methods):
            values, style = own[name].dropna().to_numpy(float), styles[name]
            axes.plot(np.full(len(values), place), values, linestyle="", marker=style.marker, markersize=6,
                      color=style.color, markeredgecolor="white", markeredgewidth=0.7, zorder=3)  # fmt: skip
            axes.plot([place - 0.3, place + 0.3], [values.mean()] * 2, color=style.color, linewidth=2.4, alpha=0.55,
                      solid_capstyle="butt", zorder=1)  # fmt: skip
            axes.annotate(f"{values.mean():.3f}", (place, values.max()), xytext=(0, 7), textcoords="offset points",
                          ha="center", fontsize=9, color=INK,
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
        axes.set_title(stratum_title(stratum))
        long = len(methods) * len(strata) > 4
        axes.set_xticks(range(len(methods)), [styles[name].label for name in methods], rotation=28 if long else 0,
                        ha="right" if long else "center", rotation_mode="anchor")  # fmt: skip
        axes.set_xlim(-0.5, len(methods) - 0.5)
        axes.grid(True, axis="y")
    panels[0].set_ylim(0, float(table["error"].max()) * 1.13)
    panels[0].set_ylabel(metric_label(str(table["metric"].iloc[0])))
    said = [seed_count(table), "dots: single seeds, joined by a line each", "bars and numbers: their means", caption]
    return finish(figure, title, " · ".join(part for part in said if part), miniature=miniature or is_miniature(table))


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
    few, many = int(chosen["seeds"].min()), int(chosen["seeds"].max())
    # one training that did not learn would press all others together
    top = FAR_OFF * float(sweep["error"].median())
    beyond = sweep.loc[sweep["error"] > top, "error"]
    for name, style in loss_styles(sweep["method"]).items():
        own = sweep[sweep["method"].astype(str) == name]
        at = own["weight"].where(own["weight"] > 0, zero)
        means, best = own.groupby(at)["error"].mean(), chosen.loc[name]
        behind = f", {count(int(best['seeds']), 'seed')}" if few != many else ""
        label = f"{style.label}: {best['weight']:g} chosen ({best['error']:.3f}{behind})" + (
            " at the end" if best["at_end"] else ""
        )
        axes.plot(at, own["error"], linestyle="", marker="o", markersize=3.5, color=style.color, alpha=0.45,
                  markeredgewidth=0)  # fmt: skip
        far = at[own["error"] > top]
        axes.plot(far, [0.97 * top] * len(far), linestyle="", marker="^", markersize=8, color=style.color)
        axes.plot(means.index, means, color=style.color, linestyle=style.linestyle, marker=style.marker, markersize=5.5,
                  label=label)  # fmt: skip
        x = best["weight"] if best["weight"] > 0 else zero
        axes.plot(x, best["error"], marker="o", markersize=16, markerfacecolor="none", markeredgecolor=style.color,
                  markeredgewidth=1.8)  # fmt: skip
    axes.set_xscale("log")
    places = [weight if weight > 0 else zero for weight in weights]
    axes.set_xticks(places, [f"{weight:g}" for weight in weights])
    axes.set_xticks([], minor=True)
    axes.set_xlim(places[0] / 1.6, places[-1] * 1.6)
    log_axis(axes.yaxis, [*sweep["error"].clip(upper=top), float(sweep["error"].min()) / 1.06])
    if len(beyond):
        axes.set_ylim(top=top)
    axes.grid(True)
    axes.set_xlabel(weight_name)
    axes.set_ylabel(metric_label(metric).replace("\n", " on validation scenes\n"))
    # each label holds a weight and an error: more than two in a row would not fit
    legend_row(figure, 2)
    said = [count(many, "seed") if few == many else f"{few} to {many} seeds"]
    if "images" in sweep:
        said.append(count(int(sweep["images"].max()), "image"))
    said += ["rings: the weight of the smallest mean over seeds", "small dots: single seeds"]
    if len(beyond):
        said.append(f"triangles: single seeds above the axis, up to {beyond.max():.2f}")
    if chosen["at_end"].any():
        said.append("at the end: a weight beyond those tried may be better")
    said.append(caption)
    return finish(figure, title, " · ".join(part for part in said if part), miniature=miniature or is_miniature(sweep))
