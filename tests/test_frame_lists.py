"""Lists of frames to learn from and to score: disjoint, readable by the readers, free of a machine's paths."""

from types import SimpleNamespace

import pytest

from lowtex.datasets import KittiImproved, KittiRaw
from lowtex.datasets.splits import VKITTI2_FOLDER, ListedFrame, read_list
from lowtex.errors import DataError, OptionError
from lowtex_lab.notebook.frame_lists import (
    learning_and_scoring_lists,
    own_parts,
    parse_frames,
    write_common_frames,
    write_frame_list,
)

DRIVE = "2011_09_26_drive_0001_sync"


def test_parse_frames():
    assert parse_frames("0-3, 25") == [0, 1, 2, 3, 25]
    assert parse_frames("7,7-8") == [7, 8]
    for wrong in ("", "a", "3-1", "1-", "-2", "1;2"):
        with pytest.raises(OptionError, match="must be numbers and ranges"):
            parse_frames(wrong)


def test_written_lists_are_read_back(tmp_path):
    path = write_frame_list(tmp_path / "deep" / "learn.txt", f"2011_09_26/{DRIVE}", [5, 12], "r")
    assert [(f.frame, f.side) for f in read_list(path)] == [(5, "r"), (12, "r")]
    with pytest.raises(OptionError, match="<date>/<drive>"):
        write_frame_list(tmp_path / "x.txt", DRIVE, [5])
    with pytest.raises(OptionError, match="at least one frame"):
        write_frame_list(tmp_path / "x.txt", f"2011_09_26/{DRIVE}", [])


def test_frames_that_all_variations_have(tmp_path):
    def reader(variation, frames):
        return SimpleNamespace(frames=[ListedFrame(f"Scene{s:02d}/{variation}", n, "l") for s, n in frames])

    readers = [reader("clone", [(1, 0), (1, 1), (20, 0), (20, 7)]), reader("fog", [(20, 7), (1, 1), (1, 2)])]
    path = write_common_frames(tmp_path / "deep" / "same.txt", readers)
    both = [("Scene01", 1), ("Scene20", 7)]
    expected = [ListedFrame(f"{scene}/{name}", frame, "l") for name in ("clone", "fog") for scene, frame in both]
    assert read_list(path, VKITTI2_FOLDER) == expected
    for wrong in ([], [reader("clone", [(1, 0)]), reader("fog", [(1, 1)])]):
        with pytest.raises(OptionError, match="no frame is in all of"):
            write_common_frames(tmp_path / "x.txt", wrong)


def own(root, stems, truths=()):
    """A reader's face of a folder of one's own: `own_parts` opens nothing but its lists."""
    root.mkdir(exist_ok=True)
    return SimpleNamespace(root=root, names=[f"{stem}/l" for stem in stems], maps=dict.fromkeys(truths))


@pytest.mark.parametrize(
    ("stems", "truths", "learning", "scoring"),
    [
        ("abcdefgh", "", "abcdef", "gh"),
        ("abcdefghi", "abcdefghi", "abcdef", "ghi"),
        # the ones to score have ground truth, and what follows the first of them is not learnt from
        ("abcdefghi", "acef", "ab", "cef"),
        ("abcdefghi", "ab", "a", "b"),
        ("ab", "", "a", "b"),
    ],
)
def test_own_pairs_are_parted(tmp_path, stems, truths, learning, scoring):
    lists = own_parts(tmp_path / "lists", own(tmp_path / "own", stems, truths))
    assert [path.read_text().split() for path in lists] == [list(learning), list(scoring)]


@pytest.mark.parametrize(("stems", "truths"), [("a", ""), ("a", "a"), ("abc", "a")])
def test_too_few_own_pairs(tmp_path, stems, truths):
    with pytest.raises(DataError, match="too few to learn from some and score others; add pairs"):
        own_parts(tmp_path / "lists", own(tmp_path / "own", stems, truths))
    assert not (tmp_path / "lists").exists()


def test_own_lists_go_before(tmp_path):
    reader = own(tmp_path / "own", "abc")
    splits = reader.root / "splits"
    splits.mkdir()
    (splits / "train.txt").write_text("c\n")
    assert own_parts(tmp_path / "lists", reader)[0].name == "learn.txt", "one list alone does not part"
    (splits / "test.txt").write_text("a\nb\n")
    assert own_parts(tmp_path / "lists", reader) == ("train", "test")
    (splits / "test.txt").write_text("a\nc\n")
    with pytest.raises(DataError, match=r"train\.txt and .*test\.txt both list c"):
        own_parts(tmp_path / "lists", reader)


def test_a_frame_in_both_lists_is_refused(tmp_path):
    with pytest.raises(OptionError, match="frame 5 is to be learnt from and to be scored"):
        learning_and_scoring_lists(tmp_path, tmp_path, tmp_path, DRIVE, "0-5", "5,25")


def test_real_frames_asked_for(real_data, tmp_path):
    roots = real_data / "kitti_depth", real_data / "kitti_raw"
    learn, score = learning_and_scoring_lists(tmp_path, *roots, DRIVE, "0-5", "25,45")
    pairs = KittiRaw(roots[1], str(learn), depth=None)
    held = KittiImproved(roots[0], str(score), raw_root=roots[1])
    assert [f.frame for f in pairs.frames] == [0, 1, 2, 3, 4, 5] and [f.frame for f in held.frames] == [25, 45]
    # the split's name goes into rows and content hashes
    assert (pairs.split, held.split) == ("learn", "score")


def test_real_frames_that_are_not_there_are_replaced_by_others(real_data, tmp_path):
    roots = real_data / "kitti_depth", real_data / "kitti_raw"
    for drive, learn, score in (
        (DRIVE, "0-9", "25,45"),
        (DRIVE, "0-5", "26"),
        ("2011_09_26_drive_0002_sync", "0", "9"),
    ):
        paths = learning_and_scoring_lists(tmp_path, *roots, drive, learn, score)
        learning, scoring = ({f.frame for f in read_list(path)} for path in paths)
        assert scoring == {45} and learning == {0, 1, 2, 3, 4, 5, 25}


def test_too_few_real_frames(real_data, tmp_path):
    raw = tmp_path / "raw"
    for side in ("image_02", "image_03"):
        folder = raw / "2011_09_26" / DRIVE / side / "data"
        folder.mkdir(parents=True)
        (folder / "0000000045.png").symlink_to(
            real_data / "kitti_raw" / "2011_09_26" / DRIVE / side / "data" / "0000000045.png"
        )
    for name in ("calib_cam_to_cam.txt", "calib_velo_to_cam.txt"):
        (raw / "2011_09_26" / name).symlink_to(real_data / "kitti_raw" / "2011_09_26" / name)
    with pytest.raises(DataError, match="too few frames to learn from some and score others"):
        learning_and_scoring_lists(tmp_path / "lists", real_data / "kitti_depth", raw, DRIVE, "0-5", "25,45")
