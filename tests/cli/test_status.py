"""`lowtex data status`: what is there of each data set, told from names alone."""

import json
from pathlib import Path

import dataset_damages as damages
import dataset_trees as trees
import pytest
from dataset_trees import a_list, everything_in, frames, image

from lowtex.data_paths import DATASETS, MINIATURE_WHAT
from lowtex.datasets import images
from lowtex_lab import cli
from lowtex_lab.cli.status import SplitCount, prepared_folders, status


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An empty checkout, so that no data of this one show up."""
    folder = tmp_path / "checkout"
    (folder / "data").mkdir(parents=True)
    monkeypatch.setattr("lowtex.data_paths.REPOSITORY", folder)
    monkeypatch.setattr("lowtex_lab.cli.status.REPOSITORY", folder)
    monkeypatch.setenv("LOWTEX_PREPARED", str(folder / "data" / "prepared"))
    return folder


def of(found: list, name: str):
    return next(data for data in found if data.data == name)


def test_nothing_anywhere(checkout, capsys):
    found = status({})
    assert [data.data for data in found] == list(DATASETS)
    assert {data.kind for data in found} == {"none"} and not any(data.failure for data in found)
    assert cli.main(["data", "status"]) == 0
    text = capsys.readouterr().out
    assert text.count("not there") == len(DATASETS) == 8 and "lowtex data miniature --profile quick" in text
    for page in ("raw_data.php", "depth_prediction", "vkitti-2", "make3d.cs.cornell.edu", "cityscapes-dataset.com"):
        assert page in text
    assert everything_in(checkout).keys() == {checkout / "data"}, "nothing is written"
    assert cli.main(["data", "status", "--profile", "paper"]) == 0
    assert "profile paper reads real data" in capsys.readouterr().out


def test_counts_by_split_without_opening_a_file(checkout, tmp_path, monkeypatch):
    raw, depth, city = tmp_path / "raw", tmp_path / "depth", tmp_path / "city"
    trees.write_kitti(raw, scans=(0, 1))
    a_list(raw, frames(0, 1, 7, 8), "mine")
    trees.write_kitti_depth(depth, frames=(0, 1))
    trees.write_vkitti2(tmp_path / "virtual", trees.ALL_SCENES, ("clone", "fog"))
    trees.write_cityscapes(city)
    damages.delete(raw / trees.FOLDER / "image_03/data/0000000007.png")
    damages.empty(image(raw, 0))
    opened = []
    read = images.read_bytes
    monkeypatch.setattr(images, "read_bytes", lambda path, *rest: opened.append(Path(path).name) or read(path, *rest))
    named = {"kitti": raw, "kitti_depth": depth, "vkitti2": tmp_path / "virtual", "cityscapes": city}
    found = status(named)
    assert of(found, "kitti").splits[0] == SplitCount("mine", frames=4, images=3, pairs=2, truths=2)
    assert of(found, "kitti").splits[-1] == SplitCount("available", frames=3, images=3, pairs=2, truths=2)
    listed = {split.split: split.frames for split in of(found, "kitti").splits}
    assert listed["eigen_full/train"] == 45200 and "eigen/test" not in listed, "drive 0001 is one to train on"
    assert of(found, "kitti_depth").splits == (SplitCount("available", 2, 2, 2, 2),)
    virtual = {split.split: split.frames for split in of(found, "vkitti2").splits}
    assert virtual == {"eigen_like/train": 5, "eigen_like/val": 1, "eigen_like/test": 3, "available": 18}
    assert of(found, "cityscapes").splits[0] == SplitCount("train", frames=2975, images=3, pairs=3, truths=3)
    assert all(of(found, name).named and of(found, name).kind == "real" for name in named)
    assert set(opened) <= {"mine.txt", "intrinsic.txt"}, "only lists of frames are read"


def test_what_is_found_is_told_how_to_name(checkout, capsys):
    trees.write_kitti(checkout / "data" / "kitti")
    assert cli.main(["data", "status"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"--data kitti={checkout / 'data' / 'kitti'}" in text and "it is read only where it is named" in text
    assert of(status({}), "kitti").kind == "real" and not of(status({}), "kitti").named


def test_a_miniature_is_called_one(checkout, capsys):
    folder = checkout / "data" / "miniature" / "quick"
    trees.write_kitti(folder / "kitti_raw")
    a_list(folder / "kitti_raw", frames(0, 7), "test")
    (folder / "manifest.json").write_text(json.dumps({"what": MINIATURE_WHAT}))
    found = of(status({}, "quick"), "kitti")
    assert found.kind == "miniature" and [s.split for s in found.splits] == ["test", "available"]
    assert of(status({}, "standard"), "kitti").kind == "none"
    cli.main(["data", "status", "--profile", "quick"])
    assert "kitti        miniature" in capsys.readouterr().out


def test_a_named_folder_that_is_something_else(checkout, tmp_path, capsys):
    wrong = tmp_path / "wrong"
    trees.write_kitti(wrong / "raw")
    assert cli.main(["data", "status", "--data", f"kitti={wrong}"]) == 1
    text = capsys.readouterr().out
    assert "NOT USABLE" in text and f"{wrong / 'raw'} seems to: give that folder" in text


def test_left_images_alone_are_usable_but_no_pairs(checkout, tmp_path):
    trees.write_kitti(tmp_path / "raw")
    damages.delete(tmp_path / "raw" / trees.FOLDER / "image_03")
    a_list(tmp_path / "raw", frames(0, 1), "mine")
    found = of(status({"kitti": tmp_path / "raw"}), "kitti")
    assert found.failure == "" and found.splits[0] == SplitCount("mine", 2, 2, 0, 2)
    assert found.splits[-1] == SplitCount("available", 3, 3, 0, 3)


def test_prepared_folders_are_listed(checkout, tmp_path, capsys):
    root = tmp_path / "own"
    trees.write_vkitti2(root, {"Scene01": 2})
    words = ["data", "prepare", "--data", f"vkitti2={root}", "--split", "available", "--size", "12x20"]
    assert cli.main(words) == 0
    [(folder, text)] = prepared_folders()
    assert "vkitti2 available: 2 samples of 12x20" in text
    capsys.readouterr()
    cli.main(["data", "status"])
    assert "prepared     vkitti2 available: 2 samples" in capsys.readouterr().out
    (folder / "prepared.json").write_text("{")
    assert "prepared.json" in prepared_folders()[0][1]
    assert of(status({"vkitti2": folder}), "vkitti2").kind == "prepared"
    assert cli.main(["data", "check", "--data", f"vkitti2={folder}"]) == 1
    assert "name the folder of the data set itself" in capsys.readouterr().out


def test_real_samples(real_data, checkout):
    numbers = {"kitti": (8, 8, 4), "kitti_depth": (3, 3, 3), "kitti_pairs": (202, 202, 0), "kitti_2015": (19, 19, 19)}
    numbers |= {"make3d": (4, 0, 4), "cityscapes": (1, 1, 1)}
    found = status({name: real_data / ("kitti_raw" if name == "kitti" else name) for name in numbers})
    available = {data.data: data.splits[-1] for data in found if data.splits}
    assert {name: (s.images, s.pairs, s.truths) for name, s in available.items()} == numbers
    assert {s.split for s in available.values()} == {"available"}
    assert SplitCount("test", 134, 4, 0, 4) in of(found, "make3d").splits
    assert SplitCount("test", 200, 19, 19, 19) in of(found, "kitti_2015").splits
    parts = {split.split: split.pairs for split in of(found, "kitti_pairs").splits}
    assert parts == {"by_date/train": 162, "by_date/val": 40, "available": 202}
