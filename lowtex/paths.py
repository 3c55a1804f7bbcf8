"""Where a run's files are: everything is found from the root of the checkout, never from the working directory."""

import os
from collections.abc import Iterable
from pathlib import Path

from lowtex.data_paths import REPOSITORY
from lowtex.errors import DataError

RUN_FILE = "run.json"
"""In a run's folder: its profile, seed, data and where its checkpoints come from; written by `lowtex run`."""

PACKAGE_VARIABLE = "LOWTEX_PACKAGE"
"""Environment variable by which the runner tells a kernel which package it has to import."""


def package_folder() -> Path:
    """Where this very package was imported from."""
    return Path(__file__).resolve().parent


def notebooks_folder() -> Path:
    """The folder with the notebooks' sources; ``LOWTEX_NOTEBOOKS`` names another, with notebooks of the same names.

    Raises:
        DataError: there is none, because the package was installed without its checkout.
    """
    folder = Path(os.environ.get("LOWTEX_NOTEBOOKS") or REPOSITORY / "notebooks")
    if not folder.is_dir():
        raise DataError(
            f"{folder} is missing: the notebooks come with the checkout, not with the package alone; "
            "clone the repository and install it in place (`make reproduce` does)"
        )
    return folder


def from_root(path: str | Path) -> Path:
    """Make ``path`` absolute: a relative one counts from the root of the checkout; ``~`` is the home folder."""
    return Path(os.path.abspath(REPOSITORY / Path(path).expanduser()))


def shown(path: str | Path) -> str:
    """``path`` as it is printed and recorded: relative to the root where it lies inside, so that it names no machine.

    Links are not followed, because the interpreter of a virtual environment is a link that leads out of it.
    """
    absolute = Path(os.path.abspath(path))
    try:
        return absolute.relative_to(REPOSITORY).as_posix()
    except ValueError:
        return absolute.as_posix()


def default_run_dir(profile: str, seed: int = 0, data_names: Iterable[str] = ()) -> Path:
    """The folder of a run: ``results/<profile>``, with the seed unless it is 0, and the real data sets it reads.

    A run on real data has a folder of its own, so that its rows never mix with those of the miniatures.
    """
    name = profile if seed == 0 else f"{profile}-seed{seed}"
    names = sorted(data_names)
    return REPOSITORY / "results" / (f"{name}-on-{'-'.join(names)}" if names else name)


def training_run_dir(run_dir: Path, profile: str, seed: int = 0, data_names: Iterable[str] = ()) -> Path:
    """The run whose trainings a run uses: its own, or for real data the one on the miniatures beside it."""
    return run_dir.with_name(default_run_dir(profile, seed).name) if list(data_names) else run_dir
