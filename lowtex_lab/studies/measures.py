"""More than errors: what else is measured on the trained networks of an ablation, one file a network.

A *measure* is a module with ``measure(network, root, size) -> DataFrame``, a row a number in columns of its own, named
in `MEASURES`. ``lowtex ablate --measure NAME`` takes it of every finished training and keeps the result in
``<run>/ablation/<measure>/<name>-s<seed>.csv.gz``, with what it was taken of in further columns. What has been measured
is not measured again, unless the training has changed since.
"""

import importlib
from collections.abc import Callable, Iterable, Sequence
from itertools import product

import pandas as pd

from lowtex.checkpoints import load_network
from lowtex.data_paths import is_miniature
from lowtex.devices import resolve_device
from lowtex.errors import DataError, LowtexError, OptionError, require_choice
from lowtex.evaluation.results import write_csv
from lowtex.experiments import Experiment, get_profile
from lowtex.progress import say, track
from lowtex.training import experiment_folder, is_finished
from lowtex_lab.studies.batch import Place
from lowtex_lab.studies.rows import FOLDER, read_all_records, read_csv_gz

MEASURES = {
    "edges": "lowtex_lab.studies.diagnostics.edge_sharpness",
    "encoder": "lowtex_lab.studies.diagnostics.encoder_information",
    "mask": "lowtex_lab.studies.diagnostics.mask_shares",
    "smoothness": "lowtex_lab.studies.diagnostics.surface_shapes",
    "sweep": "lowtex_lab.studies.diagnostics.texture_sweep",
    "transfer": "lowtex_lab.studies.diagnostics.transfer",
}
"""Measure -> the module whose ``measure`` takes it."""

DIGITS = 5
"""Significant digits that are kept."""

ADDED = ("experiment", "experiment_key", "seed", "profile", "miniature", "threads")
"""Columns that every file ends in; ``threads`` are those of the training."""


def take_measures(
    place: Place, measures: Sequence[str], names: Iterable[str], seeds: Iterable[int], tell: Callable[[str], None] = say
) -> dict[str, str]:
    """Measure every finished training of some experiments and seeds; returns ``label: measure`` -> what went wrong.

    Args:
        place: the ablation; its root is measured on.
        measures: of `MEASURES`.
        names, seeds: which trainings; those that are not finished are left out, and a line says how many.
        tell: gets lines about what was done.

    Raises:
        OptionError: an unknown measure.
    """
    for measure in measures:
        require_choice("--measure", measure, MEASURES)
    labels = [f"{name}-s{seed}" for name in names for seed in seeds]
    records = read_all_records(place.run_dir)
    finished = [label for label in labels if label in records]
    todo = []
    for label, measure in product(finished, measures):
        path = place.run_dir / FOLDER / measure / f"{label}.csv.gz"
        if not path.is_file() or set(read_csv_gz(path)["experiment_key"]) != {records[label]["key"]}:
            todo.append((label, measure, path))
    tell(
        f"{len(labels)} rows, {len(labels) - len(finished)} of them not trained yet; "
        f"{len(finished) * len(measures) - len(todo)} measurements done before, {len(todo)} to come"
    )
    failed: dict[str, str] = {}
    for label, measure, path in track(todo, "measuring", unit="network"):
        try:
            write_csv(path, _take(place, records[label], measure), DIGITS)
        except LowtexError as error:
            failed[f"{label}: {measure}"] = str(error)
    return failed


def _take(place: Place, record: dict, measure: str) -> pd.DataFrame:
    """The measure of one training, with what it was taken of in the columns `ADDED`."""
    experiment = Experiment.from_dict(record["experiment"])
    folder = experiment_folder(place.experiments, experiment)
    if not is_finished(folder):
        raise DataError(f"{folder} is not there any more, only its rows are; `lowtex ablate` trains it again")
    network = load_network(folder)[0].to(resolve_device(place.device)).eval()
    module = importlib.import_module(MEASURES[measure])
    frame = module.measure(network, place.root, get_profile(place.profile).size)
    if frame.empty or set(ADDED) & set(frame.columns):
        raise OptionError(f"measure {measure!r} gave no rows, or columns named like one of: {', '.join(ADDED)}")
    facts = (experiment.name, record["key"], experiment.seed, place.profile, is_miniature(place.root))
    return frame.assign(**dict(zip(ADDED, (*facts, record["training"]["threads"]), strict=True)))
