"""`lowtex train` and `lowtex evaluate` on tiny trees in the layouts of Cityscapes, Make3D and a folder of one's own.

And the paper profile starts, with next to nothing to do, on a machine of any size.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import dataset_trees
import pytest
import yaml

from lowtex import training
from lowtex.checkpoints import load_network
from lowtex.evaluation.results import read_rows
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
    dataset_trees.write_stereo(top / "stereo", ("0", "1"), truth=".npy", baseline_m=0.1, image_bits=12)
    return top


DEVICE = ["--device", "cpu"]


def train(trees, out, data, *more):
    words = ["train", "baseline", "--profile", "smoke", *DEVICE, "--out", str(out)]
    assert cli.main([*words, "--data", f"{data}={trees / data}", *more]) == 0
    [folder] = [path for path in out.iterdir() if path.name.startswith("baseline")]
    return folder


@pytest.fixture(scope="module")
def trained(trees, tmp_path_factory):
    return train(trees, tmp_path_factory.mktemp("trained"), "cityscapes")


@pytest.fixture
def score(trees, trained, tmp_path, said):
    """Evaluates on one of the trees or another folder; returns what it printed, and all rows so far."""

    def run(data, *more, root=None):
        rows = tmp_path / "rows.csv"
        words = ["evaluate", "--checkpoint", trained, *DEVICE, "--out", rows]
        return said(*words, "--data", f"{data}={root or trees / data}", *more), read_rows(rows)

    return run


def test_training_on_cityscapes_and_on_a_folder_of_ones_own(trees, trained, tmp_path):
    data = load_network(trained)[1]["experiment"].data
    assert (data.dataset, data.split) == ("cityscapes", "train") and data.source.startswith("real:")
    network, known = load_network(train(trees, tmp_path, "stereo"))
    assert known["experiment"].data.dataset == "stereo" and known["experiment"].data.split == "all"
    assert network.metres_per_unit == pytest.approx(1.0), "baseline 0.1 m over the pretended 0.1"
    assert known["facts"]["image_bits"] == 12, "predict reads deep photos so"


def test_training_on_a_variation_says_so(trees, tmp_path, refused):
    ways = ["--reader", "variation=fog"], ["--set", "data.variation=fog"]
    by_reader, by_setting = (train(trees, tmp_path, "vkitti2", "--steps", "1", *words) for words in ways)
    assert by_reader == by_setting, "the same experiment is found"
    assert load_network(by_reader)[1]["experiment"].data.variation == "fog"
    told = refused("train", "baseline", "--data", f"vkitti2={trees / 'vkitti2'}", "--reader", "fog")
    assert "--reader 'fog' must read NAME=VALUE, e.g. variation=fog" in told


@pytest.mark.parametrize(("data", "words", "protocol", "name", "crop"), CASES["layouts"])
def test_evaluation_on_every_layout(score, data, words, protocol, name, crop):
    printed, found = score(data, *words.split())
    assert protocol in printed and (data != "make3d" or ", split test, 3 of 134; " in printed)
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


def test_rows_of_different_images_stand_side_by_side(score, trees, tmp_path):
    """Another folder with the same names, and another list of the same stem; what else differs, `identity_of` tells."""
    other, again = (shutil.copytree(trees / "stereo", tmp_path / name) for name in ("other", "again"))
    shutil.copy(trees / "stereo" / "left" / "1.png", other / "left" / "0.png")
    for number, name in enumerate("ab"):
        dataset_trees.put(tmp_path / name / "mine.txt", f"{number}\n")
        score("stereo", "--split", tmp_path / name / "mine.txt")
    score("stereo", root=other)
    found = score("stereo")[1]
    assert len(found) == 7 * 4 and found["eval_data"].nunique() == 4
    assert len(score("stereo", root=again)[1]) == 7 * 4, "a copy of the same images is the same measurement"


def test_references_stand_beside_the_network(score, trees, trained, tmp_path, refused):
    images = tmp_path / "images.csv"
    printed, found = score("kitti_2015", "--references", "--strata", "gradient", "--per-image", images)
    guesses = found[found["experiment"].str.startswith("reference: ")]
    assert set(found["experiment"]) == {"baseline", "reference: one depth", "reference: mean map"}
    assert set(guesses["train_data"]) == {"the ground truth of the other test images"}
    assert guesses.groupby("experiment").size().tolist() == 2 * [(found["experiment"] == "baseline").sum()]
    assert images.read_text().count("reference: mean map") == images.read_text().count("baseline")
    assert "the ground truth of the other test images" in printed
    (tmp_path / "one.txt").write_text("1\n")
    one = ["--data", f"stereo={trees / 'stereo'}", "--split", tmp_path / "one.txt"]
    told = refused("evaluate", "--checkpoint", trained, *one, "--references")
    assert "--references needs two images or more" in told


def test_scoring_what_was_learnt_from_is_told(score):
    told = "these are the very images it was trained on"
    assert told in score("cityscapes", "--split", "train")[0]
    assert told not in score("cityscapes", "--split", "val")[0] and told not in score("stereo")[0]


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
def test_the_paper_profile_starts_anywhere(kitti, tmp_path, repository, monkeypatch):
    """Trained and scored by the commands; then KITTI's notebooks go on."""
    # KITTI's 45,200 pairs do not fit into memory: processes read ahead of the training
    monkeypatch.setattr("lowtex.datasets.cache.free_memory", lambda: 0)
    workers, loader = [], training.training_loader

    def watched(dataset, order, number=0):
        workers.append(number)
        return loader(dataset, order, number)

    monkeypatch.setattr(training, "training_loader", watched)
    paper = ["--profile", "paper", "--data", kitti[0]]

    def trained(out: Path, name: str) -> Path:
        parts = tiny("network", "schedule", *(["feature_net"] if NAMED[name]["loss"]["data_term"] != "pixels" else []))
        assert cli.main(["train", name, *paper, *parts, *DEVICE, "--out", str(out)]) == 0
        [folder] = out.glob(f"{name}-*")
        return folder

    experiments = {name: trained(tmp_path / "paper" / "experiments", name) for name in METHODS}
    # a training and its feature network's, of which two methods share one
    assert len(workers) == 5 and min(workers) > 0
    network, known = load_network(experiments["ours"])
    assert (known["experiment"].network.depth, known["size"]) == (50, (192, 640))
    words = ["evaluate", "--checkpoint", str(experiments["ours"]), *paper, "--out", str(tmp_path / "rows.csv")]
    assert cli.main([*words, *DEVICE]) == 0
    found = read_rows(tmp_path / "rows.csv")
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
    # beside other tests, two threads on a busy core wait for each other
    places = {"PYTHONPATH": str(tmp_path / "copy"), "OMP_NUM_THREADS": "1"}
    places |= {"LOWTEX_NOTEBOOKS": str(repository / "notebooks")}
    for name in ("10_kitti", "11_improved_kitti"):
        command = [sys.executable, "-m", "lowtex_lab.notebook.jobs", name, str(run_dir / "run.json")]
        done = subprocess.run(command, cwd=tmp_path, env=os.environ | places, capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        assert "training" not in done.stdout, "the networks of the commands are found"
        record = read_json(run_dir / "notebooks" / f"{name}.result.json")
        assert record["status"] == "done" and record["profile"] == "paper" and not record["facts"]["miniature"]
    tuned = read_rows(run_dir / "rows" / "11_improved_kitti.csv")["experiment"]
    assert set(tuned) == {*METHODS, "baseline_finetuned", "ours_finetuned"}
