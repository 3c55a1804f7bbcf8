"""Predictions beside the truth, in metres, with where they are wrong."""

from collections.abc import Mapping, Sequence

import numpy as np

from lowtex_lab.plots.arrays import (
    as_map,
    as_picture,
    depth_bar,
    depth_range,
    image_rows_height,
    is_sparse,
    keep_proportions,
    shorten,
    show_depth,
    thicken,
)
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.style import error_colormap, finish, method_styles, new_figure, place_image

MOST_IMAGES = 4


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
    count = len(images)
    if not 1 <= count <= MOST_IMAGES or not predictions:
        raise ValueError(f"prediction_panel takes 1 to {MOST_IMAGES} images and at least one method, got {count} "
                         f"images and {len(predictions)} methods")  # fmt: skip
    for what, given in {"truths": truths, **predictions}.items():
        if len(given) != count:
            raise ValueError(f"{count} images, but {len(given)} maps in {what!r}")
    if names is not None and len(names) != count:
        raise ValueError(f"{count} images, but {len(names)} names")
    pictures = [as_picture(image) for image in images]
    maps = [None if truth is None else as_map(truth).astype(np.float32) for truth in truths]
    depths = {m: [as_map(p).astype(np.float32) for p in given] for m, given in predictions.items()}
    errors = {m: [_relative_error(p, t, m) for p, t in zip(given, maps, strict=True)] for m, given in depths.items()}
    shown = [t for t in maps if t is not None] or [p for given in depths.values() for p in given]
    near, far = depth_range(np.concatenate([depth.ravel() for depth in shown]), near_m, far_m)
    labels = {name: style.label for name, style in method_styles(depths).items()}
    with_truth = any(t is not None for t in maps)
    draw = _columns if count > 1 else _one if with_truth else _one_without_truth
    figure = draw(pictures, maps, depths, errors, labels, names, (near, far), error_top, with_truth, aspect)
    parts = [f"{count} image{'s' if count > 1 else ''}", "near is bright", f"colours end at {far:.0f} m"]
    if with_truth:
        parts.append("AbsRel = mean of |prediction − truth| / truth over the pixels shown")
        parts.append("grey: no ground truth" + (" (points drawn larger)" if any(map(is_sparse, maps)) else ""))
    return finish(figure, title, " · ".join(parts), miniature=miniature)


def _relative_error(prediction: np.ndarray, truth: np.ndarray | None, method: str) -> np.ndarray | None:
    if truth is None:
        return None
    if prediction.shape != truth.shape:
        raise ValueError(f"{method!r} predicts {prediction.shape} where the truth is {truth.shape}; resize it first")
    known = (truth > 0) & np.isfinite(truth)
    return np.where(known, np.abs(prediction - truth) / np.where(known, truth, 1), np.nan)


def _error(axes, error: np.ndarray | None, top: float, label: str = ""):
    if error is None or not np.isfinite(error).any():
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no ground truth", ha="center", va="center", transform=axes.transAxes, fontsize=9)
        return None
    title = f"{label}AbsRel {np.nanmean(error):.3f}"
    return place_image(axes, thicken(error), title, cmap=error_colormap(), vmin=0, vmax=top)


def _one(pictures, maps, depths, errors, labels, names, span, error_top, with_truth, aspect):
    rows = 1 + len(depths)
    height = image_rows_height(rows, 2, (aspect, 1) if aspect else pictures[0].shape[:2], extra_in=1.4)
    figure = new_figure(height, layout="compressed")
    axes = figure.subplots(rows, 2, squeeze=False)
    place_image(axes[0, 0], pictures[0], shorten(names[0], 2) if names else "image")
    error_image = None
    show_depth(axes[0, 1], maps[0], *span, "ground truth")
    for row, method in enumerate(labels, start=1):
        depth_image = show_depth(axes[row, 0], depths[method][0], *span, labels[method])
        error_image = _error(axes[row, 1], errors[method][0], error_top, f"{labels[method]}: ") or error_image
    keep_proportions(axes.flat, aspect)
    _bars(figure, axes, depth_image, error_image, span)
    return figure


def _one_without_truth(pictures, maps, depths, errors, labels, names, span, error_top, with_truth, aspect):
    rows = -(-(1 + len(depths)) // 2)
    height = image_rows_height(rows, 2, (aspect, 1) if aspect else pictures[0].shape[:2], extra_in=1.4)
    figure = new_figure(height, layout="compressed")
    axes = figure.subplots(rows, 2, squeeze=False)
    panels = iter(axes.flat)
    place_image(next(panels), pictures[0], shorten(names[0], 2) if names else "image")
    for method, label in labels.items():
        depth_image = show_depth(next(panels), depths[method][0], *span, label)
    for blank in panels:
        blank.set_axis_off()
    keep_proportions(axes.flat, aspect)
    _bars(figure, axes, depth_image, None, span)
    return figure


def _columns(pictures, maps, depths, errors, labels, names, span, error_top, with_truth, aspect):
    per_method = 2 if with_truth else 1
    rows = 1 + with_truth + per_method * len(depths)
    shape = (aspect, 1) if aspect else pictures[0].shape[:2]
    height = image_rows_height(rows, len(pictures), shape, extra_in=1.4)
    figure = new_figure(height, layout="compressed")
    axes = figure.subplots(rows, len(pictures), squeeze=False)
    depth_image = error_image = None
    for column, picture in enumerate(pictures):
        place_image(axes[0, column], picture, shorten(names[column] if names else f"image {column + 1}", len(pictures)))
        if with_truth:
            truth = maps[column]
            if truth is None:
                _error(axes[1, column], None, error_top)
            else:
                depth_image = show_depth(axes[1, column], truth, *span, "ground truth" if column == 0 else "")
        for index, method in enumerate(labels):
            row = 1 + with_truth + per_method * index
            label = labels[method] if column == 0 else ""
            depth_image = show_depth(axes[row, column], depths[method][column], *span, label)
            if with_truth:
                error = _error(axes[row + 1, column], errors[method][column], error_top)
                error_image = error or error_image
    keep_proportions(axes.flat, aspect)
    _bars(figure, axes, depth_image, error_image, span)
    return figure


def _bars(figure, axes, depth_image, error_image, span) -> None:
    options = {"location": "bottom", "aspect": 38, "shrink": 0.9}
    if error_image is None:
        depth_bar(figure, depth_image, axes, *span, pad=0.03, **options)
        return
    # a share of the last row's height, which the bars must not touch
    options["pad"] = 0.15
    # two bars side by side below the whole grid: left columns carry the depth bar, right ones the error bar
    half = max(axes.shape[1] // 2, 1)
    depth_bar(figure, depth_image, axes[-1, :half].tolist(), *span, **options)
    bar = figure.colorbar(error_image, ax=axes[-1, half:].tolist(), extend="max", **options)
    bar.set_label("relative error, |prediction − truth| / truth", fontsize=9)
