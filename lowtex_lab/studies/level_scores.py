"""One factor's two levels against each other over all settings of the others, without trainings that got stuck.

`lowtex_lab.studies.stats.factorial` needs every cell of every seed. Where some trainings did not learn (told by
`studies.learnt.outcomes`) hardly a seed is whole, and then pairs are all there is: the same setting and seed,
with and without the change, both having learnt. They are pooled within each seed, so that seeds stay what an interval
is taken over.

from lowtex_lab.studies.level_scores import level_effects
level_effects(evidence.scores(cells), "skips", found, stratum_kind="edges")      # a line a setting of the others
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from lowtex.errors import DataError, OptionError, require_choice
from lowtex.evaluation.metrics import HIGHER_IS_BETTER
from lowtex.experiments import FACTORS, levels_of
from lowtex_lab.studies.learnt import learnt_only
from lowtex_lab.studies.stats.effects import compare
from lowtex_lab.studies.stats.image_scores import CONTEXT, require
from lowtex_lab.studies.tables import factor_pairs

EVERYWHERE = "all settings"
"""The line of `level_effects` that pools all pairs."""


def level_scores(
    scores: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    found: pd.DataFrame,
    metric: str = "abs_rel",
    labels: tuple[str, str] = ("new", "old"),
) -> pd.DataFrame:
    """Scores of two pseudo experiments, the levels of a factor, each the mean over the pairs of a seed.

    Before the mean both members of a pair are divided by the pair's own error (the geometric mean of the two), so that
    a setting with large errors weighs no more than another.

    Args:
        scores: of images, `lowtex_lab.studies.evidence.Evidence.scores` or a measure's.
        pairs: (cell with the new level, cell with the old one); those without scores are left out.
        found: of `lowtex_lab.studies.learnt.outcomes`; a seed counts for a pair where both have learnt.
        metric: column, an error (smaller is better).
        labels: names of the two levels.

    Returns:
        experiment (of ``labels``), seed, image, stratum_kind, stratum, pixels, settings (pairs behind it), the metric
        and what the scores have in common; empty where no pair is left.

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
        seeds = set.intersection(*(set(own.loc[own["experiment"] == name, "seed"]) for name in pair))
        own = own[own["seed"].isin(seeds)]
        levels = own.groupby(["experiment", *place])[metric].mean().unstack("experiment")
        if len(levels):
            level = levels.prod(axis=1).pow(0.5).rename("level").reset_index()
            own = own.merge(level, on=place)
            own = own.assign(**{metric: own[metric] / own["level"]})
            frames.append(own.assign(experiment=own["experiment"].map(dict(zip(pair, labels, strict=True)))))
    columns = [*place, "image", *(name for name in CONTEXT if name in scores)]
    if not frames:
        return pd.DataFrame(columns=["experiment", *columns, "pixels", "settings", metric])
    groups = pd.concat(frames).groupby(["experiment", *columns], sort=False, dropna=False)
    return groups.agg(
        pixels=("pixels", "first"), settings=("pixels", "size"), **{metric: (metric, "mean")}
    ).reset_index()


def level_effects(
    scores: pd.DataFrame,
    factor: str,
    found: pd.DataFrame,
    metric: str = "abs_rel",
    settings: Sequence[str] | None = None,
    **options: object,
) -> pd.DataFrame:
    """What a factor's new level does: over all settings, and at each level of each other factor.

    Args:
        scores, found, metric: as in `level_scores`.
        factor: of `lowtex.experiments.FACTORS`.
        settings: which lines, of `settings_of`; None = all.
        options: of `lowtex_lab.studies.stats.effects.compare`: stratum_kind, strata, rule, clusters, times, seed.

    Returns:
        as `stats.effects.compare`; ``effect`` says at which settings (`EVERYWHERE`, ``pixels``, ``both``, …) and
        ``pairs`` how many pairs of trainings stand behind the line. Lines without a pair are left out.

    Raises:
        OptionError: an unknown factor or setting, or as `level_scores`.
        DataError: no pair at all has learnt.
    """
    known, frames = settings_of(factor), []
    for where in known if settings is None else settings:
        require_choice("settings", where, known)
        levels = level_scores(scores, known[where], found, metric)
        if len(levels):
            one = levels.groupby(["experiment", "seed"])["settings"].max()["new"]
            effects = compare(levels, [("new", "old")], metric, **options)
            frames.append(effects.assign(effect=where, pairs=int(one.sum())))
    if not frames:
        raise DataError(f"no setting has a training with and one without the new level of {factor!r} that both learnt")
    return pd.concat(frames, ignore_index=True)


def settings_of(factor: str) -> Mapping[str, list[tuple[str, str]]]:
    """`EVERYWHERE` and each level of each other factor -> the pairs (new, old) that have it."""
    pairs = list(factor_pairs(factor).values())
    others = [level for name, levels in FACTORS.items() if name != factor for level in levels]
    return {EVERYWHERE: pairs} | {
        level: [pair for pair in pairs if level in levels_of(pair[0]).values()] for level in others
    }
