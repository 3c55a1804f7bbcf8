"""Pictures, depth maps and other maps side by side: as they are, as predicted, and with marks on them."""

from collections.abc import Mapping, Sequence

import cv2
import matplotlib
import numpy as np
from matplotlib.patches import Rectangle

from lowtex.evaluation.postprocessing import resize_map
from lowtex.progress import count
from lowtex_lab.plots import style
from lowtex_lab.plots.saving import plot, to_array

MOST_IMAGES = 4
MAPS = {
    "value": matplotlib.colormaps["cividis"].with_extremes(bad=style.NO_DATA),
    "error": matplotlib.colormaps["OrRd"].with_extremes(bad=style.NO_DATA),
    "channel": matplotlib.colormaps["viridis"],
    "signed": matplotlib.colormaps["PuOr"].with_extremes(bad=style.NO_DATA),
}
"""How a map is coloured that is not of depth: dark blue to yellow, white to red, dark blue to green to yellow, and
orange below 0, violet above."""

MARK_COLORS = ("#E69F00", "#56B4E9", "#CC79A7", "#009E73")


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


def depth_range(depth: np.ndarray, far_m: float | None = None) -> tuple[float, float]:
    """The range to colour: what the valid depths (> 0) span, at most 80 m, or up to ``far_m``."""
    valid = depth[np.isfinite(depth) & (depth > 0)]
    if valid.size == 0:
        return 1.0, far_m or 80.0
    far = far_m or min(80.0, float(np.quantile(valid, 0.995)))
    return min(float(np.quantile(valid, 0.002)), 0.8 * far), far


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


def show_depth(axes, depth: np.ndarray, near_m: float, far_m: float, title: str):
    """Show metres with the depth colours; 0 and not-a-number are drawn as no data."""
    known = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)
    look = {"cmap": style.depth_colormap(), "norm": style.depth_norm(near_m, far_m)}
    return style.place_image(axes, thicken(known), title, **look)


def depth_bar(figure, image, near_m: float, far_m: float, **options):
    """A colour bar in metres with round numbers; options of ``figure.colorbar``."""
    bar = figure.colorbar(image, **options)
    ticks = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 80, 120, 200, 350, 650]
    ticks = [tick for tick in ticks if near_m <= tick <= far_m]
    ticks = ticks[:: 1 if len(ticks) <= 7 else 2]
    bar.set_ticks(ticks, labels=[str(t) for t in ticks])
    bar.ax.minorticks_off()
    bar.set_label("depth in m", fontsize=9)
    return bar


@plot
def image_grid(
    pictures: Mapping[str, object] | Sequence[tuple[str, object]],
    title: str,
    columns: int = 2,
    caption: str = "",
    top: float | None = None,
    colors: str | Mapping[str, str] | Sequence[str] = "value",
    bar: str = "",
    marks: Mapping[str, object] | None = None,
    miniature: bool = False,
    aspect: float | None = None,
    far_m: float | None = None,
    boxes: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
):
    """Pictures in colour and maps, row by row; the maps of one kind share one colour scale.

    Args:
        pictures: what stands above -> a picture ``(3,H,W)`` in [0, 1] or a map ``(H,W)``, ``(1,H,W)``; a bool map is
            shown as kept (white) and left out (dark); not-a-number is grey. None leaves the place to the text. Pairs
            where a text comes twice.
        title, caption: texts.
        columns: pictures a row.
        top: value that gets the last colour; None = the 99th percentile of all maps of a kind. The first is 0.
        colors: of the maps, of each by its name, or of each by its place: ``value`` (dark blue to yellow), ``error``
            (white to red), ``channel`` (violet to yellow), ``signed`` (orange below 0, white, violet above) or
            ``depth`` (metres, 0 = none, logarithmic, with a colour bar).
        bar: label of the colour bar of ``error`` or ``signed``, or of ``value`` where no map has these colours; empty
            draws none.
        marks: name -> (x, y), points to mark in every colour picture.
        miniature: mark it as such.
        aspect: height over width to draw every panel with, where pictures were squeezed or the ground truth's grid has
            other proportions; None = every pixel square.
        far_m: end of the depth colours; None = what the maps span, at most 80 m.
        boxes: name of a picture -> label -> (top, bottom, left, right) of a window in it, as shares of its size.

    Raises:
        ValueError: no picture, unknown colours, another shape, or a window that is not inside its picture.
    """
    pairs = list(pictures.items()) if isinstance(pictures, Mapping) else pictures
    names, arrays = [name for name, _ in pairs], [_shown(picture) for _, picture in pairs]
    kinds = [colors] * len(pairs) if isinstance(colors, str) else colors
    kinds = [kinds.get(name, "value") for name in names] if isinstance(kinds, Mapping) else kinds
    if not pairs or set(kinds) - {"depth", *MAPS}:
        raise ValueError(f"image_grid takes pictures in depth, {', '.join(MAPS)}; got {len(pairs)} in {colors!r}")
    values = {}
    for kind, array in zip(kinds, arrays, strict=True):
        if array is not None and array.ndim == 2 and array.dtype != bool:
            values[kind] = np.append(values.get(kind, []), array)
    near, far = depth_range(values.get("depth", np.zeros(0)), far_m)
    holes = any(kind == "depth" or np.isnan(of_kind).any() for kind, of_kind in values.items())
    ends = {kind: top or float(np.nanquantile(of_kind, 0.99)) for kind, of_kind in values.items()}
    figure, panels, heights_in = _panels(arrays, columns, aspect)
    scales = {}
    for panel, text, kind, array in zip(panels.flat, names, kinds, arrays, strict=False):
        if array is None:
            panel.set_axis_off()
            panel.text(0.5, 0.5, text, ha="center", va="center", transform=panel.transAxes, fontsize=9)
            continue
        if array.ndim == 3 or array.dtype == bool:
            style.place_image(panel, array, text, cmap="gray", vmin=-0.35, vmax=1)
            _mark(panel, marks or {} if array.ndim == 3 else {})
        elif kind == "depth":
            scales[kind] = show_depth(panel, array, near, far, text)
        else:
            end = ends[kind] or 1.0
            look = {"cmap": MAPS[kind], "vmin": -end if kind == "signed" else 0, "vmax": end}
            scales[kind] = style.place_image(panel, thicken(array), text, **look)
        if aspect is not None:
            panel.set_aspect(aspect * array.shape[1] / array.shape[0])
        _outline(panel, array, (boxes or {}).get(text, {}))
    for blank in panels.flat[len(pairs) :]:
        blank.set_axis_off()
    named = next((kind for kind in ("error", "signed") if kind in kinds), "value")
    labels = {"depth": "depth in m"} | ({named: bar} if bar else {})
    below = [kind for kind in labels if kind in scales]
    for place, kind in enumerate(below):
        under, height_in = panels, sum(heights_in)
        if len(below) == 2 and columns > 1:
            halves = panels[-1, : columns // 2], panels[-1, columns // 2 :]
            under, height_in = halves[place], heights_in[-1]
        # 0.3 inches below the pictures, as a share of their height
        pad = 0.3 / height_in
        look = {"ax": under.ravel().tolist(), "location": "bottom", "aspect": 38, "shrink": 0.7, "pad": pad}
        if kind == "depth":
            depth_bar(figure, scales[kind], near, far, **look)
        else:
            beyond = "both" if kind == "signed" else "max"
            look["extend"] = beyond if np.nanmax(np.abs(values[kind])) > ends[kind] else "neither"
            figure.colorbar(scales[kind], **look).set_label(labels[kind], fontsize=9)
    return style.finish(figure, title, caption, "grey: no value" if holes else "", miniature=miniature)


def _shown(picture) -> np.ndarray | None:
    if picture is None:
        return None
    array = to_array(picture)
    return as_picture(array) if array.ndim == 3 and 3 in (array.shape[0], array.shape[-1]) else as_map(array)


def _panels(
    arrays: Sequence[np.ndarray | None], columns: int, aspect: float | None
) -> tuple[style.Figure, np.ndarray, list[float]]:
    """A figure, its panels ``(rows, columns)``, and the height in inches that the first picture of a row asks for."""
    rows = [arrays[i : i + columns] for i in range(0, len(arrays), columns)]
    shapes = [next((array.shape for array in row if array is not None), (1, 2)) for row in rows]
    heights_in = [style.WIDTH_IN / columns * (aspect or shape[0] / shape[1]) for shape in shapes]
    figure = style.new_figure(sum(heights_in) + 0.3 * len(rows) + 1.6, layout="compressed")
    return figure, figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights_in), heights_in


def _mark(panel, marks: Mapping[str, object]) -> None:
    for name, place in marks.items():
        x, y = (float(v) for v in to_array(place))
        ring = {"markersize": 9, "markerfacecolor": "none", "markeredgecolor": style.TRUTH, "markeredgewidth": 2}
        panel.plot(x, y, marker="o", **ring)
        # the label stays inside the picture
        right = x < 0.8 * panel.get_xlim()[1]
        look = {"fontsize": 9, "va": "baseline", "ha": "left" if right else "right"}
        box = {"facecolor": style.NO_DATA, "edgecolor": "none", "alpha": 0.75, "pad": 1.2}
        style.note(panel, name, (x, y), (7 if right else -7, 5), bbox=box, **look)


def _outline(panel, array: np.ndarray, windows: Mapping[str, Sequence[float]]) -> None:
    """Draw windows into a panel, each with its name in its upper left or upper right corner, in turn."""
    height, width = array.shape[:2]
    for index, (name, window) in enumerate(windows.items()):
        top, bottom, left, right = map(float, window)
        if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
            told = f"window {name!r} is {(top, bottom, left, right)}"
            raise ValueError(f"{told}; top < bottom, left < right, all in [0, 1]")
        color = MARK_COLORS[index % len(MARK_COLORS)]
        corner = (left * width - 0.5, top * height - 0.5)
        size = ((right - left) * width, (bottom - top) * height)
        panel.add_patch(Rectangle(corner, *size, label=name, fill=False, edgecolor=color, linewidth=2))
        place = (corner[0] + index % 2 * size[0], corner[1])
        box = {"facecolor": color, "edgecolor": "none", "alpha": 0.85, "pad": 1.2}
        shift, side = ((-3, -4), "right") if index % 2 else ((3, -4), "left")
        style.note(panel, name, place, shift, va="top", ha=side, bbox=box)


def encoder_maps(
    maps: Sequence,
    image=None,
    channels: int = 5,
    title: str = "What the encoder's maps look like",
    miniature: bool = False,
):
    """The channels that vary most of each of an encoder's maps, one row a stride.

    Each channel is stretched to its own range (2nd to 98th percentile): the colours show where it varies, not how much.

    Args:
        maps: ``(C,h,w)`` or ``(1,C,h,w)`` at strides 2, 4, 8, …, finest first; what `ResNetEncoder` returns.
        image: ``(3,H,W)`` in [0, 1], drawn first.
        channels: how many channels of each map.
        title: replaces the standard one.
        miniature: mark it as such.

    Raises:
        ValueError: no map, or one of another shape.
    """
    arrays = [to_array(values).astype(np.float32) for values in maps]
    arrays = [a[0] if a.ndim == 4 and a.shape[0] == 1 else a for a in arrays]
    wrong = [a.shape for a in arrays if a.ndim != 3]
    if wrong or not arrays:
        raise ValueError(f"encoder_maps takes maps (C,h,w), got {wrong or 'none'}")
    pictures = [] if image is None else [("image", image), *[("", None)] * (channels - 1)]
    for level, array in enumerate(arrays, start=1):
        best = np.argsort(-array.reshape(len(array), -1).std(axis=1), kind="stable")[:channels]
        for place, channel in enumerate(best):
            low, high = np.quantile(array[channel], [0.02, 0.98])
            if high <= low:
                # an edge detector that fires in a few places only has equal percentiles
                low, high = float(array[channel].min()), float(array[channel].max())
            size = f"stride {2**level}: {array.shape[2]}×{array.shape[1]}, {len(array)} ch."
            name = f"channel {channel}" if place else size
            pictures.append((name, np.clip((array[channel] - low) / max(high - low, 1e-9), 0, 1)))
    caption = f"the {channels} channels with the largest spread of each map · each stretched to its own range"
    return image_grid(pictures, title, channels, caption, top=1.0, colors="channel", miniature=miniature)


def prediction_panel(
    images: Sequence,
    truths: Sequence,
    predictions: Mapping[str, Sequence],
    names: Sequence[str] | None = None,
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
        error_top: relative error that gets the darkest colour.
        title: replaces the standard one.
        miniature: mark it as such.
        aspect: as in `image_grid`.

    Raises:
        ValueError: the counts do not match, more than four images, or a prediction of another size than its truth.
    """
    if not 1 <= len(images) <= MOST_IMAGES or not predictions:
        got = f"{len(images)} images and {len(predictions)} methods"
        raise ValueError(f"prediction_panel takes 1 to {MOST_IMAGES} images and at least one method, got {got}")
    for what, given in {"truths": truths, **predictions, "names": names or images}.items():
        if len(given) != len(images):
            raise ValueError(f"{len(images)} images, but {len(given)} maps in {what!r}")
    alone = len(images) == 1
    names = names or (["image"] if alone else [f"image {i + 1}" for i in range(len(images))])
    labels = {method: look.label for method, look in style.method_styles(predictions).items()}
    maps = [None if truth is None else as_map(truth).astype(np.float32) for truth in truths]
    maps = [truth if truth is not None and (truth > 0).any() else None for truth in maps]
    with_truth = any(truth is not None for truth in maps)
    stacks = []
    for place, (image, truth) in enumerate(zip(images, maps, strict=True)):
        stack = [(shorten(names[place], max(len(images), 2)), as_picture(image), "value")]
        if with_truth:
            stack.append(("no ground truth" if truth is None else "" if place else "ground truth", truth, "depth"))
        for method, label in labels.items():
            depth = as_map(predictions[method][place]).astype(np.float32)
            stack.append(("" if place else label, depth, "depth"))
            if with_truth:
                error = None if truth is None else _relative_error(depth, truth, method)
                text = "no ground truth" if error is None else f"AbsRel {np.nanmean(error):.3f}"
                stack.append((f"{label}: {text}" if alone else text, error, "error"))
        stacks.append(stack)
    cells = stacks[0] if alone else [cell for row in zip(*stacks, strict=True) for cell in row]
    said = [count(len(images), "image"), "near is bright"]
    if with_truth:
        said.append("AbsRel = mean of |prediction − truth| / truth over the pixels shown")
    if any(map(is_sparse, maps)):
        said.append("points drawn larger")
    options = {"colors": [kind for *_, kind in cells], "bar": "relative error, |prediction − truth| / truth"}
    if with_truth:
        options["far_m"] = depth_range(np.concatenate([truth.ravel() for truth in maps if truth is not None]))[1]
    options |= {"top": error_top, "miniature": miniature, "aspect": aspect}
    columns = 2 if alone else len(images)
    return image_grid([cell[:2] for cell in cells], title, columns, " · ".join(said), **options)


def plainest_window(low, truth, share: tuple[float, float] = (0.3, 0.25)) -> tuple[float, float, float, float]:
    """The window with the most pixels of low texture that have ground truth; predictions have no part in the choice.

    Args:
        low: bool ``(H,W)``, pixels of low texture.
        truth: metres ``(H,W)``, 0 = none.
        share: height and width of the window as shares of the map's.

    Returns:
        (top, bottom, left, right) as shares of the map's size; the first of several that are equal.
    """
    counted = (as_map(low).astype(bool) & (as_map(truth) > 0)).astype(np.float32)
    size = [max(1, round(part * whole)) for part, whole in zip(share, counted.shape, strict=True)]
    inside = np.lib.stride_tricks.sliding_window_view(counted, size).mean((2, 3))
    corner = np.unravel_index(inside.argmax(), inside.shape)
    top, left = (int(place) / whole for place, whole in zip(corner, counted.shape, strict=True))
    return top, top + size[0] / counted.shape[0], left, left + size[1] / counted.shape[1]


def one_street(image, truth, predictions: Mapping[str, object], low, miniature: bool = False):
    """One image, its ground truth, two methods' depths, and which of them is nearer to the truth, pixel by pixel.

    The plainest part of the street (`plainest_window`) is outlined; the caption tells both methods' errors in it and
    in the whole picture.

    Args:
        image: ``(3,H,W)`` in [0, 1].
        truth: metres ``(h,w)``, 0 = none.
        predictions: the two methods' names -> metres ``(h,w)``; the reference comes first.
        low: bool ``(h,w)``, pixels of low texture.
        miniature: mark it as such.

    Raises:
        ValueError: not two methods, or a map of another size than the truth.
    """
    truth = as_map(truth).astype(np.float32)
    if len(predictions) != 2 or as_map(low).shape != truth.shape:
        given = f"{len(predictions)} methods, low texture {as_map(low).shape}, truth {truth.shape}"
        raise ValueError(f"one_street takes two methods and a map of low texture at the truth's size, got {given}")
    depths = {name: as_map(depth).astype(np.float32) for name, depth in predictions.items()}
    errors = {name: _relative_error(depth, truth, name) for name, depth in depths.items()}
    (first, second), picture = depths, as_picture(image)
    plain = resize_map(as_map(low).astype(np.float32), *picture.shape[:2], "nearest") > 0
    window = plainest_window(low, truth)
    height, width = truth.shape
    rows, columns = (slice(round(a * n), round(b * n)) for a, b, n in ((*window[:2], height), (*window[2:], width)))
    off = {name: float(np.nanmean(error[rows, columns])) for name, error in errors.items()}
    title = f"In the plainest part of this street, {first} is off by {off[first]:.0%}, {second} by {off[second]:.0%}"
    pictures = {
        "image": picture,
        "where texture is low": np.where(plain[..., None], picture, 0.12),
        f"depth, {first}": depths[first],
        f"depth, {second}": depths[second],
        "true depth": truth,
        "which of the two is nearer to the truth": errors[first] - errors[second],
    }
    options = {"colors": ["value", "value", "depth", "depth", "depth", "signed"], "top": 0.3, "miniature": miniature}
    options["bar"] = f"orange: {first} is nearer, violet: {second} is"
    options["boxes"] = {name: {"" if place else "plainest part": window} for place, name in enumerate(pictures)}
    whole = ", ".join(f"{name} {np.nanmean(error):.0%}" for name, error in errors.items())
    said = "off by: relative error, mean of |prediction − truth| / truth", f"whole picture: {whole}"
    caption = " · ".join([*said, "last colours: difference of relative errors", "box: most pixels of low texture"])
    return image_grid(pictures, title, 2, caption, **options)


def shorten(text: str, columns: int) -> str:
    """The end of a name that is too long to stand above one of several columns."""
    room = int(style.WIDTH_IN / columns * 12.5) - 1
    return text if len(text) <= room else "…" + text[-(room - 1) :]


def _relative_error(prediction: np.ndarray, truth: np.ndarray, method: str) -> np.ndarray:
    if prediction.shape != truth.shape:
        raise ValueError(f"{method!r} predicts {prediction.shape} where the truth is {truth.shape}; resize it first")
    known = (truth > 0) & np.isfinite(truth)
    return np.where(known, np.abs(prediction - truth) / np.where(known, truth, 1), np.nan)


def texture_strata_overlay(image, masks: Mapping[str, object], miniature: bool, title: str):
    """Which pixels belong to which stratum: the picture, and for each stratum its pixels and their share.

    Args:
        image: ``(3,H,W)`` in [0, 1].
        masks: stratum name -> bool ``(H,W)`` or ``(1,H,W)`` at the image's size.
        miniature: mark it as such.
        title: text.

    Raises:
        ValueError: a mask of another size.
    """
    pictures = {"image": as_picture(image)}
    for name, mask in masks.items():
        member = as_map(mask).astype(bool)
        if member.shape != pictures["image"].shape[:2]:
            raise ValueError(
                f"mask {name!r} is {member.shape}, the image {pictures['image'].shape[:2]}; resize it first"
            )
        # what belongs to it keeps its colours
        shown = np.where(member[..., None], pictures["image"], 0.12)
        pictures[f"{name}: {member.mean():.0%} of pixels"] = shown
    return image_grid(pictures, title, miniature=miniature)
