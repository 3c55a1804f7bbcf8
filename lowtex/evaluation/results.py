"""Results as tidy rows, one number a row with everything needed to trace it, and the tables made of them.

A row says which experiment, seed and training data made the number, on which images by which protocol it was taken,
how many images and pixels stand behind it, and where and when it was computed (``columns.csv``). Rows are kept as CSV
in one order and with ten significant digits, so that the same command twice writes the same bytes, apart from the
columns in `PROVENANCE_COLUMNS`.

Tables and figures are pure functions of rows, so they can be redrawn without training or evaluating anything. Every
table says how many images and seeds stand behind each line, and what kind of line it is: measured here, measured on the
kit's miniature world, or reported by others. Reported numbers appear only when asked for, and only where their protocol
is that of the measured ones (`comparable_rows`). They are kept as data in ``literature.csv``.
"""

import gzip
import re
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from lowtex.errors import DataError, OptionError
from lowtex.evaluation.evaluate import Evaluation
from lowtex.evaluation.metrics import ALL_METRICS, LABELS
from lowtex.evaluation.protocols import PROTOCOL_COLUMNS, PROTOCOLS
from lowtex.evaluation.texture import STRATUM_ORDER
from lowtex.experiments import NAMED, Experiment
from lowtex.files import atomic_path, write_text
from lowtex.provenance import provenance

_COLUMNS = pd.read_csv(Path(__file__).with_name("columns.csv"), index_col="column", keep_default_na=False)


def _columns(part: str) -> tuple[str, ...]:
    return tuple(_COLUMNS.index[_COLUMNS["part"] == part])


IDENTITY_COLUMNS = _columns("identity")
"""What a number is; two rows that agree in all of these are the same measurement."""

PROVENANCE_COLUMNS = _columns("provenance")
"""Where and when; the only columns in which the same command may differ from one time to the next."""

_EARLIER = _COLUMNS["earlier"][_COLUMNS["earlier"] != ""].to_dict()
"""Column -> what it says of rows that were written before there was such a column."""

COLUMNS = tuple(_COLUMNS.index[_COLUMNS["part"] != "table"])
"""All columns, in the file's order. ``value`` is a mean over ``images``, whose scored ``pixels`` are counted too;
``miniature`` says that the images evaluated are of the kit's own world."""

_GROUP = ["experiment", "profile"]
_GROUP += [name for name in IDENTITY_COLUMNS if name not in (*_GROUP, "experiment_key", "seed", "metric")]
"""What the rows behind one line of a table agree in."""

_HEADINGS = _COLUMNS["heading"][_COLUMNS["heading"] != ""].to_dict() | LABELS
"""Column -> its heading in a table to read; another column keeps its name."""

REPORTED = "reported"

NOT_STATED = "not stated"
"""A precision that is not known: of a training that was not the kit's, and in rows from before it was recorded."""

_FLIPS = {"none": False, "flip": True}
"""Of a published row; ``not stated`` where its source does not say."""

_DATA = {"make3d": "Make3D", "improved": "KITTI, improved", "velodyne_x": "KITTI"}

MINIATURE_MARK = ", MINIATURE"
"""Ends the status of a line that was measured on the kit's own rendered world."""

MINIATURE_NOTE = (
    "Lines marked MINIATURE were measured on the kit's own small rendered world, not on the data set whose layout it "
    "borrows. They compare methods with each other and say nothing beside reported numbers."
)

_ALWAYS_SHOWN = ("method", "status", "images", "seeds")

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
    origin: Mapping[str, object] | None = None,
    **trained: object,
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
        origin: from `provenance`; None asks it now, for the processor.
        trained: ``experiment_key``, ``seed`` and ``train_data`` instead of the experiment's.

    Raises:
        DataError: no image was scored, or a metric is not finite.
        TypeError: an experiment given by name lacks key, seed or training data.
    """
    trained = _columns_of(experiment, trained)
    if not {"experiment_key", "seed", "train_data"} <= set(trained):
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
        "train_precision": experiment.schedule.precision if isinstance(experiment, Experiment) else NOT_STATED,
        "eval_precision": evaluation.precision,
        "wall_s": round(evaluation.seconds, 2),
    }
    counted = ("stratum_kind", "stratum", "images", "pixels")
    rows = [
        {**trained, **told, **{name: mean[name] for name in counted}, "metric": metric, "value": mean[metric]}
        for mean in evaluation.means().to_dict("records")
        for metric in evaluation.metrics
    ]
    return _checked(pd.DataFrame(rows, columns=list(COLUMNS)), "rows_from")


def per_image_rows(
    evaluation: Evaluation, experiment: Experiment | str, *, eval_data: str, split: str, **trained: object
) -> pd.DataFrame:
    """The scores of each image, for statistics paired by image: what and how, then `Evaluation.per_image`."""
    trained = _columns_of(experiment, {"experiment_key": None, "seed": None, **trained})
    trained.pop("train_data", None)
    told = {**trained, "eval_data": eval_data, "split": split, **evaluation.protocol.row()}
    return pd.DataFrame(told, index=evaluation.per_image.index).join(evaluation.per_image)


def _columns_of(experiment: Experiment | str, given: Mapping[str, object]) -> dict[str, object]:
    """The columns that say what was trained: as given, else the experiment's own."""
    if isinstance(experiment, str):
        return {"experiment": experiment, **given}
    own = {"experiment_key": experiment.key, "seed": experiment.seed, "train_data": training_data(experiment)}
    return {"experiment": experiment.name, **own, **{name: value for name, value in given.items() if value is not None}}


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
    write_csv(path, whole)
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
    earlier = {name: value for name, value in _EARLIER.items() if name not in frame}
    return _checked(frame.assign(**earlier), str(path))


def _checked(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    missing = [name for name in COLUMNS if name not in frame.columns]
    unknown = [name for name in frame.columns if name not in COLUMNS]
    if missing or unknown:
        parts = {"lacks": missing, "has unknown": unknown}.items()
        wrong = " and ".join(f"{what} {', '.join(names)}" for what, names in parts if names)
        raise DataError(f"{where} is not a table of rows: it {wrong}")
    checked = {}
    for name in COLUMNS:
        column, kind = frame[name], _COLUMNS["kind"][name]
        # each reading is slow on long tables, so only the one that is asked for
        if kind in ("number", "whole", "count"):
            number = pd.to_numeric(column, errors="coerce")
        else:
            text = column.astype(str)
        if kind == "flag":
            good, expected, values = text.isin(["True", "False"]), "True or False", text == "True"
        elif kind == "number":
            good, expected, values = np.isfinite(number), "a finite number", number.astype(np.float64)
        elif kind in ("whole", "count"):
            good = np.isfinite(number) & (number % 1 == 0) & ((number >= 1) | (kind == "whole"))
            expected = "a finite number" if kind == "whole" else "at least 1"
            values = number.where(good, 0).astype(np.int64)
        elif kind == "metric":
            good, expected, values = text.isin(ALL_METRICS), "a metric's name", text
        else:
            good, expected, values = column.notna() & (text != ""), "a text", text
        if not good.all():
            row = int(np.argmin(good))
            told = f"{name}={column.iloc[row]!r}, expected {expected} ({int((~good).sum())} such rows)"
            raise DataError(f"{where}: row {row + 1} has {told}")
        checked[name] = values
    return pd.DataFrame(checked)


def table(
    rows: pd.DataFrame,
    *,
    metrics: Sequence[str] | None = None,
    stratum_kind: str = "none",
    reported: bool = False,
) -> pd.DataFrame:
    """Means over seeds: a line a method, data, protocol and stratum.

    Args:
        rows: from `read_rows`; filter them first to what the table is about.
        metrics: names, in order; None = all that the rows have.
        stratum_kind: ``none`` for whole images only; another kind adds its strata below each ``all``.
        reported: add the published rows that were taken in the same way (whole images only), marked as such.

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
    present = [name for name in ALL_METRICS if (kept["metric"] == name).any()]
    metrics = present if metrics is None else list(metrics)
    if unknown := [name for name in metrics if name not in present]:
        raise OptionError(f"metrics={', '.join(unknown)}: no row has it; the rows have: {', '.join(present)}")
    kept = kept[kept["metric"].isin(metrics)]
    _require_one_row_a_seed(kept)
    frame = kept.groupby(_GROUP, sort=False).agg(images=("images", "first"), seeds=("seed", "nunique"))
    values = kept.groupby([*_GROUP, "metric"])["value"].agg(["mean", "std"]).unstack("metric")
    for name in metrics:
        frame[name], frame[f"{name}_sd"] = values["mean", name], values["std", name]
    frame = frame.reset_index().rename(columns={"experiment": "method"}).assign(source="")
    frame["status"] += np.where(frame["miniature"], MINIATURE_MARK, "")
    frame["eval_data"] += np.where(frame["miniature"], " (miniature)", "")
    frame = frame.sort_values(
        ["status", "protocol", "eval_data", "method", "stratum"],
        key=lambda column: column.map(lambda cell: _rank(column.name, cell)),
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
    status = frame.get("status", pd.Series("", index=frame.index)).astype(str)
    for name in (name for name in frame if not (name.endswith("_sd") and name[:-3] in frame)):
        places = digits if name in LABELS else None
        cells = [_cell(cell, places, of == REPORTED) for cell, of in zip(frame[name], status, strict=True)]
        movable = "method" in frame and name not in (*_ALWAYS_SHOWN, *LABELS)
        if movable and len(set(cells)) == 1:
            same.append(f"{_HEADINGS.get(name, name).lower()} {cells[0]}")
            continue
        if f"{name}_sd" in frame:
            spread = [f" ± {sd:.{digits}f}" if np.isfinite(sd) else "" for sd in frame[f"{name}_sd"]]
            cells = [cell + more for cell, more in zip(cells, spread, strict=True)]
        shown[_HEADINGS.get(name, name)] = cells
    numeric = {_HEADINGS[name] for name in (*LABELS, "images", "seeds")}
    lines = [f"Throughout: {'; '.join(same)}.\n"] if same else []
    right = {place for place, name in enumerate(shown) if name in numeric}
    lines.append(markdown_table(shown, zip(*shown.values(), strict=True), right))
    if status.str.endswith(MINIATURE_MARK).any():
        lines.append(f"\n{MINIATURE_NOTE}")
    return "\n".join(lines) + "\n"


def markdown_table(
    heads: Iterable[str], lines: Iterable[Iterable[str]], right: Collection[int], aligned: bool = False
) -> str:
    """Cells as a Markdown table, without a last line break.

    Args:
        heads: of the columns.
        lines: of as many cells each.
        right: numbers of the columns that are set to the right.
        aligned: pad the cells, so that it reads as plain text too.
    """
    rows = [list(heads), *map(list, lines)]
    rules = [" ---: " if i in right else " --- " for i in range(len(rows[0]))]
    if aligned:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        pads = [str.rjust if i in right else str.ljust for i in range(len(widths))]
        rows = [[pad(*cell) for pad, *cell in zip(pads, row, widths, strict=True)] for row in rows]
        rules = ["-" * (width + 1) + (":" if i in right else "-") for i, width in enumerate(widths)]
    texts = [[f" {cell} " if cell else " " for cell in row] for row in rows]
    return "\n".join(f"|{'|'.join(cells)}|" for cells in (texts[0], rules, *texts[1:]))


def write_csv(path: str | Path, frame: pd.DataFrame, digits: int = 10) -> Path:
    """Write any frame as CSV in one move, so that equal numbers give equal bytes; packed where the name ends ``.gz``.

    Numbers have ``digits`` significant digits.
    """
    content = frame.to_csv(index=False, float_format=f"%.{digits}g", lineterminator="\n").encode()
    with atomic_path(path) as temporary:
        # a time of packing would make equal rows differ
        temporary.write_bytes(gzip.compress(content, mtime=0) if Path(path).suffix == ".gz" else content)
    return Path(path)


def write_table(path_without_suffix: str | Path, frame: pd.DataFrame) -> tuple[Path, Path]:
    """Write a table as ``.md`` (for reading) and ``.csv`` (all columns, ten digits); returns the two paths."""
    base = Path(path_without_suffix)
    markdown = base.with_name(f"{base.name}.md")
    write_text(markdown, to_markdown(frame))
    return markdown, write_csv(base.with_name(f"{base.name}.csv"), frame)


@cache
def _published() -> pd.DataFrame:
    frame = pd.read_csv(Path(__file__).with_name("literature.csv"), dtype=str, keep_default_na=False)
    for name in ALL_METRICS:
        # no published row has D1-all yet
        frame[name] = pd.to_numeric(frame.get(name, pd.Series("", frame.index)).replace("", np.nan))
    frame["images"] = frame["images"].astype(np.int64)
    return frame


def published_rows(protocol: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Numbers that others published, each read in the public source named beside it; never measured here.

    Columns: method, training (``S`` stereo pairs, ``M`` one moving camera, ``MS`` both), resolution, postprocessing,
    protocol, scaling, images, the metrics (NaN where the source was not seen to state one), source, note, status
    (always ``reported``). The paper itself has no row: none of its numbers could be obtained.

    Protocols are the kit's own (`evaluation.protocols.PROTOCOLS`), and ``improved_unstated`` where the source does not
    say which variant it is. Scaling ``none`` means without the median: many of them multiply by 5.4.

    Args:
        protocol: only these.
    """
    frame = _published()
    if protocol is not None:
        frame = frame[frame["protocol"].isin([protocol] if isinstance(protocol, str) else protocol)]
    return frame.reset_index(drop=True)


def comparable_rows(
    protocol: str, crop: str, cap_m: float, scaling: str, flip: bool, ground_truth: str
) -> pd.DataFrame:
    """The published rows that were taken as a measured line was, see `published_rows` for the columns.

    The protocol must be one of the kit's by name and by crop, cap and ground truth; a row whose scaling is not stated
    is left out (median scaling changes everything), and so is one with another post-processing. A row that does not
    state its post-processing stays, because that changes little; its ``postprocessing`` says ``not stated``. A scaling
    by a fixed factor (``x5.4``) is as good as none.

    Args:
        protocol, crop, cap_m, scaling, flip, ground_truth: as in the columns of measured rows.
    """
    known = PROTOCOLS.get(protocol)
    place = {"crop": crop, "cap_m": cap_m, "ground_truth": ground_truth}
    if known is None or any(known.row()[name] != value for name, value in place.items()):
        return published_rows([])
    rows = published_rows(protocol)
    same_scaling = rows["scaling"] == ("none" if scaling.startswith("x") else scaling)
    same_flip = rows["postprocessing"].isin(["not stated", "flip" if flip else "none"])
    return rows[same_scaling & same_flip]


def reported_lines(measured: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The lines of a table for the published rows that may stand beside its measured lines, each once.

    Args:
        measured: lines of `table`.
        metrics: names; a published row without any of them is left out.
    """
    lines = []
    for place in measured[list(PROTOCOL_COLUMNS)].drop_duplicates().to_dict("records"):
        found = comparable_rows(**place)
        found = found[found[list(metrics)].notna().any(axis=1)]
        names = [f"{m}, {r}" if r else m for m, r in zip(found["method"], found["resolution"], strict=True)]
        lines.append(
            found.assign(
                method=names,
                train_data=found["training"],
                flip=found["postprocessing"].map(lambda said: _FLIPS.get(said, said)),
                eval_data=f"{_DATA.get(place['ground_truth'], place['ground_truth'])}, as published",
                **{name: place[name] for name in ("crop", "cap_m", "ground_truth")},
            )
        )
    whole = pd.concat(lines, ignore_index=True)
    whole = whole.drop_duplicates(["method", "train_data", "protocol", "flip", "source", *metrics])
    fixed = {"split": REPORTED, "profile": REPORTED, "stratum_kind": "none", "stratum": "all", "seeds": np.nan}
    return whole.assign(**fixed, **{f"{name}_sd": np.nan for name in metrics})


def _require_one_row_a_seed(rows: pd.DataFrame) -> None:
    twice = rows.duplicated([*_GROUP, "seed", "metric"], keep=False)
    images = rows.groupby(_GROUP)["images"].transform("nunique")
    for bad in rows[twice | (images > 1)].head(1).to_dict("records"):
        alike = rows[(rows[_GROUP] == pd.Series(bad)[_GROUP]).all(axis=1)]
        where = f"{bad['experiment']} on {bad['eval_data']} by {bad['protocol']}, {bad['stratum']} pixels"
        if alike["images"].nunique() > 1:
            counts = sorted(set(alike["images"]))
            raise DataError(f"{where}: seeds were scored on different numbers of images, {counts}")
        keys = ", ".join(sorted(alike.loc[alike["seed"] == bad["seed"], "experiment_key"].unique()))
        raise DataError(f"{where}: seed {bad['seed']} has more than one row (experiment keys {keys}); keep one run")


def _rank(column: str, cell: object) -> tuple:
    order = tuple(NAMED)
    if column == "method":
        return (order.index(cell) if cell in order else len(order), 0, str(cell))
    if column == "stratum":
        return tuple(part for piece in str(cell).split("/") for part in _stratum_rank(piece))
    return (0, 0, str(cell))


def _stratum_rank(name: str) -> tuple:
    if name in STRATUM_ORDER:
        return (STRATUM_ORDER.index(name), 0.0, name)
    number = re.search(r"\d+(\.\d+)?", name)
    start = float(number.group()) if number else 0.0
    # "<5" comes before "5-10", and ">=10" after it
    return (len(STRATUM_ORDER), start + {"<": -1e-6, ">": 1e-6}.get(name[:1], 0.0), name)


def _cell(value: object, digits: int | None, exact: bool) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            return "-"
        text = f"{value:g}" if digits is None else f"{value:.{digits}f}"
        # what others printed is never rounded further
        return f"{value:g}" if exact and float(text) != value else text
    return str(value).replace("|", "\\|").replace("\n", " ") or "-"
