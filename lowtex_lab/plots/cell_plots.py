"""All cells of a factorial at once: their errors, sorted, above marks that say what each cell is."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots.effect_plots import MOST_PANELS, log_axis, seed_count, stratum_title
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import INK, METHODS, MUTED, finish, new_figure
from lowtex_lab.plots.tidy import in_order, is_miniature, metric_label, require_columns

OTHER = "#7f8c99"
"""Colour of cells that are neither all old nor all new."""

FAILED = "#D55E00"


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
    strata = in_order(errors["stratum"])
    if len(strata) > MOST_PANELS or errors["metric"].nunique() > 1:
        raise DataError(f"{what} takes one metric and at most {MOST_PANELS} strata ({len(strata)} given)")
    if absent := [name for name in cells if name not in set(errors["experiment"])]:
        raise DataError(f"{what}: no rows of {', '.join(absent)}")
    learnt = errors["learnt"].astype(bool) if "learnt" in errors else pd.Series(True, errors.index)
    good = errors[learnt]
    means = good[good["stratum"] == strata[0]].groupby("experiment")["error"].mean()
    order = sorted(cells, key=lambda name: (float(means.get(name, np.inf)), name))
    figure = new_figure(1.1 + 1.9 * len(strata) + 0.3 * len(factors))
    rows = figure.subplots(
        len(strata) + 1, 1, sharex=True, height_ratios=[1.9] * len(strata) + [0.27 * len(factors) + 0.25]
    )
    for axes, stratum in zip(rows, strata, strict=False):
        own, fine = errors[errors["stratum"] == stratum], good[good["stratum"] == stratum]
        log_axis(axes.yaxis, [*fine["error"], fine["error"].max() * 1.09])
        for place, name in enumerate(order):
            values = fine.loc[fine["experiment"] == name, "error"].to_numpy(float)
            failed = int((own["experiment"] == name).sum()) - len(values)
            _cell(axes, place, values, failed, _color(cells[name], factors))
        axes.set_title(stratum_title(stratum))
        axes.set_ylabel(metric_label(str(own["metric"].iloc[0])).partition("\n")[0])
        axes.grid(True, axis="y")
        axes.tick_params(axis="x", length=0)
    _marks(rows[-1], order, factors, cells, names or {})
    said = [seed_count(errors), "dots: single seeds, bars and numbers: their means, logarithmic axis"]
    said.append("filled: the new level of a factor, open: the old one; grey: all old, blue: all new")
    if not learnt.all():
        trainings = errors[~learnt][["experiment", "seed"]].drop_duplicates()
        said.append(f"crosses: {count(len(trainings), 'training')} that did not learn, off the scale and in no mean")
    said.append(caption)
    return finish(figure, title, " · ".join(part for part in said if part), miniature=miniature or is_miniature(errors))


def _cell(axes, place: int, values: np.ndarray, failed: int, color: str) -> None:
    spread = place + 0.09 * (np.arange(len(values)) - (len(values) - 1) / 2)
    axes.plot(spread, values, linestyle="", marker="o", markersize=4, color=color, alpha=0.8, markeredgewidth=0)
    if len(values):
        axes.plot([place - 0.36, place + 0.36], [values.mean()] * 2, color=color, linewidth=2.4, alpha=0.6,
                  solid_capstyle="butt")  # fmt: skip
        axes.annotate(f"{values.mean():.3f}", (place, values.max()), xytext=(0, 5), textcoords="offset points",
                      ha="center", fontsize=7.8, color=INK)  # fmt: skip
    for index in range(failed):
        x = place + 0.18 * (index - (failed - 1) / 2)
        axes.plot(x, 0.985, transform=axes.get_xaxis_transform(), marker="x", markersize=6, markeredgewidth=1.8,
                  color=FAILED, linestyle="", clip_on=False)  # fmt: skip


def _marks(axes, order, factors, cells, names) -> None:
    for row, (factor, (old, new)) in enumerate(factors.items()):
        axes.axhline(row, color="#ececec", linewidth=8, zorder=0)
        for place, name in enumerate(order):
            is_new = cells[name][factor] == new
            axes.plot(place, row, linestyle="", marker="o", markersize=8, markeredgewidth=1.3, color=INK,
                      markerfacecolor=INK if is_new else "white", zorder=2)  # fmt: skip
        axes.annotate(f"{factor}: {new}", (0, row), xycoords=("axes fraction", "data"), xytext=(-8, 0), fontsize=8.5,
                      textcoords="offset points", ha="right", va="center", annotation_clip=False)  # fmt: skip
        axes.annotate(f"open: {old}", (1, row), xycoords=("axes fraction", "data"), xytext=(6, 0), fontsize=8,
                      textcoords="offset points", ha="left", va="center", color=MUTED,
                      annotation_clip=False)  # fmt: skip
    axes.set_ylim(len(factors) - 0.4, -0.6)
    axes.set_xlim(-0.7, len(order) - 0.3)
    axes.set_yticks([])
    axes.set_xticks(range(len(order)), [names.get(name, "") for name in order], fontsize=8.5, fontweight="bold")
    axes.tick_params(axis="x", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _color(cell: Mapping[str, str], factors: Mapping[str, Sequence[str]]) -> str:
    new = {cell[name] == levels[1] for name, levels in factors.items()}
    return OTHER if len(new) > 1 else METHODS["ours" if new == {True} else "baseline"].color
