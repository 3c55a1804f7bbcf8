"""The paper in five drawings (notebook 00), the three about its method: the loop, the white wall, the smoothness."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import pandas as pd

from lowtex_lab.plots.arrays import as_picture
from lowtex_lab.plots.canvas import BLUE, GREEN, GREY, LIGHT_BLUE, ORANGE, Sheet, toy_street
from lowtex_lab.plots.curves import loss_styles
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import INK, METHODS, MUTED, TRUTH, finish, new_figure, place_image
from lowtex_lab.plots.tidy import require_columns


@plot
def diagram_stereo_loop():
    """Drawing 1: how a stereo pair supervises a network that sees one image, and where the feature maps come in."""
    left, disparity = toy_street()
    right, _ = toy_street(side_m=0.54)
    sheet = Sheet(
        4.75,
        "1. The pair is the teacher: depth is right when one view, moved by it, becomes the other",
        "The network sees the left image only. The baseline skips FeatureNet: it warps the pixels of the right image "
        "and compares pixels. At test time only the top row is used: one image in, metres out.",
    )
    top, middle, bottom = 3.45, 2.2, 1.0
    images, nets, maps, last = 1.15, 3.2, 5.35, 7.75
    for y, picture, name in (
        (top, left, "left image"),
        (middle, right, "right image"),
        (bottom, left, "the left image again"),
    ):
        high = sheet.picture(picture, images, y, 1.95)
        sheet.text(images, y - high / 2 - 0.11, name, 8.5, color=MUTED)
        sheet.arrow((images + 1.0, y), (nets - 0.7, y))
        sheet.arrow((nets + 0.7, y), (maps - 1.05, y))
    sheet.box(nets, top, 1.36, 0.62, "depth network\n(is trained)", LIGHT_BLUE, edge=BLUE, line=1.6)
    for y in (middle, bottom):
        sheet.box(nets, y, 1.36, 0.62, "FeatureNet\n(frozen)", GREY)
    high = sheet.picture(disparity, maps, top, 1.95, cmap="magma")
    sheet.text(maps, top - high / 2 - 0.11, "disparity (depth is its inverse)", 8.5, color=MUTED)
    for y, picture, name in ((middle, right, "maps of the right image"), (bottom, left, "maps of the left image")):
        for step, layer in enumerate(_toy_maps(picture)):
            high = sheet.picture(
                layer, maps - 0.1 + 0.1 * step, y + 0.07 - 0.07 * step, 1.7, cmap="viridis", zorder=3 + step
            )
        sheet.text(maps, y - high / 2 - 0.18, name, 8.5, color=MUTED)
        sheet.arrow((maps + 1.05, y), (last - 0.72, y))
    sheet.box(last, middle, 1.36, 0.6, "warp\nalong the row", GREEN)
    sheet.box(last, bottom, 1.36, 0.6, "compare\n= data loss", "#FBE3D3", edge=ORANGE, line=1.6)
    sheet.box(last, top, 1.36, 0.6, "smoothness,\n1st + 2nd order", "#FBE3D3", edge=ORANGE, line=1.6)
    sheet.arrow((maps + 1.0, top), (last - 0.7, top))
    sheet.path([(maps + 1.16, top), (maps + 1.16, top - 0.62), (last, top - 0.62), (last, middle + 0.32)])
    sheet.arrow((last, middle - 0.31), (last, bottom + 0.32))
    back = top + 0.55
    sheet.path([(last + 0.7, bottom), (8.72, bottom), (8.72, back), (nets, back), (nets, top + 0.33)], ORANGE, "--")
    sheet.path([(last, top + 0.31), (last, back - 0.02), (last, back)], ORANGE, "--")
    sheet.text(5.4, back + 0.11, "gradients: only the depth network learns from these losses", 8.5, color=ORANGE)
    return sheet.figure


@plot
def diagram_white_wall(
    curves: pd.DataFrame | None = None, image=None, marks: Mapping[str, Sequence[float]] | None = None,
    miniature: bool = False,
):  # fmt: skip
    """Drawing 4: why a white wall teaches nothing through its pixels, and what the paper hopes from feature maps.

    Args:
        curves: measured rows ``place, loss, disparity_px, value, truth_px`` with the places ``A`` and ``B``, as in
            `loss_landscape`; None draws a sketch of the argument on a toy street, and says so.
        image: ``(3,H,W)`` in [0, 1] that the curves were measured on.
        marks: where, as ``{"A": (x, y), "B": (x, y)}`` in its pixels.
        miniature: mark measured curves as such.

    Raises:
        DataError: missing columns or no rows.
    """
    sketch = curves is None
    if sketch:
        curves = _sketched_curves()
    require_columns(curves, ["place", "loss", "disparity_px", "value", "truth_px"], "diagram_white_wall")
    figure = new_figure(4.7)
    grid = figure.add_gridspec(2, 2, height_ratios=[1.25, 1.3])
    picture = toy_street(90, 300)[0] if image is None else as_picture(image)
    street = figure.add_subplot(grid[0, :])
    place_image(street, picture)
    places = marks or ({"A": (268, 34), "B": (22, 34)} if image is None else {})
    for name, (x, y) in places.items():
        street.plot(x, y, marker="o", markersize=17, markerfacecolor="white", markeredgecolor=ORANGE, markeredgewidth=2)
        street.annotate(name, (x, y), ha="center", va="center", fontsize=10, fontweight="bold", color=INK)
    styles = loss_styles(curves["loss"])
    scale = curves.groupby("loss")["value"].max()
    titles = {"A": "A: a textured place", "B": "B: a plain wall"}
    if sketch:
        titles = {"A": "A: a textured facade: both losses point to the truth",
                  "B": "B: a white wall: no disparity looks wrong to the pixels"}  # fmt: skip
    for column, place in enumerate(("A", "B")):
        axes = figure.add_subplot(grid[1, column])
        inside = curves[curves["place"] == place]
        for name, style in styles.items():
            curve = inside[inside["loss"] == name]
            axes.plot(
                curve["disparity_px"], curve["value"] / scale[name], color=style.color, label=f"compare {style.label}"
            )
        axes.axvline(inside["truth_px"].iloc[0], color=TRUTH, linestyle="--", linewidth=1.3, label="true disparity")
        axes.set(title=titles[place], xlabel="disparity tried" + ("" if sketch else ", in px"), ylim=(0, 1.08))
        if sketch:
            axes.set_xticks([])
            axes.set_yticks([])
        if column == 0:
            axes.set_ylabel("loss")
        else:
            axes.legend(loc="upper right", fontsize=8.5)
    start = "A sketch of the paper's argument, not a measurement" if sketch else "Measured at one pixel each"
    text = f"{start}; each loss is divided by its largest value in either panel. Notebook 03 measures these curves."
    return finish(
        figure, "4. A white wall: where the pixels are silent, do feature maps speak?", text, miniature=miniature
    )


@plot
def diagram_smoothness():
    """Drawing 5: what first- and second-order smoothness each call rough, computed on three rows of disparity."""
    steps = np.arange(49)
    ramp = 4 + 8 * steps / 48
    rows = {
        "a wall seen head-on": np.full(49, 8.0),
        "a slanted wall along the street": ramp,
        "stairs with the same ends": 4 + 2 * np.round(4 * steps / 48),
    }
    figure = new_figure(4.3)
    panels = figure.subplots(2, 3, sharey="row", height_ratios=[1.25, 1])
    first = {name: np.abs(np.diff(row)).mean() for name, row in rows.items()}
    second = {name: np.abs(np.diff(row, n=2)).mean() for name, row in rows.items()}
    top = max([*first.values(), *second.values()])
    for column, (name, row) in enumerate(rows.items()):
        upper, lower = panels[:, column]
        upper.plot(steps, row, color=BLUE, linewidth=2.2)
        upper.set(title=name, ylim=(0, 14), xlabel="pixel along the row")
        upper.grid(True)
        colors = (METHODS["encoder"].color, METHODS["ours"].color)
        values = (first[name], second[name])
        lower.barh([1, 0], values, color=colors, height=0.62)
        for y, value in zip((1, 0), values, strict=True):
            lower.text(value + 0.02 * top, y, f"{value:.2f}", va="center", fontsize=9.5)
        lower.set(xlim=(0, 1.22 * top), xlabel="mean size of the difference, in px", ylim=(-0.5, 1.5))
        lower.set_yticks([1, 0], ["first order", "second order"])
        lower.tick_params(axis="y", length=0)
    panels[0, 0].set_ylabel("disparity in px")
    text = (
        "Computed on the rows shown. A plane at any angle is a straight line in disparity: second order leaves it "
        "alone, while first order charges the slope, and cannot tell it from stairs. The paper uses both."
    )
    return finish(figure, "5. Smoothness: first order taxes every slope, second order only bends", text)


def _toy_maps(picture: np.ndarray) -> list[np.ndarray]:
    grey = cv2.GaussianBlur(picture.mean(axis=-1).astype(np.float32), (0, 0), 1.0)
    edges = [np.abs(cv2.Sobel(grey, cv2.CV_32F, *order)) for order in ((0, 1), (1, 0))]
    return [np.sqrt(np.minimum(edge / edge.max(), 0.4)) for edge in edges] + [grey]


def _sketched_curves() -> pd.DataFrame:
    """Shapes that state the argument: on the wall the pixel loss has a narrow dent of 4 %, the feature loss a slope."""
    tried = np.linspace(0, 40, 161)
    shapes = {
        ("A", "pixels"): (16.0, 2.2, 0.92),
        ("A", "features"): (16.0, 7.0, 0.92),
        ("B", "pixels"): (24.0, 1.5, 0.04),
        ("B", "features"): (24.0, 11.0, 0.45),
    }
    parts = []
    for (place, loss), (truth, width, depth) in shapes.items():
        level = {"A": 1.0, "B": depth + 0.05}[place]
        value = level - depth * np.exp(-(np.abs(tried - truth) / width))
        parts.append(
            pd.DataFrame({"place": place, "loss": loss, "disparity_px": tried, "value": value, "truth_px": truth})
        )
    return pd.concat(parts, ignore_index=True)
