"""Every damaged input is one clear error that names the file and the way out; never a skip, never a wrong number.

And ``lowtex data check`` finds it: once, under the name of the damaged file. The tables stand in ``damages.yaml``. What
every reader decodes by the same code is damaged in full for KITTI, and once or twice for the others.
"""

from functools import partial
from pathlib import Path

import dataset_trees as trees
import pytest
from dataset_damages import LISTS, TABLES, check, forbid
from dataset_trees import IDS, a_list, frames, write_kitti, write_make3d
from layouts import LAYOUTS, write_improved, write_own

from lowtex.datasets import READERS
from lowtex.datasets.reader import StereoReader
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError
from lowtex_lab.cli.checking import SplitCheck, check_root

DATA = {
    "kitti": (partial(write_kitti, frames=(0, 1), scans=(0, 1)), {"split": "test", "size": (12, 20)}),
    "kitti_depth": (partial(write_improved, raw_frames=(0, 1), frames=(0, 1)), {}),
    "kitti_pairs": (partial(trees.write_kitti_pairs, frames=("000000", "um_000003")), {"split": "all"}),
    "kitti_2015": (trees.write_kitti_2015, {}),
    "vkitti2": (partial(trees.write_vkitti2, scenes={"Scene01": 2, "Scene20": 1}), {"split": "test"}),
    "cityscapes": (partial(trees.write_cityscapes, frames={"train": {"ulm": (0, 5)}}), {}),
    "cityscapes names": (partial(trees.write_cityscapes, frames={"train": {"ulm": (0, 5)}}), {"split": "available"}),
    "make3d": (partial(write_make3d, ids=IDS[:2]), {}),
    "own views": (partial(write_own, stems="a", truth=None, image_bits=12), {"size": (12, 20)}),
    "own rig": (partial(write_own, stems="a", truth=None), {"size": (12, 20)}),
    "own depth": (partial(write_own, stems="a"), {}),
    "own depth as PNG": (partial(write_own, stems="a", truth=".png", depth_unit_m=0.001), {}),
    "own disparity": (partial(write_own, stems="a", truth=None), {}),
}
"""What writes the whole tree, and the options it is opened with, by table."""

LISTED = {
    "kitti": ("test", frames(1, 0)),
    "kitti_depth": ("test", frames(1, 0)),
    "kitti_2015": ("test", "000007\n000000\n"),
    "cityscapes": ("train", "ulm/ulm_000003_000005 l\nulm/ulm_000003_000000 l\n"),
    "make3d": ("test", "".join(f"{name}\n" for name in sorted(IDS[:2]))),
}
"""Split and frames: the damaged one is the last, because a check always decodes the first; and where frames are listed,
no official number is asked for."""

ROWS = [pytest.param(name, *row, id=f"{name}: {case}") for name in DATA for case, row in TABLES[name].items()]


def written(root: Path, name: str) -> Path:
    DATA[name][0](root)
    if name in LISTED:
        split, lines = LISTED[name]
        a_list(root, lines, split)
    if name == "vkitti2":
        trees.write_world_maps(root, (0, 1))
    if name == "own disparity":
        trees.write_truth(root / "disparity" / "a.pfm", trees.stereo_depth("a"))
    return root


def opened(root: Path, name: str) -> StereoReader:
    reader = {"kitti_depth": "kitti_improved", "own": "stereo"}.get(name.split()[0], name.split()[0])
    return READERS[reader](root, **DATA[name][1])


def read(root: Path, name: str) -> StereoSample:
    return opened(root, name)[-1 if name in LISTED else 0]


def checked(name: str, root: Path, thorough: bool = False, split: str | None = None) -> SplitCheck:
    return check_root(name, root, split or LISTED.get(name, ["test"])[0], thorough).named


@pytest.mark.parametrize("name", DATA)
def test_the_undamaged_one_is_fine(tmp_path, name):
    root = written(tmp_path / "data", name)
    assert read(root, name).image.any() and TABLES[name]
    for thorough in (False, True) if name in CHECKED else ():
        result = checked(name, root, thorough)
        assert result.fine and result.problems == ()
        assert result.complete == result.frames == result.with_truth == CHECKED[name]


@pytest.mark.parametrize(("name", "where", "damage", "words"), ROWS)
def test_damage_is_one_clear_error(tmp_path, name, where, damage, words):
    root = written(tmp_path / "data", name)
    damage(root / where)
    with pytest.raises(DataError) as error:
        read(root, name)
    # a name or a unit that is wrong shows only beside the other files of the folder
    named = root if name.startswith("own") or name == "cityscapes names" else root / where
    check(str(error.value), named, words)


CHECKED = {"kitti": 2, "kitti_depth": 2, "kitti_2015": 2, "vkitti2": 3, "cityscapes": 2, "make3d": 2}
"""Layouts that ``lowtex data check`` looks at here, and how many frames the split has."""

ONLY_DECODING_TELLS = {"with a wrong byte", "of nothing in view", "without any"}
"""Damage at no end of a file, or in what the file says. The first frame of a split is decoded anyway, as a grid is."""

OTHERS_ARE_NAMED = ("S_rect of another size", "intrinsics missing, odd size")
"""Calibration and images contradict each other; the images are named, because a resized copy is what happens."""

CASES = [(name, case) for name in CHECKED for case in TABLES[name]]


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case}" for name, case in CASES])
def test_a_check_finds_every_damage_once_and_names_it(tmp_path, name, case):
    where, inflict, _ = TABLES[name][case]
    root = written(tmp_path / name, name)
    inflict(root / where)
    split = None
    # scoring does without right views; a list to learn from needs them
    if "right" in case and name in ("kitti", "vkitti2"):
        assert checked(name, root, thorough=True).fine
        split = a_list(root, frames(1, 0) if name == "kitti" else "Scene01/clone 0 l\nScene01/clone 1 l\n")
    found = checked(name, root, thorough=True, split=split)
    assert not found.fine
    start = str((root / where).with_suffix(""))
    named = [problem.path for problem in found.problems if str(problem.path).startswith(start)]
    if found.failure:
        # a folder without one good name in it can't be opened at all
        assert found.complete == 0 and (root / where).name in found.failure
        return
    if case in OTHERS_ARE_NAMED:
        assert {problem.kind for problem in found.problems} == {"wrong size"} and not named
        return
    assert named, found.problems
    assert len(named) == len(found.problems), "nothing else is blamed"
    assert len(found.problems) == 1 or (root / where).suffix == "", "one file, one problem"
    assert found.complete < (CHECKED[name] if split is None else 2)
    assert all("\n" not in problem.reason and "http" not in problem.reason for problem in found.problems)
    quick = checked(name, root, split=split)
    if name != "make3d" and case.partition(" ")[2] in ONLY_DECODING_TELLS:
        assert quick.fine
    else:
        assert [p.path for p in quick.problems] == [p.path for p in found.problems], "seen without decoding too"
        assert quick.complete == found.complete


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
    reader = opened(written(tmp_path, name), name)
    for path in reader.needed(0):
        with monkeypatch.context() as patch:
            forbid(path, patch)
            with pytest.raises(DataError, match=rf"{path.name} can't be read \(Permission denied\); check its perm"):
                reader[0]
    forbid(path.parent, monkeypatch)
    with pytest.raises(DataError, match=rf"{path.parent.name} can't be listed \(Permission denied\)"):
        opened(tmp_path, name)


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
