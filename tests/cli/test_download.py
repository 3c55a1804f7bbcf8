"""`lowtex data download` from a server on this machine: what comes, what is skipped, and what each fault leaves."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace

import cv2
import download_server as site
import numpy as np
import pytest
import requests
from dataset_trees import put
from download_server import DATE, DRIVE, OTHER, answer, cut_after, drive_files, drive_path, tree, zip_bytes
from filelock import FileLock

from lowtex.datasets import KittiImproved, KittiRaw
from lowtex.datasets.splits import KITTI_SPLITS, packaged_frames
from lowtex.files import shown_size
from lowtex_lab import cli
from lowtex_lab.cli import download
from lowtex_lab.cli.kitti_archives import chosen_archives, split_drives

FILES, CALIBRATION = drive_files(), site.calibration_files()
ALL = FILES | CALIBRATION
DRIVE_ZIP, CALIBRATION_ZIP, PATH = zip_bytes(FILES), zip_bytes(CALIBRATION), drive_path()
PICTURE = f"{DATE}/{DRIVE}/image_02/data/0000000001.png"
SCAN = f"{DATE}/{DRIVE}/velodyne_points/data/0000000002.bin"
DATE_SENT = "Tue, 15 Nov 1994 12:45:26 GMT"


def the_drive(server, *names):
    """The archives of drives, without those of their calibrations."""
    return [a for a in chosen_archives(server.url, names or [DRIVE]) if a.kind == "drive"]


def write(root: Path, files: dict[str, bytes]) -> None:
    """Write files by name."""
    for name, content in files.items():
        put(root / name, content)


def set_aside(root: Path, name: str) -> list[bytes]:
    """What had to give way in a file's place, the oldest first."""
    place = root / "archives" / "replaced" / name
    return [path.read_bytes() for path in sorted(place.parent.glob(f"{place.name}.*"))]


def test_a_drive_comes_with_its_calibration_and_the_reader_finds_it(get, root, server):
    code, out, errors = get("--drive", "2011_09_26_drive_0001")
    assert (code, errors) == (0, [])
    assert tree(root) == ALL
    assert site.kept(root) == [f"{DATE}_calib.unpacked.json", f"{DRIVE}.unpacked.json"]
    assert "CC BY-NC-SA 3.0" in out and "https://www.cvlibs.net/datasets/kitti/" in out
    assert f"archives to unpack into {root}: 2, {(len(DRIVE_ZIP) + len(CALIBRATION_ZIP)) / 1000:.1f} kB to fetch" in out
    pairs = KittiRaw(root, split="available", size=None)
    assert pairs.names == [f"{DRIVE}/{frame:010d}/l" for frame in range(3)]
    assert (pairs[2].depth > 0).sum() == 3
    code, out, errors = get()
    assert (code, errors, server.log) == (0, [], []), "what is there is not asked for again"
    assert "2 of 2 archives are in" in out and "--again" in out
    server.add(drive_path(OTHER), zip_bytes(drive_files(OTHER)))
    assert get("--drive", DRIVE, OTHER)[0] == 0
    assert server.log == [("HEAD", drive_path(OTHER), None), ("GET", drive_path(OTHER), None)]
    assert tree(root) == ALL | drive_files(OTHER)


def test_again_mends_what_only_a_comparison_shows(get, root):
    get()
    flipped = bytearray(FILES[PICTURE])
    flipped[-20] ^= 1
    write(root, {PICTURE: flipped})
    assert get()[0] == 0 and (root / PICTURE).read_bytes() == flipped
    code, out, _ = get("--drive", DRIVE, "--again")
    assert code == 0 and "because they differed: 1" in out and tree(root) == ALL


def test_a_split_asks_for_each_of_its_drives_and_each_missing_one_is_one_line(get, server, root):
    drives = split_drives("eigen/test")
    server.add(drive_path(drives[3]), zip_bytes(drive_files(drives[3])))
    code, _, errors = get("--split", "eigen/test", "--jobs", "4")
    assert code == cli.BAD_INPUT
    expected = [f"{server.url}/raw_data/{date}_calib.zip" for date in sorted({d[:10] for d in drives} - {DATE})]
    expected += [f"{server.url}{drive_path(drive)}" for drive in drives if drive != drives[3]]
    assert [line.split()[1] for line in errors] == expected
    assert all(line.startswith("lowtex: ") and "is not on the server" in line for line in errors)
    assert tree(root) == drive_files(drives[3]) | CALIBRATION, "what was there came all the same"


def test_improved_maps_keep_their_two_folders_and_the_reader_finds_them(get, server, root, tmp_path):
    depth = cv2.imencode(".png", np.full((24, 40), 12 * 256, np.uint16))[1].tobytes()
    inside = "proj_depth/groundtruth/image_02/0000000001.png"
    files = {f"train/{DRIVE}/{inside}": depth, f"val/{OTHER}/{inside}": depth}
    server.add("/data_depth_annotated.zip", zip_bytes(files | {"readme.txt": b"hello"}))
    code, out, _ = get("--improved")
    assert code == 0 and "files unpacked: 2" in out and tree(root) == files
    assert get("--improved")[0] == 0 and server.log == []
    assert get("--drive", DRIVE, "--to", str(tmp_path / "raw"))[0] == 0
    maps = KittiImproved(root, split="available", raw_root=tmp_path / "raw")
    assert maps.names == [f"{DRIVE}/0000000001/l"] and (maps[0].depth == 12).all()


def test_archives_are_kept_on_demand_and_then_serve_without_a_server(get, server, root):
    assert get("--drive", DRIVE, "--keep-archives")[0] == 0
    shutil.rmtree(root / DATE)
    assert get()[0] == 0 and server.log == [] and tree(root) == ALL
    assert (root / "archives" / f"{DRIVE}.zip").read_bytes() == DRIVE_ZIP, "the user wanted to keep it once"


def test_a_list_with_checksums(get, server, root, tmp_path):
    server.add(f"/mirror/x/{DRIVE}.zip?key=1", DRIVE_ZIP)
    digest = hashlib.sha256(DRIVE_ZIP).hexdigest().upper()
    lines = f"# mine\n\n{server.url}{site.calibration_path()}\n{server.url}/mirror/x/{DRIVE}.zip?key=1#part"
    (tmp_path / "list.txt").write_text(f"{lines} sha256:{digest}  # good\n")
    assert get("--list", str(tmp_path / "list.txt"), source=False)[0] == 0 and tree(root) == ALL


@pytest.mark.parametrize("there", [False, True])
def test_a_wrong_checksum_is_an_error_of_its_own(get, server, root, tmp_path, there):
    if there:
        write(root, {f"archives/{DRIVE}.zip": DRIVE_ZIP})
    (tmp_path / "list.txt").write_text(f"{server.url}{PATH} sha256:{'0' * 64}\n")
    code, _, errors = get("--list", str(tmp_path / "list.txt"), source=False)
    assert code == cli.BAD_INPUT and len(errors) == 1 and "as listed" in errors[0]
    assert tree(root) == {} and (root / "archives" / f"{DRIVE}.zip").is_file() == there


@pytest.mark.parametrize("text", ["{", "[]", '{"sizes": 3}', json.dumps({"sizes": {DATE: None}})])
def test_a_broken_record_is_looked_past(get, server, root, text):
    get()
    (root / "archives" / f"{DRIVE}.unpacked.json").write_text(text)
    assert get()[0] == 0
    assert server.gets(PATH) == [None], "three frames are fewer than the lists know of this drive"


# what the server does


@pytest.fixture
def problems(server, root):
    """Downloads the drive; returns the problems."""
    return lambda: download.download(the_drive(server), root)


def served(**how):
    """The archive is served otherwise from now on."""
    return lambda server, archives: server.add(PATH, **{"body": DRIVE_ZIP, **how})


def falsely_continued(told: str):
    fault = answer(206, {"Content-Range": told, "ETag": '"v1"'}, b"x" * 2000)
    return lambda server, archives: server.files[PATH].faults.append(fault)


def state(text: str):
    return lambda server, archives: (archives / f"{DRIVE}.zip.part.json").write_text(text)


def part(content: bytes):
    return lambda server, archives: (archives / f"{DRIVE}.zip.part").write_bytes(content)


FEWER = drive_files(frames=2)
SHORT = zip_bytes(FEWER)
CONTINUED = {
    # how it was served first, what happened since, and the ranges that are asked for then
    "strong": ({}, None, ["bytes=1000-"]),
    "date": ({"etag": None, "modified": DATE_SENT}, None, ["bytes=1000-"]),
    "weak with date": ({"etag": 'W/"v1"', "modified": DATE_SENT}, None, ["bytes=1000-"]),
    "weak": ({"etag": 'W/"v1"'}, None, [None]),
    "no ranges": ({"ranges": False}, None, ["bytes=1000-"]),
    "another version": ({}, served(body=SHORT, etag='"v2"'), ["bytes=1000-"]),
    "another, If-Range ignored": ({}, served(body=SHORT, etag='"v2"', if_range=False), ["bytes=1000-", None]),
    "from the start": ({}, falsely_continued("bytes 0-2999/3000"), ["bytes=1000-", None]),
    "state no JSON": ({}, state("{"), [None]),
    "state of another address": ({}, state('{"url": "x", "validator": "v"}'), [None]),
    "whole": ({}, part(DRIVE_ZIP), [f"bytes={len(DRIVE_ZIP)}-"]),
    "too long": ({}, part(DRIVE_ZIP + b"more"), [f"bytes={len(DRIVE_ZIP) + 4}-", None]),
}


@pytest.mark.parametrize("case", CONTINUED)
def test_a_part_is_continued_only_where_it_is_known_to_be_of_the_same_archive(server, problems, root, case):
    how, since, ranges = CONTINUED[case]
    server.add(PATH, DRIVE_ZIP, **how).faults = [cut_after(1000), answer(400)]
    assert "answers 400" in problems()[0]
    server.log.clear()
    if since is not None:
        since(server, root / "archives")
    assert problems() == [] and server.gets(PATH) == ranges
    assert tree(root) == (FEWER if "another version" in case or "If-Range" in case else FILES)


@pytest.mark.parametrize("fault", [cut_after(1000), answer(408), answer(429), answer(503)])
def test_a_passing_fault_is_mended_within_the_call(server, problems, fault):
    server.files[PATH].faults = [fault]
    assert problems() == []
    assert len(server.gets(PATH)) == 2


LASTING = {
    "is not on the server": answer(404),
    "not for everybody (it answers 403)": answer(403),
    "answers 400": answer(400),
    "the server answers 500; given up after 2 tries": answer(500),
    "given up after 2 tries": cut_after(0),
    "No connection adapters": answer(302, {"Location": "ftp://127.0.0.1/a.zip"}),
}


@pytest.mark.parametrize("message", LASTING)
def test_a_lasting_fault_is_one_problem(server, problems, root, message):
    server.files[PATH].faults = [LASTING[message]] * 9
    [problem] = problems()
    assert message in problem and "kept" in problem and "\n" not in problem and tree(root) == {}


def test_no_server_is_one_problem(server, root):
    server.close()
    [problem] = download.download(the_drive(server), root)
    assert problem.startswith(server.url) and "run the same command again" in problem


def test_a_redirect_from_https_to_http_is_refused(root, monkeypatch):
    response = requests.Response()
    response.status_code, response.url = 200, "http://host/a.zip"
    monkeypatch.setattr(requests, "request", lambda *given, **more: response)
    problems = download.download(chosen_archives("https://host", [DRIVE]), root)
    assert len(problems) == 2 and "leads to http://host/a.zip, which is not followed" in problems[0]


# what is in the archive


BROKEN = bytearray(DRIVE_ZIP)
BROKEN[2000] ^= 0xFF


BAD = {"byte": bytes(BROKEN), "cut": DRIVE_ZIP[:-99], "page": b"<html>", "other": zip_bytes(drive_files(OTHER))}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_archive_is_deleted_and_nothing_of_it_used(get, server, root, kind):
    server.add(PATH, BAD[kind])
    code, _, errors = get()
    assert code == cli.BAD_INPUT and len(errors) == 1
    assert ("holds nothing of what its name promises" if kind == "other" else "is damaged") in errors[0]
    assert "it was deleted, the same command fetches it anew" in errors[0]
    assert tree(root) == CALIBRATION and site.kept(root) == [f"{DATE}_calib.unpacked.json"]
    server.add(PATH, DRIVE_ZIP, etag='"v2"')
    assert get()[0] == 0 and tree(root) == ALL


def test_an_archive_the_user_put_there_is_used_or_refused_and_stays(get, server, root):
    for content, expected in ((DRIVE_ZIP[:-99], cli.BAD_INPUT), (DRIVE_ZIP, 0)):
        write(root, {f"archives/{DRIVE}.zip": content})
        code, _, errors = get()
        assert code == expected and server.gets(PATH) == []
        assert not errors or "delete it or put a good one in its place" in errors[0]
        assert (root / "archives" / f"{DRIVE}.zip").read_bytes() == content


def test_nothing_but_the_drives_own_files_is_unpacked(get, server, root, tmp_path):
    names = ("../../evil.txt", f"{DATE}/{DRIVE}/../../../../evil.txt", "/lowtex_evil.txt", "C:\\evil.txt")
    server.add(PATH, site.link_archive(FILES | dict.fromkeys(names, b"evil"), f"{DATE}/{DRIVE}/image_01", "/"))
    assert get()[0] == 0 and tree(root) == ALL
    found = [path for path in tmp_path.rglob("*") if "evil" in path.name or path.is_symlink()]
    assert not found and not Path("/lowtex_evil.txt").exists()


# what is in the root already


@pytest.fixture
def fetched(server, root):
    """The drive stands in the root, written by hand; downloads it and tells how many times it was fetched."""
    write(root, FILES)

    def run() -> int:
        server.log.clear()
        assert download.download(the_drive(server), root) == []
        return len(server.gets(PATH))

    return run


def test_missing_files_are_filled_in_and_the_others_not_touched(root, fetched):
    for name in (PICTURE, SCAN):
        (root / name).unlink()
    notes = f"{DATE}/{DRIVE}/notes.txt"
    write(root, {notes: b"mine"})
    before = {name: (root / name).stat().st_ino for name in tree(root)}
    assert fetched() == 1
    assert tree(root) == FILES | {notes: b"mine"}
    assert {name: (root / name).stat().st_ino for name in before} == before
    assert not (root / "archives" / "replaced").exists() and fetched() == 0


def test_what_differs_is_mended_and_set_aside(root, fetched, capsys):
    # one of another length, one of the same
    wrong = {PICTURE: FILES[PICTURE][:50], SCAN: b"\1" + FILES[SCAN][1:]}
    write(root, wrong)
    assert fetched() == 1
    assert "files unpacked: 10; moved to archives/replaced because they differed: 2" in capsys.readouterr().out
    for content in (b"second", b"third"):
        write(root, {PICTURE: content})
        assert fetched() == 1
    assert set_aside(root, PICTURE) == [wrong[PICTURE], b"second", b"third"], "nothing is lost"
    assert set_aside(root, SCAN) == [wrong[SCAN]] and tree(root) == FILES


def test_damage_after_the_download_is_noticed_and_mended(root, fetched):
    fetched()
    for content in (None, b"", FILES[PICTURE] + b"x"):
        (root / PICTURE).unlink()
        write(root, {} if content is None else {PICTURE: content})
        assert fetched() == 1 and tree(root) == FILES and fetched() == 0
    # many convert them: a JPEG will do
    for name in (name for name in FILES if name.endswith(".png")):
        (root / name).rename((root / name).with_suffix(".jpg"))
    assert fetched() == 0
    (root / PICTURE).with_suffix(".jpg").write_bytes(b"")
    assert fetched() == 1


def unpacked_by_hand(what: str) -> tuple[dict[str, bytes], dict]:
    """All files that the packaged lists need, and what to ask for."""
    if what == "calibration":
        return CALIBRATION, {"drives": [DRIVE], "calibration_only": True}
    if what == "improved":
        frames = packaged_frames("eigen_benchmark/test")
        inside = [f"{f.folder.split('/')[1]}/proj_depth/groundtruth/image_02/{f.frame:010d}.png" for f in frames]
        return {f"{('train', 'val')[i % 2]}/{name}": b"x" for i, name in enumerate(inside)}, {"improved": True}
    frames = {f.frame for split in KITTI_SPLITS for f in packaged_frames(split) if f.folder.endswith(DRIVE)}
    assert len(frames) > 50
    places = [f"{DATE}/{DRIVE}/image_0{c}/data/{f:010d}.jpg" for f in frames for c in (2, 3)]
    places += [f"{DATE}/{DRIVE}/velodyne_points/data/{f:010d}.bin" for f in frames]
    return dict.fromkeys(places, b"x") | CALIBRATION, {"drives": [DRIVE]}


@pytest.mark.parametrize("what", ["drive", "calibration", "improved"])
def test_what_was_unpacked_by_other_means_is_there_once_it_has_all_listed_files(server, root, what):
    server.add("/data_depth_annotated.zip", zip_bytes({f"val/{DRIVE}/proj_depth/groundtruth/image_02/1.png": b"x"}))
    files, asked = unpacked_by_hand(what)
    write(root, files)
    archives = chosen_archives(server.url, **asked)
    assert download.download(archives, root) == [] and server.log == []
    (root / list(files)[0]).unlink()
    assert download.download(archives, root) == []
    assert [method for method, *_ in server.log] == ["HEAD", "GET"]


@pytest.mark.parametrize("arrangement", [f"{DRIVE}/{DATE}/{DRIVE}", DRIVE])
def test_a_drive_that_lies_elsewhere_is_completed_where_it_lies(server, root, arrangement):
    moved = {arrangement + name.removeprefix(f"{DATE}/{DRIVE}"): content for name, content in FILES.items()}
    write(root, dict.fromkeys(list(moved)[:3], b"") | CALIBRATION)
    assert download.download(the_drive(server), root) == []
    assert tree(root) == moved | CALIBRATION and len(KittiRaw(root, split="available")) == 3


@pytest.mark.parametrize("link", [DATE, f"{DATE}/{DRIVE}", f"{DATE}/{DRIVE}/image_02", f"{DATE}/{DRIVE}/image_02/data"])
@pytest.mark.parametrize("dangling", [False, True])
def test_nothing_is_unpacked_through_a_link_out_of_the_root(server, root, tmp_path, link, dangling):
    outside = tmp_path / "outside"
    if not dangling:
        outside.mkdir()
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(outside)
    [problem] = download.download(the_drive(server), root)
    assert "leads through a link out of" in problem
    assert dangling != outside.exists() and not any(outside.rglob("*"))
    assert (root / "archives" / f"{DRIVE}.zip").is_file(), "the archive is kept for when the link is gone"


def test_links_within_the_root_are_followed_and_a_linked_file_is_set_aside(server, root, fetched, tmp_path):
    (tmp_path / "picture.png").write_bytes(b"precious")
    (root / DATE).rename(root / "disk2")
    (root / DATE).symlink_to(root / "disk2")
    (root / PICTURE).unlink()
    (root / PICTURE).symlink_to(tmp_path / "picture.png")
    assert fetched() == 1
    assert (tmp_path / "picture.png").read_bytes() == b"precious" and not (root / PICTURE).is_symlink()
    assert set_aside(root, PICTURE) == [b"precious"]
    assert {name: (root / name).read_bytes() for name in FILES} == FILES


@pytest.mark.parametrize("place", [PICTURE, str(Path(PICTURE).parent), "archives", ""])
def test_what_is_in_the_way_is_one_error(get, server, root, tmp_path, place):
    if place == PICTURE:
        (root / place).mkdir(parents=True)
    elif place == "archives":
        root.mkdir(parents=True)
        (root / place).symlink_to(tmp_path)
    else:
        (root / place).parent.mkdir(parents=True)
        (root / place).write_text("a file")
    code, _, errors = get()
    assert code == cli.BAD_INPUT and len(errors) == 1 and str(root) in errors[0]
    assert len(server.gets(PATH)) == (place not in ("archives", ""))


# disks, kills and two at a time


def disk(monkeypatch, *free: int) -> None:
    """Pretend how much is left, at each time it's asked."""
    left = chain(free, repeat(free[-1]))
    monkeypatch.setattr("lowtex.files.shutil.disk_usage", lambda path: SimpleNamespace(free=next(left)))


def test_too_small_a_disk_is_refused_and_one_that_filled_up_meanwhile_keeps_the_archive(get, server, root, monkeypatch):
    disk(monkeypatch, len(DRIVE_ZIP))
    [error] = get()[2]
    needed = shown_size(2.1 * (len(DRIVE_ZIP) + len(CALIBRATION_ZIP)))
    assert f"this download needs about {needed}" in error and all(method == "HEAD" for method, _, _ in server.log)
    disk(monkeypatch, 10**9, 100)
    code, _, errors = get("--drive", DRIVE, "--jobs", "1")
    assert code == cli.BAD_INPUT and len(errors) == 1 and "unpacking 2011_09_26_calib needs about" in errors[0]
    assert tree(root) == {}
    disk(monkeypatch, 10**9)
    assert get()[0] == 0 and server.gets(site.calibration_path()) == []


def test_a_full_disk_ends_everything_with_one_error(get, server, monkeypatch):
    plain = Path.open

    def full(path, mode="r", *arguments, **options):
        if mode == "ab":
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(path, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", full)
    code, _, errors = get("--drive", DRIVE, OTHER, "--jobs", "1")
    assert code == cli.BAD_INPUT and len(errors) == 1 and "no space left while writing" in errors[0]
    assert len([method for method, _, _ in server.log if method == "GET"]) == 1


class Killed(BaseException):
    """Stands for the end of the process at one certain call."""


def test_a_kill_at_any_moment_leaves_no_half_drive_and_the_next_call_completes_it(server, root, monkeypatch):
    """Every rename, replacement, removal and new folder is once the last thing the process does."""
    names = ["rename", "replace", "unlink", "mkdir", "rmdir"]
    originals = {name: getattr(os, name) for name in names}
    calls, last = 0, None

    def counted(name, *arguments, **options):
        nonlocal calls
        calls += 1
        if last is not None and calls > last:
            raise Killed
        return originals[name](*arguments, **options)

    for name in names:
        monkeypatch.setattr(os, name, partial(counted, name))
    moments, done = 0, False
    while not done:
        calls, last = 0, moments
        try:
            done = download.download(the_drive(server), root) == []
        except Killed:
            pass
        last = None
        # the staging folder is below archives/, so whatever is seen outside of it has to be the whole drive
        assert tree(root) in ({}, FILES)
        assert download.download(the_drive(server), root) == [] and tree(root) == FILES
        assert [name for name in site.kept(root) if not name.endswith(".unpacked.json")] == []
        shutil.rmtree(root)
        moments += 1
    assert moments > 15


def test_an_interrupted_download_ends_soon_and_goes_on_later(server, tmp_path, capsys):
    """As after a kill, which `test_a_kill_at_any_moment…` acts out; but with a word to the user."""
    hold = threading.Event()
    server.files[PATH].faults = [cut_after(5000, hold)]
    words = ["data", "download", "--to", str(tmp_path), "--drive", DRIVE, "--source", server.url, "--jobs", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "lowtex_lab.cli", *words],
        stderr=subprocess.PIPE,
        text=True,
        # tests that a shell runs in the background are told to ignore an interrupt, and so would be their children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    part = tmp_path / "archives" / f"{DRIVE}.zip.part"
    limit = time.monotonic() + 120
    while (part.stat().st_size if part.exists() else 0) < 5000:
        assert time.monotonic() < limit and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    hold.set()
    assert process.returncode == cli.INTERRUPTED and "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("lowtex: interrupted; what was finished is kept")
    assert not (tmp_path / DATE / DRIVE).exists()
    assert cli.main(words) == 0
    assert f"{shown_size(5000)} came before" in capsys.readouterr().out
    assert server.gets(PATH) == [None, "bytes=5000-"] and tree(tmp_path) == ALL


def test_two_downloads_into_one_folder_exclude_each_other(get, root):
    (root / "archives").mkdir(parents=True)
    with FileLock(root / "archives" / ".lock"):
        code, _, errors = get()
    assert code == cli.BAD_INPUT and "another lowtex data download is at work" in errors[0]
    assert tree(root) == {} and get()[0] == 0


def test_jobs_bounds_how_many_come_at_a_time(server, root):
    drives = [f"2011_09_26_drive_{number:04d}_sync" for number in range(40, 48)]
    now, seen = [], []

    def slow(handler) -> bool:
        now.append(handler)
        seen.append(len(now))
        time.sleep(0.05)
        now.remove(handler)
        return False

    for drive in drives:
        server.add(drive_path(drive), zip_bytes(drive_files(drive, frames=1))).faults = [slow]
    assert download.download(the_drive(server, *drives), root, jobs=3) == []
    assert max(seen) == 3 and {name.split("/")[1] for name in tree(root)} == set(drives)


def test_an_unexpected_error_is_not_swallowed(server, problems, monkeypatch):
    monkeypatch.setattr(download, "_place", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        problems()
