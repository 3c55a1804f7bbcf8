"""What a notebook calls: where its data are, where its files go, and the record it leaves when it has finished.

from lowtex_lab.notebook import run as notebook
run = notebook.start("10", profile=profile, seed=seed, run_dir=run_dir, data_root=data_root, device=device)
run.figure(fig, "10_first_look", data=rows)     # in the cell that draws it
run.table(rows, "10_errors")
run.finish(answer="…", figure="10_first_look", images=25, abs_rel=0.123)    # in the last cell
"""

import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from IPython.display import Image, Markdown, display

from lowtex.data_paths import Roots, resolve_roots
from lowtex.devices import keep_freed_memory, resolve_device, set_precision
from lowtex.errors import OptionError
from lowtex.experiments import Profile, get_profile
from lowtex.files import read_json, write_json, write_text
from lowtex.paths import PACKAGE_VARIABLE, RUN_FILE, default_run_dir, from_root, package_folder, shown, training_run_dir
from lowtex.progress import reporter
from lowtex.provenance import provenance
from lowtex_lab.miniature.store import ensure_miniature
from lowtex_lab.notebook import graph

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lowtex.training import LoopOptions


@dataclass
class NotebookRun:
    """One notebook while it runs; made by `start`.

    Attributes:
        name: e.g. ``10_kitti``.
        profile: sizes and schedules.
        seed: of everything random.
        run_dir: the folder of the run; ``figures/``, ``tables/``, ``rows/`` and ``notebooks/`` are inside.
        experiments_dir: the trainings. A run on real data takes them from the run on the miniatures beside it.
        roots: the folder of each data set, see `lowtex.data_paths.Roots`; `root` also makes sure that it is there.
        device: ``auto``, ``cpu`` or ``cuda``.
    """

    name: str
    profile: Profile
    seed: int
    run_dir: Path
    experiments_dir: Path
    roots: Roots
    device: str
    files: list[Path] = field(default_factory=list)
    training_s: float = 0.0
    _started: float = field(default_factory=time.monotonic)

    @property
    def rows_dir(self) -> Path:
        """Tidy rows of results."""
        return self.run_dir / "rows"

    @property
    def torch_device(self) -> torch.device:
        """The device to put tensors on."""
        return resolve_device(self.device)

    def root(self, name: str) -> Path:
        """The folder of data set ``name`` (``vkitti2``, ``kitti``, ``stereo``, …); writes the miniature if it is the
        one wanted and not there yet."""
        folder = self.roots[name]
        if name not in self.roots.named:
            ensure_miniature(self.profile.name)
        return folder

    def is_miniature(self, name: str) -> bool:
        """Whether data set ``name`` is the kit's own miniature, and not the real one."""
        return self.roots.is_miniature(name)

    def loop_options(self, title: str) -> "LoopOptions":
        """Options for `lowtex.training.train_experiment`: this run's device, and a progress bar."""
        from lowtex.training import LoopOptions

        return LoopOptions(device=self.device, report=reporter(title))

    @contextmanager
    def training(self) -> Iterator[None]:
        """Around whatever trains: its seconds are in the notebook's record, and in the time line of the run."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.training_s += time.monotonic() - began

    def figure(self, figure: "Figure", name: str, data: pd.DataFrame | Mapping[str, Any] | None = None) -> None:
        """Save a figure (PNG, PDF, CSV behind it) and show what was saved. Call it in the cell that draws it.

        Args:
            figure: a matplotlib figure.
            name: file name without ending; by convention it starts with the notebook's number.
            data: the numbers behind it. A figure of `lowtex_lab.plots` brings its own.

        Raises:
            DataError: the picture is blank, or one of its panels is.
        """
        from lowtex_lab.plots.saving import save_figure

        path = save_figure(figure, self.run_dir / "figures" / name, data)
        forget(figure)
        self.files.append(path)
        display(Image(filename=str(path), width=900))

    def table(
        self, frame: pd.DataFrame, name: str, caption: str = "", digits: int = 3, show: pd.DataFrame | None = None
    ) -> None:
        """Save a table as Markdown (rounded to ``digits``) and CSV (in full), and show it.

        Args:
            show: what is shown of a long table, which is saved whole all the same; None shows it as it is.

        Raises:
            OptionError: the table has no rows.
        """
        if frame.empty:
            raise OptionError(f"table {name!r} has no rows; check what it is made from")
        from lowtex.evaluation.results import to_markdown, write_csv

        text = (f"{caption}\n\n" if caption else "") + to_markdown(frame, digits=digits)
        path = self.run_dir / "tables" / f"{name}.md"
        write_text(path, text)
        write_csv(path.with_suffix(".csv"), frame)
        self.files.append(path)
        if show is not None:
            text = (f"{caption}\n\n" if caption else "") + to_markdown(show, digits=digits)
            text += f"\n\nThe whole table: `tables/{name}.csv`."
        display(Markdown(text))

    def finish(self, answer: str = "", figure: str = "", **facts: Any) -> None:
        """Record that the notebook ran to its end, with ``facts`` worth keeping, and show where things landed.

        The record is ``notebooks/<name>.result.json`` in the run's folder. Call it in the last cell and nowhere else:
        the runner takes this file, and nothing less, as the sign of success.

        Args:
            answer: one or two sentences, computed from this run: what the notebook says on ``index.html``.
            figure: name of the figure that stands beside the answer there, as it was given to `figure`.
            facts: numbers, texts, lists or dicts of those.

        Raises:
            OptionError: a fact is of another kind or is not finite, or no figure of that name was saved.
        """
        shown_beside = next((path for path in self.files if path.stem == figure and path.suffix == ".png"), None)
        if figure and shown_beside is None:
            saved = ", ".join(path.stem for path in self.files if path.suffix == ".png") or "none"
            raise OptionError(f"finish(figure={figure!r}): this notebook saved no such figure, but: {saved}")
        record = {
            "notebook": self.name,
            "status": "done",
            "profile": self.profile.name,
            "seed": self.seed,
            "run_dir": shown(self.run_dir),
            "data_root": {name: shown(self.roots.paths[name]) for name in sorted(self.roots.named)},
            "python": shown(sys.executable),
            "answer": " ".join(answer.split()),
            "figure": os.path.relpath(shown_beside, self.run_dir) if shown_beside else "",
            "facts": {name: _plain(value, name) for name, value in facts.items()},
            "files": sorted({os.path.relpath(path, self.run_dir) for path in self.files}),
            "wall_s": round(time.monotonic() - self._started, 1),
            "training_s": round(self.training_s, 1),
            "finished": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **provenance(self.torch_device),
        }
        named = os.environ.get("LOWTEX_RESULT")
        if named:
            # for the runner alone, which takes it out again
            record["package_folder"] = str(package_folder())
        write_json(Path(named) if named else self.run_dir / "notebooks" / f"{self.name}.result.json", record)
        # what is nested is for programs, which find it in the record
        told = {name: value for name, value in record["facts"].items() if not isinstance(value, dict | list)}
        lines = [f"- {name.replace('_', ' ')}: {readable(value)}" for name, value in told.items()]
        lines += [f"- `{shown(self.run_dir / name)}`" for name in record["files"]]
        display(Markdown(f"**{self.name} is done.** It left in `{shown(self.run_dir)}`:\n\n" + "\n".join(lines)))


def start(
    number: str,
    *,
    profile: str = "quick",
    seed: int = 0,
    run_dir: str | Path = "",
    data_root: str = "",
    device: str = "auto",
) -> NotebookRun:
    """Begin a notebook; call it in the cell after the parameters, which it takes as they are.

    Args:
        number: the notebook's number or name.
        profile: ``quick``, ``study``, ``standard`` or ``paper``.
        seed: of everything random.
        run_dir: where files go; a relative folder counts from the root of the checkout, and empty means
            ``results/<profile>``, or a neighbour of it named after the data sets where real ones are given.
        data_root: real data, as ``name=folder;name=folder``; whatever it does not name is the miniature.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        OptionError: an unknown notebook, profile, data set or device.
        DataError: a data root is not there.
    """
    _check_package()
    set_precision(resolve_device(device))
    keep_freed_memory()
    chosen = get_profile(profile)
    roots = resolve_roots(data_root, profile)
    folder = from_root(run_dir) if str(run_dir) else default_run_dir(profile, seed, roots.named)
    node = graph.node(number)
    # a folder that is named for a notebook that trains is the one its checkpoints are looked for in
    elsewhere = () if str(run_dir) and node.trains else roots.named
    return NotebookRun(
        name=node.name,
        profile=chosen,
        seed=seed,
        run_dir=folder,
        experiments_dir=_experiments_dir(folder, profile, seed, elsewhere),
        roots=roots,
        device=device,
    )


def _check_package() -> None:
    wanted = os.environ.get(PACKAGE_VARIABLE)
    if wanted and Path(wanted) != package_folder():
        raise OptionError(
            f"this kernel imported lowtex from {package_folder()}, but the run is of {wanted}; take the other one off "
            f"PYTHONPATH, or install the one that is meant: pip install -e {Path(wanted).parent}"
        )


def _experiments_dir(run_dir: Path, profile: str, seed: int, data_names: Iterable[str]) -> Path:
    """``run.json`` may name the run whose trainings are used; without it they are those of the run beside this one."""
    settings = run_dir / RUN_FILE
    if settings.is_file():
        return from_root(read_json(settings)["checkpoints_from"]) / "experiments"
    return training_run_dir(run_dir, profile, seed, data_names) / "experiments"


def forget(figure: "Figure") -> None:
    """A figure made through pyplot would be shown a second time at the end of its cell."""
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(figure)


def readable(value: Any) -> str:
    """A number with three digits, anything else as it is."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, torch.Tensor | np.ndarray | np.generic) and math.prod(value.shape) == 1:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise OptionError(f"finish({name}={value}) is not finite; leave the fact out or say why in words")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return shown(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(part, f"{name}.{key}") for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part, name) for part in value]
    raise OptionError(
        f"finish({name}=…) is of type {type(value).__name__}; give numbers, texts, lists or dicts of them"
    )
