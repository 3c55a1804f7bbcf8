"""Preparing: resumed after a kill, only what changed made anew, done once by two, and clear about a full disk."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple

import pytest
import torch
from dataset_trees import FRAMES, picture, write_kitti, write_picture
from prepared_helpers import SIZE, assert_same, pairs, prepared_of, quiet

from lowtex.datasets import KittiRaw, PreparedPairs, prepare, prepared_for
from lowtex.errors import DataError, OptionError

SLOW = """
import sys, time
from lowtex.datasets import KittiRaw, prepare
read = KittiRaw._read
def slow(self, index):
    with open(sys.argv[2], "a") as file:
        file.write(f"{index}\\n")
    time.sleep(0.05)
    return read(self, index)
KittiRaw._read = slow
prepare(KittiRaw(sys.argv[1], "available", (12, 20)), workers=2, progress=False)
"""


def start(root, log) -> subprocess.Popen:
    """Another process that prepares slowly and logs what it decodes."""
    return subprocess.Popen([sys.executable, "-c", SLOW, str(root), str(log)], stdout=subprocess.PIPE, text=True)


def journal_of(base) -> list[str]:
    found = list(base.glob("*/journal.jsonl"))
    return found[0].read_text().splitlines() if found else []


def counted(monkeypatch) -> list[int]:
    """Indices of the samples that are decoded from now on."""
    seen, read = [], KittiRaw._read
    monkeypatch.setattr(KittiRaw, "_read", lambda self, index: seen.append(index) or read(self, index))
    return seen


def stop_after(monkeypatch, count: int):
    """Preparing is interrupted after ``count`` samples."""
    read, done = KittiRaw._read, []

    def stopping(self, index):
        if len(done) > count:
            raise KeyboardInterrupt
        done.append(index)
        return read(self, index)

    monkeypatch.setattr(KittiRaw, "_read", stopping)


def test_a_killed_one_goes_on_where_it_stopped(tmp_path, base, monkeypatch):
    write_kitti(tmp_path / "raw", frames=range(40), scans=range(0, 40, 2))
    process = start(tmp_path / "raw", tmp_path / "log")
    while len(journal_of(base)) < 12 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    [folder] = base.iterdir()
    done = [json.loads(line)[0] for line in journal_of(base)[1:]]
    assert 11 <= len(done) < 40, "killed in the middle"
    with pytest.raises(DataError, match=f"{folder.name} is not finished; the same lowtex data prepare goes on"):
        PreparedPairs(folder)
    reader = KittiRaw(tmp_path / "raw", "available", SIZE)
    lines = []
    assert prepared_for(reader, tell=lines.append) is None
    assert "is not finished" in lines[0]
    expected = [reader[index] for index in range(40)]
    # a line that the kill tore
    with open(folder / "journal.jsonl", "a") as file:
        file.write('[39, {"direction": 1')
    seen = counted(monkeypatch)
    assert quiet(reader) == folder
    assert sorted(seen) == sorted(set(range(40)) - set(done))
    assert not (folder / "journal.jsonl").exists()
    kept = PreparedPairs(folder)
    for index in range(40):
        assert_same(kept[index], expected[index])


def test_what_was_not_synced_before_the_power_went_is_decoded_again(kitti, monkeypatch):
    reader = pairs(kitti[0])
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            quiet(reader, workers=1)
    from lowtex.datasets.prepared_format import default_folder

    folder = default_folder(reader)
    assert [json.loads(line)[0] for line in (folder / "journal.jsonl").read_text().splitlines()[1:]] == [0, 1]
    with open(folder / "views.npy", "r+b") as file:
        file.seek(200)
        file.write(b"\0" * 40)
    kept = prepared_of(reader)
    for index in range(3):
        assert_same(kept[index], reader[index])


def test_only_what_changed_is_made_anew(kitti, monkeypatch):
    folder = quiet(KittiRaw(kitti[0], "available", SIZE))
    image = kitti[1] / "image_03" / "data" / "0000000001.png"
    write_picture(image, picture(99))
    reader = KittiRaw(kitti[0], "available", SIZE)
    with pytest.raises(
        DataError, match=f"1 of 3 samples made of files that changed since, first: .*{image.name}; lowtex data prep"
    ):
        PreparedPairs(folder)
    lines = []
    assert prepared_for(reader, tell=lines.append) is None
    assert "is not used: files of 1 of 3 samples changed" in lines[0] and str(image) in lines[0]
    expected = [reader[index] for index in range(3)]
    seen, lines = counted(monkeypatch), []
    prepare(reader, progress=False, tell=lines.append)
    assert seen == [1]
    assert lines[0] == "made of files that changed since: 1 of 3 samples"
    for index in range(3):
        assert_same(PreparedPairs(folder)[index], expected[index])
    seen.clear()
    prepare(reader, progress=False, tell=lines.append)
    assert not seen and "already prepared" in lines[-1]


def test_the_time_alone_or_a_new_ground_truth_or_calibration_count_as_a_change(kitti):
    folder = quiet(KittiRaw(kitti[0], "available", SIZE))
    scan = kitti[1] / "velodyne_points" / "data" / "0000000007.bin"
    status = scan.stat()
    os.utime(scan, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert PreparedPairs(folder, check=False).sources().changed == [2]
    os.utime(scan, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert PreparedPairs(folder, check=False).sources().changed == []
    (kitti[0] / "2011_09_26" / "calib_cam_to_cam.txt").touch()
    assert PreparedPairs(folder, check=False).sources().changed == [0, 1, 2]


def test_a_scan_that_came_later_is_noticed(tmp_path):
    drive = write_kitti(tmp_path / "raw", scans=(0,))
    assert prepared_of(KittiRaw(tmp_path / "raw", "available", SIZE))[1].depth is None
    data = drive / "velodyne_points" / "data"
    shutil.copy(data / "0000000000.bin", data / "0000000001.bin")
    reader = KittiRaw(tmp_path / "raw", "available", SIZE)
    assert prepared_for(reader) is None
    assert prepared_of(reader)[1].depth is not None


def test_gone_sources_are_kept_when_another_changed(kitti, monkeypatch):
    folder = quiet(pairs(kitti[0], views=False))
    expected = pairs(kitti[0], views=False)[0]
    reader = pairs(kitti[0], views=False)
    (kitti[1] / "image_02" / "data" / "0000000000.png").unlink()
    write_picture(kitti[1] / "image_02" / "data" / "0000000007.png", picture(99))
    seen = counted(monkeypatch)
    quiet(reader)
    assert seen == [2]
    assert_same(PreparedPairs(folder)[0], expected)


def test_no_room_is_told_before_anything_is_written(kitti, base, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(DataError, match="preparing 3 samples needs about 4.3 kB, but .* has 1.0 kB left"):
        quiet(pairs(kitti[0]))
    assert not list(base.glob("*")), "not even a folder with a lock in it"


@pytest.mark.parametrize("call", ["pwrite", "posix_fallocate"])
def test_a_disk_that_fills_up_is_told_and_what_was_finished_stays(call, kitti, monkeypatch):
    reader = KittiRaw(kitti[0], "available", SIZE)
    folder = quiet(reader)
    write_picture(kitti[1] / "image_02" / "data" / "0000000001.png", picture(99))
    write_picture(kitti[1] / "image_02" / "data" / "0000000007.png", picture(98))
    real, calls = getattr(os, call), []

    def full(*arguments):
        calls.append(arguments)
        # of the views' header, two views and a map of one sample, then of the other
        if len(calls) > (5 if call == "pwrite" else 0):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(DataError, match="no space left while writing .*views.npy; free some space"):
            quiet(reader, workers=1)
    assert calls
    seen = counted(monkeypatch)
    quiet(reader)
    assert seen == ([2] if call == "pwrite" else [1, 2])
    monkeypatch.undo()
    assert_same(PreparedPairs(folder)[1], reader[1])


def test_a_damaged_source_stops_it_and_names_the_file(kitti):
    (kitti[1] / "image_03" / "data" / "0000000001.png").write_bytes(b"")
    with pytest.raises(DataError, match="0000000001.png is empty"):
        quiet(pairs(kitti[0]))
    write_picture(kitti[1] / "image_03" / "data" / "0000000001.png", picture(3))
    assert_same(prepared_of(pairs(kitti[0]))[1], pairs(kitti[0])[1])


def test_a_failure_before_the_first_sample_leaves_no_folder(kitti, base, tmp_path):
    (kitti[1] / "image_02" / "data" / "0000000000.png").write_bytes(b"")
    with pytest.raises(DataError, match="0000000000.png is empty"):
        quiet(pairs(kitti[0]))
    assert not list(base.glob("*"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".thesis").write_text("important")
    with pytest.raises(DataError, match="0000000000.png is empty"):
        quiet(pairs(kitti[0]), folder=tmp_path / "mine")
    assert (tmp_path / "mine" / ".thesis").is_file()


def test_two_at_once_do_it_once(tmp_path, base):
    write_kitti(tmp_path / "raw", frames=range(20), scans=())
    processes = [start(tmp_path / "raw", tmp_path / "log") for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    decoded = [int(line) for line in (tmp_path / "log").read_text().split()]
    # the first sample is read once more beforehand, to learn the size
    assert sorted(decoded) == [0, *range(20)]
    assert sum("20 samples prepared" in text for text in outputs) == 1
    assert sum("20 samples already prepared" in text for text in outputs) == 1


def test_a_folder_of_something_else_is_left_alone(kitti, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("important")
    with pytest.raises(OptionError, match="mine holds other files .thesis.tex"):
        quiet(pairs(kitti[0]), folder=tmp_path / "mine")
    quiet(pairs(kitti[0]), folder=tmp_path / "out")
    with pytest.raises(OptionError, match="out holds other prepared samples .views is 2 there, 1 here"):
        quiet(pairs(kitti[0], views=False), folder=tmp_path / "out")
    with pytest.raises(OptionError, match="size is .12, 20. there, .24, 40. here"):
        quiet(KittiRaw(kitti[0], "available", (24, 40), depth=None), folder=tmp_path / "out")
    with pytest.raises(OptionError, match="nothing to prepare"):
        quiet(PreparedPairs(tmp_path / "out"))
    with pytest.raises(DataError, match="mine holds no prepared data"):
        PreparedPairs(tmp_path / "mine")


def test_images_of_several_sizes_need_a_size(tmp_path):
    class Growing(KittiRaw):
        def _read(self, index):
            sample = super()._read(index)
            sample.image = sample.image[:, : 10 + index]
            return sample

    write_kitti(tmp_path)
    with pytest.raises(OptionError, match="40x1[12] pixels, others have 40x10; .* choose a size"):
        quiet(Growing(tmp_path, "available", None, views=False))


def test_more_than_8_bits_is_refused_not_rounded(tmp_path):
    class Fine(KittiRaw):
        def _read(self, index):
            sample = super()._read(index)
            sample.image = torch.rand_like(sample.image)
            return sample

    write_kitti(tmp_path)
    with pytest.raises(DataError, match="more than 8 bits"):
        quiet(Fine(tmp_path, "available", SIZE))


def test_another_version_makes_it_anew(kitti, monkeypatch):
    folder = quiet(pairs(kitti[0]))
    header = json.loads((folder / "prepared.json").read_text())
    (folder / "prepared.json").write_text(json.dumps({**header, "opencv_version": "0.1"}))
    lines = []
    assert prepared_for(pairs(kitti[0]), tell=lines.append) is None
    assert "OpenCV 0.1" in lines[0]
    seen = counted(monkeypatch)
    prepare(pairs(kitti[0]), folder, progress=False, tell=lines.append)
    assert set(seen) == set(range(len(FRAMES))) and prepared_for(pairs(kitti[0])) is not None
