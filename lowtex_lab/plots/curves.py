"""Curves: training, what a loss sees as disparity varies, and when a run did what."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import (
    INK,
    METHODS,
    MUTED,
    TRUTH,
    MethodStyle,
    finish,
    legend_row,
    method_styles,
    new_figure,
    spare_style,
)
from lowtex_lab.plots.tidy import require_columns

_NOT_TERMS = {
    "step",
    "epoch",
    "seed",
    "experiment",
    "experiment_key",
    "learning_rate",
    "wall_s",
    "miniature",
    "profile",
}
MOST_TERMS = 9
_TRAINING = "#E69F00"
_STATUS = {"done": "#0072B2", "failed": "#D55E00", "cached": "#9aa5b1", "skipped": "#9aa5b1"}


@plot
def training_curves(
    log: pd.DataFrame, terms: Sequence[str] | None = None, title: str = "How training went", miniature: bool = False
):
    """Every loss term over the optimiser's steps: light as logged, dark as a running mean.

    Args:
        log: a training's ``log.csv`` (a row a step, a column a term), or several put together with the columns
            ``experiment`` and ``seed``. Long form (``step, term, value``) is taken as well.
        terms: which terms to draw, in that order; None = all, at most nine.
        title: replaces the standard one.
        miniature: mark it as such.

    Raises:
        DataError: no ``step`` column, no row, or no such term.
    """
    require_columns(log, ["step"], "training_curves")
    table = log
    if {"term", "value"} <= set(log.columns):
        keys = [c for c in log.columns if c not in ("term", "value")]
        table = log.pivot_table(index=keys, columns="term", values="value", sort=False).reset_index()
    numeric = [c for c in table.columns if c not in _NOT_TERMS and pd.api.types.is_numeric_dtype(table[c])]
    chosen = list(terms) if terms is not None else numeric[:MOST_TERMS]
    unknown = [term for term in chosen if term not in numeric]
    if unknown or not chosen:
        raise DataError(f"training_curves: no term {', '.join(unknown) or 'at all'}; the log has: {', '.join(numeric)}")
    keys = [c for c in ("experiment", "seed") if c in table.columns]
    runs = list(table.groupby(keys, sort=False)) if keys else [((), table)]
    named = [key[0] if "experiment" in keys else "training" for key, _ in runs]
    styles = method_styles(named) if "experiment" in keys else {"training": METHODS["ours"]}
    columns = 2 if len(chosen) in (2, 4) else min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = new_figure(1.1 + 2.3 * rows)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes, term in zip(panels.flat, chosen, strict=False):
        for name, (_, run) in zip(named, runs, strict=True):
            run = run[["step", term]].dropna().sort_values("step")
            if run.empty:
                continue
            style = styles[name]
            smooth = run[term].rolling(max(len(run) // 25, 1), min_periods=1, center=True).mean()
            axes.plot(run["step"], run[term], color=style.color, alpha=0.25, linewidth=0.7)
            label = style.label if "experiment" in keys else None
            axes.plot(run["step"], smooth, color=style.color, linewidth=1.7, label=label)
        values = table[term].dropna()
        if len(values) and values.min() > 0 and values.quantile(0.98) > 30 * values.quantile(0.02):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_title(str(term).replace("_", " "))
        axes.grid(True)
    for axes in panels.flat[len(chosen) :]:
        axes.set_axis_off()
    for axes in panels.flat[max(len(chosen) - columns, 0) : len(chosen)]:
        axes.set_xlabel("optimiser step")
    if "experiment" in keys:
        legend_row(figure)
    steps = int(table["step"].max()) + 1
    caption = f"{count(len(runs), 'training')} of {steps:,} steps · light: as logged, dark: running mean"
    return finish(figure, title, caption, miniature=miniature)


@plot
def loss_landscape(
    curves: pd.DataFrame | Mapping[str, Sequence],
    truth_px: float | None = None,
    title: str = "What each loss sees as the disparity varies",
    caption: str = "",
    relative: bool = True,
    miniature: bool = False,
):
    """A loss at one pixel (or patch) against the disparity tried there; a panel for each place.

    Every curve is divided by the largest value that its loss takes in any panel, so that losses of different units
    share an axis and a loss that is flat on a white wall looks flat.

    Args:
        curves: rows ``loss, disparity_px, value`` with, if there are several places, ``place`` and ``truth_px``;
            or a mapping loss name -> (disparities, values).
        truth_px: the true disparity, where the rows do not say.
        title, caption: texts.
        relative: False shows the values as they are.
        miniature: mark it as such.

    Raises:
        DataError: missing columns or no rows.
    """
    if isinstance(curves, Mapping):
        parts = [pd.DataFrame({"loss": k, "disparity_px": np.asarray(v[0], float), "value": np.asarray(v[1], float)})
                 for k, v in curves.items()]  # fmt: skip
        curves = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    require_columns(curves, ["loss", "disparity_px", "value"], "loss_landscape")
    if "place" not in curves.columns:
        curves = curves.assign(place="")
    places = list(dict.fromkeys(curves["place"].astype(str)))
    styles = loss_styles(curves["loss"])
    scale = curves.groupby("loss")["value"].max() if relative else None
    figure = new_figure(3.6 if len(places) <= 3 else 5.8)
    columns = min(len(places), 3)
    panels = figure.subplots(-(-len(places) // columns), columns, sharey=relative, squeeze=False)
    for axes, place in zip(panels.flat, places, strict=False):
        inside = curves[curves["place"].astype(str) == place]
        for index, (name, style) in enumerate(styles.items()):
            curve = inside[inside["loss"] == name].sort_values("disparity_px")
            if curve.empty:
                continue
            height = curve["value"] / (scale[name] or 1.0) if relative else curve["value"]
            axes.plot(curve["disparity_px"], height, color=style.color, linestyle=style.linestyle, label=style.label)
            best = int(np.argmin(height.to_numpy()))
            axes.plot(curve["disparity_px"].iloc[best], height.iloc[best], marker="v", color=style.color,
                      markersize=max(11 - 4 * index, 5))  # fmt: skip
        true = inside["truth_px"].dropna() if "truth_px" in inside.columns else pd.Series(dtype=float)
        at = float(true.iloc[0]) if len(true) else truth_px
        if at is not None:
            axes.axvline(at, color=TRUTH, linestyle="--", linewidth=1.3, label="true disparity")
        if place:
            axes.set_title(place)
        axes.grid(True)
        axes.set_xlabel("disparity tried, in px")
        if relative:
            axes.set_ylim(0, 1.05)
    for axes in panels.flat[len(places) :]:
        axes.set_axis_off()
    panels[0, 0].set_ylabel("loss / its largest value\nin any panel" if relative else "loss")
    legend_row(figure)
    return finish(figure, title, " · ".join(p for p in ("triangle: smallest value of the curve", caption) if p),
                  miniature=miniature)  # fmt: skip


def loss_styles(losses) -> dict[str, MethodStyle]:
    """Pixel terms take the baseline's colour, feature terms the paper's; others a spare one, always the same."""
    fixed = {"pixels": "baseline", "features": "ours", "both": "encoder", "pixels + features": "encoder",
             "features ssim": "encoder_features"}  # fmt: skip
    spare = {"census": (0, "-"), "zncc": (1, "-"), "random features": (3, "-"),
             "pixels at half size": ("pixels", "--"), "features at full size": ("features", "--")}  # fmt: skip
    names = list(dict.fromkeys(map(str, losses)))
    found = {}
    others = method_styles(name for name in names if name not in fixed and name not in spare)
    for name in names:
        if name in fixed:
            known = METHODS[fixed[name]]
            found[name] = MethodStyle(name.replace("_", " "), known.color, known.marker)
        elif name in spare:
            slot, line = spare[name]
            known = METHODS[fixed[slot]] if slot in fixed else spare_style(slot)
            found[name] = MethodStyle(name, known.color, known.marker, line)
    return {**found, **others}


@plot
def timeline(run: pd.DataFrame, title: str = "Where the time went"):
    """What a run did when: a bar a task, its seconds written beside it.

    Args:
        run: rows ``name, start_s, seconds``, optionally ``status`` (``done``, ``failed``, ``cached``) and
            ``training_s``: how much of the task was training, drawn first in its bar, whenever it was.
        title: replaces the standard one.

    Raises:
        DataError: missing columns or no rows.
    """
    require_columns(run, ["name", "start_s", "seconds"], "timeline")
    status = run["status"].astype(str) if "status" in run.columns else pd.Series("done", index=run.index)
    trains = run["training_s"].to_numpy(float) if "training_s" in run.columns else np.zeros(len(run))
    figure = new_figure(1.3 + 0.3 * len(run))
    axes = figure.subplots()
    end = float((run["start_s"] + run["seconds"]).max())
    for row, (task, state) in enumerate(zip(run.itertuples(), status, strict=True)):
        axes.barh(row, task.seconds, left=task.start_s, height=0.62, color=_STATUS.get(state, MUTED))
        words = _seconds(task.seconds) + ("" if state == "done" else f", {state}")
        if trains[row] > 0:
            axes.barh(row, trains[row], left=task.start_s, height=0.62, color=_TRAINING)
        axes.text(task.start_s + task.seconds + 0.008 * end, row, words, va="center", fontsize=9, color=INK)
    axes.set_yticks(range(len(run)), list(run["name"].astype(str)))
    axes.invert_yaxis()
    axes.set_xlim(0, end * 1.13)
    axes.grid(True, axis="x")
    axes.set_xlabel("seconds since the start")
    total, said = float(run["seconds"].sum()), ""
    if trains.sum() > 0:
        axes.legend([Patch(color=_TRAINING), Patch(color=_STATUS["done"])], ["training", "all else"], loc="upper right")
        said = f", {_seconds(trains.sum())} of it training"
    caption = f"{count(len(run), 'task')} · {_seconds(total)} of work{said} · {_seconds(end)} wall time"
    return finish(figure, title, caption)


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 60 else f"{int(value // 60)} min {int(value % 60):02d} s"
