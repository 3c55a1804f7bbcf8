"""Tables from tidy rows: pure functions, so a table can be redrawn at any time without training or evaluating.

Every table says how many images and seeds stand behind each line, and what kind of line it is: measured here, measured
on the kit's miniature world, or reported by others. Reported numbers appear only when asked for, and only where their
protocol is that of the measured ones (`lowtex.evaluation.literature.comparable_rows`).
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lowtex.errors import DataError, OptionError
from lowtex.evaluation.literature import REPORTED, published_rows, reported_lines
from lowtex.evaluation.metrics import LABELS, LOG10, METRICS
from lowtex.experiments import NAMED
from lowtex.files import atomic_path, write_text

__all__ = ["published_rows", "table", "to_markdown", "write_table"]

_GROUP = (
    "experiment",
    "profile",
    "train_data",
    "eval_data",
    "split",
    "protocol",
    "crop",
    "cap_m",
    "scaling",
    "flip",
    "ground_truth",
    "stratum_kind",
    "stratum",
    "miniature",
    "status",
)
MINIATURE_MARK = ", MINIATURE"
"""Ends the status of a line that was measured on the kit's own rendered world."""

MINIATURE_NOTE = (
    "Lines marked MINIATURE were measured on the kit's own small rendered world, not on the data set whose layout it "
    "borrows. They compare methods with each other and say nothing beside reported numbers."
)

_STRATA = ("all", "low", "middle", "high", "visible", "occluded", "edge", "interior")
_ALWAYS_SHOWN = ("method", "status", "images", "seeds")
_HEADINGS = {
    "method": "Method",
    "status": "Status",
    "stratum": "Pixels",
    "images": "Images",
    "seeds": "Seeds",
    "eval_data": "Evaluated on",
    "train_data": "Trained on",
    "split": "Split",
    "protocol": "Protocol",
    "crop": "Crop",
    "cap_m": "Cap (m)",
    "scaling": "Scaling",
    "flip": "Flip",
    "ground_truth": "Ground truth",
    "profile": "Profile",
    "source": "Source",
    "stratum_kind": "Strata",
}


def table(
    rows: pd.DataFrame,
    *,
    metrics: Sequence[str] | None = None,
    stratum_kind: str = "none",
    reported: bool = False,
    order: Sequence[str] = tuple(NAMED),
) -> pd.DataFrame:
    """Means over seeds: a line a method, data, protocol and stratum.

    Args:
        rows: from `lowtex.evaluation.results.read_rows`; filter them first to what the table is about.
        metrics: names, in order; None = all that the rows have.
        stratum_kind: ``none`` for whole images only; another kind adds its strata below each ``all``.
        reported: add the published rows that were taken in the same way (whole images only), marked as such.
        order: experiments in the order of the lines; others follow by name.

    Returns:
        method, status (``measured``, ``measured, MINIATURE`` or ``reported``), the columns that state data and
        protocol, stratum, each metric and its ``…_sd`` (standard deviation over seeds, NaN for one seed), images
        (per seed), seeds (NaN for reported lines), source (reported lines).

    Raises:
        DataError: no rows; two rows for one seed, or seeds scored on different numbers of images.
        OptionError: a metric that no row has.
    """
    kept = rows[rows["stratum_kind"].isin(["none", stratum_kind])]
    if kept.empty:
        raise DataError("no rows to make a table of; check the filter, or run the evaluation first")
    present = [name for name in (*METRICS, LOG10) if (kept["metric"] == name).any()]
    metrics = present if metrics is None else list(metrics)
    if unknown := [name for name in metrics if name not in present]:
        raise OptionError(f"metrics={', '.join(unknown)}: no row has it; the rows have: {', '.join(present)}")
    lines = []
    for place, group in kept[kept["metric"].isin(metrics)].groupby(list(_GROUP), sort=False, dropna=False):
        line = dict(zip(_GROUP, place, strict=True))
        _require_one_row_a_seed(group, line)
        by_metric = group.groupby("metric")["value"]
        for name in metrics:
            values = by_metric.get_group(name) if name in by_metric.groups else pd.Series(dtype=float)
            line[name] = values.mean()
            line[f"{name}_sd"] = values.std(ddof=1)
        line["method"] = line.pop("experiment")
        if line.pop("miniature"):
            line["status"] += MINIATURE_MARK
            line["eval_data"] += " (miniature)"
        lines.append({**line, "images": int(group["images"].iloc[0]), "seeds": group["seed"].nunique(), "source": ""})
    frame = pd.DataFrame(lines).sort_values(
        ["status", "protocol", "eval_data", "method", "stratum"],
        key=lambda column: column.map(lambda cell: _rank(column.name, cell, order)),
        kind="stable",
    )
    if reported:
        frame = pd.concat([frame, reported_lines(frame, metrics)], ignore_index=True)
    values = [column for name in metrics for column in (name, f"{name}_sd")]
    statement = [name for name in _GROUP if name not in ("experiment", "status", "miniature", "stratum")]
    columns = ["method", "status", *statement, "stratum", *values, "images", "seeds", "source"]
    return frame[columns].reset_index(drop=True)


def to_markdown(frame: pd.DataFrame, *, digits: int = 3) -> str:
    """A table of `table` as Markdown: mean ± deviation where there are several seeds, ``-`` where nothing is known.

    Columns that are the same in every line move into a sentence above the table, so nothing that the numbers depend
    on is left out. Method, status, images and seeds always stay. Any other frame is written as it is.
    """
    frame = frame.drop(columns=[name for name in ("source",) if name in frame and (frame[name] == "").all()])
    shown, same = {}, []
    if "stratum_kind" in frame and len(kinds := set(frame["stratum_kind"]) - {"none"}) < 2:
        same += [f"pixels by {kind}" for kind in kinds]
        frame = frame.drop(columns="stratum_kind")
    published = frame["status"] == REPORTED if "status" in frame else pd.Series(False, index=frame.index)
    for name in (name for name in frame if not (name.endswith("_sd") and name[:-3] in frame)):
        cells = [
            _cell(value, digits if name in LABELS else None, exact=exact)
            for value, exact in zip(frame[name], published, strict=True)
        ]
        movable = "method" in frame and name not in (*_ALWAYS_SHOWN, *LABELS)
        if movable and len(set(cells)) == 1:
            same.append(f"{_HEADINGS.get(name, name).lower()} {cells[0]}")
            continue
        if f"{name}_sd" in frame:
            spread = [f" ± {sd:.{digits}f}" if np.isfinite(sd) else "" for sd in frame[f"{name}_sd"]]
            cells = [cell + more for cell, more in zip(cells, spread, strict=True)]
        shown[LABELS.get(name, _HEADINGS.get(name, name))] = cells
    numeric = {LABELS.get(name, _HEADINGS.get(name, name)) for name in (*LABELS, "images", "seeds")}
    lines = [f"Throughout: {'; '.join(same)}.\n"] if same else []
    lines.append("| " + " | ".join(shown) + " |")
    lines.append("| " + " | ".join("---:" if name in numeric else "---" for name in shown) + " |")
    lines += ["| " + " | ".join(cells) + " |" for cells in zip(*shown.values(), strict=True)]
    if "status" in frame and frame["status"].astype(str).str.endswith(MINIATURE_MARK).any():
        lines.append(f"\n{MINIATURE_NOTE}")
    return "\n".join(lines) + "\n"


def write_table(path_without_suffix: str | Path, frame: pd.DataFrame, *, digits: int = 3) -> tuple[Path, Path]:
    """Write a table as ``.md`` (for reading) and ``.csv`` (all columns, ten digits); returns the two paths."""
    base = Path(path_without_suffix)
    markdown, plain = (base.parent / f"{base.name}{suffix}" for suffix in (".md", ".csv"))
    write_text(markdown, to_markdown(frame, digits=digits))
    with atomic_path(plain) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")
    return markdown, plain


def _require_one_row_a_seed(group: pd.DataFrame, line: dict) -> None:
    where = f"{line['experiment']} on {line['eval_data']} by {line['protocol']}, {line['stratum']} pixels"
    twice = group.duplicated(["metric", "seed"], keep=False)
    if twice.any():
        seed, keys = group[twice]["seed"].iloc[0], sorted(group[twice]["experiment_key"].unique())
        raise DataError(f"{where}: seed {seed} has more than one row (experiment keys {', '.join(keys)}); keep one run")
    if group["images"].nunique() > 1:
        raise DataError(f"{where}: seeds were scored on different numbers of images, {sorted(set(group['images']))}")


def _rank(column: str, cell: object, order: Sequence[str]) -> tuple:
    if column == "method":
        return (order.index(cell) if cell in order else len(order), 0, str(cell))
    if column == "stratum":
        return tuple(part for piece in str(cell).split("/") for part in _stratum_rank(piece))
    return (0, 0, str(cell))


def _stratum_rank(name: str) -> tuple:
    if name in _STRATA:
        return (_STRATA.index(name), 0.0, name)
    number = re.search(r"\d+(\.\d+)?", name)
    start = float(number.group()) if number else 0.0
    # "<5" comes before "5-10", and ">=10" after it
    return (len(_STRATA), start + {"<": -1e-6, ">": 1e-6}.get(name[:1], 0.0), name)


def _cell(value: object, digits: int | None, exact: bool = False) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            return "-"
        text = f"{value:g}" if digits is None else f"{value:.{digits}f}"
        # what others printed is never rounded further
        return f"{value:g}" if exact and float(text) != value else text
    return str(value).replace("|", "\\|").replace("\n", " ") or "-"
