"""Changes added one after the other: a table's own order, all orders, and the course of training."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, NullLocator

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots.effect_plots import MOST_PANELS, log_axis, seed_count, stratum_title
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import INK, METHODS, MUTED, finish, legend_row, method_styles, new_figure
from lowtex_lab.plots.tidy import in_order, is_miniature, metric_label, require_columns

_BEFORE, _WITHOUT = METHODS["ours"].color, METHODS["encoder"].color


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
    strata = in_order(errors["stratum"])
    if len(strata) > MOST_PANELS or errors["metric"].nunique() > 1:
        raise DataError(f"{what} takes one metric and at most {MOST_PANELS} strata ({len(strata)} given)")
    judged = "verdict_corrected" if "verdict_corrected" in steps else "verdict"
    by_pair = {(row["method"], row["reference"], row["stratum"]): row for row in steps.to_dict("records")}
    styles = method_styles(rungs)
    figure = new_figure(1.5 + 0.78 * len(rungs))
    panels = figure.subplots(1, len(strata), sharey=True, squeeze=False)[0]
    for axes, stratum in zip(panels, strata, strict=True):
        for place, name in enumerate(rungs):
            own = errors[(errors["stratum"] == stratum) & (errors["experiment"] == name)]
            values = own["error"].to_numpy(float)
            if not len(values):
                raise DataError(f"{what}: no rows of {name} in {stratum} pixels")
            style = styles[name]
            axes.plot(values, np.full(len(values), place), linestyle="", marker=style.marker, markersize=6, zorder=3,
                      color=style.color, markeredgecolor="white", markeredgewidth=0.7)  # fmt: skip
            axes.plot([values.mean()] * 2, [place - 0.24, place + 0.24], color=style.color, linewidth=2.4, alpha=0.6)
            axes.annotate(f"{values.mean():.3f}", (values.max(), place), xytext=(7, 0), textcoords="offset points",
                          va="center", fontsize=9, color=INK)  # fmt: skip
            if place:
                _step(axes, place - 0.5, by_pair.get((name, rungs[place - 1], stratum)), judged, what, name)
        axes.set_title(stratum_title(stratum))
        log_axis(axes.xaxis, [*errors["error"], float(errors["error"].max()) * 1.12])
        axes.set_xlabel(metric_label(str(errors["metric"].iloc[0])).replace("\n", " "))
        axes.grid(True, axis="x")
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(rungs)), [styles[name].label for name in rungs])
    panels[0].set_ylim(len(rungs) - 0.5, -0.5)
    said = [seed_count(errors), "between two rows: the lower one's error over the upper one's, 95% interval over seeds "
            "and images", "dots: single seeds, bars and numbers: their means", caption]  # fmt: skip
    return finish(figure, title, " · ".join(part for part in said if part), miniature=miniature or is_miniature(errors))


def _step(axes, height: float, row: dict | None, judged: str, what: str, name: str) -> None:
    if row is None:
        raise DataError(f"{what}: no step to {name}; compare each row with the one above it")
    known = np.isfinite(row["low"]) and np.isfinite(row["high"])
    interval = f" [{row['low']:.2f}, {row['high']:.2f}]" if known else ""
    # "cannot be judged: one seed" is too long for the gap between two rows
    verdict = str(row[judged]).partition(":")[0]
    color = {"helps": METHODS["ours"].color, "harms": "#D55E00"}.get(verdict, MUTED)
    axes.annotate(f"× {row['ratio']:.2f}{interval}  {verdict}", (0.985, height), xycoords=("axes fraction", "data"),
                  ha="right", va="center", fontsize=8.5, color=color)  # fmt: skip


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
    figure = new_figure(1.4 + 2.3 * len(strata))
    grid = figure.subplots(len(strata), len(changes), sharex=True, sharey=True, squeeze=False)
    for row, stratum in enumerate(strata):
        for axes, change in zip(grid[row], changes, strict=True):
            own = steps[(steps["stratum"] == stratum) & (steps["change"] == change)]
            line = credited.loc[(stratum, change)]
            if np.isfinite(line["low"]):
                axes.axhspan(line["low"], line["high"], color="#dfe6ee", linewidth=0)
            axes.axhline(line["ratio"], color=MUTED, linewidth=1.6, linestyle="--", label="credit, with its interval")
            axes.axhline(1, color=INK, linewidth=0.8)
            after = own["before"].str.split(" + ", regex=False).map(lambda names: largest in names)
            for mask, color, marker, said in ((~after, _WITHOUT, "s", f"{largest} still old"),
                                              (after, _BEFORE, "o", f"{largest} new already")):  # fmt: skip
                at, side = own[mask], 0.1 if said.endswith("already") else -0.1
                if change == largest:
                    color, marker, said, side = "#555555", "D", f"{largest} itself", 0.0
                if len(at):
                    axes.plot(at["place"] + side, at["ratio"], linestyle="", marker=marker, markersize=6, label=said,
                              color=color, alpha=0.85, markeredgecolor="white", markeredgewidth=0.6)  # fmt: skip
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
    said = [f"{metric_label(str(steps['metric'].iloc[0])).partition(chr(10))[0]}",
            f"{count(int(steps['seeds'].max()), 'seed')}, {count(int(steps['images'].max()), 'image')}",
            f"a point: the step after one set of other changes, {len(steps) // len(strata)} in all, which make up "
            f"{int(credits['orders'].max())} orders", "below 1 the change helps", caption]  # fmt: skip
    return finish(figure, title, " · ".join(part for part in said if part), miniature=miniature or is_miniature(steps))


@plot
def budget_course(
    ratios: pd.DataFrame,
    title: str = "The same comparison after shorter and longer training",
    caption: str = "",
    miniature: bool = False,
):
    """A ratio of errors against the steps of training, with its interval, a line a stratum.

    Args:
        ratios: of `studies.stats.effects.compare`, at each length of training: rows ``steps, stratum, ratio, low, high,
            seeds, images, metric``, at most three strata.
        title, caption: texts.
        miniature: mark it as such (also where the rows say so).

    Raises:
        DataError: missing columns, no rows, or too many strata.
    """
    what = "budget_course"
    require_columns(ratios, ["steps", "stratum", "ratio", "low", "high", "seeds", "images", "metric"], what)
    strata = in_order(ratios["stratum"])
    if len(strata) > MOST_PANELS:
        raise DataError(f"{what} takes at most {MOST_PANELS} strata ({len(strata)} given)")
    figure = new_figure(3.9)
    axes = figure.subplots()
    axes.axhline(1, color=INK, linewidth=0.9)
    for index, (stratum, style) in enumerate(zip(strata, method_styles(METHODS).values(), strict=False)):
        own = ratios[ratios["stratum"] == stratum].sort_values("steps")
        at = own["steps"].to_numpy(float) * 1.03 ** (index - (len(strata) - 1) / 2)
        known = np.isfinite(own["low"]) & np.isfinite(own["high"])
        axes.vlines(at[known], own.loc[known, "low"], own.loc[known, "high"], color=style.color, linewidth=2)
        axes.plot(at, own["ratio"], color=style.color, linestyle=style.linestyle, marker=style.marker, markersize=6.5,
                  label=stratum_title(stratum))  # fmt: skip
    axes.set_xscale("log")
    steps = sorted(set(ratios["steps"]))
    by_steps = ratios.groupby("steps")["seeds"].max()
    labels = [f"{number:,}\n{count(int(by_steps[number]), 'seed')}" for number in steps]
    axes.xaxis.set_major_locator(FixedLocator(steps))
    axes.set_xticks(steps, labels)
    axes.xaxis.set_minor_locator(NullLocator())
    ends = ratios[["ratio", "low", "high"]].to_numpy(float)
    log_axis(axes.yaxis, [*ends[np.isfinite(ends)], 1.0])
    axes.grid(True, axis="y")
    axes.set_xlabel("steps of training")
    axes.set_ylabel("ratio of errors\n(below 1: better)")
    legend_row(figure)
    metric = metric_label(str(ratios["metric"].iloc[0])).partition("\n")[0]
    said = [metric, count(int(ratios["images"].max()), "image"), "95% intervals over seeds and images", caption]
    return finish(figure, title, " · ".join(part for part in said if part), miniature=miniature or is_miniature(ratios))
