"""The miniature world: deterministic street scenes with known depth, visibility and texture contrast."""

from lowtex.miniature.cityscapes import write_cityscapes
from lowtex.miniature.kitti import write_kitti
from lowtex.miniature.make3d import write_make3d
from lowtex.miniature.pair import VKITTI2_RIG, WORLD_VERSION, Scene, StereoPair, render
from lowtex.miniature.stereo_folder import write_stereo_folder
from lowtex.miniature.vkitti2 import write_vkitti2
from lowtex.miniature.weather import VARIATIONS

__all__ = [
    "VARIATIONS",
    "VKITTI2_RIG",
    "WORLD_VERSION",
    "Scene",
    "StereoPair",
    "render",
    "write_cityscapes",
    "write_kitti",
    "write_make3d",
    "write_stereo_folder",
    "write_vkitti2",
]
