"""KITTI raw: stereo pairs of the colour cameras, with the laser as sparse ground truth."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from lowtex.datasets.calibration import SIDES
from lowtex.datasets.kitti_layout import KITTI_RAW_WAY_OUT, KittiTree
from lowtex.datasets.reader import (
    DIRECTIONS,
    StereoReader,
    checked_camera,
    checked_size,
    depth_tensor,
    report_missing,
    tolerates_missing,
)
from lowtex.datasets.sample import StereoSample
from lowtex.datasets.splits import KITTI_SPLITS, ListedFrame, find_split
from lowtex.datasets.velodyne import project_velodyne, read_velodyne
from lowtex.errors import DataError, OptionError, require_choice
from lowtex.geometry import StereoRig
from lowtex.progress import count


class KittiRaw(StereoReader):
    """KITTI raw data (Geiger, Lenz, Stiller, Urtasun, IJRR 2013), CC BY-NC-SA 3.0.

    Get it, after registration, from https://www.cvlibs.net/datasets/kitti/raw_data.php: for each drive the archive
    "synced+rectified data", for each date "calibration". The whole set is about 175 GB; the images alone serve for
    training, ``image_02`` alone for evaluation (``views=False``).

    Layout under ``root`` (other ways of unpacking: see `KittiTree`)::

        2011_09_26/calib_cam_to_cam.txt
        2011_09_26/calib_velo_to_cam.txt
        2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000005.png   left colour camera (or .jpg)
        2011_09_26/2011_09_26_drive_0001_sync/image_03/data/0000000005.png   right colour camera
        2011_09_26/2011_09_26_drive_0001_sync/velodyne_points/data/0000000005.bin

    Args:
        root: that folder.
        split: ``train``, ``val`` (of ``eigen_full``), ``test`` (``eigen/test``, 697 images), any other packaged list
            (`KITTI_SPLITS`), a list of the root (``splits/<name>.txt``), ``available``, or the path of a list.
        size: ``(H, W)`` the images are area-averaged to, or None for native size, which differs by date.
        depth: ``velodyne``: the laser's forward distance, the community's Eigen ground truth; ``velodyne_z``: the
            camera's z, about 0.27 m less; None: none is read.
        views: also give the other camera's image.
        camera: ``left``, ``right`` or ``both``; None takes the list's own choice, and left in ``available``.
        depth_required: a frame without a scan is an error. None: only in test lists; in others its depth is None.

    A sample's depth has the camera's native size, 0 = no point. Images are 8-bit before and after resizing.

    Raises:
        DataError: the root is not KITTI raw, files of the split are missing (counted), and, when a sample is read,
            a file is damaged or does not fit the calibration.
        OptionError: an unknown split or option.
    """

    way_out = KITTI_RAW_WAY_OUT
    aliases = {"train": "eigen_full/train", "val": "eigen_full/val", "test": "eigen/test"}

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        size: Sequence[int] | None = (96, 320),
        depth: str | None = "velodyne",
        views: bool = True,
        camera: str | None = None,
        depth_required: bool | None = None,
    ):
        require_choice("depth", depth, ("velodyne", "velodyne_z", None))
        self.depth = depth
        self._open(root, root, split, size, views, camera, depth_required)

    def _open(self, root, raw_root, split, size, views, camera, depth_required) -> None:
        self.size, self.views = checked_size(size), views
        sides = checked_camera(camera)
        self.tree = KittiTree(raw_root)
        self.root = Path(root).expanduser()
        found = find_split(split, self.root, tuple(KITTI_SPLITS), self.aliases)
        self.split = found.name
        self.depth_required = found.is_test if depth_required is None else depth_required
        if found.frames is None:
            self.frames = self._available(sides or "l")
            if not self.frames:
                raise DataError(f"{self.root} holds no complete frame ({self._images_there()}); {self.way_out}")
        else:
            self.frames = [f for f in found.frames if sides is None or f.side in sides]
            if not self.frames:
                raise OptionError(f"camera={camera!r} leaves no frame of split {self.split!r}")
            self._check_listed()
        self.names = [f"{f.folder.split('/')[1]}/{f.frame:010d}/{f.side}" for f in self.frames]
        for folder in () if tolerates_missing() else sorted({f.folder for f in self.frames}):
            self.tree.calibration(folder)

    @property
    def ground_truth(self) -> str | None:
        """Kind of ground truth that the samples have, a name of `lowtex.evaluation.protocols.GROUND_TRUTHS`."""
        return "velodyne_x" if self.depth == "velodyne" else self.depth

    def needed(self, index: int) -> list[Path]:
        """The target view, its partner, the calibration, then the ground truth's files; see `StereoReader.needed`."""
        f = self.frames[index]
        sides = (f.side, _other(f.side)) if self.views else f.side
        views = [self.tree.image(f.folder, f.frame, side) for side in sides]
        return [*views, self.tree.calibration_file(f.folder, "calib_cam_to_cam.txt"), *self._needed_for_depth(f)]

    def _needed_for_depth(self, f: ListedFrame) -> list[Path]:
        if self.depth is None or not (self.depth_required or f.frame in self.tree.scans(f.folder)):
            return []
        return [
            self.tree.velodyne(f.folder, f.frame),
            self.tree.calibration_file(f.folder, "calib_velo_to_cam.txt"),
        ]

    def _available(self, sides: str) -> list[ListedFrame]:
        frames = []
        for drive in self.tree.drives:
            folder = f"{drive[:10]}/{drive}"
            for side in sides:
                complete = set(self.tree.images(folder, side))
                if self.views:
                    complete &= set(self.tree.images(folder, _other(side)))
                frames += [ListedFrame(folder, frame, side) for frame in complete]
        return sorted(frames)

    def _images_there(self) -> str:
        """``image_02: 5 images, image_03: 0 images``, of all drives: which view is missing."""
        folders = [f"{drive[:10]}/{drive}" for drive in self.tree.drives]
        counts = {SIDES[side]: sum(len(self.tree.images(folder, side)) for folder in folders) for side in "lr"}
        needs = "; a pair needs both" if self.views else ""
        return ", ".join(f"image_{side}: {count(number, 'image')}" for side, number in counts.items()) + needs

    def _check_listed(self) -> None:
        missing = []
        for f in self.frames:
            sides = (f.side, _other(f.side)) if self.views else f.side
            gone = [side for side in sides if f.frame not in self.tree.images(f.folder, side)]
            missing += [self.tree.image(f.folder, f.frame, gone[0])] if gone else []
        report_missing(missing, len(self.frames), self.split, "frames", self.way_out)

    def _read(self, index: int) -> StereoSample:
        f = self.frames[index]
        calibration = self.tree.calibration(f.folder)
        other = self.tree.image(f.folder, f.frame, _other(f.side)) if self.views else None
        target = self.tree.image(f.folder, f.frame, f.side)

        def native_rig(path: Path, width: int, height: int) -> StereoRig:
            if calibration.size[f.side] != (width, height):
                says = "{}x{}".format(*calibration.size[f.side])
                raise DataError(
                    f"{path} is {width}x{height} pixels, but {calibration.path} says {says}; a resized copy can't be "
                    f"used with the original calibration: {self.way_out}"
                )
            return calibration.rig(f.side)

        image, other, rig, native = self._views(target, other, native_rig, self.way_out)
        return StereoSample(
            image=image,
            other=other,
            rig=rig,
            direction=DIRECTIONS[f.side],
            name=self.names[index],
            depth=self._depth(f, target, native),
        )

    def _depth(self, f: ListedFrame, target: Path, size: tuple[int, int]) -> Tensor | None:
        """Ground truth of one frame at the camera's native ``size = (H, W)``."""
        if self.depth is None:
            return None
        path = self.tree.velodyne(f.folder, f.frame)
        if not self.depth_required and not path.is_file():
            return None
        points = read_velodyne(path, self.way_out)
        calibration = self.tree.calibration(f.folder)
        projection = calibration.velodyne_projection(f.side, self.tree.velodyne_to_camera(f.folder))
        depth = project_velodyne(points, projection, size[1], size[0], forward=self.depth == "velodyne")
        if not depth.any():
            raise DataError(
                f"{path}: no point falls into {target}; the scan or {calibration.path.parent}/calib_velo_to_cam.txt "
                f"is not the one that belongs here: {self.way_out}"
            )
        return depth_tensor(depth)


def _other(side: str) -> str:
    return "r" if side == "l" else "l"
