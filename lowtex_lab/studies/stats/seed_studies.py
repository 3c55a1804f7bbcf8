"""How far a study with few seeds would have misled: what each seed alone says, and how many seeds one would need.

Most ablations train each row once. Here every seed is such a study of its own, on the same images, so that the sign
each would have reported can be looked up. The studies are judged by the mean of all seeds, which is itself an estimate
from the same few trainings; the shares found here therefore flatter single seeds, if anything.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from lowtex.errors import DataError, OptionError
from lowtex_lab.studies.stats.effect_rules import Rule
from lowtex_lab.studies.stats.effects import Weights
from lowtex_lab.studies.stats.image_scores import error_name, paired_scores, strata_of

MOST_SEEDS = 100
"""More than these are not counted."""


def seed_ratios(
    scores: pd.DataFrame,
    weights: Weights,
    metric: str = "abs_rel",
    *,
    stratum_kind: str = "none",
    strata: Sequence[str] | None = None,
) -> pd.DataFrame:
    """What each seed alone says of some effects.

    Args:
        scores: scores of images, as in `lowtex_lab.studies.stats.effects.contrast_effects`.
        weights: of `Factorial.weights` or `stats.effects.pair_weights`.
        metric, stratum_kind, strata: as there.

    Returns:
        effect, seed, ratio (exp of the weighted sum of log errors of that seed), stratum_kind, stratum, metric, images,
        and what the scores have in common.

    Raises:
        OptionError: weights that do not sum to 0.
        DataError, OptionError: as `lowtex_lab.studies.stats.image_scores.paired_scores`; or a mean error of 0.
    """
    for name, own in weights.items():
        if abs(sum(own.values())) > 1e-9:
            raise OptionError(f"weights of {name!r} sum to {sum(own.values()):g}; they must sum to 0")
    experiments = list(dict.fromkeys(experiment for own in weights.values() for experiment in own))
    matrix = np.array([[own.get(experiment, 0.0) for experiment in experiments] for own in weights.values()])
    lines = []
    for kind, stratum in strata_of(scores, stratum_kind, strata):
        paired = paired_scores(scores, experiments, metric, kind, stratum)
        errors = paired.errors.mean(axis=2)
        if not (errors > 0).all():
            raise DataError(f"a mean error of {stratum} pixels is 0, so it has no logarithm; use another metric")
        ratios = np.exp(matrix @ np.log(errors))
        place = {"stratum_kind": kind, "stratum": stratum, "metric": error_name(metric), "images": len(paired.images)}
        for name, row in zip(weights, ratios, strict=True):
            for seed, ratio in zip(paired.seeds, row, strict=True):
                lines.append({"effect": name, "seed": seed, "ratio": float(ratio)} | place | paired.context)
    return pd.DataFrame(lines)


def wrong_signs(
    by_seed: pd.DataFrame, size: int = 1, truth: Mapping[tuple[str, str], float] | None = None
) -> pd.DataFrame:
    """How often a study of ``size`` of these seeds gets the sign of an effect wrong.

    Args:
        by_seed: of `seed_ratios`.
        size: seeds of a study; every set of so many is one.
        truth: (effect, stratum) -> the ratio that studies are judged by; None = that of all seeds together.

    Returns:
        effect, stratum, ratio (that they are judged by), spread (deviation of the log ratio from seed to seed; NaN
        of one seed), studies, wrong (how many of them lie on the other side of 1), wrong_share, seeds, images.

    Raises:
        OptionError: a size that there are not seeds for.
    """
    lines = []
    for (effect, stratum), own in by_seed.groupby(["effect", "stratum"], sort=False):
        logs = np.log(own["ratio"].to_numpy(float))
        if not 1 <= size <= len(logs):
            raise OptionError(f"size={size} of a study: {effect} in {stratum} pixels has {len(logs)} seeds")
        means = np.array([logs[list(chosen)].mean() for chosen in combinations(range(len(logs)), size)])
        judge = float(logs.mean()) if truth is None else float(np.log(truth[effect, stratum]))
        wrong = int((np.sign(means) != np.sign(judge)).sum())
        lines.append(
            {
                "effect": effect,
                "stratum": stratum,
                "ratio": float(np.exp(judge)),
                "spread": float(logs.std(ddof=1)) if len(logs) > 1 else float("nan"),
                "studies": len(means),
                "wrong": wrong,
                "wrong_share": wrong / len(means),
                "seeds": len(logs),
                "images": int(own["images"].iloc[0]),
            }
        )
    return pd.DataFrame(lines)


def all_sizes(
    scores: pd.DataFrame, weights: Weights, judge: pd.DataFrame, rule: Rule | None = None, **options: object
) -> pd.DataFrame:
    """Studies of every size on the same seeds, judged by effects that are taken for true.

    Args:
        scores: of all trainings, as a study would have found them.
        weights: as in `seed_ratios`.
        judge: the same effects with their intervals (`stats.effects`, `stats.factorial`), all that
            were asked.
        rule: when an effect counts.
        options: metric, stratum_kind, strata of `seed_ratios`.

    Returns:
        as `wrong_signs`, with size (seeds a study has) and needed (`seeds_needed` by the judge's spread between seeds;
        a text, ``not known`` where there is no number).
    """
    truth = judge.set_index(["effect", "stratum"])["ratio"].to_dict()
    spreads = judge["se_seeds"] * np.sqrt(judge["seeds"])
    needed = [seeds_needed(ratio, spread, rule) for ratio, spread in zip(judge["ratio"], spreads, strict=True)]
    told = judge[["effect", "stratum"]].assign(needed=["not known" if one is None else str(one) for one in needed])
    by_seed = seed_ratios(scores, weights, **options)
    parts = [
        wrong_signs(by_seed, size, truth).merge(told).assign(size=size)
        for size in range(1, by_seed["seed"].nunique() + 1)
    ]
    return pd.concat(parts, ignore_index=True)


def seeds_needed(ratio: float, spread: float, rule: Rule | None = None) -> int | None:
    """Seeds until the interval of an effect, from the spread between seeds alone, would give a verdict.

    The effect and the spread are taken for the true ones and the images for fixed, so this is a lower bound: images add
    their own share to an interval, which no seed takes away.

    Args:
        ratio: of errors.
        spread: deviation of its logarithm from seed to seed.
        rule: when an effect counts; None = `Rule`.

    Returns:
        at least the rule's ``least``; None where more than `MOST_SEEDS` would be needed, or nothing is known.
    """
    rule = rule or Rule()
    if not (np.isfinite(spread) and ratio > 0):
        return None
    size, (below, above) = np.log(ratio), np.log1p([-rule.margin, rule.margin])
    # how far the interval may reach: to the margin that the effect has passed, or to the nearer one it is within
    room = max(below - size, size - above, min(size - below, above - size))
    for seeds in range(rule.least, MOST_SEEDS + 1):
        if stats.t.ppf(0.5 + rule.level / 2, seeds - 1) * spread / np.sqrt(seeds) < room:
            return seeds
    return None
