"""Effects among the trainings that learnt: the same contrasts where some trainings of the table are missing.

`studies.stats.factorial` compares within a seed and needs every cell of it. Where a tenth of the trainings gets stuck,
hardly a seed of sixteen cells is whole, and to drop it would throw fifteen good trainings after a bad one. Here each
cell's log error is its mean over the seeds in which it learnt, and contrasts are taken of these means.

Images are drawn as everywhere (`stats.resampling`). On the side of seeds a bootstrap of a table with holes would
draw cells without any training; instead the variance is taken from what each seed, over all the cells that it has,
pulls a contrast by (a sandwich estimate with seeds as clusters: Liang and Zeger 1986), so that what cells of one seed
share stays shared. It is mended by each cell's own n / (n - 1); a cell with a single training shows no spread of its
own and is given the pooled one of the others. Where nothing is missing all numbers are those of
`lowtex_lab.studies.stats.factorial`.

What is compared are recipes *given that they learn*. How often they do is another question (`studies.learnt`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from lowtex.errors import DataError
from lowtex.seeding import numpy_generator
from lowtex_lab.studies.stats.effect_rules import Rule
from lowtex_lab.studies.stats.effects import effect_rows, groups_of
from lowtex_lab.studies.stats.factorial import TIMES_SIGN, Factorial
from lowtex_lab.studies.stats.image_scores import PairedScores, paired_scores, require, strata_of
from lowtex_lab.studies.stats.resampling import TIMES, Spread, two_way_bootstrap
from lowtex_lab.studies.stats.seed_studies import Weights, main_effect_weights, pair_weights


def learnt_scores(scores: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """The scores of trainings that learnt.

    Args:
        scores: scores of images.
        found: of `lowtex_lab.studies.tables.outcomes`: experiment, seed, learnt.
    """
    good = set(found.loc[found["learnt"].astype(bool), ["experiment", "seed"]].itertuples(index=False, name=None))
    return scores[[one in good for one in zip(scores["experiment"], scores["seed"], strict=True)]]


def contrast_effects(
    scores: pd.DataFrame,
    weights: Weights,
    metric: str = "abs_rel",
    *,
    stratum_kind: str = "none",
    strata: Sequence[str] | None = None,
    rule: Rule | None = None,
    clusters: str | None = None,
    times: int = TIMES,
    seed: int = 0,
    details: Mapping[str, Mapping[str, object]] | None = None,
) -> pd.DataFrame:
    """Effects as weighted sums of cells' mean log errors, each cell over the seeds it has.

    Args:
        scores: scores of images, without trainings that are to be left out (`learnt_scores`).
        weights: effect -> experiment -> weight; they sum to 0.
        metric, stratum_kind, strata, rule, clusters, times, seed: as in `lowtex_lab.studies.stats.effects.compare`.
        details: effect -> further columns.

    Returns:
        as `stats.factorial.factorial_effects`, with ``fewest`` (seeds of the cell that has fewest); ``seeds`` is
        the number that balanced cells would have for the same noise, rounded; verdicts are by that number.

    Raises:
        DataError: an experiment without any training left, or images that differ; else as
            `lowtex_lab.studies.stats.image_scores.paired_scores`.
    """
    experiments = list(dict.fromkeys(name for own in weights.values() for name in own))
    contrasts = np.array([[own.get(name, 0.0) for name in experiments] for own in weights.values()])
    require(scores, ("experiment",))
    parts = {str(name): part for name, part in scores.groupby("experiment")}
    if absent := [name for name in experiments if name not in parts]:
        raise DataError(f"no training is left of {', '.join(absent)}: none has learnt, or there are no rows")
    grouping, lines = groups_of(scores, experiments, clusters), []
    for kind, stratum in strata_of(scores, stratum_kind, strata):
        paired = _with_holes(parts, experiments, metric, kind, stratum)
        spread, counts = _spread(paired.errors, grouping.of(paired.images), contrasts,
                                    numpy_generator(seed, "effects"), grouping.unit == "fixed", times)  # fmt: skip
        for k, name in enumerate(weights):
            used = contrasts[k] != 0
            share = contrasts[k, used] ** 2
            effective = round(share.sum() / (share / counts[used]).sum())
            one = Spread(*(part[k : k + 1] for part in (spread.estimate, spread.se_seeds, spread.se_images, spread.df,
                                                        spread.draws)))  # fmt: skip
            more = [{**(details or {}).get(name, {}), "fewest": int(counts[used].min())}]
            shown = replace(paired, seeds=tuple(range(effective)))
            lines += effect_rows([name], one, shown, grouping, rule or Rule(), kind, stratum, metric, more)
    return pd.DataFrame(lines)


def learnt_factorial(
    scores: pd.DataFrame, design: Factorial, metric: str = "abs_rel", **options: object
) -> pd.DataFrame:
    """`lowtex_lab.studies.stats.factorial.factorial_effects` of scores of which trainings may be missing.

    Returns:
        as `contrast_effects`, with order and share as there.
    """
    weights = main_effect_weights(design, len(design.factors))
    details = {name: {"order": name.count(TIMES_SIGN) + 1} for name in weights}
    effects = contrast_effects(scores, weights, metric, details=details, **options)
    squares = np.log(effects["ratio"]) ** 2
    whole = squares.groupby(effects["stratum"]).transform("sum")
    return effects.assign(share=(squares / whole).where(whole > 0, 0.0))


def learnt_simple(
    scores: pd.DataFrame, design: Factorial, metric: str = "abs_rel", *, at: str = "new", **options: object
) -> pd.DataFrame:
    """`studies.stats.factorial.simple_effects` where trainings may be missing; ``at`` is ``new`` or ``old``."""
    setting, pairs = design.setting(at), {}
    for name, (old, new) in design.factors.items():
        pairs[name] = (design.experiment(setting | {name: new}), design.experiment(setting | {name: old}))
    return contrast_effects(scores, pair_weights(pairs), metric, **options)


def combination_means(errors: pd.DataFrame, design: Factorial, first: str, second: str) -> pd.DataFrame:
    """`lowtex_lab.studies.stats.factorial.interaction_means` from errors of which some trainings are left out.

    A hole is filled by its cell's mean over the other seeds, so that each seed's mean is over the same cells.

    Args:
        errors: of `lowtex_lab.studies.stats.effects.seed_errors`, with ``learnt``; every cell has one that learnt.
        design: the factorial.
        first, second: two of its factors.
    """
    lines = []
    for stratum, own in errors.groupby("stratum", sort=False):
        table = own[own["learnt"].astype(bool)].pivot(index="experiment", columns="seed", values="error")
        logs = np.log(table.loc[list(design.cells)])
        logs = logs.apply(lambda row: row.fillna(row.mean()), axis=1)
        for one, two in product(design.factors[first], design.factors[second]):
            inside = [cell[first] == one and cell[second] == two for cell in design.cells.values()]
            lines += [
                {"first": first, "first_level": one, "second": second, "second_level": two, "seed": seed,
                 "stratum": stratum, "metric": own["metric"].iloc[0], "error": float(np.exp(mean)),
                 "cells": sum(inside), "images": int(own["images"].iloc[0]),
                 **({"miniature": own["miniature"].iloc[0]} if "miniature" in own else {})}
                for seed, mean in logs[inside].mean().items()
            ]  # fmt: skip
    return pd.DataFrame(lines)


def _with_holes(parts, experiments, metric: str, kind: str, stratum: str) -> PairedScores:
    """All experiments' scores in one table of all seeds, NaN where a training is missing."""
    single = {name: paired_scores(parts[name], [name], metric, kind, stratum) for name in experiments}
    head = single[experiments[0]]
    for name, one in single.items():
        if one.images != head.images or one.context != head.context:
            differ = [key for key in head.context if one.context.get(key) != head.context[key]] or ["images"]
            raise DataError(f"{name} and {experiments[0]} differ in {', '.join(differ)} and cannot be compared")
    seeds = sorted({seed for one in single.values() for seed in one.seeds})
    errors = np.full((len(experiments), len(seeds), len(head.images)), np.nan)
    for row, one in enumerate(single.values()):
        errors[row, [seeds.index(seed) for seed in one.seeds]] = one.errors[0]
    return PairedScores(tuple(experiments), tuple(seeds), head.images, errors, head.pixels, head.context)


def _spread(errors, labels, contrasts, generator, fixed_images: bool, times: int) -> tuple[Spread, np.ndarray]:
    """The spread of contrasts, and each cell's number of trainings ``(E,)``."""
    there = np.isfinite(errors).all(axis=2)
    counts, clusters = there.sum(axis=1), int(labels.max()) + 1
    if there.all():
        return two_way_bootstrap(errors, labels, contrasts, generator, fixed_images=fixed_images, times=times), counts
    sums = np.zeros((*errors.shape[:2], clusters))
    np.add.at(sums, (slice(None), slice(None), labels), np.where(there[..., None], errors, 1.0))
    sizes = np.bincount(labels, minlength=clusters).astype(float)

    def logs_of(drawn: np.ndarray) -> np.ndarray:
        """``(E, S, B)`` log mean errors, 0 where a training is missing."""
        means = (sums @ drawn.T) / (drawn @ sizes)
        if not (means > 0).all():
            raise DataError(
                "an experiment's error is 0 on all of some images drawn; use another metric or fewer strata"
            )
        return np.log(means) * there[..., None]

    logs = logs_of(np.ones((1, clusters)))[..., 0]
    means = logs.sum(axis=1) / counts
    apart = (logs - means[:, None]) * there
    # what each seed, over all cells that it has, pulls a contrast by: cells of one seed need not be independent
    pulls = contrasts @ (apart / counts[:, None])
    weights = contrasts**2 / (contrasts**2).sum(axis=1, keepdims=True)
    var_seeds = (pulls**2).sum(axis=1) * (weights @ _mend(np.maximum(counts, 2)))
    var_seeds = var_seeds + _alone(apart, counts, contrasts)
    var_images, draws = np.zeros(len(contrasts)), np.repeat((contrasts @ means)[:, None], times, axis=1)
    if not fixed_images:
        drawn = generator.multinomial(clusters, np.full(clusters, 1 / clusters), times).astype(float)
        draws = contrasts @ (logs_of(drawn).sum(axis=1) / counts[:, None])
        var_images = draws.var(axis=1) * _mend(np.array(clusters))
    freedom = var_seeds**2 / np.maximum(weights @ (counts - 1.0), 1.0)
    freedom = freedom + (0 if fixed_images else var_images**2 / max(clusters - 1, 1))
    total = (var_seeds + var_images) ** 2
    df = np.divide(total, freedom, out=np.ones_like(total), where=freedom != 0)
    return Spread(contrasts @ means, np.sqrt(var_seeds), np.sqrt(var_images), df, draws), counts


def _alone(apart: np.ndarray, counts: np.ndarray, contrasts: np.ndarray) -> np.ndarray:
    """What cells with a single training add to the variance: the pooled one of the others; NaN if all are single."""
    free = int((counts - 1).sum())
    single = (contrasts**2) @ (counts == 1)
    return np.where(single > 0, single * ((apart**2).sum() / free if free else np.nan), 0.0)


def _mend(number: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.where(number > 1, number / (number - 1.0), np.nan)
