"""Scoring one prediction against one ground truth: resize, scale, clamp, mask, measure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, require_choice
from lowtex.evaluation.metrics import pixel_errors, summarise
from lowtex.evaluation.postprocessing import resize_map
from lowtex.evaluation.protocols import Protocol, get_protocol
from lowtex.evaluation.texture import strata_makers
from lowtex.geometry import NOMINAL_BASELINE_M, nominal_to_metres

Strata = str | Sequence[str] | Mapping[str, Callable] | None
"""What ``strata=`` takes: a kind, several, label -> function(sample, size) -> masks, or nothing."""


@dataclass(frozen=True)
class Comparison:
    """A prediction brought to its ground truth, ready for metrics and error maps; all ``(h, w)``, metres.

    Attributes:
        truth: ground truth, 0 = none; clamped where the protocol says so.
        prediction: resized, scaled as the protocol says, clamped.
        valid: bool, the pixels that count.
        scale: what the prediction was multiplied with (1 without scaling).
    """

    truth: np.ndarray
    prediction: np.ndarray
    valid: np.ndarray
    scale: float


def compare(prediction, sample: StereoSample, protocol: str | Protocol, *, quantity: str = "depth") -> Comparison:
    """Bring a prediction to the size of the sample's ground truth, as the protocol says.

    Args:
        prediction: ``(H, W)`` or ``(1, H, W)`` at any size, array or tensor, > 0 everywhere.
        sample: with ground truth.
        protocol: name or value; its ``flip`` is not applied here, it needs the network.
        quantity: ``depth``, metres; or ``inverse_depth``, 1 / metres. With a scaling such as ``x5.4`` in units of a
            pretended baseline instead of metres.

    Raises:
        DataError: no or damaged ground truth, or a prediction that is not finite and positive; names the image.
        ValueError: shapes.
    """
    protocol = get_protocol(protocol)
    require_choice("quantity", quantity, ("depth", "inverse_depth"))
    truth = truth_of(sample)
    values = require_positive(_map(prediction, f"prediction of {sample.name}"), sample.name)
    if quantity == "depth" and values.shape == truth.shape:
        depth = values
    else:
        # interpolating between a wall and the sky in depth invents points far behind the wall; some protocols do
        resized = values if quantity == protocol.resized else 1.0 / values
        resized = resize_map(resized, *truth.shape, protocol.interpolation)
        depth = resized if protocol.resized == "depth" else 1.0 / resized
    valid = protocol.valid(truth)
    if protocol.clamp_truth:
        truth = np.where(truth > 0, np.clip(truth, protocol.min_depth_m, protocol.cap_m), 0.0)
    scale = 1.0
    if protocol.nominal_factor is not None:
        scale = nominal_to_metres(1.0, protocol.nominal_factor * NOMINAL_BASELINE_M)
    elif protocol.scaling == "median" and valid.any():
        scale = float(np.median(truth[valid]) / np.median(depth[valid]))
    return Comparison(truth, np.clip(depth * scale, protocol.min_depth_m, protocol.cap_m), valid, scale)


def score(
    prediction, sample: StereoSample, protocol: str | Protocol, *, strata: Strata = None, quantity: str = "depth"
) -> list[dict]:
    """Score one prediction: a dict a stratum, of image, stratum_kind, stratum, pixels, scale and the metrics.

    The first is the whole image (kind ``none``, stratum ``all``); a stratum without a valid pixel is left out, and so
    is everything where the protocol counts no pixel at all (an empty list). Arguments and errors as in `compare`;
    ``strata`` as in `evaluate`.
    """
    protocol = get_protocol(protocol)
    compared = compare(prediction, sample, protocol, quantity=quantity)
    if not compared.valid.any():
        return []
    errors = pixel_errors(compared.truth[compared.valid], compared.prediction[compared.valid], log10=protocol.log10)
    head = {"image": sample.name}

    def row(kind: str, stratum: str, select: np.ndarray | None) -> dict:
        pixels = int(compared.valid.sum() if select is None else select.sum())
        place = {"stratum_kind": kind, "stratum": stratum, "pixels": pixels, "scale": compared.scale}
        return {**head, **place, **summarise(errors, select)}

    rows = [row("none", "all", None)]
    for kind, masks_of in strata_makers(strata).items():
        for stratum, mask in masks_of(sample, compared.truth.shape).items():
            select = mask[compared.valid]
            if stratum != "all" and select.any():
                rows.append(row(kind, stratum, select))
    return rows


def require_positive(values: np.ndarray, name: str) -> np.ndarray:
    """The values, or a `DataError` that names the image if any is not finite and > 0."""
    bad = ~np.isfinite(values)
    what = "not finite (NaN or infinite)" if bad.any() else "not > 0"
    bad = bad if bad.any() else values <= 0
    if bad.any():
        raise DataError(
            f"the prediction for {name} has {int(bad.sum())} of {values.size} values that are {what}; it cannot be "
            "scored: has the training diverged, or is the checkpoint damaged?"
        )
    return values


def truth_of(sample: StereoSample) -> np.ndarray:
    """A sample's ground truth, ``(h, w)`` float64 metres, 0 = none.

    Raises:
        DataError: it has none, or a value is negative or not finite; names the image.
    """
    if sample.depth is None:
        raise DataError(f"{sample.name} has no ground truth to score against")
    truth = _map(sample.depth, f"ground truth of {sample.name}")
    bad = ~np.isfinite(truth) | (truth < 0)
    if bad.any():
        raise DataError(
            f"the ground truth of {sample.name} has {int(bad.sum())} of {truth.size} values that are negative or not "
            "finite; 0 means none, so the file or its reader is damaged"
        )
    return truth


def _map(values, what: str) -> np.ndarray:
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2 or not array.size:
        raise ValueError(f"{what} must be (H, W) or (1, H, W), got {array.shape}")
    return array.astype(np.float64, copy=False)
