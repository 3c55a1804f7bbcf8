"""Make3D: single outdoor photographs with a coarse laser grid, the usual test of how a model carries over."""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lowtex.datasets.images import read_bytes
from lowtex.datasets.reader import WAYS_OUT, Kind, StereoReader, checked_root, hint_near, require_size
from lowtex.datasets.splits import AVAILABLE, Frame, read_lines
from lowtex.errors import DataError, require_choice
from lowtex.geometry import NOMINAL_BASELINE_M, StereoRig

MAKE3D_WAY_OUT = WAYS_OUT["make3d"]

IMAGE_SIZE = (2272, 1704)
"""(height, width) of every image, pixels: the photographs stand upright."""

GRID_SHAPE = (55, 305, 4)
"""A grid's rows, columns and channels; it covers the whole image, with 41 image rows but 6 columns to a value."""

GRID_KEY, RANGE_CHANNEL = "Position3DGrid", 3
"""The variable of a ``.mat`` file, and which of its channels (x, y, z, range) is the ground truth."""

FARTHEST_M = 1000.0
"""The scanner saw about 80 m; what is beyond this is not metres."""

NOMINAL_RIG = StereoRig(
    focal_px=2466.0, baseline_m=NOMINAL_BASELINE_M, cx=868.0, cy=1091.0, width=IMAGE_SIZE[1], height=IMAGE_SIZE[0]
)
"""A stand-in for the camera, whose numbers are not published and which had no partner.

Focal length and principal point are read off four grids: x/z and y/z of their points are straight lines in row and
column, of 2470 and 2462 pixels to the unit if the grid covers the image. The baseline is pretended."""


class Crop(NamedTuple):
    """The same part of an image and of its grid."""

    image: slice
    grid: slice


CROPS = {
    "c1": Crop(slice(710, 1562), slice(17, 38)),
    "wide": Crop(slice(795, 1477), slice(19, 36)),
    None: Crop(slice(0, IMAGE_SIZE[0]), slice(0, GRID_SHAPE[0])),
}
"""Rows kept: ``c1`` is the middle of the image, twice as wide as high, and the grid's rows there; ``wide`` is 2.5 times
as wide as high, the crop that monodepth's issue 104 names and its issue 189 takes back."""

_PLACES = {
    "image": ("Test134", "Test134/Test134", "Test134Img", "Test134Image"),
    "grid": ("Gridlaserdata", "Test134Depth/Gridlaserdata", "Test134Depth", "Test134/Gridlaserdata"),
}
_IMAGE = r"img-(.+)\.(?:jpe?g|png)"
_ID = re.compile(r"[\w.+-]+")


class Make3D(StereoReader):
    """Make3D's test set (Saxena, Sun, Ng, "Make3D", TPAMI 2009), free for research.

    Get "Test134" and "Test134Depth" from http://make3d.cs.cornell.edu/data.html. There are 134 photographs, each
    2272 high and 1704 wide, with a grid of 55 x 305 laser ranges; no second views.

    Layout under ``root``; the images may also lie in ``Test134Img/``, the grids in ``Test134Depth/`` or
    ``Test134Depth/Gridlaserdata/``::

        Test134/img-op31-p-220t000.jpg
        Gridlaserdata/depth_sph_corr-op31-p-220t000.mat      `Position3DGrid`, 55 x 305 x 4: x, y, z, range in metres

    Args:
        root: that folder.
        split: ``test``, every image and every grid of the root (no official list exists: it is all 134; of a root
            that has fewer, ``split`` and so every row says how many, ``test, 3 of 134``);
            ``available``, the complete ones of them; a list of the root (``splits/<name>.txt``), or the path of a
            text file with one id a line, e.g. ``op31-p-220t000``.
        size: ``(H, W)`` of the images, or None for native size; the grid keeps its own.
        crop: ``c1``: rows 710 to 1561 of the image and 17 to 37 of the grid, the middle part with an aspect of 2:1,
            which published numbers are for (Godard et al., CVPR 2017). None: everything. ``wide``: a mistake that is
            around, 2.5:1, to see what it costs.

    A sample's depth is ``(1, 21, 305)`` with the crop, ``(1, 55, 305)`` without, in metres; 0 where a grid holds
    nothing positive (the real ones that were looked at have no such place). It is what the protocol compares with:
    the distance from the camera to the point, not along z, so up to 14 % more than z in a corner of the image, and
    2.5 % more on average, 8 % at most, inside the crop. ``other`` is None.

    The rig is nominal (`NOMINAL_RIG`; ``rig_is_nominal``): scores use median scaling, which takes its metres out.

    Raises:
        DataError: the root is not Make3D, images or grids of the split are missing (counted), and, when a sample is
            read, a file is damaged or of another size.
        OptionError: an unknown split or crop.
    """

    ground_truth = "make3d"
    way_out = MAKE3D_WAY_OUT
    rig_is_nominal = True
    known = ("test",)
    official = 134
    strict = True
    number = str
    layout = {
        "image": Kind("", _IMAGE, "img-{frame}.jpg"),
        "grid": Kind("", r"depth_sph_corr-(.+)\.mat", "depth_sph_corr-{frame}.mat"),
    }
    what = "images (or their grids)"
    nothing = "image with its grid"

    def __init__(
        self,
        root: str | Path,
        split: str = "test",
        size: Sequence[int] | None = (96, 320),
        crop: str | None = "c1",
    ):
        require_choice("crop", crop, CROPS)
        self.crop = crop
        self.root = checked_root(root, MAKE3D_WAY_OUT)
        if not any(self.files(kind, Frame("", "")) for kind in self.layout):
            below = (*_PLACES["image"], *_PLACES["grid"])
            hint = hint_near(self.root, lambda inner: (inner / "Test134").is_dir(), below)
            raise DataError(f"{self.root} holds no image of Make3D{hint}; {MAKE3D_WAY_OUT}")
        self._open(split, size, read=read_ids)

    def places(self, kind: str, f: Frame) -> list[Path]:
        """See `StereoReader.places`."""
        return [self.root / folder for folder in _PLACES[kind]]

    def _found(self, sides: str) -> list[Frame]:
        images, grids = (set(self.files(kind, Frame("", ""))) for kind in self.layout)
        return self._listed(sorted(images & grids if self.split == AVAILABLE else images | grids), sides)

    def _name(self, f: Frame) -> str:
        return f.frame

    def _kinds(self, f: Frame) -> Sequence[str]:
        return ("grid",)

    def kept_rows(self, height: int) -> slice:
        """See `CROPS`."""
        return CROPS[self.crop].image

    def rig(self, f: Frame, image: Path, width: int, height: int) -> StereoRig:
        way_out = f"a resized or turned copy does not fit the crop and the grid: {MAKE3D_WAY_OUT}"
        require_size(image, (height, width), IMAGE_SIZE, "Make3D's test images are", way_out)
        return NOMINAL_RIG

    def _truth(self, f: Frame, image: Path, rig: StereoRig) -> dict[str, np.ndarray]:
        path = self.file("grid", f)
        depth = read_grid(path)[CROPS[self.crop].grid]
        if not depth.any():
            raise DataError(f"{path} holds no range > 0 m; {MAKE3D_WAY_OUT}")
        return {"depth": depth}


def read_grid(path: str | Path) -> np.ndarray:
    """The ranges of a laser grid.

    Returns:
        ``(55, 305)`` float32 metres, row 0 at the image's top; 0 where the file has nothing > 0.

    Raises:
        DataError: missing, damaged, no MATLAB file, without `GRID_KEY`, of another shape or kind, not finite, or
            beyond `FARTHEST_M`.
    """
    from scipy.io import loadmat  # here: a third of a second that every notebook would pay for this one reader

    data = read_bytes(path, MAKE3D_WAY_OUT)
    try:
        # a damaged file makes scipy raise almost anything: zlib.error, KeyError, TypeError, NotImplementedError (a
        # newer format), MemoryError (an absurd size)...
        variables = loadmat(io.BytesIO(data), variable_names=[GRID_KEY])
    except Exception as error:
        reason = " ".join(str(error).split()) or "no reason given"
        raise DataError(
            f"{path} can't be read as a MATLAB file ({type(error).__name__}: {reason[:120]}); {MAKE3D_WAY_OUT}"
        ) from error
    grid = variables.get(GRID_KEY)
    if not isinstance(grid, np.ndarray):
        raise DataError(f"{path} holds no {GRID_KEY}; it is another MATLAB file, or a damaged one: {MAKE3D_WAY_OUT}")
    if grid.shape != GRID_SHAPE or grid.dtype.kind not in "fiu":
        raise DataError(
            f"{path}: {GRID_KEY} is {'x'.join(map(str, grid.shape))} of type {grid.dtype}, where "
            f"{'x'.join(map(str, GRID_SHAPE))} real numbers are expected; {MAKE3D_WAY_OUT}"
        )
    ranges = grid[:, :, RANGE_CHANNEL].astype(np.float32)
    if not np.isfinite(ranges).all():
        raise DataError(f"{path}: {GRID_KEY} holds ranges that are not finite numbers (NaN or inf); {MAKE3D_WAY_OUT}")
    if ranges.max() > FARTHEST_M:
        raise DataError(f"{path}: a range of {ranges.max():g} can't be metres, the scanner saw 80; {MAKE3D_WAY_OUT}")
    return np.maximum(ranges, 0.0)


def read_ids(path: str | Path) -> list[str]:
    """A text file with one image a line: its id (``op31-p-220t000``) or its name (``img-op31-p-220t000.jpg``).

    Raises:
        DataError: the file is missing or empty, or a line is something else; names the file and the line.
    """

    def parse(line: str) -> str | None:
        word = line.strip()
        match = re.fullmatch(_IMAGE, word, re.IGNORECASE)
        return match[1] if match else word if _ID.fullmatch(word) else None

    return read_lines(path, parse, "image", "op31-p-220t000")
