"""Trainings that did not learn, in a factorial: which seeds are whole without them, and where they happen.

From scratch, a training now and then stays where it starts, and its error is several times that of its neighbours
(`lowtex_lab.studies.tables.outcomes` finds them, on validation scenes). A mean of logarithms over five seeds is then
decided by one accident: one error seven times too large moves a mean of five by half. Failing is a property of a recipe
too, so such trainings are counted, but apart from the size of effects.
"""

from collections.abc import Iterable, Mapping

import pandas as pd
from scipy import stats


def sound_seeds(found: pd.DataFrame, experiments: Iterable[str]) -> list[int]:
    """Seeds of which each of some experiments has a training that learnt.

    Args:
        found: of `lowtex_lab.studies.tables.outcomes`: experiment, seed, learnt.
        experiments: names.
    """
    names = set(experiments)
    good = found[found["learnt"].astype(bool) & found["experiment"].isin(names)]
    counted = good.groupby("seed")["experiment"].nunique()
    return [int(seed) for seed in counted.index[counted == len(names)]]


def failures(found: pd.DataFrame, levels: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """How many trainings of a factorial failed at each level of each factor.

    Args:
        found: of `lowtex_lab.studies.tables.outcomes`, of the cells.
        levels: experiment -> factor -> level.

    Returns:
        factor, level, trainings, failed, p (of Fisher's exact test that both levels fail as often; trainings taken for
        independent).
    """
    lines = []
    for factor in next(iter(levels.values())):
        level = found["experiment"].map({name: cell[factor] for name, cell in levels.items()})
        own = [
            {
                "factor": factor,
                "level": name,
                "trainings": len(part),
                "failed": int((~part["learnt"].astype(bool)).sum()),
            }
            for name, part in found.groupby(level, sort=False)
        ]
        p = stats.fisher_exact([[one["failed"], one["trainings"] - one["failed"]] for one in own]).pvalue
        lines += [one | {"p": float(p)} for one in own]
    return pd.DataFrame(lines)
