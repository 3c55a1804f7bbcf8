"""Cityscapes: stereo pairs from cars in German cities, with a stereo matcher's disparity as ground truth."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lowtex.datasets.images import read_text
from lowtex.datasets.reader import (
    WAYS_OUT,
    Kind,
    StereoReader,
    checked_root,
    finite,
    fitted,
    hint_near,
    require_plausible,
    subfolders,
)
from lowtex.datasets.splits import AVAILABLE, CITYSCAPES_SPLITS, Frame, cityscapes_frames, read_lines
from lowtex.errors import DataError, require_choice
from lowtex.geometry import StereoRig, disparity_to_depth

CITYSCAPES_WAY_OUT = WAYS_OUT["cityscapes"]

CITYSCAPES_COUNTS = {"train": 2975, "val": 500, "test": 1525, "train_extra": 19998}
"""The folders that splits are named after, and their official numbers of frames."""

_CITY = r"[A-Za-z][A-Za-z0-9-]*"
_OFFICIAL_CITIES = {
    "train": "aachen bochum bremen cologne darmstadt dusseldorf erfurt hamburg hanover jena krefeld monchengladbach "
    "strasbourg stuttgart tubingen ulm weimar zurich",
    "val": "frankfurt lindau munster",
    "test": "berlin bielefeld bonn leverkusen mainz munich",
}
_OF_A_FRAME = (("image", "l"), ("image", "r"), ("disparity", "l"), ("camera", "l"))
"""Kind and side of each file that a frame may have."""

_VIEW = r"_(left|right)Img8bit(?:\.(?:png|jpg|jpeg))?"
_LISTED = re.compile(
    rf"(?:\S*/)?({_CITY})_(\d{{6}})_(\d{{6}})(?:{_VIEW})?(?:\s+(?-i:(l|r))|\s+(?:\S*/)?\1_\2_\3{_VIEW})?", re.IGNORECASE
)
"""A line of a list: the frame, its target's camera, and ``l`` or ``r`` or the other view."""

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

    Layout under ``root`` (also with a folder for each archive, as ``leftImg8bit_trainvaltest/leftImg8bit/``)::

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
    known = (*CITYSCAPES_COUNTS, *PUBLISHED_LISTS)
    strict = True
    cameras = {"l": "left", "r": "right"}
    layout = {
        "image": Kind("{camera}Img8bit", "(?:png|jpg|jpeg)", "png"),
        "disparity": Kind("disparity", "png", "png"),
        "camera": Kind("camera", "json", "json"),
    }
    """The folder, and the ending of names ``<city>_<sequence>_<frame>_<folder>.<ending>``."""

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
        self.crop, self.views, self.depth = crop, views, depth
        self.typical_camera = typical_camera
        self.root = checked_root(root, CITYSCAPES_WAY_OUT)
        above = [self.root, *subfolders(self.root)]
        self._kind_places = {
            kind: [place / kind for place in above if (place / kind).is_dir()]
            for kind in ("leftImg8bit", "rightImg8bit", "disparity", "camera")
        }
        if not self._kind_places["leftImg8bit"] and not self._kind_places["rightImg8bit"]:
            hint = hint_near(self.root, lambda inner: (inner / "leftImg8bit").is_dir(), [*self._kind_places])
            raise DataError(f"{self.root} holds no leftImg8bit and no rightImg8bit{hint}; {CITYSCAPES_WAY_OUT}")
        self._open(split, size, camera, read_city_list)
        self.rig_is_nominal = typical_camera and not all(self.has("camera", f) for f in self.frames)

    def places(self, kind: str, f: Frame) -> list[Path]:
        """See `StereoReader.places`."""
        folder, part = super()._kind(kind, f).folder, f.folder.partition("/")[0]
        return [place / part for place in self._kind_places[folder]] or [self.root / folder / part]

    def _kind(self, kind: str, f: Frame) -> Kind:
        (folder, pattern, ending), city = super()._kind(kind, f), f.folder.partition("/")[2]
        name = f"{city}_{{frame[0]:06d}}_{{frame[1]:06d}}_{folder}.{ending}"
        return Kind(city, rf"{city}_(\d{{6}})_(\d{{6}})_{folder}\.{pattern}", name)

    def parts(self) -> list[str]:
        """The folders there are for splits: ``train``, ``val``..."""
        return _names_below([*self._kind_places["leftImg8bit"], *self._kind_places["rightImg8bit"]])

    def _cities(self, part: str) -> list[str]:
        """Cities of a split's folder of which there is a folder of any kind."""
        return _names_below(place / part for places in self._kind_places.values() for place in places)

    def _numbers(self, folder: str) -> set[tuple[int, int]]:
        """``(sequence, frame)`` of ``<part>/<city>`` of which there is a file of any kind."""
        return {number for kind, side in _OF_A_FRAME for number in self.files(kind, Frame(folder, 0, side))}

    def _located(self, f: Frame) -> Frame:
        """A listed frame, whose folder is its city, with the split's folder it lies in, or belongs to."""
        cities = self._once("cities", lambda: {part: self._cities(part) for part in self.parts()})
        found = [f._replace(folder=f"{part}/{f.folder}") for part, there in cities.items() if f.folder in there]
        holding = [g for g in found if any(self.has(kind, g._replace(side=side)) for kind, side in _OF_A_FRAME)]
        official = (part for part, cities in _OFFICIAL_CITIES.items() if f.folder in cities.split())
        usual = f._replace(folder=f"{next(official, 'train_extra')}/{f.folder}")
        return [*holding, *found, usual][0]

    def _listed(self, frames: list[Frame], sides: str) -> list[Frame]:
        return [self._located(f) for f in frames]

    def _found(self, sides: str) -> list[Frame]:
        """In folders every frame of which there is any file, so that a missing one does not go unnoticed."""
        if self.split in PUBLISHED_LISTS:
            listed = [listed_frame(line) for line in cityscapes_frames(PUBLISHED_LISTS[self.split])]
            return [self._located(f)._replace(side=side) for f in listed for side in sides]
        parts = self.parts() if self.split == AVAILABLE else [self.split]
        folders = [f"{part}/{city}" for part in parts for city in self._cities(part)]
        frames = [Frame(a, n, side) for a in folders for n in sorted(self._numbers(a)) for side in sides]
        return self._complete(frames) if frames and self.split == AVAILABLE else frames

    @property
    def nothing(self) -> str:
        """See `StereoReader`; says which folders there are."""
        return f"frame for split {self.split!r} (its folders: {', '.join(self.parts()) or 'nothing'})"

    def _complete(self, frames: list[Frame]) -> list[Frame]:
        gone = {f: self.missing(f) for f in frames}
        complete = [f for f in frames if not gone[f]]
        if not complete:
            folders = Counter(path.parts[-4] for paths in gone.values() for path in paths)
            lacking = ", ".join(f"{count:,} without {folder}" for folder, count in folders.items())
            way_out = CAMERA_WAY_OUT if set(folders) == {"camera"} else CITYSCAPES_WAY_OUT
            raise DataError(
                f"{self.root} holds no complete frame: of its {len(frames):,}, {lacking}; first missing: "
                f"{next(iter(gone.values()))[0]}; {way_out}"
            )
        return complete

    def _check_files(self) -> None:
        missing = [paths[0] for paths in map(self.missing, self.frames) if paths]
        only_cameras = bool(missing) and all(path.suffix == ".json" for path in missing)
        way_out = CAMERA_WAY_OUT if only_cameras else CITYSCAPES_WAY_OUT
        self._report(missing, len(self.frames), self.what, way_out)

    def _name(self, f: Frame) -> str:
        split, _, city = f.folder.partition("/")
        return "{}/{}_{:06d}_{:06d}/{}".format(split, city, *f.frame, f.side)

    def _kinds(self, f: Frame) -> Sequence[str]:
        """The camera file only if it is there, where a typical one serves too."""
        kinds = ("disparity",) if self.depth and f.side == "l" else ()
        return kinds if self.typical_camera and not self.has("camera", f) else (*kinds, "camera")

    def rig(self, f: Frame, image: Path, width: int, height: int) -> StereoRig:
        if self.typical_camera and not self.has("camera", f):
            if width == 2 * height:
                return TYPICAL_RIG.resized(width, height)
            raise DataError(
                f"{image} is {width}x{height} pixels, but --reader typical_camera=true knows the camera of images "
                f"twice as wide as high only; {self.way_out}"
            )
        path = self.file("camera", f)
        return fitted(read_camera(path, CAMERA_WAY_OUT), path, image, width, height, self.way_out)

    def _truth(self, f: Frame, image: Path, rig: StereoRig) -> dict[str, Tensor]:
        if not self.depth or f.side != "l":
            return {}
        values = self._map("disparity", f, image, rig)
        if values.max() <= 1:
            raise DataError(f"{self.file('disparity', f)} holds no disparity > 0; {CITYSCAPES_WAY_OUT}")
        # (value - 1) / 256 of the stored 0 would be a negative disparity
        disparity_px = np.maximum(values[self.kept_rows(rig.height)].astype(np.float32) - 1.0, 0.0) / 256.0
        return {"depth": disparity_to_depth(torch.from_numpy(disparity_px), rig)}

    def kept_rows(self, height: int) -> slice:
        """Rows of an image of that height that the crop keeps; one at least."""
        part, whole = CROPS[self.crop]
        return slice(0, max(1, height * part // whole))


def read_city_list(path: str | Path) -> list[Frame]:
    """Read a text file of frames, one a line; see `listed_frame` for a line's form. Their folder is the city.

    Raises:
        DataError: the file is missing or empty, or a line is something else; names the file and the line.
    """
    return read_lines(path, listed_frame, "frame", "aachen/aachen_000029_000019 l")


def listed_frame(line: str) -> Frame | None:
    """``aachen/aachen_000029_000019 l`` as a frame; None if it is something else.

    Also taken are an image's name, and the names of both images of a pair, target first, as in the published lists:
    ``aachen/aachen_000029_000019_leftImg8bit.jpg aachen/aachen_000029_000019_rightImg8bit.jpg``.
    """
    match = _LISTED.fullmatch(line.strip())
    if match is None:
        return None
    view, side, other = (word and word[0].lower() for word in match.groups()[3:])
    is_pair = other is None or {view, other} == {"l", "r"}
    if not is_pair or (view and side and view != side):
        return None
    return Frame(match[1], (int(match[2]), int(match[3])), view or side or "l")


def _names_below(places: Iterable[Path]) -> list[str]:
    return sorted({folder.name for place in places if place.is_dir() for folder in subfolders(place)})


TYPICAL_RIG = StereoRig(
    focal_px=2262.52, focal_y_px=2265.30, cx=1096.98, cy=513.14, baseline_m=0.209313, width=2048, height=1024
)
"""One camera of Cityscapes, for frames that came without their file; other cars' cameras differ by some percent."""

_FIELDS = {
    "intrinsic.fx": "focal_px",
    "intrinsic.fy": "focal_y_px",
    "intrinsic.u0": "cx",
    "intrinsic.v0": "cy",
    "extrinsic.baseline": "baseline_m",
}
"""Where a JSON keeps what a `StereoRig` needs. Its other fields place the camera in the car."""


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
    numbers, what = {}, {}
    for field, name in _FIELDS.items():
        group, _, key = field.partition(".")
        inner = values.get(group) if isinstance(values, dict) else None
        if not isinstance(inner, dict):
            raise DataError(f"{path} has no group {group!r}; it is another JSON, or a damaged one: {way_out}")
        if key not in inner:
            raise DataError(f"{path}: {field} is missing; {way_out}")
        numbers[name] = finite(inner[key], f"{path}: {field}", way_out)
        if name not in ("cx", "cy"):
            what[name] = f"{path}: {field}"
    require_plausible(numbers, what, way_out)
    return StereoRig(**numbers)
