"""KITTI raw: stereo pairs of the colour cameras, with the laser as sparse ground truth.

The calibration's fields are explained in the development kit of the raw data and in Geiger et al., "Vision meets
Robotics: The KITTI Dataset", IJRR 2013. Only the colour pair is used: camera 2 is the left one, camera 3 the right one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from lowtex.datasets.images import UNPACK_AGAIN, read_bytes, read_text
from lowtex.datasets.reader import (
    DIRECTIONS,
    OTHER,
    StereoReader,
    Tree,
    checked_camera,
    checked_size,
    depth_tensor,
    entries,
    hint_below,
    numbered,
    report_missing,
    subfolders,
    tolerates_missing,
)
from lowtex.datasets.sample import StereoSample
from lowtex.datasets.splits import KITTI_SPLITS, ListedFrame, find_split
from lowtex.errors import DataError, OptionError, require_choice
from lowtex.geometry import StereoRig, implausible_baseline, implausible_focal
from lowtex.progress import count

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

SIDES = {"l": "02", "r": "03"}
"""KITTI's number of the left and of the right colour camera."""


@dataclass(frozen=True)
class KittiCalibration:
    """What the calibration of one recording date says about the colour pair.

    Attributes:
        path: the file it came from, for messages.
        projection: ``P_rect_02`` and ``P_rect_03`` by side, each ``(3, 4)`` float64, pixels.
        size: ``S_rect`` by side: width and height of the rectified images, pixels.
        rectification: ``R_rect_00`` as ``(4, 4)``.
    """

    path: Path
    projection: dict[str, np.ndarray]
    size: dict[str, tuple[int, int]]
    rectification: np.ndarray

    @property
    def baseline_m(self) -> float:
        """Distance of the two colour cameras, metres: each ``-P[0,3] / P[0,0]`` is a camera's x from camera 0."""
        left, right = self.projection["l"], self.projection["r"]
        return float(right[0, 3] / -right[0, 0] - left[0, 3] / -left[0, 0])

    def rig(self, side: str) -> StereoRig:
        """The rig of the left (``l``) or right (``r``) camera at native size.

        The small vertical and forward offsets in the fourth column of the projections (millimetres) are left out:
        a rectified pair has none.
        """
        p = self.projection[side]
        width, height = self.size[side]
        return StereoRig(
            focal_px=float(p[0, 0]),
            focal_y_px=float(p[1, 1]),
            cx=float(p[0, 2]),
            cy=float(p[1, 2]),
            baseline_m=self.baseline_m,
            width=width,
            height=height,
            cx_offset_px=float(self.projection["l"][0, 2] - self.projection["r"][0, 2]),
        )

    def velodyne_projection(self, side: str, velodyne_to_camera: np.ndarray) -> np.ndarray:
        """``P_rect_0c R_rect_00 T_velo``, ``(3, 4)``: laser coordinates (x forward, metres) to pixels."""
        return self.projection[side] @ self.rectification @ velodyne_to_camera


class KittiTree(Tree):
    """The drives under a root. Folders are listed once, when first asked for.

    A drive may lie in ``<date>/<drive>/`` (all archives unpacked into one folder), in ``<drive>/<date>/<drive>/``
    (each archive in a folder of its own, its calibration in ``<date>_calib/<date>/``), or in ``<drive>/``.

    Raises:
        DataError: the root is not a folder, is empty, or holds no drive.
    """

    def __init__(self, root: str | Path):
        super().__init__(root, KITTI_RAW_WAY_OUT)
        self.drives = dict(sorted(self._find_drives()))
        if not self.drives:
            other = other_kitti_layout(self.root)
            if other:
                raise DataError(
                    f"{self.root} holds {other}, not KITTI raw's drives: no reader takes this layout yet. What can be "
                    "used today: copy or link frames of one calibration as left/ and right/ beside a rig.yaml "
                    "(`lowtex data rig --template`) and give that folder as --data stereo=FOLDER"
                )
            hint = hint_below(self.root, lambda inner: any(map(_DATE.fullmatch, entries(inner))))
            raise DataError(f"{self.root} holds no KITTI drive{hint}; {KITTI_RAW_WAY_OUT}")

    def _find_drives(self) -> list[tuple[str, Path]]:
        found = []
        for child in subfolders(self.root):
            if _DATE.fullmatch(child.name):
                found += [(name, child / name) for name in entries(child) if _DRIVE.fullmatch(name)]
            elif _DRIVE.fullmatch(child.name):
                inner = child / child.name[:10] / child.name
                found.append((child.name, inner if inner.is_dir() else child))
        # depth folders carry drives' names too, but no images
        return [(name, path) for name, path in found if (path / "image_02").is_dir() or (path / "image_03").is_dir()]

    def drive_folder(self, folder: str) -> Path:
        """Folder of ``<date>/<drive>``; where the usual layout would have it if it is not there."""
        return self.drives.get(folder.split("/")[1]) or self.root / folder

    def images(self, folder: str, side: str) -> dict[int, Path]:
        """Images of one camera of ``<date>/<drive>`` by frame number; a PNG goes before a JPEG of the same frame."""
        data = self.drive_folder(folder) / f"image_{SIDES[side]}" / "data"
        return self._once((folder, side), lambda: numbered(data, _FRAME))

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
        data = self.drive_folder(folder) / "velodyne_points/data"
        return self._once((folder, "scans"), lambda: numbered(data, _SCAN))

    def calibration(self, folder: str) -> KittiCalibration:
        """Calibration of the recording date of ``<date>/<drive>``."""
        path = self.calibration_file(folder, "calib_cam_to_cam.txt")
        return self._once(path, lambda: read_kitti_calibration(path, KITTI_RAW_WAY_OUT))

    def velodyne_to_camera(self, folder: str) -> np.ndarray:
        """``(4, 4)`` from laser to camera 0 coordinates of the date of ``<date>/<drive>``."""
        path = self.calibration_file(folder, "calib_velo_to_cam.txt")
        return self._once(path, lambda: read_velodyne_to_camera(path, KITTI_RAW_WAY_OUT))

    def calibration_file(self, folder: str, name: str) -> Path:
        """Path of a calibration file of the recording date of ``<date>/<drive>``; the usual one if there is none."""
        date, drive = folder.split("/")[0], self.drive_folder(folder)
        usual, beside = self.root / date, self.root / f"{date}_calib"
        places = [place / name for place in (usual, beside / date, beside, drive.parent, drive)]
        return self._once((folder, name), lambda: next((path for path in places if path.is_file()), places[0]))


class KittiRaw(StereoReader):
    """KITTI raw data (Geiger, Lenz, Stiller, Urtasun, IJRR 2013), CC BY-NC-SA 3.0.

    Get it, after registration, from https://www.cvlibs.net/datasets/kitti/raw_data.php: for each drive the archive
    "synced+rectified data", for each date "calibration". The whole set is about 175 GB; the images alone serve for
    training, ``image_02`` alone for evaluation (``views=False``).

    Layout under ``root`` (other ways of unpacking: see `KittiTree`)::

        2011_09_26/calib_cam_to_cam.txt
        2011_09_26/calib_velo_to_cam.txt
        2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000005.png   left colour camera (or .jpg)
        2011_09_26/2011_09_26_drive_0001_sync/image_03/data/0000000005.png   right colour camera
        2011_09_26/2011_09_26_drive_0001_sync/velodyne_points/data/0000000005.bin

    Args:
        root: that folder.
        split: ``train``, ``val`` (of ``eigen_full``), ``test`` (``eigen/test``, 697 images), any other packaged list
            (`KITTI_SPLITS`), a list of the root (``splits/<name>.txt``), ``available``, or the path of a list.
        size: ``(H, W)`` the images are area-averaged to, or None for native size, which differs by date.
        depth: ``velodyne``: the laser's forward distance, the community's Eigen ground truth; ``velodyne_z``: the
            camera's z, about 0.27 m less; None: none is read.
        views: also give the other camera's image.
        camera: ``left``, ``right`` or ``both``; None takes the list's own choice, and left in ``available``.
        depth_required: a frame without a scan is an error. None: only in test lists; in others its depth is None.

    A sample's depth has the camera's native size, 0 = no point. Images are 8-bit before and after resizing.

    Raises:
        DataError: the root is not KITTI raw, files of the split are missing (counted), and, when a sample is read,
            a file is damaged or does not fit the calibration.
        OptionError: an unknown split or option.
    """

    way_out = KITTI_RAW_WAY_OUT
    aliases = {"train": "eigen_full/train", "val": "eigen_full/val", "test": "eigen/test"}

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        size: Sequence[int] | None = (96, 320),
        depth: str | None = "velodyne",
        views: bool = True,
        camera: str | None = None,
        depth_required: bool | None = None,
    ):
        require_choice("depth", depth, ("velodyne", "velodyne_z", None))
        self.depth = depth
        self._open(root, root, split, size, views, camera, depth_required)

    def _open(self, root, raw_root, split, size, views, camera, depth_required) -> None:
        self.size, self.views = checked_size(size), views
        sides = checked_camera(camera)
        self.tree = KittiTree(raw_root)
        self.root = Path(root).expanduser()
        found = find_split(split, self.root, tuple(KITTI_SPLITS), self.aliases)
        self.split = found.name
        self.depth_required = found.is_test if depth_required is None else depth_required
        if found.frames is None:
            self.frames = self._available(sides or "l")
            if not self.frames:
                raise DataError(f"{self.root} holds no complete frame ({self._images_there()}); {self.way_out}")
        else:
            self.frames = [f for f in found.frames if sides is None or f.side in sides]
            if not self.frames:
                raise OptionError(f"camera={camera!r} leaves no frame of split {self.split!r}")
            self._check_listed()
        self.names = [f"{f.folder.split('/')[1]}/{f.frame:010d}/{f.side}" for f in self.frames]
        for folder in () if tolerates_missing() else sorted({f.folder for f in self.frames}):
            self.tree.calibration(folder)

    @property
    def ground_truth(self) -> str | None:
        """Kind of ground truth that the samples have, a name of `lowtex.evaluation.protocols.GROUND_TRUTHS`."""
        return "velodyne_x" if self.depth == "velodyne" else self.depth

    def needed(self, index: int) -> list[Path]:
        """The target view, its partner, the calibration, then the ground truth's files; see `StereoReader.needed`."""
        f = self.frames[index]
        sides = (f.side, OTHER[f.side]) if self.views else f.side
        views = [self.tree.image(f.folder, f.frame, side) for side in sides]
        return [*views, self.tree.calibration_file(f.folder, "calib_cam_to_cam.txt"), *self._needed_for_depth(f)]

    def _needed_for_depth(self, f: ListedFrame) -> list[Path]:
        if self.depth is None or not (self.depth_required or f.frame in self.tree.scans(f.folder)):
            return []
        return [
            self.tree.velodyne(f.folder, f.frame),
            self.tree.calibration_file(f.folder, "calib_velo_to_cam.txt"),
        ]

    def _available(self, sides: str) -> list[ListedFrame]:
        frames = []
        for drive in self.tree.drives:
            folder = f"{drive[:10]}/{drive}"
            for side in sides:
                complete = set(self.tree.images(folder, side))
                if self.views:
                    complete &= set(self.tree.images(folder, OTHER[side]))
                frames += [ListedFrame(folder, frame, side) for frame in complete]
        return sorted(frames)

    def _images_there(self) -> str:
        """``image_02: 5 images, image_03: 0 images``, of all drives: which view is missing."""
        folders = [f"{drive[:10]}/{drive}" for drive in self.tree.drives]
        counts = {SIDES[side]: sum(len(self.tree.images(folder, side)) for folder in folders) for side in "lr"}
        needs = "; a pair needs both" if self.views else ""
        return ", ".join(f"image_{side}: {count(number, 'image')}" for side, number in counts.items()) + needs

    def _check_listed(self) -> None:
        missing = []
        for f in self.frames:
            sides = (f.side, OTHER[f.side]) if self.views else f.side
            gone = [side for side in sides if f.frame not in self.tree.images(f.folder, side)]
            missing += [self.tree.image(f.folder, f.frame, gone[0])] if gone else []
        report_missing(missing, len(self.frames), self.split, "frames", self.way_out)

    def _read(self, index: int) -> StereoSample:
        f = self.frames[index]
        calibration = self.tree.calibration(f.folder)
        other = self.tree.image(f.folder, f.frame, OTHER[f.side]) if self.views else None
        target = self.tree.image(f.folder, f.frame, f.side)

        def native_rig(path: Path, width: int, height: int) -> StereoRig:
            if calibration.size[f.side] != (width, height):
                says = "{}x{}".format(*calibration.size[f.side])
                raise DataError(
                    f"{path} is {width}x{height} pixels, but {calibration.path} says {says}; a resized copy can't be "
                    f"used with the original calibration: {self.way_out}"
                )
            return calibration.rig(f.side)

        image, other, rig, native = self._views(target, other, native_rig, self.way_out)
        return StereoSample(
            image=image,
            other=other,
            rig=rig,
            direction=DIRECTIONS[f.side],
            name=self.names[index],
            depth=self._depth(f, target, native),
        )

    def _depth(self, f: ListedFrame, target: Path, size: tuple[int, int]) -> Tensor | None:
        """Ground truth of one frame at the camera's native ``size = (H, W)``."""
        if self.depth is None:
            return None
        path = self.tree.velodyne(f.folder, f.frame)
        if not self.depth_required and not path.is_file():
            return None
        points = read_velodyne(path, self.way_out)
        calibration = self.tree.calibration(f.folder)
        projection = calibration.velodyne_projection(f.side, self.tree.velodyne_to_camera(f.folder))
        depth = project_velodyne(points, projection, size[1], size[0], forward=self.depth == "velodyne")
        if not depth.any():
            raise DataError(
                f"{path}: no point falls into {target}; the scan or {calibration.path.parent}/calib_velo_to_cam.txt "
                f"is not the one that belongs here: {self.way_out}"
            )
        return depth_tensor(depth)


def other_kitti_layout(root: Path) -> str | None:
    """What a root holds that is KITTI's, but not the raw recordings: a benchmark's layout in words; else None.

    The folders may lie in the root, or one or two levels below it (``training/``, ``dataset/sequences/``).
    """
    for folder, told in _BENCHMARKS.items():
        for above in ("", "*/", "*/*/"):
            if any(path.is_dir() for path in root.glob(above + folder)):
                return told
    return None


def read_kitti_calibration(path: str | Path, way_out: str) -> KittiCalibration:
    """Read ``calib_cam_to_cam.txt``.

    Raises:
        DataError: the file or a field is missing, a value is not a finite number, the focal length or the baseline
            is not positive or can't be in pixels or metres, or the two cameras were not rectified together. Names the
            file and the field.
    """
    fields = _KittiFields(path, way_out)
    projection, size = {}, {}
    for side, camera in SIDES.items():
        projection[side] = fields.numbers(f"P_rect_{camera}", 12).reshape(3, 4)
        fields.require(
            projection[side][0, 0] > 0 and projection[side][1, 1] > 0, f"P_rect_{camera}", "focal length is not > 0"
        )
        width, height = fields.numbers(f"S_rect_{camera}", 2)
        fields.require(
            min(width, height) >= 1 and width.is_integer() and height.is_integer(),
            f"S_rect_{camera}",
            f"image size {width:g} x {height:g} is not a size in pixels",
        )
        size[side] = int(width), int(height)
        for focal in projection[side][0, 0], projection[side][1, 1]:
            problem = implausible_focal(focal, width)
            fields.require(not problem, f"P_rect_{camera}", problem)
    calibration = KittiCalibration(Path(path), projection, size, fields.rotation("R_rect_00"))
    focal = [projection[side][0, 0] for side in SIDES]
    fields.require(
        abs(focal[0] - focal[1]) < 1e-3 * focal[0],
        "P_rect_03",
        f"focal length {focal[1]:g} differs from P_rect_02's {focal[0]:g}",
    )
    fields.require(
        calibration.baseline_m > 0,
        "P_rect_03",
        f"baseline with P_rect_02 is {calibration.baseline_m:.4f} m, not > 0; are the cameras swapped?",
    )
    problem = implausible_baseline(calibration.baseline_m)
    fields.require(not problem, "P_rect_03", problem)
    return calibration


def read_velodyne_to_camera(path: str | Path, way_out: str) -> np.ndarray:
    """Read ``calib_velo_to_cam.txt``: ``(4, 4)`` from laser to camera 0 coordinates, metres.

    Raises:
        DataError: the file, ``R`` or ``T`` is missing or not a finite rotation and translation.
    """
    fields = _KittiFields(path, way_out)
    pose = fields.rotation("R")
    pose[:3, 3] = fields.numbers("T", 3)
    return pose


class _KittiFields:
    """Lines of ``name: values``."""

    def __init__(self, path: str | Path, way_out: str):
        self.path, self.way_out = Path(path), way_out
        lines = (line.partition(":") for line in read_text(path, way_out).splitlines())
        self.values = {name.strip(): rest for name, colon, rest in lines if colon}

    def numbers(self, name: str, count: int) -> np.ndarray:
        self.require(name in self.values, name, "is missing")
        try:
            values = np.array([float(word) for word in self.values[name].split()])
        except ValueError as error:
            raise DataError(f"{self.path}: {name} holds something that is not a number; {self.way_out}") from error
        self.require(len(values) == count, name, f"has {len(values)} numbers where {count} are expected")
        self.require(np.isfinite(values).all(), name, "holds a number that is not finite")
        return values

    def rotation(self, name: str) -> np.ndarray:
        matrix = np.eye(4)
        matrix[:3, :3] = self.numbers(name, 9).reshape(3, 3)
        near = np.abs(matrix[:3, :3] @ matrix[:3, :3].T - np.eye(3)).max() < 1e-2 and np.linalg.det(matrix) > 0
        self.require(near, name, "is not a rotation")
        return matrix

    def require(self, condition: bool, name: str, problem: str) -> None:
        if not condition:
            raise DataError(f"{self.path}: {name}: {problem}; {self.way_out}")


def read_velodyne(path: str | Path, way_out: str = UNPACK_AGAIN) -> np.ndarray:
    """Read a scan: ``(N, 4)`` float32, x forward, y left, z up in metres, and the reflectance.

    Raises:
        DataError: missing, empty, not a whole number of points, or a coordinate that is not finite.
    """
    data = read_bytes(path, way_out)
    if len(data) % 16:
        raise DataError(f"{path} is truncated: {len(data)} bytes is not a whole number of 16-byte points; {way_out}")
    points = np.frombuffer(data, "<f4").reshape(-1, 4)
    # the sum is not finite if any coordinate is not; cheaper than a mask over all of them
    if not np.isfinite(points.sum(dtype=np.float64)):
        raise DataError(f"{path} is damaged: a point is not a finite number; {way_out}")
    return points


def project_velodyne(
    points: np.ndarray, projection: np.ndarray, width: int, height: int, forward: bool = True
) -> np.ndarray:
    """Sparse depth of one camera from a scan: the ground truth of the Eigen test list.

    Written from the protocol of the community's evaluation (Eigen et al. 2014; Monodepth2's ground-truth export):
    points behind the laser (x < 0) are dropped, the rest is projected, pixel = round(.) - 1, points outside the image
    are dropped, and where several points fall on one pixel the nearest stays.

    Two peculiarities of that protocol:

    * The value kept is the laser's own forward distance x, not the camera's z. The laser sits behind the camera, so x
      is about 0.27 m more. ``forward=True`` does the same, for numbers that compare; ``forward=False`` keeps z.
    * Its search for points on one pixel numbers the pixels by ``row * (W - 1) + column - 1``, in which the last pixel
      of a row and the first one of the next share a number; points on those two count as one pixel's there. Here the
      nearest wins among points on exactly the same pixel. Only the two border columns can differ, which the Garg crop
      drops.

    Args:
        points: ``(N, 3)`` or ``(N, 4)``, metres; the fourth column is not used.
        projection: ``(3, 4)`` from laser coordinates to pixels, `KittiCalibration.velodyne_projection`.
        width, height: of the camera's image, pixels.
        forward: keep the laser's forward distance x (the community's ground truth), else the camera's z.

    Returns:
        ``(height, width)`` float32 metres, 0 = no point.
    """
    ahead = points.take(np.flatnonzero(points[:, 0] >= 0), axis=0)
    forwards, left, up = ahead.T[:3].astype(np.float64, order="C")
    # row by row, because a matrix product wakes all BLAS threads: 0.2 ms against up to 12 on busy cores
    u, v, z = (row[0] * forwards + row[1] * left + row[2] * up + row[3] for row in projection)
    # a point behind the camera's plane has no pixel, although the division would give it one
    with np.errstate(divide="ignore", invalid="ignore"):
        column, row = np.rint(u / z) - 1, np.rint(v / z) - 1
    inside = np.flatnonzero((z > 0) & (column >= 0) & (row >= 0) & (column < width) & (row < height))
    pixel = (row.take(inside) * width + column.take(inside)).astype(np.int64)
    value = (forwards if forward else z).take(inside).astype(np.float32)
    depth = np.full(height * width, np.inf, np.float32)
    # of several values for one place the smallest stays; half the time of sorting them
    np.minimum.at(depth, pixel, value)
    depth[np.isinf(depth)] = 0
    return depth.reshape(height, width)
