"""KITTI's improved ground truth: eleven accumulated scans, checked against stereo, beside the raw images."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from lowtex.datasets.images import read_gray_png
from lowtex.datasets.kitti import KITTI_RAW_WAY_OUT, SIDES, KittiRaw, KittiTree
from lowtex.datasets.reader import checked_root, depth_tensor, entries, numbered, require_size, tolerates_missing
from lowtex.datasets.splits import KITTI_SPLITS, ListedFrame, find_split
from lowtex.errors import DataError

KITTI_DEPTH_WAY_OUT = (
    "KITTI's improved ground truth (CC BY-NC-SA 3.0, free for research after registration): get the archive 'annotated "
    "depth maps' from https://www.cvlibs.net/datasets/kitti/eval_depth.php?benchmark=depth_prediction and unpack it "
    "into the root, as train/<drive>/proj_depth/groundtruth/image_02/"
)

_MAP = re.compile(r"(\d+)\.png", re.IGNORECASE)
_DATE = re.compile(r"\d{4}_\d{2}_\d{2}")


class KittiImproved(KittiRaw):
    """KITTI's improved depth maps (Uhrig et al., "Sparsity Invariant CNNs", 3DV 2017), CC BY-NC-SA 3.0.

    Get "annotated depth maps" (14 GB), after registration, from
    https://www.cvlibs.net/datasets/kitti/eval_depth.php?benchmark=depth_prediction. The images are those of KITTI raw
    (`KittiRaw`): the maps come without any.

    Layout under ``root``; the level ``train/`` or ``val/`` may be left out, or be ``<date>/``::

        train/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000005.png

    A map is a 16-bit PNG: metres = value / 256, 0 = no ground truth. The first and last five frames of a drive have
    none; ``eigen_benchmark/test`` lists the 652 of the 697 Eigen test images that do.

    Args:
        root: that folder.
        split: as in `KittiRaw`, but ``test`` is ``eigen_benchmark/test``, and ``available`` is every annotated frame
            whose images are there.
        size: ``(H, W)`` of the images, or None for native size; the maps keep theirs.
        raw_root: folder of KITTI raw; by default ``kitti_raw`` beside ``root``, else ``root`` itself.
        views, camera, depth_required: as in `KittiRaw`.

    Raises:
        DataError: as in `KittiRaw`; also where a map and its image differ in size.
    """

    aliases = {**KittiRaw.aliases, "test": "eigen_benchmark/test"}

    def __init__(
        self,
        root: str | Path,
        split: str = "test",
        size: Sequence[int] | None = (96, 320),
        raw_root: str | Path | None = None,
        views: bool = True,
        camera: str | None = None,
        depth_required: bool | None = None,
    ):
        depth_root = self._find_levels(root)
        self._open(depth_root, _raw_root(depth_root, raw_root), split, size, views, camera, depth_required)

    def _find_levels(self, root: str | Path) -> Path:
        root = checked_root(root, KITTI_DEPTH_WAY_OUT)
        self.depth = "improved"
        self._levels = [
            root / above / level for above in ("", "data_depth_annotated") for level in ("train", "val", "")
        ]
        self._maps: dict[tuple[str, str], dict[int, Path]] = {}
        return root

    def maps(self, folder: str, side: str) -> dict[int, Path]:
        """Depth maps of one camera of ``<date>/<drive>`` by frame number."""
        key = folder, side
        if key not in self._maps:
            found = [numbered(data, _MAP) for data in self._map_folders(folder, side)]
            self._maps[key] = {number: path for maps in found for number, path in maps.items()}
        return self._maps[key]

    def _map_folders(self, folder: str, side: str) -> list[Path]:
        date, drive = folder.split("/")
        inner = Path("proj_depth") / "groundtruth" / f"image_{SIDES[side]}"
        return [level / drive / inner for level in self._levels] + [self.root / date / drive / inner]

    def _available(self, sides: str) -> list[ListedFrame]:
        # no frame without its map; KITTI raw alone would offer those too
        frames = [f for f in super()._available(sides) if f.frame in self.maps(f.folder, f.side)]
        if not frames:
            raise DataError(
                f"no depth map in {self.root} belongs to an image in {self.tree.root}; {KITTI_DEPTH_WAY_OUT}"
            )
        return frames

    def _check_listed(self) -> None:
        super()._check_listed()
        gone = [f for f in self.frames if f.frame not in self.maps(f.folder, f.side)] if self.depth_required else []
        if gone and not tolerates_missing():
            raise DataError(
                f"{len(gone)} of {len(self.frames)} depth maps of split {self.split!r} are missing, first: "
                f"{self._usual(gone[0])}; 'eigen_benchmark/test' lists the test images that have one. "
                f"{KITTI_DEPTH_WAY_OUT}"
            )

    def _usual(self, f: ListedFrame) -> Path:
        folders = self._map_folders(f.folder, f.side)
        # the first folder that is there tells which arrangement this root has
        folder = next((data for data in folders if data.is_dir()), folders[0])
        return folder / f"{f.frame:010d}.png"

    def _needed_for_depth(self, f: ListedFrame) -> list[Path]:
        path = self.maps(f.folder, f.side).get(f.frame)
        if path is None and not self.depth_required:
            return []
        return [path or self._usual(f)]

    def _depth(self, f: ListedFrame, target: Path, size: tuple[int, int]) -> Tensor | None:
        path = self.maps(f.folder, f.side).get(f.frame)
        if path is None and not self.depth_required:
            return None
        values = read_gray_png(path or self._usual(f), 16, KITTI_DEPTH_WAY_OUT)
        require_size(path, values.shape, target, size, KITTI_DEPTH_WAY_OUT)
        return depth_tensor(values.astype(np.float32) / 256.0)


class DepthMaps(KittiImproved):
    """The maps alone, for checks where the images are not at hand: `needed` names them, reading fails.

    Args:
        root, split: as in `KittiImproved`; ``available`` is every map of the left camera.

    Raises:
        DataError: there is no map in the root.
        OptionError: an unknown split.
    """

    def __init__(self, root: str | Path, split: str = "test"):
        self.root, self.size, self.views = self._find_levels(root), None, False
        found = find_split(split, self.root, tuple(KITTI_SPLITS), self.aliases)
        self.split = found.name
        self.depth_required = found.is_test
        there = sorted({f"{name[:10]}/{name}" for level in self._all_levels() for name in entries(level)})
        maps = [ListedFrame(folder, frame, "l") for folder in there for frame in sorted(self.maps(folder, "l"))]
        if not maps:
            raise DataError(f"{self.root} holds no depth map; {KITTI_DEPTH_WAY_OUT}")
        self.frames = maps if found.frames is None else found.frames
        self.names = [f"{f.folder.split('/')[1]}/{f.frame:010d}/{f.side}" for f in self.frames]

    def _all_levels(self) -> list[Path]:
        dates = [self.root / name for name in entries(self.root) if _DATE.fullmatch(name)]
        return [level for level in (*self._levels, *dates) if level.is_dir()]

    def needed(self, index: int) -> list[Path]:
        """The map."""
        return self._needed_for_depth(self.frames[index])


def _raw_root(depth_root: Path, raw_root: str | Path | None) -> Path:
    if raw_root is not None:
        return Path(raw_root)
    beside = depth_root.resolve().parent / "kitti_raw"
    if beside.is_dir():
        return beside
    try:
        return KittiTree(depth_root).root
    except DataError as error:
        raise DataError(
            f"the images of {depth_root} are not found: neither {beside} nor {depth_root} holds KITTI raw; "
            f"name its folder with --data kitti=FOLDER. {KITTI_RAW_WAY_OUT}"
        ) from error
