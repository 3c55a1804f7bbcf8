"""Which archives of KITTI to fetch: their names and addresses, from ``kitti_archives.yaml`` or a list of one's own."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from lowtex.datasets.images import read_text
from lowtex.datasets.kitti import KittiRaw
from lowtex.datasets.splits import KITTI_SPLITS, packaged_frames
from lowtex.errors import DataError, OptionError, require_choice

KITTI = yaml.safe_load((files("lowtex_lab.cli") / "kitti_archives.yaml").read_text(encoding="utf-8"))
IMPROVED = KITTI["kinds"]["improved"]["name"]

_DRIVE_AS_TYPED = re.compile(r"(?:\d{4}_\d{2}_\d{2}/)?(\d{4}_\d{2}_\d{2}_drive_\d{4})(?:_sync)?/?")
_ADDRESS = re.compile(r"https?://[\w.-]+(:\d+)?(/|$)")


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
    def kind(self) -> str | None:
        """``drive``, ``calibration`` or ``improved``; None where the name is that of no archive the kit reads."""
        return next((kind for kind, spec in KITTI["kinds"].items() if re.fullmatch(spec["name"], self.name)), None)

    @property
    def date(self) -> str:
        """Recording date of a drive or a calibration."""
        return self.name[:10]

    def belongs(self, path: str) -> bool:
        """Whether a file of the archive, by its path there, is one the data set has."""
        pattern = KITTI["kinds"][self.kind]["holds"]
        return re.fullmatch(pattern.replace("{date}", self.date).replace("{name}", self.name), path) is not None


def _served(kind: str, name: str, source: str) -> Archive:
    url = KITTI["kinds"][kind]["url"].format(name=name, drive=name.removesuffix("_sync"))
    return Archive(name, f"{source}/{url}")


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
        source: where they are served; None is KITTI's own server.
        drives: names of drives (``2011_09_26_drive_0001_sync``; ``_sync`` may be left out), which come with the
            calibrations of their dates.
        split: whose drives are wanted.
        listed: a file that names the archives, see `read_archive_list`.
        improved: the improved depth maps are wanted.
        calibration_only: the calibrations alone; of all dates if no drives are named.

    Raises:
        OptionError: nothing is named, or something that is not known.
        DataError: the list can't be read.
    """
    source = (source or KITTI["source"]).rstrip("/")
    if not _ADDRESS.match(source):
        raise OptionError(f"--source {source} must be an http:// or https:// address, e.g. {KITTI['source']}")
    if improved and calibration_only:
        raise OptionError("--improved and --calibration-only exclude each other")
    if listed is not None:
        archives = read_archive_list(listed)
    elif improved:
        archives = [_served("improved", IMPROVED, source)]
    elif drives or split or calibration_only:
        found = [
            _served("drive", name, source) for name in _drive_names(drives or (split_drives(split) if split else []))
        ]
        dates = sorted({drive.date for drive in found} or KITTI["dates"])
        archives = [_served("calibration", f"{date}_calib", source) for date in dates] + found
    else:
        raise OptionError(
            "say what to fetch: --drive NAME, --split SPLIT, --list FILE, --improved or --calibration-only"
        )
    kept = [archive for archive in archives if archive.kind == "calibration" or not calibration_only]
    if not kept:
        raise OptionError(f"{listed} lists no calibration; leave --calibration-only or --list out")
    return kept


def _drive_names(drives: Iterable[str]) -> list[str]:
    names = []
    for typed in drives:
        match = _DRIVE_AS_TYPED.fullmatch(typed.strip())
        if not match or match[1][:10] not in KITTI["dates"]:
            raise OptionError(
                f"drive {typed!r} is none of KITTI; write it like 2011_09_26_drive_0001_sync, of one of the dates "
                f"{', '.join(KITTI['dates'])}"
            )
        names.append(f"{match[1]}_sync")
    return list(dict.fromkeys(names))


def split_drives(split: str) -> list[str]:
    """The drives a packaged split takes frames from, in alphabetical order.

    Raises:
        OptionError: there is no such split.
    """
    require_choice("--split", split, [*KittiRaw.aliases, *KITTI_SPLITS])
    frames = packaged_frames(KittiRaw.aliases.get(split, split))
    return sorted({frame.folder.split("/")[1] for frame in frames})


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
        url, *rest = re.sub(r"(^|\s)#.*", "", line).split() or [""]
        if not url:
            continue
        where = f"{path} line {number}: {line.strip()!r}"
        if not _ADDRESS.match(url):
            raise DataError(f"{where} has no http:// or https:// address in front; write URL [sha256:DIGITS]")
        checksum = re.fullmatch(r"(?:sha256:([0-9a-fA-F]{64}))?", " ".join(rest))
        if not checksum:
            raise DataError(f"{where}: after the address, only sha256: with 64 hexadecimal digits may follow")
        name, dot, ending = urlsplit(url).path.rpartition("/")[2].rpartition(".")
        archive = Archive(name, url, checksum[1] and checksum[1].lower())
        if ending != "zip" or archive.kind is None:
            raise DataError(
                f"{where} is no archive the kit reads; those are <drive>_sync.zip, <date>_calib.zip and {IMPROVED}.zip"
            )
        if found.setdefault(name, archive) != archive:
            raise DataError(f"{path} line {number}: {name} is listed twice, differently; keep one of the lines")
    if not found:
        raise DataError(f"{path} lists no archive; write one address for each line")
    return list(found.values())
