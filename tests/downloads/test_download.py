"""`lowtex data download` from a server on this machine: what comes, what is skipped, what a wrong option says."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile

import cv2
import numpy as np
import pytest
from download_server import (
    DATE,
    DRIVE,
    OTHER,
    answer,
    calibration_files,
    calibration_path,
    cut_after,
    drive_files,
    drive_path,
    kept,
    stall_after,
    tree,
    zip_bytes,
)

from lowtex.datasets import KittiImproved, KittiRaw
from lowtex.errors import DataError, OptionError
from lowtex_lab import cli
from lowtex_lab.cli import download
from lowtex_lab.cli.kitti_archives import (
    DATES,
    IMPROVED,
    SOURCE,
    chosen_archives,
    drive_archives,
    read_archive_list,
    split_drives,
)

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


def test_addresses_are_those_of_kittis_own_server():
    calibration, drive = chosen_archives(drives=[DRIVE])
    [improved] = chosen_archives(improved=True)
    assert drive.url == f"{SOURCE}/raw_data/2011_09_26_drive_0001/2011_09_26_drive_0001_sync.zip"
    assert calibration.url == f"{SOURCE}/raw_data/2011_09_26_calib.zip"
    assert improved.url == f"{SOURCE}/data_depth_annotated.zip"
    assert SOURCE == "https://s3.eu-central-1.amazonaws.com/avg-kitti"
    assert [a.kind for a in (drive, calibration, improved)] == ["drive", "calibration", "improved"]


@pytest.mark.parametrize(
    "typed",
    [DRIVE, "2011_09_26_drive_0001", f"{DATE}/{DRIVE}", f"{DATE}/{DRIVE}/", f" {DRIVE} "],
)
def test_a_drive_may_be_written_in_the_ways_people_have_it(typed):
    assert [archive.name for archive in drive_archives([typed, DRIVE])] == [DRIVE]


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "0001",
        "2011_09_26",
        "2011_09_27_drive_0001_sync",
        "2011_09_26_drive_0001_extract",
        "../2011_09_26_drive_0001",
    ],
)
def test_a_name_that_is_none_of_a_drive_is_refused(typed):
    with pytest.raises(OptionError, match="is none of KITTI; write it like 2011_09_26_drive_0001_sync"):
        drive_archives([typed])


def test_splits_name_the_drives_of_their_frames():
    assert len(split_drives("eigen/test")) == len(split_drives("test")) == 28
    assert not set(split_drives("eigen/test")) & set(split_drives("eigen_full/train"))
    assert {drive[:10] for drive in split_drives("train")} == set(DATES)
    with pytest.raises(OptionError, match="--split nonsense is not known; choose one of train, val, test, eigen_full"):
        split_drives("nonsense")


@pytest.mark.parametrize("source", ["s3.amazonaws.com", "ftp://host/x", "file:///data", "http://", "http://h:x"])
def test_a_source_must_be_http(source):
    with pytest.raises(OptionError, match="must be an http:// or https:// address"):
        chosen_archives(source, [DRIVE])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2011_09_26_drive_0001_sync.zip", "no http:// or https:// address"),
        ("file:///x/2011_09_26_calib.zip", "no http:// or https:// address"),
        ("sha256:" + "0" * 64, "no http:// or https:// address"),
        ("http://h/2011_09_26_calib.zip sha256:123", "only sha256: with 64 hexadecimal digits"),
        ("http://h/2011_09_26_calib.zip md5:" + "0" * 32, "only sha256: with 64 hexadecimal digits"),
        ("http://h/2011_09_26_calib.zip sha256:" + "g" * 64, "only sha256: with 64 hexadecimal digits"),
        (f"http://h/2011_09_26_calib.zip sha256:{'0' * 64} more", "only sha256: with 64 hexadecimal digits"),
        ("http://h/2011_09_26_drive_0001_extract.zip", "no archive the kit reads"),
        ("http://h/2011_09_26_drive_0001_sync.tar", "no archive the kit reads"),
        ("http://h/", "no archive the kit reads"),
        ("http://h/..%2f2011_09_26_calib.zip", "no archive the kit reads"),
        ("http://other/2011_09_28_calib.zip", "2011_09_28_calib is listed twice, differently"),
    ],
)
def test_a_wrong_line_of_a_list_is_named(tmp_path, line, message):
    path = tmp_path / "list.txt"
    path.write_text(f"# drives\nhttp://h/2011_09_28_calib.zip\n{line}\n")
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_archive_list(path)
    assert f"{path} line 3: " in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but words\n"])
def test_an_empty_list_is_refused(tmp_path, text):
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(DataError, match="list.txt (lists no archive|is empty)"):
        read_archive_list(path)


def test_a_list_that_is_missing_or_no_text_is_named(tmp_path):
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "list.txt"))):
        read_archive_list(tmp_path / "list.txt")
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\0http")
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "list.txt"))):
        read_archive_list(tmp_path / "list.txt")


def test_the_community_list_of_addresses_is_read(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(f"{SOURCE}/raw_data/{DATE}_calib.zip\r\n{SOURCE}{drive_path()}\r\n{SOURCE}/{IMPROVED}.zip\r\n")
    archives = read_archive_list(path)
    assert archives == [*chosen_archives(drives=[DRIVE]), *chosen_archives(improved=True)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say what to fetch: --drive NAME, --split SPLIT, --list FILE, --improved or --calibration-only"),
        (["--drive", "0001"], "drive '0001' is none of KITTI"),
        (["--split", "all"], "--split all is not known"),
        (["--drive", DRIVE, "--jobs", "0"], "argument --jobs: '0' must be a whole number >= 1 and <= 16"),
        (["--drive", DRIVE, "--jobs", "17"], "argument --jobs: '17' must be a whole number >= 1 and <= 16"),
        (["--drive", DRIVE, "--source", "ftp://h"], "--source ftp://h must be an http"),
        (["--improved", "--calibration-only"], "exclude each other"),
        (["--list", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_a_wrong_option_is_one_line_and_fetches_nothing(tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.setattr(download, "download", lambda *arguments, **options: pytest.fail("fetched all the same"))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["data", "download", "--to", "root", *words]) == cli.BAD_INPUT
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("lowtex: ") and message in line
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("words", [["--drive", DRIVE, "--split", "test"], ["--improved", "--list", "x"]])
def test_only_one_choice_at_a_time(tmp_path, capsys, words):
    assert cli.main(["data", "download", "--to", str(tmp_path), *words]) == cli.BAD_INPUT
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_ends_soon_and_goes_on_later(server, tmp_path, end):
    body = zip_bytes(drive_files())
    hold = threading.Event()
    server.add(calibration_path(), zip_bytes(calibration_files()))
    server.add(drive_path(), body).faults = [stall_after(5000, hold)]
    words = ["data", "download", "--to", str(tmp_path), "--drive", DRIVE, "--source", server.url]
    process = subprocess.Popen(
        [sys.executable, "-m", "lowtex_lab.cli", *words],
        stderr=subprocess.PIPE,
        text=True,
        # tests that a shell runs in the background are told to ignore an interrupt, and so would be their children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    part = tmp_path / "archives" / f"{DRIVE}.zip.part"
    limit = time.monotonic() + 60
    while (part.stat().st_size if part.exists() else 0) < 5000:
        assert time.monotonic() < limit and process.poll() is None
        time.sleep(0.01)
    process.send_signal(end)
    _, errors = process.communicate(timeout=60)
    hold.set()
    if end == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == cli.INTERRUPTED
        assert errors.splitlines()[-1].startswith("lowtex: interrupted; what was finished is kept")
        assert "Traceback" not in errors
    assert not (tmp_path / DATE / DRIVE).exists()
    assert cli.main(words) == 0
    assert server.gets(drive_path()) == [None, "bytes=5000-"]
    assert (tmp_path / DATE / DRIVE / "image_03").is_dir()


def test_progress_is_shown_in_megabytes(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LOWTEX_HEADLESS", "1")
    picture = {f"{DATE}/{DRIVE}/image_02/data/0000000000.png": bytes(3_500_000)}
    server.add(drive_path(), zip_bytes(picture, zipfile.ZIP_STORED))
    assert download.download(drive_archives([DRIVE], server.url), tmp_path) == []
    assert "fetching: done, 3 megabytes in" in capsys.readouterr().out
