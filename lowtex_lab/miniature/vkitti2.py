"""The miniature world in Virtual KITTI 2's own layout.

``SceneXX/<variation>/frames/{rgb,depth}/Camera_{0,1}/`` with ``rgb_%05d.jpg`` and ``depth_%05d.png`` (uint16
centimetres along the optical axis, sky 65535), ``SceneXX/<variation>/{intrinsic,extrinsic}.txt`` as in the textgt
archive, and two folders that the real data set does not have: ``lowtexContrast/Camera_c/contrast_%05d.png`` (uint16,
1 unit = 1e-4 of texture contrast) and ``lowtexVisible/Camera_c/visible_%05d.png`` (uint8, 255 = the other camera sees
the point too). Layout: Cabon, Murray, Humenberger, arXiv 2001.10773.
"""

import math
import re
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from lowtex.errors import OptionError
from lowtex.files import write_text
from lowtex.geometry import StereoRig
from lowtex_lab.miniature.render import VKITTI2_RIG, Scene, beside, render
from lowtex_lab.miniature.weather import VARIATIONS
from lowtex_lab.miniature.writing import Target, as_bgr8, check_counts, check_size, fill, write_image

CONTRAST_UNITS = 10000
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 99, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
_README = """Layout of Virtual KITTI 2 (SceneXX/<variation>/frames/...), with two folders of our own beside rgb and
depth: lowtexContrast (uint16, 1/10000 of the standard deviation of albedo) and lowtexVisible (255 = seen by both)."""


def write_vkitti2(
    root: str | Path,
    frames: dict[str, int],
    size: tuple[int, int] = (96, 320),
    seed: int = 0,
    progress: bool = True,
    variation_frames: dict[str, int] | None = None,
) -> Path:
    """Write scenes in Virtual KITTI 2's layout.

    A finished root with the same parameters is left as it is; an interrupted one is carried on with.

    Args:
        root: folder to write, new, empty or written by this function before.
        frames: number of frames of each scene, e.g. ``{"Scene02": 60}``; names are ``Scene`` and two digits.
        size: (height, width) of the images; the cameras are Virtual KITTI 2's, scaled to it.
        seed: of the whole world.
        progress: show a bar.
        variation_frames: number of frames, from the first one on, that these scenes have in every other one of
            `lowtex_lab.miniature.VARIATIONS`; all scenes have all their frames in clone. A frame of one number shows
            the same place in all variations. None means no other variation.

    Returns:
        ``root`` as a path.

    Raises:
        OptionError: an option is out of range, or the folder holds something else.
        DataError: the disk is full or the folder cannot be written.
    """
    frames = check_counts("frames", frames)
    more = check_counts("variation_frames", variation_frames) if variation_frames else {}
    for option, names in (("frames", frames), ("variation_frames", more)):
        for name in names:
            if not re.fullmatch(r"Scene\d\d", name):
                raise OptionError(f"{option}: {name!r} is no scene name; Virtual KITTI 2 names are like Scene02")
    size = check_size(size)
    counts = {"frames": frames, "variations": ["clone"], "variation_frames": more}
    target = Target(root, _README, ["Scene[0-9][0-9]"], layout="vkitti2", size=size, seed=int(seed), **counts)
    rig = VKITTI2_RIG.resized(size[1], size[0])

    def jobs() -> list[tuple]:
        parts = [(name, "clone", count) for name, count in frames.items()]
        parts += [(name, other, count) for name, count in more.items() for other in VARIATIONS if other != "clone"]
        found = []
        for name, variation, count in parts:
            scene, folder = Scene(name, int(seed)), target.root / name / variation
            _write_cameras(folder, scene, count, variation, rig)
            found += [(_paths(folder / "frames", frame), scene, frame, variation, size) for frame in range(count)]
        return found

    fill([target], jobs, _write_frame, "Virtual KITTI 2 miniature", progress)
    return target.root


def _paths(frames: Path, frame: int) -> dict[tuple[str, int], Path]:
    """By kind and camera: rgb, depth, lowtexContrast and lowtexVisible of 0 (left) and 1 (right)."""
    paths = {}
    for camera in (0, 1):
        for kind, suffix in (("rgb", "jpg"), ("depth", "png"), ("lowtexContrast", "png"), ("lowtexVisible", "png")):
            stem = kind.removeprefix("lowtex").lower()
            paths[kind, camera] = frames / kind / f"Camera_{camera}" / f"{stem}_{frame:05d}.{suffix}"
    return paths


def _write_frame(paths: dict, scene: Scene, frame: int, variation: str, size: tuple[int, int]) -> None:
    pair = render(scene, frame, size, variation)
    views = (
        (pair.left, pair.depth_left, pair.contrast_left, pair.visible_left),
        (pair.right, pair.depth_right, pair.contrast_right, pair.visible_right),
    )
    for camera, (image, depth, contrast, visible) in enumerate(views):
        write_image(paths["rgb", camera], as_bgr8(image), *JPEG)
        write_image(paths["depth", camera], centimetres(depth))
        contrast_units = (contrast[0] * CONTRAST_UNITS).round().numpy().astype(np.uint16)
        write_image(paths["lowtexContrast", camera], contrast_units)
        write_image(paths["lowtexVisible", camera], visible[0].byte().mul(255).numpy())


def centimetres(depth: Tensor) -> np.ndarray:
    """Depth ``(1, H, W)`` metres, 0 = sky -> uint16 centimetres, 65535 = sky or farther than 655.34 m."""
    value = (depth[0].double() * 100).round().clamp(max=65535).numpy()
    return np.where(depth[0].numpy() > 0, np.maximum(value, 1), 65535).astype(np.uint16)


def _write_cameras(folder: Path, scene: Scene, count: int, variation: str, rig: StereoRig) -> None:
    """intrinsic.txt (pixels) and extrinsic.txt (world to camera; both with x right, y down, z forward, metres)."""
    intrinsic = ["frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]"]
    extrinsic = ["frame cameraID r1,1 r1,2 r1,3 t1 r2,1 r2,2 r2,3 t2 r3,1 r3,2 r3,3 t3 0 0 0 1"]
    for frame in range(count):
        place, heading = scene.pose(frame, variation)
        cos, sin = math.cos(heading), math.sin(heading)
        turn = np.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]])
        for camera in (0, 1):
            x, y, z = beside(place, heading, camera * rig.baseline_m)
            matrix = np.eye(4)
            matrix[:3, :3], matrix[:3, 3] = turn, -turn @ np.array([x, -y, z])
            values = " ".join(f"{value:.9g}" for value in (matrix + 0.0).reshape(-1))
            intrinsic.append(f"{frame} {camera} {rig.focal_px:.9g} {rig.fy:.9g} {rig.cx:.9g} {rig.cy:.9g}")
            extrinsic.append(f"{frame} {camera} {values}")
    write_text(folder / "intrinsic.txt", "\n".join(intrinsic) + "\n")
    write_text(folder / "extrinsic.txt", "\n".join(extrinsic) + "\n")
