"""What a data term sees as the disparity varies: its error volume, and how hard it pulls at each pixel.

The question behind it: from how far away does gradient descent on the loss find the right disparity
(`lowtex_lab.studies.loss_analysis.basins`), and how hard is it pulled there, on textured and on plain surfaces?
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from lowtex.datasets.sample import StereoSample
from lowtex.evaluation.texture import strata
from lowtex.geometry import StereoRig, depth_to_disparity, in_view
from lowtex.networks import DepthNet
from lowtex.seeding import generator
from lowtex_lab.studies.loss_analysis.error_terms import ErrorTerm

Place = tuple[int, int]
"""Column and row of a pixel."""


def true_disparity_px(sample: StereoSample) -> Tensor:
    """Ground-truth disparity ``(H, W)`` in pixels of the image, >= 0; NaN where there is none.

    Raises:
        ValueError: the sample has no ground truth.
    """
    if sample.depth is None:
        raise ValueError(f"{sample.name} has no ground-truth depth; open the data set with depth")
    size = tuple(sample.image.shape[-2:])
    # nearest, never linear: a depth between wall and sky belongs to neither
    depth = F.interpolate(sample.depth[None].float(), size=size, mode="nearest-exact")
    return torch.where(depth > 0, depth_to_disparity(depth, sample.rig), torch.nan)[0, 0]


def seen_by_both(sample: StereoSample) -> np.ndarray:
    """Pixels ``(H, W)`` whose match exists: with ground truth, inside the other image, and, where known, not hidden."""
    truth = true_disparity_px(sample)
    seen = torch.isfinite(truth) & in_view(sample.direction * truth.nan_to_num(0.0)[None, None])[0, 0]
    if sample.visible is not None:
        visible = F.interpolate(sample.visible[None].float(), size=truth.shape, mode="nearest-exact")
        seen &= visible[0, 0] > 0.5
    return seen.numpy()


def with_contrast(sample: StereoSample, kept: float, noise: float = 0.0, seed: int = 0) -> StereoSample:
    """The pair with its contrast shrunk to a share of itself, round each colour's mean; both views alike.

    The sensor's noise shrinks with it. ``noise`` adds new one: a deviation in [0, 1], other numbers in each view.
    """
    mean = sample.image.mean((1, 2), keepdim=True)
    views = {}
    for name in ("image", "other"):
        view = mean + kept * (getattr(sample, name) - mean)
        if noise:
            random = generator(seed, "sensor noise", sample.name, name)
            view = (view + noise * torch.randn(view.shape, generator=random)).clamp(0, 1)
        views[name] = view
    return replace(sample, **views)


def texture_regions(sample: StereoSample, margin_px: int = 3) -> dict[str, np.ndarray]:
    """``low``, ``middle``, ``high`` texture (known contrast, or the image's gradient), bool ``(H, W)`` each.

    Only pixels that both cameras see and that are more than ``margin_px`` away from every depth edge.
    """
    size = tuple(sample.image.shape[-2:])
    judged = seen_by_both(sample) & strata(sample, "edges", size, radius_px=margin_px)["interior"]
    masks = strata(sample, "gradient" if sample.texture_contrast is None else "known", size)
    return {name: masks[name] & judged for name in ("low", "middle", "high")}


def reach_px(mask: np.ndarray) -> float:
    """How deep inside a mask ``(H, W)`` one can be: the largest distance of its pixels to the outside."""
    return float(_distance_inside(mask).max())


def deepest_places(masks: Mapping[str, np.ndarray]) -> dict[str, Place]:
    """For each mask ``(H, W)`` that holds a pixel: the one farthest from everything outside of it."""
    places = {}
    for name, mask in masks.items():
        if mask.any():
            inside = _distance_inside(mask)
            row, column = np.unravel_index(inside.argmax(), inside.shape)
            places[name] = (int(column), int(row))
    return places


def _distance_inside(mask: np.ndarray) -> np.ndarray:
    return cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]


@torch.no_grad()
def error_volume(sample: StereoSample, disparities_px: Sequence[float], term: ErrorTerm) -> Tensor:
    """A data term's error at every pixel for every disparity tried, the same for the whole image, ``(D, H, W)``.

    Args:
        sample: with both views.
        disparities_px: at the image's size, >= 0; the sample's direction gives the sign.
        term: of `studies.loss_analysis.error_terms.error_terms`; errors of half-size maps are repeated to full size.

    Raises:
        ValueError: the sample has no second view.
    """
    error_of = term.between(*_views(sample))
    return torch.stack([error_of(sample.direction * float(disparity))[0, 0] for disparity in disparities_px])


def error_gradient(sample: StereoSample, disparity_px: Tensor, term: ErrorTerm) -> Tensor:
    """Derivative of a data term by each pixel's disparity, ``(H, W)``, per pixel of disparity at the image's size.

    An error depends on its neighbours' disparities too, through SSIM's windows and through maps of half the size; this
    is the derivative of the sum of the errors of all pixels, which is what training uses. Positive where descent makes
    the disparity smaller.

    Args:
        sample: with both views.
        disparity_px: ``(H, W)`` in pixels at the image's size, >= 0.
        term: of `lowtex_lab.studies.loss_analysis.error_terms.error_terms`.

    Raises:
        ValueError: the sample has no second view.
    """
    image, other = _views(sample)
    disparity = disparity_px[None, None].detach().to(image.dtype).requires_grad_(True)
    return torch.autograd.grad(term.between(image, other)(sample.direction * disparity).sum(), disparity)[0][0, 0]


def _views(sample: StereoSample) -> tuple[Tensor, Tensor]:
    if sample.other is None:
        raise ValueError(f"{sample.name} has no second view; open the data set with views=True")
    return sample.image[None], sample.other[None]


def curves_at(
    volumes: Mapping[str, Tensor], disparities_px: Sequence[float], truth_px: Tensor, places: Mapping[str, Place]
) -> pd.DataFrame:
    """The curves of several volumes ``(D, H, W)`` at several pixels, as `plots.loss_landscape` takes them."""
    rows = [
        (f"{place} ({x}, {y})", name, float(disparity), float(volume[index, y, x]), float(truth_px[y, x]))
        for place, (x, y) in places.items()
        for name, volume in volumes.items()
        for index, disparity in enumerate(disparities_px)
    ]
    return pd.DataFrame(rows, columns=["place", "loss", "disparity_px", "value", "truth_px"])


def mean_by_stratum(maps: Mapping[str, Tensor | np.ndarray], masks: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Means of several maps ``(H, W)`` over several masks: stratum, a column a map, count (of pixels)."""
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in maps.items()}
    rows = [
        {
            "stratum": stratum,
            **{name: values[mask].mean() for name, values in arrays.items()},
            "count": int(mask.sum()),
        }
        for stratum, mask in masks.items()
        if mask.any()
    ]
    return pd.DataFrame(rows)


def true_outputs(network: DepthNet, truth_px: Tensor, rig: StereoRig, like: Sequence[Tensor]) -> list[Tensor]:
    """What the network would have to put out: sigmoid values of the true disparity ``(H, W)``, one map a scale.

    Args:
        network: its depth range and unit.
        truth_px: pixels at the rig's size; NaN (the sky) counts as infinitely far.
        rig: floats.
        like: the network's outputs, for their sizes.
    """
    ends = network.shift_px(torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2), rig).reshape(2)
    sigmoid = ((truth_px.nan_to_num(0.0) - ends[0]) / (ends[1] - ends[0])).clamp(0, 1)[None, None]
    return [F.interpolate(sigmoid, output.shape[2:], mode="area") for output in like]
