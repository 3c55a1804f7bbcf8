"""Tidy rows: one number a row, with what it is of, how many repeats stand behind it, and where it was measured."""

from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path

import pandas as pd

from benchmarks.harness import Result, Subject
from lowtex.errors import DataError
from lowtex.evaluation.results import write_csv
from lowtex.provenance import provenance

IDENTITY = ("group", "subject", "network", "batch", "height", "width", "data", "contestant", "metric", "part")
"""What a number is; with `WHERE`, two rows that agree in all of these are the same measurement."""

WHERE = ("device_kind", "device", "threads")
VALUE = ("value", "unit", "n")
PROVENANCE = ("lowtex_version", "commit", "torch_version", "python_version", "created")
COLUMNS = (*IDENTITY, *VALUE, *WHERE, *PROVENANCE)
WHOLE = ("batch", "height", "width", "threads", "n")
TEXT = {name: str for name in COLUMNS if name not in (*WHOLE, "value")}

UNITS = {
    "ms": "ms an item",
    "ms_least": "ms an item",
    "ms_most": "ms an item",
    "per_s": "items/s",
    "times_faster": "times the first contestant",
    "times_from_files": "times an item from files",
    "difference": "relative difference of the values",
    "peak_mb": "MB",
    "memory_ratio": "of the first contestant's",
    "gflop": "GFLOP",
    "floor_ms": "ms",
    "over_floor": "times the floor",
    "of_matmul_rate": "of the matmul rate",
    "gflop_per_s": "GFLOP/s",
    "profile_ms": "ms",
    "waiting_share": "of the time",
}
"""Metric -> unit."""


class Rows:
    """Collects rows of one call.

    Args:
        device: ``cpu`` or ``cuda``.

    Attributes:
        threads: of what is added next, where it is another number than torch has now.
    """

    def __init__(self, device: str):
        self.device, self.rows = device, []
        self.threads: int | None = None

    def add(self, subject: Subject, contestant: str, metric: str, value: float, n: int = 1, part: str = "") -> None:
        """One number; ``metric`` is one of `UNITS`."""
        identity = dict(zip(IDENTITY, (*astuple(subject), contestant, metric, part), strict=True))
        number = {"value": float(value), "unit": UNITS[metric], "n": int(n)}
        where = {"device_kind": self.device, **provenance(self.device)}
        where["threads"] = self.threads or where["threads"]
        self.rows.append({**identity, **number, **where})

    def add_result(self, subject: Subject, result: Result) -> None:
        """Times, ratios and differences of a contest; the first contestant is what the others are compared with."""
        names = list(result.seconds)
        for name in names:
            seconds, n = result.seconds[name], len(result.seconds[name])
            median = result.median(name)
            self.add(subject, name, "ms", 1e3 * median, n)
            self.add(subject, name, "ms_least", 1e3 * min(seconds), n)
            self.add(subject, name, "ms_most", 1e3 * max(seconds), n)
            self.add(subject, name, "per_s", max(subject.batch, 1) / median, n)
            if name != names[0]:
                self.add(subject, name, "times_faster", result.median(names[0]) / median, n)
            if name in result.difference:
                self.add(subject, name, "difference", result.difference[name], n)
            if name in ("kit_prepared", "kit_memory"):
                self.add(subject, name, "times_from_files", result.median("kit") / median, n)

    def add_memory(self, subject: Subject, peaks: Mapping[str, int]) -> None:
        """Peak bytes of the contestants, first one first."""
        first = next(iter(peaks.values()), 0)
        for index, (name, peak) in enumerate(peaks.items()):
            self.add(subject, name, "peak_mb", peak / 1e6)
            if index and first:
                self.add(subject, name, "memory_ratio", peak / first)

    def frame(self) -> pd.DataFrame:
        """All rows so far."""
        return typed(pd.DataFrame(self.rows, columns=list(COLUMNS)))


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns in order and of their kinds."""
    frame = frame[list(COLUMNS)].copy()
    frame[list(TEXT)] = frame[list(TEXT)].fillna("").astype(str)
    return frame.astype({**dict.fromkeys(WHOLE, "int64"), "value": "float64"})


def read_rows(path: Path) -> pd.DataFrame:
    """Rows written before; none where there is no file.

    Raises:
        DataError: not such a file.
    """
    if not path.is_file():
        return typed(pd.DataFrame(columns=list(COLUMNS)))
    try:
        return typed(pd.read_csv(path, dtype=TEXT, keep_default_na=False, na_values={"value": [""]}))
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} holds no rows of a benchmark ({error}); delete it, or give --out another folder"
        ) from error


def merged(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The new rows, and of the old ones those whose contest was not measured anew under the same conditions."""
    if old.empty:
        return new
    contest = [name for name in (*IDENTITY[:7], *WHERE)]
    again = set(map(tuple, new[contest].to_numpy().tolist()))
    keep = [tuple(row) not in again for row in old[contest].to_numpy().tolist()]
    return pd.concat([old[keep], new], ignore_index=True)


def write_rows(path: Path, rows: pd.DataFrame) -> None:
    """As CSV, whole or not at all."""
    write_csv(path, rows)
