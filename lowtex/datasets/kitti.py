"""KITTI raw: stereo pairs of the colour cameras, with the laser as sparse ground truth; and the improved ground truth.

The calibration's fields are explained in the development kit of the raw data and in Geiger et al., "Vision meets
Robotics: The KITTI Dataset", IJRR 2013. Only the colour pair is used: camera 2 is the left one, camera 3 the right one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lowtex.datasets.images import UNPACK_AGAIN, read_bytes, read_text
from lowtex.datasets.reader import (
    WAYS_OUT,
    Kind,
    StereoReader,
    checked_root,
    entries,
    fitted,
    hint_near,
    require_plausible,
    require_size,
    subfolders,
    tolerates_missing,
)
from lowtex.datasets.splits import KITTI_SPLITS, Frame, is_test_split
from lowtex.errors import DataError, require_choice
from lowtex.geometry import StereoRig
from lowtex.progress import count

KITTI_RAW_WAY_OUT = WAYS_OUT["kitti"]

KITTI_DEPTH_WAY_OUT = WAYS_OUT["kitti_depth"]

_DATE = re.compile(r"\d{4}_\d{2}_\d{2}")
_DRIVE = re.compile(r"\d{4}_\d{2}_\d{2}_drive_\d{4}_\w+")
CAM_TO_CAM, VELO_TO_CAM = "calib_cam_to_cam.txt", "calib_velo_to_cam.txt"
"""The calibration files of a recording date."""

_BENCHMARKS = {
    "sequences/*/image_2": ("KITTI's odometry benchmark (sequences/<number>/image_2)", None),
    "disp_noc_0": ("KITTI's stereo 2015 benchmark (image_2, image_3, disp_noc_0)", "kitti_2015"),
    "disp_occ_0": ("KITTI's stereo 2015 benchmark (image_2, image_3, disp_occ_0)", "kitti_2015"),
    "colored_0": ("KITTI's stereo 2012 benchmark (colored_0, colored_1)", None),
    "label_2": ("KITTI's object benchmark (image_2, calib, label_2)", "kitti_pairs"),
    "image_2": ("pairs of KITTI's object or road benchmarks (image_2, image_3)", "kitti_pairs"),
}
"""Folders that tell a benchmark's layout, of which the first that is there counts: the benchmark in words, and the name
of the data set that reads it."""

SIDES = {"l": "02", "r": "03"}
"""KITTI's number of the left and of the right colour camera."""


@dataclass(frozen=True)
class KittiCalibration:
    """What the calibration of one recording date says about the colour pair.

    Attributes:
        path: the file it came from, for messages.
        projection: ``P_rect_02`` and ``P_rect_03`` by side, each ``(3, 4)`` float64, pixels.
        size: ``S_rect`` by side: width and height of the rectified images, pixels; empty where the file has none.
        rectification: ``R_rect_00`` as ``(4, 4)``; None for the file of a frame.
    """

    path: Path
    projection: dict[str, np.ndarray]
    size: dict[str, tuple[int, int]]
    rectification: np.ndarray | None

    def rig(self, side: str) -> StereoRig:
        """The rig of the left (``l``) or right (``r``) camera at native size.

        The small vertical and forward offsets in the fourth column of the projections (millimetres) are left out: a
        rectified pair has none.
        """
        return StereoRig(**self.rig_values(side))

    def rig_values(self, side: str) -> dict[str, float]:
        """The fields of `StereoRig`, as the file has them."""
        p, left, right = self.projection[side], self.projection["l"], self.projection["r"]
        with np.errstate(divide="ignore", invalid="ignore"):
            # each -P[0,3] / P[0,0] is a camera's x from camera 0, metres
            baseline = right[0, 3] / -right[0, 0] - left[0, 3] / -left[0, 0]
        values = {"focal_px": p[0, 0], "focal_y_px": p[1, 1], "cx": p[0, 2], "cy": p[1, 2], "baseline_m": baseline}
        values["cx_offset_px"] = left[0, 2] - right[0, 2]
        size = dict(zip(("width", "height"), self.size[side], strict=True)) if self.size else {}
        return {name: float(value) for name, value in values.items()} | size

    def fitted(self, side: str, image: Path, width: int, height: int, way_out: str) -> StereoRig:
        """The rig of an image, which must have the file's size, or a size that its principal point fits.

        Raises:
            DataError: it has not; names the image and the file.
        """
        if not self.size:
            return fitted(self.rig(side), self.path, image, width, height, way_out)
        way_out = f"a resized copy can't be used with the original calibration: {way_out}"
        require_size(image, (height, width), self.size[side][::-1], f"{self.path} says", way_out)
        return self.rig(side)

    def velodyne_projection(self, side: str, velodyne_to_camera: np.ndarray) -> np.ndarray:
        """``P_rect_0c R_rect_00 T_velo``, ``(3, 4)``: laser coordinates (x forward, metres) to pixels."""
        return self.projection[side] @ self.rectification @ velodyne_to_camera


def find_drives(root: Path) -> dict[str, Path]:
    """The folder of each drive under a root, by the drive's name, sorted.

    A drive may lie in ``<date>/<drive>/`` (all archives unpacked into one folder), in ``<drive>/<date>/<drive>/``
    (each archive in a folder of its own, its calibration in ``<date>_calib/<date>/``), or in ``<drive>/``.

    Raises:
        DataError: the root is not a folder, is empty, or holds no drive.
    """
    root = checked_root(root, KITTI_RAW_WAY_OUT)
    found = {}
    for child in subfolders(root):
        if _DATE.fullmatch(child.name):
            found |= {name: child / name for name in entries(child) if _DRIVE.fullmatch(name)}
        elif _DRIVE.fullmatch(child.name):
            inner = child / child.name[:10] / child.name
            found[child.name] = inner if inner.is_dir() else child
    # depth folders carry drives' names too, but no images
    drives = [name for name, path in found.items() if any((path / f"image_{n}").is_dir() for n in SIDES.values())]
    if drives:
        return {name: found[name] for name in sorted(drives)}
    if other := other_kitti_layout(root):
        told, name = other
        way_out = (
            f"name it --data {name}={root}"
            if name
            else "no reader takes this layout yet. What can be used today: copy or link frames of one calibration as "
            "left/ and right/ beside a rig.yaml (`lowtex data rig --template`) and give that folder as --data "
            "stereo=FOLDER"
        )
        raise DataError(f"{root} holds {told}, not KITTI raw's drives: {way_out}")
    hint = hint_near(root, lambda inner: any(map(_DATE.fullmatch, entries(inner))))
    raise DataError(f"{root} holds no KITTI drive{hint}; {KITTI_RAW_WAY_OUT}")


class KittiRaw(StereoReader):
    """KITTI raw data (Geiger, Lenz, Stiller, Urtasun, IJRR 2013), CC BY-NC-SA 3.0.

    Get it, after registration, from https://www.cvlibs.net/datasets/kitti/raw_data.php: for each drive the archive
    "synced+rectified data", for each date "calibration". The whole set is about 175 GB; the images alone serve for
    training, ``image_02`` alone for evaluation (``views=False``).

    Layout under ``root`` (other ways of unpacking: see `find_drives`)::

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
    known = tuple(KITTI_SPLITS)
    aliases = {"train": "eigen_full/train", "val": "eigen_full/val", "test": "eigen/test"}
    cameras = SIDES
    # the files of ground truth in words, and how to get them, for messages
    truths, truth_way_out = "laser scans", KITTI_RAW_WAY_OUT
    layout = {
        "image": Kind("image_{camera}/data", r"(\d+)\.(?:png|jpg|jpeg)", "{frame:010d}.png"),
        "scan": Kind("velodyne_points/data", r"(\d+)\.bin", "{frame:010d}.bin"),
    }

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
        self.depth, self.truth = depth, depth and "scan"
        self._open_raw(root, root, split, size, views, camera, depth_required)

    def _open_raw(self, root, raw_root, split, size, views, camera, depth_required) -> None:
        self.views, self.depth_required = views, depth_required
        self.root, self.raw_root = Path(root).expanduser(), Path(raw_root).expanduser()
        self.drives = find_drives(self.raw_root)
        self._open(split, size, camera)
        for folder in () if tolerates_missing() else sorted({f.folder for f in self.frames}):
            self.calibration(folder)

    @property
    def ground_truth(self) -> str | None:
        """Kind of ground truth that the samples have, a name of `lowtex.evaluation.protocols.GROUND_TRUTHS`."""
        return "velodyne_x" if self.depth == "velodyne" else self.depth

    @property
    def needs_depth(self) -> bool:
        """A frame without ground truth is an error."""
        return is_test_split(self.split) if self.depth_required is None else self.depth_required

    def drive_folder(self, folder: str) -> Path:
        """Folder of ``<date>/<drive>``; where the usual layout would have it if it is not there."""
        return self.drives.get(folder.split("/")[1]) or self.raw_root / folder

    def places(self, kind: str, f: Frame) -> list[Path]:
        """See `StereoReader.places`."""
        return [self.drive_folder(f.folder)]

    def calibration(self, folder: str) -> KittiCalibration:
        """Calibration of the recording date of ``<date>/<drive>``."""
        path = self.calibration_file(folder, CAM_TO_CAM)
        return self._once(path, lambda: read_kitti_calibration(path, KITTI_RAW_WAY_OUT))

    def velodyne_to_camera(self, folder: str) -> np.ndarray:
        """``(4, 4)`` from laser to camera 0 coordinates of the date of ``<date>/<drive>``."""
        path = self.calibration_file(folder, VELO_TO_CAM)
        return self._once(path, lambda: read_velodyne_to_camera(path, KITTI_RAW_WAY_OUT))

    def calibration_file(self, folder: str, name: str) -> Path:
        """Path of a calibration file of the recording date of ``<date>/<drive>``; the usual one if there is none."""
        date, drive = folder.split("/")[0], self.drive_folder(folder)
        usual, beside = self.raw_root / date, self.raw_root / f"{date}_calib"
        places = [place / name for place in (usual, beside / date, beside, drive.parent, drive)]
        return self._once((folder, name), lambda: next((path for path in places if path.is_file()), places[0]))

    def _more(self, f: Frame) -> list[Path]:
        truth = self._truth_file(f)
        laser = [self.calibration_file(f.folder, VELO_TO_CAM)] if truth and self.truth == "scan" else []
        return [self.calibration_file(f.folder, CAM_TO_CAM), *truth, *laser]

    def _found(self, sides: str) -> list[Frame]:
        frames = []
        for drive in self.drives:
            for view in (Frame(f"{drive[:10]}/{drive}", 0, side) for side in sides):
                frames += [view._replace(frame=number) for number in self.files("image", view)]
        return sorted(f for f in frames if not self.missing(f))

    @property
    def nothing(self) -> str:
        """See `StereoReader`; says which view is missing."""
        counts = dict.fromkeys("lr", 0)
        for drive in self.drives:
            for side in counts:
                counts[side] += len(self.files("image", Frame(f"{drive[:10]}/{drive}", 0, side)))
        told = ", ".join(f"image_{SIDES[side]}: {count(number, 'image')}" for side, number in counts.items())
        return f"complete frame ({told}{'; a pair needs both' if self.views else ''})"

    def _check_files(self) -> None:
        super()._check_files()
        wanted = self.frames if self.truth and self.needs_depth else []
        gone = [self.file(self.truth, f) for f in wanted if not self.has(self.truth, f)]
        self._report(gone, len(wanted), self.truths, self.truth_way_out)

    def _name(self, f: Frame) -> str:
        return f"{f.folder.split('/')[1]}/{f.frame:010d}/{f.side}"

    def rig(self, f: Frame, image: Path, width: int, height: int) -> StereoRig:
        return self.calibration(f.folder).fitted(f.side, image, width, height, self.way_out)

    def _truth(self, f: Frame, image: Path, rig: StereoRig) -> dict[str, np.ndarray]:
        if not (paths := self._truth_file(f)):
            return {}
        [path] = paths
        points = read_velodyne(path, self.way_out)
        projection = self.calibration(f.folder).velodyne_projection(f.side, self.velodyne_to_camera(f.folder))
        depth = project_velodyne(points, projection, rig.width, rig.height, forward=self.depth == "velodyne")
        if not depth.any():
            calibration = self.calibration(f.folder).path.parent / VELO_TO_CAM
            raise DataError(
                f"{path}: no point falls into {image}; the scan or {calibration} is not the one that belongs here: "
                f"{self.way_out}"
            )
        return {"depth": depth}


class KittiImproved(KittiRaw):
    """KITTI's improved depth maps (Uhrig et al., "Sparsity Invariant CNNs", 3DV 2017), CC BY-NC-SA 3.0.

    Get "annotated depth maps" (14 GB), after registration, from
    https://www.cvlibs.net/datasets/kitti/eval_depth.php?benchmark=depth_prediction. The images are those of KITTI raw
    (`KittiRaw`): the maps come without any.

    Layout under ``root``; the level ``train/`` or ``val/`` may be left out, or be ``<date>/``::

        train/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000005.png

    A map is a 16-bit PNG: metres = value / 256, 0 = no ground truth. The first and last five frames of a drive have
    none; ``eigen_benchmark/test`` lists the 652 of the 697 Eigen test images that do.

    Args:
        root: that folder.
        split: as in `KittiRaw`, but ``test`` is ``eigen_benchmark/test``, and ``available`` is every annotated frame
            whose images are there.
        size: ``(H, W)`` of the images, or None for native size; the maps keep theirs.
        raw_root: folder of KITTI raw; by default ``kitti_raw`` beside ``root``, else ``root`` itself.
        views, camera, depth_required: as in `KittiRaw`.

    Raises:
        DataError: as in `KittiRaw`; also where a map and its image differ in size.
    """

    aliases = {**KittiRaw.aliases, "test": "eigen_benchmark/test"}
    layout = KittiRaw.layout | {
        "map": Kind("proj_depth/groundtruth/image_{camera}", r"(\d+)\.png", "{frame:010d}.png"),
    }
    depth, truth = "improved", "map"
    truths = "depth maps"
    truth_way_out = f"'eigen_benchmark/test' lists the test images that have one. {KITTI_DEPTH_WAY_OUT}"

    def __init__(
        self,
        root: str | Path,
        split: str = "test",
        size: Sequence[int] | None = (96, 320),
        raw_root: str | Path | None = None,
        views: bool = True,
        camera: str | None = None,
        depth_required: bool | None = None,
    ):
        root = checked_root(root, KITTI_DEPTH_WAY_OUT)
        self._open_raw(root, _raw_root(root, raw_root), split, size, views, camera, depth_required)

    def places(self, kind: str, f: Frame) -> list[Path]:
        """See `StereoReader.places`."""
        if kind != "map":
            return super().places(kind, f)
        date, drive = f.folder.split("/")
        return [level / drive for level in self._levels(date)]

    def _levels(self, *dates: str) -> list[Path]:
        """Folders that drives with maps may lie in."""
        parts = ("", "data_depth_annotated")
        levels = [self.root / part / level for part in parts for level in ("train", "val", "")]
        return levels + [self.root / date for date in dates]

    def _found(self, sides: str) -> list[Frame]:
        # no frame without its map; KITTI raw alone would offer those too
        frames = [f for f in super()._found(sides) if self.has("map", f)]
        if not frames:
            raise DataError(
                f"no depth map in {self.root} belongs to an image in {self.raw_root}; {KITTI_DEPTH_WAY_OUT}"
            )
        return frames

    def _truth(self, f: Frame, image: Path, rig: StereoRig) -> dict[str, np.ndarray]:
        if not self._truth_file(f):
            return {}
        return {"depth": self._map("map", f, image, rig, way_out=KITTI_DEPTH_WAY_OUT).astype(np.float32) / 256.0}


class DepthMaps(KittiImproved):
    """The maps alone, for checks where the images are not at hand: `needed` names them, reading fails. To be opened
    within `tolerating_missing`.

    Args:
        root, split: as in `KittiImproved`; ``available`` is every map of the left camera.

    Raises:
        DataError: there is no map in the root.
        OptionError: an unknown split.
    """

    def __init__(self, root: str | Path, split: str = "test"):
        self.root, self.depth_required = checked_root(root, KITTI_DEPTH_WAY_OUT), None
        if not self._found("l"):
            raise DataError(f"{self.root} holds no depth map; {KITTI_DEPTH_WAY_OUT}")
        self._open(split, None)

    def _found(self, sides: str) -> list[Frame]:
        levels = self._levels(*(name for name in entries(self.root) if _DATE.fullmatch(name)))
        drives = sorted({name for level in levels if level.is_dir() for name in entries(level)})
        firsts = [Frame(f"{name[:10]}/{name}", 0) for name in drives]
        return [f._replace(frame=number) for f in firsts for number in sorted(self.files("map", f))]

    def needed(self, index: int) -> list[Path]:
        """The map."""
        return self._truth_file(self.frames[index])


def _raw_root(depth_root: Path, raw_root: str | Path | None) -> Path:
    if raw_root is not None:
        return Path(raw_root)
    beside = depth_root.resolve().parent / "kitti_raw"
    if beside.is_dir():
        return beside
    try:
        find_drives(depth_root)
        return depth_root
    except DataError as error:
        raise DataError(
            f"the images of {depth_root} are not found: neither {beside} nor {depth_root} holds KITTI raw; "
            f"name its folder with --data kitti=FOLDER. {KITTI_RAW_WAY_OUT}"
        ) from error


def other_kitti_layout(root: Path) -> tuple[str, str | None] | None:
    """What a root holds that is KITTI's, but not the raw recordings: a benchmark of `_BENCHMARKS`; else None.

    The folders may lie in the root, or one or two levels below it (``training/``, ``dataset/sequences/``).
    """
    for folder, told in _BENCHMARKS.items():
        for above in ("", "*/", "*/*/"):
            if any(path.is_dir() for path in root.glob(above + folder)):
                return told
    return None


def read_kitti_calibration(path: str | Path, way_out: str) -> KittiCalibration:
    """Read ``calib_cam_to_cam.txt``, or the file of one frame of the object or road benchmark, which has no size.

    Raises:
        DataError: the file or a field is missing, a value is not a finite number, the focal length or the baseline
            is not positive or can't be in pixels or metres, or the two cameras were not rectified together. Names the
            file and the field.
    """
    fields = KittiFields(path, way_out)
    of_frame = "P2" in fields.values
    names = {side: f"P{camera[1]}" if of_frame else f"P_rect_{camera}" for side, camera in SIDES.items()}
    size = {} if of_frame else {side: fields.size(f"S_rect_{camera}") for side, camera in SIDES.items()}
    projection = {side: fields.numbers(name, 12).reshape(3, 4) for side, name in names.items()}
    # only the laser's points need it, and files of frames may lack it
    rectification = None if of_frame else fields.rotation("R_rect_00")
    calibration = KittiCalibration(Path(path), projection, size, rectification)
    for side, name in names.items():
        what = dict.fromkeys(("focal_px", "focal_y_px"), f"{path}: {name} (focal length)")
        what["baseline_m"] = f"{path}: baseline by {names['l']} and {names['r']} (< 0: cameras swapped)"
        require_plausible(calibration.rig_values(side), what, way_out)
    left, right = (p[0, 0] for p in projection.values())
    same = abs(left - right) < 1e-3 * left
    fields.require(same, names["r"], f"focal length {right:g} differs from {names['l']}'s {left:g}")
    return calibration


def read_velodyne_to_camera(path: str | Path, way_out: str) -> np.ndarray:
    """Read ``calib_velo_to_cam.txt``: ``(4, 4)`` from laser to camera 0 coordinates, metres.

    Raises:
        DataError: the file, ``R`` or ``T`` is missing or not a finite rotation and translation.
    """
    fields = KittiFields(path, way_out)
    pose = fields.rotation("R")
    pose[:3, 3] = fields.numbers("T", 3)
    return pose


class KittiFields:
    """A calibration file: lines of ``name: values``.

    Raises:
        DataError: the file is missing or no text; and of each method: the field is missing or makes no sense. Names
            the file and the field.
    """

    def __init__(self, path: str | Path, way_out: str):
        self.path, self.way_out = Path(path), way_out
        lines = (line.partition(":") for line in read_text(path, way_out).splitlines())
        self.values = {name.strip(): rest for name, colon, rest in lines if colon}

    def numbers(self, name: str, count: int) -> np.ndarray:
        """So many finite numbers, float64."""
        self.require(name in self.values, name, "is missing")
        try:
            values = np.array([float(word) for word in self.values[name].split()])
        except ValueError as error:
            raise DataError(f"{self.path}: {name} holds something that is not a number; {self.way_out}") from error
        self.require(len(values) == count, name, f"has {len(values)} numbers where {count} are expected")
        self.require(np.isfinite(values).all(), name, "holds a number that is not finite")
        return values

    def size(self, name: str) -> tuple[int, int]:
        """Width and height of an image, pixels."""
        width, height = self.numbers(name, 2)
        whole = min(width, height) >= 1 and width.is_integer() and height.is_integer()
        self.require(whole, name, f"image size {width:g} x {height:g} is not a size in pixels")
        return int(width), int(height)

    def rotation(self, name: str) -> np.ndarray:
        """A rotation as ``(4, 4)``."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.numbers(name, 9).reshape(3, 3)
        near = np.abs(matrix[:3, :3] @ matrix[:3, :3].T - np.eye(3)).max() < 1e-2 and np.linalg.det(matrix) > 0
        self.require(near, name, "is not a rotation")
        return matrix

    def require(self, condition: bool, name: str, problem: str) -> None:
        """Raise `DataError` about a field unless a condition holds."""
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
