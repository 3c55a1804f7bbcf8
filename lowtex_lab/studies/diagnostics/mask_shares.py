"""Which pixels Monodepth2's auto-mask leaves out of training, by texture, at a trained network's own disparity.

The mask drops a pixel that the *unwarped* other view explains at least as well as the warped one. On a plain surface
both explain it about equally, so the paper's complaint, that low-texture pixels get ignored, can be counted. A mask is
no part of a network: whatever it was trained with, this asks what the mask would drop at the disparities it gives.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from lowtex.datasets import VirtualKitti2
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError
from lowtex.evaluation.evaluate import predict
from lowtex.evaluation.texture import strata
from lowtex.geometry import depth_to_disparity, in_view, warp_horizontal
from lowtex.losses import auto_mask, identity_threshold, photometric_error
from lowtex.networks import DepthNet


@torch.no_grad()
def ignored(sample: StereoSample, depth_m: torch.Tensor) -> np.ndarray:
    """Pixels that the auto-mask drops, bool ``(H, W)``, at some depth ``(1, 1, H, W)`` in metres of the sample's image.

    Raises:
        ValueError: the sample has no second view.
    """
    if sample.other is None:
        raise ValueError(f"{sample.name} has no second view, without which there is nothing to mask")
    image, other = sample.image[None].float(), sample.other[None].float()
    shift = sample.direction * depth_to_disparity(depth_m.float(), sample.rig)
    error = photometric_error(image, warp_horizontal(other, shift))
    return ~auto_mask(error, identity_threshold(photometric_error(image, other)))[0, 0].numpy()


def measure(network: DepthNet, root: Path, size: tuple[int, int], split: str = "test") -> pd.DataFrame:
    """The measure ``mask`` of `lowtex_lab.studies.rows`: shares of pixels ignored, a row an image and stratum.

    Args:
        network: in evaluation mode, on its device.
        root: Virtual KITTI 2 or its miniature.
        size: (height, width) the network sees.
        split: of its images.

    Returns:
        image, stratum_kind (``known`` contrast, or ``gradient`` where it is not known), stratum, pixels, ignored: the
        share that is dropped, of those with depth whose match lies inside the other view. Both at the network's size.

    Raises:
        DataError: files are missing, or no pixel of any image counts.
    """
    dataset = VirtualKitti2(root, split=split, size=size)
    lines = []
    for sample in (dataset[index] for index in range(len(dataset))):
        depth = torch.from_numpy(1 / predict(network, [sample]))[:, None].float()
        dropped = ignored(sample, depth)
        truth = F.interpolate(sample.depth[None].float(), dropped.shape, mode="nearest-exact")[0, 0].numpy()
        # the sky, without depth, has nothing to be wrong about
        counted = (truth > 0) & in_view(sample.direction * depth_to_disparity(depth, sample.rig))[0, 0].numpy()
        kind = "gradient" if sample.texture_contrast is None else "known"
        for stratum, mask in strata(sample, kind, dropped.shape).items():
            chosen = mask & counted
            if chosen.any():
                told = {"image": sample.name, "stratum_kind": kind, "stratum": stratum, "pixels": int(chosen.sum())}
                lines.append({**told, "ignored": float(dropped[chosen].mean())})
    if not lines:
        raise DataError(f"no pixel of {root} has depth and a match in view; are these the right files?")
    return pd.DataFrame(lines)
