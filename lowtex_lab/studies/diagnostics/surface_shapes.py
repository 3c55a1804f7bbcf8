"""Whether predicted surfaces stand as the true ones do, or are turned to the camera, bent, or cut into steps.

First-order smoothness is cheapest for planes that face the camera, so a network that learnt it too well would flatten
the road and the house fronts: the mean error of an image hardly tells. Measured on planes that the ground truth shows,
pixel by pixel and without regard to scale.

Inverse depth is linear in the pixel's place on every plane, at any angle: a plane ``n . P = c`` in camera axes has
``1 / Z = (n_x (u - cx) / fx + n_y (v - cy) / fy + n_z) / c``. So its first differences are constant on a plane, its
second ones vanish, and together they give the normal. Disparity is inverse depth times focal length and baseline, and
*relative* differences (divided by the value itself) are the same for both and do not change with a prediction's scale.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from lowtex.catalog import open_test_set
from lowtex.data_paths import Roots
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, OptionError, require_choice
from lowtex.evaluation.evaluate import predict
from lowtex.evaluation.texture import Masks, strata
from lowtex.geometry import StereoRig
from lowtex.networks import DepthNet
from lowtex_lab.studies.rows import PROTOCOL

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

TILT_STEP_PX = 2
"""Reach of the differences that normals are taken from; slopes and bends are taken from pixel to pixel."""


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


def relative_slope(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Predicted over true slope of inverse depth, ``(H, W)``: 1 where the plane stands as it should, 0 where it faces.

    The predicted slope is taken along the direction in which the true one rises. Any scale of either drops out.
    """
    true = slopes(truth)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (slopes(predicted) * true).sum(0) / (true**2).sum(0)


def shape_rows(inverse: np.ndarray, sample: StereoSample, textures: Sequence[str] = ("all", "low")) -> pd.DataFrame:
    """Shape of one prediction, by surface and texture.

    Args:
        inverse: ``(H, W)`` predicted inverse depth, in 1/m.
        sample: what it is of, with dense ground truth; brought to that size.
        textures: strata of known contrast, or where it is not known of the image's gradient.

    Returns:
        a row a surface and texture that has pixels: image, surface, texture, pixels, and `NUMBERS`; a number that a
        surface does not have is missing.

    Raises:
        ValueError: a prediction that is not positive and finite, or no map.
        DataError: no ground truth.
    """
    if inverse.ndim != 2 or not (np.isfinite(inverse).all() and (inverse > 0).all()):
        raise ValueError(f"shape_rows takes a positive inverse depth (H, W), got {inverse.shape}")
    size = inverse.shape
    truth, surfaces = inverse_depth(_depth(sample), size), surface_strata(sample, size)
    by_texture = strata(sample, "gradient" if sample.texture_contrast is None else "known", size)
    rig = sample.rig if (sample.rig.height, sample.rig.width) == size else sample.rig.resized(size[1], size[0])
    ratio = relative_slope(inverse, truth)
    maps = {
        "abs_rel": np.abs(truth / inverse - 1),
        "tilt_deg": angle_deg(normals(inverse, rig, TILT_STEP_PX), normals(truth, rig, TILT_STEP_PX)),
        "rise": np.abs(slopes(inverse)).sum(0),
        "bend": bends(inverse),
    }
    rows = []
    for surface in SURFACES:
        for texture in textures:
            mask = surfaces[surface] & by_texture[texture]
            if not mask.any():
                continue
            row = {"image": sample.name, "surface": surface, "texture": texture, "pixels": int(mask.sum())}
            row |= {name: _mean(values[mask]) for name, values in maps.items()}
            if surface in (GROUND, SIDE):
                row |= _staircase(ratio[mask])
            rows.append(row)
    return pd.DataFrame(rows, columns=["image", "surface", "texture", "pixels", *NUMBERS])


def shapes_of(maps: Mapping[str, Sequence[np.ndarray]], samples: Sequence[StereoSample], seed: int = 0) -> pd.DataFrame:
    """`shape_rows` of several experiments' predictions of the same images, with experiment and seed.

    The ground truth itself is the first experiment, ``truth``: what its numbers are where they should be 0 is the
    roundness of the stored depth.

    Args:
        maps: experiment -> inverse depth ``(H, W)`` of each sample.
        samples: with dense ground truth.
        seed: of the trainings.
    """
    size = next(iter(maps.values()))[0].shape
    # what is not known is not judged either, but has to be positive
    truths = [np.nan_to_num(inverse_depth(_depth(sample), size), nan=1 / FARTHEST_M) for sample in samples]
    frames = [
        shape_rows(inverse, sample).assign(experiment=name, seed=seed)
        for name, predicted in ({"truth": truths} | dict(maps)).items()
        for inverse, sample in zip(predicted, samples, strict=True)
    ]
    return pd.concat(frames, ignore_index=True)


def slope_shares(
    maps: Mapping[str, Sequence[np.ndarray]], samples: Sequence[StereoSample], bins: np.ndarray
) -> pd.DataFrame:
    """How `relative_slope` is distributed on ground and sides, for `lowtex_lab.plots.line_panels`.

    Args:
        maps, samples: as in `shapes_of`.
        bins: edges.

    Returns:
        x (middle of a bin), y (share of the surface's pixels; those outside the bins make up the rest), name, panel
        (surface).
    """
    curves = []
    for name, predicted in maps.items():
        ratios: dict[str, list[np.ndarray]] = {GROUND: [], SIDE: []}
        for inverse, sample in zip(predicted, samples, strict=True):
            masks = surface_strata(sample, inverse.shape)
            ratio = relative_slope(inverse, inverse_depth(_depth(sample), inverse.shape))
            for surface, found in ratios.items():
                found.append(ratio[masks[surface]])
        for surface, found in ratios.items():
            every = np.concatenate(found)
            share = np.histogram(every, bins)[0] / max(every.size, 1)
            curves.append(pd.DataFrame({"x": (bins[1:] + bins[:-1]) / 2, "y": share, "name": name, "panel": surface}))
    return pd.concat(curves, ignore_index=True)


@torch.no_grad()
def measure(network: DepthNet, root: Path, size: tuple[int, int]) -> pd.DataFrame:
    """`shape_rows` of every test image.

    Args:
        network: in evaluation mode, on its device.
        root: Virtual KITTI 2 or its miniature.
        size: ``(H, W)`` the network sees.

    Returns:
        its rows, images one after the other.

    Raises:
        DataError: files are missing, or a prediction is not finite and positive.
    """
    dataset = open_test_set(PROTOCOL, Roots({"vkitti2": Path(root)}), "test", size)
    frames = []
    for index in range(len(dataset)):
        sample = dataset[index]
        frames.append(shape_rows(predict(network, [sample])[0], sample))
    return pd.concat(frames, ignore_index=True)


def by_surface(measured: pd.DataFrame, texture: str = "all") -> pd.DataFrame:
    """Means over images and then over seeds: a row an experiment and surface, with `NUMBERS`, seeds and images.

    Args:
        measured: rows of `measure` with experiment and seed, as `Evidence.measured("smoothness")` gives them.
        texture: which rows.

    Raises:
        DataError: no rows of that texture.
    """
    chosen = measured[measured["texture"] == texture]
    if chosen.empty:
        raise DataError(f"no rows of texture {texture!r}; there are: {', '.join(sorted(set(measured['texture'])))}")
    of_seeds = chosen.groupby(["experiment", "surface", "seed"], sort=False)
    means = of_seeds[list(NUMBERS)].mean().groupby(level=["experiment", "surface"], sort=False).mean()
    counts = chosen.groupby(["experiment", "surface"], sort=False).agg(
        seeds=("seed", "nunique"), images=("image", "nunique")
    )
    return means.join(counts).reset_index()


def shape_scores(measured: pd.DataFrame, number: str, texture: str = "all") -> pd.DataFrame:
    """A number as scores that `studies.stats.effects` and `studies.stats.factorial` compare, surfaces as strata.

    Their statistics are those of an error by the name of ``abs_rel``, so that is the column the number is put into.

    Args:
        measured: rows of `measure` with experiment and seed.
        number: of `COMMON`; the smaller the better, but of ``rise``, whose truth is not 0.
        texture: which rows.

    Raises:
        OptionError: another number.
    """
    require_choice("number", number, COMMON)
    chosen = measured[measured["texture"] == texture]
    kept = ["experiment", "experiment_key", "seed", "profile", "miniature", "image", "pixels"]
    return chosen[[name for name in kept if name in chosen]].assign(
        stratum=chosen["surface"],
        stratum_kind=np.where(chosen["surface"] == "all", "none", "surface"),
        abs_rel=chosen[number],
    )


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else np.nan


def _staircase(ratio: np.ndarray) -> dict[str, float]:
    known = ratio[np.isfinite(ratio)]
    if not known.size:
        return {}
    return {
        "slope": float(np.median(known)),
        "flat": float((known < FLAT).mean()),
        "steep": float((known > STEEP).mean()),
    }


def _depth(sample: StereoSample) -> torch.Tensor:
    if sample.depth is None:
        raise DataError(f"{sample.name} has no ground truth, which shapes are compared with")
    return sample.depth
