"""Many trainings at once: what is to be done, in which order, and the processes that do it.

The plan holds each training once, however many names it goes by, and leaves out what is finished. A feature network
that several experiments share is a task of its own, and those wait for it, so that no core waits for a lock.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lowtex.errors import OptionError, require_choice
from lowtex.experiments import GROUPS, VARIANTS, Experiment, Profile, named_experiment
from lowtex.progress import duration, say
from lowtex.training import experiment_folder, is_finished
from lowtex_lab.studies.rows import FOLDER, Entry
from lowtex_lab.studies.work import Place, to_json

SPLITS = ("val", "test")
"""What a row is scored on; a point of the smoothness curve on validation scenes alone."""

POLL_S = 0.1


@dataclass(frozen=True)
class Task:
    """One training, with all the entries it is scored for; without any, the feature network of ``experiment``.

    An entry of no splits is trained and not scored.
    """

    experiment: Experiment
    entries: tuple[Entry, ...] = ()
    needs: str = field(default="", compare=False)

    @property
    def label(self) -> str:
        """For people and for the log's name."""
        if not self.entries:
            return f"feature_net-s{self.experiment.seed}-{self.experiment.feature_net_key}"
        return self.entries[0].label

    @property
    def gives(self) -> str:
        """The feature network it trains, if that is what it does."""
        return "" if self.entries else self.experiment.feature_net_key


def splits_of(name: str) -> tuple[str, ...]:
    """The splits a name is scored on."""
    return SPLITS[:1] if name in GROUPS["curve"] else SPLITS


def select(groups: Iterable[str] = (), names: Iterable[str] = ()) -> list[str]:
    """Names of whole groups (`lowtex.experiments.GROUPS`) and single names, each once; nothing given is
    everything.

    Raises:
        OptionError: an unknown group or name.
    """
    groups, names = list(groups), list(names)
    for group in groups:
        require_choice("--only", group, GROUPS)
    for name in names:
        named_experiment(name)
    chosen = [name for group in groups for name in GROUPS[group]] + names
    return list(dict.fromkeys(chosen or VARIANTS))


def parse_seeds(text: str) -> tuple[int, ...]:
    """``0-4`` or ``0,2,5-7`` -> seeds, rising, each once.

    Raises:
        OptionError: not of that form.
    """
    seeds: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise OptionError(f"--seeds {text!r} must read 0-4 or 0,2,5-7")
        seeds.update(range(int(first), int(last if dash else first) + 1))
    return tuple(sorted(seeds))


def make_plan(
    place: Place, names: Sequence[str], seeds: Sequence[int], profile: Profile, settings: dict[str, object]
) -> tuple[list[Task], int]:
    """What is still to be done, seed by seed, and how many entries are done already.

    Args:
        place: where the results are.
        names: of `lowtex.experiments.VARIANTS`.
        seeds: of the trainings.
        profile: sizes and schedules.
        settings: which pairs are learnt from (`lowtex.catalog.training_settings`).
    """
    plan, done = [], 0
    for seed in seeds:
        entries = [Entry(name, named_experiment(name, profile, seed, **settings), splits_of(name)) for name in names]
        to_come = [entry for entry in entries if not entry.is_done(place.run_dir, place.strata)]
        done += len(entries) - len(to_come)
        plan += tasks_of(place, to_come)
    return plan, done


def tasks_of(place: Place, entries: Iterable[Entry]) -> list[Task]:
    """The tasks of some entries: each training once, feature networks first; none for one that is trained and asks for
    no scores."""
    by_key: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.splits or not is_finished(experiment_folder(place.experiments, entry.experiment)):
            by_key.setdefault(entry.experiment.key, []).append(entry)
    networks: dict[str, Task] = {}
    tasks = []
    for alike in by_key.values():
        experiment = alike[0].experiment
        needs = _missing_network(place, experiment)
        if needs:
            networks.setdefault(needs, Task(experiment))
        tasks.append(Task(experiment, tuple(alike), needs))
    return [*networks.values(), *sorted(tasks, key=lambda task: bool(task.needs))]


def _missing_network(place: Place, experiment: Experiment) -> str:
    """Key of the feature network that has to be trained before the experiment can be; empty if there is none."""
    if is_finished(experiment_folder(place.experiments, experiment)) or experiment.feature_net is None:
        return ""
    # one that is not trained beforehand is made in a moment by the experiment itself
    if experiment.feature_net.kind != "autoencoder":
        return ""
    key = experiment.feature_net_key
    return "" if is_finished(place.experiments / f"feature_net-s{experiment.seed}-{key}") else key


def run_plan(
    place: Place,
    plan: Sequence[Task],
    jobs: int,
    tell: Callable[[str], None] = say,
    module: str = "lowtex_lab.studies.work",
) -> dict[str, str]:
    """Carry out a plan with ``jobs`` processes at a time; returns label -> reason of what failed.

    A failure stops nothing but what needs it. If this is interrupted, the processes are ended; what they had finished
    is kept and what they were training goes on from its last checkpoint when the plan is made again.

    Args:
        place: where, on what device and with how many threads a process.
        plan: from `make_plan`.
        jobs: processes at a time.
        tell: gets a line when a task begins or ends.
        module: what a process runs; for tests.
    """
    waiting, failed, began = list(plan), {}, time.monotonic()
    running: dict[subprocess.Popen, tuple[Task, Path, float]] = {}
    lost: dict[str, str] = {}
    ended = 0
    try:
        while waiting or running:
            at_work = {task.gives for task, _, _ in running.values()} | {task.gives for task in waiting}
            while waiting and len(running) < jobs:
                task = next((task for task in waiting if not task.needs or task.needs not in at_work), None)
                if task is None:
                    break
                waiting.remove(task)
                if task.needs in lost:
                    failed[task.label] = f"its feature network failed: {lost[task.needs]}"
                    ended += 1
                    tell(f"[{ended}/{len(plan)}] {task.label}: not begun, {failed[task.label]}")
                    continue
                process, log = _start(place, task, module)
                running[process] = task, log, time.monotonic()
            time.sleep(POLL_S)
            for process in [process for process in running if process.poll() is not None]:
                task, log, started = running.pop(process)
                ended += 1
                took = duration(time.monotonic() - started)
                outlook = _outlook(len(plan) - ended, (time.monotonic() - began) / ended)
                if process.returncode == 0:
                    log.unlink(missing_ok=True)
                    tell(f"[{ended}/{len(plan)}] {task.label}: done in {took}{outlook}")
                    continue
                reason = _reason(process.returncode, log)
                failed[task.label] = reason
                if task.gives:
                    lost[task.gives] = reason
                tell(f"[{ended}/{len(plan)}] {task.label}: FAILED after {took}: {reason}{outlook}")
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
    return failed


def _start(place: Place, task: Task, module: str) -> tuple[subprocess.Popen, Path]:
    log = place.run_dir / FOLDER / "logs" / f"{task.label}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    splits = {entry.name: entry.splits for entry in task.entries}
    words = [sys.executable, "-m", module, to_json(place, task.experiment, splits)]
    threads = {name: str(place.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **threads, "PYTHONUNBUFFERED": "1"}
        )
    return process, log


def _reason(code: int, log: Path) -> str:
    """What the process said last; of one that was killed, by what, since it could say nothing."""
    if code < 0:
        return f"killed by signal {-code} (9 is mostly a lack of memory: try fewer --jobs)"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), f"ended with code {code}")


def _outlook(left: int, seconds_each: float) -> str:
    return f"; {left} to come, about {duration(left * seconds_each)}" if left else ""
