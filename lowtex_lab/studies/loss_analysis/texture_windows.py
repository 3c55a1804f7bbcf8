"""The two definitions of low texture held against each other: what hangs on a window, where they agree, where they lie.

A gradient needs a window and two thresholds, which papers rarely state. Here each is turned one at a time: by how much
do the strata change, and (with `gradient_makers` in an evaluation) does a comparison of methods change with them?
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError
from lowtex.evaluation.texture import (
    HIGH_GRADIENT,
    LOW_GRADIENT,
    WINDOW_FRACTION,
    Masks,
    contrast_strata,
    gradient_strata,
    strata,
)

CLASSES = ("low", "middle", "high")
"""Texture classes, in the order of their numbers in `texture_classes`."""

WINDOW_SHARES = (0.0, 1 / 120, WINDOW_FRACTION, 1 / 20, 1 / 10, 1 / 5)
"""Windows to try, as shares of the image's width; 0 is a single pixel."""

THRESHOLDS = (0.5, 0.7, 1.4, 2.0)
"""Factors on both thresholds to try, at the kit's window."""

KNOWN = "known contrast"
"""The definition that needs neither window nor gradient, under a label of its own beside the gradient's."""

THIRDS = ("upper", "middle", "lower")


def windows_px(width: int) -> list[int]:
    """The windows to try for images of this width, odd pixels, rising."""
    return sorted({int(width * share) | 1 for share in WINDOW_SHARES})


def default_window_px(width: int) -> int:
    """The kit's own window."""
    return int(width * WINDOW_FRACTION) | 1


def gradient_makers(width: int) -> dict[str, Callable[..., Masks]]:
    """Gradient strata under each window (``window 9 px``) and each pair of thresholds (``thresholds x0.5``).

    For ``evaluate(strata=…)`` on images of that width; the kit's own definition is among the windows.
    """
    makers = {f"window {px} px": partial(gradient_strata, window_px=px) for px in windows_px(width)}
    for factor in THRESHOLDS:
        moved = {"low": factor * LOW_GRADIENT, "high": factor * HIGH_GRADIENT}
        makers[f"thresholds x{factor:g}"] = partial(gradient_strata, **moved)
    return makers


def window_makers(width: int) -> dict[str, Callable[..., Masks]]:
    """`gradient_makers` and, last, `KNOWN`: every definition of low texture that there is."""
    return {**gradient_makers(width), KNOWN: contrast_strata}


def texture_classes(samples: Iterable[StereoSample], kind: str = "known", **options) -> np.ndarray:
    """Class (0 low, 1 middle, 2 high) of every pixel that has ground truth, of all samples one after the other.

    The sky has no depth to be wrong about, and would be called low by both definitions.

    Args:
        samples: with ground truth.
        kind: ``known`` or ``gradient``.
        options: of `lowtex.evaluation.texture.gradient_strata` or `contrast_strata`.

    Raises:
        DataError: no sample, or what the kind needs is not known.
    """
    parts = []
    for sample in samples:
        masks = strata(sample, kind, **options)
        parts.append(np.select([masks[name] for name in CLASSES], [0, 1, 2])[_with_truth(sample)])
    if not parts:
        raise DataError("texture classes need at least one image")
    return np.concatenate(parts)


def window_table(samples: Sequence[StereoSample]) -> pd.DataFrame:
    """Shares of the texture classes by gradient under each window and threshold, and agreement with known contrast.

    Returns:
        definition, low, middle, high (shares of the pixels with ground truth), then, where contrast is known, agreement
        (share of pixels that both put into the same class), by_chance (what two independent definitions with the same
        shares would reach) and kappa (Cohen's: (agreement - by_chance) / (1 - by_chance)); images.
    """
    known = texture_classes(samples, "known") if _is_known(samples) else None
    lines = []
    for label, maker in gradient_makers(samples[0].image.shape[-1]).items():
        seen = texture_classes(samples, "gradient", **maker.keywords)
        line = {"definition": label, **dict(zip(CLASSES, _shares(seen), strict=True))}
        if known is not None:
            agreement, chance = float((seen == known).mean()), float(_shares(seen) @ _shares(known))
            kappa = (agreement - chance) / (1 - chance) if chance < 1 else float("nan")
            line |= {"agreement": agreement, "by_chance": chance, "kappa": kappa}
        lines.append({**line, "images": len(samples)})
    return pd.DataFrame(lines)


def agreement_table(samples: Sequence[StereoSample]) -> pd.DataFrame:
    """Where the gradient puts the pixels of each class of known contrast.

    Returns:
        a row a known class: known, pixels (share of all), gradient_low, gradient_middle, gradient_high (shares of the
        class), low_near_edge (of those that known contrast calls low and the gradient does not, the share near a depth
        edge; NaN in other rows), all_near_edge (of all pixels of the class), images.
    """
    known, seen = texture_classes(samples, "known"), texture_classes(samples, "gradient")
    edge = np.concatenate([strata(s, "edges")["edge"][_with_truth(s)] for s in samples])
    lines = []
    for number, name in enumerate(CLASSES):
        own = known == number
        missed = own & (seen > 0) if number == 0 else np.zeros_like(own)
        shares = _shares(seen[own]) if own.any() else np.full(3, np.nan)
        lines.append(
            {
                "known": name,
                "pixels": own.mean(),
                **{f"gradient_{other}": share for other, share in zip(CLASSES, shares, strict=True)},
                "low_near_edge": edge[missed].mean() if missed.any() else np.nan,
                "all_near_edge": edge[own].mean() if own.any() else np.nan,
                "images": len(samples),
            }
        )
    return pd.DataFrame(lines)


def where_texture_lies(samples: Sequence[StereoSample], kind: str = "known") -> pd.DataFrame:
    """What else is different about pixels of low texture: distance, height in the picture, visibility, edges.

    Returns:
        a row a class and one for ``all``: texture, pixels (share), median_m (of true depth), upper_third, middle_third,
        lower_third (of the picture's rows; shares of the class), near_edge, occluded (share, NaN where not known),
        images.
    """
    classes, depth, third, edge, hidden = [], [], [], [], []
    for sample in samples:
        inside = _with_truth(sample)
        classes.append(texture_classes([sample], kind))
        depth.append(sample.depth[0].numpy()[inside])
        rows = np.arange(inside.shape[0]) * 3 // inside.shape[0]
        third.append(np.broadcast_to(rows[:, None], inside.shape)[inside])
        edge.append(strata(sample, "edges")["edge"][inside])
        known = sample.visible is not None
        hidden.append(strata(sample, "visibility")["occluded"][inside] if known else np.full(inside.sum(), np.nan))
    classes, depth, third, edge, hidden = map(np.concatenate, (classes, depth, third, edge, hidden))
    lines = []
    for name, own in [*((n, classes == i) for i, n in enumerate(CLASSES)), ("all", np.ones(len(classes), bool))]:
        if own.any():
            spread = {f"{part}_third": (third[own] == number).mean() for number, part in enumerate(THIRDS)}
            facts = {"near_edge": edge[own].mean(), "occluded": float(np.mean(hidden[own])), "images": len(samples)}
            lines.append({"texture": name, "pixels": own.mean(), "median_m": np.median(depth[own]), **spread, **facts})
    return pd.DataFrame(lines)


def _with_truth(sample: StereoSample) -> np.ndarray:
    if sample.depth is None:
        raise DataError(f"{sample.name} has no ground truth, so that sky cannot be told from a wall")
    return (sample.depth[0] > 0).numpy()


def _is_known(samples: Sequence[StereoSample]) -> bool:
    return all(sample.texture_contrast is not None for sample in samples)


def _shares(classes: np.ndarray) -> np.ndarray:
    return np.bincount(classes, minlength=3) / len(classes)
