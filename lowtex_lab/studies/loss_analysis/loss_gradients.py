"""Which pixels a data term trains: the gradient it sends to each pixel's disparity, held against texture.

The disparity is the true one, put wrong by a known number of pixels. A data term that works pulls every pixel back;
where its gradient is small it trains nothing, and where its sign is wrong it trains the wrong thing.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from lowtex.datasets.sample import StereoSample
from lowtex.evaluation.texture import strata
from lowtex.geometry import in_view
from lowtex.losses import auto_mask, identity_threshold
from lowtex_lab.studies.loss_analysis.error_terms import ErrorTerm, error_terms
from lowtex_lab.studies.loss_analysis.landscape import (
    error_gradient,
    seen_by_both,
    texture_regions,
    true_disparity_px,
    with_contrast,
)

LOSSES = ("pixels", "features")
"""The terms that are looked at where none are given."""

BESIDE = ("kept", "judged")
"""What `disparity_gradients` holds beside the terms."""


def disparity_gradients(
    sample: StereoSample,
    offset_px: float,
    feature_net: nn.Module | None = None,
    terms: Mapping[str, ErrorTerm] | None = None,
) -> dict[str, Tensor]:
    """`loss_analysis.landscape.error_gradient` of several data terms at the true disparity put wrong by ``offset_px``.

    Args:
        sample: with second view and dense ground truth.
        offset_px: added to the true disparity everywhere, pixels of the image; positive is too near.
        feature_net: ``lowest(image) -> (B, C, H/2, W/2)``; for the terms where none are given.
        terms: of `lowtex_lab.studies.loss_analysis.error_terms.error_terms`; None = `LOSSES`.

    Returns:
        each term by its name ``(H, W)``: error per pixel of disparity, positive where descent makes the disparity
        smaller; ``kept``: bool, where Monodepth2's auto-mask would let the pixel term through; ``judged``: bool, where
        truth is known, the other camera sees the point and both disparities stay in view.

    Raises:
        ValueError: the sample has no second view or no ground truth. OptionError: neither terms nor a network.
    """
    if sample.other is None:
        raise ValueError(f"{sample.name} has no second view; open the data set with views=True")
    terms = error_terms(feature_net, names=LOSSES) if terms is None else terms
    # the sky has no truth; infinitely far is what it is
    wrong = true_disparity_px(sample).nan_to_num(0.0) + offset_px
    found = {name: error_gradient(sample, wrong, term) for name, term in terms.items()}
    shift = sample.direction * wrong[None, None]
    found["judged"] = torch.from_numpy(seen_by_both(sample)) & in_view(shift)[0, 0]
    with torch.no_grad():
        pixel_error = error_terms(names=["pixels"])["pixels"].between(sample.image[None], sample.other[None])
        found["kept"] = auto_mask(pixel_error(shift), identity_threshold(pixel_error(0.0)))[0, 0]
    return found


def gradients_by_texture(
    samples: Iterable[StereoSample],
    feature_net: nn.Module | None = None,
    offsets_px: Sequence[float] = (-2.0, 2.0),
    kind: str = "contrast",
    terms: Mapping[str, ErrorTerm] | None = None,
) -> pd.DataFrame:
    """How strongly, and how rightly, each data term pulls at surfaces of each texture.

    Args:
        samples: pairs with dense ground truth.
        feature_net, terms: as in `disparity_gradients`.
        offsets_px: errors of disparity to pull back from; averaged.
        kind: of strata, see `lowtex.evaluation.texture.STRATA`.

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
            found = disparity_gradients(sample, offset, feature_net, terms)
            found = {name: value.cpu().numpy() for name, value in found.items()}
            for loss in (name for name in found if name not in BESIDE):
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


def gradients_by_contrast(
    samples: Sequence[StereoSample],
    terms: Mapping[str, ErrorTerm],
    kept: Sequence[float] = (1.0, 0.3, 0.1, 0.03, 0.01),
    offset_px: float = 1.0,
    noise: float = 1 / 255,
) -> pd.DataFrame:
    """What is left of each term's pull where the contrast of the whole pair shrinks:
    `lowtex_lab.studies.loss_analysis.landscape.with_contrast`.

    Args:
        samples: pairs with ground truth; the disparity is put too large in the first, too small in the second, and so
            on, so that a leaning to one side is not taken for a pull.
        terms: of `lowtex_lab.studies.loss_analysis.error_terms.error_terms`.
        kept: shares of the contrast; the first one is what the others are held against.
        offset_px: by how much the true disparity is put wrong.
        noise: deviation of the sensor noise for ``toward_noisy``; one grey level of 255.

    Returns:
        a row a term and contrast, of pixels away from depth edges that both cameras see: loss, kept, magnitude (mean
        absolute gradient over that at the first contrast), toward (share of pixels that descent moves towards the
        truth), toward_noisy (the same where new noise of both views does not shrink), frames, pixels.

    Raises:
        ValueError: no samples, or none with such pixels.
    """
    sums: dict[tuple[str, float], np.ndarray] = {}
    for index, sample in enumerate(samples):
        judged = np.logical_or.reduce(list(texture_regions(sample).values()))
        sign = 1 if index % 2 == 0 else -1
        wrong = true_disparity_px(sample).nan_to_num(0.0) + sign * offset_px
        for share in kept:
            pairs = with_contrast(sample, share), with_contrast(sample, share, noise)
            for name, term in terms.items():
                clean, noisy = (error_gradient(pair, wrong, term).numpy()[judged] * sign for pair in pairs)
                right, right_noisy = ((pull > 0) + 0.5 * (pull == 0) for pull in (clean, noisy))
                totals = np.array([np.abs(clean).sum(), right.sum(), right_noisy.sum(), judged.sum()], dtype=float)
                sums[name, share] = sums.get((name, share), 0) + totals
    if not sums or not next(iter(sums.values()))[3]:
        raise ValueError("gradients_by_contrast needs at least one sample with pixels that can be judged")
    lines = [
        {
            "loss": name,
            "kept": share,
            "magnitude": strength / max(sums[name, kept[0]][0], 1e-30),
            "toward": right / pixels,
            "toward_noisy": right_noisy / pixels,
            "frames": len(samples),
            "pixels": int(pixels),
        }
        for (name, share), (strength, right, right_noisy, pixels) in sums.items()
    ]
    return pd.DataFrame(lines).sort_values("loss", key=lambda names: names.map(list(terms).index), kind="stable")
