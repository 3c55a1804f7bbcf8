"""The ablation's rows as the question of smoothness asks for them: within one data term, and along the weight's curve.

Trainings on pixels now and then stay where they start (`studies.learnt.outcomes`), and one such accident moves
the mean of a handful of seeds by more than smoothness does. So effects can be taken within one level of another factor,
and among the trainings that learnt.
"""

import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache

import pandas as pd

from lowtex.experiments import SMOOTHNESS_CURVE, curve_name
from lowtex_lab.studies.diagnostics.surface_shapes import shape_scores
from lowtex_lab.studies.evidence import Evidence
from lowtex_lab.studies.learnt import learnt_only as only_learnt
from lowtex_lab.studies.learnt import outcomes, sound_seeds
from lowtex_lab.studies.stats.effects import seed_errors
from lowtex_lab.studies.stats.factorial import Factorial, factorial_effects
from lowtex_lab.studies.tables import design


def effects_in(
    evidence: Evidence, designs: Mapping[str, Factorial], *, learnt_only: bool = False, **options: object
) -> pd.DataFrame:
    """`lowtex_lab.studies.stats.factorial.factorial_effects` in each of several designs, one after the other.

    Args:
        evidence: rows; a design of which a cell has none is left out.
        designs: name -> design.
        learnt_only: among the trainings that learnt (`studies.learnt`); a design is left out where none of
            a cell's has.
        options: of `factorial_effects`.

    Returns:
        its rows with ``within``, the design's name; without rows where no design is whole.
    """
    frames = []
    for name, chosen in designs.items():
        if not evidence.missing(chosen.experiments):
            scores = _scores(evidence, chosen.experiments)
            if learnt_only:
                scores = only_learnt(scores, _outcomes(evidence, chosen.experiments))
            frames += _effects(scores, chosen, name, common_seeds=not learnt_only, **options)
    return _together(frames)


def shape_effects_in(
    evidence: Evidence, designs: Mapping[str, Factorial], number: str, *, learnt_only: bool = False, **options: object
) -> pd.DataFrame:
    """`effects_in` for a number of the measure ``smoothness`` (`diagnostics.surface_shapes.COMMON`), by surface.

    A design is left out where one of its cells has not been measured; ``options`` as of `effects_in`, but for strata.
    """
    if not evidence.has_measure("smoothness"):
        return _together([])
    scores = shape_scores(_measured(evidence), number)
    if learnt_only:
        scores = only_learnt(scores, _outcomes(evidence, tuple(dict.fromkeys(scores["experiment"]))))
    frames, options = [], {**options, "stratum_kind": "surface"}
    for name, chosen in designs.items():
        frames += _effects(scores, chosen, name, common_seeds=not learnt_only, **options)
    return _together([frame.assign(metric=number) for frame in frames])


def slopes_by_level(evidence: Evidence, learnt_only: bool = True) -> pd.DataFrame:
    """How planes lean with one order of smoothness and with both, over the factorial's trainings.

    Returns:
        a row a data term, level of smoothness and slanted surface: data term, smoothness, surface, then ``slope``,
        ``flat`` and ``steep`` (`diagnostics.surface_shapes.NUMBERS`; means over images, then over trainings, each
        with the deviation over trainings), trainings, seeds, images. No rows where nothing was measured.
    """
    names = ("slope", "flat", "steep")
    columns = ["data term", "smoothness", "surface", *names, "trainings", "seeds", "images"]
    if not evidence.has_measure("smoothness"):
        return pd.DataFrame(columns=columns)
    measured = _measured(evidence)
    cells = design().cells
    chosen = measured[(measured["texture"] == "all") & measured["experiment"].isin(cells) & measured["slope"].notna()]
    if learnt_only:
        chosen = only_learnt(chosen, _outcomes(evidence, tuple(dict.fromkeys(chosen["experiment"]))))
    levels = {factor: chosen["experiment"].map(lambda name, f=factor: cells[name][f]) for factor in columns[:2]}
    lines = []
    for key, own in chosen.assign(**levels).groupby(columns[:3], sort=False):
        of_training = own.groupby(["experiment", "seed"])[list(names)].mean()
        spoken = {name: f"{of_training[name].mean():.3f} ± {of_training[name].std():.3f}" for name in names}
        counts = {"trainings": len(of_training), "seeds": own["seed"].nunique(), "images": own["image"].nunique()}
        lines.append(dict(zip(columns[:3], key, strict=True)) | spoken | counts)
    return pd.DataFrame(lines, columns=columns).sort_values(["surface", "data term"], kind="stable", ignore_index=True)


def curve_sweep(
    evidence: Evidence, *, stratum_kind: str = "none", stratum: str = "all", learnt_only: bool = False
) -> pd.DataFrame:
    """Validation error against the weight of both orders of smoothness, for `studies.stats.tuning.chosen_weights`.

    Args:
        evidence: rows; weights without any are left out.
        stratum_kind, stratum: which pixels.
        learnt_only: leave out a seed of a method that failed to learn at any weight.

    Returns:
        method (a data term), weight, seed, error, images; of each method the seeds that all its weights have, and
        nothing of a method with less than two weights or without such a seed.
    """
    frames = []
    for method, weights in SMOOTHNESS_CURVE.items():
        names = {name: weight for weight in weights if (name := curve_name(method, weight)) in evidence.names}
        if len(names) < 2:
            continue
        seeds = _seeds(evidence, names, learnt_only)
        for name, weight in names.items():
            errors = seed_errors(evidence.scores([name], "val"), [name], stratum_kind=stratum_kind, strata=(stratum,))
            frames.append(errors[errors["seed"].isin(seeds)].assign(method=method, weight=weight))
    columns = ["method", "weight", "seed", "error", "images"]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def ends_of(sweep: pd.DataFrame) -> pd.DataFrame:
    """What happens at the ends of the curve: each method's error at the least and the largest weight over its best.

    Returns:
        method, chosen, error (at the chosen weight), ``at the least``, ``at the largest`` (ratios to it), seeds,
        images.
    """
    lines = []
    for method, own in sweep.groupby("method", sort=False):
        means = own.groupby("weight")["error"].mean().sort_index()
        best = means.min()
        lines.append(
            {
                "method": method,
                "chosen": f"{means.idxmin():g}",
                "error": best,
                "at the least": f"{means.iloc[0] / best:.2f} ({means.index[0]:g})",
                "at the largest": f"{means.iloc[-1] / best:.2f} ({means.index[-1]:g})",
                "seeds": own["seed"].nunique(),
                "images": int(own["images"].max()),
            }
        )
    return pd.DataFrame(lines)


@lru_cache(maxsize=4)
def _scores(evidence: Evidence, names: tuple[str, ...]) -> pd.DataFrame:
    """Read once: a notebook asks for the same cells a dozen times. Nobody changes what they are given."""
    return evidence.scores(list(names))


@lru_cache(maxsize=16)
def _outcomes(evidence: Evidence, names: tuple[str, ...]) -> pd.DataFrame:
    return outcomes(evidence, names)


@lru_cache(maxsize=1)
def _measured(evidence: Evidence) -> pd.DataFrame:
    return evidence.measured("smoothness")


def _effects(scores: pd.DataFrame, chosen: Factorial, name: str, **options: object) -> list[pd.DataFrame]:
    own = scores[scores["experiment"].isin(chosen.experiments)]
    if own["experiment"].nunique() < len(chosen.experiments):
        return []
    with warnings.catch_warnings():
        # the column of seeds says how many were left
        warnings.filterwarnings("ignore", message="seeds .* are left out")
        return [factorial_effects(own, chosen, **options).assign(within=name)]


def _seeds(evidence: Evidence, names: Iterable[str], learnt_only: bool) -> set[int]:
    """Seeds that all of some experiments have, or of which all have learnt; none where one has no rows."""
    names = list(names)
    if evidence.missing(names):
        return set()
    seeds = set.intersection(*(set(evidence.seeds(name)) for name in names))
    return seeds & set(sound_seeds(_outcomes(evidence, tuple(names)), names)) if learnt_only else seeds


def _together(frames: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["effect", "stratum", "within"])
