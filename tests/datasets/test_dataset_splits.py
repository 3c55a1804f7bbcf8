"""The packaged lists against the published ones, and what a split's name can be."""

from pathlib import Path

import pytest
from dataset_trees import FOLDER, write_kitti

from lowtex.datasets import KittiRaw
from lowtex.datasets.cityscapes_layout import read_city_list
from lowtex.datasets.make3d import read_ids
from lowtex.datasets.rig_file import EXAMPLE_RIG, read_rig_file
from lowtex.datasets.splits import (
    CITYSCAPES_SPLITS,
    KITTI_SPLITS,
    ListedFrame,
    cityscapes_frames,
    find_split,
    packaged_frames,
    read_list,
)
from lowtex.datasets.stereo_layout import read_stems
from lowtex.errors import OptionError


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
        " ".join(f"{frame}_{side}Img8bit.jpg" for side in ("left", "right")) for frame in cityscapes_frames(name)
    ]
    assert expected == lines


def test_frame_numbers_with_and_without_zeros(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(f"{FOLDER} 0000000007 l\n\n  {FOLDER} 7 r\r\n")
    assert read_list(path) == [ListedFrame(FOLDER, 7, "l"), ListedFrame(FOLDER, 7, "r")]


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_as_windows_writes_them(tmp_path, coding):
    """Notepad puts a byte order mark first, PowerShell's > writes UTF-16; both end lines with CR LF."""
    path = tmp_path / "mine.txt"

    def listed(line: str) -> Path:
        path.write_bytes(f"{line}\r\n\r\n".encode(coding))
        return path

    assert read_list(listed(f"{FOLDER} 7 l")) == [ListedFrame(FOLDER, 7, "l")]
    assert read_stems(listed("pair_1.png")) == ["pair_1"]
    assert read_ids(listed("op31-p-220t000")) == ["op31-p-220t000"]
    assert read_city_list(listed("aachen/aachen_000029_000019 l"))[0].city == "aachen"
    (tmp_path / "rig.yaml").write_bytes(EXAMPLE_RIG.encode(coding))
    assert read_rig_file(tmp_path / "rig.yaml").rig.width == 1242


def test_order_of_meanings(tmp_path, monkeypatch):
    aliases = {"test": "eigen/test"}
    found = find_split("test", tmp_path, tuple(KITTI_SPLITS), aliases)
    assert (found.name, len(found.frames), found.is_test) == ("eigen/test", 697, True)
    assert find_split("available", tmp_path, (), {}).frames is None
    # a list inside the root goes before the packaged one of that name
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "test.txt").write_text(f"{FOLDER} 1 l\n")
    assert find_split("test", tmp_path, tuple(KITTI_SPLITS), aliases).frames == [ListedFrame(FOLDER, 1, "l")]
    # and a file of that name in the working folder after it
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eigen").mkdir()
    (tmp_path / "eigen" / "test").write_text(f"{FOLDER} 1 l\n")
    assert len(find_split("eigen/test", tmp_path, tuple(KITTI_SPLITS), aliases).frames) == 697
    own = tmp_path / "train_files.txt"
    own.write_text(f"{FOLDER} 1 r\n")
    found = find_split(own, tmp_path, (), {})
    assert found.frames == [ListedFrame(FOLDER, 1, "r")] and not found.is_test


def test_unknown_split_lists_what_there_is(tmp_path):
    write_kitti(tmp_path)
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "rainy.txt").write_text(f"{FOLDER} 1 l\n")
    with pytest.raises(OptionError, match="'trian' is not known; choose rainy, train, val, test, .*, 'available'"):
        KittiRaw(tmp_path, "trian")
