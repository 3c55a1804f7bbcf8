"""Which frames a split holds: the community's file lists as compact tables, and a user's own lists.

The tables keep the order of the published lists. Sources: Eigen et al. 2014 (the 28 test drives), Zhou et al. 2017
(``eigen_zhou``), Godard et al. 2017 and 2019 (``eigen_full``), Uhrig et al. 2017 (those of the 697 test frames that
have improved ground truth, ``eigen_benchmark``). The Cityscapes lists are the stereo lists of Godard et al. 2017.
"""

import gzip
import os
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, TypeVar

from lowtex.datasets.images import read_text
from lowtex.errors import DataError, OptionError

Value = TypeVar("Value")

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


class Frame(NamedTuple):
    """One target view.

    Attributes:
        folder: of the files: ``<date>/<drive>``, ``<scene>/<variation>``, ``<split>/<city>``; empty where a data set
            has one folder of a kind.
        frame: what tells its files from others there: a number, two of them, or an id.
        side: ``l`` or ``r``.
    """

    folder: str
    frame: int | str | tuple[int, int]
    side: str = "l"

    @property
    def twin(self) -> "Frame":
        """The other camera's view."""
        return self._replace(side="r" if self.side == "l" else "l")


def packaged_frames(name: str) -> list[Frame]:
    """The lines of a packaged KITTI list, e.g. ``eigen/test``, in the published order."""
    return [Frame(f"{drive[:10]}/{drive}", int(frame), side) for drive, frame, side in _table(name)]


def cityscapes_frames(name: str) -> list[str]:
    """The lines of a packaged Cityscapes list as ``<city>/<city>_<sequence>_<frame>``, in the published order."""
    return [f"{city}/{city}_{sequence}_{frame}" for city, sequence, frame in _table(name)]


def read_lines(path: str | Path, parse: Callable[[str], Value | None], what: str, example: str) -> list[Value]:
    """What a text file lists, one a line.

    Args:
        path: the file; empty lines don't count.
        parse: makes something of a line, None where it is of another form.
        what, example: what a line stands for, and such a line, for messages.

    Raises:
        DataError: the file is missing or lists nothing, or a line is something else; names the file and the line.
    """
    found = []
    for number, line in enumerate(read_text(path, f"write one line for each {what}").splitlines(), start=1):
        if line.strip():
            found.append(parse(line))
            if found[-1] is None:
                raise DataError(
                    f"{path} line {number}: {line.strip()!r}; write a line for each {what}, like {example!r}"
                )
    if not found:
        raise DataError(f"{path} lists no {what}; write one line for each {what}")
    return found


def read_list(path: str | Path, folder: re.Pattern = KITTI_FOLDER) -> list[Frame]:
    """Read a text file of lines ``<date>/<drive> <frame> <l|r>``; the frame may be padded with zeros or not.

    Raises:
        DataError: the file is missing or empty, or a line is something else; names the file and the line.
    """

    def parse(line: str) -> Frame | None:
        words = line.split()
        if len(words) != 3 or not folder.fullmatch(words[0]) or not words[1].isdecimal() or words[2] not in ("l", "r"):
            return None
        return Frame(words[0], int(words[1]), words[2])

    example = "Scene02/clone 7 l" if folder is VKITTI2_FOLDER else "2011_09_26/2011_09_26_drive_0001_sync 7 l"
    return read_lines(path, parse, "frame", example)


def own_lists(root: Path) -> list[str]:
    """Names of the lists inside a root, ``<root>/splits/<name>.txt``, sorted."""
    inside = root / "splits"
    return sorted(path.relative_to(inside).with_suffix("").as_posix() for path in inside.rglob("[!.]*.txt"))


def is_own_list(split: str | Path, root: Path) -> bool:
    """Whether ``split`` names a list inside the root; an absolute path, joined to a folder, would be itself."""
    return not os.path.isabs(split) and (root / "splits" / f"{split}.txt").is_file()


def find_split(
    split: str, root: Path, known: Sequence[str], aliases: Mapping[str, str], read: Callable[[Path], list] = read_list
) -> tuple[str, list | None]:
    """Find out what ``split`` means.

    In this order: a list inside the root (``<root>/splits/<split>.txt``), a packaged name or alias, ``available``,
    the path of a text file.

    Args:
        split: what the user wrote.
        root: of the data set.
        known: packaged names the data set takes; those that are tables are read, others are left to the reader.
        aliases: short names, e.g. ``test`` for ``eigen/test``.
        read: reads a text file of frames.

    Returns:
        Its full name, for messages and rows; and its lines in order, as ``read`` gives them, or None where the reader
        finds the frames itself.

    Raises:
        OptionError: it is none of them; lists what there is.
        DataError: the list is damaged.
    """
    split = os.fspath(split)
    own = root / "splits" / f"{split}.txt"
    if is_own_list(split, root):
        return split, read(own)
    name = aliases.get(split, split)
    if name in known or name == AVAILABLE:
        return name, packaged_frames(name) if name in KITTI_SPLITS else None
    path = Path(split).expanduser()
    if path.is_file():
        # the name alone: it goes into rows and experiments, which must not depend on a machine's folders
        return path.stem, read(path)
    choices = ", ".join(dict.fromkeys([*own_lists(root), *aliases, *known]))
    raise OptionError(
        f"split={split!r} is not known; choose {choices}, {AVAILABLE!r} (what is found on disk), or the path of a text "
        f"file with one line for each frame, such as {own}, which is then known by its name"
    )


def is_test_split(name: str) -> bool:
    """A split that is there to be scored, told from its name: each frame needs ground truth, and one view is enough."""
    return Path(name).stem.startswith("test")


def _table(name: str) -> list[list[str]]:
    file = files("lowtex.datasets") / "split_tables" / f"{name.replace('/', '_')}.csv.gz"
    return [line.split(",") for line in gzip.decompress(file.read_bytes()).decode("ascii").split()[1:]]
