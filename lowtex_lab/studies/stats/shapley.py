"""What a change is said to bring depends on when it is added: every order of adding the changes of a factorial.

An ablation table adds one change after the other and credits each with its step. Where changes act together, another
order gives other steps. A full factorial knows them all: from all old levels to all new ones there are k! orders, which
have k * 2^(k - 1) different steps, since a step depends on what was added before and not on in which order.

The mean of a change's steps over all orders is its *credit* (Shapley 1953, "A value for n-person games"): the only
way to share out the whole gain that adds up to it, treats equal changes alike and gives a change that never does
anything nothing. A main effect (`studies.stats.factorial`) is another mean of the same steps, with equal weights; main
effects need not add up to the whole gain, credits always do.

Everything is in logarithms of errors, so steps of one order multiply to the whole ratio.
"""

from collections.abc import Sequence
from itertools import combinations, permutations
from math import factorial

import numpy as np
import pandas as pd

from lowtex.errors import DataError, OptionError
from lowtex_lab.studies.stats.effects import contrast_effects
from lowtex_lab.studies.stats.factorial import Factorial

ALL = "all together"
"""Name of the line that compares all new levels with all old ones."""

NOTHING = "nothing"
"""What stands before the first change."""

JOINED = " + "


def order_steps(scores: pd.DataFrame, design: Factorial, metric: str = "abs_rel", **options: object) -> pd.DataFrame:
    """Each change's step after each set of others: k * 2^(k - 1) rows a stratum.

    Args:
        scores: scores of images; trainings may be missing, cells may not.
        design: what each experiment is.
        metric: a column of scores.
        options: stratum_kind, strata, rule, clusters, times, seed, as in `studies.stats.effects.contrast_effects`.

    Returns:
        as `studies.stats.effects.contrast_effects` (``effect`` is ``skips after encoder + data term``), with
        change, before (what was added before, joined by `JOINED`, or `NOTHING`), place (1 = added first), orders (in
        how many of the k! orders this step occurs).

    Raises:
        DataError: a cell without scores; else as `lowtex_lab.studies.stats.effects.contrast_effects`.
    """
    return contrast_effects(scores, step_weights(design), metric, details=_details(design), **options)


def order_credits(scores: pd.DataFrame, design: Factorial, metric: str = "abs_rel", **options: object) -> pd.DataFrame:
    """Each change's credit, the mean of its steps over all orders, and the whole ratio that they multiply to.

    Args:
        scores, design, metric, options: as in `order_steps`.

    Returns:
        a row a change and one named `ALL`, for each stratum: as `studies.stats.effects.contrast_effects`, with
        share (of the whole gain in log error; shares sum to 1 and may be negative or above 1; NaN where the whole ratio
        is 1), first, last (ratio of the step where it is added first, and last), least, most (smallest and largest
        ratio of its steps over all orders) and orders.

    Raises:
        DataError: as `order_steps`.
    """
    singles, details = step_weights(design), _details(design)
    count = factorial(len(design.factors))
    weights = {name: dict.fromkeys(design.experiments, 0.0) for name in [*design.factors, ALL]}
    for step, own in singles.items():
        for experiment, weight in own.items():
            for name in (details[step]["change"], ALL):
                weights[name][experiment] += weight * details[step]["orders"] / count
    # cells that cancel out on the way are no part of the whole
    weights = {name: {e: w for e, w in own.items() if abs(w) > 1e-12} for name, own in weights.items()}
    every = contrast_effects(scores, singles | weights, metric, details=details, **options)
    parts = []
    for _, own in every.groupby("stratum", sort=False):
        credit = own[own["effect"].isin(weights)].drop(columns=["change", "before", "place", "orders"])
        total = float(np.log(credit["ratio"].iloc[-1]))
        more = []
        for name, ratio in zip(credit["effect"], credit["ratio"], strict=True):
            steps = own.loc[own["change"] == name, "ratio"].tolist() if name != ALL else [ratio]
            share = float(np.log(ratio)) / total if abs(total) > 1e-12 else float("nan")
            more.append((share, steps[0], steps[-1], min(steps), max(steps), count))
        columns = ["share", "first", "last", "least", "most", "orders"]
        parts.append(credit.assign(**dict(zip(columns, zip(*more, strict=True), strict=True))))
    return pd.concat(parts, ignore_index=True)


def step_weights(design: Factorial) -> dict[str, dict[str, float]]:
    """Weights (`studies.stats.effects.Weights`) of every step: +1 for the cell after it, -1 for the one before it."""
    weights = {}
    for change, before in _steps(design):
        start = {name: levels[name in before] for name, levels in design.factors.items()}
        end = start | {change: design.factors[change][1]}
        weights[_name(change, before)] = {design.experiment(end): 1.0, design.experiment(start): -1.0}
    return weights


def one_order(steps: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """The steps of one order of adding the changes, in that order.

    Args:
        steps: of `order_steps`.
        order: all changes, each once.

    Returns:
        the rows of ``steps`` that this order takes, for each stratum, with ``so_far``: the ratio to the start after it.

    Raises:
        DataError: ``steps`` is not from `order_steps`.
        OptionError: not an order of the changes.
    """
    if missing := [name for name in ("change", "before", "ratio", "stratum") if name not in steps]:
        raise DataError(f"one_order: the steps lack {', '.join(missing)}; take those of order_steps")
    changes = list(dict.fromkeys(steps["change"]))
    if sorted(order) != sorted(changes):
        raise OptionError(f"order={list(order)!r} is no order of the changes; give each once: {', '.join(changes)}")
    parts = []
    for _, own in steps.groupby("stratum", sort=False):
        by_step = {(row["change"], row["before"]): row for row in own.to_dict("records")}
        so_far, rows = 1.0, []
        for place, change in enumerate(order):
            # the set added before is written in the design's own order
            before = [name for name in changes if name in order[:place]]
            row = by_step[change, _spoken(before)]
            so_far *= row["ratio"]
            rows.append(row | {"so_far": so_far})
        parts.append(pd.DataFrame(rows))
    return pd.concat(parts, ignore_index=True)


def all_orders(design: Factorial) -> list[tuple[str, ...]]:
    """All k! orders of adding a design's changes."""
    return list(permutations(design.factors))


def _steps(design: Factorial) -> list[tuple[str, tuple[str, ...]]]:
    """(change, what was added before), change by change, smaller sets first."""
    return [
        (change, before)
        for change in design.factors
        for size in range(len(design.factors))
        for before in combinations([name for name in design.factors if name != change], size)
    ]


def _details(design: Factorial) -> dict[str, dict[str, object]]:
    left = len(design.factors) - 1
    return {
        _name(change, before): {
            "change": change,
            "before": _spoken(before),
            "place": len(before) + 1,
            "orders": factorial(len(before)) * factorial(left - len(before)),
        }
        for change, before in _steps(design)
    }


def _name(change: str, before: Sequence[str]) -> str:
    return f"{change} after {_spoken(before)}"


def _spoken(before: Sequence[str]) -> str:
    return JOINED.join(before) or NOTHING
