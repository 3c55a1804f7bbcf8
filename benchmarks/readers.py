"""Items per second of every reader, from its files and from what `lowtex data prepare` keeps of them.

    python benchmarks/readers.py
    python benchmarks/readers.py --real ~/samples --out readers.csv

Real samples are read where they are (a folder with kitti_raw, kitti_depth, make3d and cityscapes), the miniature of a
data set elsewhere; what is in neither place is skipped, in a line. One process, one thread, files in the page cache:
this measures decoding, not the disk. In every repetition each reader reads the same samples once from its files and
once prepared, in turn, and medians over the repetitions are reported, because a machine drifts. Prepared samples are
compared with the reader's own, bit for bit, before any time is taken.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import pandas as pd
import torch

from lowtex.datasets import (
    Cityscapes,
    KittiImproved,
    KittiRaw,
    Make3D,
    PreparedPairs,
    StereoFolder,
    StereoReader,
    VirtualKitti2,
    prepare,
)
from lowtex.datasets.velodyne import project_velodyne, read_velodyne
from lowtex.errors import LowtexError
from lowtex.paths import shown
from lowtex.profiles import PROFILES, get_profile
from lowtex.provenance import provenance
from lowtex.results import write_csv
from lowtex.roots import MINIATURE_FOLDERS, REPOSITORY, is_miniature, miniature_folder

REAL_SIZE = (192, 640)
LEAST_REPEATS = 5
MOST_SAMPLES = 16

TRAINING, TEST = "pair", "test image"


def kitti_with_scans(root: Path, size: tuple[int, int], depth: str) -> KittiRaw:
    """The frames that have a laser scan, as a test split has."""
    every = KittiRaw(root, "available", size, depth=depth, views=False)
    lines = [f"{f.folder} {f.frame} {f.side}" for f in every.frames if every.tree.has_velodyne(f.folder, f.frame)]
    with tempfile.NamedTemporaryFile("w", prefix="test_with_scan_", suffix=".txt") as file:
        file.write("\n".join(lines))
        file.flush()
        return KittiRaw(root, file.name, size, depth=depth, views=False, depth_required=True)


READERS: list[tuple[str, str, str, Callable[[Path, tuple[int, int]], StereoReader]]] = [
    ("KittiRaw", TRAINING, "kitti", lambda root, size: KittiRaw(root, "available", size, depth=None)),
    ("KittiRaw velodyne x", TEST, "kitti", lambda root, size: kitti_with_scans(root, size, "velodyne")),
    ("KittiRaw velodyne z", TEST, "kitti", lambda root, size: kitti_with_scans(root, size, "velodyne_z")),
    (
        "KittiImproved",
        TEST,
        "kitti_depth",
        lambda root, size: KittiImproved(root, "available", size, root.parent / "kitti_raw", views=False),
    ),
    ("VirtualKitti2", TRAINING, "vkitti2", lambda root, size: VirtualKitti2(root, "train", size, depth=False)),
    ("VirtualKitti2", TEST, "vkitti2", lambda root, size: VirtualKitti2(root, "test", size, views=False)),
    ("Make3D C1", TEST, "make3d", lambda root, size: Make3D(root, "available", size)),
    (
        "Cityscapes",
        TRAINING,
        "cityscapes",
        lambda root, size: Cityscapes(root, "available", size, depth=False, typical_camera=True),
    ),
    (
        "Cityscapes",
        TEST,
        "cityscapes",
        lambda root, size: Cityscapes(root, "available", size, views=False, typical_camera=True),
    ),
    ("StereoFolder", TRAINING, "stereo", lambda root, size: StereoFolder(root, "available", size, depth=False)),
    ("StereoFolder", TEST, "stereo", lambda root, size: StereoFolder(root, "available", size, views=False)),
]
"""Name, what one item is, data root, and how it is opened."""


@dataclass
class Contestant:
    """One thing that is timed: ``read(index)`` for each of ``count`` items."""

    name: str
    item: str
    data: str
    size: str
    way: str
    count: int
    read: Callable[[int], object]
    seconds: list[float] = field(default_factory=list)

    def run(self) -> float:
        """Seconds an item, over one pass."""
        began = time.perf_counter()
        for index in range(self.count):
            self.read(index)
        return (time.perf_counter() - began) / self.count


def root_of(name: str, real: Path, profile: str) -> Path:
    """The real samples of a data set, or its miniature."""
    place = real / MINIATURE_FOLDERS[name]
    return place if place.is_dir() else miniature_folder(profile) / MINIATURE_FOLDERS[name]


def contestants(real: Path, profile: str, prepared: Path) -> Iterator[Contestant]:
    """Every reader that has data, twice; and KITTI's laser scans."""
    for name, item, data, opened in READERS:
        root = root_of(data, real, profile)
        if not root.is_dir():
            print(
                f"{name}, {item}: skipped, neither {shown(real / MINIATURE_FOLDERS[data])} nor {shown(root)} is there"
            )
            continue
        miniature = is_miniature(root)
        size = get_profile(profile).size if miniature else REAL_SIZE
        try:
            reader = opened(root, size)
            kept = PreparedPairs(prepare(reader, prepared / f"{name}-{item}", progress=False, tell=lambda line: None))
        except LowtexError as error:
            print(f"{name}, {item}: skipped, {error}")
            continue
        count = min(len(reader), MOST_SAMPLES)
        for index in range(count):
            require_same(reader[index], kept[index])
        told = "miniature" if miniature else "real"
        for way, dataset in (("files", reader), ("prepared", kept)):
            yield Contestant(name, item, told, f"{size[1]}x{size[0]}", way, count, dataset.__getitem__)
    yield from scans(root_of("kitti", real, profile))


def scans(root: Path) -> Iterator[Contestant]:
    """Reading a laser scan, and projecting it."""
    if not root.is_dir():
        return
    told = "miniature" if is_miniature(root) else "real"
    reader = kitti_with_scans(root, REAL_SIZE, "velodyne")
    tree, frames = reader.tree, reader.frames[:MOST_SAMPLES]
    paths = [tree.velodyne(f.folder, f.frame) for f in frames]
    points = [read_velodyne(path) for path in paths]
    cameras = [
        (
            tree.calibration(f.folder).velodyne_projection(f.side, tree.velodyne_to_camera(f.folder)),
            *tree.calibration(f.folder).size[f.side],
        )
        for f in frames
    ]
    width, height = cameras[0][1:]
    size = f"{width}x{height}, {len(points[0])} points"
    yield Contestant("velodyne", "scan read", told, size, "files", len(frames), lambda i: read_velodyne(paths[i]))
    for name, forward in (("x", True), ("z", False)):
        yield Contestant(
            "velodyne",
            f"scan projected, {name}",
            told,
            size,
            "files",
            len(frames),
            lambda i, forward=forward: project_velodyne(points[i], *cameras[i], forward),
        )


def require_same(ours, theirs) -> None:
    """Both samples are equal bit for bit."""
    for name, value in vars(ours).items():
        other = getattr(theirs, name)
        same = torch.equal(value, other) if isinstance(value, torch.Tensor) else value == other
        assert same, f"{ours.name}: {name} differs between the files and what was prepared"


def table(measured: list[Contestant]) -> pd.DataFrame:
    """A row a contestant, with provenance."""
    rows = []
    for one in measured:
        median = statistics.median(one.seconds)
        files = next(x for x in measured if (x.name, x.item) == (one.name, one.item) and x.way == "files")
        rows.append(
            {
                "reader": one.name,
                "item": one.item,
                "data": one.data,
                "size": one.size,
                "way": one.way,
                "ms_per_item": 1e3 * median,
                "items_per_s": 1 / median,
                "times_faster": statistics.median(files.seconds) / median,
                "samples": one.count,
                "repeats": len(one.seconds),
                **provenance("cpu"),
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Measure, print, and write rows where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, default=REPOSITORY.parent / "shared" / "data", help="real samples")
    parser.add_argument("--profile", choices=tuple(PROFILES), default="quick", help="of the miniatures")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the rows to this CSV file")
    options = parser.parse_args()
    if options.repeats < LEAST_REPEATS:
        parser.error(f"--repeats must be {LEAST_REPEATS} or more")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as prepared:
        measured = list(contestants(options.real.expanduser(), options.profile, Path(prepared)))
        for one in measured:
            one.run()  # warms caches up
        for _ in range(options.repeats):
            for one in measured:
                one.seconds.append(one.run())
    rows = table(measured)
    told = ["reader", "item", "data", "size", "way", "ms_per_item", "items_per_s", "times_faster", "samples"]
    with pd.option_context("display.width", 200, "display.float_format", "{:.2f}".format):
        print(rows[told].to_string(index=False))
    print(
        f"1 process, 1 thread, {rows['device'][0]}, load {os.getloadavg()[0]:.1f}, round-robin, median of "
        f"{options.repeats}; prepared samples equal the readers' bit for bit"
    )
    if options.out:
        write_csv(options.out.expanduser(), rows)


if __name__ == "__main__":
    main()
