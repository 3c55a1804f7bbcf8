"""Which data sets are there, where, and how much of each split, told from the files' names. Nothing is written."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from lowtex.data_paths import DATASETS, MINIATURE_FOLDERS, REPOSITORY, is_miniature, miniature_folder
from lowtex.datasets.cityscapes import CITYSCAPES_COUNTS
from lowtex.datasets.prepared import is_prepared, prepared_base, read_header
from lowtex.datasets.reader import WAYS_OUT, tolerating_missing
from lowtex.datasets.splits import AVAILABLE, KITTI_SPLITS, own_lists
from lowtex.datasets.virtual_kitti2 import VKITTI2_SPLITS
from lowtex.errors import DataError, LowtexError
from lowtex.files import shown_size
from lowtex.paths import shown
from lowtex.profiles import PROFILES
from lowtex.progress import count
from lowtex_lab.cli.checking import RULES, TRUTHS, VIEWS, official_frames, open_tolerantly, role_of, wrapped

_NAMED_SPLITS = {
    "vkitti2": tuple(name for name in VKITTI2_SPLITS if name.startswith("eigen_like/")),
    "kitti": tuple(KITTI_SPLITS),
    "kitti_depth": ("eigen_benchmark/test",),
    "kitti_pairs": ("by_date/train", "by_date/val"),
    "kitti_2015": ("test",),
    "make3d": ("test",),
    "cityscapes": tuple(CITYSCAPES_COUNTS),
    "stereo": ("all",),
}


class SplitCount(NamedTuple):
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
        failure: why a named folder can't be used; empty if it can.
    """

    data: str
    kind: str
    root: Path
    named: bool
    splits: tuple[SplitCount, ...] = ()
    failure: str = ""


def print_status(named: Mapping[str, Path], profile: str = "quick") -> list[str]:
    """Print the table, the folders and where to get what is missing; gives what is wrong with folders named."""
    found = status(named, profile)
    counts = ("frames", "images", "pairs", "ground truth")
    rows = [("data set", "what", "split", *counts, "licence of the real one")]
    for data in found:
        what = "NOT USABLE" if data.failure else "not there" if data.kind == "none" else data.kind
        first, last = (data.data, what), RULES[data.data]["licence"]
        for name, *numbers in data.splits or [("-",) * 5]:
            shown_numbers = (f"{number:,}" if data.splits else number for number in numbers)
            rows.append((*first, name, *shown_numbers, last))
            first, last = ("", ""), ""
    # numbers are set to the right, texts to the left
    columns = []
    for number, column in enumerate(zip(*rows, strict=True)):
        width = max(map(len, column))
        columns.append([cell.rjust(width) if 3 <= number <= 6 else cell.ljust(width) for cell in column])
    print("\n".join("  ".join(("", *row)).rstrip() for row in zip(*columns, strict=True)))
    folders = [(data.data, _place(data, profile)) for data in found]
    absent = [(data.data, WAYS_OUT[data.data]) for data in found if data.kind in ("miniature", "none")]
    prepared = [("prepared", f"{text}, in {shown(folder)}") for folder, text in prepared_folders()]
    for title, lines in (("folders", [*folders, *prepared]), ("to get the real ones", absent)):
        if lines:
            print(f"\n{title}")
        for name, text in lines:
            print("\n".join(wrapped(f"{name:<12} {text}", 2, 15)))
    return [f"{data.data}: {data.failure}" for data in found if data.named and data.failure]


def _place(data: DataStatus, profile: str) -> str:
    if data.kind == "none":
        if not PROFILES[profile].miniature_frames:
            return f"profile {profile} reads real data, and has no miniature"
        return f"no miniature either: lowtex data miniature --profile {profile} writes it"
    if data.kind == "miniature" or data.named:
        return shown(data.root)
    return f"{shown(data.root)}, found; it is read only where it is named: --data {data.data}={shown(data.root)}"


def prepared_folders() -> list[tuple[Path, str]]:
    """What ``lowtex data prepare`` has made: each folder, and what it holds or why it can't be used."""
    base = prepared_base()
    found = []
    for folder in sorted(entry for entry in base.iterdir() if is_prepared(entry)) if base.is_dir() else ():
        try:
            header = read_header(folder)
            size = "native size" if not header["size"] else "{1}x{0}".format(*header["size"])
            what = f"{header['dataset']} {header['split']}: {count(header['samples'], 'sample')} of {size}"
            found.append((folder, f"{what}, {shown_size(sum(header['bytes'].values()))}"))
        except DataError as error:
            found.append((folder, str(error)))
    return found


def status(named: Mapping[str, Path], profile: str = "quick") -> list[DataStatus]:
    """Look at every data set: in the folder named, else in ``data/<name>`` of the checkout, else at the miniature."""
    found = []
    for name in DATASETS:
        miniature = miniature_folder(profile) / MINIATURE_FOLDERS[name]
        places = [named[name]] if name in named else [REPOSITORY / "data" / name, miniature]
        looks = [_look(name, place, named) for place in places if place.is_dir()]
        nothing = DataStatus(name, "none", miniature, False)
        found.append(next((look for look in looks if name in named or not look.failure), nothing))
    return found


def _look(name: str, root: Path, named: Mapping[str, Path]) -> DataStatus:
    if is_prepared(root):
        return DataStatus(name, "prepared", root, name in named)
    own = own_lists(root)
    packaged = () if own and is_miniature(root) else _NAMED_SPLITS[name]
    raw_root = None if is_miniature(root) else named.get("kitti")
    # one listing of each folder: asking for each file takes long on a network's disk
    names_in = cache(_names_in)
    splits, failure = [], ""
    for split in dict.fromkeys([*own, *packaged, AVAILABLE]):
        try:
            splits.append(_count(name, root, split, raw_root, names_in))
        except LowtexError as error:
            # the last one, `available`, says what is wrong with the root as a whole
            failure = str(error)
    there = tuple(split for split in splits if split.images or split.truths)
    kind = "miniature" if is_miniature(root) else "real"
    return DataStatus(name, kind, root, name in named, there, "" if there else failure)


def _count(name: str, root: Path, split: str, raw_root: Path | None, names_in) -> SplitCount:
    # `available` of pairs leaves out what has one view, so that one is read twice
    reader, _ = open_tolerantly(name, root, split, one_view=split == AVAILABLE, raw_root=raw_root)
    indices = range(len(reader))
    if name == "kitti":
        # the lists have 90,000 lines; of a drive that is not there no file can be
        indices = [i for i, f in enumerate(reader.frames) if f.folder.split("/")[1] in reader.drives]
    images = pairs = truths = 0
    with tolerating_missing():
        for index in indices:
            # role by role, whether each file is there
            there = [(role_of(name, path), path.name in names_in(path.parent)) for path in reader.needed(index)]
            views = [is_there for role, is_there in there if role in VIEWS]
            truth = [is_there for role, is_there in there if role in TRUTHS]
            images += bool(views) and views[0]
            pairs += len(views) == 2 and all(views)
            truths += bool(truth) and all(truth)
    if split == AVAILABLE:
        try:
            both, _ = open_tolerantly(name, root, split, raw_root=raw_root)
            pairs = len(both) if getattr(both, "views", False) else 0
        except DataError:
            pairs = 0
    return SplitCount(reader.split, max(len(reader), official_frames(name, root, split)), images, pairs, truths)


def _names_in(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()
