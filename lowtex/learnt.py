"""Trainings that did not learn: found by a stated rule on validation scenes, before any effect is looked at.

From scratch, a training now and then stays where it starts, and its error is several times that of its neighbours. A
mean of logarithms over five seeds is then decided by one accident: one error seven times too large moves a mean of
five by half. Such trainings are counted, since failing is a property of a recipe too, but apart from the size of
effects.
"""

import pandas as pd

from lowtex.effects import seed_errors
from lowtex.errors import OptionError

TIMES_USUAL = 3.0
"""A training that did learn is not expected to err this many times more than the usual one."""


def learnt(validation: pd.DataFrame, experiments: list[str], metric: str = "abs_rel") -> pd.DataFrame:
    """Which trainings learnt, by their error on validation scenes.

    The usual error is the median over all trainings given, so give all that a question compares; more than half of
    them must have learnt.

    Args:
        validation: scores of validation images (`lowtex.evidence.Evidence.scores`).
        experiments: names.
        metric: error, smaller is better.

    Returns:
        experiment, seed, error, times_usual, learnt, images.

    Raises:
        OptionError: scores of a test split: who leaves out by them chooses on test scenes.
        DataError: as `lowtex.effects.seed_errors`.
    """
    if validation["split"].astype(str).str.contains("test").any():
        raise OptionError(
            "learnt(): these are scores of a test split; trainings are left out by validation scenes only"
        )
    parts = [seed_errors(validation, [name], metric) for name in experiments]
    errors = pd.concat(parts, ignore_index=True)
    times = errors["error"] / errors["error"].median()
    columns = ["experiment", "seed", "error", "images"]
    return errors[columns].assign(times_usual=times, learnt=times <= TIMES_USUAL)


def sound_seeds(found: pd.DataFrame) -> list[int]:
    """Seeds of which every experiment of `learnt` has a training and every training learnt."""
    good = found[found["learnt"]].groupby("seed")["experiment"].nunique()
    return [int(seed) for seed in good.index[good == found["experiment"].nunique()]]


def failures(found: pd.DataFrame, levels: dict[str, dict[str, str]]) -> pd.DataFrame:
    """How many trainings failed at each level of each factor.

    Args:
        found: of `learnt`, of the cells of a factorial.
        levels: experiment -> factor -> level.

    Returns:
        factor, level, trainings, failed.
    """
    lines = []
    for factor in next(iter(levels.values())):
        level = found["experiment"].map(lambda name, factor=factor: levels[name][factor])
        for name, own in found.groupby(level, sort=False):
            lines.append(
                {"factor": factor, "level": name, "trainings": len(own), "failed": int((~own["learnt"]).sum())}
            )
    return pd.DataFrame(lines)
