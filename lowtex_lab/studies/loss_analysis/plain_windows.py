"""Where to look: the plainest part of a picture, cut out of anything, and how data terms rise there off the truth."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import pandas as pd
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, OptionError
from lowtex.evaluation.texture import strata
from lowtex_lab.studies.loss_analysis.error_terms import ErrorTerm
from lowtex_lab.studies.loss_analysis.landscape import true_disparity_px

Box = tuple[float, float, float, float]
"""(top, bottom, left, right) as shares of height and width, in [0, 1]."""


def plainest_window(
    samples: Sequence[StereoSample], kind: str = "known", size: tuple[float, float] = (0.5, 0.25), cap_m: float = 80.0
) -> tuple[int, Box, float]:
    """Of all windows of all pictures the one with the largest share of low texture; no prediction has a say.

    Args:
        samples: with ground truth; of equal shares the first window wins.
        kind: ``known`` or ``gradient``, as of `evaluation.texture.strata`. What is low by known contrast must be low by
            gradient as well: two plain surfaces side by side, a van and its windows, are no plain window.
        size: height and width of the window, as shares of the picture's.
        cap_m: pixels farther than this, without ground truth, or at a depth edge do not count: the window should show
            a plain surface and not what stands before it.

    Returns:
        Number of the sample, the window, and the share of its pixels that count.

    Raises:
        DataError: no sample, or one without ground truth.
        OptionError: a window that is no part of the picture.
    """
    if not len(samples):
        raise DataError("plainest_window: there is no picture to look for a window in")
    if not all(0 < part <= 1 for part in size):
        raise OptionError(f"size={size!r} of a window must be two shares of the picture, each in (0, 1]")
    best: tuple[int, Box, float] | None = None
    for number in range(len(samples)):
        box, share = _plainest(samples[number], kind, size, cap_m)
        if best is None or share > best[2]:
            best = number, box, share
    return best


def cut(values, box: Box):
    """The part of an array or tensor ``(…, H, W)`` inside a window, whatever its resolution; at least one pixel."""
    height, width = values.shape[-2:]
    rows, columns = (
        slice(min(round(begin * side), side - 1), max(round(end * side), min(round(begin * side), side - 1) + 1))
        for begin, end, side in ((*box[:2], height), (*box[2:], width))
    )
    return values[..., rows, columns]


@torch.no_grad()
def rise_off_truth(
    sample: StereoSample,
    terms: Mapping[str, ErrorTerm],
    masks: Mapping[str, np.ndarray],
    offsets_px: Sequence[float],
) -> pd.DataFrame:
    """Mean error of data terms where every pixel's disparity is wrong by the same number of pixels.

    Args:
        sample: with both views and ground truth.
        terms: of `lowtex_lab.studies.loss_analysis.error_terms.error_terms`.
        masks: place -> bool ``(H, W)`` of pixels with ground truth, e.g. of `loss_analysis.landscape.texture_regions`;
            places without a pixel are left out.
        offsets_px: to try, pixels of the image; positive is too near. Disparities stay at or above 0.

    Returns:
        rows ``place, loss, disparity_px`` (the offset), ``value, truth_px`` (0), for `lowtex_lab.plots.loss_landscape`,
        and ``pixels``.
    """
    truth, rows = true_disparity_px(sample).nan_to_num(0.0), []
    for name, term in terms.items():
        error_of = term.between(sample.image[None], sample.other[None])
        for offset in offsets_px:
            shift = sample.direction * (truth + float(offset)).clamp(min=0)
            error = error_of(shift[None, None])[0, 0].numpy()
            rows += [
                (place, name, float(offset), float(error[mask].mean()), 0.0, int(mask.sum()))
                for place, mask in masks.items()
                if mask.any()
            ]
    return pd.DataFrame(rows, columns=["place", "loss", "disparity_px", "value", "truth_px", "pixels"])


def _plainest(sample: StereoSample, kind: str, size: tuple[float, float], cap_m: float) -> tuple[Box, float]:
    if sample.depth is None:
        raise DataError(f"{sample.name} has no ground truth, so which pixels count is not known")
    depth = sample.depth[0].numpy()
    low = strata(sample, kind, depth.shape)["low"] & (depth > 0) & (depth < cap_m)
    low &= strata(sample, "edges", depth.shape)["interior"] & strata(sample, "gradient", depth.shape)["low"]
    rows, columns = (max(1, round(part * side)) for part, side in zip(size, low.shape, strict=True))
    # sums over windows from a table of sums over all corners
    sums = cv2.integral(low.astype(np.uint8)).astype(np.int64)
    inside = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
    top, left = (int(place) for place in np.unravel_index(inside.argmax(), inside.shape))
    height, width = low.shape
    box = top / height, (top + rows) / height, left / width, (left + columns) / width
    return box, float(inside[top, left]) / (rows * columns)
