"""Reading tidy rows for a figure: the right columns, one protocol, and a caption that says what stands behind it."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from lowtex.errors import DataError, OptionError
from lowtex.evaluation.protocols import PROTOCOL_COLUMNS
from lowtex.evaluation.texture import STRATUM_ORDER
from lowtex.progress import count

LOOK = yaml.safe_load(Path(__file__).with_name("look.yaml").read_text(encoding="utf-8"))
"""How methods, data terms and metrics are called and drawn."""

PROTOCOL = ("train_data", "eval_data", "split", *PROTOCOL_COLUMNS, "profile")
"""What must be the same in all rows of one figure, because numbers that differ in it cannot be compared."""

NEEDED = ("experiment", "experiment_key", "seed", "stratum_kind", "stratum", "metric", "value", "images", *PROTOCOL)

_INTERVAL = re.compile(r"^(<|>=)?([\d.]+)(?:-([\d.]+))?\s*\D*$")

_IMAGES = re.compile(r" (real|miniature):[0-9a-f]{12}$")


def without_hash(eval_data: str) -> str:
    """A data set's name as a label: without the hash of its images (`lowtex.catalog.data_name`)."""
    return _IMAGES.sub("", eval_data)


def metric_label(metric: str) -> str:
    """Axis label of a metric with its unit and which way is good."""
    name, way = LOOK["metrics"].get(metric, (metric, ""))
    return name + (f"\n({way})" if way else "")


def metric_name(metric: str) -> str:
    """A metric's label without which way is good."""
    return metric_label(metric).partition("\n")[0]


def require_columns(rows: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """Raise `DataError` where a column is missing or no row is left; names the figure and what is there."""
    missing = [column for column in columns if column not in rows.columns]
    if missing:
        raise DataError(
            f"{what} needs the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
            f"these rows have: {', '.join(map(str, rows.columns)) or 'none'}"
        )
    if rows.empty:
        raise DataError(f"{what} got no rows; evaluate something first, or widen the selection")


def refuse_mixture(rows: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """Raise `DataError` where rows can't be compared: they differ in one of the columns that they have, or one
    experiment and seed stands for several settings."""
    for column in columns:
        if column in rows and rows[column].nunique(dropna=False) > 1:
            raise DataError(
                f"{what}: the rows differ in {column} ({_listed(rows[column])}) and cannot be compared; "
                f"keep one, e.g. rows[rows.{column} == {rows[column].iloc[0]!r}]"
            )
    if "experiment_key" in rows:
        keys = rows.groupby(["experiment", "seed"], dropna=False)["experiment_key"].nunique()
        if (keys > 1).any():
            name, seed = keys.index[keys > 1][0]
            raise DataError(f"{what}: experiment {name!r}, seed {seed} stands for several settings (experiment_key)")


def comparable_values(rows: pd.DataFrame, metric: str, kind: str | None, what: str) -> pd.DataFrame:
    """The rows of one metric and one kind of strata, one for each experiment, seed and stratum; checked.

    Args:
        rows: tidy rows.
        metric, kind: which; see `select_kind`.
        what: the figure's name, for the messages.

    Raises:
        DataError: columns are missing, no row has the metric, two rows claim the same place with different values, or
            rows of different protocols, data or profiles would share one axis.
        OptionError: as `select_kind`.
    """
    require_columns(rows, NEEDED, what)
    chosen = rows[rows["metric"] == metric]
    if chosen.empty:
        raise DataError(f"{what}: no row has metric {metric!r}; there are: {_listed(rows['metric'])}")
    chosen = select_kind(chosen, kind, what).astype({"stratum": str})
    refuse_mixture(chosen, PROTOCOL, what)
    keys = ["experiment", "seed", "stratum"]
    once = chosen.drop_duplicates([*keys, "value"])
    twice = once[once.duplicated(keys, keep=False)]
    if len(twice):
        first = twice.iloc[0]
        raise DataError(
            f"{what}: two values for experiment {first['experiment']!r}, seed {first['seed']}, stratum "
            f"{first['stratum']!r}; keep one of them"
        )
    return once


def select_kind(rows: pd.DataFrame, kind: str | None, what: str) -> pd.DataFrame:
    """The overall rows and those of one kind of strata, strata in reading order.

    Raises:
        OptionError: the kind is not there, or there are several and none was chosen.
    """
    kinds = [k for k in rows["stratum_kind"].astype(str).unique() if k not in ("none", "all")]
    if kind is None and len(kinds) > 1:
        raise OptionError(f"{what}: the rows hold several kinds of strata; choose kind= one of: {', '.join(kinds)}")
    if kind is not None and kind not in kinds:
        raise OptionError(f"{what}: no row has stratum_kind {kind!r}; there are: {', '.join(kinds) or 'none'}")
    overall = rows["stratum_kind"].astype(str).isin(["none", "all"])
    inside = rows["stratum_kind"].astype(str) == (kind or (kinds[0] if kinds else ""))
    # a kind repeats the whole image as its own 'all', which would be counted twice
    return rows[overall | (inside & (rows["stratum"] != "all"))]


def in_order(strata: Iterable[str]) -> list[str]:
    """Strata in reading order: the whole, then known names, then bins by their lower end, then as they came; crossed
    ones (``low/<10 m``) by their first part, then by the next."""
    names = list(dict.fromkeys(map(str, strata)))

    def place(name: str) -> list[tuple]:
        places = []
        for part in name.split("/"):
            ends = interval(part)
            if part in STRATUM_ORDER:
                places.append((0, STRATUM_ORDER.index(part)))
            else:
                places.append((1, ends[0]) if ends else (2, names.index(name)))
        return places

    return sorted(names, key=place)


def interval(stratum: str) -> tuple[float, float] | None:
    """Ends of a bin written ``<10 m``, ``10-20 m`` or ``>=80 m``; None for any other name."""
    found = _INTERVAL.match(str(stratum).strip())
    if not found or bool(found[1]) == bool(found[3]):
        return None
    end = float(found[2])
    return (end, float(found[3])) if found[3] else (-np.inf, end) if found[1] == "<" else (end, np.inf)


def bin_text(name: str) -> str:
    """A bin as it is written at an axis; any other name as it is."""
    if interval(name) is None:
        return name
    return name.replace(">=", "≥ ").replace("<", "< ").replace("-", "–")


def number_range(values: pd.Series) -> str:
    """``5``, or ``3 to 5`` where the values differ."""
    low, high = (int(end) for end in pd.to_numeric(values).agg(["min", "max"]))
    return f"{high}" if low == high else f"{low} to {high}"


def counted(values: pd.Series, noun: str) -> str:
    """``5 seeds``, or ``3 to 5 seeds`` where the values differ."""
    numbers = number_range(values)
    return f"{numbers} {noun}" + ("" if numbers == "1" else "s")


def seed_count(rows: pd.DataFrame) -> str:
    """``5 seeds, 40 images``, from rows with ``seed`` and ``images``."""
    return f"{count(int(rows['seed'].nunique()), 'seed')}, {counted(rows['images'], 'image')}"


def is_miniature(rows: pd.DataFrame) -> bool:
    """Any row was measured on the kit's own small world."""
    return "miniature" in rows.columns and bool(rows["miniature"].astype(str).str.lower().isin(["true", "1"]).any())


def caption(rows: pd.DataFrame, more: str) -> str:
    """What stands behind `comparable_values`: data, images, seeds, protocol, profile; then ``more``."""
    first = rows.iloc[0]
    crop = "no crop" if first["crop"] == "none" else f"{first['crop']} crop"
    cap = f"cap {float(first['cap_m']):g} m" if pd.notna(first["cap_m"]) else ""
    scaling = {"none": "no scaling", "median": "median-scaled"}.get(first["scaling"], f"scaled {first['scaling']}")
    flip = "flip-averaged" if str(first["flip"]).lower() == "true" else ""
    said = [f"{first['eval_data']} {first['split']}", f"n = {counted(rows['images'], 'image')}"]
    said.append(counted(rows.groupby("experiment")["seed"].nunique(), "seed"))
    said.append(f"protocol {first['protocol']} ({', '.join(filter(None, [crop, cap, scaling, flip]))})")
    return " · ".join([*said, f"profile {first['profile']}", more])


def _listed(values: pd.Series) -> str:
    return ", ".join(map(str, list(dict.fromkeys(values))[:8]))
