"""The ablation's curve: validation error of each data term against the weight of both orders of smoothness."""

import pandas as pd

from lowtex.experiments import SMOOTHNESS_CURVE, curve_name
from lowtex_lab.studies.evidence import Evidence
from lowtex_lab.studies.learnt import outcomes_of, sound_seeds
from lowtex_lab.studies.stats.effects import seed_errors


def curve_sweep(evidence: Evidence, *, learnt_only: bool = False) -> pd.DataFrame:
    """Validation error, over all pixels, against the weight of both orders of smoothness, for
    `lowtex_lab.studies.stats.tuning.chosen_weights`.

    Args:
        evidence: rows; weights without any are left out.
        learnt_only: leave out a seed of a method that failed to learn at any weight.

    Returns:
        method (a data term), weight, seed, error, images; of each method the seeds that all its weights have, and
        nothing of a method with less than two weights or without such a seed.
    """
    frames = []
    for method, weights in SMOOTHNESS_CURVE.items():
        weight_of = {curve_name(method, weight): weight for weight in weights}
        names = evidence.present(weight_of)
        if len(names) < 2:
            continue
        scores = evidence.scores(names, "val")
        seeds = set.intersection(*(set(evidence.seeds(name)) for name in names))
        if learnt_only:
            seeds &= set(sound_seeds(outcomes_of(scores), names))
        for name in names:
            errors = seed_errors(scores, [name])
            frames.append(errors[errors["seed"].isin(seeds)].assign(method=method, weight=weight_of[name]))
    columns = ["method", "weight", "seed", "error", "images"]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)
