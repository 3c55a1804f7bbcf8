"""The evaluation protocols of the literature, each a named value that states itself in every row.

Two numbers can only be compared when crop, cap, scaling, post-processing and kind of ground truth are the same, and
papers differ in all five. So each of them is a field here, and none is a hidden default of the evaluation.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from lowtex.errors import OptionError, require_choice

CROPS = {
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
    "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
}
"""Top, bottom, left, right as fractions of the ground truth's size (Garg et al. 2016; Eigen et al. 2014)."""

GROUND_TRUTHS = {
    "velodyne_x": "velodyne points, the sensor's forward distance (the community's Eigen ground truth)",
    "velodyne_z": "velodyne points, depth along the camera's axis",
    "improved": "KITTI's accumulated and cleaned ground truth (Uhrig et al. 2017)",
    "vkitti2": "rendered depth of every pixel (Virtual KITTI 2's layout)",
}
"""Kinds of ground truth. A reader says its own in an attribute ``ground_truth``; None or missing = not stated."""

SCALINGS = ("none", "median")
INTERPOLATIONS = {"linear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST_EXACT}


@dataclass(frozen=True)
class Protocol:
    """How a prediction is held against ground truth.

    The prediction's inverse depth (disparity) is resized to the ground truth's size, depth is its inverse, then
    scaled if asked, then clamped to ``[min_depth_m, cap_m]``; the metrics are taken over the valid pixels of one
    image and averaged over images (Monodepth2's ``evaluate_depth.py``).

    Attributes:
        name: as written into rows.
        ground_truth: a name of `GROUND_TRUTHS`; evaluating anything else is refused.
        crop: ``garg``, ``eigen`` or None.
        min_depth_m, cap_m: range the prediction is clamped to, metres.
        cap_truth: True: only pixels whose true depth lies strictly inside that range count. False: every pixel with
            ground truth counts, however far; beyond ``cap_m`` even a perfect prediction, clamped, is wrong.
        scaling: ``none``; or ``median``: each image's prediction is multiplied by median(truth) / median(prediction)
            over the valid pixels, which hides any error of scale. Stereo training gives metres and needs none.
        flip: average with the prediction for the mirrored image (Godard et al. 2017).
        interpolation: of the resize, ``linear`` or ``nearest``.
        log10: also report Make3D's log10 error.
        source: where the protocol is used.
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

    def __post_init__(self):
        require_choice("ground_truth", self.ground_truth, GROUND_TRUTHS)
        require_choice("crop", self.crop, (*CROPS, None))
        require_choice("scaling", self.scaling, SCALINGS)
        require_choice("interpolation", self.interpolation, INTERPOLATIONS)
        if not 0 < self.min_depth_m < self.cap_m < float("inf"):
            raise OptionError(
                f"protocol {self.name!r}: 0 < min_depth_m={self.min_depth_m} < cap_m={self.cap_m} must hold"
            )

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

    def require(self, ground_truth: str | None, where: str) -> None:
        """Raise `OptionError` if data with this kind of ground truth cannot be judged by the protocol.

        None means that the data do not say, and is taken at the protocol's word.
        """
        if ground_truth is None or ground_truth == self.ground_truth:
            return
        fitting = [name for name, protocol in PROTOCOLS.items() if protocol.ground_truth == ground_truth]
        raise OptionError(
            f"protocol {self.name!r} needs ground truth {self.ground_truth!r} ({GROUND_TRUTHS[self.ground_truth]}), "
            f"but {where} has {ground_truth!r}; use {' or '.join(fitting) or 'another reader'}"
        )

    def row(self) -> dict:
        """The protocol's columns of a result row."""
        return {
            "protocol": self.name,
            "crop": self.crop or "none",
            "cap_m": self.cap_m,
            "scaling": self.scaling,
            "flip": self.flip,
            "ground_truth": self.ground_truth,
        }

    def describe(self) -> str:
        """One sentence that says all of it, for captions and logs."""
        counted = (
            f"pixels with {self.min_depth_m:g} m < true depth < {self.cap_m:g} m"
            if self.cap_truth
            else "every pixel with ground truth"
        )
        scaling = "no scaling" if self.scaling == "none" else "median scaling per image"
        return (
            f"{self.name}: {GROUND_TRUTHS[self.ground_truth]}; {f'{self.crop} crop' if self.crop else 'no crop'}; "
            f"{counted}; prediction clamped to [{self.min_depth_m:g}, {self.cap_m:g}] m; {scaling}; "
            f"{'with' if self.flip else 'without'} flip post-processing; mean over images"
        )


_ALL = (
    Protocol("eigen_raw", "velodyne_x", crop="garg", source="the community's KITTI Eigen protocol, 697 images"),
    Protocol("eigen_raw_z", "velodyne_z", crop="garg", source="eigen_raw with depth along the camera's axis"),
    Protocol("improved", "improved", cap_truth=False, source="Monodepth2 on the improved ground truth, 652 images"),
    Protocol("improved_garg", "improved", crop="garg", source="the variant with crop and cap, as PlaneDepth has it"),
    Protocol("vkitti2_dense", "vkitti2", source="every rendered pixel nearer than the cap; drops the sky"),
    Protocol("vkitti2_garg", "vkitti2", crop="garg", source="the same within the Garg crop, as ZoeDepth has it"),
)

PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in _ALL}
"""The named protocols."""


def get_protocol(protocol: str | Protocol) -> Protocol:
    """The protocol of that name; `OptionError` lists the known ones."""
    if isinstance(protocol, Protocol):
        return protocol
    require_choice("protocol", protocol, PROTOCOLS)
    return PROTOCOLS[protocol]


def flip_ramps(width: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``(W,)`` of flip post-processing: (of the direct, of the mirrored prediction), elsewhere both by half.

    The mirrored prediction is trusted at the left border, where the direct one has never seen a match, and the other
    way round: ``l(x) = 1 - clip(20 (x - 0.05), 0, 1)`` for x in [0, 1] (Godard et al. 2017).
    """
    left = 1.0 - np.clip(20.0 * (np.linspace(0.0, 1.0, width) - 0.05), 0.0, 1.0)
    return left[::-1].copy(), left


def flip_postprocess(direct: np.ndarray, mirrored_back: np.ndarray) -> np.ndarray:
    """Combine the disparity of an image with that of its mirror image, already mirrored back.

    Args:
        direct, mirrored_back: ``(..., H, W)``, disparity (or inverse depth), any unit.

    Raises:
        ValueError: the shapes differ.
    """
    if direct.shape != mirrored_back.shape:
        raise ValueError(f"flip_postprocess takes two arrays of one shape, got {direct.shape}, {mirrored_back.shape}")
    of_direct, of_mirrored = flip_ramps(direct.shape[-1])
    both = 1.0 - of_direct - of_mirrored
    return of_direct * direct + of_mirrored * mirrored_back + both * 0.5 * (direct + mirrored_back)


def resize_map(values: np.ndarray, height: int, width: int, interpolation: str = "linear") -> np.ndarray:
    """A map ``(h, w)`` at another size, pixel centres aligned as OpenCV has it; the same size returns it unchanged."""
    if values.shape == (height, width):
        return values
    return cv2.resize(values, (width, height), interpolation=INTERPOLATIONS[interpolation])
