"""The packaged lists, lists as people write them, and which list a name means."""

import pytest
from dataset_trees import FOLDER, a_list, frames, put

from lowtex.datasets import splits
from lowtex.datasets.cityscapes import listed_frame, read_city_list
from lowtex.datasets.make3d import read_ids
from lowtex.datasets.splits import CITYSCAPES_SPLITS, KITTI_SPLITS, Frame, find_split, packaged_frames
from lowtex.datasets.stereo_folder import EXAMPLE_RIG, read_rig_file, read_stems
from lowtex.errors import OptionError


@pytest.fixture(scope="module")
def packaged() -> dict[str, list[Frame]]:
    return {name: packaged_frames(name) for name in KITTI_SPLITS}


def test_facts_of_the_eigen_lists(packaged):
    for name, frames_ in packaged.items():
        assert len(frames_) == KITTI_SPLITS[name] == len(set(frames_))
        assert {frame.side for frame in frames_} == ({"l"} if name.endswith("test") else {"l", "r"})
    test, train = packaged["eigen/test"], packaged["eigen_full/train"]
    drives = [frame.folder for frame in test]
    assert sorted(drives.count(drive) for drive in set(drives)) == [22] + [25] * 27
    assert set(packaged["eigen_benchmark/test"]) < set(test)
    for part in ("eigen_full/train", "eigen_full/val", "eigen_zhou/train", "eigen_zhou/val"):
        assert not {frame.folder for frame in packaged[part]} & set(drives), part
    assert sum(frame.side == "l" for frame in train) == 22600
    assert not set(train) & set(packaged["eigen_full/val"])


@pytest.mark.parametrize("name", [*KITTI_SPLITS, *CITYSCAPES_SPLITS])
def test_line_by_line_as_published(real_data, packaged, name):
    if name in KITTI_SPLITS:
        path = real_data / "splits" / f"{name}_files.txt"
        got = [f"{folder} {frame} {side}" for folder, frame, side in packaged[name]]
    else:
        path = real_data / "splits" / "cityscapes" / f"{name.replace('/', '_')}_files.txt"
        got = [f"{frame}_leftImg8bit.jpg {frame}_rightImg8bit.jpg" for frame in splits.cityscapes_frames(name)]
        assert len(got) == CITYSCAPES_SPLITS[name]
    for line, published in zip(got, path.read_text().splitlines(), strict=True):
        # KITTI's numbers are padded in some lists
        folder, number, *side = published.split()
        assert line.split() == [folder, str(int(number)) if side else number, *side]


def test_forms_of_a_listed_frame_of_cityscapes():
    stem = "aachen/aachen_000029_000019"
    left, right = f"{stem}_leftImg8bit.jpg", f"{stem}_rightImg8bit.jpg"
    sides = {stem: "l", "aachen_000029_000019 r": "r", f"leftImg8bit/train/{stem}_leftImg8bit.png": "l", right: "r"}
    sides |= {f"{left} {right}": "l", f"{right} {left}": "r"}
    for line, side in sides.items():
        assert listed_frame(line) == Frame("aachen", (29, 19), side), line


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_as_windows_writes_them(tmp_path, coding):
    """Notepad puts a byte order mark first, PowerShell's > writes UTF-16; both end lines with CR LF."""
    path = tmp_path / "mine.txt"
    for read, line, expected in (
        (splits.read_list, f"{FOLDER} 7 l", Frame(FOLDER, 7, "l")),
        (splits.read_list, f"  {FOLDER} 0000000007 r", Frame(FOLDER, 7, "r")),
        (read_stems, "pair_1.png", "pair_1"),
        (read_ids, "op31-p-220t000", "op31-p-220t000"),
        (read_city_list, "aachen/aachen_000029_000019 l", Frame("aachen", (29, 19))),
    ):
        path.write_bytes(f"{line}\r\n\r\n".encode(coding))
        assert read(path) == [expected]
    (tmp_path / "rig.yaml").write_bytes(EXAMPLE_RIG.encode(coding))
    assert read_rig_file(tmp_path / "rig.yaml").rig.width == 1242


def test_order_of_meanings(tmp_path, monkeypatch):
    def found(split, known=tuple(KITTI_SPLITS)):
        return find_split(split, tmp_path, known, {"test": "eigen/test"})

    name, listed = found("test")
    assert (name, len(listed)) == ("eigen/test", 697) and found("available") == ("available", None)
    # a list inside the root goes before the packaged one of that name
    a_list(tmp_path, frames(1), "test")
    assert found("test") == ("test", [Frame(FOLDER, 1, "l")])
    # and a file of that name in the working folder after it
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "eigen" / "test", frames(1))
    assert len(found("eigen/test")[1]) == 697
    put(tmp_path / "train_files.txt", frames(1))
    assert found(tmp_path / "train_files.txt", ()) == ("train_files", [Frame(FOLDER, 1, "l")])
    words = r"'trian' is not known; choose test, eigen_full/train, .*, 'available' .* such as .*splits/trian\.txt"
    with pytest.raises(OptionError, match=words):
        found("trian")
    # a path without its ending is no name of a list in the root
    with pytest.raises(OptionError, match=r"is not known; .* such as .*/train_files\.txt"):
        found(tmp_path / "train_files")
    put(tmp_path / "train_files", frames(7))
    assert found(tmp_path / "train_files") == ("train_files", [Frame(FOLDER, 7, "l")])
