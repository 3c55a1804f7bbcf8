"""Plain panels for teaching: depth maps side by side, and lines over a common axis."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lowtex_lab.plots.arrays import (
    as_map,
    as_picture,
    depth_bar,
    depth_range,
    image_rows_height,
    keep_proportions,
    show_depth,
)
from lowtex_lab.plots.recipe import plot, to_array
from lowtex_lab.plots.style import TRUTH, finish, legend_row, method_styles, new_figure, place_image
from lowtex_lab.plots.tidy import require_columns

MOST_PANELS = 12


@plot
def depth_grid(
    maps: Mapping[str, object],
    title: str,
    columns: int = 2,
    caption: str = "",
    near_m: float | None = None,
    far_m: float | None = None,
    miniature: bool = False,
    aspect: float | None = None,
):
    """Depth maps (and pictures) side by side on one colour scale in metres, read row by row.

    Args:
        maps: what stands above -> depth ``(H,W)`` or ``(1,H,W)`` in metres, 0 or not-a-number = none; or a picture
            ``(3,H,W)`` in [0, 1]. At most twelve.
        title, caption: texts.
        columns: panels in a row.
        near_m, far_m: range of the colours; None = what the maps span, at most 80 m.
        miniature: mark it as such.
        aspect: height over width to draw every panel with, where pictures were squeezed or the ground truth's grid has
            other proportions; None = every pixel square.

    Raises:
        ValueError: no panel, more than twelve, none that is a depth map, or another shape.
    """
    arrays = {name: to_array(values) for name, values in maps.items()}
    coloured = {name for name, a in arrays.items() if a.ndim == 3 and 3 in (a.shape[0], a.shape[-1])}
    if not 1 <= len(arrays) <= MOST_PANELS or len(coloured) == len(arrays):
        raise ValueError(f"depth_grid takes 1 to {MOST_PANELS} panels, one of them a depth map, got {len(arrays)}")
    depths = {name: as_map(a).astype(np.float32) for name, a in arrays.items() if name not in coloured}
    near, far = depth_range(np.concatenate([depth.ravel() for depth in depths.values()]), near_m, far_m)
    shape = (aspect, 1) if aspect else next(iter(depths.values())).shape
    rows = -(-len(arrays) // columns)
    figure = new_figure(image_rows_height(rows, columns, shape, extra_in=1.2), layout="compressed")
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel, name in zip(axes.flat, arrays, strict=False):
        if name in coloured:
            place_image(panel, as_picture(arrays[name]), name)
        else:
            shown = show_depth(panel, depths[name], near, far, name)
    for blank in axes.flat[len(arrays) :]:
        blank.set_axis_off()
    keep_proportions(axes.flat, aspect)
    bar = {"location": "bottom", "aspect": 45, "pad": 0.02, "shrink": 0.6}
    depth_bar(figure, shown, axes.ravel().tolist(), near, far, **bar)
    return finish(figure, title, caption + " · grey: no value" if caption else "grey: no value", miniature=miniature)


@plot
def line_panels(
    curves: pd.DataFrame,
    x_label: str,
    y_label: str,
    title: str = "",
    caption: str = "",
    mark_x: float | None = None,
    mark_label: str = "",
    from_zero: bool = True,
    miniature: bool = False,
):
    """Lines over a common axis, one for each name, in one panel or several.

    Args:
        curves: rows ``x, y, name`` and, for several panels, ``panel``.
        x_label, y_label, title, caption: texts.
        mark_x, mark_label: a dashed line at a known true value, and what it is.
        from_zero: the vertical axis begins at 0.
        miniature: mark it as such.

    Raises:
        DataError: missing columns or no rows.
    """
    require_columns(curves, ["x", "y", "name"], "line_panels")
    panel_of = curves["panel"] if "panel" in curves.columns else pd.Series("", index=curves.index)
    panels = list(dict.fromkeys(panel_of.astype(str)))
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    styles = method_styles(curves["name"])
    figure = new_figure(1.3 + 2.5 * rows)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for place, panel in zip(axes.flat, panels, strict=False):
        inside = curves[panel_of.astype(str) == panel]
        for name, style in styles.items():
            one = inside[inside["name"].astype(str) == name].sort_values("x")
            if len(one):
                place.plot(one["x"], one["y"], color=style.color, linestyle=style.linestyle, label=name)
        if mark_x is not None:
            place.axvline(mark_x, color=TRUTH, linestyle="--", linewidth=1.3, label=mark_label or None)
        place.set_title(panel)
        place.set_xlabel(x_label)
        place.grid(True)
    if from_zero:
        # after all lines are there: a limit that is set ends the axis's growing with them, in all panels
        axes[0, 0].set_ylim(bottom=0)
    for blank in axes.flat[len(panels) :]:
        blank.set_axis_off()
    axes[0, 0].set_ylabel(y_label)
    if len(styles) > 1 or mark_label:
        legend_row(figure)
    return finish(figure, title, caption, miniature=miniature)
