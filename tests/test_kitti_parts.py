"""What is learnt from and what is scored: whole splits where they are, else two lists, and never one frame in both."""

import pytest

from lowtex.datasets import KittiImproved, KittiRaw
from lowtex.datasets.splits import read_list
from lowtex.errors import OptionError
from lowtex_lab.miniature import write_kitti
from lowtex_lab.notebook.kitti_parts import kitti_parts
from lowtex_lab.notebook.study import AUTO

ASKED = ("2011_09_26_drive_0001_sync", "0-5", "25,45")


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    root = tmp_path_factory.mktemp("kitti")
    return write_kitti(root, {"train": 1, "val": 1, "test": 1}, (32, 96), progress=False)


def test_whole_splits_are_taken(miniature, tmp_path):
    raw, depth = miniature / "kitti_raw", miniature / "kitti_depth"
    assert kitti_parts(tmp_path, raw, depth, *ASKED) == ("train", "test")
    assert kitti_parts(tmp_path, raw, None, *ASKED) == ("train", "test")
    assert not list(tmp_path.iterdir()), "no list is written that nobody reads"
    assert not set(KittiRaw(raw, "train").names) & set(KittiImproved(depth, "test", raw_root=raw).names)


def test_a_sample_of_one_drive_is_parted(real_data, tmp_path):
    raw, depth = real_data / "kitti_raw", real_data / "kitti_depth"
    learn, score = kitti_parts(tmp_path, raw, depth, *ASKED)
    assert [f.frame for f in read_list(learn)] == [0, 1, 2, 3, 4, 5]
    assert [f.frame for f in read_list(score)] == [25, 45]
    with pytest.raises(OptionError, match="frame 5 is to be learnt from and to be scored"):
        kitti_parts(tmp_path, raw, depth, ASKED[0], "0-5", "5")


def test_a_sample_without_improved_truth_is_only_scored(real_data, tmp_path):
    assert kitti_parts(tmp_path, real_data / "kitti_raw", None, *ASKED) == (None, AUTO)
