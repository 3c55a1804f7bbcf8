"""What an ablation leaves behind, and how it is read again.

In ``<run>/ablation`` lie three small files an experiment and seed, each written in one move: the scores of every image
in ``images/<name>-s<seed>.csv.gz``, the tidy rows in ``rows/<name>-s<seed>.csv.gz``, and, once both are there, in
``records/<name>-s<seed>.json`` what was trained and scored, where, with how many threads and how long.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lowtex.errors import DataError
from lowtex.evaluation.results import merge_rows, read_rows, write_csv, write_rows
from lowtex.experiments import Experiment
from lowtex.files import read_json, write_json

FOLDER = "ablation"

PROTOCOL = "vkitti2_dense"
"""Dense truth for every pixel nearer than 80 m, no scaling."""

MINIATURE_STRATA = ("known", "contrast", "distance", "known*distance", "visibility", "edges")
"""Kinds of strata (`lowtex.evaluation.texture.STRATA`) where the texture of each surface is known."""

REAL_STRATA = ("gradient", "distance", "gradient*distance", "edges")
"""The same for the real Virtual KITTI 2, where texture has to be taken from the image."""

IMAGE_DIGITS = 5
"""Significant digits of the scores of single images; rows have ten."""


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

    def is_done(self, run_dir: str | Path, strata: Sequence[str]) -> bool:
        """It was trained with these very settings and scored on these splits and strata; else it is done again.

        Raises:
            DataError: its record is damaged.
        """
        record = self.path(run_dir, "records")
        if not record.is_file():
            return False
        found = read_json(record)
        wanted = {"key": self.experiment.key, "splits": list(self.splits), "protocol": PROTOCOL, "strata": list(strata)}
        return all(found.get(name) == value for name, value in wanted.items())


def write_entry(
    entry: Entry,
    run_dir: str | Path,
    rows: pd.DataFrame,
    images: pd.DataFrame,
    strata: Sequence[str],
    facts: Mapping[str, object],
) -> None:
    """Write the three files of an entry, the record last, so that what has a record is whole."""
    entry.path(run_dir, "records").unlink(missing_ok=True)
    write_csv(entry.path(run_dir, "images"), images, IMAGE_DIGITS)
    write_rows(entry.path(run_dir, "rows"), rows)
    write_json(
        entry.path(run_dir, "records"),
        {
            "experiment": entry.experiment.as_dict(),
            "key": entry.experiment.key,
            "splits": list(entry.splits),
            "protocol": PROTOCOL,
            "strata": list(strata),
            **facts,
        },
    )


def read_ablation(run_dir: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All tidy rows (`evaluation.results.COLUMNS`) and all scores of single images of an ablation, as far as it has
    got.

    The scores have experiment, experiment_key, seed, eval_data, split, the protocol's columns, image, stratum_kind,
    stratum, pixels, scale and the metrics, then profile, miniature and threads (of the training).

    Raises:
        DataError: nothing is there yet, or a file is damaged; names it.
    """
    labels = [record.stem for record in sorted((Path(run_dir) / FOLDER / "records").glob("*.json"))]
    if not labels:
        raise DataError(
            f"no finished experiment under {Path(run_dir) / FOLDER}; `lowtex ablate` trains and scores them"
        )
    folder = Path(run_dir) / FOLDER
    rows = merge_rows(*(read_rows(folder / "rows" / f"{label}.csv.gz") for label in labels))
    return rows, pd.concat([read_scores(run_dir, label) for label in labels], ignore_index=True)


def read_records(run_dir: str | Path) -> pd.DataFrame:
    """A line an experiment and seed: experiment, seed, key, threads, device, commit, wall_s (training), score_s.

    ``feature_net_key`` and ``feature_net_s`` are of the feature network, which several experiments share, as several
    names may share a ``key``: count each once.
    """
    lines = []
    for path in sorted((Path(run_dir) / FOLDER / "records").glob("*.json")):
        record = read_json(path)
        training, features = record["training"], record["feature_net"] or {}
        lines.append(
            {
                "experiment": record["experiment"]["name"],
                "seed": record["experiment"]["seed"],
                "key": record["key"],
                **{name: training[name] for name in ("threads", "device", "commit", "created", "wall_s")},
                "score_s": record["score_s"],
                "feature_net_key": features.get("key", ""),
                "feature_net_s": features.get("wall_s", 0.0),
            }
        )
    return pd.DataFrame(lines)


def read_scores(run_dir: str | Path, label: str) -> pd.DataFrame:
    """The scores of single images of one ``<name>-s<seed>``; columns as of `read_ablation`.

    Raises:
        DataError: the file is missing or damaged.
    """
    return read_csv_gz(Path(run_dir) / FOLDER / "images" / f"{label}.csv.gz")


def read_csv_gz(path: Path) -> pd.DataFrame:
    """One of an ablation's files, where the stratum ``none`` is a name and no gap.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"experiment_key": str})
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read ({error}); delete it, and its record if there is one, and run `lowtex ablate` again"
        ) from error
