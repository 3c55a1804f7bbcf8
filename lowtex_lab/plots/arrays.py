"""Arrays as figures need them: pictures, maps, depth ranges, and grids of images that fit the page."""

import cv2
import numpy as np

from lowtex_lab.plots.recipe import to_array
from lowtex_lab.plots.style import WIDTH_IN, depth_colormap, depth_norm, metre_ticks, place_image


def as_picture(image) -> np.ndarray:
    """``(3,H,W)`` or ``(H,W,3)`` in [0, 1] as ``(H,W,3)``; clipped, so that a warp's rounding is no warning.

    Raises:
        ValueError: another shape.
    """
    array = to_array(image).astype(np.float32)
    if array.ndim == 3 and array.shape[0] == 3 and array.shape[2] != 3:
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(f"a picture is (3,H,W) or (H,W,3), got {to_array(image).shape}")
    return np.clip(array, 0, 1)


def as_map(values) -> np.ndarray:
    """``(H,W)`` or ``(1,H,W)`` or ``(1,1,H,W)`` as ``(H,W)``.

    Raises:
        ValueError: another shape.
    """
    array = to_array(values)
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2:
        raise ValueError(f"a map is (H,W) or (1,H,W), got {to_array(values).shape}")
    return array


def image_rows_height(rows: float, columns: int, shape: tuple[int, int], *, extra_in: float, title_in: float = 0.3):
    """Height in inches of a figure with that grid of images of ``shape`` (H, W), titles and ``extra_in`` more."""
    cell = (WIDTH_IN - 0.2 * columns) / columns * shape[0] / shape[1]
    return rows * (cell + title_in) + extra_in


def keep_proportions(panels, aspect: float | None) -> None:
    """Draw what the panels show in boxes of that height over width; None leaves every pixel square.

    For pictures that were squeezed to a network's size, and for ground truth on a grid of other proportions.
    """
    for axes in panels:
        if aspect is not None and axes.images:
            height, width = axes.images[0].get_array().shape[:2]
            axes.set_aspect(aspect * width / height)


def depth_range(depth: np.ndarray, near_m: float | None = None, far_m: float | None = None) -> tuple[float, float]:
    """The range to colour: what was asked for, else what the valid depths (> 0) span, at most 80 m."""
    valid = depth[np.isfinite(depth) & (depth > 0)]
    if valid.size == 0:
        return near_m or 1.0, far_m or 80.0
    far = far_m or float(min(80.0, np.quantile(valid, 0.995)))
    near = near_m or float(np.quantile(valid, 0.002))
    return min(near, 0.8 * far), far


def show_depth(axes, depth: np.ndarray, near_m: float, far_m: float, title: str):
    """Show metres with the depth colours; 0 and not-a-number are drawn as no data."""
    known = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)
    return place_image(axes, thicken(known), title, cmap=depth_colormap(), norm=depth_norm(near_m, far_m))


def is_sparse(values: np.ndarray | None) -> bool:
    """Most pixels have no value (0 or not a number), as with a laser's points."""
    return values is not None and float((np.isfinite(values) & (values != 0)).mean()) < 0.35


def thicken(values: np.ndarray) -> np.ndarray:
    """Sparse points (not-a-number elsewhere) spread over their neighbours, so that they survive being shown small.

    A map that is not sparse is returned as it is. Where two points reach one pixel, the smaller value is shown.
    """
    radius = round(values.shape[1] / 500)
    if not is_sparse(values) or radius < 1:
        return values
    filled = np.where(np.isfinite(values), values, np.inf).astype(np.float32)
    spread = cv2.erode(filled, np.ones((2 * radius + 1,) * 2, np.uint8), borderType=cv2.BORDER_REPLICATE)
    return np.where(np.isfinite(values), values, np.where(np.isfinite(spread), spread, np.nan))


def shorten(text: str, columns: int) -> str:
    """The end of a name that is too long to stand above one of several columns."""
    room = int(WIDTH_IN / columns * 12.5) - 1
    return text if len(text) <= room else "…" + text[-(room - 1) :]


def depth_bar(figure, image, axes, near_m: float, far_m: float, **options):
    """A colour bar in metres with round numbers."""
    bar = figure.colorbar(image, ax=axes, **options)
    ticks = metre_ticks(near_m, far_m)
    bar.set_ticks(ticks, labels=[str(t) for t in ticks])
    bar.ax.minorticks_off()
    bar.set_label("depth in m", fontsize=9)
    return bar


def gradient_energy(picture: np.ndarray) -> np.ndarray:
    """Length of the grey image's gradient, a plain measure of texture where nothing better is known."""
    down, right = np.gradient(picture.mean(axis=-1))
    return np.hypot(down, right)
