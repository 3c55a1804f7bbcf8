"""`lowtex data status`: what is there of each data set, told from names alone."""

import json
from pathlib import Path

import dataset_damages as damages
import dataset_trees as trees
import pytest
from dataset_trees import a_list, everything_in, frames, image

from lowtex.data_paths import DATASETS, MINIATURE_WHAT
from lowtex.datasets import images
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


def test_nothing_anywhere(checkout, said):
    found = status({})
    assert [data.data for data in found] == list(DATASETS)
    assert {data.kind for data in found} == {"none"} and not any(data.failure for data in found)
    text = said("data", "status")
    assert text.count("not there") == len(DATASETS) == 8 and "lowtex data miniature --profile quick" in text
    for page in ("raw_data.php", "depth_prediction", "vkitti-2", "make3d.cs.cornell.edu", "cityscapes-dataset.com"):
        assert page in text
    assert everything_in(checkout).keys() == {checkout / "data"}, "nothing is written"
    assert "profile paper reads real data" in said("data", "status", "--profile", "paper")


def test_counts_by_split_without_opening_a_file(checkout, tmp_path, monkeypatch):
    raw, depth, city = tmp_path / "raw", tmp_path / "depth", tmp_path / "city"
    trees.write_kitti(raw, scans=(0, 1))
    a_list(raw, frames(0, 1, 7, 8), "mine")
    trees.write_kitti_depth(depth, frames=(0, 1))
    trees.write_vkitti2(tmp_path / "virtual", trees.ALL_SCENES, ("clone", "fog"))
    trees.write_cityscapes(city)
    trees.write_make3d(tmp_path / "make3d")
    trees.write_kitti_2015(tmp_path / "kitti_2015")
    trees.write_kitti_pairs(tmp_path / "kitti_pairs", focals=(721.5377,))
    damages.delete(raw / trees.FOLDER / "image_03/data/0000000007.png")
    damages.empty(image(raw, 0))
    damages.delete(city / "rightImg8bit")
    opened = []
    read = images.read_bytes
    monkeypatch.setattr(images, "read_bytes", lambda path, *rest: opened.append(Path(path).name) or read(path, *rest))
    named = {"kitti": raw, "kitti_depth": depth, "vkitti2": tmp_path / "virtual", "cityscapes": city}
    named |= {name: tmp_path / name for name in ("make3d", "kitti_2015", "kitti_pairs")}
    found = status(named)
    assert of(found, "kitti").splits[0] == SplitCount("mine", frames=4, images=3, pairs=2, truths=2)
    assert of(found, "kitti").splits[-1] == SplitCount("available", frames=3, images=3, pairs=2, truths=2)
    listed = {split.split: split.frames for split in of(found, "kitti").splits}
    assert listed["eigen_full/train"] == 45200 and "eigen/test" not in listed, "drive 0001 is one to train on"
    assert of(found, "kitti_depth").splits == (SplitCount("available", 2, 2, 2, 2),)
    virtual = {split.split: split.frames for split in of(found, "vkitti2").splits}
    assert virtual == {"eigen_like/train": 5, "eigen_like/val": 1, "eigen_like/test": 3, "available": 18}
    assert of(found, "cityscapes").splits[0] == SplitCount("train", frames=2975, images=3, pairs=0, truths=3)
    assert of(found, "cityscapes").splits[-1] == SplitCount("available", frames=4, images=4, pairs=0, truths=4)
    assert of(found, "make3d").splits[0] == SplitCount("test", frames=134, images=3, pairs=0, truths=3)
    assert of(found, "kitti_2015").splits[0] == SplitCount("test", frames=200, images=2, pairs=2, truths=2)
    parts = {split.split: split.pairs for split in of(found, "kitti_pairs").splits}
    assert parts == {"by_date/train": 1, "by_date/val": 2, "available": 3}
    assert all(of(found, name).named and of(found, name).kind == "real" for name in named)
    told_apart = {f"{name}.txt" for name in trees.PAIRS}
    assert set(opened) <= {"mine.txt", "intrinsic.txt"} | told_apart, "only lists, and calibrations that tell dates"


def test_what_is_found_is_told_how_to_name(checkout, said):
    trees.write_kitti(checkout / "data" / "kitti")
    text = " ".join(said("data", "status").split())
    assert f"--data kitti={checkout / 'data' / 'kitti'}" in text and "it is read only where it is named" in text
    assert of(status({}), "kitti").kind == "real" and not of(status({}), "kitti").named


def test_a_miniature_is_called_one(checkout, said):
    folder = checkout / "data" / "miniature" / "quick"
    trees.write_kitti(folder / "kitti_raw")
    a_list(folder / "kitti_raw", frames(0, 7), "test")
    (folder / "manifest.json").write_text(json.dumps({"what": MINIATURE_WHAT}))
    found = of(status({}, "quick"), "kitti")
    assert found.kind == "miniature" and [s.split for s in found.splits] == ["test", "available"]
    assert of(status({}, "standard"), "kitti").kind == "none"
    assert "kitti        miniature" in said("data", "status", "--profile", "quick")


def test_a_named_folder_that_is_something_else(checkout, tmp_path, said):
    wrong = tmp_path / "wrong"
    trees.write_kitti(wrong / "raw")
    text = said("data", "status", "--data", f"kitti={wrong}", code=1)
    assert "NOT USABLE" in text and f"{wrong / 'raw'} seems to: give that folder" in text


def test_prepared_folders_are_listed(checkout, tmp_path, said):
    root = tmp_path / "own"
    trees.write_vkitti2(root, {"Scene01": 2})
    said("data", "prepare", "--data", f"vkitti2={root}", "--split", "available", "--size", "12x20")
    [(folder, text)] = prepared_folders()
    assert "vkitti2 available: 2 samples of 12x20" in text
    assert "prepared     vkitti2 available: 2 samples" in said("data", "status")
    (folder / "prepared.json").write_text("{")
    assert "prepared.json" in prepared_folders()[0][1]
    assert of(status({"vkitti2": folder}), "vkitti2").kind == "prepared"
    told = said("data", "check", "--data", f"vkitti2={folder}", code=1)
    assert "name the folder of the data set itself" in told
