"""Scores of images pooled before they are compared or drawn: the two levels of a factor, and errors by stratum.

`lowtex_lab.studies.stats.factorial` needs every cell of every seed. Where some trainings did not learn (told by
`studies.learnt.outcomes`) hardly a seed is whole, and then pairs are all there is: the same setting and seed,
with and without the change, both having learnt. They are pooled within each seed, so that seeds stay what an interval
is taken over.

from lowtex_lab.studies.level_scores import level_scores
levels = level_scores(scores, factor_pairs("skips").values(), found)
compare(levels, [("new", "old")], stratum_kind="edges")
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from lowtex.errors import OptionError
from lowtex.evaluation.metrics import HIGHER_IS_BETTER
from lowtex_lab.studies.learnt import learnt_only
from lowtex_lab.studies.stats.effects import estimate
from lowtex_lab.studies.stats.image_scores import CONTEXT, paired_scores, require, strata_of
from lowtex_lab.studies.stats.resampling import TIMES, cluster_images


def level_scores(
    scores: pd.DataFrame, pairs: Iterable[tuple[str, str]], found: pd.DataFrame, metric: str = "abs_rel"
) -> pd.DataFrame:
    """Scores of two pseudo experiments, ``new`` and ``old`` level of a factor, each the mean over the pairs of a seed.

    Before the mean both members of a pair are divided by the pair's own error (the geometric mean of the two), so that
    a setting with large errors weighs no more than another.

    Args:
        scores: of images, `lowtex_lab.studies.evidence.Evidence.scores` or a measure's.
        pairs: (cell with the new level, cell with the old one); those without scores are left out.
        found: of `lowtex_lab.studies.learnt.outcomes`; a seed counts for a pair where both have learnt.
        metric: column, an error (smaller is better).

    Returns:
        experiment (``new`` or ``old``), seed, image, stratum_kind, stratum, pixels, settings (pairs behind it), the
        metric and what the scores have in common; empty where no pair is left.

    Raises:
        OptionError: a share of good pixels.
        DataError: columns are missing.
    """
    if metric in HIGHER_IS_BETTER:
        raise OptionError(f"metric={metric!r} is a share of good pixels, which has no ratio; choose an error")
    place = ["seed", "stratum_kind", "stratum"]
    require(scores, ("experiment", "image", "pixels", metric, *place))
    scores = learnt_only(scores, found)
    frames = []
    for pair in pairs:
        own = scores[scores["experiment"].isin(pair)]
        means = own.groupby(["experiment", *place])[metric].mean().unstack("experiment")
        if len(means.columns) == len(pair):
            # the seeds that both have
            level = means.dropna().prod(axis=1).pow(0.5).rename("level").reset_index()
            own = own.merge(level, on=place)
            names = own["experiment"].map(dict(zip(pair, ("new", "old"), strict=True)))
            frames.append(own.assign(experiment=names, **{metric: own[metric] / own["level"]}))
    columns = ["experiment", *place, "image", *(name for name in CONTEXT if name in scores)]
    if not frames:
        return pd.DataFrame(columns=[*columns, "pixels", "settings", metric])
    groups = pd.concat(frames).groupby(columns, sort=False, dropna=False)
    return groups.agg(
        pixels=("pixels", "first"), settings=("pixels", "size"), **{metric: (metric, "mean")}
    ).reset_index()


def errors_by_stratum(scores: pd.DataFrame, experiments: Sequence[str], stratum_kind: str = "contrast") -> pd.DataFrame:
    """Mean AbsRel of each experiment in each stratum, with its interval over seeds and images.

    The interval is of the error itself, so it holds what all methods have in common: some streets are harder. Whether
    one method is better than another is what `studies.stats.effects.compare` tells, not whether two such intervals
    overlap. Each experiment stands on its own seeds, and the column says how many.

    Args:
        scores: scores of images (`lowtex_lab.studies.evidence.Evidence.scores`).
        experiments: names.
        stratum_kind: its strata, and the whole image.

    Returns:
        experiment, stratum_kind, stratum, metric, error, low, high (of the 95 % interval; NaN from one seed), seeds,
        images, pixels, and what the scores have in common.

    Raises:
        DataError, OptionError: as `lowtex_lab.studies.stats.image_scores.paired_scores`.
    """
    scores, lines = scores[scores["experiment"].isin(experiments)], []
    grouping = cluster_images(scores["image"].astype(str))
    for kind, stratum in strata_of(scores, stratum_kind):
        place = {"stratum_kind": kind, "stratum": stratum, "metric": "abs_rel"}
        for name in experiments:
            paired = paired_scores(scores, [name], "abs_rel", kind, stratum)
            spread = estimate(paired, grouping, np.eye(1), log=False, times=TIMES, seed=0)
            (low,), (high,) = spread.interval(0.95)
            # an error is never negative, which Student's interval does not know
            found = {"error": spread.estimate[0], "low": np.maximum(low, 0.0), "high": high}
            counts = {"seeds": len(paired.seeds), "images": len(paired.images), "pixels": paired.pixels}
            lines.append({"experiment": name, **place, **found, **counts, **paired.context})
    return pd.DataFrame(lines)
