"""Whether predicted surfaces stand as the true ones do, or are turned to the camera, bent, or cut into steps.

First-order smoothness is cheapest for planes that face the camera, so a network that learnt it too well would flatten
the road and the house fronts: the mean error of an image hardly tells. Measured on planes that the ground truth shows,
pixel by pixel and without regard to scale.

Inverse depth is linear in the pixel's place on every plane, at any angle: a plane ``n . P = c`` in camera axes has
``1 / Z = (n_x (u - cx) / fx + n_y (v - cy) / fy + n_z) / c``. So its first differences are constant on a plane, its
second ones vanish, and together they give the normal. Disparity is inverse depth times focal length and baseline, and
*relative* differences (divided by the value itself) are the same for both and do not change with a prediction's scale.
"""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from lowtex.datasets import VirtualKitti2
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, require_choice
from lowtex.evaluation.evaluate import predict
from lowtex.evaluation.texture import Masks, strata
from lowtex.geometry import StereoRig
from lowtex.networks import DepthNet

GROUND, SIDE, FACING, OTHER = "ground", "side", "facing", "other"
"""Planes whose normal lies near the camera's downward, sideways or forward axis (a road, the house fronts along it, a
wall across it), and whatever else there is."""

WITHIN_DEG = 20.0
"""How near."""

MOST_BEND = 0.01
"""A surface counts as planar where the truth's relative bend per pixel^2 stays below this. Depth in whole centimetres
makes 0.002 of a plane at ten metres."""

FARTHEST_M = 80.0

SURFACES = (GROUND, SIDE, FACING, OTHER, "all")

COMMON = ("abs_rel", "tilt_deg", "rise", "bend")
NUMBERS = (*COMMON, "slope", "flat", "steep")
"""Columns of numbers, each a mean over pixels: ``abs_rel`` as everywhere; ``tilt_deg`` angle between the true and the
predicted normal; ``rise`` and ``bend``, what first- and second-order smoothness sum, of the prediction and relative to
its value: slope per pixel, 0 where it faces, and bend per pixel^2, 0 on any plane; and of slanted planes alone
``slope`` (median of predicted by true slope: below 1 it is turned to the camera), ``flat`` (share of pixels with less
than half of the true slope, the treads of a staircase) and ``steep`` (more than one and a half of it, its risers)."""

FLAT, STEEP = 0.5, 1.5

TEXTURES = ("all", "low")
"""Strata of known contrast, or where it is not known of the image's gradient, that shapes are taken in."""

STEP_PX = 2
"""Reach of the differences that surfaces are told from and normals are taken from; the slopes and bends that are
compared are taken from pixel to pixel."""


def inverse_depth(depth_m: Tensor, size: tuple[int, int] | None = None) -> np.ndarray:
    """``(1, h, w)`` or ``(1, 1, h, w)`` metres, 0 = unknown, as inverse depth ``(H, W)`` float64 in 1/m, NaN = unknown.

    Brought to ``size`` by averages over areas, which are exact on planes; a place that touches an unknown one is
    unknown.

    Raises:
        ValueError: another shape.
    """
    if depth_m.numel() == 0 or depth_m.numel() != depth_m.shape[-2] * depth_m.shape[-1]:
        raise ValueError(f"inverse_depth takes one map (1,h,w), got {tuple(depth_m.shape)}")
    depth = depth_m.detach().cpu().double().reshape(1, 1, *depth_m.shape[-2:])
    inverse = torch.where(depth > 0, 1 / depth, torch.nan)
    if size is not None and tuple(size) != tuple(inverse.shape[-2:]):
        inverse = F.interpolate(inverse, tuple(size), mode="area")
    return inverse[0, 0].numpy()


def slopes(inverse: np.ndarray, step_px: int = 1) -> np.ndarray:
    """Relative slope of inverse depth along x and y, ``(2, H, W)`` per pixel; NaN at the border and beside unknowns.

    Central differences over ``2 step_px`` pixels, divided by the value in the middle.
    """
    across = _shifted(inverse, 0, step_px) - _shifted(inverse, 0, -step_px)
    down = _shifted(inverse, step_px, 0) - _shifted(inverse, -step_px, 0)
    return np.stack([across, down]) / (2 * step_px * inverse)


def bends(inverse: np.ndarray, step_px: int = 1) -> np.ndarray:
    """Relative bend of inverse depth, ``(H, W)`` per pixel^2: ``|xx| + |yy| + 2 |xy|``, 0 on any plane; NaN as above.

    What `lowtex.losses.smoothness_second_order` sums, here round a centre and relative to the value there.
    """
    s = step_px
    across = _shifted(inverse, 0, -s) - 2 * inverse + _shifted(inverse, 0, s)
    down = _shifted(inverse, -s, 0) - 2 * inverse + _shifted(inverse, s, 0)
    main, other = (_shifted(inverse, -s, -side) + _shifted(inverse, s, side) for side in (s, -s))
    return (np.abs(across) + np.abs(down) + np.abs(main - other) / 2) / (s**2 * inverse)


def _shifted(values: np.ndarray, down: int, right: int) -> np.ndarray:
    """The value that lies ``down`` rows below and ``right`` columns to the right of each place; NaN outside."""
    return ndimage.shift(values, (-down, -right), order=0, cval=np.nan)


def normals(inverse: np.ndarray, rig: StereoRig, step_px: int = 1) -> np.ndarray:
    """Unit normals ``(3, H, W)`` in camera axes (x right, y down, z forward), pointing away from the camera.

    Args:
        inverse: ``(H, W)`` inverse depth in any unit.
        rig: of a camera at that size, with its principal point.
        step_px: of the differences.

    Raises:
        ValueError: the rig has no principal point.
    """
    if rig.cx is None or rig.cy is None:
        raise ValueError("normals need the principal point (cx, cy) of the rig")
    x, y = slopes(inverse, step_px)
    rows, columns = np.indices(inverse.shape)
    ahead = 1 - (columns - rig.cx) * x - (rows - rig.cy) * y
    normal = np.stack([x * rig.focal_px, y * rig.fy, ahead])
    return normal / np.linalg.norm(normal, axis=0)


def surface_strata(sample: StereoSample, size: tuple[int, int] | None = None) -> Masks:
    """``ground``, ``side`` and ``facing`` planes and ``other``, bool ``(H, W)`` each, with ``all`` that is judged.

    Judged is what has ground truth nearer than 80 m and is no depth edge (`evaluation.texture.edge_strata`); a plane is
    where the truth does not bend.

    Args:
        sample: with dense ground truth and a rig with its principal point.
        size: to work at; None = the image's.

    Raises:
        DataError: no ground truth, or too sparse a one.
    """
    size = tuple(sample.image.shape[-2:]) if size is None else tuple(size)
    inverse = inverse_depth(_depth(sample), size)
    judged = np.nan_to_num(inverse) > 1 / FARTHEST_M
    judged &= strata(sample, "edges", size)["interior"]
    with np.errstate(invalid="ignore"):
        planar = judged & (bends(inverse, STEP_PX) < MOST_BEND)
        near = np.abs(normals(inverse, _rig(sample, size), STEP_PX)) > np.cos(np.radians(WITHIN_DEG))
    masks = {name: planar & near[axis] for axis, name in ((1, GROUND), (0, SIDE), (2, FACING))}
    return masks | {OTHER: judged & ~np.any(list(masks.values()), axis=0), "all": judged}


def relative_slope(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Predicted over true slope of inverse depth, ``(H, W)``: 1 where the plane stands as it should, 0 where it faces.

    The predicted slope is taken along the direction in which the true one rises. Any scale of either drops out.
    """
    true = slopes(truth)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (slopes(predicted) * true).sum(0) / (true**2).sum(0)


def shape_rows(inverse: np.ndarray, sample: StereoSample) -> pd.DataFrame:
    """Shape of one prediction, by surface and texture.

    Args:
        inverse: ``(H, W)`` predicted inverse depth, in 1/m.
        sample: what it is of, with dense ground truth; brought to that size.

    Returns:
        a row a surface and texture (of `TEXTURES`) that has pixels: image, surface, texture, pixels, and `NUMBERS`; a
        number that a surface does not have is missing.

    Raises:
        ValueError: a prediction that is not positive and finite, or no map.
        DataError: no ground truth.
    """
    if inverse.ndim != 2 or not (np.isfinite(inverse).all() and (inverse > 0).all()):
        raise ValueError(f"shape_rows takes a positive inverse depth (H, W), got {inverse.shape}")
    size = inverse.shape
    truth, surfaces, rig = inverse_depth(_depth(sample), size), surface_strata(sample, size), _rig(sample, size)
    by_texture = strata(sample, "gradient" if sample.texture_contrast is None else "known", size)
    cosine = (normals(inverse, rig, STEP_PX) * normals(truth, rig, STEP_PX)).sum(0)
    ratio = relative_slope(inverse, truth)
    maps = {
        "abs_rel": np.abs(truth / inverse - 1),
        "tilt_deg": np.degrees(np.arccos(np.clip(cosine, -1, 1))),
        "rise": np.abs(slopes(inverse)).sum(0),
        "bend": bends(inverse),
    }
    rows = []
    for surface, texture in product(SURFACES, TEXTURES):
        mask = surfaces[surface] & by_texture[texture]
        if not mask.any():
            continue
        row = {"image": sample.name, "surface": surface, "texture": texture, "pixels": int(mask.sum())}
        for name, values in maps.items():
            row[name] = _known(values[mask]).mean() if np.isfinite(values[mask]).any() else np.nan
        leaning = _known(ratio[mask])
        if surface in (GROUND, SIDE) and leaning.size:
            row |= {"slope": np.median(leaning), "flat": (leaning < FLAT).mean(), "steep": (leaning > STEEP).mean()}
        rows.append(row)
    return pd.DataFrame(rows, columns=["image", "surface", "texture", "pixels", *NUMBERS])


@torch.no_grad()
def measure(network: DepthNet, root: Path, size: tuple[int, int], split: str = "test") -> pd.DataFrame:
    """`shape_rows` of every test image.

    Args:
        network: in evaluation mode, on its device.
        root: Virtual KITTI 2 or its miniature.
        size: ``(H, W)`` the network sees.
        split: of its images.

    Returns:
        its rows, images one after the other.

    Raises:
        DataError: files are missing, or a prediction is not finite and positive.
    """
    dataset = VirtualKitti2(root, split=split, size=size, views=False)
    samples = (dataset[index] for index in range(len(dataset)))
    return pd.concat([shape_rows(predict(network, [s])[0], s) for s in samples], ignore_index=True)


def shape_scores(measured: pd.DataFrame, number: str) -> pd.DataFrame:
    """A number, at all textures, as scores that `studies.stats.effects` and `factorial` compare; surfaces are strata.

    Their statistics are those of an error by the name of ``abs_rel``, so that is the column the number is put into.

    Args:
        measured: rows of `measure` with experiment and seed, as `Evidence.measured("smoothness")` gives them.
        number: of `COMMON`; the smaller the better, but of ``rise``, whose truth is not 0.

    Raises:
        OptionError: another number.
    """
    require_choice("number", number, COMMON)
    chosen = measured[measured["texture"] == "all"]
    kept = ["experiment", "experiment_key", "seed", "profile", "miniature", "image", "pixels"]
    return chosen[[name for name in kept if name in chosen]].assign(
        stratum=chosen["surface"],
        stratum_kind=np.where(chosen["surface"] == "all", "none", "surface"),
        abs_rel=chosen[number],
    )


def _known(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def _rig(sample: StereoSample, size: tuple[int, int]) -> StereoRig:
    rig = sample.rig
    return rig if (rig.height, rig.width) == tuple(size) else rig.resized(size[1], size[0])


def _depth(sample: StereoSample) -> torch.Tensor:
    if sample.depth is None:
        raise DataError(f"{sample.name} has no ground truth, which surfaces are told from")
    return sample.depth
