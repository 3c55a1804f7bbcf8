"""How well a predicted depth map places depth edges, and how sharp they are, where ground truth is dense.

*True edges* are the places between two neighbouring pixels of a row (or column) where inverse depth takes a step: more
than `evaluation.texture.EDGE_STEP` of the larger value, both pixels being edges of `evaluation.texture.edge_strata`. A
slanted
plane is linear in inverse depth and takes none. *Predicted edges* are the strongest steps of the prediction, just as
many as there are true ones, so that a soft prediction needs no threshold and a noisy one gains nothing by many edges.

`QUANTITIES` ask three things: *place*, by the distances from true to predicted edges and back, as in the depth boundary
errors of Koch et al. (2018, "Evaluation of CNN-based single-image depth estimation methods", arXiv 1805.01328), whose
edges come from another detector; *sharpness*, and *spill*, both along the row across each edge: these are ours. All are
errors: smaller is better. None depends on the prediction's global scale, which is taken out first.
"""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy import ndimage

from lowtex.datasets import VirtualKitti2
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError
from lowtex.evaluation.evaluate import predict
from lowtex.evaluation.postprocessing import resize_map
from lowtex.evaluation.texture import EDGE_FRACTION, EDGE_STEP, LOW_CONTRAST, edge_strata
from lowtex.networks import DepthNet

QUANTITIES = {
    "missed": "share of true edge places without a predicted edge within 2 px",
    "off_px": "mean distance from a true edge place to the nearest predicted edge, px, 10 at most",
    "stray_px": "mean distance from a predicted edge to the nearest true one, px, 10 at most",
    "width_px": "mean true step over the steepest climb of the mean profile across edges, px: 1 is sharp, 64 at most",
    "far_spill_px": "how far the near surface spills over the far one, px, of 4 looked at",
    "near_spill_px": "how far the far surface spills over the near one, px, of 4 looked at",
}
"""Quantity -> what it is; pixels are those of a picture 320 wide (all lengths grow with the width)."""

CAP_M = 80.0
"""Whatever is farther counts as this far, in truth and prediction: sky has no depth to be wrong about."""

LEAST = 10
"""Fewer edge places in an image are no measurement of that image."""

WIDEST_PX = 64
"""A prediction without any step at all is this wide."""


def edge_strength(inverse: np.ndarray, reach: int = 4) -> np.ndarray:
    """Relative size of every edge along the rows of inverse depth ``(h, w)``, > 0; 0 where there is no edge.

    Args:
        inverse: 1 / metres, or any multiple.
        reach: the surface's own slope is the median of the steps within twice as many pixels, and is taken off.

    Returns:
        ``(h, w - 1)`` in [0, 1]: ``[y, x]`` is the step between pixels x and x + 1 over the larger of the two values,
        where no other within half of ``reach`` is stronger.
    """
    steps = np.diff(inverse, axis=1)
    slope = ndimage.median_filter(steps, size=(1, 4 * reach + 1), mode="nearest")
    strength = np.abs(steps - slope) / np.maximum(inverse[:, 1:], inverse[:, :-1])
    strongest = ndimage.maximum_filter1d(strength, 2 * max(1, reach // 2) + 1, axis=1)
    return np.where((strength == strongest) & (strength > 1e-9), strength, 0.0)


def true_edges(inverse: np.ndarray, bends: np.ndarray, reach: int = 4) -> np.ndarray:
    """True edge places ``(h, w - 1)`` along the rows; ``bends``: the edge pixels of `edge_strata` without a margin."""
    # between two slopes of one sign the step itself may be nothing
    steps = np.abs(np.diff(inverse, axis=1)) > EDGE_STEP * np.maximum(inverse[:, 1:], inverse[:, :-1])
    return (edge_strength(inverse, reach) > EDGE_STEP) & steps & bends[:, 1:] & bends[:, :-1]


def strongest_edges(inverse: np.ndarray, number: int, reach: int = 4) -> np.ndarray:
    """The ``number`` strongest edge places ``(h, w - 1)`` along the rows, or all where there are fewer."""
    strength = edge_strength(inverse, reach)
    kept = np.argsort(-strength, axis=None, kind="stable")[:number]
    places = np.zeros(strength.shape, dtype=bool)
    places.flat[kept] = True
    return places & (strength > 0)


def profiles(inverse: np.ndarray, places: np.ndarray, signs: np.ndarray, reach: int) -> np.ndarray:
    """Rows of ``inverse`` across edge places, ``(n, 2 reach)``: far side first, the step in the middle, near side last.

    Args:
        inverse: ``(h, w)``.
        places: ``(n, 2)`` integers, row and column of each place; at least ``reach`` pixels from either end of the row.
        signs: ``(n,)``, +1 where the near side lies to the right.
        reach: pixels on each side.
    """
    across = places[:, 1:] + np.arange(1 - reach, reach + 1)
    rows = inverse[places[:, :1], across]
    return np.where(signs[:, None] > 0, rows, rows[:, ::-1])


def capped_inverse(sample: StereoSample) -> np.ndarray:
    """True inverse depth ``(h, w)`` in 1 / metres; what is farther than `CAP_M`, and sky, counts as that far."""
    truth = sample.depth[0].double().cpu().numpy()
    return 1 / np.where(truth > 0, np.minimum(truth, CAP_M), CAP_M)


def edge_places(sample: StereoSample) -> dict[str, np.ndarray]:
    """True edge places by direction: ``rows``, bool ``(h, w - 1)``, and ``columns``, ``(h - 1, w)``.

    Raises:
        DataError: ground truth that is missing or not dense.
    """
    bends = edge_strata(sample, radius_px=0)["edge"]
    target, reach = capped_inverse(sample), reach_px(sample)
    return {"rows": true_edges(target, bends, reach), "columns": true_edges(target.T, bends.T, reach).T}


def reach_px(sample: StereoSample) -> int:
    """Pixels looked at on either side of an edge: 4 of 320."""
    return max(2, round(sample.depth.shape[-1] * 2 * EDGE_FRACTION))


def at_true_scale(sample: StereoSample, inverse: np.ndarray) -> np.ndarray:
    """A prediction's inverse depth ``(h, w)``, its global scale taken out by medians away from edges, and capped."""
    truth = sample.depth[0].double().cpu().numpy()
    calm = (truth > 0) & (truth < CAP_M) & ~edge_strata(sample)["edge"]
    scale = np.median(1 / truth[calm]) / np.median(inverse[calm]) if calm.any() else 1.0
    return np.maximum(inverse * scale, 1 / CAP_M)


def edge_errors(sample: StereoSample, inverse: np.ndarray) -> list[dict]:
    """The edge quantities of one prediction.

    Args:
        sample: with dense ground truth.
        inverse: predicted inverse depth ``(h, w)`` at the ground truth's size, > 0, at any scale.

    Returns:
        dicts of image, stratum_kind (``none``: all edges; ``sides``: by the known contrast of the two surfaces;
        ``direction``: steps along rows or columns), stratum, pixels (true edge places), quantity, value. Strata with
        fewer than `LEAST` places are left out, and so are ``sides`` where contrast is not known. ``stray_px`` starts
        from predicted edges, which have no true sides, and is given for the other kinds only.

    Raises:
        DataError: ground truth that is missing or not dense; a prediction of another size or not positive.
    """
    true, target, reach = edge_places(sample), capped_inverse(sample), reach_px(sample)
    if inverse.shape != target.shape or not (np.isfinite(inverse).all() and (inverse > 0).all()):
        raise DataError(
            f"{sample.name}: predicted inverse depth must be positive, of size {target.shape}, got size "
            f"{inverse.shape}, smallest {np.min(inverse):g}"
        )
    inverse, known = at_true_scale(sample, inverse), sample.texture_contrast is not None
    plain = sample.texture_contrast[0].cpu().numpy() < LOW_CONTRAST if known else np.zeros(target.shape, bool)
    parts = {
        "rows": _along_rows(target, inverse, true["rows"], plain, reach),
        "columns": _along_rows(target.T, inverse.T, true["columns"].T, plain.T, reach),
    }
    both = {name: np.concatenate([part[name] for part in parts.values()]) for name in parts["rows"]}
    strata = [("none", "all", both), *(("direction", name, part) for name, part in parts.items())]
    for number, name in enumerate(("neither plain", "one plain", "both plain") if known else ()):
        own = {key: values[both["plain"] == number] for key, values in both.items() if key != "stray"}
        strata.append(("sides", name, own))
    lines = []
    for kind, stratum, part in strata:
        place = {"image": sample.name, "stratum_kind": kind, "stratum": stratum, "pixels": len(part["distance"])}
        if place["pixels"] >= LEAST:
            lines += [place | {"quantity": name, "value": value} for name, value in _quantities(part, reach).items()]
    return lines


def measure(network: DepthNet, root: Path, size: tuple[int, int], split: str = "test") -> pd.DataFrame:
    """The measure ``edges`` of `lowtex_lab.studies.rows`: `edge_errors` of all test images as one table.

    Args:
        network: in evaluation mode.
        root: Virtual KITTI 2, or its miniature.
        size: (h, w) the network sees.
        split: of its images.
    """
    dataset, lines = VirtualKitti2(root, split=split, size=size, views=False), []
    for start in range(0, len(dataset), 8):
        samples = [dataset[index] for index in range(start, min(start + 8, len(dataset)))]
        for sample, inverse in zip(samples, predict(network, samples), strict=True):
            lines += edge_errors(sample, resize_map(inverse, *sample.depth.shape[-2:]))
    return pd.DataFrame(lines)


def _along_rows(
    target: np.ndarray, inverse: np.ndarray, true: np.ndarray, plain: np.ndarray, reach: int
) -> dict[str, np.ndarray]:
    """What `_quantities` needs, a value a true edge place: its distance to the next predicted edge, how many of its two
    sides are plain, whether no other edge is in reach, and the profile across it; ``stray``: a value a predicted edge.
    """
    predicted = strongest_edges(inverse, int(true.sum()), reach)
    places = np.argwhere(true)
    y, x = places.T
    steps = target[y, x + 1] - target[y, x]
    crowd = ndimage.convolve1d(true.astype(int), np.ones(2 * reach - 1, int), axis=1, mode="constant")
    inside = np.stack([y, np.clip(x, reach - 1, max(reach - 1, target.shape[1] - reach - 1))], axis=1)
    t, p = (profiles(values, inside, np.sign(steps), reach) for values in (target, inverse))
    share = (p - t) / np.abs(steps)[:, None]
    return {
        "distance": _distances(predicted, reach)[true],
        "plain": plain[y, x].astype(int) + plain[y, x + 1],
        "lone": (crowd[y, x] == 1) & (inside[:, 1] == x),
        "slopes": np.diff(p, axis=1),
        "height": np.abs(steps),
        "far": np.clip(share[:, :reach], 0, 1).sum(axis=1),
        "near": np.clip(-share[:, reach:], 0, 1).sum(axis=1),
        "stray": _distances(true, reach)[predicted],
    }


def _quantities(part: dict[str, np.ndarray], reach: int) -> dict[str, float]:
    """`QUANTITIES` of some edge places, lengths in pixels of a picture 320 wide."""
    unit, distance, lone = 4 / reach, part["distance"], part["lone"]
    values = {"missed": float((distance > reach / 2).mean()), "off_px": float(distance.mean() * unit)}
    if len(part.get("stray", ())):
        values["stray_px"] = float(part["stray"].mean() * unit)
    if lone.sum() >= LEAST:
        # of the mean profile, since in a single one the steepest pixel may be a wrinkle; and of means of inverse
        # depth, not of shares of each step, which a slanted wall beside a small step would decide
        steepest = float(part["slopes"][lone].mean(axis=0).max() / part["height"][lone].mean())
        values["width_px"] = unit / max(steepest, unit / WIDEST_PX)
        values["far_spill_px"] = float(part["far"][lone].mean() * unit)
        values["near_spill_px"] = float(part["near"][lone].mean() * unit)
    return values


def _distances(places: np.ndarray, reach: int) -> np.ndarray:
    """Pixels to the nearest place, no more than 10 of a picture 320 wide."""
    most = 2.5 * reach
    if not places.any():
        return np.full(places.shape, most)
    away = cv2.distanceTransform((~places).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.minimum(away.astype(float), most)
