"""The two definitions of low texture held against each other: what hangs on a window, where they agree, where they lie.

A gradient needs a window and two thresholds, which papers rarely state. Here each is turned one at a time: by how much
do the strata change, and (with `window_makers` in an evaluation) does a comparison of methods change with them?
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

THIRDS = ("upper_third", "middle_third", "lower_third")


def window_makers(width: int) -> dict[str, Callable[..., Masks]]:
    """Every definition of low texture, for ``evaluate(strata=…)`` on images of that width.

    The gradient's strata under each window (``window 9 px``; the kit's own is among them), under each pair of
    thresholds (``thresholds x0.5``), and last `KNOWN`.
    """
    windows = sorted({int(width * share) | 1 for share in WINDOW_SHARES})
    makers = {f"window {px} px": partial(gradient_strata, window_px=px) for px in windows}
    for factor in THRESHOLDS:
        moved = {"low": factor * LOW_GRADIENT, "high": factor * HIGH_GRADIENT}
        makers[f"thresholds x{factor:g}"] = partial(gradient_strata, **moved)
    return {**makers, KNOWN: contrast_strata}


def texture_classes(samples: Iterable[StereoSample], maker: Callable[..., Masks] = contrast_strata) -> pd.Categorical:
    """Class of every pixel that has ground truth, of all samples one after the other.

    The sky has no depth to be wrong about, and would be called low by both definitions.

    Args:
        samples: with ground truth.
        maker: of `window_makers`.

    Raises:
        DataError: no sample, or what the definition needs is not known.
    """
    parts = []
    for sample in samples:
        masks = maker(sample)
        parts.append(np.select([masks[name] for name in CLASSES], [0, 1, 2])[_with_truth(sample)])
    if not parts:
        raise DataError("texture classes need at least one image")
    return pd.Categorical.from_codes(np.concatenate(parts), CLASSES)


def window_table(samples: Sequence[StereoSample]) -> pd.DataFrame:
    """Shares of the texture classes by gradient under each window and threshold, and agreement with known contrast.

    Returns:
        definition, low, middle, high (shares of the pixels with ground truth), then, where contrast is known, agreement
        (share of pixels that both put into the same class), by_chance (what two independent definitions with the same
        shares would reach) and kappa (Cohen's: (agreement - by_chance) / (1 - by_chance)); images.
    """
    is_known = all(sample.texture_contrast is not None for sample in samples)
    known = texture_classes(samples) if is_known else None
    makers = window_makers(samples[0].image.shape[-1])
    del makers[KNOWN]
    lines = []
    for label, maker in makers.items():
        seen = texture_classes(samples, maker)
        line = {"definition": label, **dict(zip(CLASSES, _shares(seen), strict=True))}
        if is_known:
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
    known, seen = texture_classes(samples), texture_classes(samples, gradient_strata)
    edge = pd.Series(np.concatenate([strata(s, "edges")["edge"][_with_truth(s)] for s in samples]))
    table = pd.DataFrame({"pixels": _shares(known)}, index=pd.Index(CLASSES, name="known"))
    for name in CLASSES:
        table[f"gradient_{name}"] = pd.Series(seen == name).groupby(known, observed=False).mean()
    table["low_near_edge"] = np.nan
    table.loc["low", "low_near_edge"] = edge[(known == "low") & (seen != "low")].mean()
    table["all_near_edge"] = edge.groupby(known, observed=False).mean()
    return table.reset_index().assign(images=len(samples))


def where_texture_lies(samples: Sequence[StereoSample], kind: str = "known") -> pd.DataFrame:
    """What else is different about pixels of low texture: distance, height in the picture, visibility, edges.

    Returns:
        a row a class and one for ``all``: texture, pixels (share), median_m (of true depth), upper_third, middle_third,
        lower_third (of the picture's rows; shares of the class), near_edge, occluded (share, NaN where not known),
        images.
    """
    frames = []
    for sample in samples:
        inside = _with_truth(sample)
        third = (np.arange(inside.shape[0]) * 3 // inside.shape[0])[:, None]
        is_known = sample.visible is not None
        facts = {name: np.broadcast_to(third == number, inside.shape)[inside] for number, name in enumerate(THIRDS)}
        facts["near_edge"] = strata(sample, "edges")["edge"][inside]
        facts["occluded"] = strata(sample, "visibility")["occluded"][inside] if is_known else np.nan
        classes = texture_classes([sample], partial(strata, kind=kind))
        frames.append(pd.DataFrame({"texture": classes, "median_m": sample.depth[0].numpy()[inside], **facts}))
    pixels = pd.concat(frames, ignore_index=True)
    lines = []
    for name in (*CLASSES, "all"):
        own = pixels if name == "all" else pixels[pixels["texture"] == name]
        if len(own):
            shares = own[[*THIRDS, "near_edge", "occluded"]].astype(float).mean(skipna=False)
            line = {"texture": name, "pixels": len(own) / len(pixels), "median_m": own["median_m"].median()}
            lines.append({**line, **shares, "images": len(samples)})
    return pd.DataFrame(lines)


def _with_truth(sample: StereoSample) -> np.ndarray:
    if sample.depth is None:
        raise DataError(f"{sample.name} has no ground truth, so that sky cannot be told from a wall")
    return (sample.depth[0] > 0).numpy()


def _shares(classes: pd.Categorical) -> np.ndarray:
    return np.bincount(classes.codes, minlength=len(CLASSES)) / len(classes)
