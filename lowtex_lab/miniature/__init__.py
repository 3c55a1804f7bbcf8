"""The miniature world: deterministic street scenes with known depth, visibility and texture contrast."""

from lowtex_lab.miniature.cityscapes import write_cityscapes
from lowtex_lab.miniature.kitti import write_kitti
from lowtex_lab.miniature.kitti_benchmarks import write_kitti_benchmarks
from lowtex_lab.miniature.make3d import write_make3d
from lowtex_lab.miniature.render import VKITTI2_RIG, WORLD_VERSION, Scene, StereoPair, render
from lowtex_lab.miniature.stereo_folder import write_stereo_folder
from lowtex_lab.miniature.vkitti2 import write_vkitti2
from lowtex_lab.miniature.weather import VARIATIONS
