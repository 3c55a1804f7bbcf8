"""A finished run, made small enough to be committed in ``results/reference``.

`keep_run` keeps of a run its rows, the tables that come of the committed ablation, the pictures that the README shows,
the executed notebooks with smaller pictures, and their records in one file. What can be drawn or computed again from
these stays behind. `keep_ablation` packs the rows, scores, measures and records of `lowtex ablate` into one table a
kind, `keep_bench` copies what `make bench` measured. Numbers are kept digit by digit, but for the scores of single
images (`IMAGE_METRICS`, `KEPT_DIGITS`).
"""

import base64
import gzip
import io
import json
import shutil
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pandas as pd
from PIL import Image

from lowtex.errors import DataError
from lowtex.evaluation.metrics import METRICS
from lowtex.evaluation.results import write_csv
from lowtex.files import atomic_path, read_json, write_json
from lowtex.paths import RUN_FILE
from lowtex_lab.studies.rows import FOLDER, MEASURES, PACKED_RECORDS, read_all_records, read_csv_gz

LIMIT_BYTES = 25_000_000
"""What everything under ``results/reference`` may take together."""

COLOURS, WIDTH_PX = 32, 560
"""Of pictures in kept notebooks."""

FIGURE_COLOURS = 256
"""Of kept figures, which keep their width too: in fewer colours depth would show in steps."""

KEPT = ("rows/*.csv", "rows/*.csv.gz", "tables/09_*", "tables/16_*", "notebooks/*.ipynb")
"""What is kept of a run, beside the figures that are asked for: the other tables stand in the notebooks."""

RECORDS = "records.json"
"""In a kept run: notebook -> the record that it left (settings, provenance, seconds, facts)."""

BENCH = ("rows.csv", "table.md", "overview.png")
"""What a benchmark leaves; all of it is small."""

IMAGE_METRICS = ("abs_rel", "rmse", "rmse_log", "d1")
"""Kept of the scores of single images; the rows, which are their means, have all metrics."""

KEPT_DIGITS = 4
"""Significant digits of those scores: a mean over twenty images or more moves by at most 2e-4 of itself (measured over
all strata of seed 0), and a ninth of the room is saved."""


def keep_run(run_dir: str | Path, target: str | Path, figures: Collection[str] = ()) -> int:
    """Replace ``target`` by the small copy of a run; returns its bytes.

    The copy is made beside and moved into place whole; if it is too large or a file is damaged, the old one stays.

    Args:
        run_dir: a finished run.
        target: folder of the copy; what it held is dropped.
        figures: names of figures whose picture is kept.

    Raises:
        DataError: not a run, a notebook of it failed, a file is damaged, or it takes more than `LIMIT_BYTES`.
    """
    run_dir, target = Path(run_dir), Path(target)
    if not (run_dir / RUN_FILE).is_file():
        raise DataError(f"{run_dir} is not the folder of a run: it has no {RUN_FILE}; `lowtex run` makes one")
    if failed := sorted(path.name for path in (run_dir / "notebooks").glob("*.FAILED.ipynb")):
        raise DataError(f"{run_dir} has failed notebooks ({', '.join(failed)}); run them again before it is kept")
    wanted = [path for pattern in KEPT for path in sorted(run_dir.glob(pattern))]
    wanted += [path for name in sorted(figures) for path in run_dir.glob(f"figures/{name}.png")]
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
        copy = Path(folder) / "copy"
        write_json(copy / RUN_FILE, read_json(run_dir / RUN_FILE))
        records = sorted((run_dir / "notebooks").glob("*.result.json"))
        write_json(copy / RECORDS, {path.name.removesuffix(".result.json"): read_json(path) for path in records})
        for path in wanted:
            try:
                _copy(path, copy / path.relative_to(run_dir))
            except (OSError, ValueError, KeyError) as error:
                raise DataError(f"{path} is damaged ({error}); run its notebook again") from error
        size = _size(copy)
        if size > LIMIT_BYTES:
            raise DataError(
                f"the copy of {run_dir} takes {size:,} bytes, more than {LIMIT_BYTES:,}; "
                "keep fewer notebooks, figures or tables"
            )
        if target.exists():
            shutil.rmtree(target)
        copy.rename(target)
    return size


def keep_ablation(run_dir: str | Path, reference: str | Path) -> int:
    """Add the finished entries of an ablation to the packed one of ``reference``; returns the bytes of the latter.

    An entry that was kept before is replaced by a newer one of that name; the others stay.

    Args:
        run_dir: of `lowtex ablate`.
        reference: e.g. ``results/reference``; its folder ``ablation`` is packed (`lowtex_lab.studies.rows`).

    Raises:
        DataError: there is no finished entry, or a file is damaged.
    """
    source, target = Path(run_dir) / FOLDER, Path(reference) / FOLDER
    if not (made := read_all_records(run_dir)):
        raise DataError(f"no finished experiment under {source}; `lowtex ablate` trains and scores them")
    keys = {label: made[label]["key"] for label in sorted(made)}
    for kind in ("images", "rows", *MEASURES):
        paths = [path for path in (source / kind / f"{label}.csv.gz" for label in keys) if path.is_file()]
        new = [_image_scores(path) if kind == "images" else _as_text(path) for path in paths]
        place = target / f"{kind}.csv.gz"
        if place.is_file():
            old = _as_text(place)
            of_label = old["experiment"] + "-s" + old["seed"]
            replaced = of_label.isin([path.name.removesuffix(".csv.gz") for path in paths])
            # the measure of a network that was trained anew since is that of another network
            stale = of_label.isin(list(keys)) & (of_label.map(keys) != old["experiment_key"])
            new.append(old[~replaced & ~stale])
        if not new:
            continue
        write_csv(place, pd.concat(new).sort_values(["experiment", "seed"], kind="stable"))
    records = (read_all_records(reference) if (target / PACKED_RECORDS).is_file() else {}) | made
    with atomic_path(target / PACKED_RECORDS) as temporary:
        temporary.write_bytes(gzip.compress(json.dumps(records, sort_keys=True).encode(), mtime=0))
    return _size(target)


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
        _copy(folder / name, target / name)
    return _size(target)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _copy(path: Path, place: Path) -> None:
    with atomic_path(place) as temporary:
        if path.suffix == ".png":
            temporary.write_bytes(fewer_colours(path.read_bytes(), colours=FIGURE_COLOURS))
        elif path.suffix == ".ipynb":
            slim = slim_notebook(nbformat.read(path, as_version=4))
            temporary.write_text(json.dumps(slim, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        else:
            shutil.copyfile(path, temporary)


def _as_text(path: Path) -> pd.DataFrame:
    """A table whose cells are texts, so that no number changes on the way."""
    read_csv_gz(path)  # a damaged file is an error that names it
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _image_scores(path: Path) -> pd.DataFrame:
    scores = read_csv_gz(path)
    left_out = [name for name in scores if name in METRICS and name not in IMAGE_METRICS]
    text = scores.drop(columns=left_out).to_csv(index=False, float_format=f"%.{KEPT_DIGITS}g")
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


def fewer_colours(png: bytes, width_px: int | None = None, colours: int = COLOURS) -> bytes:
    """A PNG with at most ``colours`` colours, and no wider than ``width_px``; the original where that is not smaller.

    Raises:
        OSError: not a picture.
    """
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    if width_px is not None and picture.width > width_px:
        picture = picture.resize((width_px, round(picture.height * width_px / picture.width)), Image.Resampling.LANCZOS)
    small = io.BytesIO()
    picture.quantize(colours, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
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
