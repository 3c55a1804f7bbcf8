"""What is kept of a run: numbers byte for byte, smaller pictures, whole or not at all."""

import base64
import io
import os
import shutil

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lowtex.data_paths import REPOSITORY
from lowtex.errors import DataError
from lowtex.evaluation.results import write_csv
from lowtex_lab.notebook.reference import (
    BENCH,
    COLOURS,
    IMAGE_METRICS,
    WIDTH_PX,
    fewer_colours,
    keep_ablation,
    keep_bench,
    keep_run,
    slim_notebook,
)
from lowtex_lab.studies.evidence import Evidence
from lowtex_lab.studies.rows import read_csv_gz


def png(width=1200, height=400, seed=0) -> bytes:
    """A smooth picture with many colours, as a map of depth is."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    noise = np.random.default_rng(seed).normal(0, 2, (height, width))
    picture = np.stack([255 * x, 255 * y, 127 * (x + y)], -1) + noise[..., None]
    data = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "quick"
    for name in ("rows", "tables", "figures", "notebooks", "experiments/ours-s0"):
        (folder / name).mkdir(parents=True)
    (folder / "run.json").write_text('{"profile": "quick"}')
    (folder / "rows" / "12.csv").write_text("experiment,value\nours,0.1\n")
    (folder / "tables" / "12.md").write_text("| a |\n")
    (folder / "figures" / "12.png").write_bytes(png())
    (folder / "figures" / "12.pdf").write_bytes(b"%PDF")
    (folder / "figures" / "12.json").write_text("{}")
    for name in ("12_map", "01_scenes"):
        for ending in ("npz", "json", "png"):
            (folder / "figures" / f"{name}.{ending}").write_bytes(png(60, 20))
    (folder / "experiments" / "ours-s0" / "network.safetensors").write_bytes(bytes(1000))
    output = nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(png()).decode(), "text/plain": "x"})
    said = nbformat.v4.new_output("stream", text="AbsRel 0.123\n")
    cell = nbformat.v4.new_code_cell("draw()", outputs=[said, output], metadata={"papermill": {"duration": 1}})
    metadata = {"papermill": {"input_path": "somewhere"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=metadata), folder / "notebooks" / "12_x.ipynb")
    (folder / "notebooks" / "12_x.html").write_text("page")
    (folder / "notebooks" / "12_x.result.json").write_text('{"status": "done"}')
    return folder


def test_numbers_are_kept_byte_for_byte_and_the_rest_stays_behind(run_dir, tmp_path):
    target = tmp_path / "reference" / "quick"
    size = keep_run(run_dir, target, ["12", "01_scenes", "99_not_there"])
    kept = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert kept == {
        *("run.json", "rows/12.csv", "tables/12.md", "figures/12.png", "figures/12.json"),
        *("figures/01_scenes.png", "figures/01_scenes.json", "figures/01_scenes.npz"),
        *("notebooks/12_x.ipynb", "notebooks/12_x.result.json"),
    }
    assert size == sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    for name in ("rows/12.csv", "tables/12.md", "figures/12.json", "notebooks/12_x.result.json"):
        assert (target / name).read_bytes() == (run_dir / name).read_bytes()
    assert [path.name for path in target.parent.iterdir()] == ["quick"], "nothing is left beside it"


def test_parts_that_are_left_out_are_dropped(run_dir, tmp_path):
    target = tmp_path / "kept"
    keep_run(run_dir, target, ["12"])
    assert (target / "notebooks").is_dir() and not (target / "figures" / "12_map.json").exists()
    keep_run(run_dir, target, ["12"], parts=["rows", "figures"])
    assert sorted(path.name for path in target.iterdir()) == ["figures", "rows", "run.json"]
    keep_run(run_dir, target, parts=["rows"])
    assert sorted(path.name for path in target.iterdir()) == ["rows", "run.json"]


def test_pictures_keep_their_look(run_dir, tmp_path):
    target = tmp_path / "quick_copy"
    keep_run(run_dir, target, ["12"])
    before, after = (Image.open(folder / "figures" / "12.png").convert("RGB") for folder in (run_dir, target))
    assert after.size == before.size and len(after.getcolors(1 << 20)) <= COLOURS
    assert np.abs(np.asarray(before, int) - np.asarray(after, int)).mean() < 16
    assert (target / "figures" / "12.png").stat().st_size < 0.5 * (run_dir / "figures" / "12.png").stat().st_size
    notebook = nbformat.read(target / "notebooks" / "12_x.ipynb", as_version=4)
    nbformat.validate(notebook)
    said, shown = notebook.cells[0].outputs
    assert said["text"] == "AbsRel 0.123\n" and notebook.cells[0].metadata == {} == notebook.metadata
    picture = Image.open(io.BytesIO(base64.b64decode(shown["data"]["image/png"])))
    assert picture.size == (WIDTH_PX, round(400 * WIDTH_PX / 1200))


def test_a_picture_that_would_grow_stays_as_it_is():
    plain = io.BytesIO()
    Image.new("P", (8, 8)).save(plain, "PNG", optimize=True)
    assert fewer_colours(plain.getvalue()) == plain.getvalue()
    cell = nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("stream", text="1")])
    before = nbformat.v4.new_notebook(cells=[cell])
    assert slim_notebook(before).cells[0].outputs == before.cells[0].outputs


def test_the_old_copy_stays_where_the_new_one_cannot_be_made(run_dir, tmp_path):
    target = tmp_path / "kept"
    keep_run(run_dir, target)
    (run_dir / "rows" / "12.csv").write_text("experiment,value\nours,0.2\n")
    with pytest.raises(DataError, match="more than 1,000"):
        keep_run(run_dir, target, limit_bytes=1000)
    (run_dir / "figures" / "12.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="12.png is damaged"):
        keep_run(run_dir, target, ["12"])
    (run_dir / "figures" / "12.png").write_bytes(png())
    (run_dir / "notebooks" / "10_kitti.FAILED.ipynb").write_text("{}")
    with pytest.raises(DataError, match="10_kitti.FAILED.ipynb"):
        keep_run(run_dir, target)
    with pytest.raises(DataError, match="run.json"):
        keep_run(tmp_path / "nothing", target)
    assert "ours,0.1" in (target / "rows" / "12.csv").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "quick"]


@pytest.fixture
def ablation(tmp_path):
    """A run folder with two rows of the committed ablation, whose scores get a metric that is not kept."""
    committed, folder = REPOSITORY / "results" / "reference" / "ablation", tmp_path / "ablation" / "ablation"
    for name in ("baseline-s0", "ours-s0"):
        for kind, ending in (("images", "csv.gz"), ("rows", "csv.gz"), ("edges", "csv.gz"), ("records", "json")):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(committed / kind / f"{name}.{ending}", folder / kind / f"{name}.{ending}")
        scores = folder / "images" / f"{name}.csv.gz"
        write_csv(scores, read_csv_gz(scores).assign(d3=1.0))
    return folder.parent


def test_an_ablation_is_kept_with_the_metrics_that_effects_are_taken_of(ablation, tmp_path):
    target = tmp_path / "kept" / "ablation"
    size = keep_ablation(ablation, target)
    assert size == sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    for kind in ("rows", "edges", "records"):
        for path in (ablation / "ablation" / kind).iterdir():
            assert (target / kind / path.name).read_bytes() == path.read_bytes()
    scores = Evidence(target.parent, "quick", own=False).scores(["ours", "baseline"])
    assert set(IMAGE_METRICS) <= set(scores.columns) and "d3" not in scores
    whole = Evidence(ablation, "quick", own=True).scores(["ours", "baseline"])
    pd.testing.assert_frame_equal(scores, whole.drop(columns="d3"))


def test_rows_kept_before_stay_and_newer_ones_replace_theirs(ablation, tmp_path):
    target = tmp_path / "kept" / "ablation"
    keep_ablation(ablation, target)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*.gz")}
    for path in (ablation / "ablation").rglob("ours-s0.*"):
        path.unlink()
    newer = ablation / "ablation" / "rows" / "baseline-s0.csv.gz"
    newer.write_bytes((ablation / "ablation" / "edges" / "baseline-s0.csv.gz").read_bytes())
    later = max(before.values()) + 10**9
    os.utime(newer, ns=(later, later))
    keep_ablation(ablation, target)
    kept = target / "rows" / "baseline-s0.csv.gz"
    assert kept.read_bytes() == newer.read_bytes()
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items() if path != kept)


def test_an_ablation_without_a_finished_row_is_refused(tmp_path):
    with pytest.raises(DataError, match="lowtex ablate"):
        keep_ablation(tmp_path, tmp_path / "kept")


def test_a_benchmark_is_kept_whole_or_not_at_all(tmp_path):
    source, target = tmp_path / "bench", tmp_path / "kept"
    source.mkdir()
    for name in BENCH:
        with pytest.raises(DataError, match=name):
            keep_bench(source, target)
        (source / name).write_bytes(png() if name.endswith("png") else name.encode())
    assert not target.exists()
    size = keep_bench(source, target)
    assert (target / "rows.csv").read_bytes() == b"rows.csv" and (target / "table.md").read_bytes() == b"table.md"
    picture = Image.open(target / "overview.png")
    assert picture.size == (1200, 400) and len(picture.convert("RGB").getcolors()) <= COLOURS
    assert size == sum(path.stat().st_size for path in target.iterdir())
