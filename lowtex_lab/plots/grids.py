"""Pictures and maps of one size side by side, for whatever has no panel of its own."""

from collections.abc import Mapping

import numpy as np

from lowtex_lab.plots.arrays import as_map, as_picture, image_rows_height, keep_proportions
from lowtex_lab.plots.recipe import plot, to_array
from lowtex_lab.plots.style import NO_DATA, contrast_colormap, error_colormap, finish, new_figure, place_image

MOST_PICTURES = 12
_COLORS = {"value": contrast_colormap, "error": error_colormap}


@plot
def image_grid(
    pictures: Mapping[str, object],
    title: str,
    columns: int = 2,
    caption: str = "",
    top: float | None = None,
    colors: str = "value",
    bar: str = "",
    marks: Mapping[str, object] | None = None,
    miniature: bool = False,
    aspect: float | None = None,
):
    """Pictures in colour and maps on one shared colour scale, row by row.

    Args:
        pictures: what stands above -> a picture ``(3,H,W)`` in [0, 1] or a map ``(H,W)``, ``(1,H,W)``; a bool map is
            shown as kept (white) and left out (dark); not-a-number is grey. At most twelve.
        title, caption: texts.
        columns: pictures a row.
        top: value that gets the last colour; None = the 99th percentile of all maps together. The first is 0.
        colors: of the maps: ``value`` (dark blue to yellow) or ``error`` (white to red).
        bar: label of the colour bar; empty draws none.
        marks: name -> (x, y), points to mark in every colour picture.
        miniature: mark it as such.
        aspect: height over width to draw every panel with, where pictures were squeezed or the ground truth's grid has
            other proportions; None = every pixel square.

    Raises:
        ValueError: no picture, more than twelve, or another shape.
    """
    if not 1 <= len(pictures) <= MOST_PICTURES or colors not in _COLORS:
        raise ValueError(f"image_grid takes 1 to {MOST_PICTURES} pictures in colours value or error, "
                         f"got {len(pictures)} in {colors!r}")  # fmt: skip
    arrays = {name: to_array(value) for name, value in pictures.items()}
    coloured = {name for name, a in arrays.items() if a.ndim == 3 and 3 in (a.shape[0], a.shape[-1])}
    shown = {name: as_picture(a) if name in coloured else as_map(a) for name, a in arrays.items()}
    maps = [a.ravel() for name, a in shown.items() if name not in coloured and a.dtype != bool]
    values = np.concatenate(maps) if maps else np.ones(1)
    end = float(np.nanquantile(values, 0.99)) if top is None else top
    rows = -(-len(shown) // columns)
    shape = (aspect, 1) if aspect else next(iter(shown.values())).shape[:2]
    figure = new_figure(image_rows_height(rows, columns, shape, extra_in=1.3 if bar else 0.7), layout="compressed")
    axes = figure.subplots(rows, columns, squeeze=False)
    scale = None
    for panel, (name, array) in zip(axes.flat, shown.items(), strict=False):
        if name in coloured:
            place_image(panel, array, name)
            _mark(panel, marks or {})
        elif array.dtype == bool:
            place_image(panel, array, name, cmap="gray", vmin=-0.35, vmax=1)
        else:
            scale = place_image(panel, array, name, cmap=_COLORS[colors](), vmin=0, vmax=end if end > 0 else 1.0)
    keep_proportions(axes.flat, aspect)
    for panel in axes.flat[len(shown) :]:
        panel.set_axis_off()
    if bar and scale is not None:
        side = "max" if np.nanmax(values) > end else "neither"
        place = {"location": "bottom", "aspect": 40, "pad": 0.03, "shrink": 0.6, "extend": side}
        figure.colorbar(scale, ax=axes, **place).set_label(bar, fontsize=9)
    grey = " · grey: not known" if any(np.isnan(a).any() for a in maps) else ""
    return finish(figure, title, caption + grey if caption else grey.removeprefix(" · "), miniature=miniature)


def _mark(panel, marks: Mapping[str, object]) -> None:
    for name, place in marks.items():
        x, y = (float(v) for v in to_array(place))
        panel.plot(x, y, marker="o", markersize=9, markerfacecolor="none", markeredgecolor="#D55E00", markeredgewidth=2)
        # the label stays inside the picture
        right = x < 0.8 * panel.get_xlim()[1]
        box = {"facecolor": NO_DATA, "edgecolor": "none", "alpha": 0.75, "pad": 1.2}
        panel.annotate(name, (x, y), xytext=(7 if right else -7, 5), textcoords="offset points", fontsize=9, bbox=box,
                       ha="left" if right else "right")  # fmt: skip
