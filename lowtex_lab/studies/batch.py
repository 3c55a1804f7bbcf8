"""Many trainings at once: what is to be done, in which order, and the processes that do it.

The plan holds each training once, however many names it goes by, and leaves out what is finished. A feature network
that several experiments share is a task of its own, and those wait for it, so that no core waits for a lock. Each task
is carried out by a process of its own, which keeps a crash or a full memory from taking others along: it trains the
experiment or finds it, scores it where asked, and writes its files. `take_measures` measures what is finished.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import pandas as pd
import torch

from lowtex.catalog import AUTO, SOURCES, data_name, needed_roots, open_pairs, open_test_set, training_settings
from lowtex.checkpoints import load_network
from lowtex.data_paths import STREETS_FOLDER, Roots, is_miniature
from lowtex.datasets import CachedPairs, StereoReader
from lowtex.devices import resolve_device, set_precision
from lowtex.errors import DataError, LowtexError, OptionError, require_choice
from lowtex.evaluation.evaluate import evaluate
from lowtex.evaluation.results import per_image_rows, rows_from, write_csv, write_rows
from lowtex.experiments import GROUPS, TO_CHOOSE, VARIANTS, Experiment, Profile, change, get_profile, named_experiment
from lowtex.files import file_problem, read_json, write_json
from lowtex.progress import duration, reporter, say, track
from lowtex.provenance import provenance
from lowtex.training import LoopOptions, experiment_folder, is_finished, train_experiment, train_feature_net
from lowtex_lab.studies import rows as files
from lowtex_lab.studies.rows import FOLDER, IMAGE_DIGITS, MEASURES, PROTOCOL, SPLITS, Entry

BY_STREET = ("edges", "mask", "smoothness")
"""Measures of images, which are taken on the streets that are scored; the others choose their own."""

POLL_S = 0.1
WATCH_S = 0.5
CHECKPOINT_EVERY = 50
LOADERS = 2


@dataclass(frozen=True)
class Place:
    """Where and with what a batch works.

    Attributes:
        run_dir: the run's folder; trainings lie in its ``experiments``, scores in its ``ablation``.
        root: of the data set that is learnt from, or of its miniature.
        profile: name; stated in the rows.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: of each process. Numbers depend on it.
        pair_options: of the reader of training pairs, over the usual ones.
        compile: of `lowtex.training.LoopOptions`.
        data: name of the data set that is learnt from.
        split: of it, that is learnt from.
        tests: roots of real images with ground truth that are scored, by name; none for images of ``data`` itself.
        start: run folder of another batch, whose training of the same name and seed each training starts from.
    """

    run_dir: Path
    root: Path
    profile: str
    device: str = "auto"
    threads: int = 1
    pair_options: Mapping[str, object] = field(default_factory=dict)
    compile: str = "auto"
    data: str = "vkitti2"
    split: str = "train"
    tests: Mapping[str, Path] = field(default_factory=dict)
    start: Path | None = None

    @property
    def experiments(self) -> Path:
        """Folder of the trainings."""
        return self.run_dir / "experiments"

    @property
    def protocols(self) -> dict[str, str]:
        """Protocol -> root of what is scored: the standing one of each root of `tests`, but of those that only hold
        another's images."""
        if not self.tests:
            return {PROTOCOL: "vkitti2"}
        sources = [source for source in SOURCES.values() if source.root in self.tests]
        images = {root for source in sources for root in source.more_roots.values()}
        first = {source.root: source.protocol for source in reversed(sources) if source.root not in images}
        return {protocol: root for root, protocol in first.items()}

    @property
    def strata(self) -> tuple[str, ...]:
        """Kinds of strata that the images can be split into."""
        if self.tests:
            return files.SPARSE_STRATA
        return files.MINIATURE_STRATA if is_miniature(self.root) else files.REAL_STRATA

    @property
    def held_out(self) -> tuple[Path, str]:
        """Root of the streets that are scored where no data set is named for it, and how the names of splits begin."""
        apart = get_profile(self.profile).miniature_streets and is_miniature(self.root)
        return (self.root.with_name(STREETS_FOLDER), "streets/") if apart else (self.root, "")

    def test_sets(self, split: str, size: tuple[int, int]) -> dict[str, StereoReader]:
        """Protocol -> the images that it scores.

        Without `tests` they are of the training pairs' own data set: the streets that the miniature holds out, where
        its profile has them (`lowtex.profiles.Profile`), else the root's own split. Of `tests` they are the protocol's
        own split, or all that the root has of it where some are missing; the rows then say ``available``.
        """
        if not self.tests:
            root, before = self.held_out
            return {PROTOCOL: open_test_set(PROTOCOL, Roots({"vkitti2": root}), f"{before}{split}", size)}
        roots = Roots(dict(self.tests), frozenset(self.tests))
        return {protocol: open_test_set(protocol, roots, AUTO, size) for protocol in self.protocols}

    def begun(self, experiment: Experiment) -> tuple[Experiment, Path | None]:
        """The experiment as it is trained here, and the folder of the training that it starts from.

        Raises:
            DataError: `start` has no training of that name and seed any more.
        """
        if self.start is None:
            return experiment, None
        label = f"{experiment.name}-s{experiment.seed}"
        record = files.read_record(self.start, label)
        folder = record and experiment_folder(self.start / "experiments", Experiment.from_dict(record["experiment"]))
        if not record or not is_finished(folder):
            raise DataError(
                f"{self.start} holds no training {label} to start from; `lowtex ablate {experiment.name} --run-dir "
                f"{self.start}` trains it"
            )
        steps = get_profile(self.profile).finetune_steps
        return change(experiment, start_from=record["key"], schedule__steps=steps), folder

    @property
    def asked(self) -> dict[str, object]:
        """How rows are scored here, as their records say it."""
        return {"protocol": "+".join(self.protocols), "strata": list(self.strata)}


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
        """For people and for the log's name; of a feature network, its folder's name too."""
        if not self.entries:
            return f"feature_net-s{self.experiment.seed}-{self.experiment.feature_net_key}"
        return self.entries[0].label

    @property
    def gives(self) -> str:
        """The feature network it trains, if that is what it does."""
        return "" if self.entries else self.experiment.feature_net_key


def splits_of(name: str, place: Place) -> tuple[str, ...]:
    """The splits a name is scored on.

    Raises:
        OptionError: it is there to be chosen from, and there are no images to choose by.
    """
    if name not in TO_CHOOSE:
        return SPLITS[1:] if place.tests else SPLITS
    if place.tests:
        raise OptionError(f"{name} is judged on validation scenes alone, and {', '.join(place.tests)} have none")
    return SPLITS[:1]


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


def parse_numbers(option: str, text: str) -> list[int]:
    """``0-5,25`` -> ``[0, 1, 2, 3, 4, 5, 25]``: in the order given, each once.

    Raises:
        OptionError: anything else than numbers and rising ranges; names the option.
    """
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise OptionError(f"{option} {text!r} must read 0-4 or 0,2,5-7, not {part.strip()!r}")
        numbers += range(int(first), int(last if dash else first) + 1)
    return list(dict.fromkeys(numbers))


def make_plan(
    place: Place,
    names: Sequence[str],
    seeds: Sequence[int],
    profile: Profile,
    settings: dict[str, object],
    finished: Path | None = None,
) -> tuple[list[Task], int]:
    """What is still to be done, seed by seed, and how many entries are done already.

    Args:
        place: where the results are.
        names: of `lowtex.experiments.VARIANTS`.
        seeds: of the trainings.
        profile: sizes and schedules.
        settings: which pairs are learnt from (`lowtex.catalog.training_settings`).
        finished: another ablation, packed or not, whose finished entries count as done.
    """
    plan, done = [], 0
    for seed in seeds:
        experiments = {name: place.begun(named_experiment(name, profile, seed, **settings))[0] for name in names}
        entries = [Entry(name, experiment, splits_of(name, place)) for name, experiment in experiments.items()]
        folders = [place.run_dir, *([finished] if finished else [])]
        to_come = [entry for entry in entries if not any(entry.is_done(folder, place.asked) for folder in folders)]
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
    # one that is not trained beforehand is made in a moment by the experiment itself
    # and a fine-tuning takes that of its start
    if experiment.feature_net is None or experiment.feature_net.kind != "autoencoder" or experiment.start_from:
        return ""
    folders = experiment_folder(place.experiments, experiment), place.experiments / Task(experiment).label
    return "" if any(map(is_finished, folders)) else experiment.feature_net_key


def run_plan(
    place: Place,
    plan: Sequence[Task],
    jobs: int,
    tell: Callable[[str], None] = say,
    module: str = __name__,
    watch: Callable[[dict[str, str]], None] | None = None,
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
        watch: gets label -> the state of each task, twice a second and at the end: ``waiting``, the last line that
            its process wrote, or how it ended.
    """
    states, watched = {task.label: "waiting" for task in plan}, 0.0
    waiting, failed, began = list(plan), {}, time.monotonic()
    running: dict[subprocess.Popen, tuple[Task, Path, float]] = {}
    lost: dict[str, str] = {}

    def ended(task: Task, what: str, reason: str = "") -> None:
        left = len(waiting) + len(running)
        number = len(plan) - left
        if reason:
            failed[task.label], what = reason, f"{what}{reason}"
        states[task.label] = what
        if reason and task.gives:
            lost[task.gives] = reason
        each = (time.monotonic() - began) / number
        outlook = f"; {left} to come, about {duration(left * each)}" if left else ""
        tell(f"[{number}/{len(plan)}] {task.label}: {what}{outlook}")

    try:
        while waiting or running:
            at_work = {task.gives for task, _, _ in running.values()} | {task.gives for task in waiting}
            ready = [task for task in waiting if not task.needs or task.needs not in at_work]
            for task in ready[: jobs - len(running)]:
                waiting.remove(task)
                if task.needs in lost:
                    ended(task, "not begun, ", f"its feature network failed: {lost[task.needs]}")
                else:
                    process, log = _start(place, task, module)
                    running[process] = task, log, time.monotonic()
            time.sleep(POLL_S)
            if watch is not None and time.monotonic() - watched >= WATCH_S:
                states.update({task.label: _last_line(log) or "begins" for task, log, _ in running.values()})
                watch(states)
                watched = time.monotonic()
            for process in [process for process in running if process.poll() is not None]:
                task, log, started = running.pop(process)
                took = duration(time.monotonic() - started)
                if process.returncode == 0:
                    log.unlink(missing_ok=True)
                    ended(task, f"done in {took}")
                else:
                    ended(task, f"FAILED after {took}: ", _reason(process.returncode, log))
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
    if watch is not None:
        watch(states)
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
    return _last_line(log) or f"ended with code {code}"


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def to_json(place: Place, experiment: Experiment, splits: Mapping[str, tuple[str, ...]]) -> str:
    """A training as text, for the process that does it.

    Args:
        splits: name -> the splits that it is scored on under this name, which may be none; no name at all asks for the
            feature network of ``experiment`` alone.
    """
    return json.dumps({"place": vars(place), "experiment": experiment.as_dict(), "splits": splits}, default=str)


def carry_out(place: Place, experiment: Experiment, splits: Mapping[str, tuple[str, ...]]) -> None:
    """Train or find an experiment and write the scores of each name that it goes by; ``splits`` as for `to_json`.

    Raises:
        LowtexError: bad data, or a training that failed.
    """
    learnt_from = _pairs(place, experiment)
    options = LoopOptions(place.device, place.compile, CHECKPOINT_EVERY, share_beginning=True)
    options.report = reporter(f"training {experiment.name}, seed {experiment.seed}")
    folder = experiment_folder(place.experiments, experiment)
    if not splits or not is_finished(folder):
        try:
            pairs = CachedPairs(learnt_from, workers=1)
        except OptionError:
            # too many for the memory
            pairs, options.workers = learnt_from, LOADERS
        if not splits:
            train_feature_net(experiment, pairs, place.experiments, options=options)
            return
        start = place.begun(experiment)[1]
        folder = train_experiment(experiment, pairs, place.experiments, start=start, options=options)
    if not any(splits.values()):
        return
    network = load_network(folder)[0].to(resolve_device(place.device))
    scored: dict[str, list] = {}
    started = time.perf_counter()
    for split in dict.fromkeys(split for wanted in splits.values() for split in wanted):
        for protocol, dataset in place.test_sets(split, experiment.data.size).items():
            # other data sets may have the same names for other images
            alike = set(learnt_from.names) if place.data in needed_roots(protocol) else set()
            if both := sorted(alike & set(dataset.names)):
                raise DataError(
                    f"{both[0]} is in the {split} split and in the training split; scores would mean nothing"
                )
            scored.setdefault(split, []).append((dataset, evaluate(network, dataset, protocol, strata=place.strata)))
    facts = _facts(place, experiment, folder) | {"score_s": round(time.perf_counter() - started, 2)}
    for name, wanted in splits.items():
        _write(place, Entry(name, replace(experiment, name=name), wanted), scored, facts)


def _pairs(place: Place, experiment: Experiment):
    """The reader of training pairs, without ground truth; `DataError` if they are not the ones that were planned."""
    data = experiment.data.dataset
    reader = open_pairs(data, place.root, place.split, experiment.data.size, **place.pair_options)
    found = training_settings(reader, data, place.root, place.pair_options)["data__source"]
    if found != experiment.data.source:
        raise DataError(
            f"{place.root} holds {found} by now, but {experiment.name!r} was planned for {experiment.data.source}; "
            "call the batch again"
        )
    return reader


def _facts(place: Place, experiment: Experiment, folder: Path) -> dict:
    """How the training went, and that of the feature network it shares with others."""
    features, training = None, read_json(folder / "done.json")
    if experiment.feature_net is not None:
        done = place.experiments / training["feature_net"] / "done.json"
        key = training["feature_net"].rpartition("-")[2]
        features = {"key": key, **(read_json(done) if done.is_file() else {})}
    return {"training": training, "feature_net": features, "scored": provenance(resolve_device(place.device))}


def _write(place: Place, entry: Entry, scored: dict, facts: dict) -> None:
    """Write the three files of an entry, the record last, so that what has a record is whole."""
    rows, images, training = [], [], facts["training"]
    # what decides the numbers is how it was trained; the code that scored is stated by its version
    origin = {**facts["scored"], **{name: training[name] for name in ("device", "threads")}}
    for dataset, result in (one for split in entry.splits for one in scored[split]):
        told = {"profile": place.profile, "miniature": is_miniature(dataset.root)}
        root = place.protocols[result.protocol.name]
        what = {"eval_data": data_name(dataset, root), "split": dataset.split}
        rows.append(rows_from(result, entry.experiment, **what, **told, origin=origin))
        images.append(per_image_rows(result, entry.experiment, **what).assign(**told, threads=training["threads"]))
    record = entry.path(place.run_dir, "records")
    record.unlink(missing_ok=True)
    write_csv(entry.path(place.run_dir, "images"), pd.concat(images), IMAGE_DIGITS)
    write_rows(entry.path(place.run_dir, "rows"), pd.concat(rows))
    write_json(record, {"experiment": entry.experiment.as_dict(), **entry.asked(place.asked), **facts})


def take_measures(place: Place, measures: Sequence[str], names: Iterable[str], seeds: Iterable[int]) -> dict[str, str]:
    """Measure every finished training of some experiments and seeds; returns ``label: measure`` -> what went wrong.

    What has been measured is not measured again, unless the training has changed since.

    Args:
        place: the ablation; its root is measured on.
        measures: of `MEASURES`.
        names, seeds: which trainings; those that are not finished are left out, and a line says how many.

    Raises:
        OptionError: an unknown measure.
    """
    for measure in measures:
        require_choice("--measure", measure, MEASURES)
    labels = [f"{name}-s{seed}" for name in names for seed in seeds]
    records = files.read_all_records(place.run_dir)
    finished = [label for label in labels if label in records]
    todo = []
    for label, measure in product(finished, measures):
        path = place.run_dir / FOLDER / measure / f"{label}.csv.gz"
        if not path.is_file() or set(files.read_csv_gz(path)["experiment_key"]) != {records[label]["key"]}:
            todo.append((label, measure, path))
    say(
        f"{len(labels)} rows, {len(labels) - len(finished)} of them not trained yet; "
        f"{len(finished) * len(measures) - len(todo)} measurements done before, {len(todo)} to come"
    )
    failed: dict[str, str] = {}
    set_precision(resolve_device(place.device))
    for label, measure, path in track(todo, "measuring", unit="network"):
        try:
            write_csv(path, _take(place, records[label], measure), IMAGE_DIGITS)
        except LowtexError as error:
            failed[f"{label}: {measure}"] = str(error)
    return failed


def _take(place: Place, record: dict, measure: str) -> pd.DataFrame:
    """The measure of one training, with what it was taken of in the columns `rows.ADDED`."""
    experiment = Experiment.from_dict(record["experiment"])
    folder = experiment_folder(place.experiments, experiment)
    if not is_finished(folder):
        raise DataError(f"{folder} is not there any more, only its rows are; `lowtex ablate` trains it again")
    network = load_network(folder)[0].to(resolve_device(place.device)).eval()
    module = importlib.import_module(MEASURES[measure])
    size = get_profile(place.profile).size
    if measure in BY_STREET:
        root, before = place.held_out
        frame = module.measure(network, root, size, split=f"{before}test")
    else:
        frame = module.measure(network, place.root, size)
    if frame.empty or set(files.ADDED) & set(frame.columns):
        raise OptionError(f"measure {measure!r} gave no rows, or columns named like one of: {', '.join(files.ADDED)}")
    facts = (experiment.name, record["key"], experiment.seed, place.profile, is_miniature(place.root))
    return frame.assign(**dict(zip(files.ADDED, (*facts, record["training"]["threads"]), strict=True)))


def main(arguments: list[str] | None = None) -> int:
    """Carry out what `to_json` wrote; the last line printed says what went wrong, if anything did."""
    [text] = sys.argv[1:] if arguments is None else arguments
    given = json.loads(text)
    told = given["place"]
    folders = {name: Path(told[name]) for name in ("run_dir", "root", "start") if told[name]}
    tests = {name: Path(folder) for name, folder in told["tests"].items()}
    place = Place(**{**told, **folders, "tests": tests})
    splits = {name: tuple(wanted) for name, wanted in given["splits"].items()}
    # ended by the batch: as if interrupted, so that half-written files are taken away
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ["LOWTEX_HEADLESS"] = "1"
    torch.set_num_threads(place.threads)
    try:
        carry_out(place, Experiment.from_dict(given["experiment"]), splits)
    except (LowtexError, OSError) as error:
        line = file_problem(error) if isinstance(error, OSError) else str(error)
        if not line:
            raise
        print(" ".join(line.split()), flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
