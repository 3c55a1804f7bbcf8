"""`lowtex data check` finds every damage that the readers refuse: once, under the name of the damaged file."""

from pathlib import Path

import pytest
from dataset_damages import TABLES
from dataset_trees import (
    FOLDER,
    IDS,
    write_cityscapes,
    write_kitti,
    write_kitti_2015,
    write_kitti_depth,
    write_make3d,
    write_vkitti2,
    write_world_maps,
)

from lowtex_lab.cli.checking import SplitCheck, check_root

ONLY_DECODING_TELLS = {
    # the damage is at no end of the file, or in what the file says; the first frame of a split is decoded anyway,
    # so that nothing of Virtual KITTI 2 stands here
    ("kitti", "left with a wrong byte"),
    ("kitti", "scan of nothing in view"),
    ("kitti_depth", "map with a wrong byte"),
    ("cityscapes", "left with a wrong byte"),
    ("cityscapes", "disparity with a wrong byte"),
    ("cityscapes", "disparity without any"),
    ("kitti_2015", "disparity without any"),
}


TWO = f"{FOLDER} 1 l\n{FOLDER} 0 l\n"


def listed(root: Path, split: str, lines: str) -> Path:
    (root / "splits").mkdir(exist_ok=True)
    (root / "splits" / f"{split}.txt").write_text(lines)
    return root


def kitti(root: Path) -> Path:
    write_kitti(root, frames=(0, 1), scans=(0, 1))
    return listed(root, "test", TWO)


def kitti_depth(root: Path) -> Path:
    write_kitti(root.parent / "kitti_raw", frames=(0, 1), scans=())
    write_kitti_depth(root, frames=(0, 1))
    return listed(root, "test", TWO)


def kitti_2015(root: Path) -> Path:
    write_kitti_2015(root)
    # a list, so that the official 200 frames are not asked for
    return listed(root, "test", "000007\n000000\n")


def vkitti2(root: Path) -> Path:
    write_vkitti2(root, {"Scene01": 2, "Scene20": 1})
    write_world_maps(root, (0, 1))
    return root


def whole_cityscapes(root: Path) -> Path:
    write_cityscapes(root, {"train": {"ulm": (0, 5)}})
    # a list, so that the official 2,975 frames are not asked for
    return listed(root, "train", "ulm/ulm_000003_000005 l\nulm/ulm_000003_000000 l\n")


def whole_make3d(root: Path) -> Path:
    write_make3d(root)
    return listed(root, "test", "".join(f"{name}\n" for name in IDS))


WRITERS = {
    "kitti": (kitti, "test"),
    "kitti_depth": (kitti_depth, "test"),
    "kitti_2015": (kitti_2015, "test"),
    "vkitti2": (vkitti2, "test"),
    "cityscapes": (whole_cityscapes, "train"),
    "make3d": (whole_make3d, "test"),
}
OTHERS_ARE_NAMED = {
    # calibration and images contradict each other; the images are named, because a resized copy is what happens
    ("kitti", "S_rect of another size"),
    ("kitti_2015", "S_rect of another size"),
    ("vkitti2", "intrinsics missing, odd size"),
}
CASES = [(name, case) for name in WRITERS for case in TABLES[name]]


def checked(name: str, root: Path, thorough: bool = False, split: str | None = None) -> SplitCheck:
    return check_root(name, root, split or WRITERS[name][1], thorough).named


@pytest.mark.parametrize("name", WRITERS)
def test_an_undamaged_one_is_fine(tmp_path, name):
    root = WRITERS[name][0](tmp_path / name)
    for thorough in (False, True):
        result = checked(name, root, thorough)
        assert result.fine and result.problems == () and result.complete == result.frames == result.with_truth > 0


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case}" for name, case in CASES])
def test_every_damage_is_found_once_and_named(tmp_path, name, case):
    where, inflict, _ = TABLES[name][case]
    root = WRITERS[name][0](tmp_path / name)
    # scoring does without right views; a list to learn from needs them
    split = None
    if "right" in case and name in ("kitti", "vkitti2"):
        split = "mine"
        listed(root, split, TWO if name == "kitti" else "Scene01/clone 0 l\nScene01/clone 1 l\n")
    whole = checked(name, root, split=split)
    inflict(root / where)
    if split is not None:
        assert checked(name, root, thorough=True).fine
    found = checked(name, root, thorough=True, split=split)
    assert not found.fine
    start = str((root / where).with_suffix(""))
    named = [problem.path for problem in found.problems if str(problem.path).startswith(start)]
    if found.failure:
        # a folder without one good name in it can't be opened at all
        assert found.complete == 0 and (root / where).name in found.failure
        return
    if (name, case) in OTHERS_ARE_NAMED:
        assert {problem.kind for problem in found.problems} == {"wrong size"} and not named
        return
    assert named, found.problems
    assert len(named) == len(found.problems), "nothing else is blamed"
    assert len(found.problems) == 1 or (root / where).suffix == "", "one file, one problem"
    assert 0 <= found.complete < whole.complete or found.frames < whole.frames
    assert all("\n" not in problem.reason and "http" not in problem.reason for problem in found.problems)
    quick = checked(name, root, split=split)
    if (name, case) in ONLY_DECODING_TELLS:
        assert quick.fine
    else:
        assert [p.path for p in quick.problems] == [p.path for p in found.problems], "seen without decoding too"
        assert quick.complete == found.complete
