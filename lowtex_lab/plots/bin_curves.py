"""Errors over bins with intervals, and below them the paired ratios that tell whether two curves really differ."""

import numpy as np
import pandas as pd

from lowtex.errors import DataError
from lowtex.progress import count
from lowtex_lab.plots import tidy
from lowtex_lab.plots.effect_plots import log_axis
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.scores import _bin_text, _pixel_share
from lowtex_lab.plots.style import MUTED, finish, legend_row, method_styles, new_figure

MOST_PANELS = 4
DODGE = 0.5
"""Width in bins over which methods stand side by side, so that their intervals can be told apart."""

NEEDED = ("experiment", "stratum", "metric", "error", "low", "high", "seeds", "images")
_TEXTURES = ("low", "middle", "high")


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
        errors: of `studies.texture_evidence.errors_by_stratum`: rows ``experiment, stratum, metric, error, low,
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
    tidy.require_columns(errors, NEEDED, what)
    errors = _placed(errors)
    panels, bins = tidy.in_order(errors["panel"]), tidy.in_order(errors["bin"])
    if len(panels) > MOST_PANELS or errors.duplicated(["experiment", "panel", "bin"]).any():
        raise DataError(f"{what} takes at most {MOST_PANELS} panels ({len(panels)} given), each method once in a bin")
    has_ratios = ratios is not None and not ratios.empty
    if has_ratios:
        tidy.require_columns(ratios, ("method", "stratum", "ratio", "low", "high"), what)
        ratios = _placed(ratios)
        ratios = ratios[ratios["panel"].isin(panels) & ratios["bin"].isin(bins)]
    with_pixels = pixels and "pixels" in errors
    heights = [3.2] + [2.3] * has_ratios + [0.8] * with_pixels
    styles = method_styles(errors["experiment"])
    figure = new_figure(1.5 + sum(heights) * 0.92)
    grid = figure.subplots(len(heights), len(panels), sharex=True, sharey="row", squeeze=False, height_ratios=heights)
    for column, panel in enumerate(panels):
        own = errors[errors["panel"] == panel]
        for place, (method, style) in enumerate(styles.items()):
            shift = DODGE * ((place + 0.5) / len(styles) - 0.5)
            rows = own[own["experiment"] == method]
            label = f"{style.label} ({_spoken(errors.loc[errors['experiment'] == method, 'seeds'], 'seed')})"
            _curve(grid[0, column], rows.set_index("bin").reindex(bins), "error", shift, style, label)
            if has_ratios:
                rows = ratios[(ratios["panel"] == panel) & (ratios["method"] == method)]
                _curve(grid[1, column], rows.set_index("bin").reindex(bins), "ratio", shift, style)
        if with_pixels:
            _pixel_share(grid[-1, column], own, bins)
        if panel:
            grid[0, column].set_title(_panel_title(panel))
        texts = [_bin_text(name.removesuffix(" m")) for name in bins]
        grid[-1, column].set_xticks(range(len(bins)), texts, rotation=30 if len(panels) > 1 and len(bins) > 3 else 0)
        for axes in grid[:, column]:
            axes.grid(True, axis="y")
    # once for all panels, after the last: a limit set between them would not grow any more
    grid[0, 0].set_ylim(0, 1.05 * float(errors[["error", "high"]].max().max()))
    grid[0, 0].set_ylabel(tidy.metric_label(str(errors["metric"].iloc[0])))
    said = [f"n = {_spoken(errors['images'], 'image')}", *_behind(errors)]
    if has_ratios:
        _ratio_axis(grid[1], ratios, reference)
        said.append("ratios: within a seed and an image, below 1 is better")
    if with_pixels:
        grid[-1, 0].set_ylabel("share of\npixels")
    grid[-1, (len(panels) - 1) // 2].set_xlabel(axis)
    legend_row(figure, 4)
    text = " · ".join(part for part in (*said, caption) if part)
    return finish(figure, title, text, miniature=miniature or tidy.is_miniature(errors))


def _placed(rows: pd.DataFrame) -> pd.DataFrame:
    """With ``panel`` and ``bin``, as given or from the stratum's name; the whole image is no bin."""
    if {"panel", "bin"} <= set(rows.columns):
        return rows.assign(panel=rows["panel"].astype(str), bin=rows["bin"].astype(str))
    rows = rows[rows["stratum"] != "all"]
    if rows.empty:
        raise DataError("errors_over_bins: there are no strata beside 'all'")
    parts = rows["stratum"].astype(str).str.rpartition("/")
    return rows.assign(panel=parts[0], bin=parts[2])


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


def _ratio_axis(panels, ratios: pd.DataFrame, reference: str) -> None:
    label = method_styles([reference])[reference].label
    for axes in panels:
        axes.axhline(1, color=MUTED, linewidth=1, zorder=1)
    log_axis(
        panels[0].yaxis, pd.concat([ratios[name].dropna() for name in ("ratio", "low", "high")] + [pd.Series([1.0])])
    )
    panels[0].set_ylabel(f"ratio to {label}")


def _panel_title(panel: str) -> str:
    return f"{panel} texture" if panel in _TEXTURES else {"all": "all pixels"}.get(panel, panel)


def _behind(errors: pd.DataFrame) -> list[str]:
    one_seed = errors["low"].isna()
    bars = "bars: 95% intervals over seeds and stretches of street"
    said = ["one seed, so no interval" if one_seed.all() else bars + (", none from one seed" if one_seed.any() else "")]
    said += [f"protocol {errors['protocol'].iloc[0]}"] if "protocol" in errors else []
    return said + ([f"profile {errors['profile'].iloc[0]}"] if "profile" in errors else [])


def _spoken(values: pd.Series, noun: str) -> str:
    low, high = int(values.min()), int(values.max())
    return count(high, noun) if low == high else f"{low} to {high} {noun}s"
