"""Which pixels a data term trains: the gradient it sends to each pixel's disparity, held against texture.

The disparity is the true one, put wrong by a known number of pixels. A data term that works pulls every pixel back;
where its gradient is small it trains nothing, and where its sign is wrong it trains the wrong thing.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.datasets.sample import StereoSample
from lowtex.figures.samples import true_disparity
from lowtex.geometry import in_view, warp_horizontal
from lowtex.losses import auto_mask, identity_threshold, photometric_error, warped_feature_error
from lowtex.texture import strata

LOSSES = ("pixels", "features")


def disparity_gradients(sample: StereoSample, offset_px: float, feature_net: nn.Module) -> dict[str, Tensor]:
    """Derivative of each data term, summed over the image, by the disparity of each pixel.

    Args:
        sample: with second view and dense ground truth.
        offset_px: added to the true disparity everywhere, pixels of the image; positive is too near.
        feature_net: ``lowest(image) -> (B, C, H/2, W/2)``.

    Returns:
        ``pixels`` and ``features``: ``(H, W)``, error per pixel of disparity, positive where descent makes the
        disparity smaller; ``kept``: bool, where Monodepth2's auto-mask would let the pixel term through; ``judged``:
        bool, where truth is known, the other camera sees the point and both disparities stay in view.

    Raises:
        ValueError: the sample has no second view or no ground truth.
    """
    truth = true_disparity(sample)
    judged = torch.isfinite(truth)
    # the sky has no truth; infinitely far is what it is
    truth = torch.nan_to_num(truth)
    image, other = sample.image[None].float(), sample.other[None].float()
    wrong = (truth + sample.direction * offset_px).requires_grad_()
    pixel_error = photometric_error(image, warp_horizontal(other, wrong))
    with torch.no_grad():
        maps = feature_net.lowest(image), feature_net.lowest(other)
    half = F.interpolate(wrong, maps[0].shape[2:], mode="bilinear", align_corners=False) / 2
    feature_error = warped_feature_error(*maps, half)
    gradients = {
        name: torch.autograd.grad(error.sum(), wrong)[0][0, 0] * sample.direction
        for name, error in (("pixels", pixel_error), ("features", feature_error))
    }
    judged &= in_view(truth) & in_view(wrong.detach())
    if sample.visible is not None:
        seen = sample.visible[None].float()
        judged &= F.interpolate(seen, size=judged.shape[2:], mode="nearest-exact") > 0.5
    kept = auto_mask(pixel_error, identity_threshold(photometric_error(image, other)))
    return {**gradients, "kept": kept[0, 0], "judged": judged[0, 0]}


def gradients_by_texture(
    samples: Iterable[StereoSample],
    feature_net: nn.Module,
    offsets_px: Sequence[float] = (-2.0, 2.0),
    kind: str = "contrast",
) -> pd.DataFrame:
    """How strongly, and how rightly, each data term pulls at surfaces of each texture.

    Args:
        samples: pairs with dense ground truth.
        feature_net: as in `disparity_gradients`.
        offsets_px: errors of disparity to pull back from; averaged.
        kind: of strata, see `lowtex.texture.STRATA`.

    Returns:
        A row a loss and stratum: loss, stratum, magnitude (mean absolute gradient over that loss's own mean, so 1 is
        average), toward (share of pixels that descent moves towards the truth; 0.5 is chance), kept (share that the
        auto-mask keeps; the pixel term only), pixels, images.

    Raises:
        DataError: the samples lack what the strata need. ValueError: as in `disparity_gradients`, or no samples.
    """
    sums: dict[tuple[str, str], np.ndarray] = {}
    images = 0
    for sample in samples:
        images += 1
        masks = strata(sample, kind, tuple(sample.image.shape[-2:]))
        for offset in offsets_px:
            found = {
                name: value.cpu().numpy() for name, value in disparity_gradients(sample, offset, feature_net).items()
            }
            for loss in LOSSES:
                for stratum, mask in masks.items():
                    inside = mask & found["judged"]
                    pull = found[loss][inside]
                    right = (np.sign(pull) == np.sign(offset)) + 0.5 * (pull == 0)
                    totals = [np.abs(pull).sum(), right.sum(), found["kept"][inside].sum(), inside.sum()]
                    sums[loss, stratum] = sums.get((loss, stratum), 0) + np.array(totals, dtype=float)
    if not images:
        raise ValueError("gradients_by_texture needs at least one sample")
    lines = []
    for (loss, stratum), (strength, right, kept, pixels) in sums.items():
        whole = sums[loss, "all"]
        lines.append(
            {
                "loss": loss,
                "stratum": stratum,
                "magnitude": strength / max(pixels, 1) / (whole[0] / whole[3]),
                "toward": right / max(pixels, 1),
                "kept": kept / max(pixels, 1) if loss == "pixels" else np.nan,
                "pixels": int(pixels),
                "images": images,
            }
        )
    frame = pd.DataFrame(lines)
    return frame[frame["pixels"] > 0].reset_index(drop=True)
