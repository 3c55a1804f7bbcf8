"""Fetching archives of KITTI and unpacking them into a root, so that the readers find them.

An archive is fetched, tested, unpacked beside the data, moved into place and recorded, in that order; a kill at any
moment leaves a state from which the next call goes on. `requests` brings the bytes: pooch, the usual library for data
sets, starts anew after every interruption, and at several GB an archive that is often never to arrive.
"""

import os
import queue
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from lowtex.disk_space import NoSpaceError, disk_problem, require_space, shown_size
from lowtex.downloads.downloaded import ARCHIVES, DownloadedTree
from lowtex.downloads.http_files import Fetcher, Patience, StoppedError
from lowtex.downloads.kitti_archives import LICENCE, Archive
from lowtex.downloads.partial_files import PartialFile, Served
from lowtex.downloads.placing import Placer
from lowtex.downloads.zip_files import ArchiveFile, BadArchiveError
from lowtex.errors import DataError
from lowtex.progress import Progress, say

UNPACKED_GROWTH = 1.1
"""Estimate of what an archive unpacks to, before its table is there: pictures and scans hardly compress."""

MEGABYTE = 1_000_000

LONG_UNPACKING = 1000 * MEGABYTE
"""From this size on, testing and unpacking show their progress."""

UNPACKING = ".unpacking"
"""Ending of the folder an archive is unpacked in, before its files are moved into place."""

GRACE_S = 2.0
"""How long an interrupted download waits for its threads; what they wrote is safe at any moment."""


def download(
    archives: Sequence[Archive],
    folder: Path,
    jobs: int = 2,
    keep_archives: bool = False,
    patience: Patience | None = None,
    again: bool = False,
) -> list[str]:
    """Bring archives into a root. What is there already is left alone.

    Args:
        archives: what to bring; each name once.
        folder: the root; made if it's missing. Archives, parts of them and records lie in ``<folder>/archives``.
        jobs: archives that are fetched at the same time.
        keep_archives: leave them there once they're unpacked. One that the user put there stays anyway.
        patience: with slow and failing servers.
        again: also bring what seems to be there; files that are the same stay.

    Returns:
        One line for each problem; if there is none, all that was asked for is there.

    Raises:
        DataError: the folder can't be used, or another process downloads into it.
        NoSpaceError: the disk is too small; nothing was fetched.
    """
    folder = Path(os.path.abspath(folder))
    say(LICENCE)
    try:
        inside = folder / ARCHIVES
        inside.mkdir(parents=True, exist_ok=True)
        if inside.is_symlink():
            raise DataError(f"{inside} is a link; put a folder in its place, because archives are unpacked in there")
        lock = FileLock(inside / ".lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise DataError(f"another lowtex data download is at work in {folder}; wait until it has ended") from error
    except OSError as error:
        raise disk_problem(error, folder) from error
    try:
        return _Download(folder, jobs, keep_archives, patience or Patience()).bring(archives, again)
    finally:
        lock.release()


class _Download:
    """One call: the threads, and what they have in common."""

    def __init__(self, folder: Path, jobs: int, keep_archives: bool, patience: Patience):
        self.folder, self.jobs, self.keep, self.patience = folder, jobs, keep_archives, patience
        self.tree = DownloadedTree(folder)
        self.stop = threading.Event()
        self.problems: dict[str, str] = {}
        self.served: dict[str, Served] = {}

    def bring(self, archives: Sequence[Archive], again: bool) -> list[str]:
        self._sweep()
        missing = [archive for archive in archives if again or not self.tree.has(archive)]
        for archive in archives:
            if archive not in missing:
                self._discard(archive)
        if len(missing) < len(archives):
            there = f"{len(archives) - len(missing)} of {len(archives)} archives"
            say(f"{there} are in {self.folder} already (--again fetches them all the same)")
        self._in_threads([archive for archive in missing if not self._is_fetched(archive)], self._look)
        todo = [archive for archive in missing if self._is_fetched(archive) or archive.name in self.served]
        if todo:
            self._fetch_all(todo)
        return [self.problems[archive.name] for archive in archives if archive.name in self.problems]

    def _is_fetched(self, archive: Archive) -> bool:
        return self.tree.archive(archive).is_file()

    def _look(self, archive: Archive, fetcher: Fetcher) -> None:
        self.served[archive.name] = fetcher.look(archive.url)

    def _fetch_all(self, todo: list[Archive]) -> None:
        sizes, came = {}, {}
        for archive in todo:
            path = self.tree.archive(archive)
            if path.is_file():
                sizes[archive.name] = came[archive.name] = path.stat().st_size
            else:
                sizes[archive.name] = self.served[archive.name].size
                came[archive.name] = PartialFile(path, archive.url).have
        unknown = sum(size is None for size in sizes.values())
        left = {name: max((size or 0) - came[name], 0) for name, size in sizes.items()}
        say(
            f"archives to unpack into {self.folder}: {len(todo)}, {shown_size(sum(left.values()))} to fetch"
            + (f", {shown_size(sum(came.values()))} came before" if any(came.values()) else "")
            + (f"; {unknown} of unknown size" if unknown else "")
        )
        unpacked = UNPACKED_GROWTH * sum(size or 0 for size in sizes.values())
        largest = sorted(left.values())[-self.jobs :]
        require_space(self.folder, int(unpacked + sum(left.values() if self.keep else largest)), "this download")
        meter = _Meter(0 if unknown else sum(sizes.values()))
        with meter:
            self._in_threads(todo, lambda archive, fetcher: self._one(archive, fetcher, meter))
        failed = sum(archive.name in self.problems for archive in todo)
        if not self.stop.is_set():
            say(f"{len(todo) - failed} of {len(todo)} archives unpacked into {self.folder}")

    def _one(self, archive: Archive, fetcher: Fetcher, meter: "_Meter") -> None:
        path = self.tree.archive(archive)
        if not path.is_file():
            fetcher.fetch(
                archive.url,
                path,
                looked=self.served[archive.name],
                sha256=archive.sha256,
                report=lambda have: meter.report(archive.name, have),
            )
        elif archive.sha256 is not None:
            fetcher.require_sha256(path, archive.sha256)
        meter.report(archive.name, path.stat().st_size)
        mark = PartialFile(path, archive.url)
        try:
            self._unpack(archive, path)
        except BadArchiveError as error:
            if not mark.was_fetched:
                raise DataError(f"{error}; delete it or put a good one in its place") from error
            path.unlink()
            mark.forget()
            raise DataError(f"{error}; it was deleted, the same command fetches it anew") from error
        self._discard(archive)

    def _discard(self, archive: Archive) -> None:
        """The archive has served. One that was fetched goes unless it's to be kept; one that was put there stays."""
        mark = PartialFile(self.tree.archive(archive), archive.url)
        if mark.was_fetched and not self.keep:
            mark.target.unlink()
        mark.forget()

    def _sweep(self) -> None:
        """Remove what calls that were killed left half made."""
        for entry in (self.folder / ARCHIVES).iterdir():
            if entry.suffix == UNPACKING:
                _remove(entry)
            elif entry.name.startswith(".") and entry.suffix == ".json":
                entry.unlink()

    def _unpack(self, archive: Archive, path: Path) -> None:
        staging = path.with_suffix(UNPACKING)
        try:
            with ArchiveFile(path, archive.belongs) as content:
                require_space(self.folder, content.size, f"unpacking {archive.name}")
                self._pass(content, f"{archive.name}: testing", lambda report: content.test(self.stop, report))
                staging.mkdir()
                files = self._pass(
                    content, f"{archive.name}: unpacking", lambda report: content.unpack(staging, self.stop, report)
                )
                left_out = f", others in it of no use: {content.left_out}" if content.left_out else ""
            replaced = self._place(archive, staging, files)
        finally:
            _remove(staging)
        gave_way = f"; moved to {ARCHIVES}/replaced because they differed: {replaced}" if replaced else ""
        say(f"{archive.name}: files unpacked: {len(files)}{left_out}{gave_way}")

    def _pass(self, content: ArchiveFile, title: str, action: Callable):
        if content.size < LONG_UNPACKING:
            return action(lambda files: None)
        with Progress(title, len(content), "file") as progress:
            return action(progress.update)

    def _place(self, archive: Archive, staging: Path, files: dict[tuple[str, ...], tuple[int, int]]) -> int:
        """Move into place what was unpacked; returns how many files had to give way."""
        moves: dict[tuple[str, ...], tuple[Path, dict]] = {}
        for parts, facts in files.items():
            unit, destination = self.tree.place(archive, parts)
            moves.setdefault(unit, (destination, {}))[1][parts[len(unit) :]] = facts
        placer = Placer(self.folder, self.folder / ARCHIVES / "replaced")
        for unit, (destination, inside) in moves.items():
            placer.place(staging.joinpath(*unit), destination, inside)
        self.tree.record(
            archive,
            [(to.joinpath(*rest), size) for to, inside in moves.values() for rest, (size, _) in inside.items()],
        )
        return len(placer.replaced)

    def _in_threads(self, archives: list[Archive], work: Callable[[Archive, Fetcher], None]) -> None:
        """Do ``work`` for each archive. Problems are noted; a full disk and an error that is none of them end it all.

        The threads are daemons, so that a server that says nothing can't hold up a user who wants to leave.
        """
        waiting: queue.SimpleQueue[Archive] = queue.SimpleQueue()
        for archive in archives:
            waiting.put(archive)
        unforeseen: list[BaseException] = []

        def run() -> None:
            with Fetcher(self.patience, self.stop) as fetcher:
                while not self.stop.is_set():
                    try:
                        archive = waiting.get_nowait()
                    except queue.Empty:
                        return
                    try:
                        work(archive, fetcher)
                    except StoppedError:
                        return
                    except DataError as error:
                        self.problems[archive.name] = str(error)
                        if isinstance(error, NoSpaceError):
                            self.stop.set()
                    except OSError as error:
                        self.problems[archive.name] = str(disk_problem(error, self.tree.archive(archive)))
                    except BaseException as error:
                        unforeseen.append(error)
                        self.stop.set()

        threads = [threading.Thread(target=run, daemon=True) for _ in range(min(self.jobs, len(archives)))]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.1)
        except BaseException:
            self.stop.set()
            for thread in threads:
                thread.join(GRACE_S)
            raise
        if unforeseen:
            raise unforeseen[0]


class _Meter:
    """The bytes of all archives as one bar, told by several threads; none for less than a megabyte."""

    def __init__(self, total: int):
        self._lock = threading.Lock()
        self._have: dict[str, int] = {}
        self._shown = 0
        self._progress = Progress("fetching", total // MEGABYTE or None, "megabyte") if total >= MEGABYTE else None

    def __enter__(self) -> "_Meter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if self._progress is not None:
            self._progress.close(finished=kind is None)

    def report(self, name: str, have: int) -> None:
        """``have`` bytes of an archive are there; where it began anew, the bar waits until it's as far again."""
        with self._lock:
            self._have[name] = have
            megabytes = sum(self._have.values()) // MEGABYTE
            if self._progress is not None and megabytes > self._shown:
                self._progress.update(megabytes - self._shown, name)
                self._shown = megabytes


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
