"""One small batch of the ablation, from the command line to what notebooks read: trained once, scored by every name,
resumable, measured, and found in the right place."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest

from lowtex.checkpoints import load_network
from lowtex.data_paths import MINIATURE_MANIFEST, ROOT_MANIFEST
from lowtex.errors import DataError, OptionError
from lowtex.evaluation.metrics import METRICS
from lowtex.evaluation.results import COLUMNS
from lowtex.experiments import change, get_profile, named_experiment
from lowtex.files import read_json
from lowtex.training import experiment_folder
from lowtex_lab import cli
from lowtex_lab.miniature.store import ensure_miniature
from lowtex_lab.notebook.reference import keep_ablation
from lowtex_lab.studies import evidence, rows
from lowtex_lab.studies.batch import Place, carry_out, main, take_measures, to_json
from lowtex_lab.studies.evidence import REFERENCE, Evidence, open_batches, open_evidence
from lowtex_lab.studies.rows import MINIATURE_STRATA, SPARSE_STRATA, Entry, finished_labels, read_records, read_table
from lowtex_lab.studies.stats.effects import compare

SMOKE = get_profile("smoke")
NAMES = ("ours", "iresnet-features-both-nested", "features-smooth-0.001", "census")
"""Four names that mean two trainings; the third is scored on validation scenes alone."""


@pytest.fixture(scope="module")
def world(smoke_world):
    """The miniature Virtual KITTI 2 of the smoke profile."""
    return smoke_world / "vkitti2"


@pytest.fixture(scope="module")
def batch(world, tmp_path_factory):
    """A batch by the command, two at a time, and one training of a second seed; its run folder and the options."""
    run_dir = tmp_path_factory.mktemp("run")
    words = ["--profile", "smoke", "--jobs", "2", "--device", "cpu"]
    words += ["--data", f"vkitti2={world}", "--run-dir", str(run_dir)]
    assert cli.main(["ablate", *NAMES, "--seeds", "0", *words]) == 0
    assert cli.main(["ablate", "census", "--seeds", "1", *words]) == 0
    return run_dir, words


@pytest.fixture
def found(batch) -> Evidence:
    return Evidence(batch[0], "smoke", True)


def read_both(run_dir):
    """All rows and all scores of images."""
    return tuple(read_table(run_dir, kind, finished_labels(run_dir)) for kind in ("rows", "images"))


def test_the_command_trains_once_and_scores_each_name_whose_rows_are_means_of_images(batch):
    run_dir, _ = batch
    trained = [path.name.rpartition("-")[0] for path in (run_dir / "experiments").iterdir() if path.is_dir()]
    assert sorted(trained) == ["census-s0", "census-s1", "feature_net-s0", "ours-s0"]
    rows, images = read_both(run_dir)
    assert list(rows.columns) == list(COLUMNS) and set(rows["experiment"]) == set(images["experiment"]) == set(NAMES)
    assert set(rows["stratum_kind"]) == {"none", *MINIATURE_STRATA} == set(images["stratum_kind"])
    assert set(rows["threads"]) == {1} == set(images["threads"])
    assert set(rows["protocol"]) == {"vkitti2_dense"} and rows["miniature"].all()
    assert set(rows.loc[rows["experiment"] == "features-smooth-0.001", "split"]) == {"eigen_like/val"}
    assert set(rows.loc[rows["experiment"] == "ours", "split"]) == {"eigen_like/val", "eigen_like/test"}
    first = images[images["seed"] == 0]
    by_name = {name: own.drop(columns="experiment").reset_index(drop=True) for name, own in first.groupby("experiment")}
    pd.testing.assert_frame_equal(by_name["ours"], by_name["iresnet-features-both-nested"])
    assert not by_name["ours"]["abs_rel"].equals(by_name["census"]["abs_rel"])
    # a row is the mean of its images
    columns = ["experiment", "seed", "split", "stratum_kind", "stratum"]
    wide = rows.pivot(index=columns, columns="metric", values="value")
    means = images.groupby(columns)[list(METRICS)].mean()
    pd.testing.assert_frame_equal(means, wide[list(METRICS)].rename_axis(columns=None), rtol=1e-4)
    one = images[(images["experiment"] == "ours") & (images["stratum_kind"] == "none")]
    assert sorted({name.split("/")[0] for name in one["image"]}) == ["Scene01", "Scene06", "Scene20"]
    assert (images["pixels"] > 0).all() and not images.isna().any().any()


def test_held_out_streets_are_scored_where_the_profile_has_them(world, batch, tmp_path, monkeypatch):
    """The training is the same, and so is its name; only the images that are scored are others."""
    folder = shutil.copytree(world.parent, tmp_path / "world")
    for get_profile_of in ("lowtex_lab.miniature.store.get_profile", "lowtex_lab.studies.batch.get_profile"):
        monkeypatch.setattr(get_profile_of, lambda name: replace(SMOKE, miniature_streets=1))
    ensure_miniature("smoke", folder, progress=False)
    place = Place(tmp_path / "run", folder / "vkitti2", "smoke", "cpu")
    shutil.copytree(batch[0] / "experiments", place.experiments)
    [trained] = [load_network(path)[1]["experiment"] for path in place.experiments.glob("ours-s0-*")]
    carry_out(place, trained, {"ours": ("val", "test")})
    rows, images = read_both(place.run_dir)
    assert rows.groupby("split")["images"].max().to_dict() == {"streets/test": 12, "streets/val": 4}
    assert images.loc[images["split"] == "streets/test", "image"].nunique() == 12
    assert rows["eval_data"].str.startswith("vkitti2 clone").all()
    assert set(rows["stratum_kind"]) == {"none", *MINIATURE_STRATA}
    assert take_measures(place, ["mask", "edges"], ["ours"], [0]) == {}
    for measure in ("mask", "edges"):
        looked_at = set(read_table(place.run_dir, measure, ["ours-s0"])["image"])
        assert looked_at == set(images.loc[images["split"] == "streets/test", "image"]), "the streets that are scored"
    (folder / "vkitti2" / ROOT_MANIFEST).unlink()
    (folder / MINIATURE_MANIFEST).unlink()
    [real] = place.test_sets("val", SMOKE.size).values()
    assert real.root == folder / "vkitti2" and real.split == "eigen_like/val", "real data have their own split"


def test_records_say_how_it_was_trained(batch):
    records = read_records(batch[0]).query("seed == 0").set_index("experiment")
    assert len(records) == 4 and (records["wall_s"] > 0).all() and (records["threads"] == 1).all()
    assert records.loc["ours", "key"] == records.loc["features-smooth-0.001", "key"]
    assert records.loc["ours", "feature_net_key"] and records.loc["ours", "feature_net_s"] > 0
    assert records.loc["census", "feature_net_key"] == "" and set(records["steps"]) == {SMOKE.schedule.steps}


def test_a_second_call_does_nothing_and_what_is_lost_is_made_again(batch, capsys):
    run_dir, words = batch
    files = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*") if path.is_file() and path.name != ".lock"}
    command = ["ablate", *NAMES, "--seeds", "0", *words]
    assert cli.main(command) == 0
    assert "4 done before, 0 to come" in capsys.readouterr().out
    assert files == {path: path.stat().st_mtime_ns for path in files}
    image_file = run_dir / "ablation" / "images" / "census-s0.csv.gz"
    before = image_file.read_bytes()
    (run_dir / "ablation" / "records" / "census-s0.json").unlink()
    image_file.unlink()
    assert cli.main([*command, "--dry-run"]) == 0
    assert "3 done before, 1 to come in 1 tasks" in capsys.readouterr().out and not image_file.exists()
    assert cli.main(command) == 0
    assert image_file.read_bytes() == before, "the same scores are the same bytes"
    network = next((run_dir / "experiments").glob("census-s0-*")) / "network.safetensors"
    assert network.stat().st_mtime_ns == files[network], "it was scored again, not trained again"


def test_a_failed_training_is_named_in_the_exit_code_and_keeps_its_log(batch, capsys):
    run_dir, words = batch
    experiment = named_experiment("zncc", "smoke", 0, **_settings(run_dir))
    broken = experiment_folder(run_dir / "experiments", experiment)
    broken.mkdir()
    (broken / "state.pt").write_bytes(b"no state")
    assert cli.main(["ablate", "zncc", "ours", "--seeds", "0", *words]) == 1
    text = capsys.readouterr().out
    assert "1 done before, 1 to come" in text and "1 failed" in text
    assert "FAILED zncc-s0:" in text and "state.pt is damaged" in text
    assert "state.pt is damaged" in (run_dir / "ablation" / "logs" / "zncc-s0.log").read_text()
    assert "zncc" not in set(read_records(run_dir)["experiment"])


def _settings(run_dir):
    data = read_json(run_dir / "ablation" / "records" / "ours-s0.json")["experiment"]["data"]
    return {f"data__{name}": data[name] for name in ("dataset", "split", "variation", "source")}


def test_other_pairs_than_planned_and_scenes_of_training_are_refused(batch, world, capsys):
    place = Place(batch[0], world, "smoke", "cpu")
    census = named_experiment("census", "smoke", 0, **_settings(batch[0]))
    for experiment, split, message in (
        (change(census, data__source="miniature:other"), "val", "was planned for miniature:other"),
        (census, "train", "is in the train split and in the training split"),
    ):
        assert main([to_json(place, experiment, {"census": (split,)})]) == 2
        assert message in capsys.readouterr().out.splitlines()[-1]


def test_an_entry_is_done_only_as_it_was_asked_for(batch, world, tmp_path, capsys):
    run_dir, _ = batch
    entry = Entry("ours", named_experiment("ours", "smoke", 0, **_settings(run_dir)), ("val", "test"))
    how = Place(run_dir, world, "smoke").asked
    assert entry.is_done(run_dir, how)
    assert not entry.is_done(tmp_path, how)
    keep_ablation(run_dir, tmp_path)
    assert entry.is_done(tmp_path, how) and not entry.is_done(tmp_path, how | {"protocol": "kitti_2015"})
    words = ["ablate", "ours", "zncc", "--seeds", "0-1", *batch[1], "--run-dir", str(tmp_path / "new"), "--dry-run"]
    assert cli.main([*words, "--finished", str(tmp_path)]) == 0
    assert "1 done before, 3 to come" in capsys.readouterr().out
    assert not entry.is_done(run_dir, how | {"strata": list(SPARSE_STRATA)})
    other = replace(entry, experiment=change(entry.experiment, loss__smooth_first=0.5))
    assert not other.is_done(run_dir, how) and not replace(entry, splits=("val",)).is_done(run_dir, how)


def test_pairs_of_one_data_set_are_learnt_from_and_others_scored(world, batch, tmp_path, capsys):
    """Real layouts: the miniatures of the benchmarks' pairs, of KITTI 2015 and of the improved ground truth."""
    folder = shutil.copytree(world.parent, tmp_path / "world")
    roots = {name: name for name in ("kitti_pairs", "kitti_2015", "kitti_depth")} | {"kitti": "kitti_raw"}
    data = [word for name, place in roots.items() for word in ("--data", f"{name}={folder / place}")]
    words = ["ablate", "baseline", "--seeds", "0", "--profile", "smoke", "--device", "cpu", *data, "--split", "all"]
    assert cli.main([*words, "--run-dir", str(tmp_path / "scratch")]) == 0
    assert cli.main([*words, "--run-dir", str(tmp_path / "on"), "--init", str(tmp_path / "scratch")]) == 0
    capsys.readouterr()
    for name in ("scratch", "on"):
        scored = read_table(tmp_path / name, "rows", ["baseline-s0"])
        data = scored.groupby("protocol")["eval_data"].first().str.split().str[0]
        # raw KITTI only holds the images of the improved ground truth
        assert data.to_dict() == {"kitti_2015": "kitti_2015", "improved": "kitti_depth"}
        assert scored["train_data"].str.startswith("kitti_pairs all").all()
        assert set(scored["stratum_kind"]) == {"none", *SPARSE_STRATA}
    records = [tmp_path / name / "ablation" / "records" / "baseline-s0.json" for name in ("scratch", "on")]
    first, then = map(read_json, records)
    assert then["experiment"]["start_from"] == first["key"] != then["key"]
    assert then["training"]["steps"] == SMOKE.finetune_steps != first["training"]["steps"]
    assert cli.main([*words, "--run-dir", str(tmp_path / "on"), "--init", str(tmp_path / "scratch")]) == 0
    assert "1 done before, 0 to come" in capsys.readouterr().out
    for wrong, message in (
        ([*words[:1], "ours", *words[2:], "--init", str(tmp_path / "scratch")], "holds no training ours-s0"),
        ([*words[:1], "features-smooth-0.1", *words[2:]], "judged on validation scenes alone"),
    ):
        assert cli.main([*wrong, "--run-dir", str(tmp_path / "wrong")]) != 0
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["rows", "images"])
def test_damaged_and_missing_files_are_named(batch, kind):
    path = batch[0] / "ablation" / kind / "ours-s0.csv.gz"
    good = path.read_bytes()
    try:
        for spoil in (lambda: path.write_bytes(good[:200]), path.unlink):
            spoil()
            with pytest.raises(DataError, match="ours-s0.csv.gz"):
                read_both(batch[0])
    finally:
        path.write_bytes(good)


def test_the_train_command_knows_the_same_training_by_the_same_name(batch, world, capsys):
    words = ["train", "census", "--profile", "smoke", "--data", f"vkitti2={world}"]
    [known] = (batch[0] / "experiments").glob("census-s0-*")
    before = (known / "network.safetensors").stat().st_mtime_ns
    assert cli.main([*words, "--out", str(known.parent)]) == 0
    assert known.name in capsys.readouterr().out.splitlines()[-2]
    assert (known / "network.safetensors").stat().st_mtime_ns == before


def test_evidence_says_where_from_which_seeds_and_what_stands_behind(found):
    assert found.names == ["ours", "iresnet-features-both-nested", "census", NAMES[2]]
    assert found.seeds("census") == (0, 1) and found.seeds("ours") == (0,) and found.seeds("zncc") == ()
    assert found.missing(["zncc", "ours"]) == ["zncc"]
    assert found.present(["zncc", "census", "ours", "census"]) == ["census", "ours"]
    text = found.describe()
    assert str(found.run_dir) in text and "made here" in text
    assert "4 experiments, 5 rows of experiment and seed from 3 trainings" in text
    assert found.caption == "smoke profile, miniature, 1 to 2 seeds"


@pytest.mark.parametrize(("split", "scenes"), [("test", {"Scene01", "Scene20"}), ("val", {"Scene06"})])
def test_scores_and_rows_of_one_split(found, split, scenes):
    scores, means = (read(["census", "ours"], split) for read in (found.scores, found.rows))
    assert set(scores["image"].str.split("/").str[0]) == scenes
    trainings = {("census", 0), ("census", 1), ("ours", 0)}
    assert set(zip(scores["experiment"], scores["seed"], strict=True)) == trainings
    assert set(scores["stratum_kind"]) >= {"none", "known", "edges"}
    assert set(means["split"]) == {f"eigen_like/{split}"} == set(scores["split"])
    assert len(compare(scores[scores["seed"] == 0], [("ours", "census")], stratum_kind="known", times=20)) > 1
    with pytest.raises(DataError, match="no scores of baseline, zncc; `lowtex ablate baseline zncc`"):
        found.scores(["ours", "baseline", "zncc"], split)
    with pytest.raises(OptionError, match="split"):
        found.scores(["ours"], "train")


@pytest.fixture
def sum_of_weights(found, monkeypatch):
    """A measure called edges: the sum of all weights. It counts its calls, and fails where it is told."""
    module = ModuleType("lowtex_test_measure")
    module.calls, module.fails = [], 0

    def measure(network, root, size, split):
        module.calls.append(root)
        if len(module.calls) <= module.fails:
            raise DataError("that root cannot be measured")
        value = sum(weights.sum().item() for weights in network.parameters())
        return pd.DataFrame({"image": ["grey"], "quantity": ["sum"], "value": [value]})

    module.measure = measure
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(rows.MEASURES, "edges", module.__name__)
    shutil.rmtree(found.folder / "edges", ignore_errors=True)
    return module


def test_measures_are_taken_once_and_follow_the_training(found, batch, sum_of_weights, capsys):
    command = ["ablate", "census", "ours", "--seeds", "0-1", "--measure", "edges", *batch[1]]
    assert found.missing(found.names, "edges") == found.names
    with pytest.raises(DataError, match="lowtex ablate --measure edges"):
        found.measured("edges")
    with pytest.raises(OptionError, match="measure"):
        found.measured("colour")
    assert cli.main(command) == 0
    assert "4 rows, 1 of them not trained yet; 0 measurements done before, 3 to come" in capsys.readouterr().out
    measured = found.measured("edges")
    assert list(measured.columns) == ["image", "quantity", "value", *rows.ADDED]
    assert measured["value"].nunique() == 3 and measured["miniature"].all() and set(measured["profile"]) == {"smoke"}
    assert set(found.measured("edges", ["ours"])["experiment"]) == {"ours"}
    assert cli.main(command) == 0 and len(sum_of_weights.calls) == 3
    # a measurement of another training than the one that stands now is taken again
    path = found.folder / "edges" / "ours-s0.csv.gz"
    read_table(found.run_dir, "edges", ["ours-s0"]).assign(experiment_key="old").to_csv(path, index=False)
    with pytest.raises(DataError, match="no measurement 'edges'"):
        found.measured("edges", ["ours"])
    assert found.missing(["ours"], "edges") == ["ours"]
    assert cli.main(command) == 0 and len(sum_of_weights.calls) == 4
    assert "old" not in set(found.measured("edges")["experiment_key"])


def test_other_beginnings_and_test_sets_are_other_ablations_and_a_wrong_finished_one_is_told(
    world, batch, tmp_path, capsys
):
    words = ["ablate", "ours", "--seeds", "0", "--profile", "smoke", "--dry-run", "--data", f"vkitti2={world}"]
    for more, folder in ((["--init", str(batch[0])], "vkitti2-finetuned;"), ([], "vkitti2;")):
        assert cli.main([*words, *more]) == 0
        out = capsys.readouterr().out
        assert f"ablation-smoke-on-{folder}" in out.replace("\n", ";")
    assert cli.main([*words, "--finished", str(tmp_path)]) == 2
    assert f"--finished {tmp_path} holds no finished ablation" in capsys.readouterr().err


def test_a_measure_that_fails_stops_no_other(found, batch, sum_of_weights, capsys):
    sum_of_weights.fails = 1
    assert cli.main(["ablate", "census", "ours", "--seeds", "0", "--measure", "edges", *batch[1]]) == 1
    assert "FAILED census-s0: edges: that root cannot be measured" in capsys.readouterr().out
    assert set(found.measured("edges")["experiment"]) == {"ours"}


def _run(run_dir: Path, profile: str = "smoke", named=()):
    return SimpleNamespace(run_dir=run_dir, profile=get_profile(profile), roots=SimpleNamespace(named=set(named)))


def test_places_are_looked_into_in_order(found, tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "ablation_dir", lambda profile, data="": tmp_path / f"own-{profile}{data}")
    monkeypatch.setattr(evidence, "REFERENCE", tmp_path / "reference")
    smoke, study = _run(tmp_path / "run"), tmp_path / "reference" / "study"
    study.mkdir(parents=True)
    with pytest.raises(DataError, match="no rows of the ablation.*lowtex ablate --profile quick"):
        open_evidence(smoke)
    (study.parent / "ablation").symlink_to(found.folder)
    committed = open_evidence(smoke)
    assert (committed.run_dir, committed.own, committed.profile) == (study.parent, False, "quick")
    assert "not trained in this run" in committed.describe()
    # study trains longer, so its rows come first, but not where others have the seeds that a verdict needs
    (study / "ablation").symlink_to(found.folder)
    assert [one.profile for one in open_batches(smoke)] == ["study", "quick"]
    assert open_evidence(smoke).profile == open_evidence(smoke, ["ours"]).profile == "study", "no place has more seeds"
    with monkeypatch.context() as patch:
        patch.setattr(Evidence, "seeds", lambda one, name: (0, 1, 2) if one.profile == "quick" else (0, 1))
        taken = open_evidence(smoke, ["ours"])
    assert taken.profile == "quick" and "fewer than 3 seeds of ours" in taken.describe()
    with monkeypatch.context() as patch:
        patch.setattr(Evidence, "missing", lambda one, names, _: names if one.profile == "study" else names[1:])
        taken = open_evidence(smoke, ["ours"], "edges")
        assert taken.profile == "quick" and "passed over: no edges of ours yet" in taken.describe()
        with pytest.raises(DataError, match="lowtex ablate --profile quick --measure edges` measures"):
            open_evidence(smoke, ["ours", "census"], "edges")
    # rows of real test sets alone are none of the protocol that notebooks read
    with monkeypatch.context() as patch:
        patch.setattr(evidence, "REFERENCE", REFERENCE / "real" / "scratch")
        with pytest.raises(DataError, match="no rows of the ablation"):
            open_evidence(smoke)
    (study / "ablation").unlink()
    # another profile has rows of its own, or is told that these are quick's
    assert open_evidence(_run(tmp_path / "run", "standard")).profile == "quick"
    (tmp_path / "own-quick").symlink_to(found.run_dir)
    assert open_evidence(smoke).own
    assert [one.own for one in open_batches(smoke)] == [True], "your own, not beside the committed"
    assert open_evidence(_run(found.run_dir, "quick")).run_dir == found.run_dir
    real = _run(tmp_path / "run", named=["vkitti2"])
    assert open_evidence(real).run_dir == tmp_path / "own-quick"
    (tmp_path / "own-quickvkitti2").symlink_to(found.run_dir)
    assert open_evidence(real).run_dir == tmp_path / "own-quickvkitti2"
    # a place without the wanted rows is passed over, and says so
    with pytest.raises(DataError, match="passed over: no rows of zncc"):
        open_evidence(real, ["ours", "zncc"])
    assert open_evidence(real, ["ours"]).passed_over == ()
