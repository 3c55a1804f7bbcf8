"""What is kept of a run: numbers byte for byte, smaller pictures, whole or not at all."""

import base64
import io

import nbformat
import numpy as np
import pandas as pd
import pytest
from dataset_trees import put
from notebook_files import png, write_executed
from PIL import Image

from lowtex.errors import DataError
from lowtex.evaluation.results import write_csv
from lowtex.files import read_json, write_json
from lowtex_lab.notebook import reference
from lowtex_lab.studies.evidence import REFERENCE, Evidence
from lowtex_lab.studies.rows import read_all_records, read_table


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "quick"
    put(folder / "run.json", '{"profile": "quick"}')
    put(folder / "rows" / "12.csv", "experiment,value\nours,0.1\n")
    for name in ("12_overall", "16_claims"):
        put(folder / "tables" / f"{name}.md", "| a |\n")
        put(folder / "tables" / f"{name}.csv", "a\n1\n")
    for ending in ("png", "pdf", "json"):
        put(folder / "figures" / f"12.{ending}", png())
    put(folder / "figures" / "01_scenes.png", png(60, 20))
    put(folder / "experiments" / "ours-s0" / "network.safetensors", bytes(1000))
    write_executed(folder / "notebooks" / "12_x.ipynb", png())
    put(folder / "notebooks" / "12_x.html", "page")
    put(folder / "notebooks" / "12_x.result.json", '{"status": "done"}')
    return folder


def test_numbers_are_kept_byte_for_byte_and_the_rest_stays_behind(run_dir, tmp_path):
    target = tmp_path / "reference" / "quick"
    size = reference.keep_run(run_dir, target, ["12", "99_not_there"])
    kept = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert kept == {
        *("run.json", "records.json", "rows/12.csv", "tables/16_claims.md", "tables/16_claims.csv"),
        *("figures/12.png", "notebooks/12_x.ipynb"),
    }
    assert size == sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    for name in ("rows/12.csv", "tables/16_claims.md", "tables/16_claims.csv"):
        assert (target / name).read_bytes() == (run_dir / name).read_bytes()
    assert read_json(target / "records.json") == {"12_x": {"status": "done"}}
    assert [path.name for path in target.parent.iterdir()] == ["quick"], "nothing is left beside it"


def test_pictures_keep_their_look(run_dir, tmp_path):
    target = tmp_path / "quick_copy"
    reference.keep_run(run_dir, target, ["12"])
    before, after = (Image.open(folder / "figures" / "12.png").convert("RGB") for folder in (run_dir, target))
    assert after.size == before.size and len(after.getcolors(1 << 20)) <= reference.FIGURE_COLOURS
    assert np.abs(np.asarray(before, int) - np.asarray(after, int)).mean() < 16
    assert (target / "figures" / "12.png").stat().st_size < 0.5 * (run_dir / "figures" / "12.png").stat().st_size
    notebook = nbformat.read(target / "notebooks" / "12_x.ipynb", as_version=4)
    nbformat.validate(notebook)
    said, shown = notebook.cells[1].outputs
    assert said["text"] == "AbsRel 0.123\n" and notebook.cells[1].metadata == {} == notebook.metadata
    picture = Image.open(io.BytesIO(base64.b64decode(shown["data"]["image/png"])))
    assert picture.size == (reference.WIDTH_PX, round(400 * reference.WIDTH_PX / 1200))
    assert len(picture.convert("RGB").getcolors()) <= reference.COLOURS


def test_a_picture_that_would_grow_stays_as_it_is():
    plain = io.BytesIO()
    Image.new("P", (8, 8)).save(plain, "PNG", optimize=True)
    assert reference.fewer_colours(plain.getvalue()) == plain.getvalue()


def test_the_old_copy_stays_where_the_new_one_cannot_be_made(run_dir, tmp_path, monkeypatch):
    target = tmp_path / "kept"
    reference.keep_run(run_dir, target)
    (run_dir / "rows" / "12.csv").write_text("experiment,value\nours,0.2\n")
    with monkeypatch.context() as small, pytest.raises(DataError, match="more than 1,000"):
        small.setattr(reference, "LIMIT_BYTES", 1000)
        reference.keep_run(run_dir, target)
    (run_dir / "figures" / "12.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="12.png is damaged"):
        reference.keep_run(run_dir, target, ["12"])
    (run_dir / "figures" / "12.png").write_bytes(png())
    (run_dir / "notebooks" / "10_kitti.FAILED.ipynb").write_text("{}")
    with pytest.raises(DataError, match="10_kitti.FAILED.ipynb"):
        reference.keep_run(run_dir, target)
    with pytest.raises(DataError, match="run.json"):
        reference.keep_run(tmp_path / "nothing", target)
    assert "ours,0.1" in (target / "rows" / "12.csv").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "quick"]


@pytest.fixture(scope="module")
def ablation(tmp_path_factory):
    """A run folder with two committed entries, a file each; their scores get a metric that is not kept."""
    run_dir = tmp_path_factory.mktemp("run")
    for label in ("baseline-s0", "ours-s0"):
        for kind in ("images", "rows", "edges"):
            found = read_table(REFERENCE, kind, [label])
            write_csv(
                run_dir / "ablation" / kind / f"{label}.csv.gz", found.assign(d3=1 / 3) if kind == "images" else found
            )
        write_json(run_dir / "ablation" / "records" / f"{label}.json", read_all_records(REFERENCE)[label])
    return run_dir


def test_a_packed_ablation_reads_as_one_with_a_file_an_entry(ablation, tmp_path):
    size = reference.keep_ablation(ablation, tmp_path)
    kept = sorted(path.name for path in (tmp_path / "ablation").iterdir())
    assert kept == ["edges.csv.gz", "images.csv.gz", "records.json.gz", "rows.csv.gz"]
    assert size == sum(path.stat().st_size for path in (tmp_path / "ablation").iterdir())
    own, packed = Evidence(ablation, "quick", own=True), Evidence(tmp_path, "quick", own=False)
    names = ["ours", "baseline"]
    assert packed.names == own.names and packed.caption == own.caption
    pd.testing.assert_frame_equal(packed.records(), own.records())
    for split in ("test", "val"):
        pd.testing.assert_frame_equal(packed.rows(names, split), own.rows(names, split))
        scores = packed.scores(names, split)
        assert set(reference.IMAGE_METRICS) <= set(scores.columns) and "d3" not in scores
        pd.testing.assert_frame_equal(scores, own.scores(names, split).drop(columns="d3"))
    pd.testing.assert_frame_equal(packed.measured("edges", names), own.measured("edges", names))
    assert packed.missing(names, "sweep") == names
    with pytest.raises(DataError, match="lowtex ablate --measure sweep"):
        packed.measured("sweep")


def test_entries_kept_before_stay_and_newer_ones_replace_theirs(ablation, tmp_path):
    kept = tmp_path / "kept"
    reference.keep_ablation(ablation, kept)
    before = {path.name: path.read_bytes() for path in (kept / "ablation").iterdir()}
    newer = read_table(ablation, "rows", ["baseline-s0"]).assign(value=0.25)
    write_csv(tmp_path / "newer" / "ablation" / "rows" / "baseline-s0.csv.gz", newer)
    record = read_all_records(ablation)["baseline-s0"] | {"score_s": 1.5}
    write_json(tmp_path / "newer" / "ablation" / "records" / "baseline-s0.json", record)
    reference.keep_ablation(tmp_path / "newer", kept)
    after = {path.name: path.read_bytes() for path in (kept / "ablation").iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"rows.csv.gz", "records.json.gz"}
    assert set(read_table(kept, "rows", ["baseline-s0"])["value"]) == {0.25}
    pd.testing.assert_frame_equal(read_table(kept, "rows", ["ours-s0"]), read_table(ablation, "rows", ["ours-s0"]))
    newer_ones = [label for label, one in read_all_records(kept).items() if one["score_s"] == 1.5]
    assert newer_ones == ["baseline-s0"] and len(read_all_records(kept)) == 2
    # the measure of a network that was trained anew goes
    write_json(tmp_path / "newer" / "ablation" / "records" / "baseline-s0.json", record | {"key": "another"})
    write_csv(tmp_path / "newer" / "ablation" / "rows" / "baseline-s0.csv.gz", newer.assign(experiment_key="another"))
    reference.keep_ablation(tmp_path / "newer", kept)
    assert read_table(kept, "edges", ["baseline-s0"]).empty and len(read_table(kept, "edges", ["ours-s0"]))


def test_a_damaged_packed_file_is_named(ablation, tmp_path):
    reference.keep_ablation(ablation, tmp_path)
    with pytest.raises(DataError, match="lowtex ablate"):
        reference.keep_ablation(tmp_path / "nothing", tmp_path / "kept")
    for name, read in (
        ("rows.csv.gz", lambda: read_table(tmp_path, "rows", ["ours-s0"])),
        ("records.json.gz", lambda: read_all_records(tmp_path)),
    ):
        path = tmp_path / "ablation" / name
        path.write_bytes(path.read_bytes()[:200])
        with pytest.raises(DataError, match=name):
            read()


def test_a_benchmark_is_kept_whole_or_not_at_all(tmp_path):
    source, target = tmp_path / "bench", tmp_path / "kept"
    source.mkdir()
    for name in reference.BENCH:
        with pytest.raises(DataError, match=name):
            reference.keep_bench(source, target)
        (source / name).write_bytes(png() if name.endswith("png") else name.encode())
    assert not target.exists()
    size = reference.keep_bench(source, target)
    assert (target / "rows.csv").read_bytes() == b"rows.csv" and (target / "table.md").read_bytes() == b"table.md"
    picture = Image.open(target / "overview.png")
    assert picture.size == (1200, 400) and len(picture.convert("RGB").getcolors()) <= reference.FIGURE_COLOURS
    assert size == sum(path.stat().st_size for path in target.iterdir())
