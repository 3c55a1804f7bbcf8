"""Every reader: an item from its files, from what `lowtex data prepare` keeps of them, and a pair from memory.

Real samples are read where they are, the miniature of a data set elsewhere. One process, one thread, files in the page
cache: this measures decoding, not the disk. What was prepared is compared with the reader's own sample, bit for bit,
before anything is timed.
"""

import random
import tempfile
from functools import lru_cache
from pathlib import Path

import torch
import yaml

from benchmarks.harness import Conditions, Contest, Contestant, Disagreement, Subject
from benchmarks.yardstick.items import stereo_item
from lowtex.data_paths import MINIATURE_FOLDERS, is_miniature, miniature_folder
from lowtex.datasets import CachedPairs, KittiRaw, PreparedPairs, StereoReader, open_dataset, prepare
from lowtex.datasets.sample import StereoSample
from lowtex.profiles import get_profile

_TABLE = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
READERS = {(line["name"], line["item"]): line for line in _TABLE}
"""Name and what one item is -> data set and how it is opened."""

PAIR = ("KittiRaw", "pair")
REAL_SIZE = (192, 640)
MOST_SAMPLES = 4
ITEM_TOLERANCE = 2e-2
"""Of the mean grey: the yardstick shrinks an image by Lanczos windows, scale by scale, the kit by area at once."""


def kitti_with_scans(root: Path, size: tuple[int, int]) -> KittiRaw:
    """The frames that have a laser scan, as a test split has."""
    every = KittiRaw(root, "available", size, views=False)
    lines = [f"{f.folder} {f.frame} {f.side}" for f in every.frames if every.has("scan", f)]
    with tempfile.NamedTemporaryFile("w", prefix="test_with_scan_", suffix=".txt") as file:
        file.write("\n".join(lines))
        file.flush()
        return KittiRaw(root, file.name, size, views=False, depth_required=True)


def miniature_profile(conditions: Conditions) -> str:
    """Whose miniatures stand in for real data."""
    return "smoke" if conditions.smoke else "quick"


def root_of(data: str, conditions: Conditions) -> Path:
    """The real samples of a data set where there are any, else its miniature."""
    place = conditions.real / MINIATURE_FOLDERS[data] if conditions.real else None
    if place is not None and place.is_dir():
        return place
    return miniature_folder(miniature_profile(conditions)) / MINIATURE_FOLDERS[data]


def told(root: Path) -> str:
    """``real`` or ``miniature``."""
    return "miniature" if is_miniature(root) else "real"


def size_of(root: Path, conditions: Conditions) -> tuple[int, int]:
    """The size that images are brought to."""
    return get_profile(miniature_profile(conditions)).size if is_miniature(root) else REAL_SIZE


@lru_cache(maxsize=32)
def opened(name: str, item: str, conditions: Conditions) -> StereoReader:
    """A reader on its files."""
    line = READERS[name, item]
    root = root_of(line["data"], conditions)
    size, options = size_of(root, conditions), dict(line.get("options", {}))
    if "reader" not in line:
        return kitti_with_scans(root, size)
    if "raw_root" in options:
        # the images lie beside the ground truth
        options["raw_root"] = root.parent / options["raw_root"]
    return open_dataset(line["reader"], root, line["split"], size, prepared=False, **options)


def prepared_pairs(name: str, item: str, conditions: Conditions) -> PreparedPairs:
    """What is kept of a reader's pairs; whoever comes second finds what the first prepared."""
    folder = conditions.work / f"{name}-{item}".replace(" ", "_")
    return PreparedPairs(prepare(opened(name, item, conditions), folder, progress=False, tell=lambda line: None))


def require_same(ours: StereoSample, theirs: StereoSample) -> None:
    """Raise `Disagreement` unless both samples are equal bit for bit."""
    for name, value in vars(ours).items():
        other = getattr(theirs, name)
        if not (torch.equal(value, other) if isinstance(value, torch.Tensor) else value == other):
            raise Disagreement(f"{ours.name}: {name} differs between the files and what was kept of them")


def make(conditions: Conditions, subject: Subject, name: str) -> Contestant:
    """See `benchmarks.harness.Contest`."""
    reader_name, item = subject.name.removesuffix(" item").split(", ")
    reader = opened(reader_name, item, conditions)
    count = min(len(reader), MOST_SAMPLES)
    if name == "yardstick":
        return _plain(reader, count)
    dataset = reader
    if name == "kit_prepared":
        dataset = prepared_pairs(reader_name, item, conditions)
    elif name == "kit_memory":
        dataset = CachedPairs(reader, workers=1)
    for index in range(count if name != "kit" else 0):
        require_same(reader[index], dataset[index])

    def run() -> dict:
        for index in range(count):
            sample = dataset[index]
        return {"mean": sample.image.mean()}

    return Contestant(run, count)


def _plain(reader: KittiRaw, count: int) -> Contestant:
    draw = random.Random(0)
    files = [reader.needed(index)[:2] for index in range(count)]

    def run() -> dict:
        for target, other in files:
            item = stereo_item(target, other, reader.size, draw)
        return {"mean": item["plain", "target", 0].mean()}

    return Contestant(run, count)


def contests(conditions: Conditions) -> list[Contest]:
    """Every reader; KITTI's pair beside Monodepth2's loader item, the others beside their own files."""
    found = []
    for (name, item), line in READERS.items():
        root = root_of(line["data"], conditions)
        height, width = size_of(root, conditions) if root.is_dir() else REAL_SIZE
        subject = Subject("data", f"{name}, {item} item", "", 0, height, width, told(root))
        if (name, item) == PAIR:
            names, tolerance = ("yardstick", "kit", "kit_prepared", "kit_memory"), ITEM_TOLERANCE
        else:
            names, tolerance = ("kit", "kit_prepared"), 0.0
        found.append(Contest(subject, names, make, dict.fromkeys(names[1:], tolerance), threads=1))
    return found
