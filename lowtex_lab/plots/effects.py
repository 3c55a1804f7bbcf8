"""Effects with their intervals, what they say of claims, and how two changes act together."""

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
    method_dots,
    new_figure,
    note,
    strata_panels,
)
from lowtex_lab.plots.tidy import (
    counted,
    is_miniature,
    metric_label,
    metric_name,
    number_range,
    require_columns,
    seed_count,
)

BLUE, ORANGE, GREY, PALE = METHODS["ours"].color, "#D55E00", "#4D4D4D", "#9aa5b1"
_VERDICTS = {
    "helps": MethodStyle("helps", BLUE, "o"),
    "harms": MethodStyle("harms", ORANGE, "s"),
    "no difference seen": MethodStyle("no difference seen", GREY, "D"),
    "undecided": MethodStyle("undecided", PALE, "o"),
    "cannot be judged": MethodStyle("cannot be judged", PALE, "x"),
}
"""Blue and filled: the error falls; open: no verdict."""

_SAYS = {
    "yes": MethodStyle("says yes", BLUE, "o"),
    "no": MethodStyle("says no", ORANGE, "s"),
    "undecided": MethodStyle("undecided", PALE, "o"),
    "too few": MethodStyle("too few seeds or images", PALE, "x"),
}
"""What a comparison says of its claim: blue bears it out, orange does not."""

MOST_LINES = 45


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
        effects: of `stats.effects.compare`, `stats.factorial.factorial_effects` or `simple_effects`: rows
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
    needed = ["effect", "stratum", "ratio", "low", "high", "verdict", "seeds", "images", "clusters"]
    require_columns(effects, [*needed, "cluster", "metric"], what)
    names = list(dict.fromkeys(effects["effect"].astype(str)))
    if effects.duplicated(["effect", "stratum"]).any():
        raise DataError(f"{what} takes each effect once in each stratum")
    judged = "verdict_corrected" if "verdict_corrected" in effects else "verdict"
    figure, panels = strata_panels(effects, what, 1.75 + 0.27 * len(names), sharex=True)
    first = next(iter(panels.values()))
    for style in _VERDICTS.values():
        if effects[judged].astype(str).str.startswith(style.label).any():
            _point(first, [], [], style)
    known = effects[np.isfinite(effects["low"]) & np.isfinite(effects["high"])]
    ends = np.concatenate([effects["ratio"], known["low"], known["high"], [1 - 2 * margin, 1 + 2 * margin]])
    # room for the numbers beside the intervals
    room = np.exp(0.1 * len(panels) * np.log(ends.max() / ends.min()))
    for stratum, axes in panels.items():
        own = effects[effects["stratum"] == stratum].set_index("effect")
        for place, name in enumerate(names):
            if name in own.index:
                row, verdict = own.loc[name], str(own.loc[name, judged])
                style = next((s for start, s in _VERDICTS.items() if verdict.startswith(start)), _VERDICTS["undecided"])
                draw_interval(axes, place, row["low"], row["high"], style)
                _point(axes, row["ratio"], place, style)
                _number(axes, place, row, style)
        if "order" in effects and (main := int((own["order"] == 1).sum())) < len(names):
            axes.axhline(main - 0.5, color="#bbbbbb", linewidth=0.8)
        _ratio_axis(axes, margin, [ends.min() / room, ends.max() * room], {1: 9, 2: 6, 3: 4}[len(panels)])
        axes.set_xlabel("ratio of errors (left of 1: better)")
    first.set_yticks(range(len(names)), names, fontsize=9)
    first.set_ylim(len(names) - 0.4, -0.6)
    legend_row(figure, 6)
    said = [*_behind(effects), "ratio: error with the change / without it, with its 95% interval over seeds and images"]
    if "order" in effects and effects["order"].max() > 1:
        said.append("a × b below 1: the two together do more than each on its own says")
    if judged != "verdict":
        said.append(f"verdicts corrected for {count(int(effects['comparisons'].max()), 'comparison')}")
    return finish(figure, title, *said, caption, miniature=miniature or is_miniature(effects))


def _point(axes, x, y, style: MethodStyle, filled: bool = True) -> None:
    """A ratio in the look of its verdict; without points, a line of the legend."""
    look = {"marker": style.marker, "color": style.color, "markersize": 5.5, "markeredgewidth": 1.5}
    face = style.color if filled and style.label != "undecided" else "white"
    label = None if np.size(x) else style.label
    axes.plot(x, y, linestyle="", markerfacecolor=face, label=label, **look)


def draw_interval(axes, place: float, low: float, high: float, style: MethodStyle) -> None:
    if np.isfinite(low) and np.isfinite(high):
        axes.plot([low, high], [place, place], color=style.color, linewidth=2.2, solid_capstyle="butt")


def _number(axes, place: float, row: pd.Series, style: MethodStyle) -> None:
    """The ratio as a number at the outer end of its interval, where there is a verdict."""
    for label, end, shift, side in (("helps", "low", -6, "right"), ("harms", "high", 6, "left")):
        if style.label == label:
            note(axes, f"{row['ratio']:.2f}", (row[end], place), (shift, 0), ha=side, color=style.color)


def _ratio_axis(axes, margin: float, values, ticks: int) -> None:
    """A logarithmic axis of ratios around 1, with a band of changes that do not matter."""
    axes.axvspan(1 - margin, 1 + margin, color="#e9e9e9", linewidth=0, label=f"changes under {margin:.0%}", zorder=0)
    axes.axvline(1, color=MUTED, linewidth=1, zorder=0)
    log_axis(axes.xaxis, values, ticks)
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)


def _behind(effects: pd.DataFrame) -> list[str]:
    """Metric, seeds, images, and what was drawn."""
    unit = str(effects["cluster"].iloc[0])
    images = counted(effects["images"], "image")
    units = "stretches of street" if unit == "stretch" else f"{unit}s"
    clusters = f"{images} drawn as {number_range(effects['clusters'])} {units}"
    drawn = {"fixed": f"{images}, images held fixed", "image": f"{images}, images drawn one by one"}.get(unit, clusters)
    metric = ", ".join(metric_name(name) for name in dict.fromkeys(effects["metric"]))
    return [metric, counted(effects["seeds"], "seed"), drawn]


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
    require_columns(effects, [*needed, "miniature"], "claim_effects")
    known = effects[np.isfinite(effects["ratio"].astype(float))]
    if known.empty or len(known) > MOST_LINES:
        raise DataError(
            f"claim_effects takes 1 to {MOST_LINES} comparisons with a ratio, got {len(known)}; "
            "give it the claims of one source at a time"
        )
    claims = list(dict.fromkeys(known["claim"]))
    figure = new_figure(1.6 + 0.25 * (len(known) + 1.15 * len(claims)))
    axes = figure.subplots()
    for name, style in _SAYS.items():
        if (known["says"] == name).any():
            _point(axes, [], [], style)
    if (known["asked"] != 1).any():
        axes.plot([], [], linestyle="", marker="|", color=INK, markersize=9, label="share that is asked for")
    least, most = _limits(known, margin)
    labels, at = {}, 0.0
    for claim in claims:
        look = {"xycoords": ("axes fraction", "data"), "ha": "right", "fontsize": 9, "fontweight": "bold"}
        note(axes, claim, (0, at), (-6, 0), annotation_clip=False, **look)
        for row in known[known["claim"] == claim].itertuples():
            at += 1
            labels[at] = f"{row.comparison} · {row.place}"
            style = _SAYS.get(row.says, _SAYS["too few"])
            draw_interval(axes, at, max(row.low, least), min(row.high, most), style)
            if row.asked != 1:
                axes.plot(row.asked, at, marker="|", color=INK, markersize=9, linestyle="")
            _point(axes, row.ratio, at, style, bool(row.firm) or row.says == "too few")
        at += 1.15
    axes.set_yticks(list(labels), list(labels.values()), fontsize=8)
    axes.set_ylim(at - 0.5, -0.7)
    _ratio_axis(axes, margin, [least, most], 9)
    axes.set_xlabel("error as a share of the other's (left of 1: smaller)")
    legend_row(figure, 6)
    absent = len(effects) - len(known)
    said = [counted(known["seeds"], "seed"), counted(known["images"], "image"), "lines: 95% intervals"]
    said.append(f"{count(absent, 'comparison')} without numbers left out" if absent else "")
    called = known["says"].isin(["yes", "no"]).any()
    said.append("filled yes or no: firm, i.e. also by Holm's correction" if called else "")
    return finish(figure, title, *said, caption, miniature=bool(known["miniature"].all()))


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
    if len(means[["first", "second", "metric"]].drop_duplicates()) > 1:
        raise DataError(f"{what} takes one pair of factors and one metric")
    means = means.astype({"first_level": str, "second_level": str})
    first, second = means["first"].iloc[0], means["second"].iloc[0]
    levels, lines = (list(dict.fromkeys(means[f"{name}_level"])) for name in ("first", "second"))
    figure, panels = strata_panels(means, what, 4.0)
    for stratum, axes in panels.items():
        ends = []
        looks = ((METHODS["encoder"], "--", -1), (METHODS["ours"], "-", 1))
        for line, (style, dashes, side) in zip(lines, looks, strict=True):
            own = means[(means["stratum"] == stratum) & (means["second_level"] == line)]
            own = own.assign(at=own["first_level"].map(levels.index) + 0.03 * side, log=np.log(own["error"]))
            dots = own.assign(at=own["at"] + 0.05 * side)
            method_dots(axes, dots, "at", "error", style, marker="o", markersize=4, alpha=0.55, markeredgewidth=0)
            middle = np.exp(own.groupby("at")["log"].mean())
            look = {"color": style.color, "marker": style.marker, "markersize": 7, "linestyle": dashes}
            axes.plot(middle.index, middle, label=f"{second}: {line}", **look)
            change = f"{100 * (middle.iloc[-1] / middle.iloc[0] - 1):+.0f} %"
            ends.append((middle.iloc[-1], middle.index[-1], change, style.color))
        # the upper curve's number goes up and the lower one's down, so that they never meet
        for shift, (end, at, change, color) in zip((-7, 7), sorted(ends), strict=True):
            note(axes, change, (at, end), (24, shift), fontsize=9.5, color=color, fontweight="bold")
        axes.set_xticks(range(len(levels)), levels)
        axes.set_xlim(-0.35, len(levels) - 1 + 0.6)
        axes.set_xlabel(str(first))
        log_axis(axes.yaxis, means["error"])
        axes.grid(True, axis="y")
    next(iter(panels.values())).set_ylabel(metric_label(str(means["metric"].iloc[0])))
    legend_row(figure)
    cells = int(means["cells"].max())
    said = [seed_count(means), "small dots: single seeds" if means["seed"].nunique() > 1 else "no spread is known"]
    if cells > 1:
        said.append(f"each point: geometric mean of {count(cells, 'combination')} of the other changes")
    said += [f"in colour: what {first} does there", caption]
    title = title or f"Do {first} and {second} act together?"
    return finish(figure, title, *said, miniature=miniature or is_miniature(means))
