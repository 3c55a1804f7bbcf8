"""What the ablation's scores say about texture: errors with intervals, and gains compared between strata.

Built on `studies.stats.effects`: seeds and images are drawn together, compared experiments get the same draws, and
nothing is judged from one seed. Scores of several strata are put side by side as if each were an experiment of its own
("ours @ low"), which is all that a ratio *between* strata needs. The sweep is in `lowtex_lab.studies.texture_levels`.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from lowtex.errors import DataError
from lowtex_lab.studies.stats.effect_rules import HARMS, HELPS, SAME, Rule
from lowtex_lab.studies.stats.effects import contrast_effects, estimate, pair_weights
from lowtex_lab.studies.stats.image_scores import error_name, paired_scores, strata_of
from lowtex_lab.studies.stats.resampling import TIMES, cluster_images


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
