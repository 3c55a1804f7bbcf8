"""Which archives of KITTI the options of `lowtex data download` name."""

import re

import pytest
from download_server import DATE, DRIVE, drive_path

from lowtex.errors import DataError, OptionError
from lowtex_lab import cli
from lowtex_lab.cli import download
from lowtex_lab.cli.kitti_archives import IMPROVED, KITTI, chosen_archives, read_archive_list, split_drives

SOURCE = "https://s3.eu-central-1.amazonaws.com/avg-kitti"


def test_addresses_are_those_of_kittis_own_server(tmp_path):
    calibration, drive = chosen_archives(drives=[DRIVE])
    [improved] = chosen_archives(improved=True)
    assert drive.url == f"{SOURCE}/raw_data/2011_09_26_drive_0001/2011_09_26_drive_0001_sync.zip"
    assert calibration.url == f"{SOURCE}/raw_data/2011_09_26_calib.zip"
    assert improved.url == f"{SOURCE}/data_depth_annotated.zip"
    assert [a.kind for a in (drive, calibration, improved)] == ["drive", "calibration", "improved"]
    # the community's list of addresses has the line ends of Windows
    lines = [f"{SOURCE}/raw_data/{DATE}_calib.zip", f"{SOURCE}{drive_path()}", f"{SOURCE}/{IMPROVED}.zip"]
    (tmp_path / "list.txt").write_text("".join(f"{line}\r\n" for line in lines))
    assert read_archive_list(tmp_path / "list.txt") == [calibration, drive, improved]


@pytest.mark.parametrize(
    ("name", "path", "belongs"),
    [
        (DRIVE, f"{DATE}/{DRIVE}/image_02/data/0000000000.png", True),
        (DRIVE, f"{DATE}/{DRIVE}/tracklet_labels.xml", True),
        (DRIVE, f"{DATE}/{DRIVE}/../../evil.txt", False),
        (DRIVE, f"{DATE}/{DRIVE}/.hidden", False),
        (DRIVE, f"{DATE}/2011_09_26_drive_0002_sync/image_02/data/0.png", False),
        (DRIVE, f"/{DATE}/{DRIVE}/image_02/data/0.png", False),
        (DRIVE, f"{DATE}/{DRIVE}/C:\\evil.txt", False),
        (f"{DATE}_calib", f"{DATE}/calib_velo_to_cam.txt", True),
        (f"{DATE}_calib", f"{DATE}/other.txt", False),
        (IMPROVED, f"val/{DRIVE}/proj_depth/groundtruth/image_02/0000000005.png", True),
        (IMPROVED, "test/x/0000000005.png", False),
    ],
)
def test_only_what_an_archive_should_hold_is_taken_from_it(name, path, belongs):
    [archive] = [a for a in [*chosen_archives(drives=[DRIVE]), *chosen_archives(improved=True)] if a.name == name]
    assert archive.belongs(path) == belongs


@pytest.mark.parametrize("typed", [DRIVE, "2011_09_26_drive_0001", f"{DATE}/{DRIVE}/", f" {DRIVE} "])
def test_a_drive_may_be_written_in_the_ways_people_have_it(typed):
    assert [archive.name for archive in chosen_archives(drives=[typed, DRIVE])] == [f"{DATE}_calib", DRIVE]


def test_splits_name_the_drives_of_their_frames():
    assert len(split_drives("eigen/test")) == len(split_drives("test")) == 28
    assert not set(split_drives("eigen/test")) & set(split_drives("eigen_full/train"))
    assert {drive[:10] for drive in split_drives("train")} == set(KITTI["dates"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2011_09_26_drive_0001_sync.zip", "no http:// or https:// address"),
        ("file:///x/2011_09_26_calib.zip", "no http:// or https:// address"),
        ("http://h/2011_09_26_calib.zip sha256:123", "only sha256: with 64 hexadecimal digits"),
        ("http://h/2011_09_26_calib.zip md5:" + "0" * 32, "only sha256: with 64 hexadecimal digits"),
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


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nothing but words\n", b"\xff\xfe\0http", None])
def test_a_list_of_nothing_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "list.txt"))):
        read_archive_list(tmp_path / "list.txt")


@pytest.mark.parametrize("typed", ["", "0001", "2011_09_27_drive_0001_sync", "../2011_09_26_drive_0001"])
def test_a_name_that_is_none_of_a_drive_is_refused(typed):
    with pytest.raises(OptionError, match="is none of KITTI; write it like 2011_09_26_drive_0001_sync"):
        chosen_archives(drives=[typed])


@pytest.mark.parametrize("source", ["s3.amazonaws.com", "ftp://host/x", "file:///data", "http://", "http://h:x"])
def test_a_source_must_be_http(source):
    with pytest.raises(OptionError, match="must be an http:// or https:// address"):
        chosen_archives(source, [DRIVE])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "say what to fetch: --drive NAME, --split SPLIT, --list FILE, --improved or --calibration-only"),
        ("--drive 0001", "drive '0001' is none of KITTI"),
        ("--split all", "--split='all' is not known; choose one of: train, val, test, eigen_full/train"),
        (f"--drive {DRIVE} --jobs 0", "argument --jobs: '0' must be a whole number >= 1 and <= 16"),
        (f"--drive {DRIVE} --jobs 17", "argument --jobs: '17' must be a whole number >= 1 and <= 16"),
        ("--improved --calibration-only", "exclude each other"),
        ("--list nowhere.txt", "nowhere.txt"),
        (f"--drive {DRIVE} --split test", "not allowed with argument"),
        ("--improved --list x", "not allowed with argument"),
    ],
)
def test_a_wrong_option_is_one_line_and_fetches_nothing(tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.setattr(download, "download", lambda *arguments, **options: pytest.fail("fetched all the same"))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["data", "download", "--to", "root", *words.split()]) == cli.BAD_INPUT
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("lowtex: ") and message in line
    assert not (tmp_path / "root").exists()
