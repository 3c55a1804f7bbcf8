"""Scores of single images as a whole table of experiments by seeds by images, or one clear error why they are not."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lowtex.errors import DataError, OptionError
from lowtex.evaluation.metrics import ALL_METRICS, HIGHER_IS_BETTER
from lowtex.evaluation.protocols import PROTOCOL_COLUMNS
from lowtex_lab.plots.tidy import in_order, refuse_mixture, require_columns

CONTEXT = ("train_data", "eval_data", "split", *PROTOCOL_COLUMNS, "profile", "miniature")
"""Columns that a frame may have and that must then be the same throughout; what effects are computed of keeps them."""


@dataclass(frozen=True)
class PairedScores:
    """Errors of the same images by the same seeds, for several experiments.

    Attributes:
        experiments: ``E`` names.
        seeds: ``S`` that every experiment has; that any has, where trainings may be missing.
        images: ``I`` names, sorted.
        errors: ``(E, S, I)`` float64, not negative; smaller is better. All NaN where a training is missing.
        pixels: scored pixels of all images of one experiment and seed.
        context: column -> value of what the scores have in common, of `CONTEXT`.
    """

    experiments: tuple[str, ...]
    seeds: tuple[int, ...]
    images: tuple[str, ...]
    errors: np.ndarray
    pixels: int
    context: dict[str, object]


def error_name(metric: str) -> str:
    """What is compared: the metric, or for a share of good pixels (``d1``) the share of bad ones, ``1 - d1``."""
    return f"1 - {metric}" if metric in HIGHER_IS_BETTER else metric


def strata_of(scores: pd.DataFrame, stratum_kind: str, strata: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """(kind, stratum) to look at, in reading order: the whole image and the kind's own strata.

    Raises:
        OptionError: a stratum, or the kind, is not there; lists what is.
    """
    require(scores, ("stratum_kind", "stratum"))
    own = in_order(scores.loc[scores["stratum_kind"] == stratum_kind, "stratum"])
    known = ["all", *(name for name in own if name != "all")]
    if not own:
        there = ", ".join(map(str, scores["stratum_kind"].unique()))
        raise OptionError(f"stratum_kind={stratum_kind!r}: no score has it; there are: {there}")
    chosen = known if strata is None else list(strata)
    if unknown := [name for name in chosen if name not in known]:
        raise OptionError(f"strata={', '.join(unknown)}: {stratum_kind!r} has: {', '.join(known)}")
    # a kind repeats the whole image as its own 'all', and has it only where the kind is known
    return [("none" if name == "all" else stratum_kind, name) for name in chosen]


def paired_scores(
    scores: pd.DataFrame,
    experiments: Sequence[str],
    metric: str = "abs_rel",
    stratum_kind: str = "none",
    stratum: str = "all",
    *,
    common_seeds: bool = True,
) -> PairedScores:
    """The errors of some experiments in one stratum, on the same seeds and images.

    Images must be the same for all, since which images have a stratum is a matter of the ground truth alone.

    Args:
        scores: rows an experiment x seed x image x stratum, of `lowtex.evaluation.results.per_image_rows`.
        experiments: names, in the order of the result.
        metric: an error, or one of `HIGHER_IS_BETTER`: a column of decimal numbers.
        stratum_kind, stratum: which pixels.
        common_seeds: seeds that only some experiments have are left out, with a warning, since a batch may still be
            under way; False keeps them, and the trainings that are not there are NaN.

    Raises:
        DataError: columns or experiments are missing, a score comes twice or is not a finite number, seeds or images
            do not match, or the rows are of several data sets, protocols or profiles; says which.
        OptionError: an unknown metric.
    """
    require(scores, ("experiment", "seed", "image", "stratum_kind", "stratum", "pixels"))
    # a measure may have put own numbers, which are decimal, beside the depth metrics
    own = [name for name in scores.select_dtypes(np.floating) if name not in ("scale", "wall_s", *CONTEXT)]
    numbers = [name for name in scores if name in ALL_METRICS or name in own]
    if metric not in numbers:
        raise OptionError(f"metric={metric!r} is no column of these scores; they have: {', '.join(numbers)}")
    experiments = tuple(dict.fromkeys(experiments))
    inside = scores[(scores["stratum_kind"] == stratum_kind) & (scores["stratum"] == stratum)]
    chosen = inside[inside["experiment"].isin(experiments)]
    where = f"{stratum} pixels" + ("" if stratum_kind == "none" else f" ({stratum_kind})")
    had = {name: set(part["seed"]) for name, part in chosen.groupby("experiment")}
    if absent := [name for name in experiments if name not in had]:
        there = ", ".join(map(str, inside["experiment"].unique())) or "none"
        raise DataError(f"no scores of {', '.join(absent)} in {where}; there are scores of: {there}")
    refuse_mixture(chosen, CONTEXT, f"scores in {where}")
    twice = chosen[chosen.duplicated(["experiment", "seed", "image"])]
    if len(twice):
        name, seed, image = twice[["experiment", "seed", "image"]].iloc[0]
        raise DataError(f"{where}: experiment {name}, seed {seed} has two scores of image {image}")
    every = set.union(*had.values())
    seeds = sorted(set.intersection(*had.values()) if common_seeds else every)
    if not seeds:
        told = "; ".join(f"{name} {sorted(own)}" for name, own in had.items())
        raise DataError(f"no seed has scores of all experiments in {where}: {told}")
    if left_out := sorted(every - set(seeds)):
        told = ", ".join(map(str, left_out))
        warnings.warn(f"seeds {told} are left out: not all experiments have them", stacklevel=2)
    chosen = chosen[chosen["seed"].isin(seeds)]
    table = chosen.pivot(index=["experiment", "seed"], columns="image", values=metric).sort_index(axis=1)
    gaps = ~np.isfinite(table.to_numpy(float))
    if gaps.any():
        row, column = np.argwhere(gaps)[0]
        (name, seed), image = table.index[row], table.columns[column]
        raise DataError(
            f"experiment {name}, seed {seed} has no finite {metric} of image {image} in {where}, which others have; "
            "all must be scored on the same images"
        )
    table = table.reindex(pd.MultiIndex.from_product([experiments, seeds]))
    values = table.to_numpy(float).reshape(len(experiments), len(seeds), -1)
    errors = 1.0 - values if metric in HIGHER_IS_BETTER else values
    if (least := np.nanmin(errors)) < 0:
        raise DataError(f"{error_name(metric)} of {where} falls to {least:g}; an error is never negative")
    first = chosen[chosen["experiment"] == experiments[0]]
    return PairedScores(
        experiments=experiments,
        seeds=tuple(map(int, seeds)),
        images=tuple(map(str, table.columns)),
        errors=errors,
        pixels=int(first.loc[first["seed"] == first["seed"].min(), "pixels"].sum()),
        context={name: chosen[name].iloc[0] for name in CONTEXT if name in chosen},
    )


def require(scores: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise `DataError` where columns or rows are missing."""
    require_columns(scores, columns, "a comparison of scores of images (lowtex.evaluation.results.per_image_rows)")
