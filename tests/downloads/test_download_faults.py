"""What each fault leaves: of servers, archives, disks and processes."""

import errno
import os
import shutil
import threading
import time
from collections import namedtuple
from functools import partial
from pathlib import Path

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
    link_entry,
    tree,
    zip_bytes,
)

from lowtex_lab import cli
from lowtex_lab.cli import download
from lowtex_lab.cli.kitti_archives import drive_archives

BODY = zip_bytes(drive_files())
PATH = drive_path()
DATE_SENT = "Tue, 15 Nov 1994 12:45:26 GMT"


@pytest.fixture
def problems(server, tmp_path):
    """Downloads the drive; returns the problems."""
    server.add(PATH, BODY)
    return lambda: download.download(drive_archives([DRIVE], server.url), tmp_path)


def is_whole(tmp_path) -> bool:
    return (tmp_path / DRIVE[:10] / DRIVE / "image_03").is_dir()


def cut_once(server, problems, count: int = 1000, **how) -> None:
    """Leave a part of ``count`` bytes behind."""
    server.add(PATH, BODY, **how).faults = [cut_after(count), answer(400)]
    assert "the server answers 400" in problems()[0]
    server.log.clear()


@pytest.mark.parametrize(
    ("how", "ranges"),
    [
        ({}, ["bytes=1000-"]),
        ({"etag": None, "modified": DATE_SENT}, ["bytes=1000-"]),
        ({"etag": 'W/"v1"', "modified": DATE_SENT}, ["bytes=1000-"]),
        ({"etag": 'W/"v1"'}, [None]),
        ({"etag": None}, [None]),
        ({"ranges": False}, ["bytes=1000-"]),
    ],
    ids=["strong", "date", "weak with date", "weak", "neither", "no ranges"],
)
def test_a_part_is_continued_only_where_the_version_is_known(server, problems, tmp_path, how, ranges):
    cut_once(server, problems, **how)
    assert problems() == [] and is_whole(tmp_path)
    assert server.gets(PATH) == ranges


@pytest.mark.parametrize("if_range", [True, False])
def test_an_archive_that_changed_on_the_server_is_read_from_the_start(server, problems, tmp_path, if_range):
    cut_once(server, problems)
    server.add(PATH, zip_bytes(drive_files(frames=2)), etag='"v2"', if_range=if_range)
    assert problems() == [] and is_whole(tmp_path)
    assert server.gets(PATH)[-1] == (None if not if_range else "bytes=1000-")


@pytest.mark.parametrize("told", ["bytes 0-2999/3000", "bytes 900-2999/3000", "nonsense"])
def test_a_wrong_content_range_is_not_believed(server, problems, tmp_path, told):
    cut_once(server, problems)
    server.files[PATH].faults = [answer(206, {"Content-Range": told, "ETag": '"v1"'}, b"x" * 2000)]
    assert problems() == [] and is_whole(tmp_path)


@pytest.mark.parametrize("state", ["{", "[]", '{"url": "x", "validator": "v"}', '{"url": 1}'])
def test_a_part_of_unknown_origin_is_not_continued(server, problems, tmp_path, state):
    cut_once(server, problems)
    (tmp_path / "archives" / f"{DRIVE}.zip.part.json").write_text(state)
    assert problems() == [] and server.gets(PATH) == [None]


def test_a_whole_part_gets_its_name_and_a_too_long_one_begins_anew(server, problems, tmp_path):
    for extra in (b"", b"more"):
        cut_once(server, problems)
        (tmp_path / "archives" / f"{DRIVE}.zip.part").write_bytes(BODY + extra)
        assert problems() == [] and is_whole(tmp_path)
        for folder in (tmp_path / DRIVE[:10] / DRIVE).iterdir():
            folder.rename(tmp_path / f"{folder.name}{len(extra)}")


def test_a_cut_connection_is_continued_within_the_call(server, problems):
    server.files[PATH].faults = [cut_after(1000)]
    assert problems() == []
    assert server.gets(PATH) == [None, "bytes=1000-"]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_server_is_asked_again(server, problems, status):
    server.files[PATH].faults = [answer(status)]
    assert problems() == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (answer(404), "is not on the server"),
        (answer(403), "is not on the server"),
        (answer(400), "the server answers 400"),
        (cut_after(0), "given up after 2 tries"),
        (answer(302, {"Location": "ftp://127.0.0.1/a.zip"}), "No connection adapters"),
    ],
    ids=["missing", "forbidden", "bad", "cut", "redirect"],
)
def test_a_lasting_fault_is_one_problem(server, problems, tmp_path, fault, message):
    server.files[PATH].faults = [fault] * 9
    [problem] = problems()
    assert message in problem and "\n" not in problem and not is_whole(tmp_path)


def test_no_server_is_one_problem(tmp_path):
    [problem] = download.download(drive_archives([DRIVE], "http://127.0.0.1:9"), tmp_path)
    assert problem.startswith("http://127.0.0.1:9/") and "run the same command again" in problem


def test_a_redirect_from_https_to_http_is_not_followed():
    import requests

    response = requests.Response()
    response.status_code, response.url = 302, "https://host/a.zip"
    response.headers["Location"] = "http://host/a.zip"
    with download._session() as session, pytest.raises(requests.exceptions.InvalidSchema, match="not followed"):
        session.get_redirect_target(response)


DRIVE_ZIP, CALIBRATION_ZIP = zip_bytes(drive_files()), zip_bytes(calibration_files())


@pytest.mark.parametrize("damage", ["byte", "truncated", "page"])
def test_a_damaged_archive_is_deleted_and_nothing_of_it_used(get, server, root, damage):
    broken = bytearray(DRIVE_ZIP)
    broken[2000] ^= 0xFF
    server.add(drive_path(), {"byte": bytes(broken), "truncated": DRIVE_ZIP[:-99], "page": b"<html>"}[damage])
    code, _, errors = get("--drive", DRIVE)
    assert code == cli.BAD_INPUT and len(errors) == 1
    assert "is damaged" in errors[0] and "it was deleted, the same command fetches it anew" in errors[0]
    assert tree(root) == calibration_files()
    assert kept(root) == [f"{DATE}_calib.unpacked.json"]
    server.add(drive_path(), DRIVE_ZIP, etag='"v2"')
    assert get("--drive", DRIVE)[0] == 0
    assert tree(root) == drive_files() | calibration_files()


def test_a_damaged_archive_of_the_user_is_not_deleted(get, server, root):
    (root / "archives").mkdir(parents=True)
    path = root / "archives" / f"{DRIVE}.zip"
    path.write_bytes(DRIVE_ZIP[:-99])
    code, _, errors = get("--drive", DRIVE)
    assert code == cli.BAD_INPUT and "delete it or put a good one in its place" in errors[0]
    assert path.read_bytes() == DRIVE_ZIP[:-99]


@pytest.mark.parametrize(
    "evil",
    [
        zip_bytes(drive_files() | {"../../evil.txt": b"evil"}),
        zip_bytes(drive_files() | {f"{DATE}/{DRIVE}/../../../../evil.txt": b"evil"}),
        zip_bytes(drive_files() | {"/lowtex_evil.txt": b"evil"}),
        zip_bytes(drive_files() | {"C:\\evil.txt": b"evil"}),
        zip_bytes(drive_files() | {f"{DATE}/{DRIVE}/IMAGE_02/data/0000000000.png": b"evil"}),
        link_entry(f"{DATE}/{DRIVE}/image_02", "/"),
        zip_bytes(drive_files() | {f"{DATE}/{DRIVE}/zeros.bin": bytes(30_000_000)}),
    ],
    ids=["up", "up from within", "absolute", "windows", "case", "link", "bomb"],
)
def test_a_dangerous_archive_leaves_nothing_anywhere(get, server, root, tmp_path, evil):
    server.add(drive_path(), evil)
    code, _, errors = get("--drive", DRIVE)
    assert code == cli.BAD_INPUT and len(errors) == 1
    assert tree(root) == calibration_files()
    assert not any("evil" in path.name for path in tmp_path.rglob("*")) and not Path("/lowtex_evil.txt").exists()


def test_another_drive_in_the_archive_is_an_error(get, server, root):
    server.add(drive_path(), zip_bytes(drive_files(OTHER)))
    code, _, errors = get("--drive", DRIVE)
    assert code == cli.BAD_INPUT
    assert "holds nothing of what its name promises" in errors[0]
    assert tree(root) == calibration_files()


def disk(monkeypatch, *free: int) -> None:
    """Pretend how much is left, at each time it's asked."""
    left = list(free)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(
        "lowtex.files.shutil.disk_usage", lambda path: usage(0, 0, left.pop(0) if len(left) > 1 else left[0])
    )


def test_too_small_a_disk_is_refused_before_anything_is_fetched(get, server, root, monkeypatch):
    disk(monkeypatch, len(DRIVE_ZIP))
    code, _, errors = get("--drive", DRIVE)
    assert code == cli.BAD_INPUT and len(errors) == 1
    assert f"this download needs about {2.1 * (len(DRIVE_ZIP) + len(CALIBRATION_ZIP)) / 1000:.0f} kB" in errors[0]
    assert all(method == "HEAD" for method, _, _ in server.log)


def test_a_disk_that_filled_up_meanwhile_keeps_the_archive(get, server, root, monkeypatch):
    disk(monkeypatch, 10**9, 100)
    code, _, errors = get("--drive", DRIVE, "--jobs", "1")
    assert code == cli.BAD_INPUT and len(errors) == 1 and "unpacking 2011_09_26_calib needs about" in errors[0]
    assert tree(root) == {}
    disk(monkeypatch, 10**9)
    assert get("--drive", DRIVE)[0] == 0
    assert server.gets(calibration_path()) == [None]


def test_a_full_disk_ends_everything_with_one_error(get, server, root, monkeypatch):
    server.add(drive_path(OTHER), zip_bytes(drive_files(OTHER)))

    plain = Path.open

    def full(path, mode="r", *arguments, **options):
        if mode == "ab":
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(path, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", full)
    code, _, errors = get("--drive", DRIVE, OTHER, "--jobs", "1")
    assert code == cli.BAD_INPUT and len(errors) == 1 and "no space left while writing" in errors[0]
    assert len([method for method, _, _ in server.log if method == "GET"]) == 1


def test_a_folder_that_cannot_be_made_is_one_error(get, root):
    root.parent.mkdir(parents=True)
    root.write_text("a file")
    code, _, errors = get("--drive", DRIVE)
    assert code == cli.BAD_INPUT and len(errors) == 1 and str(root) in errors[0]


class Killed(BaseException):
    """Stands for the end of the process at one certain call."""


def test_a_kill_at_any_moment_leaves_no_half_drive_and_the_next_call_completes_it(server, root, monkeypatch):
    """Every rename, replacement, removal and new folder is once the last thing the process does."""
    [archive] = drive_archives([DRIVE], server.url)
    names = [(os, "rename"), (os, "replace"), (os, "unlink"), (os, "mkdir"), (os, "rmdir")]
    originals = {name: getattr(module, name) for module, name in names}
    calls, last = 0, None

    def counted(name, *arguments, **options):
        nonlocal calls
        calls += 1
        if last is not None and calls > last:
            raise Killed
        return originals[name](*arguments, **options)

    for module, name in names:
        monkeypatch.setattr(module, name, partial(counted, name))
    moments = 0
    while True:
        calls, last = 0, moments
        try:
            assert download.download([archive], root) == []
            done = True
        except Killed:
            done = False
        last = None
        there = tree(root)
        # the staging folder is below archives/, so whatever is seen outside of it has to be the whole drive
        assert there in ({}, drive_files())
        assert download.download([archive], root) == []
        assert tree(root) == drive_files()
        assert [name for name in kept(root) if not name.endswith(".unpacked.json")] == []
        shutil.rmtree(root)
        if done:
            break
        moments += 1
    assert moments > 15


def test_two_downloads_into_one_folder_exclude_each_other(get, server, root, monkeypatch):
    hold, begun = threading.Event(), threading.Event()

    def wait(handler) -> bool:
        begun.set()
        hold.wait(10)
        return False

    server.files[drive_path()].faults = [wait]
    first = threading.Thread(target=download.download, args=(drive_archives([DRIVE], server.url), root))
    first.start()
    assert begun.wait(10)
    code, _, errors = get("--drive", DRIVE)
    hold.set()
    first.join(10)
    assert code == cli.BAD_INPUT and "another lowtex data download is at work" in errors[0]
    assert tree(root) == drive_files()


def test_jobs_bounds_how_many_come_at_a_time(server, root):
    drives = [f"2011_09_26_drive_{number:04d}_sync" for number in range(40, 48)]
    lock, now, most = threading.Lock(), 0, 0

    def slow(handler) -> bool:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with lock:
            now -= 1
        return False

    for drive in drives:
        server.add(drive_path(drive), zip_bytes(drive_files(drive, frames=1))).faults = [slow]
    assert download.download(drive_archives(drives, server.url), root, jobs=3) == []
    assert most == 3
    assert {name.split("/")[1] for name in tree(root)} == set(drives)


def test_an_error_that_is_nobodys_fault_is_not_swallowed(server, root, monkeypatch):
    monkeypatch.setattr(download, "_place", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        download.download(drive_archives([DRIVE], server.url), root)
