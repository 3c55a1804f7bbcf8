"""What an ablation leaves behind, and how it is read again.

In ``<run>/ablation`` lie three small files an experiment and seed, each written in one move, so that several calls can
share the folder: the scores of every image in ``images/<name>-s<seed>.csv.gz``, the tidy rows in
``rows/<name>-s<seed>.csv.gz``, and, once both are there, in ``records/<name>-s<seed>.json`` what was trained and
scored, where, with how many threads and how long. Each measure adds a folder.

A *measure* (`MEASURES`) asks more than errors of a trained network: a module with ``measure(network, root, size) ->
DataFrame``, a row a number in columns of its own.

`make reference` packs such a folder into one table a kind, ``images.csv.gz``, ``rows.csv.gz`` and so on, and all
records into ``records.json.gz`` (label -> record). `finished_labels`, `read_all_records` and `read_table` read both.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from lowtex.errors import DataError
from lowtex.evaluation.results import read_rows
from lowtex.experiments import Experiment
from lowtex.files import read_json

FOLDER = "ablation"

PROTOCOL = "vkitti2_dense"
"""Dense truth for every pixel nearer than 80 m, no scaling."""

SPLITS = ("val", "test")
"""What a row is scored on; what is there to be chosen from, on validation scenes alone."""

MINIATURE_STRATA = ("known", "contrast", "distance", "known*distance", "visibility", "edges")
"""Kinds of strata (`lowtex.evaluation.texture.STRATA`) where the texture of each surface is known."""

REAL_STRATA = ("gradient", "distance", "gradient*distance", "edges")
"""The same for the real Virtual KITTI 2, where texture has to be taken from the image."""

SPARSE_STRATA = REAL_STRATA[:-1]
"""The same where the truth is sparse, and has no edges of its own."""

PACKED_RECORDS = "records.json.gz"
"""All records of a packed ablation; where this file is, the tables beside it are packed too."""

IMAGE_DIGITS = 5
"""Significant digits of the scores of single images and of measures; rows have ten."""

MEASURES = {
    "edges": "lowtex_lab.studies.diagnostics.edge_sharpness",
    "encoder": "lowtex_lab.studies.diagnostics.encoder_information",
    "mask": "lowtex_lab.studies.diagnostics.mask_shares",
    "smoothness": "lowtex_lab.studies.diagnostics.surface_shapes",
    "sweep": "lowtex_lab.studies.diagnostics.texture_sweep",
    "transfer": "lowtex_lab.studies.diagnostics.transfer",
}
"""Measure -> the module whose ``measure`` takes it."""

ADDED = ("experiment", "experiment_key", "seed", "profile", "miniature", "threads")
"""Columns that every file of a measure ends in; ``threads`` are those of the training."""


@dataclass(frozen=True)
class Entry:
    """One name and seed: what it is and which splits it is scored on."""

    name: str
    experiment: Experiment
    splits: tuple[str, ...]

    @property
    def label(self) -> str:
        """``<name>-s<seed>``, which its files are named after."""
        return f"{self.name}-s{self.experiment.seed}"

    def path(self, run_dir: str | Path, kind: str) -> Path:
        """Where its ``images``, ``rows`` or ``records`` lie."""
        return Path(run_dir) / FOLDER / kind / f"{self.label}.{'json' if kind == 'records' else 'csv.gz'}"

    def is_done(self, run_dir: str | Path, how: Mapping[str, object]) -> bool:
        """It was trained with these very settings and scored like this (`batch.Place.asked`); else it is done again.

        Raises:
            DataError: its record is damaged.
        """
        found = read_record(run_dir, self.label)
        return all(found.get(name) == value for name, value in self.asked(how).items())

    def asked(self, how: Mapping[str, object]) -> dict[str, object]:
        """What its record says of how it was trained and scored."""
        return {"key": self.experiment.key, "splits": list(self.splits), **how}


def finished_labels(run_dir: str | Path) -> list[str]:
    """``<name>-s<seed>`` of every finished entry, sorted; empty where nothing is finished."""
    return sorted(read_all_records(run_dir))


def read_all_records(run_dir: str | Path) -> dict[str, dict]:
    """The record of every finished entry by its label.

    Raises:
        DataError: a file is damaged.
    """
    folder = Path(run_dir) / FOLDER
    if (packed := folder / PACKED_RECORDS).is_file():
        return _packed_records(packed, _changed(packed))
    return {path.stem: read_json(path) for path in sorted((folder / "records").glob("*.json"))}


def read_record(run_dir: str | Path, label: str) -> dict:
    """The record of one entry; empty where there is none.

    Raises:
        DataError: the file is damaged.
    """
    own = Path(run_dir) / FOLDER / "records" / f"{label}.json"
    packed = Path(run_dir) / FOLDER / PACKED_RECORDS
    if own.is_file():
        return read_json(own)
    return _packed_records(packed, _changed(packed)).get(label, {}) if packed.is_file() else {}


@lru_cache(maxsize=16)
def _packed_records(packed: Path, changed: int) -> dict[str, dict]:
    try:
        return json.loads(gzip.decompress(packed.read_bytes()))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{packed} cannot be read ({error}); get it again from the repository") from error


def read_records(run_dir: str | Path) -> pd.DataFrame:
    """A line an experiment and seed: experiment, seed, key, steps, threads, device, commit, wall_s (training), score_s.

    ``feature_net_key`` and ``feature_net_s`` are of the feature network, which several experiments share, as several
    names may share a ``key``: count each once.
    """
    columns = {"experiment.name": "experiment", "experiment.seed": "seed", "key": "key"}
    columns |= {"experiment.schedule.steps": "steps"}
    columns |= {f"training.{name}": name for name in ("threads", "device", "commit", "created", "wall_s")}
    columns |= {"score_s": "score_s", "feature_net.key": "feature_net_key", "feature_net.wall_s": "feature_net_s"}
    none, records = {"key": "", "wall_s": 0.0}, read_all_records(run_dir).values()
    table = pd.json_normalize([record | {"feature_net": none | (record["feature_net"] or {})} for record in records])
    return table.reindex(columns=columns).rename(columns=columns)


def read_table(run_dir: str | Path, kind: str, labels: Iterable[str]) -> pd.DataFrame:
    """One kind of table of some entries, in the order of ``labels``; each file is read once until it changes.

    ``rows`` has `lowtex.evaluation.results.COLUMNS`. ``images`` has experiment, experiment_key, seed, eval_data, split,
    the protocol's columns, image, stratum_kind, stratum, pixels, scale and the metrics, then profile, miniature and
    threads (of the training). A measure has columns of its own, then `ADDED`.

    Args:
        run_dir: holds the folder ``ablation``, packed or with a file an entry.
        kind: ``images``, ``rows`` or the name of a measure.
        labels: ``<name>-s<seed>``; those that were not measured are left out.

    Returns:
        the table; empty and without columns where none of the entries was measured.

    Raises:
        DataError: a file is damaged, or an entry has no ``images`` or ``rows``; names the file.
    """
    folder = Path(run_dir) / FOLDER
    packed = folder / f"{kind}.csv.gz"
    required = kind in ("images", "rows")
    if packed.is_file():
        by_label = _packed_table(packed, packed.stat().st_mtime_ns)
        if required and (missing := [label for label in labels if label not in by_label]):
            raise DataError(f"{packed} lacks {', '.join(missing)}; pack the ablation again by `make reference`")
        parts = [by_label[label] for label in labels if label in by_label]
    else:
        paths = [folder / kind / f"{label}.csv.gz" for label in labels]
        parts = [_table(path, _changed(path)) for path in paths if required or path.is_file()]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def read_csv_gz(path: Path) -> pd.DataFrame:
    """One of an ablation's tables, where the stratum ``none`` is a name and no gap.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"experiment_key": str})
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read ({error}); delete it, and its record if there is one, and run `lowtex ablate` again"
        ) from error


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0


@lru_cache(maxsize=512)
def _table(path: Path, changed: int) -> pd.DataFrame:
    """A table by its path and the time of its last change: what was trained anew is read anew."""
    return read_rows(path) if path.parent.name == "rows" else read_csv_gz(path)


@lru_cache(maxsize=16)
def _packed_table(path: Path, changed: int) -> dict[str, pd.DataFrame]:
    """Label -> its part of a packed table."""
    whole = read_rows(path) if path.name == "rows.csv.gz" else read_csv_gz(path)
    return {f"{name}-s{seed}": part for (name, seed), part in whole.groupby(["experiment", "seed"], sort=False)}
