"""Which data sets are there, where, and how much of each split: one plain value a data set. Nothing is written."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lowtex.data_paths import DATASETS, MINIATURE_FOLDERS, REPOSITORY, is_miniature, miniature_folder
from lowtex.datasets.cityscapes import CITYSCAPES_COUNTS
from lowtex.datasets.prepared import is_prepared, prepared_base, read_header
from lowtex.datasets.reader import StereoReader, tolerating_missing
from lowtex.datasets.splits import AVAILABLE, KITTI_SPLITS, own_lists
from lowtex.datasets.virtual_kitti2 import VKITTI2_SPLITS
from lowtex.errors import DataError, LowtexError
from lowtex.progress import count
from lowtex_lab.cli.checking.check import official_frames, open_tolerantly
from lowtex_lab.cli.checking.rules import RULES, TRUTHS, VIEWS
from lowtex_lab.cli.origins import ORIGINS

LONGEST_COUNT_S = 3.0
"""A folder's bytes are added up for that long at most; of a slow disk or a large set they are then a part."""

_NAMED_SPLITS = {
    "vkitti2": tuple(name for name in VKITTI2_SPLITS if name.startswith("eigen_like/")),
    "kitti": tuple(KITTI_SPLITS),
    "kitti_depth": ("eigen_benchmark/test",),
    "make3d": ("test",),
    "cityscapes": tuple(CITYSCAPES_COUNTS),
    "stereo": ("all",),
}


@dataclass(frozen=True)
class SplitCount:
    """How much of a split is there, told from names alone.

    Attributes:
        split: its name.
        frames: that it lists, or has officially where it is no list.
        images: frames of which the view that is scored is there; scoring needs no more than that and the truth.
        pairs: frames of which both views are there, as training needs them (Make3D has none).
        truths: frames of which the ground truth is there.
    """

    split: str
    frames: int
    images: int
    pairs: int
    truths: int


@dataclass(frozen=True)
class DataStatus:
    """What is known of one data set.

    Attributes:
        data: its name.
        kind: ``real``, ``miniature``, ``prepared``, or ``none`` if nothing is there.
        root: its folder; where it would be if nothing is there.
        named: the user named that folder; else it was found.
        splits: those of which anything is there.
        files, bytes: on disk; ``counted`` is false if there are more than could be counted in time.
        failure: why a named folder can't be used; empty if it can.
        licence: in a few words.
        way_out: how to get the real one.
    """

    data: str
    kind: str
    root: Path
    named: bool
    splits: tuple[SplitCount, ...] = ()
    files: int = 0
    bytes: int = 0
    counted: bool = True
    failure: str = ""

    @property
    def licence(self) -> str:
        return ORIGINS[self.data].licence

    @property
    def way_out(self) -> str:
        return ORIGINS[self.data].way_out


@dataclass(frozen=True)
class PreparedFolder:
    """A folder of prepared samples: what it says of itself, or why it can't be used."""

    folder: Path
    text: str


def status(named: Mapping[str, Path], profile: str = "quick") -> list[DataStatus]:
    """Look at every data set: in the folder named, else in ``data/<name>`` of the checkout, else at the miniature."""
    return [_status_of(name, named, profile) for name in DATASETS]


def prepared_folders() -> list[PreparedFolder]:
    """What ``lowtex data prepare`` has made."""
    base = prepared_base()
    found = []
    for folder in sorted(entry for entry in base.iterdir() if is_prepared(entry)) if base.is_dir() else ():
        try:
            header = read_header(folder)
            size = "native size" if not header["size"] else "{1}x{0}".format(*header["size"])
            what = f"{header['dataset']} {header['split']}: {count(header['samples'], 'sample')} of {size}"
            found.append(PreparedFolder(folder, f"{what}, {megabytes(sum(header['bytes'].values()))}"))
        except DataError as error:
            found.append(PreparedFolder(folder, str(error)))
    return found


def _status_of(name: str, named: Mapping[str, Path], profile: str) -> DataStatus:
    if name in named:
        return _look(name, named[name], True, named.get("kitti"))
    usual = REPOSITORY / "data" / name
    if usual.is_dir():
        found = _look(name, usual, False, named.get("kitti"))
        if not found.failure:
            return found
    miniature = miniature_folder(profile) / MINIATURE_FOLDERS[name]
    if miniature.is_dir():
        return _look(name, miniature, False, None)
    return DataStatus(name, "none", miniature, False)


def _look(name: str, root: Path, named: bool, raw_root: Path | None) -> DataStatus:
    if is_prepared(root):
        return DataStatus(name, "prepared", root, named)
    kind = "miniature" if is_miniature(root) else "real"
    listing, splits, failure = _Listing(), [], ""
    for split in _splits(name, root):
        try:
            splits.append(_count(name, root, split, raw_root, listing))
        except LowtexError as error:
            # the last one, `available`, says what is wrong with the root as a whole
            failure = str(error)
    there = tuple(split for split in splits if split.images or split.truths)
    if not there:
        return DataStatus(name, kind, root, named, failure=failure)
    return DataStatus(name, kind, root, named, there, *disk_usage(root))


def _splits(name: str, root: Path) -> list[str]:
    own = own_lists(root)
    packaged = () if own and is_miniature(root) else _NAMED_SPLITS[name]
    return list(dict.fromkeys([*own, *packaged, AVAILABLE]))


def _count(name: str, root: Path, split: str, raw_root: Path | None, listing: "_Listing") -> SplitCount:
    # `available` of pairs leaves out what has one view, so that one is read twice
    reader, _ = open_tolerantly(name, root, split, one_view=split == AVAILABLE, raw_root=raw_root)
    images = pairs = truths = 0
    for views, truth in _parts(name, reader):
        images += bool(views) and listing.has(views[0])
        pairs += len(views) == 2 and all(map(listing.has, views))
        truths += bool(truth) and all(map(listing.has, truth))
    if split == AVAILABLE:
        pairs = _available_pairs(name, root, raw_root)
    return SplitCount(reader.split, max(len(reader), official_frames(name, root, split)), images, pairs, truths)


def _available_pairs(name: str, root: Path, raw_root: Path | None) -> int:
    try:
        reader, _ = open_tolerantly(name, root, AVAILABLE, raw_root=raw_root)
    except DataError:
        return 0
    return len(reader) if getattr(reader, "views", False) else 0


def _parts(name: str, reader: StereoReader):
    """The views and the ground truth of each frame."""
    rules = RULES[name]
    indices = range(len(reader))
    if name == "kitti":
        # the lists have 90,000 lines; of a drive that is not there no file can be
        indices = [i for i, f in enumerate(reader.frames) if f.folder.split("/")[1] in reader.tree.drives]
    with tolerating_missing():
        for index in indices:
            roles = [(rules.role(path), path) for path in reader.needed(index)]
            yield [path for role, path in roles if role in VIEWS], [path for role, path in roles if role in TRUTHS]


class _Listing:
    """Which files are there, from one listing of each folder: asking for each takes long on a network's disk."""

    def __init__(self):
        self._names: dict[str, set[str]] = {}

    def has(self, path: Path) -> bool:
        folder, name = os.path.split(path)
        if folder not in self._names:
            try:
                self._names[folder] = set(os.listdir(folder))
            except OSError:
                self._names[folder] = set()
        return name in self._names[folder]


def disk_usage(root: Path, longest_s: float = LONGEST_COUNT_S) -> tuple[int, int, bool]:
    """Files and bytes under a folder, links not followed, and whether all could be counted in ``longest_s``."""
    files = amount = 0
    waiting, end = [str(root)], time.monotonic() + longest_s
    while waiting:
        if time.monotonic() > end:
            return files, amount, False
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        files, amount = files + 1, amount + entry.stat(follow_symlinks=False).st_size
        except OSError:
            # a folder that can't be listed is told by `lowtex data check`; here it is only size
            continue
    return files, amount, True


def megabytes(amount: int) -> str:
    """Bytes as people say them: ``3.4 MB``, ``12 GB``."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if amount >= size:
            return f"{amount / size:.3g} {unit}"
    return f"{amount / 1e3:.3g} kB"
