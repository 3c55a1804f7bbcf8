"""Where KITTI raw keeps its files, in each of the ways its archives get unpacked."""

import re
from pathlib import Path

import numpy as np

from lowtex.datasets.calibration import (
    SIDES,
    KittiCalibration,
    read_kitti_calibration,
    read_velodyne_to_camera,
)
from lowtex.datasets.reader import checked_root, entries
from lowtex.errors import DataError

KITTI_RAW_WAY_OUT = (
    "KITTI raw (CC BY-NC-SA 3.0, free for research after registration): get the 'synced+rectified data' and "
    "'calibration' archives of the drives from https://www.cvlibs.net/datasets/kitti/raw_data.php and unpack them into "
    "the root, as <date>/<drive>/image_02/data/"
)

_DATE = re.compile(r"\d{4}_\d{2}_\d{2}")
_DRIVE = re.compile(r"\d{4}_\d{2}_\d{2}_drive_\d{4}_\w+")
_FRAME = re.compile(r"(\d+)\.(png|jpg|jpeg)", re.IGNORECASE)
_SCAN = re.compile(r"(\d+)\.bin", re.IGNORECASE)


_BENCHMARKS = {
    "sequences/*/image_2": "KITTI's odometry benchmark (sequences/<number>/image_2)",
    "disp_noc_0": "KITTI's stereo 2015 benchmark (image_2, image_3, disp_noc_0)",
    "disp_occ_0": "KITTI's stereo 2015 benchmark (image_2, image_3, disp_occ_0)",
    "colored_0": "KITTI's stereo 2012 benchmark (colored_0, colored_1)",
    "label_2": "KITTI's object benchmark (image_2, calib, label_2)",
    "image_2": "pairs of KITTI's object, road or stereo benchmarks (image_2, image_3)",
}
"""Folders that tell a benchmark's layout; the first that is there counts."""


def other_kitti_layout(root: Path) -> str | None:
    """What a root holds that is KITTI's, but not the raw recordings: a benchmark's layout in words; else None.

    The folders may lie in the root, or one or two levels below it (``training/``, ``dataset/sequences/``).
    """
    for folder, told in _BENCHMARKS.items():
        for above in ("", "*/", "*/*/"):
            if any(path.is_dir() for path in root.glob(above + folder)):
                return told
    return None


class KittiTree:
    """The drives under a root. Folders are listed once, when first asked for.

    A drive may lie in ``<date>/<drive>/`` (all archives unpacked into one folder), in ``<drive>/<date>/<drive>/``
    (each archive in a folder of its own, its calibration in ``<date>_calib/<date>/``), or in ``<drive>/``.

    Raises:
        DataError: the root is not a folder, is empty, or holds no drive.
    """

    def __init__(self, root: str | Path):
        self.root = checked_root(root, KITTI_RAW_WAY_OUT)
        self.drives = dict(sorted(self._find_drives()))
        self._images: dict[tuple[str, str], dict[int, Path]] = {}
        self._scans: dict[str, dict[int, Path]] = {}
        self._calibration_files: dict[tuple[str, str], Path] = {}
        self._calibrations: dict[str, KittiCalibration] = {}
        self._velodyne: dict[str, np.ndarray] = {}
        if not self.drives:
            other = other_kitti_layout(self.root)
            if other:
                raise DataError(
                    f"{self.root} holds {other}, not KITTI raw's drives: no reader takes this layout yet. What can be "
                    "used today: copy or link frames of one calibration as left/ and right/ beside a rig.yaml "
                    "(`lowtex data rig --template`) and give that folder as --data stereo=FOLDER"
                )
            raise DataError(f"{self.root} holds no KITTI drive{self._suggestion()}; {KITTI_RAW_WAY_OUT}")

    def _find_drives(self) -> list[tuple[str, Path]]:
        found = []
        for child in (self.root / name for name in entries(self.root) if (self.root / name).is_dir()):
            if _DATE.fullmatch(child.name):
                found += [(name, child / name) for name in entries(child) if _DRIVE.fullmatch(name)]
            elif _DRIVE.fullmatch(child.name):
                inner = child / child.name[:10] / child.name
                found.append((child.name, inner if inner.is_dir() else child))
        # depth folders carry drives' names too, but no images
        return [(name, path) for name, path in found if (path / "image_02").is_dir() or (path / "image_03").is_dir()]

    def _suggestion(self) -> str:
        for inner in (self.root / name for name in entries(self.root) if (self.root / name).is_dir()):
            if any(map(_DATE.fullmatch, entries(inner))):
                return f" (but {inner} seems to: give that folder)"
        return ""

    def drive_folder(self, folder: str) -> Path:
        """Folder of ``<date>/<drive>``; where the usual layout would have it if it is not there."""
        return self.drives.get(folder.split("/")[1]) or self.root / folder

    def images(self, folder: str, side: str) -> dict[int, Path]:
        """Images of one camera of ``<date>/<drive>`` by frame number; a PNG goes before a JPEG of the same frame."""
        key = folder, side
        if key not in self._images:
            data = self.drive_folder(folder) / f"image_{SIDES[side]}" / "data"
            # this order puts .png last, so that it stays
            names = sorted(entries(data), key=str.lower) if data.is_dir() else []
            matches = ((_FRAME.fullmatch(name), name) for name in names)
            self._images[key] = {int(match[1]): data / name for match, name in matches if match}
        return self._images[key]

    def image(self, folder: str, frame: int, side: str) -> Path:
        """Path of one image; the usual PNG name if there is none."""
        found = self.images(folder, side).get(frame)
        return found or self.drive_folder(folder) / f"image_{SIDES[side]}/data/{frame:010d}.png"

    def velodyne(self, folder: str, frame: int) -> Path:
        """Path of one laser scan; the usual name if there is none."""
        usual = self.drive_folder(folder) / f"velodyne_points/data/{frame:010d}.bin"
        return self.scans(folder).get(frame, usual)

    def scans(self, folder: str) -> dict[int, Path]:
        """Laser scans of ``<date>/<drive>`` by frame number."""
        if folder not in self._scans:
            data = self.drive_folder(folder) / "velodyne_points/data"
            matches = map(_SCAN.fullmatch, entries(data)) if data.is_dir() else ()
            self._scans[folder] = {int(match[1]): data / match[0] for match in matches if match}
        return self._scans[folder]

    def calibration(self, folder: str) -> KittiCalibration:
        """Calibration of the recording date of ``<date>/<drive>``."""
        date = folder.split("/")[0]
        if date not in self._calibrations:
            path = self.calibration_file(folder, "calib_cam_to_cam.txt")
            self._calibrations[date] = read_kitti_calibration(path, KITTI_RAW_WAY_OUT)
        return self._calibrations[date]

    def velodyne_to_camera(self, folder: str) -> np.ndarray:
        """``(4, 4)`` from laser to camera 0 coordinates of the date of ``<date>/<drive>``."""
        date = folder.split("/")[0]
        if date not in self._velodyne:
            path = self.calibration_file(folder, "calib_velo_to_cam.txt")
            self._velodyne[date] = read_velodyne_to_camera(path, KITTI_RAW_WAY_OUT)
        return self._velodyne[date]

    def calibration_file(self, folder: str, name: str) -> Path:
        """Path of a calibration file of the recording date of ``<date>/<drive>``; the usual one if there is none."""
        if (folder, name) in self._calibration_files:
            return self._calibration_files[folder, name]
        date = folder.split("/")[0]
        drive = self.drive_folder(folder)
        usual = self.root / date / name
        places = [usual, self.root / f"{date}_calib" / date / name, self.root / f"{date}_calib" / name]
        places += [drive.parent / name, drive / name]
        found = next((path for path in places if path.is_file()), usual)
        return self._calibration_files.setdefault((folder, name), found)
