"""The miniature world: deterministic street scenes with known depth, visibility and texture contrast."""

from lowtex.miniature.kitti import write_kitti
from lowtex.miniature.pair import VKITTI2_RIG, WORLD_VERSION, Scene, StereoPair, render
from lowtex.miniature.vkitti2 import write_vkitti2
from lowtex.miniature.weather import VARIATIONS

__all__ = [
    "VARIATIONS",
    "VKITTI2_RIG",
    "WORLD_VERSION",
    "Scene",
    "StereoPair",
    "render",
    "write_kitti",
    "write_vkitti2",
]
