"""A folder of one's own rectified stereo pairs: ``left/``, ``right/`` and one ``rig.yaml``."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lowtex.datasets.images import read_rgb
from lowtex.datasets.measured_maps import FARTHEST_M, MAP_SUFFIXES, read_map, refuse_unit, refuse_values
from lowtex.datasets.reader import (
    DIRECTIONS,
    OTHER,
    StereoReader,
    checked_camera,
    checked_root,
    checked_size,
    depth_tensor,
    entries,
    hint_below,
    read_lines,
    report_missing,
    require_size,
    tolerates_missing,
)
from lowtex.datasets.rig_file import RIG_FILE, RigFile, read_rig_file
from lowtex.datasets.sample import StereoSample
from lowtex.datasets.splits import AVAILABLE, own_lists
from lowtex.errors import DataError, OptionError
from lowtex.geometry import StereoRig, disparity_to_depth

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
"""Image formats read, in small or capital letters."""

OTHER_PICTURES = (".gif", ".heic", ".heif", ".avif", ".jp2", ".exr", ".raw", ".dng", ".nef", ".cr2", ".arw", ".svg")
"""Formats not read; to pass them over would make a smaller data set in silence."""

FOLDERS = {"l": "left", "r": "right"}
"""Folder of each side's images."""

ALL = "all"
"""The split that holds every pair."""

STEREO_WAY_OUT = (
    "give a folder with left/ and right/, in them the images of each rectified pair under the same name, and "
    f"{RIG_FILE} (`lowtex data rig --template` prints one)"
)
PAIR_WAY_OUT = "write or copy the file again"


class StereoFolder(StereoReader):
    """Your own stereo rig: rectified pairs in a folder, with one calibration in pixels and metres.

    Layout under ``root``; a pair has one stem (file name without its ending) in both folders::

        left/0001.png           the camera on the left, seen from behind the rig: near things lie farther right in it
        right/0001.png          8 or 16 bit, colour or gray (made RGB), alpha is left out; see `IMAGE_SUFFIXES`
        rig.yaml                focal length, baseline, principal point: see `lowtex.datasets.rig_file.EXAMPLE_RIG`
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
        self.size, self.views = checked_size(size), views
        sides = checked_camera(camera) or "l"
        wanted = "lr" if views else sides
        self.root = checked_pair_root(root, wanted, STEREO_WAY_OUT)
        folders = [self.root / FOLDERS[side] for side in wanted]
        self.absent = tuple(folder for folder in folders if not folder.is_dir())
        self.images = {
            side: files_by_stem(self.root / FOLDERS[side], IMAGE_SUFFIXES, STEREO_WAY_OUT) for side in wanted
        }
        self.truth_folder = self._find_truth() if depth else None
        self.maps = (
            files_by_stem(self.root / self.truth_folder, MAP_SUFFIXES, PAIR_WAY_OUT) if self.truth_folder else {}
        )
        self.split, stems = self._find_stems(str(split))
        is_held_back = self.split.startswith(("test", "val"))
        self.depth_required = bool(self.truth_folder) and (is_held_back if depth_required is None else depth_required)
        self._check_complete(stems, sides)
        self._keys = [(stem, side) for stem in stems for side in sides]
        self.names = [f"{stem}/{side}" for stem, side in self._keys]
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

    def needed(self, index: int) -> list[Path]:
        """See `StereoReader.needed`."""
        stem, side = self._keys[index]
        paths = [self.image(stem, side)]
        paths += [self.image(stem, OTHER[side])] if self.views else []
        if side == "l" and (stem in self.maps or self.depth_required):
            paths.append(self.map(stem))
        return [*paths, self.root / RIG_FILE]

    def image(self, stem: str, side: str) -> Path:
        """Path of one image; the likely name if there is none."""
        found = self.images[side].get(stem)
        if found is None:
            twin = self.images.get(OTHER[side], {}).get(stem)
            found = self.root / FOLDERS[side] / (twin.name if twin else f"{stem}.png")
        return found

    def map(self, stem: str) -> Path:
        """Path of a pair's ground truth; the likely name if there is none."""
        usual = next(iter(self.maps.values())).suffix if self.maps else ".npy"
        return self.maps.get(stem) or self.root / self.truth_folder / f"{stem}{usual}"

    def _find_truth(self) -> str | None:
        there = [name for name in ("depth", "disparity") if (self.root / name).is_dir()]
        if len(there) == 2:
            raise DataError(
                f"{self.root} has both depth/ and disparity/, and one of them is to be the ground truth; give the "
                "other one another name"
            )
        return there[0] if there else None

    def _find_stems(self, split: str) -> tuple[str, list[str]]:
        own = self.root / "splits" / f"{split}.txt"
        if own.is_file():
            return split, read_stems(own)
        together = sorted(set().union(*self.images.values()))
        if split == AVAILABLE:
            complete = [stem for stem in together if all(stem in files for files in self.images.values())]
            if not complete:
                raise DataError(f"{self.root} holds no complete pair; {STEREO_WAY_OUT}")
            return AVAILABLE, complete
        if split in (ALL, "train"):
            self._check_twins(together)
            return ALL, together
        path = Path(split).expanduser()
        if path.is_file():
            return path.stem, read_stems(path)
        raise OptionError(
            f"split={split!r} is not known; write the stems it shall hold, one a line, into {own}, or choose "
            f"{', '.join([*own_lists(self.root), ALL, AVAILABLE])}, or the path of a text file"
        )

    def _check_twins(self, together: list[str]) -> None:
        if len(self.images) < 2 or tolerates_missing():
            return
        alone = {side: [stem for stem in together if stem not in self.images[OTHER[side]]] for side in "lr"}
        if alone["l"] or alone["r"]:
            side = "l" if alone["l"] else "r"
            raise DataError(
                f"{self.root}: {len(alone['l'])} of {len(self.images['l'])} images in left/ and {len(alone['r'])} of "
                f"{len(self.images['r'])} in right/ have no twin of the same stem, first: "
                f"{self.images[side][alone[side][0]]}; {PAIR_WAY_OUT}, or give the pairs that are complete by "
                "--split available"
            )

    def _check_complete(self, stems: list[str], sides: str) -> None:
        wanted = "lr" if self.views else sides
        gone = [[self.image(stem, side) for side in wanted if stem not in self.images[side]] for stem in stems]
        report_missing([paths[0] for paths in gone if paths], len(stems), self.split, "pairs", PAIR_WAY_OUT)
        if "l" not in sides:
            return
        if self.depth_required:
            lost = [self.map(stem) for stem in stems if stem not in self.maps]
            report_missing(lost, len(stems), self.split, "ground-truth maps", PAIR_WAY_OUT)
        strangers = [path for stem, path in self.maps.items() if stem not in self.images["l"]]
        if strangers and not tolerates_missing():
            raise DataError(
                f"{len(strangers)} of {len(self.maps)} files in {self.root / self.truth_folder} have the stem of no "
                f"image in left/, first: {strangers[0]}; give both the same name, or move it away"
            )

    def _decode(self, path: Path, way_out: str) -> np.ndarray:
        return read_rgb(path, way_out, any_kind=True, bits=self.image_bits)

    def _read(self, index: int) -> StereoSample:
        stem, side = self._keys[index]
        target = self.image(stem, side)

        def native_rig(path: Path, width: int, height: int) -> StereoRig:
            rig = self.rig_file.at(width, height, path)
            return rig if side == "l" else replace(rig, cx=rig.cx - rig.cx_offset_px)

        other = self.image(stem, OTHER[side]) if self.views else None
        image, other, rig, native = self._views(target, other, native_rig, PAIR_WAY_OUT)
        depth = None
        if side == "l" and (stem in self.maps or self.depth_required):
            depth = self._depth(self.map(stem), target, native)
        return StereoSample(image, rig, self.names[index], other, DIRECTIONS[side], depth)

    def _depth(self, path: Path, target: Path, size: tuple[int, int]) -> Tensor:
        """The left camera's ground truth, ``(1, h, w)`` metres, of the native ``size = (H, W)``."""
        is_disparity = self.truth_folder == "disparity"
        unit = self.rig_file.disparity_unit_px if is_disparity else self.rig_file.depth_unit_m
        values = read_map(path, self.truth_folder, unit)
        require_size(path, values.shape, target, size, "write the map at the image's size")
        if not is_disparity:
            refuse_values(values, values < 0, path, "depths are negative", "write 0 where there is no ground truth")
            told = f"depths are beyond {FARTHEST_M:g} m, so they are not in metres"
            refuse_unit(values, FARTHEST_M, path, "depth", told)
            return depth_tensor(values)
        rig = self.rig_file.at(size[1], size[0], target)
        refuse_values(
            values,
            values <= rig.cx_offset_px,
            path,
            f"disparities lie behind infinity (not above cx - cx_right = {rig.cx_offset_px:g} px)",
            "write 0 or infinity where there is no ground truth; else left/ and right/ or the principal points in "
            f"{RIG_FILE} are wrong: `lowtex data rig` shows it",
        )
        told = f"disparities are larger than the image is wide ({size[1]} px), so they are not in pixels"
        refuse_unit(values, size[1], path, "disparity", told)
        known = torch.from_numpy(values)
        return torch.where(known != 0, disparity_to_depth(known, rig), 0.0)[None]


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


def checked_pair_root(root: str | Path, sides: str, way_out: str) -> Path:
    """The root as a path, with the folders of ``sides`` in it (or not, within `tolerating_missing`).

    Raises:
        DataError: it is not such a folder; says which one seems to be, if that is one level below.
    """
    root = checked_root(root, way_out)
    gone = [name for name in map(FOLDERS.get, sides) if not (root / name).is_dir()]
    if gone and not tolerates_missing():
        hint = hint_below(root, lambda inner: (inner / "left").is_dir())
        raise DataError(f"{root} does not hold {' and '.join(f'{name}/' for name in gone)}{hint}; {way_out}")
    return root


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
