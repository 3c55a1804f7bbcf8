"""`lowtex data download` from a server on this machine: what comes, what is skipped, and that the readers find it."""

import hashlib
import json
import shutil

import cv2
import numpy as np
import pytest
from download_server import answer, cut_after
from made_archives import (
    DATE,
    DRIVE,
    OTHER,
    calibration_files,
    calibration_path,
    drive_files,
    drive_path,
    kept,
    tree,
    zip_bytes,
)

from lowtex.datasets import KittiImproved, KittiRaw
from lowtex_lab import cli
from lowtex_lab.cli.kitti_archives import read_archive_list, split_drives

DRIVE_ZIP, CALIBRATION_ZIP = zip_bytes(drive_files()), zip_bytes(calibration_files())


def test_a_drive_comes_with_its_calibration_and_the_reader_finds_it(get, root, server):
    code, out, errors = get("--drive", "2011_09_26_drive_0001")
    assert (code, errors) == (0, [])
    assert tree(root) == drive_files() | calibration_files()
    assert kept(root) == [f"{DATE}_calib.unpacked.json", f"{DRIVE}.unpacked.json"]
    assert "CC BY-NC-SA 3.0" in out and "https://www.cvlibs.net/datasets/kitti/" in out
    assert f"archives to unpack into {root}: 2, {(len(DRIVE_ZIP) + len(CALIBRATION_ZIP)) / 1000:.1f} kB to fetch" in out
    pairs = KittiRaw(root, split="available", size=None)
    assert pairs.names == [f"{DRIVE}/{frame:010d}/l" for frame in range(3)]
    assert (pairs[2].depth > 0).sum() > 50


def test_what_is_there_is_not_asked_for_again(get, server):
    get("--drive", DRIVE)
    server.log.clear()
    code, out, errors = get("--drive", DRIVE)
    assert (code, errors, server.log) == (0, [], [])
    assert "2 of 2 archives are in" in out and "--again" in out


def test_again_mends_what_only_a_comparison_shows(get, server, root):
    get("--drive", DRIVE)
    name = f"{DATE}/{DRIVE}/image_03/data/0000000001.png"
    flipped = bytearray(drive_files()[name])
    flipped[-20] ^= 1
    (root / name).write_bytes(flipped)
    assert get("--drive", DRIVE)[0] == 0 and (root / name).read_bytes() == flipped
    code, out, _ = get("--drive", DRIVE, "--again")
    assert code == 0 and "because they differed: 1" in out
    assert tree(root) == drive_files() | calibration_files()


def test_only_what_is_missing_is_fetched(get, server, root):
    get("--drive", DRIVE)
    server.add(drive_path(OTHER), zip_bytes(drive_files(OTHER)))
    server.log.clear()
    assert get("--drive", DRIVE, OTHER)[0] == 0
    assert server.log == [("HEAD", drive_path(OTHER), None), ("GET", drive_path(OTHER), None)]
    assert tree(root) == drive_files() | drive_files(OTHER) | calibration_files()


def test_calibrations_alone(get, server, root):
    assert get("--drive", DRIVE, "--calibration-only")[0] == 0
    assert tree(root) == calibration_files()
    # alone: of all five dates, of which this server has one
    code, _, errors = get("--calibration-only")
    assert code == cli.BAD_INPUT
    assert [line.split()[1] for line in errors] == [
        f"{server.url}/raw_data/2011_{day}_calib.zip" for day in ("09_28", "09_29", "09_30", "10_03")
    ]


def test_a_split_asks_for_each_of_its_drives_and_each_missing_one_is_one_line(get, server, root):
    drives = split_drives("eigen/test")
    assert len(drives) == 28
    server.add(drive_path(drives[3]), zip_bytes(drive_files(drives[3])))
    code, _, errors = get("--split", "eigen/test", "--jobs", "4")
    assert code == cli.BAD_INPUT
    expected = [f"{server.url}/raw_data/{date}_calib.zip" for date in sorted({d[:10] for d in drives} - {DATE})]
    expected += [f"{server.url}{drive_path(drive)}" for drive in drives if drive != drives[3]]
    assert [line.split()[1] for line in errors] == expected
    assert all(line.startswith("lowtex: ") and "is not on the server" in line for line in errors)
    # what was there came all the same
    assert tree(root) == drive_files(drives[3]) | calibration_files()


def test_improved_maps_keep_their_two_folders_and_the_reader_finds_them(get, server, root, tmp_path):
    depth = cv2.imencode(".png", np.full((40, 120), 12 * 256, np.uint16))[1].tobytes()
    inside = "proj_depth/groundtruth/image_02/0000000001.png"
    files = {f"train/{DRIVE}/{inside}": depth, f"val/{OTHER}/{inside}": depth}
    server.add("/data_depth_annotated.zip", zip_bytes(files | {"readme.txt": b"hello"}))
    code, out, _ = get("--improved")
    assert code == 0 and "files unpacked: 2" in out
    assert tree(root) == files
    server.log.clear()
    assert get("--improved")[0] == 0 and server.log == []
    assert get("--drive", DRIVE, "--to", str(tmp_path / "raw"))[0] == 0
    maps = KittiImproved(root, split="available", raw_root=tmp_path / "raw")
    assert maps.names == [f"{DRIVE}/0000000001/l"]
    assert (maps[0].depth == 12).all()


def test_archives_are_kept_on_demand_and_then_serve_without_a_server(get, server, root):
    assert get("--drive", DRIVE, "--keep-archives")[0] == 0
    assert (root / "archives" / f"{DRIVE}.zip").read_bytes() == DRIVE_ZIP
    shutil.rmtree(root / DATE)
    server.log.clear()
    assert get("--drive", DRIVE)[0] == 0
    assert server.log == []
    assert tree(root) == drive_files() | calibration_files()
    # the user wanted to keep it once
    assert (root / "archives" / f"{DRIVE}.zip").is_file()


def test_an_archive_the_user_put_there_is_used_and_stays(get, server, root):
    (root / "archives").mkdir(parents=True)
    (root / "archives" / f"{DRIVE}.zip").write_bytes(DRIVE_ZIP)
    assert get("--drive", DRIVE)[0] == 0
    assert server.gets(drive_path()) == []
    assert (root / "archives" / f"{DRIVE}.zip").is_file()


def test_a_cut_download_goes_on_in_the_next_call(get, server, root):
    server.files[drive_path()].faults = [cut_after(5000), answer(500), answer(500)]
    code, _, errors = get("--drive", DRIVE)
    assert code == cli.BAD_INPUT and len(errors) == 1
    assert "kept" in errors[0]
    assert tree(root) == calibration_files()
    code, out, errors = get("--drive", DRIVE)
    assert (code, errors) == (0, []) and "5.0 kB came before" in out
    assert server.gets(drive_path())[-1] == "bytes=5000-"
    assert tree(root) == drive_files() | calibration_files()


def test_a_list_with_checksums(get, server, root, tmp_path):
    server.add("/mirror/x/2011_09_26_drive_0001_sync.zip", DRIVE_ZIP)
    digest = hashlib.sha256(DRIVE_ZIP).hexdigest()
    listed = tmp_path / "list.txt"
    listed.write_text(
        f"# mine\n\n{server.url}{calibration_path()}\n"
        f"{server.url}/mirror/x/{DRIVE}.zip?key=1#part sha256:{digest.upper()}  # good\n"
    )
    server.files[f"/mirror/x/{DRIVE}.zip?key=1"] = server.files.pop("/mirror/x/2011_09_26_drive_0001_sync.zip")
    assert [(a.name, a.sha256) for a in read_archive_list(listed)] == [(f"{DATE}_calib", None), (DRIVE, digest)]
    assert get("--list", str(listed), source=False)[0] == 0
    assert tree(root) == drive_files() | calibration_files()


@pytest.mark.parametrize("there", [False, True])
def test_a_wrong_checksum_is_an_error_of_its_own(get, server, root, tmp_path, there):
    if there:
        (root / "archives").mkdir(parents=True)
        (root / "archives" / f"{DRIVE}.zip").write_bytes(DRIVE_ZIP)
    listed = tmp_path / "list.txt"
    listed.write_text(f"{server.url}{drive_path()} sha256:{'0' * 64}\n")
    code, _, errors = get("--list", str(listed), source=False)
    assert code == cli.BAD_INPUT and len(errors) == 1 and "as listed" in errors[0]
    assert tree(root) == {}
    assert (root / "archives" / f"{DRIVE}.zip").is_file() == there


def test_a_broken_record_is_looked_past(get, server, root):
    get("--drive", DRIVE)
    record = root / "archives" / f"{DRIVE}.unpacked.json"
    for text in ("{", "[]", '{"folders": 3}', json.dumps({"folders": {DATE: None}})):
        record.write_text(text)
        server.log.clear()
        assert get("--drive", DRIVE)[0] == 0
        # three frames are fewer than the lists know of this drive, so it's fetched again
        assert server.gets(drive_path()) == [None]
