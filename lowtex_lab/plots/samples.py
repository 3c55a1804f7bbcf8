"""A stereo sample: whether files, calibration and ground truth agree, and both views at once."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from lowtex.datasets.sample import StereoSample
from lowtex.geometry import warp_horizontal
from lowtex_lab.plots.images import as_map, as_picture, image_grid, thicken
from lowtex_lab.studies.loss_analysis import seen_by_both, true_disparity_px


def warped_by_truth(
    sample: StereoSample, offset_px: float = 0.0, spread: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The other view brought to the target by the ground truth, with ``offset_px`` added to every disparity.

    Args:
        sample: with ``other`` and ``depth``.
        offset_px: pixels.
        spread: sparse points stand for their neighbours, so that a person sees more than dots.

    Returns:
        The picture ``(H,W,3)``, and where it can be judged (ground truth that the other camera sees), bool ``(H,W)``.

    Raises:
        ValueError: the sample has no ground truth or no second view.
    """
    if spread and sample.depth is not None:
        known = np.where(as_map(sample.depth) > 0, as_map(sample.depth), np.nan)
        sample = replace(sample, depth=torch.from_numpy(np.nan_to_num(thicken(known)))[None])
    shift = sample.direction * (true_disparity_px(sample).nan_to_num(0.0) + offset_px)[None, None]
    if sample.other is None:
        raise ValueError(f"sample {sample.name} has no second view, which this figure needs")
    return as_picture(warp_horizontal(sample.other[None].float(), shift)[0]), seen_by_both(sample, offset_px)


def warp_differences(sample: StereoSample, added_px: Sequence[float]) -> np.ndarray:
    """What is left between the target and the other view warped by the truth, with some pixels added to each disparity.

    Where files, calibration and ground truth agree, it is smallest where nothing is added.

    Args:
        sample: with ``other`` and ``depth``.
        added_px: pixels, any number of them.

    Returns:
        Mean absolute colour difference, of [0, 1], one a value of ``added_px``; not-a-number where no pixel has ground
        truth and lies in the other view.

    Raises:
        ValueError: the sample has no second view or no ground truth.
    """
    picture, left_over = as_picture(sample.image), []
    for added in added_px:
        warped, judged = warped_by_truth(sample, float(added))
        left_over.append(np.abs(warped - picture).mean(-1)[judged].mean() if judged.any() else np.nan)
    return np.array(left_over, float)


def stereo_anaglyph(sample: StereoSample, miniature: bool = False):
    """Both views in one red-cyan picture with lines along the rows: in a rectified pair, nothing moves off its row.

    Args:
        sample: with ``other``.
        miniature: mark it as such.

    Raises:
        ValueError: the sample has no second view.
    """
    if sample.other is None:
        raise ValueError(f"sample {sample.name} has no second view, which an anaglyph needs")
    views = (sample.image, sample.other)[:: 1 if sample.direction > 0 else -1]
    left, right = (as_picture(view).mean(-1) for view in views)
    mixed = np.stack([left, right, right], axis=-1)
    mixed[len(mixed) // 8 :: len(mixed) // 8] += 0.4
    words = "left view red, right view cyan · a point and its match lie on one row"
    return image_grid({sample.name: mixed.clip(0, 1)}, "Both views at once", 1, words, miniature=miniature)
