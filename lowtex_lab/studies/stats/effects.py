"""One experiment's error against another's, paired by seed and image, with what other seeds and images could change.

from lowtex_lab.studies.stats.effects import compare
compare(scores, [("ours", "baseline")], stratum_kind="known")     # a row a stratum: ratio, interval, n, verdict

Scores are rows an experiment x seed x image x stratum (`evaluation.results.per_image_rows`). How intervals are made is
told in `stats.resampling`, when an effect counts in `stats.effect_rules`, and effects of a factorial are
in `lowtex_lab.studies.stats.factorial`. Nothing here looks at what an experiment is; nothing is judged from one seed.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lowtex.seeding import numpy_generator
from lowtex_lab.studies.stats.effect_rules import CANNOT, CORRECTIONS, Rule, corrected
from lowtex_lab.studies.stats.image_scores import PairedScores, error_name, paired_scores, require, strata_of
from lowtex_lab.studies.stats.resampling import TIMES, Clusters, Spread, cluster_images, two_way_bootstrap

__all__ = ["CORRECTIONS", "Rule", "compare", "corrected", "effect_lines", "seed_errors"]

COLUMNS = ("effect", "ratio", "low", "high", "verdict", "seeds", "images", "clusters", "cluster")
"""Begins every frame of effects: ``effect`` is its name, ``ratio`` an error with the change as a share of the error
without, ``low`` and ``high`` its interval, ``clusters`` how many of which ``cluster`` (`stats.resampling.UNITS`)
the images were drawn as."""


def compare(
    scores: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    metric: str = "abs_rel",
    *,
    stratum_kind: str = "none",
    strata: Sequence[str] | None = None,
    rule: Rule | None = None,
    clusters: str | None = None,
    times: int = TIMES,
    seed: int = 0,
) -> pd.DataFrame:
    """Ratios and differences of errors of pairs of experiments.

    The ratio is taken within a seed, of errors that are means over images, and averaged over seeds geometrically.

    Args:
        scores: scores of images.
        pairs: (method, reference).
        metric: a column of them. Of ``d1``, ``d2``, ``d3`` the share of bad pixels is compared, ``1 - d1``.
        stratum_kind: its strata are looked at, and the whole image; ``none`` for the whole image alone.
        strata: which of them, e.g. ``("all", "low")``; None = all.
        rule: when an effect counts; None = `Rule` with a margin of 2 %.
        clusters: what images are drawn as, one of `studies.stats.resampling.UNITS`; None = scenes, or stretches of few
            scenes.
        times: draws.
        seed: of the draws.

    Returns:
        a row a pair and stratum: `COLUMNS`; then stratum_kind, stratum, metric, pixels, method, reference,
        method_error, reference_error (means over seeds and images), difference, difference_low, difference_high (method
        minus reference, in the metric's unit), se_seeds, se_images (of the ratio's logarithm), df, and what the scores
        have in common.

    Raises:
        DataError, OptionError: as `lowtex_lab.studies.stats.image_scores.paired_scores`.
    """
    rule = rule or Rule()
    grouping = groups_of(scores, [name for pair in pairs for name in pair], clusters)
    lines = []
    for kind, stratum in strata_of(scores, stratum_kind, strata):
        for method, reference in pairs:
            paired = paired_scores(scores, (method, reference), metric, kind, stratum)
            contrast = np.zeros((1, len(paired.experiments)))
            contrast[0, paired.experiments.index(method)] += 1
            contrast[0, paired.experiments.index(reference)] -= 1
            ratios, differences = (
                bootstrap(paired, grouping, contrast, log=log, times=times, seed=seed) for log in (True, False)
            )
            means = dict(zip(paired.experiments, paired.errors.mean(axis=(1, 2)), strict=True))
            low, high = differences.interval(rule.level)
            lines += effect_rows([f"{method} / {reference}"], ratios, paired, grouping, rule, kind, stratum, metric)
            lines[-1] |= {
                "method": method,
                "reference": reference,
                "method_error": means[method],
                "reference_error": means[reference],
                "difference": differences.estimate[0],
                "difference_low": low[0],
                "difference_high": high[0],
            }
    return pd.DataFrame(lines)


def seed_errors(
    scores: pd.DataFrame,
    experiments: Sequence[str],
    metric: str = "abs_rel",
    *,
    stratum_kind: str = "none",
    strata: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Mean error over images of each experiment and seed, for `lowtex_lab.plots.paired_dots`.

    Returns:
        experiment, seed, stratum_kind, stratum, metric, error, images, and what the scores have in common.

    Raises:
        DataError, OptionError: as `lowtex_lab.studies.stats.image_scores.paired_scores`.
    """
    lines = []
    for kind, stratum in strata_of(scores, stratum_kind, strata):
        paired = paired_scores(scores, experiments, metric, kind, stratum)
        for name, of_seeds in zip(paired.experiments, paired.errors.mean(axis=2), strict=True):
            lines += [
                {"experiment": name, "seed": number, "stratum_kind": kind, "stratum": stratum,
                 "metric": error_name(metric), "error": float(error), "images": len(paired.images),
                 **paired.context}
                for number, error in zip(paired.seeds, of_seeds, strict=True)
            ]  # fmt: skip
    return pd.DataFrame(lines)


def effect_lines(effects: pd.DataFrame) -> pd.DataFrame:
    """Effects as a table to read: effect, pixels, ratio [interval], change, verdict, seeds, images, drawn as.

    For `evaluation.tables.to_markdown`. A ratio without an interval says so. Verdicts are the corrected ones where the
    frame has them (`corrected`).
    """
    verdict = "verdict_corrected" if "verdict_corrected" in effects else "verdict"
    require(effects, (*COLUMNS, "stratum", verdict))
    lines = []
    for row in effects.to_dict("records"):
        known = np.isfinite(row["low"]) and np.isfinite(row["high"])
        interval = f"[{row['low']:.2f}, {row['high']:.2f}]" if known else "[no interval]"
        lines.append(
            {
                "effect": row["effect"],
                "pixels": row["stratum"],
                "ratio": f"{row['ratio']:.3f} {interval}",
                "change": f"{100 * (row['ratio'] - 1):+.1f} %",
                "verdict": row[verdict],
                "seeds": row["seeds"],
                "images": row["images"],
                "drawn as": f"{row['clusters']} {plural(row['cluster'], row['clusters'])}",
            }
        )
    return pd.DataFrame(lines)


def plural(cluster: str, number: int) -> str:
    """``1 scene``'s word, or ``stretches``."""
    if cluster == "fixed":
        return "images, held fixed"
    return cluster if number == 1 else cluster + ("es" if cluster.endswith("ch") else "s")


def groups_of(scores: pd.DataFrame, experiments: Sequence[str], clusters: str | None) -> Clusters:
    """How the images that some experiments were scored on are drawn, the same for every stratum."""
    require(scores, ("experiment", "image"))
    return cluster_images(scores.loc[scores["experiment"].isin(experiments), "image"].astype(str), clusters)


def bootstrap(
    paired: PairedScores, grouping: Clusters, contrasts: np.ndarray, *, log: bool = True, times: int, seed: int
) -> Spread:
    """`two_way_bootstrap` of paired scores; equal numbers of seeds and clusters get equal draws."""
    return two_way_bootstrap(
        paired.errors,
        grouping.of(paired.images),
        contrasts,
        numpy_generator(seed, "effects"),
        log=log,
        fixed_images=grouping.unit == "fixed",
        times=times,
    )


def effect_rows(
    names: Sequence[str],
    spread: Spread,
    paired: PairedScores,
    grouping: Clusters,
    rule: Rule,
    kind: str,
    stratum: str,
    metric: str,
    more: Sequence[Mapping[str, object]] | None = None,
) -> list[dict]:
    """A row an effect from contrasts of logarithms; ``more`` adds columns to each."""
    low, high = (np.exp(end) for end in spread.interval(rule.level))
    drawn = int(grouping.of(paired.images).max()) + 1
    counts = {"seed": len(paired.seeds)} | ({} if grouping.unit == "fixed" else {grouping.unit: drawn})
    few = [f"{'one' if n == 1 else n} {plural(what, n)}" for what, n in counts.items() if n < rule.least]
    reason = f"{CANNOT}: {' and '.join(few)}" if few else ""
    return [
        {
            "effect": name,
            "ratio": float(np.exp(spread.estimate[k])),
            "low": float(low[k]),
            "high": float(high[k]),
            "verdict": reason or rule.verdict(low[k], high[k]),
            "seeds": len(paired.seeds),
            "images": len(paired.images),
            "clusters": drawn,
            "cluster": grouping.unit,
            "stratum_kind": kind,
            "stratum": stratum,
            "metric": error_name(metric),
            "pixels": paired.pixels,
            **(more[k] if more else {}),
            "se_seeds": float(spread.se_seeds[k]),
            "se_images": float(spread.se_images[k]),
            "df": float(spread.df[k]),
            **paired.context,
        }
        for k, name in enumerate(names)
    ]
