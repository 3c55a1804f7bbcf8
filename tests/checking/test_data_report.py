"""What `lowtex data check` prints and lists, and its exit code."""

import csv

import dataset_damages as damages
from damaged_kitti import a_list, everything_in, frames, image, write_damaged_kitti
from dataset_trees import DATE, DRIVE, write_kitti

from lowtex_lab import cli
from lowtex_lab.cli.check_report import describe
from lowtex_lab.cli.checking import check_root


def test_a_partial_root_is_told_what_it_has(tmp_path, capsys):
    write_kitti(tmp_path)
    before = everything_in(tmp_path)
    assert cli.main(["data", "check", "--data", f"kitti={tmp_path}"]) == 1
    text = capsys.readouterr().out
    assert "split eigen/test, one view of each frame: 0 of 697 frames complete; files missing: " in text
    assert "what is there: 3 frames, 3 with ground truth, all fine" in text
    assert f"lowtex data download --to {tmp_path} --split eigen/test" in text
    assert "https://www.cvlibs.net/datasets/kitti/raw_data.php" in text and "CC BY-NC-SA 3.0" in text
    assert everything_in(tmp_path) == before, "nothing is written"


def test_exit_codes(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "raw"
    write_kitti(root)
    a_list(root, frames(0, 1))
    words = ["data", "check", "--data", f"kitti={root}"]
    assert cli.main([*words, "--split", "mine"]) == 0
    assert "split mine: 2 frames, 2 with ground truth, all fine" in capsys.readouterr().out
    assert cli.main([*words, "--split", "available", "--deep"]) == 0
    assert "every sample decoded" in capsys.readouterr().out
    damages.keep(0.9)(image(root, 7))
    assert cli.main([*words, "--split", "mine"]) == 0, "what is wrong outside the split is told, but it is not asked"
    assert "files truncated: 1" in capsys.readouterr().out
    damages.keep(0.9)(image(root, 1))
    assert cli.main([*words, "--split", "mine"]) == 1
    for bad, message in (
        ([], "give --data NAME=FOLDER, with NAME one of vkitti2, kitti, kitti_depth, make3d"),
        (["--data", "kitty=."], "'kitty' is not known"),
        (["--data", "kitti=no/such"], "no/such is not a folder"),
        (["--data", f"kitti={root}", "--split", "eigen/tset"], "split='eigen/tset' is not known; choose mine, train"),
    ):
        assert cli.main(["data", "check", *bad]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "nothing").mkdir()
    assert cli.main(["data", "check", "--data", f"kitti={tmp_path / 'nothing'}"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "is empty; KITTI raw (CC BY-NC-SA 3.0" in text and "raw_data.php" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nothing", "raw"]


def test_the_list_names_every_file_once(tmp_path, tmp_path_factory, capsys):
    root = write_damaged_kitti(tmp_path)
    out = tmp_path_factory.mktemp("out") / "bad.csv"
    words = ["data", "check", "--data", f"kitti={root}", "--split", "mine", "--list", str(out)]
    assert cli.main(words) == 1
    assert f"6 files with a problem, in {out}" in capsys.readouterr().out
    rows = list(csv.DictReader(out.open()))
    assert [row["kind"] for row in rows] == ["missing", "empty", "truncated", "wrong size", "wrong kind", "unreadable"]
    assert rows[1] == {
        "data": "kitti",
        "split": "mine",
        "kind": "empty",
        "file": str(image(root, 2)),
        "reason": "is empty (0 bytes)",
    }
    assert [path.name for path in out.parent.iterdir()] == ["bad.csv"], "written in one move"


def test_what_is_damaged_is_fetched_again(tmp_path):
    root = write_damaged_kitti(tmp_path)
    text = " ".join(describe(check_root("kitti", root, "mine")).split())
    assert "--again also replaces 4 damaged files (--list FILE writes the names)" in text
    write_kitti(tmp_path / "good", frames=(0,), scans=())
    a_list(tmp_path / "good", frames(0), "test")
    assert "--again" not in describe(check_root("kitti", tmp_path / "good"))


def test_few_lines_for_many_files_and_the_commands_that_fetch_drives(tmp_path):
    write_kitti(tmp_path, frames=(0, 1), scans=())
    other = "2011_09_28/2011_09_28_drive_0002_sync"
    a_list(tmp_path, frames(0, *range(20, 60)) + f"{other} 3 l\n", "test")
    text = describe(check_root("kitti", tmp_path))
    assert "missing: 42 velodyne_points, 41 image_02, 1 calib_cam_to_cam.txt" in " ".join(text.split())
    assert len(text.splitlines()) < 40 and "and 82 more; --list FILE writes them all" in text
    assert f"lowtex data download --to {tmp_path} --drive {DRIVE} {other.split('/')[1]}" in text
    assert f"{DRIVE} (41 of 41)" in text and "2011_09_28_drive_0002_sync (1 of 1)" in text
    damages.delete(tmp_path / DATE / "calib_cam_to_cam.txt")
    a_list(tmp_path, frames(0, 1), "train")
    text = describe(check_root("kitti", tmp_path, "train"))
    assert f"lowtex data download --to {tmp_path} --calibration-only" in text and "--drive" not in text
