"""Where Virtual KITTI 2 keeps its files, with the archives unpacked into one folder or each into its own."""

import re
from collections.abc import Iterable
from pathlib import Path

from lowtex.datasets.calibration import (
    VKITTI2_BASELINE_M,
    VKITTI2_INTRINSICS,
    VKITTI2_SIZE,
    read_vkitti2_baselines,
    read_vkitti2_intrinsics,
)
from lowtex.datasets.reader import checked_root, entries, tolerates_missing
from lowtex.errors import DataError
from lowtex.geometry import StereoRig, implausible_focal

VKITTI2_WAY_OUT = (
    "Virtual KITTI 2 (non-commercial use, see the licence there): get the archives vkitti_2.0.3_rgb, "
    "vkitti_2.0.3_depth and vkitti_2.0.3_textgt from https://europe.naverlabs.com/proxy-virtual-worlds-vkitti-2/ and "
    "unpack them into the root, as SceneXX/<variation>/frames/rgb/Camera_0/"
)

VKITTI2_FRAMES_A_VARIATION = 2126
"""Frames of each camera that every one of the ten variations has, in all five scenes together."""

CAMERA_NUMBERS = {"l": 0, "r": 1}
"""Virtual KITTI 2's number of the left and of the right camera."""

_SCENE = re.compile(r"Scene\w+")
_FILES = {
    "rgb": ("frames/rgb", re.compile(r"rgb_(\d+)\.(jpg|jpeg|png)", re.IGNORECASE)),
    "depth": ("frames/depth", re.compile(r"depth_(\d+)\.png", re.IGNORECASE)),
    "contrast": ("frames/lowtexContrast", re.compile(r"contrast_(\d+)\.png", re.IGNORECASE)),
    "visible": ("frames/lowtexVisible", re.compile(r"visible_(\d+)\.png", re.IGNORECASE)),
}
_USUAL_NAME = {
    "rgb": "rgb_{:05d}.jpg",
    "depth": "depth_{:05d}.png",
    "contrast": "contrast_{:05d}.png",
    "visible": "visible_{:05d}.png",
}


class Vkitti2Tree:
    """The scenes under a root.

    ``SceneXX`` may lie in the root itself, or in a folder for each archive: ``rgb/``, ``depth/``, ``textgt/``, or
    ``vkitti_2.0.3_rgb/`` and so on; ``depth_root`` and ``text_root`` may name folders elsewhere.

    Raises:
        DataError: a root is not a folder or is empty, or no scene is in it.
    """

    def __init__(self, root: str | Path, depth_root: str | Path | None = None, text_root: str | Path | None = None):
        self.root = checked_root(root, VKITTI2_WAY_OUT)
        given = {"depth": depth_root, "textgt": text_root}
        self._places = {}
        for kind in (*_FILES, "textgt"):
            base = self.root if given.get(kind) is None else checked_root(given[kind], VKITTI2_WAY_OUT)
            self._places[kind] = [base, base / kind, base / f"vkitti_2.0.3_{kind}"]
        self._files: dict[tuple[str, str, str], dict[int, Path]] = {}
        self._intrinsics: dict[str, dict] = {}
        self._baselines: dict[str, dict] = {}
        self._texts: dict[str, list[Path]] = {}
        self.folders = sorted(self._find_folders())
        """Every ``<scene>/<variation>`` that has images."""
        if not self.folders:
            raise DataError(f"{self.root} holds no scene of Virtual KITTI 2{self._suggestion()}; {VKITTI2_WAY_OUT}")

    def _find_folders(self) -> set[str]:
        found = set()
        for place in (folder for folder in self._places["rgb"] if folder.is_dir()):
            scenes = [name for name in entries(place) if _SCENE.fullmatch(name) and (place / name).is_dir()]
            found |= {
                f"{scene}/{variation}"
                for scene in scenes
                for variation in entries(place / scene)
                if (place / scene / variation / _FILES["rgb"][0]).is_dir()
            }
        return found

    def _suggestion(self) -> str:
        for inner in (self.root / name for name in entries(self.root) if (self.root / name).is_dir()):
            if any(map(_SCENE.fullmatch, entries(inner))):
                return f" (but {inner} seems to: give that folder)"
        return ""

    def _find(self, kind: str, inner: str) -> Path | None:
        return next((place / inner for place in self._places[kind] if (place / inner).exists()), None)

    def files(self, kind: str, folder: str, side: str) -> dict[int, Path]:
        """Files of one kind (``rgb``, ``depth``, ``contrast``, ``visible``) of one camera by frame number."""
        key = kind, folder, side
        if key not in self._files:
            inner, pattern = _FILES[kind]
            data = self._find(kind, f"{folder}/{inner}/Camera_{CAMERA_NUMBERS[side]}")
            matches = (pattern.fullmatch(name) for name in (entries(data) if data is not None else []))
            self._files[key] = {int(match[1]): data / match[0] for match in matches if match}
        return self._files[key]

    def file(self, kind: str, folder: str, frame: int, side: str) -> Path:
        """Path of one file; the usual name if there is none."""
        found = self.files(kind, folder, side).get(frame)
        if found is not None:
            return found
        place = next((p for p in self._places[kind] if (p / folder).is_dir()), self._places[kind][0])
        return place / folder / _FILES[kind][0] / f"Camera_{CAMERA_NUMBERS[side]}" / _USUAL_NAME[kind].format(frame)

    def frames(self, folder: str, kinds: Iterable[str]) -> set[int]:
        """Frame numbers of ``<scene>/<variation>`` for which any file of these kinds is there, of either camera."""
        return {frame for kind in kinds for side in CAMERA_NUMBERS for frame in self.files(kind, folder, side)}

    def recorded_frames(self, folder: str) -> set[int]:
        """Frame numbers that ``intrinsic.txt`` lists; none if there is no such file."""
        try:
            listed = self._text("intrinsic.txt", folder, self._intrinsics, read_vkitti2_intrinsics) or {}
        except DataError:
            if tolerates_missing():
                return set()
            raise
        return {frame for frame, _ in listed}

    def texts(self, folder: str) -> list[Path]:
        """Those of ``intrinsic.txt`` and ``extrinsic.txt`` that ``<scene>/<variation>`` has."""
        if folder not in self._texts:
            found = (self._find("textgt", f"{folder}/{name}") for name in ("intrinsic.txt", "extrinsic.txt"))
            self._texts[folder] = [path for path in found if path is not None]
        return self._texts[folder]

    def rig(self, folder: str, frame: int, side: str, image: Path, width: int, height: int) -> StereoRig:
        """The camera of one frame at the native size of its image.

        From ``intrinsic.txt`` and ``extrinsic.txt`` where they are, else the data set's constants.

        Raises:
            DataError: the files don't list the frame or don't fit the image; or they are not there and the image has
                not the size the constants are for.
        """
        intrinsics = self._text("intrinsic.txt", folder, self._intrinsics, read_vkitti2_intrinsics)
        baselines = self._text("extrinsic.txt", folder, self._baselines, read_vkitti2_baselines)
        if intrinsics is None and (width, height) != VKITTI2_SIZE:
            raise DataError(
                f"{image} is {width}x{height} pixels and {folder}/intrinsic.txt is missing; the known camera is that "
                f"of {VKITTI2_SIZE[0]}x{VKITTI2_SIZE[1]} images: {VKITTI2_WAY_OUT}"
            )
        values = VKITTI2_INTRINSICS
        if intrinsics is not None:
            path = self._find("textgt", f"{folder}/intrinsic.txt")
            values = intrinsics.get((frame, CAMERA_NUMBERS[side]))
            if values is None:
                raise DataError(f"{path} does not list frame {frame}, camera {CAMERA_NUMBERS[side]}; {VKITTI2_WAY_OUT}")
            if not (width / 4 < values[2] < width * 3 / 4 and height / 4 < values[3] < height * 3 / 4):
                raise DataError(
                    f"{path} puts the principal point at ({values[2]:g}, {values[3]:g}), far from the middle of "
                    f"{image} ({width}x{height}); a resized copy can't be used with the original file: "
                    f"{VKITTI2_WAY_OUT}"
                )
            if problem := implausible_focal(values[0], width) or implausible_focal(values[1], width):
                raise DataError(f"{path}: {problem} ({image}); {VKITTI2_WAY_OUT}")
        baseline = (baselines or {}).get(frame, VKITTI2_BASELINE_M)
        if abs(baseline - VKITTI2_BASELINE_M) < 1e-3:
            # the difference of two rounded places far from the origin: the constant is the better number
            baseline = VKITTI2_BASELINE_M
        fx, fy, cx, cy = values
        return StereoRig(focal_px=fx, focal_y_px=fy, cx=cx, cy=cy, baseline_m=baseline, width=width, height=height)

    def _text(self, name: str, folder: str, kept: dict, read) -> dict | None:
        if folder not in kept:
            path = self._find("textgt", f"{folder}/{name}")
            kept[folder] = None if path is None else read(path, VKITTI2_WAY_OUT)
        return kept[folder]
