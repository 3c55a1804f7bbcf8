"""Virtual KITTI 2: rendered stereo pairs with dense depth; and the miniature world, which is kept in its layout."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lowtex.datasets.images import read_gray_png
from lowtex.datasets.reader import (
    DIRECTIONS,
    StereoReader,
    checked_camera,
    checked_size,
    depth_tensor,
    report_missing,
    tolerates_missing,
)
from lowtex.datasets.sample import StereoSample
from lowtex.datasets.splits import AVAILABLE, VKITTI2_FOLDER, ListedFrame, Split, find_split
from lowtex.datasets.vkitti2_layout import VKITTI2_WAY_OUT, Vkitti2Tree
from lowtex.errors import DataError, OptionError

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
        kinds += [("rgb", "r" if f.side == "l" else "l")] if self.views else []
        return kinds + ([("depth", f.side)] if self.depth else [])

    def _first_missing(self, f: ListedFrame) -> Path | None:
        for kind, side in self._needed_kinds(f):
            if f.frame not in self.tree.files(kind, f.folder, side):
                return self.tree.file(kind, f.folder, f.frame, side)
        return None

    def _read(self, index: int) -> StereoSample:
        f = self.frames[index]
        target = self.tree.file("rgb", f.folder, f.frame, f.side)
        other = self.tree.file("rgb", f.folder, f.frame, "r" if f.side == "l" else "l") if self.views else None
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
        if tuple(values.shape[1:]) != native:
            raise DataError(
                f"{path} is {values.shape[2]}x{values.shape[1]} pixels, but its image {image} is "
                f"{native[1]}x{native[0]}; they belong to different frames, or one was resized: {VKITTI2_WAY_OUT}"
            )
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
