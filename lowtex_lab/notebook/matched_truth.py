"""Ground truth made as that of Cityscapes was, by matching the pair: to see what such a truth knows, and what not."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError
from lowtex.evaluation.texture import gradient_strata
from lowtex.geometry import disparity_to_depth
from lowtex_lab.notebook.truths import OFF
from lowtex_lab.rig.matching import match_densely

REACH = 1 / 16
"""Largest disparity looked for, as a share of the width; the official files of Cityscapes reach 126 of 2,048 pixels."""


def matched_depth(sample: StereoSample, reach: float = REACH) -> Tensor:
    """Depth of a left view by semi-global matching, ``(1, H, W)`` float32 metres at the views' size, 0 = no match.

    Args:
        sample: a pair, best at native size; its own ground truth is not looked at.
        reach: largest disparity looked for, as a share of the width.

    Raises:
        DataError: a sample without a second view, or whose target is the right one.
    """
    if sample.other is None or sample.direction != 1:
        raise DataError(f"{sample.name}: matching needs both views and the left one as the target")
    left, right = ((view * 255).round().byte().permute(1, 2, 0).numpy() for view in (sample.image, sample.other))
    infinity = float(sample.rig.cx_offset_px)
    found = match_densely(left, right, reach * left.shape[1] + infinity, infinity)
    # no disparity gives depth 0
    disparity = torch.from_numpy(np.where(np.isfinite(found), found, infinity).astype(np.float32))[None]
    return disparity_to_depth(disparity, sample.rig)


def truth_by_texture(samples: Sequence[StereoSample], matched: Sequence[Tensor]) -> pd.DataFrame:
    """How much of each texture stratum has ground truth, and what another matcher makes of it; means over images.

    Args:
        samples: with ground truth; their images, as they are, make the strata (`evaluation.texture.gradient_strata`).
        matched: a depth map ``(1, h, w)`` for each, at its ground truth's size, 0 = none (`matched_depth`).

    Returns:
        texture; share (of the pixels), truth (of those of the stratum); below the horizon, where there is no sky:
        truth_below, matched_below, and off_below, the share of what has both that differs by more than
        `notebook.truths.OFF` of the true depth; images. A mean over the images that have such pixels, NaN without any.

    Raises:
        ValueError: no sample, or another number or size of maps.
        DataError: a sample without ground truth.
    """
    if not samples or len(samples) != len(matched):
        raise ValueError(f"{len(samples)} samples and {len(matched)} matched maps; give one for each, and one at least")
    lines = [line for sample, depth in zip(samples, matched, strict=True) for line in _lines(sample, depth)]
    groups = pd.DataFrame(lines).groupby("texture", sort=False)
    return groups.mean().assign(images=len(samples)).reset_index()


def _lines(sample: StereoSample, matched: Tensor) -> list[dict]:
    if sample.depth is None:
        raise DataError(f"{sample.name} has no ground truth to compare with")
    truth, found = sample.depth[0].numpy(), matched[0].numpy()
    if truth.shape != found.shape:
        raise ValueError(f"{sample.name}: ground truth is {truth.shape}, the matched map {found.shape}")
    height = sample.image.shape[1]
    middle = height / 2 if sample.rig.cy is None else float(sample.rig.cy)
    below = np.arange(truth.shape[0])[:, None] > (middle + 0.5) * truth.shape[0] / height - 0.5
    both = (truth > 0) & (found > 0)
    off = np.abs(found - truth) > OFF * truth
    return [
        {
            "texture": texture,
            "share": mask.mean(),
            "truth": _share(truth > 0, mask),
            "truth_below": _share(truth > 0, mask & below),
            "matched_below": _share(found > 0, mask & below),
            "off_below": _share(off, mask & below & both),
        }
        for texture, mask in gradient_strata(sample).items()
    ]


def _share(what: np.ndarray, of: np.ndarray) -> float:
    return float(what[of].mean()) if of.any() else float("nan")
