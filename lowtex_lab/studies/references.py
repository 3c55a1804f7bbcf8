"""What predictors score that never look at a picture: the ground under every number on real data.

Where a data set's pictures are laid out alike, one depth map for all of them is no bad guess, and a network that does
not beat it has learnt nothing from the picture. The references know what no network is told: the true depth of the
*other* images of the same test set (never of the image that is scored). They are oracles of the layout, not methods.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd
from torch.utils.data import Dataset

from lowtex.errors import DataError
from lowtex.evaluation.evaluate import Evaluation, Strata, score
from lowtex.evaluation.protocols import Protocol
from lowtex.evaluation.texture import default_window_px

ONE_DEPTH, MEAN_MAP = "reference: one depth", "reference: mean map"

FIXED_BY = "the ground truth of the other test images"
"""What the references were made of; stands in their rows where a network's training data do."""


def reference_evaluations(
    dataset: Dataset, protocol: Protocol, strata: Strata = None, indices: Sequence[int] | None = None
) -> dict[str, Evaluation]:
    """Scores of the references on the images of a test set, each image left out of what it is scored by.

    `ONE_DEPTH` is the median over the other images of the median of their true depth. `MEAN_MAP` is the mean of the
    other images' inverse depth about each pixel (a window of `WINDOW_FRACTION` of the width, since truth may be
    sparse), and the mean of all pixels where there is no truth about. Only pixels that the protocol counts
    are used, and none of a network's options (flip, units) are applied.

    Args:
        dataset: ``[i] -> StereoSample`` with ground truth.
        protocol: to score by.
        strata: as in `lowtex.evaluation.evaluate.evaluate`.
        indices: of the images; None means all.

    Returns:
        name -> evaluation.

    Raises:
        DataError: fewer than two images with a pixel that counts.
    """
    protocol = protocol.changed(flip=False, scaling="none" if protocol.nominal_factor else None)
    indices = range(len(dataset)) if indices is None else indices
    medians, total, seen = {}, 0.0, 0.0
    for index in indices:
        depth, inverse, known = _truth(dataset[index], protocol, np.shape(total))
        if known.any():
            medians[index], total, seen = float(np.median(depth)), total + inverse, seen + known
    if len(medians) < 2:
        raise DataError(f"references need two images or more with ground truth, not {len(medians)}; leave them out")
    rows: dict[str, list[dict]] = {ONE_DEPTH: [], MEAN_MAP: []}
    for index in medians:
        sample = dataset[index]
        _, inverse, known = _truth(sample, protocol, total.shape)
        one = np.full_like(inverse, 1 / np.median([value for other, value in medians.items() if other != index]))
        for name, guess in ((ONE_DEPTH, one), (MEAN_MAP, _mean(total - inverse, seen - known))):
            rows[name] += score(guess, sample, protocol, strata=strata, quantity="inverse_depth")
    return {name: Evaluation(protocol, pd.DataFrame(found)) for name, found in rows.items()}


def _truth(sample, protocol: Protocol, size: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The depths that count, ``(n,)``; their inverse, 0 elsewhere, and where they are, float64 ``(h, w)`` of ``size``
    (of the sample's own, where that is empty)."""
    truth = sample.depth[0].double().numpy()
    valid = protocol.valid(truth)
    depth, counted = truth[valid], np.where(valid, truth, 0.0)
    if size and counted.shape != size:
        counted = cv2.resize(counted, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    known = counted > 0
    return depth, np.divide(1.0, counted, out=np.zeros_like(counted), where=known), known.astype(np.float64)


def _mean(total: np.ndarray, seen: np.ndarray) -> np.ndarray:
    window = default_window_px(total.shape[1])
    # whole numbers: running sums of a box filter leave tiny rests where there is nothing
    near = np.rint(cv2.boxFilter(seen, -1, (window, window), normalize=False, borderType=cv2.BORDER_CONSTANT))
    summed = cv2.boxFilter(total, -1, (window, window), normalize=False, borderType=cv2.BORDER_CONSTANT)
    everywhere = total.sum() / seen.sum()
    return np.divide(summed, near, out=np.full_like(total, everywhere), where=near > 0).clip(1e-6)
