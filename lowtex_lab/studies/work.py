"""One training of a batch, in a process of its own: train it or find it, score it where asked, write its files.

Called by `studies.batch`. A process for each training keeps a crash or a full memory from taking others along.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import torch

from lowtex.catalog import data_name, open_pairs, open_test_set, training_settings
from lowtex.checkpoints import load_network
from lowtex.data_paths import Roots, is_miniature
from lowtex.datasets import CachedPairs
from lowtex.devices import resolve_device
from lowtex.errors import DataError, LowtexError, OptionError
from lowtex.evaluation.evaluate import evaluate
from lowtex.evaluation.results import per_image_rows, rows_from
from lowtex.experiments import Experiment
from lowtex.files import file_problem, read_json
from lowtex.progress import reporter
from lowtex.provenance import provenance
from lowtex.training import LoopOptions, experiment_folder, is_finished, train_experiment, train_feature_net
from lowtex_lab.studies.rows import MINIATURE_STRATA, PROTOCOL, REAL_STRATA, Entry, write_entry

CHECKPOINT_EVERY = 50
LOADERS = 2


@dataclass(frozen=True)
class Place:
    """Where and with what a batch works.

    Attributes:
        run_dir: the run's folder; trainings lie in its ``experiments``, scores in its ``ablation``.
        root: of the data set that is learnt from, or of its miniature; scores are of Virtual KITTI 2.
        profile: name; stated in the rows.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: of each process. Numbers depend on it.
        pair_options: of the reader of training pairs, over the usual ones.
    """

    run_dir: Path
    root: Path
    profile: str
    device: str = "auto"
    threads: int = 1
    pair_options: Mapping[str, object] = field(default_factory=dict)

    @property
    def experiments(self) -> Path:
        """Folder of the trainings."""
        return self.run_dir / "experiments"

    @property
    def strata(self) -> tuple[str, ...]:
        """Kinds of strata that these images can be split into."""
        return MINIATURE_STRATA if is_miniature(self.root) else REAL_STRATA


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
    options = LoopOptions(device=place.device, checkpoint_every=CHECKPOINT_EVERY)
    options.report = reporter(f"training {experiment.name}, seed {experiment.seed}")
    folder = experiment_folder(place.experiments, experiment)
    if not splits or not is_finished(folder):
        pairs, options.workers = _in_memory(learnt_from)
        if not splits:
            train_feature_net(experiment, pairs, place.experiments, options=options)
            return
        folder = train_experiment(experiment, pairs, place.experiments, options=options)
    if not any(splits.values()):
        return
    network = load_network(folder)[0].to(resolve_device(place.device))
    scored = {}
    started = time.perf_counter()
    for split in dict.fromkeys(split for wanted in splits.values() for split in wanted):
        dataset = open_test_set(PROTOCOL, Roots({"vkitti2": place.root}), split, experiment.data.size)
        if both := sorted(set(dataset.names) & set(learnt_from.names)):
            raise DataError(f"{both[0]} is in the {split} split and in the training split; scores would mean nothing")
        scored[split] = dataset, evaluate(network, dataset, PROTOCOL, strata=place.strata)
    facts = _facts(place, experiment, folder) | {"score_s": round(time.perf_counter() - started, 2)}
    for name, wanted in splits.items():
        _write(place, Entry(name, replace(experiment, name=name), wanted), scored, facts)


def _pairs(place: Place, experiment: Experiment):
    """The reader of training pairs, without ground truth; `DataError` if they are not the ones that were planned."""
    data = experiment.data.dataset
    reader = open_pairs(data, place.root, "train", experiment.data.size, **place.pair_options)
    found = training_settings(reader, data, place.root, place.pair_options)["data__source"]
    if found != experiment.data.source:
        raise DataError(
            f"{place.root} holds {found} by now, but {experiment.name!r} was planned for {experiment.data.source}; "
            "call the batch again"
        )
    return reader


def _in_memory(reader):
    try:
        return CachedPairs(reader, workers=1), 0
    except OptionError:
        return reader, LOADERS


def _facts(place: Place, experiment: Experiment, folder: Path) -> dict:
    """How the training went, and that of the feature network it shares with others."""
    features = None
    if experiment.feature_net is not None:
        key = experiment.feature_net_key
        done = place.experiments / f"feature_net-s{experiment.seed}-{key}" / "done.json"
        features = {"key": key, **(read_json(done) if done.is_file() else {})}
    training = read_json(folder / "done.json")
    return {"training": training, "feature_net": features, "scored": provenance(resolve_device(place.device))}


def _write(place: Place, entry: Entry, scored: dict, facts: dict) -> None:
    rows, images, miniature = [], [], is_miniature(place.root)
    # what decides the numbers is how it was trained; the code that scored is stated by its version
    trained = {name: facts["training"][name] for name in ("device", "threads")}
    for split in entry.splits:
        dataset, result = scored[split]
        what = {"eval_data": data_name(dataset, "vkitti2"), "split": dataset.split}
        told = {"profile": place.profile, "miniature": miniature}
        rows.append(rows_from(result, entry.experiment, **what, **told, origin={**facts["scored"], **trained}))
        images.append(
            per_image_rows(result, entry.experiment, **what).assign(**told, threads=facts["training"]["threads"])
        )
    write_entry(entry, place.run_dir, pd.concat(rows), pd.concat(images), place.strata, facts)


def main(arguments: list[str] | None = None) -> int:
    """Carry out what `to_json` wrote; the last line printed says what went wrong, if anything did."""
    [text] = sys.argv[1:] if arguments is None else arguments
    given = json.loads(text)
    folders = {name: Path(given["place"][name]) for name in ("run_dir", "root")}
    place = Place(**{**given["place"], **folders})
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
