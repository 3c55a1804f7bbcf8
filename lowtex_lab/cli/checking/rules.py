"""What `lowtex data check` has to know of each data set: what each file has to be, and which sizes must agree."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lowtex.datasets import READERS
from lowtex.datasets.cityscapes import CITYSCAPES_COUNTS, CITYSCAPES_WAY_OUT, fitted, read_camera
from lowtex.datasets.make3d import MAKE3D_TEST_IMAGES, nominal_rig
from lowtex.datasets.reader import StereoReader
from lowtex.datasets.rig_file import RIG_FILE
from lowtex.datasets.splits import is_test_split
from lowtex.errors import DataError
from lowtex_lab.cli.checking.files import Problem, explained, first_named

VIEWS = ("picture", "photo")
"""Roles of the files that are a camera's views."""

TRUTHS = ("depth map", "scan", "grid", "own map")
"""Roles of the files that hold ground truth."""

Sizes = Mapping[Path, tuple[int, int]]
"""(width, height) of the good images and maps of one sample, in the order of `StereoReader.needed`."""


@dataclass(frozen=True)
class Rules:
    """What there is to know of one data set.

    Attributes:
        reader: its name in `lowtex.datasets.READERS`.
        split: what is checked if nothing is said: the frames that are scored.
        scored: splits that are scored and not learnt from, beside those named ``test…``.
        official: how many frames its named splits have where the split itself is not a list, by its full name.
        roles: pattern of a path, role of such a file (`cli.checking.files.ROLES`); the first that matches counts.
        fits: raises `DataError` if an image of this width and height is not what the calibration says.
    """

    reader: str
    split: str
    official: Mapping[str, int]
    roles: tuple[tuple[re.Pattern, str], ...]
    fits: Callable[[StereoReader, int, Path, int, int], None] | None = None
    scored: tuple[str, ...] = ()

    def needs_one_view(self, split: str) -> bool:
        """Scoring reads one view of a frame, training both; this split is only scored."""
        return split in self.scored or is_test_split(split)

    def role(self, path: Path) -> str:
        """What the file at ``path`` has to be."""
        name = path.as_posix()
        return next(role for pattern, role in self.roles if pattern.search(name))

    def open(self, root: Path, split: str, one_view: bool = False, **options) -> StereoReader:
        """The reader at native size; ``one_view`` leaves out the partner of the view that is scored."""
        if one_view and self.reader != "make3d":
            options["views"] = False
        return READERS[self.reader](root, split=split, size=None, **options)

    def misfits(self, reader: StereoReader, index: int, sizes: Sizes) -> Iterator[Problem]:
        """Files of a sample whose size is not the calibration's, or not that of the others."""
        views = [path for path in sizes if self.fits is not None and self.role(path) in VIEWS]
        refused = {path: message for path in views if (message := self._refusal(reader, index, path, sizes[path]))}
        agreeing = {path: size for path, size in sizes.items() if path not in refused}
        for path, message in refused.items():
            # if no view fits, the readers' message tells whether it is about the views or about the calibration
            blamed = first_named(message, reader.needed(index)) if len(refused) == len(views) else path
            yield Problem(blamed or path, "wrong size", explained(message, blamed or path)[1])
        yield from _odd_ones_out(agreeing)

    def _refusal(self, reader: StereoReader, index: int, path: Path, size: tuple[int, int]) -> str:
        """The readers' message on a view that does not fit its calibration; empty if it does."""
        try:
            self.fits(reader, index, path, *size)
        except DataError as error:
            # a calibration that can't be read does not name the view; its own file is looked at as all others are
            return str(error) if str(path) in str(error) else ""
        return ""


def _odd_ones_out(sizes: Sizes) -> Iterator[Problem]:
    """All files of a sample have one size; what most of them have is right, and in a draw what the first has."""
    counts: dict[tuple[int, int], list[Path]] = {}
    for path, size in sizes.items():
        counts.setdefault(size, []).append(path)
    # max takes the first of equals, and the target view comes first
    usual = max(counts, key=lambda size: len(counts[size]), default=None)
    for size, paths in counts.items():
        for path in paths if size != usual else ():
            is_, are = "{}x{} pixels".format(*size), "{}x{}".format(*usual)
            yield Problem(path, "wrong size", f"is {is_}, but {counts[usual][0]} is {are}")


def _kitti_fits(reader, index: int, path: Path, width: int, height: int) -> None:
    side = "l" if path.parent.parent.name == "image_02" else "r"
    calibration = reader.tree.calibration(reader.frames[index].folder)
    expected = calibration.size[side]
    if expected != (width, height):
        raise DataError(
            f"{path} is {width}x{height} pixels, but {calibration.path.name} says {expected[0]}x{expected[1]}"
        )


def _vkitti2_fits(reader, index: int, path: Path, width: int, height: int) -> None:
    f = reader.frames[index]
    side = "l" if path.parent.name == "Camera_0" else "r"
    reader.tree.rig(f.folder, f.frame, side, path, width, height)


def _make3d_fits(reader, index: int, path: Path, width: int, height: int) -> None:
    nominal_rig(path, width, height)


def _cityscapes_fits(reader, index: int, path: Path, width: int, height: int) -> None:
    camera = next((file for file in reader.needed(index) if file.suffix.lower() == ".json"), None)
    if camera is not None:
        fitted(read_camera(camera, CITYSCAPES_WAY_OUT), camera, path, width, height, CITYSCAPES_WAY_OUT)


def _stereo_fits(reader, index: int, path: Path, width: int, height: int) -> None:
    reader.rig_file.at(width, height, path)


def _patterns(*pairs: tuple[str, str]) -> tuple[tuple[re.Pattern, str], ...]:
    return tuple((re.compile(pattern, re.IGNORECASE), role) for pattern, role in pairs)


_KITTI = _patterns(
    (r"/calib_cam_to_cam\.txt$", "KITTI cameras"),
    (r"/calib_velo_to_cam\.txt$", "KITTI laser"),
    (r"\.bin$", "scan"),
    (r"/proj_depth/groundtruth/", "depth map"),
    (r"", "picture"),
)
_VKITTI2 = _patterns(
    (r"/intrinsic\.txt$", "VKITTI2 intrinsics"),
    (r"/extrinsic\.txt$", "VKITTI2 extrinsics"),
    (r"/(depth|contrast)_\d+\.png$", "depth map"),
    (r"/visible_\d+\.png$", "mask"),
    (r"", "picture"),
)
_MAKE3D = _patterns((r"\.mat$", "grid"), (r"", "picture"))
_CITYSCAPES = _patterns((r"\.json$", "Cityscapes camera"), (r"_disparity\.png$", "depth map"), (r"", "picture"))
_STEREO = _patterns((rf"/{RIG_FILE}$", "rig file"), (r"/(depth|disparity)/[^/]+$", "own map"), (r"", "photo"))

RULES = {
    "vkitti2": Rules("vkitti2", "test", {}, _VKITTI2, _vkitti2_fits),
    "kitti": Rules("kitti", "test", {}, _KITTI, _kitti_fits),
    "kitti_depth": Rules("kitti_improved", "test", {}, _KITTI, _kitti_fits),
    "make3d": Rules("make3d", "test", {"test": MAKE3D_TEST_IMAGES}, _MAKE3D, _make3d_fits),
    "cityscapes": Rules("cityscapes", "val", CITYSCAPES_COUNTS, _CITYSCAPES, _cityscapes_fits, scored=("val",)),
    "stereo": Rules("stereo", "all", {}, _STEREO, _stereo_fits),
}
"""By the names that `lowtex.data_paths.DATASETS` has."""
