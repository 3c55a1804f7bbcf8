"""Main effects and interactions of a full factorial of two-level factors, on the logarithm of the error.

In the usual coding (Yates 1937; Box, Hunter and Hunter, *Statistics for Experimenters*, chapter 5) every factor is -1
at its old level and +1 at its new one, and the effect of a set of factors is the difference between the mean log error
of the cells where the product of their signs is +1 and of those where it is -1. Exponentials of effects are ratios:

- a main effect of 0.8: over all settings of the other factors, the new level has 0.8 times the error (geometric mean);
- an interaction A × B of 0.9: with B new, the effect of A is its main effect *times* 0.9; with B old, *divided by* 0.9.
  Below 1 the two do more together than their main effects say; above 1 less.

All 2^k cells are in every effect, so each is as sure as if all trainings had been spent on it alone; this is what a
full factorial is for. Simple effects compare two cells only: one factor, the others as the paper sets them.

Every effect has a standard error of its own. The textbook pools one over all cells, which would buy degrees of freedom,
but it takes trainings for independent: here all cells of a seed that compare features share one feature network, so the
data term varies from seed to seed by more than the pooled noise says.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pandas as pd

from lowtex.errors import DataError, OptionError, require_choice
from lowtex_lab.studies.stats.effects import contrast_effects
from lowtex_lab.studies.stats.image_scores import CONTEXT, require

TIMES_SIGN = " × "


@dataclass(frozen=True)
class Factorial:
    """A full factorial as data.

    Attributes:
        factors: factor -> (old level, new level); the new level is the change that is asked about, the paper's.
        cells: experiment -> factor -> level; each combination of levels once.
    """

    factors: Mapping[str, tuple[str, str]]
    cells: Mapping[str, Mapping[str, str]]

    @property
    def experiments(self) -> tuple[str, ...]:
        """All cells' experiments."""
        return tuple(self.cells)

    def at(self, changed: Iterable[str] = ()) -> str:
        """The experiment of the cell where these factors have their new level, and all others the old one.

        Raises:
            OptionError: an unknown factor.
        """
        changed = list(changed)
        for name in changed:
            require_choice("factor", name, self.factors)
        setting = {name: levels[name in changed] for name, levels in self.factors.items()}
        return next(name for name, cell in self.cells.items() if dict(cell) == setting)

    def signs(self, name: str) -> np.ndarray:
        """``(E,)`` -1 where an experiment has the old level of a factor, +1 where it has the new one."""
        return np.array([1.0 if cell[name] == self.factors[name][1] else -1.0 for cell in self.cells.values()])

    def weights(self, order: int | None = None) -> dict[str, dict[str, float]]:
        """The contrast of each effect: name (``encoder``, ``encoder × skips``) -> experiment -> weight.

        The positive weights of an effect sum to 1, its others to -1.

        Args:
            order: effects of up to so many factors; None = all ``2^k - 1``.
        """
        sizes = range(1, (order or len(self.factors)) + 1)
        weights = {}
        for chosen in (chosen for size in sizes for chosen in combinations(self.factors, size)):
            signs = np.prod([self.signs(name) for name in chosen], axis=0)
            weights[TIMES_SIGN.join(chosen)] = dict(zip(self.cells, 2 * signs / len(signs), strict=True))
        return weights

    def pairs(self, others: str = "new") -> dict[str, tuple[str, str]]:
        """Each factor's new level against its old one, the others held: name -> (cell with the new, with the old).

        Args:
            others: their level, ``new`` (what taking one change away from the paper's setting costs) or ``old`` (what
                one change alone brings).
        """
        require_choice("others", others, ("new", "old"))
        held = {name: [one for one in self.factors if one != name and others == "new"] for name in self.factors}
        return {name: (self.at([*changed, name]), self.at(changed)) for name, changed in held.items()}

    def held(self, levels: Mapping[str, str]) -> "Factorial":
        """The factorial of the other factors where some are held: the cells that have these levels.

        Args:
            levels: factor -> level.

        Raises:
            OptionError: an unknown factor or level, or none left to vary.
        """
        for name, level in levels.items():
            require_choice("held", name, self.factors)
            require_choice(f"held: {name}", level, self.factors[name])
        left = {name: both for name, both in self.factors.items() if name not in levels}
        if not left:
            raise OptionError("held: no factor is left to vary; hold fewer")
        cells = {
            experiment: {name: cell[name] for name in left}
            for experiment, cell in self.cells.items()
            if all(cell[name] == level for name, level in levels.items())
        }
        return Factorial(left, cells)


def factorial_effects(
    scores: pd.DataFrame, design: Factorial, metric: str = "abs_rel", *, common_seeds: bool = True, **options: object
) -> pd.DataFrame:
    """All main effects and interactions, a row an effect and stratum.

    Args:
        scores: scores of images, with all cells' experiments.
        design: what each experiment is.
        metric, common_seeds: as in `lowtex_lab.studies.stats.effects.contrast_effects`. By default only seeds that
            every cell has; where a tenth of the trainings does not learn, hardly a seed of sixteen cells is whole, and
            False takes each cell over the seeds it has.
        options: stratum_kind, strata, rule, clusters, times, seed, as there.

    Returns:
        as there (``effect`` such as ``encoder`` or ``encoder × skips``), with order (1 for main effects) and share (of
        the variation of log error between the cells that this effect makes up; the shares of a stratum sum to 1).

    Raises:
        DataError: cells without scores, by name and level; else as there.
    """
    _require_cells(scores, design)
    weights = design.weights()
    details = {name: {"order": name.count(TIMES_SIGN) + 1} for name in weights}
    effects = contrast_effects(scores, weights, metric, details=details, common_seeds=common_seeds, **options)
    squares = np.log(effects["ratio"]) ** 2
    whole = squares.groupby(effects["stratum"]).transform("sum")
    return effects.assign(share=(squares / whole).where(whole > 0, 0.0))


def interaction_means(errors: pd.DataFrame, design: Factorial, first: str, second: str) -> pd.DataFrame:
    """Errors at the four combinations of two factors, seed by seed, for `lowtex_lab.plots.interaction_plot`.

    A missing training is filled in by its cell's mean over the other seeds, so that each seed's mean is over the same
    cells.

    Args:
        errors: of `lowtex_lab.studies.stats.effects.seed_errors`; trainings to be left out are not in it, but every
            cell has one.
        design: what each experiment is.
        first, second: two of its factors.

    Returns:
        first, first_level, second, second_level, seed, stratum, metric, error (the geometric mean over the cells that
        have that combination of each cell's mean over images), cells, images, and what the errors have in common.

    Raises:
        OptionError: an unknown factor, or one twice.
        DataError: cells without errors, by name and level.
    """
    for name in (first, second):
        if name not in design.factors or first == second:
            raise OptionError(f"factors {first!r} and {second!r}: choose two of: {', '.join(design.factors)}")
    _require_cells(errors, design)
    lines = []
    for stratum, own in errors.groupby("stratum", sort=False):
        logs = np.log(own.pivot(index="seed", columns="experiment", values="error"))
        logs = logs.fillna(logs.mean())
        shared = {"stratum": stratum, "metric": own["metric"].iloc[0], "images": int(own["images"].iloc[0])}
        shared |= {name: own[name].iloc[0] for name in CONTEXT if name in own}
        for one, two in product(design.factors[first], design.factors[second]):
            inside = [name for name, cell in design.cells.items() if (cell[first], cell[second]) == (one, two)]
            place = {"first": first, "first_level": one, "second": second, "second_level": two, "cells": len(inside)}
            for seed, mean in logs[inside].mean(axis=1).items():
                lines.append(place | {"seed": int(seed), "error": float(np.exp(mean))} | shared)
    return pd.DataFrame(lines)


def _require_cells(frame: pd.DataFrame, design: Factorial) -> None:
    require(frame, ("experiment",))
    there = set(frame["experiment"])
    missing = [f"{name} ({', '.join(cell.values())})" for name, cell in design.cells.items() if name not in there]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(design.cells)} cells of the factorial have no scores: {'; '.join(missing)}; "
            "train and evaluate them, or leave a factor out of the design"
        )
