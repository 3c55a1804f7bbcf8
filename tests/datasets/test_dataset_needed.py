"""`needed`: exactly the files a sample is read from, whether there or not; and opening what is incomplete."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_trees import (
    ALL_SCENES,
    DATE,
    DRIVE,
    FOLDER,
    depth_values,
    in_capitals,
    with_system_files,
    write_kitti,
    write_kitti_depth,
    write_map,
    write_vkitti2,
)
from dataset_trees_cityscapes import write_cityscapes
from dataset_trees_make3d import IDS, write_make3d
from stereo_trees import STEMS, write_stereo, write_truth
from stereo_trees import depth_values as stereo_depth

from lowtex.datasets import (
    Cityscapes,
    KittiImproved,
    KittiRaw,
    Make3D,
    StereoFolder,
    StereoReader,
    VirtualKitti2,
    reader,
)
from lowtex.datasets.reader import tolerating_missing
from lowtex.datasets.splits import own_lists
from lowtex.errors import DataError
from lowtex_lab.cli.checking import check_root


def relative(paths: list[Path], root: Path) -> set[str]:
    assert len(set(paths)) == len(paths), "no file is named twice"
    return {str(path.relative_to(root)) for path in paths}


def opened_by(monkeypatch, dataset, index: int) -> set[Path]:
    """The files that reading a sample opens."""
    seen = set()
    read = Path.read_bytes

    def spy(path):
        seen.add(path)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", spy)
    dataset[index]
    monkeypatch.undo()
    return seen


def written(root: Path) -> dict[str, StereoReader]:
    """A reader of every data set, with its ground truth."""
    write_kitti(root / "kitti_raw")
    write_kitti_depth(root / "kitti_depth")
    write_vkitti2(root / "vkitti2", {"Scene01": 1, "Scene02": 2})
    write_cityscapes(root / "cityscapes")
    write_make3d(root / "make3d", IDS[:1])
    write_stereo(root / "stereo")
    for stem in STEMS:
        write_truth(root / "stereo" / "depth" / f"{stem}.npy", stereo_depth(stem))
    (root / "stereo" / "splits").mkdir()
    (root / "stereo" / "splits" / "mine.txt").write_text("a\n")
    return readers(root)


def readers(root: Path) -> dict[str, StereoReader]:
    return {
        "kitti": KittiRaw(root / "kitti_raw", "available"),
        "kitti_depth": KittiImproved(root / "kitti_depth", "available"),
        "vkitti2": VirtualKitti2(root / "vkitti2", "available"),
        "cityscapes": Cityscapes(root / "cityscapes", "available"),
        "make3d": Make3D(root / "make3d", "test", size=(64, 128)),
        "stereo": StereoFolder(root / "stereo"),
    }


@pytest.mark.parametrize("change", [in_capitals, with_system_files])
def test_endings_in_capitals_and_files_of_the_system_change_no_sample(tmp_path, change):
    before = {name: (each.names, [each[0], each[-1]]) for name, each in written(tmp_path).items()}
    for name in ("kitti_raw", "kitti_depth", "vkitti2", "cityscapes", "make3d", "stereo"):
        change(tmp_path / name)
    for name, dataset in readers(tmp_path).items():
        names, samples = before[name]
        assert dataset.names == names
        for old, new in zip(samples, (dataset[0], dataset[-1]), strict=True):
            assert torch.equal(old.image, new.image) and old.rig == new.rig, name
            assert (old.depth is None) == (new.depth is None), name
            assert old.depth is None or torch.equal(old.depth, new.depth), name
        root = tmp_path / ("kitti_raw" if name == "kitti" else name)
        assert check_root(name, root, "available", thorough=True).named.fine, name
    assert own_lists(tmp_path / "stereo") == ["mine"]


def test_a_png_goes_before_a_jpeg_of_the_same_frame(tmp_path):
    write_kitti(tmp_path, frames=(0,))
    folder = tmp_path / FOLDER / "image_02" / "data"
    (folder / "0000000000.png").rename(folder / "0000000000.PNG")
    (folder / "0000000000.jpg").write_bytes(b"a copy of lesser quality")
    assert KittiRaw(tmp_path, "available").needed(0)[0].name == "0000000000.PNG"


def a_list(root: Path, lines: str) -> Path:
    (root / "mine.txt").write_text(lines)
    return root / "mine.txt"


@pytest.mark.parametrize("depth", ["velodyne", None])
@pytest.mark.parametrize("views", [True, False])
def test_kitti_names_what_it_reads(tmp_path, monkeypatch, depth, views):
    write_kitti(tmp_path, scans=(0,))
    lines = a_list(tmp_path, f"{FOLDER} 0 l\n{FOLDER} 1 r\n")
    dataset = KittiRaw(tmp_path, lines, depth=depth, views=views, depth_required=False)
    calibration = {f"{DATE}/calib_cam_to_cam.txt"}
    first = {f"{FOLDER}/image_02/data/0000000000.png"}
    first |= {f"{FOLDER}/image_03/data/0000000000.png"} if views else set()
    scan = {f"{FOLDER}/velodyne_points/data/0000000000.bin", f"{DATE}/calib_velo_to_cam.txt"} if depth else set()
    assert relative(dataset.needed(0), tmp_path) == first | scan | calibration
    # calib_cam_to_cam.txt was read when the reader was opened
    assert relative(list(opened_by(monkeypatch, dataset, 0)), tmp_path) == first | scan
    second = {f"{FOLDER}/image_03/data/0000000001.png"}
    second |= {f"{FOLDER}/image_02/data/0000000001.png"} if views else set()
    assert relative(dataset.needed(1), tmp_path) == second | calibration, "frame 1 has no scan, and needs none"
    assert dataset.needed(1)[0].parent.parent.name == "image_03", "the target view comes first"


def test_kitti_opens_in_pieces_and_names_what_is_gone(tmp_path):
    write_kitti(tmp_path, scans=(0,))
    (tmp_path / DATE / "calib_cam_to_cam.txt").write_text("nonsense")
    other = "2011_09_28/2011_09_28_drive_0002_sync"
    lines = a_list(tmp_path, f"{FOLDER} 1 l\n{FOLDER} 5 l\n{other} 3 l\n")
    with pytest.raises(DataError, match="2 of 3 frames"):
        KittiRaw(tmp_path, lines)
    with tolerating_missing():
        dataset = KittiRaw(tmp_path, lines, depth_required=True)
    assert relative(dataset.needed(0), tmp_path) == {
        f"{FOLDER}/image_02/data/0000000001.png",
        f"{FOLDER}/image_03/data/0000000001.png",
        f"{FOLDER}/velodyne_points/data/0000000001.bin",
        f"{DATE}/calib_cam_to_cam.txt",
        f"{DATE}/calib_velo_to_cam.txt",
    }
    assert relative(dataset.needed(2), tmp_path) == {
        f"{other}/image_02/data/0000000003.png",
        f"{other}/image_03/data/0000000003.png",
        f"{other}/velodyne_points/data/0000000003.bin",
        "2011_09_28/calib_cam_to_cam.txt",
        "2011_09_28/calib_velo_to_cam.txt",
    }
    assert not reader.tolerates_missing()
    with pytest.raises(DataError, match="calib_cam_to_cam"):
        KittiRaw(tmp_path, "available")


def test_improved_names_the_map_whether_there_or_not(tmp_path, monkeypatch):
    raw, depth = tmp_path / "kitti_raw", tmp_path / "kitti_depth"
    write_kitti(raw)
    write_kitti_depth(depth, frames=(0, 1))
    lines = a_list(tmp_path, f"{FOLDER} 0 l\n{FOLDER} 7 l\n")
    images = {f"kitti_raw/{FOLDER}/image_0{camera}/data/000000000{{}}.png" for camera in (2, 3)}
    calibration = f"kitti_raw/{DATE}/calib_cam_to_cam.txt"
    maps = f"kitti_depth/train/{DRIVE}/proj_depth/groundtruth/image_02/000000000{{}}.png"
    with pytest.raises(DataError, match="1 of 2 depth maps"):
        KittiImproved(depth, lines, depth_required=True)
    with tolerating_missing():
        dataset = KittiImproved(depth, lines, depth_required=True)
    for index, frame in enumerate((0, 7)):
        expected = {name.format(frame) for name in (*images, maps)} | {calibration}
        assert relative(dataset.needed(index), tmp_path) == expected
    assert opened_by(monkeypatch, dataset, 0) == set(dataset.needed(0))
    free = KittiImproved(depth, lines, depth_required=False)
    assert relative(free.needed(1), tmp_path) == {name.format(7) for name in images} | {calibration}


def test_vkitti2_names_what_it_reads(tmp_path, monkeypatch):
    write_vkitti2(tmp_path, {"Scene01": 2, "Scene20": 1})
    frames = "Scene01/clone/frames"
    write_map(tmp_path / frames / "lowtexContrast/Camera_0/contrast_00000.png", depth_values(0))
    write_map(tmp_path / frames / "lowtexVisible/Camera_0/visible_00000.png", np.zeros((24, 40), np.uint8))
    dataset = VirtualKitti2(tmp_path, "available")
    expected = {f"{frames}/rgb/Camera_{camera}/rgb_00000.png" for camera in (0, 1)}
    expected |= {f"{frames}/depth/Camera_0/depth_00000.png"}
    expected |= {
        f"{frames}/lowtexContrast/Camera_0/contrast_00000.png",
        f"{frames}/lowtexVisible/Camera_0/visible_00000.png",
    }
    expected |= {"Scene01/clone/intrinsic.txt", "Scene01/clone/extrinsic.txt"}
    assert relative(dataset.needed(0), tmp_path) == expected
    assert opened_by(monkeypatch, dataset, 0) == set(dataset.needed(0))
    bare = VirtualKitti2(tmp_path, "available", views=False, depth=False, camera="right")
    assert relative(bare.needed(2), tmp_path) == {
        "Scene20/clone/frames/rgb/Camera_1/rgb_00000.png",
        "Scene20/clone/intrinsic.txt",
        "Scene20/clone/extrinsic.txt",
    }


def test_vkitti2_opens_in_pieces(tmp_path):
    write_vkitti2(tmp_path, ALL_SCENES)
    shutil.rmtree(tmp_path / "Scene20")
    (tmp_path / "Scene01/clone/frames/depth/Camera_0/depth_00001.png").unlink()
    (tmp_path / "Scene01/clone/intrinsic.txt").write_text("nonsense")
    with pytest.raises(DataError):
        VirtualKitti2(tmp_path, "test")
    with tolerating_missing():
        dataset = VirtualKitti2(tmp_path, "test")
    assert len(dataset) == 2 and dataset.absent == (tmp_path / "Scene20/clone",)
    assert tmp_path / "Scene01/clone/frames/depth/Camera_0/depth_00001.png" in dataset.needed(1)
    shutil.rmtree(tmp_path / "Scene01")
    with tolerating_missing():
        dataset = VirtualKitti2(tmp_path, "test")
    assert len(dataset) == 0 and len(dataset.absent) == 2
    with pytest.raises(DataError, match="Scene01/clone of split"):
        VirtualKitti2(tmp_path, "test")


def test_real_samples_name_files_that_are_there(real_data):
    raw = KittiRaw(real_data / "kitti_raw", "available")
    improved = KittiImproved(real_data / "kitti_depth", "available", raw_root=real_data / "kitti_raw")
    for dataset, counts in ((raw, {3, 5}), (improved, {4})):
        needed = [dataset.needed(index) for index in range(len(dataset))]
        assert {len(paths) for paths in needed} == counts
        assert all(path.is_file() for paths in needed for path in paths)
    with tolerating_missing():
        test = KittiRaw(real_data / "kitti_raw", "eigen/test", size=None)
    assert len(test) == 697 and not any(path.is_file() for path in test.needed(0)[:2])
