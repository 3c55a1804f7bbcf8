"""The depth metrics of the literature (Eigen et al. 2014), the log10 error that Make3D is reported with, and D1-all.

Everything here takes the pixels to score and nothing else: which pixels those are (crop, cap, ground truth present)
is a protocol's business, see `lowtex.evaluation.protocols`.
"""

import numpy as np
from torch import Tensor

METRICS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "d1", "d2", "d3")
"""The seven names every KITTI table has; `LOG10` and `D1_ALL` are added where a protocol asks for them."""

LOG10 = "log10"

D1_ALL = "d1_all"
"""Share of disparity outliers, KITTI stereo 2015's own error (`disparity_outliers`); not the accuracy ``d1``."""

ALL_METRICS = (*METRICS, LOG10, D1_ALL)
"""Every metric there is, in the order of tables."""

HIGHER_IS_BETTER = frozenset({"d1", "d2", "d3"})
"""Shares of pixels; every other metric is an error, and smaller is better."""

_LABELS = "AbsRel SqRel RMSE RMSElog δ<1.25 δ<1.25² δ<1.25³ log10 D1-all"
LABELS = dict(zip(ALL_METRICS, _LABELS.split(), strict=True))
"""How the literature writes them."""

RATIO = 1.25

OUTLIER_PX, OUTLIER_SHARE = 3.0, 0.05
"""A disparity is an outlier beyond both (Menze and Geiger, CVPR 2015)."""


def metric_names(log10: bool = False, d1_all: bool = False) -> tuple[str, ...]:
    """The names `depth_errors` returns, in the literature's order, and `D1_ALL`."""
    return (*METRICS, *([LOG10] if log10 else []), *([D1_ALL] if d1_all else []))


def pixel_errors(truth, prediction, log10: bool = False) -> dict[str, np.ndarray]:
    """What each pixel adds to each metric, before the mean (and before the root of the three root-mean-squares).

    Args:
        truth, prediction: metres, numpy arrays or tensors of one shape; all finite and > 0.
        log10: add the squared difference of base-10 logarithms.

    Returns:
        name -> float64 array ``(N,)``, N the number of pixels. ``rmse``, ``rmse_log`` and ``log10`` hold squares.

    Raises:
        ValueError: shapes differ, nothing to score, or a value that is not finite or not > 0; says which.
    """
    truth, prediction = _checked(truth, prediction)
    difference = truth - prediction
    squared = difference**2
    log_ratio = np.log(truth) - np.log(prediction)
    ratio = np.maximum(truth / prediction, prediction / truth)
    errors = {
        "abs_rel": np.abs(difference) / truth,
        "sq_rel": squared / truth,
        "rmse": squared,
        "rmse_log": log_ratio**2,
        "d1": (ratio < RATIO).astype(np.float64),
        "d2": (ratio < RATIO**2).astype(np.float64),
        "d3": (ratio < RATIO**3).astype(np.float64),
    }
    if log10:
        errors[LOG10] = (log_ratio / np.log(10.0)) ** 2
    return errors


def disparity_outliers(truth_px, prediction_px) -> np.ndarray:
    """Which disparities are outliers: wrong by more than 3 pixels and by more than 5 % of the true one.

    The share of them is D1-all of KITTI stereo 2015. Monodepth's code counts an error of exactly 3 px or 5 % too.

    Args:
        truth_px, prediction_px: pixels at the original image's size, numpy arrays of one shape; the truth > 0.

    Returns:
        float64 array ``(N,)``: 1 for an outlier, else 0.

    Raises:
        ValueError: as `pixel_errors`; a prediction may be any finite number.
    """
    truth, prediction = _array(truth_px).reshape(-1), _array(prediction_px).reshape(-1)
    if truth.shape != prediction.shape or not np.isfinite(prediction).all() or not (truth > 0).all():
        raise ValueError("disparities must be two arrays of one shape, the true ones > 0, the predicted ones finite")
    error = np.abs(prediction - truth)
    return ((error > OUTLIER_PX) & (error > OUTLIER_SHARE * truth)).astype(np.float64)


def summarise(errors: dict[str, np.ndarray], select: np.ndarray | None = None) -> dict[str, float]:
    """Means of `pixel_errors` over all pixels, or over those that ``select`` (bool ``(N,)``, not all False) names."""
    means = {}
    for name, values in errors.items():
        mean = float(values.mean() if select is None else values[select].mean())
        means[name] = float(np.sqrt(mean)) if name in ("rmse", "rmse_log", LOG10) else mean
    return means


def depth_errors(truth, prediction, log10: bool = False) -> dict[str, float]:
    """The literature's errors between true depth g and predicted depth p, over exactly the pixels given.

    ======== ===========================================
    abs_rel  mean of abs(g - p) / g
    sq_rel   mean of (g - p)^2 / g, metres
    rmse     root of the mean of (g - p)^2, metres
    rmse_log root of the mean of (ln g - ln p)^2
    d1,d2,d3 share of pixels with max(g/p, p/g) < 1.25, 1.25^2, 1.25^3 (strictly)
    log10    root of the mean of (log10 g - log10 p)^2, Make3D's fourth metric
    ======== ===========================================

    Nothing is masked here: a ground-truth map with holes must be indexed by its valid pixels first,
    ``depth_errors(truth[truth > 0], prediction[truth > 0])``, because a metric that quietly drops pixels would
    also drop a prediction's failures.

    Args:
        truth, prediction: metres, numpy arrays or tensors (any device) of one shape, any number of dimensions.
        log10: add ``log10``.

    Returns:
        name -> float, in the order above.

    Raises:
        ValueError: shapes differ, nothing to score, or a value that is not finite or not > 0; says which.
    """
    return summarise(pixel_errors(truth, prediction, log10=log10))


def _checked(truth, prediction) -> tuple[np.ndarray, np.ndarray]:
    truth, prediction = _array(truth), _array(prediction)
    if truth.shape != prediction.shape:
        raise ValueError(f"truth {truth.shape} and prediction {prediction.shape} differ in shape")
    if truth.size == 0:
        raise ValueError("no pixels to score: truth and prediction are empty")
    positive = "not > 0; depth is positive, so index both by the pixels that have ground truth first"
    for name, values in (("truth", truth), ("prediction", prediction)):
        for wrong, what in ((~np.isfinite(values), "not finite (NaN or infinite)"), (values <= 0, positive)):
            if wrong.any():
                raise ValueError(f"{name} has {int(wrong.sum())} of {values.size} values that are {what}")
    return truth.reshape(-1), prediction.reshape(-1)


def _array(values) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, dtype=np.float64)
