"""Every damaged input is one clear error that names the file and the way out; never a skip, never a wrong number.

The tables stand in ``damages.yaml``. What every reader decodes by the same code is damaged in full for KITTI, and once
or twice for the others.
"""

from pathlib import Path

import dataset_trees_cityscapes as city
import dataset_trees_make3d as make3d
import pytest
from dataset_damages import LISTS, TABLES, check, empty, forbid
from dataset_trees import FOLDER, write_kitti, write_kitti_depth, write_list, write_vkitti2, write_world_maps
from stereo_trees import depth_values as stereo_depth
from stereo_trees import write_stereo, write_truth

from lowtex.datasets import Cityscapes, KittiImproved, KittiRaw, Make3D, StereoFolder, VirtualKitti2
from lowtex.errors import DataError


def city_tree(root: Path) -> None:
    city.write_cityscapes(root, {"train": {"ulm": (0, 5)}})


def kitti_tree(root: Path) -> None:
    write_kitti(root, frames=(0,), scans=(0,))
    write_list(root, "test", f"{FOLDER} 0 l\n")


def improved_tree(root: Path) -> None:
    write_kitti(root.parent / "kitti_raw", frames=(0,), scans=())
    write_kitti_depth(root, frames=(0,))
    write_list(root, "test", f"{FOLDER} 0 l\n")


def vkitti2_tree(root: Path) -> None:
    write_vkitti2(root, {"Scene01": 2, "Scene20": 1})
    write_world_maps(root, (0, 1))


def own_tree(truth: str | None = None, **keys):
    def write(root: Path) -> None:
        write_stereo(root, stems=("a",), **keys)
        if truth is not None:
            write_truth(root / truth, stereo_depth("a"))

    return write


def open_own(root: Path) -> StereoFolder:
    return StereoFolder(root, size=(12, 20))


# what writes the whole tree, what opens it, the sample that is read
DATA = {
    "kitti": (kitti_tree, lambda root: KittiRaw(root, "test", size=(12, 20)), 0),
    "kitti_depth": (improved_tree, KittiImproved, 0),
    "vkitti2": (vkitti2_tree, lambda root: VirtualKitti2(root, "test"), 0),
    "cityscapes": (city_tree, Cityscapes, 0),
    "cityscapes names": (city_tree, lambda root: Cityscapes(root, "available"), 0),
    # the damaged one is the last by name
    "make3d": (make3d.write_make3d, Make3D, 2),
    "own views": (own_tree(image_bits=12), open_own, 0),
    "own rig": (own_tree(), open_own, 0),
    "own depth": (own_tree("depth/a.npy"), open_own, 0),
    "own depth as PNG": (own_tree("depth/a.png", depth_unit_m=0.001), open_own, 0),
    "own disparity": (own_tree("disparity/a.pfm"), open_own, 0),
}
ROWS = [pytest.param(name, *row, id=f"{name}: {case}") for name in DATA for case, row in TABLES[name].items()]


@pytest.mark.parametrize("name", DATA)
def test_the_undamaged_one_is_read(tmp_path, name):
    write, opened, index = DATA[name]
    write(tmp_path / "data")
    assert opened(tmp_path / "data")[index].image.any() and name in TABLES


@pytest.mark.parametrize(("name", "where", "damage", "words"), ROWS)
def test_damage_is_one_clear_error(tmp_path, name, where, damage, words):
    write, opened, index = DATA[name]
    write(tmp_path / "data")
    damage(tmp_path / "data" / where)
    with pytest.raises(DataError) as error:
        opened(tmp_path / "data")[index]
    # a name or a unit that is wrong shows only beside the other files of the folder
    named = tmp_path / "data" if name.startswith("own") or name == "cityscapes names" else tmp_path / "data" / where
    check(str(error.value), named, words)


@pytest.mark.parametrize("where", ["cityscapes", "make3d"])
def test_unreadable_files_and_folders(tmp_path, monkeypatch, where):
    write, opened, index = DATA[where]
    write(tmp_path)
    reader = opened(tmp_path)
    for path in reader.needed(index):
        with monkeypatch.context() as patch:
            forbid(path, patch)
            with pytest.raises(DataError, match=rf"{path.name} can't be read \(Permission denied\); check its perm"):
                reader[index]
        path.chmod(0o644)
    forbid(path.parent, monkeypatch)
    with pytest.raises(DataError, match=rf"{path.parent.name} can't be listed \(Permission denied\)"):
        opened(tmp_path)


READERS = {
    KittiRaw: "https://www.cvlibs",
    KittiImproved: "https://www.cvlibs",
    VirtualKitti2: "https://europe.naverlabs",
    Cityscapes: "https://www.cityscapes",
    Make3D: "http://make3d",
    StereoFolder: "give a folder with left/ and right/",
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["missing", "file", "empty", "something else"])
def test_wrong_root(tmp_path, reader, kind):
    root = tmp_path / "data"
    if kind == "file":
        root.write_text("no folder")
    elif kind != "missing":
        root.mkdir()
        if kind == "something else":
            (root / "holiday").mkdir()
    for split in ("test", "available"):
        with pytest.raises(DataError, match=f"data.*{READERS[reader]}"):
            reader(root, split)


@pytest.mark.parametrize(
    ("write", "reader", "too_low"),
    [
        (write_kitti, KittiRaw, None),
        (vkitti2_tree, VirtualKitti2, None),
        (city_tree, Cityscapes, "leftImg8bit"),
        (make3d.write_make3d, Make3D, "Test134"),
        (write_stereo, StereoFolder, None),
    ],
)
def test_a_root_too_high_or_too_low_names_the_right_folder(tmp_path, write, reader, too_low):
    write(tmp_path / "outer" / "data")
    if reader is not Cityscapes:
        with pytest.raises(DataError, match="outer/data seems to: give that folder"):
            reader(tmp_path / "outer", "available")
    if too_low:
        with pytest.raises(DataError, match=r"give the folder above it, .*outer/data\)"):
            reader(tmp_path / "outer" / "data" / too_low, "available")


def test_improved_without_images_asks_for_raw_root(tmp_path):
    write_kitti_depth(tmp_path / "depth")
    with pytest.raises(DataError, match="--data kitti=FOLDER"):
        KittiImproved(tmp_path / "depth", "available")
    with pytest.raises(DataError, match="nowhere is not a folder"):
        KittiImproved(tmp_path / "depth", "available", raw_root=tmp_path / "nowhere")
    write_kitti(tmp_path / "kitti_raw", frames=(20,))
    with pytest.raises(DataError, match="no depth map in .*depth belongs to an image in .*kitti_raw"):
        KittiImproved(tmp_path / "depth", "available")


TREES = {
    "kitti": (write_kitti, KittiRaw),
    "make3d": (make3d.write_make3d, Make3D),
    "stereo": (write_stereo, StereoFolder),
    "cityscapes": (city_tree, Cityscapes),
}


@pytest.mark.parametrize("name", TREES)
def test_damaged_list(tmp_path, name):
    write, reader = TREES[name]
    write(tmp_path / "data")
    for content, word in LISTS[name]:
        (tmp_path / "mine.txt").write_bytes(content.encode("latin-1"))
        with pytest.raises(DataError) as error:
            reader(tmp_path / "data", tmp_path / "mine.txt")
        check(str(error.value), tmp_path / "mine.txt", word)


def test_missing_frames_are_counted_and_the_first_is_named(tmp_path):
    drive = write_kitti(tmp_path)
    (tmp_path / "mine.txt").write_text("".join(f"{FOLDER} {frame} l\n" for frame in (0, 1, 2, 3)))
    with pytest.raises(DataError, match=r"2 of 4 frames .* first: .*image_02/data/0000000002\.png; .*kitti/raw_data"):
        KittiRaw(tmp_path, tmp_path / "mine.txt")
    (drive / "image_02" / "data" / "0000000000.png").unlink()
    reader = KittiRaw(tmp_path, "available")
    (drive / "image_03" / "data" / "0000000001.png").unlink()
    with pytest.raises(DataError, match="image_03/data/0000000001.png is missing"):
        reader[0]


def test_a_right_target_does_not_read_the_disparity(tmp_path):
    city_tree(tmp_path)
    empty(tmp_path / "disparity/train/ulm/ulm_000003_000000_disparity.png")
    assert Cityscapes(tmp_path, camera="right")[0].depth is None
    with pytest.raises(DataError, match="0 bytes"):
        Cityscapes(tmp_path, camera="both")[0]


@pytest.mark.parametrize("position", [0.0005, 0.1, 0.3, 0.7, 0.95, 0.9999])
def test_no_changed_byte_becomes_a_number(tmp_path, real_data, position):
    source = sorted((real_data / "make3d" / "Gridlaserdata").glob("*.mat"))[0]
    data = bytearray(source.read_bytes())
    data[136 + int(position * (len(data) - 137))] ^= 0x10
    target = tmp_path / "Gridlaserdata" / source.name
    target.parent.mkdir()
    target.write_bytes(data)
    (tmp_path / "Test134").mkdir()
    name = source.stem.removeprefix("depth_sph_corr-")
    (tmp_path / "Test134" / f"img-{name}.jpg").write_bytes(make3d.flat_jpeg(0))
    with pytest.raises(DataError, match="can't be read as a MATLAB file"):
        Make3D(tmp_path)[0]


def test_one_grid_for_all_is_not_enough(tmp_path):
    make3d.write_make3d(tmp_path)
    for path in (tmp_path / "Gridlaserdata").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"3 of 3 images \(or their grids\) .*Gridlaserdata/depth_sph_corr-0607"):
        Make3D(tmp_path)
    with pytest.raises(DataError, match="holds no image with its grid"):
        Make3D(tmp_path, "available")
