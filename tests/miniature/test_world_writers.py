"""What every writer does alike: it carries on, replaces its own, refuses the rest."""

import sys
from pathlib import Path

import pytest
import torch
import yaml
from written_files import tree

from lowtex.errors import OptionError
from lowtex_lab.miniature import cityscapes, kitti, kitti_benchmarks, make3d, stereo_folder, vkitti2
from lowtex_lab.miniature.writing import MANIFEST, UNFINISHED, deal

BAD = yaml.safe_load(Path(__file__).with_name("bad_options.yaml").read_text())
DRIVES = {"train": 2, "val": 1, "test": 2}
# name of what makes one frame, writer, amounts, size
WRITERS = {
    "vkitti2": ("render", vkitti2.write_vkitti2, {"Scene01": 1, "Scene02": 2}, {"Scene06": 1}, (32, 64)),
    "kitti": ("render", kitti.write_kitti, DRIVES, {"train": 2}, (32, 64)),
    "kitti_benchmarks": ("render", kitti_benchmarks.write_kitti_benchmarks, DRIVES, {"train": 2}, (32, 64)),
    "make3d": ("picture_and_grid", make3d.write_make3d, 3, 2, (64, 48)),
    "cityscapes": ("render", cityscapes.write_cityscapes, {"train": 4, "val": 2}, {"train": 1}, (32, 64)),
    "stereo": ("render", stereo_folder.write_stereo_folder, 3, 2, (32, 64)),
}


@pytest.mark.parametrize("layout", WRITERS)
def test_interrupted_writing_is_carried_on_then_left_alone_and_replaced_as_a_whole(tmp_path, monkeypatch, layout):
    maker, write, amount, fewer, size = WRITERS[layout]
    module = sys.modules[write.__module__]
    whole = write(tmp_path / "whole", amount, size, progress=False)
    torch.set_num_threads(1)  # frames in order, so that the third one fails after two are written
    make, made = getattr(module, maker), []

    def stop(*arguments, **options):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(arguments)
        return make(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, maker, stop)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "cut", amount, size, progress=False)
    part = tree(tmp_path / "cut")
    names = {name.rpartition("/")[2] for name in part}
    assert UNFINISHED in names and MANIFEST not in names and len(part) > 2
    count = []
    with monkeypatch.context() as patch:
        patch.setattr(module, maker, lambda *a, **k: count.append(a) or make(*a, **k))
        write(tmp_path / "cut", amount, size, progress=False)
    total = sum(amount.values()) if isinstance(amount, dict) else amount
    assert tree(tmp_path / "cut") == tree(whole) and len(count) == total - 2
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    with monkeypatch.context() as patch:
        patch.setattr(module, maker, None)  # would fail if called
        write(whole, amount, size, progress=False)
    assert before == {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    # other parameters replace the whole
    write(whole, fewer, size, seed=3, progress=False)
    write(tmp_path / "fresh", fewer, size, seed=3, progress=False)
    assert tree(whole) == tree(tmp_path / "fresh")


@pytest.mark.parametrize("layout", WRITERS)
def test_foreign_folders_are_refused(tmp_path, layout):
    _, write, amount, _, size = WRITERS[layout]
    # KITTI's writers have two folders in the one they are given
    inner = {"kitti": "kitti_raw", "kitti_benchmarks": "kitti_pairs"}.get(layout)
    mine = tmp_path / (inner or "left") / "mine.png"
    mine.parent.mkdir()
    mine.write_text("keep")
    with pytest.raises(OptionError, match="not empty"):
        write(tmp_path, amount, size, progress=False)
    assert tree(tmp_path).keys() == {str(mine.relative_to(tmp_path))}
    if inner is None:
        with pytest.raises(OptionError, match="is a file"):
            write(mine, amount, size, progress=False)


@pytest.mark.parametrize(("layout", "options", "words"), BAD)
def test_bad_options_leave_nothing_behind(tmp_path, layout, options, words):
    with pytest.raises(OptionError, match=words):
        WRITERS[layout][1](tmp_path / "new", progress=False, **options)
    assert not (tmp_path / "new").exists()


def test_no_street_is_in_two_layouts(tmp_path, monkeypatch):
    """Nor are two cities or drives of one layout the same street."""
    streets = {}
    for layout, (_, write, amount, *_) in WRITERS.items():
        found = []
        fill = f"{write.__module__}.fill"
        monkeypatch.setattr(fill, lambda targets, jobs, *rest, found=found, **more: found.extend(jobs()))
        write(tmp_path / layout, amount, progress=False)
        streets[layout] = {job[1].name for job in found}
    numbers = {"vkitti2": 2, "kitti": 5, "kitti_benchmarks": 5, "make3d": 3, "cityscapes": 6, "stereo": 1}
    assert {layout: len(names) for layout, names in streets.items()} == numbers
    assert len(set().union(*streets.values())) == sum(numbers.values())


def test_frames_are_dealt_out_in_equal_parts():
    assert deal(("a", "b", "c"), 8) == [("a", 3), ("b", 3), ("c", 2)]
    assert deal({"a": 1, "b": 2}, 1) == [("a", 1)]
