"""Calibration files: KITTI's text files and Virtual KITTI 2's, as stereo rigs and projections.

KITTI's fields are explained in the development kit of its raw data and in Geiger et al., "Vision meets Robotics: The
KITTI Dataset", IJRR 2013. Only the colour pair is used: camera 2 is the left one, camera 3 the right one.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lowtex.datasets.images import read_text
from lowtex.errors import DataError
from lowtex.geometry import StereoRig, implausible_baseline, implausible_focal

VKITTI2_SIZE = (1242, 375)
"""Width and height of every Virtual KITTI 2 image, pixels."""

VKITTI2_INTRINSICS = (725.0087, 725.0087, 620.5, 187.0)
"""fx, fy, cx, cy of every Virtual KITTI 2 camera, pixels."""

VKITTI2_BASELINE_M = 0.532725
"""Distance between Camera_0 (left) and Camera_1 (right) of Virtual KITTI 2, metres."""

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


def read_vkitti2_intrinsics(path: str | Path, way_out: str) -> dict[tuple[int, int], tuple[float, ...]]:
    """Read Virtual KITTI 2's ``intrinsic.txt``: ``(frame, camera) -> (fx, fy, cx, cy)`` in pixels.

    Raises:
        DataError: a line is not ``frame camera fx fy cx cy``, a number is not finite, or a focal length not > 0.
    """
    rows = _vkitti2_rows(path, 6, way_out)
    for number, row in rows:
        if min(row[2], row[3]) <= 0:
            raise DataError(f"{path} line {number}: focal length is not > 0; {way_out}")
    return {(int(row[0]), int(row[1])): tuple(row[2:]) for _, row in rows}


def read_vkitti2_baselines(path: str | Path, way_out: str) -> dict[int, float]:
    """Read Virtual KITTI 2's ``extrinsic.txt`` (world to camera, 4x4 row by row): baseline in metres by frame.

    Both cameras of a frame have one orientation, so Camera_1 sits where its ``t1`` is smaller by the baseline.
    Frames with one camera only are left out.

    Raises:
        DataError: a line has the wrong length or a number that is not finite, or a baseline is not > 0 or not metres.
    """
    rows = _vkitti2_rows(path, 18, way_out)
    offsets = {(int(row[0]), int(row[1])): row[5] for _, row in rows}
    baselines = {
        frame: offsets[frame, 0] - offsets[frame, 1]
        for frame, camera in offsets
        if not camera and (frame, 1) in offsets
    }
    for frame, baseline in baselines.items():
        if baseline <= 0:
            raise DataError(f"{path}: frame {frame}: baseline {baseline:g} m is not > 0; {way_out}")
        if problem := implausible_baseline(baseline):
            raise DataError(f"{path}: frame {frame}: {problem}; {way_out}")
    return baselines


def _vkitti2_rows(path: str | Path, count: int, way_out: str) -> list[tuple[int, list[float]]]:
    rows = []
    for number, line in enumerate(read_text(path, way_out).splitlines(), start=1):
        words = line.split()
        if not words or words[0] == "frame":
            continue
        try:
            row = [float(word) for word in words]
        except ValueError as error:
            raise DataError(f"{path} line {number}: something is not a number; {way_out}") from error
        if len(row) != count or not all(map(math.isfinite, row)):
            raise DataError(f"{path} line {number}: expected {count} finite numbers, got {line.strip()!r}; {way_out}")
        rows.append((number, row))
    if not rows:
        raise DataError(f"{path} holds no camera; {way_out}")
    return rows
