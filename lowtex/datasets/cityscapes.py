"""Cityscapes: stereo pairs from cars in German cities, with a stereo matcher's disparity as ground truth."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from lowtex.datasets.cityscapes_camera import fitted, read_camera, typical
from lowtex.datasets.cityscapes_layout import (
    CAMERA,
    CITYSCAPES_COUNTS,
    CITYSCAPES_WAY_OUT,
    DISPARITY,
    VIEWS,
    CityFrame,
    CityscapesTree,
    listed_frame,
    read_city_list,
)
from lowtex.datasets.images import read_gray_png
from lowtex.datasets.reader import DIRECTIONS, StereoReader, checked_camera, checked_size, depth_tensor, report_missing
from lowtex.datasets.sample import StereoSample
from lowtex.datasets.splits import AVAILABLE, CITYSCAPES_SPLITS, cityscapes_frames, find_split
from lowtex.errors import DataError, OptionError, require_choice
from lowtex.geometry import StereoRig, disparity_to_depth

CROPS = {"bottom_quarter": (3, 4), "bottom_fifth": (4, 5), None: (1, 1)}
"""Part of the rows that is kept, from the top, by crop; what is cut off shows the bonnet of the car.

``bottom_quarter``: Watson et al., "ManyDepth", CVPR 2021; ``bottom_fifth``: Godard et al., CVPR 2017."""

PUBLISHED_LISTS = {name.replace("cityscapes/", "monodepth_"): name for name in CITYSCAPES_SPLITS}
"""Packaged lists, by the reader's name for them."""

CAMERA_WAY_OUT = (
    "unpack the camera archives too, or give --reader typical_camera=true (notebook 14: --set 14.typical_camera=true), "
    "with which metres are right to some percent only. " + CITYSCAPES_WAY_OUT
)


class Cityscapes(StereoReader):
    """Cityscapes (Cordts et al., CVPR 2016), for non-commercial use under the licence on its page.

    Get, after registration, the archives leftImg8bit, rightImg8bit, disparity and camera, each as _trainvaltest
    and _trainextra, from https://www.cityscapes-dataset.com/downloads/ (`CITYSCAPES_COUNTS`: 2,975 + 500 + 1,525 and
    19,998 frames of 2048 x 1024).

    Layout under ``root`` (also with a folder for each archive, see `CityscapesTree`)::

        leftImg8bit/train/aachen/aachen_000029_000019_leftImg8bit.png      left image (or .jpg)
        rightImg8bit/train/aachen/aachen_000029_000019_rightImg8bit.png    right image
        disparity/train/aachen/aachen_000029_000019_disparity.png          16 bit: 0 = none, else (value - 1) / 256 px
        camera/train/aachen/aachen_000029_000019_camera.json               focal lengths, principal point, baseline

    Args:
        root: that folder.
        split: ``train``, ``val``, ``test`` or ``train_extra``: every frame of that folder of which there is a file
            of any kind (others found no disparity for ``troisdorf_000000_000073`` of ``train_extra``: training needs
            none, see ``depth``); ``monodepth_train``, ``monodepth_val``: the packaged stereo lists of Godard et al.; a
            list of the root (``splits/<name>.txt``), ``available`` (complete frames of all folders), or the path of a
            text file of lines ``aachen/aachen_000029_000019 l``.
        size: ``(H, W)`` of the images after the crop, or None for native size; depth keeps its own.
        crop: ``bottom_quarter`` keeps the upper three quarters of the rows (768 of 1024), ``bottom_fifth`` four
            fifths (819), None all: of both views, of the rig and of the depth.
        camera: ``left``, ``right`` or ``both``; None takes a list's own choice, and is ``left`` elsewhere.
        views: also give the other camera's image.
        depth: read the ground truth. It belongs to the left camera: a right target has none, and needs no file.
        typical_camera: a frame without a camera file takes typical values, which makes its metres nominal.

    A sample's depth is focal x baseline / disparity, in metres, 0 where the matcher gave none (or gave 0); any cap is
    the protocol's. ``rig_is_nominal`` says whether any frame has a typical camera.

    Raises:
        DataError: the root is not Cityscapes, files of the split are missing (counted), and, when a sample is read,
            a file is damaged or does not fit the others of its frame.
        OptionError: an unknown split or option.
    """

    ground_truth = "cityscapes"
    way_out = CITYSCAPES_WAY_OUT

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        size: Sequence[int] | None = (96, 320),
        crop: str | None = "bottom_quarter",
        camera: str | None = None,
        views: bool = True,
        depth: bool = True,
        typical_camera: bool = False,
    ):
        require_choice("crop", crop, CROPS)
        self.size, self.crop, self.views, self.depth = checked_size(size), crop, views, depth
        sides = checked_camera(camera)
        self.tree = CityscapesTree(root)
        self.root = self.tree.root
        found = find_split(
            split, self.root, (*CITYSCAPES_COUNTS, *PUBLISHED_LISTS), {}, read=read_city_list
        )  # fmt: skip
        self.split = found.name
        frames = self._all_frames(found.frames, sides or "l", typical_camera)
        self.frames = [f for f in frames if sides is None or f.side in sides]
        if not self.frames:
            raise OptionError(f"camera={camera!r} leaves no frame of split {self.split!r}")
        missing = [paths[0] for f in self.frames if (paths := self._missing(f, typical_camera))]
        only_cameras = bool(missing) and all(path.suffix == ".json" for path in missing)
        way_out = CAMERA_WAY_OUT if only_cameras else CITYSCAPES_WAY_OUT
        report_missing(missing, len(self.frames), self.split, "frames", way_out)
        self.rig_is_nominal = typical_camera and not all(self.tree.has(CAMERA, f) for f in self.frames)
        self._typical_camera = typical_camera
        self.names = [f"{f.part}/{f.stem}/{f.side}" for f in self.frames]

    def needed(self, index: int) -> list[Path]:
        """The views, the camera file and, for a left target, the disparity."""
        f = self.frames[index]
        return [self.tree.file(kind, f) for kind in self._kinds(f, self._typical_camera)]

    def _all_frames(self, listed: list[CityFrame] | None, sides: str, typical_camera: bool) -> list[CityFrame]:
        if self.split in PUBLISHED_LISTS and listed is None:
            listed = [listed_frame(line) for line in cityscapes_frames(PUBLISHED_LISTS[self.split])]
            listed = [f._replace(side=side) for f in listed for side in sides]
        if listed is not None:
            return [self.tree.located(f) for f in listed]
        parts = self.tree.parts() if self.split == AVAILABLE else [self.split]
        frames = [f for part in parts for f in self._in_folder(part, sides)]
        if not frames:
            there = ", ".join(self.tree.parts()) or "nothing"
            raise DataError(
                f"{self.root} holds no frame for split {self.split!r} (its folders: {there}); {CITYSCAPES_WAY_OUT}"
            )
        if self.split != AVAILABLE:
            return frames
        gone = {f: self._missing(f, typical_camera) for f in frames}
        complete = [f for f in frames if not gone[f]]
        if not complete:
            folders = Counter(path.parts[-4] for paths in gone.values() for path in paths)
            lacking = ", ".join(f"{count:,} without {folder}" for folder, count in folders.items())
            way_out = CAMERA_WAY_OUT if set(folders) == {CAMERA} else CITYSCAPES_WAY_OUT
            raise DataError(
                f"{self.root} holds no complete frame: of its {len(frames):,}, {lacking}; first missing: "
                f"{next(iter(gone.values()))[0]}; {way_out}"
            )
        return complete

    def _in_folder(self, part: str, sides: str) -> Iterator[CityFrame]:
        """Frames of which there is a file of any kind, so that a missing one does not go unnoticed."""
        for city in self.tree.cities(part):
            for sequence, frame in sorted(self.tree.numbers(part, city)):
                yield from (CityFrame(part, city, sequence, frame, side) for side in sides)

    def _kinds(self, f: CityFrame, typical_camera: bool) -> list[str]:
        """The files a frame is made of; its camera file only if it is there, where a typical one serves too."""
        kinds = [VIEWS[f.side]]
        kinds += [VIEWS["r" if f.side == "l" else "l"]] if self.views else []
        kinds += [DISPARITY] if self.depth and f.side == "l" else []
        return kinds if typical_camera and not self.tree.has(CAMERA, f) else [*kinds, CAMERA]

    def _missing(self, f: CityFrame, typical_camera: bool) -> list[Path]:
        """Those of the frame's files that are not there."""
        return [self.tree.file(kind, f) for kind in self._kinds(f, typical_camera) if not self.tree.has(kind, f)]

    def _read(self, index: int) -> StereoSample:
        f = self.frames[index]
        target = self.tree.file(VIEWS[f.side], f)
        other = self.tree.file(VIEWS["r" if f.side == "l" else "l"], f) if self.views else None
        native_rig = partial(self._rig, f)
        image, other, rig, (height, width) = self._views(target, other, native_rig, self.way_out, self.kept_rows)
        depth = None
        if self.depth and f.side == "l":
            disparity_px = read_disparity(self.tree.file(DISPARITY, f), (height, width), target)
            native = self._rig(f, target, width, height)
            depth = disparity_to_depth(disparity_px[:, self.kept_rows(height)], native)
        return StereoSample(image, rig, self.names[index], other, DIRECTIONS[f.side], depth)

    def kept_rows(self, height: int) -> slice:
        """Rows of an image of that height that the crop keeps; one at least."""
        part, whole = CROPS[self.crop]
        return slice(0, max(1, height * part // whole))

    def _rig(self, f: CityFrame, image: Path, width: int, height: int) -> StereoRig:
        if self._typical_camera and not self.tree.has(CAMERA, f):
            return typical(image, width, height, self.way_out)
        path = self.tree.file(CAMERA, f)
        return fitted(read_camera(path, CAMERA_WAY_OUT), path, image, width, height, self.way_out)


def read_disparity(path: str | Path, size: tuple[int, int], image: Path) -> Tensor:
    """A disparity PNG as ``(1, h, w)`` float32 pixels of the left view; 0 where it holds 0 (none) or 1 (exactly 0).

    Args:
        path: the PNG.
        size: ``(height, width)`` of its image.
        image: the left view it belongs to, for messages.

    Raises:
        DataError: missing, damaged, not 16-bit gray, of another size than its image, or without any disparity.
    """
    values = read_gray_png(path, 16, CITYSCAPES_WAY_OUT)
    if values.shape != size:
        raise DataError(
            f"{path} is {values.shape[1]}x{values.shape[0]} pixels, but its image {image} is {size[1]}x{size[0]}; "
            f"they belong to different frames, or one was resized: {CITYSCAPES_WAY_OUT}"
        )
    if values.max() <= 1:
        raise DataError(f"{path} holds no disparity > 0; {CITYSCAPES_WAY_OUT}")
    # (value - 1) / 256 of the stored 0 would be a negative disparity
    return depth_tensor(np.maximum(values.astype(np.float32) - 1.0, 0.0) / 256.0)
