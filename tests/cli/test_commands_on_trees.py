"""`lowtex train` and `lowtex evaluate` on tiny trees in the layouts of Cityscapes, Make3D and a folder of one's own."""

import re
import shutil
from pathlib import Path

import cv2
import pytest
import yaml
from dataset_trees import (
    write_cityscapes,
    write_kitti_2015,
    write_kitti_pairs,
    write_make3d,
    write_stereo,
    write_vkitti2,
)

from lowtex.checkpoints import load_network
from lowtex.evaluation.results import read_rows
from lowtex_lab import cli

CASES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    top = tmp_path_factory.mktemp("trees")
    write_cityscapes(top / "cityscapes")
    write_kitti_pairs(top / "kitti_pairs")
    write_kitti_2015(top / "kitti_2015")
    write_make3d(top / "make3d")
    write_vkitti2(top / "vkitti2", {"Scene01": 1, "Scene02": 1, "Scene18": 1, "Scene20": 1}, ("clone", "fog"))
    write_stereo(top / "stereo", ("0", "1"), truth=".npy", baseline_m=0.1)
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
    splits = {"make3d": {"test, 3 of 134"}, "kitti_2015": {"test, 2 of 200", "available"}}
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


def test_a_changed_rig_or_pair_is_trained_anew(trees, tmp_path, capsys):
    """The folder names and all other settings are the same; a copy elsewhere is found, trained before."""
    place = tmp_path / "a"
    shutil.copytree(trees / "stereo", place / "stereo")
    first = train(place, tmp_path / "out", "stereo", "--steps", "1")
    shutil.copytree(place / "stereo", tmp_path / "copy" / "stereo")
    assert train(tmp_path / "copy", tmp_path / "out", "stereo", "--steps", "1") == first

    def trained_now():
        words = ["train", "baseline", "--profile", "smoke", "--device", "cpu", "--out", str(tmp_path / "out")]
        assert cli.main([*words, "--steps", "1", "--data", f"stereo={place / 'stereo'}"]) == 0
        return list((tmp_path / "out").glob("baseline*"))

    rig = place / "stereo" / "rig.yaml"
    rig.write_text(rig.read_text().replace("0.1", "0.2"))
    [second] = set(trained_now()) - {first}
    assert [load_network(folder)[0].metres_per_unit for folder in (first, second)] == pytest.approx([1.0, 2.0])
    for side in ("left", "right"):
        shutil.copy(place / "stereo" / side / "1.png", place / "stereo" / side / "2.png")
    assert len(trained_now()) == 3


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
