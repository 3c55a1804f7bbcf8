"""One experiment's error against another's, paired by seed and image, with what other seeds and images could change.

from lowtex_lab.studies.stats.effects import compare, contrast_effects
compare(scores, [("ours", "baseline")], stratum_kind="known")     # a row a stratum: ratio, interval, n, verdict
contrast_effects(scores, {"half each": {"a": 0.5, "b": 0.5, "c": -1.0}})       # any weighted sum of log errors

Scores are rows an experiment x seed x image x stratum (`evaluation.results.per_image_rows`). Every effect is a contrast
of log errors, `contrast_effects`: a pair, a main effect of a factorial (`stats.factorial`), a credit over all orders of
adding changes (notebook 09). How intervals are made is told in `stats.resampling`, when an effect counts in
`stats.effect_rules`. Nothing here looks at what an experiment is; nothing is judged from one seed.

Trainings may be missing, such as those that did not learn (`studies.learnt`): effects then are of recipes *given that
they learn*. How often they do is another question.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from lowtex.errors import DataError
from lowtex.seeding import numpy_generator
from lowtex_lab.studies.stats.effect_rules import CANNOT, Rule
from lowtex_lab.studies.stats.image_scores import PairedScores, error_name, paired_scores, require, strata_of
from lowtex_lab.studies.stats.resampling import TIMES, Clusters, Spread, cluster_images, estimate_contrasts

Weights = Mapping[str, Mapping[str, float]]
"""Effect -> experiment -> weight of its log error; the weights of an effect sum to 0."""

COLUMNS = ("effect", "ratio", "low", "high", "verdict", "seeds", "images", "clusters", "cluster")
"""Begins every frame of effects: ``effect`` is its name, ``ratio`` an error with the change as a share of the error
without, ``low`` and ``high`` its interval, ``clusters`` how many of which ``cluster`` (`stats.resampling.UNITS`)
the images were drawn as."""


def pair_weights(pairs: Mapping[str, tuple[str, str]]) -> dict[str, dict[str, float]]:
    """Weights of comparisons: name -> (method, reference)."""
    return {name: {method: 1.0, reference: -1.0} for name, (method, reference) in pairs.items()}


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
    common_seeds: bool = False,
) -> pd.DataFrame:
    """Effects as weighted sums of experiments' mean log errors.

    Args:
        scores: scores of images, without trainings that are to be left out (`lowtex_lab.studies.learnt.learnt_only`).
        weights: effect -> experiment -> weight; they sum to 0, so that exp of an effect is a ratio.
        metric: a column of them. Of ``d1``, ``d2``, ``d3`` the share of bad pixels is compared, ``1 - d1``.
        stratum_kind: its strata are looked at, and the whole image; ``none`` for the whole image alone.
        strata: which of them, e.g. ``("all", "low")``; None = all.
        rule: when an effect counts; None = `Rule` with a margin of 2 %.
        clusters: what images are drawn as, one of `stats.resampling.UNITS`; None = scenes, or stretches of few scenes.
        times: draws.
        seed: of the draws.
        details: effect -> further columns.
        common_seeds: only the seeds that every experiment has; False = each experiment over the seeds it has.

    Returns:
        a row a stratum and effect: `COLUMNS`; then stratum_kind, stratum, metric, pixels, method_error and
        reference_error (weighted mean errors of the experiments with positive weights, and of the others), what
        ``details`` add, fewest (seeds of the experiment that has fewest), se_seeds, se_images (of the ratio's
        logarithm), df, and what the scores have in common. Where experiments differ in seeds, ``seeds`` is the number
        that balanced ones would have for the same noise, rounded; verdicts are by that number.

    Raises:
        DataError: an experiment without any training, and as `stats.image_scores.paired_scores`.
        OptionError: as there.
    """
    rule, details = rule or Rule(), details or {}
    experiments = list(dict.fromkeys(name for own in weights.values() for name in own))
    require(scores, ("experiment", "image"))
    there = scores["experiment"].unique()
    absent = [name for name in experiments if name not in there]
    if absent and not common_seeds:
        raise DataError(f"no training is left of {', '.join(absent)}: none has learnt, or there are no rows")
    scores = scores[scores["experiment"].isin(experiments)]
    grouping = cluster_images(scores["image"].astype(str), clusters)
    contrasts = np.array([[own.get(name, 0.0) for name in experiments] for own in weights.values()])
    more = pd.DataFrame([details.get(name, {}) for name in weights])
    frames = []
    for kind, stratum in strata_of(scores, stratum_kind, strata):
        paired = paired_scores(scores, experiments, metric, kind, stratum, common_seeds=common_seeds)
        spread = estimate(paired, grouping, contrasts, times=times, seed=seed)
        low, high = (np.exp(end) for end in spread.interval(rule.level))
        drawn = int(grouping.of(paired.images).max()) + 1
        clusters_drawn = {} if grouping.unit == "fixed" else {grouping.unit: drawn}
        counts = [{"seed": int(number), **clusters_drawn} for number in spread.seeds]
        errors = np.nanmean(paired.errors, axis=(1, 2))
        told = [_verdict(rule, *one) for one in zip(low, high, counts, strict=True)]
        columns = {"effect": list(weights), "ratio": np.exp(spread.estimate), "low": low, "high": high, "verdict": told}
        columns |= {"seeds": spread.seeds, "images": len(paired.images), "clusters": drawn, "cluster": grouping.unit}
        columns |= {"stratum_kind": kind, "stratum": stratum, "metric": error_name(metric), "pixels": paired.pixels}
        columns["method_error"] = np.maximum(contrasts, 0.0) @ errors
        columns["reference_error"] = np.maximum(-contrasts, 0.0) @ errors
        columns |= dict(more) | {name: getattr(spread, name) for name in ("fewest", "se_seeds", "se_images", "df")}
        columns |= paired.context
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def _verdict(rule: Rule, low: float, high: float, counts: Mapping[str, int]) -> str:
    """The rule's verdict, or of which things there are too few for one."""
    few = [f"{'one' if n == 1 else n} {_plural(what, n)}" for what, n in counts.items() if n < rule.least]
    return f"{CANNOT}: {' and '.join(few)}" if few else rule.verdict(low, high)


def estimate(
    paired: PairedScores, grouping: Clusters, contrasts: np.ndarray, *, log: bool = True, times: int, seed: int
) -> Spread:
    """`estimate_contrasts` of paired scores; equal numbers of clusters get equal draws."""
    return estimate_contrasts(
        paired.errors,
        grouping.of(paired.images),
        contrasts,
        numpy_generator(seed, "effects"),
        log=log,
        fixed_images=grouping.unit == "fixed",
        times=times,
    )


def compare(
    scores: pd.DataFrame,
    pairs: Iterable[tuple[str, str]],
    metric: str = "abs_rel",
    *,
    skip_missing: bool = False,
    **options: object,
) -> pd.DataFrame:
    """Ratios of errors of pairs of experiments, each pair on the seeds that both have.

    The ratio is taken within a seed, of errors that are means over images, and averaged over seeds geometrically.

    Args:
        scores: scores of images.
        pairs: (method, reference).
        metric: as in `contrast_effects`.
        skip_missing: a pair without a common seed is left out, and seeds that one side lacks without a warning (the
            column of seeds says how many are left); False = an error, and a warning.
        options: stratum_kind, strata, rule, clusters, times, seed of `contrast_effects`.

    Returns:
        as `contrast_effects`, pair by pair, with method and reference; ``effect`` is ``method / reference``. Without
        rows where there is no pair.

    Raises:
        DataError, OptionError: as there.
    """
    frames = []
    for pair in pairs:
        own = scores[scores["experiment"].isin(pair)]
        if skip_missing:
            seeds = [set(own.loc[own["experiment"] == name, "seed"]) for name in pair]
            own = own[own["seed"].isin(set.intersection(*seeds))]
            if own.empty:
                continue
        effect, (method, reference) = " / ".join(pair), pair
        details = {effect: {"method": method, "reference": reference}}
        weights = pair_weights({effect: pair})
        frames.append(contrast_effects(own, weights, metric, details=details, common_seeds=True, **options))
    if not frames:
        return pd.DataFrame(columns=[*COLUMNS, "stratum", "method", "reference"])
    return pd.concat(frames, ignore_index=True)


def seed_errors(
    scores: pd.DataFrame,
    experiments: Sequence[str],
    metric: str = "abs_rel",
    *,
    stratum_kind: str = "none",
    strata: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Mean error over images of each experiment and seed.

    Returns:
        experiment, seed, stratum_kind, stratum, metric, error, images, and what the scores have in common.

    Raises:
        DataError, OptionError: as `lowtex_lab.studies.stats.image_scores.paired_scores`.
    """
    lines = []
    for kind, stratum in strata_of(scores, stratum_kind, strata):
        paired = paired_scores(scores, experiments, metric, kind, stratum)
        for name, of_seeds in zip(paired.experiments, paired.errors.mean(axis=2), strict=True):
            for number, error in zip(paired.seeds, of_seeds, strict=True):
                counts = {"metric": error_name(metric), "error": float(error), "images": len(paired.images)}
                place = {"experiment": name, "seed": number, "stratum_kind": kind, "stratum": stratum}
                lines.append(place | counts | paired.context)
    return pd.DataFrame(lines)


def effect_lines(effects: pd.DataFrame) -> pd.DataFrame:
    """Effects as a table to read: effect, pixels, ratio [interval], change, verdict, seeds, images, drawn as.

    For `evaluation.results.to_markdown`. A ratio without an interval says so. Verdicts are the corrected ones where the
    frame has them (`corrected`).
    """
    verdict = "verdict_corrected" if "verdict_corrected" in effects else "verdict"
    require(effects, (*COLUMNS, "stratum", verdict))
    lines = []
    for row in effects.to_dict("records"):
        line = {"effect": row["effect"], "pixels": row["stratum"], "ratio": ratio_text(row)}
        line |= {"change": f"{100 * (row['ratio'] - 1):+.1f} %", "verdict": row[verdict]}
        line |= {"seeds": row["seeds"], "images": row["images"]}
        lines.append(line | {"drawn as": f"{row['clusters']} {_plural(row['cluster'], row['clusters'])}"})
    return pd.DataFrame(lines)


def ratio_text(effect: Mapping[str, float], digits: int = 2) -> str:
    """``0.532 [0.48, 0.59]``, or that there is no interval; ``digits`` are those of its ends."""
    low, high = effect["low"], effect["high"]
    known = np.isfinite(low) and np.isfinite(high)
    return f"{effect['ratio']:.3f} " + (f"[{low:.{digits}f}, {high:.{digits}f}]" if known else "[no interval]")


def _plural(cluster: str, number: int) -> str:
    """``1 scene``'s word, or ``stretches``."""
    if cluster == "fixed":
        return "images, held fixed"
    return cluster if number == 1 else cluster + ("es" if cluster.endswith("ch") else "s")
