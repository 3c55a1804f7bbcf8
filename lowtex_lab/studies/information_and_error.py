"""Whether what a change does inside networks goes along with what it does to their error, pair by pair.

A pair is two trainings that differ in one thing, such as the encoder at one setting of the other changes, with the same
seed. For each, a quantity of `diagnostics.encoder_information` (mean over stages) changes by so much, and the error
by such a ratio. If the quantity were the reason, the pairs in which it changes most should be those in which the error
does.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from lowtex.errors import DataError
from lowtex_lab.plots.tidy import require_columns
from lowtex_lab.studies.evidence import Evidence
from lowtex_lab.studies.learnt import learnt_only, outcomes
from lowtex_lab.studies.stats.effects import seed_errors

LEAST_PAIRS = 4
"""With fewer there is no rank correlation to speak of."""


def paired_changes(measured: pd.DataFrame, pairs: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """What changing one thing does to each measured quantity.

    Args:
        measured: rows ``experiment, seed, stage, quantity, value``; values are averaged over stages.
        pairs: name of the pair -> (experiment with the change, without), of `lowtex_lab.studies.tables.factor_pairs`.

    Returns:
        quantity, pair, seed, new, old, change (new minus old); a row a pair and seed that both sides have.

    Raises:
        DataError: missing columns, or no pair has both sides.
    """
    require_columns(measured, ["experiment", "seed", "stage", "quantity", "value"], "paired_changes")
    means = measured.groupby(["quantity", "seed", "experiment"], sort=False)["value"].mean().unstack()
    frames = [
        pd.DataFrame({"new": means[new], "old": means[old]}).dropna().reset_index().assign(pair=name)
        for name, (new, old) in pairs.items()
        if {new, old} <= set(means)
    ]
    found = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    if found.empty:
        asked = ", ".join(sorted({name for pair in pairs.values() for name in pair}))
        raise DataError(f"no pair was measured on both sides with one seed; measure some of: {asked}")
    found["change"] = found["new"] - found["old"]
    return found[["quantity", "pair", "seed", "new", "old", "change"]]


def change_table(changes: pd.DataFrame) -> pd.DataFrame:
    """Changes as a table to read: quantity, old, new (means), rises (in how many comparisons), pairs, seeds."""
    lines = []
    for quantity, own in changes.groupby("quantity", sort=False):
        rises = f"{int((own['change'] > 0).sum())} of {len(own)}"
        counts = {"pairs": own["pair"].nunique(), "seeds": own["seed"].nunique()}
        means = {"old": own["old"].mean(), "new": own["new"].mean()}
        lines.append({"quantity": quantity, **means, "rises in": rises, **counts})
    return pd.DataFrame(lines)


def beside_error(
    changes: pd.DataFrame, evidence: Evidence, pairs: Mapping[str, tuple[str, str]], metric: str = "abs_rel"
) -> pd.DataFrame:
    """The same with ``ratio``: the error on test scenes with the change over that without, of the same seed.

    Only pairs and seeds of which both trainings learnt (`lowtex_lab.studies.learnt.outcomes`): one that stayed where
    it started says nothing about how well the other sees.

    Returns:
        the rows of ``changes`` that have a ratio; perhaps none.
    """
    names = evidence.present(name for pair in pairs.values() for name in pair)
    learnt = learnt_only(evidence.scores(names), outcomes(evidence, names)) if names else pd.DataFrame()
    errors: dict[tuple[str, int], float] = {}
    for name in dict.fromkeys(learnt.get("experiment", ())):
        found = seed_errors(learnt, [name], metric)
        errors |= dict(zip(zip(found["experiment"], found["seed"], strict=True), found["error"], strict=True))

    def ratio(line: pd.Series) -> float:
        new, old = ((name, line["seed"]) for name in pairs[line["pair"]])
        return errors.get(new, np.nan) / errors.get(old, np.nan)

    return changes.assign(ratio=changes.apply(ratio, axis=1)).dropna(subset="ratio").reset_index(drop=True)


def rank_correlations(points: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of change and error ratio over pairs, one line a quantity.

    Seeds of a pair are averaged first (ratios geometrically), because they are not independent pairs.

    Returns:
        quantity, rho, p, p_all (times the number of quantities, at most 1), pairs, seeds. NaN where there are fewer
        than `LEAST_PAIRS` pairs, or nothing varies over them.
    """
    require_columns(points, ["quantity", "pair", "seed", "change", "ratio"], "rank_correlations")
    lines = []
    for quantity, own in points.assign(log=np.log(points["ratio"])).groupby("quantity", sort=False):
        means = own.groupby("pair")[["change", "log"]].mean()
        rho, p = np.nan, np.nan
        if len(means) >= LEAST_PAIRS and (means.nunique() > 1).all():
            rho, p = spearmanr(means["change"], means["log"])
        lines.append({"quantity": quantity, "rho": rho, "p": p, "pairs": len(means), "seeds": own["seed"].nunique()})
    frame = pd.DataFrame(lines)
    frame.insert(3, "p_all", np.minimum(frame["p"] * len(frame), 1.0))
    return frame
