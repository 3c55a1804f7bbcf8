"""Cityscapes' camera files: one small JSON a frame, with focal lengths, principal point and baseline."""

import json
import math
from dataclasses import replace
from pathlib import Path

from lowtex.datasets.images import read_text
from lowtex.errors import DataError
from lowtex.geometry import StereoRig, implausible_focal

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
