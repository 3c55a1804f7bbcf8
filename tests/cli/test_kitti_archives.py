"""Which archives of KITTI the options of `lowtex data download` name."""

import re
from pathlib import Path

import pytest
import yaml
from download_server import DATE, DRIVE, drive_path

from lowtex.errors import DataError, OptionError
from lowtex_lab.cli.kitti_archives import IMPROVED, KITTI, chosen_archives, read_archive_list, split_drives

CASES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
SOURCE = "https://s3.eu-central-1.amazonaws.com/avg-kitti"


def test_addresses_are_those_of_kittis_own_server(tmp_path):
    calibration, drive = chosen_archives(drives=[DRIVE])
    [improved] = chosen_archives(improved=True)
    assert drive.url == f"{SOURCE}/raw_data/2011_09_26_drive_0001/2011_09_26_drive_0001_sync.zip"
    assert calibration.url == f"{SOURCE}/raw_data/2011_09_26_calib.zip"
    assert improved.url == f"{SOURCE}/data_depth_annotated.zip"
    assert [a.kind for a in (drive, calibration, improved)] == ["drive", "calibration", "improved"]
    assert chosen_archives(drives=[DRIVE], calibration_only=True) == [calibration]
    assert [a.date for a in chosen_archives(calibration_only=True)] == sorted(KITTI["dates"])
    # the community's list of addresses has the line ends of Windows
    lines = [f"{SOURCE}/raw_data/{DATE}_calib.zip", f"{SOURCE}{drive_path()}", f"{SOURCE}/{IMPROVED}.zip"]
    (tmp_path / "list.txt").write_text("".join(f"{line}\r\n" for line in lines))
    assert read_archive_list(tmp_path / "list.txt") == [calibration, drive, improved]


@pytest.mark.parametrize("name", CASES["belongs"])
def test_only_what_an_archive_should_hold_is_taken_from_it(name):
    [archive] = [a for a in [*chosen_archives(drives=[DRIVE]), *chosen_archives(improved=True)] if a.name == name]
    assert {path: archive.belongs(path) for path in CASES["belongs"][name]} == CASES["belongs"][name]


def test_a_drive_may_be_written_in_the_ways_people_have_it():
    for typed in (DRIVE, "2011_09_26_drive_0001", f"{DATE}/{DRIVE}/", f" {DRIVE} "):
        assert [archive.name for archive in chosen_archives(drives=[typed, DRIVE])] == [f"{DATE}_calib", DRIVE]
    for typed in ("", "0001", "2011_09_27_drive_0001_sync", "../2011_09_26_drive_0001"):
        with pytest.raises(OptionError, match="is none of KITTI; write it like 2011_09_26_drive_0001_sync"):
            chosen_archives(drives=[typed])


def test_splits_name_the_drives_of_their_frames():
    assert len(split_drives("eigen/test")) == len(split_drives("test")) == 28
    assert not set(split_drives("eigen/test")) & set(split_drives("eigen_full/train"))
    assert {drive[:10] for drive in split_drives("train")} == set(KITTI["dates"])


@pytest.mark.parametrize(("line", "message"), CASES["wrong_lines"].items())
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


@pytest.mark.parametrize("source", ["s3.amazonaws.com", "ftp://host/x", "file:///data", "http://", "http://h:x"])
def test_a_source_must_be_http(source):
    with pytest.raises(OptionError, match="must be an http:// or https:// address"):
        chosen_archives(source, [DRIVE])
