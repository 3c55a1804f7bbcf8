"""The same comparison after shorter and longer training, for experiments named ``<name>-<steps>-steps``."""

import re
from collections.abc import Iterable

import pandas as pd

from lowtex.errors import DataError
from lowtex_lab.studies.stats.effects import compare

_NAME = re.compile(r"(?P<base>.+)-(?P<steps>[1-9]\d*)-steps")


def split_name(name: str) -> tuple[str, int] | None:
    """``("ours", 800)`` of ``ours-800-steps``; None for any other name."""
    found = _NAME.fullmatch(name)
    return (found["base"], int(found["steps"])) if found else None


def at_steps(names: Iterable[str], base: str, usual: int) -> dict[int, str]:
    """Steps -> name of an experiment's trainings of several lengths, rising.

    Args:
        names: that there are.
        base: the experiment; its plain name stands for ``usual`` steps.
        usual: the profile's steps.
    """
    names = list(names)
    found = {split[1]: name for name in names if (split := split_name(name)) and split[0] == base}
    if base in names:
        found[usual] = base
    return dict(sorted(found.items()))


def budget_pairs(names: Iterable[str], method: str, reference: str, usual: int) -> dict[int, tuple[str, str]]:
    """Steps -> (method, reference), for the lengths that both were trained for."""
    names = list(names)
    ours, theirs = at_steps(names, method, usual), at_steps(names, reference, usual)
    return {steps: (name, theirs[steps]) for steps, name in ours.items() if steps in theirs}


def budget_ratios(scores: pd.DataFrame, pairs: dict[int, tuple[str, str]], **options) -> pd.DataFrame:
    """The method's error over the reference's, at each length of training.

    Lengths may have different seeds; within one the pair is compared on the seeds that both have.

    Args:
        scores: of all experiments in ``pairs`` (`lowtex_lab.studies.evidence.Evidence.scores`).
        pairs: of `budget_pairs`.
        options: of `lowtex_lab.studies.stats.effects.compare`.

    Returns:
        rows of `lowtex_lab.studies.stats.effects.compare` with ``steps``.

    Raises:
        DataError: fewer than two lengths; else as `lowtex_lab.studies.stats.effects.compare`.
    """
    if len(pairs) < 2:
        raise DataError(f"{len(pairs)} length of training was measured for both; a course of it takes at least two")
    parts = [compare(scores, [pair], **options).assign(steps=steps) for steps, pair in pairs.items()]
    return pd.concat(parts, ignore_index=True)
