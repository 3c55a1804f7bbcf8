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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pandas as pd

from lowtex.errors import DataError, OptionError
from lowtex_lab.studies.stats.effect_rules import Rule
from lowtex_lab.studies.stats.effects import bootstrap, effect_rows, groups_of
from lowtex_lab.studies.stats.image_scores import error_name, paired_scores, require, strata_of
from lowtex_lab.studies.stats.resampling import TIMES

TIMES_SIGN = " × "


@dataclass(frozen=True)
class Factorial:
    """A full factorial as data.

    Attributes:
        factors: factor -> (old level, new level); the new level is the change that is asked about, the paper's.
        cells: experiment -> factor -> level.

    Raises:
        OptionError: a cell is missing, comes twice, or has an unknown factor or level; names it.
    """

    factors: Mapping[str, tuple[str, str]]
    cells: Mapping[str, Mapping[str, str]]

    def __post_init__(self):
        by_levels: dict[tuple[str, ...], str] = {}
        for name, levels in self.factors.items():
            if isinstance(levels, str) or len(levels) != 2 or levels[0] == levels[1]:
                raise OptionError(f"factor {name!r} has levels {levels!r}; expected two, the old and the new one")
        for experiment, setting in self.cells.items():
            if set(setting) != set(self.factors):
                raise OptionError(f"experiment {experiment!r} sets {', '.join(setting)}; expected a level of each of: "
                                  f"{', '.join(self.factors)}")  # fmt: skip
            for name, level in setting.items():
                if level not in self.factors[name]:
                    raise OptionError(f"experiment {experiment!r} has {name}={level!r}; that factor's levels are: "
                                      f"{', '.join(self.factors[name])}")  # fmt: skip
            place = tuple(setting[name] for name in self.factors)
            if place in by_levels:
                raise OptionError(f"{by_levels[place]!r} and {experiment!r} are the same cell ({', '.join(place)})")
            by_levels[place] = experiment
        missing = [", ".join(place) for place in product(*self.factors.values()) if place not in by_levels]
        if missing:
            raise OptionError(f"{len(missing)} of {2 ** len(self.factors)} cells of the factorial have no experiment: "
                              f"{'; '.join(missing)}")  # fmt: skip

    @property
    def experiments(self) -> tuple[str, ...]:
        """All cells' experiments."""
        return tuple(self.cells)

    def experiment(self, setting: Mapping[str, str]) -> str:
        """The experiment of a cell."""
        return next(name for name, cell in self.cells.items() if dict(cell) == dict(setting))

    def setting(self, at: str | Mapping[str, str] = "new") -> dict[str, str]:
        """A level of every factor: all ``new``, all ``old``, or as given.

        Raises:
            OptionError: not a whole setting.
        """
        if isinstance(at, str):
            if at not in ("new", "old"):
                raise OptionError(f"at={at!r} is not known; choose new, old or a level of each factor")
            return {name: levels[at == "new"] for name, levels in self.factors.items()}
        if set(at) != set(self.factors) or any(level not in self.factors[name] for name, level in at.items()):
            known = "; ".join(f"{name} ({old}, {new})" for name, (old, new) in self.factors.items())
            raise OptionError(f"at={dict(at)!r} is not a setting; give a level of each of: {known}")
        return dict(at)

    def sets(self) -> list[tuple[str, ...]]:
        """Sets of factors that have an effect: each alone, then pairs, and so on."""
        return [chosen for size in range(1, len(self.factors) + 1) for chosen in combinations(self.factors, size)]

    def signs(self, name: str) -> np.ndarray:
        """``(E,)`` -1 where an experiment has the old level of a factor, +1 where it has the new one."""
        return np.array([1.0 if cell[name] == self.factors[name][1] else -1.0 for cell in self.cells.values()])

    def contrasts(self) -> np.ndarray:
        """``(2^k - 1, E)`` weights of the effects of `sets`; each row's positive weights sum to 1, its others to -1."""
        half = 2 ** (len(self.factors) - 1)
        return np.stack([np.prod([self.signs(name) for name in chosen], axis=0) / half for chosen in self.sets()])


def factorial_effects(
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
    """All main effects and interactions, a row an effect and stratum.

    Args:
        scores: scores of images, with all cells' experiments.
        design: what each experiment is.
        metric, stratum_kind, strata, rule, clusters, times, seed: as in `lowtex_lab.studies.stats.effects.compare`.

    Returns:
        `studies.stats.effects.COLUMNS` (``effect`` such as ``encoder`` or ``encoder × skips``), stratum_kind, stratum,
        metric, pixels, order (1 for main effects), share (of the variation of log error between the cells that this
        effect makes up; the shares of a stratum sum to 1), se_seeds, se_images, df, and what the scores have in common.

    Raises:
        DataError: cells without scores, by name and level; else as `studies.stats.image_scores.paired_scores`.
    """
    contrasts = design.contrasts()
    names = [TIMES_SIGN.join(chosen) for chosen in design.sets()]
    return _effects(
        scores, design, design.experiments, contrasts, names, metric, stratum_kind, strata, rule, clusters, times, seed,
        lambda estimate: [
            {"order": len(chosen), "share": float(value**2 / (estimate**2).sum()) if estimate.any() else 0.0}
            for chosen, value in zip(design.sets(), estimate, strict=True)
        ],
    )  # fmt: skip


def simple_effects(
    scores: pd.DataFrame,
    design: Factorial,
    metric: str = "abs_rel",
    *,
    at: str | Mapping[str, str] = "new",
    stratum_kind: str = "none",
    strata: Sequence[str] | None = None,
    rule: Rule | None = None,
    clusters: str | None = None,
    times: int = TIMES,
    seed: int = 0,
) -> pd.DataFrame:
    """Each factor's new level against its old one, the other factors held: what taking one change away costs.

    Args:
        at: where the others are held: ``new`` (the paper's setting), ``old`` (the reference's), or a level of each.
        scores, design, metric, stratum_kind, strata, rule, clusters, times, seed: as in `factorial_effects`.

    Returns:
        as `factorial_effects`, without order and share, with ``others``: the levels at which the others are held.

    Raises:
        DataError, OptionError: as there.
    """
    setting = design.setting(at)
    experiments, contrasts, others = [], np.zeros((len(design.factors), len(design.cells))), []
    place = {name: index for index, name in enumerate(design.experiments)}
    for row, (name, (old, new)) in enumerate(design.factors.items()):
        for level, weight in ((new, 1.0), (old, -1.0)):
            experiment = design.experiment(setting | {name: level})
            contrasts[row, place[experiment]] = weight
            experiments.append(experiment)
        others.append({"others": ", ".join(f"{n} {level}" for n, level in setting.items() if n != name)})
    used = [name for name in design.experiments if name in experiments]
    kept = contrasts[:, [place[name] for name in used]]
    return _effects(
        scores, design, used, kept, list(design.factors), metric, stratum_kind, strata, rule, clusters, times, seed,
        lambda estimate: others,
    )  # fmt: skip


def interaction_means(
    scores: pd.DataFrame,
    design: Factorial,
    first: str,
    second: str,
    metric: str = "abs_rel",
    *,
    stratum_kind: str = "none",
    strata: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Errors at the four combinations of two factors, seed by seed, for `lowtex_lab.plots.interaction_plot`.

    Returns:
        first, first_level, second, second_level, seed, stratum_kind, stratum, metric, error (the geometric mean over
        the cells that have that combination of each cell's mean over images), cells, images, and what the scores have
        in common.

    Raises:
        OptionError: an unknown factor, or one twice.
        DataError: as `factorial_effects`.
    """
    for name in (first, second):
        if name not in design.factors or first == second:
            raise OptionError(f"factors {first!r} and {second!r}: choose two of: {', '.join(design.factors)}")
    _require_cells(scores, design, design.experiments)
    lines = []
    for kind, stratum in strata_of(scores, stratum_kind, strata):
        paired = paired_scores(scores, design.experiments, metric, kind, stratum)
        errors = paired.errors.mean(axis=2)
        if not (errors > 0).all():
            raise DataError(f"a mean error of {stratum} pixels is 0, so it has no logarithm; use another metric")
        for one, two in product(design.factors[first], design.factors[second]):
            inside = [cell[first] == one and cell[second] == two for cell in design.cells.values()]
            means = np.exp(np.log(errors[inside]).mean(axis=0))
            lines += [
                {"first": first, "first_level": one, "second": second, "second_level": two, "seed": number,
                 "stratum_kind": kind, "stratum": stratum, "metric": error_name(metric), "error": float(mean),
                 "cells": sum(inside), "images": len(paired.images), **paired.context}
                for number, mean in zip(paired.seeds, means, strict=True)
            ]  # fmt: skip
    return pd.DataFrame(lines)


def _effects(
    scores, design, experiments, contrasts, names, metric, stratum_kind, strata, rule, clusters, times, seed, more
) -> pd.DataFrame:
    _require_cells(scores, design, experiments)
    grouping, lines = groups_of(scores, experiments, clusters), []
    for kind, stratum in strata_of(scores, stratum_kind, strata):
        paired = paired_scores(scores, experiments, metric, kind, stratum)
        spread = bootstrap(paired, grouping, contrasts, times=times, seed=seed)
        lines += effect_rows(
            names, spread, paired, grouping, rule or Rule(), kind, stratum, metric, more(spread.estimate)
        )
    return pd.DataFrame(lines)


def _require_cells(scores: pd.DataFrame, design: Factorial, experiments: Sequence[str]) -> None:
    require(scores, ("experiment",))
    there = set(scores["experiment"])
    if missing := [f"{name} ({', '.join(design.cells[name].values())})" for name in experiments if name not in there]:
        raise DataError(
            f"{len(missing)} of {len(experiments)} cells of the factorial have no scores: {'; '.join(missing)}; "
            "train and evaluate them, or leave a factor out of the design"
        )
