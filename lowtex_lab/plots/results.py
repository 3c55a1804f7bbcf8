"""Scores from rows: bars by group, curves over texture contrast and distance, and what the benchmark measured."""

import textwrap

import numpy as np
import pandas as pd
import seaborn
from matplotlib.transforms import blended_transform_factory

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots import tidy
from lowtex_lab.plots.saving import plot
from lowtex_lab.plots.style import (
    INK,
    MUTED,
    TRUTH,
    MethodStyle,
    finish,
    legend_row,
    log_axis,
    method_dots,
    method_lines,
    method_styles,
    new_figure,
    note,
    stratum_title,
)

MOST_LABELLED = 20
_LABEL_CHARACTERS = 100
"""Of the labels along the axis of bars, side by side."""

MOST_PANELS = 4
DODGE = 0.5
"""Width in bins over which methods stand side by side, so that their intervals can be told apart."""

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
    values = values.assign(**{by: values[by].astype(str)})
    groups = tidy.in_order(values[by])
    styles = method_styles(values["experiment"])
    several = _several_seeds(values)
    figure = new_figure(3.9)
    axes = figure.subplots()
    where = {"x": by, "y": "value", "hue": "experiment", "order": groups, "hue_order": list(styles), "legend": False}
    colors = {name: style.color for name, style in styles.items()}
    seaborn.barplot(values, **where, palette=colors, saturation=1, gap=0.08, errorbar=None, ax=axes)
    if several:
        look = {"palette": dict.fromkeys(styles, "white"), "edgecolor": INK, "linewidth": 0.8, "size": 4}
        seaborn.stripplot(values, **where, **look, dodge=len(styles) > 1, jitter=False, ax=axes)
    highest = values.groupby(["experiment", by])["value"].max()
    for (method, style), bars in zip(styles.items(), axes.containers, strict=True):
        bars.set_label(style.label)
        for bar in bars if len(styles) * len(groups) <= MOST_LABELLED else ():
            at, mean = bar.get_x() + bar.get_width() / 2, bar.get_height()
            text, size = f"{mean:.3g}" if mean >= 10 else f"{mean:.3f}", 8 if len(styles) < 5 else 6.5
            place = (at, highest[method, groups[round(at)]])
            note(axes, text, place, (0, 5), ha="center", va="baseline", fontsize=size)
    axes.set_ylim(0, float(values["value"].max()) * 1.14)
    # what is longer than its group is wide breaks at a space
    room = max(_LABEL_CHARACTERS // len(groups), 4)
    short = [tidy.without_hash(group) for group in groups]
    told = short if len(set(short)) == len(groups) else groups
    texts = ["\n".join(textwrap.wrap(_group_text(g, by), room, break_long_words=False)) for g in told]
    axes.set_xticks(range(len(groups)), texts)
    axes.tick_params(axis="x", length=0, labelsize=10)
    axes.grid(True, axis="y")
    axes.set(xlabel=_GROUP_LABELS.get(by, by), ylabel=tidy.metric_label(metric))
    legend_row(figure)
    seeds = "dots: single seeds, bars: their mean" if several else "one seed, so no spread is known"
    name = tidy.METRICS.get(metric, (metric,))[0]
    kinds = [k for k in chosen["stratum_kind"].astype(str).unique() if k not in ("none", "all")]
    split_by = _KINDS.get(kinds[0], kinds[0]) if by == "stratum" and kinds else _BY.get(by, by.replace("_", " "))
    title = title or f"{name} by {split_by}"
    return finish(figure, title, tidy.caption(chosen, seeds), miniature=tidy.is_miniature(chosen))


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
    chosen = tidy.panel_and_bin(chosen)
    chosen = chosen[[tidy.interval(b) is not None for b in chosen["bin"]]]
    if chosen.empty:
        raise DataError(f"{what}: the strata of kind {kind!r} are not bins such as '<10 m' or '0.01-0.02'")
    tidy.per_seed(chosen, "stratum", what)
    bins = tidy.in_order(chosen["bin"])
    styles = method_styles(chosen["experiment"])
    figure, grid = _bin_grid(chosen, [3.4], x_label, "pixels" in chosen.columns)
    for panel, axes in grid[0].items():
        inside = chosen[chosen["panel"] == panel]
        inside = inside.assign(at=inside["bin"].map(bins.index))
        band = {"errorbar": ("pi", 100), "err_kws": {"alpha": 0.18, "linewidth": 0}}
        method_lines(axes, inside, "at", "value", "experiment", styles, **band)
        axes.grid(True)
        axes.set_ylim(0, None)
    next(iter(grid[0].values())).set_ylabel(tidy.metric_label(metric))
    legend_row(figure)
    several = _several_seeds(chosen)
    band = "line: mean over seeds, band: smallest to largest" if several else "one seed, so no spread is known"
    return finish(figure, title, tidy.caption(chosen, band), miniature=tidy.is_miniature(chosen))


def _bin_grid(rows: pd.DataFrame, heights: list[float], x_label: str, with_pixels: bool):
    """A figure, and for each of ``heights`` in inches its row of panels by name; below, each bin's share of pixels."""
    names, bins = tidy.in_order(rows["panel"]), tidy.in_order(rows["bin"])
    heights = [*heights, 0.8] if with_pixels else heights
    figure = new_figure(1.2 + 0.92 * sum(heights))
    options = {"sharex": True, "sharey": "row", "squeeze": False, "height_ratios": heights}
    grid = figure.subplots(len(heights), len(names), **options)
    texts = [tidy.bin_text(name.removesuffix(" m")) for name in bins]
    for column, name in zip(grid.T, names, strict=True):
        if with_pixels:
            _pixel_share(column[-1], rows[rows["panel"] == name], bins)
        if name:
            column[0].set_title(stratum_title(name))
        column[-1].set_xticks(range(len(bins)), texts, rotation=30 if len(names) > 1 and len(bins) > 3 else 0)
    if with_pixels:
        grid[-1, 0].set_ylabel("share of\npixels")
    grid[-1, (len(names) - 1) // 2].set_xlabel(x_label)
    return figure, [dict(zip(names, row, strict=True)) for row in grid]


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
        group, tidy.bin_text(group)
    )


@plot
def errors_over_bins(
    errors: pd.DataFrame,
    ratios: pd.DataFrame | None = None,
    axis: str = "known texture contrast of the surface (deviation of its albedo)",
    reference: str = "baseline",
    title: str = "Error against texture contrast",
    caption: str = "",
    pixels: bool = True,
    miniature: bool = False,
):
    """An error against a quantity cut into bins, a curve a method, with intervals; then its ratio to a reference.

    The upper intervals hold what all methods share (some streets are harder), so they are wide and overlap. The ratios
    below are taken within a seed and an image, and tell whether two methods differ.

    Args:
        errors: of `studies.level_scores.errors_by_stratum`: rows ``experiment, stratum, metric, error, low,
            high, seeds, images`` and ``pixels``; ``all`` is left out. Crossed strata (``low/<10 m``) give a panel each,
            or columns ``panel`` and ``bin`` say where a row belongs.
        ratios: of `studies.stats.effects.compare`, of the same strata: ``method, stratum, ratio, low, high``.
        axis: what the bins are of.
        reference: of the ratios.
        title, caption: texts.
        pixels: draw each bin's share of the scored pixels, without which a curve can mislead.
        miniature: mark it as such (also where the rows say so).

    Raises:
        DataError: missing columns, no rows, too many panels, or two rows of one method in one bin.
    """
    what = "errors_over_bins"
    needed = ("experiment", "stratum", "metric", "error", "low", "high", "seeds", "images")
    tidy.require_columns(errors, needed, what)
    errors = _placed(errors)
    panels, bins = tidy.in_order(errors["panel"]), tidy.in_order(errors["bin"])
    if len(panels) > MOST_PANELS or errors.duplicated(["experiment", "panel", "bin"]).any():
        raise DataError(f"{what} takes at most {MOST_PANELS} panels ({len(panels)} given), each method once in a bin")
    has_ratios = ratios is not None and not ratios.empty
    if has_ratios:
        tidy.require_columns(ratios, ("method", "stratum", "ratio", "low", "high"), what)
        ratios = _placed(ratios)
        ratios = ratios[ratios["panel"].isin(panels) & ratios["bin"].isin(bins)]
    styles = method_styles(errors["experiment"])
    figure, grid = _bin_grid(errors, [3.2] + [2.3] * has_ratios, axis, pixels and "pixels" in errors)
    for place, (method, style) in enumerate(styles.items()):
        shift = DODGE * ((place + 0.5) / len(styles) - 0.5)
        own = errors[errors["experiment"] == method]
        label = f"{style.label} ({tidy.counted(own['seeds'], 'seed')})"
        for panel in panels:
            rows = own[own["panel"] == panel].set_index("bin").reindex(bins)
            _curve(grid[0][panel], rows, "error", shift, style, label)
            if has_ratios:
                rows = ratios[(ratios["panel"] == panel) & (ratios["method"] == method)]
                _curve(grid[1][panel], rows.set_index("bin").reindex(bins), "ratio", shift, style)
    for axes in figure.axes:
        axes.grid(True, axis="y")
    # once for all panels, after the last: a limit set between them would not grow any more
    first = grid[0][panels[0]]
    first.set_ylim(0, 1.05 * float(errors[["error", "high"]].max().max()))
    first.set_ylabel(tidy.metric_label(str(errors["metric"].iloc[0])))
    if has_ratios:
        for axes in grid[1].values():
            axes.axhline(1, color=MUTED, linewidth=1, zorder=1)
        ends = ratios[["ratio", "low", "high"]].to_numpy(float).ravel()
        log_axis(grid[1][panels[0]].yaxis, [*ends[np.isfinite(ends)], 1.0], 5)
        grid[1][panels[0]].set_ylabel(f"ratio to {method_styles([reference])[reference].label}")
    legend_row(figure, 4)
    said = [f"n = {tidy.counted(errors['images'], 'image')}", *_behind(errors)]
    said.append("ratios: within a seed and an image, below 1 is better" if has_ratios else "")
    return finish(figure, title, *said, caption, miniature=miniature or tidy.is_miniature(errors))


def _placed(rows: pd.DataFrame) -> pd.DataFrame:
    """With ``panel`` and ``bin``, as given or from the stratum's name; the whole image is no bin."""
    if {"panel", "bin"} <= set(rows.columns):
        return rows.assign(panel=rows["panel"].astype(str), bin=rows["bin"].astype(str))
    rows = rows[rows["stratum"] != "all"]
    if rows.empty:
        raise DataError("errors_over_bins: there are no strata beside 'all'")
    return tidy.panel_and_bin(rows)


def _curve(axes, rows: pd.DataFrame, column: str, shift: float, style, label: str | None = None) -> None:
    if not rows[column].notna().any():
        return
    x = np.arange(len(rows)) + shift
    # a bin without a value leaves no hole in the line
    x, rows = x[rows[column].notna()], rows[rows[column].notna()]
    look = {"color": style.color, "marker": style.marker, "linestyle": style.linestyle}
    axes.plot(x, rows[column].to_numpy(float), markersize=5, linewidth=1.5, label=label, **look)
    axes.vlines(
        x, rows["low"].to_numpy(float), rows["high"].to_numpy(float), color=style.color, linewidth=1.6, alpha=0.6
    )


def _behind(errors: pd.DataFrame) -> list[str]:
    one_seed = errors["low"].isna()
    bars = "bars: 95% intervals over seeds and stretches of street"
    said = ["one seed, so no interval" if one_seed.all() else bars + (", none from one seed" if one_seed.any() else "")]
    said += [f"protocol {errors['protocol'].iloc[0]}"] if "protocol" in errors else []
    return said + ([f"profile {errors['profile'].iloc[0]}"] if "profile" in errors else [])


YARDSTICK = "yardstick"
CONTESTANTS = {
    YARDSTICK: MethodStyle("yardstick", "#4D4D4D", "|"),
    "kit": MethodStyle("the kit, fp32", "#0072B2", "o"),
    "kit_bf16": MethodStyle("the kit, network in bf16", "#E69F00", "s"),
    "kit_prepared": MethodStyle("prepared on disk", "#009E73", "^"),
    "kit_memory": MethodStyle("kept in memory", "#CC79A7", "v"),
}
"""Contestant -> how it is called and drawn."""

KIND_COLORS = ("#0072B2", "#56B4E9", "#E69F00", "#F0E442", "#CC79A7", "#D55E00", "#009E73", "#bbbbbb")
_SUBJECT = ["group", "subject", "network", "batch", "height", "width", "data"]
_NEEDED = (*_SUBJECT, "contestant", "metric", "part", "value", "n", "device", "threads", "torch_version", "commit")


@plot
def benchmark_overview(
    rows: pd.DataFrame,
    targets: pd.DataFrame | None = None,
    title: str = "The kit beside a plain formulation of the same step",
    caption: str = "",
):
    """Above, how many times faster than the yardstick everything is; below, a step's time by kind of operation.

    Args:
        rows: of ``python -m benchmarks``, one device: ``group, subject, network, batch, height, width, data,
            contestant, metric, part, value, n, device, threads, torch_version, commit``. Drawn are ``times_faster`` of
            what has a yardstick, and ``profile_ms`` with the step's ``floor_ms``.
        targets: rows ``subject, network, batch, height, width, contestant, bound``: marks at the lines above.
        title, caption: texts; device, versions and repeats are always said.

    Raises:
        DataError: missing columns, rows of several devices, or nothing of either kind.
    """
    what = "benchmark_overview"
    tidy.require_columns(rows, _NEEDED, what)
    if rows["device"].nunique() > 1:
        raise DataError(f"{what} takes rows of one device, got {', '.join(sorted(set(rows['device'])))}")
    rows = rows.fillna({name: "" for name in ("network", "data", "contestant", "part")})
    with_yardstick = rows[rows["contestant"] == YARDSTICK][_SUBJECT].drop_duplicates()
    faster = rows[rows["metric"] == "times_faster"].merge(with_yardstick, on=_SUBJECT)
    # rows of several calls lie in the order of the calls
    faster = faster.sort_values(["group", "network", "height", "batch"], kind="stable", key=_rank)
    profile = rows[rows["metric"] == "profile_ms"]
    if faster.empty and profile.empty:
        raise DataError(f"{what}: no ratio to a yardstick and no profile in these rows; measure step or profile")
    lines, bars = (part[_SUBJECT].drop_duplicates() for part in (faster, profile))
    heights = [0.9 + 0.4 * len(lines), 0.9 + 0.3 * len(profile[[*_SUBJECT, "contestant"]].drop_duplicates())]
    shown = [height for height, part in zip(heights, (lines, bars), strict=True) if len(part)]
    figure = new_figure(1.0 + sum(shown))
    panels = list(figure.subplots(len(shown), 1, squeeze=False, height_ratios=shown)[:, 0])
    if len(lines):
        _ratios(panels.pop(0), faster, targets)
    if len(bars):
        _profile(panels.pop(0), profile, rows[rows["metric"] == "floor_ms"])
    return finish(figure, title, _behind_benchmark(rows), caption)


def _rank(column: pd.Series) -> pd.Series:
    """Groups in the order of the table, the smaller network first, numbers by size."""
    first = {"step": 0, "loss": 1, "data": 2, "use": 3}
    if column.name == "group":
        return column.map(lambda group: first.get(group, len(first)))
    return column.map(lambda name: name.startswith("I")) if column.name == "network" else column


def _ratios(axes, faster: pd.DataFrame, targets: pd.DataFrame | None) -> None:
    if targets is None:
        faster = faster.assign(bound=np.nan)
    else:
        told = ["subject", "network", "batch", "height", "width", "contestant"]
        faster = faster.merge(targets[[*told, "bound"]], on=told, how="left")
    names = [name for name in CONTESTANTS if name in set(faster["contestant"])]
    # contestants of one line a little below one another, so that none hides another
    line = faster.groupby(_SUBJECT, sort=False).ngroup()
    of_line = faster["contestant"].map(names.index).groupby(line)
    faster = faster.assign(y=line + 0.62 * ((of_line.rank("dense") - 0.5) / of_line.transform("nunique") - 0.5))
    ends = [0.9, *faster["value"], *faster["bound"].dropna(), 1.35 * float(faster["value"].max())]
    log_axis(axes.xaxis, ends)
    axes.axvline(1.0, color=MUTED, linewidth=1)
    for name in names:
        style, own = CONTESTANTS[name], faster[faster["contestant"] == name]
        method_dots(axes, own, "value", "y", style, label=style.label, markeredgewidth=0, zorder=4)
        for row in own.itertuples():
            # on the side where no target is, which its white ground would hide
            side = -1 if row.bound > row.value else 1
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8}
            look = {"ha": "left" if side > 0 else "right", "fontsize": 8, "color": style.color, "bbox": box}
            note(axes, f"{row.value:.3g}×", (row.value, row.y), (7 * side, 0), **look)
    mark = {"marker": "|", "color": TRUTH, "markersize": 9, "markeredgewidth": 2}
    for index, row in enumerate(faster[faster["bound"].notna()].itertuples()):
        axes.plot(row.bound, row.y, linestyle="", label="" if index else "target", **mark)
    _bar_axis(axes, [_told(row) for row in faster[_SUBJECT].drop_duplicates().itertuples(index=False)])
    axes.set_xlabel("times faster than the yardstick (right of 1: faster), logarithmic axis")


def _profile(axes, profile: pd.DataFrame, floors: pd.DataFrame) -> None:
    keys = [*_SUBJECT, "contestant"]
    table = profile.pivot_table(index=keys, columns="part", values="value", aggfunc="first", sort=False, fill_value=0.0)
    table.plot.barh(stacked=True, width=0.72, color=KIND_COLORS, ax=axes, legend=False)
    same = ["network", "batch", "height", "width", "contestant"]
    floor = floors[floors["group"] == "step"].drop_duplicates(same).set_index(same)["value"]
    labels = []
    for place, bar in enumerate(table.index.to_frame().itertuples(index=False)):
        style = CONTESTANTS.get(bar.contestant)
        labels.append(f"{bar.network}: {style.label if style else bar.contestant}")
        whole = float(table.iloc[place].sum())
        note(axes, f"{whole:,.0f} ms", (whole, place), (4, 0), fontsize=8, color=INK)
        least = floor.get(tuple(getattr(bar, name) for name in same))
        if least is not None:
            once = "arithmetic floor" if place == 0 else None
            axes.plot([least, least], [place - 0.45, place + 0.45], color="black", linewidth=2.2, label=once)
    _bar_axis(axes, labels)
    axes.set_xlim(0, 1.12 * float(table.sum(axis=1).max()))
    size = f"batch {bar.batch}, {bar.width}x{bar.height}"
    axes.set_xlabel(f"ms of one step, by kind of operation ({size})")


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


def _told(line) -> str:
    parts = [line.subject, line.network]
    if line.width:
        parts.append(f"{line.batch} × {line.width}x{line.height}" if line.batch > 1 else f"{line.width}x{line.height}")
    if line.group not in ("step", "loss"):
        parts.append(line.data)
    return ", ".join(part for part in parts if part)


def _behind_benchmark(rows: pd.DataFrame) -> str:
    timed = rows[rows["metric"] == "times_faster"]
    repeats = sorted({int(n) for n in timed["n"]}) if len(timed) else []
    said = f"{rows['device'].iloc[0]}, {count(int(np.max(rows['threads'])), 'thread')}"
    said += f", torch {', '.join(sorted(set(rows['torch_version'])))}"
    commits = sorted({str(commit) for commit in rows["commit"] if str(commit)})
    said += f", commit {', '.join(commits)}" if commits else ""
    if repeats:
        said += f" · medians of {repeats[0]}" + (f" to {repeats[-1]}" if len(repeats) > 1 else "") + " rounds, in turn"
    return said
