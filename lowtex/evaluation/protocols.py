"""The evaluation protocols of the literature, each a named value that states itself in every row.

Two numbers can only be compared when crop, cap, scaling, post-processing and kind of ground truth are the same, and
papers differ in all five. So each of them is a field here, and none is a hidden default of the evaluation. The named
protocols stand in ``protocols.yaml``.
"""

import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
import yaml

from lowtex.errors import OptionError, require_choice
from lowtex.geometry import NOMINAL_BASELINE_M
from lowtex.options import NonNegativeFloat, PositiveFloat, check_types

_DATA = yaml.safe_load(Path(__file__).with_name("protocols.yaml").read_text(encoding="utf-8"))

CROPS: dict[str, list[float]] = _DATA["crops"]
"""Top, bottom, left, right as fractions of the ground truth's size."""

GROUND_TRUTHS: dict[str, str] = _DATA["ground_truths"]
"""Kinds of ground truth. A reader says its own in an attribute ``ground_truth``; None or missing = not stated."""

IMAGE_CROPS: dict[str, str] = _DATA["image_crops"]
"""Crops that the reader makes, before the network sees the image (its attribute ``crop``)."""

PROTOCOL_COLUMNS = ("protocol", "crop", "cap_m", "scaling", "flip", "ground_truth")
"""Columns of a row in which a protocol states itself (`Protocol.row`)."""

_SCALINGS = {"none": "no scaling", "median": "median scaling per image"}
_FACTOR = re.compile(r"x(\d+(?:\.\d+)?(?:[eE]-?\d+)?)")


@dataclass(frozen=True)
class Protocol:
    """How a prediction is held against ground truth.

    The prediction's inverse depth (disparity) is resized to the ground truth's size, depth is its inverse, then
    scaled if asked, then clamped to ``[min_depth_m, cap_m]``; the metrics are taken over the valid pixels of one
    image and averaged over images (Monodepth2's ``evaluate_depth.py``).

    Attributes:
        name: as written into rows.
        ground_truth: a name of `GROUND_TRUTHS`; evaluating anything else is refused.
        crop: a name of `CROPS`, the part of the ground truth that counts; or None.
        image_crop: a name of `IMAGE_CROPS` that the reader must have made; None = any.
        min_depth_m, cap_m: range the prediction is clamped to, metres.
        cap_truth: True: only pixels whose true depth lies strictly inside that range count. False: every pixel with
            ground truth counts, however far; beyond ``cap_m`` even a perfect prediction, clamped, is wrong.
        clamp_truth: every pixel with ground truth counts (``cap_truth`` must be False), and the truth itself is
            clamped to the range like the prediction, so that what lies beyond is easy to get right.
        scaling: ``none``: the network gives metres. ``median``: each image's prediction is multiplied by median(truth)
            / median(prediction) over the valid pixels, which hides any error of scale; stereo training gives metres
            and needs none. ``x5.4`` (any number): the network gives units of a pretended baseline, and a unit is 5.4
            metres, see `nominal_factor`.
        flip: average with the prediction for the mirrored image (Godard et al. 2017).
        interpolation: of the resize, see `lowtex.evaluation.postprocessing.resize_map`.
        resized: ``inverse_depth``, or ``depth`` where a code base interpolates depth itself.
        log10: also report Make3D's fourth error, the root mean square of differences of base-10 logarithms.
        d1_all: also report the share of disparity outliers at the ground truth's size, of the prediction as it is
            before it is clamped (`lowtex.evaluation.metrics.disparity_outliers`).
        source: where the protocol comes from and who uses it.
    """

    name: str
    ground_truth: Literal[tuple(GROUND_TRUTHS)]
    crop: Literal[tuple(CROPS)] | None = None
    min_depth_m: NonNegativeFloat = 1e-3
    cap_m: PositiveFloat = 80.0
    cap_truth: bool = True
    scaling: str = "none"
    flip: bool = False
    interpolation: Literal["linear", "nearest", "nearest_centre"] = "linear"
    log10: bool = False
    d1_all: bool = False
    source: str = ""
    image_crop: Literal[tuple(IMAGE_CROPS)] | None = None
    clamp_truth: bool = False
    resized: Literal["inverse_depth", "depth"] = "inverse_depth"

    def __post_init__(self):
        check_types(self)
        if (factor := factor_of(self.scaling)) is not None:
            # x5.40 and x5.4 are one protocol and must be one text in the rows
            object.__setattr__(self, "scaling", f"x{factor:g}")
        if self.min_depth_m >= self.cap_m:
            raise OptionError(f"protocol {self.name!r}: min_depth_m={self.min_depth_m} < cap_m={self.cap_m} must hold")
        if self.clamp_truth and self.cap_truth:
            raise OptionError(f"protocol {self.name!r}: clamp_truth keeps what cap_truth drops; set cap_truth=False")

    @property
    def nominal_factor(self) -> float | None:
        """Metres in one unit of a network trained with a pretended baseline: 5.4 for ``x5.4``, else None.

        That is real over pretended baseline, 0.54 / 0.1 in Monodepth2's convention for KITTI. Applied by
        `lowtex.geometry.nominal_to_metres`, whatever the data's own rig says.
        """
        return factor_of(self.scaling)

    def changed(self, *, flip: bool | None = None, scaling: str | None = None) -> "Protocol":
        """The protocol with other options; None keeps its own. The row states what was used."""
        given = {"flip": flip, "scaling": scaling}
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def crop_box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Rows and columns that count, as (top, bottom, left, right), ends exclusive, cut down to whole pixels."""
        if self.crop is None:
            return 0, height, 0, width
        top, bottom, left, right = CROPS[self.crop]
        return int(top * height), int(bottom * height), int(left * width), int(right * width)

    def valid(self, truth_m: np.ndarray) -> np.ndarray:
        """The pixels that count: bool ``(h, w)`` of a ground truth ``(h, w)`` in metres, 0 = none."""
        inside = truth_m > 0
        if self.cap_truth:
            inside = (truth_m > self.min_depth_m) & (truth_m < self.cap_m)
        top, bottom, left, right = self.crop_box(*truth_m.shape)
        mask = np.zeros_like(inside)
        mask[top:bottom, left:right] = inside[top:bottom, left:right]
        return mask

    def require(self, ground_truth: str | None, where: str, image_crop: str | None = "any") -> None:
        """Raise `OptionError` if data with this kind of ground truth, or this crop, cannot be judged by the protocol.

        A ground truth of None means that the data do not say, and is taken at the protocol's word; so is ``any``.
        """
        if ground_truth is not None and ground_truth != self.ground_truth:
            fitting = [name for name, protocol in PROTOCOLS.items() if protocol.ground_truth == ground_truth]
            raise OptionError(
                f"protocol {self.name!r} needs ground truth {self.ground_truth!r} "
                f"({GROUND_TRUTHS[self.ground_truth]}), but {where} has {ground_truth!r}; "
                f"use {' or '.join(fitting) or 'another reader'}"
            )
        if self.image_crop is not None and image_crop not in ("any", self.image_crop):
            raise OptionError(
                f"protocol {self.name!r} needs images cropped to {self.image_crop!r} ({IMAGE_CROPS[self.image_crop]}), "
                f"but {where} has crop={image_crop}; choose --reader crop={self.image_crop}"
            )

    @property
    def stated_name(self) -> str:
        """The name, and every field in which this value is not the protocol known by that name (a row has both)."""
        known = PROTOCOLS.get(self.name, self)
        own = (f.name for f in fields(self) if f.name not in ("flip", "scaling", "source"))
        differ = [f"{name}={getattr(self, name)}" for name in own if getattr(self, name) != getattr(known, name)]
        return f"{self.name} but {', '.join(differ)}" if differ else self.name

    def row(self) -> dict:
        """The protocol's columns of a result row."""
        crops = [crop for crop in (self.crop, self.image_crop) if crop]
        return {
            "protocol": self.stated_name,
            "crop": " in ".join(crops) or "none",
            "cap_m": self.cap_m,
            "scaling": self.scaling,
            "flip": self.flip,
            "ground_truth": self.ground_truth,
        }

    def describe(self) -> str:
        """One sentence that says all of it, for captions and logs."""
        limits = f"[{self.min_depth_m:g}, {self.cap_m:g}] m"
        counted = "every pixel with ground truth" + (f", itself clamped to {limits}" if self.clamp_truth else "")
        if self.cap_truth:
            counted = f"pixels with {self.min_depth_m:g} m < true depth < {self.cap_m:g} m"
        scaling = _SCALINGS.get(self.scaling)
        if scaling is None:
            real = f"{self.nominal_factor * NOMINAL_BASELINE_M:g}"
            scaling = (
                f"network units {self.scaling} (a baseline of {real} m where {NOMINAL_BASELINE_M:g} was pretended)"
            )
        parts = [
            GROUND_TRUTHS[self.ground_truth],
            IMAGE_CROPS.get(self.image_crop),
            f"{self.crop} crop" if self.crop else "no crop",
            counted,
            f"{self.resized} resized by {self.interpolation} interpolation".replace("_", " "),
            f"prediction clamped to {limits}",
            scaling,
            f"{'with' if self.flip else 'without'} flip post-processing",
            "mean over images",
        ]
        return f"{self.stated_name}: {'; '.join(part for part in parts if part)}"


def factor_of(scaling: str) -> float | None:
    """5.4 for ``x5.4``, None for ``none`` and ``median``; `OptionError` for anything else."""
    found = _FACTOR.fullmatch(str(scaling))
    if found and 0 < float(found[1]) < float("inf"):
        return float(found[1])
    if scaling not in _SCALINGS:
        known = ", ".join(_SCALINGS)
        raise OptionError(f"scaling={scaling!r} is not known; choose one of: {known}, or a factor such as x5.4")
    return None


PROTOCOLS = {name: Protocol(name, **values) for name, values in _DATA["protocols"].items()}
"""The named protocols, from ``protocols.yaml``."""


def get_protocol(protocol: str | Protocol) -> Protocol:
    """The protocol of that name; `OptionError` lists the known ones."""
    if isinstance(protocol, Protocol):
        return protocol
    require_choice("protocol", protocol, PROTOCOLS)
    return PROTOCOLS[protocol]
