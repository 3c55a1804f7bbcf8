"""Making prepared samples: each decoded once, in parallel, resumable, and made anew only where its files changed.

Threads decode, because OpenCV lets go of Python's lock while it does (two processes were no faster). A sample's views
go straight to their place in a file whose room is taken before work begins; its record is then added to a journal. A
run that was killed goes on from there, after each sample found is compared with its checksum.
"""

import json
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout

from lowtex.data_paths import miniature_manifest
from lowtex.datasets.images import unit_range
from lowtex.datasets.prepared import PreparedPairs
from lowtex.datasets.prepared_disk import allocated, disk_errors, opened, write_at
from lowtex.datasets.prepared_format import (
    HEADER,
    JOURNAL,
    MAPS,
    SAMPLE_MAPS,
    SAMPLES,
    VIEWS,
    default_folder,
    described,
    pack_map,
    padded,
    relative,
    stamp,
    versions,
    view_bytes,
)
from lowtex.datasets.prepared_journal import Journal, finished_records
from lowtex.datasets.reader import StereoReader
from lowtex.datasets.sample import StereoSample
from lowtex.errors import DataError, OptionError
from lowtex.files import require_space, shown_size, write_json, write_text
from lowtex.paths import shown
from lowtex.progress import Progress, count, say

LOCK = ".lock"
MOST_WORKERS = 16


def prepare(
    reader: StereoReader,
    folder: str | Path | None = None,
    *,
    workers: int | None = None,
    progress: bool = True,
    tell: Callable[[str], None] = say,
) -> Path:
    """Decode, resize and keep every sample of a reader, unless that was done before.

    Args:
        reader: opened on its files, with ``size=(H, W)``; its ground truth, if it reads any, is kept too.
        folder: where to; None is `default_folder`, where `prepared_for` finds it. What is there already of the same
            samples is checked and kept.
        workers: threads; None is one a core, at most 16.
        progress: show a bar.
        tell: gets lines about what is done.

    Returns:
        The folder, for `PreparedPairs`.

    Raises:
        DataError: a source file is missing or damaged, or the disk is too small or can't be written to. What was
            finished is kept, and the same call goes on from there.
        OptionError: the folder holds something else.
    """
    if isinstance(reader, PreparedPairs) or not len(reader):
        raise OptionError(f"{reader!r} has nothing to prepare; give the data set it was made of")
    folder = default_folder(reader) if folder is None else Path(folder).expanduser()
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, tell), _nothing_left_of_nothing(folder):
        work = _Work(reader, folder, min(MOST_WORKERS, _cores()) if workers is None else max(1, workers), progress)
        work.keep_what_is_there(tell)
        current = not work.todo and (folder / HEADER).is_file()
        if not current:
            work.make_room(tell)
            work.decode()
            work.finish()
        told = "already prepared, and all right" if current else "prepared"
        tell(f"{shown(folder)}: {count(len(reader), 'sample')} {told}, {shown_size(work.bytes())}")
    return folder


class _Work:
    """One preparation; ``records`` holds a record a finished sample."""

    def __init__(self, reader: StereoReader, folder: Path, workers: int, progress: bool):
        self.reader, self.folder, self.workers, self.progress = reader, folder, workers, progress
        self.about = {**described(reader), "samples": len(reader)}
        self.records: dict[int, dict] = {}
        self.maps_end = 0
        self._lock = threading.Lock()

    @property
    def todo(self) -> list[int]:
        return [index for index in range(len(self.reader)) if index not in self.records]

    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def keep_what_is_there(self, tell: Callable[[str], None]) -> None:
        """Fill ``records`` with what is in the folder and still right."""
        found, made_by = finished_records(self.folder, self.about, list(self.reader.names))
        if found and made_by != versions(self.about):
            tell(f"{shown(self.folder)} was made by {made_by}; it is made anew")
            found = {}
        current = {index: record for index, record in found.items() if _same_files(record, self._stamps(index))}
        if len(current) < len(found):
            tell(f"made of files that changed since: {len(found) - len(current)} of {count(len(found), 'sample')}")
        self.records = self._undamaged(current)
        if len(self.records) < len(current):
            tell(f"{shown(self.folder)}: {count(len(current) - len(self.records), 'damaged sample')}")
        if found and self.todo:
            tell(f"kept: {len(self.records)} of {count(len(self.reader), 'sample')}")
        ends = [m["place"] + m["bytes"] for record in self.records.values() for m in record["maps"].values()]
        self.maps_end = padded(max(ends, default=0))

    def make_room(self, tell: Callable[[str], None]) -> None:
        """Take the room for all views at once, so that a full disk is noticed now, not after hours."""
        path = self.folder / VIEWS
        if self.records:
            shape = np.load(path, mmap_mode="r").shape
            maps = self.maps_end // len(self.records) * len(self.todo)
        else:
            first = self.reader._read(0)
            shape = (len(self.reader), self.about["views"], *first.image.shape)
            maps = sum(padded(len(pack_map(value)[1])) for value in _maps(first).values()) * len(self.todo)
        there = path.stat().st_blocks * 512 if path.is_file() else 0
        new = max(0, int(np.prod(shape)) - there) + maps
        about = f", about {shown_size(maps)} of them for ground truth" if maps else ""
        tell(f"{count(len(self.todo), 'sample')} to prepare in {shown(self.folder)}: {shown_size(new)} of disk{about}")
        require_space(self.folder, new, f"preparing {count(len(self.todo), 'sample')}")
        self.journal = Journal(self.folder, self.about, list(self.reader.names), self.records)
        # from here on nothing passes for a whole
        (self.folder / HEADER).unlink(missing_ok=True)
        self.shape, self.views_start = shape, allocated(path, shape)

    def decode(self) -> None:
        """Decode what is missing, each sample journaled when it is finished."""
        threads_before = torch.get_num_threads()
        title = f"preparing {self.about['dataset']} {self.reader.split}"
        missing = self.todo
        with (
            opened(self.folder / VIEWS) as views,
            opened(self.folder / MAPS) as maps,
            self.journal as journal,
            ThreadPoolExecutor(self.workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
            Progress(title, len(missing), "sample") if self.progress else nullcontext(None) as bar,
        ):
            jobs = [pool.submit(self._one, index, views, maps) for index in missing]
            try:
                for job in as_completed(jobs):
                    index, record = job.result()
                    journal.add(index, record)
                    self.records[index] = record
                    if bar is not None:
                        bar.update()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
            finally:
                torch.set_num_threads(threads_before)
            with disk_errors(self.folder / MAPS):
                os.ftruncate(maps, self.maps_end)
                os.fsync(views)
                os.fsync(maps)

    def finish(self) -> None:
        """Write the index, then the header that makes it a whole."""
        rigs: dict[str, int] = {}
        sources: dict[str, int] = {}
        samples = []
        for index in range(len(self.reader)):
            record = self.records[index]
            rig = rigs.setdefault(json.dumps(record["rig"]), len(rigs))
            used = [sources.setdefault(json.dumps(source), len(sources)) for source in record["sources"]]
            samples.append({**record, "rig": rig, "sources": used})
        index = {"names": list(self.reader.names), "rigs": [*map(json.loads, rigs)], "samples": samples}
        manifest = miniature_manifest(self.reader.root)
        if manifest is not None:
            # so that prepared miniatures can't be taken for real data, wherever they are moved
            write_text(self.folder / manifest.name, manifest.read_text(encoding="utf-8"))
        write_text(self.folder / SAMPLES, json.dumps({**index, "sources": [*map(json.loads, sources)]}))
        sizes = {name: (self.folder / name).stat().st_size for name in (VIEWS, MAPS, SAMPLES)}
        write_json(self.folder / HEADER, {**self.about, "bytes": sizes})
        (self.folder / JOURNAL).unlink(missing_ok=True)

    def _one(self, index: int, views: int, maps: int) -> tuple[int, dict]:
        # before the files are read, so that a change meanwhile shows
        sources = self._stamps(index)
        sample = self.reader._read(index)
        images = [sample.image, sample.other][: self.shape[1]]
        checksums = []
        for view, image in enumerate(images):
            if image is None or tuple(image.shape) != self.shape[2:]:
                got = "no other view" if image is None else f"{image.shape[2]}x{image.shape[1]} pixels"
                raise OptionError(
                    f"{sample.name} has {got}, others have {self.shape[4]}x{self.shape[3]}; all "
                    "prepared samples have one size and as many views: choose a size, or another split"
                )
            pixels = view_bytes(image)
            if not torch.equal(unit_range(torch.from_numpy(pixels)), image):
                raise DataError(f"{sample.name} has more than 8 bits a colour, which is all that can be prepared")
            checksums.append(zlib.crc32(pixels))
            place = self.views_start + (index * self.shape[1] + view) * pixels.nbytes
            write_at(views, pixels, place, self.folder / VIEWS)
        packed = {name: pack_map(value) for name, value in _maps(sample).items()}
        with self._lock:
            for record, data in packed.values():
                record["place"], self.maps_end = self.maps_end, self.maps_end + padded(len(data))
        for record, data in packed.values():
            write_at(maps, data, record["place"], self.folder / MAPS)
        return index, {
            "direction": float(sample.direction),
            "rig": sample.rig.as_dict(),
            "crc": checksums,
            "maps": {name: record for name, (record, _) in packed.items()},
            "sources": sources,
        }

    def _stamps(self, index: int) -> list[list]:
        return [
            [relative(path, self.reader.root), *(stamp(path) or (None, None))] for path in self.reader.needed(index)
        ]

    def _undamaged(self, records: dict[int, dict]) -> dict[int, dict]:
        """Those of the records whose bytes are in the files."""
        try:
            views = np.load(self.folder / VIEWS, mmap_mode="r")
            maps = (self.folder / MAPS).read_bytes() if not (self.folder / MAPS).stat().st_size else np.memmap(
                self.folder / MAPS, np.uint8, "r")  # fmt: skip
        except (OSError, ValueError, EOFError):
            return {}
        if views.ndim != 5 or len(views) != len(self.reader) or views.dtype != np.uint8:
            return {}

        def whole(item: tuple[int, dict]) -> bool:
            index, record = item
            stored = zip(views[index], record["crc"], strict=True)
            parts = [(maps[m["place"] : m["place"] + m["bytes"]], m["crc"]) for m in record["maps"].values()]
            return all(zlib.crc32(data) == crc for data, crc in [*stored, *parts])

        with ThreadPoolExecutor(self.workers) as pool:
            good = list(pool.map(whole, records.items()))
        return {index: record for (index, record), is_good in zip(records.items(), good, strict=True) if is_good}


def _maps(sample: StereoSample) -> dict[str, torch.Tensor]:
    return {name: getattr(sample, name) for name in SAMPLE_MAPS if getattr(sample, name) is not None}


def _same_files(record: dict, now: list[list]) -> bool:
    """The files that are there are as they were; one that is gone says nothing against what was made of it."""
    before = {path: (size, time) for path, size, time in record["sources"]}
    return all(path in before and (size is None or before[path] == (size, time)) for path, size, time in now)


@contextmanager
def _alone(folder: Path, tell: Callable[[str], None]) -> Iterator[None]:
    lock = FileLock(folder / LOCK)
    with disk_errors(folder):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            tell(f"another process prepares {shown(folder)}; waiting for it")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _nothing_left_of_nothing(folder: Path) -> Iterator[None]:
    """After a failure before the first sample, the folder goes again; whatever else is in it stays."""
    try:
        yield
    except BaseException:
        if [path.name for path in folder.iterdir()] == [LOCK]:
            (folder / LOCK).unlink()
            folder.rmdir()
        raise


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
