"""What all readers share: decoding and resizing, splits, the files a sample is read from, and what is incomplete."""

import shutil
from pathlib import Path

import cv2
import dataset_trees as trees
import numpy as np
import pytest
import torch
from dataset_trees import DATE, DRIVE, FOLDER, picture, write_list, write_map
from dataset_trees_cityscapes import write_cityscapes
from dataset_trees_make3d import IDS, write_make3d
from stereo_trees import STEMS, write_stereo, write_truth
from stereo_trees import depth_values as stereo_depth

from lowtex.datasets import Cityscapes, KittiImproved, KittiRaw, Make3D, StereoFolder, StereoReader, VirtualKitti2
from lowtex.datasets import splits as lists
from lowtex.datasets.cityscapes import read_city_list
from lowtex.datasets.images import read_gray_png, read_rgb, resize_area, resize_lanczos, to_tensor
from lowtex.datasets.make3d import read_ids
from lowtex.datasets.reader import tolerates_missing, tolerating_missing
from lowtex.datasets.splits import CITYSCAPES_SPLITS, KITTI_SPLITS, Frame, find_split, packaged_frames, read_list
from lowtex.datasets.stereo_folder import EXAMPLE_RIG, read_rig_file, read_stems
from lowtex.errors import DataError, OptionError
from lowtex_lab.cli.checking import check_root


def test_png_and_jpeg_whatever_the_name(tmp_path):
    rgb = picture(0)
    trees.write_picture(tmp_path / "a.png", rgb)
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.png"), rgb)
    flat = np.full((16, 16, 3), (200, 40, 90), np.uint8)
    (tmp_path / "b.png").write_bytes(cv2.imencode(".jpg", flat[:, :, ::-1])[1].tobytes())
    assert np.abs(read_rgb(tmp_path / "b.png").astype(int) - flat).max() <= 3


def test_every_cut_of_an_image_is_an_error(tmp_path):
    whole = {}
    for suffix in (".png", ".jpg"):
        whole[suffix] = cv2.imencode(suffix, picture(1))[1].tobytes()
    path = tmp_path / "cut"
    for suffix, data in whole.items():
        for length in range(1, len(data) - 1, max(1, len(data) // 150)):
            path.write_bytes(data[:length])
            with pytest.raises(DataError, match="cut"):
                read_rgb(path)
        # what follows the end is not part of the image
        path.write_bytes(data + b"trailing")
        assert read_rgb(path).shape == (24, 40, 3), suffix


def test_every_wrong_byte_of_a_png_is_an_error(tmp_path):
    data = cv2.imencode(".png", picture(2, 4, 5))[1].tobytes()
    path = tmp_path / "wrong.png"
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(DataError, match=r"wrong\.png"):
            read_rgb(path)


def test_end_of_a_thumbnail_does_not_hide_a_missing_end(tmp_path):
    data = cv2.imencode(".jpg", picture(3))[1].tobytes()
    thumbnail = b"\xff\xe1\x00\x08ab\xff\xd9cd"
    assert read_ok(tmp_path, data[:2] + thumbnail[:10] + data[2:])
    (tmp_path / "t.jpg").write_bytes(data[:2] + thumbnail + data[2:-2])
    with pytest.raises(DataError, match="truncated"):
        read_rgb(tmp_path / "t.jpg")


def read_ok(folder, data: bytes) -> bool:
    (folder / "ok.jpg").write_bytes(data)
    return read_rgb(folder / "ok.jpg").shape == (24, 40, 3)


def test_any_kind_takes_what_a_data_set_must_not_hold(tmp_path):
    gray = picture(4)[:, :, 0]
    write_map(tmp_path / "gray.png", gray)
    with pytest.raises(DataError, match="8-bit gray"):
        read_rgb(tmp_path / "gray.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "gray.png", any_kind=True), np.dstack([gray] * 3))
    write_map(tmp_path / "photo.bmp", picture(5)[:, :, ::-1])
    np.testing.assert_array_equal(read_rgb(tmp_path / "photo.bmp", any_kind=True), picture(5))
    write_map(tmp_path / "black.png", np.zeros((4, 4), np.uint16))
    assert not read_rgb(tmp_path / "black.png", any_kind=True).any()
    (tmp_path / "notes.txt").write_text("not an image at all")
    with pytest.raises(DataError, match="notes.txt can't be decoded"):
        read_rgb(tmp_path / "notes.txt", any_kind=True)


def test_gray_png_keeps_the_numbers(tmp_path):
    values = np.arange(24, dtype=np.uint16).reshape(4, 6) * 2849
    write_map(tmp_path / "depth.png", values)
    got = read_gray_png(tmp_path / "depth.png")
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, values)


def test_resize_is_the_mean_of_whole_blocks():
    image = picture(6, 24, 40)
    got = resize_area(image, (12, 10)).astype(float)
    mean = image.reshape(12, 2, 10, 4, 3).mean((1, 3))
    assert np.abs(got - mean).max() <= 0.5
    assert resize_area(image, (24, 40)) is image


def test_lanczos_is_the_windowed_sinc_over_what_it_shrinks():
    """Per axis: weights sinc(x) sinc(x / 3), |x| < 3, x in pixels of the result; a plain stripe of 20 columns to 5."""
    row = picture(8, 1, 20)[0].astype(float)
    got = resize_lanczos(np.repeat(row[None].astype(np.uint8), 6, 0), (6, 5))[2]
    x = (np.arange(20) + 0.5)[None] / 4 - (np.arange(5) + 0.5)[:, None]
    weights = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    expected = (weights @ row) / weights.sum(1, keepdims=True)
    assert np.abs(got - expected.clip(0, 255)).max() <= 0.6


@pytest.mark.parametrize("size", [(48, 80), (12, 80), (48, 20)])
@pytest.mark.parametrize("resize", [resize_area, resize_lanczos])
def test_resize_keeps_pixel_centres(size, resize):
    """A ramp stays the ramp of the resized rig: x -> (x + 0.5) s - 0.5."""
    ramp = np.repeat(np.arange(40, dtype=np.uint8)[None] * 6, 24, 0)[:, :, None].repeat(3, 2)
    got = resize(ramp, size)[size[0] // 2, :, 0].astype(float)
    expected = ((np.arange(size[1]) + 0.5) * 40 / size[1] - 0.5) * 6
    middle = slice(size[1] // 8, -size[1] // 8)
    assert np.abs(got - expected)[middle].max() <= 0.51


def test_tensor_is_rgb_in_unit_range():
    got = to_tensor(np.array([[[255, 0, 51]]], np.uint8))
    torch.testing.assert_close(got, torch.tensor([1.0, 0.0, 0.2]).reshape(3, 1, 1))
    assert got.dtype == torch.float32 and got.is_contiguous()


@pytest.mark.parametrize(("name", "count"), KITTI_SPLITS.items())
def test_counts_and_form(name, count):
    frames = packaged_frames(name)
    assert len(frames) == count == len(set(frames))
    assert {frame.side for frame in frames} == ({"l"} if name.endswith("test") else {"l", "r"})
    assert all(frame.folder[11:21] == frame.folder[:10] and frame.frame >= 0 for frame in frames)


def test_facts_of_the_eigen_lists():
    test = packaged_frames("eigen/test")
    drives = [frame.folder for frame in test]
    assert sorted(drives.count(drive) for drive in set(drives)) == [22] + [25] * 27
    assert set(packaged_frames("eigen_benchmark/test")) < set(test)
    for part in ("eigen_full/train", "eigen_full/val", "eigen_zhou/train", "eigen_zhou/val"):
        assert not {frame.folder for frame in packaged_frames(part)} & set(drives), part
    train = packaged_frames("eigen_full/train")
    assert sum(frame.side == "l" for frame in train) == 22600
    assert not set(train) & set(packaged_frames("eigen_full/val"))


@pytest.mark.parametrize("name", KITTI_SPLITS)
def test_line_by_line_as_published(real_data, name):
    published = []
    for line in (real_data / "splits" / f"{name}_files.txt").read_text().splitlines():
        folder, frame, side = line.split()
        published.append((folder, int(frame), side))
    assert [tuple(frame) for frame in packaged_frames(name)] == published


@pytest.mark.parametrize(("name", "count"), CITYSCAPES_SPLITS.items())
def test_cityscapes_lists(real_data, name, count):
    lines = (
        (real_data / "splits" / "cityscapes" / f"cityscapes_{name.split('/')[1]}_files.txt").read_text().splitlines()
    )
    assert len(lines) == count
    expected = [
        " ".join(f"{frame}_{side}Img8bit.jpg" for side in ("left", "right")) for frame in lists.cityscapes_frames(name)
    ]
    assert expected == lines


def test_frame_numbers_with_and_without_zeros(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(f"{FOLDER} 0000000007 l\n\n  {FOLDER} 7 r\r\n")
    assert read_list(path) == [Frame(FOLDER, 7, "l"), Frame(FOLDER, 7, "r")]


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_as_windows_writes_them(tmp_path, coding):
    """Notepad puts a byte order mark first, PowerShell's > writes UTF-16; both end lines with CR LF."""
    path = tmp_path / "mine.txt"

    def listed(line: str) -> Path:
        path.write_bytes(f"{line}\r\n\r\n".encode(coding))
        return path

    assert read_list(listed(f"{FOLDER} 7 l")) == [Frame(FOLDER, 7, "l")]
    assert read_stems(listed("pair_1.png")) == ["pair_1"]
    assert read_ids(listed("op31-p-220t000")) == ["op31-p-220t000"]
    assert read_city_list(listed("aachen/aachen_000029_000019 l")) == [Frame("aachen", (29, 19))]
    (tmp_path / "rig.yaml").write_bytes(EXAMPLE_RIG.encode(coding))
    assert read_rig_file(tmp_path / "rig.yaml").rig.width == 1242


def test_order_of_meanings(tmp_path, monkeypatch):
    def found(split, known=tuple(KITTI_SPLITS)):
        return find_split(split, tmp_path, known, {"test": "eigen/test"})

    name, frames = found("test")
    assert (name, len(frames)) == ("eigen/test", 697) and found("available") == ("available", None)
    # a list inside the root goes before the packaged one of that name
    write_list(tmp_path, "test", f"{FOLDER} 1 l\n")
    assert found("test") == ("test", [Frame(FOLDER, 1, "l")])
    # and a file of that name in the working folder after it
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eigen").mkdir()
    (tmp_path / "eigen" / "test").write_text(f"{FOLDER} 1 l\n")
    assert len(found("eigen/test")[1]) == 697
    (tmp_path / "train_files.txt").write_text(f"{FOLDER} 1 r\n")
    assert found(tmp_path / "train_files.txt", ()) == ("train_files", [Frame(FOLDER, 1, "r")])
    words = r"'trian' is not known; choose test, eigen_full/train, .*, 'available' .* such as .*splits/trian\.txt"
    with pytest.raises(OptionError, match=words):
        found("trian")


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
    trees.write_kitti(root / "kitti_raw")
    trees.write_kitti_depth(root / "kitti_depth")
    trees.write_vkitti2(root / "vkitti2", {"Scene01": 1, "Scene02": 2})
    trees.write_world_maps(root / "vkitti2")
    write_cityscapes(root / "cityscapes")
    write_make3d(root / "make3d", IDS[:1])
    write_stereo(root / "stereo")
    for stem in STEMS:
        write_truth(root / "stereo" / "depth" / f"{stem}.npy", stereo_depth(stem))
    write_list(root / "stereo", "mine", "a\n")
    return readers(root)


def readers(root: Path) -> dict[str, StereoReader]:
    return {
        "kitti": KittiRaw(root / "kitti_raw", "available"),
        "kitti_depth": KittiImproved(root / "kitti_depth", "available"),
        "vkitti2": VirtualKitti2(root / "vkitti2", "available"),
        "cityscapes": Cityscapes(root / "cityscapes", "available"),
        "make3d": Make3D(root / "make3d", "test", size=(64, 128)),
        "stereo": StereoFolder(root / "stereo"),
        "kitti, right camera alone": KittiRaw(root / "kitti_raw", "available", camera="right", views=False, depth=None),
        "vkitti2, right camera alone": VirtualKitti2(
            root / "vkitti2", "available", camera="right", views=False, depth=False
        ),
        "cityscapes, right camera": Cityscapes(root / "cityscapes", "available", camera="right"),
        "stereo, right camera": StereoFolder(root / "stereo", camera="right"),
    }


DRIVES, FRAMES, AACHEN = f"kitti_raw/{FOLDER}", "vkitti2/Scene01/clone/frames", "train/aachen/aachen_000003_000001"
NEEDED = {
    "kitti": f"{DRIVES}/image_02/data/0000000000.png {DRIVES}/image_03/data/0000000000.png kitti_raw/{DATE}/"
    f"calib_cam_to_cam.txt {DRIVES}/velodyne_points/data/0000000000.bin kitti_raw/{DATE}/calib_velo_to_cam.txt",
    "kitti_depth": f"{DRIVES}/image_02/data/0000000000.png {DRIVES}/image_03/data/0000000000.png kitti_raw/{DATE}/"
    f"calib_cam_to_cam.txt kitti_depth/train/{DRIVE}/proj_depth/groundtruth/image_02/0000000000.png",
    "vkitti2": f"{FRAMES}/rgb/Camera_0/rgb_00000.png {FRAMES}/rgb/Camera_1/rgb_00000.png {FRAMES}/depth/Camera_0/"
    f"depth_00000.png {FRAMES}/lowtexContrast/Camera_0/contrast_00000.png {FRAMES}/lowtexVisible/Camera_0/"
    "visible_00000.png vkitti2/Scene01/clone/intrinsic.txt vkitti2/Scene01/clone/extrinsic.txt",
    "cityscapes": f"cityscapes/leftImg8bit/{AACHEN}_leftImg8bit.png cityscapes/rightImg8bit/{AACHEN}_rightImg8bit.png "
    f"cityscapes/disparity/{AACHEN}_disparity.png cityscapes/camera/{AACHEN}_camera.json",
    "make3d": f"make3d/Test134/img-{IDS[0]}.jpg make3d/Gridlaserdata/depth_sph_corr-{IDS[0]}.mat",
    "stereo": "stereo/left/a.png stereo/right/a.png stereo/depth/a.npy stereo/rig.yaml",
    "kitti, right camera alone": f"{DRIVES}/image_03/data/0000000000.png kitti_raw/{DATE}/calib_cam_to_cam.txt",
    "vkitti2, right camera alone": f"{FRAMES}/rgb/Camera_1/rgb_00000.png vkitti2/Scene01/clone/intrinsic.txt "
    "vkitti2/Scene01/clone/extrinsic.txt",
    "cityscapes, right camera": f"cityscapes/rightImg8bit/{AACHEN}_rightImg8bit.png cityscapes/leftImg8bit/"
    f"{AACHEN}_leftImg8bit.png cityscapes/camera/{AACHEN}_camera.json",
    "stereo, right camera": "stereo/right/a.png stereo/left/a.png stereo/rig.yaml",
}
"""The files that the first sample is made of: the target view, its partner, then the others."""


def test_every_reader_names_what_it_reads(tmp_path, monkeypatch):
    for name, dataset in written(tmp_path).items():
        needed = dataset.needed(0)
        assert [path.relative_to(tmp_path).as_posix() for path in needed] == NEEDED[name].split(), name
        read = opened_by(monkeypatch, dataset, 0)
        # a calibration was read when the reader was opened
        assert read <= set(needed) and {path.suffix for path in set(needed) - read} <= {".txt", ".yaml"}, name


@pytest.mark.parametrize("change", [trees.in_capitals, trees.with_system_files])
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
        if "," in name:
            continue
        assert check_root(name, root, "available", thorough=True).named.fine, name
    assert lists.own_lists(tmp_path / "stereo") == ["mine"]


def test_a_png_goes_before_a_jpeg_of_the_same_frame(tmp_path):
    trees.write_kitti(tmp_path, frames=(0,))
    folder = tmp_path / FOLDER / "image_02" / "data"
    (folder / "0000000000.png").rename(folder / "0000000000.PNG")
    (folder / "0000000000.jpg").write_bytes(b"a copy of lesser quality")
    assert KittiRaw(tmp_path, "available").needed(0)[0].name == "0000000000.PNG"


def a_list(root: Path, lines: str) -> Path:
    (root / "mine.txt").write_text(lines)
    return root / "mine.txt"


def test_kitti_opens_in_pieces_and_names_what_is_gone(tmp_path):
    trees.write_kitti(tmp_path, scans=(0,))
    (tmp_path / DATE / "calib_cam_to_cam.txt").write_text("nonsense")
    other = "2011_09_28/2011_09_28_drive_0002_sync"
    lines = a_list(tmp_path, f"{FOLDER} 1 l\n{FOLDER} 5 l\n{other} 3 l\n")
    with pytest.raises(DataError, match="2 of 3 frames"):
        KittiRaw(tmp_path, lines)
    with tolerating_missing():
        dataset = KittiRaw(tmp_path, lines, depth_required=True)
    assert not any(path.is_file() for path in dataset.needed(2))
    assert [path.relative_to(tmp_path).as_posix() for path in dataset.needed(2)] == [
        f"{other}/image_02/data/0000000003.png",
        f"{other}/image_03/data/0000000003.png",
        "2011_09_28/calib_cam_to_cam.txt",
        f"{other}/velodyne_points/data/0000000003.bin",
        "2011_09_28/calib_velo_to_cam.txt",
    ]
    assert not tolerates_missing()
    with pytest.raises(DataError, match="calib_cam_to_cam"):
        KittiRaw(tmp_path, "available")


def test_improved_names_the_map_whether_there_or_not(tmp_path):
    trees.write_kitti(tmp_path / "kitti_raw")
    trees.write_kitti_depth(tmp_path / "kitti_depth", frames=(0, 1))
    lines = a_list(tmp_path, f"{FOLDER} 0 l\n{FOLDER} 7 l\n")
    with pytest.raises(DataError, match="1 of 2 depth maps"):
        KittiImproved(tmp_path / "kitti_depth", lines, depth_required=True)
    with tolerating_missing():
        dataset = KittiImproved(tmp_path / "kitti_depth", lines, depth_required=True)
    lost = tmp_path / "kitti_depth/train" / DRIVE / "proj_depth/groundtruth/image_02/0000000007.png"
    assert dataset.needed(1)[-1] == lost
    free = KittiImproved(tmp_path / "kitti_depth", lines, depth_required=False)
    assert free.needed(1) == dataset.needed(1)[:-1]


def test_vkitti2_opens_in_pieces(tmp_path):
    trees.write_vkitti2(tmp_path, trees.ALL_SCENES)
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


def test_a_split_of_which_nothing_is_there_opens_tolerantly(real_data):
    with tolerating_missing():
        test = KittiRaw(real_data / "kitti_raw", "eigen/test", size=None)
    assert len(test) == 697 and not any(path.is_file() for path in test.needed(0)[:2])
