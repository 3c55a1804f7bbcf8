"""A finished run, made small enough to be committed: what was measured whole, pictures with fewer colours.

`keep_run` copies a run's rows, tables, figures with what redraws them, executed notebooks and records to a folder such
as ``results/reference/quick``. Trainings, data, PDFs and figures that are drawn from arrays (pictures, mostly) stay
behind; the latter are in the notebooks. Numbers are copied byte for byte. `keep_ablation` does the same for the rows of
`lowtex ablate`, of whose scores of single images some metrics stay behind.
"""

import base64
import io
import json
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from PIL import Image

from lowtex.errors import DataError
from lowtex.evaluation.metrics import METRICS
from lowtex.evaluation.results import write_csv
from lowtex.files import atomic_path, read_json, write_json
from lowtex.paths import RUN_FILE
from lowtex_lab.studies.measures import MEASURES
from lowtex_lab.studies.rows import FOLDER, read_csv_gz

LIMIT_BYTES = 25_000_000
"""What everything under ``results/reference`` may take together."""

COLOURS = 32
WIDTH_PX = 560
"""Pictures in kept notebooks are brought to this width; those of figures keep theirs."""

KEPT = {
    "rows": ("*.csv", "*.csv.gz"),
    "tables": ("*.md", "*.csv"),
    "figures": ("*.json", "*.csv"),
    "notebooks": ("*.ipynb", "*.result.json"),
}
"""Folder of a run -> what is kept of it."""

BENCH = ("rows.csv", "table.md", "overview.png")
"""What a benchmark leaves; all of it is small."""

IMAGE_METRICS = ("abs_rel", "rmse", "rmse_log", "d1")
"""Kept of the scores of single images; the rows, which are their means, have all metrics."""

KEPT_DIGITS = 4
"""Significant digits of those scores: a mean over twenty images or more moves by at most 2e-4 of itself (measured over
all strata of seed 0), and a ninth of the room is saved."""


def keep_run(
    run_dir: str | Path,
    target: str | Path,
    shown: Collection[str] = (),
    parts: Collection[str] = tuple(KEPT),
    limit_bytes: int = LIMIT_BYTES,
) -> int:
    """Replace ``target`` by the small copy of a run; returns its bytes.

    The copy is made beside and moved into place whole; if it is too large or a file is damaged, the old one stays.

    Args:
        run_dir: a finished run.
        target: folder of the copy; what it held is dropped.
        shown: names of figures that are kept with their picture, and although they are drawn from arrays.
        parts: folders to keep, of `KEPT`; a part that is left out is dropped from the target too.
        limit_bytes: more than this is refused.

    Raises:
        DataError: not a run, a notebook of it failed, a file is damaged, or it is too large.
    """
    run_dir, target = Path(run_dir), Path(target)
    if not (run_dir / RUN_FILE).is_file():
        raise DataError(f"{run_dir} is not the folder of a run: it has no {RUN_FILE}; `lowtex run` makes one")
    if failed := sorted(path.name for path in (run_dir / "notebooks").glob("*.FAILED.ipynb")):
        raise DataError(f"{run_dir} has failed notebooks ({', '.join(failed)}); run them again before it is kept")
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
        copy = Path(folder) / "copy"
        write_json(copy / RUN_FILE, read_json(run_dir / RUN_FILE))
        for path in _kept(run_dir, shown, parts):
            place = copy / path.relative_to(run_dir)
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                _copy(path, place)
            except (OSError, ValueError, KeyError) as error:
                raise DataError(f"{path} is damaged ({error}); run its notebook again") from error
        size = sum(path.stat().st_size for path in copy.rglob("*") if path.is_file())
        if size > limit_bytes:
            raise DataError(
                f"the copy of {run_dir} takes {size:,} bytes, more than {limit_bytes:,}; keep fewer notebooks"
            )
        if target.exists():
            shutil.rmtree(target)
        copy.rename(target)
    return size


def _kept(run_dir: Path, shown: Collection[str], parts: Collection[str]) -> Iterator[Path]:
    left_out = {path.stem for path in (run_dir / "figures").glob("*.npz")} - set(shown)
    for folder, patterns in ((folder, KEPT[folder]) for folder in KEPT if folder in parts):
        for pattern in patterns:
            for path in sorted((run_dir / folder).glob(pattern)):
                if folder != "figures" or path.name.split(".")[0] not in left_out:
                    yield path
    if "figures" in parts:
        for name in sorted(shown):
            yield from sorted((run_dir / "figures").glob(f"{name}.[np][np][gz]"))


def _copy(path: Path, place: Path) -> None:
    if path.suffix == ".png":
        place.write_bytes(fewer_colours(path.read_bytes()))
    elif path.suffix == ".ipynb":
        place.write_text(
            json.dumps(slim_notebook(nbformat.read(path, as_version=4)), indent=1, ensure_ascii=False) + "\n"
        )
    else:
        shutil.copyfile(path, place)


def keep_ablation(run_dir: str | Path, target: str | Path) -> int:
    """Bring ``target`` up to date with the finished rows of an ablation; returns the bytes of all that is kept there.

    Rows, records and measures are copied byte for byte, the scores of single images with `IMAGE_METRICS` alone, in
    `KEPT_DIGITS`. A file that is not newer stays as it is; nothing is taken away from ``target``.

    Args:
        run_dir: of `lowtex ablate`.
        target: e.g. ``results/reference/ablation``.

    Raises:
        DataError: there is no finished row, or a file is damaged.
    """
    source, target = Path(run_dir) / FOLDER, Path(target)
    labels = [path.stem for path in sorted((source / "records").glob("*.json"))]
    if not labels:
        raise DataError(f"no finished experiment under {source}; `lowtex ablate` trains and scores them")
    for label in labels:
        for kind in ("images", "rows", *MEASURES, "records"):
            name = f"{label}.json" if kind == "records" else f"{label}.csv.gz"
            path, place = source / kind / name, target / kind / name
            if kind in MEASURES and not path.is_file():
                continue
            if place.is_file() and place.stat().st_mtime >= path.stat().st_mtime:
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            if kind == "images":
                scores = read_csv_gz(path)
                left_out = [name for name in scores if name in METRICS and name not in IMAGE_METRICS]
                write_csv(place, scores.drop(columns=left_out), KEPT_DIGITS)
            else:
                _copy_atomically(path, place)
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def keep_bench(folder: str | Path, target: str | Path) -> int:
    """Copy a benchmark's rows, table and figure to ``target``; returns their bytes.

    Args:
        folder: that ``python -m benchmarks`` wrote to.
        target: e.g. ``results/reference/bench``.

    Raises:
        DataError: a file is missing.
    """
    folder, target = Path(folder), Path(target)
    for name in BENCH:
        if not (folder / name).is_file():
            raise DataError(f"{folder / name} is missing; `make bench` writes it, with the other files beside it")
    for name in BENCH:
        _copy_atomically(folder / name, target / name)
    return sum((target / name).stat().st_size for name in BENCH)


def _copy_atomically(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(place) as temporary:
        if path.suffix == ".png":
            temporary.write_bytes(fewer_colours(path.read_bytes()))
        else:
            shutil.copyfile(path, temporary)


def fewer_colours(png: bytes, width_px: int | None = None) -> bytes:
    """A PNG with at most `COLOURS` colours, and no wider than ``width_px``; the original where that is not smaller.

    Raises:
        OSError: not a picture.
    """
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    if width_px is not None and picture.width > width_px:
        picture = picture.resize((width_px, round(picture.height * width_px / picture.width)), Image.Resampling.LANCZOS)
    small = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return min(small.getvalue(), png, key=len)


def slim_notebook(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """An executed notebook with smaller pictures; texts and numbers stay."""
    slim = nbformat.from_dict(notebook)
    for cell in slim.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                picture = fewer_colours(base64.b64decode(data["image/png"]), WIDTH_PX)
                data["image/png"] = base64.b64encode(picture).decode()
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    # where and when it ran stands in its record, without the paths of a machine
    slim.metadata.pop("papermill", None)
    return slim
