"""The ablation as data: the full factorial, the ambiguous choices one at a time, the rivals, the smoothness curve.

Each row is a small difference over a named experiment, nearly always `ours`, and has a name of its own by which it is
trained (``lowtex train resnet-pixels-first-plain``), scored and plotted. Two names may mean the same training, as
``ours`` and ``iresnet-features-both-nested`` do; then they share its key, and it is done once.
"""

import difflib
import itertools
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from lowtex.choices import ALTERNATIVES, RIVALS, Changes, Variant
from lowtex.errors import OptionError, require_choice
from lowtex.experiments import NAMED, Experiment, named_experiment
from lowtex.profiles import Profile

FACTORS: dict[str, dict[str, Changes]] = {
    "encoder": {"resnet": {"network__encoder": "resnet"}, "iresnet": {"network__encoder": "iresnet"}},
    "data term": {"pixels": {"loss__data_term": "pixels"}, "features": {"loss__data_term": "features"}},
    "smoothness": {"first": {"loss__smooth_second": 0.0}, "both": {"loss__smooth_second": 1e-3}},
    "skips": {"plain": {"network__decoder": "unet"}, "nested": {"network__decoder": "nested"}},
}
"""The paper's four changes: factor -> level -> what it sets in `ours`. The second level is the paper's."""


def factorial() -> dict[str, Changes]:
    """All combinations of the levels of `FACTORS`: 16 names such as ``resnet-pixels-first-plain``, each's changes."""
    rows = {}
    for levels in itertools.product(*(factor.items() for factor in FACTORS.values())):
        changes: dict[str, object] = {}
        for _, setting in levels:
            changes |= setting
        rows["-".join(level for level, _ in levels)] = changes
    return rows


def levels_of(name: str) -> dict[str, str]:
    """Factor -> level of a name of the factorial, for a table of effects.

    Raises:
        OptionError: another name.
    """
    require_choice("factorial row", name, factorial())
    return dict(zip(FACTORS, name.split("-"), strict=True))


DATA_TERMS: dict[str, Changes] = {
    "pixels": {"loss__data_term": "pixels"},
    "features": {"loss__data_term": "features"},
    "census": RIVALS["census"].changes,
    "zncc": RIVALS["zncc"].changes,
}

SMOOTHNESS_CURVE: dict[str, tuple[float, ...]] = dict.fromkeys(DATA_TERMS, (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1))
"""Weights of both orders of smoothness to try for each data term, to be judged on validation scenes alone: an error
twice as large makes the same weight half as strong, so one weight for all would favour some."""


def curve_name(data_term: str, weight: float) -> str:
    """Name of a point of the curve: ``pixels-smooth-0.003``."""
    return f"{data_term}-smooth-{weight:g}"


def _curve() -> dict[str, Variant]:
    return {
        curve_name(term, weight): Variant(
            f"{term}, smoothness of both orders with weight {weight:g}",
            {**DATA_TERMS[term], "loss__smooth_first": weight, "loss__smooth_second": weight},
        )
        for term, weights in SMOOTHNESS_CURVE.items()
        for weight in weights
    }


TUNED = {"pixels": 1e-2, "features": 3e-3}
"""Each data term's own weight of smoothness: of its curve, that of the smallest error on validation scenes (quick
profile, miniatures, three seeds; notebook 06). Only these points are scored on test scenes. Another profile needs its
own curve."""


def tuned_name(data_term: str) -> str:
    """Name of a data term at its own weight of smoothness: ``pixels-tuned``."""
    return f"{data_term}-tuned"


def _tuned() -> dict[str, Variant]:
    points = _curve()
    return {
        tuned_name(term): replace(
            points[curve_name(term, weight)],
            why="one weight for all data terms would favour some; each at its best is the fair comparison",
        )
        for term, weight in TUNED.items()
    }


BUDGETS = (400, 800)
"""Longer trainings, optimiser steps: twice and four times quick's. In another profile other lengths would be asked."""


def _budgets() -> dict[str, Variant]:
    return {
        f"{base}-{steps}-steps": Variant(
            f"{base}, trained for {steps} steps",
            {"schedule__steps": steps},
            base,
            why="a change may only speed learning up, and then its gain fades with training",
        )
        for steps in BUDGETS
        for base in ("baseline", "encoder_features", "ours")
    }


HALVED = ("baseline", "encoder_features", "ours")
"""Named experiments that are trained in bfloat16 too."""


def half_name(base: str) -> str:
    """Name of an experiment whose network computes in bfloat16: ``ours-bf16``."""
    return f"{base}-bf16"


def _halves() -> dict[str, Variant]:
    return {
        half_name(base): Variant(
            f"{base}, the network in bfloat16",
            {"schedule__precision": "bf16"},
            base,
            why="half the bits are faster where the processor knows them; what they cost has to be measured",
        )
        for base in HALVED
    }


def _cells() -> dict[str, Variant]:
    what = "{encoder}, {data term}, {smoothness} order of smoothness, {skips} skips"
    return {
        name: Variant(what.format(**levels_of(name)).replace("both order", "both orders"), changes)
        for name, changes in factorial().items()
    }


GROUPS: dict[str, dict[str, Variant]] = {
    "named": {name: Variant(recipe["what"], base=name) for name, recipe in NAMED.items()},
    "factorial": _cells(),
    "alternatives": ALTERNATIVES,
    "rivals": RIVALS,
    "curve": _curve(),
    "tuned": _tuned(),
    "budget": _budgets(),
    "precision": _halves(),
}
"""All rows, by what they are for."""

VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {name: row for group in GROUPS.values() for name, row in group.items()}
)
"""All rows by name."""


def any_experiment(
    name: str, profile: str | Profile = "quick", seed: int = 0, source: str = "", **changes: object
) -> Experiment:
    """The experiment of any name of `VARIANTS`; arguments as for `lowtex.experiments.named_experiment`.

    Its key is that of ``named_experiment(row.base, profile, seed, source, **row.changes)``, under its own name.

    Raises:
        OptionError: an unknown name, profile or setting.
    """
    if name not in VARIANTS:
        close = difflib.get_close_matches(name, VARIANTS, 3, 0.5)
        hint = f", did you mean {' or '.join(close)}?" if close else ";"
        raise OptionError(
            f"experiment={name!r} is not known{hint} choose one of: {', '.join(NAMED)}, "
            "or a row of the ablation (`lowtex train --list` shows all)"
        )
    row = VARIANTS[name]
    return replace(named_experiment(row.base, profile, seed, source, **{**row.changes, **changes}), name=name)


def listing() -> str:
    """All names with a line each, by group."""
    width = max(len(name) for name in VARIANTS)
    blocks = []
    for group, rows in GROUPS.items():
        notes = {name: f" [{row.dossier}]" if row.dossier else "" for name, row in rows.items()}
        lines = [f"  {name:{width}}  {row.what}{notes[name]}" for name, row in rows.items()]
        blocks.append("\n".join([f"{group}:", *lines]))
    return "\n".join(blocks)
