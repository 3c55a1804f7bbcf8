"""Did a training learn? The one place that decides it, and what follows for a factorial.

From scratch, a training now and then stays where it starts, and its error is several times that of its neighbours. A
mean of logarithms over five seeds is then decided by one accident: one error seven times too large moves a mean of five
by half. Failing is a property of a recipe too, so such trainings are counted, but apart from the size of effects.
"""

from collections.abc import Iterable, Mapping

import pandas as pd
from scipy import stats

from lowtex_lab.studies.evidence import Evidence

STUCK = 1.0
"""AbsRel that a training must stay below to have learnt: that of answering 0 m everywhere, which needs no network."""


def outcomes(evidence: Evidence, names: Iterable[str]) -> pd.DataFrame:
    """Whether each training learnt anything, judged on validation scenes: some get stuck where they started.

    One has learnt where its AbsRel over all pixels is below `STUCK`. A ratio in which one side is stuck says how
    *often* training fails and hardly how well it works, so both should be told: how many learnt, and those' ratio.

    Returns:
        experiment, seed, error (AbsRel on validation images), learnt; names without rows are left out.
    """
    names = evidence.present(names)
    if not names:
        return pd.DataFrame(columns=["experiment", "seed", "error", "images", "learnt"])
    return outcomes_of(evidence.scores(names, "val"))


def outcomes_of(validation: pd.DataFrame) -> pd.DataFrame:
    """`outcomes` from scores of validation images."""
    whole = validation[validation["stratum_kind"] == "none"]
    found = whole.groupby(["experiment", "seed"], sort=False)["abs_rel"].agg(error="mean", images="size").reset_index()
    return found.assign(learnt=found["error"] < STUCK)


def learnt_only(frame: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """The lines of the trainings that learnt.

    Args:
        frame: scores, rows or a measure: columns experiment and seed.
        found: of `outcomes`; the lines of a training that is not in it are left out.
    """
    good = set(found.loc[found["learnt"].astype(bool), ["experiment", "seed"]].itertuples(index=False, name=None))
    return frame[[key in good for key in zip(frame["experiment"], frame["seed"], strict=True)]]


def sound_seeds(found: pd.DataFrame, experiments: Iterable[str]) -> list[int]:
    """Seeds of which each of some experiments has a training that learnt.

    Args:
        found: of `outcomes`: experiment, seed, learnt.
        experiments: names.
    """
    names = set(experiments)
    good = found[found["learnt"].astype(bool) & found["experiment"].isin(names)]
    counted = good.groupby("seed")["experiment"].nunique()
    return [int(seed) for seed in counted.index[counted == len(names)]]


def failures(found: pd.DataFrame, levels: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """How many trainings of a factorial failed at each level of each factor.

    Args:
        found: of `outcomes`, of the cells.
        levels: experiment -> factor -> level.

    Returns:
        factor, level, trainings, failed, p (of Fisher's exact test that both levels fail as often; trainings taken for
        independent).
    """
    lines = []
    for factor in next(iter(levels.values())):
        level = found["experiment"].map({name: cell[factor] for name, cell in levels.items()})
        own = []
        for name, part in found.groupby(level, sort=False):
            failed = int((~part["learnt"].astype(bool)).sum())
            own.append({"factor": factor, "level": name, "trainings": len(part), "failed": failed})
        p = stats.fisher_exact([[one["failed"], one["trainings"] - one["failed"]] for one in own]).pvalue
        lines += [one | {"p": float(p)} for one in own]
    return pd.DataFrame(lines)
