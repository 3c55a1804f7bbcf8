"""`lowtex data check`: what it counts, says and lists, its exit code; and that it is quick and writes nothing."""

import csv
import shutil

import dataset_damages as damages
import dataset_trees as trees
import numpy as np
import pytest
from dataset_damages import write_damaged_kitti
from dataset_trees import a_list, everything_in, frames, image, write_cityscapes

from lowtex.datasets import images
from lowtex_lab.cli.checking import WORDS, RootCheck, check_root, describe


def test_all_kinds_are_counted_and_none_hides_another(tmp_path):
    root = write_damaged_kitti(tmp_path)
    quick = check_root("kitti", root, "mine").named
    expected = dict.fromkeys(WORDS, 1) | {"damaged": 0}
    assert quick.counts == expected and len(quick.problems) == 6
    assert (quick.complete, quick.frames, quick.expected) == (3, 9, 9) and not quick.fine
    assert quick.files == 9 * 3 + 2, "views and scans of nine frames, two calibrations"
    deep = check_root("kitti", root, "mine", thorough=True).named
    assert deep.counts == expected | {"damaged": 1} and deep.complete == 2
    assert [p.path for p in deep.problems if p.kind == "damaged"] == [image(root, 7)]
    reasons = {p.kind: p.reason for p in deep.problems}
    calibration = root / trees.DATE / "calib_cam_to_cam.txt"
    assert reasons["wrong size"] == f"is 20x12 pixels, but {calibration} says {trees.WIDTH}x{trees.HEIGHT}"
    assert reasons["wrong kind"] == "is 8-bit gray where 8-bit RGB is expected"
    assert deep.gaps == ((trees.FOLDER, 7, 9),)
    text = " ".join(describe(RootCheck(quick, None)).split())
    assert "--again also replaces 4 damaged files (--list FILE writes the names)" in text


@pytest.fixture
def decoded(monkeypatch) -> list:
    """As many entries as pictures were decoded."""
    calls, decode = [], images._decode
    monkeypatch.setattr(images, "_decode", lambda *args: calls.append(1) or decode(*args))
    return calls


def test_nothing_is_decoded_twice_and_most_is_only_looked_at(tmp_path, decoded):
    drive = trees.write_kitti(tmp_path)
    a_list(tmp_path, frames(0, 1), "test")
    found = check_root("kitti", tmp_path, thorough=True)
    assert (found.named.complete, found.there.complete) == (2, 3)
    assert len(decoded) == 2 + 3 * 2, "the test frames' one view, then all pairs"
    decoded.clear()
    for folder in ("image_02", "image_03", "velodyne_points"):
        [whole, *_] = sorted((drive / folder / "data").iterdir())
        for number in range(100, 137):
            shutil.copy(whole, whole.with_stem(f"{number:010d}"))
    found = check_root("kitti", tmp_path, "available").named
    assert found.fine and found.files == 40 * 3 + 2 and len(decoded) == 2, "the first pair stands for all"


def test_what_may_not_be_opened_and_a_file_of_many_frames_are_one_problem_each(tmp_path, monkeypatch):
    trees.write_kitti(tmp_path)
    name = a_list(tmp_path, frames(0, 1, 7))
    with monkeypatch.context() as patch:
        damages.forbid(image(tmp_path, 1), patch)
        [problem] = check_root("kitti", tmp_path, name).named.problems
    assert (problem.path, problem.kind) == (image(tmp_path, 1), "unreadable")
    assert problem.reason == "can't be read (Permission denied)"
    damages.keep(0.5)(tmp_path / trees.DATE / "calib_cam_to_cam.txt")
    damages.flip_middle(image(tmp_path, 7))
    found = check_root("kitti", tmp_path, name, thorough=True).named
    assert {p.path.name for p in found.problems} == {"calib_cam_to_cam.txt", "0000000007.png"}, "decoded all the same"
    assert found.complete == 0 and len(found.problems) == 2


def test_a_split_that_is_scored_needs_one_view(tmp_path, said):
    raw, city = tmp_path / "raw", tmp_path / "city"
    trees.write_kitti(raw)
    write_cityscapes(city)
    a_list(raw, frames(1), "test_mine")
    damages.delete(raw / trees.FOLDER / "image_03")
    damages.delete(city / "rightImg8bit")
    for name, root, split, there in (("kitti", raw, "test_mine", 3), ("cityscapes", city, "val", 4)):
        found = check_root(name, root, split)
        assert found.named.complete == 1 and found.named.counts["missing"] == 0
        assert found.there.complete == there and not found.there.failure
    learnt = a_list(raw, frames(0, 1, 7))
    assert check_root("kitti", raw, learnt).named.counts["missing"] == 3
    assert check_root("kitti", raw, learnt, one_view=True).named.fine
    whole = check_root("kitti", raw, "eigen/test").named
    assert not any("image_03" in problem.path.parts for problem in whole.problems)
    text = " ".join(said("data", "check", "--data", f"kitti={raw}", "--split", "test_mine").split())
    assert "split test_mine, one view of each frame: 1 frame, 1 with ground truth, all fine" in text


def test_improved_with_its_images_and_without(tmp_path, said):
    raw, depth = tmp_path / "raw", tmp_path / "depth"
    trees.write_kitti(raw, scans=())
    trees.write_kitti_depth(depth)
    a_list(depth, frames(0, 1, 7), "test")
    both = check_root("kitti_depth", depth, raw_root=raw)
    assert both.named.fine and both.named.images == raw and both.named.files == 3 * 2 + 1
    damages.keep(0.5)(depth / "train" / trees.DRIVE / "proj_depth/groundtruth/image_02/0000000001.png")
    damages.empty(image(raw, 7))
    both = check_root("kitti_depth", depth, raw_root=raw).named
    assert {p.kind for p in both.problems} == {"truncated", "empty"} and both.complete == 1
    assert f"lowtex data download --to {raw} --drive {trees.DRIVE}" in describe(RootCheck(both, None))
    alone = check_root("kitti_depth", depth, thorough=True)
    assert (alone.named.files, alone.named.complete, alone.there.files) == (3, 2, 3)
    assert [p.kind for p in alone.named.problems] == ["truncated"]
    assert "only the depth maps were looked at, not the images" in alone.named.notes[0]
    words = ["--data", f"kitti_depth={depth}", "--data", f"kitti={raw}", "--split", "available"]
    assert f"images from {raw}" in said("data", "check", *words, code=1)
    damages.delete(depth / "train" / trees.DRIVE)
    assert "holds no depth map" in check_root("kitti_depth", depth).named.failure


def test_official_numbers_are_asked_of_real_roots_only(tmp_path):
    write_cityscapes(tmp_path / "city")
    train = check_root("cityscapes", tmp_path / "city", "train").named
    assert (train.complete, train.frames, train.expected, train.fine) == (3, 3, 2975, False)
    assert "of the official 2,975, 2,972 are not here at all" in describe(RootCheck(train, None))
    (tmp_path / "city" / "miniature.json").write_text("{}")
    assert check_root("cityscapes", tmp_path / "city", "train").named.fine
    text = describe(check_root("cityscapes", tmp_path / "city"))
    assert "a miniature written by lowtex" in text and "get the archives" not in text


def test_missing_scenes_are_named_and_variations_counted(tmp_path):
    trees.write_vkitti2(tmp_path, trees.ALL_SCENES, ("clone", "fog"))
    whole = check_root("vkitti2", tmp_path)
    assert whole.named.fine and whole.there.complete == 18
    assert whole.there.notes == ("frames by variation, of 2,126 each in all five scenes: clone 9, fog 9",)
    damages.delete(tmp_path / "Scene20")
    found = check_root("vkitti2", tmp_path)
    assert [(p.path, p.kind) for p in found.named.problems] == [(tmp_path / "Scene20" / "clone", "missing")]
    assert not found.named.fine and found.named.complete == 2 and found.there.complete == 16


def test_a_cityscapes_without_camera_files_is_not_called_fine(tmp_path):
    write_cityscapes(tmp_path, {"train": {"ulm": (0,)}}, cameras=False)
    a_list(tmp_path, "ulm/ulm_000003_000000 l\n")
    found = check_root("cityscapes", tmp_path, "mine")
    assert [p.path.name for p in found.named.problems] == ["ulm_000003_000000_camera.json"]
    assert found.there.complete == 1 and "--reader typical_camera=true" in found.there.notes[0]


def test_own_stereo_pairs(tmp_path):
    trees.write_stereo(tmp_path, "abc")
    trees.write_truth(tmp_path / "depth" / "a.npy", np.ones((trees.HEIGHT, trees.WIDTH), np.float32))
    found = check_root("stereo", tmp_path).named
    assert found.fine and (found.complete, found.with_truth, found.files) == (3, 1, 8)
    trees.write_truth(tmp_path / "depth" / "b.npy", np.ones((trees.HEIGHT, trees.WIDTH - 1), np.float32))
    trees.write_picture(tmp_path / "left" / "c.png", trees.picture(0, trees.HEIGHT, trees.WIDTH - 9))
    damages.delete(tmp_path / "right" / "a.png")
    found = check_root("stereo", tmp_path).named
    told = {str(p.path.relative_to(tmp_path)): p.kind for p in found.problems}
    assert told == {"depth/b.npy": "wrong size", "left/c.png": "wrong size", "right/a.png": "missing"}
    (tmp_path / "rig.yaml").write_text(trees.rig_text(focal_lenght=3))
    found = check_root("stereo", tmp_path, thorough=True).named
    assert "rig.yaml" in {p.path.name for p in found.problems} and found.complete == 0


def test_bytes_after_the_end_are_no_damage_and_an_upright_photo_is_no_other_size(tmp_path):
    # orientation 6, a camera held upright: big-endian TIFF with the one tag 0x0112
    tiff = b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
    trees.write_stereo(tmp_path, "ab")
    for side in ("left", "right"):
        trees.write_picture(tmp_path / side / "c.jpg", trees.picture(0, trees.WIDTH, trees.HEIGHT))
        code = (tmp_path / side / "c.jpg").read_bytes()
        exif = b"\xff\xe1" + (8 + len(tiff)).to_bytes(2, "big") + b"Exif\x00\x00" + tiff
        (tmp_path / side / "c.jpg").write_bytes(code[:2] + exif + code[2:])
    path = tmp_path / "left" / "a.png"
    path.write_bytes(path.read_bytes() + bytes(100))
    assert check_root("stereo", tmp_path).named.fine


REAL = {
    # of the split that is scored: its name, complete and official frames; what is there, and with ground truth
    "kitti": ("eigen/test", 0, 697, 8, 4),
    "kitti_depth": ("eigen_benchmark/test", 0, 652, 3, 3),
    "kitti_pairs": ("all", 202, 202, 202, 0),
    "kitti_2015": ("test", 19, 200, 19, 19),
    "make3d": ("test", 4, 134, 4, 4),
    "cityscapes": ("val", 0, 500, 1, 1),
}


@pytest.mark.parametrize("name", REAL)
def test_real_samples(real_data, name):
    """All decoded but the 202 pairs: the readers' own test decodes of those."""
    root = real_data / {"kitti": "kitti_raw"}.get(name, name)
    named, there = check_root(name, root, thorough=name != "kitti_pairs")
    assert (named.split, named.complete, named.expected, there.complete, there.with_truth) == REAL[name]
    assert there.fine and named.fine == (name == "kitti_pairs")


def test_a_partial_root_is_told_what_it_has(tmp_path, said):
    trees.write_kitti(tmp_path)
    before = everything_in(tmp_path)
    text = said("data", "check", "--data", f"kitti={tmp_path}", code=1)
    assert "split eigen/test, one view of each frame: 0 of 697 frames complete; " in " ".join(text.split())
    assert "what is there: 3 frames, 3 with ground truth, all fine" in text
    assert f"lowtex data download --to {tmp_path} --split eigen/test" in text
    assert "https://www.cvlibs.net/datasets/kitti/raw_data.php" in text and "CC BY-NC-SA 3.0" in text
    assert everything_in(tmp_path) == before, "nothing is written"


def test_exit_codes(tmp_path, said, refused, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "raw"
    trees.write_kitti(root)
    a_list(root, frames(0, 1))
    words = ["data", "check", "--data", f"kitti={root}", "--split"]
    assert "split mine: 2 frames, 2 with ground truth, all fine" in said(*words, "mine")
    assert "every sample decoded" in said(*words, "available", "--deep")
    damages.keep(0.9)(image(root, 7))
    assert "truncated: 1" in said(*words, "mine"), "what is wrong outside the split is told, but it is not asked"
    damages.keep(0.9)(image(root, 1))
    said(*words, "mine", code=1)
    assert "split='eigen/tset' is not known; choose mine, train" in refused(*words, "eigen/tset")
    (tmp_path / "nothing").mkdir()
    text = " ".join(said("data", "check", "--data", f"kitti={tmp_path / 'nothing'}", code=1).split())
    assert "is empty; KITTI raw (CC BY-NC-SA 3.0" in text and "raw_data.php" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nothing", "raw"]


def test_the_list_names_every_file_once(tmp_path, tmp_path_factory, said):
    root = write_damaged_kitti(tmp_path)
    out = tmp_path_factory.mktemp("out") / "bad.csv"
    told = said("data", "check", "--data", f"kitti={root}", "--split", "mine", "--list", out, code=1)
    assert f"6 files with a problem, in {out}" in told
    rows = list(csv.DictReader(out.open()))
    assert [row["kind"] for row in rows] == ["missing", "empty", "unreadable", "truncated", "wrong size", "wrong kind"]
    assert list(rows[1]) == ["data", "split", "kind", "file", "reason"]
    assert list(rows[1].values()) == ["kitti", "mine", "empty", str(image(root, 2)), "is empty (0 bytes)"]
    assert [path.name for path in out.parent.iterdir()] == ["bad.csv"], "written in one move"


def test_few_lines_for_many_files_and_the_commands_that_fetch_drives(tmp_path):
    trees.write_kitti(tmp_path, frames=(0, 1), scans=())
    other = "2011_09_28/2011_09_28_drive_0002_sync"
    a_list(tmp_path, frames(0, *range(20, 60)) + f"{other} 3 l\n", "test")
    text = describe(check_root("kitti", tmp_path))
    assert "--again" not in text, "nothing is there that would stay"
    assert "missing: 42 scans, 41 pictures, 1 KITTI camera" in " ".join(text.split())
    assert len(text.splitlines()) < 40 and "and 82 more; --list FILE writes them all" in text
    assert f"lowtex data download --to {tmp_path} --drive {trees.DRIVE} {other.split('/')[1]}" in text
    assert f"{trees.DRIVE} (41 of 41)" in text and "2011_09_28_drive_0002_sync (1 of 1)" in text
    damages.delete(tmp_path / trees.DATE / "calib_cam_to_cam.txt")
    a_list(tmp_path, frames(0, 1), "train")
    text = describe(check_root("kitti", tmp_path, "train"))
    assert f"lowtex data download --to {tmp_path} --calibration-only" in text and "--drive" not in text
