"""Every damaged input is one clear error that names the file and the way out; never a skip, never a wrong number.

The tables stand in ``damages.yaml``. What every reader decodes by the same code is damaged in full for KITTI, and once
or twice for the others.
"""

from functools import partial
from pathlib import Path

import dataset_trees as trees
import pytest
from dataset_damages import LISTS, TABLES, check, forbid
from dataset_trees import a_list, frames, write_kitti, write_make3d
from layouts import LAYOUTS, write_improved, write_own

from lowtex.datasets import (
    READERS,
    Cityscapes,
    Kitti2015,
    KittiImproved,
    KittiPairs,
    KittiRaw,
    Make3D,
    StereoFolder,
    VirtualKitti2,
)
from lowtex.errors import DataError

city_tree = partial(trees.write_cityscapes, frames={"train": {"ulm": (0, 5)}})
vkitti2_tree = partial(trees.write_vkitti2, scenes={"Scene01": 2, "Scene20": 1})
OWN = partial(StereoFolder, size=(12, 20))

DATA = {
    "kitti": (partial(write_kitti, frames=(0,), scans=(0,)), partial(KittiRaw, split="test", size=(12, 20))),
    "kitti_depth": (partial(write_improved, raw_frames=(0,), frames=(0,)), KittiImproved),
    "kitti_pairs": (partial(trees.write_kitti_pairs, frames=("000000", "um_000003")), partial(KittiPairs, split="all")),
    "kitti_2015": (trees.write_kitti_2015, Kitti2015),
    "vkitti2": (vkitti2_tree, partial(VirtualKitti2, split="test")),
    "cityscapes": (city_tree, Cityscapes),
    "cityscapes names": (city_tree, partial(Cityscapes, split="available")),
    "make3d": (write_make3d, Make3D),
    "own views": (partial(write_own, stems=("a",), truth=None, image_bits=12), OWN),
    "own rig": (partial(write_own, stems=("a",), truth=None), OWN),
    "own depth": (partial(write_own, stems=("a",)), OWN),
    "own depth as PNG": (partial(write_own, stems=("a",), truth=".png", depth_unit_m=0.001), OWN),
    "own disparity": (partial(write_own, stems=("a",), truth=None), OWN),
}
"""What writes the whole tree, and what opens it, by table."""

ROWS = [pytest.param(name, *row, id=f"{name}: {case}") for name in DATA for case, row in TABLES[name].items()]


def written(root: Path, name: str) -> Path:
    DATA[name][0](root)
    if name in ("kitti", "kitti_depth"):
        a_list(root, frames(0), "test")
    if name == "vkitti2":
        trees.write_world_maps(root, (0, 1))
    if name == "own disparity":
        trees.write_truth(root / "disparity" / "a.pfm", trees.stereo_depth("a"))
    return root


def read(root: Path, name: str) -> object:
    # of Make3D the damaged one is the last by name
    return DATA[name][1](root)[2 if name == "make3d" else 0]


@pytest.mark.parametrize("name", DATA)
def test_the_undamaged_one_is_read(tmp_path, name):
    assert read(written(tmp_path / "data", name), name).image.any() and TABLES[name]


@pytest.mark.parametrize(("name", "where", "damage", "words"), ROWS)
def test_damage_is_one_clear_error(tmp_path, name, where, damage, words):
    root = written(tmp_path / "data", name)
    damage(root / where)
    with pytest.raises(DataError) as error:
        read(root, name)
    # a name or a unit that is wrong shows only beside the other files of the folder
    named = root if name.startswith("own") or name == "cityscapes names" else root / where
    check(str(error.value), named, words)


@pytest.mark.parametrize("data", LISTS)
def test_damaged_list(tmp_path, data):
    LAYOUTS[data].write(tmp_path / "data")
    for content, word in LISTS[data]:
        (tmp_path / "mine.txt").write_bytes(content.encode("latin-1"))
        with pytest.raises(DataError) as error:
            READERS[data](tmp_path / "data", tmp_path / "mine.txt")
        check(str(error.value), tmp_path / "mine.txt", word)


@pytest.mark.parametrize("name", ["cityscapes", "make3d"])
def test_unreadable_files_and_folders(tmp_path, monkeypatch, name):
    reader = DATA[name][1](written(tmp_path, name))
    for path in reader.needed(0):
        with monkeypatch.context() as patch:
            forbid(path, patch)
            with pytest.raises(DataError, match=rf"{path.name} can't be read \(Permission denied\); check its perm"):
                reader[0]
        path.chmod(0o644)
    forbid(path.parent, monkeypatch)
    with pytest.raises(DataError, match=rf"{path.parent.name} can't be listed \(Permission denied\)"):
        DATA[name][1](tmp_path)


WAYS_OUT = dict.fromkeys(LAYOUTS, "https://www.cvlibs") | {
    "vkitti2": "https://europe.naverlabs",
    "cityscapes": "https://www.cityscapes",
    "make3d": "http://make3d",
    "stereo": "give a folder with left/ and right/",
}


@pytest.mark.parametrize("data", WAYS_OUT)
@pytest.mark.parametrize("kind", ["missing", "file", "empty", "something else"])
def test_wrong_root(tmp_path, data, kind):
    root = tmp_path / "data"
    if kind == "file":
        root.write_text("no folder")
    elif kind != "missing":
        (root / "holiday" if kind == "something else" else root).mkdir(parents=True)
    for split in ("test", "available"):
        with pytest.raises(DataError, match=f"data.*{WAYS_OUT[data]}"):
            READERS[data](root, split)


@pytest.mark.parametrize("data", [data for data in LAYOUTS if data != "kitti_improved"])
def test_a_root_too_high_or_too_low_names_the_right_folder(tmp_path, data):
    LAYOUTS[data].write(tmp_path / "outer" / "data", **({"above": ""} if data == "kitti_pairs" else {}))
    if data != "cityscapes":
        with pytest.raises(DataError, match="outer/data seems to: give that folder"):
            READERS[data](tmp_path / "outer", "available")
    if too_low := {"kitti_pairs": "image_2", "cityscapes": "leftImg8bit", "make3d": "Test134"}.get(data):
        with pytest.raises(DataError, match=r"give the folder above it, .*outer/data\)"):
            READERS[data](tmp_path / "outer" / "data" / too_low, "available")
