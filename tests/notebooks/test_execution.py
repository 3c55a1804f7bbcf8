"""Every notebook runs headless from its first cell to its last, in the profile whose numbers mean nothing.

And the paper profile starts, with next to nothing to do, on a machine of any size.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from lowtex import training
from lowtex.checkpoints import load_network
from lowtex.datasets import cache
from lowtex.evaluation.results import PROVENANCE_COLUMNS, read_rows
from lowtex.experiments import NAMED
from lowtex.files import read_json
from lowtex_lab import cli
from lowtex_lab.miniature import write_kitti
from lowtex_lab.notebook import graph
from lowtex_lab.notebook.batch import Settings
from lowtex_lab.notebook.study import METHODS


@pytest.mark.timeout(1500)
def test_the_whole_batch_runs_and_leaves_what_it_promises(tmp_path: Path, repository: Path):
    run_dir = tmp_path / "smoke"
    command = [sys.executable, "-m", "lowtex_lab.cli", "run", "--profile", "smoke", "--run-dir", str(run_dir)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    for node in graph.NOTEBOOKS:
        record = read_json(run_dir / "notebooks" / f"{node.name}.result.json")
        assert record["status"] == "done" and record["profile"] == "smoke"
        assert (run_dir / "notebooks" / f"{node.name}.ipynb").is_file()
        assert all((run_dir / name).is_file() for name in record["files"])
    rows = read_rows(run_dir / "rows")
    assert set(rows["experiment"]) >= {"baseline", "encoder", "encoder_features", "ours"}
    assert rows["miniature"].all() and {"vkitti2_dense", "eigen_raw", "improved"} <= set(rows["protocol"])
    page = (run_dir / "index.html").read_text(encoding="utf-8")
    assert "miniature" in page and all(node.name in page for node in graph.NOTEBOOKS)


TINY = {
    "network": {"width": 0.125},
    "schedule": {"steps": 1, "batch_size": 2},
    "feature_net": {"width": 0.125, "steps": 1, "batch_size": 2},
}
"""What is set down of the paper profile: 50 layers, 640x192, its rates and its code path stay."""


def tiny(*parts: str) -> list[str]:
    """The options of `lowtex train` that set these parts down."""
    changes = [f"{part}.{name}={value}" for part in parts for name, value in TINY[part].items()]
    return [word for change in changes for word in ("--set", change)]


@pytest.fixture(scope="module")
def kitti(tmp_path_factory) -> list[str]:
    """Rendered pairs in KITTI's layout that nothing says are a miniature: a root to train on, as options."""
    top = tmp_path_factory.mktemp("kitti")
    write_kitti(top, {"train": 4, "val": 1, "test": 2}, (96, 320), progress=False)
    for root in ("kitti_raw", "kitti_depth"):
        (top / root / "miniature.json").unlink()
    return [f"kitti={top / 'kitti_raw'}", f"kitti_depth={top / 'kitti_depth'}"]


@pytest.mark.timeout(900)
def test_the_paper_profile_starts_anywhere(kitti, tmp_path, repository, monkeypatch, capsys):
    """Trained and scored by the commands, from files and from what was prepared; then KITTI's notebooks go on."""
    # KITTI's 45,200 pairs do not fit into memory: processes read ahead of the training
    monkeypatch.setattr(cache, "free_memory", lambda: 0)
    monkeypatch.setenv("LOWTEX_PREPARED", str(tmp_path / "prepared"))
    workers, loader = [], training.training_loader

    def watched(dataset, order, number=0):
        workers.append(number)
        return loader(dataset, order, number)

    monkeypatch.setattr(training, "training_loader", watched)
    paper = ["--profile", "paper", "--data", kitti[0]]

    def trained(out: Path, name: str) -> Path:
        parts = tiny("network", "schedule", *(["feature_net"] if NAMED[name]["loss"]["data_term"] != "pixels" else []))
        assert cli.main(["train", name, *paper, *parts, "--device", "cpu", "--out", str(out)]) == 0
        [folder] = out.glob(f"{name}-*")
        return folder

    def scored(folder: Path) -> pd.DataFrame:
        rows = folder / "rows.csv"
        assert cli.main(["evaluate", "--checkpoint", str(folder), *paper, "--device", "cpu", "--out", str(rows)]) == 0
        return read_rows(rows)

    experiments = tmp_path / "paper" / "experiments"
    from_files = {name: trained(experiments, name) for name in METHODS}
    expected = scored(from_files["ours"])
    for words in ([], ["--protocol", "eigen_raw"]):
        assert cli.main(["data", "prepare", *paper, *words]) == 0
    capsys.readouterr()
    prepared = trained(tmp_path / "again", "ours")
    weights = [load_network(each)[0].state_dict() for each in (from_files["ours"], prepared)]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
    found = scored(prepared)
    pd.testing.assert_frame_equal(*(frame.drop(columns=[*PROVENANCE_COLUMNS]) for frame in (found, expected)))
    assert capsys.readouterr().out.count("its prepared samples are used") == 2, "said once of each folder"
    # a training and its feature network's, of which two methods share one
    assert len(workers) == 7 and min(workers) > 0
    network, known = load_network(from_files["ours"])
    assert (known["experiment"].network.depth, known["size"]) == (50, (192, 640))
    assert not found["miniature"].any() and set(found["protocol"]) == {"eigen_raw"}
    assert set(found["train_precision"]) == {"tf32"} and set(found["eval_precision"]) == {"fp32"}

    # the same package with the same settings in its own table, where a notebook takes them from
    shutil.copytree(repository / "lowtex", tmp_path / "copy" / "lowtex", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "copy" / "lowtex_lab").symlink_to(repository / "lowtex_lab")
    table = tmp_path / "copy" / "lowtex" / "profiles.yaml"
    profiles = yaml.safe_load(table.read_text(encoding="utf-8"))
    own = profiles["paper"]
    own |= {"seeds": 1, "finetune_steps": 1, **TINY["network"]}
    own["schedule"] |= TINY["schedule"]
    own["feature_net"] |= TINY["feature_net"]
    table.write_text(yaml.safe_dump(profiles), encoding="utf-8")
    run_dir = tmp_path / "paper-on-kitti-kitti_depth"
    run_dir.mkdir()
    config = {"profile": "paper", "run_dir": run_dir, "data_root": ";".join(kitti), "device": "cpu", "only": "10,11"}
    Settings.from_config({**config, "set": ["trap_images=1"]}).claim()
    places = {"PYTHONPATH": str(tmp_path / "copy"), "LOWTEX_NOTEBOOKS": str(repository / "notebooks")}
    for name in ("10_kitti", "11_improved_kitti"):
        command = [sys.executable, "-m", "lowtex_lab.notebook.jobs", name, str(run_dir / "run.json")]
        done = subprocess.run(command, cwd=tmp_path, env=os.environ | places, capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        assert "training" not in done.stdout, "the networks of the commands are found"
        record = read_json(run_dir / "notebooks" / f"{name}.result.json")
        assert record["status"] == "done" and record["profile"] == "paper" and not record["facts"]["miniature"]
    tuned = read_rows(run_dir / "rows" / "11_improved_kitti.csv")["experiment"]
    assert set(tuned) == {*METHODS, "baseline_finetuned", "ours_finetuned"}
