"""Scan lines that a smoothness term filled in: every row that is equally cheap, beside the true one."""

import numpy as np
import pandas as pd

from lowtex.errors import DataError
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import METHODS, MUTED, TRUTH, finish, legend_row, new_figure
from lowtex_lab.plots.tidy import require_columns

MOST_ROWS, MOST_COLUMNS = 4, 6


@plot
def scan_lines(
    bands: pd.DataFrame, title: str = "What each order of smoothness fills in", caption: str = "", y_label: str = ""
):
    """Disparity along scan lines: a column a line, a row a choice of terms; known pixels are shaded.

    Args:
        bands: of `studies.loss_analysis.smoothness_toys.band_table`: rows ``line, terms, x, truth_px, known, low, high,
            inside``, at most six lines and four choices of terms.
        title, caption: texts.
        y_label: replaces ``disparity in px``.

    Raises:
        DataError: missing columns, no rows, or too many panels.
    """
    what = "scan_lines"
    require_columns(bands, ["line", "terms", "x", "truth_px", "known", "low", "high", "inside"], what)
    columns, rows = (list(dict.fromkeys(bands[name].astype(str))) for name in ("line", "terms"))
    if len(rows) > MOST_ROWS or len(columns) > MOST_COLUMNS:
        raise DataError(f"{what} takes at most {MOST_COLUMNS} lines and {MOST_ROWS} choices of terms, got "
                        f"{len(columns)} and {len(rows)}")  # fmt: skip
    color = METHODS["ours"].color
    figure = new_figure(1.3 + 1.65 * len(rows))
    panels = figure.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
    for axes_row, terms in zip(panels, rows, strict=True):
        for axes, line in zip(axes_row, columns, strict=True):
            own = bands[(bands["line"].astype(str) == line) & (bands["terms"].astype(str) == terms)].sort_values("x")
            if own.empty:
                axes.set_axis_off()
                continue
            x, known = own["x"].to_numpy(float), own["known"].to_numpy(bool)
            for start, end in _runs(known):
                axes.axvspan(x[start] - 0.5, x[end] + 0.5, color="#e6e6e6", linewidth=0, zorder=0,
                             label="measured here")  # fmt: skip
            axes.fill_between(x, own["low"], own["high"], color=color, alpha=0.25, linewidth=0,
                              label="equally cheap")  # fmt: skip
            axes.plot(x, own["truth_px"], color=TRUTH, linestyle="--", linewidth=1.4, label="truth")
            axes.plot(x, own["inside"], color=color, linewidth=1.7, label="one of the cheapest")
            error = np.abs(own["inside"] - own["truth_px"]).to_numpy(float)[~known]
            said = f"off by {error.mean():.2f} px" if error.size else ""
            axes.text(0.03, 0.97, said, transform=axes.transAxes, va="top", fontsize=8, color=MUTED)
    for axes, line in zip(panels[0], columns, strict=True):
        axes.set_title(line, fontsize=9.5)
    for axes, terms in zip(panels[:, 0], rows, strict=True):
        axes.set_ylabel(f"{terms}\n{y_label or 'disparity in px'}", fontsize=9)
    for axes in panels[-1]:
        axes.set_xlabel("pixel of the row", fontsize=9)
    low, high = float(bands[["low", "truth_px"]].min().min()), float(bands[["high", "truth_px"]].max().max())
    # room for the words
    panels[0, 0].set_ylim(low - 0.08 * (high - low), high + 0.22 * (high - low))
    legend_row(figure)
    said = "off by: mean over the pixels between, of the line drawn"
    return finish(figure, title, f"{said} · {caption}" if caption else said)


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of each run of True."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [(int(start), int(end) - 1) for start, end in zip(ends[::2], ends[1::2], strict=True)]
