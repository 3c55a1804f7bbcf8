"""The table: a pure function of rows, as text that is also Markdown."""

from collections.abc import Iterable, Sequence

import pandas as pd

from benchmarks.harness import GROUPS, Subject
from benchmarks.step_profile import ORDER
from benchmarks.targets import judged
from lowtex.evaluation.tables import markdown_table

METHOD = (
    "Contestants run in turn in one process after one round of warm-up; a time is the median of n rounds, memory the "
    "peak of a process of its own. × is how many times faster than the first contestant. The floor is the arithmetic "
    "of the plain network's convolutions at the best rate a convolution was seen to reach."
)
SUBJECT = ["group", "subject", "network", "batch", "height", "width", "data"]


def report(rows: pd.DataFrame) -> str:
    """Everything measured, a section a kind of device and then a group; Markdown that reads well as text.

    Args:
        rows: see `benchmarks.rows`.
    """
    parts = ["# Benchmark", METHOD]
    for (kind, device), own in rows.groupby(["device_kind", "device"], sort=False):
        parts += [f"## {device}", conditions(own)]
        parts += ["### targets", _targets(own, kind)]
        for group, what in GROUPS.items():
            of_group = own[own["group"] == group]
            if of_group.empty:
                continue
            parts += [f"### {what}", SECTIONS.get(group, _contests)(of_group)]
    return "\n\n".join(parts) + "\n"


def targets_table(rows: pd.DataFrame, kind: str = "cpu") -> str:
    """Targets, what was measured and whether they are reached, with the conditions below; Markdown, for the README."""
    own = rows[rows["device_kind"] == kind]
    return f"{_targets(own, kind)}\n\n{', '.join(own['device'].unique())}: {conditions(own)}."


def conditions(rows: pd.DataFrame) -> str:
    """One line: threads, versions, commits and the time of these rows."""

    def several(column: str) -> str:
        return ", ".join(dict.fromkeys(str(value) for value in rows[column])) or "unknown"

    most = int(rows["threads"].max())
    first, last = rows["created"].min(), rows["created"].max()
    when = first if first[:16] == last[:16] else f"{first} to {last}"
    return (
        f"{most} threads (readers, projection, evaluation and rendering: 1), torch {several('torch_version')}, "
        f"commit {several('commit')}, {when}"
    )


def _targets(rows: pd.DataFrame, kind: str) -> str:
    lines = []
    for line in judged(rows, kind).itertuples():
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
            n = int(of_name.loc[of_name["metric"] == "ms", "n"].iloc[0]) if "ms" in value else 0
            line = [
                str(Subject(*subject)) if place == 0 else "",
                name,
                _time(value.get("ms")),
                _number(value, "times_faster"),
            ]
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
    lines = []
    for (*subject, name, part), own in rows.groupby([*SUBJECT, "contestant", "part"], sort=False):
        value = own.set_index("metric")["value"].to_dict()
        lines.append(
            [
                str(Subject(*subject)),
                name,
                part,
                _number(value, "per_s", "{:.1f}"),
                _number(value, "waiting_share", "{:.1%}"),
            ]
        )
    return _grid(lines, ["what", "contestant", "loader", "pairs a second", "waiting for the loader"])


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
