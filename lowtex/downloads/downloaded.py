"""What of an archive is in a root already: by the record its unpacking left, else by the frames the lists know."""

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path, PurePosixPath

from lowtex.datasets.calibration import SIDES
from lowtex.datasets.kitti_layout import KittiTree
from lowtex.datasets.splits import KITTI_SPLITS, packaged_frames
from lowtex.downloads.kitti_archives import CALIBRATION_FILES, IMPROVED_FOLDERS, Archive
from lowtex.errors import DataError
from lowtex.files import read_json, write_json

ARCHIVES = "archives"
"""Folder in a root for archives, their parts, and the records of what was unpacked."""


class DownloadedTree:
    """A root that archives are unpacked into.

    Args:
        root: of the data set.
    """

    def __init__(self, root: Path):
        self.root = root
        self.archives = root / ARCHIVES
        try:
            self._drives = KittiTree(root).drives
        except DataError:
            # no drive yet
            self._drives = {}

    def archive(self, archive: Archive) -> Path:
        """Where the archive itself lies while it's needed."""
        return self.archives / f"{archive.name}.zip"

    def place(self, archive: Archive, parts: tuple[str, ...]) -> tuple[tuple[str, ...], Path]:
        """What is moved in one move for a file of the archive: its path there, and where it goes.

        A drive goes where it lies already, in whichever way the root was unpacked before.
        """
        if archive.kind == "calibration":
            return parts, self.root.joinpath(*parts)
        return parts[:2], self._drives.get(archive.name, self.root.joinpath(*parts[:2]))

    def record(self, archive: Archive, files: Iterable[tuple[Path, int]]) -> None:
        """Note that the archive is unpacked, with the size of every file."""
        folders: dict[str, dict[str, int]] = {}
        for path, size in files:
            inside = path.relative_to(self.root)
            folders.setdefault(inside.parent.as_posix(), {})[inside.name] = size
        write_json(self._record(archive), {"url": archive.url, "folders": folders})

    def has(self, archive: Archive) -> bool:
        """All of the archive is there.

        After its own unpacking that means every file with its size (a JPEG in place of a PNG will do: many convert).
        Of a drive unpacked by other means: both images and the scan of every frame in the packaged lists; of improved
        depth maps: every map of ``eigen_benchmark/test``; of a calibration: its files.
        """
        record = self._record(archive)
        if record.is_file():
            try:
                folders = read_json(record)["folders"]
                return all(self._complete(self.root / folder, sizes) for folder, sizes in folders.items())
            except (DataError, KeyError, TypeError, AttributeError):
                # somebody else's words: look for ourselves
                pass
        if archive.kind == "calibration":
            return all(_size(self.root / archive.date / name) for name in CALIBRATION_FILES)
        if archive.kind == "improved":
            return self._has_maps()
        return self._has_frames(archive.name)

    def _record(self, archive: Archive) -> Path:
        return self.archives / f"{archive.name}.unpacked.json"

    def _complete(self, folder: Path, sizes: dict[str, int]) -> bool:
        there = {entry.name: entry for entry in _entries(folder)}
        return all(_stands(there, name, size) for name, size in sizes.items())

    def _has_frames(self, drive: str) -> bool:
        frames = _listed_frames().get(drive)
        if drive not in self._drives or not frames:
            return False
        places = [(f"image_{camera}", (".png", ".jpg", ".jpeg")) for camera in SIDES.values()]
        for name, suffixes in [*places, ("velodyne_points", (".bin",))]:
            found = {PurePosixPath(e.name) for e in _entries(self._drives[drive] / name / "data") if e.stat().st_size}
            if frames - {path.stem for path in found if path.suffix.lower() in suffixes}:
                return False
        return True

    def _has_maps(self) -> bool:
        for frame in packaged_frames("eigen_benchmark/test"):
            inside = Path(frame.folder.split("/")[1], "proj_depth", "groundtruth", f"image_{SIDES[frame.side]}")
            if not any(_size(self.root / top / inside / f"{frame.frame:010d}.png") for top in IMPROVED_FOLDERS):
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


def _stands(there: dict, name: str, size: int) -> bool:
    if name in there:
        return there[name].stat().st_size == size
    stem, dot, suffix = name.rpartition(".")
    return suffix == "png" and any(there[n].stat().st_size for n in (f"{stem}.jpg", f"{stem}.jpeg") if n in there)


def _entries(folder: Path) -> list:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_file()]
    except OSError:
        return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
