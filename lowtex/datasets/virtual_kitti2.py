"""Virtual KITTI 2: rendered stereo pairs with dense depth; and the miniature world, which is kept in its layout."""

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from lowtex.datasets.images import read_text
from lowtex.datasets.reader import (
    WAYS_OUT,
    Kind,
    StereoReader,
    checked_root,
    entries,
    fitted,
    hint_near,
    require_plausible,
    subfolders,
    tolerates_missing,
)
from lowtex.datasets.splits import AVAILABLE, VKITTI2_FOLDER, Frame, read_list
from lowtex.errors import DataError, OptionError
from lowtex.geometry import StereoRig

VKITTI2_WAY_OUT = WAYS_OUT["vkitti2"]

VKITTI2_FRAMES_A_VARIATION = 2126
"""Frames of each camera that every one of the ten variations has, in all five scenes together."""

VKITTI2_SIZE = (1242, 375)
"""Width and height of every Virtual KITTI 2 image, pixels."""

VKITTI2_INTRINSICS = (725.0087, 725.0087, 620.5, 187.0)
"""fx, fy, cx, cy of every Virtual KITTI 2 camera, pixels."""

_LENS = ("focal_px", "focal_y_px", "cx", "cy")

VKITTI2_BASELINE_M = 0.532725
"""Distance between Camera_0 (left) and Camera_1 (right) of Virtual KITTI 2, metres."""

CONTRAST_UNITS = 10000.0
"""A miniature's contrast PNG (deviation of albedo) holds multiples of 1e-4, as `lowtex_lab.miniature` writes them."""

MINIATURE_WAY_OUT = "write the miniature again: lowtex data miniature"

SKY = 65535
"""Value of the sky in a depth PNG, where there is no ground truth."""

VKITTI2_SPLITS = {
    "eigen_like/train": ("Scene02", "Scene18"),
    "eigen_like/val": ("Scene06",),
    "eigen_like/test": ("Scene01", "Scene20"),
    "scene18/train": ("Scene01", "Scene02", "Scene20"),
    "scene18/val": ("Scene06",),
    "scene18/test": ("Scene18",),
}
"""Scenes of each named split; no scene is in two parts of one split. The paper does not say which split it used."""

STREET_SPLITS = {
    "streets/val": tuple(f"Scene{number}" for number in range(41, 45)),
    "streets/test": tuple(f"Scene{number}" for number in range(51, 63)),
}
"""The same for streets of the miniature world that no network learns from, enough to tell streets from methods."""

_SCENE = re.compile(r"Scene\w+")


class VirtualKitti2(StereoReader):
    """Virtual KITTI 2 (Cabon, Murray, Humenberger, arXiv 2001.10773), for non-commercial use under the
    licence on its page.

    Get the archives vkitti_2.0.3_rgb, _depth and _textgt from
    https://europe.naverlabs.com/proxy-virtual-worlds-vkitti-2/. Five scenes, each in ten
    variations of light, weather and camera angle. The kit's miniature world is written in the same layout.

    Layout under ``root`` (also with a folder for each archive: ``rgb/``, ``depth/``, ``textgt/``, or
    ``vkitti_2.0.3_rgb/`` and so on)::

        Scene01/clone/frames/rgb/Camera_0/rgb_00000.jpg         left; Camera_1 is the right one
        Scene01/clone/frames/depth/Camera_0/depth_00000.png     16 bit, centimetres along z; 65535 = sky
        Scene01/clone/intrinsic.txt, extrinsic.txt              optional for official images

    Args:
        root: that folder.
        split: ``train``, ``val``, ``test`` (of ``eigen_like``), another one of `VKITTI2_SPLITS`, a list of the root
            (``splits/<name>.txt``), ``available``, or the path of a text file of lines ``Scene02/clone 12 l``.
        size: ``(H, W)`` of the images, or None for native size; depth keeps its own.
        variation: one name, several, or ``all``; None is ``clone`` in the named splits, and whatever there is in
            ``available`` and in lists.
        camera: ``left``, ``right`` or ``both``; None takes a list's own choice, and is ``left`` elsewhere.
        views: also give the other camera's image.
        depth: read the ground truth.

    A sample's depth is in metres, 0 in the sky; any other cap is the protocol's. Miniatures also give
    ``texture_contrast`` and ``visible``.

    Raises:
        DataError: a scene or files of the split are missing (counted); on reading, a file is damaged.
        OptionError: an unknown split, variation or option.
    """

    ground_truth = "vkitti2"
    way_out = VKITTI2_WAY_OUT
    known = (*VKITTI2_SPLITS, *STREET_SPLITS)
    aliases = {part: f"eigen_like/{part}" for part in ("train", "val", "test")}
    cameras = {"l": 0, "r": 1}
    layout = {
        "image": Kind("frames/rgb/Camera_{camera}", r"rgb_(\d+)\.(?:jpg|jpeg|png)", "rgb_{frame:05d}.jpg"),
        "depth": Kind("frames/depth/Camera_{camera}", r"depth_(\d+)\.png", "depth_{frame:05d}.png"),
        # of miniatures only
        "contrast": Kind("frames/lowtexContrast/Camera_{camera}", r"contrast_(\d+)\.png", "contrast_{frame:05d}.png"),
        "visible": Kind("frames/lowtexVisible/Camera_{camera}", r"visible_(\d+)\.png", "visible_{frame:05d}.png"),
    }

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        size: Sequence[int] | None = (96, 320),
        variation: str | Sequence[str] | None = None,
        camera: str | None = None,
        views: bool = True,
        depth: bool = True,
    ):
        self.views, self.depth = views, depth
        self.root = checked_root(root, VKITTI2_WAY_OUT)
        self.folders = self._find_folders()
        self.variations = self._checked_variations(variation)
        self._open(split, size, camera, partial(read_list, folder=VKITTI2_FOLDER))

    def _archives(self, kind: str) -> list[Path]:
        """Folders that scenes may lie in: the root itself, or one for each archive."""
        archive = "rgb" if kind == "image" else kind
        return [self.root, self.root / archive, self.root / f"vkitti_2.0.3_{archive}"]

    def places(self, kind: str, f: Frame) -> list[Path]:
        """See `StereoReader.places`."""
        return [place / f.folder for place in self._archives(kind)]

    def _find_folders(self) -> list[str]:
        """Every ``<scene>/<variation>`` that has images, sorted."""
        scenes = [scene for place in self._archives("image") if place.is_dir() for scene in subfolders(place)]
        found = set()
        for scene in (folder for folder in scenes if _SCENE.fullmatch(folder.name)):
            found |= {f"{scene.name}/{name}" for name in entries(scene) if (scene / name / "frames" / "rgb").is_dir()}
        if not found:
            hint = hint_near(self.root, lambda inner: any(map(_SCENE.fullmatch, entries(inner))))
            raise DataError(f"{self.root} holds no scene of Virtual KITTI 2{hint}; {VKITTI2_WAY_OUT}")
        return sorted(found)

    def _checked_variations(self, variation: str | Sequence[str] | None) -> list[str] | None:
        there = sorted({folder.split("/")[1] for folder in self.folders})
        if variation is None:
            return None
        wanted = there if variation == "all" else [variation] if isinstance(variation, str) else list(variation)
        if not wanted or not set(wanted) <= set(there):
            raise OptionError(f"variation={variation!r} is not in {self.root}; there are {', '.join(there)}, or 'all'")
        return wanted

    def _listed(self, frames: list[Frame], sides: str) -> list[Frame]:
        found = [f for f in frames if self.variations is None or f.folder.split("/")[1] in self.variations]
        if not found:
            raise OptionError(f"variation={', '.join(self.variations)} leaves no frame of split {self.split!r}")
        return found

    def _found(self, sides: str) -> list[Frame]:
        """Frames of whole scenes.

        In a named split they run from 0 to the last one of which there is any file, or that ``intrinsic.txt`` lists,
        so that a missing one does not go unnoticed.
        """
        if self.split == AVAILABLE:
            folders = [f for f in self.folders if self.variations is None or f.split("/")[1] in self.variations]
            frames = [f for folder in folders for f in self._frames(folder, sorted(self._numbers(folder)), sides)]
            return [f for f in frames if not self.missing(f)]
        frames = []
        scenes = (VKITTI2_SPLITS | STREET_SPLITS)[self.split]
        for folder in (f"{scene}/{name}" for scene in scenes for name in self.variations or ["clone"]):
            if folder in self.folders:
                count = max(self._numbers(folder) | self._recorded(folder), default=-1) + 1
                frames += self._frames(folder, range(count), sides)
            elif tolerates_missing():
                self.absent += (self.root / folder,)
            else:
                raise DataError(
                    f"{folder} of split {self.split!r} is missing in {self.root}, which has "
                    f"{', '.join(self.folders)}; {VKITTI2_WAY_OUT}"
                )
        return frames

    @staticmethod
    def _frames(folder: str, numbers: Sequence[int], sides: str) -> list[Frame]:
        return [Frame(folder, number, side) for number in numbers for side in sides]

    def _numbers(self, folder: str) -> set[int]:
        """Frames of ``<scene>/<variation>`` of which any file that is read is there, of either camera."""
        kinds = ("image", "depth") if self.depth else ("image",)
        return {number for kind in kinds for side in "lr" for number in self.files(kind, Frame(folder, 0, side))}

    def _recorded(self, folder: str) -> set[int]:
        """Frames that ``intrinsic.txt`` lists; none if there is no such file."""
        try:
            return {frame for frame, _ in self._text("intrinsic.txt", folder, read_vkitti2_intrinsics) or ()}
        except DataError:
            if tolerates_missing():
                return set()
            raise

    def _name(self, f: Frame) -> str:
        return f"{f.folder}/{f.frame:05d}/{f.side}"

    def _kinds(self, f: Frame) -> Sequence[str]:
        return ("depth",) if self.depth else ()

    def _more(self, f: Frame) -> list[Path]:
        texts = [self._text_file(name, f.folder) for name in ("intrinsic.txt", "extrinsic.txt")]
        return [self.file(kind, f) for kind in self._miniature_kinds(f)] + [path for path in texts if path is not None]

    def _miniature_kinds(self, f: Frame) -> list[str]:
        """Official data have depth only, miniatures all three maps."""
        return [kind for kind in ("contrast", "visible") if self.depth and self.files(kind, f)]

    def _text_file(self, name: str, folder: str) -> Path | None:
        def find() -> Path | None:
            paths = (place / folder / name for place in self._archives("textgt"))
            return next((path for path in paths if path.exists()), None)

        return self._once((name, folder), find)

    def _text(self, name: str, folder: str, read: Callable[[Path, str], dict]) -> dict | None:
        path = self._text_file(name, folder)
        return None if path is None else self._once(path, lambda: read(path, VKITTI2_WAY_OUT))

    def rig(self, f: Frame, image: Path, width: int, height: int) -> StereoRig:
        """From ``intrinsic.txt`` and ``extrinsic.txt`` where they are, else the data set's constants."""
        path, frame, camera = self._text_file("intrinsic.txt", f.folder), f.frame, self.cameras[f.side]
        intrinsics = self._text("intrinsic.txt", f.folder, read_vkitti2_intrinsics)
        if intrinsics is None and (width, height) != VKITTI2_SIZE:
            raise DataError(
                f"{image} is {width}x{height} pixels and {f.folder}/intrinsic.txt is missing; the known camera is that "
                f"of {VKITTI2_SIZE[0]}x{VKITTI2_SIZE[1]} images: {VKITTI2_WAY_OUT}"
            )
        values = VKITTI2_INTRINSICS if intrinsics is None else intrinsics.get((frame, camera))
        if values is None:
            raise DataError(f"{path} does not list frame {frame}, camera {camera}; {VKITTI2_WAY_OUT}")
        baseline = (self._text("extrinsic.txt", f.folder, read_vkitti2_baselines) or {}).get(frame, VKITTI2_BASELINE_M)
        if abs(baseline - VKITTI2_BASELINE_M) < 1e-3:
            # the difference of two rounded places far from the origin: the constant is the better number
            baseline = VKITTI2_BASELINE_M
        rig = StereoRig(**dict(zip(_LENS, values, strict=True)), baseline_m=baseline, width=width, height=height)
        return rig if intrinsics is None else fitted(rig, path, image, width, height, VKITTI2_WAY_OUT, middle=0.25)

    def _truth(self, f: Frame, image: Path, rig: StereoRig) -> dict[str, np.ndarray]:
        maps = {}
        if self.depth:
            values = self._map("depth", f, image, rig)
            maps["depth"] = np.where(values == SKY, np.float32(0.0), values.astype(np.float32) / 100.0)
        for kind in self._miniature_kinds(f):
            values = self._map(kind, f, image, rig, 16 if kind == "contrast" else 8, MINIATURE_WAY_OUT)
            if kind == "contrast":
                maps["texture_contrast"] = values.astype(np.float32) / CONTRAST_UNITS
            else:
                maps["visible"] = values > 0
        return maps


def read_vkitti2_intrinsics(path: str | Path, way_out: str) -> dict[tuple[int, int], tuple[float, ...]]:
    """Read Virtual KITTI 2's ``intrinsic.txt``: ``(frame, camera) -> (fx, fy, cx, cy)`` in pixels.

    Raises:
        DataError: a line is not ``frame camera fx fy cx cy``, a number is not finite, or a focal length not > 0.
    """
    rows = _vkitti2_rows(path, 6, way_out)
    for number, row in rows:
        what = dict.fromkeys(_LENS[:2], f"{path} line {number} (focal length)")
        require_plausible(dict(zip(_LENS, row[2:], strict=True)), what, way_out)
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
        require_plausible({"baseline_m": baseline}, {"baseline_m": f"{path}: frame {frame} (baseline)"}, way_out)
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
