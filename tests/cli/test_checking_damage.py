"""`lowtex data check` finds every damage that the readers refuse: once, under the name of the damaged file."""

from functools import partial
from pathlib import Path

import dataset_trees as trees
import pytest
from dataset_damages import TABLES
from dataset_trees import a_list, frames
from layouts import write_improved

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


CITY = partial(trees.write_cityscapes, frames={"train": {"ulm": (0, 5)}})

# how the tree is written, and which frames are looked at: they are listed, so that no official number is asked for
WRITERS = {
    "kitti": (partial(trees.write_kitti, frames=(0, 1), scans=(0, 1)), "test", frames(1, 0)),
    "kitti_depth": (partial(write_improved, raw_frames=(0, 1), frames=(0, 1)), "test", frames(1, 0)),
    "kitti_2015": (trees.write_kitti_2015, "test", "000007\n000000\n"),
    "vkitti2": (partial(trees.write_vkitti2, scenes={"Scene01": 2, "Scene20": 1}), "test", ""),
    "cityscapes": (CITY, "train", "ulm/ulm_000003_000005 l\nulm/ulm_000003_000000 l\n"),
    "make3d": (trees.write_make3d, "test", "".join(f"{name}\n" for name in trees.IDS)),
}
OTHERS_ARE_NAMED = {
    # calibration and images contradict each other; the images are named, because a resized copy is what happens
    ("kitti", "S_rect of another size"),
    ("kitti_2015", "S_rect of another size"),
    ("vkitti2", "intrinsics missing, odd size"),
}
CASES = [(name, case) for name in WRITERS for case in TABLES[name]]


def written(folder: Path, name: str) -> Path:
    root, (write, split, lines) = folder / name, WRITERS[name]
    write(root)
    if lines:
        a_list(root, lines, split)
    if name == "vkitti2":
        trees.write_world_maps(root, (0, 1))
    return root


def checked(name: str, root: Path, thorough: bool = False, split: str | None = None) -> SplitCheck:
    return check_root(name, root, split or WRITERS[name][1], thorough).named


@pytest.mark.parametrize("name", WRITERS)
def test_an_undamaged_one_is_fine(tmp_path, name):
    root = written(tmp_path, name)
    for thorough in (False, True):
        result = checked(name, root, thorough)
        assert result.fine and result.problems == () and result.complete == result.frames == result.with_truth > 0


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case}" for name, case in CASES])
def test_every_damage_is_found_once_and_named(tmp_path, name, case):
    where, inflict, _ = TABLES[name][case]
    root = written(tmp_path, name)
    # scoring does without right views; a list to learn from needs them
    split = None
    if "right" in case and name in ("kitti", "vkitti2"):
        split = "mine"
        a_list(root, frames(1, 0) if name == "kitti" else "Scene01/clone 0 l\nScene01/clone 1 l\n")
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
