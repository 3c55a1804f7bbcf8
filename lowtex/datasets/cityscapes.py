"""Cityscapes: stereo pairs from cars in German cities, with a stereo matcher's disparity as ground truth."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from lowtex.datasets.images import read_gray_png, read_text
from lowtex.datasets.reader import (
    DIRECTIONS,
    OTHER,
    StereoReader,
    Tree,
    checked_camera,
    checked_size,
    depth_tensor,
    entries,
    read_lines,
    report_missing,
    require_size,
    subfolders,
)
from lowtex.datasets.sample import StereoSample
from lowtex.datasets.splits import AVAILABLE, CITYSCAPES_SPLITS, cityscapes_frames, find_split
from lowtex.errors import DataError, OptionError, require_choice
from lowtex.geometry import StereoRig, disparity_to_depth, implausible_focal

CITYSCAPES_WAY_OUT = (
    "Cityscapes (non-commercial use, after registration): get the archives leftImg8bit_trainvaltest, "
    "rightImg8bit_trainvaltest, disparity_trainvaltest and camera_trainvaltest (and those ending in _trainextra) from "
    "https://www.cityscapes-dataset.com/downloads/ and unpack them into the root, as leftImg8bit/train/<city>/"
)

CITYSCAPES_COUNTS = {"train": 2975, "val": 500, "test": 1525, "train_extra": 19998}
"""The folders that splits are named after, and their official numbers of frames."""

VIEWS = {"l": "leftImg8bit", "r": "rightImg8bit"}
"""Folder of each camera's images."""

DISPARITY, CAMERA = "disparity", "camera"

KINDS = {VIEWS["l"]: "png|jpg|jpeg", VIEWS["r"]: "png|jpg|jpeg", DISPARITY: "png", CAMERA: "json"}
"""Folders a frame's files lie in, and what their names may end in."""

_CITY = r"[A-Za-z][A-Za-z0-9-]*"
_OFFICIAL_CITIES = {
    "train": "aachen bochum bremen cologne darmstadt dusseldorf erfurt hamburg hanover jena krefeld monchengladbach "
    "strasbourg stuttgart tubingen ulm weimar zurich",
    "val": "frankfurt lindau munster",
    "test": "berlin bielefeld bonn leverkusen mainz munich",
}
_NAMES = {
    kind: re.compile(rf"({_CITY})_(\d{{6}})_(\d{{6}})_{kind}\.({suffixes})", re.IGNORECASE)
    for kind, suffixes in KINDS.items()
}
_LOOKS_LIKE_DATA = re.compile(r".+\.(png|jpe?g|bmp|tiff?|webp|ppm|pgm)", re.IGNORECASE)
_LISTED = re.compile(
    rf"(?:\S*/)?({_CITY})_(\d{{6}})_(\d{{6}})(?:_(left|right)Img8bit(?:\.(?:png|jpg|jpeg))?)?", re.IGNORECASE
)

CROPS = {"bottom_quarter": (3, 4), "bottom_fifth": (4, 5), None: (1, 1)}
"""Part of the rows that is kept, from the top, by crop; what is cut off shows the bonnet of the car.

``bottom_quarter``: Watson et al., "ManyDepth", CVPR 2021; ``bottom_fifth``: Godard et al., CVPR 2017."""

PUBLISHED_LISTS = {name.replace("cityscapes/", "monodepth_"): name for name in CITYSCAPES_SPLITS}
"""Packaged lists, by the reader's name for them."""

CAMERA_WAY_OUT = (
    "unpack the camera archives too, or give --reader typical_camera=true (notebook 14: --set 14.typical_camera=true), "
    "with which metres are right to some percent only. " + CITYSCAPES_WAY_OUT
)


class CityFrame(NamedTuple):
    """One target view: the split's folder, the city, number of the drive and of the frame in it, and ``l`` or ``r``."""

    part: str
    city: str
    sequence: int
    frame: int
    side: str

    @property
    def stem(self) -> str:
        """``aachen_000029_000019``"""
        return f"{self.city}_{self.sequence:06d}_{self.frame:06d}"


class CityscapesTree(Tree):
    """The files under a root.

    ``leftImg8bit/`` and its like may lie in the root itself, or in a folder for each archive
    (``leftImg8bit_trainvaltest/leftImg8bit/``).

    Raises:
        DataError: the root is not a folder, is empty, or has images of neither camera.
    """

    def __init__(self, root: str | Path):
        super().__init__(root, CITYSCAPES_WAY_OUT)
        above = [self.root, *subfolders(self.root)]
        self._places = {kind: [place / kind for place in above if (place / kind).is_dir()] for kind in KINDS}
        if not any(self._places[kind] for kind in VIEWS.values()):
            hint = f" (give the folder above it, {self.root.parent})" if self.root.name in KINDS else ""
            raise DataError(f"{self.root} holds no {' and no '.join(VIEWS.values())}{hint}; {CITYSCAPES_WAY_OUT}")

    def parts(self) -> list[str]:
        """The folders there are for splits: ``train``, ``val``..."""
        return _names_below(place for kind in VIEWS.values() for place in self._places[kind])

    def cities(self, part: str, kinds: Iterable[str] = tuple(KINDS)) -> list[str]:
        """Cities of a split's folder of which there is a folder of any of these kinds."""
        return _names_below(place / part for kind in kinds for place in self._places[kind])

    def files(self, kind: str, part: str, city: str) -> dict[tuple[int, int], Path]:
        """Files of one kind of a city by ``(sequence, frame)``.

        Raises:
            DataError: an image's name is not of the form this folder's names have, or it is of another city.
        """

        def listed() -> dict[tuple[int, int], Path]:
            found = {}
            # the first place wins
            for folder in (place / part / city for place in reversed(self._places[kind])):
                found |= _parsed(folder, kind) if folder.is_dir() else {}
            return found

        return self._once((kind, part, city), listed)

    def numbers(self, part: str, city: str, kinds: Iterable[str] = tuple(KINDS)) -> set[tuple[int, int]]:
        """``(sequence, frame)`` of which there is a file of any of these kinds."""
        return {number for kind in kinds for number in self.files(kind, part, city)}

    def has(self, kind: str, f: CityFrame) -> bool:
        """Whether the frame has a file of this kind."""
        return (f.sequence, f.frame) in self.files(kind, f.part, f.city)

    def file(self, kind: str, f: CityFrame) -> Path:
        """Path of one file; the usual name if there is none."""
        place = next((p for p in self._places[kind] if (p / f.part).is_dir()), None)
        place = place or next(iter(self._places[kind]), self.root / kind)
        suffix = KINDS[kind].split("|")[0]
        usual = place / f.part / f.city / f"{f.stem}_{kind}.{suffix}"
        return self.files(kind, f.part, f.city).get((f.sequence, f.frame), usual)

    def located(self, f: CityFrame) -> CityFrame:
        """A listed frame, which names no split, with the split's folder it lies in, or belongs to."""
        cities = self._once("cities", lambda: {part: self.cities(part) for part in self.parts()})
        parts = [part for part, there in cities.items() if f.city in there]
        holding = [part for part in parts if any(self.has(kind, f._replace(part=part)) for kind in KINDS)]
        return f._replace(part=next(iter(holding or parts), _official_part(f.city)))


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
        known = (*CITYSCAPES_COUNTS, *PUBLISHED_LISTS)
        found = find_split(split, self.root, known, {}, read=read_city_list)
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
        kinds += [VIEWS[OTHER[f.side]]] if self.views else []
        kinds += [DISPARITY] if self.depth and f.side == "l" else []
        return kinds if typical_camera and not self.tree.has(CAMERA, f) else [*kinds, CAMERA]

    def _missing(self, f: CityFrame, typical_camera: bool) -> list[Path]:
        """Those of the frame's files that are not there."""
        return [self.tree.file(kind, f) for kind in self._kinds(f, typical_camera) if not self.tree.has(kind, f)]

    def _read(self, index: int) -> StereoSample:
        f = self.frames[index]
        target = self.tree.file(VIEWS[f.side], f)
        other = self.tree.file(VIEWS[OTHER[f.side]], f) if self.views else None
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
    require_size(path, values.shape, image, size, CITYSCAPES_WAY_OUT)
    if values.max() <= 1:
        raise DataError(f"{path} holds no disparity > 0; {CITYSCAPES_WAY_OUT}")
    # (value - 1) / 256 of the stored 0 would be a negative disparity
    return depth_tensor(np.maximum(values.astype(np.float32) - 1.0, 0.0) / 256.0)


def read_city_list(path: str | Path) -> list[CityFrame]:
    """Read a text file of frames, one a line; see `listed_frame` for a line's form. Their ``part`` is empty.

    Raises:
        DataError: the file is missing or empty, or a line is something else; names the file and the line.
    """
    return read_lines(path, listed_frame, "frame", "aachen/aachen_000029_000019 l")


def listed_frame(line: str) -> CityFrame | None:
    """``aachen/aachen_000029_000019 l`` as a frame; None if it is something else.

    Also taken are an image's name, and the names of both images of a pair, target first, as in the published lists:
    ``aachen/aachen_000029_000019_leftImg8bit.jpg aachen/aachen_000029_000019_rightImg8bit.jpg``.
    """
    words = line.split()
    match = _LISTED.fullmatch(words[0]) if 1 <= len(words) <= 2 else None
    if match is None:
        return None
    view = match[4] and match[4][0].lower()
    frame = CityFrame("", match[1], int(match[2]), int(match[3]), view or "l")
    if len(words) == 1:
        return frame
    if words[1] in ("l", "r"):
        return frame._replace(side=words[1]) if view in (None, words[1]) else None
    other = _LISTED.fullmatch(words[1])
    is_pair = other is not None and other.groups()[:3] == match.groups()[:3]
    return frame if is_pair and {view, other[4] and other[4][0].lower()} == {"l", "r"} else None


def _parsed(folder: Path, kind: str) -> dict[tuple[int, int], Path]:
    files = {}
    for name in entries(folder):
        match = _NAMES[kind].fullmatch(name)
        if match is not None and match[1] == folder.name:
            files[int(match[2]), int(match[3])] = folder / name
        elif match is not None or _LOOKS_LIKE_DATA.fullmatch(name):
            raise DataError(
                f"{folder / name} does not belong into this folder, where names are "
                f"{folder.name}_<sequence>_<frame>_{kind}.{KINDS[kind].split('|')[0]}; take it away or rename it. "
                f"{CITYSCAPES_WAY_OUT}"
            )
    return files


def _names_below(places: Iterable[Path]) -> list[str]:
    return sorted({folder.name for place in places if place.is_dir() for folder in subfolders(place)})


def _official_part(city: str) -> str:
    return next((part for part, cities in _OFFICIAL_CITIES.items() if city in cities.split()), "train_extra")


TYPICAL_RIG = StereoRig(
    focal_px=2262.52, focal_y_px=2265.30, cx=1096.98, cy=513.14, baseline_m=0.209313, width=2048, height=1024
)
"""One camera of Cityscapes, for frames that came without their file; other cars' cameras differ by some percent."""

_FIELDS = {
    "intrinsic": {"fx": "focal_px", "fy": "focal_y_px", "u0": "cx", "v0": "cy"},
    "extrinsic": {"baseline": "baseline_m"},
}
"""Where a JSON keeps what a `StereoRig` needs. Its other fields place the camera in the car."""

_POSITIVE = ("focal_px", "focal_y_px", "baseline_m")
_LONGEST_BASELINE_M = 5.0
_MIDDLE = (0.35, 0.65)


def read_camera(path: str | Path, way_out: str) -> StereoRig:
    """The rig in a ``*_camera.json``, of the size the file belongs to, which it does not say: ``width`` is None.

    Args:
        path: the file, in pixels and metres.
        way_out: end of the message if it is missing or damaged.

    Raises:
        DataError: it is missing or no JSON, or a number is missing, not a number, not finite, or impossible.
    """
    try:
        values = json.loads(read_text(path, way_out))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({' '.join(str(error).split())}); {way_out}") from error
    numbers = {}
    for group, fields in _FIELDS.items():
        inner = values.get(group) if isinstance(values, dict) else None
        if not isinstance(inner, dict):
            raise DataError(f"{path} has no group {group!r}; it is another JSON, or a damaged one: {way_out}")
        for field, name in fields.items():
            numbers[name] = _number(inner, field, f"{path}: {group}.{field}", way_out)
            if name in _POSITIVE and numbers[name] <= 0:
                raise DataError(f"{path}: {group}.{field} is {numbers[name]:g}, not > 0; {way_out}")
    if numbers["baseline_m"] > _LONGEST_BASELINE_M:
        raise DataError(f"{path}: extrinsic.baseline is {numbers['baseline_m']:g}, which can't be metres; {way_out}")
    return StereoRig(**numbers)


def fitted(camera: StereoRig, path: Path, image: Path, width: int, height: int, way_out: str) -> StereoRig:
    """The rig of a camera file, for an image of the size it belongs to.

    Raises:
        DataError: the principal point is far from the middle of the image, which was then resized or cropped, or a
            focal length can't be in pixels.
    """
    low, high = _MIDDLE
    if not (low * width < camera.cx < high * width and low * height < camera.cy < high * height):
        raise DataError(
            f"{path} puts the principal point at ({camera.cx:g}, {camera.cy:g}), far from the middle of {image} "
            f"({width}x{height}); a resized or cropped copy can't be used with the original file: {way_out}"
        )
    if problem := implausible_focal(camera.focal_px, width) or implausible_focal(camera.fy, width):
        raise DataError(f"{path}: {problem} ({image}); {way_out}")
    return replace(camera, width=width, height=height)


def typical(image: Path, width: int, height: int, way_out: str) -> StereoRig:
    """`TYPICAL_RIG` for an image of Cityscapes' shape at any size.

    Raises:
        DataError: the image is not twice as wide as high.
    """
    if width != 2 * height:
        raise DataError(
            f"{image} is {width}x{height} pixels, but --reader typical_camera=true knows the camera of images "
            f"twice as wide as high only; {way_out}"
        )
    return TYPICAL_RIG.resized(width, height)


def _number(group: dict, field: str, what: str, way_out: str) -> float:
    if field not in group:
        raise DataError(f"{what} is missing; {way_out}")
    value = group[field]
    # true and false are numbers to Python, and to nobody else
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DataError(f"{what} is {str(value)[:40]!r}, not a number; {way_out}")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise DataError(f"{what} is {value}, not a finite number; {way_out}")
    return value
