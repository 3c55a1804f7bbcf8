"""A folder of one's own rectified stereo pairs: ``left/``, ``right/``, one ``rig.yaml``, and any ground truth.

``rig.yaml`` is one stereo rig in pixels and metres, read so that a slip is an error and never another rig. Ground truth
is depth or disparity kept as NumPy, PFM, TIFF or PNG.
"""

import io
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
import yaml
from torch import Tensor

from lowtex.datasets.images import IMAGE_BITS, read_bytes, read_gray_png, read_gray_tiff, read_rgb, read_text
from lowtex.datasets.reader import (
    WAYS_OUT,
    StereoReader,
    checked_camera,
    checked_root,
    entries,
    finite,
    hint_near,
    require_map_size,
    require_plausible,
    tolerates_missing,
)
from lowtex.datasets.splits import AVAILABLE, Frame, read_lines
from lowtex.errors import DataError
from lowtex.geometry import StereoRig, disparity_to_depth

RIG_FILE = "rig.yaml"

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
"""Image formats read, in small or capital letters."""

OTHER_PICTURES = (".gif", ".heic", ".heif", ".avif", ".jp2", ".exr", ".raw", ".dng", ".nef", ".cr2", ".arw", ".svg")
"""Formats not read; to pass them over would make a smaller data set in silence."""

FOLDERS = {"l": "left", "r": "right"}
"""Folder of each side's images."""

ALL = "all"
"""The split that holds every pair."""

STEREO_WAY_OUT = WAYS_OUT["stereo"]
PAIR_WAY_OUT = "write or copy the file again"


EXAMPLE_RIG = Path(__file__).with_name("rig_example.yaml").read_text(encoding="utf-8")
"""What ``lowtex data rig --template`` prints; every key there is."""

RIG_WAY_OUT = "write it anew: `lowtex data rig --template` prints an example"

EXAMPLE_VALUES = {**dict(re.findall(r"^(?:# )?(\w+): +([\d.]+)", EXAMPLE_RIG, re.MULTILINE)), "cx_offset_px": "0"}
"""Every key there is, the needed ones first, and a likely value of each, for messages."""

_NEEDED = tuple(EXAMPLE_VALUES)[:6]
_POSITIVE = ("width", "height", "focal_px", "focal_y_px", "baseline_m", "depth_unit_m", "disparity_unit_px")
_WHOLE = ("width", "height", "image_bits")
_FRACTION = re.compile(r"\s*([0-9.]+)\s*/\s*([0-9.]+)\s*")

MAP_SUFFIXES = (".png", ".pfm", ".npy", ".npz", ".tif", ".tiff")
"""Kinds of map files, in small or capital letters."""

UNIT_KEYS = {"depth": "depth_unit_m", "disparity": "disparity_unit_px"}
"""Key of ``rig.yaml`` that says what one unit of whole numbers stands for, by the kind of map."""

FARTHEST_M = 1000.0
"""No rig of two cameras measures farther; most depths of a map in another unit are beyond."""

MAP_WAY_OUT = "write the map anew, as float32 .npy, .pfm, .tif or 16-bit .png"

_BITS = {"depth": (16,), "disparity": (8, 16)}
"""Of PNGs: disparities are published in 8 bits too (Middlebury), depth in 8 bits is mostly a picture of it."""

_EXAMPLES = {"depth": "0.001 for millimetres", "disparity": "1 for pixels, 0.5 for half pixels"}

_PFM_HEADER = re.compile(rb"(P[fF])\s+(\d+)\s+(\d+)\s+([+-]?\d*\.?\d+(?:[eE][+-]?\d+)?)[ \t\r]*\n")


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


class StereoFolder(StereoReader):
    """Your own stereo rig: rectified pairs in a folder, with one calibration in pixels and metres.

    Layout under ``root``; a pair has one stem (file name without its ending) in both folders::

        left/0001.png           the camera on the left, seen from behind the rig: near things lie farther right in it
        right/0001.png          8 or 16 bit, colour or gray (made RGB), alpha is left out; see `IMAGE_SUFFIXES`
        rig.yaml                focal length, baseline, principal point: see `EXAMPLE_RIG`
        splits/train.txt        optional lists, a stem a line: train, val, test, or any name
        depth/0001.png          optional ground truth of the left camera at the images' size: metres along z as .npy,
                                .npz, .pfm, .tif, or whole numbers (16-bit .png too) with depth_unit_m in rig.yaml;
                                0 or infinity = none
        disparity/0001.pfm      instead of depth/: pixels at the images' size, or whole numbers (8 or 16-bit .png too)
                                with disparity_unit_px

    An example ``rig.yaml``, for a pair rectified by OpenCV (``lowtex data rig --template`` prints it with every key)::

        focal_px: 721.5377      # P1[0,0] of stereoRectify
        baseline_m: 0.5327      # metres, > 0
        cx: 609.5593            # P1[0,2]; pixel centres are whole numbers, the first is 0
        cy: 172.8540            # P1[1,2]
        width: 1242             # the size the numbers belong to; images may be resized as a whole, not cropped
        height: 375

    ``lowtex data rig --data stereo=FOLDER`` draws and says whether all of this is right: do that first.

    Args:
        root: that folder.
        split: ``all`` (default); ``train`` is ``splits/train.txt`` if there is one, else ``all``; ``val``, ``test``
            and other names are ``splits/<name>.txt`` alone, so that nothing is evaluated on what it was trained on
            unasked; ``available``, the complete pairs; or the path of a text file, a stem a line.
        size: ``(H, W)`` the images are area-averaged to, or None for native size; ground truth keeps its own.
        camera: ``left``, ``right`` or ``both``; None is left. Ground truth is the left camera's; the right one's
            samples have none.
        views: also give the other camera's image.
        depth: read the ground truth.
        depth_required: a left image without ground truth is an error. None: in ``test`` and ``val`` lists, if there
            is a folder of ground truth; elsewhere its depth is None.

    Raises:
        DataError: a folder, ``rig.yaml`` or files of the split are missing (counted), a stem lies in one folder only,
            twice in one, or has ground truth but no image; on reading, a file is damaged or of another shape.
        OptionError: an unknown split or option.
    """

    ground_truth = "stereo"
    way_out = PAIR_WAY_OUT
    truth = "map"
    known = (ALL,)
    aliases = {"train": ALL}

    def __init__(
        self,
        root: str | Path,
        split: str = ALL,
        size: Sequence[int] | None = (96, 320),
        camera: str | None = None,
        views: bool = True,
        depth: bool = True,
        depth_required: bool | None = None,
    ):
        self.views = views
        self._sides = checked_camera(camera) or "l"
        wanted = "lr" if views else self._sides
        self.root = checked_root(root, STEREO_WAY_OUT)
        self.absent = tuple(folder for side in wanted if not (folder := self.root / FOLDERS[side]).is_dir())
        if self.absent and not tolerates_missing():
            hint = hint_near(self.root, lambda inner: (inner / "left").is_dir())
            lacking = " and ".join(f"{folder.name}/" for folder in self.absent)
            raise DataError(f"{self.root} does not hold {lacking}{hint}; {STEREO_WAY_OUT}")
        self.images = {
            side: files_by_stem(self.root / FOLDERS[side], IMAGE_SUFFIXES, STEREO_WAY_OUT) for side in wanted
        }
        self.truth_folder = self._find_truth() if depth else None
        self.maps = (
            files_by_stem(self.root / self.truth_folder, MAP_SUFFIXES, PAIR_WAY_OUT) if self.truth_folder else {}
        )
        self.depth_required = depth_required
        self._open(split, size, camera, read_stems)
        if not tolerates_missing():
            self.rig_file  # noqa: B018 - a wrong calibration is told at once

    @property
    def image_bits(self) -> int | None:
        """Of ``rig.yaml``; see `StereoReader`."""
        return self.rig_file.image_bits

    @cached_property
    def rig_file(self) -> RigFile:
        """What ``rig.yaml`` says."""
        return read_rig_file(self.root / RIG_FILE)

    @property
    def needs_depth(self) -> bool:
        """A left image without ground truth is an error."""
        is_held_back = self.split.startswith(("test", "val"))
        return bool(self.truth_folder) and (is_held_back if self.depth_required is None else self.depth_required)

    def files(self, kind: str, f: Frame) -> Mapping[str, Path]:
        """See `StereoReader.files`."""
        return self.images[f.side] if kind == "image" else self.maps

    def _usual(self, kind: str, f: Frame) -> Path:
        if kind == "image":
            twin = self.images.get(f.twin.side, {}).get(f.frame)
            return self.root / FOLDERS[f.side] / (twin.name if twin else f"{f.frame}.png")
        usual = next(iter(self.maps.values())).suffix if self.maps else ".npy"
        return self.root / self.truth_folder / f"{f.frame}{usual}"

    def _more(self, f: Frame) -> list[Path]:
        return [*self._truth_file(f), self.root / RIG_FILE]

    def _truth_file(self, f: Frame) -> list[Path]:
        return super()._truth_file(f) if f.side == "l" else []

    def _find_truth(self) -> str | None:
        there = [name for name in UNIT_KEYS if (self.root / name).is_dir()]
        if len(there) == 2:
            raise DataError(
                f"{self.root} has both depth/ and disparity/, only one is the ground truth; give another name to one"
            )
        return there[0] if there else None

    def _found(self, sides: str) -> list[Frame]:
        together = sorted(set().union(*self.images.values()))
        if self.split == AVAILABLE:
            together = [stem for stem in together if all(stem in files for files in self.images.values())]
            if not together:
                raise DataError(f"{self.root} holds no complete pair; {STEREO_WAY_OUT}")
        return self._listed(together, sides)

    def _check_files(self) -> None:
        pairs = list({f.frame: f for f in self.frames if f.side == self._sides[0]}.values())
        # without the other view, each camera's image is a sample of its own
        views = pairs if self.views else self.frames
        gone = [paths[0] for paths in map(self.missing, views) if paths]
        self._report(gone, len(views), "pairs" if self.views else "images", PAIR_WAY_OUT)
        if "l" not in self._sides:
            return
        lost = [self.file("map", f) for f in pairs if self.needs_depth and not self.has("map", f)]
        self._report(lost, len(pairs), "ground-truth maps", PAIR_WAY_OUT)
        strangers = [path for stem, path in self.maps.items() if stem not in self.images["l"]]
        if strangers:
            raise DataError(
                f"{len(strangers)} of {len(self.maps)} files in {self.root / self.truth_folder} have the stem of no "
                f"image in left/, first: {strangers[0]}; give both the same name, or move it away"
            )

    def _decode(self, path: Path) -> np.ndarray:
        return read_rgb(path, self.way_out, any_kind=True, bits=self.image_bits)

    def rig(self, f: Frame, image: Path, width: int, height: int) -> StereoRig:
        rig = self.rig_file.at(width, height, image)
        return rig if f.side == "l" else replace(rig, cx=rig.cx - rig.cx_offset_px)

    def _truth(self, f: Frame, image: Path, rig: StereoRig) -> dict[str, np.ndarray | Tensor]:
        if not (paths := self._truth_file(f)):
            return {}
        [path] = paths
        kind = self.truth_folder
        values = read_map(path, kind, getattr(self.rig_file, UNIT_KEYS[kind]))
        require_map_size(path, values, image, rig, "write the map at the image's size")
        if kind == "depth":
            refuse_values(values, values < 0, path, "depths are negative", "write 0 where there is no ground truth")
            told = f"depths are beyond {FARTHEST_M:g} m, so they are not in metres"
            refuse_unit(values, FARTHEST_M, path, kind, told)
            return {"depth": values}
        refuse_values(
            values,
            values <= rig.cx_offset_px,
            path,
            f"disparities lie behind infinity (not above cx - cx_right = {rig.cx_offset_px:g} px)",
            "write 0 or infinity where there is no ground truth; else left/ and right/ or the principal points in "
            f"{RIG_FILE} are wrong: `lowtex data rig` shows it",
        )
        told = f"disparities are larger than the image is wide ({rig.width} px), so they are not in pixels"
        refuse_unit(values, rig.width, path, kind, told)
        known = torch.from_numpy(values)
        return {"depth": torch.where(known != 0, disparity_to_depth(known, rig), 0.0)}


def read_stems(path: str | Path) -> list[str]:
    """The stems that a text file lists, one a line; an image's ending may stand there or not.

    Raises:
        DataError: the file is missing or damaged, lists nothing, or lists a stem twice.
    """
    paths = read_lines(path, lambda line: Path(line.strip()), "pair", "0001")
    stems = [p.stem if p.suffix.lower() in IMAGE_SUFFIXES else str(p) for p in paths]
    stem, count = Counter(stems).most_common(1)[0]
    if count > 1:
        raise DataError(f"{path} lists {stem!r} {count} times; write each pair once")
    return stems


def files_by_stem(folder: Path, suffixes: Sequence[str], way_out: str) -> dict[str, Path]:
    """The files of a folder by stem, sorted; hidden files and those of other kinds don't count.

    Raises:
        DataError: no file counts, two have one stem, or one is a picture of a format that is not read.
    """
    if not folder.is_dir():
        return {}
    found: dict[str, Path] = {}
    for path in (folder / name for name in entries(folder)):
        suffix = path.suffix.lower()
        if suffix in OTHER_PICTURES:
            raise DataError(f"{path}: {suffix} is not read; write it as one of {', '.join(suffixes)}")
        if suffix not in suffixes:
            continue
        if path.stem in found:
            raise DataError(
                f"{folder} holds {found[path.stem].name} and {path.name}, which have one stem; give it once"
            )
        found[path.stem] = path
    if not found and not tolerates_missing():
        raise DataError(f"{folder} holds no file of a kind that is read ({', '.join(suffixes)}); {way_out}")
    return found


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
    values = {key: _rig_number(key, value, path) for key, value in _mapping(path).items()}
    missing = [key for key in _NEEDED if key not in values]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}; {RIG_WAY_OUT}")
    _check_rig(values, path)
    values["cx_offset_px"] = values.get("cx_offset_px", values["cx"] - values.pop("cx_right", values["cx"]))
    units = {key: values.pop(key, None) for key in ("image_bits", "depth_unit_m", "disparity_unit_px")}
    return RigFile(path, StereoRig(**values), **units)


def _mapping(path: Path) -> dict:
    text = read_text(path, RIG_WAY_OUT)
    try:
        # every value as the text it is: by YAML's own rules 0721 would be 465, and 12:30 would be 750
        node, values = yaml.compose(text, Loader=yaml.BaseLoader), yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = f" line {mark.line + 1}" if mark else ""
        told = problem or str(error).splitlines()[0]
        way_out = "write a line for each number, like 'focal_px: 721.5'"
        raise DataError(f"{path}{where} is not YAML ({told}); {way_out}") from error
    if not isinstance(values, dict):
        what = "holds no numbers" if values is None else "is not a list of lines 'key: number'"
        raise DataError(f"{path} {what}; {RIG_WAY_OUT}")
    lines: dict[str, int] = {}
    for key_node, _ in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key not in EXAMPLE_VALUES:
            known = ", ".join(EXAMPLE_VALUES)
            raise DataError(f"{path} line {line}: {key!r} is not known; take it out or give one of {known}")
        # YAML's readers would take the last one in silence
        if lines.setdefault(key, line) != line:
            raise DataError(f"{path} has {key} in line {lines[key]} and again in line {line}; give it once")
    return values


def _rig_number(key: str, value: object, path: Path) -> int | float:
    way_out = f"write a number like {EXAMPLE_VALUES[key]}, without a unit"
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            fraction = _FRACTION.fullmatch(value)
            if fraction and float(fraction[2]):
                way_out = f"write {float(fraction[1]) / float(fraction[2]):.10g}"
            raise DataError(f"{path}: {key} is the text {value!r}; {way_out}") from None
    value = finite(value, f"{path}: {key}", way_out)
    if key in _WHOLE and value != int(value):
        raise DataError(f"{path}: {key} is {value:g}, not a whole number; {way_out}")
    return int(value) if key in _WHOLE else value


def _check_rig(values: dict[str, float], path: Path) -> None:
    width, height, cx, cy, baseline = (values[key] for key in ("width", "height", "cx", "cy", "baseline_m"))
    if baseline < 0:
        raise DataError(
            f"{path}: baseline_m is {baseline:g}; the baseline is a distance and > 0: which camera is the left one is "
            f"said by the folders left/ and right/; write {-baseline:g}"
        )
    require_plausible(values, {key: f"{path}: {key}" for key in _POSITIVE if key in values}, RIG_WAY_OUT)
    bits = values.get("image_bits", 16)
    shares = 0 < cx < 1 and 0 < cy < 1 and min(width, height) > 20
    far = f"far outside an image of {width}x{height}; write the principal point in pixels of that size"
    problems = (
        (bits not in IMAGE_BITS, f"image_bits is {bits}; write a number from 8 to 16"),
        ("cx_right" in values and "cx_offset_px" in values, "it has both cx_right and cx_offset_px; give one of them"),
        (shares, f"these look like shares; write pixels: cx {cx:g} x {width} = {cx * width:g}, cy {cy * height:g}"),
        (not -width < cx < 2 * width, f"cx is {cx:g}, {far}"),
        (not -height < cy < 2 * height, f"cy is {cy:g}, {far}"),
    )
    for is_there, problem in problems:
        if is_there:
            raise DataError(f"{path}: {problem}")


def read_map(path: str | Path, kind: str, unit: float | None) -> np.ndarray:
    """A map as ``(h, w)`` float32, top row first, with 0 where there is no value.

    Args:
        path: one of `MAP_SUFFIXES`; ``.npz`` holds one array.
        kind: ``depth`` (metres) or ``disparity`` (pixels).
        unit: metres or pixels that one unit of whole numbers stands for, whatever file they are kept in; None: not
            given. Real numbers are metres or pixels themselves.

    Infinity means no value, as in Middlebury's disparities, and so does 0.

    Raises:
        DataError: missing, damaged, not a map of numbers, whole numbers without a unit, or with not-a-number in it.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".png":
        values = read_gray_png(path, _BITS[kind], MAP_WAY_OUT)
    elif suffix in (".tif", ".tiff"):
        values = read_gray_tiff(path, MAP_WAY_OUT)
    else:
        values = read_pfm(path) if suffix == ".pfm" else _read_numpy(path)
    is_whole = values.dtype.kind in "iu"
    if is_whole and unit is None:
        raise DataError(
            f"{path} holds whole numbers and nothing says what 1 stands for: give {UNIT_KEYS[kind]} in rig.yaml "
            f"({_EXAMPLES[kind]})"
        )
    with np.errstate(over="ignore"):
        values = values.astype(np.float32) * np.float32(unit if is_whole else 1.0)
    refuse_values(
        values,
        np.isnan(values),
        path,
        f"of {values.size:,} values are not a number",
        "write 0 or infinity where there is no ground truth, so that a failed computation is not taken for a gap",
    )
    values[np.isposinf(values)] = 0.0
    return values


def read_pfm(path: str | Path) -> np.ndarray:
    """A gray PFM (portable float map) as ``(h, w)`` float32, top row first.

    The file keeps the bottom row first; the sign of its scale says the byte order (negative: little endian). The
    scale's size is no unit that readers agree on and is left out.

    Raises:
        DataError: missing, not a gray PFM, or of another length than its header says.
    """
    path = Path(path)
    data = read_bytes(path, MAP_WAY_OUT)
    header = _PFM_HEADER.match(data)
    if header is None:
        raise DataError(f"{path} is not a PFM (starts with {data[:12]!r}); {MAP_WAY_OUT}")
    if header[1] == b"PF":
        raise DataError(f"{path} is a colour PFM where one number a pixel is expected; {MAP_WAY_OUT}")
    width, height, scale = int(header[2]), int(header[3]), float(header[4])
    if width * height == 0 or scale == 0:
        raise DataError(f"{path} has a PFM header of {width}x{height} and scale {scale:g}; {MAP_WAY_OUT}")
    expected = 4 * width * height
    if len(data) - header.end() != expected:
        raise DataError(
            f"{path} holds {len(data) - header.end():,} bytes of numbers where {width}x{height} need {expected:,}: "
            f"truncated or damaged; {MAP_WAY_OUT}"
        )
    values = np.frombuffer(data, "<f4" if scale < 0 else ">f4", offset=header.end())
    return values.reshape(height, width)[::-1].astype(np.float32)


def _read_numpy(path: Path) -> np.ndarray:
    data = read_bytes(path, MAP_WAY_OUT)
    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            if len(loaded.files) != 1:
                raise DataError(f"{path} holds {len(loaded.files)} arrays where one is expected; {MAP_WAY_OUT}")
            loaded = loaded[loaded.files[0]]
    except (ValueError, OSError, EOFError, KeyError, BadZipFile, SyntaxError, zlib.error) as error:
        raise DataError(f"{path} is not a whole NumPy file ({str(error).splitlines()[0]}); {MAP_WAY_OUT}") from error
    if loaded.dtype.kind not in "fiu" or loaded.ndim != 2 or loaded.size == 0:
        raise DataError(f"{path} holds {loaded.dtype} of shape {loaded.shape}, not numbers (h, w); {MAP_WAY_OUT}")
    return loaded


def refuse_values(values: np.ndarray, impossible: np.ndarray, path: Path, what: str, way_out: str) -> None:
    """Raise if a map holds values that no scene has.

    Args:
        values: the map, 0 = none.
        impossible: bool ``(h, w)``, where a value can't be.
        path, what, way_out: for the message.
    """
    wrong = impossible & (values != 0)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{path}: {int(wrong.sum()):,} {what}, first {values[row, column]:g} at row {row}, column {column}; "
            f"{way_out}"
        )


def refuse_unit(values: np.ndarray, most: float, path: Path, kind: str, told: str) -> None:
    """Raise if more than half of a map's values are above ``most``, and so not in metres or pixels.

    Args:
        values: the map, 0 = none.
        most: of that kind of map, metres or pixels.
        path, kind, told: for the message: the file, ``depth`` or ``disparity``, what these values are.
    """
    if (values > most).sum() > (values > 0).sum() / 2:
        raise DataError(
            f"{path}: most {told}; keep them as whole numbers (.png, .npy) and give {UNIT_KEYS[kind]} in rig.yaml "
            f"({_EXAMPLES[kind]})"
        )
