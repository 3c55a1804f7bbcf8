"""Where each data set comes from: its licence, its page, and what to get there."""

from dataclasses import dataclass

from lowtex.datasets.cityscapes import CITYSCAPES_WAY_OUT
from lowtex.datasets.kitti import KITTI_DEPTH_WAY_OUT, KITTI_RAW_WAY_OUT
from lowtex.datasets.make3d import MAKE3D_WAY_OUT
from lowtex.datasets.stereo_folder import STEREO_WAY_OUT
from lowtex.datasets.virtual_kitti2 import VKITTI2_WAY_OUT


@dataclass(frozen=True)
class Origin:
    """Where a data set comes from.

    Attributes:
        title: its name.
        licence: its licence or terms, in a few words; the page has the whole text.
        way_out: the page, the archives to get there, and where to unpack them.
    """

    title: str
    licence: str
    way_out: str


ORIGINS = {
    "vkitti2": Origin("Virtual KITTI 2", "non-commercial, see its page", VKITTI2_WAY_OUT),
    "kitti": Origin("KITTI raw", "CC BY-NC-SA 3.0, registration", KITTI_RAW_WAY_OUT),
    "kitti_depth": Origin("KITTI improved ground truth", "CC BY-NC-SA 3.0, registration", KITTI_DEPTH_WAY_OUT),
    "make3d": Origin("Make3D", "research use", MAKE3D_WAY_OUT),
    "cityscapes": Origin("Cityscapes", "non-commercial, registration", CITYSCAPES_WAY_OUT),
    "stereo": Origin("your own stereo pairs", "yours", STEREO_WAY_OUT),
}
"""By the names that `lowtex.data_paths.DATASETS` has."""
