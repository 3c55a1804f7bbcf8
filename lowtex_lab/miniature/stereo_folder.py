"""The miniature world as somebody's own stereo rig: a folder of pairs and one ``rig.yaml``.

``left/%06d.png``, ``right/%06d.png``, ``depth/%06d.png`` (uint16 of the left view, `DEPTH_UNIT_M` metres, 0 = none) and
``rig.yaml`` in pixels and metres. The rig is unlike KITTI's: 12 cm wide, with a longer lens.
"""

from pathlib import Path

import numpy as np
import yaml
from torch import Tensor

from lowtex.files import write_text
from lowtex.geometry import StereoRig
from lowtex_lab.miniature.render import Scene, render
from lowtex_lab.miniature.writing import Target, as_bgr8, check_count, check_size, fill, write_image

STREET = "stereo"
"""Scene name that no other layout uses."""
STEREO_RIG = StereoRig(960.0, 0.12, cx=655.2, cy=352.8, focal_y_px=958.0, width=1280, height=720)
DEPTH_UNIT_M = 0.002
FARTHEST_M = 65535 * DEPTH_UNIT_M
_README = """A folder of stereo pairs as one's own rig may give them: left/, right/, rig.yaml (pixels and metres) and
depth/ (uint16, times depth_unit_m of rig.yaml = metres along the optical axis of the left camera, 0 = none)."""


def write_stereo_folder(
    root: str | Path, pairs: int = 8, size: tuple[int, int] = (360, 640), seed: int = 0, progress: bool = True
) -> Path:
    """Write a folder of rectified pairs.

    A finished root with the same parameters is left as it is; an interrupted one is carried on with.

    Args:
        root: folder to write, new, empty or written by this function before.
        pairs: how many.
        size: (height, width) of the pictures; the cameras are scaled to it.
        seed: of the whole world.
        progress: show a bar.

    Returns:
        ``root`` as a path.

    Raises:
        OptionError: an option is out of range, or the folder holds something else.
        DataError: the disk is full or the folder cannot be written.
    """
    check_count("pairs", pairs)
    size = check_size(size)
    kinds = ("left", "right", "depth")
    target = Target(root, _README, [*kinds, "rig.yaml"], layout="stereo", pairs=pairs, size=size, seed=int(seed))
    rig, scene = STEREO_RIG.resized(size[1], size[0]), Scene(STREET, int(seed))

    def jobs() -> list[tuple]:
        write_text(target.root / "rig.yaml", rig_text(rig))
        paths = [{kind: target.root / kind / f"{k:06d}.png" for kind in kinds} for k in range(pairs)]
        return [(path, scene, k, size, rig) for k, path in enumerate(paths)]

    fill([target], jobs, _write_frame, "Stereo folder miniature", progress)
    return target.root


def rig_text(rig: StereoRig) -> str:
    """``rig.yaml``: the numbers at the size of the pictures."""
    names = ("focal_px", "focal_y_px", "baseline_m", "cx", "cy", "width", "height")
    values = {name: getattr(rig, name) for name in names} | {"depth_unit_m": DEPTH_UNIT_M}
    return "# pixels of the pictures beside this file, and metres\n" + yaml.safe_dump(values, sort_keys=False)


def _write_frame(paths: dict[str, Path], scene: Scene, frame: int, size: tuple[int, int], rig: StereoRig) -> None:
    pair = render(scene, frame, size, rig=rig)
    write_image(paths["left"], as_bgr8(pair.left))
    write_image(paths["right"], as_bgr8(pair.right))
    write_image(paths["depth"], depth_units(pair.depth_left))


def depth_units(depth: Tensor) -> np.ndarray:
    """Depth ``(1, H, W)`` metres, 0 = sky -> uint16 in `DEPTH_UNIT_M`; 0 on the sky and beyond `FARTHEST_M`."""
    units = (depth[0].double() / DEPTH_UNIT_M).round()
    return units.where(units <= 65535, 0.0).numpy().astype(np.uint16)
