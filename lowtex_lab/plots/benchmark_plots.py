"""What the benchmark measured: how many times faster than the yardstick, and where a training step's time goes."""

import numpy as np
import pandas as pd
from matplotlib.transforms import blended_transform_factory

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots.effect_plots import log_axis
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import INK, MUTED, TRUTH, MethodStyle, finish, new_figure
from lowtex_lab.plots.tidy import require_columns

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
    require_columns(rows, _NEEDED, what)
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
    lines = faster[_SUBJECT].drop_duplicates().reset_index(drop=True)
    bars = profile[[*_SUBJECT, "contestant"]].drop_duplicates().reset_index(drop=True)
    heights = [0.9 + 0.4 * len(lines), 0.9 + 0.3 * len(bars)]
    shown = [height for height, part in zip(heights, (lines, bars), strict=True) if len(part)]
    figure = new_figure(1.0 + sum(shown))
    panels = list(figure.subplots(len(shown), 1, squeeze=False, height_ratios=shown)[:, 0])
    if len(lines):
        _ratios(panels.pop(0), faster, lines, targets)
    if len(bars):
        _profile(panels.pop(0), profile, bars, rows)
    return finish(figure, title, " · ".join(part for part in (_behind(rows), caption) if part))


def _rank(column: pd.Series) -> pd.Series:
    """Groups in the order of the table, the smaller network first, numbers by size."""
    first = {"step": 0, "loss": 1, "data": 2, "use": 3}
    if column.name == "group":
        return column.map(lambda group: first.get(group, len(first)))
    return column.map(lambda name: name.startswith("I")) if column.name == "network" else column


def _ratios(axes, faster: pd.DataFrame, lines: pd.DataFrame, targets: pd.DataFrame | None) -> None:
    bounds = [] if targets is None else list(targets["bound"].astype(float))
    log_axis(axes.xaxis, [0.9, *faster["value"], *bounds, 1.35 * float(faster["value"].max())])
    axes.axvline(1.0, color=MUTED, linewidth=1)
    names = [name for name in CONTESTANTS if name in set(faster["contestant"])]
    place = {tuple(line): index for index, line in enumerate(lines.itertuples(index=False))}
    some = [] if targets is None else list(targets.itertuples())
    bound = {(key, t.contestant): float(t.bound) for t in some for key in place if _is_at(t, key)}
    for name in names:
        style = CONTESTANTS[name]
        own = faster[faster["contestant"] == name]
        axes.plot([], [], linestyle="", marker=style.marker, color=style.color, markersize=6, label=style.label)
        for values in own.itertuples():
            key = tuple(getattr(values, column) for column in _SUBJECT)
            y = place[key] + _aside(name, faster, key)
            axes.plot(values.value, y, linestyle="", marker=style.marker, color=style.color, markersize=6, zorder=4)
            # on the side where no target is, which its white ground would hide
            side = -1 if bound.get((key, name), 0.0) > values.value else 1
            axes.annotate(f"{values.value:.3g}×", (values.value, y), xytext=(7 * side, 0), textcoords="offset points",
                          ha="left" if side > 0 else "right", va="center", fontsize=7.5, color=style.color,
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8})  # fmt: skip
    if some:
        axes.plot([], [], linestyle="", marker="|", color=TRUTH, markersize=9, markeredgewidth=2, label="target")
    for (key, name), value in bound.items():
        y = place[key] + _aside(name, faster, key)
        axes.plot(value, y, linestyle="", marker="|", color=TRUTH, markersize=9, markeredgewidth=2)
    axes.set_yticks(range(len(lines)), [_told(line) for line in lines.itertuples(index=False)], fontsize=8)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    axes.set_xlabel("times faster than the yardstick (right of 1: faster), logarithmic axis")
    _legend(axes)


def _is_at(target, key: tuple) -> bool:
    told = dict(zip(_SUBJECT, key, strict=True))
    return all(getattr(target, column) == told[column] for column in ("subject", "network", "batch", "height", "width"))


def _aside(name: str, faster: pd.DataFrame, key: tuple) -> float:
    """Contestants of one line a little below one another, so that none hides another."""
    of_line = (faster[_SUBJECT] == list(key)).all(axis=1)
    others = [other for other in CONTESTANTS if other in set(faster.loc[of_line, "contestant"])]
    if name not in others:
        return 0.0
    return 0.62 * ((others.index(name) + 0.5) / len(others) - 0.5)


def _profile(axes, profile: pd.DataFrame, bars: pd.DataFrame, rows: pd.DataFrame) -> None:
    kinds = list(dict.fromkeys(profile["part"]))
    value = profile.set_index([*_SUBJECT, "contestant", "part"])["value"]
    labels, whole = [], []
    for place, bar in enumerate(bars.itertuples(index=False)):
        left = 0.0
        for kind, color in zip(kinds, KIND_COLORS, strict=False):
            width = float(value.get((*bar, kind), 0.0))
            axes.barh(place, width, left=left, height=0.72, color=color, label=kind if place == 0 else None)
            left += width
        whole.append(left)
        style = CONTESTANTS.get(bar.contestant)
        labels.append(f"{bar.network}: {style.label if style else bar.contestant}")
        axes.annotate(f"{left:,.0f} ms", (left, place), xytext=(4, 0), textcoords="offset points", va="center",
                      fontsize=8, color=INK)  # fmt: skip
        floor = _floor(bar, rows)
        if floor is not None:
            axes.plot([floor, floor], [place - 0.45, place + 0.45], color="black", linewidth=2.2,
                      label="arithmetic floor" if place == 0 else None)  # fmt: skip
    axes.set_yticks(range(len(bars)), labels, fontsize=8)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 1.12 * max(whole))
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    first = bars.iloc[0]
    axes.set_xlabel(
        f"ms of one step, by kind of operation (batch {first['batch']}, {first['width']}x{first['height']})"
    )
    _legend(axes)


def _legend(axes) -> None:
    """Above the panel, from the figure's left edge on."""
    place = blended_transform_factory(axes.figure.transFigure, axes.transAxes)
    axes.legend(loc="lower left", bbox_to_anchor=(0.005, 1), bbox_transform=place, ncols=5, borderaxespad=0.2,
                columnspacing=1.4, fontsize=8.5)  # fmt: skip


def _floor(bar, rows: pd.DataFrame) -> float | None:
    same = (rows["group"] == "step") & (rows["metric"] == "floor_ms") & (rows["contestant"] == bar.contestant)
    for column in ("network", "batch", "height", "width"):
        same &= rows[column] == getattr(bar, column)
    return float(rows.loc[same, "value"].iloc[0]) if same.any() else None


def _told(line) -> str:
    parts = [line.subject, line.network]
    if line.width:
        parts.append(f"{line.batch} × {line.width}x{line.height}" if line.batch > 1 else f"{line.width}x{line.height}")
    if line.group not in ("step", "loss"):
        parts.append(line.data)
    return ", ".join(part for part in parts if part)


def _behind(rows: pd.DataFrame) -> str:
    timed = rows[rows["metric"] == "times_faster"]
    repeats = sorted({int(n) for n in timed["n"]}) if len(timed) else []
    said = f"{rows['device'].iloc[0]}, {count(int(np.max(rows['threads'])), 'thread')}"
    said += f", torch {', '.join(sorted(set(rows['torch_version'])))}"
    commits = sorted({str(commit) for commit in rows["commit"] if str(commit)})
    said += f", commit {', '.join(commits)}" if commits else ""
    if repeats:
        said += f" · medians of {repeats[0]}" + (f" to {repeats[-1]}" if len(repeats) > 1 else "") + " rounds, in turn"
    return said
