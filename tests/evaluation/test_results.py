"""Rows: round trip, refusal of damaged files, merging; tables and the published numbers."""

import re
import subprocess
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from eval_samples import make_sample
from test_tables import measured, several

from lowtex.errors import DataError
from lowtex.evaluation import results
from lowtex.evaluation.evaluate import evaluate
from lowtex.evaluation.metrics import METRICS
from lowtex.experiments import change, named_experiment
from lowtex.provenance import commit


def images(count=2):
    contrast = torch.where(torch.arange(64) < 32, 0.0, 0.1).expand(1, 32, 64)
    truth = {"depth": torch.full((1, 32, 64), 10.0), "texture_contrast": contrast}
    return [make_sample(i, (32, 64), **truth) for i in range(count)]


def off(factor, samples, protocol="improved", **options):
    """The evaluation of a network that predicts everything ``factor`` times as far as it is."""
    network = SimpleNamespace(depth=lambda image, rig: torch.full_like(image[:, :1], 10.0 * factor))
    return evaluate(network, samples, protocol, **options)


PLACE = {"eval_data": "kitti", "split": "test", "miniature": True, "profile": "quick"}


def test_rows_say_where_they_come_from():
    experiment = named_experiment("ours", source="miniature:0123")
    rows = results.rows_from(off(1.1, images(), "eigen_raw", strata=["known", "distance"]), experiment, **PLACE)
    assert tuple(rows.columns) == results.COLUMNS
    # the whole image is there once, whatever the strata
    places = {("none", "all"), ("known", "low"), ("known", "high"), ("distance", "10-20 m")}
    assert set(zip(rows["stratum_kind"], rows["stratum"], strict=True)) == places and len(rows) == 4 * len(METRICS)
    row = rows[(rows["metric"] == "abs_rel") & (rows["stratum"] == "low")].iloc[0]
    assert row["value"] == pytest.approx(0.1, rel=1e-6)
    assert (row["experiment"], row["experiment_key"], row["seed"]) == ("ours", experiment.key, 0)
    assert row["train_data"] == "vkitti2 train clone miniature:0123"
    assert (row["eval_data"], row["split"], row["miniature"], row["status"]) == ("kitti", "test", True, "measured")
    assert (row["protocol"], row["crop"], row["cap_m"], row["scaling"]) == ("eigen_raw", "garg", 80.0, "none")
    assert (row["stratum_kind"], row["images"], row["pixels"]) == ("known", 2, 2 * 18 * (32 - 2))
    origin = results.provenance("cpu")
    assert row["lowtex_version"].startswith(origin["lowtex_version"]) and origin["commit"] in row["lowtex_version"]
    assert row["torch_version"] == torch.__version__ and row["threads"] == torch.get_num_threads()
    assert (row["train_precision"], row["eval_precision"]) == ("fp32", "fp32")


def test_rows_say_which_precision_they_rest_on(tmp_path, repository):
    rough = change(named_experiment("ours"), schedule__precision="bf16")
    rows = results.rows_from(off(1.1, images(), precision="tf32"), rough, **PLACE)
    assert set(rows["train_precision"]) == {"bf16"} and set(rows["eval_precision"]) == {"tf32"}
    foreign = results.rows_from(off(1.1, images()), "x", experiment_key="k", seed=0, train_data="KITTI", **PLACE)
    assert set(foreign["train_precision"]) == {"not stated"} and set(foreign["eval_precision"]) == {"fp32"}
    # rows from before there were these columns
    before = ["train_precision", "eval_precision"]
    rows.drop(columns=before).to_csv(tmp_path / "rows.csv", index=False)
    back = results.append_rows(tmp_path / "rows.csv", foreign)
    assert set(back[back["experiment"] == "ours"][before].to_numpy().ravel()) == {"not stated"}
    assert len(results.read_rows(repository / "results" / "reference" / "quick")) > 1000


def test_a_changed_package_shows_in_the_commit(tmp_path, monkeypatch):
    def git(*words):
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        return subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    monkeypatch.setattr("lowtex.provenance.REPOSITORY", tmp_path)
    module, notes = tmp_path / "lowtex" / "module.py", tmp_path / "notes.txt"
    module.parent.mkdir()
    module.write_text("one\n")
    notes.write_text("one\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    head = git("rev-parse", "HEAD")[:12]
    notes.write_text("two\n")
    assert commit.__wrapped__() == head, "what is not the package changes no number"
    module.write_text("two\n")
    assert commit.__wrapped__() == f"{head}+changes"
    git("checkout", "-q", "--", "lowtex")
    (tmp_path / "lowtex" / "new.py").write_text("")
    assert commit.__wrapped__() == f"{head}+changes", "a file that git does not know yet"


def test_a_fine_tuned_experiment_and_a_network_from_elsewhere_say_so():
    evaluation = off(1.0, images())
    tuned = change(named_experiment("ours"), start_from="aaaa", data__dataset="kitti", data__source="real:77")
    assert results.rows_from(evaluation, tuned, **PLACE)["train_data"][0] == "kitti train real:77, from aaaa"
    with pytest.raises(TypeError, match="experiment_key, seed and train_data"):
        results.rows_from(evaluation, "monodepth2", **PLACE)
    rows = results.rows_from(evaluation, "monodepth2", experiment_key="published", seed=0, train_data="KITTI", **PLACE)
    assert set(rows["experiment"]) == {"monodepth2"}


def test_no_rows_without_a_scored_image():
    samples = images(1)
    samples[0].depth = None
    with pytest.warns(UserWarning, match="0 of 1 images scored"):
        evaluation = off(1.0, samples)
    assert evaluation.images == 0 and evaluation.means().empty
    with pytest.raises(DataError, match="0 of 1 images scored; 1 with no ground truth"):
        results.rows_from(evaluation, named_experiment("ours"), **PLACE)


def test_the_same_measurement_gives_the_same_bytes_and_comes_back(tmp_path):
    first, second = several(), several()
    second["created"], second["wall_s"] = "2031-01-01T00:00:00Z", 99.0
    again = second.sample(frac=1.0, random_state=1)
    for name, rows in (("a", first), ("b", again)):
        results.write_csv(tmp_path / name, results.merge_rows(rows).drop(columns=list(results.PROVENANCE_COLUMNS)))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    results.write_rows(tmp_path / "c.csv", first)
    results.write_rows(tmp_path / "d.csv", first.sample(frac=1.0, random_state=2))
    assert (tmp_path / "c.csv").read_bytes() == (tmp_path / "d.csv").read_bytes()
    back = results.read_rows(tmp_path / "d.csv")
    pd.testing.assert_frame_equal(back, first, rtol=1e-9)
    assert back["flip"].dtype == bool and back["seed"].dtype == np.int64 and back["value"].dtype == float
    assert set(results.COLUMNS) == {*results.IDENTITY_COLUMNS, *results.PROVENANCE_COLUMNS, "value", "images", "pixels"}


def test_the_newer_of_two_equal_measurements_stays(tmp_path):
    old, new = measured(factor=1.1), measured(factor=1.3)
    old["created"], new["created"] = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
    for order in ((old, new), (new, old)):
        merged = results.merge_rows(*order)
        assert len(merged) == len(old)
        assert merged[merged["metric"] == "abs_rel"]["value"].tolist() == pytest.approx([0.3] * 3)
    other = measured(factor=1.3, seed=1)
    assert len(results.merge_rows(old, other)) == 2 * len(old)
    path = tmp_path / "rows.csv"
    results.append_rows(path, old)
    results.append_rows(path, other)
    assert len(results.append_rows(path, new)) == len(results.read_rows(path)) == 2 * len(old)


def test_a_folder_is_read_whole_and_nothing_else_in_it(tmp_path):
    results.write_rows(tmp_path / "rows-10.csv", measured("ours"))
    results.write_rows(tmp_path / "rows" / "12.csv", measured("baseline"))
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "main.csv").write_text("a,b\n1,2\n")
    assert set(results.read_rows(tmp_path)["experiment"]) == {"ours", "baseline"}
    assert set(results.read_rows(tmp_path / "rows")["experiment"]) == {"baseline"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no rows under.*lowtex run"):
        results.read_rows(tmp_path / "empty")
    with pytest.raises(DataError, match="missing.csv is missing"):
        results.read_rows(tmp_path / "missing.csv")


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("value", "", "row 3 has value='', expected a finite number"),
        ("value", "inf", "expected a finite number"),
        ("images", "0", "expected at least 1"),
        ("seed", "one", "seed='one'"),
        ("flip", "maybe", "flip='maybe', expected True or False"),
        ("metric", "accuracy", "metric='accuracy'"),
        ("protocol", "", "expected a text"),
    ],
)
def test_damaged_rows_name_file_and_row(tmp_path, column, cell, message):
    path = results.write_rows(tmp_path / "rows.csv", measured())
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.loc[2, column] = cell
    frame.to_csv(path, index=False)
    with pytest.raises(DataError, match=re.escape(message)) as error:
        results.read_rows(path)
    assert str(path) in str(error.value)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "rows.csv"
    for text, message in (("", "not a CSV"), ("a,b\n1,2\n", "lacks experiment"), ("a\n1,2\n3,4,5\n", "rows.csv")):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            results.read_rows(path)
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="not a CSV"):
        results.read_rows(path)
    with pytest.raises(DataError, match="unknown extra"):
        results.write_rows(path, measured().assign(extra=1))
    with pytest.raises(DataError, match="finite"):
        results.write_rows(path, measured().assign(value=np.nan))


def test_per_image_rows():
    evaluation = off(1.1, images(3), strata="known", flip=True)
    rows = results.per_image_rows(evaluation, named_experiment("ours", seed=4), eval_data="kitti", split="test")
    assert len(rows) == 9 and set(rows["seed"]) == {4} and rows["flip"].all()
    assert rows["image"].nunique() == 3 and rows["abs_rel"].tolist() == pytest.approx([0.1] * 9)
