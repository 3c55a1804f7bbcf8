"""The evaluation protocols of the literature, each a named value that states itself in every row.

Two numbers can only be compared when crop, cap, scaling, post-processing and kind of ground truth are the same, and
papers differ in all five. So each of them is a field here, and none is a hidden default of the evaluation. The named
protocols stand at the end of this file.
"""

import re
from dataclasses import dataclass, fields, replace

import numpy as np

from lowtex.errors import OptionError, require_choice
from lowtex.evaluation.postprocessing import INTERPOLATIONS
from lowtex.geometry import NOMINAL_BASELINE_M

CROPS = {
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
    "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
    "manydepth": (256 / 768, 1.0, 192 / 2048, 1856 / 2048),
}
"""Top, bottom, left, right as fractions of the ground truth's size (Garg et al. 2016; Eigen et al. 2014; Watson et al.
2021, ``[256:, 192:1856]`` of the 768x2048 that are left of a Cityscapes image without its lowest quarter)."""

GROUND_TRUTHS = {
    "velodyne_x": "velodyne points, the sensor's forward distance (the community's Eigen ground truth)",
    "velodyne_z": "velodyne points, depth along the camera's axis",
    "improved": "KITTI's accumulated and cleaned ground truth (Uhrig et al. 2017)",
    "vkitti2": "rendered depth of every pixel (Virtual KITTI 2's layout)",
    "make3d": "Make3D's grid of laser distances",
    "cityscapes": "depth from the disparity maps that come with Cityscapes",
    "stereo": "the depth or disparity kept in a folder of stereo pairs",
}
"""Kinds of ground truth. A reader says its own in an attribute ``ground_truth``; None or missing = not stated."""

IMAGE_CROPS = {
    "c1": "the middle 2:1 window of image and grid",
    "wide": "the middle 2.5:1 window of image and grid",
    "bottom_quarter": "images without their lowest quarter (the recording car)",
    "bottom_fifth": "images without their lowest fifth",
}
"""Crops that the reader makes, before the network sees the image (its attribute ``crop``)."""

PROTOCOL_COLUMNS = ("protocol", "crop", "cap_m", "scaling", "flip", "ground_truth")
"""Columns of a row in which a protocol states itself (`Protocol.row`)."""

SCALINGS = ("none", "median")
_FACTOR = re.compile(r"x(\d+(?:\.\d+)?(?:[eE]-?\d+)?)")
RESIZED = ("inverse_depth", "depth")


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
        interpolation: of the resize, a name of `lowtex.evaluation.postprocessing.INTERPOLATIONS`.
        resized: ``inverse_depth``, or ``depth`` where a code base interpolates depth itself.
        log10: also report Make3D's fourth error, the root mean square of differences of base-10 logarithms.
        source: where the protocol comes from and who uses it.
    """

    name: str
    ground_truth: str
    crop: str | None = None
    min_depth_m: float = 1e-3
    cap_m: float = 80.0
    cap_truth: bool = True
    scaling: str = "none"
    flip: bool = False
    interpolation: str = "linear"
    log10: bool = False
    source: str = ""
    image_crop: str | None = None
    clamp_truth: bool = False
    resized: str = "inverse_depth"

    def __post_init__(self):
        require_choice("ground_truth", self.ground_truth, GROUND_TRUTHS)
        require_choice("crop", self.crop, (*CROPS, None))
        require_choice("image_crop", self.image_crop, (*IMAGE_CROPS, None))
        require_choice("interpolation", self.interpolation, INTERPOLATIONS)
        require_choice("resized", self.resized, RESIZED)
        factor = factor_of(self.scaling)
        if factor is not None:
            # x5.40 and x5.4 are one protocol and must be one text in the rows
            object.__setattr__(self, "scaling", f"x{factor:g}")
        if not 0 <= self.min_depth_m < self.cap_m < float("inf"):
            raise OptionError(
                f"protocol {self.name!r}: 0 <= min_depth_m={self.min_depth_m} < cap_m={self.cap_m} must hold"
            )
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
        return replace(
            self,
            flip=self.flip if flip is None else bool(flip),
            scaling=self.scaling if scaling is None else scaling,
        )

    def crop_box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Rows and columns that count, as (top, bottom, left, right), ends exclusive, cut down to whole pixels."""
        if self.crop is None:
            return 0, height, 0, width
        top, bottom, left, right = CROPS[self.crop]
        return int(top * height), int(bottom * height), int(left * width), int(right * width)

    def valid(self, truth_m: np.ndarray) -> np.ndarray:
        """The pixels that count: bool ``(h, w)`` of a ground truth ``(h, w)`` in metres, 0 = none."""
        if self.cap_truth:
            inside = (truth_m > self.min_depth_m) & (truth_m < self.cap_m)
        else:
            inside = truth_m > 0
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
        known = PROTOCOLS.get(self.name)
        if known is None:
            return self.name
        differ = [
            f"{f.name}={getattr(self, f.name)}"
            for f in fields(self)
            if f.name not in ("flip", "scaling", "source") and getattr(self, f.name) != getattr(known, f.name)
        ]
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
        if self.cap_truth:
            counted = f"pixels with {self.min_depth_m:g} m < true depth < {self.cap_m:g} m"
        else:
            counted = "every pixel with ground truth" + (f", itself clamped to {limits}" if self.clamp_truth else "")
        scaling = {"none": "no scaling", "median": "median scaling per image"}.get(self.scaling)
        if scaling is None:
            nominal = self.nominal_factor * NOMINAL_BASELINE_M
            scaling = (
                f"network units {self.scaling} (a baseline of {nominal:g} m where {NOMINAL_BASELINE_M:g} was pretended)"
            )
        parts = [
            GROUND_TRUTHS[self.ground_truth],
            *([IMAGE_CROPS[self.image_crop]] if self.image_crop else []),
            f"{self.crop} crop" if self.crop else "no crop",
            counted,
            f"{self.resized.replace('_', ' ')} resized by {self.interpolation.replace('_', ' ')} interpolation",
            f"prediction clamped to {limits}",
            scaling,
            f"{'with' if self.flip else 'without'} flip post-processing",
            "mean over images",
        ]
        return f"{self.stated_name}: {'; '.join(parts)}"


def factor_of(scaling: str) -> float | None:
    """5.4 for ``x5.4``, None for the other `SCALINGS`; `OptionError` for anything else."""
    found = _FACTOR.fullmatch(str(scaling))
    if found and 0 < float(found[1]) < float("inf"):
        return float(found[1])
    if scaling not in SCALINGS:
        known = ", ".join(SCALINGS)
        raise OptionError(f"scaling={scaling!r} is not known; choose one of: {known}, or a factor such as x5.4")
    return None


_RAW = "Monodepth2's evaluate_depth.py on the 697 Eigen test images: the community's KITTI protocol"
_IMPROVED = "Monodepth2 on the 652 Eigen test images with improved ground truth"
_SMDE = {"crop": "garg", "cap_truth": False, "clamp_truth": True, "resized": "depth"}
_C1 = {"scaling": "median", "min_depth_m": 0.0, "cap_m": 70.0, "log10": True, "image_crop": "c1"}

_ALL = (
    Protocol("eigen_raw", "velodyne_x", crop="garg", source=_RAW),
    Protocol("eigen_raw_z", "velodyne_z", crop="garg", source="eigen_raw with depth along the camera's axis"),
    Protocol("eigen_raw_eigen_crop", "velodyne_x", crop="eigen", source="eigen_raw in the crop of Eigen et al. 2014"),
    Protocol("eigen_raw_smde", "velodyne_x", source="SMDE-Pytorch's metric_depth_kitti on raw ground truth", **_SMDE),
    Protocol("improved", "improved", cap_truth=False, source=f"{_IMPROVED}: no crop, no cap on the truth"),
    Protocol(
        "improved_garg",
        "improved",
        crop="garg",
        source="PlaneDepth's crop and cap; its own files also divide the PNG by 255, so its truth is 0.4 % farther",
    ),
    Protocol("improved_eigen_crop", "improved", crop="eigen", source="improved_garg in the crop of Eigen et al. 2014"),
    Protocol("improved_100m", "improved", cap_m=100.0, source="monodepth_benchmark: no crop, 1e-3 to 100 m"),
    Protocol("improved_smde", "improved", source="SMDE-Pytorch's metric_depth_kitti on improved truth", **_SMDE),
    Protocol("vkitti2_dense", "vkitti2", source="every rendered pixel nearer than the cap; drops the sky"),
    Protocol("vkitti2_garg", "vkitti2", crop="garg", source="the same within the Garg crop, as ZoeDepth has it"),
    Protocol(
        "make3d_c1",
        "make3d",
        interpolation="nearest",
        source="Godard's C1 (monodepth2 issues 89 and 392): 2:1 crop, 0 < truth < 70 m, OpenCV's INTER_NEAREST",
        **_C1,
    ),
    Protocol(
        "make3d_c1_centred",
        "make3d",
        interpolation="nearest_centre",
        source="make3d_c1 without the shift of INTER_NEAREST, half a grid cell up and left: right, but in no paper",
        **_C1,
    ),
    Protocol(
        "cityscapes",
        "cityscapes",
        crop="manydepth",
        image_crop="bottom_quarter",
        source="ManyDepth's crops and cap, but in metres; ManyDepth itself is monocular and adds scaling='median'",
    ),
    Protocol("cityscapes_full", "cityscapes", source="all of the image, the recording car included: no crop at all"),
    Protocol("stereo_dense", "stereo", source="a folder of one's own: every pixel with ground truth up to the cap"),
)

PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in _ALL}
"""The named protocols."""


def get_protocol(protocol: str | Protocol) -> Protocol:
    """The protocol of that name; `OptionError` lists the known ones."""
    if isinstance(protocol, Protocol):
        return protocol
    require_choice("protocol", protocol, PROTOCOLS)
    return PROTOCOLS[protocol]
