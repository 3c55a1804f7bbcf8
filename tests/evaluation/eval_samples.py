"""Samples of small random images, which the tests of scores and strata share."""

import torch

from lowtex.datasets.sample import StereoSample
from lowtex.geometry import StereoRig


def make_sample(index=0, size=(32, 96), **parts):
    """One of these height and width; ``parts`` are fields of the sample, and replace the image or the rig."""
    height, width = size
    own = {
        "image": torch.rand(3, height, width, generator=torch.Generator().manual_seed(index)),
        "rig": StereoRig(60.0, 0.5, cx=(width - 1) / 2, cy=(height - 1) / 2, width=width, height=height),
    }
    return StereoSample(name=f"drive/{index:010d}/l", **(own | parts))
