"""What `lowtex data download` takes, what it says of a wrong option or list, and how it ends when it's interrupted."""

import re
import signal
import subprocess
import sys
import threading
import time
import zipfile

import pytest
from download_server import stall_after
from made_archives import DATE, DRIVE, calibration_files, calibration_path, drive_files, drive_path, zip_bytes

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
