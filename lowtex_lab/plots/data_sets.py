"""Samples of several data sets under one another: what each brings, seen in one picture."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from lowtex.datasets.sample import StereoSample
from lowtex_lab.plots.arrays import (
    as_map,
    as_picture,
    depth_range,
    gradient_energy,
    is_sparse,
    keep_proportions,
    show_depth,
)
from lowtex_lab.plots.recipe import plot
from lowtex_lab.plots.samples import hide_unjudged, warped_by_truth
from lowtex_lab.plots.style import CAPTION_PT, WIDTH_IN, contrast_colormap, finish, new_figure, place_image

COLUMNS = ("the view whose depth is asked for", "ground truth", "texture: image gradient", "other view, warped by it")


@plot
def data_sets_panel(samples: Mapping[str, StereoSample], miniature: Sequence[str] = (), title: str = ""):
    """One sample a row: image, ground truth, texture, and the other view warped by the ground truth.

    Each row has a depth range and a texture range of its own: the colours compare places of one image, never two data
    sets. What a data set does not have (a second view, ground truth) is said in its place.

    Args:
        samples: name of the data set -> a sample of it.
        miniature: those of the names that are the kit's own miniatures; marked in their row.
        title: replaces the standard one.

    Raises:
        ValueError: no sample.
    """
    if not samples:
        raise ValueError("data_sets_panel needs at least one sample")
    heights = [sample.image.shape[1] / sample.image.shape[2] for sample in samples.values()]
    cell = (WIDTH_IN - 0.5) / len(COLUMNS)
    figure = new_figure(sum(heights) * cell + 0.52 * len(samples) + 1.1, layout="compressed")
    axes = figure.subplots(len(samples), len(COLUMNS), height_ratios=heights, squeeze=False)
    for row, (name, sample) in zip(axes, samples.items(), strict=True):
        picture = as_picture(sample.image)
        place_image(row[0], picture)
        facts = f"{name}{' (miniature)' if name in miniature else ''} · {picture.shape[1]}×{picture.shape[0]} px"
        if sample.other is not None:
            facts += f", focal length {sample.rig.focal_px:.0f} px, baseline {sample.rig.baseline_m:.3f} m"
        # the line runs over all columns, so it must not widen the first; the blank title keeps its height
        row[0].set_title(" ", fontsize=9.5)
        place = {"xy": (0, 1), "xycoords": "axes fraction", "xytext": (0, 4), "textcoords": "offset points"}
        row[0].annotate(facts, **place, va="bottom", fontsize=9.5).set_in_layout(False)
        _truth(row[1], sample)
        texture = gradient_energy(picture)
        place_image(row[2], texture, cmap=contrast_colormap(), vmin=0, vmax=max(np.quantile(texture, 0.99), 1e-3))
        _warp(row[3], sample)
    for axis, text in zip(axes[-1], COLUMNS, strict=True):
        axis.set_xlabel(text, fontsize=CAPTION_PT)
    sparse = any(sample.depth is not None and is_sparse(as_map(sample.depth)) for sample in samples.values())
    caption = "depth: near is bright · texture: yellow is strong · grey: no ground truth, or not in the other view"
    if sparse:
        caption += " · points of sparse ground truth drawn larger"
    return finish(
        figure,
        title or "Every data set: image, ground truth, texture, a check of the rig",
        caption,
        miniature=set(miniature) == set(samples),
    )


def _truth(axes, sample: StereoSample) -> None:
    if sample.depth is None:
        _say(axes, sample, "no ground truth")
        return
    depth = as_map(sample.depth)
    near, far = depth_range(depth)
    show_depth(axes, depth, near, far, "")
    # ground truth may have another shape than its image (Make3D's grid): the row keeps the image's
    height, width = sample.image.shape[1:]
    keep_proportions([axes], height / width if _differs(depth.shape, (height, width)) else None)


def _warp(axes, sample: StereoSample) -> None:
    if sample.depth is None or sample.other is None:
        _say(axes, sample, "no second view" if sample.other is None else "no ground truth to warp by")
        return
    warped, judged = warped_by_truth(sample, spread=True)
    place_image(axes, hide_unjudged(warped, judged))


def _differs(shape: Sequence[int], other: Sequence[int]) -> bool:
    return abs(shape[0] / shape[1] - other[0] / other[1]) > 0.01


def _say(axes, sample: StereoSample, text: str) -> None:
    blank = torch.full(tuple(sample.image.shape[1:]), 0.93).numpy()
    place_image(axes, blank, cmap="gray", vmin=0, vmax=1)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=9, color="#555555")
