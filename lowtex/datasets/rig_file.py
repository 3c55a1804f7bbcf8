"""``rig.yaml``: one stereo rig in pixels and metres, read so that a slip is an error and never another rig."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from lowtex.datasets.images import IMAGE_BITS, read_text
from lowtex.errors import DataError
from lowtex.geometry import StereoRig, implausible_baseline, implausible_focal

RIG_FILE = "rig.yaml"

EXAMPLE_RIG = """\
# The rectified pair, in pixels of an image of width x height, and in metres. From OpenCV's stereoRectify:
# focal_px = P1[0,0], cx = P1[0,2], cy = P1[1,2], cx_right = P2[0,2], baseline_m = -P2[0,3] / P2[0,0] (metres).
focal_px: 721.5377      # horizontal focal length
baseline_m: 0.5327      # distance between the two cameras, always > 0
cx: 609.5593            # principal point of the left camera; the centre of the first pixel is (0, 0)
cy: 172.8540
width: 1242             # size of the images that these numbers belong to;
height: 375             # images of another size but the same shape are fine
# focal_y_px: 721.5377        # vertical focal length, if it differs
# cx_right: 609.5593          # principal point of the right camera, if it differs (or cx_offset_px = cx - cx_right)
# image_bits: 16              # bits a camera fills in 16-bit images: 12 for a 12-bit camera
# depth_unit_m: 0.001         # metres of one unit of whole numbers in depth/ (16-bit PNG, TIFF, NumPy); 0 is none
# disparity_unit_px: 0.00390625  # pixels of one unit of whole numbers in disparity/ (8-bit PNG too)
"""
"""What ``lowtex data rig --template`` prints; every key there is."""

RIG_WAY_OUT = "write it anew: `lowtex data rig --template` prints an example"

EXAMPLE_VALUES = {**dict(re.findall(r"^(?:# )?(\w+): +([\d.]+)", EXAMPLE_RIG, re.MULTILINE)), "cx_offset_px": "0"}
"""Every key there is, the needed ones first, and a likely value of each, for messages."""

_NEEDED = tuple(EXAMPLE_VALUES)[:6]
_POSITIVE = ("focal_px", "baseline_m", "width", "height", "focal_y_px", "depth_unit_m", "disparity_unit_px")
_WHOLE = ("width", "height", "image_bits")
_FRACTION = re.compile(r"\s*([0-9.]+)\s*/\s*([0-9.]+)\s*")


@dataclass(frozen=True)
class RigFile:
    """What a ``rig.yaml`` says.

    Attributes:
        path: of the file.
        rig: the left camera at the size the numbers belong to.
        image_bits: bits that 16-bit images fill; their brightest value is ``2 ** image_bits - 1``. None: not given.
        depth_unit_m, disparity_unit_px: of ground truth kept as whole numbers; None where not given.
    """

    path: Path
    rig: StereoRig
    image_bits: int | None = None
    depth_unit_m: float | None = None
    disparity_unit_px: float | None = None

    def at(self, width: int, height: int, image: Path) -> StereoRig:
        """The left camera's rig at the size of ``image``.

        Raises:
            DataError: the image has another shape than the rig: it was cropped, or is another camera's.
        """
        rig = self.rig
        if (rig.width, rig.height) == (width, height):
            return rig
        # a height rounded to a whole pixel is no other shape
        if abs(width * rig.height / rig.width - height) > 1 and abs(height * rig.width / rig.height - width) > 1:
            raise DataError(
                f"{image} is {width}x{height} pixels, but {self.path} is for {rig.width}x{rig.height}, which has "
                f"another shape: an image may be resized as a whole, never cropped; give in {RIG_FILE} the numbers, "
                "width and height of the images as they are"
            )
        return rig.resized(width, height)


def read_rig_file(path: str | Path) -> RigFile:
    """Read a ``rig.yaml``; `EXAMPLE_RIG` shows every key.

    Raises:
        DataError: missing, empty, not YAML (names the line), an unknown, missing or repeated key, or a value that is
            no number, not finite, or impossible (names the key and the way out).
    """
    path = Path(path)
    if not path.is_file() and not path.is_dir():
        similar = sorted(p.name for p in path.parent.glob("[!.]*.y*ml")) if path.parent.is_dir() else []
        found = f" (there is {', '.join(similar)}; the name must be {RIG_FILE})" if similar else ""
        raise DataError(f"{path} is missing{found}; {RIG_WAY_OUT}")
    values = {key: _number(key, value, path) for key, value in _mapping(path).items()}
    missing = [key for key in _NEEDED if key not in values]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}; {RIG_WAY_OUT}")
    _check(values, path)
    values["cx_offset_px"] = values.get("cx_offset_px", values["cx"] - values.pop("cx_right", values["cx"]))
    units = {key: values.pop(key, None) for key in ("image_bits", "depth_unit_m", "disparity_unit_px")}
    return RigFile(path, StereoRig(**values), **units)


def _mapping(path: Path) -> dict:
    text = read_text(path, RIG_WAY_OUT)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise DataError(
            f"{path}{where} is not YAML ({problem}); write a line for each number, like 'focal_px: 721.5'"
        ) from error
    if values is None:
        raise DataError(f"{path} holds no numbers; {RIG_WAY_OUT}")
    if not isinstance(values, dict):
        raise DataError(f"{path} is not a list of lines 'key: number'; {RIG_WAY_OUT}")
    lines: dict[str, int] = {}
    for key_node, _ in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key not in EXAMPLE_VALUES:
            known = ", ".join(EXAMPLE_VALUES)
            raise DataError(f"{path} line {line}: {key!r} is not known; take it out or give one of {known}")
        if key in lines:
            # YAML's readers would take the last one in silence
            raise DataError(f"{path} has {key} in line {lines[key]} and again in line {line}; give it once")
        lines[key] = line
    return values


def _number(key: str, value: object, path: Path) -> int | float:
    if isinstance(value, str):
        fraction = _FRACTION.fullmatch(value)
        try:
            # YAML takes 1e-3 for a text, because it has no point
            value = float(value)
        except ValueError:
            hint = f"a number, like {EXAMPLE_VALUES[key]}, without a unit"
            if fraction and float(fraction[2]):
                hint = f"{float(fraction[1]) / float(fraction[2]):.10g}"
            raise DataError(f"{path}: {key} is the text {value!r}; write {hint}") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        kind = "empty" if value is None else f"a {type(value).__name__}"
        raise DataError(f"{path}: {key} is {kind}; write a number, like {EXAMPLE_VALUES[key]}")
    if not math.isfinite(value):
        raise DataError(f"{path}: {key} is {value}; write a finite number, like {EXAMPLE_VALUES[key]}")
    if key in _WHOLE and value != int(value):
        raise DataError(f"{path}: {key} is {value:g}; write a whole number, like {EXAMPLE_VALUES[key]}")
    return int(value) if key in _WHOLE else float(value)


def _check(values: dict[str, float], path: Path) -> None:
    if values["baseline_m"] < 0:
        raise DataError(
            f"{path}: baseline_m is {values['baseline_m']:g}; the baseline is a distance and > 0: which camera is the "
            f"left one is said by the folders left/ and right/; write {-values['baseline_m']:g}"
        )
    for key in _POSITIVE:
        if values.get(key, 1) <= 0:
            raise DataError(
                f"{path}: {key} is {values[key]:g} but must be > 0; write a number like {EXAMPLE_VALUES[key]}"
            )
    if values.get("image_bits", 16) not in IMAGE_BITS:
        raise DataError(f"{path}: image_bits is {values['image_bits']:g}; write a number from 8 to 16")
    if "cx_right" in values and "cx_offset_px" in values:
        raise DataError(f"{path} has both cx_right and cx_offset_px, which say the same; give one of them")
    size = values["width"], values["height"]
    for key in ("focal_px", "focal_y_px"):
        if problem := implausible_focal(values.get(key, size[0]), size[0]):
            raise DataError(f"{path}: {key}: {problem}; {RIG_WAY_OUT}")
    if problem := implausible_baseline(values["baseline_m"]):
        raise DataError(f"{path}: baseline_m: {problem}; {RIG_WAY_OUT}")
    if 0 < values["cx"] < 1 and 0 < values["cy"] < 1 and min(size) > 20:
        raise DataError(
            f"{path}: cx {values['cx']:g} and cy {values['cy']:g} look like shares of the image; write pixels: cx "
            f"{values['cx']:g} x {size[0]:g} = {values['cx'] * size[0]:g}, cy {values['cy'] * size[1]:g}"
        )
    for key, side in (("cx", size[0]), ("cy", size[1])):
        if not -side < values[key] < 2 * side:
            raise DataError(
                f"{path}: {key} is {values[key]:g}, far outside an image of {size[0]:g}x{size[1]:g}; write the "
                "principal point in pixels of that size, and width and height of the images the numbers belong to"
            )
