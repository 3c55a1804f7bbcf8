"""Two ground truths of the same images beside each other: how dense each is, and how far they lie apart."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch.utils.data import Dataset

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, OptionError

OFF = 0.1
"""Relative difference from which a single scan's point counts as wrong."""


def sample_of(dataset: Dataset, name: str) -> StereoSample:
    """The sample of that name.

    Raises:
        OptionError: the data set has no such image.
    """
    if name not in dataset.names:
        raise OptionError(f"there is no image {name!r} in split {dataset.split!r} ({len(dataset.names)} images)")
    return dataset[dataset.names.index(name)]


def truth_of(dataset: Dataset, name: str) -> np.ndarray | None:
    """Ground truth ``(h, w)`` of an image in metres, 0 = none; None where it has none."""
    depth = sample_of(dataset, name).depth
    return None if depth is None else depth[0].numpy()


def compare_truths(improved: Dataset, scan_x: Dataset, scan_z: Dataset, names: Sequence[str]) -> pd.DataFrame:
    """KITTI's improved ground truth beside a single laser scan, image by image.

    Args:
        improved, scan_x, scan_z: readers of the improved maps, of a scan's forward distance and of its camera depth.
        names: images; one without a scan is left out.

    Returns:
        image; one scan, improved (share of the pixels that have a value); x - improved (m), z - improved (m) (medians
        over the pixels that both have); z off by > 10 % (share of those).

    Raises:
        OptionError: a name that a reader does not have. DataError: no image has a scan.
    """
    lines = []
    for name in names:
        better, x, z = (truth_of(dataset, name) for dataset in (improved, scan_x, scan_z))
        if better is None or x is None or z is None:
            continue
        both = (better > 0) & (x > 0) & (z > 0)
        if not both.any():
            raise DataError(f"{name}: the scan and the improved ground truth share no pixel; are they of one frame?")
        lines.append(
            {
                "image": name,
                "one scan": (x > 0).mean(),
                "improved": (better > 0).mean(),
                "x - improved (m)": float(np.median((x - better)[both])),
                "z - improved (m)": float(np.median((z - better)[both])),
                "z off by > 10 %": float((np.abs(z[both] / better[both] - 1) > OFF).mean()),
            }
        )
    if not lines:
        raise DataError(f"none of the {len(names)} images has both a laser scan and improved ground truth")
    return pd.DataFrame(lines)
