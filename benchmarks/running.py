"""From a list of what is asked for to rows: every measurement of one call, written as soon as it is made."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from benchmarks import machine
from benchmarks.harness import Conditions, Contest, Disagreement, Subject, asked, chosen, race
from benchmarks.memory import peak_memory
from benchmarks.rows import Rows, merged, read_rows, write_rows
from benchmarks.step_profile import step_profile
from benchmarks.subjects import all_contests, loading
from benchmarks.subjects.pairs import RESNET
from benchmarks.subjects.steps import step_subjects
from lowtex.errors import DataError, LowtexError, OptionError
from lowtex.progress import say
from lowtex.provenance import provenance

MACHINE = Subject("machine", "best rate")
PROFILE = "profile of a step"
PRECISION = {"yardstick": "fp32", "kit": "fp32", "kit_bf16": "bf16"}
ROWS = "rows.csv"


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
        profiles = [subject for subject in self.profile_subjects() if asked(subject, only)]
        loaders = [subject for subject in loading.subjects(self.conditions) if asked(subject, only)]
        if only and not (contests or profiles or loaders or asked(MACHINE, only)):
            raise OptionError(
                f"--only {','.join(only)} is nothing that is measured; name groups (machine, step, profile, loss, "
                "data, use, loader) or parts of a subject's name, such as SSIM or step+640x192"
            )
        for contest in all_contests(self.conditions):
            if contest.long and not only:
                self.tell(f'{contest.subject}: left out, it takes minutes; --only "step+batch 12" measures it')
        if asked(MACHINE, only) or any(contest.subject.group == "step" for contest in contests):
            self.measure_machine()
        for contest in contests:
            self.contest(contest)
        for subject in profiles:
            self.profile(subject)
        for subject in loaders:
            self.loader(subject)
        return self.write()

    def write(self) -> pd.DataFrame:
        """All rows so far, with what is kept of earlier calls."""
        rows = merged(self.before, self.rows.frame())
        write_rows(self.path, rows)
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
            self.rows.add(MACHINE, precision, "gflop_per_s", rate / 1e9, machine.ROUNDS, part=what)
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
        if subject.group == "step":
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
            least = flop / self.rates["convolution", PRECISION[name]]
            self.rows.add(subject, name, "floor_ms", 1e3 * least)
            self.rows.add(subject, name, "over_floor", took / least)
            self.rows.add(subject, name, "of_matmul_rate", flop / took / self.rates["matmul", PRECISION[name]])

    def profile_subjects(self) -> list[Subject]:
        """The batch of four at 640x192, of both networks."""
        steps = step_subjects(self.conditions.smoke)
        if not self.conditions.smoke:
            steps = [subject for subject in steps if (subject.batch, subject.height) == (4, 192)]
        return [replace(subject, group="profile", name=PROFILE) for subject in steps]

    def profile(self, subject: Subject) -> None:
        """Self times of one step of each contestant, by kind of operation."""
        for name in PRECISION:
            kinds = step_profile(self.conditions, subject, name)
            for kind, seconds in kinds.items():
                self.rows.add(subject, name, "profile_ms", 1e3 * seconds, part=kind)
            shares = ", ".join(f"{kind} {1e3 * seconds:.0f}" for kind, seconds in kinds.items())
            self.tell(f"{subject}, {name}, ms: {shares}")
            self.write()

    def loader(self, subject: Subject) -> None:
        """Pairs a second of the kit's training, and its share of waiting for them, without and with workers."""
        helpers = min(4, max(1, (os.cpu_count() or 2) - 1))
        names = ("kit", "kit_bf16") if self.conditions.device == "cuda" else ("kit",)
        try:
            for name in names:
                for workers in (0, helpers):
                    part, n = f"{workers} workers", loading.steps_of(self.conditions)
                    rate = loading.pairs_per_second(self.conditions, subject, PRECISION[name], workers)
                    share = loading.waiting_share(self.conditions, subject, PRECISION[name], workers)
                    self.rows.add(subject, name, "per_s", rate, n, part)
                    self.rows.add(subject, name, "waiting_share", share, n, part)
                    self.tell(f"{subject}, {name}, {part}: {rate:.3g} pairs/s, waiting {share:.1%} of the time")
                    self.write()
        except DataError as error:
            self.tell(f"{subject}: skipped, {error}")
