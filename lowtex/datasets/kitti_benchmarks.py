"""KITTI's benchmarks of single frames: the pairs of object and road to train on, and stereo 2015 to test on.

Each frame has a calibration of its own, because the frames were taken from drives of several dates.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lowtex.datasets.kitti import KittiCalibration, read_kitti_calibration
from lowtex.datasets.reader import WAYS_OUT, Kind, StereoReader, checked_root, entries, hint_near, tolerates_missing
from lowtex.datasets.splits import AVAILABLE, Frame
from lowtex.datasets.stereo_folder import read_stems
from lowtex.errors import DataError, require_choice
from lowtex.geometry import StereoRig, disparity_to_depth

MAIN_DATE_FOCAL_PX = 721.5377
"""Focal length of the recording date 2011_09_26 at native size; those of the other four dates are 707 to 719 px."""

PARTS = {"by_date/train": True, "by_date/val": False}
"""Named splits of the pairs, and whether they hold the frames of 2011_09_26."""

_NUMBER = r"((?:[a-z]+_)?\d{6})"


class KittiPairs(StereoReader):
    """Pairs of KITTI's object and road benchmarks (Geiger, Lenz, Urtasun, CVPR 2012; Fritsch, Kuehnl, Geiger, ITSC
    2013), CC BY-NC-SA 3.0: colour pairs to train on, without ground truth.

    Get, after registration, left and right colour images and the camera calibration from
    https://www.cvlibs.net/datasets/kitti/eval_object.php or eval_road.php.

    These benchmarks, stereo 2015 and the Eigen test list are cut from the same recordings, and the files do not say
    from which drive: a frame may show the place of a test frame. Where you know which, leave them out by a list.

    Layout under ``root``, or under ``root/training``; frames of both benchmarks may lie side by side::

        training/image_2/000007.png       left colour camera (or .jpg); of the road benchmark um_000007.png
        training/image_3/000007.png       right colour camera
        training/calib/000007.txt         P2 and P3 of that frame

    Args:
        root: that folder.
        split: ``train`` and ``val`` are parts by recording date: the frames of 2011_09_26 and those of all other
            dates. The date is told by the focal length in a frame's calibration; drives are not told by the files, so
            only a whole date keeps neighbouring frames together. ``all``: every frame. ``available``: the complete
            ones. Else a list of the root (``splits/<name>.txt``), or the path of a text file, with lines ``um_000007``.
        size: ``(H, W)`` the images are area-averaged to, or None for native size, which differs by date.
        camera: ``left``, ``right`` or ``both``; None is left.
        views: also give the other camera's image.

    Raises:
        DataError: the root holds no such frame, files of the split are missing (counted), and, when a sample is read,
            a file is damaged or does not fit the calibration.
        OptionError: an unknown split or option.
    """

    way_out = WAYS_OUT["kitti_pairs"]
    number = str
    known = ("all", *PARTS)
    aliases = {name.rpartition("/")[2]: name for name in PARTS}
    cameras = {"l": 2, "r": 3}
    layout = {
        "image": Kind("image_{camera}", rf"{_NUMBER}\.(?:png|jpg|jpeg)", "{frame}.png"),
        "calibration": Kind("calib", rf"{_NUMBER}\.txt", "{frame}.txt"),
    }

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        size: Sequence[int] | None = (96, 320),
        camera: str | None = None,
        views: bool = True,
    ):
        self.views = views
        self.root = checked_root(root, self.way_out)
        if not any(self.files("image", Frame("", "", side)) for side in self.cameras):
            hint = hint_near(
                self.root, lambda inner: {"training", "image_2"} & {*entries(inner)}, ("image_2", "image_3")
            )
            raise DataError(f"{self.root} holds no frame in training/image_2/{hint}; {self.way_out}")
        self._open(split, size, camera, read_stems)

    def places(self, kind: str, f: Frame) -> list[Path]:
        """See `StereoReader.places`."""
        return [self.root / "training", self.root]

    def _found(self, sides: str) -> list[Frame]:
        views = [self.files("image", Frame("", "", side)) for side in ("lr" if self.views else sides)]
        frames = self._listed(sorted(set().union(*views)), sides)
        if self.split == AVAILABLE:
            return [f for f in frames if not self.missing(f)]
        return [f for f in frames if self.split not in PARTS or self._is_of(self.split, f)]

    def _is_of(self, part: str, f: Frame) -> bool:
        """Whether a frame is of that part; of all, where its date can't be told and nothing is to be read yet."""
        try:
            focal = self.calibration(f).projection["l"][0, 0]
        except DataError:
            if tolerates_missing():
                return True
            raise
        return (abs(focal - MAIN_DATE_FOCAL_PX) < 0.01) == PARTS[part]

    def _kinds(self, f: Frame) -> Sequence[str]:
        return ("calibration",)

    def calibration(self, f: Frame) -> KittiCalibration:
        """Calibration of a frame."""
        path = self.file("calibration", f)
        return self._once(path, lambda: read_kitti_calibration(path, self.way_out))

    def rig(self, f: Frame, image: Path, width: int, height: int) -> StereoRig:
        return self.calibration(f).fitted(f.side, image, width, height, self.way_out)


class Kitti2015(KittiPairs):
    """KITTI stereo 2015 (Menze, Geiger, CVPR 2015), CC BY-NC-SA 3.0: 200 pairs with the laser's disparity, to test on.

    Get, after registration, the archive ``data_scene_flow`` and its calibration files from
    https://www.cvlibs.net/datasets/kitti/eval_scene_flow.php?benchmark=stereo.

    Layout under ``root``, or under ``root/training``; the frames ``_11`` of the flow benchmark are not read::

        training/image_2/000007_10.png            left colour camera (or .jpg); image_3 the right one
        training/disp_noc_0/000007_10.png         16 bit, 256 units a pixel, 0 = none; disp_occ_0 with occluded pixels
        training/calib_cam_to_cam/000007.txt      as in KITTI raw, of that frame

    Args:
        root: that folder.
        split: ``test``, every frame of the root (of one that has fewer than 200, ``split`` and so every row says how
            many: ``test, 19 of 200``); ``available``, the complete ones; a list of the root, or the path of a text
            file, with lines ``000007``.
        size, camera, views: as in `KittiPairs`.
        disparity: ``noc``: ground truth where both cameras see the point; ``occ``: occluded points too; None: none is
            read. The right camera has none.

    A sample's depth is focal length x baseline / disparity of its own calibration, metres, at native size, 0 = none.

    Raises:
        DataError: as in `KittiPairs`; also where a map holds no disparity or differs from its image in size.
        OptionError: an unknown split or option.
    """

    way_out = WAYS_OUT["kitti_2015"]
    known = ("test",)
    official = 200
    aliases = {}
    layout = {
        "image": Kind("image_{camera}", r"(\d{6})_10\.(?:png|jpg|jpeg)", "{frame}_10.png"),
        "calibration": Kind("calib_cam_to_cam", r"(\d{6})\.txt", "{frame}.txt"),
        **{kind: Kind(kind, r"(\d{6})_10\.png", "{frame}_10.png") for kind in ("disp_noc_0", "disp_occ_0")},
    }

    def __init__(
        self,
        root: str | Path,
        split: str = "test",
        size: Sequence[int] | None = (96, 320),
        camera: str | None = None,
        views: bool = True,
        disparity: str | None = "noc",
    ):
        require_choice("disparity", disparity, ("noc", "occ", None))
        self.disparity = disparity
        super().__init__(root, split, size, camera, views)

    @property
    def ground_truth(self) -> str | None:
        """Kind of ground truth that the samples have, a name of `lowtex.evaluation.protocols.GROUND_TRUTHS`."""
        return self.disparity and f"disparity_{self.disparity}"

    def _kinds(self, f: Frame) -> Sequence[str]:
        truth = [f"disp_{self.disparity}_0"] if self.disparity and f.side == "l" else []
        return ("calibration", *truth)

    def _truth(self, f: Frame, image: Path, rig: StereoRig) -> dict[str, np.ndarray | Tensor]:
        depth = {}
        for kind in self._kinds(f)[1:]:
            values = self._map(kind, f, image, rig)
            if not values.any():
                raise DataError(f"{self.file(kind, f)} holds no disparity > 0; {self.way_out}")
            known = torch.from_numpy(values.astype(np.float32) / 256.0)
            # where the right principal point lies farther right, a disparity of 0 would be a depth
            depth["depth"] = torch.where(known > 0, disparity_to_depth(known, rig), 0.0)
        return depth
