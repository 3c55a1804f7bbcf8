"""Verify a data root against a split: every file of every frame is looked at, and all that is wrong is counted.

A quick look judges an image by its header and its end, and decodes one frame, which stands for the mistakes that all
have; a thorough one decodes every frame as training and evaluation do, and so finds damage in the middle too.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from lowtex.data_paths import is_miniature
from lowtex.datasets import READERS, Cityscapes, KittiRaw, VirtualKitti2, images
from lowtex.datasets.cityscapes import CITYSCAPES_COUNTS, CITYSCAPES_WAY_OUT, read_camera
from lowtex.datasets.kitti import DepthMaps, read_kitti_calibration, read_velodyne, read_velodyne_to_camera
from lowtex.datasets.make3d import MAKE3D_TEST_IMAGES, read_grid
from lowtex.datasets.prepared import is_prepared
from lowtex.datasets.reader import StereoReader, fitted, tolerating_missing
from lowtex.datasets.splits import AVAILABLE, is_test_split
from lowtex.datasets.stereo_folder import RIG_FILE, read_map, read_rig_file
from lowtex.datasets.virtual_kitti2 import VKITTI2_FRAMES_A_VARIATION, read_vkitti2_baselines, read_vkitti2_intrinsics
from lowtex.errors import DataError, require_choice
from lowtex.progress import Progress

KINDS = ("missing", "empty", "truncated", "wrong size", "wrong kind", "damaged", "unreadable")
"""What can be wrong with a file."""

_WORDS = {
    "missing": re.compile(r"is missing"),
    "empty": re.compile(r"is empty"),
    "unreadable": re.compile(r"can't be read \(|is a folder "),
    "truncated": re.compile(r".*\btruncated\b"),
    "wrong kind": re.compile(
        r"is .* is expected|is not a (PNG|PFM|TIFF|text file)"
        r"|is a 16-bit image whose|holds (whole numbers|values up)|most "
    ),
    "wrong size": re.compile(r"is \d+x\d+\b"),
}
"""How the readers' messages begin, after the path; all others tell of damage."""

MOST_THREADS = 16
"""Threads that look at files: waiting for a disk or a network takes no processor, so more than cores are of use."""

_ENDS = {"PNG": b"\x00\x00\x00\x00IEND\xae\x42\x60\x82", "JPEG": b"\xff\xd9"}
_POINT, _SOME_POINTS = 16, 256


@dataclass(frozen=True)
class Problem:
    """What is wrong with one file: its path, the kind (of `KINDS`) and a reason of one line."""

    path: Path
    kind: str
    reason: str


def _from_header(path: Path, kinds: Collection[str]) -> tuple[int, int] | None:
    """(width, height) of an image whose header names one of ``kinds`` and whose end is there; else None."""
    with path.open("rb") as file, Image.open(file, formats=tuple(_ENDS)) as image:
        # what the decoder would be told, since Pillow's own modes don't tell 16 bits from 8
        told = image.tile[0][3]
        kind = f"{image.format} {told if isinstance(told, str) else told[0]}"
        end = _ENDS[image.format]
        file.seek(-len(end), os.SEEK_END)
        # EXIF may say that the camera was held upright: width and height then change places
        return image.size if kind in kinds and file.read() == end and "exif" not in image.info else None


def _scan_from_ends(path: Path) -> tuple[()] | None:
    """Nothing to say of a laser scan of whole points, of which the first and last are numbers; else None."""
    length = path.stat().st_size
    start = max(0, length - _SOME_POINTS * _POINT)
    some = [np.fromfile(path, "<f4", 4 * _SOME_POINTS), np.fromfile(path, "<f4", offset=start)]
    return () if length and length % _POINT == 0 and np.isfinite(np.concatenate(some)).all() else None


def _image(read: Callable, *kinds: str) -> tuple[Callable, Callable]:
    def size(path: Path) -> tuple[int, int]:
        values = read(path)
        return values.shape[1], values.shape[0]

    return partial(_from_header, kinds=kinds), size


def _small(read: Callable, *more: object) -> tuple[Callable, Callable]:
    """A file that is simply read."""

    def no_size(path: Path) -> None:
        read(path, *more)

    return no_size, no_size


_PHOTOS = ("PNG RGB", "PNG L", "PNG RGB;16B", "PNG I;16B", "PNG RGBA", "JPEG RGB", "JPEG L")

ROLES: dict[str, tuple[Callable, Callable]] = {
    "picture": _image(images.read_rgb, "PNG RGB", "JPEG RGB"),
    "depth map": _image(partial(images.read_gray_png, bits=16), "PNG I;16B"),
    "mask": _image(partial(images.read_gray_png, bits=8), "PNG L"),
    # the reader tells whether these are the bits that a photo fills and the unit of a map: it knows the rig
    "photo": _image(partial(images.read_rgb, any_kind=True, bits=16), *_PHOTOS),
    "own map": _image(lambda path: read_map(path, path.parent.name, 1.0)),
    "scan": (_scan_from_ends, _small(read_velodyne)[1]),
    "grid": _small(read_grid),
    "rig file": _small(read_rig_file),
    "KITTI cameras": _small(read_kitti_calibration, images.UNPACK_AGAIN),
    "KITTI laser": _small(read_velodyne_to_camera, images.UNPACK_AGAIN),
    "VKITTI2 intrinsics": _small(read_vkitti2_intrinsics, images.UNPACK_AGAIN),
    "VKITTI2 extrinsics": _small(read_vkitti2_baselines, images.UNPACK_AGAIN),
    "Cityscapes camera": _small(read_camera, images.UNPACK_AGAIN),
}
"""What a file has to be: how to judge it by its ends, and the readers' own function, whose verdict counts. Both give
(width, height) of an image or map; the first gives None where the ends look wrong or do not tell."""

VIEWS = ("picture", "photo")
"""Roles of the files that are a camera's views."""

TRUTHS = ("depth map", "scan", "grid", "own map")
"""Roles of the files that hold ground truth."""


def look_at(path: Path, role: str, thorough: bool = False) -> tuple[int, int] | Problem | None:
    """Look at one file: ``(width, height)`` of a good image or map, None of another good file, or what is wrong.

    Args:
        path: of the file.
        role: what it has to be, one of `ROLES`.
        thorough: decode it, however long that takes, instead of judging by its ends.
    """
    quick, decode = ROLES[role]
    found = None
    try:
        if not thorough:
            try:
                found = quick(path)
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
                # Pillow's words for a bad image; the kit's own function has better ones
                found = None
        return (decode(path) if found is None else found) or None
    except DataError as error:
        return _problem(path, str(error))


def _problem(path: Path, message: str, kind: str | None = None) -> Problem:
    """A reader's message without the path, which is told apart, and without the way out."""
    reason = message.replace(f"{path}: ", "").replace(f"{path} ", "").split("; ")[0].strip()
    if len(reason) > 160:
        reason = reason[:157] + "..."
    return Problem(path, kind or next((k for k, words in _WORDS.items() if words.match(reason)), "damaged"), reason)


def _first_named(message: str, paths: Iterable[Path]) -> Path | None:
    """The one of some files that a reader's message names first, which is the one it is about."""
    named = [path for path in paths if str(path) in message]
    return min(named, key=lambda path: message.index(str(path)), default=None)


@dataclass(frozen=True)
class Rules:
    """What there is to know of one data set.

    Attributes:
        reader: its name in `lowtex.datasets.READERS`.
        split: what is checked if nothing is said: the frames that are scored.
        roles: pattern of a path, role of such a file (of `ROLES`); the first that matches counts.
        fits: raises `DataError` if an image is not of the size that the calibration says; takes the reader, a sample's
            number and files, one of its views, and that view's width and height.
        official: how many frames its named splits have where the split itself is not a list, by its full name.
        scored: splits that are scored and not learnt from, beside those named ``test…``.
    """

    reader: str
    split: str
    roles: Mapping[str, str]
    fits: Callable[[StereoReader, int, list[Path], Path, int, int], object]
    official: Mapping[str, int]
    scored: tuple[str, ...] = ()

    def needs_one_view(self, split: str) -> bool:
        """Scoring reads one view of a frame, training both; this split is only scored."""
        return split in self.scored or is_test_split(split)

    def role(self, path: Path) -> str:
        """What the file at ``path`` has to be."""
        name = path.as_posix()
        return next(role for pattern, role in self.roles.items() if re.search(pattern, name, re.IGNORECASE))

    def open(self, root: Path, split: str, one_view: bool = False, **options) -> StereoReader:
        """The reader at native size; ``one_view`` leaves out the partner of the view that is scored."""
        if one_view and self.reader != "make3d":
            options["views"] = False
        return READERS[self.reader](root, split=split, size=None, **options)


def _kitti_fits(reader, index: int, paths: list[Path], view: Path, width: int, height: int) -> None:
    side = "l" if view.parent.parent.name == "image_02" else "r"
    calibration = reader.calibration(reader.frames[index].folder)
    expected = calibration.size[side]
    if expected != (width, height):
        raise DataError(
            f"{view} is {width}x{height} pixels, but {calibration.path.name} says {expected[0]}x{expected[1]}"
        )


def _vkitti2_fits(reader, index: int, paths: list[Path], view: Path, width: int, height: int) -> None:
    f = reader.frames[index]
    reader.rig(f._replace(side="l" if view.parent.name == "Camera_0" else "r"), view, width, height)


def _make3d_fits(reader, index: int, paths: list[Path], view: Path, width: int, height: int) -> None:
    reader.rig(reader.frames[index], view, width, height)


def _cityscapes_fits(reader, index: int, paths: list[Path], view: Path, width: int, height: int) -> None:
    for camera in (path for path in paths if path.suffix.lower() == ".json"):
        fitted(read_camera(camera, CITYSCAPES_WAY_OUT), camera, view, width, height, CITYSCAPES_WAY_OUT)


def _stereo_fits(reader, index: int, paths: list[Path], view: Path, width: int, height: int) -> None:
    reader.rig_file.at(width, height, view)


_KITTI = {
    r"/calib_cam_to_cam\.txt$": "KITTI cameras",
    r"/calib_velo_to_cam\.txt$": "KITTI laser",
    r"\.bin$": "scan",
    r"/proj_depth/groundtruth/": "depth map",
    r"": "picture",
}
_VKITTI2 = {
    r"/intrinsic\.txt$": "VKITTI2 intrinsics",
    r"/extrinsic\.txt$": "VKITTI2 extrinsics",
    r"/(depth|contrast)_\d+\.png$": "depth map",
    r"/visible_\d+\.png$": "mask",
    r"": "picture",
}
_MAKE3D = {r"\.mat$": "grid", r"": "picture"}
_CITYSCAPES = {r"\.json$": "Cityscapes camera", r"_disparity\.png$": "depth map", r"": "picture"}
_STEREO = {rf"/{RIG_FILE}$": "rig file", r"/(depth|disparity)/[^/]+$": "own map", r"": "photo"}

RULES = {
    "vkitti2": Rules("vkitti2", "test", _VKITTI2, _vkitti2_fits, {}),
    "kitti": Rules("kitti", "test", _KITTI, _kitti_fits, {}),
    "kitti_depth": Rules("kitti_improved", "test", _KITTI, _kitti_fits, {}),
    "make3d": Rules("make3d", "test", _MAKE3D, _make3d_fits, {"test": MAKE3D_TEST_IMAGES}),
    "cityscapes": Rules("cityscapes", "val", _CITYSCAPES, _cityscapes_fits, CITYSCAPES_COUNTS, scored=("val",)),
    "stereo": Rules("stereo", "all", _STEREO, _stereo_fits, {}),
}
"""By the names that `lowtex.data_paths.DATASETS` has."""


@dataclass(frozen=True)
class SplitCheck:
    """What was found for one split of one root.

    Attributes:
        data: name of the data set, as `lowtex.data_paths.DATASETS` has it.
        root: its folder.
        split: full name of the split.
        thorough: every sample was decoded, not only looked at.
        expected: frames the split has to have; where it is not a list, the official number.
        frames: frames it has, complete or not.
        complete: frames of which every file is there and whole.
        with_truth: complete frames with ground truth.
        files: distinct files looked at.
        problems: one for each file that something is wrong with.
        failure: why the root could not be opened at all; empty if it could.
        caveats: what was not looked at, or is not as good as it could be, a sentence each.
        notes: what else a person should know, a sentence each.
        gaps: for KITTI, ``(<date>/<drive>, frames that lack an image or a scan, frames listed)`` where any does.
        images: folder of the images, if it is another one than the root.
        one_view: only the view that is scored was asked for, not its partner.
    """

    data: str
    root: Path
    split: str
    thorough: bool = False
    expected: int = 0
    frames: int = 0
    complete: int = 0
    with_truth: int = 0
    files: int = 0
    problems: tuple[Problem, ...] = ()
    failure: str = ""
    caveats: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    gaps: tuple[tuple[str, int, int], ...] = ()
    images: Path | None = None
    one_view: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """Files by kind of problem, all kinds."""
        found = Counter(problem.kind for problem in self.problems)
        return {kind: found[kind] for kind in KINDS}

    @property
    def fine(self) -> bool:
        """All of the split is there and nothing is wrong with it."""
        return not self.failure and not self.problems and self.expected > 0 and self.complete == self.expected


@dataclass(frozen=True)
class RootCheck:
    """The split that was asked for, and what is there at all (None if that was what was asked for)."""

    named: SplitCheck
    there: SplitCheck | None

    @property
    def parts(self) -> list[SplitCheck]:
        """The one or two of them."""
        return [part for part in (self.named, self.there) if part is not None]


def check_root(
    name: str,
    root: str | Path,
    split: str | None = None,
    thorough: bool = False,
    one_view: bool = False,
    raw_root: Path | None = None,
) -> RootCheck:
    """Check a root against a split, and beside it whatever complete frames it has.

    Args:
        name: of the data set, as `lowtex.data_paths.DATASETS` has it.
        root: its folder.
        split: as its reader takes it; None is the split that is scored (`Rules.split`), and then what is there is
            checked as thoroughly.
        thorough: decode every sample through the reader.
        one_view: without the partner of the view that is scored, which only training needs. A split that is only
            scored (`Rules.needs_one_view`) is always checked so; what is there beside it too, where there is no pair.
        raw_root: of KITTI raw, for ``kitti_depth``; None looks beside the root.

    Raises:
        OptionError: the data set or the split is unknown. Anything else that is wrong is in the result.
    """
    require_choice("data set", name, RULES)
    rules, root = RULES[name], Path(root)
    looks = _Looks(rules)
    asked = split or rules.split
    named = _check_split(name, root, asked, thorough, one_view or rules.needs_one_view(asked), raw_root, looks)
    if named.split == AVAILABLE:
        return RootCheck(named, None)
    decoded = thorough and split is None
    there = _check_split(name, root, AVAILABLE, decoded, one_view, raw_root, looks)
    if there.failure and named.one_view and not one_view:
        there = _check_split(name, root, AVAILABLE, decoded, True, raw_root, looks)
    return RootCheck(named, there)


def _check_split(
    name: str, root: Path, split: str, thorough: bool, one_view: bool, raw_root: Path | None, looks: "_Looks"
) -> SplitCheck:
    rules, official = RULES[name], official_frames(name, root, split)
    try:
        if is_prepared(root):
            raise DataError(f"{root} holds samples prepared by lowtex; name the folder of the data set itself")
        reader, caveats = open_tolerantly(name, root, split, one_view, raw_root)
        with tolerating_missing():
            needed = [reader.needed(index) for index in range(len(reader))]
    except DataError as error:
        return SplitCheck(name, root, split, thorough, expected=official, failure=str(error), one_view=one_view)
    looks.over(reader, needed, thorough)
    files = dict.fromkeys(path for paths in needed for path in paths)
    problems = {path: looks.problems[path] for path in files if path in looks.problems}
    problems |= {path: Problem(path, "missing", "is a folder of the split and missing") for path in reader.absent}
    whole = [all(path not in problems for path in paths) for paths in needed]
    truths = [any(rules.role(path) in TRUTHS for path in paths) for paths in needed]
    return SplitCheck(
        data=name,
        root=root,
        split=reader.split,
        thorough=thorough,
        expected=max(len(reader), official),
        frames=len(reader),
        complete=sum(whole),
        with_truth=sum(both for both in map(min, whole, truths)),
        files=len(files),
        problems=tuple(problems.values()),
        caveats=tuple(caveats),
        notes=tuple(_counted_variations(reader, root)),
        gaps=_gaps(rules, reader, needed, problems),
        images=reader.raw_root if name == "kitti_depth" and not isinstance(reader, DepthMaps) else None,
        one_view=one_view,
    )


class _Looks:
    """What was seen of one root's files, of whichever split, so that no frame is checked twice.

    Attributes:
        problems: what is wrong, by file; the first thing found of each.
    """

    def __init__(self, rules: Rules):
        self.rules = rules
        self.problems: dict[Path, Problem] = {}
        self._seen: dict[Path, tuple[int, int] | Problem | None] = {}
        self._done: set[tuple[tuple[Path, ...], bool]] = set()

    def over(self, reader: StereoReader, needed: list[list[Path]], thorough: bool) -> None:
        """Check every frame, in threads; thorough or not, the first whole frame is decoded.

        Args:
            reader: of the split, opened within `tolerating_missing`.
            needed: the files of each of its samples.
            thorough: decode every frame.
        """
        frames = [index for index, paths in enumerate(needed) if (tuple(paths), thorough) not in self._done]
        title = f"{'decoding' if thorough else 'looking at'} {reader.split} of {reader.root.name}"
        threads = min(8, os.cpu_count() or 1) if thorough else MOST_THREADS
        if frames:
            with Progress(title, len(frames), "frame") as progress, ThreadPoolExecutor(threads) as pool:
                try:
                    for found in pool.map(lambda i: self._frame(reader, i, needed[i], thorough), frames):
                        self._note(found)
                        progress.update()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
        whole = [i for i, paths in enumerate(needed) if paths and not any(path in self.problems for path in paths)]
        if whole and not thorough:
            self._note(self._decoded(reader, whole[0], needed[whole[0]], []))
        self._done |= {(tuple(paths), thorough) for paths in needed}

    def _frame(self, reader: StereoReader, index: int, paths: list[Path], thorough: bool) -> list[Problem]:
        """What is wrong with one frame's files, and with how they fit each other."""
        for path in paths:
            if path not in self._seen:
                self._seen[path] = look_at(path, self.rules.role(path))
        seen = {path: self._seen[path] for path in paths}
        found = [look for look in seen.values() if isinstance(look, Problem)]
        sizes = {path: look for path, look in seen.items() if isinstance(look, tuple)}
        found += _misfits(self.rules, reader, index, paths, sizes)
        return found + self._decoded(reader, index, paths, found) if thorough else found

    def _decoded(self, reader: StereoReader, index: int, paths: list[Path], known: Sequence[Problem]) -> list[Problem]:
        """What only decoding shows: through the reader, and where that can't be or fails, file by file."""
        message = ""
        # maps without their images are no samples
        if not known and not isinstance(reader, DepthMaps):
            try:
                reader[index]
                return []
            except DataError as error:
                message = str(error)
        bad = {problem.path for problem in known}
        looks = [look_at(path, self.rules.role(path), thorough=True) for path in paths if path not in bad]
        found = [look for look in looks if isinstance(look, Problem)]
        if message and not found:
            found = [_problem(_first_named(message, paths) or paths[0], message)]
        return found

    def _note(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.problems.setdefault(problem.path, problem)


def _misfits(
    rules: Rules, reader: StereoReader, index: int, paths: list[Path], sizes: Mapping[Path, tuple[int, int]]
) -> Iterator[Problem]:
    """Files of a sample whose size is not the calibration's, or not that of the others.

    ``sizes`` has (width, height) of its good images and maps, in the order of `StereoReader.needed`.
    """
    views = [path for path in sizes if rules.role(path) in VIEWS]
    refused = {}
    for path in views:
        try:
            rules.fits(reader, index, paths, path, *sizes[path])
        except DataError as error:
            # a calibration that can't be read does not name the view; its own file is looked at as all others are
            if str(path) in str(error):
                refused[path] = str(error)
    for path, message in refused.items():
        # if no view fits, the readers' message tells whether it is about the views or about the calibration
        blamed = _first_named(message, paths) if len(refused) == len(views) else path
        yield _problem(blamed or path, message, "wrong size")
    agreeing = {path: size for path, size in sizes.items() if path not in refused}
    # what most have is right, and in a draw what the first has, which is the target view
    for usual, _ in Counter(agreeing.values()).most_common(1):
        first = next(path for path, size in agreeing.items() if size == usual)
        for path, size in agreeing.items():
            if size != usual:
                is_, are = "{}x{} pixels".format(*size), "{}x{}".format(*usual)
                yield Problem(path, "wrong size", f"is {is_}, but {first} is {are}")


def official_frames(name: str, root: Path, split: str) -> int:
    """How many frames a split has officially, where it is whatever a folder holds; 0 where that is not known."""
    if is_miniature(root) or (root / "splits" / f"{split}.txt").is_file():
        return 0
    return RULES[name].official.get(split, 0)


def open_tolerantly(
    name: str, root: Path, split: str, one_view: bool = False, raw_root: Path | None = None
) -> tuple[StereoReader, list[str]]:
    """A reader whose files may be missing, at native size; and what a person should know of how it was opened.

    Raises:
        DataError: the root holds nothing of that data set.
        OptionError: the split is unknown.
    """
    rules, options, caveats = RULES[name], {}, []
    with tolerating_missing():
        if name == "kitti_depth":
            if raw_root is None and not (root.resolve().parent / "kitti_raw").is_dir():
                try:
                    return rules.open(root, split, one_view, raw_root=root), caveats
                except DataError:
                    caveats.append(
                        "only the depth maps were looked at, not the images they belong to: name the folder of those "
                        "with --data kitti=FOLDER"
                    )
                    return DepthMaps(root, split), caveats
            options["raw_root"] = raw_root
        if name == "cityscapes" and split == AVAILABLE:
            options["typical_camera"] = True
        reader = rules.open(root, split, one_view, **options)
    if isinstance(reader, Cityscapes) and reader.rig_is_nominal:
        caveats.append(
            "camera files are missing: without them metres rest on typical values, right to a few percent only, and "
            "only where --reader typical_camera=true asks for that"
        )
    return reader, caveats


def _counted_variations(reader: StereoReader, root: Path) -> Iterator[str]:
    """Virtual KITTI 2's scenes are whole if a variation has its official number of frames."""
    if isinstance(reader, VirtualKitti2) and reader.split == AVAILABLE and not is_miniature(root):
        counts = Counter(f.folder.split("/")[1] for f in reader.frames)
        told = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
        yield f"frames by variation, of {VKITTI2_FRAMES_A_VARIATION:,} each in all five scenes: {told}"


def _gaps(rules: Rules, reader: StereoReader, needed: list[list[Path]], problems: dict[Path, Problem]) -> tuple:
    """Drives of KITTI of which a frame lacks an image or a scan, or has a damaged one."""
    if not isinstance(reader, KittiRaw) or isinstance(reader, DepthMaps):
        return ()
    listed, lacking = Counter(), Counter()
    for f, paths in zip(reader.frames, needed, strict=True):
        listed[f.folder] += 1
        lacking[f.folder] += any(path in problems and rules.role(path) in ("picture", "scan") for path in paths)
    return tuple((folder, lacking[folder], listed[folder]) for folder in sorted(listed) if lacking[folder])
