"""The kit's rows of the real world: trained on the pairs of KITTI's benchmarks, scored on a few real frames.

The pairs and the frames are not in the repository, their rows are (``results/reference/real``, `START`); each folder
was made by one call of `lowtex ablate`, which ``results/README.md`` states. 22 images of three drives are no
Eigen table: the rows say how the methods do on these, and no more.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lowtex.errors import DataError
from lowtex.evaluation.results import merge_rows, read_rows
from lowtex.paths import shown
from lowtex.progress import count
from lowtex_lab.studies.evidence import REFERENCE
from lowtex_lab.studies.rows import finished_labels, read_table
from lowtex_lab.studies.stats.effect_rules import corrected
from lowtex_lab.studies.stats.effects import compare
from lowtex_lab.studies.tables import in_words, mean_text

REAL = REFERENCE / "real"

START = {
    "miniature": "miniature alone",
    "scratch": "real pairs alone",
    "finetuned": "miniature, then real pairs",
}
"""Folder below `REAL` -> what the networks in it had learnt from, in reading order."""

REFERENCES = "references.csv"
"""Rows of what never looks at a picture (`lowtex_lab.studies.references`), on the same frames."""

NO_PICTURE = "no picture at all"

MAKE = "lowtex ablate --only named --profile study --data kitti_pairs=FOLDER --split all --data kitti_2015=FOLDER"
"""What makes the rows of networks from scratch; ``results/README.md`` states the others."""


METRICS = ("abs_rel", "rmse", "d1_all")
"""Of `real_table`, those that the rows have."""


def real_rows(folder: str | Path = REAL) -> pd.DataFrame:
    """Tidy rows of all networks and references on real frames, with a column ``start``: a value of `START`, or
    `NO_PICTURE` of the references.

    Raises:
        DataError: there are none; says how to make them.
    """
    parts = []
    for name, start in START.items():
        if labels := finished_labels(Path(folder) / name):
            parts.append(merge_rows(read_table(Path(folder) / name, "rows", labels)).assign(start=start))
    if (Path(folder) / REFERENCES).is_file():
        parts.append(read_rows(Path(folder) / REFERENCES).assign(start=NO_PICTURE))
    if not parts:
        raise DataError(f"no rows of real frames in {shown(folder)}; `{MAKE}` makes them")
    return pd.concat(parts, ignore_index=True)


def real_table(rows: pd.DataFrame, protocol: str = "kitti_2015") -> pd.DataFrame:
    """A line a start and method: mean and deviation over seeds on the frames of one protocol.

    Args:
        rows: of `real_rows`.
        protocol: ``kitti_2015`` (19 frames) or ``improved`` (3 frames; without ``d1_all``).

    Returns:
        start, method, each of `METRICS` and its ``…_sd``, ``low`` and ``low_sd`` (AbsRel where the image's gradient is
        low), images, seeds.

    Raises:
        DataError: no rows by that protocol.
    """
    rows = rows[rows["protocol"] == protocol]
    if rows.empty:
        raise DataError(f"no rows of real frames by {protocol}")
    whole, by = rows[rows["stratum_kind"] == "none"], ["start", "experiment"]
    low = rows[(rows["stratum_kind"] == "gradient") & (rows["stratum"] == "low") & (rows["metric"] == "abs_rel")]
    lines = whole.groupby(by, sort=False).agg(images=("images", "first"), seeds=("seed", "nunique"))
    wanted = {name: whole[whole["metric"] == name] for name in METRICS if name in set(whole["metric"])} | {"low": low}
    for name, own in wanted.items():
        values = own.groupby(by)["value"]
        lines[name], lines[f"{name}_sd"] = values.mean(), values.std()
    columns = [column for name in wanted for column in (name, f"{name}_sd")]
    return lines[[*columns, "images", "seeds"]].reset_index().rename(columns={"experiment": "method"})


def real_effects(
    protocol: str, metric: str = "abs_rel", folder: str | Path = REAL, method: str = "ours", **options: object
) -> pd.DataFrame:
    """A method's error over that of `baseline` on real frames, a row a start (``effect``) and stratum; one family.

    Frames are drawn one by one: each stands for a place of its own.

    Args:
        protocol: ``kitti_2015`` or ``improved``.
        metric: a column of the scores of images.
        folder: that of `real_rows`.
        method: beside `baseline`.
        options: stratum_kind, strata and more of `lowtex_lab.studies.stats.effects.compare`.

    Returns:
        as `compare`, `corrected`; a start without a seed of both is left out, without rows where none has.

    Raises:
        DataError: a start without scores by that protocol.
    """
    found = []
    for name, start in START.items():
        if labels := finished_labels(Path(folder) / name):
            scores = read_table(Path(folder) / name, "images", labels)
            scores = scores[scores["protocol"] == protocol]
            if scores.empty:
                raise DataError(f"no scores by {protocol} in {Path(folder) / name}")
            pair = [(method, "baseline")]
            effects = compare(scores, pair, metric, skip_missing=True, clusters="image", **options)
            if len(effects):
                found.append(effects.assign(effect=start))
    return corrected(pd.concat(found, ignore_index=True)) if found else pd.DataFrame()


def by_start(table: pd.DataFrame) -> pd.DataFrame:
    """AbsRel of `real_table` to read: a line a method, a column a start with ``0.123 ± 0.004`` over seeds."""
    text = map(mean_text, table["abs_rel"], table["abs_rel_sd"])
    wide = table.assign(text=list(text)).pivot(index="method", columns="start", values="text")
    columns = [start for start in (*START.values(), NO_PICTURE) if start in wide]
    return wide.loc[list(dict.fromkeys(table["method"])), columns].fillna("–").reset_index()


def real_points(rows: pd.DataFrame, protocol: str, panels: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Every seed's value for `lowtex_lab.plots.line_panels`: a line a method over what its network had learnt from.

    Args:
        rows: of `real_rows`.
        protocol: as in `real_table`.
        panels: title -> (metric, stratum); ``all`` is the whole frame, else a stratum by the image's gradient.

    Returns:
        x (the start), y, name, panel, seed; the references, which have no start, are left out.
    """
    rows = rows[(rows["protocol"] == protocol) & (rows["start"] != NO_PICTURE)]
    parts = []
    for panel, (metric, stratum) in panels.items():
        kind = "none" if stratum == "all" else "gradient"
        chosen = (rows["metric"] == metric) & (rows["stratum_kind"] == kind) & (rows["stratum"] == stratum)
        parts.append(rows[chosen].assign(panel=panel))
    points = pd.concat(parts, ignore_index=True).rename(columns={"start": "x", "value": "y", "experiment": "name"})
    return points[["x", "y", "name", "panel", "seed", "miniature"]]


def real_answer(rows: pd.DataFrame, protocol: str, folder: str | Path = REAL) -> str:
    """Two sentences on real frames, with their n: the smallest error beside what never looks at a picture, and `ours`
    over `baseline` start by start.

    Args:
        rows: of `real_rows`.
        protocol: as in `real_table`.
        folder: that of the rows.
    """
    table = real_table(rows, protocol)
    blind = table[table["start"] == NO_PICTURE].sort_values("abs_rel")
    networks = table[table["start"] != NO_PICTURE]
    best = networks.loc[networks["abs_rel"].idxmin()]
    seen = f"{count(int(best['images']), 'real frame')}, {count(int(best['seeds']), 'seed')}"
    said = f"Of {count(len(networks), 'kind')} of training the smallest AbsRel is {best['abs_rel']:.3f}, that of "
    said += f"`{best['method']}`, {best['start']}"
    if len(blind):
        said += f"; {blind['method'].iloc[0].replace('reference: ', 'a ')}, which sees no picture, scores "
        said += f"{blind['abs_rel'].iloc[0]:.3f}"
    effects = real_effects(protocol, folder=folder).to_dict("records")
    ratios = "; ".join(f"{effect['effect']}, {in_words(effect)}" for effect in effects)
    return f"{said} ({seen})." + (f" Beside the error of `baseline`, that of `ours` is: {ratios}." if ratios else "")
