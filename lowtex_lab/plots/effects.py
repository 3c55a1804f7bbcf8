"""What the numbers say of each claim: a line a comparison, with its interval, under the claim that it bears on."""

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots.effect_plots import _ticks
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import INK, MUTED, MethodStyle, finish, legend_row, new_figure
from lowtex_lab.plots.tidy import require_columns

MOST_LINES = 45

_SAYS = {
    "yes": MethodStyle("says yes", "#0072B2", "o"),
    "no": MethodStyle("says no", "#D55E00", "s"),
    "undecided": MethodStyle("undecided", "#9aa5b1", "o"),
    "too few": MethodStyle("too few seeds or images", "#9aa5b1", "x"),
}
"""What a comparison says of its claim: blue bears it out, orange does not."""

_NEEDED = ["claim", "comparison", "place", "ratio", "low", "high", "asked", "says", "firm", "seeds", "images",
           "miniature"]  # fmt: skip


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
    require_columns(effects, _NEEDED, "claim_effects")
    known = effects[np.isfinite(effects["ratio"].astype(float))]
    if known.empty or len(known) > MOST_LINES:
        raise DataError(f"claim_effects takes 1 to {MOST_LINES} comparisons with a ratio, got {len(known)}; "
                        "give it the claims of one source at a time")  # fmt: skip
    claims = list(dict.fromkeys(known["claim"]))
    figure = new_figure(1.6 + 0.25 * (len(known) + 1.15 * len(claims)))
    axes = figure.subplots()
    axes.axvspan(1 - margin, 1 + margin, color="#e9e9e9", linewidth=0, label=f"changes under {margin:.0%}")
    axes.axvline(1, color=MUTED, linewidth=1)
    for name, style in _SAYS.items():
        if (known["says"] == name).any():
            axes.plot([], [], linestyle="", label=style.label, **_look(style))
    if (known["asked"] != 1).any():
        axes.plot([], [], linestyle="", marker="|", color=INK, markersize=9, label="share that is asked for")
    least, most = _limits(known, margin)
    places, labels, headings, at = [], [], [], 0.0
    for claim in claims:
        headings.append((at, claim))
        for row in known[known["claim"] == claim].itertuples():
            at += 1
            _line(axes, at, row, least, most)
            places.append(at)
            labels.append(f"{row.comparison} · {row.place}")
        at += 1.15
    axes.set_yticks(places, labels, fontsize=8)
    axes.set_ylim(at - 0.5, -0.7)
    for place, claim in headings:
        axes.annotate(claim, (0, place), xycoords=("axes fraction", "data"), xytext=(-6, 0), ha="right", va="center",
                      textcoords="offset points", fontsize=9, fontweight="bold", annotation_clip=False)  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(least, most)
    axes.xaxis.set_major_locator(FixedLocator(_ticks(least, most, 1)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("error as a share of the other's (left of 1: smaller)")
    legend_row(figure, 6)
    called = known["says"].isin(["yes", "no"]).any()
    absent = len(effects) - len(known)
    said = [_range(known["seeds"], "seed"), _range(known["images"], "image"), "lines: 95% intervals",
            f"{count(absent, 'comparison')} without numbers left out" if absent else "",
            "filled yes or no: firm, i.e. also by Holm's correction" if called else "", caption]  # fmt: skip
    return finish(figure, title, " · ".join(part for part in said if part), miniature=bool(known["miniature"].all()))


def _line(axes, place: float, row, least: float, most: float) -> None:
    style = _SAYS.get(row.says, _SAYS["too few"])
    if np.isfinite(row.low) and np.isfinite(row.high):
        axes.plot([max(row.low, least), min(row.high, most)], [place, place], color=style.color, linewidth=2.2,
                  solid_capstyle="butt")  # fmt: skip
    if row.asked != 1:
        axes.plot(row.asked, place, marker="|", color=INK, markersize=9, linestyle="")
    filled = bool(row.firm) or row.says == "too few"
    axes.plot(row.ratio, place, linestyle="", **_look(style, filled))


def _look(style: MethodStyle, filled: bool = True) -> dict:
    face = style.color if filled and style.label != "undecided" else "white"
    return {"marker": style.marker, "color": style.color, "markersize": 5.5, "markeredgewidth": 1.5,
            "markerfacecolor": face}  # fmt: skip


def _limits(known: pd.DataFrame, margin: float) -> tuple[float, float]:
    """An interval that knows next to nothing must not squeeze the others: it is cut at three times the widest ratio."""
    ratios = np.concatenate([known["ratio"], known["asked"], [1 - 3 * margin, 1 + 3 * margin]]).astype(float)
    ends = known[["low", "high"]].to_numpy(float)
    ends = ends[np.isfinite(ends)]
    least, most = ratios.min() / 1.1, ratios.max() * 1.1
    if len(ends):
        least, most = min(least, max(ends.min(), least / 3) / 1.05), max(most, min(ends.max(), most * 3) * 1.05)
    return float(least), float(most)


def _range(values: pd.Series, noun: str) -> str:
    low, high = int(values.min()), int(values.max())
    return count(high, noun) if low == high else f"{low} to {high} {noun}s"
