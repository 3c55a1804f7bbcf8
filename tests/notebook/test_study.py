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


@pytest.fixture(scope="module")
def study(smoke_world, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run")
    roots = Roots({name: smoke_world / name for name in DATASETS}, frozenset(DATASETS))
    run = NotebookRun("04_training", get_profile("smoke"), 0, run_dir, run_dir / "experiments", roots, "cpu")
    return Study(run)


@pytest.fixture(scope="module")
def folder(study):
    """Of ``ours``, trained in processes of one thread each though two are to be had."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    folders = study.train_side_by_side(["ours"], [0])
    torch.set_num_threads(before)
    assert list(folders) == [("ours", 0)]
    return folders["ours", 0]


def test_every_network_is_trained_once_and_is_the_one_that_one_process_trains(study, folder, tmp_path):
    assert folder.name == f"ours-s0-{study.experiment('ours').key}"
    assert read_json(folder / "done.json")["threads"] == 1
    trained = sorted(path.name.rpartition("-")[0] for path in study.run.experiments_dir.iterdir() if path.is_dir())
    assert trained == ["feature_net-s0", "ours-s0"]
    alone = Study(replace(study.run, run_dir=tmp_path, experiments_dir=tmp_path / "experiments"))
    expected, found = (load_network(one)[0].state_dict() for one in (alone.train("ours"), folder))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_what_is_finished_is_not_trained_again(study, folder, capsys):
    before = (folder / "network.safetensors").stat().st_mtime_ns
    assert study.train_side_by_side(["ours"], [0]) == {("ours", 0): folder}
    assert "at a time" not in capsys.readouterr().out
    assert (folder / "network.safetensors").stat().st_mtime_ns == before


def test_a_person_gets_bars_and_is_told_what_comes_how_to_avoid_it_and_what_failed(
    study, tmp_path, monkeypatch, capsys
):
    states = []
    monkeypatch.delenv("LOWTEX_HEADLESS", raising=False)
    monkeypatch.setattr("lowtex_lab.notebook.study.TrainingBars", lambda: lambda now: states.append(dict(now)))
    elsewhere = {"run_dir": tmp_path, "experiments_dir": tmp_path / "experiments"}
    Study(replace(study.run, name="04_training", **elsewhere)).announce(["baseline"])
    assert "give a run_dir where it is trained" in (said := capsys.readouterr().out) and "notebook 04" not in said
    fresh = Study(replace(study.run, name="10_kitti", **elsewhere))
    broken = fresh.run.experiments_dir / f"baseline-s1-{fresh.experiment('baseline', 1).key}" / "state.pt"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no state")
    for _ in range(2):
        fresh.announce(["baseline"], [0, 1])
    with pytest.raises(LowtexError, match=r"1 of 2 trainings failed; baseline-s1: .*state.pt is damaged"):
        fresh.train_side_by_side(["baseline"], [0, 1])
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("To be trained first: baseline, seed 0; baseline, seed 1.") == 1
    assert "8 steps, about 5 s on 1 idle core." in said and "run notebook 04 first" in said
    assert states[-1]["baseline-s0"].startswith("done in") and states[-1]["baseline-s1"].startswith("FAILED")
    fresh.announce(["baseline"])
    assert capsys.readouterr().out == "", "the other one is kept"
