"""Pictures, depth maps and other maps side by side: as they are, as predicted, and with marks on them."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch, Rectangle

from lowtex.progress import count
from lowtex_lab.plots.saving import plot, to_array
from lowtex_lab.plots.style import (
    NO_DATA,
    TRUTH,
    WIDTH_IN,
    contrast_colormap,
    depth_colormap,
    depth_norm,
    error_colormap,
    finish,
    method_styles,
    metre_ticks,
    new_figure,
    note,
    place_image,
)

MOST_PICTURES = 12
MOST_MAPS = 6
MOST_IMAGES = 4
_COLORS = {"value": contrast_colormap, "error": error_colormap}
WINDOW_COLORS = ("#E69F00", "#56B4E9", "#CC79A7", "#009E73")
"""Of the windows, in their order; the truth's own are dashed in the same colours."""

_LEGEND_SHARE = 0.62
"""Width of the legend's column as a share of a picture's."""

STRATA_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


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


def _grid(pictures: Mapping[str, object], columns: int, aspect: float | None, extra_in: float):
    """A figure for pictures and maps, its panels, and by name what is shown, ``(H,W,3)`` or ``(H,W)``."""
    arrays = {name: to_array(value) for name, value in pictures.items()}
    shown = {
        name: as_picture(array) if array.ndim == 3 and 3 in (array.shape[0], array.shape[-1]) else as_map(array)
        for name, array in arrays.items()
    }
    shape = (aspect, 1) if aspect else next(iter(shown.values())).shape[:2]
    rows = -(-len(shown) // columns)
    figure = new_figure(image_rows_height(rows, columns, shape, extra_in=extra_in), layout="compressed")
    panels = figure.subplots(rows, columns, squeeze=False)
    for panel in panels.flat[len(shown) :]:
        panel.set_axis_off()
    return figure, panels, shown


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
        most = f"1 to {MOST_PICTURES} pictures in colours value or error"
        raise ValueError(f"image_grid takes {most}, got {len(pictures)} in {colors!r}")
    figure, panels, shown = _grid(pictures, columns, aspect, 1.3 if bar else 0.7)
    maps = [array.ravel() for array in shown.values() if array.ndim == 2 and array.dtype != bool]
    values = np.concatenate(maps) if maps else np.ones(1)
    end = float(np.nanquantile(values, 0.99)) if top is None else top
    scale = None
    for panel, (name, array) in zip(panels.flat, shown.items(), strict=False):
        if array.ndim == 3:
            place_image(panel, array, name)
            _mark(panel, marks or {})
        elif array.dtype == bool:
            place_image(panel, array, name, cmap="gray", vmin=-0.35, vmax=1)
        else:
            scale = place_image(panel, array, name, cmap=_COLORS[colors](), vmin=0, vmax=end if end > 0 else 1.0)
    keep_proportions(panels.flat, aspect)
    if bar and scale is not None:
        side = "max" if np.nanmax(values) > end else "neither"
        place = {"location": "bottom", "aspect": 40, "pad": 0.03, "shrink": 0.6, "extend": side}
        figure.colorbar(scale, ax=panels, **place).set_label(bar, fontsize=9)
    grey = "grey: not known" if any(np.isnan(a).any() for a in maps) else ""
    return finish(figure, title, caption, grey, miniature=miniature)


def _mark(panel, marks: Mapping[str, object]) -> None:
    for name, place in marks.items():
        x, y = (float(v) for v in to_array(place))
        panel.plot(x, y, marker="o", markersize=9, markerfacecolor="none", markeredgecolor=TRUTH, markeredgewidth=2)
        # the label stays inside the picture
        right = x < 0.8 * panel.get_xlim()[1]
        look = {"fontsize": 9, "va": "baseline", "ha": "left" if right else "right"}
        box = {"facecolor": NO_DATA, "edgecolor": "none", "alpha": 0.75, "pad": 1.2}
        note(panel, name, (x, y), (7 if right else -7, 5), bbox=box, **look)


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
    if not 1 <= len(maps) <= MOST_PICTURES:
        raise ValueError(f"depth_grid takes 1 to {MOST_PICTURES} panels, one of them a depth map, got {len(maps)}")
    figure, panels, shown = _grid(maps, columns, aspect, 1.2)
    depths = [array.astype(np.float32).ravel() for array in shown.values() if array.ndim == 2]
    if not depths:
        raise ValueError(f"depth_grid takes panels, one of them a depth map, got {len(maps)} pictures")
    near, far = depth_range(np.concatenate(depths), near_m, far_m)
    for panel, (name, array) in zip(panels.flat, shown.items(), strict=False):
        if array.ndim == 3:
            place_image(panel, array, name)
        else:
            scale = show_depth(panel, array, near, far, name)
    keep_proportions(panels.flat, aspect)
    bar = {"location": "bottom", "aspect": 45, "pad": 0.02, "shrink": 0.6}
    depth_bar(figure, scale, panels.ravel().tolist(), near, far, **bar)
    return finish(figure, title, caption, "grey: no value", miniature=miniature)


@plot
def encoder_maps(
    maps: Sequence,
    image=None,
    channels: int = 5,
    title: str = "What the encoder's maps look like",
    strides: Sequence[int] | None = None,
    miniature: bool = False,
):
    """The channels that vary most of each of an encoder's maps, one row a stride.

    Each channel is stretched to its own range (2nd to 98th percentile): the colours show where it varies, not how much.

    Args:
        maps: ``(C,h,w)`` or ``(1,C,h,w)``, finest first, at most six; what `ResNetEncoder` returns.
        image: ``(3,H,W)`` in [0, 1], drawn first.
        channels: how many channels of each map.
        title: replaces the standard one.
        strides: for the row labels; None = 2, 4, 8, ….
        miniature: mark it as such.

    Raises:
        ValueError: a map of another shape, none, or more than six.
    """
    arrays = [to_array(values).astype(np.float32) for values in maps]
    arrays = [a[0] if a.ndim == 4 and a.shape[0] == 1 else a for a in arrays]
    wrong = [a.shape for a in arrays if a.ndim != 3]
    if wrong or not 1 <= len(arrays) <= MOST_MAPS:
        raise ValueError(f"encoder_maps takes 1 to {MOST_MAPS} maps (C,h,w), got {wrong or len(arrays)}")
    strides = list(strides) if strides is not None else [2 ** (i + 1) for i in range(len(arrays))]
    rows = len(arrays) + (image is not None)
    figure = new_figure(image_rows_height(rows, channels, arrays[0].shape[1:], extra_in=0.8), layout="compressed")
    axes = figure.subplots(rows, channels, squeeze=False)
    for blank in axes.flat:
        blank.set_axis_off()
    if image is not None:
        axes[0, 0].set_axis_on()
        place_image(axes[0, 0], as_picture(image), "image")
    for row, (array, stride) in enumerate(zip(arrays, strides, strict=True), start=int(image is not None)):
        spread = array.reshape(len(array), -1).std(axis=1)
        best = np.argsort(-spread, kind="stable")[:channels]
        for column, channel in enumerate(best):
            values = array[channel]
            low, high = np.quantile(values, [0.02, 0.98])
            if high <= low:
                # an edge detector that fires in a few places only has equal percentiles
                low, high = float(values.min()), float(values.max())
            axes[row, column].set_axis_on()
            label = f"channel {channel}"
            if column == 0:
                label = f"stride {stride}: {array.shape[2]}×{array.shape[1]}, {array.shape[0]} ch."
            place_image(axes[row, column], values, label, cmap="viridis", vmin=low, vmax=max(high, low + 1e-9))
    caption = f"the {channels} channels with the largest spread of each map · each stretched to its own range"
    return finish(figure, title, caption, miniature=miniature)


@plot
def prediction_panel(
    images: Sequence,
    truths: Sequence,
    predictions: Mapping[str, Sequence],
    names: Sequence[str] | None = None,
    near_m: float | None = None,
    far_m: float | None = None,
    error_top: float = 0.4,
    title: str = "Predicted depth beside the truth",
    miniature: bool = False,
    aspect: float | None = None,
):
    """Images, ground truth, and for each method its depth and its relative error, all on shared colour scales.

    One image is drawn large, with depth and error side by side (without ground truth: image and depths, two a row);
    two to four become columns. The mean of the relative error over the pixels with ground truth stands above each
    error map.

    Args:
        images: up to four pictures ``(3,H,W)`` in [0, 1].
        truths: a depth map ``(1,h,w)`` or ``(h,w)`` in metres for each image, 0 = none; or None where there is none.
        predictions: method name -> one depth map in metres for each image, at its truth's size (any size without).
        names: what to write above each image.
        near_m, far_m: range of the depth colours; None = what the truths span, at most 80 m.
        error_top: relative error that gets the darkest colour.
        title: replaces the standard one.
        miniature: mark it as such.
        aspect: height over width to draw every panel with, where pictures were squeezed or the ground truth's grid has
            other proportions; None = every pixel square.

    Raises:
        ValueError: the counts do not match, more than four images, or a prediction of another size than its truth.
    """
    if not 1 <= len(images) <= MOST_IMAGES or not predictions:
        got = f"{len(images)} images and {len(predictions)} methods"
        raise ValueError(f"prediction_panel takes 1 to {MOST_IMAGES} images and at least one method, got {got}")
    for what, given in {"truths": truths, **predictions, "names": names or images}.items():
        if len(given) != len(images):
            raise ValueError(f"{len(images)} images, but {len(given)} maps in {what!r}")
    pictures = [as_picture(image) for image in images]
    maps = [None if truth is None else as_map(truth).astype(np.float32) for truth in truths]
    depths = {m: [as_map(p).astype(np.float32) for p in given] for m, given in predictions.items()}
    errors = {m: [_relative_error(p, t, m) for p, t in zip(given, maps, strict=True)] for m, given in depths.items()}
    known = [t for t in maps if t is not None] or [p for given in depths.values() for p in given]
    near, far = depth_range(np.concatenate([depth.ravel() for depth in known]), near_m, far_m)
    with_truth = any(t is not None for t in maps)
    rows = _prediction_rows(pictures, maps, depths, errors, names, with_truth)
    shape = (aspect, 1) if aspect else pictures[0].shape[:2]
    height = image_rows_height(len(rows), len(rows[0]), shape, extra_in=1.4)
    figure = new_figure(height, layout="compressed")
    axes = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    scales = {"depth": None, "error": None}
    for panel, (kind, array, text) in zip(axes.flat, [cell for row in rows for cell in row], strict=True):
        if kind == "picture":
            place_image(panel, array, text)
        elif array is None or not np.isfinite(array).any():
            panel.set_axis_off()
            missing = "" if kind == "blank" else "no ground truth"
            panel.text(0.5, 0.5, missing, ha="center", va="center", transform=panel.transAxes, fontsize=9)
        elif kind == "depth":
            scales[kind] = show_depth(panel, array, near, far, text)
        else:
            text = f"{text}AbsRel {np.nanmean(array):.3f}"
            look = {"cmap": error_colormap(), "vmin": 0, "vmax": error_top}
            scales[kind] = place_image(panel, thicken(array), text, **look)
    keep_proportions(axes.flat, aspect)
    _prediction_bars(figure, axes, scales, (near, far))
    said = [count(len(images), "image"), "near is bright", f"colours end at {far:.0f} m"]
    if with_truth:
        said.append("AbsRel = mean of |prediction − truth| / truth over the pixels shown")
        said.append("grey: no ground truth" + (" (points drawn larger)" if any(map(is_sparse, maps)) else ""))
    return finish(figure, title, *said, miniature=miniature)


def _prediction_rows(pictures, maps, depths, errors, names, with_truth: bool) -> list[list[tuple]]:
    """The panels row by row, each as (kind, array, text)."""
    labels = {name: style.label for name, style in method_styles(depths).items()}
    names = names or (["image"] if len(pictures) == 1 else [f"image {i + 1}" for i in range(len(pictures))])
    names = [shorten(name, max(len(pictures), 2)) for name in names]
    shown = [("picture", picture, name) for picture, name in zip(pictures, names, strict=True)]
    if len(pictures) > 1:
        rows = [shown]
        rows += [[("depth", truth, "" if i else "ground truth") for i, truth in enumerate(maps)]] if with_truth else []
        for method, label in labels.items():
            rows.append([("depth", depth, "" if i else label) for i, depth in enumerate(depths[method])])
            rows += [[("error", error, "") for error in errors[method]]] if with_truth else []
        return rows
    if with_truth:
        rows = [[*shown, ("depth", maps[0], "ground truth")]]
        for method, label in labels.items():
            rows.append([("depth", depths[method][0], label), ("error", errors[method][0], f"{label}: ")])
        return rows
    cells = [*shown, *(("depth", depths[method][0], label) for method, label in labels.items())]
    cells += [("blank", None, "")] * (len(cells) % 2)
    return [cells[i : i + 2] for i in range(0, len(cells), 2)]


def _relative_error(prediction: np.ndarray, truth: np.ndarray | None, method: str) -> np.ndarray | None:
    if truth is None:
        return None
    if prediction.shape != truth.shape:
        raise ValueError(f"{method!r} predicts {prediction.shape} where the truth is {truth.shape}; resize it first")
    known = (truth > 0) & np.isfinite(truth)
    return np.where(known, np.abs(prediction - truth) / np.where(known, truth, 1), np.nan)


def _prediction_bars(figure, axes, scales: dict, span: tuple[float, float]) -> None:
    """Two bars side by side below the whole grid: left columns carry the depth bar, right ones the error bar."""
    options = {"location": "bottom", "aspect": 38, "shrink": 0.9}
    if scales["error"] is None:
        depth_bar(figure, scales["depth"], axes, *span, pad=0.03, **options)
        return
    # a share of the last row's height, which the bars must not touch
    options["pad"] = 0.15
    half = max(axes.shape[1] // 2, 1)
    depth_bar(figure, scales["depth"], axes[-1, :half].tolist(), *span, **options)
    bar = figure.colorbar(scales["error"], ax=axes[-1, half:].tolist(), extend="max", **options)
    bar.set_label("relative error, |prediction − truth| / truth", fontsize=9)


@plot
def crop_windows(
    image,
    truth,
    windows: Mapping[str, object],
    truth_windows: Mapping[str, object] | None = None,
    title: str = "Which part counts",
    caption: str = "",
    miniature: bool = False,
):
    """A picture beside its ground truth, and windows in both; the truth is drawn over the picture's extent.

    Args:
        image: the whole picture ``(3,H,W)`` in [0, 1], at any size.
        truth: all of its ground truth ``(h,w)`` or ``(1,h,w)`` in metres, 0 = none.
        windows: what to write in the legend -> (top, bottom, left, right) as shares of the picture's height and width;
            one to four.
        truth_windows: the same for the windows cut out of the truth, drawn dashed, where they are not exactly the
            picture's; a name that both have gets one colour.
        title, caption: texts.
        miniature: mark it as such.

    Raises:
        ValueError: no window, more than four, or one that is not inside the picture.
    """
    given = {**windows, **(truth_windows or {})}
    if not 1 <= len(given) <= len(WINDOW_COLORS):
        raise ValueError(f"crop_windows takes 1 to {len(WINDOW_COLORS)} windows, got {len(given)}")
    boxes = [(name, _box(name, box), "-") for name, box in windows.items()]
    boxes += [(f"{name}: ground truth", _box(name, box), (0, (3, 2))) for name, box in (truth_windows or {}).items()]
    colors = dict(zip(given, WINDOW_COLORS, strict=False))
    picture, depth = as_picture(image), as_map(truth).astype(np.float32)
    height, width = picture.shape[:2]
    cell = WIDTH_IN / (2 + _LEGEND_SHARE)
    figure = new_figure(cell * height / width + 1.2, layout="compressed")
    left, right, side = figure.subplots(1, 3, width_ratios=[1, 1, _LEGEND_SHARE])
    place_image(left, picture, f"picture, {width}×{height}")
    near, far = depth_range(depth)
    shown = show_depth(right, depth, near, far, f"ground truth, {depth.shape[1]}×{depth.shape[0]} values")
    shown.set_extent(left.images[0].get_extent())
    for axes in (left, right):
        for name, (top, bottom, begin, end), line in boxes:
            corner = (begin * width - 0.5, top * height - 0.5)
            color = colors[name.removesuffix(": ground truth")]
            patch = Rectangle(corner, (end - begin) * width, (bottom - top) * height, label=name)
            patch.set(fill=False, edgecolor=color, linestyle=line, linewidth=2)
            axes.add_patch(patch)
    side.set_axis_off()
    side.legend(handles=left.patches, loc="upper left", borderaxespad=0, fontsize=8.5, handlelength=2.2)
    depth_bar(figure, shown, [left, right], near, far, location="bottom", aspect=38, pad=0.02, shrink=0.7)
    return finish(figure, title, caption, miniature=miniature)


def _box(name: str, box: object) -> tuple[float, float, float, float]:
    top, bottom, left, right = (float(value) for value in np.asarray(box))
    if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
        raise ValueError(f"window {name!r} is {(top, bottom, left, right)}; top < bottom, left < right, all in [0, 1]")
    return top, bottom, left, right


@plot
def texture_strata_overlay(image, masks: Mapping[str, object], miniature: bool = False, title: str = ""):
    """Which pixels belong to which stratum: the picture, and the picture tinted by stratum with its share of pixels.

    Args:
        image: ``(3,H,W)`` in [0, 1].
        masks: stratum name -> bool ``(H,W)`` or ``(1,H,W)`` at the image's size; at most six.
        miniature: mark it as such.
        title: replaces the standard one.

    Raises:
        ValueError: no mask, more than six, or a mask of another size.
    """
    picture = as_picture(image)
    if not 1 <= len(masks) <= len(STRATA_COLORS):
        raise ValueError(f"texture_strata_overlay takes 1 to {len(STRATA_COLORS)} masks, got {len(masks)}")
    tinted = np.repeat(picture.mean(-1, keepdims=True), 3, axis=-1)
    handles = []
    figure = new_figure(image_rows_height(1, 2, picture.shape[:2], extra_in=1.25), layout="compressed")
    axes = figure.subplots(1, 2)
    for (name, mask), color in zip(masks.items(), STRATA_COLORS, strict=False):
        member = as_map(mask).astype(bool)
        if member.shape != picture.shape[:2]:
            raise ValueError(f"mask {name!r} is {member.shape}, the image {picture.shape[:2]}; resize it first")
        rgb = np.array(to_rgb(color))
        tinted[member] = 0.4 * tinted[member] + 0.6 * rgb
        handles.append(Patch(color=color, label=f"{name}: {member.mean():.0%} of pixels"))
    place_image(axes[0], picture, "image")
    place_image(axes[1], tinted, "strata")
    figure.legend(handles=handles, loc="outside lower right", ncols=min(len(handles), 3))
    return finish(figure, title or "Which pixels count as low texture", miniature=miniature)
