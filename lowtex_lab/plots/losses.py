"""What data terms see as the disparity varies."""

import pandas as pd

from lowtex_lab.plots.saving import plot
from lowtex_lab.plots.style import TRUTH, finish, legend_row, loss_styles, method_dots, panel_rows
from lowtex_lab.plots.tidy import require_columns


@plot
def loss_landscape(
    curves: pd.DataFrame,
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
        curves: rows ``loss, disparity_px, value`` with, if there are several places, ``place`` and ``truth_px``.
        truth_px: the true disparity, where the rows do not say.
        title, caption: texts.
        relative: False shows the values as they are.
        miniature: mark it as such.

    Raises:
        DataError: missing columns or no rows.
    """
    require_columns(curves, ["loss", "disparity_px", "value"], "loss_landscape")
    if "place" not in curves.columns:
        curves = curves.assign(place="")
    places = list(dict.fromkeys(curves["place"].astype(str)))
    if relative:
        scale = curves.groupby("loss")["value"].transform("max")
        curves = curves.assign(value=curves["value"] / scale.replace(0.0, 1.0))
    figure, panels = panel_rows(len(places), 2.4 if len(places) <= 3 else 2.3, sharey=relative)
    for axes, place in zip(panels, places, strict=True):
        inside = curves[curves["place"].astype(str) == place]
        for index, (name, style) in enumerate(loss_styles(curves["loss"]).items()):
            curve = inside[inside["loss"] == name].sort_values("disparity_px")
            if len(curve):
                look = {"color": style.color, "linestyle": style.linestyle, "label": style.label}
                axes.plot(curve["disparity_px"], curve["value"], **look)
                best = curve.loc[[curve["value"].idxmin()]]
                lowest = {"marker": "v", "markersize": max(11 - 4 * index, 5), "markeredgewidth": 0}
                method_dots(axes, best, "disparity_px", "value", style, **lowest)
        true = inside["truth_px"].dropna() if "truth_px" in inside.columns else pd.Series(dtype=float)
        at = float(true.iloc[0]) if len(true) else truth_px
        if at is not None:
            axes.axvline(at, color=TRUTH, linestyle="--", linewidth=1.3, label="true disparity")
        axes.set_title(place)
        axes.grid(True)
        axes.set_xlabel("disparity tried, in px")
        if relative:
            axes.set_ylim(0, 1.05)
    panels[0].set_ylabel("loss / its largest value\nin any panel" if relative else "loss")
    legend_row(figure)
    return finish(figure, title, "triangle: smallest value of the curve", caption, miniature=miniature)
