"""Fetching archives of KITTI and unpacking them into a root, so that the readers find them.

An archive is fetched, unpacked beside the data, compared with its checksums, moved into place and recorded, in that
order; a kill at any moment leaves a state from which the next call goes on. `requests` brings the bytes: pooch, the
usual library for data sets, starts anew after every interruption, and an archive of several GB may then never arrive.
"""

import hashlib
import itertools
import os
import shutil
import stat
import threading
import time
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import requests
from filelock import FileLock, Timeout
from urllib3.exceptions import HTTPError

from lowtex import __version__
from lowtex.datasets.kitti import DepthMaps, KittiRaw, find_drives
from lowtex.datasets.reader import tolerating_missing
from lowtex.datasets.splits import AVAILABLE, KITTI_SPLITS, Frame, packaged_frames
from lowtex.errors import DataError
from lowtex.files import NoSpaceError, disk_problem, read_json, require_space, shown_size, write_json
from lowtex.progress import Progress, say
from lowtex_lab.cli.kitti_archives import KITTI, Archive

ARCHIVES = "archives"
"""Folder in a root for archives, parts of them, and the records of what was unpacked."""

TRIES = 6
"""Tries in a row that bring nothing, before an archive is given up."""

PAUSE_S = 1.0
"""Wait before the second try; doubled each time."""

WAIT_S = (15.0, 60.0)
"""Seconds to wait for a connection, and for the next bytes."""

CHUNK = 1 << 18
MEGABYTE = 1_000_000

UNPACKED_GROWTH = 1.1
"""Estimate of what an archive unpacks to, before it is here: pictures and scans hardly compress."""


class _PassingError(Exception):
    """Something that another try may mend."""


class _BadArchiveError(DataError):
    """The archive itself is at fault: damaged, or another one than its name says."""


def download(
    archives: Sequence[Archive], root: Path, jobs: int = 2, keep_archives: bool = False, again: bool = False
) -> list[str]:
    """Bring archives into a root. What is there already is left alone.

    Args:
        archives: what to bring; each name once.
        root: made if it is missing. Archives, parts of them and records lie in ``<root>/archives``.
        jobs: archives that are fetched at the same time.
        keep_archives: leave them there once they are unpacked. One that the user put there stays anyway.
        again: also bring what seems to be there; files that are the same stay.

    Returns:
        One line for each problem; if there is none, all that was asked for is there.

    Raises:
        DataError: the folder can't be used, or another process downloads into it.
        NoSpaceError: the disk is too small; nothing was fetched.
    """
    root = Path(os.path.abspath(root))
    folder = root / ARCHIVES
    say(KITTI["licence"])
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink():
            raise DataError(f"{folder} is a link; put a folder in its place, because archives are unpacked in there")
        lock.acquire()
    except Timeout as error:
        raise DataError(f"another lowtex data download is at work in {root}; wait until it has ended") from error
    except OSError as error:
        raise disk_problem(error, root) from error
    try:
        # what a killed call left half made
        for left_over in folder.glob("*.unpacking"):
            shutil.rmtree(left_over)
        for left_over in folder.glob(".*.json"):
            left_over.unlink()
        missing = [archive for archive in archives if again or not is_there(archive, root)]
        for archive in set(archives) - set(missing):
            _discard(_zip(archive, root), keep_archives)
        if len(missing) < len(archives):
            there = f"{len(archives) - len(missing)} of {len(archives)} archives"
            say(f"{there} are in {root} already (--again fetches them all the same)")
        return _bring(missing, root, jobs, keep_archives) if missing else []
    finally:
        lock.release()


def _bring(archives: list[Archive], root: Path, jobs: int, keep: bool) -> list[str]:
    """Fetch and unpack with several threads; a problem of one archive ends only that one, one of the disk ends all.

    The threads are daemons, so that a silent server can't hold up a user who wants to leave.
    """
    errors: dict[str, BaseException] = {}
    have = {a.name: _length(_zip(a, root)) or _length(_part(_zip(a, root))) for a in archives}
    sizes = {a.name: _length(_zip(a, root)) or _served_size(a.url) for a in archives}
    left = sorted(max(size - have[name], 0) for name, size in sizes.items())
    total, came = sum(sizes.values()), f", {shown_size(sum(have.values()))} came before" if any(have.values()) else ""
    say(f"archives to unpack into {root}: {len(archives)}, {shown_size(sum(left))} to fetch{came}")
    require_space(root, int(UNPACKED_GROWTH * total + sum(left if keep else left[-jobs:])), "this download")
    # shared by the threads: each takes the next
    waiting, stop = iter(archives), threading.Event()

    def run() -> None:
        for archive in waiting:
            if stop.is_set():
                return
            try:
                _bring_one(archive, root, keep, have)
            except BaseException as error:
                errors[archive.name] = error
                if not isinstance(error, DataError) or isinstance(error, NoSpaceError):
                    stop.set()

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(jobs, len(archives)))]
    for thread in threads:
        thread.start()
    with Progress("fetching", total // MEGABYTE, "megabyte") if total >= MEGABYTE else nullcontext() as progress:
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.02)
            if progress is not None and (more := sum(have.values()) // MEGABYTE - progress.done) > 0:
                progress.update(more)
    for name, error in errors.items():
        if isinstance(error, OSError):
            errors[name] = disk_problem(error, root)
        elif not isinstance(error, DataError):
            raise error
    if not stop.is_set():
        say(f"{len(archives) - len(errors)} of {len(archives)} archives unpacked into {root}")
    return [str(errors[archive.name]) for archive in archives if archive.name in errors]


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _bring_one(archive: Archive, root: Path, keep: bool, have: dict[str, int]) -> None:
    path = _zip(archive, root)
    if not path.is_file():
        _fetch(archive, path, have)
    try:
        _require_sha256(path, archive)
        _unpack(archive, path, root)
    except _BadArchiveError as error:
        if not _state(path).is_file():
            raise DataError(f"{error}; delete it or put a good one in its place") from error
        _discard(path, keep=False)
        raise DataError(f"{error}; it was deleted, the same command fetches it anew") from error
    _discard(path, keep)


def _request(method: str, url: str, **headers: str) -> requests.Response:
    # a compressed answer would have another length, and could not be continued
    headers |= {"Accept-Encoding": "identity", "User-Agent": f"lowtex/{__version__}"}
    response = requests.request(method, url, headers=headers, timeout=WAIT_S, stream=True, allow_redirects=True)
    if url.startswith("https:") and not response.url.startswith("https:"):
        raise DataError(f"{url} leads to {response.url}, which is not followed: anybody could answer there")
    if response.status_code in (408, 425, 429) or response.status_code >= 500:
        raise _PassingError(f"the server answers {response.status_code}")
    return response


def _served_size(url: str) -> int:
    """Bytes of a served file; 0 where the server does not say."""
    try:
        with _request("HEAD", url) as response:
            return int(response.headers.get("Content-Length", 0)) if response.ok else 0
    except (requests.RequestException, _PassingError, DataError):
        # told where it is fetched
        return 0


def _fetch(archive: Archive, path: Path, have: dict[str, int]) -> None:
    """Bring an archive to ``path``, continuing a part that came before where the server still has the same version."""
    part, failures = _part(path), 0
    while True:
        before = _length(part)
        try:
            for length in _fetch_once(archive.url, path):
                have[archive.name] = length
            break
        except (_PassingError, HTTPError, requests.RequestException) as error:
            failures = 1 if _length(part) > before else failures + 1
            if failures >= TRIES:
                told = f"{archive.url}: {error}; given up after {failures} tries"
                raise DataError(f"{told}; what has come is kept: run the same command again to go on") from error
            time.sleep(PAUSE_S * 2 ** (failures - 1))
    # its state stays, and tells that the archive was fetched, not put there
    os.replace(part, path)


def _fetch_once(url: str, path: Path) -> Iterator[int]:
    """One try; yields how many bytes are there. The state file says of which address and version they are."""
    part = _part(path)
    try:
        state = dict(read_json(_state(path)))
    except (DataError, TypeError, ValueError):
        state = {}
    validator = state.get("validator") if state.get("url") == url else None
    have = _length(part) if validator else 0
    with _request("GET", url, **({"Range": f"bytes={have}-", "If-Range": validator} if have else {})) as response:
        status, answer = response.status_code, response.headers
        same = validator in (answer.get("ETag"), answer.get("Last-Modified"))
        continued = status == 206 and same and answer.get("Content-Range", "").startswith(f"bytes {have}-")
        if status == 416 and answer.get("Content-Range") == f"bytes */{have}":
            # killed after the last byte and before the archive got its name
            return
        if status in (206, 416) and not continued:
            part.unlink()
            raise _PassingError(f"asked for the bytes from {have} on, the server sent others; beginning anew")
        if not response.ok:
            # S3 answers 403 for a name that doesn't exist
            told = f"{url} is not on the server, or not for everybody (it answers {status})"
            raise DataError(f"{told}; check the name and --source. What has come is kept")
        if not continued:
            # the old bytes go before the new state comes: a kill in between must not marry the two
            part.unlink(missing_ok=True)
            etag = answer.get("ETag") or "W/"
            # only a strong ETag or a date tells that the rest is of the same version (RFC 9110, 13.1.5)
            validator = answer.get("Last-Modified") if etag.startswith("W/") else etag
            write_json(_state(path), {"url": url, "validator": validator})
            have = 0
        whole = have + int(answer["Content-Length"]) if "Content-Length" in answer else None
        with part.open("ab", buffering=0) as file:
            # read1 gives what has come; requests' own iteration gathers whole chunks, and loses one that is cut
            while chunk := response.raw.read1(CHUNK):
                have += file.write(chunk)
                yield have
    if whole is not None and have != whole:
        raise _PassingError(f"{have} bytes came instead of {whole}")


def _require_sha256(path: Path, archive: Archive) -> None:
    if archive.sha256:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != archive.sha256:
            raise _BadArchiveError(
                f"{path} has the checksum sha256:{digest}, not sha256:{archive.sha256} as listed; the file or the list "
                "is a wrong one"
            )


def _discard(path: Path, keep: bool) -> None:
    """The archive has served. One that was fetched goes unless it is to be kept; one that was put there stays."""
    if _state(path).is_file():
        if not keep:
            path.unlink(missing_ok=True)
        _state(path).unlink()


def _unpack(archive: Archive, path: Path, root: Path) -> None:
    """Unpack beside the data, which compares length and CRC-32 of every file, then move into place.

    Only plain files under the names that the archive should hold are unpacked.
    """
    staging = path.with_suffix(".unpacking")
    try:
        with zipfile.ZipFile(path) as content:
            plain = [i for i in content.infolist() if stat.S_IFMT(i.external_attr >> 16) in (0, stat.S_IFREG)]
            wanted = [info for info in plain if archive.belongs(info.filename)]
            if not wanted:
                raise _BadArchiveError(f"{path} holds nothing of what its name promises")
            require_space(root, sum(info.file_size for info in wanted), f"unpacking {archive.name}")
            content.extractall(staging, wanted)
        replaced = _place(archive, staging, wanted, root)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise _BadArchiveError(f"{path} is damaged or no zip archive ({error})") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    aside = f"; moved to {ARCHIVES}/replaced because they differed: {replaced}" if replaced else ""
    say(f"{archive.name}: files unpacked: {len(wanted)}{aside}")


def _place(archive: Archive, staging: Path, infos: list[zipfile.ZipInfo], root: Path) -> int:
    """Move what was unpacked into place and record it; returns how many files had to give way.

    A drive goes where it lies already. A file that is there stays if it is the same; if not it is set aside, never
    overwritten: it may be somebody's own.
    """
    top = Path(archive.date, archive.name)
    drive = _drives(root).get(archive.name, root / top)
    if archive.kind == "drive" and not os.path.lexists(drive):
        _make_folder(drive.parent, root)
        # in one move: a drive is there whole or not at all
        os.rename(staging / top, drive)
    sizes: dict[str, int] = {}
    replaced = 0
    for info in infos:
        inside = Path(info.filename)
        target = drive / inside.relative_to(top) if archive.kind == "drive" else root / inside
        if (staging / inside).exists():
            replaced += _place_file(staging / inside, target, info, root)
        sizes[target.relative_to(root).as_posix()] = info.file_size
    write_json(_record(archive, root), {"url": archive.url, "sizes": sizes})
    return replaced


def _place_file(source: Path, target: Path, info: zipfile.ZipInfo, root: Path) -> bool:
    _make_folder(target.parent, root)
    gives_way = os.path.lexists(target)
    if target.is_dir():
        raise DataError(f"{target} is a folder, but a file belongs there; move it away and run this again")
    if gives_way:
        if target.stat().st_size == info.file_size and zlib.crc32(target.read_bytes()) == info.CRC:
            return False
        aside = root / ARCHIVES / "replaced" / f"{target.relative_to(root)}.{time.time_ns()}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        os.rename(target, aside)
    os.rename(source, target)
    return gives_way


def _make_folder(folder: Path, root: Path) -> None:
    if not folder.resolve().is_relative_to(root.resolve()):
        raise DataError(
            f"{folder} leads through a link out of {root}, and nothing is unpacked out there; put what it leads to in "
            "the link's place, or give another folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_problem(error, folder) from error


def is_there(archive: Archive, root: Path) -> bool:
    """All of an archive is in a root.

    After its own unpacking that means every file with its size (a JPEG in place of a PNG will do: many convert). Of a
    drive unpacked by other means: both images and the scan of every frame in the packaged lists; of improved depth
    maps: every map of ``eigen_benchmark/test``; of a calibration: its files.
    """
    try:
        sizes = read_json(_record(archive, root))["sizes"]
        return all(_length(root / name) == size or _is_converted(root / name) for name, size in sizes.items())
    except (DataError, KeyError, TypeError, AttributeError):
        # no record, or somebody else's words: look for ourselves
        pass
    if archive.kind == "calibration":
        return all(_length(root / archive.date / name) for name in KITTI["calibration_files"])
    try:
        with tolerating_missing():
            reader = DepthMaps(root, "test") if archive.kind == "improved" else KittiRaw(root, AVAILABLE, depth=None)
    except DataError:
        # no map and no drive yet
        return False
    if archive.kind == "improved":
        return all(reader.has("map", f) for f in reader.frames)
    left = Frame(f"{archive.date}/{archive.name}", 0, "l")
    listed = _listed_frames()[left.folder]
    kinds = [reader.files(*kind) for kind in (("image", left), ("image", left._replace(side="r")), ("scan", left))]
    return bool(listed) and all(listed <= set(there) for there in kinds)


@cache
def _listed_frames() -> dict[str, set[int]]:
    """Frames that any packaged list has, by ``<date>/<drive>``; empty for another drive."""
    listed = defaultdict(set)
    for f in itertools.chain.from_iterable(map(packaged_frames, KITTI_SPLITS)):
        listed[f.folder].add(f.frame)
    return listed


def _is_converted(path: Path) -> bool:
    is_picture = path.suffix == ".png" and not path.exists()
    return is_picture and any(_length(path.with_suffix(suffix)) for suffix in (".jpg", ".jpeg"))


def _drives(root: Path) -> dict[str, Path]:
    try:
        return find_drives(root)
    except DataError:
        # no drive yet
        return {}


def _zip(archive: Archive, root: Path) -> Path:
    """Where the archive itself lies while it is needed."""
    return root / ARCHIVES / f"{archive.name}.zip"


def _record(archive: Archive, root: Path) -> Path:
    """What was unpacked of it."""
    return root / ARCHIVES / f"{archive.name}.unpacked.json"


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _state(path: Path) -> Path:
    return path.with_name(f"{path.name}.part.json")
