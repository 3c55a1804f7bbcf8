"""Whether predicted surfaces stand as the true ones do, or are turned to the camera, bent, or cut into steps.

First-order smoothness is cheapest for planes that face the camera, so a network that learnt it too well would flatten
the road and the house fronts: the mean error of an image hardly tells. Measured on planes that the ground truth shows
(`lowtex_lab.studies.diagnostics.surface_slant`), pixel by pixel and without regard to scale.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lowtex.catalog import open_test_set
from lowtex.data_paths import Roots
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, require_choice
from lowtex.evaluation.evaluate import predict
from lowtex.evaluation.texture import strata
from lowtex.networks import DepthNet
from lowtex_lab.studies.diagnostics.surface_slant import (
    FACING,
    FARTHEST_M,
    GROUND,
    OTHER,
    SIDE,
    angle_deg,
    bends,
    inverse_depth,
    normals,
    slopes,
    surface_strata,
)
from lowtex_lab.studies.rows import PROTOCOL

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
