"""The kit's rows of the real world: trained on the pairs of KITTI's benchmarks, scored on a few real frames.

The pairs and the frames are not in the repository, their rows are (``results/reference/real``, `START`); each folder
was made by one call of `lowtex ablate`, which ``results/README.md`` states. 22 images of three drives are no
Eigen table: the rows say how the methods do on these, and no more.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lowtex.errors import DataError
from lowtex.evaluation.results import merge_rows, read_rows
from lowtex_lab.studies.evidence import REFERENCE
from lowtex_lab.studies.rows import finished_labels, read_table

REAL = REFERENCE / "real"

START = {
    "scratch": "real pairs alone",
    "finetuned": "miniature, then real pairs",
    "miniature": "miniature alone",
}
"""Folder below `REAL` -> what the networks in it had learnt from."""

REFERENCES = "references.csv"
"""Rows of what never looks at a picture (`lowtex_lab.studies.references`), on the same frames."""

NO_PICTURE = "no picture at all"


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
        raise DataError(f"no rows of real frames in {folder}; results/README.md says how to make them")
    return pd.concat(parts, ignore_index=True)


def real_scores(start: str, protocol: str, folder: str | Path = REAL) -> pd.DataFrame:
    """Scores of single images of one folder of `START` by one protocol, for `lowtex_lab.studies.stats.effects`.

    Raises:
        DataError: there are none.
    """
    scores = read_table(Path(folder) / start, "images", finished_labels(Path(folder) / start))
    scores = scores[scores["protocol"] == protocol] if len(scores) else scores
    if scores.empty:
        raise DataError(f"no scores by {protocol} in {Path(folder) / start}")
    return scores


def real_table(
    rows: pd.DataFrame, protocol: str = "kitti_2015", metrics: Sequence[str] = ("abs_rel", "rmse", "d1_all")
) -> pd.DataFrame:
    """A line a start and method: mean and deviation over seeds on the frames of one protocol.

    Args:
        rows: of `real_rows`.
        protocol: ``kitti_2015`` (19 frames) or ``improved`` (3 frames; without ``d1_all``).
        metrics: that the rows have; the others are left out.

    Returns:
        start, method, each metric and its ``…_sd``, ``low`` and ``low_sd`` (AbsRel where the image's gradient is low),
        images, seeds.

    Raises:
        DataError: no rows by that protocol.
    """
    rows = rows[rows["protocol"] == protocol]
    if rows.empty:
        raise DataError(f"no rows of real frames by {protocol}")
    whole = rows[rows["stratum_kind"] == "none"]
    lines = whole.groupby(["start", "experiment"], sort=False).agg(
        images=("images", "first"), seeds=("seed", "nunique")
    )
    low = rows[(rows["stratum_kind"] == "gradient") & (rows["stratum"] == "low") & (rows["metric"] == "abs_rel")]
    wanted = {name: whole[whole["metric"] == name] for name in metrics if (whole["metric"] == name).any()} | {
        "low": low
    }
    for name, values in wanted.items():
        values = values.groupby(["start", "experiment"])["value"]
        lines[name], lines[f"{name}_sd"] = values.mean(), values.std()
    columns = [column for name in wanted for column in (name, f"{name}_sd")]
    return lines[[*columns, "images", "seeds"]].reset_index().rename(columns={"experiment": "method"})
