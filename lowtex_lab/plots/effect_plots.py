"""Effects with their intervals, and how two factors act together."""

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import METHODS, MUTED, MethodStyle, finish, legend_row, new_figure
from lowtex_lab.plots.tidy import in_order, is_miniature, metric_label, require_columns

MOST_PANELS = 3
_TEXTURES = ("low", "middle", "high")
_VERDICTS = {
    "helps": MethodStyle("helps", "#0072B2", "o"),
    "harms": MethodStyle("harms", "#D55E00", "s"),
    "no difference seen": MethodStyle("no difference seen", "#4D4D4D", "D"),
    "undecided": MethodStyle("undecided", "#9aa5b1", "o"),
    "cannot be judged": MethodStyle("cannot be judged", "#9aa5b1", "x"),
}
"""Blue and filled: the error falls; open: no verdict."""

_TICKS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.3, 1.5, 2.0)
_TICKS += (3.0, 5.0, 10.0)


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
        effects: of `stats.effects.compare`, `stats.factorial.factorial_effects`: rows
            ``effect, stratum, ratio, low, high, verdict, seeds, images, clusters, cluster, metric``, at most three
            strata; ``order`` draws a line between main effects and interactions, ``verdict_corrected`` is taken where
            there.
        margin: changes smaller than this do not matter; drawn as a band.
        title, caption: texts; what stands behind the numbers is always said.
        miniature: mark it as such (also where the rows say so).

    Raises:
        DataError: missing columns, no rows, too many strata, or an effect that comes twice in one stratum.
    """
    what = "effect_forest"
    needed = [
        "effect",
        "stratum",
        "ratio",
        "low",
        "high",
        "verdict",
        "seeds",
        "images",
        "clusters",
        "cluster",
        "metric",
    ]
    require_columns(effects, needed, what)
    strata, names = in_order(effects["stratum"]), list(dict.fromkeys(effects["effect"].astype(str)))
    if len(strata) > MOST_PANELS or effects.duplicated(["effect", "stratum"]).any():
        raise DataError(f"{what} takes at most {MOST_PANELS} strata ({len(strata)} given), each effect once in each")
    judged = "verdict_corrected" if "verdict_corrected" in effects else "verdict"
    figure = new_figure(1.75 + 0.27 * len(names))
    panels = figure.subplots(1, len(strata), sharex=True, sharey=True, squeeze=False)[0]
    known = effects[np.isfinite(effects["low"]) & np.isfinite(effects["high"])]
    ends = np.concatenate([effects["ratio"], known["low"], known["high"], [1 - 2 * margin, 1 + 2 * margin]])
    # room for the numbers beside the intervals
    room = np.exp(0.1 * len(strata) * np.log(ends.max() / ends.min()))
    least, most = float(ends.min() / room), float(ends.max() * room)
    panels[0].set_yticks(range(len(names)), names, fontsize=9)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    for style in _VERDICTS.values():
        if effects[judged].astype(str).str.startswith(style.label).any():
            panels[0].plot([], [], linestyle="", label=style.label, **_look(style))
    for axes, stratum in zip(panels, strata, strict=True):
        own = effects[effects["stratum"] == stratum].set_index("effect")
        axes.axvspan(1 - margin, 1 + margin, color="#e9e9e9", linewidth=0, label=f"changes under {margin:.0%}")
        axes.axvline(1, color=MUTED, linewidth=1)
        for place, name in enumerate(names):
            if name in own.index:
                _interval(axes, place, own.loc[name], str(own.loc[name, judged]))
        if "order" in effects and (main := int((own["order"] == 1).sum())) < len(names):
            axes.axhline(main - 0.5, color="#bbbbbb", linewidth=0.8)
        axes.set_title(stratum_title(stratum))
        axes.set_xscale("log")
        axes.set_xlim(least, most)
        axes.xaxis.set_major_locator(FixedLocator(_ticks(least, most, len(strata))))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.grid(True, axis="x")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("ratio of errors (left of 1: better)")
    legend_row(figure, 6)
    said = [*_behind(effects), "ratio: error with the change / without it, with its 95% interval over seeds and images"]
    if "order" in effects and effects["order"].max() > 1:
        said.append("a × b below 1: the two together do more than each on its own says")
    if judged != "verdict":
        said.append(f"verdicts corrected for {count(int(effects['comparisons'].max()), 'comparison')}")
    said.append(caption)
    return finish(
        figure, title, " · ".join(part for part in said if part), miniature=miniature or is_miniature(effects)
    )


def _interval(axes, place: int, row: pd.Series, verdict: str) -> None:
    style = next((s for name, s in _VERDICTS.items() if verdict.startswith(name)), _VERDICTS["undecided"])
    if np.isfinite(row["low"]) and np.isfinite(row["high"]):
        axes.plot([row["low"], row["high"]], [place, place], color=style.color, linewidth=2.2, solid_capstyle="butt")
    axes.plot(row["ratio"], place, linestyle="", **_look(style))
    if style.label in ("helps", "harms"):
        left = style.label == "helps"
        end = row["low" if left else "high"]
        axes.annotate(f"{row['ratio']:.2f}", (end, place), xytext=(-6 if left else 6, 0), textcoords="offset points",
                      ha="right" if left else "left", va="center", fontsize=8.5, color=style.color)  # fmt: skip


def _look(style: MethodStyle) -> dict:
    face = "white" if style.label == "undecided" else style.color
    return {"marker": style.marker, "color": style.color, "markersize": 5.5, "markeredgewidth": 1.5,
            "markerfacecolor": face}  # fmt: skip


def _ticks(least: float, most: float, panels: int) -> list[float]:
    """Round ratios inside a range, few enough to be read: 1 always, then those farthest apart."""
    room = (11 if panels == 1 else 6 if panels == 2 else 4) + 1
    span = np.log(most / least) / room
    kept = [1.0]
    for tick in sorted(_TICKS, key=lambda tick: (tick * 10 % 1 != 0, abs(np.log(tick)))):
        if least <= tick <= most and all(abs(np.log(tick / other)) >= span for other in kept):
            kept.append(tick)
    return sorted(kept)


def _behind(effects: pd.DataFrame) -> list[str]:
    """Metric, seeds, images, and what was drawn."""

    def spoken(column: str, noun: str) -> str:
        low, high = int(effects[column].min()), int(effects[column].max())
        return count(high, noun) if low == high else f"{low} to {high} {noun}s"

    unit = str(effects["cluster"].iloc[0])
    low, high = int(effects["clusters"].min()), int(effects["clusters"].max())
    number = f"{high}" if low == high else f"{low} to {high}"
    drawn = {"fixed": "images held fixed", "image": "images drawn one by one"}.get(
        unit, f"drawn as {number} {'stretches of street' if unit == 'stretch' else unit + 's'}"
    )
    metric = ", ".join(metric_label(name).partition("\n")[0] for name in dict.fromkeys(effects["metric"]))
    return [metric, spoken("seeds", "seed"),
            f"{spoken('images', 'image')} {drawn}" if unit == "stretch" or unit == "scene" else
            f"{spoken('images', 'image')}, {drawn}"]  # fmt: skip


@plot
def interaction_plot(means: pd.DataFrame, title: str = "", caption: str = "", miniature: bool = False):
    """How two factors act together: the error at their four combinations, a panel a stratum; a dot a seed.

    On the logarithmic axis parallel lines say that each factor does the same whatever the other is set to.

    Args:
        means: of `studies.stats.factorial.interaction_means`: rows ``first, first_level, second, second_level, seed,
            stratum, metric, error, cells, images`` of one pair of factors, at most three strata.
        title, caption: texts.
        miniature: mark it as such (also where the rows say so).

    Raises:
        DataError: missing columns, no rows, too many strata, or several pairs of factors.
    """
    what = "interaction_plot"
    needed = ["first", "first_level", "second", "second_level", "seed", "stratum", "metric", "error", "cells", "images"]
    require_columns(means, needed, what)
    strata = in_order(means["stratum"])
    if len(strata) > MOST_PANELS or len(means[["first", "second", "metric"]].drop_duplicates()) > 1:
        raise DataError(f"{what} takes one pair of factors, one metric and at most {MOST_PANELS} strata")
    first, second = means["first"].iloc[0], means["second"].iloc[0]
    levels, lines = (list(dict.fromkeys(means[f"{name}_level"].astype(str))) for name in ("first", "second"))
    figure = new_figure(4.0)
    panels = figure.subplots(1, len(strata), sharey=True, squeeze=False)[0]
    for axes, stratum in zip(panels, strata, strict=True):
        ends: list[tuple] = []
        for index, (line, style) in enumerate(zip(lines, (METHODS["encoder"], METHODS["ours"]), strict=True)):
            own = means[(means["stratum"] == stratum) & (means["second_level"].astype(str) == line)]
            at = [own.loc[own["first_level"].astype(str) == level, "error"].to_numpy(float) for level in levels]
            middle = [float(np.exp(np.log(values).mean())) for values in at]
            side = 0.03 * (2 * index - 1)
            for place, values in enumerate(at):
                axes.plot(np.full(len(values), place + 2.6 * side), values, linestyle="", marker="o", markersize=4,
                          color=style.color, alpha=0.55, markeredgewidth=0)  # fmt: skip
            axes.plot(np.arange(len(levels)) + side, middle, color=style.color, marker=style.marker, markersize=7,
                      linestyle="-" if index else "--", label=f"{second}: {line}")  # fmt: skip
            ends.append((middle[-1], f"{100 * (middle[-1] / middle[0] - 1):+.0f} %", style.color, side))
        # the upper curve's number goes up and the lower one's down, so that they never meet
        for shift, (end, change, color, side) in zip((-7, 7), sorted(ends), strict=True):
            axes.annotate(change, (len(levels) - 1 + side, end), xytext=(16, shift), textcoords="offset points",
                          va="center", fontsize=9.5, color=color, fontweight="bold")  # fmt: skip
        axes.set_title(stratum_title(stratum))
        axes.set_xticks(range(len(levels)), levels)
        axes.set_xlim(-0.35, len(levels) - 1 + 0.5)
        axes.set_xlabel(str(first))
        log_axis(axes.yaxis, means["error"])
        axes.grid(True, axis="y")
    panels[0].set_ylabel(metric_label(str(means["metric"].iloc[0])))
    legend_row(figure)
    seeds, cells = means["seed"].nunique(), sorted(set(means["cells"]))
    said = [
        seed_count(means),
        "small dots: single seeds" if seeds > 1 else "no spread is known",
        f"each point: geometric mean of {count(int(cells[-1]), 'combination')} of the other changes" if cells[-1] > 1
        else "",
        f"in colour: what {first} does there",
        caption,
    ]  # fmt: skip
    return finish(figure, title or f"Do {first} and {second} act together?", " · ".join(part for part in said if part),
                  miniature=miniature or is_miniature(means))  # fmt: skip


def stratum_title(stratum: str) -> str:
    """What stands above a panel."""
    return "all pixels" if stratum == "all" else f"{stratum} texture" if stratum in _TEXTURES else str(stratum)


def seed_count(rows: pd.DataFrame) -> str:
    """``5 seeds, 40 images``, from rows with ``seed`` and ``images``."""
    low, high = int(rows["images"].min()), int(rows["images"].max())
    return f"{count(int(rows['seed'].nunique()), 'seed')}, " + (
        count(high, "image") if low == high else f"{low} to {high} images"
    )


def log_axis(axis, values) -> None:
    """A logarithmic axis over some values, with round numbers on it."""
    least, most = float(np.min(values)) / 1.06, float(np.max(values)) * 1.06
    axis.axes.set_yscale("log") if axis.axis_name == "y" else axis.axes.set_xscale("log")
    (axis.axes.set_ylim if axis.axis_name == "y" else axis.axes.set_xlim)(least, most)
    ticks = MaxNLocator(8, steps=[1, 2, 2.5, 5, 10]).tick_values(least, most)
    if most / least > 5:
        decades = 10.0 ** np.arange(np.floor(np.log10(least)), np.ceil(np.log10(most)) + 1)
        ticks = np.outer(decades, (1, 2, 5)).ravel()
    ticks = [tick for tick in ticks if least <= tick <= most]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:.3g}")
