"""What all readers share: which frames and files there are, pairs of views at one size, and errors that count gaps.

A reader declares where its files lie (`StereoReader.layout`, `StereoReader.places`), the rig of a view and the ground
truth; listing folders, splits, sizes and the search for missing files are the same for all.
"""

import math
import operator
import os
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
import yaml
from torch import Tensor
from torch.utils.data import Dataset

from lowtex.data_paths import is_miniature
from lowtex.datasets.images import read_gray_png, read_rgb, resize_area, resize_lanczos, to_tensor
from lowtex.datasets.sample import StereoSample
from lowtex.datasets.splits import Frame, find_split, is_own_list, read_list
from lowtex.errors import DataError, OptionError, require_choice
from lowtex.geometry import StereoRig, implausible_baseline, implausible_focal

Value = TypeVar("Value")

WAYS_OUT: dict[str, str] = yaml.safe_load(Path(__file__).with_name("ways_out.yaml").read_text(encoding="utf-8"))
"""How to get each data set, by data root; ends the messages about its files."""

CAMERAS = {None: None, "left": "l", "right": "r", "both": "lr"}
"""The cameras a sample's target view may come from, by option; None is what the split says."""

RESIZES = ("area", "lanczos")
"""``area`` averages, as the kit's networks are trained; ``lanczos`` is Monodepth2's."""

_OF_SYSTEMS = ("thumbs.db", "desktop.ini", "__macosx")
"""What Windows and macOS leave in folders and archives, beside names that begin with a dot."""

_PICTURE = re.compile(r".+\.(png|jpe?g|bmp|tiff?|webp|ppm|pgm)", re.IGNORECASE)

DIRECTIONS = {"l": 1.0, "r": -1.0}
"""`StereoSample.direction` by side."""


class Kind(NamedTuple):
    """Where the files of one kind lie below each of `StereoReader.places`, and how they are named.

    In ``folder`` and ``name``, ``{camera}`` stands for `StereoReader.cameras` of the frame's side and ``{frame}`` for
    its number (``{frame:010d}``).

    Attributes:
        folder: relative, ``image_{camera}/data``; empty where the files lie in the place itself.
        pattern: what a name looks like, with one or two groups for the number (`StereoReader.number`); small and
            capital letters are the same.
        name: the usual name.
    """

    folder: str
    pattern: str
    name: str


class StereoReader(Dataset):
    """Base of the readers: ``len(reader)``, ``reader[i] -> StereoSample``, and ``reader.names`` without reading files.

    Attributes:
        root: folder of the data set.
        split: full name of the split.
        size: ``(H, W)`` of the samples' images, or None for native size.
        views: a sample has the other camera's view too.
        frames: one a sample.
        names: one name a sample.
        absent: folders of the split that are not there at all, so that it is not known which files they would hold;
            only within `tolerating_missing`, elsewhere they are an error.
        is_listed: the split is a text file given by its path, so that its name alone does not say which frames.
        in_root: the split is no list, but what is found in the root.
        resize: how images are brought to that size: a name of `RESIZES`.
        prepared: gives the same samples faster (`lowtex.datasets.prepared`), or None.
        image_bits: bits that its 16-bit images fill, where that was given; a network trained on them expects it.
        way_out: how to get the data set; ends the messages about its files.
        layout: the kinds of files, of which ``image`` is one.
        cameras: how file names call the left and the right camera.
        number: what the groups of a pattern are made into: two of them to a tuple.
        strict: a picture whose name is of another form is an error, because it looks like a frame that is passed over.
        known, aliases: splits beside the lists of a root, and short names for them.
        truth: kind of the file with a frame's ground truth, where a frame may lack it.
        needs_depth: a frame without that file is an error.
        official: frames that ``test`` has officially, where it is whatever the root holds; of a root with fewer,
            ``split`` and so every row says how many: ``test, 19 of 200``. 0: it is not such a split.
        what: a sample in words, for messages; ``nothing``: what a split without any lacks.
    """

    root: Path
    split: str
    size: tuple[int, int] | None
    frames: list[Frame]
    names: list[str]
    views: bool = False
    absent: tuple[Path, ...] = ()
    is_listed: bool = False
    in_root: bool = False
    resize: str = "area"
    prepared: "StereoReader | None" = None
    image_bits: int | None = None
    way_out: str = ""
    layout: Mapping[str, Kind] = {}
    cameras: Mapping[str, object] = {}
    number: Callable[[str], int | str] = int
    strict: bool = False
    known: Sequence[str] = ()
    aliases: Mapping[str, str] = {}
    truth: str | None = None
    needs_depth: bool = False
    official: int = 0
    what: str = "frames"
    nothing: str = "complete frame"

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> StereoSample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)} in split {self.split!r} of {self.root}")
        return (self if self.prepared is None else self.prepared)._read(range(len(self))[index])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r}, split={self.split!r}, size={self.size}): {len(self)} samples"

    # which files there are

    def places(self, kind: str, f: Frame) -> list[Path]:
        """Folders that may hold the frame's files of a kind, of which the first goes first."""
        return [self.root]

    def files(self, kind: str, f: Frame) -> Mapping[Hashable, Path]:
        """The files of a kind that lie where a frame's own does, by `Frame.frame`; folders are listed once."""
        return self._once((kind, f.folder, f.side), lambda: self._find(kind, f))

    def file(self, kind: str, f: Frame) -> Path:
        """Path of a frame's file of one kind; the usual one if there is none."""
        return self.files(kind, f).get(f.frame) or self._usual(kind, f)

    def has(self, kind: str, f: Frame) -> bool:
        """Whether the frame has a file of this kind."""
        return f.frame in self.files(kind, f)

    def _kind(self, kind: str, f: Frame) -> Kind:
        """The layout of a kind where the frame lies."""
        folder, pattern, name = self.layout[kind]
        return Kind(folder.format(camera=self.cameras.get(f.side)), pattern, name)

    def _find(self, kind: str, f: Frame) -> dict[Hashable, Path]:
        found, (inner, pattern, usual) = {}, self._kind(kind, f)
        # the first place wins
        for folder in (place / inner for place in reversed(self.places(kind, f))):
            found |= numbered(folder, pattern, self.number)
            for name in entries(folder) if self.strict and folder.is_dir() else ():
                if _PICTURE.fullmatch(name) and not re.fullmatch(pattern, name, re.IGNORECASE):
                    form = re.sub("{[^}]*}", "<number>", usual)
                    raise DataError(
                        f"{folder / name} does not belong into this folder, where names are {form}; take it away or "
                        f"rename it. {self.way_out}"
                    )
        return found

    def _usual(self, kind: str, f: Frame) -> Path:
        inner, _, name = self._kind(kind, f)

        def usual_folder() -> Path:
            places = self.places(kind, f)
            there = [place / inner for place in places if (place / inner).is_dir()]
            return [*there, *(place / inner for place in places if place.is_dir()), places[0] / inner][0]

        return self._once(("usual", kind, f.folder, f.side), usual_folder) / name.format(frame=f.frame)

    def _once(self, key: Hashable, make: Callable[[], Value]) -> Value:
        kept = self.__dict__.setdefault("_kept", {})
        if key not in kept:
            kept[key] = make()
        return kept[key]

    def needed(self, index: int) -> list[Path]:
        """The files that sample ``index`` is made of: views, ground truth and calibration, whether there or not.

        The target view is the first, its partner the second. A file that a sample may lack (the scan of a frame
        without ground truth, say) is named only where it exists.
        """
        f = self.frames[index]
        return [self.file(*part) for part in self._parts(f)] + self._more(f)

    def _parts(self, f: Frame) -> list[tuple[str, Frame]]:
        """Kind and frame of each file that a complete sample has: its views, and `_kinds`."""
        views = [f, f.twin] if self.views else [f]
        return [("image", view) for view in views] + [(kind, f) for kind in self._kinds(f)]

    def _kinds(self, f: Frame) -> Sequence[str]:
        """Kinds of files beside the views without which a frame is not complete."""
        return ()

    def _more(self, f: Frame) -> list[Path]:
        """Other files that a sample is made of."""
        return self._truth_file(f)

    def _truth_file(self, f: Frame) -> list[Path]:
        """The file with a frame's ground truth, where it is needed or there."""
        return [self.file(self.truth, f)] if self.truth and (self.needs_depth or self.has(self.truth, f)) else []

    def missing(self, f: Frame) -> list[Path]:
        """Those of the files of a complete sample that are not there."""
        return [self.file(*part) for part in self._parts(f) if not self.has(*part)]

    # which frames a split has

    def _open(
        self,
        split: str,
        size: Sequence[int] | None,
        camera: str | None = None,
        read: Callable[[Path], list] = read_list,
    ) -> None:
        """Find out which frames the split has (``split``, ``frames``, ``names``), and whether their files are there.

        Args:
            split, size, camera: as the user gave them.
            read: reads a text file of frames.
        """
        self.size, sides = checked_size(size), checked_camera(camera)
        self.split, listed = find_split(split, self.root, self.known, self.aliases, read)
        self.in_root = listed is None
        self.is_listed = not self.in_root and not is_own_list(split, self.root)
        frames = self._found(sides or "l") if listed is None else self._listed(listed, sides or "l")
        if not frames and not self.absent:
            raise DataError(f"{self.root} holds no {self.nothing}; {self.way_out}")
        self.frames = [f for f in frames if sides is None or f.side in sides]
        if not self.frames and not self.absent:
            raise OptionError(f"camera={camera!r} leaves no frame of split {self.split!r}")
        self.names = [self._name(f) for f in self.frames]
        if tolerates_missing():
            return
        self._check_files()
        is_part = self.official and self.in_root and self.split == "test" and len(self.names) != self.official
        if is_part and not is_miniature(self.root):
            self.split = f"test, {len(self.names)} of {self.official}"

    def _found(self, sides: str) -> list[Frame]:
        """The frames of a split that is no list."""
        raise NotImplementedError

    def _listed(self, frames: list, sides: str) -> list[Frame]:
        """The frames of a list, from what its lines were read as: frames, or names, of which each camera has one."""
        if frames and isinstance(frames[0], Frame):
            return frames
        return [Frame("", name, side) for name in frames for side in sides]

    def _name(self, f: Frame) -> str:
        return f"{f.frame}/{f.side}"

    def _check_files(self) -> None:
        """Raise `DataError` where files of the split are missing; not called within `tolerating_missing`."""
        missing = [paths[0] for paths in map(self.missing, self.frames) if paths]
        self._report(missing, len(self.frames), self.what, self.way_out)

    def _report(self, missing: Sequence[Path], total: int, what: str, way_out: str) -> None:
        """Raise one error that counts the split's missing files, if there are any."""
        if missing:
            raise DataError(
                f"{len(missing)} of {total} {what} of split {self.split!r} are missing, first: {missing[0]}; {way_out}"
                ". --split available takes the frames that are there"
            )

    # what a sample is

    def rig(self, f: Frame, image: Path, width: int, height: int) -> StereoRig:
        """The rig of a frame's view; raises `DataError` where the view has not the size that the rig is for."""
        raise NotImplementedError

    def _truth(self, f: Frame, image: Path, rig: StereoRig) -> dict[str, np.ndarray | Tensor]:
        """The maps of a frame, ``(h, w)``, by their names in `StereoSample`; ``rig`` has the size of its ``image``."""
        return {}

    def _map(self, kind: str, f: Frame, image: Path, rig: StereoRig, bits: int = 16, way_out: str = "") -> np.ndarray:
        """A map kept as a gray PNG: ``(h, w)`` whole numbers, as large as the image it belongs to."""
        path = self.file(kind, f)
        values = read_gray_png(path, bits, way_out or self.way_out)
        require_map_size(path, values, image, rig, way_out or self.way_out)
        return values

    def kept_rows(self, height: int) -> slice:
        """Rows of an image of that height that the reader's crop keeps."""
        return slice(0, height)

    def _decode(self, path: Path) -> np.ndarray:
        """One image as ``(H, W, 3)`` uint8 RGB; a reader that takes more kinds of images has its own."""
        return read_rgb(path, self.way_out)

    def _read(self, index: int) -> StereoSample:
        """Decode a sample's views and bring them, and the rig, to the reader's size; the crop comes before that."""
        f = self.frames[index]
        target, *other = [self.file(*part) for part in self._parts(f) if part[0] == "image"]
        views = [self._decode(target)]
        height, width = views[0].shape[:2]
        native = self.rig(f, target, width, height)
        for path in other:
            views.append(self._decode(path))
            shape = views[1].shape[:2]
            require_size(path, shape, (height, width), f"the other view of the pair, {target}, is", self.way_out)
        rows, rig = self.kept_rows(height), native
        if rows != slice(0, height):
            rig = rig.cropped(0, rows.start, width, rows.stop - rows.start)
            views = [view[rows] for view in views]
        if self.size is not None:
            rig = rig.resized(self.size[1], self.size[0])
            resized = resize_lanczos if self.resize == "lanczos" else resize_area
            views = [resized(view, self.size) for view in views]
        image, *rest = [to_tensor(view) for view in views]
        maps = {name: torch.as_tensor(values)[None] for name, values in self._truth(f, target, native).items()}
        return StereoSample(image, rig, self.names[index], *rest, direction=DIRECTIONS[f.side], **maps)


def require_size(path: Path, shape: Sequence[int], expected: Sequence[int], but: str, way_out: str) -> None:
    """Raise `DataError` unless an image or a map of ``path`` has the expected (height, width).

    ``but`` names what it is compared with, with its verb: ``its image a.png is``.
    """
    if tuple(shape) != tuple(expected):
        raise DataError(f"{path} is {shape[1]}x{shape[0]} pixels, but {but} {expected[1]}x{expected[0]}; {way_out}")


def require_map_size(path: Path, values: np.ndarray, image: Path, rig: StereoRig, way_out: str) -> None:
    """Raise `DataError` unless a map is as large as the image it belongs to, whose size the rig has."""
    way_out = f"they belong to different frames, or one was resized: {way_out}"
    require_size(path, values.shape, (rig.height, rig.width), f"its image {image} is", way_out)


def checked_root(root: str | Path, way_out: str) -> Path:
    """The root as a path.

    Raises:
        DataError: it is not a folder, or an empty one.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise DataError(f"data root {root} is not a folder; {way_out}")
    if not entries(root):
        raise DataError(f"data root {root} is empty; {way_out}")
    return root


def entries(folder: Path) -> list[str]:
    """Sorted names in a folder, without those that systems leave there (``._*``, ``.DS_Store``, ``Thumbs.db``).

    Raises:
        DataError: the folder can't be listed.
    """
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise DataError(f"{folder} can't be listed ({error.strerror}); check its permissions and the disk") from error
    return sorted(name for name in names if not name.startswith(".") and name.lower() not in _OF_SYSTEMS)


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted, without those of `entries`' exceptions."""
    return [folder / name for name in entries(folder) if (folder / name).is_dir()]


def numbered(folder: Path, pattern: str, number: Callable[[str], int | str] = int) -> dict[Hashable, Path]:
    """Files of a folder by the number (or two) that ``pattern`` finds in their names; none if there is no such folder.

    A PNG goes before a JPEG of the same number.
    """
    # this order puts .png last, so that it stays
    names = sorted(entries(folder), key=str.lower) if folder.is_dir() else []
    matches = [re.fullmatch(pattern, name, re.IGNORECASE) for name in names]
    found = [(tuple(map(number, match.groups())), folder / match[0]) for match in matches if match]
    return {key[0] if len(key) == 1 else key: path for key, path in found}


def hint_near(root: Path, is_root: Callable[[Path], bool], below: Sequence[str] = ()) -> str:
    """Part of a message: which folder in ``root``, or above it, seems to be the one that was meant; empty if none.

    Args:
        root: that was given.
        is_root: whether a folder in it looks like a root.
        below: names that folders inside a root have.
    """
    if root.name in below:
        return f" (give the folder above it, {root.parent})"
    inner = next((folder for folder in subfolders(root) if is_root(folder)), None)
    return "" if inner is None else f" (but {inner} seems to: give that folder)"


def finite(value: object, what: str, way_out: str) -> float:
    """A number of a calibration file.

    Args:
        value: as JSON or YAML gives it.
        what, way_out: beginning and end of the message: file and field, and what to do.

    Raises:
        DataError: it is no number, or not a finite one.
    """
    # true and false are numbers to Python, and to nobody else
    if isinstance(value, bool) or not isinstance(value, int | float):
        kind = "empty" if value is None else f"a {type(value).__name__} {str(value)[:40]!r}"
        raise DataError(f"{what} is {kind}, not a number; {way_out}")
    # by way of a text, because a whole number too large for a float is infinite then
    value = float(str(value))
    if not math.isfinite(value):
        raise DataError(f"{what} is {value}, not a finite number; {way_out}")
    return value


def require_plausible(values: Mapping[str, float], what: Mapping[str, str], way_out: str) -> None:
    """Raise `DataError` unless numbers of a calibration are positive, and focal lengths and baseline possible.

    Args:
        values: pixels and metres by name, as `StereoRig` has them. A focal length is compared with ``width``, if given.
        what: by name of the numbers to check: beginning of the message, file and field.
        way_out: end of the message.
    """
    for name, told in what.items():
        if values[name] <= 0:
            raise DataError(f"{told} is {values[name]:g}, not > 0; {way_out}")
        problem = implausible_baseline(values[name]) if name == "baseline_m" else ""
        if name.startswith("focal") and "width" in values:
            problem = implausible_focal(values[name], values["width"])
        if problem:
            raise DataError(f"{told}: {problem}; {way_out}")


def fitted(
    rig: StereoRig, path: Path, image: Path, width: int, height: int, way_out: str, middle: float = 0.35
) -> StereoRig:
    """The rig of a calibration, which does not say the size it is for, at the size of an image.

    Args:
        rig: of the calibration file ``path``, pixels.
        image, width, height: the image and its size.
        way_out: end of the message.
        middle: the principal point must lie between this share of width and height and the rest of it.

    Raises:
        DataError: the principal point is far from the middle of the image, which was then resized or cropped, or a
            focal length can't be in pixels.
    """
    if not (middle * width < rig.cx < (1 - middle) * width and middle * height < rig.cy < (1 - middle) * height):
        raise DataError(
            f"{path} puts the principal point at ({rig.cx:g}, {rig.cy:g}), far from the middle of {image} "
            f"({width}x{height}); a resized or cropped copy can't be used with the original file: {way_out}"
        )
    lens = {"focal_px": rig.focal_px, "focal_y_px": rig.fy, "width": width}
    require_plausible(lens, dict.fromkeys(("focal_px", "focal_y_px"), f"{path} ({image})"), way_out)
    return replace(rig, width=width, height=height)


def checked_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    """``(height, width)`` in pixels, or None.

    Raises:
        OptionError: not two whole numbers > 0.
    """
    if size is None:
        return None
    try:
        height, width = map(operator.index, size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise OptionError(f"size={size!r} must be (height, width) in pixels, or None for native size")
    return height, width


def checked_camera(camera: str | None) -> str | None:
    """Sides of the option ``camera``: ``l``, ``r`` or ``lr``; None stays None (what the split says)."""
    require_choice("camera", camera, CAMERAS)
    return CAMERAS[camera]


_tolerant: ContextVar[bool] = ContextVar("tolerant", default=False)


@contextmanager
def tolerating_missing() -> Iterator[None]:
    """Within it, readers open although files of their split are missing; `StereoReader.needed` then names them all."""
    token = _tolerant.set(True)
    try:
        yield
    finally:
        _tolerant.reset(token)


def tolerates_missing() -> bool:
    """Whether this is within `tolerating_missing`; a reader then opens no file that might be missing or damaged."""
    return _tolerant.get()
