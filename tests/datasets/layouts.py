"""The eight layouts as one table: how each is written, and what its samples are known to hold."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import dataset_trees as trees
import numpy as np
from dataset_trees import DRIVE, FRAMES, HEIGHT, IDS, WIDTH

from lowtex.datasets.make3d import NOMINAL_RIG
from lowtex.geometry import StereoRig

Known = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]
"""The view of a sample and the other one, ``(H, W, 3)`` uint8, and depth ``(h, w)``, metres."""


def other(side: str) -> str:
    return "r" if side == "l" else "l"


def laser(side: str) -> np.ndarray:
    """Depth along z of `trees.scan`: the right camera sees each point focal x baseline / depth pixels further left."""
    depth = np.zeros((HEIGHT, WIDTH), np.float32)
    if side == "l":
        depth[5, 7], depth[6, 8], depth[-1, -1] = 10, 9, 40
    else:
        depth[5, 5], depth[6, 6], depth[6, 7], depth[5, 38], depth[-1, -1] = 10, 9, 20, 10, 40
    return depth


def kitti(name: str) -> Known:
    _, frame, side = name.split("/")
    views = (trees.picture(trees.seed_of(int(frame), s)) for s in (side, other(side)))
    return *views, laser(side)


def kitti_improved(name: str) -> Known:
    _, frame, side = name.split("/")
    return *kitti(name)[:2], trees.depth_values(trees.seed_of(int(frame), side)) / np.float32(256)


def kitti_pairs(name: str) -> Known:
    frame, side = name.split("/")
    return *(trees.picture(trees.seed_of(int(frame[-6:]), s)) for s in (side, other(side))), None


def kitti_2015(name: str) -> Known:
    frame, side = name.split("/")
    disparity = trees.kitti_disparity(int(frame)) / 256
    depth = np.where(disparity > 0, trees.FOCAL * trees.BASELINE / disparity.clip(1e-9), 0)
    return *kitti_pairs(name)[:2], depth if side == "l" else None


def vkitti2(name: str) -> Known:
    seeds = [10 * int(name.split("/")[2]) + (side == "r") for side in (name[-1], other(name[-1]))]
    depth = trees.depth_values(seeds[0]) / np.float32(100)
    depth[0] = 0  # the sky
    return *map(trees.picture, seeds), depth


def cityscapes(name: str) -> Known:
    city, frame, side = name.split("/")[1].split("_")[0], int(name[-8:-2]), name[-1]
    views = [trees.city_view(city, frame, s) for s in (side, other(side))]
    disparity = (trees.disparity_values(frame).astype(np.float64) - 1) / 256
    depth = np.where(disparity > 0, trees.CITY_FX * trees.CITY_BASELINE / disparity.clip(1e-9), 0)
    return *views, depth if side == "l" else None


def make3d(name: str) -> Known:
    number = IDS.index(name)
    image = np.full((8, 16, 3), (50, 90, 130), np.uint8) + np.uint8(10 * number)
    return image, None, trees.grid_values(number)[:, :, 3]


def stereo(name: str) -> Known:
    stem, side = name.split("/")
    views = (trees.stereo_view(stem, s) for s in (side, other(side)))
    return *views, trees.stereo_depth(stem) if side == "l" else None


def write_improved(root: Path, raw: str | None = "../kitti_raw", raw_frames=FRAMES, **tree) -> None:
    if raw is not None:
        trees.write_kitti(root / raw, frames=raw_frames, scans=())
    trees.write_kitti_depth(root, **tree)


def write_own(root: Path, truth: str | None = ".npy", **tree) -> None:
    trees.write_stereo(root, truth=truth, **tree)


_RIG = StereoRig(
    trees.FOCAL, trees.BASELINE, focal_y_px=trees.FOCAL, cx=trees.CX, cy=trees.CY, width=WIDTH, height=HEIGHT
)


class Layout(NamedTuple):
    """How a data set is written and read.

    Attributes:
        write: takes the root, and how the tree is arranged.
        known: what a sample holds, by its name.
        names: of all samples, without the side.
        options: that give all samples at native size, uncropped.
        trees: ways to arrange the tree.
        rig: of the left camera.
    """

    write: Callable
    known: Callable[[str], Known]
    names: list[str]
    options: dict
    trees: list[dict]
    rig: StereoRig = _RIG


_BOTH = {"split": "available", "size": None, "camera": "both"}
_TOGETHER_OR_APART = [{}, {"apart": True}]

LAYOUTS = {
    "kitti": Layout(
        trees.write_kitti,
        kitti,
        [f"{DRIVE}/{frame:010d}" for frame in FRAMES],
        {**_BOTH, "depth": "velodyne_z"},
        [{"arrangement": name} for name in ("date", "archives", "drive")],
    ),
    "kitti_improved": Layout(
        write_improved,
        kitti_improved,
        [f"{DRIVE}/{frame:010d}" for frame in FRAMES[1:]],
        _BOTH,
        [{"above": above, "frames": FRAMES[1:]} for above in ("train", "val", "", "data_depth_annotated/val")],
    ),
    "kitti_pairs": Layout(
        trees.write_kitti_pairs,
        kitti_pairs,
        list(trees.PAIRS),
        {**_BOTH, "split": "all"},
        [{"above": above} for above in ("training", "")],
    ),
    "kitti_2015": Layout(
        trees.write_kitti_2015,
        kitti_2015,
        ["000000", "000007"],
        {**_BOTH, "split": "test"},
        [{"above": above} for above in ("training", "")],
    ),
    "vkitti2": Layout(
        trees.write_vkitti2,
        vkitti2,
        [f"Scene01/clone/{frame:05d}" for frame in range(2)] + ["Scene20/clone/00000"],
        {**_BOTH, "split": "test"},
        _TOGETHER_OR_APART,
        replace(_RIG, baseline_m=0.6, cx=trees.CX - 0.5, cy=trees.CY - 0.5),
    ),
    "cityscapes": Layout(
        trees.write_cityscapes,
        cityscapes,
        ["train/aachen_000003_000001", "train/aachen_000003_000019", "train/bad-honnef_000003_000007"],
        {**_BOTH, "split": "train", "crop": None},
        _TOGETHER_OR_APART,
        StereoRig(**trees.CITY_RIG),
    ),
    "make3d": Layout(
        trees.write_make3d,
        make3d,
        sorted(IDS),
        {"split": "test", "size": (8, 16), "crop": None},
        [{"grids": grids} for grids in ("Gridlaserdata", "Test134Depth/Gridlaserdata", "Test134/Gridlaserdata")],
        NOMINAL_RIG,
    ),
    "stereo": Layout(
        write_own,
        stereo,
        list(trees.STEMS),
        {**_BOTH, "split": "all"},
        [{"focal_y_px": 31.0, "cx_right": 18.0}],
        StereoRig(**{**trees.RIG, "focal_y_px": 31.0, "cx_offset_px": 2.5}),
    ),
}
