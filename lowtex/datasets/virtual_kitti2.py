"""Virtual KITTI 2: rendered stereo pairs with dense depth; and the miniature world, which is kept in its layout."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lowtex.datasets.images import read_gray_png, read_text
from lowtex.datasets.reader import (
    DIRECTIONS,
    OTHER,
    StereoReader,
    Tree,
    checked_camera,
    checked_root,
    checked_size,
    depth_tensor,
    entries,
    hint_below,
    numbered,
    report_missing,
    require_size,
    subfolders,
    tolerates_missing,
)
from lowtex.datasets.sample import StereoSample
from lowtex.datasets.splits import AVAILABLE, VKITTI2_FOLDER, ListedFrame, Split, find_split
from lowtex.errors import DataError, OptionError
from lowtex.geometry import StereoRig, implausible_baseline, implausible_focal

VKITTI2_WAY_OUT = (
    "Virtual KITTI 2 (non-commercial use, see the licence there): get the archives vkitti_2.0.3_rgb, "
    "vkitti_2.0.3_depth and vkitti_2.0.3_textgt from https://europe.naverlabs.com/proxy-virtual-worlds-vkitti-2/ and "
    "unpack them into the root, as SceneXX/<variation>/frames/rgb/Camera_0/"
)

VKITTI2_FRAMES_A_VARIATION = 2126
"""Frames of each camera that every one of the ten variations has, in all five scenes together."""

CAMERA_NUMBERS = {"l": 0, "r": 1}
"""Virtual KITTI 2's number of the left and of the right camera."""

VKITTI2_SIZE = (1242, 375)
"""Width and height of every Virtual KITTI 2 image, pixels."""

VKITTI2_INTRINSICS = (725.0087, 725.0087, 620.5, 187.0)
"""fx, fy, cx, cy of every Virtual KITTI 2 camera, pixels."""

VKITTI2_BASELINE_M = 0.532725
"""Distance between Camera_0 (left) and Camera_1 (right) of Virtual KITTI 2, metres."""

CONTRAST_UNITS = 10000.0
"""A miniature's contrast PNG holds multiples of 1e-4, as `lowtex_lab.miniature.vkitti2` writes them."""

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

_SCENE = re.compile(r"Scene\w+")
_FILES = {
    "rgb": ("frames/rgb", re.compile(r"rgb_(\d+)\.(jpg|jpeg|png)", re.IGNORECASE)),
    "depth": ("frames/depth", re.compile(r"depth_(\d+)\.png", re.IGNORECASE)),
    "contrast": ("frames/lowtexContrast", re.compile(r"contrast_(\d+)\.png", re.IGNORECASE)),
    "visible": ("frames/lowtexVisible", re.compile(r"visible_(\d+)\.png", re.IGNORECASE)),
}


class Vkitti2Tree(Tree):
    """The scenes under a root.

    ``SceneXX`` may lie in the root itself, or in a folder for each archive: ``rgb/``, ``depth/``, ``textgt/``, or
    ``vkitti_2.0.3_rgb/`` and so on; ``depth_root`` and ``text_root`` may name folders elsewhere.

    Raises:
        DataError: a root is not a folder or is empty, or no scene is in it.
    """

    def __init__(self, root: str | Path, depth_root: str | Path | None = None, text_root: str | Path | None = None):
        super().__init__(root, VKITTI2_WAY_OUT)
        given = {"depth": depth_root, "textgt": text_root}
        self._places = {}
        for kind in (*_FILES, "textgt"):
            base = self.root if given.get(kind) is None else checked_root(given[kind], VKITTI2_WAY_OUT)
            self._places[kind] = [base, base / kind, base / f"vkitti_2.0.3_{kind}"]
        self.folders = sorted(self._find_folders())
        """Every ``<scene>/<variation>`` that has images."""
        if not self.folders:
            hint = hint_below(self.root, lambda inner: any(map(_SCENE.fullmatch, entries(inner))))
            raise DataError(f"{self.root} holds no scene of Virtual KITTI 2{hint}; {VKITTI2_WAY_OUT}")

    def _find_folders(self) -> set[str]:
        found = set()
        for place in (folder for folder in self._places["rgb"] if folder.is_dir()):
            for scene in (inner for inner in subfolders(place) if _SCENE.fullmatch(inner.name)):
                variations = [name for name in entries(scene) if (scene / name / _FILES["rgb"][0]).is_dir()]
                found |= {f"{scene.name}/{variation}" for variation in variations}
        return found

    def _find(self, kind: str, inner: str) -> Path | None:
        return next((place / inner for place in self._places[kind] if (place / inner).exists()), None)

    def files(self, kind: str, folder: str, side: str) -> dict[int, Path]:
        """Files of one kind (``rgb``, ``depth``, ``contrast``, ``visible``) of one camera by frame number."""

        def listed() -> dict[int, Path]:
            inner, pattern = _FILES[kind]
            data = self._find(kind, f"{folder}/{inner}/Camera_{CAMERA_NUMBERS[side]}")
            return {} if data is None else numbered(data, pattern)

        return self._once((kind, folder, side), listed)

    def file(self, kind: str, folder: str, frame: int, side: str) -> Path:
        """Path of one file; the usual name if there is none."""
        found = self.files(kind, folder, side).get(frame)
        if found is not None:
            return found
        place = next((p for p in self._places[kind] if (p / folder).is_dir()), self._places[kind][0])
        name = f"{kind}_{frame:05d}.{'jpg' if kind == 'rgb' else 'png'}"
        return place / folder / _FILES[kind][0] / f"Camera_{CAMERA_NUMBERS[side]}" / name

    def frames(self, folder: str, kinds: Iterable[str]) -> set[int]:
        """Frame numbers of ``<scene>/<variation>`` for which any file of these kinds is there, of either camera."""
        return {frame for kind in kinds for side in CAMERA_NUMBERS for frame in self.files(kind, folder, side)}

    def recorded_frames(self, folder: str) -> set[int]:
        """Frame numbers that ``intrinsic.txt`` lists; none if there is no such file."""
        try:
            listed = self._text("intrinsic.txt", folder, read_vkitti2_intrinsics) or {}
        except DataError:
            if tolerates_missing():
                return set()
            raise
        return {frame for frame, _ in listed}

    def texts(self, folder: str) -> list[Path]:
        """Those of ``intrinsic.txt`` and ``extrinsic.txt`` that ``<scene>/<variation>`` has."""
        found = [self._text_file(name, folder) for name in ("intrinsic.txt", "extrinsic.txt")]
        return [path for path in found if path is not None]

    def rig(self, folder: str, frame: int, side: str, image: Path, width: int, height: int) -> StereoRig:
        """The camera of one frame at the native size of its image.

        From ``intrinsic.txt`` and ``extrinsic.txt`` where they are, else the data set's constants.

        Raises:
            DataError: the files don't list the frame or don't fit the image; or they are not there and the image has
                not the size the constants are for.
        """
        intrinsics = self._text("intrinsic.txt", folder, read_vkitti2_intrinsics)
        baselines = self._text("extrinsic.txt", folder, read_vkitti2_baselines)
        if intrinsics is None and (width, height) != VKITTI2_SIZE:
            raise DataError(
                f"{image} is {width}x{height} pixels and {folder}/intrinsic.txt is missing; the known camera is that "
                f"of {VKITTI2_SIZE[0]}x{VKITTI2_SIZE[1]} images: {VKITTI2_WAY_OUT}"
            )
        values = VKITTI2_INTRINSICS
        if intrinsics is not None:
            path = self._text_file("intrinsic.txt", folder)
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

    def _text_file(self, name: str, folder: str) -> Path | None:
        return self._once((name, folder), lambda: self._find("textgt", f"{folder}/{name}"))

    def _text(self, name: str, folder: str, read: Callable[[Path, str], dict]) -> dict | None:
        path = self._text_file(name, folder)
        return None if path is None else self._once(path, lambda: read(path, VKITTI2_WAY_OUT))


class VirtualKitti2(StereoReader):
    """Virtual KITTI 2 (Cabon, Murray, Humenberger, arXiv 2001.10773), for non-commercial use under the
    licence on its page.

    Get the archives vkitti_2.0.3_rgb, _depth and _textgt from
    https://europe.naverlabs.com/proxy-virtual-worlds-vkitti-2/. Five scenes, each in ten
    variations of light, weather and camera angle. The kit's miniature world is written in the same layout.

    Layout under ``root`` (also with a folder for each archive, see `Vkitti2Tree`)::

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
        depth_root, text_root: where ``depth`` and ``textgt`` lie, if not under ``root``.

    A sample's depth is in metres, 0 in the sky; any other cap is the protocol's. Miniatures also give
    ``texture_contrast`` and ``visible``.

    Raises:
        DataError: a scene or files of the split are missing (counted); on reading, a file is damaged.
        OptionError: an unknown split, variation or option.
    """

    ground_truth = "vkitti2"
    aliases = {part: f"eigen_like/{part}" for part in ("train", "val", "test")}

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        size: Sequence[int] | None = (96, 320),
        variation: str | Sequence[str] | None = None,
        camera: str | None = None,
        views: bool = True,
        depth: bool = True,
        depth_root: str | Path | None = None,
        text_root: str | Path | None = None,
    ):
        self.size, self.views, self.depth = checked_size(size), views, depth
        sides = checked_camera(camera)
        self.tree = Vkitti2Tree(root, depth_root, text_root)
        self.root = self.tree.root
        variations = self._checked_variations(variation)
        found = find_split(split, self.root, tuple(VKITTI2_SPLITS), self.aliases, VKITTI2_FOLDER)
        self.split = found.name
        frames = found.frames or list(self._scene_frames(found, variations, sides or "l"))
        if not frames and not self.absent:
            raise DataError(f"{self.root} holds no complete frame; {VKITTI2_WAY_OUT}")
        self.frames = [
            f
            for f in frames
            if (sides is None or f.side in sides) and (variations is None or f.folder.split("/")[1] in variations)
        ]
        if not self.frames and not self.absent:
            raise OptionError(f"camera={camera!r}, variation={variation!r} leave no frame of split {self.split!r}")
        missing = [path for path in map(self._first_missing, self.frames) if path is not None]
        report_missing(missing, len(self.frames), self.split, "frames", VKITTI2_WAY_OUT)
        self.names = [f"{f.folder}/{f.frame:05d}/{f.side}" for f in self.frames]

    def _checked_variations(self, variation: str | Sequence[str] | None) -> list[str] | None:
        there = sorted({folder.split("/")[1] for folder in self.tree.folders})
        if variation is None:
            return None
        wanted = there if variation == "all" else [variation] if isinstance(variation, str) else list(variation)
        unknown = [name for name in wanted if name not in there]
        if unknown or not wanted:
            raise OptionError(f"variation={variation!r} is not in {self.root}; there are {', '.join(there)}, or 'all'")
        return wanted

    def _scene_frames(self, split: Split, variations: list[str] | None, sides: str) -> Iterator[ListedFrame]:
        """Frames of whole scenes.

        In a named split they run from 0 to the last one of which there is any file, or that ``intrinsic.txt`` lists,
        so that a missing one does not go unnoticed.
        """
        kinds = ("rgb", "depth") if self.depth else ("rgb",)
        if split.name == AVAILABLE:
            for folder in self.tree.folders:
                if variations is None or folder.split("/")[1] in variations:
                    numbers = sorted(self.tree.frames(folder, kinds))
                    listed = [ListedFrame(folder, frame, side) for frame in numbers for side in sides]
                    yield from (f for f in listed if self._first_missing(f) is None)
            return
        for folder in (f"{scene}/{name}" for scene in VKITTI2_SPLITS[split.name] for name in variations or ["clone"]):
            if folder not in self.tree.folders and tolerates_missing():
                self.absent += (self.root / folder,)
                continue
            if folder not in self.tree.folders:
                raise DataError(
                    f"{folder} of split {split.name!r} is missing in {self.root}, which has "
                    f"{', '.join(self.tree.folders)}; {VKITTI2_WAY_OUT}"
                )
            count = max(self.tree.frames(folder, kinds) | self.tree.recorded_frames(folder), default=-1) + 1
            yield from (ListedFrame(folder, frame, side) for frame in range(count) for side in sides)

    def needed(self, index: int) -> list[Path]:
        """The target view, its partner, the ground truth's maps, and the texts; see `StereoReader.needed`."""
        f = self.frames[index]
        kinds = self._needed_kinds(f)
        if self.depth:
            # of miniatures only; read where any is there
            kinds += [(kind, f.side) for kind in ("contrast", "visible") if self.tree.files(kind, f.folder, f.side)]
        return [self.tree.file(kind, f.folder, f.frame, side) for kind, side in kinds] + self.tree.texts(f.folder)

    def _needed_kinds(self, f: ListedFrame) -> list[tuple[str, str]]:
        kinds = [("rgb", f.side)]
        kinds += [("rgb", OTHER[f.side])] if self.views else []
        return kinds + ([("depth", f.side)] if self.depth else [])

    def _first_missing(self, f: ListedFrame) -> Path | None:
        for kind, side in self._needed_kinds(f):
            if f.frame not in self.tree.files(kind, f.folder, side):
                return self.tree.file(kind, f.folder, f.frame, side)
        return None

    def _read(self, index: int) -> StereoSample:
        f = self.frames[index]
        target = self.tree.file("rgb", f.folder, f.frame, f.side)
        other = self.tree.file("rgb", f.folder, f.frame, OTHER[f.side]) if self.views else None
        native_rig = partial(self.tree.rig, f.folder, f.frame, f.side)
        image, other, rig, native = self._views(target, other, native_rig, VKITTI2_WAY_OUT)
        sample = StereoSample(image, rig, self.names[index], other, DIRECTIONS[f.side])
        if self.depth:
            sample.depth = self._map("depth", read_depth, f, native, target)
            # official data have depth only, miniatures all three
            if self.tree.files("contrast", f.folder, f.side):
                sample.texture_contrast = self._map("contrast", read_contrast, f, native, target)
            if self.tree.files("visible", f.folder, f.side):
                sample.visible = self._map("visible", read_visible, f, native, target)
        return sample

    def _map(
        self, kind: str, read: Callable[[Path], Tensor], f: ListedFrame, native: tuple[int, int], image: Path
    ) -> Tensor:
        path = self.tree.file(kind, f.folder, f.frame, f.side)
        values = read(path)
        require_size(path, values.shape[1:], image, native, VKITTI2_WAY_OUT)
        return values


def read_depth(path: str | Path) -> Tensor:
    """A depth PNG as ``(1, h, w)`` float32 metres along z, 0 in the sky.

    Raises:
        DataError: missing, damaged, or not 16-bit gray.
    """
    values = read_gray_png(path, 16, VKITTI2_WAY_OUT)
    metres = values.astype(np.float32) / 100.0
    metres[values == SKY] = 0.0
    return depth_tensor(metres)


def read_contrast(path: str | Path) -> Tensor:
    """A miniature's texture contrast as ``(1, h, w)`` float32: deviation of albedo, 16 bit, `CONTRAST_UNITS` to 1."""
    return depth_tensor(read_gray_png(path, 16, MINIATURE_WAY_OUT).astype(np.float32) / CONTRAST_UNITS)


def read_visible(path: str | Path) -> Tensor:
    """A miniature's visibility in the other view as ``(1, h, w)`` bool: not 0 in its 8-bit PNG."""
    return torch.from_numpy(read_gray_png(path, 8, MINIATURE_WAY_OUT) > 0)[None]


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
