"""Scores of the methods from tidy rows: bars by group, and curves over texture contrast and distance."""

import textwrap

import numpy as np
import pandas as pd

from lowtex.errors import DataError
from lowtex_lab.plots import tidy
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import INK, finish, legend_row, method_styles, new_figure

MOST_LABELLED = 20
_LABEL_CHARACTERS = 100
"""Of the labels along the axis of bars, side by side."""

_GROUP_LABELS = {"stratum": "", "eval_data": "evaluated on", "protocol": "protocol", "train_data": "trained on"}
_BY = {"stratum": "method", "eval_data": "data set", "train_data": "training data"}
_KINDS = {
    "known": "texture (known contrast of the surfaces)",
    "gradient": "texture (gradient energy of the image)",
    "contrast": "known texture contrast",
    "visibility": "visibility in the other view",
    "edges": "nearness to a depth edge",
    "distance": "distance",
}


@plot
def metric_bars(
    rows: pd.DataFrame,
    metric: str = "abs_rel",
    by: str = "stratum",
    kind: str | None = None,
    title: str = "",
):
    """One metric of every method as bars: the mean over seeds, each seed a dot, grouped by stratum or any column.

    Args:
        rows: tidy rows (`evaluation.results.COLUMNS`); never mixes protocols, data sets or profiles unless ``by``
        names it. metric: ``abs_rel``, ``rmse``, ``d1``, …
        by: column that makes the groups along the axis.
        kind: with ``by='stratum'``, the kind of strata, where the rows hold several.
        title: replaces the standard one.

    Raises:
        DataError: missing columns, no such metric, rows that cannot be compared, two values for one place.
        OptionError: several kinds of strata and none chosen.
    """
    what = "metric_bars"
    chosen = tidy.select_metric(rows, metric, what)
    tidy.require_columns(chosen, [by], what)
    if by == "stratum":
        chosen = tidy.select_kind(chosen, kind, what)
    elif len(chosen[["stratum_kind", "stratum"]].drop_duplicates()) > 1:
        chosen = chosen[chosen["stratum_kind"].astype(str).isin(["none", "all"])]
        if chosen.empty:
            raise DataError(f"{what}: by={by!r} compares whole images, but all rows are of strata; select one stratum")
    tidy.require_comparable(chosen, what, free=[by, "eval_data", "split"] if by == "protocol" else [by])
    values = tidy.per_seed(chosen, by, what)
    groups = tidy.in_order(values[by])
    styles = method_styles(values["experiment"])
    figure = new_figure(3.9)
    axes = figure.subplots()
    step = 0.8 / len(styles)
    top = float(values["value"].max())
    for index, (method, style) in enumerate(styles.items()):
        for position, group in enumerate(groups):
            own = values[(values["experiment"] == method) & (values[by].astype(str) == group)]
            some = own.sort_values("seed")["value"].to_numpy()
            if some.size == 0:
                continue
            x = position - 0.4 + (index + 0.5) * step
            axes.bar(x, some.mean(), width=step * 0.92, color=style.color, label=style.label)
            if some.size > 1:
                spread = np.linspace(-0.25, 0.25, some.size) * step
                axes.plot(x + spread, some, linestyle="", marker="o", markersize=4, color="white",
                          markeredgecolor=INK, markeredgewidth=0.8)  # fmt: skip
            if len(styles) * len(groups) <= MOST_LABELLED:
                axes.annotate(f"{some.mean():.3g}" if some.mean() >= 10 else f"{some.mean():.3f}", (x, some.max()),
                              xytext=(0, 5), textcoords="offset points", ha="center",
                              fontsize=8 if len(styles) < 5 else 6.5)  # fmt: skip
    axes.set_ylim(0, top * 1.14)
    # what is longer than its group is wide breaks at a space
    room = max(_LABEL_CHARACTERS // len(groups), 4)
    short = [tidy.without_hash(group) for group in groups]
    told = short if len(set(short)) == len(groups) else groups
    texts = ["\n".join(textwrap.wrap(_group_text(g, by), room, break_long_words=False)) for g in told]
    axes.set_xticks(range(len(groups)), texts)
    axes.tick_params(axis="x", length=0, labelsize=10)
    axes.grid(True, axis="y")
    axes.set_ylabel(tidy.metric_label(metric))
    if _GROUP_LABELS.get(by, by):
        axes.set_xlabel(_GROUP_LABELS.get(by, by))
    legend_row(figure)
    seeds = "dots: single seeds, bars: their mean" if _several_seeds(values) else "one seed, so no spread is known"
    name = tidy.METRICS.get(metric, (metric,))[0]
    kinds = [k for k in chosen["stratum_kind"].astype(str).unique() if k not in ("none", "all")]
    split_by = _KINDS.get(kinds[0], kinds[0]) if by == "stratum" and kinds else _BY.get(by, by.replace("_", " "))
    return finish(figure, title or f"{name} by {split_by}", tidy.caption(chosen, seeds),
                  miniature=tidy.is_miniature(chosen))  # fmt: skip


@plot
def error_vs_contrast(rows: pd.DataFrame, metric: str = "abs_rel", kind: str = "contrast", title: str = ""):
    """A metric against the known texture contrast of the surface seen, a curve for each method, and where pixels are.

    The band spans the seeds. Below, the share of the scored pixels in each bin, without which a curve can mislead.

    Args:
        rows: tidy rows with strata of ``kind``, whose names are bins (``<0.005``, ``0.005-0.01``, …).
        metric: as in `metric_bars`.
        kind: the kind of strata.
        title: replaces the standard one.

    Raises:
        DataError: missing columns, no bins, or rows that cannot be compared.
        OptionError: no row of that kind.
    """
    label = "known texture contrast of the surface (deviation of its albedo)"
    return _over_bins(rows, metric, kind, label, title or "Error against texture contrast", "error_vs_contrast")


@plot
def error_by_distance(rows: pd.DataFrame, metric: str = "abs_rel", kind: str = "distance", title: str = ""):
    """A metric against true distance, a curve for each method; crossed strata (``known*distance``) get a panel each.

    Args:
        rows: tidy rows with strata of ``kind``: bins (``<10 m``, …) or crossed ones (``low/<10 m``, …).
        metric, title: as in `metric_bars`.
        kind: the kind of strata.

    Raises:
        DataError: missing columns, no bins, or rows that cannot be compared.
        OptionError: no row of that kind.
    """
    return _over_bins(rows, metric, kind, "true distance in m", title or "Error by distance", "error_by_distance")


def _over_bins(rows: pd.DataFrame, metric: str, kind: str, x_label: str, title: str, what: str):
    chosen = tidy.select_kind(tidy.select_metric(rows, metric, what), kind, what)
    chosen = chosen[chosen["stratum"] != "all"]
    tidy.require_comparable(chosen, what)
    parts = chosen["stratum"].astype(str).str.rpartition("/")
    chosen = chosen.assign(panel=parts[0], bin=parts[2])
    chosen = chosen[[tidy.interval(b) is not None for b in chosen["bin"]]]
    if chosen.empty:
        raise DataError(f"{what}: the strata of kind {kind!r} are not bins such as '<10 m' or '0.01-0.02'")
    tidy.per_seed(chosen, "stratum", what)
    panels, bins = tidy.in_order(chosen["panel"]), tidy.in_order(chosen["bin"])
    styles = method_styles(chosen["experiment"])
    with_pixels = "pixels" in chosen.columns
    figure = new_figure(4.6 if with_pixels else 3.7)
    grid = figure.subplots(
        2 if with_pixels else 1, len(panels), sharex=True, sharey="row", squeeze=False,
        height_ratios=[3.4, 1] if with_pixels else None,
    )  # fmt: skip
    for column, panel in enumerate(panels):
        inside = chosen[chosen["panel"] == panel]
        for method, style in styles.items():
            _curve(grid[0, column], inside[inside["experiment"] == method], bins, style)
        grid[0, column].grid(True)
        grid[0, column].set_ylim(0, None)
        if panel:
            grid[0, column].set_title({"all": "all"}.get(panel, f"{panel} texture"))
        if with_pixels:
            _pixel_share(grid[1, column], inside, bins)
        text = [_bin_text(b.removesuffix(" m")) for b in bins]
        grid[-1, column].set_xticks(range(len(bins)), text, rotation=30 if len(panels) > 1 and len(bins) > 4 else 0)
    grid[0, 0].set_ylabel(tidy.metric_label(metric))
    if with_pixels:
        grid[1, 0].set_ylabel("share of\npixels")
    grid[-1, (len(panels) - 1) // 2].set_xlabel(x_label)
    legend_row(figure)
    several = _several_seeds(chosen)
    band = "line: mean over seeds, band: smallest to largest" if several else "one seed, so no spread is known"
    return finish(figure, title, tidy.caption(chosen, band), miniature=tidy.is_miniature(chosen))


def _curve(axes, rows: pd.DataFrame, bins: list[str], style) -> None:
    table = rows.pivot_table(index="bin", columns="seed", values="value").reindex(bins)
    mean = table.mean(axis=1)
    if not mean.notna().any():
        return
    x = np.arange(len(bins))
    if table.shape[1] > 1:
        axes.fill_between(x, table.min(axis=1), table.max(axis=1), color=style.color, alpha=0.18, linewidth=0)
    axes.plot(x, mean, color=style.color, marker=style.marker, linestyle=style.linestyle, markersize=5.5,
              label=style.label)  # fmt: skip


def _pixel_share(axes, rows: pd.DataFrame, bins: list[str]) -> None:
    pixels = rows.groupby("bin")["pixels"].max().reindex(bins).fillna(0).astype(float)
    total = pixels.sum()
    axes.bar(np.arange(len(bins)), pixels / total if total else pixels, color="#a8adb5", width=0.7)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_ylim(0, 1.12 * max(float((pixels / total).max()) if total else 1.0, 0.1))


def _several_seeds(rows: pd.DataFrame) -> bool:
    return bool((rows.groupby("experiment")["seed"].nunique() > 1).any())


def _group_text(group: str, by: str) -> str:
    if by != "stratum":
        return group.replace("_", " ")
    return {"all": "all pixels", "low": "low texture", "middle": "middle", "high": "high texture"}.get(
        group, _bin_text(group)
    )


def _bin_text(name: str) -> str:
    if tidy.interval(name) is None:
        return name
    return name.replace(">=", "≥ ").replace("<", "< ").replace("-", "–")
