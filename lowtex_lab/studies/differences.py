"""What separates two rows of the ablation, setting by setting, in words a reader can follow."""

import re
from collections.abc import Mapping
from dataclasses import fields
from functools import cache

import pandas as pd

from lowtex.errors import OptionError
from lowtex.experiments import named_experiment
from lowtex.settings import FeatureNetSettings, LossSettings, NetworkSettings, ScheduleSettings

PARTS = {
    "network": NetworkSettings,
    "loss": LossSettings,
    "feature_net": FeatureNetSettings,
    "schedule": ScheduleSettings,
}
"""Parts of an experiment that a row of the ablation may change."""

SAME = "nothing: the same training under two names"


def what_differs(name: str, other: str, profile: str = "quick") -> pd.DataFrame:
    """Every setting in which two rows of the ablation differ, so that a reader sees what a comparison is of.

    Returns:
        setting (``loss.data_term``), a column of each name with its value, meaning (from the setting's docstring).
        Where only one of them has a feature network, that is one line. No rows if both are the same training.

    Raises:
        OptionError: an unknown name or profile, or the same name twice.
    """
    if name == other:
        raise OptionError(f"what_differs({name!r}, {other!r}): give two different rows")
    one, two = named_experiment(name, profile), named_experiment(other, profile)
    lines = []
    for part, settings in PARTS.items():
        here, there = getattr(one, part), getattr(two, part)
        if here is None or there is None:
            if here is not there:
                values = ("none" if here is None else here.kind, "none" if there is None else there.kind)
                lines.append((part, *values, "the network whose lowest maps are compared"))
            continue
        for field in fields(settings):
            values = (getattr(here, field.name), getattr(there, field.name))
            if values[0] != values[1]:
                lines.append((f"{part}.{field.name}", *map(_said, values), _meanings(settings).get(field.name, "")))
    return pd.DataFrame(lines, columns=["setting", name, other, "meaning"])


def change_line(name: str, other: str, profile: str = "quick") -> str:
    """`what_differs` in one line: ``loss.feature_scales: lowest -> levels``, from ``other`` to ``name``.

    Raises:
        OptionError: as `what_differs`.
    """
    table = what_differs(name, other, profile)
    said = [f"{row['setting']}: {row[other]} -> {row[name]}" for row in table.to_dict("records")]
    return "; ".join(said) or SAME


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


@cache
def _meanings(settings: type) -> Mapping[str, str]:
    """Setting -> its line in the class's docstring, without its marks."""
    _, _, block = (settings.__doc__ or "").partition("Attributes:")
    found: dict[str, str] = {}
    for entry in re.split(r"\n {8}(?=\w)", block):
        names, _, text = " ".join(entry.split()).partition(": ")
        found |= dict.fromkeys(names.split(", "), text.replace("``", "").rstrip("."))
    return found
