"""Results as tidy rows: one number a row, with everything needed to trace it.

A row says which experiment, seed and training data made the number, on which images by which protocol it was taken,
how many images and pixels stand behind it, and where and when it was computed. Tables and figures are pure functions
of rows, so they can be redrawn without training anything.

Rows are kept as CSV in one order and with ten significant digits, so that the same command twice writes the same
bytes, apart from the columns in `PROVENANCE_COLUMNS`.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from lowtex.errors import DataError
from lowtex.evaluation.evaluate import Evaluation
from lowtex.evaluation.metrics import LOG10, METRICS
from lowtex.evaluation.tables import IDENTITY_COLUMNS, write_csv
from lowtex.evaluation.tables import published_rows as published_rows
from lowtex.evaluation.tables import table as table
from lowtex.evaluation.tables import to_markdown as to_markdown
from lowtex.evaluation.tables import write_table as write_table
from lowtex.experiments import Experiment
from lowtex.provenance import provenance

MEASURED_COLUMNS = ("value", "images", "pixels")
"""The number (a mean over images), how many images it is the mean of, and their scored pixels."""

PROVENANCE_COLUMNS = ("lowtex_version", "torch_version", "device", "threads", "wall_s", "created")
"""Where and when; the only columns in which the same command may differ from one time to the next."""

COLUMNS = (
    *IDENTITY_COLUMNS[: IDENTITY_COLUMNS.index("metric") + 1],
    *MEASURED_COLUMNS,
    "miniature",
    "profile",
    "status",
    *PROVENANCE_COLUMNS,
)
"""All columns, in the file's order. ``miniature`` says that the images evaluated are of the kit's own world."""

_INTEGERS = ("seed", "images", "pixels", "threads")
_NUMBERS = ("cap_m", "value", "wall_s")
_FLAGS = ("flip", "miniature")
_UNREADABLE = (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, EOFError, OSError, zlib.error)


def training_data(experiment: Experiment) -> str:
    """What an experiment learned from, in one line: data set, split, variation, which files, and a start elsewhere."""
    data = experiment.data
    variation = f" {data.variation}" if data.dataset == "vkitti2" else ""
    start = f", from {experiment.start_from}" if experiment.start_from else ""
    return f"{data.dataset} {data.split}{variation} {data.source}".strip() + start


def rows_from(
    evaluation: Evaluation,
    experiment: Experiment | str,
    *,
    eval_data: str,
    split: str,
    miniature: bool,
    profile: str,
    experiment_key: str | None = None,
    seed: int | None = None,
    train_data: str | None = None,
    origin: Mapping[str, object] | None = None,
    wall_s: float | None = None,
) -> pd.DataFrame:
    """The rows of one evaluation: a row a stratum and metric, columns `COLUMNS`.

    Args:
        evaluation: from `lowtex.evaluation.evaluate.evaluate`.
        experiment: gives name, key, seed and training data; of a network that no experiment of the kit trained (a
            published checkpoint) its name, and then the three are required.
        eval_data: what was evaluated on, e.g. ``vkitti2 clone``.
        split: of it.
        miniature: whether those images are of the kit's own world.
        profile: the profile's name.
        experiment_key, seed, train_data: instead of the experiment's.
        origin: from `provenance`; None asks it now, for the processor.
        wall_s: seconds; None = the evaluation's.

    Raises:
        DataError: no image was scored, or a metric is not finite.
        TypeError: an experiment given by name lacks key, seed or training data.
    """
    trained = _columns_of(experiment, experiment_key, seed, train_data)
    if None in trained.values():
        raise TypeError("rows_from: with an experiment's name give experiment_key, seed and train_data too")
    if evaluation.images == 0:
        raise DataError(f"no rows: {evaluation.describe()}; evaluate images that have ground truth")
    origin = dict(provenance("cpu") if origin is None else origin)
    version = "+".join(str(origin[part]) for part in ("lowtex_version", "commit") if origin.get(part))
    told = {
        "eval_data": eval_data,
        "split": split,
        **evaluation.protocol.row(),
        "miniature": bool(miniature),
        "profile": profile,
        "status": "measured",
        "lowtex_version": version,
        **{name: origin[name] for name in ("torch_version", "device", "threads", "created")},
        "wall_s": round(evaluation.seconds if wall_s is None else wall_s, 2),
    }
    counted = ("stratum_kind", "stratum", "images", "pixels")
    rows = [
        {**trained, **told, **{name: mean[name] for name in counted}, "metric": metric, "value": mean[metric]}
        for mean in evaluation.means().to_dict("records")
        for metric in evaluation.metrics
    ]
    return _checked(pd.DataFrame(rows, columns=list(COLUMNS)), "rows_from")


def per_image_rows(
    evaluation: Evaluation,
    experiment: Experiment | str,
    *,
    eval_data: str,
    split: str,
    experiment_key: str | None = None,
    seed: int | None = None,
) -> pd.DataFrame:
    """The scores of each image, for statistics paired by image: what and how, then `Evaluation.per_image`."""
    trained = _columns_of(experiment, experiment_key, seed)
    trained.pop("train_data")
    told = {**trained, "eval_data": eval_data, "split": split, **evaluation.protocol.row()}
    return pd.DataFrame(told, index=evaluation.per_image.index).join(evaluation.per_image)


def _columns_of(
    experiment: Experiment | str, key: str | None, seed: int | None, train_data: str | None = None
) -> dict[str, object]:
    """The columns that say what was trained: as given, else the experiment's own; None where neither is known."""
    given = {"experiment_key": key, "seed": seed, "train_data": train_data}
    if isinstance(experiment, str):
        return {"experiment": experiment, **given}
    own = {"experiment_key": experiment.key, "seed": experiment.seed, "train_data": training_data(experiment)}
    return {"experiment": experiment.name, **own, **{name: v for name, v in given.items() if v is not None}}


def merge_rows(*frames: pd.DataFrame) -> pd.DataFrame:
    """Rows of several frames in the file's order; of two that are the same measurement the later ``created`` stays."""
    given = [frame for frame in frames if len(frame)]
    if not given:
        return pd.DataFrame(columns=list(COLUMNS))
    whole = pd.concat(given, ignore_index=True).sort_values("created", kind="stable")
    whole = whole.drop_duplicates(list(IDENTITY_COLUMNS), keep="last")
    return whole.sort_values(list(IDENTITY_COLUMNS), kind="stable").reset_index(drop=True)[list(COLUMNS)]


def write_rows(path: str | Path, frame: pd.DataFrame) -> Path:
    """Write rows, sorted, in one move.

    Raises:
        DataError: a column is missing or unknown, a value is empty or not finite, or the disk is full.
    """
    return write_csv(path, merge_rows(_checked(frame, str(path))))


def append_rows(path: str | Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Add rows to a file (made if it is missing), replacing the same measurements; returns what the file now holds.

    Not for two processes at once: give each its own file and read the folder.
    """
    old = [read_rows(path)] if Path(path).is_file() else []
    whole = merge_rows(*old, _checked(frame, str(path)))
    write_rows(path, whole)
    return whole


def read_rows(path: str | Path) -> pd.DataFrame:
    """Read rows from a file, or from every ``rows*.csv`` and ``rows/*.csv`` at or under a folder.

    Raises:
        DataError: nothing there, or a file that is not a whole table of rows; names the file and what is wrong.
    """
    path = Path(path)
    if path.is_dir():
        own = path.glob("*.csv") if path.name == "rows" else ()
        found = {*path.rglob("rows*.csv"), *path.rglob("rows/*.csv"), *own}
        files = sorted(file for file in found if not file.name.startswith("."))
        if not files:
            raise DataError(f"no rows under {path}: run the evaluation notebooks first (`lowtex run`)")
        return merge_rows(*(read_rows(file) for file in files))
    if not path.is_file():
        raise DataError(f"{path} is missing; `lowtex run` or `lowtex evaluate` writes it")
    try:
        # every cell as text first: pandas would otherwise read the name "none" as a gap and a hash as a number
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except _UNREADABLE as error:
        raise DataError(f"{path} is not a CSV file of rows ({error}); delete it and run again") from error
    return _checked(frame, str(path))


def _checked(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    missing = [name for name in COLUMNS if name not in frame.columns]
    unknown = [name for name in frame.columns if name not in COLUMNS]
    if missing or unknown:
        parts = {"lacks": missing, "has unknown": unknown}.items()
        wrong = " and ".join(f"{what} {', '.join(names)}" for what, names in parts if names)
        raise DataError(f"{where} is not a table of rows: it {wrong}")
    checked = {}
    for name in COLUMNS:
        column, text = frame[name], frame[name].astype(str)
        number = pd.to_numeric(column, errors="coerce")
        if name in _FLAGS:
            good, expected, values = text.isin(["True", "False"]), "True or False", text == "True"
        elif name in _NUMBERS:
            good, expected, values = np.isfinite(number), "a finite number", number.astype(np.float64)
        elif name in _INTEGERS:
            counted = name in ("images", "pixels")
            good = np.isfinite(number) & (number % 1 == 0) & ((number >= 1) | (not counted))
            expected, values = "at least 1" if counted else "a finite number", number.where(good, 0).astype(np.int64)
        elif name == "metric":
            good, expected, values = text.isin([*METRICS, LOG10]), "a metric's name", text
        else:
            good, expected, values = column.notna() & (text != ""), "a text", text
        if not good.all():
            row = int(np.argmin(good))
            told = f"{name}={column.iloc[row]!r}, expected {expected} ({int((~good).sum())} such rows)"
            raise DataError(f"{where}: row {row + 1} has {told}")
        checked[name] = values
    return pd.DataFrame(checked)
