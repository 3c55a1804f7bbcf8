"""The rectified stereo rig: focal length, baseline, disparity <-> depth, and the warp along a row.

Both cameras of a rectified pair share rows, so a point at depth ``Z`` lies ``focal_px * baseline_m / Z`` pixels
apart in the two images, and view synthesis is a horizontal shift. Nothing here knows a network or a data set.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

NOMINAL_BASELINE_M = 0.1
"""The baseline Monodepth2 pretends to have while training (T[0,3] = 0.1)."""

COMMUNITY_KITTI_SCALE = 5.4
"""0.54 / 0.1: the factor the community multiplies a nominal-baseline depth with on KITTI, whatever the drive's
own baseline is (about 0.5327 m from the calibration files). Used only where a published protocol asks for it."""

FOCAL_OVER_WIDTH = (0.1, 30.0)
"""Least and most of a rectified camera's focal length over its image's width: views of 157 and 1.9 degrees."""

LONGEST_BASELINE_M = 20.0
"""Longer than that is no rig of two cameras."""


@dataclass(frozen=True)
class StereoRig:
    """One camera of a rectified pair, at one image size. Pixel centres lie at whole numbers.

    Attributes:
        focal_px: horizontal focal length, pixels.
        baseline_m: distance between the cameras, metres, > 0.
        cx, cy: principal point, pixels; None where it is not known (only point clouds need it).
        focal_y_px: vertical focal length, pixels; None means the same as ``focal_px``.
        width, height: size of the image the numbers belong to, pixels.
        cx_offset_px: principal point of the left camera minus that of the right one; 0 for most rigs.

    The fields are floats, or tensors ``(B,)`` after `stack`.
    """

    focal_px: float | Tensor
    baseline_m: float | Tensor
    cx: float | Tensor | None = None
    cy: float | Tensor | None = None
    focal_y_px: float | Tensor | None = None
    width: int | Tensor | None = None
    height: int | Tensor | None = None
    cx_offset_px: float | Tensor = 0.0

    def __post_init__(self):
        for name in ("focal_px", "baseline_m", "focal_y_px"):
            value = getattr(self, name)
            if not (value is None or isinstance(value, Tensor) or 0.0 < value < float("inf")):
                raise ValueError(f"StereoRig: {name} must be a positive number, got {value}")

    @property
    def fy(self) -> float | Tensor:
        """Vertical focal length, pixels."""
        return self.focal_px if self.focal_y_px is None else self.focal_y_px

    def resized(self, width: int, height: int) -> "StereoRig":
        """The rig after resizing the image to ``width x height``: a pixel centre x moves to (x + 0.5) s - 0.5.

        Raises:
            ValueError: the rig does not know its own image size.
        """
        self._need_size("resized")
        sx, sy = width / self.width, height / self.height
        cx = None if self.cx is None else (self.cx + 0.5) * sx - 0.5
        cy = None if self.cy is None else (self.cy + 0.5) * sy - 0.5
        lens = {"focal_px": self.focal_px * sx, "focal_y_px": self.fy * sy, "cx_offset_px": self.cx_offset_px * sx}
        return replace(self, **lens, cx=cx, cy=cy, width=width, height=height)

    def cropped(self, left: int, top: int, width: int, height: int) -> "StereoRig":
        """The rig after cutting the same window out of both images.

        Raises:
            ValueError: the window does not lie inside the image.
        """
        self._need_size("cropped")
        if left < 0 or top < 0 or width < 1 or height < 1 or left + width > self.width or top + height > self.height:
            raise ValueError(
                f"crop of {width}x{height} at ({left}, {top}) does not fit an image of {self.width}x{self.height}"
            )
        cx = None if self.cx is None else self.cx - left
        cy = None if self.cy is None else self.cy - top
        return replace(self, cx=cx, cy=cy, width=width, height=height)

    def flipped(self) -> "StereoRig":
        """The rig after mirroring both images and swapping their roles, which makes a valid pair again.

        The mirrored right image is the new left one, so its principal point is the mirrored right one.
        """
        self._need_size("flipped")
        cx = None if self.cx is None else (self.width - 1) - (self.cx - self.cx_offset_px)
        return replace(self, cx=cx)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "StereoRig":
        """The same rig with its tensors on ``device`` and of ``dtype``; floats stay floats."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **{name: value.to(device=device, dtype=dtype) for name, value in tensors.items()})

    def as_dict(self) -> dict:
        """Plain numbers, for checkpoints and files."""
        return {name: value.tolist() if isinstance(value, Tensor) else value for name, value in vars(self).items()}

    @classmethod
    def stack(cls, rigs: Sequence["StereoRig"]) -> "StereoRig":
        """One rig whose fields are float32 tensors ``(B,)``; a field that any rig lacks becomes None."""
        columns = {}
        for f in fields(cls):
            values = [rig.fy if f.name == "focal_y_px" else getattr(rig, f.name) for rig in rigs]
            columns[f.name] = None if any(v is None for v in values) else torch.tensor([float(v) for v in values])
        return cls(**columns)

    def _need_size(self, operation: str) -> None:
        if self.width is None or self.height is None:
            raise ValueError(f"StereoRig.{operation} needs width and height; give them when the rig is made")


def implausible_focal(focal_px: float, width: float) -> str:
    """Why a focal length can't be in pixels of an image of that width, and the likely cause; empty if it can."""
    least, most = FOCAL_OVER_WIDTH
    if least * width <= focal_px <= most * width:
        return ""
    angle = 2 * math.degrees(math.atan(width / 2 / focal_px))
    cause = f"If it is in millimetres, write it x {width:g} / the sensor's width in millimetres"
    if focal_px > width:
        cause = "Is it in micrometres, or of a larger image? Pixels of this image are needed"
    elif focal_px <= 5:
        cause = f"If it is a share of the width, write {focal_px:g} x {width:g} = {focal_px * width:g}"
    return f"focal length {focal_px:g} px in an image {width:g} px wide: no lens sees {angle:.3g} degrees. {cause}"


def implausible_baseline(baseline_m: float) -> str:
    """Why a baseline can't be in metres, and the likely cause; empty if it can."""
    if baseline_m <= LONGEST_BASELINE_M:
        return ""
    return f"baseline {baseline_m:g} m: no rig is that wide. If it is in millimetres, write {baseline_m / 1000:g}"


def per_image(value: float | Tensor, like: Tensor) -> Tensor | float:
    """A rig's field as something that multiplies ``(B, C, H, W)``: floats stay, ``(B,)`` becomes ``(B,1,1,1)``."""
    if isinstance(value, Tensor):
        return value.to(device=like.device, dtype=like.dtype).reshape(-1, 1, 1, 1)
    return value


def depth_to_disparity(depth_m: Tensor, rig: StereoRig) -> Tensor:
    """Disparity in pixels of a depth in metres, ``focal * baseline / depth + cx_offset``; 0 where depth is not > 0.

    Any shape; with a stacked rig ``(B, C, H, W)``.
    """
    valid = depth_m > 0
    safe = torch.where(valid, depth_m, torch.ones_like(depth_m))
    disparity = per_image(rig.focal_px, safe) * per_image(rig.baseline_m, safe) / safe
    return torch.where(valid, disparity + per_image(rig.cx_offset_px, safe), torch.zeros_like(depth_m))


def disparity_to_depth(disparity_px: Tensor, rig: StereoRig) -> Tensor:
    """Depth in metres of a disparity in pixels; 0 (no depth) where the disparity, less the offset, is not > 0."""
    parallax = disparity_px - per_image(rig.cx_offset_px, disparity_px)
    valid = parallax > 0
    safe = torch.where(valid, parallax, torch.ones_like(parallax))
    depth = per_image(rig.focal_px, safe) * per_image(rig.baseline_m, safe) / safe
    return torch.where(valid, depth, torch.zeros_like(depth))


def nominal_to_metres(depth, baseline_m: float, nominal_baseline_m: float = NOMINAL_BASELINE_M):
    """Metres from a depth that was learned with a pretended baseline: the kit's only such conversion.

    With KITTI's rounded 0.54 m this is the literature's "x5.4".
    """
    return depth * (baseline_m / nominal_baseline_m)


def warp_horizontal(source: Tensor, shift_px: Tensor) -> Tensor:
    """Move an image sideways: ``out[..., x] = source[..., x - shift_px]``, linear, border values repeated.

    A positive shift moves content to the right, so with the left view's disparity the right view becomes the left:
    ``left = warp_horizontal(right, +disparity_left)`` and ``right = warp_horizontal(left, -disparity_right)``.
    A shift of a whole number of pixels copies values bit for bit (a slice), zero returns the image itself.

    Args:
        source: ``(B, C, H, W)``.
        shift_px: ``(B, 1, H, W)`` pixels at the source's size.

    Returns:
        ``(B, C, H, W)``; differentiable in both arguments (in the shift almost everywhere).

    Raises:
        ValueError: the shapes do not fit, with the shapes got.
    """
    if source.dim() != 4 or shift_px.dim() != 4 or shift_px.shape[1] != 1:
        raise ValueError(
            f"warp_horizontal takes (B,C,H,W) and (B,1,H,W), got {tuple(source.shape)} and {tuple(shift_px.shape)}"
        )
    if source.shape[0] != shift_px.shape[0] or source.shape[2:] != shift_px.shape[2:]:
        raise ValueError(
            f"source {tuple(source.shape)} and shift {tuple(shift_px.shape)} differ in batch or image size"
        )
    # by hand, because grid_sample's normalised coordinates lose exactness
    position, last = _columns(shift_px) - shift_px, source.shape[-1] - 1
    inside = (position > 0) & (position < last)
    position = torch.where(inside, position, position.detach().clamp(0, last))
    low = position.detach().floor()
    weight = position - low
    # a NaN must not become a wild index: it stays NaN in the weight, and the loss check then names the sample
    low = low.nan_to_num(0).long().expand_as(source)
    left = source.gather(3, low)
    slope = source.gather(3, (low + 1).clamp(max=last)) - left
    # left + 0 * slope is exactly left, so whole shifts copy values bit for bit
    return torch.addcmul(left, slope, weight)


def in_view(shift_px: Tensor) -> Tensor:
    """Where ``x - shift_px`` lies inside the image, bool ``(B, 1, H, W)``: elsewhere the other camera saw nothing."""
    position = _columns(shift_px) - shift_px
    return (position >= 0) & (position <= shift_px.shape[-1] - 1)


def backproject(depth_m: Tensor, rig: StereoRig) -> Tensor:
    """Points in the camera's axes (x right, y down, z forward), metres.

    Args:
        depth_m: ``(B, 1, H, W)`` depth along z, metres.
        rig: the camera at that size, with its principal point.

    Returns:
        ``(B, 3, H, W)``.
    """
    if rig.cx is None or rig.cy is None:
        raise ValueError("backproject needs the principal point (cx, cy) of the rig")
    rows = torch.arange(depth_m.shape[-2], device=depth_m.device, dtype=depth_m.dtype).reshape(1, 1, -1, 1)
    x = (_columns(depth_m) - per_image(rig.cx, depth_m)) / per_image(rig.focal_px, depth_m) * depth_m
    y = (rows - per_image(rig.cy, depth_m)) / per_image(rig.fy, depth_m) * depth_m
    return torch.cat([x, y, depth_m], dim=1)


def _columns(like: Tensor) -> Tensor:
    return torch.arange(like.shape[-1], device=like.device, dtype=like.dtype).reshape(1, 1, 1, -1)
