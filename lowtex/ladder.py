"""What a change is said to bring depends on when it is added: every order of adding the changes of a factorial.

An ablation table adds one change after the other and credits each with its step. Where changes act together, another
order gives other steps. A full factorial knows them all: from all old levels to all new ones there are k! orders, which
have k * 2^(k - 1) different steps, since a step depends on what was added before and not on in which order.

The mean of a change's steps over all orders is its *credit* (Shapley 1953, "A value for n-person games"): the only
way to share out the whole gain that adds up to it, treats equal changes alike and gives a change that never does
anything nothing. A main effect (`lowtex.factorial`) is another mean of the same steps, with equal weights; main
effects need not add up to the whole gain, credits always do.

Everything is in logarithms of errors, so steps of one order multiply to the whole ratio.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations, permutations
from math import factorial, log

import numpy as np
import pandas as pd

from lowtex.effect_rules import Rule
from lowtex.effects import bootstrap, effect_rows, groups_of
from lowtex.errors import DataError, OptionError
from lowtex.factorial import Factorial
from lowtex.image_scores import paired_scores, require, strata_of
from lowtex.resampling import TIMES

ALL = "all together"
"""Name of the line that compares all new levels with all old ones."""

NOTHING = "nothing"
"""What stands before the first change."""

JOINED = " + "


def held(design: Factorial, **levels: str) -> Factorial:
    """The factorial of the other factors where some are held: the cells that have these levels.

    Args:
        design: the whole.
        levels: factor -> level; spaces of a factor's name are written as ``_`` (``data_term="features"``).

    Raises:
        OptionError: an unknown factor or level, or none left to vary.
    """
    chosen = {name.replace("_", " "): level for name, level in levels.items()}
    for name, level in chosen.items():
        if name not in design.factors or level not in design.factors[name]:
            known = "; ".join(f"{factor} ({', '.join(both)})" for factor, both in design.factors.items())
            raise OptionError(f"held({name}={level!r}) is no factor with that level; there are: {known}")
    left = {name: both for name, both in design.factors.items() if name not in chosen}
    if not left:
        raise OptionError("held(): no factor is left to vary; hold fewer")
    cells = {
        experiment: {name: cell[name] for name in left}
        for experiment, cell in design.cells.items()
        if all(cell[name] == level for name, level in chosen.items())
    }
    return Factorial(left, cells)


def order_steps(
    scores: pd.DataFrame,
    design: Factorial,
    metric: str = "abs_rel",
    *,
    stratum_kind: str = "none",
    strata: Sequence[str] | None = None,
    rule: Rule | None = None,
    clusters: str | None = None,
    times: int = TIMES,
    seed: int = 0,
) -> pd.DataFrame:
    """Each change's step after each set of others: k * 2^(k - 1) rows a stratum.

    Args:
        scores, design, metric, stratum_kind, strata, rule, clusters, times, seed: as in
            `lowtex.factorial.factorial_effects`.

    Returns:
        `lowtex.effects.COLUMNS` (``effect`` such as ``skips after encoder + data term``), stratum_kind, stratum,
        metric, pixels, change, before (added before, joined by `JOINED`, or `NOTHING`), place (1 = added first),
        orders (in how many of the k! orders this step occurs), se_seeds, se_images, df, and what scores have in common.

    Raises:
        DataError: cells without scores; else as `lowtex.image_scores.paired_scores`.
    """
    steps = _steps(design)
    names = [f"{change} after {_spoken(before)}" for change, before in steps]
    more = [
        {"change": change, "before": _spoken(before), "place": len(before) + 1, "orders": _orders(design, before)}
        for change, before in steps
    ]
    contrasts = np.stack([_contrast(design, change, before) for change, before in steps])
    lines = []
    for kind, stratum, paired, grouping in _tables(scores, design, metric, stratum_kind, strata, clusters):
        spread = bootstrap(paired, grouping, contrasts, times=times, seed=seed)
        lines += effect_rows(names, spread, paired, grouping, rule or Rule(), kind, stratum, metric, more)
    return pd.DataFrame(lines)


def order_credits(
    scores: pd.DataFrame,
    design: Factorial,
    metric: str = "abs_rel",
    *,
    stratum_kind: str = "none",
    strata: Sequence[str] | None = None,
    rule: Rule | None = None,
    clusters: str | None = None,
    times: int = TIMES,
    seed: int = 0,
) -> pd.DataFrame:
    """Each change's credit, the mean of its steps over all orders, and the whole ratio that they multiply to.

    Args:
        scores, design, metric, stratum_kind, strata, rule, clusters, times, seed: as in `order_steps`.

    Returns:
        a row a change and one named `ALL`, for each stratum: `lowtex.effects.COLUMNS`, stratum_kind, stratum, metric,
        pixels, share (of the whole gain in log error; shares sum to 1 and may be negative or above 1; NaN where the
        whole ratio is 1), first, last (ratio of the step where it is added first, and last), least, most (smallest and
        largest ratio of its steps over all orders), orders, se_seeds, se_images, df, and what the scores have in
        common.

    Raises:
        DataError: as `order_steps`.
    """
    steps = _steps(design)
    single = np.stack([_contrast(design, change, before) for change, before in steps])
    count = factorial(len(design.factors))
    weights = np.array(
        [[_orders(design, before) / count * (change == name) for change, before in steps] for name in design.factors]
    )
    whole = weights.sum(axis=0)
    contrasts = np.vstack([weights, whole]) @ single
    lines = []
    for kind, stratum, paired, grouping in _tables(scores, design, metric, stratum_kind, strata, clusters):
        spread = bootstrap(paired, grouping, contrasts, times=times, seed=seed)
        # errors are means over images, so contrasts of their logarithms are linear in the steps
        sizes = single @ np.log(paired.errors.mean(axis=2)).mean(axis=1)
        more = [_range(name, steps, sizes, spread.estimate, index) for index, name in enumerate(design.factors)]
        total = float(np.exp(spread.estimate[-1]))
        share = 1.0 if spread.estimate[-1] else float("nan")
        more.append({"share": share, "first": total, "last": total, "least": total, "most": total})
        lines += effect_rows(
            [*design.factors, ALL], spread, paired, grouping, rule or Rule(), kind, stratum, metric,
            [line | {"orders": count} for line in more],
        )  # fmt: skip
    return pd.DataFrame(lines)


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
        raise DataError(f"one_order: the steps lack {', '.join(missing)}; take them from lowtex.ladder.order_steps")
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


def _spoken(before: Sequence[str]) -> str:
    return JOINED.join(before) or NOTHING


def _orders(design: Factorial, before: Sequence[str]) -> int:
    return factorial(len(before)) * factorial(len(design.factors) - len(before) - 1)


def _contrast(design: Factorial, change: str, before: Sequence[str]) -> np.ndarray:
    """``(E,)`` +1 at the cell with the change and what came before it, -1 at the one without the change."""
    start = {name: levels[name in before] for name, levels in design.factors.items()}
    end = start | {change: design.factors[change][1]}
    contrast = np.zeros(len(design.cells))
    contrast[design.experiments.index(design.experiment(end))] = 1.0
    contrast[design.experiments.index(design.experiment(start))] = -1.0
    return contrast


def _range(name, steps, sizes: np.ndarray, credit: np.ndarray, index: int) -> Mapping[str, float]:
    own = [(len(before), float(np.exp(size))) for (change, before), size in zip(steps, sizes, strict=True)
           if change == name]  # fmt: skip
    ratios, total = [ratio for _, ratio in own], float(credit[-1])
    return {
        "share": float(credit[index]) / total if abs(total) > log(1 + 1e-12) else float("nan"),
        "first": ratios[0],
        "last": ratios[-1],
        "least": min(ratios),
        "most": max(ratios),
    }


def _tables(scores, design: Factorial, metric: str, stratum_kind: str, strata, clusters):
    """(kind, stratum, paired scores, clusters) of each stratum looked at."""
    require(scores, ("experiment",))
    there = set(scores["experiment"])
    if missing := [name for name in design.experiments if name not in there]:
        raise DataError(
            f"{len(missing)} of {len(design.cells)} cells have no scores: {', '.join(missing)}; every order needs all"
        )
    grouping = groups_of(scores, design.experiments, clusters)
    for kind, stratum in strata_of(scores, stratum_kind, strata):
        yield kind, stratum, paired_scores(scores, design.experiments, metric, kind, stratum), grouping
