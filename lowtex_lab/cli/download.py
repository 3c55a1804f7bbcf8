"""Fetching archives of KITTI and unpacking them into a root, so that the readers find them.

An archive is fetched, unpacked beside the data, compared with its checksums, moved into place and recorded, in that
order; a kill at any moment leaves a state from which the next call goes on. `requests` brings the bytes: pooch, the
usual library for data sets, starts anew after every interruption, and an archive of several GB may then never arrive.
"""

import hashlib
import os
import re
import shutil
import stat
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path, PurePosixPath

import requests
from filelock import FileLock, Timeout
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from lowtex import __version__
from lowtex.datasets.kitti import SIDES, find_drives
from lowtex.datasets.splits import KITTI_SPLITS, packaged_frames
from lowtex.errors import DataError
from lowtex.files import NoSpaceError, disk_problem, read_json, require_space, shown_size, write_json
from lowtex.progress import Progress, say
from lowtex_lab.cli.kitti_archives import CALIBRATION_FILES, IMPROVED_FOLDERS, LICENCE, Archive

ARCHIVES = "archives"
"""Folder in a root for archives, parts of them, and the records of what was unpacked."""

TRIES = 6
"""Tries in a row that bring nothing, before an archive is given up."""

PAUSE_S = 1.0
"""Wait before the second try; doubled each time. A longer wait that the server asks for is respected."""

WAIT_S = (15.0, 60.0)
"""Seconds to wait for a connection, and for the next bytes."""

CHUNK = 1 << 18
MEGABYTE = 1_000_000

UNPACKED_GROWTH = 1.1
"""Estimate of what an archive unpacks to, before it is here: pictures and scans hardly compress."""

MOST_GROWTH = 20
"""An archive that claims to grow more than this (and beyond a megabyte) is a bomb or broken."""


class _StoppedError(Exception):
    """The user interrupted, or a full disk ended it all."""


class _PassingError(Exception):
    """Something that another try may mend."""


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
    say(LICENCE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink():
            raise DataError(f"{folder} is a link; put a folder in its place, because archives are unpacked in there")
        lock = FileLock(folder / ".lock", timeout=0)
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
        for archive in archives:
            if archive not in missing:
                _discard(_zip(archive, root), keep_archives)
        if len(missing) < len(archives):
            there = f"{len(archives) - len(missing)} of {len(archives)} archives"
            say(f"{there} are in {root} already (--again fetches them all the same)")
        return _bring(missing, root, jobs, keep_archives) if missing else []
    finally:
        lock.release()


def _bring(archives: list[Archive], root: Path, jobs: int, keep: bool) -> list[str]:
    """Fetch and unpack with several threads; a problem of one archive ends only that one, a full disk ends all.

    The threads are daemons, so that a silent server can't hold up a user who wants to leave.
    """
    stop, problems, sizes, have = threading.Event(), {}, {}, {}
    unforeseen: list[BaseException] = []
    with _session() as session:
        for archive in archives:
            path = _zip(archive, root)
            try:
                sizes[archive.name] = path.stat().st_size if path.is_file() else _size(archive.url, session)
            except DataError as error:
                problems[archive.name] = str(error)
                continue
            part = path if path.is_file() else _part(path)
            have[archive.name] = _length(part)
    # shared by the threads: each takes the next
    waiting = iter([archive for archive in archives if archive.name in sizes])
    left = sorted(max((size or 0) - have[name], 0) for name, size in sizes.items())
    came = f", {shown_size(sum(have.values()))} came before" if any(have.values()) else ""
    say(f"archives to unpack into {root}: {len(sizes)}, {shown_size(sum(left))} to fetch{came}")
    total = sum(size or 0 for size in sizes.values())
    require_space(root, int(UNPACKED_GROWTH * total + sum(left if keep else left[-jobs:])), "this download")

    def run() -> None:
        with _session() as session:
            for archive in waiting:
                try:
                    _go_on(stop)
                    _bring_one(archive, root, keep, session, stop, have)
                except _StoppedError:
                    return
                except (DataError, OSError) as error:
                    told = error if isinstance(error, DataError) else disk_problem(error, _zip(archive, root))
                    problems[archive.name] = str(told)
                    if isinstance(told, NoSpaceError):
                        stop.set()
                except BaseException as error:
                    unforeseen.append(error)
                    stop.set()

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(jobs, len(sizes)))]
    for thread in threads:
        thread.start()
    try:
        with Progress("fetching", total // MEGABYTE, "megabyte") if total >= MEGABYTE else nullcontext() as progress:
            while any(thread.is_alive() for thread in threads):
                time.sleep(0.02)
                if progress is not None and (more := sum(have.values()) // MEGABYTE - progress.done) > 0:
                    progress.update(more)
    except BaseException:
        stop.set()
        raise
    if unforeseen:
        raise unforeseen[0]
    say(f"{sum(name not in problems for name in sizes)} of {len(sizes)} archives unpacked into {root}")
    return [problems[archive.name] for archive in archives if archive.name in problems]


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise _StoppedError


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _bring_one(archive: Archive, root: Path, keep: bool, session, stop: threading.Event, have: dict[str, int]) -> None:
    path = _zip(archive, root)
    if not path.is_file():
        _fetch(archive, path, session, stop, lambda count: have.update({archive.name: count}))
    elif archive.sha256:
        _require_sha256(path, archive)
    fetched = _state(path).is_file()
    try:
        _unpack(archive, path, root, stop)
    except _BadArchiveError as error:
        if not fetched:
            raise DataError(f"{error}; delete it or put a good one in its place") from error
        path.unlink()
        _state(path).unlink()
        raise DataError(f"{error}; it was deleted, the same command fetches it anew") from error
    _discard(path, keep)


def _discard(path: Path, keep: bool) -> None:
    """The archive has served. One that was fetched goes unless it is to be kept; one that was put there stays."""
    if _state(path).is_file():
        if not keep:
            path.unlink(missing_ok=True)
        _state(path).unlink()


def _session() -> requests.Session:
    """Tries a request again where the server is busy; certificates are verified, redirects never lead from https."""
    session = _Session()
    busy = (408, 425, 429, 500, 502, 503, 504)
    retry = Retry(TRIES - 1, backoff_factor=PAUSE_S / 2, status_forcelist=busy, raise_on_status=False, redirect=10)
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    # a compressed answer would have another length, and could not be continued
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": f"lowtex/{__version__}"})
    return session


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target and resp.url.startswith("https:") and target.startswith("http:"):
            raise requests.exceptions.InvalidSchema(f"the server redirects to {target}, which is not followed")
        return target


def _request(session: requests.Session, method: str, url: str, **options) -> requests.Response:
    try:
        response = session.request(method, url, timeout=WAIT_S, stream=True, allow_redirects=True, **options)
    except requests.RequestException as error:
        raise DataError(f"{url}: {error}; what has come is kept: run the same command again to go on") from error
    if response.status_code in (401, 403, 404, 410):
        # S3 answers 403 for a name that doesn't exist
        told = f"{url} is not on the server, or not for everybody ({response.status_code})"
        raise DataError(f"{told}; check the name and --source")
    if not response.ok and response.status_code not in (405, 416, 501):
        told = f"{url}: the server answers {response.status_code}; what has come is kept: run the same command again"
        raise DataError(f"{told} later, or check the address and --source")
    return response


def _size(url: str, session: requests.Session) -> int | None:
    """Bytes of a served file; None where the server does not say."""
    with _request(session, "HEAD", url) as response:
        length = response.headers.get("Content-Length", "")
        return int(length) if response.ok and length.isdecimal() else None


def _fetch(archive: Archive, path: Path, session: requests.Session, stop: threading.Event, report: Callable) -> None:
    """Bring an archive to ``path``, continuing a part that came before where the server still has the same version."""
    part, failures = _part(path), 0
    while True:
        before = _length(part)
        try:
            _fetch_once(archive.url, path, part, session, stop, report)
            break
        except _PassingError as error:
            failures = 1 if _length(part) > before else failures + 1
            if failures >= TRIES:
                told = f"{archive.url}: {error}; given up after {failures} tries"
                raise DataError(f"{told}; what has come is kept: run the same command again to go on") from error
            stop.wait(PAUSE_S * 2 ** (failures - 1))
    if archive.sha256:
        try:
            _require_sha256(part, archive)
        except DataError:
            part.unlink()
            raise
    # its state stays, and tells that the archive was fetched, not put there
    os.replace(part, path)


def _fetch_once(url: str, path: Path, part: Path, session, stop: threading.Event, report: Callable) -> None:
    """One try; the state file says of which address and version the part's bytes are."""
    try:
        state = read_json(_state(path))
    except DataError:
        state = {}
    validator = state.get("validator") if isinstance(state, dict) and state.get("url") == url else None
    have = _length(part) if validator else 0
    headers = {"Range": f"bytes={have}-", "If-Range": validator} if have else {}
    with _request(session, "GET", url, headers=headers) as response:
        told = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        changed = validator not in (response.headers.get("ETag"), response.headers.get("Last-Modified"))
        continued = have and response.status_code == 206 and told and int(told[1]) == have and not changed
        if have and response.status_code == 416 and response.headers.get("Content-Range") == f"bytes */{have}":
            # killed after the last byte and before the archive got its name
            return
        if not continued and response.status_code != 200:
            part.unlink()
            raise _PassingError(f"asked for the bytes from {have} on, the server sent others; beginning anew")
        length = response.headers.get("Content-Length", "")
        if not continued:
            # the old bytes go before the new state comes: a kill in between must not marry the two
            part.unlink(missing_ok=True)
            etag = response.headers.get("ETag") or "W/"
            # only a strong ETag or a date tells that the rest is of the same version (RFC 9110, 13.1.5)
            validator = response.headers.get("Last-Modified") if etag.startswith("W/") else etag
            write_json(_state(path), {"url": url, "validator": validator})
            have = 0
        whole = have + int(length) if length.isdecimal() else None
        with part.open("ab", buffering=0) as file:
            while True:
                try:
                    # read1 gives what has come; requests' own iteration gathers whole chunks, and loses one that is cut
                    chunk = response.raw.read1(CHUNK)
                except (HTTPError, OSError) as error:
                    raise _PassingError(f"the connection broke after {have} bytes") from error
                _go_on(stop)
                if not chunk:
                    break
                have += file.write(chunk)
                report(have)
    if whole is not None and have != whole:
        raise _PassingError(f"{have} bytes came instead of {whole}")


def _require_sha256(path: Path, archive: Archive) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != archive.sha256:
        raise DataError(
            f"{path.name} has the checksum sha256:{digest}, not sha256:{archive.sha256} as listed; the file or the "
            "list is a wrong one"
        )


class _BadArchiveError(DataError):
    """The archive itself is at fault: damaged, dangerous, or another one than its name says."""


def _unpack(archive: Archive, path: Path, root: Path, stop: threading.Event) -> None:
    """Unpack beside the data, which compares length and CRC-32 of every file, then move into place."""
    staging = path.with_suffix(".unpacking")
    try:
        with zipfile.ZipFile(path) as content:
            infos = _harmless(content, path)
            wanted = [i for i in infos if not i.is_dir() and archive.belongs(tuple(i.filename.split("/")))]
            if not wanted:
                raise _BadArchiveError(f"{path} holds nothing of what its name promises")
            require_space(root, sum(info.file_size for info in wanted), f"unpacking {archive.name}")
            for info in wanted:
                _go_on(stop)
                content.extract(info, staging)
        replaced = _place(archive, staging, wanted, root)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise _BadArchiveError(f"{path} is damaged or no zip archive ({error})") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    aside = f"; moved to {ARCHIVES}/replaced because they differed: {replaced}" if replaced else ""
    say(f"{archive.name}: files unpacked: {len(wanted)}{aside}")


def _harmless(content: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """The archive's entries, if each is a plain file or folder inside it and all together have a likely size."""
    infos, seen = content.infolist(), set()
    for info in infos:
        name, kind = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
        parts = name.removesuffix("/").split("/")
        if any(part in ("", ".", "..") or re.search(r'[\x00-\x1f\\:*?"<>|]', part) for part in parts):
            raise _BadArchiveError(f"{path}: entry {name!r} is no path inside the archive; nothing was unpacked")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or info.flag_bits & 0x1:
            raise _BadArchiveError(f"{path}: entry {name!r} is a link, encrypted or no file; nothing was unpacked")
        if name.casefold() in seen:
            raise _BadArchiveError(f"{path}: entry {name!r} is there twice; nothing was unpacked")
        seen.add(name.casefold())
    size = sum(info.file_size for info in infos)
    if size > max(MOST_GROWTH * path.stat().st_size, MEGABYTE):
        raise _BadArchiveError(f"{path} claims to unpack to {shown_size(size)}, far more than its own size")
    return infos


def _place(archive: Archive, staging: Path, infos: list[zipfile.ZipInfo], root: Path) -> int:
    """Move what was unpacked into place and record it; returns how many files had to give way.

    A drive goes where it lies already. A file that is there stays if it is the same; if not it is set aside, never
    overwritten: it may be somebody's own.
    """
    top = PurePosixPath(archive.date, archive.name)
    drive = _drives(root).get(archive.name) if archive.kind == "drive" else None
    folders: dict[str, dict[str, int]] = {}
    replaced = 0
    if archive.kind == "drive" and drive is None:
        _make_folder((root / top).parent, root)
        if not os.path.lexists(root / top):
            # in one move: a drive is there whole or not at all
            os.rename(staging / top, root / top)
    for info in infos:
        inside = PurePosixPath(info.filename)
        target = drive / inside.relative_to(top) if drive else root / inside
        source = staging / inside
        if source.exists():
            replaced += _place_file(source, target, info, root)
        folders.setdefault(target.parent.relative_to(root).as_posix(), {})[target.name] = info.file_size
    write_json(root / ARCHIVES / f"{archive.name}.unpacked.json", {"url": archive.url, "folders": folders})
    return replaced


def _place_file(source: Path, target: Path, info: zipfile.ZipInfo, root: Path) -> bool:
    _make_folder(target.parent, root)
    gives_way = os.path.lexists(target)
    if gives_way:
        if target.is_dir():
            raise DataError(f"{target} is a folder, but a file belongs there; move it away and run this again")
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

    After its own unpacking that means every file with its size (a JPEG in place of a PNG will do: many convert).
    Of a drive unpacked by other means: both images and the scan of every frame in the packaged lists; of improved
    depth maps: every map of ``eigen_benchmark/test``; of a calibration: its files.
    """
    try:
        folders = read_json(root / ARCHIVES / f"{archive.name}.unpacked.json")["folders"]
        return all(_complete(root / folder, sizes) for folder, sizes in folders.items())
    except (DataError, KeyError, TypeError, AttributeError):
        # no record, or somebody else's words: look for ourselves
        pass
    if archive.kind == "calibration":
        found = _sizes(root / archive.date)
        return all(found.get(name) for name in CALIBRATION_FILES)
    if archive.kind == "improved":
        maps = "{}/proj_depth/groundtruth/image_{}/{:010d}.png"
        listed = packaged_frames("eigen_benchmark/test")
        names = [maps.format(Path(f.folder).name, SIDES[f.side], f.frame) for f in listed]
        return all(any((root / top / name).is_file() for top in IMPROVED_FOLDERS) for name in names)
    frames, drive = _listed_frames().get(archive.name), _drives(root).get(archive.name)
    if drive is None or not frames:
        return False
    places = [(f"image_{camera}", (".png", ".jpg", ".jpeg")) for camera in SIDES.values()]
    for name, suffixes in [*places, ("velodyne_points", (".bin",))]:
        files = (PurePosixPath(file) for file, size in _sizes(drive / name / "data").items() if size)
        if frames - {file.stem for file in files if file.suffix.lower() in suffixes}:
            return False
    return True


def _complete(folder: Path, sizes: dict[str, int]) -> bool:
    found = _sizes(folder)
    for name, size in sizes.items():
        stem, _, suffix = name.rpartition(".")
        converted = suffix == "png" and (found.get(f"{stem}.jpg") or found.get(f"{stem}.jpeg"))
        if found.get(name) != size and not (name not in found and converted):
            return False
    return True


@lru_cache(maxsize=1)
def _listed_frames() -> dict[str, set[str]]:
    """Frames of each drive that any packaged list knows, as their files are named."""
    frames: dict[str, set[str]] = {}
    for split in KITTI_SPLITS:
        for frame in packaged_frames(split):
            frames.setdefault(frame.folder.split("/")[1], set()).add(f"{frame.frame:010d}")
    return frames


def _drives(root: Path) -> dict[str, Path]:
    try:
        return find_drives(root)
    except DataError:
        # no drive yet
        return {}


def _sizes(folder: Path) -> dict[str, int]:
    """Size of each file in a folder by name; empty where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    except OSError:
        return {}


def _zip(archive: Archive, root: Path) -> Path:
    """Where the archive itself lies while it is needed."""
    return root / ARCHIVES / f"{archive.name}.zip"


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _state(path: Path) -> Path:
    return path.with_name(f"{path.name}.part.json")
