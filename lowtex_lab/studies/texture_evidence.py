"""What the ablation's scores say about texture: errors with intervals, and gains compared between strata.

Built on `studies.stats.effects`: seeds and images are drawn together, compared experiments get the same draws, and
nothing is judged from one seed. Scores of several strata are put side by side as if each were an experiment of its own
("ours @ low"), which is all that a ratio *between* strata needs. So are the levels of the measure ``sweep`` ("ours @
0.25"): what each level of texture does to an error, and what depends on a window (`sweep_effects`, `window_effects`).
"""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from lowtex.errors import DataError
from lowtex_lab.studies.diagnostics.texture_sweep import KINDS, LEVELS, PROTOCOL, Level
from lowtex_lab.studies.stats.effect_rules import HARMS, HELPS, SAME, Rule
from lowtex_lab.studies.stats.effects import compare, contrast_effects, estimate, pair_weights
from lowtex_lab.studies.stats.image_scores import error_name, paired_scores, require, strata_of
from lowtex_lab.studies.stats.resampling import TIMES, cluster_images

NORMAL = Level(1.0)
"""The level at which textures are as they were drawn."""


def errors_by_stratum(
    scores: pd.DataFrame,
    experiments: Sequence[str],
    metric: str = "abs_rel",
    *,
    stratum_kind: str = "contrast",
    level: float = 0.95,
    times: int = TIMES,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean error of each experiment in each stratum, with its interval over seeds and images.

    The interval is of the error itself, so it holds what all methods have in common: some streets are harder. Whether
    one method is better than another is what `studies.stats.effects.compare` tells, not whether two such intervals
    overlap. Each experiment stands on its own seeds, and the column says how many.

    Args:
        scores: scores of images (`lowtex_lab.studies.evidence.Evidence.scores`).
        experiments: names.
        metric: a column; shares of good pixels are turned into shares of bad ones.
        stratum_kind: its strata, and the whole image.
        level: of the interval.
        times, seed: of the draws.

    Returns:
        experiment, stratum_kind, stratum, metric, error, low, high (NaN from one seed), seeds, images, clusters,
        cluster, pixels, and what the scores have in common.

    Raises:
        DataError, OptionError: as `lowtex_lab.studies.stats.image_scores.paired_scores`.
    """
    scores, lines = scores[scores["experiment"].isin(experiments)], []
    grouping = cluster_images(scores["image"].astype(str))
    for kind, stratum in strata_of(scores, stratum_kind):
        for name in experiments:
            paired = paired_scores(scores, [name], metric, kind, stratum)
            spread = estimate(paired, grouping, np.eye(1), log=False, times=times, seed=seed)
            (low,), (high,) = spread.interval(level)
            lines.append(
                {
                    "experiment": name,
                    "stratum_kind": kind,
                    "stratum": stratum,
                    "metric": error_name(metric),
                    "error": float(spread.estimate[0]),
                    # an error is never negative, which Student's interval does not know
                    "low": max(low, 0.0) if np.isfinite(low) else np.nan,
                    "high": high,
                    "seeds": len(paired.seeds),
                    "images": len(paired.images),
                    "clusters": int(grouping.of(paired.images).max()) + 1,
                    "cluster": grouping.unit,
                    "pixels": paired.pixels,
                    **paired.context,
                }
            )
    return pd.DataFrame(lines)


def gain_between(
    scores: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    stratum_kind: str = "known",
    strata: tuple[str, str] = ("low", "high"),
    metric: str = "abs_rel",
    *,
    within: Sequence[str] | None = None,
    rule: Rule | None = None,
    times: int = TIMES,
    seed: int = 0,
) -> pd.DataFrame:
    """Is the gain larger in one stratum than in another? The ratio there over the ratio here, with its interval.

    Below 1, a method gains more (or loses less) against its reference in the first stratum than in the second. Only
    images that have both strata count, so that both ratios are of the same pictures.

    Args:
        scores: scores of images.
        pairs: (method, reference).
        stratum_kind: of the strata; with ``within`` its crossed form, e.g. ``known*distance``.
        strata: the two.
        metric: as in `errors_by_stratum`.
        within: compare inside each of these, e.g. ``("<10 m", "10-20 m")``: ``low/<10 m`` against ``high/<10 m``; those
            that lack one of the two in every image are left out. None = the strata as they are.
        rule: when an effect counts.
        times, seed: of the draws.

    Returns:
        a row a place and pair that has common seeds, as of `studies.stats.effects.compare`: ``effect`` ("ours /
        baseline: low against high"), ``ratio`` of the ratios, interval, verdict, n; ``first`` and ``second``, the two
        ratios; ``within``.

    Raises:
        DataError: no image has both strata, and as `lowtex_lab.studies.stats.image_scores.paired_scores`.
    """
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    # drawn as everywhere, also where only some images have both strata
    grouping = cluster_images(scores.loc[scores["experiment"].isin(names), "image"].astype(str))
    options = {"stratum_kind": stratum_kind, "rule": rule, "clusters": grouping, "times": times, "seed": seed}
    frames = []
    for place in [""] if within is None else within:
        tagged = [stratum + (f"/{place}" if place else "") for stratum in strata]
        parts = _side_by_side(scores, names, stratum_kind, tagged)
        for method, reference in pairs:
            pluses, minuses = ([f"{name} @ {tag}" for tag in tagged] for name in (method, reference))
            seeds = [set(parts.loc[parts["experiment"] == name, "seed"]) for name in (*pluses, *minuses)]
            if not set.intersection(*seeds):
                continue
            first, second = pair_weights(dict(enumerate(zip(pluses, minuses, strict=True)))).values()
            effect = f"{method} / {reference}: {strata[0]} against {strata[1]}"
            weights = {effect: first | {name: -weight for name, weight in second.items()}}
            weights |= {"first": first, "second": second}
            with warnings.catch_warnings():
                # the column of seeds says how many are left
                warnings.filterwarnings("ignore", message="seeds .* are left out")
                found = contrast_effects(
                    parts, weights, metric, strata=(place or "both",), common_seeds=True, **options
                )
            more = {"method": method, "reference": reference, "within": place or "all"}
            more |= found.set_index("effect").loc[["first", "second"], "ratio"].to_dict()
            frames.append(found.head(1).assign(**more))
    if not frames:
        raise DataError(f"no image has pixels of both {strata[0]} and {strata[1]} ({stratum_kind}), or no seed has all")
    return pd.concat(frames, ignore_index=True)


def gain_lines(effects: pd.DataFrame) -> pd.DataFrame:
    """`gain_between` as a table to read: within, pixels' two ratios, their ratio with interval, verdict in words, n."""
    verdict = "verdict_corrected" if "verdict_corrected" in effects else "verdict"
    words = {HELPS: "larger gain in the first", HARMS: "smaller gain in the first", SAME: "the same gain"}
    lines = []
    for row in effects.to_dict("records"):
        one, other = row["effect"].rpartition(": ")[2].split(" against ")
        known = np.isfinite(row["low"]) and np.isfinite(row["high"])
        lines.append(
            {
                "within": row["within"],
                "compared": f"{row['method']} / {row['reference']}",
                f"ratio, {one}": row["first"],
                f"ratio, {other}": row["second"],
                f"{one} over {other}": f"{row['ratio']:.3f} "
                + (f"[{row['low']:.2f}, {row['high']:.2f}]" if known else "[no interval]"),
                "verdict": words.get(row[verdict], row[verdict]),
                "seeds": row["seeds"],
                "images": row["images"],
            }
        )
    return pd.DataFrame(lines)


def _side_by_side(scores: pd.DataFrame, names: Sequence[str], kind: str, tagged: Sequence[str]) -> pd.DataFrame:
    """Scores of two strata under names that tell them apart, of the images that have both."""
    inside = scores[(scores["stratum_kind"] == kind) & scores["experiment"].isin(names)]
    inside = inside[inside["stratum"].isin(tagged)]
    both = inside.groupby("image")["stratum"].nunique() == len(tagged)
    inside = inside[inside["image"].isin(both[both].index)]
    joined = inside["experiment"].astype(str) + " @ " + inside["stratum"].astype(str)
    place = str(tagged[0]).partition("/")[2] or "both"
    return inside.assign(experiment=joined, stratum=place)


def sweep_scores(measured: pd.DataFrame) -> pd.DataFrame:
    """The measure ``sweep`` as scores for `studies.stats.effects`, each level an experiment: ``ours @ 0.25``.

    Adds ``method`` and ``level`` (a label of `studies.diagnostics.texture_sweep.Level`), and what the measure leaves
    unsaid.
    """
    require(measured, ("experiment", "seed", "factor", "painted", "image", "stratum_kind", "stratum", "abs_rel"))
    painted = measured["painted"].astype(str).str.lower() == "true"
    labels = [Level(float(f), bool(p)).label for f, p in zip(measured["factor"], painted, strict=True)]
    named = [f"{name} @ {label}" for name, label in zip(measured["experiment"], labels, strict=True)]
    kept = measured.assign(method=measured["experiment"], level=labels, experiment=named, protocol=PROTOCOL)
    return kept.assign(split="test, rendered again", eval_data="vkitti2 clone")


def sweep_levels(scores: pd.DataFrame) -> list[str]:
    """Labels of the levels that scores hold, from strong texture to none."""
    return [level.label for level in LEVELS if level.label in set(scores["level"])]


def sweep_errors(scores: pd.DataFrame, methods: Sequence[str], stratum_kind: str = "known") -> pd.DataFrame:
    """`errors_by_stratum` at every level: ``method`` and ``level`` come on top of its columns."""
    levels, parts = sweep_levels(scores), []
    own = scores[scores["stratum_kind"].isin(["none", stratum_kind])]
    for label in levels:
        found = errors_by_stratum(own, [f"{name} @ {label}" for name in methods], stratum_kind=stratum_kind)
        parts.append(found.assign(method=found["experiment"].str.rpartition(" @ ")[0], level=label))
    return pd.concat(parts, ignore_index=True)


def sweep_effects(
    scores: pd.DataFrame, methods: Sequence[str], reference: str | None = None, stratum_kind: str = "known"
) -> pd.DataFrame:
    """Ratios along the sweep: of each method to itself at factor 1, or to ``reference`` at the same level.

    Returns:
        as of `studies.stats.effects.compare`, with ``method``, ``level`` and ``against`` (``itself at 1``, or the
        reference).
    """
    levels, parts = sweep_levels(scores), []
    own = scores[scores["stratum_kind"].isin(["none", stratum_kind])]
    for label in levels:
        if reference is None:
            pairs = [(f"{name} @ {label}", f"{name} @ {NORMAL.label}") for name in methods if label != NORMAL.label]
        else:
            pairs = [(f"{name} @ {label}", f"{reference} @ {label}") for name in methods if name != reference]
        found = compare(own, pairs, stratum_kind=stratum_kind, skip_missing=True)
        if len(found):
            names = found["method"].str.rpartition(" @ ")[0]
            parts.append(found.assign(method=names, level=label, against=reference or f"itself at {NORMAL.label}"))
    if not parts:
        raise DataError("the sweep holds no two networks of one seed to compare")
    return pd.concat(parts, ignore_index=True)


def window_effects(measured: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """How a ratio on low texture hangs on the gradient's window and thresholds, and what known contrast says.

    Args:
        measured: the measure ``sweep``; its kinds of strata beyond `studies.diagnostics.texture_sweep.KINDS` are the
            definitions.
        pairs: (method, reference).

    Returns:
        as of `studies.stats.effects.compare`, low texture only, with ``definition``; ``known contrast`` comes last.

    Raises:
        DataError: no definitions, or no seed has both networks of a pair.
    """
    scores, parts = measured.assign(protocol=PROTOCOL), []
    for kind in (kind for kind in scores["stratum_kind"].unique() if kind not in ("none", *KINDS)):
        of_kind = scores[scores["stratum_kind"] == kind]
        if (of_kind["stratum"] == "low").any():
            found = compare(of_kind, pairs, stratum_kind=kind, strata=["low"], skip_missing=True)
            parts += [found.assign(definition=kind)] if len(found) else []
    if not parts:
        raise DataError("the sweep holds no definitions of low texture, or no seed has both networks of a pair")
    return pd.concat(parts, ignore_index=True)
