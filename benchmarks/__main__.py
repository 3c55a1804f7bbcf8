"""The command ``python -m benchmarks``, which ``make bench`` calls; every measurement is written at once."""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from benchmarks import machine
from benchmarks.harness import (
    GROUPS,
    LEAST_REPEATS,
    REPEATS,
    Conditions,
    Contest,
    Disagreement,
    Subject,
    asked,
    chosen,
    contestants,
    peak_memory,
    race,
    threads,
)
from benchmarks.rows import Rows, merged, read_rows, report
from benchmarks.subjects import all_contests, loop
from benchmarks.subjects.readers import miniature_profile, root_of
from benchmarks.subjects.steps import RESNET, step_subjects
from lowtex.data_paths import DATASETS
from lowtex.devices import resolve_device
from lowtex.errors import DataError, LowtexError, OptionError
from lowtex.evaluation.results import write_csv
from lowtex.files import write_text
from lowtex.paths import from_root, shown
from lowtex.progress import say
from lowtex.provenance import device_name, provenance
from lowtex_lab.miniature.store import ensure_miniature
from lowtex_lab.plots import benchmark_overview, save_figure

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
MACHINE = Subject("machine", "best rate")
ROWS = "rows.csv"
EXAMPLE = """example:
  python -m benchmarks                                     everything, about ten minutes on two cores
  python -m benchmarks --only step,profile --device cuda   whole steps and where their time goes, on a GPU
  python -m benchmarks --only "step+batch 4+640x192"       some lines of the table
"""


class Run:
    """One call of the benchmark.

    Args:
        conditions: device, sizes, data.
        out: folder; its ``rows.csv`` keeps what was measured before of anything that is not measured now.
        repeats: rounds of every contest, fewer where one is too slow.
        tell: gets a line for each thing measured.
    """

    def __init__(self, conditions: Conditions, out: Path, repeats: int, tell: Callable[[str], None] = say):
        self.conditions, self.path, self.repeats, self.tell = conditions, out / ROWS, repeats, tell
        self.rows = Rows(conditions.device)
        self.before = read_rows(self.path)
        self.rates: dict[tuple[str, str], float] = {}

    def everything(self, only: Sequence[str] = ()) -> pd.DataFrame:
        """Measure what ``only`` names (groups, or parts of a subject's text), all without it; returns all rows.

        The machine's rates are measured with the steps, whose times are held against them.

        Raises:
            OptionError: nothing is of that name. Disagreement: two contestants do not compute the same thing.
        """
        contests = chosen(all_contests(self.conditions), only)
        jobs = [(self.contest, contest) for contest in contests]
        others = (self.profile, self.profile_subjects()), (self.loop, loop.subjects(self.conditions))
        jobs += [(job, subject) for job, subjects in others for subject in subjects if asked(subject, only)]
        if only and not (jobs or asked(MACHINE, only)):
            raise OptionError(
                f"--only {','.join(only)} is nothing that is measured; name groups ({', '.join(GROUPS)}) or parts of a "
                "subject's name, such as SSIM or step+640x192"
            )
        for contest in all_contests(self.conditions):
            if contest.long and not only:
                self.tell(f'{contest.subject}: left out, it takes minutes; --only "step+batch 12" measures it')
        if "kit_bf16" not in contestants(self.conditions):
            self.tell("no bf16: this processor has no instructions for it (avx512_bf16)")
        if asked(MACHINE, only) or any(contest.subject.group == "step" for contest in contests):
            self.measure_machine()
        for job, what in jobs:
            job(what)
        return self.write()

    def write(self) -> pd.DataFrame:
        """All rows so far, with what is kept of earlier calls."""
        rows = merged(self.before, self.rows.frame())
        write_csv(self.path, rows)
        return rows

    def measure_machine(self) -> None:
        """Best rates of convolution and matrix product, here and in earlier calls under the same conditions.

        They are the machine's, not this call's: whatever else it has to do now makes them smaller, never larger.
        """
        self.rates = machine.rates(self.conditions)
        now = provenance(self.conditions.device)
        same = self.before["group"] == MACHINE.group
        for column in ("device", "threads", "torch_version"):
            same &= self.before[column] == now[column]
        for row in self.before[same].itertuples():
            key = (row.part, row.contestant)
            self.rates[key] = max(self.rates.get(key, 0.0), 1e9 * row.value)
        for (what, precision), rate in self.rates.items():
            self.rows.add(MACHINE, precision, "gflop_per_s", rate / 1e9, part=what)
            self.tell(f"{what}, {precision}: {rate / 1e9:.0f} GFLOP/s")

    def contest(self, contest: Contest) -> None:
        """Time one contest, then each contestant's memory."""
        subject = contest.subject
        try:
            result = race(contest, self.conditions, self.repeats)
            peaks = {name: peak_memory(contest, name, self.conditions) for name in contest.names}
        except Disagreement:
            raise
        except LowtexError as error:
            self.tell(f"{subject}: skipped, {error}")
            return
        self.rows.threads = contest.threads
        self.rows.add_result(subject, result)
        self.rows.add_memory(subject, peaks)
        if subject.group == "step" and not contest.threads:
            # the machine's rates are of all threads
            self.floor(subject, {name: result.median(name) for name in contest.names})
        self.rows.threads = None
        n = len(result.seconds[contest.names[0]])
        times = ", ".join(f"{name} {1e3 * result.median(name):.4g} ms" for name in contest.names)
        self.tell(f"{subject}: {times}; n = {n}")
        self.write()

    def floor(self, subject: Subject, seconds: dict[str, float]) -> None:
        """The step's arithmetic at the machine's best rates, and how far above it each contestant is."""
        flop = machine.step_flop(subject, self.conditions, subject.network != RESNET)
        self.rows.add(subject, "", "gflop", flop / 1e9)
        for name, took in seconds.items():
            precision = contestants(self.conditions)[name]
            least = flop / self.rates["convolution", precision]
            self.rows.add(subject, name, "floor_ms", 1e3 * least)
            self.rows.add(subject, name, "over_floor", took / least)
            self.rows.add(subject, name, "of_matmul_rate", flop / took / self.rates["matmul", precision])

    def profile_subjects(self) -> list[Subject]:
        """The batch of four at 640x192, of both networks."""
        steps = step_subjects(self.conditions.smoke)
        if not self.conditions.smoke:
            steps = [subject for subject in steps if (subject.batch, subject.height) == (4, 192)]
        return [replace(subject, group="profile", name="profile of a step") for subject in steps]

    def profile(self, subject: Subject) -> None:
        """Self times of one step of each contestant, by kind of operation."""
        for name in contestants(self.conditions):
            kinds = machine.step_profile(self.conditions, subject, name)
            for kind, seconds in kinds.items():
                self.rows.add(subject, name, "profile_ms", 1e3 * seconds, part=kind)
            shares = ", ".join(f"{kind} {1e3 * seconds:.0f}" for kind, seconds in kinds.items())
            self.tell(f"{subject}, {name}, ms: {shares}")
            self.write()

    def loop(self, subject: Subject) -> None:
        """Medians over a few trainings of each way to read the pairs, in turn."""
        ways, conditions = loop.WAYS, self.conditions
        rounds = [{way: loop.measured(conditions, subject, way) for way in ways} for _ in range(LEAST_REPEATS)]
        for way, first in rounds[0].items():
            found = {metric: statistics.median(each[way][metric] for each in rounds) for metric in first}
            for metric, median in found.items():
                self.rows.add(subject, way, metric, median, len(rounds))
            self.tell(f"{subject}, {way}: {found['per_s']:.3g} pairs/s, waits {found['idle_share']:.1%} of the time")
        self.write()


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    groups = "; ".join(f"{name}: {what}" for name, what in GROUPS.items())
    own = argparse.ArgumentParser(
        prog="benchmarks",
        description="Measure the kit beside a plain formulation of the same, and hold it against the targets. "
        f"Writes rows, a table and a figure. Groups: {groups}.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    only = "comma-separated groups, or parts of a subject's name; the others' rows of earlier calls are kept"
    own.add_argument("--only", default="", metavar="WORDS", help=only)
    rounds = f"rounds, {LEAST_REPEATS} or more; default {REPEATS}; a short contest gets more, a long one fewer"
    own.add_argument("--repeats", type=int, default=REPEATS, help=rounds)
    own.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU where there is one")
    own.add_argument("--threads", type=int, help="of torch on the CPU; default as torch chooses")
    own.add_argument("--real", type=Path, metavar="FOLDER", help="real samples (kitti_raw, kitti_depth, … in it)")
    own.add_argument("--out", default="results/bench", metavar="FOLDER", help="for rows, table and figure")
    own.add_argument("--smoke", action="store_true", help="the smallest sizes, for tests; the numbers mean nothing")
    return own


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code: 0 on success only, 2 for bad input, 1 where contestants disagree."""
    options = parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="lowtex_benchmark_") as work, threads(None):
            return measured(options, Path(work))
    except LowtexError as error:
        print(f"benchmarks: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT if isinstance(error, OptionError | DataError) else FAILED
    except KeyboardInterrupt:
        print("benchmarks: interrupted; the rows measured so far are kept", file=sys.stderr)
        return INTERRUPTED


def measured(options: argparse.Namespace, work: Path) -> int:
    """Check the options, measure, write rows, table and figure, and print the table."""
    if options.repeats < LEAST_REPEATS:
        raise OptionError(f"--repeats {options.repeats} must be {LEAST_REPEATS} or more")
    if options.threads is not None and options.threads < 1:
        raise OptionError(f"--threads {options.threads} must be 1 or more")
    real = options.real and options.real.expanduser().resolve()
    if real and not real.is_dir():
        raise DataError(f"--real {options.real} is not a folder; give one with kitti_raw, kitti_depth, … in it")
    device = resolve_device(options.device).type
    out = from_root(options.out)
    torch.set_num_threads(options.threads or torch.get_num_threads())
    conditions = Conditions(device, options.smoke, real, work, torch.get_num_threads())
    run = Run(conditions, out, options.repeats)
    if not all(root_of(name, conditions).is_dir() for name in DATASETS):
        ensure_miniature(miniature_profile(conditions))
    rows = run.everything([word for word in options.only.split(",") if word.strip()])
    text = report(rows)
    write_text(out / "table.md", text)
    files = [ROWS, "table.md"]
    own = rows[(rows["device_kind"] == device) & (rows["device"] == device_name(device))]
    if "profile_ms" in set(own["metric"]) or "yardstick" in set(own["contestant"]):
        save_figure(benchmark_overview(own), out / "overview")
        files.append("overview.png")
    print(f"\n{text}")
    print(f"in {shown(out)}: {', '.join(files)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
