"""Which frames a split holds: the community's file lists as compact tables, and a user's own lists.

The tables keep the order of the published lists. Sources: Eigen et al. 2014 (the 28 test drives), Zhou et al. 2017
(``eigen_zhou``), Godard et al. 2017 and 2019 (``eigen_full``), Uhrig et al. 2017 (those of the 697 test frames that
have improved ground truth, ``eigen_benchmark``). The Cityscapes lists are the stereo lists of Godard et al. 2017.
"""

import gzip
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from lowtex.datasets.reader import read_lines
from lowtex.errors import DataError, OptionError

KITTI_SPLITS = {
    "eigen_full/train": 45200,
    "eigen_full/val": 1776,
    "eigen_zhou/train": 39810,
    "eigen_zhou/val": 4424,
    "eigen/test": 697,
    "eigen_benchmark/test": 652,
}
"""Packaged KITTI lists and their lengths."""

CITYSCAPES_SPLITS = {"cityscapes/train": 22973, "cityscapes/val": 500}
"""Packaged Cityscapes lists and their lengths."""

AVAILABLE = "available"
"""The split that holds whatever complete frames are on disk, sorted."""

KITTI_FOLDER = re.compile(r"(\d{4}_\d{2}_\d{2})/\1_drive_\d{4}_\w+")
VKITTI2_FOLDER = re.compile(r"Scene\w+/[\w-]+")


class ListedFrame(NamedTuple):
    """One line of a list: ``<date>/<drive>`` or ``<scene>/<variation>``, the frame, and ``l`` or ``r``."""

    folder: str
    frame: int
    side: str


@dataclass(frozen=True)
class Split:
    """What a split's name stands for.

    Attributes:
        name: its full name, for messages.
        frames: its lines in order, as the data set writes them; None where the reader finds the frames itself
            (`AVAILABLE`, and scene splits).
        is_test: its frames are there to be evaluated, so each must have ground truth.
    """

    name: str
    frames: list | None
    is_test: bool


def packaged_frames(name: str) -> list[ListedFrame]:
    """The lines of a packaged KITTI list, e.g. ``eigen/test``, in the published order."""
    rows = (line.split(",") for line in _table(name, KITTI_SPLITS))
    return [ListedFrame(f"{drive[:10]}/{drive}", int(frame), side) for drive, frame, side in rows]


def cityscapes_frames(name: str) -> list[str]:
    """The lines of a packaged Cityscapes list as ``<city>/<city>_<sequence>_<frame>``, in the published order."""
    rows = (line.split(",") for line in _table(name, CITYSCAPES_SPLITS))
    return [f"{city}/{city}_{sequence}_{frame}" for city, sequence, frame in rows]


def read_list(path: str | Path, folder: re.Pattern = KITTI_FOLDER) -> list[ListedFrame]:
    """Read a text file of lines ``<date>/<drive> <frame> <l|r>``; the frame may be padded with zeros or not.

    Raises:
        DataError: the file is missing or empty, or a line is something else; names the file and the line.
    """

    def parse(line: str) -> ListedFrame | None:
        words = line.split()
        if len(words) != 3 or not folder.fullmatch(words[0]) or not words[1].isdecimal() or words[2] not in ("l", "r"):
            return None
        return ListedFrame(words[0], int(words[1]), words[2])

    example = "Scene02/clone 7 l" if folder is VKITTI2_FOLDER else "2011_09_26/2011_09_26_drive_0001_sync 7 l"
    return read_lines(path, parse, "frame", example)


def own_lists(root: Path) -> list[str]:
    """Names of the lists inside a root, ``<root>/splits/<name>.txt``, sorted."""
    inside = root / "splits"
    return sorted(path.relative_to(inside).with_suffix("").as_posix() for path in inside.rglob("[!.]*.txt"))


def find_split(
    split: str,
    root: Path,
    known: Sequence[str],
    aliases: Mapping[str, str],
    folder: re.Pattern = KITTI_FOLDER,
    read: Callable[[Path], list] | None = None,
) -> Split:
    """Find out what ``split`` means.

    In this order: a list inside the root (``<root>/splits/<split>.txt``), a packaged name or alias, ``available``,
    the path of a text file.

    Args:
        split: what the user wrote.
        root: of the data set.
        known: packaged names the data set takes; those that are tables are read, others are left to the reader.
        aliases: short names, e.g. ``test`` for ``eigen/test``.
        folder: what the first word of a line must look like.
        read: reads a text file whose lines are of another form than those of `read_list`.

    Raises:
        OptionError: it is none of them; lists what there is.
        DataError: the list is damaged.
    """
    split = os.fspath(split)
    read = read or partial(read_list, folder=folder)
    inside = root / "splits"
    own = inside / f"{split}.txt"
    if own.is_file():
        return Split(split, read(own), is_test_split(split))
    name = aliases.get(split, split)
    if name in known:
        return Split(name, packaged_frames(name) if name in KITTI_SPLITS else None, is_test_split(name))
    if name == AVAILABLE:
        return Split(name, None, False)
    path = Path(split).expanduser()
    if path.is_file():
        # the name alone: it goes into rows and experiments, which must not depend on a machine's folders
        return Split(path.stem, read(path), is_test_split(split))
    raise OptionError(
        f"split={split!r} is not known; choose {', '.join([*own_lists(root), *aliases, *known])}, {AVAILABLE!r} (what "
        "is found on disk), or the path of a text file with one line for each frame"
    )


def is_test_split(name: str) -> bool:
    """A split that is there to be scored, told from its name: each frame needs ground truth, and one view is enough."""
    return Path(name).stem.startswith("test")


def _table(name: str, known: Mapping[str, int]) -> list[str]:
    if name not in known:
        raise OptionError(f"split table {name!r} is not packaged; there are {', '.join(known)}")
    file = files("lowtex.datasets") / "split_tables" / f"{name.replace('/', '_')}.csv.gz"
    lines = gzip.decompress(file.read_bytes()).decode("ascii").split()[1:]
    if len(lines) != known[name]:
        raise DataError(f"{file} has {len(lines)} lines, not {known[name]}; install lowtex again")
    return lines
