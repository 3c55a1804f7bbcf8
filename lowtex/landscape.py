"""What a data term sees as the disparity varies: its error volume, how wide a basin the truth lies in, how steep.

The question behind it: from how far away does gradient descent on the loss find the right disparity, and how hard is
it pulled there, on textured and on plain surfaces?
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowtex.datasets.sample import StereoSample
from lowtex.geometry import StereoRig, depth_to_disparity, in_view, warp_horizontal
from lowtex.losses import feature_map_error, photometric_error
from lowtex.networks import DepthNet
from lowtex.texture import strata

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


def with_contrast(sample: StereoSample, kept: float) -> StereoSample:
    """The pair with its contrast shrunk to a share of itself, round each colour's mean; both views alike."""
    mean = sample.image.mean((1, 2), keepdim=True)
    views = {name: mean + kept * (getattr(sample, name) - mean) for name in ("image", "other")}
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
def error_volume(
    sample: StereoSample, disparities_px: Sequence[float], feature_net: nn.Module | None = None, **options: object
) -> Tensor:
    """The error at every pixel for every disparity tried, the same for the whole image, ``(D, H, W)``.

    Args:
        sample: with both views.
        disparities_px: at the image's size, >= 0; the sample's direction gives the sign.
        feature_net: compare its lowest maps (half the size; errors are repeated to full size) instead of pixels.
        options: of `lowtex.losses.photometric_error` or `feature_map_error`, e.g. ``distance="ssim_l1"``.

    Raises:
        ValueError: the sample has no second view.
    """
    if sample.other is None:
        raise ValueError(f"{sample.name} has no second view; open the data set with views=True")
    image, other = sample.image[None], sample.other[None]
    size, measure = tuple(image.shape[-2:]), photometric_error
    if feature_net is not None:
        image, other, measure = feature_net.lowest(image), feature_net.lowest(other), feature_map_error
    scale = sample.direction * image.shape[-1] / size[1]
    errors = []
    for disparity in disparities_px:
        shift = image.new_full((1, 1, *image.shape[-2:]), float(disparity) * scale)
        error = measure(image, warp_horizontal(other, shift), **options)
        errors.append(
            F.interpolate(error, size, mode="nearest-exact")[0, 0] if feature_net is not None else error[0, 0]
        )
    return torch.stack(errors)


def error_gradient(
    sample: StereoSample, shift_px: Tensor, feature_net: nn.Module | None = None, **options: object
) -> Tensor:
    """Derivative of each pixel's error by its own disparity, ``(H, W)``, per pixel of disparity at the image's size.

    SSIM makes an error depend on its neighbours' disparities too; this is the derivative of the sum of all errors,
    which is what training uses.

    Args:
        sample: with both views.
        shift_px: ``(H, W)`` disparity in pixels at the image's size.
        feature_net, options: as in `error_volume`; the derivative at half the size is repeated to full size.
    """
    image, other = sample.image[None], sample.other[None]
    size, measure = tuple(image.shape[-2:]), photometric_error
    if feature_net is not None:
        with torch.no_grad():
            image, other, measure = feature_net.lowest(image), feature_net.lowest(other), feature_map_error
    scale = sample.direction * image.shape[-1] / size[1]
    shift = shift_px[None, None].to(image.dtype)
    if feature_net is not None:
        shift = F.interpolate(shift, image.shape[-2:], mode="nearest-exact")
    shift = shift.detach().clone().requires_grad_(True)
    measure(image, warp_horizontal(other, shift * scale), **options).sum().backward()
    return F.interpolate(shift.grad, size, mode="nearest-exact")[0, 0]


def basins_px(volume: Tensor | np.ndarray, disparities_px: Sequence[float], truth_px: Tensor | np.ndarray,
              near_px: float = 1.0) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """How wide the basin round the truth is, and whether the truth has one at all.

    The bottom is the smallest value within ``near_px`` of the truth. The basin reaches, on both sides, as far as the
    curve rises without a break (or to the end of what was tried): from there, steps downhill end at the bottom.

    Args:
        volume: ``(D, ...)`` from `error_volume`, or one curve ``(D,)``.
        disparities_px: the ``D`` disparities, rising.
        truth_px: ``(...)`` the true ones.
        near_px: how near a bottom must be to count.

    Returns:
        Width in pixels ``(...)``, NaN where the truth is not known or not inside the range tried; and bool ``(...)``,
        True where the smallest value of the *whole* curve lies within ``near_px`` of the truth.

    Raises:
        ValueError: shapes that do not fit, or disparities that do not rise.
    """
    values = np.asarray(volume.detach().cpu() if isinstance(volume, Tensor) else volume, dtype=np.float64)
    truth = np.asarray(truth_px.detach().cpu() if isinstance(truth_px, Tensor) else truth_px, dtype=np.float64)
    tried = np.asarray(disparities_px, dtype=np.float64)
    if values.shape != (len(tried), *truth.shape) or len(tried) < 2 or (np.diff(tried) <= 0).any():
        raise ValueError(
            f"basins_px takes a volume (D, ...) with D rising disparities and truths (...), got {values.shape}, "
            f"{tried.shape} and {truth.shape}"
        )
    curves = values.reshape(len(tried), -1)
    flat = truth.reshape(-1)
    known = np.isfinite(flat) & (flat >= tried[0]) & (flat <= tried[-1])
    near = np.abs(tried[:, None] - np.where(known, flat, tried[0])) <= near_px
    # a grid coarser than near_px still has a nearest value
    near[np.abs(tried[:, None] - np.where(known, flat, tried[0])).argmin(0), np.arange(flat.size)] = True
    columns = np.arange(flat.size)
    bottom = np.where(near, curves, np.inf).argmin(0)
    low, high = bottom.copy(), bottom.copy()
    for _ in range(len(tried) - 1):
        up = np.minimum(high + 1, len(tried) - 1)
        high = np.where(curves[up, columns] > curves[high, columns], up, high)
        down = np.maximum(low - 1, 0)
        low = np.where(curves[down, columns] > curves[low, columns], down, low)
    width = np.where(known, tried[high] - tried[low], np.nan).reshape(truth.shape)
    found = near[curves.argmin(0), columns] & known
    return width, found.reshape(truth.shape)


def curves_at(
    volumes: Mapping[str, Tensor], disparities_px: Sequence[float], truth_px: Tensor, places: Mapping[str, Place]
) -> pd.DataFrame:
    """The curves of several volumes ``(D, H, W)`` at several pixels, as `lowtex.figures.loss_landscape` takes them."""
    rows = [
        (f"{place} ({x}, {y})", name, float(disparity), float(volume[index, y, x]), float(truth_px[y, x]))
        for place, (x, y) in places.items()
        for name, volume in volumes.items()
        for index, disparity in enumerate(disparities_px)
    ]
    return pd.DataFrame(rows, columns=["place", "loss", "disparity_px", "value", "truth_px"])


def strip_curves(
    volumes: Mapping[str, Tensor], disparities_px: Sequence[float], truth_px: Tensor, masks: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """As `curves_at`, for the mean over masks ``(H, W)`` instead of single pixels; the truth is a mask's median."""
    rows = [
        (place, name, float(disparity), float(volume[index][mask].mean()), float(truth_px[mask].median()))
        for place, mask in ((place, torch.from_numpy(mask)) for place, mask in masks.items())
        for name, volume in volumes.items()
        for index, disparity in enumerate(disparities_px)
    ]
    return pd.DataFrame(rows, columns=["place", "loss", "disparity_px", "value", "truth_px"])


def basin_table(
    volumes: Mapping[str, Tensor], disparities_px: Sequence[float], truth_px: Tensor, masks: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """`basins_px` of several losses by stratum: stratum, loss, basin_px (median), basin_px_10 (tenth percentile),
    found (share of pixels whose smallest error of all is at the truth), count (of pixels)."""
    basins = {name: basins_px(volume, disparities_px, truth_px) for name, volume in volumes.items()}
    rows = [
        (stratum, name, np.nanmedian(width[mask]), np.nanquantile(width[mask], 0.1), found[mask].mean(), mask.sum())
        for stratum, mask in masks.items()
        if mask.any()
        for name, (width, found) in basins.items()
    ]
    return pd.DataFrame(rows, columns=["stratum", "loss", "basin_px", "basin_px_10", "found", "count"])


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
