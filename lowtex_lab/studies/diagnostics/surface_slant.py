"""How a surface stands to the camera, from its depth alone: slope, bend and normal by differences of inverse depth.

Inverse depth is linear in the pixel's place on every plane, at any angle: a plane ``n . P = c`` in camera axes has
``1 / Z = (n_x (u - cx) / fx + n_y (v - cy) / fy + n_z) / c``. So its first differences are constant on a plane, its
second ones vanish, and together they give the normal. Disparity is inverse depth times focal length and baseline, and
*relative* differences (divided by the value itself) are the same for both and do not change with a prediction's scale.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, OptionError
from lowtex.evaluation.texture import Masks, strata
from lowtex.geometry import StereoRig

GROUND, SIDE, FACING, OTHER = "ground", "side", "facing", "other"
"""Planes whose normal lies near the camera's downward, sideways or forward axis (a road, the house fronts along it, a
wall across it), and whatever else there is."""

WITHIN_DEG = 20.0
"""How near."""

MOST_BEND = 0.01
"""A surface counts as planar where the truth's relative bend per pixel^2 stays below this. Depth in whole centimetres
makes 0.002 of a plane at ten metres."""

FARTHEST_M = 80.0


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
    left, right, above, below = _neighbours(inverse, step_px)
    return np.stack([right - left, below - above]) / (2 * step_px * inverse)


def bends(inverse: np.ndarray, step_px: int = 1) -> np.ndarray:
    """Relative bend of inverse depth, ``(H, W)`` per pixel^2: ``|xx| + |yy| + 2 |xy|``, 0 on any plane; NaN as above.

    What `lowtex.losses.smoothness_second_order` sums, here round a centre and relative to the value there.
    """
    left, right, above, below = _neighbours(inverse, step_px)
    padded = np.pad(inverse, step_px, constant_values=np.nan)
    reach, (height, width) = 2 * step_px, inverse.shape
    corners = [padded[y : y + height, x : x + width] for y in (0, reach) for x in (0, reach)]
    mixed = (corners[0] - corners[1] - corners[2] + corners[3]) / 4
    total = np.abs(left - 2 * inverse + right) + np.abs(above - 2 * inverse + below) + 2 * np.abs(mixed)
    return total / (step_px**2 * inverse)


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


def angle_deg(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angle between unit vectors ``(3, ...)``, degrees in [0, 180]."""
    return np.degrees(np.arccos(np.clip((first * second).sum(0), -1, 1)))


def surface_strata(sample: StereoSample, size: tuple[int, int] | None = None, step_px: int = 2) -> Masks:
    """``ground``, ``side`` and ``facing`` planes and ``other``, bool ``(H, W)`` each, with ``all`` that is judged.

    Judged is what has ground truth nearer than 80 m and is no depth edge (`evaluation.texture.edge_strata`); a plane is
    where the truth does not bend.

    Args:
        sample: with dense ground truth and a rig with its principal point.
        size: to work at; None = the image's.
        step_px: reach of the differences that a surface must be planar over.

    Raises:
        DataError: no ground truth, or too sparse a one.
        OptionError: a step below 1.
    """
    if sample.depth is None:
        raise DataError(f"{sample.name} has no ground truth, which surfaces are told from")
    size = tuple(sample.image.shape[-2:]) if size is None else tuple(size)
    inverse = inverse_depth(sample.depth, size)
    judged = np.nan_to_num(inverse) > 1 / FARTHEST_M
    judged &= strata(sample, "edges", size)["interior"]
    rig = sample.rig if (sample.rig.height, sample.rig.width) == size else sample.rig.resized(size[1], size[0])
    with np.errstate(invalid="ignore"):
        planar = judged & (bends(inverse, step_px) < MOST_BEND)
        near = np.abs(normals(inverse, rig, step_px)) > np.cos(np.radians(WITHIN_DEG))
    masks = {name: planar & near[axis] for axis, name in ((1, GROUND), (0, SIDE), (2, FACING))}
    return masks | {OTHER: judged & ~np.any(list(masks.values()), axis=0), "all": judged}


def _neighbours(inverse: np.ndarray, step_px: int) -> tuple[np.ndarray, ...]:
    """Left, right, above, below."""
    if step_px < 1:
        raise OptionError(f"step_px={step_px}: expected at least 1")
    height, width = inverse.shape
    padded = np.pad(inverse, step_px, constant_values=np.nan)
    shifts = ((0, -1), (0, 1), (-1, 0), (1, 0))
    return tuple(
        padded[step_px * (1 + y) : step_px * (1 + y) + height, step_px * (1 + x) : step_px * (1 + x) + width]
        for y, x in shifts
    )
