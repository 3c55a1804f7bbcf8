"""One small batch of the ablation, from the command line to its rows: trained once, scored by every name, resumable."""

from dataclasses import replace

import pandas as pd
import pytest

from lowtex.errors import DataError
from lowtex.evaluation.metrics import METRICS
from lowtex.evaluation.results import COLUMNS
from lowtex.experiments import change, get_profile, named_experiment
from lowtex.files import read_json
from lowtex.training import experiment_folder
from lowtex_lab import cli
from lowtex_lab.studies.rows import (
    MINIATURE_STRATA,
    REAL_STRATA,
    Entry,
    finished_labels,
    read_records,
    read_table,
)
from lowtex_lab.studies.work import Place, main, to_json

SMOKE = get_profile("smoke")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The miniature Virtual KITTI 2 of the smoke profile."""
    folder = tmp_path_factory.mktemp("world")
    assert cli.main(["data", "miniature", "--profile", "smoke", "--out", str(folder)]) == 0
    return folder / "vkitti2"


@pytest.fixture(scope="module")
def batch(world, tmp_path_factory):
    """A batch of five names that mean three trainings, by the command, two at a time; its run folder and its words."""
    run_dir = tmp_path_factory.mktemp("run")
    names = ["ours", "resnet-pixels-first-plain", "iresnet-features-both-nested", "features-smooth-0.001", "census"]
    words = ["ablate", *names, "--profile", "smoke", "--seeds", "0", "--jobs", "2", "--device", "cpu"]
    words += ["--data", f"vkitti2={world}", "--run-dir", str(run_dir)]
    assert cli.main(words) == 0
    return run_dir, words


def read_both(run_dir):
    """All rows and all scores of images."""
    return tuple(read_table(run_dir, kind, finished_labels(run_dir)) for kind in ("rows", "images"))


def test_the_command_trains_once_and_scores_each_name(batch):
    run_dir, _ = batch
    trained = [path.name.rpartition("-")[0] for path in (run_dir / "experiments").iterdir() if path.is_dir()]
    assert sorted(trained) == ["census-s0", "feature_net-s0", "ours-s0", "resnet-pixels-first-plain-s0"]
    rows, images = read_both(run_dir)
    names = {"ours", "resnet-pixels-first-plain", "iresnet-features-both-nested", "features-smooth-0.001", "census"}
    assert list(rows.columns) == list(COLUMNS) and set(rows["experiment"]) == set(images["experiment"]) == names
    assert set(rows["stratum_kind"]) == {"none", *MINIATURE_STRATA} == set(images["stratum_kind"])
    assert set(rows["threads"]) == {1} == set(images["threads"])
    assert set(rows["protocol"]) == {"vkitti2_dense"} and rows["miniature"].all()
    assert set(rows.loc[rows["experiment"] == "features-smooth-0.001", "split"]) == {"eigen_like/val"}
    assert set(rows.loc[rows["experiment"] == "ours", "split"]) == {"eigen_like/val", "eigen_like/test"}
    same = [images[images["experiment"] == n].drop(columns="experiment").reset_index(drop=True) for n in sorted(names)]
    by_name = dict(zip(sorted(names), same, strict=True))
    pd.testing.assert_frame_equal(by_name["ours"], by_name["iresnet-features-both-nested"])
    assert not by_name["ours"]["abs_rel"].equals(by_name["census"]["abs_rel"])


def test_a_row_is_the_mean_of_its_images(batch):
    rows, images = read_both(batch[0])
    columns = ["experiment", "seed", "split", "stratum_kind", "stratum"]
    wide = rows.pivot(index=columns, columns="metric", values="value")
    means = images.groupby(columns)[list(METRICS)].mean()
    pd.testing.assert_frame_equal(means, wide[list(METRICS)].rename_axis(columns=None), rtol=1e-4)
    one = images[(images["experiment"] == "ours") & (images["stratum_kind"] == "none")]
    assert sorted({name.split("/")[0] for name in one["image"]}) == ["Scene01", "Scene06", "Scene20"]
    assert (images["pixels"] > 0).all() and not images.isna().any().any()


def test_records_say_how_it_was_trained(batch):
    records = read_records(batch[0]).set_index("experiment")
    assert len(records) == 5 and (records["wall_s"] > 0).all() and (records["threads"] == 1).all()
    assert records.loc["ours", "key"] == records.loc["features-smooth-0.001", "key"]
    assert records.loc["ours", "feature_net_key"] and records.loc["ours", "feature_net_s"] > 0
    assert records.loc["census", "feature_net_key"] == ""
    record = read_json(batch[0] / "ablation" / "records" / "ours-s0.json")
    assert record["experiment"]["name"] == "ours" and record["training"]["steps"] == SMOKE.schedule.steps


def test_a_second_call_does_nothing_and_what_is_lost_is_made_again(batch, capsys):
    run_dir, words = batch
    files = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*") if path.is_file() and path.name != ".lock"}
    assert cli.main(words) == 0
    assert "5 done before, 0 to come" in capsys.readouterr().out
    assert files == {path: path.stat().st_mtime_ns for path in files}
    image_file = run_dir / "ablation" / "images" / "census-s0.csv.gz"
    before = image_file.read_bytes()
    (run_dir / "ablation" / "records" / "census-s0.json").unlink()
    image_file.unlink()
    assert cli.main([*words, "--dry-run"]) == 0
    assert "4 done before, 1 to come in 1 tasks" in capsys.readouterr().out and not image_file.exists()
    assert cli.main(words) == 0
    assert image_file.read_bytes() == before, "the same scores are the same bytes"
    network = next((run_dir / "experiments").glob("census-s0-*")) / "network.safetensors"
    assert network.stat().st_mtime_ns == files[network], "it was scored again, not trained again"


def test_a_failed_training_is_named_in_the_exit_code_and_keeps_its_log(batch, capsys):
    run_dir, words = batch
    experiment = named_experiment("zncc", "smoke", 0, **_settings(run_dir))
    broken = experiment_folder(run_dir / "experiments", experiment)
    broken.mkdir()
    (broken / "state.pt").write_bytes(b"no state")
    assert cli.main(["ablate", "zncc", "ours", *words[words.index("--profile") :]]) == 1
    text = capsys.readouterr().out
    assert "1 done before, 1 to come" in text and "1 failed" in text
    assert "FAILED zncc-s0:" in text and "state.pt is damaged" in text
    assert "state.pt is damaged" in (run_dir / "ablation" / "logs" / "zncc-s0.log").read_text()
    assert "zncc" not in set(read_records(run_dir)["experiment"])


def _settings(run_dir):
    data = read_json(run_dir / "ablation" / "records" / "ours-s0.json")["experiment"]["data"]
    return {f"data__{name}": data[name] for name in ("dataset", "split", "variation", "source")}


def test_other_pairs_than_planned_are_refused(batch, world, capsys):
    place = Place(batch[0], world, "smoke", "cpu")
    experiment = change(named_experiment("baseline", "smoke", 0, **_settings(batch[0])), data__source="miniature:other")
    assert main([to_json(place, experiment, {"baseline": ("val",)})]) == 2
    assert "was planned for miniature:other" in capsys.readouterr().out.splitlines()[-1]


def test_training_scenes_are_never_scored(batch, world, capsys):
    place = Place(batch[0], world, "smoke", "cpu")
    experiment = named_experiment("census", "smoke", 0, **_settings(batch[0]))
    assert main([to_json(place, experiment, {"census": ("train",)})]) == 2
    assert "is in the train split and in the training split" in capsys.readouterr().out.splitlines()[-1]


def test_an_entry_is_done_only_as_it_was_asked_for(batch):
    run_dir, _ = batch
    entry = Entry("ours", named_experiment("ours", "smoke", 0, **_settings(run_dir)), ("val", "test"))
    assert entry.is_done(run_dir, MINIATURE_STRATA)
    assert not entry.is_done(run_dir, REAL_STRATA)
    assert not replace(entry, splits=("val",)).is_done(run_dir, MINIATURE_STRATA)
    assert not replace(entry, experiment=change(entry.experiment, seed=1)).is_done(run_dir, MINIATURE_STRATA)
    other = replace(entry, experiment=change(entry.experiment, loss__smooth_first=0.5))
    assert not other.is_done(run_dir, MINIATURE_STRATA)


def test_damaged_and_missing_files_are_named(batch):
    for kind in ("rows", "images"):
        path = batch[0] / "ablation" / kind / "ours-s0.csv.gz"
        good = path.read_bytes()
        try:
            path.write_bytes(good[:200])
            with pytest.raises(DataError, match="ours-s0.csv.gz"):
                read_both(batch[0])
            path.unlink()
            with pytest.raises(DataError, match="ours-s0.csv.gz"):
                read_both(batch[0])
        finally:
            path.write_bytes(good)


def test_the_train_command_knows_the_same_training_by_the_same_name(batch, world, capsys):
    words = ["train", "resnet-pixels-first-plain", "--profile", "smoke", "--data", f"vkitti2={world}"]
    [known] = (batch[0] / "experiments").glob("resnet-pixels-first-plain-s0-*")
    before = (known / "network.safetensors").stat().st_mtime_ns
    assert cli.main([*words, "--out", str(known.parent)]) == 0
    assert known.name in capsys.readouterr().out.splitlines()[-2]
    assert (known / "network.safetensors").stat().st_mtime_ns == before


def test_the_train_command_lists_all_names(capsys):
    assert cli.main(["train", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:1] == ["iresnet-features-both-nested"] for line in lines)
    assert any("FeatDepth's objective" in line for line in lines)
