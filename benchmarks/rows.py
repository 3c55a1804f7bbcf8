"""Tidy rows, one number a row with what it is of and where it was measured; the table, a pure function of them; and the
targets they are held against. Nothing fails because a target is missed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

import pandas as pd
import yaml

from benchmarks.harness import GROUPS, Result, Subject
from benchmarks.machine import ORDER
from lowtex.errors import DataError
from lowtex.evaluation.results import markdown_table
from lowtex.provenance import provenance

SUBJECT = ["group", "subject", "network", "batch", "height", "width", "data"]
IDENTITY = (*SUBJECT, "contestant", "metric", "part")
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
    "idle_share": "of the time",
    "launches": "kernels a step",
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
    contest = [*SUBJECT, *WHERE]
    again = set(map(tuple, new[contest].to_numpy().tolist()))
    keep = [tuple(row) not in again for row in old[contest].to_numpy().tolist()]
    return pd.concat([old[keep], new], ignore_index=True)


REACHED, MISSED, OPEN = "reached", "not reached", "not measured"

TARGETS: list[dict] = yaml.safe_load(Path(__file__).with_name("targets.yaml").read_text(encoding="utf-8"))
"""What is to be reached on two cores."""


def judged(rows: pd.DataFrame, device: str = "cpu") -> pd.DataFrame:
    """A row a target: what was asked for, measured where, and the verdict; none on a GPU, which has no targets.

    Args:
        rows: see `COLUMNS`. Of a target that fits several, the least favourable one counts.
        device: ``cpu`` or ``cuda``.
    """
    found = []
    for target in TARGETS if device == "cpu" else []:
        where = {name: target[name] for name in target if name in rows}
        own = rows.loc[(rows[list(where)] == pd.Series(where)).all(axis=1)].sort_values("value", kind="stable")
        least = target["way"] == "at least"
        measured, verdict, n = float("nan"), OPEN, 0
        if len(own):
            worst = own.iloc[0 if least else -1]
            measured, n = float(worst["value"]), int(worst["n"])
            reached = measured >= target["bound"] if least else measured <= target["bound"]
            verdict, where = REACHED if reached else MISSED, {**where, **worst[SUBJECT]}
        found.append({**where, **target, "measured": measured, "verdict": verdict, "n": n})
    names = ["target", "way", "bound", "measured", "verdict", "n", "metric", "contestant", *SUBJECT]
    return pd.DataFrame(found, columns=names)


METHOD = (
    "Contestants run in turn in one process after one round of warm-up; a time is the median of n rounds, memory the "
    "peak of a process of its own. × is how many times faster than the first contestant. The floor is the arithmetic "
    "of the plain network's convolutions at the best rate a convolution was seen to reach."
)


def report(rows: pd.DataFrame) -> str:
    """Everything measured, a section a kind of device and then a group; Markdown that reads well as text.

    Args:
        rows: see `COLUMNS`.
    """
    parts = ["# Benchmark", METHOD]
    for (kind, device), own in rows.groupby(["device_kind", "device"], sort=False):
        parts += [f"## {device}", conditions(own)]
        parts += ["### targets", _targets(own)] if kind == "cpu" else []
        for group, what in GROUPS.items():
            of_group = own[own["group"] == group]
            if of_group.empty:
                continue
            parts += [f"### {what}", SECTIONS.get(group, _contests)(of_group)]
    return "\n\n".join(parts) + "\n"


def targets_table(rows: pd.DataFrame) -> str:
    """Targets, what was measured and whether they are reached, with the conditions below; Markdown, for the README."""
    own = rows[rows["device_kind"] == "cpu"]
    return f"{_targets(own)}\n\n{', '.join(own['device'].unique())}: {conditions(own)}."


def conditions(rows: pd.DataFrame) -> str:
    """One line: threads, versions, commits and the time of these rows."""

    def several(column: str) -> str:
        return ", ".join(dict.fromkeys(str(value) for value in rows[column])) or "unknown"

    most = int(rows["threads"].max())
    first, last = rows["created"].min(), rows["created"].max()
    when = first if first[:16] == last[:16] else f"{first} to {last}"
    return (
        f"{most} threads (quick steps, readers, projection and evaluation: 1), torch {several('torch_version')}, "
        f"commit {several('commit')}, {when}"
    )


def _targets(rows: pd.DataFrame) -> str:
    lines = []
    for line in judged(rows).itertuples():
        measured = "-" if pd.isna(line.measured) else f"{line.measured:.3g}"
        lines.append((line.target, f"{line.way} {line.bound:g}", measured, line.verdict, str(line.n)))
    return _grid(lines, ["target", "bound", "measured", "", "n"])


def _contests(rows: pd.DataFrame) -> str:
    """A line a contestant."""
    step = rows["group"].iloc[0] == "step"
    heads = ["what", "contestant", "time", "×", "n", "peak MB", "of the first's", "differs by"]
    heads += ["floor", "over the floor", "of the matmul rate"] if step else ["a second"]
    lines = []
    for subject, own in rows.groupby(SUBJECT, sort=False):
        for place, (name, of_name) in enumerate(own[own["contestant"] != ""].groupby("contestant", sort=False)):
            value = of_name.set_index("metric")["value"].to_dict()
            n = int(of_name.loc[of_name["metric"] == "ms", "n"].sum())
            line = [str(Subject(*subject)) if place == 0 else "", name]
            line += [_time(value.get("ms")), _number(value, "times_faster")]
            line += [str(n), _number(value, "peak_mb", "{:,.0f}"), _number(value, "memory_ratio")]
            line += [_number(value, "difference", "{:.0e}")]
            if step:
                line += [_time(value.get("floor_ms")), _number(value, "over_floor"), _number(value, "of_matmul_rate")]
            else:
                line += [_number(value, "per_s", "{:,.3g}")]
            lines.append(line)
    return _grid(lines, heads)


def _profile(rows: pd.DataFrame) -> str:
    parts = []
    for subject, own in rows.groupby(SUBJECT, sort=False):
        names = list(dict.fromkeys(own["contestant"]))
        value = own.set_index(["part", "contestant"])["value"].to_dict()
        whole = {name: sum(value.get((kind, name), 0.0) for kind in ORDER) for name in names}
        lines = [[kind, *(_part(value.get((kind, name), 0.0), whole[name]) for name in names)] for kind in ORDER]
        lines.append(["the whole step", *(f"{whole[name]:.0f} ms" for name in names)])
        parts += [str(Subject(*subject)), _grid(lines, ["kind of operation", *names])]
    return "\n\n".join(parts)


def _machine(rows: pd.DataFrame) -> str:
    lines = [[row.part, row.contestant, f"{row.value:,.0f} GFLOP/s"] for row in rows.itertuples()]
    return _grid(lines, ["what", "precision", "best rate"])


def _loader(rows: pd.DataFrame) -> str:
    columns = {"per_s": "{:.3g}", "idle_share": "{:.1%}", "launches": "{:.0f}"}
    lines = []
    for (*subject, name), own in rows.groupby([*SUBJECT, "contestant"], sort=False):
        value = own.set_index("metric")["value"].to_dict()
        cells = [_number(value, metric, form) for metric, form in columns.items()]
        lines.append([str(Subject(*subject)), name, *cells, str(own["n"].max())])
    return _grid(lines, ["what", "pairs from", "pairs a second", "waits for data", "launches a step", "n"])


SECTIONS = {"profile": _profile, "machine": _machine, "loader": _loader}


def _time(ms: float | None) -> str:
    if ms is None:
        return "-"
    return f"{ms / 1e3:.2f} s" if ms >= 1000 else f"{ms:.0f} ms" if ms >= 100 else f"{ms:.3g} ms"


def _number(values: dict, metric: str, form: str = "{:.2f}") -> str:
    return form.format(values[metric]) if metric in values else "-"


def _part(ms: float, whole: float) -> str:
    return f"{ms:.0f} ms, {ms / whole:.0%}" if whole else f"{ms:.0f} ms, -"


def _grid(lines: Iterable[Sequence[str]], heads: Sequence[str]) -> str:
    """Columns of equal width between bars; numbers to the right, words to the left."""
    lines = [list(line) for line in lines]
    right = {i for i in range(len(heads)) if lines and all(not x[i] or x[i][0].isdigit() or x[i] == "-" for x in lines)}
    return markdown_table(heads, lines, right, aligned=True)
