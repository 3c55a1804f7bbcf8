"""Which archives of KITTI hold what: their names, their addresses, and lists of them.

The archives of KITTI raw lie in one public folder of the KITTI project, a drive's under the drive's name::

    raw_data/2011_09_26_calib.zip
    raw_data/2011_09_26_drive_0001/2011_09_26_drive_0001_sync.zip
    data_depth_annotated.zip                                    (improved depth maps, about 14 GB)

We know of no checksums KITTI published of them; a list of one's own may give some.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lowtex.datasets.images import read_text
from lowtex.datasets.splits import KITTI_SPLITS, packaged_frames
from lowtex.errors import DataError, OptionError

SOURCE = "https://s3.eu-central-1.amazonaws.com/avg-kitti"
"""Folder the KITTI project serves its archives from."""

LICENCE = (
    "KITTI is licensed CC BY-NC-SA 3.0 (non-commercial, name the authors, share alike): "
    "https://www.cvlibs.net/datasets/kitti/ ; its site asks you to register. We know of no published checksums."
)

DATES = ("2011_09_26", "2011_09_28", "2011_09_29", "2011_09_30", "2011_10_03")
"""The five recording dates; each has one calibration."""

CALIBRATION_FILES = ("calib_cam_to_cam.txt", "calib_imu_to_velo.txt", "calib_velo_to_cam.txt")
"""What a date's calibration archive holds, in a folder named after the date."""

IMPROVED = "data_depth_annotated"
"""Name of the archive of improved depth maps; it holds ``train/<drive>/`` and ``val/<drive>/``."""

IMPROVED_FOLDERS = ("train", "val")

SPLIT_ALIASES = {"train": "eigen_full/train", "val": "eigen_full/val", "test": "eigen/test"}

DRIVE = re.compile(r"(\d{4}_\d{2}_\d{2})_drive_\d{4}_sync")
_DRIVE_AS_TYPED = re.compile(r"(?:\d{4}_\d{2}_\d{2}/)?(\d{4}_\d{2}_\d{2}_drive_\d{4})(?:_sync)?/?")
_CALIBRATION = re.compile(r"(\d{4}_\d{2}_\d{2})_calib")
_SHA256 = re.compile(r"sha256:([0-9a-fA-F]{64})")


@dataclass(frozen=True)
class Archive:
    """One archive to fetch.

    Attributes:
        name: its file's, without ``.zip``: a drive, ``<date>_calib`` or `IMPROVED`.
        url: where it is served.
        sha256: its checksum in small hexadecimal digits, where a list gives one.
    """

    name: str
    url: str
    sha256: str | None = None

    @property
    def kind(self) -> str:
        """``drive``, ``calibration`` or ``improved``."""
        if self.name == IMPROVED:
            return "improved"
        return "calibration" if _CALIBRATION.fullmatch(self.name) else "drive"

    @property
    def date(self) -> str:
        """Recording date of a drive or a calibration."""
        return self.name[:10]

    def belongs(self, parts: tuple[str, ...]) -> bool:
        """Whether a file of the archive, by the parts of its path, is one the data set has there."""
        if self.kind == "drive":
            return len(parts) > 2 and parts[:2] == (self.date, self.name)
        if self.kind == "calibration":
            return len(parts) == 2 and parts[0] == self.date and parts[1] in CALIBRATION_FILES
        return len(parts) > 2 and parts[0] in IMPROVED_FOLDERS and DRIVE.fullmatch(parts[1]) is not None


def chosen_archives(
    source: str | None = None,
    drives: Iterable[str] | None = None,
    split: str | None = None,
    listed: Path | None = None,
    improved: bool = False,
    calibration_only: bool = False,
) -> list[Archive]:
    """The archives that options name, calibrations first: they are small, and no drive is of use without.

    Args:
        source: where they are served; None is `SOURCE`.
        drives: names of drives, which come with the calibrations of their dates.
        split: whose drives are wanted.
        listed: a file that names the archives, see `read_archive_list`.
        improved: the improved depth maps are wanted.
        calibration_only: the calibrations alone; of all dates if no drives are named.

    Raises:
        OptionError: nothing is named, or something that is not known.
        DataError: the list can't be read.
    """
    source = (source or SOURCE).rstrip("/")
    if not _is_http(source):
        raise OptionError(f"--source {source} must be an http:// or https:// address, e.g. {SOURCE}")
    if listed is not None:
        archives = read_archive_list(listed)
        kept = [archive for archive in archives if archive.kind == "calibration" or not calibration_only]
        if not kept:
            raise OptionError(f"{listed} lists no calibration; leave --calibration-only or --list out")
        return kept
    if improved:
        if calibration_only:
            raise OptionError("--improved and --calibration-only exclude each other")
        return [Archive(IMPROVED, f"{source}/{IMPROVED}.zip")]
    names = drives if drives else split_drives(split) if split else []
    if not names and not calibration_only:
        raise OptionError(
            "say what to fetch: --drive NAME, --split SPLIT, --list FILE, --improved or --calibration-only"
        )
    found = drive_archives(names, source)
    dates = sorted({drive.date for drive in found} or DATES)
    calibrations = [Archive(f"{date}_calib", f"{source}/raw_data/{date}_calib.zip") for date in dates]
    return calibrations + ([] if calibration_only else found)


def drive_archives(drives: Iterable[str], source: str = SOURCE) -> list[Archive]:
    """The synced and rectified drives, each once, as ``2011_09_26_drive_0001_sync``; ``_sync`` may be left out.

    Raises:
        OptionError: a name that is none of a drive, or of a date KITTI was not recorded on.
    """
    names = []
    for typed in drives:
        match = _DRIVE_AS_TYPED.fullmatch(typed.strip())
        if not match or match[1][:10] not in DATES:
            raise OptionError(
                f"drive {typed!r} is none of KITTI; write it like 2011_09_26_drive_0001_sync, of one of the dates "
                f"{', '.join(DATES)}"
            )
        names.append(match[1])
    return [Archive(f"{n}_sync", f"{source}/raw_data/{n}/{n}_sync.zip") for n in dict.fromkeys(names)]


def split_drives(split: str) -> list[str]:
    """The drives a packaged split takes frames from, in alphabetical order.

    Raises:
        OptionError: there is no such split.
    """
    name = SPLIT_ALIASES.get(split, split)
    if name not in KITTI_SPLITS:
        raise OptionError(f"--split {split} is not known; choose one of {', '.join([*SPLIT_ALIASES, *KITTI_SPLITS])}")
    return sorted({frame.folder.split("/")[1] for frame in packaged_frames(name)})


def read_archive_list(path: str | Path) -> list[Archive]:
    """Read a text file of lines ``URL [sha256:DIGITS]``; empty lines and what follows a ``#`` are left out.

    The last part of an address tells what the archive is: ``<drive>_sync.zip``, ``<date>_calib.zip`` or
    ``data_depth_annotated.zip``.

    Raises:
        DataError: the file is missing or lists nothing, a line is something else, or an archive is listed twice with
            different addresses or checksums; names the file and the line.
    """
    found: dict[str, Archive] = {}
    for number, line in enumerate(read_text(path, "write one address for each line").splitlines(), start=1):
        # the blank keeps the # of an address' fragment
        words = re.sub(r"(^|\s)#.*", "", line).split()
        if not words:
            continue
        archive = _listed(words, f"{path} line {number}: {line.strip()!r}")
        if found.setdefault(archive.name, archive) != archive:
            raise DataError(f"{path} line {number}: {archive.name} is listed twice, differently; keep one of the lines")
    if not found:
        raise DataError(f"{path} lists no archive; write one address for each line")
    return list(found.values())


def _listed(words: list[str], where: str) -> Archive:
    url, *rest = words
    if not _is_http(url):
        raise DataError(f"{where} has no http:// or https:// address in front; write URL [sha256:DIGITS]")
    checksum = _SHA256.fullmatch(rest[0]) if rest else None
    if len(rest) > 1 or (rest and not checksum):
        raise DataError(f"{where}: after the address, only sha256: with 64 hexadecimal digits may follow")
    file = urlsplit(url).path.rpartition("/")[2]
    name = file.removesuffix(".zip")
    if not file.endswith(".zip") or not (DRIVE.fullmatch(name) or _CALIBRATION.fullmatch(name) or name == IMPROVED):
        raise DataError(
            f"{where} is no archive the kit reads; those are <drive>_sync.zip, <date>_calib.zip and {IMPROVED}.zip"
        )
    return Archive(name, url, checksum[1].lower() if checksum else None)


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
