"""Verify a data root against a split: every file of every frame is looked at, and all that is wrong is counted.

A look takes a file's header and its end. Then frames are decoded as training and evaluation do it: all of them
(thorough), or else the first of each sort, by sizes, kinds and calibration, and all whose looks tell of damage.
"""

import hashlib
import os
import re
import shlex
import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from lowtex.data_paths import is_miniature
from lowtex.datasets import READERS, Cityscapes, KittiRaw, VirtualKitti2, images
from lowtex.datasets.cityscapes import CITYSCAPES_COUNTS, read_camera
from lowtex.datasets.kitti import DepthMaps, read_kitti_calibration, read_velodyne, read_velodyne_to_camera
from lowtex.datasets.make3d import read_grid
from lowtex.datasets.prepared import is_prepared
from lowtex.datasets.reader import WAYS_OUT, StereoReader, tolerating_missing
from lowtex.datasets.splits import AVAILABLE, KITTI_SPLITS, is_test_split
from lowtex.datasets.stereo_folder import read_map, read_rig_file
from lowtex.datasets.virtual_kitti2 import VKITTI2_FRAMES_A_VARIATION, read_vkitti2_baselines, read_vkitti2_intrinsics
from lowtex.errors import DataError, require_choice
from lowtex.evaluation.results import write_csv
from lowtex.progress import count, track

MOST_THREADS = 16
"""Threads that look at files: waiting for a disk or a network takes no processor, so more than cores are of use."""

SHOWN_FILES, SHOWN_DRIVES = 3, 6
WIDTH = 110

_ENDS = {"PNG": b"\x00\x00\x00\x00IEND\xae\x42\x60\x82", "JPEG": b"\xff\xd9"}
_POINT, _SOME_POINTS, _HEADER = 16, 256, 256


ROLES: dict[str, Callable[[Path], object]] = {
    "picture": images.read_rgb,
    "depth map": partial(images.read_gray_png, bits=16),
    "mask": partial(images.read_gray_png, bits=8),
    # the reader tells whether these are the bits that a photo fills and the unit of a map: it knows the rig
    "photo": partial(images.read_rgb, any_kind=True, bits=16),
    "own map": lambda path: read_map(path, path.parent.name, 1.0),
    "scan": read_velodyne,
    "grid": read_grid,
    "rig file": read_rig_file,
    "KITTI camera": lambda path: read_kitti_calibration(path, images.UNPACK_AGAIN),
    "KITTI laser": lambda path: read_velodyne_to_camera(path, images.UNPACK_AGAIN),
    "VKITTI2 intrinsics": lambda path: read_vkitti2_intrinsics(path, images.UNPACK_AGAIN),
    "VKITTI2 extrinsics": lambda path: read_vkitti2_baselines(path, images.UNPACK_AGAIN),
    "Cityscapes camera": lambda path: read_camera(path, images.UNPACK_AGAIN),
}
"""What a file has to be, and the readers' own function that decodes it, whose verdict counts."""

VIEWS = ("picture", "photo")
"""Roles of the files that are a camera's views."""

TRUTHS = ("depth map", "scan", "grid", "own map")
"""Roles of the files that hold ground truth."""


class Problem(NamedTuple):
    """What is wrong with one file: its path, the kind (of `WORDS`) and a reason of one line."""

    path: Path
    kind: str
    reason: str


_TABLE = yaml.safe_load((files("lowtex_lab.cli") / "data_sets.yaml").read_text(encoding="utf-8"))

RULES: dict[str, dict] = _TABLE["data_sets"]
"""By the names that `lowtex.data_paths.DATASETS` has: title, licence, reader, split and roles."""

WORDS: dict[str, str] = _TABLE["problems"]
"""By kind of problem: how the readers' messages begin, after the path."""


def role_of(name: str, path: Path) -> str:
    """What a file of a data set has to be."""
    roles = RULES[name]["roles"].items()
    return next(role for pattern, role in roles if re.search(pattern, path.as_posix(), re.IGNORECASE))


@dataclass(frozen=True)
class SplitCheck:
    """What was found for one split of one root.

    Attributes:
        data: name of the data set, as `lowtex.data_paths.DATASETS` has it.
        root: its folder.
        split: full name of the split.
        one_view: only the view that is scored was asked for, not its partner.
        thorough: every sample was decoded, not only looked at.
        expected: frames the split has to have; where it is not a list, the official number.
        frames: frames it has, complete or not.
        complete: frames of which every file is there and whole.
        with_truth: complete frames with ground truth.
        files: distinct files looked at.
        problems: one for each file that something is wrong with.
        failure: why the root could not be opened at all; empty if it could.
        notes: what a person should know, a sentence each.
        gaps: for KITTI, ``(<date>/<drive>, frames that lack an image or a scan, frames listed)`` where any does.
        images: folder of the images, if it is another one than the root.
    """

    data: str
    root: Path
    split: str
    one_view: bool
    thorough: bool
    expected: int
    frames: int = 0
    complete: int = 0
    with_truth: int = 0
    files: int = 0
    problems: tuple[Problem, ...] = ()
    failure: str = ""
    notes: tuple[str, ...] = ()
    gaps: tuple[tuple[str, int, int], ...] = ()
    images: Path | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Files by kind of problem, all kinds."""
        found = Counter(problem.kind for problem in self.problems)
        return {kind: found[kind] for kind in WORDS}

    @property
    def fine(self) -> bool:
        """All of the split is there and nothing is wrong with it."""
        return not self.failure and not self.problems and self.complete == self.expected > 0


class RootCheck(NamedTuple):
    """The split that was asked for, and what is there at all (None if that was what was asked for)."""

    named: SplitCheck
    there: SplitCheck | None


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
        split: as its reader takes it; None is the split that is scored, and then what is there is checked as
            thoroughly.
        thorough: decode every sample through the reader.
        one_view: without the partner of the view that is scored, which only training needs. A split that is only
            scored (a test list, or val of cityscapes) is always checked so; what is there beside it too, where there
            is no pair.
        raw_root: of KITTI raw, for ``kitti_depth``; None looks beside the root.

    Raises:
        OptionError: the data set or the split is unknown. Anything else that is wrong is in the result.
    """
    require_choice("data set", name, RULES)
    looks = _Looks(name)
    asked = split or RULES[name]["split"]
    # scoring reads one view of a frame, training both; this split is only scored
    half = one_view or is_test_split(asked) or (name == "cityscapes" and asked == "val")
    check = partial(_check_split, name, Path(root), raw_root=raw_root, looks=looks)
    named = check(asked, thorough, half)
    if named.split == AVAILABLE:
        return RootCheck(named, None)
    there = check(AVAILABLE, thorough and split is None, one_view)
    if there.failure and half:
        there = check(AVAILABLE, thorough and split is None, True)
    return RootCheck(named, there)


def _check_split(
    name: str, root: Path, split: str, thorough: bool, one_view: bool, raw_root: Path | None, looks: "_Looks"
) -> SplitCheck:
    found = SplitCheck(name, root, split, one_view, thorough, official_frames(name, root, split))
    try:
        if is_prepared(root):
            raise DataError(f"{root} holds samples prepared by lowtex; name the folder of the data set itself")
        reader, notes = open_tolerantly(name, root, split, one_view, raw_root)
        with tolerating_missing():
            needed = [reader.needed(index) for index in range(len(reader))]
    except DataError as error:
        return replace(found, failure=str(error))
    looks.over(reader, needed, thorough)
    files = {path for paths in needed for path in paths}
    problems = {path: problem for path, problem in looks.problems.items() if path in files}
    problems |= {path: Problem(path, "missing", "is a folder of the split and missing") for path in reader.absent}
    whole = [not problems.keys() & paths for paths in needed]
    truths = [any(role_of(name, path) in TRUTHS for path in paths) for paths in needed]
    return replace(
        found,
        split=reader.split,
        expected=max(len(reader), found.expected),
        frames=len(reader),
        complete=sum(whole),
        with_truth=sum(map(min, whole, truths)),
        files=len(files),
        problems=tuple(problems.values()),
        notes=tuple(notes),
        gaps=_gaps(name, reader, needed, problems),
        images=reader.raw_root if name == "kitti_depth" and not isinstance(reader, DepthMaps) else None,
    )


class _Looks:
    """What was seen of one root's files, of whichever split, so that no frame is checked twice.

    Attributes:
        problems: what is wrong, by file; the first thing found of each.
    """

    def __init__(self, name: str):
        self.name = name
        self.problems: dict[Path, Problem] = {}
        self._seen: dict[Path, tuple] = {}
        self._sizes: dict[Path, Counter] = defaultdict(Counter)
        self._decoded: set[Hashable] = set()

    def over(self, reader: StereoReader, needed: list[list[Path]], thorough: bool) -> None:
        """Look at every file and decode all frames, or the first of each sort, in threads."""
        new = list(dict.fromkeys(path for paths in needed for path in paths if path not in self._seen))
        where = f"{reader.split} of {reader.root.name}"
        looks = _in_threads(lambda path: look_at(path, role_of(self.name, path)), new, f"looking at {where}", "file")
        for path, look in zip(new, looks, strict=True):
            self._seen[path] = look
            if look[0] in VIEWS:
                self._sizes[path.parent][look[1]] += 1
            if isinstance(look, Problem):
                self.problems[path] = look
        chosen = {}
        for index, paths in enumerate(needed):
            sort = tuple(paths if thorough else (self._seen[p] for p in paths if p not in self.problems))
            if sort and sort not in self._decoded:
                chosen.setdefault(sort, index)
        self._decoded |= chosen.keys()
        title = f"decoding {where}" if thorough else ""
        for found in _in_threads(lambda i: self._decode(reader, i, needed[i]), list(chosen.values()), title, "frame"):
            for problem in found:
                self.problems.setdefault(problem.path, problem)

    def _decode(self, reader: StereoReader, index: int, paths: list[Path]) -> list[Problem]:
        """What only decoding shows: through the reader, and where that can't be or fails, file by file."""
        fine = [path for path in paths if path not in self.problems]
        message = ""
        # maps without their images are no samples
        if len(fine) == len(paths) and not isinstance(reader, DepthMaps):
            try:
                reader[index]
                return []
            except DataError as error:
                message = str(error)
        found = []
        for path in fine:
            try:
                ROLES[role_of(self.name, path)](path)
            except DataError as error:
                found.append(_problem(path, str(error)))
        if message and not found:
            # it is about the view that is of another size than most beside it, or else the file that it names first
            views = [path for path in paths if self._seen[path][0] in VIEWS]
            odd = [path for path in views if self._seen[path][1] != self._sizes[path.parent].most_common(1)[0][0]]
            named = sorted((path for path in paths if str(path) in message), key=lambda path: message.index(str(path)))
            found = [_problem([*odd, *named, *paths][0], message)]
        return found


def _in_threads(work: Callable, items: Sequence, title: str, unit: str) -> list:
    """``work`` on every item, in order, with a bar if it has a title; an interrupt leaves out what has not begun."""
    with ThreadPoolExecutor(MOST_THREADS if unit == "file" else min(8, os.cpu_count() or 1)) as pool:
        try:
            results = pool.map(work, items)
            return list(track(results, title, len(items), unit) if title and items else results)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def look_at(path: Path, role: str) -> tuple:
    """What a file's header and end tell: equal for two files that a reader takes alike, or `Problem`.

    It begins with the role, and with (width, height) after it for an image. A file whose header or end looks wrong is
    like no other; whether it is wrong, decoding shows.
    """
    try:
        length = path.stat().st_size if path.is_file() else 0
        if not length:
            # missing, a folder, or empty: the reader's words
            images.read_bytes(path)
        if role == "scan":
            return role, None, _is_scan(path, length) or path
        if role in VIEWS or path.suffix.lower() == ".png":
            return role, *_image_header(path)
        if role == "own map":
            with path.open("rb") as file:
                return role, None, length, file.read(_HEADER)
        return role, None, hashlib.sha256(images.read_bytes(path)).hexdigest()
    except DataError as error:
        return _problem(path, str(error))
    except (OSError, SyntaxError, ValueError, KeyError, IndexError, Image.DecompressionBombError):
        # Pillow's words for a bad image; the kit's own function has better ones
        return role, None, path


def _image_header(path: Path) -> tuple:
    """Size and kind of an image; and its path, if its end is not there."""
    with path.open("rb") as file, Image.open(file, formats=tuple(_ENDS)) as image:
        end = _ENDS[image.format]
        file.seek(-len(end), os.SEEK_END)
        # the tile is what the decoder would be told: Pillow's own modes don't tell 16 bits from 8
        told = image.size, image.format, str(image.tile[0][3]), image.info.get("exif")
        return told if file.read() == end else (*told, path)


def _is_scan(path: Path, length: int) -> bool:
    """Whole points, of which the first and last are numbers."""
    start = max(0, length - _SOME_POINTS * _POINT)
    some = [np.fromfile(path, "<f4", 4 * _SOME_POINTS), np.fromfile(path, "<f4", offset=start)]
    return length % _POINT == 0 and bool(np.isfinite(np.concatenate(some)).all())


def _problem(path: Path, message: str) -> Problem:
    """A reader's message without the path, which is told apart, and without the way out."""
    reason = message.replace(f"{path}: ", "").replace(f"{path} ", "").split("; ")[0].strip()
    return Problem(
        path, next(k for k, words in WORDS.items() if re.match(words, reason)), textwrap.shorten(reason, 160)
    )


def official_frames(name: str, root: Path, split: str) -> int:
    """How many frames a split has officially, where it is whatever a folder holds; 0 where that is not known."""
    if is_miniature(root) or (root / "splits" / f"{split}.txt").is_file():
        return 0
    official = CITYSCAPES_COUNTS if name == "cityscapes" else {"test": READERS[RULES[name]["reader"]].official}
    return official.get(split, 0)


def open_tolerantly(
    name: str, root: Path, split: str, one_view: bool = False, raw_root: Path | None = None
) -> tuple[StereoReader, list[str]]:
    """A reader at native size whose files may be missing, without the partner of the scored view if ``one_view``; and
    what a person should know of it.

    Raises:
        DataError: the root holds nothing of that data set.
        OptionError: the split is unknown.
    """
    options = {} if name == "make3d" or not one_view else {"views": False}
    with tolerating_missing():
        if name == "kitti_depth":
            options["raw_root"] = raw_root
            if raw_root is None and not (root.resolve().parent / "kitti_raw").is_dir():
                options["raw_root"] = root
        if name == "cityscapes" and split == AVAILABLE:
            options["typical_camera"] = True
        try:
            reader = READERS[RULES[name]["reader"]](root, split=split, size=None, **options)
        except DataError:
            if options.get("raw_root") != root:
                raise
            told = "only the depth maps were looked at, not the images they belong to: name the folder of those with "
            return DepthMaps(root, split), [f"{told}--data kitti=FOLDER"]
    if isinstance(reader, Cityscapes) and reader.rig_is_nominal:
        return reader, [
            "camera files are missing: without them metres rest on typical values, right to a few percent only, and "
            "only where --reader typical_camera=true asks for that"
        ]
    if isinstance(reader, VirtualKitti2) and reader.split == AVAILABLE and not is_miniature(root):
        counts = Counter(f.folder.split("/")[1] for f in reader.frames)
        told = ", ".join(f"{variation} {number:,}" for variation, number in sorted(counts.items()))
        return reader, [f"frames by variation, of {VKITTI2_FRAMES_A_VARIATION:,} each in all five scenes: {told}"]
    return reader, []


def _gaps(name: str, reader: StereoReader, needed: list[list[Path]], problems: dict[Path, Problem]) -> tuple:
    """Drives of KITTI of which a frame lacks an image or a scan, or has a damaged one."""
    if not isinstance(reader, KittiRaw) or isinstance(reader, DepthMaps):
        return ()
    listed, lacking = Counter(), Counter()
    for f, paths in zip(reader.frames, needed, strict=True):
        listed[f.folder] += 1
        lacking[f.folder] += any(path in problems and role_of(name, path) in ("picture", "scan") for path in paths)
    return tuple((folder, lacking[folder], listed[folder]) for folder in sorted(listed) if lacking[folder])


def describe(check: RootCheck) -> str:
    """The whole report on one root: what is complete, the first files of each kind of problem, and the way out."""
    named, parts = check.named, [part for part in check if part is not None]
    kind = "a miniature written by lowtex" if is_miniature(named.root) else RULES[named.data]["title"]
    how = "every sample decoded" if named.thorough else "a quick look at both ends of each file; --deep decodes all"
    lines = [f"{named.data}: {named.root}", f"  {kind}; {how}"]
    lines += [f"  images from {named.images}"] if named.images is not None else []
    if all(part.failure for part in parts):
        return "\n".join([*lines, "", *wrapped(named.failure, 2)])
    notes = dict.fromkeys(f"note: {note}" for part in parts for note in part.notes)
    for sentence in [*map(_verdict, parts), *notes]:
        lines += wrapped(sentence, 2)
    problems = {problem.path: problem for part in parts for problem in part.problems}
    for kind in WORDS:
        found = [problem for problem in problems.values() if problem.kind == kind]
        roles = Counter(role_of(named.data, problem.path) for problem in found).most_common()
        lines += ["", *wrapped(f"{kind}: {', '.join(count(n, role) for role, n in roles)}", 2)] if found else []
        for problem in found[:SHOWN_FILES]:
            reason = "" if problem.reason == "is missing" else f": {problem.reason}"
            lines.append(f"    {problem.path}{reason}".replace(f"{named.root}/", ""))
        if len(found) > SHOWN_FILES:
            lines.append(f"    and {len(found) - SHOWN_FILES:,} more; --list FILE writes them all")
    if is_miniature(named.root) and not named.fine:
        lines += ["", "  to mend it, write it again: lowtex data miniature"]
    elif not named.fine and (named.data != "stereo" or named.failure or named.counts["missing"]):
        # one's own pairs are nowhere to get: the reasons above say what to mend
        lines += ["", "  how to get what is missing:", *_kitti_commands(named), *wrapped(WAYS_OUT[named.data], 4)]
        lines += wrapped(WAYS_OUT["kitti"], 4) if named.data == "kitti_depth" and named.gaps else []
    return "\n".join(lines)


def _verdict(check: SplitCheck) -> str:
    what = "what is there" if check.split == AVAILABLE else f"split {check.split}"
    if check.one_view and check.data != "make3d":
        what += ", one view of each frame"
    if check.failure:
        return f"{what}: {check.failure.split('; ')[0].replace(str(check.root), 'the root')}"
    if check.fine:
        but = ", but see the note" if check.notes else ""
        return f"{what}: {count(check.complete, 'frame')}, {check.with_truth:,} with ground truth, all fine{but}"
    text = f"{what}: {check.complete:,} of {count(check.expected, 'frame')} complete"
    if check.frames < check.expected:
        text += f"; of the official {check.expected:,}, {check.expected - check.frames:,} are not here at all"
    found = [f"{kind}: {number:,}" for kind, number in check.counts.items() if number]
    return f"{text}; {count(check.files, 'file')} looked at{''.join(f', {part}' for part in found)}"


def _kitti_commands(named: SplitCheck) -> list[str]:
    """The commands that fetch the drives, calibrations and maps of KITTI which are missing."""
    if named.data not in ("kitti", "kitti_depth"):
        return []
    lines = []
    there = [p for p in named.problems if p.kind not in ("missing", "empty") and p.path.suffix != ".txt"]
    # without it a download leaves alone what seems to be there
    again = " --again" if there else ""
    if there:
        files = f"{count(len(there), 'damaged file')} (--list FILE writes the names)"
        lines += wrapped(f"--again also replaces {files}; what is replaced is kept in archives/replaced", 4)
    fetch = f"      lowtex data download --to {shlex.quote(str(named.images or named.root))}"
    if drives := [folder.split("/")[1] for folder, _, _ in named.gaps]:
        told = [f"{name} ({lack} of {all_})" for name, (_, lack, all_) in zip(drives, named.gaps, strict=True)]
        told[SHOWN_DRIVES:] = [f"and {len(drives) - SHOWN_DRIVES} more"] if len(drives) > SHOWN_DRIVES else []
        some = f"{count(len(drives), 'drive')} (frames without a good image or scan, of those listed)"
        lines += wrapped(f"{some}: {', '.join(told)}", 4)
        is_long = len(drives) > SHOWN_DRIVES and named.split in KITTI_SPLITS
        chosen = ["--split", named.split] if is_long else ["--drive", *drives]
        lines.append(f"{fetch} {' '.join(chosen)}{again}")
    elif any(problem.path.name.startswith("calib_") for problem in named.problems):
        lines.append(f"{fetch} --calibration-only{again}")
    if any("groundtruth" in problem.path.parts for problem in named.problems):
        lines.append(f"      lowtex data download --to {shlex.quote(str(named.root))} --improved{again}")
    return lines


def write_list(path: str | Path, checks: Iterable[RootCheck]) -> int:
    """All files with a problem as CSV: data, split, kind, file, reason; gives their number.

    Raises:
        DataError: it can't be written there.
    """
    parts = [part for check in checks for part in check if part is not None]
    rows = [(part.data, part.split, p.kind, p.path, p.reason) for part in parts for p in part.problems]
    frame = pd.DataFrame(rows, columns=["data", "split", "kind", "file", "reason"]).drop_duplicates("file")
    write_csv(Path(path), frame)
    return len(frame)


def wrapped(text: str, indent: int, hanging: int | None = None) -> list[str]:
    """A sentence as lines of `WIDTH`, the first indented by ``indent``, the others by ``hanging`` or as the first."""
    first, others = " " * indent, " " * (indent if hanging is None else hanging)
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
