"""Scores from rows: bars by group, curves over texture contrast and distance, and what the benchmark measured."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.transforms import blended_transform_factory

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots import style, tidy
from lowtex_lab.plots.saving import plot

MOST_LABELLED = 20
_LABEL_CHARACTERS = 100
"""Of the labels along the axis of bars, side by side."""

MOST_PANELS = 4
DODGE = 0.5
"""Width in bins over which methods stand side by side, so that their intervals can be told apart."""

CONTRAST = "known texture contrast of the surface (deviation of its albedo)"


@plot
def metric_bars(rows: pd.DataFrame, metric: str = "abs_rel", kind: str | None = None, title: str = ""):
    """One metric of every method as bars: the mean over seeds, each seed a dot, grouped by stratum.

    Args:
        rows: tidy rows (`evaluation.results.COLUMNS`) of one protocol, data set and profile.
        metric: ``abs_rel``, ``rmse``, ``d1``, …
        kind: the kind of strata, where the rows hold several.
        title: replaces the standard one.

    Raises:
        DataError: missing columns, no such metric, rows that cannot be compared, two values for one place.
        OptionError: several kinds of strata and none chosen.
    """
    # it brings scipy.stats, a second of processor time, so that it is imported where it draws
    import seaborn

    values = tidy.comparable_values(rows, metric, kind, "metric_bars")
    groups = tidy.in_order(values["stratum"])
    styles = style.method_styles(values["experiment"])
    several = bool((values.groupby("experiment")["seed"].nunique() > 1).any())
    figure = style.new_figure(3.9)
    axes = figure.subplots()
    where = {"x": "stratum", "y": "value", "hue": "experiment", "legend": False}
    where |= {"order": groups, "hue_order": list(styles)}
    colors = {name: look.color for name, look in styles.items()}
    seaborn.barplot(values, **where, palette=colors, saturation=1, gap=0.08, errorbar=None, ax=axes)
    if several:
        look = {"palette": dict.fromkeys(styles, "white"), "edgecolor": style.INK, "linewidth": 0.8, "size": 4}
        seaborn.stripplot(values, **where, **look, dodge=len(styles) > 1, jitter=False, ax=axes)
    highest = values.groupby(["experiment", "stratum"])["value"].max()
    for (method, look), bars in zip(styles.items(), axes.containers, strict=True):
        bars.set_label(look.label)
        for bar in bars if len(styles) * len(groups) <= MOST_LABELLED else ():
            middle = bar.get_x() + bar.get_width() / 2
            place = (middle, highest[method, groups[round(middle)]])
            style.note(axes, f"{bar.get_height():.3g}", place, (0, 5), ha="center", va="baseline", fontsize=8)
    axes.set_ylim(0, float(values["value"].max()) * 1.14)
    # what is longer than its group is wide breaks at a space
    room = max(_LABEL_CHARACTERS // len(groups), 4)
    texts = [tidy.bin_text(style.stratum_title(group)) for group in groups]
    axes.set_xticks(range(len(groups)), [textwrap.fill(text, room, break_long_words=False) for text in texts])
    axes.tick_params(axis="x", length=0, labelsize=10)
    axes.grid(True, axis="y")
    axes.set(xlabel="", ylabel=tidy.metric_label(metric))
    style.legend_row(figure)
    seeds = "dots: single seeds, bars: their mean" if several else "one seed, so no spread is known"
    [split_by] = set(values["stratum_kind"]) - {"none", "all"} or {"none"}
    title = title or f"{tidy.metric_name(metric)} by {tidy.LOOK['groups'].get(split_by, split_by.replace('_', ' '))}"
    return style.finish(figure, title, tidy.caption(values, seeds), miniature=tidy.is_miniature(values))


@plot
def case_dots(
    values: pd.DataFrame,
    x_label: str,
    title: str,
    caption: str = "",
    log: bool = False,
    follow_first: bool = True,
    miniature: bool = False,
):
    """One number of several methods in several cases: a line a case, a dot a method.

    For what is too many and too long to name under bars: traps of a protocol, kinds of weather, data sets.

    Args:
        values: ``case, name, value``, a row for each case and method, in reading order.
        x_label, title, caption: texts.
        log: a logarithmic axis.
        follow_first: draw the first case's values through all lines, for cases that change something in the first.
        miniature: mark it as such.

    Raises:
        DataError: missing columns, or no rows.
    """
    tidy.require_columns(values, ["case", "name", "value"], "case_dots")
    cases, styles = list(dict.fromkeys(values["case"])), style.method_styles(values["name"])
    figure = style.new_figure(1.5 + 0.36 * len(cases))
    axes = figure.subplots()
    for place, (name, look) in enumerate(styles.items()):
        # a little apart, so that equal values are both seen
        apart = 0.22 * (place - (len(styles) - 1) / 2)
        own = values[values["name"] == name].assign(line=lambda rows, by=apart: rows["case"].map(cases.index) + by)
        style.method_dots(axes, own, "value", "line", look, markersize=9, label=look.label)
        at_first = own.loc[own["case"] == cases[0], "value"]
        if follow_first and len(at_first):
            axes.axvline(float(at_first.iloc[0]), color=look.color, linestyle="--", linewidth=1, zorder=1)
    if log:
        style.log_axis(axes.xaxis, values["value"])
    else:
        axes.set_xlim(0, 1.08 * float(values["value"].max()))
    axes.set_yticks(range(len(cases)), [textwrap.fill(case, 44, break_long_words=False) for case in cases])
    axes.set_ylim(len(cases) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelsize=11)
    axes.tick_params(axis="x", labelsize=10)
    axes.grid(True)
    axes.set_xlabel(x_label, fontsize=11)
    style.legend_row(figure)
    dashed = "dashed: the first line's values" if follow_first else ""
    return style.finish(figure, title, caption, dashed, miniature=miniature)


@plot
def error_vs_contrast(rows: pd.DataFrame):
    """AbsRel against the known texture contrast of the surface seen; see `error_by_distance`."""
    return _over_bins(rows, "contrast", CONTRAST, "Error against texture contrast", "error_vs_contrast")


@plot
def error_by_distance(rows: pd.DataFrame, kind: str = "distance"):
    """AbsRel against true distance, a curve for each method; crossed strata (``known*distance``) get a panel each.

    Bars span the seeds. Below, the share of the scored pixels in each bin, without which a curve can mislead.

    Args:
        rows: tidy rows with strata of ``kind``: bins (``<10 m``, …) or crossed ones (``low/<10 m``, …).
        kind: the kind of strata.

    Raises:
        DataError: missing columns, no bins, or rows that cannot be compared.
        OptionError: no row of that kind.
    """
    return _over_bins(rows, kind, "true distance in m", "Error by distance", "error_by_distance")


def _over_bins(rows: pd.DataFrame, kind: str, axis: str, title: str, what: str):
    chosen = tidy.comparable_values(rows, "abs_rel", kind, what)
    chosen = chosen[[tidy.interval(name.rpartition("/")[2]) is not None for name in chosen["stratum"]]]
    if chosen.empty:
        raise DataError(f"{what}: the strata of kind {kind!r} are not bins such as '<10 m' or '0.01-0.02'")
    by = chosen.groupby(["experiment", "stratum", "metric"], sort=False, as_index=False)
    errors = by.agg(
        error=("value", "mean"),
        low=("value", "min"),
        high=("value", "max"),
        seeds=("seed", "nunique"),
        images=("images", "max"),
        pixels=("pixels", "max"),
    )
    if errors["seeds"].max() == 1:
        errors[["low", "high"]] = np.nan
    bars = "bars: smallest to largest of the seeds"
    said = tidy.caption(chosen, bars if errors["seeds"].max() > 1 else "one seed, so no spread is known")
    figure = _draw_bins(_placed(errors), None, axis, what)
    return style.finish(figure, title, said, miniature=tidy.is_miniature(chosen))


@plot
def errors_over_bins(
    errors: pd.DataFrame,
    ratios: pd.DataFrame | None = None,
    axis: str = CONTRAST,
    reference: str = "baseline",
    title: str = "Error against texture contrast",
    caption: str = "",
):
    """An error against a quantity cut into bins, a curve a method, with intervals; then its ratio to a reference.

    The upper intervals hold what all methods share (some streets are harder), so they are wide and overlap. The ratios
    below are taken within a seed and an image, and tell whether two methods differ.

    Args:
        errors: of `studies.level_scores.errors_by_stratum`: rows ``experiment, stratum, metric, error, low,
            high, seeds, images, pixels``; ``all`` is left out. Crossed strata (``low/<10 m``) give a panel each.
        ratios: of `studies.stats.effects.compare`, of the same strata: ``method, stratum, ratio, low, high``.
        axis: what the bins are of.
        reference: of the ratios.
        title, caption: texts.

    Raises:
        DataError: missing columns, no rows, too many panels, or two rows of one method in one bin.
    """
    what = "errors_over_bins"
    needed = ("experiment", "stratum", "metric", "error", "low", "high", "seeds", "images", "pixels")
    tidy.require_columns(errors, needed, what)
    if ratios is not None and not ratios.empty:
        tidy.require_columns(ratios, ("method", "stratum", "ratio", "low", "high"), what)
        ratios = _placed(ratios).rename(columns={"method": "experiment"})
    else:
        ratios = None
    errors = _placed(errors)
    figure = _draw_bins(errors, ratios, axis, what, reference)
    said = [f"n = {tidy.counted(errors['images'], 'image')}"]
    # a caption that tells the seeds is right about them: these rows may be a part of what it describes
    said += [] if "seed" in caption else [tidy.counted(errors["seeds"], "seed")]
    alone, bars = errors["low"].isna(), "bars: 95% intervals over seeds and stretches of street"
    said.append("one seed, so no interval" if alone.all() else bars + (", none from one seed" if alone.any() else ""))
    said += [f"{name} {errors[name].iloc[0]}" for name in ("protocol", "profile") if name in errors]
    if ratios is not None:
        said.append("ratios: within a seed and an image")
    return style.finish(figure, title, *said, caption, miniature=tidy.is_miniature(errors))


def _draw_bins(
    errors: pd.DataFrame, ratios: pd.DataFrame | None, axis: str, what: str, reference: str = ""
) -> style.Figure:
    """A column a panel: errors over bins, ratios where there are any, and the share of pixels in a bin."""
    panels, bins = tidy.in_order(errors["panel"]), tidy.in_order(errors["bin"])
    if len(panels) > MOST_PANELS or errors.duplicated(["experiment", "panel", "bin"]).any():
        raise DataError(f"{what} takes at most {MOST_PANELS} panels ({len(panels)} given), each method once in a bin")
    tables = {"error": errors}
    if ratios is not None:
        tables["ratio"] = ratios[ratios["panel"].isin(panels) & ratios["bin"].isin(bins)]
    heights = [*[3.2, 2.3][: len(tables)], 0.8]
    figure = style.new_figure(1.2 + 0.92 * sum(heights))
    options = {"sharex": True, "sharey": "row", "squeeze": False, "height_ratios": heights}
    grid = figure.subplots(len(heights), len(panels), **options)
    styles = style.method_styles(errors["experiment"])
    for column, panel in zip(grid.T, panels, strict=True):
        for place, (method, look) in enumerate(styles.items()):
            shift = DODGE * ((place + 0.5) / len(styles) - 0.5)
            for axes, (part, table) in zip(column, tables.items(), strict=False):
                own = table[(table["panel"] == panel) & (table["experiment"] == method)]
                _curve(axes, own.set_index("bin").reindex(bins), part, shift, look)
        share = errors[errors["panel"] == panel].groupby("bin")["pixels"].max().reindex(bins).fillna(0.0)
        column[-1].bar(np.arange(len(bins)), share / max(share.sum(), 1), color="#a8adb5", width=0.7)
        column[0].set_title(style.stratum_title(panel))
        crowded = len(panels) > 1 and len(bins) > 3
        texts = [tidy.bin_text(name.removesuffix(" m")) for name in bins]
        column[-1].set_xticks(range(len(bins)), texts, rotation=30 if crowded else 0)
        for axes in column:
            axes.grid(True, axis="y")
    grid[-1, (len(panels) - 1) // 2].set_xlabel(axis)
    # once for all panels, after the last: a limit set between them would not grow any more
    grid[0, 0].set_ylim(0, 1.05 * float(errors[["error", "high"]].max().max()))
    grid[0, 0].set_ylabel(tidy.metric_label(str(errors["metric"].iloc[0])))
    if "ratio" in tables:
        for axes in grid[1]:
            axes.axhline(1, color=style.MUTED, linewidth=1, zorder=1)
        ends = tables["ratio"][["ratio", "low", "high"]].to_numpy(float).ravel()
        style.log_axis(grid[1, 0].yaxis, [*ends[np.isfinite(ends)], 1.0], 5)
        grid[1, 0].set_ylabel(f"ratio to {style.method_styles([reference])[reference].label}\n(below 1 is better)")
    grid[-1, 0].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    grid[-1, 0].set_ylabel("share of\npixels")
    style.legend_row(figure, 4)
    return figure


def _placed(rows: pd.DataFrame) -> pd.DataFrame:
    """With ``panel`` and ``bin``, from the stratum's name (``low/<10 m``); the whole image is no bin."""
    rows = rows[rows["stratum"] != "all"]
    if rows.empty:
        raise DataError("errors_over_bins: there are no strata beside 'all'")
    parts = rows["stratum"].astype(str).str.rpartition("/")
    return rows.assign(panel=parts[0], bin=parts[2])


def _curve(axes, rows: pd.DataFrame, column: str, shift: float, method: style.MethodStyle) -> None:
    # a bin without a value leaves no hole in the line
    known = rows[column].notna().to_numpy()
    if known.any():
        x, rows = np.flatnonzero(known) + shift, rows[known].astype({column: float, "low": float, "high": float})
        look = {"color": method.color, "marker": method.marker, "linestyle": method.linestyle}
        axes.plot(x, rows[column], markersize=5, linewidth=1.5, label=method.label, **look)
        axes.vlines(x, rows["low"], rows["high"], color=method.color, linewidth=1.6, alpha=0.6)


_SUBJECT = ["group", "subject", "network", "batch", "height", "width", "data"]
_NEEDED = (*_SUBJECT, "contestant", "metric", "part", "value", "n", "device", "threads", "torch_version", "commit")


@plot
def benchmark_overview(rows: pd.DataFrame):
    """Above, how many times faster than the yardstick everything is; below, a step's time by kind of operation.

    Args:
        rows: of ``python -m benchmarks``, one device: ``group, subject, network, batch, height, width, data,
            contestant, metric, part, value, n, device, threads, torch_version, commit``. Drawn are ``times_faster`` of
            what has a yardstick, and ``profile_ms`` with the step's ``floor_ms``.

    Raises:
        DataError: missing columns, rows of several devices, or nothing of either kind.
    """
    what = "benchmark_overview"
    tidy.require_columns(rows, _NEEDED, what)
    if rows["device"].nunique() > 1:
        raise DataError(f"{what} takes rows of one device, got {', '.join(sorted(set(rows['device'])))}")
    rows = rows.fillna({name: "" for name in ("network", "data", "contestant", "part")})
    with_yardstick = rows[rows["contestant"] == "yardstick"][_SUBJECT].drop_duplicates()
    faster = rows[rows["metric"] == "times_faster"].merge(with_yardstick, on=_SUBJECT)
    profile = rows[rows["metric"] == "profile_ms"]
    if faster.empty and profile.empty:
        raise DataError(f"{what}: no ratio to a yardstick and no profile in these rows; measure step or profile")
    lines, bars = faster[_SUBJECT].drop_duplicates(), profile[[*_SUBJECT, "contestant"]].drop_duplicates()
    heights = [0.9 + inches * len(part) for part, inches in ((lines, 0.4), (bars, 0.3)) if len(part)]
    figure = style.new_figure(1.0 + sum(heights))
    panels = list(figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0])
    if len(faster):
        _ratios(panels[0], faster)
    if len(profile):
        _profile(panels[-1], profile, rows[(rows["metric"] == "floor_ms") & (rows["group"] == "step")])
    said = [f"{rows['device'].iloc[0]}, {count(int(rows['threads'].max()), 'thread')}"]
    for name, column in (("torch", "torch_version"), ("commit", "commit")):
        said.append(f"{name} {', '.join(sorted(set(rows[column].astype(str)) - {''}))}")
    if len(faster):
        said.append(f"medians of {tidy.number_range(faster['n'])} rounds, in turn")
    return style.finish(figure, "The kit beside a plain formulation of the same", *said)


def _ratios(axes, faster: pd.DataFrame) -> None:
    # rows of several calls lie in the order of the calls; the smaller network first
    group = faster["group"].map({"step": 0, "loss": 1, "data": 2, "use": 3}).fillna(4)
    faster = faster.assign(place=group, large=faster["network"].str.startswith("I"))
    faster = faster.sort_values(["place", "large", "height", "batch"])
    texts = [_told(row) for row in faster.itertuples()]
    lines = list(dict.fromkeys(texts))
    faster = faster.assign(y=[lines.index(text) for text in texts])
    style.log_axis(axes.xaxis, [0.9, *faster["value"], 1.35 * float(faster["value"].max())])
    axes.axvline(1.0, color=style.MUTED, linewidth=1)
    there = [name for name in tidy.LOOK["contestants"] if name in set(faster["contestant"])]
    for place, name in enumerate(there):
        (label, color), own = tidy.LOOK["contestants"][name], faster[faster["contestant"] == name]
        axes.plot(own["value"], own["y"], "o", color=color, label=label)
        for times, y in zip(own["value"], own["y"], strict=True):
            # above and below the line in turn, so that numbers keep clear of each other
            look = {"ha": "center", "fontsize": 8, "color": color}
            style.note(axes, f"{times:.3g}×", (times, y), (0, -10 if place % 2 else 9), **look)
    _bar_axis(axes, lines)
    axes.set_xlabel("times faster than the yardstick (right of 1: faster), logarithmic axis")


def _told(line) -> str:
    size = f"{line.batch} × {line.width}x{line.height}" if line.batch > 1 else f"{line.width}x{line.height}"
    data = "" if line.group in ("step", "loss") else line.data
    return ", ".join(part for part in (line.subject, line.network, size if line.width else "", data) if part)


def _profile(axes, profile: pd.DataFrame, floors: pd.DataFrame) -> None:
    same = ["network", "batch", "height", "width", "contestant"]
    table = profile.pivot_table(index=same, columns="part", values="value", aggfunc="first", sort=False, fill_value=0.0)
    table.plot.barh(stacked=True, width=0.72, color=tidy.LOOK["operations"], ax=axes, legend=False)
    floor = floors.drop_duplicates(same).set_index(same)["value"].reindex(table.index)
    places, whole = np.arange(len(table)), table.sum(axis=1)
    for place, ms in zip(places, whole, strict=True):
        style.note(axes, f"{ms:,.0f} ms", (ms, place), (4, 0), fontsize=8, color=style.INK)
    axes.vlines(floor, places - 0.45, places + 0.45, color="black", linewidth=2.2, label="arithmetic floor")
    networks, batches, heights, widths, names = zip(*table.index, strict=True)
    _bar_axis(axes, [f"{net}: {tidy.LOOK['contestants'][name][0]}" for net, name in zip(networks, names, strict=True)])
    axes.set_xlim(0, 1.12 * float(whole.max()))
    axes.set_xlabel(f"ms of one step, by kind of operation (batch {batches[0]}, {widths[0]}x{heights[0]})")


def _bar_axis(axes, labels: list[str]) -> None:
    """A line for each label from the top, and the legend above the panel, from the figure's left edge on."""
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_ylabel("")
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    place = blended_transform_factory(axes.figure.transFigure, axes.transAxes)
    where = {"loc": "lower left", "bbox_to_anchor": (0.005, 1), "bbox_transform": place, "borderaxespad": 0.2}
    axes.legend(**where, ncols=5, columnspacing=1.4, fontsize=8.5)
