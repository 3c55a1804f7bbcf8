"""Trainings of a notebook side by side: the networks that one process would train, whatever the number of cores."""

from dataclasses import replace

import pytest
import torch

from lowtex.checkpoints import load_network
from lowtex.data_paths import DATASETS, Roots
from lowtex.errors import LowtexError
from lowtex.experiments import get_profile
from lowtex.files import read_json
from lowtex_lab.notebook.run import NotebookRun
from lowtex_lab.notebook.study import Study

NAMES = ("ours",)


@pytest.fixture(scope="module")
def study(smoke_world, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run")
    run = NotebookRun(
        name="04_training",
        profile=get_profile("smoke"),
        seed=0,
        run_dir=run_dir,
        experiments_dir=run_dir / "experiments",
        roots=Roots({name: smoke_world / name for name in DATASETS}, frozenset(DATASETS)),
        device="cpu",
    )
    return Study(run)


@pytest.fixture(scope="module")
def folders(study):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield study.train_side_by_side(NAMES, (0, 1))
    torch.set_num_threads(before)


def test_every_name_and_seed_is_trained_once_with_one_thread(study, folders):
    assert sorted(folders) == [("ours", 0), ("ours", 1)]
    for (name, seed), folder in folders.items():
        assert folder.name == f"{name}-s{seed}-{study.experiment(name, seed).key}"
        assert read_json(folder / "done.json")["threads"] == 1
    trained = sorted(path.name.rpartition("-")[0] for path in study.run.experiments_dir.iterdir() if path.is_dir())
    assert trained == ["feature_net-s0", "feature_net-s1", "ours-s0", "ours-s1"]


def test_the_networks_are_those_that_one_process_trains(study, folders, tmp_path):
    alone = Study(replace(study.run, run_dir=tmp_path, experiments_dir=tmp_path / "experiments"))
    for name in NAMES:
        expected = load_network(alone.train(name))[0].state_dict()
        found = load_network(folders[name, 0])[0].state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_what_is_finished_is_not_trained_again(study, folders, capsys):
    networks = {folder: (folder / "network.safetensors").stat().st_mtime_ns for folder in folders.values()}
    assert study.train_side_by_side(NAMES, (0, 1)) == folders
    assert "at a time" not in capsys.readouterr().out
    assert networks == {folder: (folder / "network.safetensors").stat().st_mtime_ns for folder in networks}


def test_one_that_fails_is_named_and_the_others_are_kept(study, folders):
    key = study.experiment("census").key
    broken = study.run.experiments_dir / f"census-s0-{key}"
    broken.mkdir()
    (broken / "state.pt").write_bytes(b"no state")
    with pytest.raises(LowtexError, match=r"1 of 2 trainings failed; census-s0: .*state.pt is damaged"):
        study.train_side_by_side(("encoder", "census", "ours"), (0,))
    assert (study.run.experiments_dir / f"encoder-s0-{study.experiment('encoder').key}" / "done.json").is_file()


def test_a_person_gets_bars_and_is_told_what_comes_and_how_to_avoid_it(study, tmp_path, monkeypatch, capsys):
    states = []
    monkeypatch.delenv("LOWTEX_HEADLESS", raising=False)
    monkeypatch.setattr("lowtex_lab.notebook.study.TrainingBars", lambda: lambda now: states.append(dict(now)))
    elsewhere = {"run_dir": tmp_path, "experiments_dir": tmp_path / "experiments"}
    Study(replace(study.run, name="04_training", **elsewhere)).announce(["baseline"])
    assert "give a run_dir where it is trained" in (said := capsys.readouterr().out) and "notebook 04" not in said
    fresh = Study(replace(study.run, name="10_kitti", **elsewhere))
    fresh.announce(["baseline"])
    fresh.train_side_by_side(["baseline"], (0,))
    said = capsys.readouterr().out
    assert said.count("To be trained first: baseline, seed 0.") == 1
    assert "4 steps, about 5 s on 1 idle core." in said and "run notebook 04 first" in said
    assert states[-1]["baseline-s0"].startswith("done in")
    fresh.announce(["baseline"])
    assert capsys.readouterr().out == ""
