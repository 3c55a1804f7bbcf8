"""A study on real layouts: learn on Cityscapes, score on KITTI with and without fine-tuning, find all again by key."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from dataset_trees import STEMS, write_cityscapes, write_stereo

from lowtex.checkpoints import load_network
from lowtex.errors import CheckpointError
from lowtex.experiments import change, get_profile
from lowtex.profiles import PROFILES
from lowtex_lab.miniature import write_kitti as write_miniature
from lowtex_lab.notebook.run import NotebookRun
from lowtex_lab.notebook.study import Study


@pytest.fixture(scope="module")
def run(tmp_path_factory, roots):
    folder = tmp_path_factory.mktemp("study")
    return NotebookRun("14_transfer", get_profile("smoke"), 0, folder, folder / "experiments", roots, "cpu")


@pytest.fixture(scope="module")
def transferred(run):
    """The study, the network from Cityscapes and the one that went on with KITTI, with their experiments."""
    study, steps = Study(run, "cityscapes"), {"schedule__steps": run.profile.transfer_steps}
    before = study.network("baseline", **steps), study.experiment("baseline", **steps)
    after = study.fine_tune(before[1], "kitti", "train", steps=2)
    return study, before, after


def test_rows_say_where_it_learnt_and_what_it_was_scored_on(run, transferred):
    study, (network, experiment), (tuned, tuned_experiment) = transferred
    for protocol, root in (("improved", "kitti_depth"), ("cityscapes", "cityscapes bottom_quarter")):
        split = "available" if protocol == "improved" else None
        dataset = study.test_set(protocol, split)
        rows, result = study.score(network, experiment, dataset, protocol)
        assert rows["eval_data"].str.startswith(f"{root} real:").all()
        assert rows["train_data"].str.startswith("cityscapes train real:").all()
        assert result.images == len(dataset) and not rows["miniature"].any()
    dataset = study.test_set("improved", "available")
    rows = study.score(tuned, tuned_experiment, dataset, "improved")[0]
    [told] = set(rows["train_data"])
    assert told.startswith("kitti train real:") and told.endswith(f", from {experiment.key}")
    assert set(rows["experiment"]) == {"baseline_finetuned"} and set(rows["experiment_key"]) == {tuned_experiment.key}
    # predictions that no training stands behind
    rows = study.score(network, "a network", dataset, "improved", train_data="published weights", scaling="x5.4")[0]
    assert set(rows["train_data"]) == {"published weights"} and set(rows["experiment_key"]) == {"none"}


def test_chains_of_fine_tuning(run, transferred):
    study, (_, experiment), (_, second) = transferred
    third_network, third = study.fine_tune(second, "vkitti2", "train", steps=1)
    assert third.start_from == second.key and third.name == "baseline_finetuned_finetuned"
    assert (third.data.dataset, third.data.variation) == ("vkitti2", "clone")
    assert study.fine_tune(second, "vkitti2", "train", steps=1)[1].key == third.key
    folder = next((run.run_dir / "experiments").glob(f"*-{third.key}"))
    assert load_network(folder)[1]["experiment"] == third
    assert json.loads((folder / "done.json").read_text())["steps"] == 1
    assert not third_network.training
    stranger = change(second, schedule__steps=77)
    with pytest.raises(CheckpointError, match="baseline_finetuned .* has not been trained in this run"):
        study.fine_tune(stranger, "kitti", "train", steps=1)


def test_auto_takes_what_there_is_and_says_so(run, capsys):
    study = Study(run)
    assert study.test_set("improved", "auto").split == "available"
    assert "lacks frames of the test split" in capsys.readouterr().out
    assert study.test_set("cityscapes", "auto").split == "val", "Cityscapes' usual split is whole here"


def first_cells(repository: Path, name: str, last: int, **parameters) -> dict:
    """The names that a notebook's code cells up to the one numbered ``last`` leave."""
    names: dict = {}
    for index, cell in enumerate(nbformat.read(repository / "notebooks" / f"{name}.ipynb", as_version=4).cells):
        if cell.cell_type == "code" and index <= last:
            exec(cell.source, names)
        if index == 1:
            names.update({"profile": "smoke", "device": "cpu", **parameters})
    return names


def test_notebook_04_learns_from_kitti_where_a_profile_has_no_miniatures(tmp_path, repository, monkeypatch):
    """Miniatures in KITTI's layout, which know no texture contrast: scores are told by the image's gradient."""
    write_miniature(tmp_path, {"train": 2, "val": 1, "test": 1}, get_profile("smoke").size, progress=False)
    monkeypatch.setitem(PROFILES, "paper", replace(get_profile("smoke"), name="paper", miniature_frames={}))

    def one_by_one(self, names, seeds):
        return {(name, seed): self.train(name, seed) for name in names for seed in seeds}

    monkeypatch.setattr(Study, "train_side_by_side", one_by_one)
    options = {"profile": "paper", "data_root": f"kitti={tmp_path / 'kitti_raw'}", "run_dir": str(tmp_path / "run")}
    names = first_cells(repository, "04_training", 22, **options)
    assert names["study"].train_on == "kitti" and names["miniature"]
    assert set(names["rows"]["stratum_kind"]) == {"none", "gradient"}
    assert len(list((tmp_path / "run" / "experiments").glob("*/done.json"))) == 5


def test_notebook_14_scores_left_views_and_disparity_alone(tmp_path, repository, capsys):
    write_cityscapes(tmp_path / "city", {"val": {"lindau": (0, 1)}})
    shutil.rmtree(tmp_path / "city" / "rightImg8bit")
    options = {"data_root": f"cityscapes={tmp_path / 'city'}", "run_dir": str(tmp_path / "run")}
    names = first_cells(repository, "14_cityscapes", 4, **options)
    assert len(names["dataset"]) == len(names["whole"]) == 2 and not names["paired"] and names["whole"][0].other is None
    assert names["whole"].crop is None and names["native"].crop == "bottom_quarter"
    assert "right views: MISSING (rightImg8bit)" in capsys.readouterr().out


def test_notebook_17_says_at_once_that_one_pair_is_not_enough(tmp_path, repository, capsys):
    write_stereo(tmp_path / "own", stems=STEMS[:1])
    options = {"data_root": f"stereo={tmp_path / 'own'}", "run_dir": str(tmp_path / "run")}
    first_cells(repository, "17_own_stereo_rig", 2, **options)
    assert "NOT ENOUGH for the whole notebook: " in (said := capsys.readouterr().out) and "(1 pair, 0 with" in said
