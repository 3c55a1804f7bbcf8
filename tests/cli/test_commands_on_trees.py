"""`lowtex train` and `lowtex evaluate` on tiny trees in the layouts of Cityscapes, Make3D and a folder of one's own.

And the paper profile starts, with next to nothing to do, on a machine of any size.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import dataset_trees
import pandas as pd
import pytest
import torch
import yaml

from lowtex import training
from lowtex.checkpoints import load_network
from lowtex.evaluation.results import PROVENANCE_COLUMNS, read_rows
from lowtex.experiments import NAMED
from lowtex.files import read_json
from lowtex_lab import cli
from lowtex_lab.miniature import write_kitti
from lowtex_lab.notebook.batch import Settings
from lowtex_lab.notebook.study import METHODS

CASES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    top = tmp_path_factory.mktemp("trees")
    dataset_trees.write_cityscapes(top / "cityscapes")
    dataset_trees.write_kitti_pairs(top / "kitti_pairs")
    dataset_trees.write_kitti_2015(top / "kitti_2015")
    dataset_trees.write_make3d(top / "make3d")
    dataset_trees.write_vkitti2(top / "vkitti2", variations=("clone", "fog"))
    dataset_trees.write_stereo(top / "stereo", ("0", "1"), truth=".npy", baseline_m=0.1)
    return top


def train(trees, out, data, *more):
    words = ["train", "baseline", "--profile", "smoke", "--device", "cpu", "--out", str(out)]
    assert cli.main([*words, "--data", f"{data}={trees / data}", *more]) == 0
    [folder] = [path for path in out.iterdir() if path.name.startswith("baseline")]
    return folder


@pytest.fixture(scope="module")
def trained(trees, tmp_path_factory):
    return train(trees, tmp_path_factory.mktemp("trained"), "cityscapes")


def test_training_on_cityscapes_and_on_a_folder_of_ones_own(trees, trained, tmp_path):
    data = load_network(trained)[1]["experiment"].data
    assert (data.dataset, data.split) == ("cityscapes", "train") and data.source.startswith("real:")
    data = load_network(train(trees, tmp_path / "pairs", "kitti_pairs", "--split", "all"))[1]["experiment"].data
    assert (data.dataset, data.split) == ("kitti_pairs", "all") and data.source.startswith("real:")
    network, known = load_network(train(trees, tmp_path / "own", "stereo"))
    assert known["experiment"].data.dataset == "stereo" and known["experiment"].data.split == "all"
    assert network.metres_per_unit == pytest.approx(1.0), "baseline 0.1 m over the pretended 0.1"


def test_training_on_a_variation_says_so(trees, tmp_path, refused):
    by_reader = train(trees, tmp_path / "a", "vkitti2", "--reader", "variation=fog", "--steps", "1")
    by_setting = train(trees, tmp_path / "b", "vkitti2", "--set", "data.variation=fog", "--steps", "1")
    experiments = [load_network(folder)[1]["experiment"] for folder in (by_reader, by_setting)]
    assert experiments[0].data.variation == "fog" and experiments[0].key == experiments[1].key
    plain = train(trees, tmp_path / "c", "vkitti2", "--steps", "1")
    assert load_network(plain)[1]["experiment"].data.variation == "clone"
    told = refused("train", "baseline", "--data", f"vkitti2={trees / 'vkitti2'}", "--reader", "fog")
    assert "--reader 'fog' must read NAME=VALUE, e.g. variation=fog" in told


@pytest.mark.parametrize(("data", "words", "protocol", "name", "crop"), CASES["layouts"])
def test_evaluation_on_every_layout(trees, trained, tmp_path, capsys, data, words, protocol, name, crop):
    rows = tmp_path / "rows.csv"
    call = ["evaluate", "--checkpoint", str(trained), "--device", "cpu", "--out", str(rows)]
    assert cli.main([*call, "--data", f"{data}={trees / data}", *words.split()]) == 0
    said = capsys.readouterr().out
    assert protocol in said and (data != "make3d" or ", split test, 3 of 134; " in said)
    found = read_rows(rows)
    assert set(found["protocol"]) == {protocol} and set(found["crop"]) == {crop}
    [told] = set(found["eval_data"])
    assert re.fullmatch(rf"{name} real:[0-9a-f]{{12}}", told)
    assert not found["miniature"].any() and found["train_data"].str.startswith("cityscapes train real:").all()
    make3d = data == "make3d"
    splits = {"make3d": {"test, 3 of 134"}, "kitti_2015": {"test, 2 of 200"}}
    assert set(found["split"]) <= splits.get(data, {"val", "train", "all", "test", "eigen_like/test"})
    assert set(found["scaling"]) == {"median" if make3d else "none"}
    assert ("log10" in set(found["metric"])) == make3d
    assert ("d1_all" in set(found["metric"])) == (data == "kitti_2015")


def test_rows_of_different_images_stand_side_by_side(trees, trained, tmp_path, capsys):
    """Another camera, another folder with the same names, another list of the same stem, JPEG for PNG, another rig."""
    rows, own = tmp_path / "rows.csv", trees / "stereo"
    call = ["evaluate", "--checkpoint", str(trained), "--device", "cpu", "--out", str(rows), "--data"]
    other, jpeg, rig = (shutil.copytree(own, tmp_path / name) for name in ("other", "jpeg", "rig"))
    shutil.copy(own / "left" / "1.png", other / "left" / "0.png")
    for path in sorted(jpeg.glob("*t/*.png")):
        cv2.imwrite(str(path.with_suffix(".jpg")), cv2.imread(str(path)))
        path.unlink()
    (rig / "rig.yaml").write_text((own / "rig.yaml").read_text().replace("0.1", "0.2"))
    for number, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.txt").write_text(f"{number}\n")
    calls = [
        [f"stereo={own}"],
        *([f"stereo={folder}"] for folder in (other, jpeg, rig)),
        *([f"stereo={own}", "--split", str(tmp_path / name / "mine.txt")] for name in "ab"),
        *([f"vkitti2={trees / 'vkitti2'}", "--reader", f"camera={side}"] for side in ("left", "right")),
    ]
    for words in calls:
        assert cli.main([*call, *words]) == 0
    found = read_rows(rows)
    assert len(found) == 7 * len(calls) and found["eval_data"].nunique() == len(calls)
    assert found["eval_data"].str.startswith("vkitti2 clone right camera real:").sum() == 7
    again = shutil.copytree(own, tmp_path / "again")
    assert cli.main([*call, f"stereo={again}"]) == 0
    assert len(read_rows(rows)) == 7 * len(calls), "a copy of the same images is the same measurement"


def test_references_stand_beside_the_network(trees, trained, tmp_path, capsys):
    rows, images = tmp_path / "rows.csv", tmp_path / "images.csv"
    call = ["evaluate", "--checkpoint", str(trained), "--device", "cpu", "--out", str(rows), "--per-image", str(images)]
    assert (
        cli.main([*call, "--data", f"kitti_2015={trees / 'kitti_2015'}", "--references", "--strata", "gradient"]) == 0
    )
    found = read_rows(rows)
    guesses = found[found["experiment"].str.startswith("reference: ")]
    assert set(found["experiment"]) == {"baseline", "reference: one depth", "reference: mean map"}
    assert set(guesses["train_data"]) == {"the ground truth of the other test images"}
    assert guesses.groupby("experiment").size().tolist() == 2 * [(found["experiment"] == "baseline").sum()]
    assert images.read_text().count("reference: mean map") == images.read_text().count("baseline")
    assert "the ground truth of the other test images" in capsys.readouterr().out
    (tmp_path / "one.txt").write_text("1\n")
    one = ["evaluate", "--checkpoint", str(trained), "--device", "cpu", "--data", f"stereo={trees / 'stereo'}"]
    assert cli.main([*one, "--split", str(tmp_path / "one.txt"), "--references"]) == 2
    assert "--references needs two images or more" in capsys.readouterr().err


def test_scoring_what_was_learnt_from_is_told(trees, trained, capsys):
    words = ["evaluate", "--checkpoint", str(trained), "--device", "cpu", "--data"]
    city = [*words, f"cityscapes={trees / 'cityscapes'}", "--split"]
    told = "these are the very images it was trained on"
    assert cli.main([*city, "train"]) == 0 and told in capsys.readouterr().out
    assert cli.main([*city, "val"]) == 0 and told not in capsys.readouterr().out
    assert cli.main([*words, f"stereo={trees / 'stereo'}"]) == 0 and told not in capsys.readouterr().out


@pytest.mark.parametrize(("words", "message"), CASES["bad"])
def test_bad_calls_are_one_line(trees, trained, refused, words, message):
    data = "kitti_pairs" if words == "kitti_pairs" else "make3d"
    options = [] if words in ("train", data) else words.split()
    command = ["train", "baseline"] if words == "train" else ["evaluate", "--checkpoint", trained, *options]
    assert message in refused(*command, "--data", f"{data}={trees / data}")


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
    monkeypatch.setattr("lowtex.datasets.cache.free_memory", lambda: 0)
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
    assert prepared.name == from_files["ours"].name, "one experiment, because these are the same files"
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
